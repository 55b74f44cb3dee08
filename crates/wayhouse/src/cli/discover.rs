//! `discover`: what a server says of itself in `/.well-known/core` (RFC 7252 §7, RFC 6690).

use std::net::SocketAddr;

use clap::Args as Arguments;
use serde_json::Value;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use super::args::{KeyValue, Seconds};
use super::client::Client;
use super::directory;
use super::exchange::{Question, exchange};
use super::exit::{Exit, Fault};
use super::group::{Gathering, GroupOptions};
use super::place::Place;
use super::printer::{Printer, links};

pub(super) const EXAMPLES: &str = "With --json: a list of links; each has href and its attributes by name (true when an attribute has no \
    value, a list when it is repeated), and from when a group was asked.\n\n\
    Examples:\n  \
    wayhouse discover coap://sensor.example\n  \
    wayhouse discover coap://[::1] 'rt=core.rd*'\n  \
    wayhouse discover 'coap://[ff02::fe%eth0]' 'rt=core.rd*'     (resource directories on a link)";

/// `discover`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// The server, or a group of servers: coap://host (UDP) or coap+tcp://host; with a path, the document there
    #[arg(value_name = "URI", env = directory::VARIABLE, default_value = directory::DEFAULT)]
    pub uri: String,
    /// Only links with this attribute, such as rt=light or `rt=core.*`
    #[arg(value_name = "FILTER")]
    pub filter: Vec<KeyValue>,
    /// Print the links as JSON
    #[arg(long)]
    pub json: bool,
    /// Give up when nothing was heard for this many seconds [default: 93; for a group, gather 7]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,
    /// Tell every message with its code and options on standard error
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Runs `discover`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let place = Place::parse(&args.uri)?.with_default_path(directory::WELL_KNOWN_CORE)?;
    let mut question = Question { patience: args.timeout.map(|seconds| seconds.0), ..Question::new(Code::GET) };
    question.options.push_uint(number::ACCEPT, u64::from(content_format::LINK_FORMAT));
    for filter in &args.filter {
        question.options.push(number::URI_QUERY, filter.to_string().as_bytes());
    }
    let mut client = Client::new(args.verbose)?;
    let is_group = args.group.means_group(&place);
    let answers = match is_group {
        true => gather(&mut client, &place, &question, &args.group).await,
        false => {
            let answered = exchange(&mut client, &place, &question).await;
            answered.and_then(|answered| Ok(vec![(None, answered.success()?)]))
        }
    };
    client.close().await;
    let mut printer = Printer::stdout();
    let mut objects = Vec::new();
    let mut found = 0;
    for (from, reply) in answers? {
        let document = directory::links_of(&reply)?;
        let wanted =
            || document.links().filter(|link| args.filter.iter().all(|filter| directory::matches(link, filter)));
        found += wanted().count();
        if args.json {
            objects.extend(wanted().map(|link| {
                let mut object = links::link_json(&link);
                if let Some(from) = from {
                    object["from"] = Value::from(from.to_string());
                }
                object
            }));
            continue;
        }
        if let Some(from) = from {
            printer.line(&format!("{from}:"))?;
        }
        if wanted().next().is_some() {
            printer.line(&links::resources_table(wanted(), printer.surroundings()))?;
        }
    }
    if args.json {
        printer.json(&Value::from(objects))?;
    }
    if found == 0 {
        if !args.json {
            eprintln!("nothing found");
        }
        return Ok(Exit::Negative);
    }
    Ok(Exit::Done)
}

/// Asks a group, and gathers what all its members offer.
async fn gather(
    client: &mut Client,
    place: &Place,
    question: &Question,
    options: &GroupOptions,
) -> Result<Vec<(Option<SocketAddr>, Reply)>, Fault> {
    let mut gathering = Gathering::start(client, place, question, options).await?;
    let mut gathered = Vec::new();
    while let Some(heard) = gathering.next(client).await? {
        if let Ok(reply) = heard.outcome
            && reply.code.is_some_and(Code::is_success)
        {
            gathered.push((Some(heard.from), reply));
        }
    }
    let gathering = gathering.end(client).await;
    match gathered.is_empty() {
        true => gathering.conclude(&mut Printer::stdout(), super::group::Form::Lines).map(|_| gathered),
        false => Ok(gathered),
    }
}
