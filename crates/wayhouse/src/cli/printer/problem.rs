//! A refusal as sentences: the code, what the server says about it, and what to try next.

use serde_json::Value;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::cbor::ProblemDetails;
use wayhouse_wire::coap::option::{definition, number};
use wayhouse_wire::coap::{Code, content_format};

use super::printable;
use crate::cli::exchange::content_format_of;
use crate::cli::exit::Fault;
use crate::cli::trace::code_with_name;

/// The sentences of problem details (RFC 9290), if that is what the octets are.
pub(in crate::cli) fn sentences(payload: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let problem = ProblemDetails::decode(payload, &mut numbers).ok()?;
    let mut said = Vec::new();
    said.extend(problem.title.map(|title| printable(title).into_owned()));
    said.extend(problem.detail.map(|detail| printable(detail).into_owned()));
    if !problem.unprocessed_coap_options.is_empty() {
        let name = |&number: &u16| match definition(number) {
            Some(definition) => format!("{} ({number})", definition.name),
            None => number.to_string(),
        };
        let options = problem.unprocessed_coap_options.iter().map(name).collect::<Vec<_>>();
        said.push(format!("not processed: option {}", options.join(", ")));
    }
    Some(said.join(". "))
}

/// Title and detail as JSON.
pub(in crate::cli) fn json(payload: &[u8]) -> Option<Value> {
    let mut numbers = Vec::new();
    let problem = ProblemDetails::decode(payload, &mut numbers).ok()?;
    Some(serde_json::json!({
        "title": problem.title,
        "detail": problem.detail,
        "unprocessed_options": problem.unprocessed_coap_options,
    }))
}

/// A refusal as a fault.
pub(in crate::cli) fn refusal(reply: &Reply) -> Fault {
    let code = reply.code.unwrap_or(Code::EMPTY);
    let mut what = code_with_name(code);
    let explanation = match content_format_of(reply) {
        Some(content_format::PROBLEM_DETAILS_CBOR) => sentences(&reply.payload),
        // A diagnostic payload (RFC 7252 §5.5.2).
        None | Some(content_format::TEXT_PLAIN) => {
            std::str::from_utf8(&reply.payload).ok().map(|text| printable(text.trim()).into_owned())
        }
        Some(_) => None,
    };
    if let Some(explanation) = explanation.filter(|text| !text.is_empty()) {
        what = format!("{what}: {explanation}");
    }
    let fault = Fault::negative(what);
    match hint(code, reply) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn hint(code: Code, reply: &Reply) -> Option<String> {
    let seconds = || reply.options.first(number::MAX_AGE).and_then(|option| option.uint()).unwrap_or(60);
    Some(match code {
        Code::BAD_REQUEST => "`-v` shows what was sent".to_owned(),
        Code::UNAUTHORIZED | Code::FORBIDDEN => {
            "the server does not let just anybody do this; ask whoever runs it".to_owned()
        }
        Code::BAD_OPTION => "leave out the option that the server does not know; `-v` shows what was sent".to_owned(),
        Code::NOT_FOUND => "`wayhouse discover URI` lists what the server offers".to_owned(),
        Code::METHOD_NOT_ALLOWED => {
            "the resource takes other methods; `wayhouse discover URI` lists what the server offers".to_owned()
        }
        Code::NOT_ACCEPTABLE => {
            "the server does not have it in the content-format that was asked for (--accept)".to_owned()
        }
        Code::CONFLICT | Code::PRECONDITION_FAILED => {
            "look at what is there with `wayhouse get`, then try again".to_owned()
        }
        Code::REQUEST_ENTITY_TOO_LARGE => match reply.options.first(number::SIZE1).and_then(|option| option.uint()) {
            Some(size) => format!("the server takes {size} octets at most"),
            None => "send less, or smaller blocks with --block-size".to_owned(),
        },
        Code::UNSUPPORTED_CONTENT_FORMAT => "say what the payload is with --content-format".to_owned(),
        Code::TOO_MANY_REQUESTS | Code::SERVICE_UNAVAILABLE => format!("try again in {} s", seconds()),
        Code::PROXYING_NOT_SUPPORTED => "this server is no proxy; ask the origin server itself".to_owned(),
        _ => return None,
    })
}
