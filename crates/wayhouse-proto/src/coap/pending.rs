//! Requests that will be answered later.

use std::borrow::Cow;
use std::collections::BTreeMap;

use wayhouse_wire::coap::{Code, Kind, Message};

use super::compose::{Envelope, Extras, compose};
use super::facts::Facts;
use super::request::{PendingId, Request};
use crate::io::{Meta, Peer};

/// The requests of a table, by number.
#[derive(Debug, Default)]
pub(crate) struct Pendings {
    table: BTreeMap<PendingId, Pending>,
    made: u64,
}

/// A request, kept in the form of a datagram.
#[derive(Debug)]
pub(crate) struct Pending {
    peer: Peer,
    meta: Meta,
    kind: Option<Kind>,
    message_id: u16,
    code: Code,
    observe: Option<bool>,
    facts: Facts,
    octets: Vec<u8>,
}

impl Pendings {
    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }
    pub(crate) fn insert(&mut self, request: &Request<'_>) -> PendingId {
        self.made += 1;
        let id = PendingId(self.made);
        self.table.insert(id, Pending::new(request));
        id
    }
    pub(crate) fn has_any_of(&self, peer: Peer) -> bool {
        self.table.values().any(|pending| pending.peer == peer)
    }
    pub(crate) fn remove_all_of(&mut self, peer: Peer) {
        self.table.retain(|_, pending| pending.peer != peer);
    }
    pub(crate) fn remove(&mut self, id: PendingId) -> Option<Pending> {
        self.table.remove(&id)
    }
}

impl Pending {
    /// Keeps a request.
    pub(crate) fn new(request: &Request<'_>) -> Pending {
        let mut octets = Vec::new();
        let envelope = Envelope::Datagram { kind: Kind::NonConfirmable, message_id: request.message_id };
        let none = Extras::new();
        compose(&mut octets, envelope, request.code, request.token, &none, request.options.iter(), &request.payload);
        let Request { peer, meta, kind, message_id, code, observe, facts, .. } = *request;
        Pending { peer, meta, kind, message_id, code, observe, facts, octets }
    }
    /// The request as it was.
    pub(crate) fn request(&self) -> Request<'_> {
        let message = Message::decode(&self.octets).expect("composed from a decoded message");
        Request {
            peer: self.peer,
            meta: self.meta,
            kind: self.kind,
            message_id: self.message_id,
            token: message.token,
            code: self.code,
            options: message.options,
            payload: Cow::Borrowed(message.payload),
            observe: self.observe,
            facts: self.facts,
        }
    }
}
