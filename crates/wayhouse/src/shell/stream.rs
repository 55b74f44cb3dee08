//! Connections: CoAP over TCP, DNS over TCP and over TLS. Bounded in number, in what they may hold, and in patience.
//!
//! ```text
//!              ready          one read           decrypt              the node
//!   sockets ──────────▶ turn ──────────▶ buffer ─────────▶ in the clear ──────▶ send ─▶ staged ─▶ flush ─▶ sockets
//!              (poller)        shared by all                shared by all              by connection  (encrypt, one write)
//! ```
//! The loop owns all of it: a connection has no task and, while it is idle, no buffers. A turn does a bounded amount of work,
//! so that datagrams are served in between. What a socket does not take waits in its connection's outbox; a peer that does
//! not read until its outbox is full loses the connection. Frames are the engine's affair: here pass octets.
//!
//! # Deviations
//! RFC 8490 §9.5 would leave Nagle's algorithm on (DS58). Whole messages leave here in one call, all that one turn has for a
//! connection together, so that it could only delay the next ones until an acknowledgment comes: it is off.

mod accepting;
mod bounds;
mod buffers;
mod connection;
mod listener;
mod poller;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use wayhouse_node::config::Dialects;
use wayhouse_proto::io::StreamId;

use super::counters::ShellCounters;
use super::tls;
use bounds::Counted;
pub use bounds::{Bound, Bounds};
use buffers::Buffers;
use connection::{Connection, Phase, Read, Written};
use listener::Listener;
use poller::{Poller, Token};

/// Octets taken from a connection at a time.
pub const READ_OCTETS: usize = 32 << 10;
/// Octets read in a turn: some thousand questions.
const READ_OCTETS_PER_TURN: usize = 128 << 10;
/// Sockets looked at in a turn.
const SOCKETS_PER_TURN: usize = 64;
/// Steps of handshakes in a turn, each up to a few hundred microseconds.
const HANDSHAKES_PER_TURN: usize = 8;
/// Connections accepted in a turn.
const ACCEPTS_PER_TURN: usize = 32;
/// Connections written to per flush: what is told to thousands at once leaves in portions.
const WRITES_PER_FLUSH: usize = 128;
/// Octets that may wait for one peer. Reaction: its connection is ended.
const OUTBOX_OCTETS_MAX: usize = 4 << 20;
/// Octets that may wait for all peers. Reaction: the connection that wants more is ended.
const OUTBOXES_OCTETS_MAX: usize = 64 << 20;
/// How long a peer may take to close its side after we have closed ours.
const LINGER: Duration = Duration::from_secs(3);
/// How long what was sent before an end may take to leave.
const CLOSE_MAX: Duration = Duration::from_secs(30);
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long accepting rests after a failure, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What a connection is for: its listener tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// CoAP over TCP.
    Coap,
    /// DNS over TCP, as these texts have it.
    Dns(Dialects),
    /// DNS over TLS. It shares its bounds with DNS over TCP.
    DnsOverTls(Dialects),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// Somebody connected, and is who TLS wants it to be.
    Opened {
        /// The connection.
        id: StreamId,
        /// The other end.
        remote: SocketAddr,
        /// Our end.
        local: SocketAddr,
        /// What it is for.
        service: Service,
    },
    /// Octets arrived: they stand in [`Streams::received`] until the next event is asked for.
    Data(StreamId),
    /// It ended; told once for each connection that was told as opened.
    Closed(StreamId),
}

/// All connections.
#[derive(Debug)]
pub struct Streams {
    poller: Poller,
    listeners: Vec<Listener>,
    /// Until when accepting rests.
    resting_until: Option<Instant>,
    connections: HashMap<StreamId, Connection>,
    bounds: Bounds,
    coap: Counted,
    dns: Counted,
    last_id: u64,
    /// What the loop has to hear.
    told: VecDeque<StreamEvent>,
    /// Connections that have something to write.
    unwritten: VecDeque<StreamId>,
    /// When patience ends.
    deadlines: BTreeSet<(Instant, StreamId)>,
    buffers: Buffers,
    /// How many octets of what was received the last event is about.
    received: usize,
    turn: Turn,
    /// Octets in all outboxes.
    waiting: usize,
    tls: Option<tls::TlsServer>,
    counters: Arc<ShellCounters>,
}

/// What may still be done in this turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    octets: usize,
    sockets: usize,
    handshakes: usize,
    accepts: usize,
}

impl Turn {
    const WHOLE: Turn = Turn {
        octets: READ_OCTETS_PER_TURN,
        sockets: SOCKETS_PER_TURN,
        handshakes: HANDSHAKES_PER_TURN,
        accepts: ACCEPTS_PER_TURN,
    };
    fn is_over(&self) -> bool {
        self.octets == 0 || self.sockets == 0 || self.handshakes == 0 || self.accepts == 0
    }
}

impl Streams {
    /// No connections. Needs a runtime around it.
    ///
    /// # Errors
    /// When the system has no event queue to give.
    pub fn new(bounds: Bounds, counters: Arc<ShellCounters>) -> io::Result<Streams> {
        Ok(Streams {
            poller: Poller::new()?,
            listeners: Vec::new(),
            resting_until: None,
            connections: HashMap::new(),
            bounds,
            coap: Counted::default(),
            dns: Counted::default(),
            last_id: 0,
            told: VecDeque::new(),
            unwritten: VecDeque::new(),
            deadlines: BTreeSet::new(),
            buffers: Buffers::default(),
            received: 0,
            turn: Turn::WHOLE,
            waiting: 0,
            tls: None,
            counters,
        })
    }

    /// Sets who we are over TLS, to connections from here on. Call before listening for it.
    pub fn set_tls(&mut self, server: tls::TlsServer) {
        self.tls = Some(server);
    }

    /// Accepts connections at an address. Returns the address it got.
    ///
    /// # Errors
    /// When the address is not ours or taken.
    pub fn listen(&mut self, address: SocketAddr, service: Service) -> io::Result<SocketAddr> {
        let listener = Listener::open(address, service)?;
        let bound = listener.local();
        self.poller.add(listener.socket(), Token::Listener(self.listeners.len()), EventFlags::IN)?;
        self.listeners.push(listener);
        Ok(bound)
    }

    /// Gives up the address that was listened on last.
    pub fn stop_last(&mut self) {
        self.listeners.pop();
    }

    /// Accepts no further connections.
    pub fn stop_accepting(&mut self) {
        self.listeners.clear();
        self.resting_until = None;
    }

    /// Waits until there is something to do: events to fetch, or octets to flush.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let polled = self.poller.poll_ready(context);
        if self.told.is_empty() && self.unwritten.is_empty() { polled } else { Poll::Ready(()) }
    }

    /// Begins a turn: from here on a bounded amount of work is done.
    pub fn begin_turn(&mut self) {
        self.turn = Turn::WHOLE;
    }

    /// The next event of this turn.
    pub fn next_event(&mut self, now: Instant) -> Option<StreamEvent> {
        loop {
            while let Some(event) = self.told.pop_front() {
                match event {
                    // What a connection had on the way when it was ended here is not for the engine any more.
                    StreamEvent::Data(id) if !self.is_heard(id) => {}
                    event => return Some(event),
                }
            }
            if self.turn.is_over() {
                return None;
            }
            let (token, flags) = self.poller.next()?;
            self.turn.sockets -= 1;
            match token {
                Token::Listener(index) => self.accept(now, index),
                Token::Connection(id) => self.look_at(now, id, flags),
            }
        }
    }

    /// What the last event brought, if it was [`StreamEvent::Data`].
    pub fn received(&self) -> &[u8] {
        self.buffers.received(self.received)
    }

    /// Whether a connection is open and not being closed.
    pub fn is_open(&self, id: StreamId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.phase == Phase::Open)
    }

    /// Whether octets pass: also what a peer sent before its end is answered.
    fn is_heard(&self, id: StreamId) -> bool {
        self.connections.get(&id).is_some_and(Connection::is_heard)
    }

    /// The open connections, in order of their ids.
    pub fn open_ids(&self) -> Vec<StreamId> {
        let mut ids: Vec<_> = self.connections.keys().copied().filter(|&id| self.is_open(id)).collect();
        ids.sort_unstable();
        ids
    }

    /// Sends octets with the next flush; a connection whose peer does not read is ended instead.
    pub fn send(&mut self, id: StreamId, octets: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.is_heard()) else { return };
        if connection.held() + octets.len() > OUTBOX_OCTETS_MAX {
            return self.shed(id);
        }
        self.make_room(octets.len());
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.waiting += octets.len();
        connection.stage(octets, &mut self.buffers);
        if connection.note_unwritten() {
            self.unwritten.push_back(id);
        }
    }

    /// Ends the connections for which most waits until so many more octets have room: not whoever comes next pays for those
    /// who do not read.
    fn make_room(&mut self, octets: usize) {
        while self.waiting + octets > OUTBOXES_OCTETS_MAX {
            let greediest = self.connections.iter().max_by_key(|(_, connection)| connection.held());
            let Some((&id, _)) = greediest.filter(|(_, connection)| connection.held() > 0) else { return };
            self.shed(id);
        }
    }

    /// Ends a connection after what was sent before.
    pub fn close(&mut self, now: Instant, id: StreamId) {
        self.let_go(id);
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.phase == Phase::Open)
        else {
            return;
        };
        connection.phase = Phase::Closing;
        if connection.note_unwritten() {
            self.unwritten.push_back(id);
        }
        self.set_deadline(id, now + CLOSE_MAX);
    }

    /// Has a connection that its peer ended stay until [`Streams::let_go`]: an answer is to come that waits for the disk.
    /// Patience has an end here as well.
    pub fn keep(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.phase == Phase::Ending) {
            connection.is_kept = true;
        }
    }

    /// Has a connection end that was kept, after what was sent before.
    pub fn let_go(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.is_kept) else { return };
        connection.is_kept = false;
        if connection.note_unwritten() {
            self.unwritten.push_back(id);
        }
    }

    /// Ends a connection at once, by a reset; what waits for it is dropped (DS59).
    pub fn abort(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get(&id) {
            connection.reset_on_drop();
            self.end(id);
        }
    }

    /// Writes what was sent, to a bounded number of connections; [`Streams::poll_ready`] tells when there are more.
    pub fn flush(&mut self, now: Instant) {
        for _ in 0..WRITES_PER_FLUSH {
            let Some(id) = self.unwritten.pop_front() else { return };
            self.write(now, id);
        }
    }

    /// Ends what took too long, and accepts again after a rest.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.resting_until.is_some_and(|until| until <= now) {
            self.resting_until = None;
            self.watch_listeners(EventFlags::IN);
        }
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now
        {
            let Some(connection) = self.connections.get(&id) else {
                self.deadlines.pop_first();
                continue;
            };
            if connection.phase == Phase::Handshaking {
                self.counters.tls_failed.add(1);
            }
            if connection.phase != Phase::Lingering {
                connection.reset_on_drop();
            }
            self.end(id);
        }
    }

    /// When [`Streams::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        [deadline, self.resting_until].into_iter().flatten().min()
    }

    /// Ends all connections and waits until what was sent has left.
    pub async fn finish(mut self, now: Instant) {
        self.stop_accepting();
        for id in self.open_ids() {
            self.close(now, id);
        }
        self.connections.retain(|_, connection| connection.phase != Phase::Handshaking);
        loop {
            while !self.unwritten.is_empty() {
                self.flush(now);
            }
            // Nobody is left who would hear of the peers' ends.
            self.connections.retain(|_, connection| connection.phase != Phase::Lingering);
            if self.connections.is_empty() {
                return;
            }
            poll_fn(|context| self.poll_ready(context)).await;
            self.begin_turn();
            while self.next_event(now).is_some() {}
        }
    }

    /// Takes what a connection has to say.
    fn look_at(&mut self, now: Instant, id: StreamId, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if flags.contains(EventFlags::OUT) && connection.note_unwritten() {
            self.unwritten.push_back(id);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
            return;
        }
        let was_handshaking = connection.phase == Phase::Handshaking;
        self.turn.handshakes -= usize::from(was_handshaking);
        let before = connection.held();
        let read = connection.read(&mut self.buffers, &mut self.turn.octets);
        self.waiting = self.waiting + connection.held() - before;
        let is_greedy = connection.held() > OUTBOX_OCTETS_MAX;
        if connection.has_unwritten() && connection.note_unwritten() {
            self.unwritten.push_back(id);
        }
        let (octets, is_ended) = match read {
            Read::Octets(octets) => (octets, false),
            Read::LastOctets(octets) => (octets, true),
            Read::Broken => {
                if was_handshaking {
                    self.counters.tls_failed.add(1);
                }
                // Best effort: the peer may like to know why.
                self.write(now, id);
                return self.end(id);
            }
        };
        if is_greedy {
            return self.shed(id);
        }
        self.make_room(0);
        if was_handshaking && self.connections.get(&id).is_some_and(|connection| connection.phase == Phase::Open) {
            self.note_established(id);
        }
        if octets > 0 && self.is_heard(id) {
            self.received = octets;
            self.told.push_back(StreamEvent::Data(id));
        }
        if is_ended {
            self.note_end_of_peer(now, id);
        }
    }

    /// The handshake of a connection ended well.
    fn note_established(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(deadline) = connection.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        self.counters.tls_established.add(1);
        self.counters.tls_resumed.add(u64::from(connection.is_resumed()));
        let (remote, service) = (connection.remote, connection.service);
        let local = connection.local().unwrap_or(remote);
        self.told.push_back(StreamEvent::Opened { id, remote, local, service });
    }

    /// The peer sends nothing more. Answers to what it asked before still leave.
    fn note_end_of_peer(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.phase {
            Phase::Handshaking => {
                self.counters.tls_failed.add(1);
                self.end(id);
            }
            Phase::Open | Phase::Closing => {
                connection.phase = Phase::Ending;
                connection.wants_room = false;
                self.poller.change(connection.socket(), Token::Connection(id), EventFlags::empty());
                self.told.push_back(StreamEvent::Closed(id));
                if connection.note_unwritten() {
                    self.unwritten.push_back(id);
                }
                self.set_deadline(id, now + CLOSE_MAX);
            }
            Phase::Lingering | Phase::Ending => self.end(id),
        }
    }

    fn write(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let before = connection.held();
        let written = connection.write(&mut self.buffers);
        self.waiting = self.waiting + connection.held() - before;
        match written {
            Written::All if connection.phase == Phase::Closing => {
                connection.shut_down();
                connection.phase = Phase::Lingering;
                self.watch(id);
                self.set_deadline(id, now + LINGER);
            }
            Written::All if connection.phase == Phase::Ending && !connection.is_kept => self.end(id),
            Written::All | Written::Part => self.watch(id),
            Written::Broken => self.end(id),
        }
    }

    /// Asks for room only where something waits for it, and for octets only where they are taken.
    fn watch(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let wants_room = connection.has_unwritten();
        if connection.wants_room != wants_room {
            connection.wants_room = wants_room;
            let reads = if connection.phase == Phase::Ending { EventFlags::empty() } else { EventFlags::IN };
            let writes = if wants_room { EventFlags::OUT } else { EventFlags::empty() };
            self.poller.change(connection.socket(), Token::Connection(id), reads | writes);
        }
    }

    fn set_deadline(&mut self, id: StreamId, at: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(before) = connection.deadline.replace(at) {
            self.deadlines.remove(&(before, id));
        }
        self.deadlines.insert((at, id));
    }

    /// Ends a connection whose peer does not read.
    fn shed(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get(&id) {
            self.counters.of(connection.service).shed.add(1);
        }
        self.abort(id);
    }

    /// The connections of a service.
    fn counted(&mut self, service: Service) -> &mut Counted {
        match service {
            Service::Coap => &mut self.coap,
            Service::Dns(_) | Service::DnsOverTls(_) => &mut self.dns,
        }
    }

    /// Forgets a connection, and has the loop hear of it where it knows of it.
    fn end(&mut self, id: StreamId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if let Some(deadline) = connection.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        self.waiting -= connection.held();
        if matches!(connection.phase, Phase::Open | Phase::Closing | Phase::Lingering) {
            self.told.push_back(StreamEvent::Closed(id));
        }
        self.counted(connection.service).remove(connection.remote.ip());
        self.counters.streams_open.set(self.coap.all() as u64);
        connection.give_back(&mut self.buffers);
    }
}

#[cfg(test)]
mod tests;
