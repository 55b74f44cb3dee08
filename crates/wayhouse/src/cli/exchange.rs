//! One question and its answer: tries the addresses of a host in turn, waits with patience, shows progress, and turns
//! every way of not being answered into a fault that a person understands.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use wayhouse_proto::coap::endpoint::{Failure, Refused, Reply, Target};
use wayhouse_proto::coap::{Ask, RequestId};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, OptionList, uri};

use super::client::{Client, Happening};
use super::exit::Fault;
use super::place::Place;
use super::progress::Progress;

/// Patience without `--timeout`: MAX_TRANSMIT_WAIT, the time within which a confirmable message is acknowledged or given up
/// (RFC 7252 §4.8.2).
pub(super) const MAX_TRANSMIT_WAIT: Duration = Duration::from_secs(93);

/// What to ask, apart from where.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Method.
    pub code: Code,
    /// Options beside those of the URI.
    pub options: OptionList,
    /// Body.
    pub payload: Vec<u8>,
    /// CON or NON.
    pub is_confirmable: bool,
    /// Whether to observe.
    pub is_observation: bool,
    /// Block size exponent.
    pub block_szx: Option<u8>,
    /// How long to wait without hearing anything.
    pub patience: Option<Duration>,
}

impl Question {
    /// A confirmable request without options and body.
    pub(super) fn new(code: Code) -> Question {
        Question {
            code,
            options: OptionList::new(),
            payload: Vec::new(),
            is_confirmable: true,
            is_observation: false,
            block_szx: None,
            patience: None,
        }
    }

    fn ask(&self, place: &Place, to: Target) -> Ask {
        let mut options = place.uri.options.clone();
        for option in self.options.iter() {
            options.push(option.number, option.value);
        }
        // Without patience: this program's begins again with everything that arrives, and so is kept here.
        Ask {
            payload: self.payload.clone(),
            is_confirmable: self.is_confirmable,
            is_observation: self.is_observation,
            block_szx: self.block_szx,
            ..Ask::new(to, self.code, options)
        }
    }
}

/// A request that was answered once and, if it is an observation, may be answered again.
#[derive(Debug)]
pub(super) struct Answered {
    /// Which request.
    pub id: RequestId,
    /// Who answered.
    pub from: Option<SocketAddr>,
    /// What.
    pub reply: Reply,
    /// Whether more may come.
    pub is_open: bool,
}

impl Answered {
    /// The reply if it is a success.
    ///
    /// # Errors
    /// The refusal otherwise.
    pub(super) fn success(self) -> Result<Reply, Fault> {
        match self.reply.code {
            Some(code) if code.is_success() => Ok(self.reply),
            _ => Err(super::printer::problem::refusal(&self.reply)),
        }
    }
}

/// Asks and waits for the first answer, whatever its code.
///
/// # Errors
/// Unreachable when no address answers; negative when the answer cannot be used.
pub(super) async fn exchange(client: &mut Client, place: &Place, question: &Question) -> Result<Answered, Fault> {
    let mut addresses = VecDeque::from(place.addresses().await?);
    loop {
        let address = addresses.pop_front().expect("a host has at least one address, and the last one returns");
        match exchange_with(client, place, address, question).await {
            // Some hosts have a name for addresses at which nobody listens; only who says nothing is waited for.
            Err(Silence::Unreachable(_)) if !addresses.is_empty() => {}
            Err(silence) => return Err(silence.fault(place, address)),
            Ok(answered) => return Ok(answered),
        }
    }
}

/// Why nothing useful came back from one address.
#[derive(Debug)]
pub(super) enum Silence {
    Unreachable(io::ErrorKind),
    Failed(Failure),
    Refused(Refused),
    OutOfPatience(Duration),
}

impl Silence {
    /// What to tell a person.
    pub(super) fn fault(self, place: &Place, address: SocketAddr) -> Fault {
        let transport = if place.is_stream() { "TCP" } else { "UDP" };
        match self {
            Silence::Unreachable(io::ErrorKind::ConnectionRefused) => {
                Fault::unreachable(format!("nobody listens at {address} ({transport})"))
                    .hint("is the server running, and is the port right? CoAP's own is 5683")
            }
            Silence::Unreachable(why) => {
                Fault::unreachable(format!("{address} cannot be reached ({transport}): {why}"))
                    .hint("is there a route to that address?")
            }
            Silence::Failed(Failure::Timeout) => Fault::unreachable(format!("no answer from {address}"))
                .hint("`wayhouse ping URI` tells whether anybody is there"),
            Silence::OutOfPatience(patience) => {
                Fault::unreachable(format!("no answer from {address} within {} s", patience.as_secs_f64()))
                    .hint("wait longer with --timeout; `wayhouse ping URI` tells whether anybody is there")
            }
            Silence::Failed(Failure::Reset) => {
                Fault::unreachable(format!("{address} rejected the message with a reset"))
                    .hint("whoever listens there does not take requests; `-v` shows what was sent")
            }
            Silence::Failed(Failure::Disconnected) => Fault::unreachable(format!("{address} ended the connection"))
                .hint("`-v` shows what was exchanged before"),
            Silence::Failed(failure) => Fault::negative(failure.to_string()).hint("`-v` shows the messages"),
            Silence::Refused(refused) => refused_fault(&refused),
        }
    }
}

/// Why a request did not leave: with what was asked of us, or for want of room.
pub(super) fn refused_fault(refused: &Refused) -> Fault {
    match refused {
        Refused::Invalid(why) => Fault::misuse(format!("the request would not be valid: {why}"))
            .hint("--help lists what can be given with it"),
        refused => Fault::negative(format!("the request cannot be sent: {refused}")).hint("try again in a while"),
    }
}

async fn exchange_with(
    client: &mut Client,
    place: &Place,
    address: SocketAddr,
    question: &Question,
) -> Result<Answered, Silence> {
    let patience = question.patience.unwrap_or(MAX_TRANSMIT_WAIT);
    let target = match tokio::time::timeout(patience, client.reach(place, address)).await {
        Ok(reached) => reached.map_err(|error| Silence::Unreachable(error.kind()))?,
        Err(_) => return Err(Silence::OutOfPatience(patience)),
    };
    let id = client.ask(question.ask(place, target)).map_err(Silence::Refused)?;
    let mut progress = Progress::new();
    let mut heard_octets = client.traffic().received_octets;
    let mut end = Instant::now() + patience;
    loop {
        let step = end.min(Instant::now() + Progress::STEP);
        match tokio::time::timeout_at(step, client.next()).await {
            Ok(Happening::Answer(answer)) if answer.id == id => {
                return match answer.outcome {
                    Ok(reply) => Ok(Answered { id, from: answer.from, reply, is_open: answer.is_open }),
                    Err(failure) => Err(Silence::Failed(failure)),
                };
            }
            Ok(Happening::Unreachable { id: lost, why }) if lost == id => return Err(Silence::Unreachable(why)),
            Ok(_) => {}
            Err(_) if Instant::now() >= end => {
                client.cancel(id);
                return Err(Silence::OutOfPatience(patience));
            }
            Err(_) => progress.show(client.traffic()),
        }
        let traffic = client.traffic();
        if traffic.received_octets != heard_octets {
            heard_octets = traffic.received_octets;
            end = Instant::now() + patience;
        }
    }
}

/// The Content-Format of an answer.
pub(super) fn content_format_of(reply: &Reply) -> Option<u16> {
    reply.options.first(number::CONTENT_FORMAT)?.uint()?.try_into().ok()
}

/// The relative reference that Location-Path and Location-Query of an answer make up.
pub(super) fn location_of(reply: &Reply) -> Option<String> {
    uri::location(reply.options.iter())
}

#[cfg(test)]
mod tests;
