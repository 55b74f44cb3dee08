//! Connections: sessions of the DSO engine, the plain questions asked on them (RFC 7766), and what is pushed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use wayhouse_proto::dns::dso_session::{Close, Happened, Role, Session, Settings};
use wayhouse_proto::dns::instances::spread_delay_ms;
use wayhouse_proto::dns::push;
use wayhouse_proto::io::{Destination, StreamId, Transmit, Wakeup};
use wayhouse_wire::dns::{Header, Message, Name, Opcode, Rcode};

use super::Counters;
use super::authority::{self, Way};
use super::composer::Composer;
use super::cookie::Baker;
use super::index::{Index, RecordChange};
use super::push::{Listening, Push, Telling, Wish};
use super::update::{self, Outcome};
use crate::config::{self, Dialects, Transport, UpdateDialect};
use crate::limits::{
    DNS_STREAM_IDLE, DNS_STREAM_OCTETS_HELD_MAX, DNS_STREAM_OCTETS_PER_CALL, DNS_TELLINGS_PER_CALL, DNS_TURNS_PER_CALL,
};

/// The longest that clients are asked to stay away when the daemon ends, which mostly comes back at once; the shortest is
/// half of it (DS45).
const SHUT_DOWN_DELAY_MAX_MS: u32 = 10_000;

/// All connections.
#[derive(Debug)]
pub(super) struct Streams {
    table: BTreeMap<StreamId, Stream>,
    /// When each wants to be woken: not later than it must be.
    turns: BTreeSet<(Instant, StreamId)>,
    /// Whether changes may be told in the clear.
    tells_in_the_clear: bool,
    /// Of the sessions, by how they are reached and what their listeners follow: as many as there are kinds of listeners.
    settings: Vec<(Transport, Dialects, Arc<Settings>)>,
    /// How many there may be.
    streams_max: usize,
    udp_octets_max: u16,
    push: Push,
    /// What is being told, the oldest first.
    rounds: VecDeque<Round>,
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
    transport: Transport,
    /// Which text its updates may follow.
    updates: UpdateDialect,
    listening: Listening,
    /// Who is at the other end.
    remote: SocketAddr,
    /// When a whole message arrived last: octets that trickle in hold no place.
    used: Instant,
    /// Whether questions were left over when a bound was met.
    is_unfinished: bool,
    /// Whether the peer has ended; what is left over is answered all the same.
    is_ended: bool,
    /// Its place in `turns`.
    turn: Option<Instant>,
}

/// What changed at one instant, while it is being told.
#[derive(Debug)]
struct Round {
    changes: Vec<RecordChange>,
    /// Who is to hear of which change: connections in order, changes by their place. The first `done` have.
    told: Vec<(StreamId, usize)>,
    done: usize,
}

impl Round {
    /// Tells the next connection, which is this one, all that it wants to hear; one that is gone hears nothing.
    ///
    /// PU23: what changed at one instant leaves together.
    fn tell(&mut self, push: &Push, telling: &mut Telling<'_>, id: StreamId, stream: Option<&mut Stream>) {
        let theirs = self.told[self.done..].iter().take_while(|(other, _)| *other == id);
        let count = theirs.clone().count();
        if let Some(stream) = stream {
            for (_, place) in theirs {
                push.note(telling, &mut stream.session, &mut stream.listening, &self.changes[*place]);
            }
            push.tell(telling, &mut stream.session, &mut stream.listening);
        }
        self.done += count;
    }
    /// Tells a connection before its turn.
    fn catch_up(&mut self, push: &Push, telling: &mut Telling<'_>, id: StreamId, stream: &mut Stream) {
        let start = self.told.partition_point(|(other, _)| *other < id);
        let end = self.told.partition_point(|(other, _)| *other <= id);
        if start < self.done || start == end {
            return;
        }
        for (_, place) in &self.told[start..end] {
            push.note(telling, &mut stream.session, &mut stream.listening, &self.changes[*place]);
        }
        push.tell(telling, &mut stream.session, &mut stream.listening);
        self.told.drain(start..end);
    }
}

/// What answering takes.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    pub(super) index: &'p Index,
    pub(super) composer: &'p mut Composer,
    pub(super) counts: &'p mut Counters,
    pub(super) baker: &'p Baker,
    /// Seconds since the start, which cookies are stamped with.
    pub(super) now_s: u32,
}

/// Decides about an update from somewhere that may follow some text.
pub(super) type Decide<'d> = &'d mut dyn FnMut(SocketAddr, UpdateDialect, &Message<'_>) -> Option<Outcome>;

/// What became of a connection that was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    /// How it ends, if it does.
    pub(super) ended: Option<Close>,
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
        Streams {
            table: BTreeMap::new(),
            turns: BTreeSet::new(),
            tells_in_the_clear: config.push == config::Push::Plain,
            settings: Vec::new(),
            streams_max: config.streams_max,
            udp_octets_max: config.udp_octets_max,
            push: Push::new(),
            rounds: VecDeque::new(),
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
    pub(super) fn open(
        &mut self,
        now: Instant,
        id: StreamId,
        remote: SocketAddr,
        transport: Transport,
        dialects: Dialects,
    ) -> bool {
        // Whoever gives a number again has seen the end of the one that had it.
        self.forget(id);
        if self.table.len() >= self.streams_max {
            return false;
        }
        let stream = Stream {
            session: Session::new(now, Role::Server, self.settings_for(transport, dialects)),
            transport,
            updates: dialects.updates,
            listening: Listening::new(dialects.push),
            remote,
            used: now,
            is_unfinished: false,
            is_ended: false,
            turn: None,
        };
        self.table.insert(id, stream);
        self.plan(now, id);
        true
    }
    /// What sessions of a listener have in common.
    fn settings_for(&mut self, transport: Transport, dialects: Dialects) -> Arc<Settings> {
        let mut known = self.settings.iter();
        if let Some((.., settings)) = known.find(|known| (known.0, known.1) == (transport, dialects)) {
            return Arc::clone(settings);
        }
        // PU1: no change is told in the clear, unless the configuration says that it may.
        let tells = transport == Transport::Tls || self.tells_in_the_clear;
        let operations = if tells { push::operations(dialects.push) } else { &[] };
        let settings = Arc::new(Settings { dialect: dialects.sessions, operations, ..Settings::default() });
        self.settings.push((transport, dialects, Arc::clone(&settings)));
        settings
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
        let mut served = Served { ended: None, durable_after: 0 };
        let Some(stream) = self.table.get_mut(&id) else { return served };
        let ended = |served, how| Served { ended: Some(how), ..served };
        let start = out.len();
        stream.is_unfinished = false;
        loop {
            if out.len() - start >= DNS_STREAM_OCTETS_PER_CALL {
                if stream.session.memory_octets() > DNS_STREAM_OCTETS_HELD_MAX {
                    return ended(served, Close::Abort);
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
                Some(Happened::Ended(end)) => return ended(served, end.how),
                Some(Happened::Dns(bytes)) => {
                    let Some(header) = Header::peek(bytes).filter(|header| !header.is_response()) else { continue };
                    parts.counts.tcp_queries += 1;
                    let client = stream.remote.ip().to_canonical();
                    let query = Message::decode(bytes)
                        .and_then(|query| Ok((parts.baker.judge_query(&query, client, parts.now_s)?, query)));
                    let way = |cookie: Option<(bool, _)>| Way {
                        octets_max: self.udp_octets_max,
                        is_datagram: false,
                        is_curt: false,
                        cookie: cookie.map(|(_, own)| own),
                        pads: stream.transport == Transport::Tls,
                    };
                    match query {
                        Ok((cookie, query)) if header.flags.opcode() == Opcode::UPDATE => {
                            let way = way(cookie);
                            let Some(outcome) = decide(stream.remote, stream.updates, &query) else { continue };
                            parts.counts.note_update(outcome);
                            update::answer(&mut parts.composer.compressor, &query, outcome, way, &mut self.answer);
                            served.durable_after = served.durable_after.max(outcome.durable_after);
                            // What it changed is read before anything else is asked.
                            stream.is_unfinished = outcome.durable_after > 0;
                        }
                        Ok((cookie, query)) => {
                            let way = way(cookie);
                            authority::answer(parts.index, parts.composer, &query, way, &mut self.answer);
                        }
                        Err(_) => {
                            parts.counts.malformed += 1;
                            authority::refuse(header, Rcode::FORMERR, &mut self.answer);
                        }
                    }
                    Due::Answer
                }
                Some(Happened::Request { dso_type, message, .. } | Happened::Unidirectional { dso_type, message }) => {
                    Due::Wish(Wish::read(dso_type, &message, stream.listening.dialect()))
                }
                // In the drafts a PUSH is answered, and an error ends the session.
                Some(Happened::Response { rcode, .. }) if rcode != Rcode::NOERROR => Due::Wish(Wish::Refuse),
                Some(Happened::Response { .. } | Happened::Cancelled { .. } | Happened::Timeouts(_)) => Due::Nothing,
            };
            match due {
                Due::Answer if stream.session.send_dns(now, &self.answer, out).is_err() => {
                    return ended(served, Close::Graceful);
                }
                Due::Answer | Due::Nothing => {}
                Due::Wish(wish) => {
                    let mut telling =
                        Telling { now, index: parts.index, compressor: &mut parts.composer.compressor, out };
                    // What changed before comes before the answer, which tells how things are.
                    self.rounds.iter_mut().for_each(|round| round.catch_up(&self.push, &mut telling, id, stream));
                    self.push.handle(&mut telling, id, &mut stream.session, &mut stream.listening, wish);
                }
            }
            if stream.is_unfinished {
                if stream.session.memory_octets() > DNS_STREAM_OCTETS_HELD_MAX {
                    return ended(served, Close::Abort);
                }
                break;
            }
        }
        self.plan(now, id);
        served
    }
    /// Takes note of what changed at one instant, for whoever wants to hear of it.
    pub(super) fn note_changes(&mut self, changes: Vec<RecordChange>) {
        let mut told = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            told.extend(self.push.interested(change).map(|id| (id, place)));
        }
        if !told.is_empty() {
            told.sort_unstable();
            self.rounds.push_back(Round { changes, told, done: 0 });
        }
    }
    /// How many instants have not been told to everybody.
    pub(super) fn rounds_waiting(&self) -> usize {
        self.rounds.len()
    }
    /// Tells a bounded number of connections what changed; they are named, to be looked at.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        parts: Parts<'_>,
        out: &mut Vec<u8>,
        waiting: &mut VecDeque<Transmit>,
    ) -> Vec<StreamId> {
        let mut told = Vec::new();
        let Parts { index, composer, .. } = parts;
        let compressor = &mut composer.compressor;
        while told.len() < DNS_TELLINGS_PER_CALL {
            let Some(round) = self.rounds.front_mut() else { break };
            let Some(&(id, _)) = round.told.get(round.done) else {
                self.rounds.pop_front();
                continue;
            };
            let start = out.len();
            let mut telling = Telling { now, index, compressor, out };
            let stream = self.table.get_mut(&id);
            round.tell(&self.push, &mut telling, id, stream);
            if out.len() > start {
                waiting.push_back(to_stream(id, out.len() - start));
            }
            told.push(id);
        }
        told
    }
    /// Whether anybody wants to hear of changes.
    pub(super) fn has_interests(&self) -> bool {
        self.push.has_interests()
    }
    /// Whether anybody subscribed to a name.
    pub(super) fn wants(&self, name: &Name) -> bool {
        self.push.wants(name)
    }
    /// Tells a client that the server ends (DS40); what it has to be told is appended.
    pub(super) fn shut_down(&mut self, now: Instant, id: StreamId, out: &mut Vec<u8>) {
        // DS45: connections are released one by one, and how many are left tells them apart.
        let left = self.table.len().saturating_sub(1);
        if let Some(stream) = self.table.get_mut(&id) {
            let delay_ms = spread_delay_ms(SHUT_DOWN_DELAY_MAX_MS, left, self.streams_max);
            // Without a session there is nobody to tell.
            let _ = stream.session.shut_down(now, Rcode::NOERROR, delay_ms, out);
        }
    }
    /// Takes note that the peer sends nothing more; whether something that it sent before is left over.
    pub(super) fn note_end(&mut self, id: StreamId) -> bool {
        let left_over = self.table.get_mut(&id).filter(|stream| stream.is_unfinished);
        left_over.map(|stream| stream.is_ended = true).is_some()
    }
    /// Whether a connection whose peer has ended has all its answers.
    pub(super) fn is_done(&self, id: StreamId) -> bool {
        self.table.get(&id).is_some_and(|stream| stream.is_ended && !stream.is_unfinished)
    }
    pub(super) fn forget(&mut self, id: StreamId) {
        let Some(stream) = self.table.remove(&id) else { return };
        if let Some(turn) = stream.turn {
            self.turns.remove(&(turn, id));
        }
        self.push.forget(id, &stream.listening);
    }
    /// The connections whose turn it is, so many as one call may look at.
    pub(super) fn due(&mut self, now: Instant) -> Vec<StreamId> {
        let due = self.turns.iter().take_while(|(at, _)| *at <= now);
        due.take(DNS_TURNS_PER_CALL).map(|(_, id)| *id).collect()
    }
    /// Lets time pass for a connection; how it ends, if it has no session and was silent for too long.
    pub(super) fn note_timeout(
        &mut self,
        now: Instant,
        id: StreamId,
        out: &mut Vec<u8>,
        waiting: &mut VecDeque<Transmit>,
    ) -> Option<Close> {
        let stream = self.table.get_mut(&id)?;
        let start = out.len();
        let has_session = stream.session.is_established() || stream.session.poll_timeout().is_some();
        stream.session.handle_timeout(now, out);
        if out.len() > start {
            waiting.push_back(to_stream(id, out.len() - start));
        }
        let is_idle = now.saturating_duration_since(stream.used) >= DNS_STREAM_IDLE;
        // RFC 7766 §6.2.3: that is no fault.
        (is_idle && !stream.is_unfinished && !has_session).then_some(Close::Graceful)
    }
    pub(super) fn poll_timeout(&self) -> Option<Wakeup> {
        self.turns.first().map(|(at, _)| Wakeup { at: *at, why: "a DNS connection waits" })
    }
    /// Leaves a connection to its next turn, which comes at once.
    pub(super) fn postpone(&mut self, now: Instant, id: StreamId) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.is_unfinished = true;
        }
        self.plan(now, id);
    }

    fn plan(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let wanted = stream.wants();
        // Every message moves the time on: a turn that comes too early costs less than moving it each time.
        let is_early = stream.turn.is_some_and(|turn| turn > now && wanted.is_none_or(|wanted| turn <= wanted));
        if wanted == stream.turn || is_early {
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
