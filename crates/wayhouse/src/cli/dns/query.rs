//! `query`: one question to a name server.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args as Arguments;
use serde_json::{Value, json};
use wayhouse_proto::dns::client::{Answer, Asked, OwnedRecord};
use wayhouse_wire::dns::{Class, Flags, Name, OptRcode, Rtype};

use super::asking::{self, Asker};
use super::server::ServerOptions;
use super::shown;
use crate::cli::exit::{Exit, Fault};
use crate::cli::printer::Printer;

pub(crate) const EXAMPLES: &str = "Prints the records of the answer; what the server says beside them goes to standard error.\n\
    Exit code 1 when there is no such name, nothing of that type at it, or the server refuses.\n\n\
    With --json: one object with server, rcode, flags, octets, milliseconds, and answers, authorities, additionals, each a list of \
    records with name, ttl, class, type, data.\n\n\
    Examples:\n  \
    wayhouse query _coap._udp.services.home.arpa PTR\n  \
    wayhouse query lamp._coap._udp.services.home.arpa SRV --json\n  \
    wayhouse query -x 192.168.1.20\n  \
    wayhouse query example.com AAAA --server 192.168.1.1 --tcp";

/// `query`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// The name to ask about
    #[arg(value_name = "NAME", required_unless_present = "reverse")]
    pub name: Option<String>,
    /// The type of record, such as A, AAAA, PTR, SRV, TXT, ANY [default: A, with -x PTR]
    #[arg(value_name = "TYPE")]
    pub rtype: Option<Rtype>,
    /// Ask who has this address
    #[arg(short = 'x', long = "reverse", value_name = "ADDRESS", conflicts_with = "name")]
    pub reverse: Option<IpAddr>,
    /// The class of record
    #[arg(long, value_name = "CLASS", default_value = "IN")]
    pub class: Class,
    /// Ask within a session (DNS Stateful Operations, RFC 8490)
    #[arg(long)]
    pub dso: bool,
    /// Do not ask the server to find out elsewhere
    #[arg(long)]
    pub no_recursion: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(super) server: ServerOptions,
}

/// Runs `query`.
pub(in crate::cli) async fn execute(args: Args) -> Result<Exit, Fault> {
    let asked = args.asked()?;
    let begun = Instant::now();
    let (server, answer) = if args.dso {
        asking::in_session(&args.server, &asked, !args.no_recursion).await?
    } else {
        let mut asker = Asker::new(&args.server, !args.no_recursion).await?;
        let answer = asker.ask(&asked).await;
        asker.close().await;
        (asker.server().addresses[0], answer?)
    };
    show(&args, &asked, &answer, server, begun.elapsed())
}

impl Args {
    fn asked(&self) -> Result<Asked, Fault> {
        let (name, usual) = match (&self.name, self.reverse) {
            (_, Some(address)) => (Name::reverse(address), Rtype::PTR),
            (Some(name), None) => (shown::parse_name(name)?, Rtype::A),
            (None, None) => return Err(Fault::misuse("there is nothing to ask").hint("name a name, or -x ADDRESS")),
        };
        Ok(Asked { name, rtype: self.rtype.unwrap_or(usual), class: self.class })
    }
}

fn show(args: &Args, asked: &Asked, answer: &Answer, server: SocketAddr, took: Duration) -> Result<Exit, Fault> {
    let mut printer = Printer::stdout();
    if args.json {
        let list = |records: &[OwnedRecord]| records.iter().map(shown::record_json).collect::<Value>();
        printer.json(&json!({
            "server": server.to_string(),
            "rcode": answer.rcode.to_string(),
            "flags": flags(answer.flags),
            "octets": answer.octets,
            "milliseconds": took.as_millis() as u64,
            "answers": list(&answer.answers),
            "authorities": list(&answer.authorities),
            "additionals": list(&answer.additionals),
        }))?;
    } else if answer.is_positive() {
        printer.line(&shown::records_table(answer.answers.iter(), printer.surroundings()))?;
        if !answer.additionals.is_empty() {
            printer.line("")?;
            printer.line(&shown::records_table(answer.additionals.iter(), printer.surroundings()))?;
        }
    }
    if !args.json {
        let (milliseconds, flags) = (took.as_millis(), flags(answer.flags).join(" "));
        eprintln!("{} {flags}, {} octets from {server} in {milliseconds} ms", answer.rcode, answer.octets);
    }
    match answer.rcode {
        OptRcode::NOERROR if answer.is_positive() => Ok(Exit::Done),
        OptRcode::NOERROR => Err(Fault::negative(format!("the name is there, but has no {}", asked.rtype))
            .hint("ask for type ANY to see what it has")),
        OptRcode::NXDOMAIN => Err(Fault::negative(format!("there is no name {}", shown::question(asked)))),
        OptRcode::REFUSED => Err(Fault::negative("the server refuses to answer")
            .hint("it may serve other zones only; --server names another server")),
        rcode => Err(Fault::negative(format!("the server answers {rcode}"))),
    }
}

/// The bits of a header by their names.
fn flags(flags: Flags) -> Vec<&'static str> {
    let bits = [
        (Flags::AA, "aa"),
        (Flags::TC, "tc"),
        (Flags::RD, "rd"),
        (Flags::RA, "ra"),
        (Flags::AD, "ad"),
        (Flags::CD, "cd"),
    ];
    bits.into_iter().filter(|(bit, _)| flags.has(*bit)).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests;
