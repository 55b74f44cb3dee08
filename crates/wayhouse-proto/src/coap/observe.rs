//! Observers that peers registered here, and their notifications (RFC 7641 §4; sheet §13).
//!
//! ```text
//!            mark_changed           turn comes                poll_due, notify
//!   idle ───────────────────> waiting ──────────> granted ──────────────────────> idle, a NON or a CON under way
//!    └─ changed while a CON is under way: at its ACK ─> waiting; at its retransmission ─> superseding ─> notify
//! ```
//! An observer that registered with a CON gets CONs, one at a time: as quick as it acknowledges. One that registered with a NON gets
//! NONs, one per [`super::congestion::NON_SPACING`], with a CON in between.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Kind, Message};

use super::compose::{Envelope, Extras, compose};
use super::congestion::Waiting;
use super::endpoint::Endpoint;
use super::exchange::Owner;
use super::limits::Limits;
use super::pending::Pending;
use super::request::{ObserverId, Request, Response};
use super::route::Route;
use super::timers::Due;
use super::token::Token;
use crate::io::{Destination, Peer};
use crate::keyed_hash::KeyedState;

/// NONs in a row before a CON asks whether the observer is still interested (OB11).
const NON_RUN_MAX: u32 = 8;
/// Time without a sign of interest before a CON asks (OB11 demands it within 24 hours; this finds lost clients sooner).
const INTEREST_AGE_MAX: Duration = Duration::from_secs(60);
/// Octets of a FETCH body that are kept with an observation, to recognise requests for further blocks.
const KEPT_PAYLOAD_OCTETS: usize = 1024;

/// All observers.
#[derive(Debug)]
pub(crate) struct Observers {
    table: BTreeMap<u64, Observer>,
    index: HashMap<(Peer, Token), u64, KeyedState>,
    by_peer: HashMap<Peer, Vec<u64>, KeyedState>,
    /// The latest NON notification of each observer: a reset names it by its message ID.
    by_non: HashMap<(Peer, u16), u64, KeyedState>,
    due: VecDeque<u64>,
    gone: VecDeque<ObserverId>,
    handed_out: Option<u64>,
    made: u64,
    epoch: Option<Instant>,
    limits: Limits,
}

/// One observer; an entry of the list of observers (RFC 7641 §4.1).
#[derive(Debug)]
struct Observer {
    peer: Peer,
    token: Token,
    /// The registration; taken out only while a notification is made from it.
    request: Option<Box<Pending>>,
    is_confirmable: bool,
    /// The group that the registration went to: notifications wait for its leisure (GC55).
    group: Option<IpAddr>,
    content_format: Option<u64>,
    /// The latest sequence number; its low 24 bits were sent (OB9).
    number: u64,
    is_changed: bool,
    turn: Turn,
    exchange: Option<usize>,
    interest_at: Instant,
    non_run: u32,
    non_message_id: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Idle,
    /// The leisure of the group has to pass (GC55).
    Leisure,
    Waiting,
    /// The next `notify` is sent: with this message ID over datagrams.
    Granted {
        is_confirmable: bool,
        message_id: u16,
    },
    /// The next `notify` takes the place of the CON under way (OB13).
    Superseding,
}

impl Observers {
    pub(crate) fn new(limits: Limits, hasher: KeyedState) -> Observers {
        Observers {
            table: BTreeMap::new(),
            index: HashMap::with_hasher(hasher),
            by_peer: HashMap::with_hasher(hasher),
            by_non: HashMap::with_hasher(hasher),
            due: VecDeque::new(),
            gone: VecDeque::new(),
            handed_out: None,
            made: 0,
            epoch: None,
            limits,
        }
    }
    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }
    /// Whether a peer has observers here.
    pub(crate) fn has_any_of(&self, peer: Peer) -> bool {
        !self.by_peer.is_empty() && self.by_peer.contains_key(&peer)
    }
    /// Whether a registration can be accepted: it is not too long, and it replaces one or the bounds leave room.
    pub(crate) fn has_room(&self, request: &Request<'_>) -> bool {
        let peer = request.peer;
        let Some(token) = Token::new(request.token) else { return false };
        if request.options.as_bytes().len() > self.limits.observer_options_octets_max {
            return false;
        }
        self.index.contains_key(&(peer, token))
            || (self.table.len() < self.limits.observers_max
                && self.by_peer.get(&peer).is_none_or(|ids| ids.len() < self.limits.observers_per_peer_max))
    }
    /// The sequence number of the response to a registration.
    pub(crate) fn first_number(&mut self, now: Instant, peer: Peer, token: &[u8]) -> u64 {
        let previous =
            Token::new(token).and_then(|token| self.index.get(&(peer, token))).map(|id| self.table[id].number);
        self.next_number(now, previous)
    }
    /// OB9: milliseconds, or one more than the number before. So numbers grow across registrations, reach 2^23 steps
    /// no sooner than after two hours at rest, and need no memory of observers that are gone.
    fn next_number(&mut self, now: Instant, previous: Option<u64>) -> u64 {
        let epoch = *self.epoch.get_or_insert(now);
        let elapsed = now.saturating_duration_since(epoch).as_millis() as u64;
        previous.map_or(elapsed, |previous| elapsed.max(previous + 1))
    }
}

/// What is sent of a sequence number.
pub(crate) fn observe_value(number: u64) -> u32 {
    (number & 0xff_ffff) as u32
}

impl Endpoint {
    /// Adds an observer whose registration was answered with `response` and that number.
    pub(super) fn register(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        response: &Response,
        sequence_number: u64,
    ) -> Option<ObserverId> {
        let token = Token::new(request.token)?;
        let key = (request.peer, token.clone());
        if let Some(previous) = self.observers.index.get(&key).copied() {
            self.remove_observer(now, previous); // OB7
        }
        // What a notification needs of the request: the block size the client wants, none of the conditions.
        let mut facts = request.facts;
        facts.block2 = facts.block2.map(|block| BlockValue { num: 0, more: false, szx: block.szx });
        facts.has_etag = false;
        facts.acknowledged_block = None;
        facts.remembered = None;
        let payload = if request.payload.len() <= KEPT_PAYLOAD_OCTETS { &request.payload[..] } else { &[] };
        let kept = Request { facts, payload: payload.into(), ..*request };
        self.observers.made += 1;
        let id = self.observers.made;
        self.observers.table.insert(
            id,
            Observer {
                peer: request.peer,
                token,
                request: Some(Box::new(Pending::new(&kept))),
                // RFC 7641 §7: a client that may not be where it says must confirm what it gets.
                is_confirmable: request.kind == Some(Kind::Confirmable) || !request.facts.is_reachable,
                group: request.meta.group.filter(|_| request.meta.is_multicast),
                content_format: content_format(response),
                number: sequence_number,
                is_changed: false,
                turn: Turn::Idle,
                exchange: None,
                interest_at: now,
                non_run: 0,
                non_message_id: None,
            },
        );
        self.order_message_ids(now, request);
        self.observers.index.insert(key, id);
        self.observers.by_peer.entry(request.peer).or_default().push(id);
        Some(ObserverId(id))
    }

    /// Removes the observer with that token, if there is one (OB7).
    pub(super) fn deregister(&mut self, now: Instant, peer: Peer, token: &[u8]) {
        let Some(token) = Token::new(token) else { return };
        if let Some(id) = self.observers.index.get(&(peer, token)).copied() {
            self.remove_observer(now, id);
        }
    }

    /// Removes the observers at the other end of a connection (TC5).
    pub(super) fn remove_observers_of(&mut self, now: Instant, peer: Peer) {
        for id in self.observers.by_peer.get(&peer).cloned().unwrap_or_default() {
            self.remove_observer(now, id);
        }
    }

    /// Removes an observer and tells the parent.
    pub(super) fn remove_observer(&mut self, now: Instant, id: u64) {
        if self.drop_observer(now, id) {
            self.observers.gone.push_back(ObserverId(id));
        }
    }

    fn drop_observer(&mut self, now: Instant, id: u64) -> bool {
        let Some(observer) = self.observers.table.remove(&id) else { return false };
        self.observers.index.remove(&(observer.peer, observer.token.clone()));
        if let Some(ids) = self.observers.by_peer.get_mut(&observer.peer) {
            ids.retain(|candidate| *candidate != id);
            if ids.is_empty() {
                self.observers.by_peer.remove(&observer.peer);
            }
        }
        if let Some(message_id) = observer.non_message_id {
            self.observers.by_non.remove(&(observer.peer, message_id));
        }
        if let Peer::Datagram { remote, .. } = observer.peer {
            match observer.turn {
                Turn::Waiting => self.congestion.withdraw(remote, Waiting::Notification(id)),
                Turn::Granted { is_confirmable: true, .. } => self.give(now, remote),
                _ => {}
            }
        }
        if let Some(slot) = observer.exchange {
            self.end_exchange(now, slot);
        }
        true
    }

    /// Says that what an observer watches has changed; a notification becomes due as soon as pacing allows (OB12).
    pub fn mark_changed(&mut self, now: Instant, observer: ObserverId) {
        let Some(entry) = self.observers.table.get_mut(&observer.0) else { return };
        entry.is_changed = true;
        self.schedule(now, observer.0);
    }

    /// Puts a changed observer into the queue of its peer, unless it is there or its CON is under way.
    fn schedule(&mut self, now: Instant, id: u64) {
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        if !observer.is_changed || observer.turn != Turn::Idle || observer.exchange.is_some() {
            return; // OB10: intermediate states are skipped
        }
        if let Some(group) = observer.group {
            observer.turn = Turn::Leisure;
            let at = self.notification_leisure_end(now, group);
            self.timers.set(at, Due::NotificationLeisure(id));
            return;
        }
        self.enqueue_notification(now, id);
    }

    /// The leisure of a notification has passed.
    pub(super) fn handle_notification_leisure_end(&mut self, now: Instant, id: u64) {
        if self.observers.table.get(&id).is_some_and(|observer| observer.turn == Turn::Leisure) {
            self.enqueue_notification(now, id);
        }
    }

    /// Lets a notification wait for its turn towards its peer.
    fn enqueue_notification(&mut self, now: Instant, id: u64) {
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        observer.turn = Turn::Waiting;
        match observer.peer {
            Peer::Stream(_) => {
                observer.turn = Turn::Granted { is_confirmable: false, message_id: 0 };
                self.observers.due.push_back(id);
            }
            Peer::Datagram { remote, .. } => {
                let is_confirmable = observer.is_confirmable
                    || observer.non_run >= NON_RUN_MAX
                    || now.saturating_duration_since(observer.interest_at) >= INTEREST_AGE_MAX;
                if is_confirmable {
                    self.congestion.enqueue(remote, Waiting::Notification(id));
                } else {
                    self.congestion.pace(remote, id);
                }
                self.pump(now, remote);
            }
        }
    }

    /// Gives an observer its turn. `Err` with the time when a message ID is free.
    pub(super) fn grant_notification(&mut self, now: Instant, id: u64, is_confirmable: bool) -> Result<(), Instant> {
        let Some(observer) = self.observers.table.get_mut(&id) else { return Ok(()) };
        let Peer::Datagram { socket, remote } = observer.peer else { return Ok(()) };
        let allocated = self.message_ids.allocate(now, socket, remote, &mut self.rng);
        let message_id = allocated.map_err(|exhausted| exhausted.free_at)?;
        observer.turn = Turn::Granted { is_confirmable, message_id };
        self.observers.due.push_back(id);
        if is_confirmable {
            self.congestion.take(remote);
        }
        Ok(())
    }

    /// The next observer whose notification may leave: the parent produces the representation and calls `notify`.
    pub fn poll_due_notification(&mut self, now: Instant) -> Option<ObserverId> {
        if let Some(id) = self.observers.handed_out.take() {
            // The parent had nothing to say.
            self.return_turn(now, id);
        }
        while let Some(id) = self.observers.due.pop_front() {
            let turn = self.observers.table.get(&id).map(|observer| observer.turn);
            if matches!(turn, Some(Turn::Granted { .. } | Turn::Superseding)) {
                self.observers.handed_out = Some(id);
                return Some(ObserverId(id));
            }
        }
        None
    }

    /// Ends the turn of an observer without a notification.
    fn return_turn(&mut self, now: Instant, id: u64) {
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        observer.is_changed = false;
        let turn = std::mem::replace(&mut observer.turn, Turn::Idle);
        match (turn, observer.peer) {
            (Turn::Granted { is_confirmable: true, .. }, Peer::Datagram { remote, .. }) => self.give(now, remote),
            (Turn::Superseding, _) => {
                if let Some(slot) = observer.exchange {
                    self.resend(now, slot);
                }
            }
            _ => {}
        }
    }

    /// Sends a notification (or, with a code other than 2.xx, the end of the observation).
    pub fn notify(&mut self, now: Instant, observer: ObserverId, response: &Response) {
        let id = observer.0;
        if self.observers.handed_out == Some(id) {
            self.observers.handed_out = None;
        }
        let Some(code) = response.code else {
            self.return_turn(now, id);
            return;
        };
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        if !code.is_success() {
            self.end_observation(now, id, response);
            return;
        }
        if observer.content_format != content_format(response) {
            // OB8: the client could not make sense of another format.
            let response = Response { code: Some(Code::NOT_ACCEPTABLE), ..Response::default() };
            self.end_observation(now, id, &response);
            self.observers.gone.push_back(ObserverId(id));
            return;
        }
        let (turn, exchange) = (observer.turn, observer.exchange);
        if matches!(turn, Turn::Idle | Turn::Leisure | Turn::Waiting) {
            self.mark_changed(now, ObserverId(id)); // not its turn: it is asked for again
            return;
        }
        observer.turn = Turn::Idle;
        observer.is_changed = false;
        let previous = observer.number;
        let sequence_number = self.observers.next_number(now, Some(previous));
        let observer = self.observers.table.get_mut(&id).expect("looked up above");
        observer.number = sequence_number;
        // Taken out while the request borrows from it.
        let Some(kept) = observer.request.take() else { return };
        let is_sent = self.send_notification(now, id, &kept.request(), response, code, turn, exchange);
        if let Some(observer) = self.observers.table.get_mut(&id) {
            observer.request = Some(kept);
        }
        if !is_sent {
            let substitute = Response { code: Some(Code::INTERNAL_SERVER_ERROR), ..Response::default() };
            self.end_observation(now, id, &substitute);
            self.observers.gone.push_back(ObserverId(id));
        }
    }

    /// Sends a notification the way the observer's turn says. `false` when it cannot be sent at all.
    #[allow(clippy::too_many_arguments, reason = "the parts of one decision")]
    fn send_notification(
        &mut self,
        now: Instant,
        id: u64,
        request: &Request<'_>,
        response: &Response,
        code: Code,
        turn: Turn,
        exchange: Option<usize>,
    ) -> bool {
        let sequence_number = self.observers.table[&id].number;
        let Ok(form) = self.form(request, response, code, Some(sequence_number), None) else { return false };
        let (more, etag, form_code) = (form.more, form.etag, form.code);
        self.counters.notifications_sent += 1;
        let durable_after = response.durable_after;
        match (turn, request.peer) {
            (_, Peer::Stream(stream)) => {
                let (out, start) = self.outbox.begin();
                super::server::write(out, Envelope::Frame, request.token, response, &form);
                self.outbox.send(start, Destination::Stream(stream), durable_after);
            }
            (Turn::Superseding, Peer::Datagram { socket, remote }) => {
                let Some(slot) = exchange else {
                    // Its CON was acknowledged meanwhile: an ordinary turn.
                    self.mark_changed(now, ObserverId(id));
                    return true;
                };
                match self.message_ids.allocate(now, socket, remote, &mut self.rng) {
                    Ok(message_id) => {
                        let mut octets = Vec::new();
                        let envelope = Envelope::Datagram { kind: Kind::Confirmable, message_id };
                        super::server::write(&mut octets, envelope, request.token, response, &form);
                        self.supersede(now, slot, message_id, octets, durable_after);
                    }
                    Err(_) => {
                        // No ID for something new: the older state goes once more, the newest later.
                        self.resend(now, slot);
                        self.mark_changed(now, ObserverId(id));
                        return true;
                    }
                }
            }
            (Turn::Granted { is_confirmable: true, message_id }, Peer::Datagram { .. }) => {
                let mut octets = Vec::new();
                let envelope = Envelope::Datagram { kind: Kind::Confirmable, message_id };
                super::server::write(&mut octets, envelope, request.token, response, &form);
                let route = Route::back(&request.meta);
                let slot = self.send_confirmable(now, route, message_id, octets, Owner::Observer(id), durable_after);
                self.observers.table.get_mut(&id).expect("the caller's").exchange = Some(slot);
            }
            (Turn::Granted { message_id, .. }, peer) => {
                let (out, start) = self.outbox.begin();
                let envelope = Envelope::Datagram { kind: Kind::NonConfirmable, message_id };
                super::server::write(out, envelope, request.token, response, &form);
                self.outbox.send(start, Route::back(&request.meta).destination(), durable_after);
                let observer = self.observers.table.get_mut(&id).expect("the caller's");
                observer.non_run += 1;
                if let Some(previous) = observer.non_message_id.replace(message_id) {
                    self.observers.by_non.remove(&(peer, previous));
                }
                self.observers.by_non.insert((peer, message_id), id);
            }
            (Turn::Idle | Turn::Leisure | Turn::Waiting, _) => {}
        }
        if more && !response.must_be_fresh {
            self.keep_body(now, request, response, form_code, etag);
        }
        true
    }

    /// Sends the last word on an observation and forgets it (OB8).
    fn end_observation(&mut self, now: Instant, id: u64, response: &Response) {
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        let kept = observer.request.take();
        self.drop_observer(now, id);
        // It must arrive, whatever the observer's notifications were: as a separate response, in its turn.
        let Some(kept) = kept else { return };
        let mut request = kept.request();
        request.observe = None;
        request.facts.block2 = None;
        request.facts.no_response = None;
        if request.kind.is_some() {
            request.kind = Some(Kind::Confirmable);
        }
        self.answer_separately(now, &request, response);
    }

    /// An observer that is gone: deregistered, reset, timed out, replaced by its own new registration. Those whose observation
    /// the parent ended are not reported.
    pub fn poll_gone_observer(&mut self) -> Option<ObserverId> {
        self.observers.gone.pop_front()
    }

    /// A retransmission is due: whether a newer representation goes in place of the one under way (OB13).
    pub(super) fn request_superseding(&mut self, id: u64) -> bool {
        let Some(observer) = self.observers.table.get_mut(&id).filter(|observer| observer.is_changed) else {
            return false;
        };
        if observer.turn != Turn::Superseding {
            observer.turn = Turn::Superseding;
            self.observers.due.push_back(id);
        }
        true
    }

    /// Writes the sequence number of this moment into a notification that is sent again (OB9).
    pub(super) fn renumber(&mut self, now: Instant, slot: usize, id: u64) {
        let Some(previous) = self.observers.table.get(&id).map(|observer| observer.number) else { return };
        let sequence_number = self.observers.next_number(now, Some(previous));
        self.observers.table.get_mut(&id).expect("looked up above").number = sequence_number;
        let Some(exchange) = self.exchanges.get(slot) else { return };
        let message = Message::decode(&exchange.octets).expect("composed here");
        let mut extras = Extras::new();
        extras.push_uint(number::OBSERVE, u64::from(observe_value(sequence_number)));
        let options = message.options.iter().filter(|option| option.number != number::OBSERVE);
        let envelope = Envelope::Datagram { kind: Kind::Confirmable, message_id: message.message_id };
        let mut octets = Vec::with_capacity(exchange.octets.len());
        compose(&mut octets, envelope, message.code, message.token, &extras, options, message.payload);
        self.replace_octets(slot, octets);
    }

    pub(super) fn handle_notification_acknowledged(&mut self, now: Instant, id: u64) {
        let Some(observer) = self.observers.table.get_mut(&id) else { return };
        observer.exchange = None;
        observer.interest_at = now;
        observer.non_run = 0;
        if observer.turn == Turn::Superseding {
            observer.turn = Turn::Idle;
        }
        self.schedule(now, id);
    }

    /// The client showed interest by acknowledging something older (OB13).
    pub(super) fn note_observer_alive(&mut self, now: Instant, id: u64) {
        if let Some(observer) = self.observers.table.get_mut(&id) {
            observer.interest_at = now;
        }
    }

    /// A reset for a NON: the observer whose latest notification it was is not interested (OB11).
    pub(super) fn handle_reset_of_non(&mut self, now: Instant, peer: Peer, message_id: u16) {
        if let Some(id) = self.observers.by_non.get(&(peer, message_id)).copied() {
            self.remove_observer(now, id);
        }
    }
}

fn content_format(response: &Response) -> Option<u64> {
    response.options.first(number::CONTENT_FORMAT).and_then(|option| option.uint())
}
