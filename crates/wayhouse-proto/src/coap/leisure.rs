//! How long a member of a group waits before it answers, so that not all answer in one burst (RFC 7252 §8.2, groupcomm-bis
//! §3.6.1, §3.7).
//!
//! ```text
//!  request                notifications of two observations         the next ones wait for the period to end
//!     ├──── leisure ────┤      ├──── leisure ────┤├──── leisure ────┤
//!             ^ answer              ^  ^                    ^
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;

/// How requests to a group are secured; it decides how large answers are, and so the default leisure (groupcomm-bis §3.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Not at all: 5 s (RFC 7252 §4.8).
    #[default]
    None,
    /// Group OSCORE, (also) in group mode: 20 s.
    GroupMode,
    /// Group OSCORE, in pairwise mode alone: 13 s.
    PairwiseMode,
}

/// The leisure of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leisure {
    /// DEFAULT_LEISURE for that protection; without any, the one of [`super::params::Params`].
    Default(Protection),
    /// As configured.
    Fixed(Duration),
    /// lb_Leisure = S · G / R (RFC 7252 §8.2).
    Computed {
        /// G, the estimated number of members.
        members: u32,
        /// S, the estimated size of a response in octets, averaged over the members.
        response_octets: u32,
        /// R, the rate that the answers of all members together should stay below, octets per second.
        octets_per_s: u32,
    },
}

impl Default for Leisure {
    fn default() -> Leisure {
        Leisure::Default(Protection::None)
    }
}

impl Leisure {
    /// The time within which answers are spread.
    pub fn span(self, default_leisure: Duration) -> Duration {
        match self {
            Leisure::Default(Protection::None) => default_leisure,
            Leisure::Default(Protection::GroupMode) => Duration::from_secs(20),
            Leisure::Default(Protection::PairwiseMode) => Duration::from_secs(13),
            Leisure::Fixed(span) => span.min(LEISURE_MAX),
            Leisure::Computed { members, response_octets, octets_per_s } => {
                let octets = f64::from(members) * f64::from(response_octets);
                Duration::from_secs_f64(octets / f64::from(octets_per_s.max(1))).min(LEISURE_MAX)
            }
        }
    }
}

/// No answer waits longer: clients reckon with MAX_SERVER_RESPONSE_DELAY (groupcomm-bis §3.1.5).
const LEISURE_MAX: Duration = super::params::MAX_SERVER_RESPONSE_DELAY;

/// What is configured for groups, and when their leisure periods end.
#[derive(Debug, Default)]
pub(crate) struct Leisures {
    configured: BTreeMap<IpAddr, Leisure>,
    periods: BTreeMap<IpAddr, Period>,
}

/// The latest leisure period of a membership.
#[derive(Debug, Clone, Copy)]
struct Period {
    start: Instant,
    end: Instant,
}

impl Leisures {
    /// The leisure of a group, by its multicast address.
    pub(crate) fn of(&self, group: Option<IpAddr>) -> Leisure {
        group.and_then(|group| self.configured.get(&group)).copied().unwrap_or_default()
    }
    /// The period for an answer to a request: it begins at once. Where it is the latest, further answers wait for its end.
    fn begin(&mut self, now: Instant, group: IpAddr, span: Duration) {
        self.forget_past(now);
        let end = now + span;
        let period = self.periods.entry(group).or_insert(Period { start: now, end });
        if period.end < end && period.start <= now {
            *period = Period { start: now, end };
        }
    }
    /// The period for a notification: the one that starts at this moment, or the next one after the latest, which it shares
    /// with what else waits for that (GC46).
    fn next(&mut self, now: Instant, group: IpAddr, span: Duration) -> Instant {
        self.forget_past(now);
        let period = self.periods.entry(group).or_insert(Period { start: now, end: now + span });
        if period.start < now {
            *period = Period { start: period.end, end: period.end + span };
        }
        period.start
    }
    /// Groups are those that our sockets have joined, so that few periods are ever kept.
    fn forget_past(&mut self, now: Instant) {
        self.periods.retain(|_, period| period.end > now);
    }
}

impl Endpoint {
    /// Sets the leisure for answers to requests that come to a multicast address.
    pub fn set_leisure(&mut self, group: IpAddr, leisure: Leisure) {
        let is_known = self.leisures.configured.contains_key(&group);
        if is_known || self.leisures.configured.len() < self.settings.limits.leisures_max {
            self.leisures.configured.insert(group, leisure);
        }
    }
    /// Forgets the leisure of a group that was left.
    pub fn reset_leisure(&mut self, group: IpAddr) {
        self.leisures.configured.remove(&group);
    }

    /// When an answer to a request to a group leaves: at a random point of the leisure (CX3, GC37).
    pub(super) fn leisure_end(&mut self, now: Instant, group: Option<IpAddr>) -> Instant {
        let span = self.leisures.of(group).span(self.settings.params.default_leisure);
        if let Some(group) = group {
            self.leisures.begin(now, group, span);
        }
        now + span.mul_f64(self.rng.fraction())
    }

    /// When a notification to an observer leaves that registered by a request to a group (GC55).
    pub(super) fn notification_leisure_end(&mut self, now: Instant, group: IpAddr) -> Instant {
        let span = self.leisures.of(Some(group)).span(self.settings.params.default_leisure);
        let start = self.leisures.next(now, group, span);
        start + span.mul_f64(self.rng.fraction())
    }
}
