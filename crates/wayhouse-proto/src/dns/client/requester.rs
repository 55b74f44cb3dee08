//! Registers a host and its services, keeps them registered, and removes them at the end (SRP, RFC 9665; leases, RFC 9664).
//!
//! ```text
//!           0–3 s            NOERROR               80–85 % of the lease
//!   waiting ─────> asking ──────────> registered ──────────────────────> asking …
//!                   │ │ YXDOMAIN: the next name, at once
//!                   │ └─ REFUSED, SERVFAIL, silence: again, more and more seldom
//!   remove(): ─> asking with lease 0 ─> gone
//! ```
//!
//! Use: drain [`Requester::poll_transmit`] after each verb, send the message over a stream, hand in what comes back; then
//! [`Requester::poll_event`], and wait until [`Requester::poll_timeout`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wayhouse_wire::dns::{Header, Message, Opcode, Rcode, UpdateLease};

use super::srp_update::{Offer, OfferFault, OfferNames, Purpose, write_update};
use crate::crypto::SigningKey;
use crate::io::Wakeup;
use crate::rng::Rng;

/// The longest random delay before the first registration (RFC 9664 §5.1).
pub const INITIAL_DELAY_MAX: Duration = Duration::from_secs(3);
/// How long an answer is waited for.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Names tried for one offer. Reaction: the offer is given up.
pub const NAMES_MAX: u32 = 64;
/// The first pause after a failure; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// The shortest time between two refreshes, whatever is granted.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The lease, and that of the key, which is not shorter (SR6).
    pub lease: UpdateLease,
    /// Whether to wait a random time first, so that hosts that wake up together do not register together.
    pub is_delayed: bool,
    /// How long the name stays reserved after a removal, seconds; 0 frees it (SR18).
    pub key_lease_after_s: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lease: UpdateLease { lease_s: 7_200, key_lease_s: Some(1_209_600) },
            is_delayed: true,
            key_lease_after_s: 1_209_600,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is registered, or registered again, under these names.
    Registered {
        /// The names.
        names: OfferNames,
        /// What was granted.
        lease: UpdateLease,
        /// Whether it was registered before.
        is_refresh: bool,
    },
    /// Somebody else has a name: the next is tried (SR13).
    Taken(OfferNames),
    /// The registrar refused, or did not answer (`None`).
    Failed {
        /// Its answer.
        rcode: Option<Rcode>,
        /// When it is asked again.
        again_in: Duration,
    },
    /// The lease ended before it could be renewed: the names may be gone.
    Expired,
    /// It is removed.
    Removed,
    /// There is no free name.
    GivenUp,
    /// The offer cannot be said in a message.
    Impossible(OfferFault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until then nothing is sent.
    Waiting,
    /// A message is to be sent.
    Due,
    /// Its answer is waited for.
    Asking,
    /// Nothing more happens.
    Over,
}

/// One registration.
#[derive(Debug)]
pub struct Requester {
    settings: Settings,
    offer: Offer,
    names: OfferNames,
    number: u32,
    key: SigningKey,
    rng: Rng,
    phase: Phase,
    purpose: Purpose,
    at: Option<Instant>,
    id: u16,
    /// When the message under way was first sent: from here on the lease counts (SR24).
    sent_at: Option<Instant>,
    failures: u32,
    is_registered: bool,
    /// Whether to remove it as soon as what was asked is answered.
    is_leaving: bool,
    ends_at: Option<Instant>,
    events: VecDeque<Event>,
}

impl Requester {
    /// A registration that begins after the random delay.
    ///
    /// # Errors
    /// When a name of the offer cannot be one.
    pub fn new(
        now: Instant,
        settings: Settings,
        offer: Offer,
        key: SigningKey,
        seed: u64,
    ) -> Result<Requester, OfferFault> {
        let names = OfferNames::new(&offer, 1)?;
        let mut rng = Rng::new(seed);
        let delay_ms = if settings.is_delayed { rng.below(INITIAL_DELAY_MAX.as_millis() as u64 + 1) } else { 0 };
        Ok(Requester {
            settings,
            offer,
            names,
            number: 1,
            key,
            rng,
            phase: Phase::Waiting,
            purpose: Purpose::Register,
            at: Some(now + Duration::from_millis(delay_ms)),
            id: 0,
            sent_at: None,
            failures: 0,
            is_registered: false,
            is_leaving: false,
            ends_at: None,
            events: VecDeque::new(),
        })
    }
    /// The names as they are tried or registered.
    pub fn names(&self) -> &OfferNames {
        &self.names
    }
    /// Whether the registrar granted a lease that has not ended.
    pub fn is_registered(&self) -> bool {
        self.is_registered
    }
    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Removes what is registered; what was never asked for needs no removal.
    pub fn remove(&mut self, now: Instant) {
        match self.phase {
            Phase::Over => {}
            // SR4: one after the other, so the answer under way comes first.
            Phase::Asking => self.is_leaving = true,
            Phase::Waiting | Phase::Due if self.purpose == Purpose::Register => self.begin_removal(now),
            Phase::Waiting | Phase::Due => {}
        }
    }
    fn begin_removal(&mut self, now: Instant) {
        // What was asked without answer may have been done.
        let is_perhaps_registered = self.is_registered || self.sent_at.is_some();
        (self.purpose, self.is_leaving, self.failures, self.sent_at) = (Purpose::Remove, false, 0, None);
        if is_perhaps_registered {
            (self.phase, self.at) = (Phase::Due, Some(now));
        } else {
            self.end(Event::Removed);
        }
    }

    /// Appends the message to send, without a length in front; `false` when none is due. `wall_s` is the time for its
    /// signature, seconds since 1970.
    pub fn poll_transmit(&mut self, now: Instant, wall_s: u64, out: &mut Vec<u8>) -> bool {
        if self.phase != Phase::Due {
            return false;
        }
        self.id = self.rng.next_u64() as u16;
        let lease = match self.purpose {
            Purpose::Register => self.settings.lease,
            Purpose::Remove => UpdateLease { lease_s: 0, key_lease_s: Some(self.settings.key_lease_after_s) },
        };
        let (offer, names, key) = (&self.offer, &self.names, &self.key);
        if let Err(fault) = write_update(offer, names, self.purpose, lease, key, self.id, wall_s, out) {
            self.end(Event::Impossible(fault));
            return false;
        }
        self.sent_at.get_or_insert(now);
        (self.phase, self.at) = (Phase::Asking, Some(now + ANSWER_WAIT));
        true
    }
    /// Takes a message that came from the registrar.
    pub fn handle_message(&mut self, now: Instant, bytes: &[u8]) {
        let Some(header) = Header::peek(bytes).filter(|header| {
            self.phase == Phase::Asking
                && header.is_response()
                && header.id == self.id
                && header.flags.opcode() == Opcode::UPDATE
        }) else {
            return;
        };
        // SR14: of an answer that refuses, only the code counts.
        match header.flags.rcode() {
            Rcode::NOERROR => match Message::decode(bytes) {
                Ok(message) => self.take_grant(now, message.edns().and_then(|edns| edns.update_lease())),
                Err(_) => self.fail(now, None),
            },
            Rcode::YXDOMAIN if self.purpose == Purpose::Register => self.take_next_name(now),
            rcode => self.fail(now, Some(rcode)),
        }
    }
    fn take_grant(&mut self, now: Instant, granted: Option<Result<UpdateLease, wayhouse_wire::DecodeError>>) {
        self.failures = 0;
        if self.purpose == Purpose::Remove {
            self.end(Event::Removed);
            return;
        }
        // SR16: what is granted counts; a registrar that says nothing grants what was asked (RFC 9664 §5.2).
        let lease = granted.and_then(Result::ok).unwrap_or(self.settings.lease);
        if lease.lease_s == 0 {
            self.fail(now, None);
            return;
        }
        // SR24
        let from = self.sent_at.take().unwrap_or(now);
        let whole = Duration::from_secs(u64::from(lease.lease_s));
        let part = 0.80 + 0.05 * self.rng.fraction();
        self.ends_at = from.checked_add(whole);
        self.at = from.checked_add(whole.mul_f64(part)).map(|at| at.max(now + REFRESH_MIN));
        self.phase = Phase::Waiting;
        let is_refresh = std::mem::replace(&mut self.is_registered, true);
        self.events.push_back(Event::Registered { names: self.names.clone(), lease, is_refresh });
        if self.is_leaving {
            self.begin_removal(now);
        }
    }
    /// SR5, SR13: the key stays, the name gives way.
    fn take_next_name(&mut self, now: Instant) {
        self.events.push_back(Event::Taken(self.names.clone()));
        (self.is_registered, self.sent_at, self.ends_at) = (false, None, None);
        if self.is_leaving {
            self.begin_removal(now);
            return;
        }
        self.number += 1;
        if self.number > NAMES_MAX {
            self.end(Event::GivenUp);
            return;
        }
        match OfferNames::new(&self.offer, self.number) {
            Ok(names) => {
                self.names = names;
                (self.phase, self.at) = (Phase::Due, Some(now));
            }
            Err(error) => self.end(Event::Impossible(error.into())),
        }
    }
    /// The message could not be sent, or the connection ended before the answer.
    pub fn handle_failure(&mut self, now: Instant) {
        if self.phase == Phase::Asking {
            self.fail(now, None);
        }
    }
    fn fail(&mut self, now: Instant, rcode: Option<Rcode>) {
        if self.is_leaving && self.purpose == Purpose::Register {
            self.sent_at = self.sent_at.filter(|_| rcode.is_none());
            self.begin_removal(now);
            return;
        }
        let again_in = pause_after(self.failures, &mut self.rng);
        self.failures = self.failures.saturating_add(1);
        // A refusal did nothing; the next message counts from its own time.
        if rcode.is_some() {
            self.sent_at = None;
        }
        (self.phase, self.at) = (Phase::Waiting, Some(now + again_in));
        self.events.push_back(Event::Failed { rcode, again_in });
    }
    fn end(&mut self, event: Event) {
        (self.phase, self.at, self.ends_at, self.is_registered) = (Phase::Over, None, None, false);
        self.events.push_back(event);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ends_at.is_some_and(|at| at <= now) {
            (self.ends_at, self.is_registered) = (None, false);
            self.events.push_back(Event::Expired);
        }
        if self.at.is_some_and(|at| at <= now) {
            match self.phase {
                Phase::Waiting => self.phase = Phase::Due,
                Phase::Asking => self.fail(now, None),
                Phase::Due | Phase::Over => {}
            }
        }
    }
    /// When [`Requester::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let why = match self.phase {
            Phase::Waiting => "registration is due",
            _ => "registrar did not answer",
        };
        let next = self.at.map(|at| Wakeup { at, why });
        Wakeup::earliest(next, self.ends_at.map(|at| Wakeup { at, why: "lease ended" }))
    }
    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// How long to leave a registrar alone after so many failures in a row, this one not among them.
pub(super) fn pause_after(failures: u32, rng: &mut Rng) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    // Up to a quarter more, so that many hosts do not come back at once.
    doubled.mul_f64(1.0 + rng.fraction() / 4.0)
}

#[cfg(test)]
mod tests;
