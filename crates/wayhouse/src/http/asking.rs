//! `groups/ask`: a GET to all members of a CoAP group, and their answers as they come.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use wayhouse_node::face::operator::asking::{GroupAnswer, GroupQuestion, Said};
use wayhouse_wire::coap::content_format;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{CoapUri, Host};

use super::guard::Admin;
use super::problem::Problem;
use super::{Shared, limits};
use crate::api::v1;
use crate::shell::handle::OperationError;
use crate::shell::links;

/// Asks a group.
///
/// The request is a GET, and goes out by multicast. Each answer is an event `answer`; `end` says that there will be no more.
/// Members that are named and stay silent are asked once more, alone. It needs the admin token because it makes this daemon
/// send.
#[utoipa::path(
    post,
    path = "/api/v1/groups/ask",
    operation_id = "ask_group",
    tag = "groups",
    security(("admin_token" = [])),
    request_body = v1::GroupQuestion,
    responses(
        (status = OK, body = v1::GroupAnswer, content_type = "text/event-stream", description = "The answers, as they come"),
        (status = BAD_REQUEST, body = v1::Problem, content_type = "application/problem+json", description = "That is no question to a group"),
        (status = FORBIDDEN, body = v1::Problem, content_type = "application/problem+json", description = "There is no admin token"),
        (status = SERVICE_UNAVAILABLE, body = v1::Problem, content_type = "application/problem+json", description = "Too many are asking"),
    )
)]
pub async fn ask(
    State(shared): State<Shared>,
    _: Admin,
    question: Result<Json<v1::GroupQuestion>, JsonRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Json(question) =
        question.map_err(|rejection| Problem::bad_request("the body is not a question").hint(rejection.body_text()))?;
    let question = read(&shared, &question)?;
    let place = shared.listen("close another listener")?;
    let since = std::time::Instant::now();
    let mut answers = shared.handle.ask_group(question).await.map_err(|error| match error {
        OperationError::Refused(refusal) => Problem::from(refusal),
        OperationError::Stopping => Problem::busy("the daemon is stopping"),
    })?;
    let (events, events_out) = mpsc::channel(limits::EVENTS_WAITING_MAX);
    let mut stopping = shared.stopping.clone();
    tokio::spawn(async move {
        loop {
            let answer = tokio::select! {
                answer = answers.recv() => answer,
                () = events.closed() => break,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => break,
            };
            let Some(answer) = answer else { break };
            let is_last = answer.outcome.is_none();
            if events.send(event(answer, since.elapsed())).await.is_err() || is_last {
                break;
            }
        }
        drop(place);
    });
    let events = tokio_stream::StreamExt::map(ReceiverStream::new(events_out), Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(limits::HEARTBEAT).text("alive")))
}

fn read(shared: &Shared, question: &v1::GroupQuestion) -> Result<GroupQuestion, Problem> {
    let window = match question.window_s {
        None => None,
        Some(seconds) => Some(
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|window| !window.is_zero())
                .ok_or_else(|| Problem::bad_request("`window_s` is not a positive number of seconds"))?,
        ),
    };
    let member = |text: &String| {
        text.parse::<SocketAddr>().map_err(|_| {
            Problem::bad_request("a member is not an address and a port")
                .hint("write 192.0.2.1:5683 or [2001:db8::1]:5683")
        })
    };
    // A zone in the address names an interface too.
    let uri = CoapUri::parse(&question.uri).ok();
    let zone = uri.as_ref().and_then(|uri| uri.zone.as_ref());
    let mut names: Vec<&String> = question.interfaces.iter().chain(zone).collect();
    if let (true, Some(Host::Address(address))) = (names.is_empty(), uri.as_ref().map(|uri| &uri.host)) {
        names.extend(shared.settings.group_interfaces.get(address).into_iter().flatten());
    }
    let interfaces = names.into_iter().map(|name| {
        links::index_of(name)
            .map_err(|_| Problem::bad_request("there is no interface of that name").hint("`ip link` shows the names"))
    });
    let interfaces = interfaces.collect::<Result<_, _>>()?;
    Ok(GroupQuestion {
        uri: question.uri.clone(),
        interfaces,
        window,
        repetitions: u32::from(question.repetitions),
        members: question.members.iter().map(member).collect::<Result<_, _>>()?,
    })
}

fn event(answer: GroupAnswer, after: Duration) -> Event {
    let after_s = (after.as_secs_f64() * 1_000.0).round() / 1_000.0;
    let from = answer.from.map(|from| from.to_string());
    let (name, shown) = match answer.outcome {
        None => ("end", v1::GroupAnswer { after_s, ..v1::GroupAnswer::default() }),
        Some(Err(failure)) => (
            "answer",
            v1::GroupAnswer { from, after_s, failure: Some(failure.to_string()), ..v1::GroupAnswer::default() },
        ),
        Some(Ok(said)) => ("answer", describe(from, after_s, said)),
    };
    Event::default().event(name).json_data(shown).expect("an answer has only string keys and finite numbers")
}

fn describe(from: Option<String>, after_s: f64, said: Said) -> v1::GroupAnswer {
    let format = said.options.first(number::CONTENT_FORMAT).and_then(|option| option.uint());
    let format = format.and_then(|format| u16::try_from(format).ok());
    let (text, hex) = match String::from_utf8(said.payload) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(error.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect())),
    };
    v1::GroupAnswer {
        from,
        after_s,
        code: Some(said.code.to_string()),
        media_type: format.and_then(content_format::media_type).map(str::to_owned),
        content_format: format,
        text,
        hex,
        failure: None,
    }
}
