//! `get put post delete fetch patch ipatch`: one request, its answer printed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use super::client::Client;
use super::exchange::{Answered, Question, content_format_of, exchange, location_of};
use super::exit::{Exit, Fault};
use super::group::{self, GroupOptions};
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
    #[command(flatten)]
    pub(super) group: GroupOptions,
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
    #[command(flatten)]
    pub(super) group: GroupOptions,
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
    converse(&args.uri, question, args.request.verbose, &args.output, &args.group).await
}

/// Runs a verb with payload.
pub(super) async fn with_payload(code: Code, args: WithPayload) -> Result<Exit, Fault> {
    let mut question = args.request.question(code);
    args.payload.fill(&mut question)?;
    if code == Code::FETCH && question.options.first(number::CONTENT_FORMAT).is_none() {
        return Err(Fault::misuse("FETCH needs to know what its payload is (RFC 8132 §2.1)")
            .hint("say so with --content-format, such as --content-format application/cbor"));
    }
    converse(&args.uri, question, args.request.verbose, &args.output, &args.group).await
}

async fn converse(
    uri: &str,
    question: Question,
    is_verbose: bool,
    output: &OutputOptions,
    group: &GroupOptions,
) -> Result<Exit, Fault> {
    let place = Place::parse(uri)?;
    let mut client = Client::new(is_verbose)?;
    if group.means_group(&place) {
        if output.output.is_some() {
            return Err(Fault::misuse("a group has many answers, and --output takes one")
                .hint("redirect standard output, with --json or --raw"));
        }
        let form = group::form(output.json, output.raw);
        let outcome = group::converse(&mut client, &place, &question, group, form, None).await;
        client.close().await;
        return outcome;
    }
    let answered = exchange(&mut client, &place, &question).await;
    client.close().await;
    let Answered { from, reply, .. } = answered?;
    match show(&mut Printer::stdout(), output, &reply, from)? {
        Some(refusal) => Err(refusal),
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
