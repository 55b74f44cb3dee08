//! Our own requests: what is under way, and how their messages are made and sent. Responses are taken in [`super::reply`].
//!
//! ```text
//! request ─> operation ─> step ─> [queue: NSTART] ─> message ─> response ─┬─> answer
//!                          ^ Block1, Echo: the next piece, once more      │
//!                          └ Block2: the next block  <────────────────────┘
//! ```
//! An operation has one step under way at most. An observation keeps its token between steps.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Kind, OptionList};

use super::ask::{Answer, Ask, Failure, Refused, Reply, RequestId, Target};
use super::blockwise::{Gatherer, Sender};
use super::cache::{Asked, Cache, Found, Origin};
use super::compose::{Envelope, Extras, compose, compose_empty, frame_overhead};
use super::congestion::{NON_SPACING, Waiting};
use super::endpoint::Endpoint;
use super::exchange::Owner;
use super::freshness::Freshness;
use super::limits::Limits;
use super::matching;
use super::route::Route;
use super::timers::{Due, TimerId};
use super::token::{RandomTokens, Token};
use crate::io::{Destination, SocketId, StreamId};
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// Octets that the options which the engine adds to a request take at most: ETag, Observe, Block2, Block1, Size1, Echo,
/// Request-Tag.
const EXTRAS_OCTETS: usize = 9 + 2 + 5 + 5 + 6 + 43 + 5;
/// No-Response: neither 2.xx nor 4.xx nor 5.xx (RFC 7967 §2.1).
const NO_RESPONSE_AT_ALL: u64 = 26;
/// Echo values of peers that are kept for the next request to them (EC1).
const ECHOES_MAX: usize = 1024;

/// Everything about our own requests.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) operations: BTreeMap<u64, Operation>,
    pub(super) by_token: HashMap<(Origin, Token), u64, KeyedState>,
    /// NON requests under way: a reset names them by message ID (CM20).
    pub(super) by_non: HashMap<(Route, u16), u64, KeyedState>,
    /// Observations by what they observe (OB2).
    observations: HashMap<u64, u64, KeyedState>,
    pub(super) answers: VecDeque<Answer>,
    tokens: RandomTokens,
    pub(super) cache: Cache,
    pub(super) echoes: BTreeMap<Origin, Vec<u8>>,
    key: KeyedState,
    made: u64,
    request_tags: u16,
}

/// Which way an operation's messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Datagram(Route),
    Stream(StreamId),
}

impl Way {
    pub(super) fn origin(self) -> Origin {
        match self {
            Way::Datagram(route) => Origin::Datagram(route.remote),
            Way::Stream(stream) => Origin::Stream(stream),
        }
    }
}

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Request,
    Ping,
    /// Nobody waits for the answer any more; the peer is told that we do not want notifications (OB6).
    Deregistration,
}

/// A request of ours, with all messages that it takes.
#[derive(Debug)]
pub(crate) struct Operation {
    /// What was asked; the payload moves into the sender unless it is needed again (CC2).
    pub(super) ask: Ask,
    pub(super) way: Way,
    pub(super) purpose: Purpose,
    /// The request to a group that it completes with one member (BW11).
    pub(super) reports_to: Option<u64>,
    body: Option<Vec<u8>>,
    pub(super) sender: Option<Sender>,
    pub(super) gatherer: Option<Gatherer>,
    pub(super) request_tag: Option<[u8; 2]>,
    pub(super) echo: Option<Vec<u8>>,
    pub(super) is_echo_tried: bool,
    pub(super) etag: Option<Vec<u8>>,
    pub(super) observation: Option<Observation>,
    observation_key: Option<u64>,
    pub(super) step: Option<Step>,
    patience: Option<TimerId>,
}

/// An observation at a peer, from the first request on.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(super) token: Token,
    /// The newest notification; `None` until the peer accepted the observation.
    pub(super) freshness: Option<Freshness>,
    pub(super) timer: Option<TimerId>,
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The request itself, or the next block of its body.
    Main,
    /// A further block of the response.
    FollowUp(BlockValue),
}

/// One message of an operation and the wait for its response.
#[derive(Debug)]
pub(crate) struct Step {
    pub(super) token: Token,
    pub(super) content: Content,
    is_sent: bool,
    pub(super) message_id: u16,
    pub(super) exchange: Option<usize>,
    /// Set while a NON counts as outstanding (CM23).
    unanswered: Option<TimerId>,
    sent_at: Option<Instant>,
    octets: usize,
}

impl Client {
    pub(crate) fn new(limits: &Limits, rng: &mut Rng) -> Client {
        let tokens = RandomTokens::new(rng);
        let cache = Cache::new(limits.cache_octets_max, KeyedState::new(rng));
        let key = KeyedState::new(rng);
        Client {
            operations: BTreeMap::new(),
            by_token: HashMap::with_hasher(key),
            by_non: HashMap::with_hasher(key),
            observations: HashMap::with_hasher(key),
            answers: VecDeque::new(),
            tokens,
            cache,
            echoes: BTreeMap::new(),
            key,
            made: 0,
            request_tags: rng.next_u64() as u16,
        }
    }
    /// The number of a new request.
    pub(super) fn next_id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
    pub(super) fn next_random_token(&mut self) -> Token {
        self.tokens.next_token()
    }
    pub(super) fn has_any_on(&self, stream: StreamId) -> bool {
        self.operations.values().any(|operation| operation.way == Way::Stream(stream))
    }
    pub(super) fn operations_on(&self, stream: StreamId) -> Vec<u64> {
        let on_it = self.operations.iter().filter(|(_, operation)| operation.way == Way::Stream(stream));
        on_it.map(|(id, _)| *id).collect()
    }
    /// Keeps an Echo value for the next request to a peer (EC1, EC2).
    pub(super) fn keep_echo(&mut self, origin: Origin, value: &[u8]) {
        if self.echoes.len() >= ECHOES_MAX && !self.echoes.contains_key(&origin) {
            self.echoes.pop_first();
        }
        self.echoes.insert(origin, value.to_vec());
    }
    /// A Request-Tag that no operation under way has (RT2).
    pub(super) fn next_request_tag(&mut self) -> [u8; 2] {
        self.request_tags = self.request_tags.wrapping_add(1);
        self.request_tags.to_be_bytes()
    }
    /// What is observed: peer, method, options of the cache key, and the body of a FETCH.
    fn observation_key(&self, origin: Origin, ask: &Ask) -> u64 {
        let mut hasher = self.key.build_hasher();
        origin.hash(&mut hasher);
        hasher.write_u8(ask.code.0);
        matching::hash(&mut hasher, ask.options.iter().filter(|option| matching::is_cache_key(option.number)));
        hasher.write(&ask.payload);
        hasher.finish()
    }
}

impl Operation {
    pub(super) fn new(ask: Ask, way: Way, purpose: Purpose) -> Operation {
        Operation {
            ask,
            way,
            purpose,
            reports_to: None,
            body: None,
            sender: None,
            gatherer: None,
            request_tag: None,
            echo: None,
            is_echo_tried: false,
            etag: None,
            observation: None,
            observation_key: None,
            step: None,
            patience: None,
        }
    }
    /// Sets what the request carries. CC2: the body of a FETCH is part of its cache key, so a copy stays.
    pub(super) fn set_body(&mut self, body: Vec<u8>) {
        self.ask.payload = if self.ask.code == Code::FETCH { body.clone() } else { Vec::new() };
        self.body = Some(body);
    }
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            origin: self.way.origin(),
            method: self.ask.code,
            options: &self.ask.options,
            payload: &self.ask.payload,
        }
    }
    /// Goes back to the first message of the request.
    pub(super) fn restart(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.rewind();
        }
        self.request_tag = None; // RT2: a new operation
        (self.echo, self.is_echo_tried) = (None, false);
    }
    /// Whether No-Response excludes all responses (NR3).
    pub(super) fn wants_no_response(&self) -> bool {
        excludes_all_responses(&self.ask.options)
    }
    /// Whether the message under way is the last of the request.
    pub(super) fn is_last_message(&self) -> bool {
        self.sender.as_ref().is_none_or(|sender| sender.piece().block.is_none_or(|block| !block.more))
    }
    /// Whether the peer has accepted the observation.
    pub(super) fn is_observing(&self) -> bool {
        self.observation.as_ref().is_some_and(|observation| observation.freshness.is_some())
    }
}

impl Endpoint {
    /// Starts a request.
    ///
    /// # Errors
    /// See [`Refused`]; nothing was sent then.
    pub fn request(&mut self, now: Instant, mut ask: Ask) -> Result<RequestId, Refused> {
        check(&ask).map_err(Refused::Invalid)?;
        let way = self.choose_way(now, &ask.to)?;
        let origin = way.origin();
        let observation_key = ask.is_observation.then(|| self.client.observation_key(origin, &ask));
        if observation_key.is_some_and(|key| self.client.observations.contains_key(&key)) {
            return Err(Refused::Invalid("this is observed already")); // OB2
        }
        let id = self.client.next_id();
        let mut etag = None;
        if ask.may_use_cache && ask.code.is_safe_method() && !ask.is_observation {
            let asked = Asked { origin, method: ask.code, options: &ask.options, payload: &ask.payload };
            match self.client.cache.find(now, asked) {
                Found::Fresh(stored) => {
                    let reply = stored.into_reply();
                    let from = self.remote_of(way);
                    self.client.answers.push_back(Answer {
                        id: RequestId(id),
                        from,
                        outcome: Ok(reply),
                        is_open: false,
                    });
                    return Ok(RequestId(id));
                }
                Found::Stale { etag: known } => etag = Some(known), // CC4
                Found::Nothing => {}
            }
        }
        let body = std::mem::take(&mut ask.payload);
        let mut operation = Operation::new(ask, way, Purpose::Request);
        operation.set_body(body);
        operation.etag = etag;
        if let Some(key) = observation_key {
            self.client.observations.insert(key, id);
            operation.observation_key = Some(key);
        }
        self.start(now, id, operation);
        Ok(RequestId(id))
    }

    /// Starts a ping: an Empty CON, or 7.02 over a connection. Ends with a `Reply` without code, or a failure.
    ///
    /// # Errors
    /// As [`Endpoint::request`].
    pub fn ping(&mut self, now: Instant, to: Target) -> Result<RequestId, Refused> {
        if target_address(&to).is_some_and(|address| address.ip().is_multicast()) {
            return Err(Refused::Invalid("a group cannot be pinged"));
        }
        let way = self.choose_way(now, &to)?;
        let ask = Ask::new(to, Code::EMPTY, OptionList::new());
        let id = self.client.next_id();
        self.start(now, id, Operation::new(ask, way, Purpose::Ping));
        Ok(RequestId(id))
    }

    /// Forgets a request; an observation is cancelled at the peer (OB6).
    pub fn cancel(&mut self, now: Instant, id: RequestId) {
        if self.groups.contains(id.0) {
            self.cancel_group(now, id.0);
            return;
        }
        let Some(operation) = self.client.operations.get_mut(&id.0) else { return };
        // Where nothing was sent there is nothing to cancel.
        let is_known_to_peer = operation.observation.is_some()
            && (operation.is_observing() || operation.step.as_ref().is_some_and(|step| step.is_sent));
        if operation.purpose != Purpose::Request || !is_known_to_peer {
            self.remove_operation(now, id.0);
            return;
        }
        operation.purpose = Purpose::Deregistration;
        operation.ask.patience = None;
        operation.gatherer = None;
        if let Some(key) = operation.observation_key.take() {
            self.client.observations.remove(&key);
        }
        if let Some(timer) = operation.observation.as_mut().and_then(|observation| observation.timer.take()) {
            self.timers.cancel(timer);
        }
        operation.restart();
        self.begin_step(now, id.0, Content::Main);
    }

    /// The next answer to a request of ours.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.client.answers.pop_front()
    }

    /// Requests of ours under way, observations included.
    pub fn request_count(&self) -> usize {
        self.client.operations.len() + self.groups.count()
    }

    /// Finds the socket or connection for a request, and whether there is room (CM19, CM23).
    fn choose_way(&mut self, now: Instant, to: &Target) -> Result<Way, Refused> {
        let limits = self.settings.limits;
        if self.request_count() >= limits.requests_max {
            return Err(Refused::TooMany);
        }
        let (remote, local, interface) = match *to {
            Target::Stream(stream) => {
                if !self.streams.may_ask(stream) {
                    return Err(Refused::NotConnected);
                }
                return Ok(Way::Stream(stream));
            }
            Target::Datagram { remote, local, interface } => (remote, local, interface),
            Target::FromListener { listener, remote } => {
                if self.congestion.waiting_count(remote) >= limits.queued_per_peer_max {
                    return Err(Refused::TooMany);
                }
                let socket = SocketId::Listener(listener);
                return match self.has_message_id(now, socket, remote) {
                    true => Ok(Way::Datagram(Route { socket, remote, local: None, interface: 0 })),
                    false => Err(Refused::MessageIdsExhausted),
                };
            }
        };
        if self.congestion.waiting_count(remote) >= limits.queued_per_peer_max {
            return Err(Refused::TooMany);
        }
        for socket in (0..limits.client_sockets_max.max(1)).map(SocketId::Client) {
            if self.has_message_id(now, socket, remote) {
                return Ok(Way::Datagram(Route { socket, remote, local, interface }));
            }
        }
        Err(Refused::MessageIdsExhausted)
    }

    /// Whether an ID is left for one more request, after those that wait for the peer.
    fn has_message_id(&mut self, now: Instant, socket: SocketId, remote: SocketAddr) -> bool {
        self.message_ids.free_count(now, socket, remote) as usize > self.congestion.waiting_count(remote)
    }

    fn remote_of(&self, way: Way) -> Option<SocketAddr> {
        match way {
            Way::Datagram(route) => Some(route.remote),
            Way::Stream(stream) => self.streams.remote(stream),
        }
    }

    fn start(&mut self, now: Instant, id: u64, mut operation: Operation) {
        if let Some(echo) = self.client.echoes.remove(&operation.way.origin()) {
            operation.echo = Some(echo); // EC1
        }
        let patience = operation.ask.patience.unwrap_or(self.settings.params.exchange_lifetime());
        operation.patience = Some(self.timers.set(now + patience, Due::Patience(id)));
        self.client.operations.insert(id, operation);
        self.begin_step(now, id, Content::Main);
    }

    /// Starts an operation that completes the answer of one member of a group: from its beginning, or with a further block
    /// of a body whose first ones are there (BW11).
    pub(super) fn start_completion(
        &mut self,
        now: Instant,
        id: u64,
        mut operation: Operation,
        next: Option<BlockValue>,
    ) {
        let patience = self.settings.params.exchange_lifetime();
        operation.patience = Some(self.timers.set(now + patience, Due::Patience(id)));
        self.client.operations.insert(id, operation);
        self.begin_step(now, id, next.map_or(Content::Main, Content::FollowUp));
    }

    /// Begins the next step of an operation: it gets a token and waits for its turn.
    pub(super) fn begin_step(&mut self, now: Instant, id: u64, content: Content) {
        self.end_step(now, id);
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        let way = operation.way;
        let is_main = content == Content::Main;
        let kept = operation.observation.as_ref().filter(|_| is_main).map(|observation| observation.token.clone());
        let token = match kept {
            Some(token) => Some(token),
            None => self.next_token(way),
        };
        let Some(token) = token else {
            // The connection is not open yet.
            let Way::Stream(stream) = way else { return };
            self.streams.await_settings(stream, id);
            return;
        };
        let operation = self.client.operations.get_mut(&id).expect("looked up above");
        if is_main && operation.ask.is_observation && operation.observation.is_none() {
            operation.observation = Some(Observation { token: token.clone(), freshness: None, timer: None });
        }
        self.client.by_token.insert((way.origin(), token.clone()), id);
        operation.step = Some(Step {
            token,
            content,
            is_sent: false,
            message_id: 0,
            exchange: None,
            unanswered: None,
            sent_at: None,
            octets: 0,
        });
        match way {
            Way::Datagram(route) => {
                self.congestion.enqueue(route.remote, Waiting::Operation(id));
                self.pump(now, route.remote);
            }
            Way::Stream(stream) => self.launch_frame(now, id, stream),
        }
    }

    /// A token that is not in use towards the peer (CR6, CR7).
    fn next_token(&mut self, way: Way) -> Option<Token> {
        match way {
            Way::Stream(stream) => self.streams.next_token(stream),
            Way::Datagram(_) => loop {
                let token = self.client.tokens.next_token();
                if !self.client.by_token.contains_key(&(way.origin(), token.clone())) {
                    return Some(token);
                }
            },
        }
    }

    /// Ends the step under way: nothing is sent for it any more (CM15), and its token is forgotten unless notifications use it.
    pub(super) fn end_step(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        let Some(step) = operation.step.take() else { return };
        let way = operation.way;
        let is_kept = operation.observation.as_ref().is_some_and(|observation| observation.token == step.token);
        if !is_kept {
            self.client.by_token.remove(&(way.origin(), step.token));
        }
        match way {
            Way::Stream(stream) => self.streams.withdraw(stream, id),
            Way::Datagram(route) => {
                if !step.is_sent {
                    self.congestion.withdraw(route.remote, Waiting::Operation(id));
                }
                if let Some(slot) = step.exchange {
                    self.end_exchange(now, slot);
                }
                if step.is_sent {
                    self.client.by_non.remove(&(route.without_source(), step.message_id));
                }
                if let Some(timer) = step.unanswered {
                    self.timers.cancel(timer);
                    self.give(now, route.remote);
                }
            }
        }
    }

    /// Sends the message of an operation whose turn has come. `Err` with the time when a message ID is free.
    pub(super) fn launch(&mut self, now: Instant, id: u64) -> Result<(), Instant> {
        let Some(operation) = self.client.operations.get_mut(&id) else { return Ok(()) };
        let Way::Datagram(route) = operation.way else { return Ok(()) };
        if operation.step.as_ref().is_none_or(|step| step.is_sent) {
            return Ok(());
        }
        let (patience, purpose) = (operation.ask.patience, operation.purpose);
        let message_id = self.allocate_message_id(now, route.socket, route.remote)?;
        if patience.is_none() && purpose != Purpose::Ping {
            // What waited must have the time that the message layer takes.
            self.restore_patience(now, id);
        }
        let operation = self.client.operations.get_mut(&id).expect("looked up above");
        let is_confirmable = operation.ask.is_confirmable;
        let kind = if is_confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        let mut octets = Vec::new();
        if operation.purpose == Purpose::Ping {
            compose_empty(&mut octets, kind, message_id);
        } else {
            if operation.sender.is_none() {
                let szx = operation.ask.block_szx.unwrap_or(self.settings.block_szx).min(6);
                operation.sender = Some(Sender::new(operation.body.take().unwrap_or_default(), szx, 0));
            }
            if operation.request_tag.is_none()
                && operation.sender.as_ref().is_some_and(|sender| sender.piece().block.is_some())
            {
                let tag = self.client.next_request_tag();
                self.client.operations.get_mut(&id).expect("looked up above").request_tag = Some(tag);
            }
            let operation = &self.client.operations[&id];
            write(&mut octets, Envelope::Datagram { kind, message_id }, operation);
        }
        let length = octets.len();
        self.congestion.take(route.remote);
        let (exchange, unanswered) = if is_confirmable {
            (Some(self.send_confirmable(now, route, message_id, octets, Owner::Operation(id), 0)), None)
        } else {
            self.outbox.send_copy(&octets, route.destination(), 0);
            self.client.by_non.insert((route.without_source(), message_id), id);
            (None, Some(self.timers.set(now + NON_SPACING, Due::Unanswered(id))))
        };
        let operation = self.client.operations.get_mut(&id).expect("looked up above");
        let step = operation.step.as_mut().expect("looked up above");
        step.is_sent = true;
        step.message_id = message_id;
        step.exchange = exchange;
        step.unanswered = unanswered;
        step.sent_at = Some(now);
        step.octets = length;
        Ok(())
    }

    /// Sends the frame of an operation, or lets it wait for the connection or its settings.
    pub(super) fn launch_frame(&mut self, now: Instant, id: u64, stream: StreamId) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        let Some(step) = &operation.step else {
            // It waited for the connection to open: begin in earnest.
            self.begin_step(now, id, Content::Main);
            return;
        };
        if step.is_sent {
            return;
        }
        let token = step.token.clone();
        let Some(peer) = self.streams.peer_settings(stream) else {
            self.streams.await_settings(stream, id);
            return;
        };
        if operation.purpose == Purpose::Ping {
            operation.step.as_mut().expect("looked up above").is_sent = true;
            self.ping_stream(stream, &token);
            return;
        }
        if operation.sender.is_none() {
            let octets = operation.body.as_ref().map_or(0, Vec::len);
            let overhead = frame_overhead(&token, operation.ask.options.iter()) + EXTRAS_OCTETS;
            let is_whole = octets == 0 || octets + overhead <= peer.message_octets_max;
            if !is_whole && !self.streams.has_settings(stream) {
                // TC1: requests may go right away, but only the CSM tells how a long one may.
                self.streams.await_settings(stream, id);
                return;
            }
            let body = operation.body.take().unwrap_or_default();
            let bert_octets = peer.bert_octets(overhead);
            // TC4: no message is longer than the peer takes.
            let szx_max = (0..=6).rev().find(|szx| (16 << szx) + overhead <= peer.message_octets_max);
            operation.sender = Some(match (is_whole, operation.ask.block_szx, szx_max) {
                (true, Some(szx), _) if szx < 7 => Sender::new(body, szx, 0),
                (false, Some(szx), Some(szx_max)) if szx < 7 => Sender::new(body, szx.min(szx_max), 0),
                (true, ..) => Sender::new(body, 7, octets.next_multiple_of(1024).max(1024)),
                (false, ..) if bert_octets > 0 => Sender::new(body, 7, bert_octets),
                (false, _, Some(szx_max)) if peer.does_block_wise => Sender::new(body, szx_max, 0),
                (false, ..) => {
                    self.fail(now, id, Failure::Unprocessable("the request is longer than the peer takes"));
                    return;
                }
            });
        }
        let operation = &self.client.operations[&id];
        if operation.request_tag.is_none()
            && operation.sender.as_ref().is_some_and(|sender| sender.piece().block.is_some())
        {
            let tag = self.client.next_request_tag();
            self.client.operations.get_mut(&id).expect("looked up above").request_tag = Some(tag);
        }
        let (out, start) = self.outbox.begin();
        let operation = self.client.operations.get_mut(&id).expect("looked up above");
        write(out, Envelope::Frame, operation);
        operation.step.as_mut().expect("looked up above").is_sent = true;
        self.outbox.send(start, Destination::Stream(stream), 0);
    }

    /// Sets the time at which an operation is given up anew: there was progress.
    pub(super) fn restore_patience(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        if operation.ask.patience.is_some() && operation.patience.is_some() {
            return; // the parent's word counts from the start
        }
        if let Some(timer) = operation.patience.take() {
            self.timers.cancel(timer);
        }
        let patience = self.settings.params.exchange_lifetime();
        operation.patience = Some(self.timers.set(now + patience, Due::Patience(id)));
    }

    /// Lets an observation wait for notifications without an end.
    pub(super) fn suspend_patience(&mut self, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        if let Some(timer) = operation.patience.take() {
            self.timers.cancel(timer);
        }
    }

    /// A NON request stays unanswered for long enough that others may go; its answer may still come (CM23, CM25).
    pub(super) fn handle_unanswered(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        let Way::Datagram(route) = operation.way else { return };
        let Some(step) = operation.step.as_mut() else { return };
        if step.unanswered.take().is_none() {
            return;
        }
        let (sent_at, octets) = (step.sent_at.unwrap_or(now), step.octets);
        if operation.wants_no_response() && operation.is_last_message() {
            self.give(now, route.remote);
            self.finish_without_response(now, id); // NR3, NR6
            return;
        }
        self.congestion.unheard(route.remote, sent_at, octets, self.settings.params.probing_rate);
        self.give(now, route.remote);
    }

    /// The time for an operation is over.
    pub(super) fn handle_patience_end(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        operation.patience = None;
        self.counters.timeouts += 1;
        self.fail(now, id, Failure::Timeout);
    }

    /// Time to register an observation again (OB4).
    pub(super) fn handle_registration_due(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        if let Some(observation) = operation.observation.as_mut() {
            observation.timer = None;
        }
        operation.restart();
        self.restore_patience(now, id);
        self.begin_step(now, id, Content::Main);
    }

    /// Ends an operation with a failure.
    pub(super) fn fail(&mut self, now: Instant, id: u64, failure: Failure) {
        self.report(now, id, None, Err(failure), false);
        self.remove_operation(now, id);
    }

    /// Tells the parent about an operation, unless nobody wants to know.
    pub(super) fn report(
        &mut self,
        now: Instant,
        id: u64,
        from: Option<SocketAddr>,
        outcome: Result<Reply, Failure>,
        is_open: bool,
    ) {
        let Some(operation) = self.client.operations.get(&id) else { return };
        if operation.purpose == Purpose::Deregistration {
            return;
        }
        let from = from.or_else(|| self.remote_of(operation.way));
        match (operation.reports_to, from, outcome) {
            (None, from, outcome) => {
                self.client.answers.push_back(Answer { id: RequestId(id), from, outcome, is_open });
            }
            (Some(group), Some(member), Ok(reply)) => self.take_member_answer(now, group, member, reply),
            (Some(group), from, outcome) => {
                self.client.answers.push_back(Answer { id: RequestId(group), from, outcome, is_open: true });
            }
        }
    }

    /// Forgets an operation.
    pub(super) fn remove_operation(&mut self, now: Instant, id: u64) {
        self.end_step(now, id);
        let Some(operation) = self.client.operations.remove(&id) else { return };
        if let Some(timer) = operation.patience {
            self.timers.cancel(timer);
        }
        if let Some(key) = operation.observation_key {
            self.client.observations.remove(&key);
        }
        if let Some(observation) = operation.observation {
            self.client.by_token.remove(&(operation.way.origin(), observation.token));
            if let Some(timer) = observation.timer {
                self.timers.cancel(timer);
            }
        }
        if let Way::Stream(stream) = operation.way {
            self.streams.withdraw(stream, id);
            self.close_if_released(now, stream);
        }
        if let Some(group) = operation.reports_to {
            self.note_completion_end(now, group, id);
        }
    }

    /// When an observation is registered again: after Max-Age, and 5 to 15 seconds more (OB4).
    pub(super) fn schedule_registration(&mut self, now: Instant, id: u64, max_age: Duration) {
        let spread = Duration::from_millis(5_000 + self.rng.below(10_001));
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        let Some(observation) = operation.observation.as_mut() else { return };
        if let Some(timer) = observation.timer.take() {
            self.timers.cancel(timer);
        }
        // What lies beyond all clocks needs no timer.
        observation.timer = now.checked_add(max_age + spread).map(|at| self.timers.set(at, Due::Registration(id)));
    }
}

/// Appends the message of an operation's step.
fn write(out: &mut Vec<u8>, envelope: Envelope, operation: &Operation) {
    let step = operation.step.as_ref().expect("only called with a step");
    let sender = operation.sender.as_ref().expect("made before the first message");
    let piece = sender.piece();
    let mut options = operation.ask.options.clone();
    let is_follow_up = step.content != Content::Main;
    let mut payload = piece.payload;
    match step.content {
        Content::Main => {
            if operation.ask.is_observation {
                options.push_uint(number::OBSERVE, u64::from(operation.purpose == Purpose::Deregistration));
            }
            if let Some(block) = piece.block {
                options.push_uint(number::BLOCK1, block.to_uint());
            }
            if let Some(size1) = piece.size1 {
                options.push_uint(number::SIZE1, size1);
            }
            if !piece.may_have_if_none_match() {
                options.remove(number::IF_NONE_MATCH); // BW13
            }
            if let Some(szx) = operation.ask.block_szx {
                // Early negotiation (RFC 7959 §2.4).
                options.push_uint(number::BLOCK2, BlockValue { num: 0, more: false, szx }.to_uint());
            }
            if let Some(etag) = &operation.etag {
                options.push(number::ETAG, etag);
            }
        }
        Content::FollowUp(block) => {
            options.push_uint(number::BLOCK2, block.to_uint());
            options.remove(number::IF_NONE_MATCH);
            options.remove(number::IF_MATCH);
            // BW10: without the body; but where it went in one message it is part of what a FETCH asks for (CC2).
            if operation.ask.code != Code::FETCH || piece.block.is_some() {
                payload = &[];
            }
        }
    }
    if let Some(tag) = &operation.request_tag {
        options.push(number::REQUEST_TAG, tag); // RT2, RT3
    }
    if let Some(echo) = &operation.echo {
        options.push(number::ECHO, echo);
    }
    debug_assert!(
        !is_follow_up || options.first(number::OBSERVE).is_none(),
        "further blocks are asked for without Observe"
    );
    compose(out, envelope, operation.ask.code, &step.token, &Extras::new(), options.iter(), payload);
}

fn target_address(to: &Target) -> Option<SocketAddr> {
    match *to {
        Target::Datagram { remote, .. } | Target::FromListener { remote, .. } => Some(remote),
        Target::Stream(_) => None,
    }
}

/// Whether No-Response excludes all responses (NR3).
pub(super) fn excludes_all_responses(options: &OptionList) -> bool {
    let option = options.first(number::NO_RESPONSE).and_then(|option| option.uint());
    option.is_some_and(|classes| classes & NO_RESPONSE_AT_ALL == NO_RESPONSE_AT_ALL)
}

/// What no request may break.
fn check(ask: &Ask) -> Result<(), &'static str> {
    check_request(ask.code, &ask.options, &ask.payload, ask.is_observation)?;
    let szx_max = if matches!(ask.to, Target::Stream(_)) { 7 } else { 6 };
    if ask.block_szx.is_some_and(|szx| szx > szx_max) {
        return Err("no such block size");
    }
    if target_address(&ask.to).is_some_and(|address| address.ip().is_multicast()) {
        return Err("a group is asked by `request_group`"); // CX1
    }
    Ok(())
}

/// What no request may break, to whomever it goes.
pub(super) fn check_request(
    code: Code,
    options: &OptionList,
    payload: &[u8],
    is_observation: bool,
) -> Result<(), &'static str> {
    if !code.is_request() {
        return Err("not a request method");
    }
    let has = |number| options.first(number).is_some();
    let added = [number::BLOCK1, number::BLOCK2, number::OBSERVE, number::ECHO, number::REQUEST_TAG];
    if added.into_iter().any(has) {
        return Err("an option that the endpoint adds by itself");
    }
    for option in options.iter() {
        if option.number == number::URI_PATH && matches!(option.value, b"." | b"..") {
            return Err("a path segment must not be . or .."); // CO10
        }
    }
    let uri = [number::URI_HOST, number::URI_PORT, number::URI_PATH, number::URI_QUERY];
    if has(number::PROXY_URI) && uri.into_iter().any(has) {
        return Err("Proxy-Uri excludes the Uri options"); // CO12
    }
    if matches!(code, Code::GET | Code::DELETE) && !payload.is_empty() {
        return Err("the method has no request body"); // CO6
    }
    if code == Code::FETCH && !has(number::CONTENT_FORMAT) {
        return Err("FETCH needs a Content-Format"); // RFC 8132 §2.1
    }
    if is_observation && !code.is_safe_method() {
        return Err("only GET and FETCH observe"); // CO5
    }
    Ok(())
}
