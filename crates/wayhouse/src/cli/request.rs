//! `get put post delete fetch patch ipatch`: one request, its answer printed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::{Code, content_format};

use super::client::Client;
use super::exchange::{Answered, Question, content_format_of, exchange, gather, location_of};
use super::exit::{Exit, Fault};
use super::payload::PayloadOptions;
use super::place::Place;
use super::printer::representation::render;
use super::printer::{Printer, json, problem};
use super::request_options::RequestOptions;
use super::trace::code_with_name;

/// `get`, `delete`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WithoutPayload {
    /// What to ask for: coap://host/path (UDP) or coap+tcp://host/path
    #[arg(value_name = "URI")]
    pub uri: String,
    #[command(flatten)]
    pub(super) request: RequestOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// `put`, `post`, `fetch`, `patch`, `ipatch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WithPayload {
    /// What to change: coap://host/path (UDP) or coap+tcp://host/path
    #[arg(value_name = "URI")]
    pub uri: String,
    #[command(flatten)]
    pub(super) payload: PayloadOptions,
    #[command(flatten)]
    pub(super) request: RequestOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// How to show an answer.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OutputOptions {
    #[doc = "Print the whole answer as JSON"]
    #[arg(long, conflicts_with = "raw", long_help = format!("Print the whole answer as JSON. {}", json::KEYS))]
    pub json: bool,
    /// Print the octets of the payload as they are
    #[arg(long)]
    pub raw: bool,
    /// Write to this file instead of standard output; without --json, the octets of the payload as they are
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Runs a verb without payload.
pub(super) async fn without_payload(code: Code, args: WithoutPayload) -> Result<Exit, Fault> {
    let question = args.request.question(code);
    converse(&args.uri, question, args.request.verbose, &args.output).await
}

/// Runs a verb with payload.
pub(super) async fn with_payload(code: Code, args: WithPayload) -> Result<Exit, Fault> {
    let mut question = args.request.question(code);
    args.payload.fill(&mut question)?;
    converse(&args.uri, question, args.request.verbose, &args.output).await
}

async fn converse(uri: &str, question: Question, is_verbose: bool, output: &OutputOptions) -> Result<Exit, Fault> {
    let place = Place::parse(uri)?;
    let mut client = Client::new(is_verbose)?;
    let answers = match place.is_group() {
        true => gather(&mut client, &place, &question).await,
        false => exchange(&mut client, &place, &question).await.map(|answered| vec![answered]),
    };
    client.close().await;
    let mut printer = Printer::stdout();
    let mut is_any_success = false;
    let mut last_refusal = None;
    for Answered { from, reply, .. } in answers? {
        if place.is_group() && !output.json {
            eprintln!("from {}:", from.map_or_else(|| "?".to_owned(), |from| from.to_string()));
        }
        match show(&mut printer, output, &reply, from)? {
            None => is_any_success = true,
            Some(refusal) => {
                if let Some(earlier) = last_refusal.replace(refusal) {
                    eprintln!("{earlier}");
                }
            }
        }
    }
    match last_refusal {
        Some(refusal) if !is_any_success => Err(refusal),
        Some(refusal) => {
            eprintln!("{refusal}");
            Ok(Exit::Done)
        }
        None => Ok(Exit::Done),
    }
}

/// Prints an answer; a refusal comes back, to be told last.
fn show(
    printer: &mut Printer,
    output: &OutputOptions,
    reply: &Reply,
    from: Option<SocketAddr>,
) -> Result<Option<Fault>, Fault> {
    let is_success = reply.code.is_some_and(Code::is_success);
    let refusal = (!is_success).then(|| problem::refusal(reply));
    if output.json {
        let value = json::reply_json(reply, from);
        match &output.output {
            Some(_) => write_file(output, format!("{value:#}\n").as_bytes())?,
            None => printer.json(&value)?,
        }
        return Ok(refusal);
    }
    if is_success {
        if reply.code != Some(Code::CONTENT) {
            eprintln!("{}", code_with_name(reply.code.unwrap_or(Code::EMPTY)));
        }
        if let Some(location) = location_of(reply) {
            printer.line(&location)?;
        }
        match (&output.output, output.raw) {
            (Some(_), _) => write_file(output, &reply.payload)?,
            (None, true) => printer.octets(&reply.payload)?,
            (None, false) => {
                printer.octets(&render(content_format_of(reply), &reply.payload, printer.surroundings()))?
            }
        }
    } else if output.raw {
        printer.octets(&reply.payload)?;
    } else if is_unexplained(reply) {
        // The fault tells text and problem details in a sentence; other payloads are shown.
        printer.octets(&render(content_format_of(reply), &reply.payload, printer.surroundings()))?;
    }
    Ok(refusal)
}

fn is_unexplained(reply: &Reply) -> bool {
    !matches!(content_format_of(reply), None | Some(content_format::TEXT_PLAIN | content_format::PROBLEM_DETAILS_CBOR))
}

fn write_file(output: &OutputOptions, octets: &[u8]) -> Result<(), Fault> {
    let Some(path) = &output.output else { return Ok(()) };
    std::fs::write(path, octets).map_err(|error| {
        Fault::misuse(format!("cannot write {}: {error}", path.display())).hint("check the name of the file")
    })
}

/// An answer as a JSON object with the time it arrived.
pub(super) fn timed_json(reply: &Reply, from: Option<SocketAddr>, at: &str) -> Value {
    let mut value = json::reply_json(reply, from);
    value["at"] = Value::from(at);
    value
}
