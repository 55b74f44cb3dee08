//! The DNS: names and services of the registry for whoever browses with DNS-SD, over UDP and TCP.
//!
//! `naming` says which records an entry means, `index` keeps them all, `authority` answers from it; `cookie` and `rate`
//! keep forged addresses from being flooded through us. Connections are sessions of the DSO engine, on which plain
//! questions are asked as well.
//!
//! The index follows the registry change by change: what a change costs is what the entry's own records cost, and a
//! question costs what its answer does.

mod authority;
mod composer;
mod cookie;
mod index;
mod naming;
mod push;
mod rate;
mod streams;
mod zones;

use std::collections::VecDeque;
use std::time::Instant;

use hashbrown::HashMap;
use wayhouse_proto::dns::dso_session::Close;
use wayhouse_proto::io::{Destination, Meta, StreamId, StreamInput, Transmit, Wakeup};
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeKind, EntryId, Registrant};
use wayhouse_wire::dns::{Header, Message, Rcode};

use crate::config;
use crate::limits::{DNS_ANSWERS_WAITING_MAX, DNS_ROUNDS_MAX, DNS_STREAM_OCTETS_PER_CALL};
use authority::Way;
use composer::Composer;
use cookie::Baker;
use index::{Index, RecordId};
use naming::{Claim, Claims, Mapper};
use rate::{Limiter, Verdict};
use streams::Streams;

/// What the face counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are questions.
    pub udp_queries: u64,
    /// Questions over TCP.
    pub tcp_queries: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Datagrams that are nothing to answer: responses, and what came by multicast.
    pub ignored: u64,
    /// Datagrams answered with nothing but their question, because their network asked too much.
    pub rate_truncated: u64,
    /// Datagrams not answered at all, for the same reason.
    pub rate_dropped: u64,
    /// Connections refused because of the bound.
    pub streams_refused: u64,
    /// Connections open.
    pub streams_open: usize,
    /// Records of all zones.
    pub records: usize,
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP alone: whoever is on the way reads along.
    Tcp,
    /// TLS over TCP (RFC 7858).
    Tls,
}

/// What an entry has in the zones.
#[derive(Debug)]
struct Shown {
    records: Box<[RecordId]>,
    claims: Box<[Claim]>,
}

/// The face.
#[derive(Debug)]
pub(crate) struct Names {
    index: Index,
    claims: Claims,
    shown: HashMap<EntryId, Shown, KeyedState>,
    composer: Composer,
    baker: Baker,
    limiter: Limiter,
    start: Option<Instant>,
    streams: Streams,
    /// Since when there is more to tell than one call may.
    untold: Option<Instant>,
    /// What is to be sent, and in `octets` its octets, from `taken` on.
    waiting: VecDeque<(Destination, usize)>,
    octets: Vec<u8>,
    taken: usize,
    counts: Counters,
}

impl Names {
    /// A face with the zones of the configuration.
    pub(crate) fn new(config: &config::Dns, seed: u64) -> Names {
        let mut rng = Rng::new(seed);
        let mut index = Index::new(KeyedState::new(&mut rng));
        let mut claims = Claims::new(KeyedState::new(&mut rng));
        zones::enter(&mut index, &mut claims, config);
        Names {
            index,
            claims,
            shown: HashMap::with_hasher(KeyedState::new(&mut rng)),
            composer: Composer::default(),
            baker: Baker::new(&mut rng),
            limiter: Limiter::new(KeyedState::new(&mut rng), config.answers_per_s),
            start: None,
            streams: Streams::new(config),
            untold: None,
            waiting: VecDeque::new(),
            octets: Vec::new(),
            taken: 0,
            counts: Counters::default(),
        }
    }

    /// Takes note of an entry that was put back from the store.
    pub(crate) fn note_restored(&mut self, config: &config::Dns, registrant: &Registrant) {
        self.show(config, registrant);
    }
    /// Puts the number of a change into the zones: serials go on where they were before a restart.
    pub(crate) fn continue_after(&mut self, change: u64) {
        self.index.take_changed();
        self.index.set_serial(change as u32);
    }
    /// Takes note of a change.
    pub(crate) fn note_change(&mut self, config: &config::Dns, change: &Change) {
        if self.index.zone_count() == 0 {
            return;
        }
        match (change.kind, &change.after, &change.before) {
            // Renewed: the names stay, and so do the records.
            (ChangeKind::Refreshed, ..) => {}
            (_, Some(after), _) => self.show(config, after),
            (ChangeKind::Withdrawn | ChangeKind::Expired, None, Some(before)) => self.hide(before.id),
            _ => {}
        }
        if self.index.take_changed() {
            self.index.set_serial(change.number.0 as u32);
        }
    }

    fn show(&mut self, config: &config::Dns, registrant: &Registrant) {
        let old = self.shown.remove(&registrant.id);
        let before = old.as_ref().map_or(&[][..], |old| &old.claims);
        let mut mapper = Mapper { config, claims: &mut self.claims, before, after: Vec::new(), drafts: Vec::new() };
        mapper.map(registrant);
        let Mapper { after, drafts, .. } = mapper;
        self.claims.release_all(before, &after);
        // What stays is held twice for a moment, and therefore neither comes nor goes.
        let enter = |draft: naming::Draft| self.index.add(&draft.name, draft.rtype, config.ttl_s, draft.rdata);
        let records: Box<[RecordId]> = drafts.into_iter().filter_map(enter).collect();
        for record in old.iter().flat_map(|old| &old.records) {
            self.index.remove(*record);
        }
        if !records.is_empty() || !after.is_empty() {
            self.shown.insert(registrant.id, Shown { records, claims: after.into() });
        }
    }
    fn hide(&mut self, id: EntryId) {
        let Some(old) = self.shown.remove(&id) else { return };
        self.claims.release_all(&old.claims, &[]);
        for record in &old.records {
            self.index.remove(*record);
        }
    }

    /// Takes one datagram of a DNS listener.
    pub(crate) fn handle_datagram(&mut self, config: &config::Dns, now: Instant, meta: &Meta, bytes: &[u8]) {
        let Some(header) = Header::peek(bytes) else {
            self.counts.malformed += 1;
            return;
        };
        // To answer a response, or a group, would be an echo without end or a flood. Nobody listens at port 0.
        if header.is_response() || meta.is_multicast || meta.remote.port() == 0 {
            self.counts.ignored += 1;
            return;
        }
        if self.waiting.len() >= DNS_ANSWERS_WAITING_MAX {
            self.counts.ignored += 1;
            return;
        }
        self.counts.udp_queries += 1;
        let start = self.octets.len();
        let client = meta.remote.ip().to_canonical();
        let query = Message::decode(bytes);
        let shown = query.as_ref().ok().and_then(|query| query.edns()).and_then(|edns| edns.cookie());
        let (mut is_known, mut cookie) = (false, None);
        let query = match (query, shown) {
            (Ok(query), None) => Some(query),
            (Ok(query), Some(Ok(shown))) => {
                let since = now.saturating_duration_since(*self.start.get_or_insert(now));
                let (is_valid, own) = self.baker.judge(&shown, client, since.as_secs() as u32);
                (is_known, cookie) = (is_valid, Some(own));
                Some(query)
            }
            // RFC 7873 §5.2.2: a cookie of a wrong length is a format error.
            (Ok(_), Some(Err(_))) | (Err(_), _) => None,
        };
        let verdict = if is_known { Verdict::Answer } else { self.limiter.judge(now, client) };
        if verdict == Verdict::Drop {
            self.counts.rate_dropped += 1;
            return;
        }
        let is_curt = verdict == Verdict::Truncate;
        self.counts.rate_truncated += u64::from(is_curt);
        match query {
            Some(query) => {
                let way = Way { octets_max: config.udp_octets_max, is_datagram: true, is_curt, cookie, pads: false };
                authority::answer(&self.index, &mut self.composer, &query, way, &mut self.octets);
            }
            None => {
                self.counts.malformed += 1;
                authority::refuse(header, Rcode::FORMERR, &mut self.octets);
            }
        }
        let (socket, remote, local, interface) = (meta.socket, meta.remote, meta.local, meta.interface);
        let to = Destination::Datagram { socket, remote, local, interface };
        self.waiting.push_back((to, self.octets.len() - start));
    }

    /// Whether a connection is one of ours.
    pub(crate) fn has_stream(&self, stream: StreamId) -> bool {
        self.streams.has(stream)
    }
    /// Takes what happened on a connection of a DNS listener.
    pub(crate) fn handle_stream(
        &mut self,
        now: Instant,
        stream: StreamId,
        transport: Transport,
        input: StreamInput<'_>,
    ) {
        match input {
            StreamInput::Opened { .. } => self.open_stream(now, stream, transport),
            StreamInput::Data(bytes) => {
                self.streams.take(stream, bytes);
                self.serve_stream(now, stream);
            }
            StreamInput::Closed => self.streams.forget(stream),
        }
        self.index.set_watched(self.streams.has_interests());
    }
    /// Tells subscribers what changed since this was last called.
    pub(crate) fn tell_changes(&mut self, now: Instant) {
        let changes = self.index.take_changes();
        if changes.is_empty() {
            return;
        }
        self.streams.note_changes(changes);
        while self.streams.rounds_waiting() > DNS_ROUNDS_MAX {
            self.tell_some(now);
        }
        self.tell_some(now);
    }
    /// Tells as many connections as one call may.
    fn tell_some(&mut self, now: Instant) {
        let parts = streams::Parts { index: &self.index, composer: &mut self.composer, counts: &mut self.counts };
        let told = self.streams.tell(now, parts, &mut self.octets, &mut self.waiting);
        for stream in told {
            self.serve_stream(now, stream);
        }
        self.untold = (self.streams.rounds_waiting() > 0).then_some(now);
        self.index.set_watched(self.streams.has_interests());
    }
    fn open_stream(&mut self, now: Instant, stream: StreamId, transport: Transport) {
        if !self.streams.open(now, stream, transport) {
            self.counts.streams_refused += 1;
            self.waiting.push_back((Destination::CloseStream(stream), 0));
        }
    }
    fn serve_stream(&mut self, now: Instant, stream: StreamId) {
        let start = self.octets.len();
        let parts = streams::Parts { index: &self.index, composer: &mut self.composer, counts: &mut self.counts };
        let ended = self.streams.serve(now, stream, parts, &mut self.octets);
        let octets = self.octets.len() - start;
        if octets > 0 {
            self.waiting.push_back((Destination::Stream(stream), octets));
        }
        if let Some(how) = ended {
            self.end_stream(stream, how);
        }
    }
    fn end_stream(&mut self, stream: StreamId, how: Close) {
        self.streams.forget(stream);
        let to = match how {
            Close::Graceful => Destination::CloseStream(stream),
            // DS59
            Close::Abort => Destination::AbortStream(stream),
        };
        self.waiting.push_back((to, 0));
    }
    /// Closes a connection, because the daemon ends.
    pub(crate) fn release_stream(&mut self, now: Instant, stream: StreamId) {
        let start = self.octets.len();
        self.streams.shut_down(now, stream, &mut self.octets);
        if self.octets.len() > start {
            self.waiting.push_back((Destination::Stream(stream), self.octets.len() - start));
        }
        self.end_stream(stream, Close::Graceful);
    }
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.untold.is_some() {
            self.tell_some(now);
        }
        let start = self.octets.len();
        for stream in self.streams.due(now) {
            // Who is not reached keeps its turn.
            if self.octets.len() - start >= DNS_STREAM_OCTETS_PER_CALL {
                break;
            }
            match self.streams.note_timeout(now, stream, &mut self.octets, &mut self.waiting) {
                Some(how) => self.end_stream(stream, how),
                None => self.serve_stream(now, stream),
            }
        }
        self.index.set_watched(self.streams.has_interests());
    }
    /// When `handle_timeout` is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Wakeup> {
        let untold = self.untold.map(|at| Wakeup { at, why: "changes are left to tell" });
        Wakeup::earliest(untold, self.streams.poll_timeout())
    }
    /// The next thing to send.
    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        let Some((to, octets)) = self.waiting.pop_front() else {
            if self.taken > 0 {
                self.octets.clear();
                self.taken = 0;
            }
            return None;
        };
        out.extend_from_slice(&self.octets[self.taken..self.taken + octets]);
        self.taken += octets;
        Some(Transmit { to, octets, durable_after: 0 })
    }
    /// Counters and sizes.
    pub(crate) fn counters(&self) -> Counters {
        Counters { streams_open: self.streams.count(), records: self.index.record_count(), ..self.counts }
    }
}
