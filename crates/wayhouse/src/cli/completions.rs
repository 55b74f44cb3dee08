//! `completions` and `man`: what shells and manual readers want to know of the command line, made from [`Cli`] itself.

use clap::{Args as Arguments, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::exit::{Exit, Fault};
use super::printer::Printer;

pub(super) const EXAMPLES: &str = "Examples:\n  \
    wayhouse completions bash > /usr/share/bash-completion/completions/wayhouse\n  \
    wayhouse completions zsh > ~/.zfunc/_wayhouse\n  \
    wayhouse completions fish > ~/.config/fish/completions/wayhouse.fish";

/// `completions`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Runs `completions`.
pub(super) fn write_completions(args: &Args) -> Result<Exit, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wayhouse", &mut script);
    Printer::stdout().octets(&script)?;
    Ok(Exit::Done)
}

/// Runs `man`: the page of the program, then those of its verbs.
pub(super) fn write_manual() -> Result<Exit, Fault> {
    let mut command = Cli::command().disable_help_flag(true);
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        clap_mangen::Man::new(verb.clone()).render(&mut page)?;
    }
    Printer::stdout().octets(&page)?;
    Ok(Exit::Done)
}
