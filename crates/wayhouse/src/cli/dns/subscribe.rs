//! `subscribe`: records of a name as a server pushes their changes (RFC 8765).

use std::collections::BTreeSet;
use std::time::SystemTime;

use clap::Args as Arguments;
use serde_json::json;
use wayhouse_proto::dns::client::Asked;
use wayhouse_proto::dns::client::follower::Event;
use wayhouse_proto::dns::client::record_set::Difference;
use wayhouse_wire::dns::{Class, Rtype};

use super::following::{FollowOptions, Following, tell};
use super::server::ServerOptions;
use super::shown;
use crate::cli::exit::{Exit, Fault};
use crate::cli::interrupt::Interrupt;
use crate::cli::printer::{Printer, timestamp};

pub(crate) const EXAMPLES: &str = "Prints what there is with +, then what comes (+) and goes (-), until Ctrl-C. Over TLS; --tcp does without, where \
    the server allows it. Where the server does not push, it is asked again and again.\n\n\
    With --json: one object in each line: at, event (added, removed), and record with name, ttl, class, type, data.\n\n\
    Examples:\n  \
    wayhouse subscribe _coap._udp.services.home.arpa PTR --tcp\n  \
    wayhouse subscribe lamp._coap._udp.services.home.arpa SRV TXT --pin Yos1…HdM=\n  \
    wayhouse subscribe lamp.services.home.arpa ANY --json --server ns.home.example";

/// `subscribe`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// The name to be told about
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Types of records, such as PTR, SRV, ANY
    #[arg(value_name = "TYPE", required = true)]
    pub rtypes: Vec<Rtype>,
    /// The class of records
    #[arg(long, value_name = "CLASS", default_value = "IN")]
    pub class: Class,
    /// Stop after this many changes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print one JSON object in each line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(super) follow: FollowOptions,
    #[command(flatten)]
    pub(super) server: ServerOptions,
}

/// Runs `subscribe`.
pub(in crate::cli) async fn execute(args: Args) -> Result<Exit, Fault> {
    let name = shown::parse_name(&args.name)?;
    let asked = |rtype: &Rtype| Asked { name: name.clone(), rtype: *rtype, class: args.class };
    let wanted: BTreeSet<Asked> = args.rtypes.iter().map(asked).collect();
    let mut interrupt = Interrupt::new()?;
    let mut following = Following::new(&args.server, &args.follow, &name).await?;
    following.set_wanted(&wanted);
    let outcome = follow(&args, &mut following, &mut interrupt).await;
    following.close().await;
    outcome
}

async fn follow(args: &Args, following: &mut Following, interrupt: &mut Interrupt) -> Result<Exit, Fault> {
    let mut printer = Printer::stdout();
    let mut printed = 0;
    loop {
        let event = tokio::select! {
            event = following.next() => event,
            () = interrupt.wait() => return Ok(Exit::Done),
        };
        let Event::Changed(differences) = event else {
            tell(&event, following.take_why_not());
            continue;
        };
        let at = timestamp(SystemTime::now());
        for difference in &differences {
            show(&mut printer, args.json, &at, difference)?;
            printed += 1;
            if args.count.is_some_and(|count| printed >= count) {
                return Ok(Exit::Done);
            }
        }
    }
}

fn show(printer: &mut Printer, is_json: bool, at: &str, difference: &Difference) -> Result<(), Fault> {
    let (sign, word, record) = match difference {
        Difference::Added(record) => ("+", "added", record),
        Difference::Removed(record) => ("-", "removed", record),
    };
    if is_json {
        printer.json_line(&json!({ "at": at, "event": word, "record": shown::record_json(record) }))?;
    } else {
        printer.line(&format!("{at} {sign} {}", shown::line(record)))?;
    }
    Ok(())
}
