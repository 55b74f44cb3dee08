//! The verbs of a node: what goes in, what comes out.
//!
//! ```text
//! handle_* ─▶ engine ─▶ route ─▶ face ─▶ registry        command ─▶ operator face ─▶ registry
//!                                              │ changes
//!             observers, renewals, events ◀────┴────▶ poll_persist        then poll_transmit … poll_timeout
//! ```
//!
//! After every input a node settles: faces read the changes, observers that are due are told, answers to the node's own
//! requests are taken. A plain lookup or a small GET changes nothing, and settling then costs a few comparisons.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use wayhouse_proto::coap::endpoint::Received;
use wayhouse_proto::coap::{Endpoint, Request, Response};
use wayhouse_proto::io::{Meta, SocketId, StreamId, StreamInput, Transmit, Wakeup};
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeNumber, Cursor, Origin, Refusal, Registry, Restored};

use crate::config::{Dialects, Transport};
use crate::face::Context;
use crate::face::dns::Names;
use crate::face::operator::asking::{Asking, GroupAnswer};
use crate::face::operator::{self, Command, Reply};
use crate::face::rd::{Directory, Verdict};
use crate::rules::LOCATION_PREFIX;
use crate::{Config, GroupRefused, groups, limits, route};

/// What operators may want to know, as it happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// The registry changed (refreshes included).
    Changed(Change),
    /// So many events were dropped here, because nobody fetched them in time: what was learned from events is
    /// incomplete and must be read anew.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// A member of a group answered a person's question.
    Answered(GroupAnswer),
    /// Something a person should look at.
    Warning(&'static str),
}

/// Counters and sizes of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// The CoAP engine.
    pub coap: wayhouse_proto::coap::endpoint::Counters,
    /// The DNS face.
    pub dns: crate::face::dns::Counters,
    /// Registrations taken (new, replaced, refreshed by registering).
    pub registrations: u64,
    /// Updates taken.
    pub updates: u64,
    /// Removals on request.
    pub removals: u64,
    /// Expiries.
    pub expiries: u64,
    /// Lookups answered.
    pub lookups: u64,
    /// Requests refused by the directory.
    pub refusals: u64,
    /// Active registrants.
    pub registrants: usize,
    /// Octets of text held.
    pub octets: usize,
    /// Live observers.
    pub observers: usize,
    /// Number of the last change.
    pub last_change: u64,
}

/// The node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    endpoint: Endpoint,
    registry: Registry,
    directory: Directory,
    names: Names,
    asking: Asking,
    /// Where the faces and events stand in the log of changes.
    faces: Cursor,
    /// The last change the faces have read; cheaper to ask than the log.
    settled: ChangeNumber,
    /// Where the store stands.
    persisted: Cursor,
    events: Events,
    /// Work left over when a bound per call was met: asks for a wake-up at once.
    unfinished: Option<Instant>,
    /// Reused for every response.
    response: Response,
    /// Reused for every frame of a connection.
    frame: Vec<u8>,
}

impl Node {
    /// A node with an empty registry. The seed drives all its chance.
    pub fn new(config: Config, seed: u64) -> Node {
        let mut rng = Rng::new(seed);
        let mut endpoint = Endpoint::new(config.coap.clone(), rng.next_u64());
        groups::set_leisures(&mut endpoint, &config.groups);
        let mut registry = Registry::new(config.registry, rng.next_u64(), LOCATION_PREFIX);
        let directory = Directory::new(rng.next_u64());
        let names = Names::new(&config.dns, rng.next_u64());
        let faces = registry.open_cursor();
        let persisted = registry.open_cursor();
        Node {
            config,
            endpoint,
            directory,
            names,
            asking: Asking::default(),
            faces,
            settled: registry.last_change(),
            persisted,
            registry,
            events: Events::default(),
            unfinished: None,
            response: Response::default(),
            frame: Vec::new(),
        }
    }
    /// Puts back an entry that a store kept. Call before any input.
    ///
    /// # Errors
    /// When the record breaks a rule, or says that it is of the configuration, which alone can say so.
    pub fn restore(&mut self, now: Instant, restored: Restored) -> Result<(), Refusal> {
        if restored.registrant.origin == Origin::Configured {
            return Err(Refusal::Configured);
        }
        let id = restored.registrant.id;
        self.registry.restore(now, restored)?;
        if let Some(view) = self.registry.get(id) {
            let displaced = self.names.note_restored(&self.config.dns, view);
            self.directory.note_restored(view);
            for other in displaced {
                if let Some(view) = self.registry.get(other) {
                    self.names.note_restored(&self.config.dns, view);
                }
            }
        }
        Ok(())
    }
    /// Continues the numbering of changes behind what the store has seen. Call before any input.
    pub fn continue_after(&mut self, number: ChangeNumber) {
        self.registry.continue_after(number);
        self.settled = self.registry.last_change();
        self.names.continue_after(number.0);
    }
    /// Enters the groups of the configuration. Call when everything that a store kept is put back, before any input.
    ///
    /// # Errors
    /// When one breaks a rule or finds no room; those before it are entered.
    pub fn enter_groups(&mut self, now: Instant) -> Result<(), GroupRefused> {
        let outcome = groups::enter(&mut self.registry, now, &self.config.groups);
        self.settle(now);
        outcome
    }
    /// Tells the time of day, which signatures need: seconds since 1970 at `now`. Call at the start, and again now and then,
    /// for that clock may be set.
    pub fn set_wall_clock(&mut self, now: Instant, wall_s: u64) {
        self.names.set_wall_clock(now, wall_s);
    }
    /// Whether [`Event`]s are kept for [`Node::poll_event`]; at first they are not.
    pub fn set_event_interest(&mut self, is_interested: bool) {
        self.events.set_interest(is_interested);
    }

    /// Takes one datagram.
    pub fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) {
        if let SocketId::Dns(listener) = meta.socket {
            let (names, mut context) = self.names_and_context(now);
            names.handle_datagram(&mut context, listener, meta, bytes);
            // Nothing that others wait for comes of a question.
            if self.registry.last_change() != self.settled {
                self.settle(now);
            }
            return;
        }
        if let Received::Request(request) = self.endpoint.handle_datagram(now, meta, bytes) {
            self.serve(now, &request);
        }
        self.settle(now);
    }
    /// Takes what happened on a connection.
    pub fn handle_stream(&mut self, now: Instant, stream: StreamId, input: StreamInput<'_>) {
        if self.names.has_stream(stream) {
            let (names, mut context) = self.names_and_context(now);
            names.handle_stream(&mut context, stream, input);
            return self.settle(now);
        }
        self.endpoint.handle_stream(now, stream, input);
        let mut frame = std::mem::take(&mut self.frame);
        while let Some(request) = self.endpoint.poll_stream(now, &mut frame) {
            self.serve(now, &request);
        }
        self.frame = frame;
        self.settle(now);
    }
    /// Whether a DNS connection is known here. One whose peer has ended still is while answers are to come; then it is closed.
    pub fn is_answering(&self, stream: StreamId) -> bool {
        self.names.has_stream(stream)
    }
    /// Takes a connection of a DNS listener that follows some texts. What passes on it is told to [`Node::handle_stream`]; over
    /// TLS that is what TLS protects.
    pub fn open_dns_stream(
        &mut self,
        now: Instant,
        stream: StreamId,
        remote: SocketAddr,
        transport: Transport,
        dialects: Dialects,
    ) {
        self.names.open_stream(now, stream, remote, transport, dialects);
        self.settle(now);
    }
    /// Says on a connection that it will be closed, and closes it once what is under way is answered (RFC 8323 §5.5).
    pub fn release_stream(&mut self, now: Instant, stream: StreamId) {
        if self.names.has_stream(stream) {
            return self.names.release_stream(now, stream);
        }
        self.endpoint.release_stream(now, stream);
        self.settle(now);
    }
    /// Does what is due; bounded work per call (a further wake-up is asked for at once when more is due).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.unfinished = None;
        self.endpoint.handle_timeout(now);
        if self.registry.expire(now, limits::EXPIRIES_PER_CALL) {
            self.unfinished = Some(now);
        }
        let (directory, mut context, _) = self.face_and_context(now);
        directory.handle_timeout(&mut context);
        // Names are decided on by what is known of them.
        self.read_changes(now);
        let (names, mut context) = self.names_and_context(now);
        names.handle_timeout(&mut context);
        self.settle(now);
    }
    /// Does what a person asks.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn command(&mut self, now: Instant, command: Command) -> Result<Reply, Refusal> {
        let reply = match command {
            Command::Registrants { filter, text, page } => {
                Ok(operator::list(&mut self.registry, now, &filter, text.as_deref(), page))
            }
            Command::Registrant(id) => operator::show(&mut self.registry, now, id),
            Command::Register(entry) => operator::register(&mut self.registry, now, &self.config, &entry),
            Command::Remove(id) => operator::remove(&mut self.registry, now, id),
            Command::AskGroup(question) => {
                let Node { config, registry, endpoint, asking, .. } = self;
                asking.start(&mut Context { now, config, registry, endpoint }, &question).map(Reply::Asking)
            }
            Command::StopAsking(ask) => {
                let Node { config, registry, endpoint, asking, .. } = self;
                asking.stop(&mut Context { now, config, registry, endpoint }, ask);
                Ok(Reply::Stopped)
            }
            Command::Groups { wanted, page } => {
                Ok(operator::groups::list(&mut self.registry, &self.config, &wanted, page))
            }
            Command::Status => Ok(Reply::Status(Box::new(self.counters()))),
        };
        self.settle(now);
        reply
    }

    /// Does a little of what can wait, and is done with whatever is asked for meanwhile; whether more of it waits. Call
    /// it when there is nothing else to do.
    pub fn use_idle_time(&mut self) -> bool {
        self.registry.index_some(limits::INDEXED_PER_CALL)
    }

    /// The next thing to send; its octets are appended to `out`. What has `durable_after` above 0 may leave only when
    /// that change (see [`Node::poll_persist`]) is on disk.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        self.names.poll_transmit(out).or_else(|| self.endpoint.poll_transmit(out))
    }
    /// The next change to write to the store, in order of numbers. Must be drained even where nothing is stored: the log
    /// keeps what was not read.
    pub fn poll_persist(&mut self) -> Option<Change> {
        self.registry.next_change(self.persisted)
    }
    /// Whether changes were dropped before [`Node::poll_persist`] was asked for them, since this was last asked (see
    /// `Limits::changes_max` of the registry): then the store must be written anew from all entries.
    pub fn take_persist_lag(&mut self) -> bool {
        self.registry.take_lag(self.persisted)
    }
    /// The next event; see [`Node::set_event_interest`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.poll()
    }
    /// When `handle_timeout` is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let unfinished = self.unfinished.map(|at| Wakeup { at, why: "work left over" });
        let expiry = self.registry.next_expiry().map(|at| Wakeup { at, why: "a lease ends" });
        let own = Wakeup::earliest(Wakeup::earliest(unfinished, expiry), self.names.poll_timeout());
        Wakeup::earliest(Wakeup::earliest(own, self.directory.poll_timeout()), self.endpoint.poll_timeout())
    }
    /// Counters and sizes.
    pub fn counters(&self) -> Counters {
        let counts = self.directory.counts;
        Counters {
            coap: self.endpoint.counters(),
            dns: self.names.counters(),
            registrations: counts.registrations,
            updates: counts.updates,
            removals: counts.removals,
            expiries: counts.expiries,
            lookups: counts.lookups,
            refusals: counts.refusals,
            registrants: self.registry.active_count(),
            octets: self.registry.octets(),
            observers: self.endpoint.observer_count(),
            last_change: self.registry.last_change().0,
        }
    }

    /// Answers one request.
    fn serve(&mut self, now: Instant, request: &Request<'_>) {
        let (directory, mut context, response) = self.face_and_context(now);
        response.clear();
        let verdict = route::answer(&mut context, directory, request, response);
        if !verdict.is_now() {
            return;
        }
        let observer = context.endpoint.respond(now, request, response);
        if let (Some(observer), Verdict::Watch(question)) = (observer, verdict) {
            directory.observe(observer, *question);
        }
    }
    /// Lets everybody read what changed, until nothing is left over but what a bound per call leaves.
    fn settle(&mut self, now: Instant) {
        self.read_changes(now);
        while let Some(observer) = self.endpoint.poll_gone_observer() {
            self.directory.forget(observer);
        }
        while let Some(answer) = self.endpoint.poll_answer() {
            if self.asking.owns(&answer) {
                let answer = self.asking.take(answer);
                self.events.push(|| Event::Answered(answer));
                continue;
            }
            let (directory, mut context, response) = self.face_and_context(now);
            directory.handle_answer(&mut context, answer, response);
            self.read_changes(now);
        }
        self.notify(now);
    }
    fn read_changes(&mut self, now: Instant) {
        for _ in 0..limits::ROUNDS_PER_CALL {
            let reached = self.registry.last_change();
            if reached == self.settled {
                return;
            }
            while let Some(change) = self.registry.next_change(self.faces) {
                let (directory, mut context, _) = self.face_and_context(now);
                directory.note_change(&mut context, &change);
                self.names.note_change(&self.config.dns, &change);
                self.events.push(|| Event::Changed(change));
            }
            let (names, mut context) = self.names_and_context(now);
            // A connection that is told may have an update waiting.
            names.tell_changes(&mut context);
            self.settled = reached;
        }
        self.unfinished = Some(now);
    }
    /// Tells observers, so many per call that no other answer waits long.
    fn notify(&mut self, now: Instant) {
        let mut previous = None;
        let mut octets = 0;
        for _ in 0..limits::NOTIFICATIONS_PER_CALL {
            let Some(observer) = self.endpoint.poll_due_notification(now) else { return };
            let (directory, mut context, response) = self.face_and_context(now);
            previous = directory.render(&mut context, observer, previous, response);
            if previous.is_none() {
                // Nobody here knows the observer: its observation ends.
                response.clear();
                response.code = Some(wayhouse_wire::coap::Code::NOT_FOUND);
            }
            context.endpoint.notify(now, observer, response);
            if !response.code.is_some_and(|code| code.is_success()) {
                // OB8: that was its last one.
                directory.forget(observer);
            }
            octets += response.payload.len();
            if octets >= limits::NOTIFICATION_OCTETS_PER_CALL {
                break;
            }
        }
        self.unfinished = Some(now);
    }

    fn names_and_context(&mut self, now: Instant) -> (&mut Names, Context<'_>) {
        let context = Context { now, config: &self.config, registry: &mut self.registry, endpoint: &mut self.endpoint };
        (&mut self.names, context)
    }
    /// The parts that answering takes, borrowed side by side.
    fn face_and_context(&mut self, now: Instant) -> (&mut Directory, Context<'_>, &mut Response) {
        let context = Context { now, config: &self.config, registry: &mut self.registry, endpoint: &mut self.endpoint };
        (&mut self.directory, context, &mut self.response)
    }
}

/// Events for a listener: bounded, and silent where it lost some.
#[derive(Debug, Default)]
struct Events {
    is_wanted: bool,
    queue: VecDeque<Event>,
    missed: u64,
}

impl Events {
    fn set_interest(&mut self, is_interested: bool) {
        self.is_wanted = is_interested;
        if !is_interested {
            self.queue = VecDeque::new();
            self.missed = 0;
        }
    }
    fn push(&mut self, event: impl FnOnce() -> Event) {
        if !self.is_wanted {
        } else if self.missed == 0 && self.queue.len() < limits::EVENTS_MAX {
            self.queue.push_back(event());
        } else {
            self.missed += 1;
        }
    }
    fn poll(&mut self) -> Option<Event> {
        match self.queue.pop_front() {
            None if self.missed > 0 => Some(Event::Lagged { missed: std::mem::take(&mut self.missed) }),
            event => event,
        }
    }
}
