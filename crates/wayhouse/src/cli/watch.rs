//! `watch`: who comes and goes at a resource directory, as the directory pushes it (RD37).

use std::time::{Duration, SystemTime};

use clap::Args as Arguments;
use serde_json::json;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;

use super::client::Client;
use super::difference::{Difference, State};
use super::directory::{self, LookupOptions};
use super::exchange::Question;
use super::exit::{Exit, Fault};
use super::interrupt::Interrupt;
use super::observe::{Observation, Seen};
use super::printer::{Printer, links, problem, timestamp};

pub(super) const EXAMPLES: &str = "Prints what is there with +, then what is added (+), changed (~) and removed (-), until Ctrl-C.\n\n\
    With --json: one object in each line: at, event (added, changed, removed), and link with href and the attributes by name.\n\n\
    Examples:\n  \
    wayhouse watch\n  \
    wayhouse watch d=kitchen\n  \
    wayhouse watch --resources rt=temperature --json";

/// Between two lookups when the directory does not push: Max-Age, but not shorter than this.
const POLL_MIN: Duration = Duration::from_secs(5);

/// `watch`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) lookup: LookupOptions,
    /// Stop after this many differences
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print one JSON object in each line
    #[arg(long)]
    pub json: bool,
}

/// Runs `watch`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let mut interrupt = Interrupt::new()?;
    let mut client = Client::new(args.lookup.directory.verbose)?;
    let lookup = tokio::select! {
        lookup = args.lookup.find(&mut client) => lookup?,
        () = interrupt.wait() => return Ok(Exit::Done),
    };
    let question = Question { is_observation: true, ..args.lookup.question(std::iter::empty()) };
    let mut observation = Observation::with_client(client, lookup, question);
    let outcome = watch(&args, &mut observation, &mut interrupt).await;
    observation.end().await;
    outcome
}

async fn watch(args: &Args, observation: &mut Observation, interrupt: &mut Interrupt) -> Result<Exit, Fault> {
    let mut printer = Printer::stdout();
    let mut state = State::default();
    let mut told = 0;
    let mut is_told_to_poll = false;
    loop {
        let Seen { reply, is_pushed, .. } = tokio::select! {
            seen = observation.next() => seen?,
            () = interrupt.wait() => return Ok(Exit::Done),
        };
        if !reply.code.is_some_and(|code| code.is_success()) {
            return Err(problem::refusal(&reply));
        }
        for difference in state.advance(&directory::links_of(&reply)?) {
            tell(&mut printer, args, &difference)?;
            told += 1;
            if args.count.is_some_and(|count| told >= count) {
                return Ok(Exit::Done);
            }
        }
        if !is_pushed {
            let max_age = reply.options.first(number::MAX_AGE).and_then(|option| option.uint()).unwrap_or(60);
            let pause = Duration::from_secs(max_age).max(POLL_MIN);
            if !std::mem::replace(&mut is_told_to_poll, true) {
                eprintln!("note: the directory does not push changes; asking it again every {} s", pause.as_secs());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = interrupt.wait() => return Ok(Exit::Done),
            }
        }
    }
}

fn tell(printer: &mut Printer, args: &Args, difference: &Difference) -> Result<(), Fault> {
    let at = timestamp(SystemTime::now());
    let document = LinkFormat::trusted(difference.link());
    let link = document.links().next().expect("a difference holds one link that was read before");
    match args.json {
        true => {
            printer.json_line(&json!({ "at": at, "event": difference.word(), "link": links::link_json(&link) }))?;
        }
        false => printer.line(&format!("{at} {} {}", difference.sign(), links::one_line(&link)))?,
    }
    Ok(())
}
