//! What the server side of an endpoint and its parent say to each other: requests that arrived, responses to them.

use std::borrow::Cow;

use wayhouse_wire::coap::option::{definition, number};
use wayhouse_wire::coap::{Code, Kind, OptionList, OptionRef, Options};

use super::facts::Facts;
use crate::io::{Meta, Peer};

/// A request as the parent sees it.
#[derive(Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub peer: Peer,
    /// The transport's details; for connections filled in from the connection's addresses.
    pub meta: Meta,
    /// CON or NON; `None` over a connection.
    pub kind: Option<Kind>,
    /// Message ID, 0 over a connection.
    pub message_id: u16,
    /// Token.
    pub token: &'a [u8],
    /// Method.
    pub code: Code,
    /// Options of the (last block's) request. Unknown critical ones, bad lengths and bad combinations were answered.
    /// Elective ones of a bad length still stand here: read single ones with [`Request::option`].
    pub options: Options<'a>,
    /// The whole body, put together from blocks where there were some.
    pub payload: Cow<'a, [u8]>,
    /// Observe: `Some(true)` asks to register, `Some(false)` to deregister (already done when this is seen).
    pub observe: Option<bool>,
    /// What one pass over the options found.
    pub(crate) facts: Facts,
}

impl<'a> Request<'a> {
    /// The first option with that number, if its length is one that the option may have (CO2); supernumerary
    /// occurrences of what may stand once are never seen this way (CO4).
    pub fn option(&self, number: u16) -> Option<OptionRef<'a>> {
        self.options.first(number).filter(|option| has_valid_length(*option))
    }
    /// The Content-Format of the payload.
    pub fn content_format(&self) -> Option<u16> {
        self.option(number::CONTENT_FORMAT).and_then(|option| option.uint()).and_then(|value| value.try_into().ok())
    }
    /// The Content-Format that the client wants (CO7).
    pub fn accept(&self) -> Option<u16> {
        self.option(number::ACCEPT).and_then(|option| option.uint()).and_then(|value| value.try_into().ok())
    }
    /// Whether the request has If-None-Match; for a body that came in blocks the first block decides (BW13).
    pub fn has_if_none_match(&self) -> bool {
        self.facts.has_if_none_match
    }
    /// Whether the peer has shown by Echo, or shows by its address, that it is where it says (EC5); always over connections.
    pub fn is_reachable(&self) -> bool {
        self.facts.is_reachable
    }
}

/// Whether the value's length is one that the option's definition allows; so for options nobody defined.
pub(crate) fn has_valid_length(option: OptionRef<'_>) -> bool {
    definition(option.number).is_none_or(|definition| {
        (usize::from(definition.octets_min)..=usize::from(definition.octets_max)).contains(&option.value.len())
    })
}

/// A response as the parent writes it; reusable.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Response code; `None` means that no response is sent (silence on multicast).
    pub code: Option<Code>,
    /// Options without Observe, Block, Size and Echo, which the endpoint adds. An ETag set here is used as it is; without one
    /// the endpoint makes one from the body for 2.05 responses to GET and FETCH that need blocks or whose request has one.
    pub options: OptionList,
    /// The whole body; the endpoint cuts it into blocks.
    pub payload: Vec<u8>,
    /// Whether to accept the observation that the request asks for.
    pub is_observable: bool,
    /// See [`crate::io::Transmit::durable_after`].
    pub durable_after: u64,
    /// Whether a body sent in blocks is not kept: the parent is asked again for each further block, and the client sees
    /// by the ETag when the representation changed meanwhile.
    pub must_be_fresh: bool,
    /// How it is treated when the request went to a group.
    pub to_groups: GroupManners,
}

/// What the application of a resource has decided about answers to requests that went to a group (groupcomm-bis §3.1.2). The default
/// suits nearly all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupManners {
    /// Whether errors are told; else they are silence (GC31). It holds for all classes of errors alike (GC32).
    pub tells_errors: bool,
    /// Whether an authenticated client may ask by No-Response for what would be silence (GC33). Anybody may ask for more silence.
    pub honours_no_response: bool,
}

impl Response {
    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.code = None;
        self.options.clear();
        self.payload.clear();
        self.is_observable = false;
        self.durable_after = 0;
        self.must_be_fresh = false;
        self.to_groups = GroupManners::default();
    }
}

/// What one datagram or frame meant for the parent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once, never stored")]
pub enum Received<'a> {
    /// Nothing: handled here, an answer to a request of ours (see `poll_answer`), or dropped.
    Nothing,
    /// A request to answer now or to defer.
    Request(Request<'a>),
}

/// An observer that a peer registered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObserverId(pub u64);
/// A request that will be answered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingId(pub u64);
