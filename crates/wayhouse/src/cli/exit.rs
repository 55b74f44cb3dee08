//! How a verb ends: the exit codes, and the fault that explains every one but success.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The exit codes of all verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; a request was answered with 2.xx.
    Done = 0,
    /// The answer was a refusal (4.xx, 5.xx), could not be used, or nothing was found.
    Negative = 1,
    /// The command line, a file named by it, or a value makes no sense.
    Misuse = 2,
    /// Nobody was reached, or nobody answered.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb failed, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong, as a sentence without a full stop. Empty when nothing needs to be said: standard output was closed by
    /// its reader.
    pub what: String,
    /// What to try next.
    pub hint: Option<String>,
}

impl Fault {
    fn new(exit: Exit, what: impl Into<String>) -> Fault {
        Fault { exit, what: what.into(), hint: None }
    }
    /// A mistake on the command line.
    pub(crate) fn misuse(what: impl Into<String>) -> Fault {
        Fault::new(Exit::Misuse, what)
    }
    /// A refusal, or nothing found.
    pub(crate) fn negative(what: impl Into<String>) -> Fault {
        Fault::new(Exit::Negative, what)
    }
    /// Nobody there.
    pub(crate) fn unreachable(what: impl Into<String>) -> Fault {
        Fault::new(Exit::Unreachable, what)
    }
    /// The same fault with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for Fault {
    /// A fault of writing the output.
    fn from(error: io::Error) -> Fault {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Fault::new(Exit::Done, "");
        }
        Fault::misuse(format!("cannot write the output: {error}")).hint("is the disk full, or the output closed?")
    }
}
