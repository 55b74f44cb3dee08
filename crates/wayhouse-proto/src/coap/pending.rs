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
    /// Octets of them all.
    octets: usize,
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
    /// Octets of the requests.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }
    pub(crate) fn insert(&mut self, request: &Request<'_>) -> PendingId {
        self.made += 1;
        let id = PendingId(self.made);
        let pending = Pending::new(request);
        self.octets += pending.octets.capacity();
        self.table.insert(id, pending);
        id
    }
    pub(crate) fn has_any_of(&self, peer: Peer) -> bool {
        self.table.values().any(|pending| pending.peer == peer)
    }
    pub(crate) fn remove_all_of(&mut self, peer: Peer) {
        let octets = &mut self.octets;
        self.table.retain(|_, pending| {
            let stays = pending.peer != peer;
            *octets -= if stays { 0 } else { pending.octets.capacity() };
            stays
        });
    }
    pub(crate) fn remove(&mut self, id: PendingId) -> Option<Pending> {
        let pending = self.table.remove(&id)?;
        self.octets -= pending.octets.capacity();
        Some(pending)
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
