//! The DNS: names and services of the registry for whoever browses with DNS-SD, over UDP and TCP.
//!
//! `naming` says which records an entry means, `index` keeps them all, `authority` answers from it, `update` takes the
//! registrations of hosts; `cookie` and `rate` keep forged addresses from being flooded through us. Connections are sessions of the DSO engine, on which plain
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
mod update;
mod zones;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use hashbrown::HashMap;
use wayhouse_proto::dns::dso_session::Close;
use wayhouse_proto::io::{Destination, Meta, StreamId, StreamInput, Transmit, Wakeup};
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeKind, ChangeNumber, EntryId, Registrant, ServiceHost, View};
use wayhouse_wire::dns::{Header, Message, Name, Opcode, Rcode};

use crate::config::{self, Dialects, Transport};
use crate::face::Context;
use crate::limits::{DNS_ANSWERS_WAITING_MAX, DNS_ROUNDS_MAX, DNS_STREAM_OCTETS_PER_CALL};
use authority::Way;
use composer::Composer;
use cookie::Baker;
use index::{Index, RecordId};
use naming::{Claim, Claims, Holder, Mapper, labels};
use rate::{Limiter, Verdict};
use streams::Streams;
use update::{Desk, Registrar};

/// What the face counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are questions.
    pub udp_queries: u64,
    /// Questions over TCP.
    pub tcp_queries: u64,
    /// Updates that were answered with success.
    pub updates: u64,
    /// Updates that were not.
    pub updates_refused: u64,
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

impl Counters {
    fn note_update(&mut self, outcome: update::Outcome) {
        let count = if outcome.rcode == Rcode::NOERROR { &mut self.updates } else { &mut self.updates_refused };
        *count += 1;
    }
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
    registrar: Registrar,
    /// The last change that claims and records follow.
    read: ChangeNumber,
    /// See [`config::Dns::registration_zone`].
    registration_zone: Option<Name>,
    /// What is to be sent, and in `octets` its octets, from `taken` on.
    waiting: VecDeque<Transmit>,
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
            registrar: Registrar::new(&mut rng),
            read: ChangeNumber::default(),
            registration_zone: config.registration_zone(),
            waiting: VecDeque::new(),
            octets: Vec::new(),
            taken: 0,
            counts: Counters::default(),
        }
    }

    /// Learns the time of day: seconds since 1970 at a moment.
    pub(crate) fn set_wall_clock(&mut self, now: Instant, wall_s: u64) {
        self.registrar.set_wall_clock(now, wall_s);
    }
    /// Takes note of an entry that was put back from the store. The entries that lost a name to it, which it had before the
    /// restart, are told: they are to be put back once more.
    pub(crate) fn note_restored(&mut self, config: &config::Dns, view: View<'_>) -> Vec<EntryId> {
        let registrant = view.registrant;
        if self.index.zone_count() == 0 || !view.is_active && registrant.services.is_none() {
            return Vec::new();
        }
        let displaced = registrant.services.as_ref().map(|services| self.displace(registrant.id, services));
        self.show(config, registrant);
        if view.is_active {
            self.registrar.plan(registrant, view.lease);
        } else {
            self.hide_records(registrant.id);
        }
        displaced.unwrap_or_default()
    }
    /// Puts the number of a change into the zones: serials go on where they were before a restart.
    pub(crate) fn continue_after(&mut self, change: u64) {
        self.index.take_changed();
        self.index.set_serial(change as u32);
        self.read = ChangeNumber(change);
    }
    /// Takes note of a change.
    pub(crate) fn note_change(&mut self, config: &config::Dns, change: &Change) {
        self.read = change.number;
        if self.index.zone_count() == 0 {
            return;
        }
        match (change.kind, &change.after, &change.before) {
            // Renewed: the names stay, and so do the records.
            (ChangeKind::Refreshed, Some(after), _) => self.registrar.plan(after, change.lease),
            (_, Some(after), _) => {
                if let Some(services) = &after.services {
                    self.displace(after.id, services);
                    self.registrar.plan(after, change.lease);
                }
                self.show(config, after);
            }
            // SR26: the names stay its key's.
            (ChangeKind::Expired, None, Some(before)) if before.services.is_some() => self.hide_records(before.id),
            (ChangeKind::Withdrawn | ChangeKind::Expired | ChangeKind::Collected, None, Some(before)) => {
                self.hide(before.id);
            }
            _ => {}
        }
        if self.index.take_changed() {
            self.index.set_serial(change.number.0 as u32);
        }
    }

    fn show(&mut self, config: &config::Dns, registrant: &Registrant) {
        let old = self.shown.remove(&registrant.id);
        let before = old.as_ref().map_or(&[][..], |old| &old.claims);
        let registration_zone = self.registration_zone.as_ref();
        let (after, drafts) = (Vec::new(), Vec::new());
        let mut mapper = Mapper { config, registration_zone, claims: &mut self.claims, before, after, drafts };
        mapper.map(registrant);
        let Mapper { after, drafts, .. } = mapper;
        self.claims.release_all(before, &after);
        // What stays is held twice for a moment, and therefore neither comes nor goes.
        let enter = |draft: naming::Draft| self.index.add(&draft.name, draft.rtype, draft.ttl_s, draft.rdata);
        let records: Box<[RecordId]> = drafts.into_iter().filter_map(enter).collect();
        for record in old.iter().flat_map(|old| &old.records) {
            self.index.remove(*record);
        }
        if !records.is_empty() || !after.is_empty() {
            self.shown.insert(registrant.id, Shown { records, claims: after.into() });
        }
    }
    /// Takes the names that a host registered from the entries that have them: it was found to be their owner, or was it
    /// before a restart. Who had to give one up is told.
    fn displace(&mut self, id: EntryId, services: &ServiceHost) -> Vec<EntryId> {
        let mut displaced = Vec::new();
        let instances = services.instances.iter().map(|instance| (&instance.name, instance.offer.is_some()));
        let names = services.aliases.iter().chain([&services.name]).map(|name| (name, true));
        for (name, is_shown) in instances.chain(names) {
            let relative = labels(name.labels());
            let Some(Holder::Entry(other)) = self.claims.holder(&relative) else { continue };
            // A name that is only kept is taken from where it is only kept as well.
            let has_records = || self.shown.get(&other).is_some_and(|shown| !shown.records.is_empty());
            if other == id || !is_shown && has_records() {
                continue;
            }
            if let Some(shown) = self.shown.get_mut(&other) {
                let claims = std::mem::take(&mut shown.claims).into_iter();
                shown.claims = claims.filter(|claim| !claim.is_for(&relative)).collect();
            }
            self.claims.release(&relative);
            displaced.push(other);
        }
        displaced
    }
    /// Takes an entry out of the zones, and leaves it its names.
    fn hide_records(&mut self, id: EntryId) {
        self.registrar.forget(id);
        let Some(shown) = self.shown.get_mut(&id) else { return };
        for record in std::mem::take(&mut shown.records) {
            self.index.remove(record);
        }
    }
    fn hide(&mut self, id: EntryId) {
        self.registrar.forget(id);
        let Some(old) = self.shown.remove(&id) else { return };
        self.claims.release_all(&old.claims, &[]);
        for record in &old.records {
            self.index.remove(*record);
        }
    }

    /// Takes one datagram of a DNS listener, which has a number.
    pub(crate) fn handle_datagram(&mut self, context: &mut Context<'_>, listener: u16, meta: &Meta, bytes: &[u8]) {
        let (config, now) = (&context.config.dns, context.now);
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
        let now_s = self.seconds_since_start(now);
        let query = query.and_then(|query| Ok((self.baker.judge_query(&query, client, now_s)?, query))).ok();
        let (is_known, cookie) = match &query {
            Some((Some((is_valid, own)), _)) => (*is_valid, Some(*own)),
            _ => (false, None),
        };
        let query = query.map(|(_, query)| query);
        let verdict = if is_known { Verdict::Answer } else { self.limiter.judge(now, client) };
        if verdict == Verdict::Drop {
            self.counts.rate_dropped += 1;
            return;
        }
        let is_curt = verdict == Verdict::Truncate;
        self.counts.rate_truncated += u64::from(is_curt);
        let mut durable_after = 0;
        match query {
            Some(query) if header.flags.opcode() == Opcode::UPDATE => {
                // Whoever updates repeats what is not answered. What others have just registered must be read first.
                if is_curt || context.registry.last_change() > self.read {
                    return;
                }
                let way = Way { octets_max: config.udp_octets_max, is_datagram: true, is_curt, cookie, pads: false };
                let mut desk = Desk {
                    now,
                    from: meta.remote,
                    dialect: config.dialects_of(listener).updates,
                    config,
                    registry: context.registry,
                    claims: &self.claims,
                    index: &self.index,
                };
                let Some(outcome) = self.registrar.decide(&mut desk, &query, true) else { return };
                durable_after = outcome.durable_after;
                self.counts.note_update(outcome);
                update::answer(&mut self.composer.compressor, &query, outcome, way, &mut self.octets);
            }
            Some(query) => {
                let way = Way { octets_max: config.udp_octets_max, is_datagram: true, is_curt, cookie, pads: false };
                authority::answer(&self.index, &mut self.composer, &query, way, &mut self.octets);
            }
            None => {
                self.counts.malformed += 1;
                // What other operations have in their messages is not for us to judge (DS25: sessions need a connection).
                let is_ours = matches!(header.flags.opcode(), Opcode::QUERY | Opcode::UPDATE);
                authority::refuse(header, if is_ours { Rcode::FORMERR } else { Rcode::NOTIMP }, &mut self.octets);
            }
        }
        let (socket, remote, local, interface) = (meta.socket, meta.remote, meta.local, meta.interface);
        let to = Destination::Datagram { socket, remote, local, interface };
        self.waiting.push_back(Transmit { to, octets: self.octets.len() - start, durable_after });
    }

    /// Whether a connection is one of ours.
    pub(crate) fn has_stream(&self, stream: StreamId) -> bool {
        self.streams.has(stream)
    }
    /// Takes what happened on a connection that was taken.
    pub(crate) fn handle_stream(&mut self, context: &mut Context<'_>, stream: StreamId, input: StreamInput<'_>) {
        match input {
            // It is open.
            StreamInput::Opened { .. } => {}
            StreamInput::Data(bytes) => {
                self.streams.take(stream, bytes);
                self.serve_stream(context, stream);
            }
            StreamInput::Closed => {
                if !self.streams.note_end(stream) {
                    self.streams.forget(stream);
                }
            }
        }
        self.index.set_watched(self.streams.has_interests());
    }
    /// Tells subscribers what changed since this was last called.
    pub(crate) fn tell_changes(&mut self, context: &mut Context<'_>) {
        let streams = &self.streams;
        self.index.note_serial(|apex| streams.wants(apex));
        let changes = self.index.take_changes();
        if changes.is_empty() {
            return;
        }
        self.streams.note_changes(changes);
        while self.streams.rounds_waiting() > DNS_ROUNDS_MAX {
            self.tell_some(context);
        }
        self.tell_some(context);
    }
    /// Tells as many connections as one call may.
    fn tell_some(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let now_s = self.seconds_since_start(now);
        let (index, composer) = (&self.index, &mut self.composer);
        let parts = streams::Parts { index, composer, counts: &mut self.counts, baker: &self.baker, now_s };
        let told = self.streams.tell(now, parts, &mut self.octets, &mut self.waiting);
        for stream in told {
            self.serve_stream(context, stream);
        }
        self.untold = (self.streams.rounds_waiting() > 0).then_some(now);
        self.index.set_watched(self.streams.has_interests());
    }
    /// What cookies are stamped with.
    fn seconds_since_start(&mut self, now: Instant) -> u32 {
        now.saturating_duration_since(*self.start.get_or_insert(now)).as_secs() as u32
    }
    /// Takes a connection of a listener, unless there are too many.
    pub(crate) fn open_stream(
        &mut self,
        now: Instant,
        stream: StreamId,
        remote: SocketAddr,
        transport: Transport,
        dialects: Dialects,
    ) {
        if !self.streams.open(now, stream, remote, transport, dialects) {
            self.counts.streams_refused += 1;
            self.push(Destination::CloseStream(stream), 0);
        }
    }
    fn serve_stream(&mut self, context: &mut Context<'_>, stream: StreamId) {
        // SR13: of two who want one name the second must find it taken.
        if context.registry.last_change() > self.read {
            return self.streams.postpone(context.now, stream);
        }
        let start = self.octets.len();
        let now_s = self.seconds_since_start(context.now);
        let (index, composer) = (&self.index, &mut self.composer);
        let parts = streams::Parts { index, composer, counts: &mut self.counts, baker: &self.baker, now_s };
        let (now, config, claims, index) = (context.now, &context.config.dns, &self.claims, &self.index);
        let mut decide = |from, dialect, message: &Message<'_>| {
            let mut desk = Desk { now, from, dialect, config, registry: &mut *context.registry, claims, index };
            self.registrar.decide(&mut desk, message, false)
        };
        let served = self.streams.serve(now, stream, parts, &mut decide, &mut self.octets);
        let octets = self.octets.len() - start;
        if octets > 0 {
            let (to, durable_after) = (Destination::Stream(stream), served.durable_after);
            self.waiting.push_back(Transmit { to, octets, durable_after });
        }
        match served.ended {
            Some(how) => self.end_stream(stream, how),
            None if self.streams.is_done(stream) => self.end_stream(stream, Close::Graceful),
            None => {}
        }
    }
    fn push(&mut self, to: Destination, octets: usize) {
        self.waiting.push_back(Transmit { to, octets, durable_after: 0 });
    }
    fn end_stream(&mut self, stream: StreamId, how: Close) {
        self.streams.forget(stream);
        let to = match how {
            Close::Graceful => Destination::CloseStream(stream),
            // DS59
            Close::Abort => Destination::AbortStream(stream),
        };
        self.push(to, 0);
    }
    /// Closes a connection, because the daemon ends.
    pub(crate) fn release_stream(&mut self, now: Instant, stream: StreamId) {
        let start = self.octets.len();
        self.streams.shut_down(now, stream, &mut self.octets);
        if self.octets.len() > start {
            self.push(Destination::Stream(stream), self.octets.len() - start);
        }
        self.end_stream(stream, Close::Graceful);
    }
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        self.registrar.handle_timeout(now, &context.config.dns, context.registry);
        if self.untold.is_some() {
            self.tell_some(context);
        }
        let start = self.octets.len();
        for stream in self.streams.due(now) {
            // Who is not reached keeps its turn.
            if self.octets.len() - start >= DNS_STREAM_OCTETS_PER_CALL {
                break;
            }
            match self.streams.note_timeout(now, stream, &mut self.octets, &mut self.waiting) {
                Some(how) => self.end_stream(stream, how),
                None => self.serve_stream(context, stream),
            }
        }
        self.index.set_watched(self.streams.has_interests());
    }
    /// When `handle_timeout` is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Wakeup> {
        let untold = self.untold.map(|at| Wakeup { at, why: "changes are left to tell" });
        Wakeup::earliest(Wakeup::earliest(untold, self.streams.poll_timeout()), self.registrar.poll_timeout())
    }
    /// The next thing to send.
    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        let Some(transmit) = self.waiting.pop_front() else {
            if self.taken > 0 {
                self.octets.clear();
                self.taken = 0;
            }
            return None;
        };
        out.extend_from_slice(&self.octets[self.taken..self.taken + transmit.octets]);
        self.taken += transmit.octets;
        Some(transmit)
    }
    /// Counters and sizes.
    pub(crate) fn counters(&self) -> Counters {
        Counters { streams_open: self.streams.count(), records: self.index.record_count(), ..self.counts }
    }
}
