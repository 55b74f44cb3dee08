//! Requests that a person sends to a group through this node, and the answers as they come.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use wayhouse_proto::coap::endpoint::{Answer, Failure, GroupAsk, Refused, Repetition, RequestId};
use wayhouse_registry::Refusal;
use wayhouse_wire::coap::uri::{CoapUri, Host, Scheme};
use wayhouse_wire::coap::{Code, OptionList};

use crate::face::Context;
use crate::limits;
use crate::rules::invalid;

/// What to ask a group: a GET, which changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupQuestion {
    /// `coap://` URI whose host is a multicast address.
    pub uri: String,
    /// Interfaces to send by, by index; none: one that the system chooses.
    pub interfaces: Vec<u32>,
    /// How long answers are gathered; `None`: until the default leisure has passed.
    pub window: Option<Duration>,
    /// How often it is sent again within that time.
    pub repetitions: u32,
    /// Members that should answer; those that stay silent are asked once more, alone.
    pub members: Vec<SocketAddr>,
}

/// A request to a group under way, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupAnswer {
    /// To which request.
    pub ask: AskId,
    /// Who; `None` only in the last one.
    pub from: Option<SocketAddr>,
    /// What; `None` in the last one, which only says that there will be no more.
    pub outcome: Option<Result<Said, Failure>>,
}

/// What a member answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Response code.
    pub code: Code,
    /// Options.
    pub options: OptionList,
    /// The whole body.
    pub payload: Vec<u8>,
}

/// The requests under way.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    under_way: BTreeSet<RequestId>,
}

impl Asking {
    /// Sends a request.
    ///
    /// # Errors
    /// `Invalid` for what is no question to a group, `Full` when too many are under way.
    pub(crate) fn start(&mut self, context: &mut Context<'_>, question: &GroupQuestion) -> Result<AskId, Refusal> {
        if self.under_way.len() >= limits::GROUP_QUESTIONS_MAX {
            return Err(Refusal::Full { bound: "questions to groups" });
        }
        let uri = CoapUri::parse(&question.uri).map_err(|_| invalid("uri", "it is no CoAP URI"))?;
        let Host::Address(address) = uri.host else {
            return Err(invalid("uri", "its host is no address"));
        };
        if uri.scheme != Scheme::Coap || !address.is_multicast() {
            return Err(invalid("uri", "it names no group: write coap:// and a multicast address"));
        }
        if question.window.is_some_and(|window| window > limits::GROUP_WINDOW_MAX) {
            return Err(invalid("window", "answers are gathered for ten minutes at most"));
        }
        let spacing = context.endpoint.repetition_spacing();
        let window = question.window.unwrap_or_else(|| context.endpoint.default_window());
        let ask = GroupAsk {
            interfaces: question.interfaces.clone(),
            // Repetitions lie within the window.
            window: Some(window + spacing * question.repetitions),
            repetition: (question.repetitions > 0).then_some(Repetition {
                times: question.repetitions,
                after: None,
                is_same_message: false,
            }),
            members: question.members.clone(),
            asks_silent: true,
            ..GroupAsk::new(SocketAddr::new(address, uri.port), Code::GET, uri.options)
        };
        let id = context.endpoint.request_group(context.now, ask).map_err(|refused| match refused {
            Refused::Invalid(why) => invalid("uri", why),
            Refused::TooMany | Refused::MessageIdsExhausted | Refused::NotConnected => {
                Refusal::Full { bound: "requests" }
            }
        })?;
        self.under_way.insert(id);
        Ok(AskId(id.0))
    }

    /// Forgets a request: nobody listens any more.
    pub(crate) fn stop(&mut self, context: &mut Context<'_>, ask: AskId) {
        if self.under_way.remove(&RequestId(ask.0)) {
            context.endpoint.cancel(context.now, RequestId(ask.0));
        }
    }

    /// Whether an answer belongs to one of these requests.
    pub(crate) fn owns(&self, answer: &Answer) -> bool {
        self.under_way.contains(&answer.id)
    }

    /// Takes an answer to one of these requests.
    pub(crate) fn take(&mut self, answer: Answer) -> GroupAnswer {
        let ask = AskId(answer.id.0);
        if !answer.is_open {
            self.under_way.remove(&answer.id);
            return GroupAnswer { ask, from: None, outcome: None };
        }
        let outcome = answer.outcome.map(|reply| Said {
            code: reply.code.unwrap_or(Code::EMPTY),
            options: reply.options,
            payload: reply.payload,
        });
        GroupAnswer { ask, from: answer.from, outcome: Some(outcome) }
    }
}
