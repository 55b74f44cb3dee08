//! Confirmable messages under way, of both roles: retransmission until acknowledged, reset or given up (CM14, CM20).

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use slab::Slab;

use super::ask::Failure;
use super::endpoint::Endpoint;
use super::route::Route;
use super::timers::{Due, TimerId};
use crate::io::{Meta, Peer};
use crate::keyed_hash::KeyedState;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A request (or ping) of ours.
    Operation(u64),
    /// A notification to an observer.
    Observer(u64),
    /// A separate response; nobody waits for its end.
    Separate,
    /// A request to one member of an observed group.
    CatchUp(u64),
}

/// One message.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) owner: Owner,
    pub(crate) route: Route,
    pub(crate) message_id: u16,
    pub(crate) octets: Vec<u8>,
    pub(crate) durable_after: u64,
    pub(crate) retransmissions: u32,
    pub(crate) timeout: Duration,
    pub(crate) sent_at: Instant,
    timer: TimerId,
    /// Message IDs of notifications that this one took the place of (OB13).
    superseded: Vec<u16>,
}

/// All of them, found by peer and message ID.
#[derive(Debug)]
pub(crate) struct Exchanges {
    slots: Slab<Exchange>,
    index: HashMap<(Peer, u16), usize, KeyedState>,
}

impl Exchanges {
    pub(crate) fn new(hasher: KeyedState) -> Exchanges {
        Exchanges { slots: Slab::new(), index: HashMap::with_hasher(hasher) }
    }
    /// The exchange that an ACK or RST belongs to (CM20).
    pub(crate) fn find(&self, peer: Peer, message_id: u16) -> Option<usize> {
        if self.index.is_empty() {
            return None;
        }
        self.index.get(&(peer, message_id)).copied()
    }
    pub(crate) fn get(&self, slot: usize) -> Option<&Exchange> {
        self.slots.get(slot)
    }
    /// Messages under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }
}

impl Endpoint {
    /// Sends a CON and keeps it until it is acknowledged. The caller has counted it as outstanding towards its peer.
    pub(super) fn send_confirmable(
        &mut self,
        now: Instant,
        route: Route,
        message_id: u16,
        octets: Vec<u8>,
        owner: Owner,
        durable_after: u64,
    ) -> usize {
        self.outbox.send_copy(&octets, route.destination(), durable_after);
        // CM14: a random first timeout, so that peers that lost the same packet do not answer in step.
        let params = &self.settings.params;
        let spread = 1.0 + (params.ack_random_factor - 1.0).max(0.0) * self.rng.fraction();
        let timeout = params.ack_timeout.mul_f64(spread);
        let slot = self.exchanges.slots.vacant_key();
        let timer = self.timers.set(now + timeout, Due::Retransmission(slot));
        self.exchanges.slots.insert(Exchange {
            owner,
            route,
            message_id,
            octets,
            durable_after,
            retransmissions: 0,
            timeout,
            sent_at: now,
            timer,
            superseded: Vec::new(),
        });
        self.exchanges.index.insert((route.peer(), message_id), slot);
        slot
    }

    /// Puts another message in the place of one under way: a new message ID, the counter and timeout stay (OB13).
    pub(super) fn supersede(
        &mut self,
        now: Instant,
        slot: usize,
        message_id: u16,
        octets: Vec<u8>,
        durable_after: u64,
    ) {
        let Some(exchange) = self.exchanges.slots.get_mut(slot) else { return };
        exchange.superseded.push(exchange.message_id);
        exchange.message_id = message_id;
        exchange.octets = octets;
        exchange.durable_after = durable_after;
        exchange.sent_at = now;
        let peer = exchange.route.peer();
        self.outbox.send_copy(&exchange.octets, exchange.route.destination(), durable_after);
        self.exchanges.index.insert((peer, message_id), slot);
    }

    /// Ends a message under way, whatever came of it.
    pub(super) fn end_exchange(&mut self, now: Instant, slot: usize) -> Option<Exchange> {
        let exchange = self.exchanges.slots.try_remove(slot)?;
        self.timers.cancel(exchange.timer);
        let peer = exchange.route.peer();
        self.exchanges.index.remove(&(peer, exchange.message_id));
        for message_id in &exchange.superseded {
            self.exchanges.index.remove(&(peer, *message_id));
        }
        let remote = exchange.route.remote;
        self.give(now, remote);
        Some(exchange)
    }

    /// Sends a message again, or gives it up (CM14).
    pub(super) fn handle_retransmission(&mut self, now: Instant, slot: usize) {
        let max_retransmit = self.settings.params.max_retransmit;
        let Some(exchange) = self.exchanges.slots.get_mut(slot) else { return };
        if exchange.retransmissions >= max_retransmit {
            self.give_up(now, slot);
            return;
        }
        exchange.retransmissions += 1;
        exchange.timeout *= 2;
        exchange.timer = self.timers.set(now + exchange.timeout, Due::Retransmission(slot));
        self.counters.retransmissions += 1;
        if let Owner::Observer(observer) = exchange.owner {
            // OB13, OB9: the newest representation goes instead, or at least the newest number.
            if self.request_superseding(observer) {
                return;
            }
            self.renumber(now, slot, observer);
        }
        self.resend(now, slot);
    }

    /// Sends the octets of a message under way again.
    pub(super) fn resend(&mut self, now: Instant, slot: usize) {
        let Some(exchange) = self.exchanges.slots.get_mut(slot) else { return };
        exchange.sent_at = now;
        self.outbox.send_copy(&exchange.octets, exchange.route.destination(), exchange.durable_after);
    }

    pub(super) fn replace_octets(&mut self, slot: usize, octets: Vec<u8>) {
        if let Some(exchange) = self.exchanges.slots.get_mut(slot) {
            exchange.octets = octets;
        }
    }

    fn give_up(&mut self, now: Instant, slot: usize) {
        self.counters.timeouts += 1;
        let exchange = &self.exchanges.slots[slot];
        let (owner, remote, sent_at) = (exchange.owner, exchange.route.remote, exchange.sent_at);
        let octets = exchange.octets.len() * (1 + exchange.retransmissions as usize);
        self.congestion.unheard(remote, sent_at, octets, self.settings.params.probing_rate);
        self.end_exchange(now, slot);
        match owner {
            Owner::Operation(id) => self.handle_request_timeout(now, id),
            Owner::Observer(id) => self.remove_observer(now, id), // OB11
            Owner::Separate => {}
            Owner::CatchUp(id) => self.handle_catch_up_failure(now, id, Failure::Timeout),
        }
    }

    /// Takes an Empty ACK (CM12).
    pub(super) fn handle_acknowledgement(&mut self, now: Instant, meta: &Meta, message_id: u16) {
        let Some(slot) = self.exchanges.find(Route::back(meta).peer(), message_id) else { return };
        self.heard(now, meta.remote);
        let exchange = &self.exchanges.slots[slot];
        if exchange.message_id != message_id {
            // OB13: late, for a notification that was superseded. The newest is not there yet, but somebody wants it.
            self.note_interest(now, slot);
            return;
        }
        let owner = exchange.owner;
        self.end_exchange(now, slot);
        match owner {
            Owner::Operation(id) => self.handle_request_acknowledged(now, id),
            Owner::Observer(id) => self.handle_notification_acknowledged(now, id),
            Owner::Separate => {}
            Owner::CatchUp(id) => self.handle_catch_up_acknowledged(now, id),
        }
    }

    /// A peer that acknowledges an older notification is there: the count towards giving it up starts again.
    fn note_interest(&mut self, now: Instant, slot: usize) {
        let exchange = &mut self.exchanges.slots[slot];
        exchange.retransmissions = 0;
        if let Owner::Observer(id) = exchange.owner {
            self.note_observer_alive(now, id);
        }
    }

    /// Takes an RST (CM12).
    pub(super) fn handle_reset(&mut self, now: Instant, meta: &Meta, message_id: u16) {
        let peer = Route::back(meta).peer();
        let Some(slot) = self.exchanges.find(peer, message_id) else {
            if !self.handle_reset_of_non_request(now, meta, message_id) {
                self.handle_reset_of_non(now, peer, message_id);
            }
            return;
        };
        self.heard(now, meta.remote);
        let owner = self.exchanges.slots[slot].owner;
        self.end_exchange(now, slot);
        match owner {
            Owner::Operation(id) => self.handle_request_reset(now, id),
            Owner::Observer(id) => self.remove_observer(now, id), // OB11
            Owner::Separate => {}
            Owner::CatchUp(id) => self.handle_catch_up_failure(now, id, Failure::Reset),
        }
    }
}
