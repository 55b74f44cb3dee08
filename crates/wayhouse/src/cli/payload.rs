//! Where payloads come from: the command line, a file, standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use wayhouse_wire::coap::option::number;

use super::exchange::Question;
use super::exit::Fault;
use super::request_options::ContentFormat;

/// The body of a request.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PayloadOptions {
    /// The payload as text; `-` reads standard input
    #[arg(value_name = "PAYLOAD", conflicts_with_all = ["payload", "payload_file"])]
    pub body: Option<String>,
    /// The payload as text
    #[arg(long, value_name = "TEXT", conflicts_with = "payload_file", allow_hyphen_values = true)]
    pub payload: Option<String>,
    /// The payload is what this file holds; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub payload_file: Option<PathBuf>,
    /// What the payload is: a number, or a media type such as json, cbor, text/plain
    #[arg(long, value_name = "CF")]
    pub content_format: Option<ContentFormat>,
}

impl PayloadOptions {
    /// Puts the payload and what it is into a question.
    ///
    /// # Errors
    /// Misuse when a file cannot be read.
    pub(super) fn fill(&self, question: &mut Question) -> Result<(), Fault> {
        if let Some(ContentFormat(format)) = self.content_format {
            question.options.push_uint(number::CONTENT_FORMAT, u64::from(format));
        }
        question.payload = match (&self.body, &self.payload, &self.payload_file) {
            (Some(body), _, _) if body == "-" => read_file(Path::new("-"))?,
            (Some(text), _, _) | (_, Some(text), _) => text.clone().into_bytes(),
            (_, _, Some(file)) => read_file(file)?,
            (None, None, None) => Vec::new(),
        };
        Ok(())
    }
}

/// What a file holds, or standard input for `-`.
///
/// # Errors
/// Misuse with the system's reason.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    if path == Path::new("-") {
        let mut octets = Vec::new();
        return match std::io::stdin().read_to_end(&mut octets) {
            Ok(_) => Ok(octets),
            Err(error) => {
                Err(Fault::misuse(format!("cannot read standard input: {error}")).hint("name a file instead"))
            }
        };
    }
    std::fs::read(path).map_err(|error| {
        Fault::misuse(format!("cannot read {}: {error}", path.display())).hint("check the name of the file")
    })
}
