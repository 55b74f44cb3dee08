//! Connections: sessions of the DSO engine, the plain questions asked on them (RFC 7766), and what is pushed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use wayhouse_proto::dns::dso_session::{Happened, Role, Session, Settings};
use wayhouse_proto::dns::instances::spread_delay_ms;
use wayhouse_proto::dns::push;
use wayhouse_proto::io::{Destination, StreamId, Transmit, Wakeup};
use wayhouse_wire::dns::{Compressor, Flags, Header, Message, Opcode, Rcode};

use super::Counters;
use super::authority::{self, Way};
use super::index::{Index, RecordChange};
use super::push::{Listening, Push, Telling, Wish};
use super::update::{self, Outcome};
use crate::config;
use crate::limits::{DNS_STREAM_IDLE, DNS_STREAM_OCTETS_HELD_MAX, DNS_STREAM_OCTETS_PER_CALL, DNS_STREAMS_MAX};

/// The longest that clients are asked to stay away when the daemon ends, which mostly comes back at once; the shortest is
/// half of it (DS45).
const SHUT_DOWN_DELAY_MAX_MS: u32 = 10_000;

/// All connections.
#[derive(Debug)]
pub(super) struct Streams {
    table: BTreeMap<StreamId, Stream>,
    /// When each wants to be woken: not later than it must be.
    turns: BTreeSet<(Instant, StreamId)>,
    settings: Arc<Settings>,
    udp_octets_max: u16,
    push: Push,
    /// Reused for every answer.
    answer: Vec<u8>,
}

/// What is done about one thing that happened.
enum Due {
    /// The answer to a plain question leaves.
    Answer,
    /// A client of push wants something.
    Wish(Wish),
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Stream {
    session: Session,
    listening: Listening,
    /// Who is at the other end.
    remote: SocketAddr,
    /// When a whole message arrived last: octets that trickle in hold no place.
    used: Instant,
    /// Whether questions were left over when a bound was met.
    is_unfinished: bool,
    /// Its place in `turns`.
    turn: Option<Instant>,
}

/// What answering takes.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    pub(super) index: &'p Index,
    pub(super) compressor: &'p mut Compressor,
    pub(super) counts: &'p mut Counters,
}

/// Decides about an update from somewhere.
pub(super) type Decide<'d> = &'d mut dyn FnMut(SocketAddr, &Message<'_>) -> Option<Outcome>;

/// What became of a connection that was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    /// Whether it goes on.
    pub(super) is_open: bool,
    /// The change that must be on disk before what was appended leaves; 0 for none.
    pub(super) durable_after: u64,
}

impl Stream {
    fn wants(&self) -> Option<Instant> {
        if self.is_unfinished {
            return Some(self.used);
        }
        match self.session.poll_timeout() {
            Some(wakeup) => Some(wakeup.at),
            None if self.session.is_established() => None,
            None => self.used.checked_add(DNS_STREAM_IDLE),
        }
    }
}

impl Streams {
    pub(super) fn new(config: &config::Dns) -> Streams {
        // PU1: no change is told in the clear, unless the configuration says that it may.
        let operations = match config.push {
            config::Push::Tls => &[][..],
            config::Push::Plain => push::operations(config.push_dialect),
        };
        let settings = Arc::new(Settings { dialect: config.dso_dialect, operations, ..Settings::default() });
        Streams {
            table: BTreeMap::new(),
            turns: BTreeSet::new(),
            settings,
            udp_octets_max: config.udp_octets_max,
            push: Push::new(config.push_dialect),
            answer: Vec::new(),
        }
    }
    pub(super) fn has(&self, stream: StreamId) -> bool {
        self.table.contains_key(&stream)
    }
    pub(super) fn count(&self) -> usize {
        self.table.len()
    }
    /// Takes a connection; false when there are as many as may be.
    pub(super) fn open(&mut self, now: Instant, id: StreamId, remote: SocketAddr) -> bool {
        if self.table.len() >= DNS_STREAMS_MAX {
            return false;
        }
        let session = Session::new(now, Role::Server, Arc::clone(&self.settings));
        let listening = self.push.listening();
        self.table.insert(id, Stream { session, listening, remote, used: now, is_unfinished: false, turn: None });
        self.plan(id);
        true
    }
    /// Takes octets that arrived.
    pub(super) fn take(&mut self, id: StreamId, bytes: &[u8]) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.session.handle_data(bytes);
        }
    }
    /// Answers what was asked.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        id: StreamId,
        parts: Parts<'_>,
        decide: Decide<'_>,
        out: &mut Vec<u8>,
    ) -> Served {
        let mut served = Served { is_open: true, durable_after: 0 };
        let Some(stream) = self.table.get_mut(&id) else { return served };
        let ended = |served| Served { is_open: false, ..served };
        let start = out.len();
        stream.is_unfinished = false;
        let mut thrown_away = 0;
        loop {
            if out.len() - start + thrown_away >= DNS_STREAM_OCTETS_PER_CALL {
                if stream.session.memory_octets() > DNS_STREAM_OCTETS_HELD_MAX {
                    return ended(served);
                }
                stream.is_unfinished = true;
                break;
            }
            self.answer.clear();
            let happened = stream.session.poll(now, out);
            if happened.is_some() {
                stream.used = now;
            }
            let due = match happened {
                None => break,
                Some(Happened::Ended(_)) => return ended(served),
                Some(Happened::Dns(bytes)) => {
                    let Some(header) = Header::peek(bytes).filter(|header| !header.is_response()) else { continue };
                    parts.counts.tcp_queries += 1;
                    match Message::decode(bytes) {
                        Ok(query) if header.flags.opcode() == Opcode::UPDATE => {
                            let octets_max = self.udp_octets_max;
                            let way = Way { octets_max, is_datagram: false, is_curt: false, cookie: None };
                            let Some(outcome) = decide(stream.remote, &query) else { continue };
                            parts.counts.note_update(outcome);
                            update::answer(parts.compressor, &query, outcome, way, &mut self.answer);
                            served.durable_after = served.durable_after.max(outcome.durable_after);
                            // What it changed is read before anything else is asked.
                            stream.is_unfinished = outcome.durable_after > 0;
                        }
                        Ok(query) => {
                            let octets_max = self.udp_octets_max;
                            let way = Way { octets_max, is_datagram: false, is_curt: false, cookie: None };
                            authority::answer(parts.index, parts.compressor, &query, way, &mut self.answer);
                            // What is more than a message holds was written all the same.
                            let is_cut = Header::peek(&self.answer).is_some_and(|header| header.flags.has(Flags::TC));
                            thrown_away += if is_cut { usize::from(u16::MAX) } else { 0 };
                        }
                        Err(_) => {
                            parts.counts.malformed += 1;
                            authority::refuse(header, Rcode::FORMERR, &mut self.answer);
                        }
                    }
                    Due::Answer
                }
                Some(Happened::Request { dso_type, message, .. } | Happened::Unidirectional { dso_type, message }) => {
                    Due::Wish(Wish::read(dso_type, &message, self.push.dialect()))
                }
                // In the drafts a PUSH is answered, and an error ends the session.
                Some(Happened::Response { rcode, .. }) if rcode != Rcode::NOERROR => Due::Wish(Wish::Refuse),
                Some(Happened::Response { .. } | Happened::Cancelled { .. } | Happened::Timeouts(_)) => Due::Nothing,
            };
            match due {
                Due::Answer if stream.session.send_dns(now, &self.answer, out).is_err() => return ended(served),
                Due::Answer | Due::Nothing => {}
                Due::Wish(wish) => {
                    let mut telling = Telling { now, index: parts.index, compressor: parts.compressor, out };
                    self.push.handle(&mut telling, id, &mut stream.session, &mut stream.listening, wish);
                }
            }
            if stream.is_unfinished {
                break;
            }
        }
        self.plan(id);
        served
    }
    /// Tells everybody what changed; the connections that are to be looked at are named.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        changes: &[RecordChange],
        parts: Parts<'_>,
        out: &mut Vec<u8>,
        waiting: &mut VecDeque<Transmit>,
    ) -> BTreeSet<StreamId> {
        let mut told = BTreeSet::new();
        let Parts { index, compressor, .. } = parts;
        let mut send = |id, out: &mut Vec<u8>, start: usize| {
            if out.len() > start {
                waiting.push_back(to_stream(id, out.len() - start));
            }
        };
        for change in changes {
            for id in self.push.interested(change) {
                let Some(stream) = self.table.get_mut(&id) else { continue };
                let start = out.len();
                let mut telling = Telling { now, index, compressor, out };
                self.push.note(&mut telling, &mut stream.session, &mut stream.listening, change);
                send(id, out, start);
                told.insert(id);
            }
        }
        // PU23: what changed at one instant leaves together.
        for id in &told {
            let Some(stream) = self.table.get_mut(id) else { continue };
            let start = out.len();
            let mut telling = Telling { now, index, compressor, out };
            self.push.tell(&mut telling, &mut stream.session, &mut stream.listening);
            send(*id, out, start);
        }
        told
    }
    /// Whether anybody wants to hear of changes.
    pub(super) fn has_interests(&self) -> bool {
        self.push.has_interests()
    }
    /// Tells a client that the server ends (DS40); what it has to be told is appended.
    pub(super) fn shut_down(&mut self, now: Instant, id: StreamId, out: &mut Vec<u8>) {
        // DS45: connections are released one by one, and how many are left tells them apart.
        let left = self.table.len().saturating_sub(1);
        if let Some(stream) = self.table.get_mut(&id) {
            let delay_ms = spread_delay_ms(SHUT_DOWN_DELAY_MAX_MS, left, DNS_STREAMS_MAX);
            // Without a session there is nobody to tell.
            let _ = stream.session.shut_down(now, Rcode::NOERROR, delay_ms, out);
        }
    }
    pub(super) fn forget(&mut self, id: StreamId) {
        let Some(stream) = self.table.remove(&id) else { return };
        if let Some(turn) = stream.turn {
            self.turns.remove(&(turn, id));
        }
        self.push.forget(id, &stream.listening);
    }
    /// The connections whose turn it is.
    pub(super) fn due(&mut self, now: Instant) -> Vec<StreamId> {
        self.turns.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }
    /// Lets time pass for a connection.
    pub(super) fn note_timeout(
        &mut self,
        now: Instant,
        id: StreamId,
        out: &mut Vec<u8>,
        waiting: &mut VecDeque<Transmit>,
    ) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let start = out.len();
        stream.session.handle_timeout(now, out);
        if out.len() > start {
            waiting.push_back(to_stream(id, out.len() - start));
        }
        let is_idle = now.saturating_duration_since(stream.used) >= DNS_STREAM_IDLE;
        if is_idle && !stream.is_unfinished && !stream.session.is_established() {
            stream.session.abort("silent without a session");
        }
    }
    pub(super) fn poll_timeout(&self) -> Option<Wakeup> {
        self.turns.first().map(|(at, _)| Wakeup { at: *at, why: "a DNS connection waits" })
    }

    fn plan(&mut self, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let wanted = stream.wants();
        if wanted == stream.turn {
            return;
        }
        if let Some(turn) = std::mem::replace(&mut stream.turn, wanted) {
            self.turns.remove(&(turn, id));
        }
        if let Some(wanted) = wanted {
            self.turns.insert((wanted, id));
        }
    }
}

fn to_stream(id: StreamId, octets: usize) -> Transmit {
    Transmit { to: Destination::Stream(id), octets, durable_after: 0 }
}
