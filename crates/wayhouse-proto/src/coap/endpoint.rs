//! One CoAP endpoint, client and server at once, over any number of sockets and connections.
//!
//! The parent hands in datagrams and stream input and gets at most one [`Received`] for each; it answers a request with
//! [`Endpoint::respond`] in the same call, or later after [`Endpoint::defer`]. Then it drains: `poll_due_notification`
//! until `None`, `poll_gone_observer`, `poll_answer`, `poll_transmit`, and at last `poll_timeout`.
//!
//! This file holds the state and sorts what arrives. Requests of others are taken and answered in `server.rs`, their
//! observations in `observe.rs`; our own requests run in `client.rs`; both send confirmable messages through
//! `exchange.rs`, as fast as `congestion.rs` lets them.
//!
//! # Deviations
//! Requests with safe methods are not remembered for deduplication (RFC 7252 §4.5 allows it): answering them again
//! costs less than remembering, and the cost per request does not grow with the number of clients.
//!
//! NON messages are sent once (CM18 allows repetition); errors of the network (CM16) have no verb and change nothing; responses
//! are not rate-limited beyond EC5 (CM26). Request bodies are atomic: a block alone is never acted upon (BW8).

use std::borrow::Cow;
use std::time::Instant;

use wayhouse_wire::coap::{Code, Header, Kind, Message};

pub use super::ask::{Answer, Ask, Failure, Refused, Reply, RequestId, Target};
use super::blockwise::{Assemblies, Bodies};
use super::client::Client;
use super::compose::compose_empty;
use super::congestion::Congestion;
use super::dedup::Dedup;
use super::echo::Reachability;
use super::exchange::Exchanges;
use super::facts::Facts;
use super::group::Groups;
pub use super::group::{FollowUp, GroupAsk, Repetition};
use super::leisure::Leisures;
pub use super::leisure::{Leisure, Protection};
use super::message_id::MessageIds;
use super::observe::Observers;
use super::outbox::Outbox;
use super::pending::Pendings;
pub use super::request::{GroupManners, ObserverId, PendingId, Received, Request, Response};
use super::route::Route;
use super::server::LateAnswers;
pub use super::settings::{Amplification, Counters, Settings};
use super::streams::Streams;
use super::timers::{Due, TimerId, Timers};
use crate::io::{Meta, Peer, Transmit, Wakeup};
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// The engine.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) settings: Settings,
    pub(super) rng: Rng,
    pub(super) counters: Counters,
    pub(super) outbox: Outbox,
    pub(super) timers: Timers,

    // Requests of others.
    pub(super) dedup: Dedup,
    pub(super) reachability: Reachability,
    pub(super) assemblies: Assemblies,
    pub(super) bodies: Bodies,
    pub(super) bodies_timer: Option<TimerId>,
    pub(super) pendings: Pendings,
    pub(super) late_answers: LateAnswers,
    pub(super) leisures: Leisures,
    pub(super) observers: Observers,
    pub(super) etag_key: KeyedState,
    /// What turns the message ID of a NON request into that of its NON response, differently for each peer.
    pub(super) response_id_key: KeyedState,

    // Both roles.
    pub(super) exchanges: Exchanges,
    pub(super) congestion: Congestion,
    pub(super) message_ids: MessageIds,
    pub(super) streams: Streams,

    // Our own requests.
    pub(super) client: Client,
    pub(super) groups: Groups,
}

impl Endpoint {
    /// An endpoint with nothing under way.
    pub fn new(settings: Settings, seed: u64) -> Endpoint {
        let mut rng = Rng::new(seed);
        let limits = settings.limits;
        let lifetime = settings.params.exchange_lifetime();
        let mut key = || KeyedState::new(&mut rng);
        Endpoint {
            dedup: Dedup::new(lifetime, limits.remembered_answers_max, limits.remembered_octets_max, key()),
            assemblies: Assemblies::new(limits.body_octets_max, limits.bodies_octets_max, lifetime, key()),
            bodies: Bodies::new(limits.bodies_octets_max, lifetime, key()),
            bodies_timer: None,
            pendings: Pendings::default(),
            late_answers: LateAnswers::default(),
            leisures: Leisures::default(),
            groups: Groups::new(key()),
            observers: Observers::new(limits, key()),
            etag_key: key(),
            exchanges: Exchanges::new(key()),
            congestion: Congestion::new(key()),
            message_ids: MessageIds::new(lifetime, limits.message_id_peers_max, key()),
            streams: Streams::default(),
            client: Client::new(&limits, &mut rng),
            reachability: Reachability::new(settings.amplification, limits.reachable_peers_max, &mut rng),
            response_id_key: KeyedState::new(&mut rng),
            outbox: Outbox::default(),
            timers: Timers::default(),
            counters: Counters::default(),
            rng,
            settings,
        }
    }

    /// Takes one datagram.
    pub fn handle_datagram<'a>(&mut self, now: Instant, meta: &Meta, bytes: &'a [u8]) -> Received<'a> {
        self.counters.datagrams_received += 1;
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(_) => {
                self.handle_malformed(meta, bytes);
                return Received::Nothing;
            }
        };
        let is_answerable = matches!(message.kind, Kind::Confirmable | Kind::NonConfirmable);
        if is_answerable && message.code.is_request() {
            let mut request = Request {
                peer: Route::back(meta).peer(),
                meta: *meta,
                kind: Some(message.kind),
                message_id: message.message_id,
                token: message.token,
                code: message.code,
                options: message.options,
                payload: Cow::Borrowed(message.payload),
                observe: None,
                facts: Facts { octets: bytes.len(), ..Facts::default() },
            };
            return if self.take_request(now, &mut request) { Received::Request(request) } else { Received::Nothing };
        }
        match (message.kind, message.code) {
            (Kind::Confirmable, Code::EMPTY) => self.reset(meta, message.message_id), // CM11: a ping
            (Kind::NonConfirmable, Code::EMPTY) => self.counters.malformed += 1,      // CM17
            (Kind::Acknowledgement, Code::EMPTY) => self.handle_acknowledgement(now, meta, message.message_id),
            (Kind::Reset, Code::EMPTY) => {
                self.counters.resets_received += 1;
                self.handle_reset(now, meta, message.message_id);
            }
            (Kind::Reset, _) => self.counters.malformed += 1, // CM13
            (_, code) if code.is_response() => self.handle_response(now, meta, &message),
            // CM11, CM13, CM17: a reserved class is rejected in a CON and ignored in all others, as is a request in an ACK.
            (Kind::Confirmable, _) => self.reset(meta, message.message_id),
            _ => self.counters.malformed += 1,
        }
        Received::Nothing
    }

    /// Rejects a CON that cannot be read (CM11), ignores all others (CM13, CM17) and foreign versions (RFC 7252 §3).
    fn handle_malformed(&mut self, meta: &Meta, bytes: &[u8]) {
        self.counters.malformed += 1;
        if let Some(Header { kind: Kind::Confirmable, message_id, .. }) = Header::peek(bytes) {
            self.reset(meta, message_id);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Retransmission(slot) => self.handle_retransmission(now, slot),
                Due::Patience(id) => self.handle_patience_end(now, id),
                Due::Unanswered(id) => self.handle_unanswered(now, id),
                Due::Registration(id) => self.handle_registration_due(now, id),
                Due::Leisure(id) => self.handle_leisure_end(id),
                Due::Pacing(remote) => {
                    self.congestion.forget_timer(remote);
                    self.pump(now, remote);
                }
                Due::Release(stream) => self.handle_release_end(now, stream),
                Due::Settings(stream) => self.handle_settings_missing(now, stream),
                Due::GroupWindow(id) => self.handle_group_window_end(now, id),
                Due::GroupRepetition(id) => self.handle_group_repetition(now, id),
                Due::GroupUnanswered(id) => self.handle_group_unanswered(now, id),
                Due::GroupStaleness(id) => self.handle_group_staleness(now, id),
                Due::NotificationLeisure(id) => self.handle_notification_leisure_end(now, id),
                Due::Bodies => {
                    self.bodies_timer = None;
                    self.assemblies.expire(now);
                    self.bodies.expire(now);
                    self.watch_bodies();
                }
            }
        }
    }

    /// The next thing to send; its octets are appended to `out`.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        self.outbox.pop(out)
    }
    /// When `handle_timeout` is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.timers.next()
    }
    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// Live observers.
    pub fn observer_count(&self) -> usize {
        self.observers.count()
    }

    /// Sends a reset, never for what was sent to a group (CX1).
    pub(super) fn reset(&mut self, meta: &Meta, message_id: u16) {
        if meta.is_multicast {
            return;
        }
        self.counters.resets_sent += 1;
        self.send_empty(Route::back(meta), Kind::Reset, message_id);
    }

    pub(super) fn send_empty(&mut self, route: Route, kind: Kind, message_id: u16) {
        let (out, start) = self.outbox.begin();
        compose_empty(out, kind, message_id);
        self.outbox.send(start, route.destination(), 0);
    }

    /// Wakes up when bodies in blocks expire.
    pub(super) fn watch_bodies(&mut self) {
        if self.bodies_timer.is_some() {
            return;
        }
        let next = [self.assemblies.next_expiry(), self.bodies.next_expiry()].into_iter().flatten().min();
        self.bodies_timer = next.map(|at| self.timers.set(at, Due::Bodies));
    }

    /// What a peer without a datagram address has instead: connections prove reachability by themselves.
    pub(super) fn is_reachable(&mut self, now: Instant, request: &Request<'_>) -> bool {
        let Peer::Datagram { remote, .. } = request.peer else { return true };
        let is_known = match request.meta.is_multicast {
            // GC39: one forged request would have all members answer at once, to a neighbour as well as to a stranger.
            true => self.reachability.has_proved(remote),
            false => self.reachability.is_proven(remote),
        };
        // A proof is taken note of even where none was needed: the next request may go to a group.
        let proves = request.facts.has_echo
            && request
                .option(wayhouse_wire::coap::option::number::ECHO)
                .is_some_and(|option| self.reachability.verify(now, remote, option.value));
        is_known || proves
    }
}
