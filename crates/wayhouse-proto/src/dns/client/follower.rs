//! Staying informed: push where the server offers it, and asking again where it does not (RFC 8765 §6.8; RFC 8490 §6.6.3).
//!
//! ```text
//!            connected           Subscribed
//!   down ───────────────> up ──────────────────> told of every change
//!    ^ │ cannot, no DSO    │ dropped, sent away, refused
//!    │ └──> polled <───────┘
//!    └── before each poll push is tried again, unless the server said that it is hopeless, and until when
//! ```
//!
//! Use: after each verb drain [`Follower::poll_wish`] (what the caller is to do) and [`Follower::poll_event`] (what to tell),
//! then wait until [`Follower::poll_timeout`]. Octets to send on the connection are appended to the buffer that verbs take.

mod poll;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::Rcode;

use super::record_set::Difference;
use super::subscriber::{Subscriber, Told, is_wanted};
use super::{Asked, RecordSet};
use crate::dns::dso_session::{self, Close, Reason};
use crate::dns::instances::{Advice, Instance, Instances};
use crate::dns::limits::{ClientLimits, INSTANCES_MAX};
use crate::io::Wakeup;

/// The least between two polls (PU32).
pub const POLL_INTERVAL_MIN: Duration = Duration::from_secs(900);
/// The longest pause before connecting again after a connection was lost or could not be made.
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(300);
/// A session that lasted so long has worked: the next loss is the first again.
const SESSION_WORKED: Duration = Duration::from_secs(60);
/// The shortest time after which what was refused is asked for again.
const REFUSED_MIN: Duration = Duration::from_secs(10);

/// What a follower is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the session; its operations are those of the push dialect.
    pub session: Arc<dso_session::Settings>,
    /// The text of push that is spoken.
    pub dialect: PushDialect,
    /// Who is asked (DS55).
    pub instance: Instance,
    /// How often to poll where a person decided it; otherwise as the answers' TTLs say, and seldom (PU32).
    pub poll_interval: Option<Duration>,
    /// Bounds.
    pub limits: ClientLimits,
}

/// What the caller is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Connect to the server; then [`Follower::handle_connected`] or [`Follower::handle_connect_failed`].
    Connect,
    /// Close the connection; nothing more is to be handed in from it.
    Close(Close),
    /// Ask this without push; then [`Follower::handle_answer`].
    Ask(Asked),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server pushes: changes are told as they happen.
    Pushing,
    /// Nothing is pushed; questions are asked again and again.
    Polling {
        /// How often, unless answers live longer.
        interval: Duration,
    },
    /// The server refused to push this (PU14).
    Refused {
        /// What.
        asked: Asked,
        /// Why.
        rcode: Rcode,
    },
    /// A poll was not answered.
    Unanswered(Asked),
    /// Records came and went.
    Changed(Vec<Difference>),
    /// The session ended.
    Ended(Reason),
    /// The connection was lost without a reason.
    Lost,
}

/// One question that is followed.
#[derive(Debug, Clone)]
struct Pursuit {
    /// Whether a SUBSCRIBE left on this session, and whether it was accepted.
    is_sent: bool,
    is_live: bool,
    refused_until: Option<Instant>,
    poll_at: Instant,
    is_asking: bool,
}

#[derive(Debug)]
enum Link {
    Down,
    Connecting,
    Up { subscriber: Box<Subscriber>, since: Instant },
}

/// Keeps the answers to questions up to date.
#[derive(Debug)]
pub struct Follower {
    settings: Settings,
    instances: Instances,
    records: RecordSet,
    wanted: BTreeMap<Asked, Pursuit>,
    link: Link,
    connect_at: Instant,
    /// Losses and failures in a row.
    failures: u32,
    /// The server wants no SUBSCRIBE at all until then.
    refused_until: Option<Instant>,
    is_told_pushing: Option<bool>,
    wishes: VecDeque<Wish>,
    events: VecDeque<Event>,
}

impl Follower {
    /// Follows nothing yet.
    pub fn new(now: Instant, settings: Settings) -> Follower {
        Follower {
            instances: Instances::new(INSTANCES_MAX),
            records: RecordSet::new(settings.limits),
            settings,
            wanted: BTreeMap::new(),
            link: Link::Down,
            connect_at: now,
            failures: 0,
            refused_until: None,
            is_told_pushing: None,
            wishes: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
    /// Everything known at this moment.
    pub fn records(&self) -> &RecordSet {
        &self.records
    }
    /// Whether everything that is followed is pushed.
    pub fn is_pushed(&self) -> bool {
        self.wanted.values().all(|pursuit| pursuit.is_live)
    }

    /// Says what to follow from here on. What is not wanted any more is unsubscribed (PU17) and forgotten.
    pub fn set_wanted(&mut self, now: Instant, wanted: &BTreeSet<Asked>, out: &mut Vec<u8>) {
        let gone: Vec<Asked> = self.wanted.keys().filter(|asked| !wanted.contains(*asked)).cloned().collect();
        for asked in &gone {
            self.wanted.remove(asked);
            if let Link::Up { subscriber, .. } = &mut self.link {
                subscriber.unsubscribe(now, asked, &mut self.records, out);
            }
        }
        if !gone.is_empty() {
            let wanted = &self.wanted;
            self.records.retain(&mut Vec::new(), |record| is_wanted(wanted.keys(), record));
        }
        for asked in wanted {
            if self.wanted.len() >= self.settings.limits.questions_max {
                break;
            }
            self.wanted.entry(asked.clone()).or_insert(Pursuit {
                is_sent: false,
                is_live: false,
                refused_until: None,
                poll_at: now,
                is_asking: false,
            });
        }
        self.subscribe_all(now, out);
        self.drain(now, out);
    }

    /// The connection is there.
    pub fn handle_connected(&mut self, now: Instant, out: &mut Vec<u8>) {
        let (settings, most) = (Arc::clone(&self.settings.session), self.settings.limits.questions_max);
        let mut subscriber = Box::new(Subscriber::new(now, settings, self.settings.dialect, most));
        // PU2: the session first; subscriptions follow at once, without waiting for its answer.
        let _ = subscriber.open(now, out);
        self.link = Link::Up { subscriber, since: now };
        self.subscribe_all(now, out);
    }
    /// The connection could not be made.
    pub fn handle_connect_failed(&mut self, now: Instant) {
        // Nobody was lost: at once it would fail again.
        self.failures = self.failures.max(1);
        self.lose(now);
    }
    /// Octets arrived on the connection.
    pub fn handle_data(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<u8>) {
        if let Link::Up { subscriber, .. } = &mut self.link {
            subscriber.handle_data(now, bytes, &mut self.records, out);
        }
        self.drain(now, out);
    }
    /// The connection was lost.
    pub fn handle_closed(&mut self, now: Instant) {
        let Link::Up { subscriber, .. } = &mut self.link else { return };
        let is_establishing = !subscriber.is_established();
        subscriber.close(now, &mut self.records);
        // DS48, DS49
        self.instances.note_drop(now, &self.settings.instance, is_establishing);
        self.events.push_back(Event::Lost);
        self.lose(now);
    }
    /// The caller is about to close the connection and to go: what was subscribed to ends with it (PU31).
    pub fn finish(&mut self, now: Instant) {
        if let Link::Up { subscriber, .. } = &mut self.link {
            subscriber.close(now, &mut self.records);
        }
        self.link = Link::Down;
        self.wanted.clear();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) {
        if let Link::Up { subscriber, .. } = &mut self.link {
            subscriber.handle_timeout(now, &mut self.records, out);
        }
        let mut differences = Vec::new();
        self.records.handle_timeout(now, &mut differences);
        if !differences.is_empty() {
            self.events.push_back(Event::Changed(differences));
        }
        self.subscribe_all(now, out);
        self.drain(now, out);
    }
    /// When [`Follower::handle_timeout`] is wanted, and [`Follower::poll_wish`] after it.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let session = match &self.link {
            Link::Up { subscriber, .. } => subscriber.poll_timeout(),
            Link::Down | Link::Connecting => None,
        };
        let wake = |at, why| Some(Wakeup { at, why });
        let is_down = matches!(self.link, Link::Down) && !self.wanted.is_empty();
        let connect = is_down.then(|| self.hopeful_at()).flatten().and_then(|at| wake(at, "push is tried again"));
        let polls = self.wanted.values().filter(|pursuit| self.is_polled(pursuit)).map(|pursuit| pursuit.poll_at);
        let poll = polls.min().and_then(|at| wake(at, "a poll is due"));
        let refused = self.wanted.values().filter_map(|pursuit| pursuit.refused_until).chain(self.refused_until).min();
        let refused = refused.and_then(|at| wake(at, "a refusal is over"));
        [connect, poll, refused, self.records.poll_timeout()].into_iter().fold(session, Wakeup::earliest)
    }
    /// What the caller is to do next.
    pub fn poll_wish(&mut self, now: Instant) -> Option<Wish> {
        if let Some(wish) = self.wishes.pop_front() {
            return Some(wish);
        }
        // PU32: push first, whenever a poll would be due.
        if matches!(self.link, Link::Down) && self.hopeful_at().is_some_and(|at| at <= now) {
            match self.instances.advice(now, &self.settings.instance) {
                Advice::WithDso => {
                    self.link = Link::Connecting;
                    return Some(Wish::Connect);
                }
                // DS23, DS43
                Advice::WithoutDso(until) | Advice::Wait(until) => {
                    self.connect_at = until;
                }
            }
        }
        self.poll_due(now)
    }
    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When connecting makes sense: not before the server would hear of any of the questions.
    fn hopeful_at(&self) -> Option<Instant> {
        let at = |pursuit: &Pursuit| pursuit.refused_until.map_or(self.connect_at, |until| until.max(self.connect_at));
        let first = self.wanted.values().map(at).min()?;
        Some(self.refused_until.map_or(first, |until| until.max(first)))
    }
    fn subscribe_all(&mut self, now: Instant, out: &mut Vec<u8>) {
        let over = |until: &mut Option<Instant>| {
            if until.is_some_and(|until| until <= now) {
                *until = None;
            }
        };
        over(&mut self.refused_until);
        self.wanted.values_mut().for_each(|pursuit| over(&mut pursuit.refused_until));
        let Link::Up { subscriber, .. } = &mut self.link else { return };
        if self.refused_until.is_some() {
            return;
        }
        let unsent = |(_, pursuit): &(&Asked, &mut Pursuit)| !pursuit.is_sent && pursuit.refused_until.is_none();
        for (asked, pursuit) in self.wanted.iter_mut().filter(unsent) {
            match subscriber.subscribe(now, asked, out) {
                Ok(()) => pursuit.is_sent = true,
                // The next one fares no better; what is not subscribed to is polled.
                Err(_) => break,
            }
        }
    }
    /// Brings what the session told into the state.
    fn drain(&mut self, now: Instant, out: &mut Vec<u8>) {
        loop {
            let Link::Up { subscriber, .. } = &mut self.link else { return };
            let Some(told) = subscriber.poll_event() else { return };
            match told {
                Told::Established => self.instances.note_success(&self.settings.instance),
                Told::WithoutDso => {
                    self.instances.note_without_dso(now, &self.settings.instance);
                    self.wishes.push_back(Wish::Close(Close::Graceful));
                    self.lose(now);
                }
                Told::Subscribed(asked) => {
                    if let Some(pursuit) = self.wanted.get_mut(&asked) {
                        // Should it end, it is asked about at once.
                        (pursuit.is_live, pursuit.poll_at) = (true, now);
                        self.tell_mode(true, Duration::ZERO);
                    }
                }
                Told::Refused { asked, rcode, delay, is_of_server } => {
                    // A server that allows to ask at once is not asked in a circle.
                    let until = now.checked_add(delay.max(REFUSED_MIN));
                    if let Some(pursuit) = self.wanted.get_mut(&asked) {
                        // It is polled when its time comes: a refusal is no reason to do so more often.
                        (pursuit.is_sent, pursuit.is_live, pursuit.refused_until) = (false, false, until);
                        self.events.push_back(Event::Refused { asked, rcode });
                    }
                    if is_of_server {
                        self.refused_until = self.refused_until.max(until);
                    }
                }
                Told::Changed(differences) => self.events.push_back(Event::Changed(differences)),
                Told::Dns(_) => {}
                Told::Ended(end) => {
                    self.instances.note_end(now, &self.settings.instance, &end);
                    self.wishes.push_back(Wish::Close(end.how));
                    self.events.push_back(Event::Ended(end.why));
                    self.lose(now);
                }
            }
            self.subscribe_all(now, out);
        }
    }
    /// There is no connection any more; decides when to try again.
    fn lose(&mut self, now: Instant) {
        if let Link::Up { since, .. } = &self.link
            && now.saturating_duration_since(*since) >= SESSION_WORKED
        {
            self.failures = 0;
        }
        self.link = Link::Down;
        for pursuit in self.wanted.values_mut() {
            (pursuit.is_sent, pursuit.is_live) = (false, false);
        }
        self.is_told_pushing = self.is_told_pushing.filter(|is_pushing| !is_pushing);
        // The first time at once (DS49), then more and more seldom.
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 1).min(10)).min(RECONNECT_PAUSE_MAX),
        };
        // PU32: before each poll.
        let pause = self.settings.poll_interval.map_or(pause, |interval| pause.min(interval));
        self.failures = self.failures.saturating_add(1);
        self.connect_at = now + pause;
    }
    fn tell_mode(&mut self, is_pushing: bool, interval: Duration) {
        if self.is_told_pushing.replace(is_pushing) != Some(is_pushing) {
            let event = if is_pushing { Event::Pushing } else { Event::Polling { interval } };
            self.events.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests;
