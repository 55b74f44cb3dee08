//! What a client remembers of service instances: which know no sessions, and which to leave alone, for how long
//! (RFC 8490 §5.1.1, §6.6.3).
//!
//! An instance is what was configured or found, never what it resolves to (DS55): a host name and port, or an address and
//! port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_wire::dns::Name;

use super::dso_session::{Close, End, Reason};

/// How long an instance counts as one without sessions (DS23).
pub const WITHOUT_DSO: Duration = Duration::from_secs(3_600);

/// A service instance, the unit of which a client has one session (DS55).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance {
    /// Known by name; compared without regard to case.
    Named(Name, u16),
    /// Known by address.
    Address(SocketAddr),
}

/// What a client may do with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Connect, and ask for a session.
    WithDso,
    /// Connect for plain DNS; sessions do not work there, until then.
    WithoutDso(Instant),
    /// Stay away until then (DS43, DS48).
    Wait(Instant),
}

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    without_dso_until: Option<Instant>,
    wait_until: Option<Instant>,
    /// Whether the last session was dropped without reason or success.
    was_dropped: bool,
}

/// The instances that something is known of.
#[derive(Debug)]
pub struct Instances {
    table: BTreeMap<Instance, Memory>,
    /// Instances remembered. Reaction: what is over is forgotten, and if nothing is, what is over next.
    most: usize,
}

impl Instances {
    /// Nothing known.
    pub fn new(most: usize) -> Instances {
        Instances { table: BTreeMap::new(), most: most.max(1) }
    }
    /// What to do with an instance.
    pub fn advice(&self, now: Instant, instance: &Instance) -> Advice {
        let memory = self.table.get(instance).copied().unwrap_or_default();
        let later = |until: Option<Instant>| until.filter(|until| *until > now);
        match (later(memory.wait_until), later(memory.without_dso_until)) {
            (Some(until), _) => Advice::Wait(until),
            (None, Some(until)) => Advice::WithoutDso(until),
            (None, None) => Advice::WithDso,
        }
    }
    /// A session with the instance was established: whatever was held against it is over.
    pub fn note_success(&mut self, instance: &Instance) {
        self.table.remove(instance);
    }
    /// A session ended as its engine says.
    pub fn note_end(&mut self, now: Instant, instance: &Instance, end: &End) {
        match end.why {
            // DS43, DS48: no jitter of our own (DS45). The longest delay is one of 49.7 days.
            Reason::RetryDelay { delay_ms, .. } => {
                let delay = Duration::from_millis(u64::from(delay_ms));
                self.memory(now, instance).wait_until = now.checked_add(delay);
            }
            // DS22, DS23, DS49: it does not know sessions, or not the rules.
            Reason::NotEstablished => self.note_without_dso(now, instance),
            Reason::Fault(_) if end.how == Close::Abort => self.note_without_dso(now, instance),
            Reason::Fault(_) | Reason::Inactive | Reason::Silent | Reason::ShutDown => {}
        }
    }
    /// The instance answered that it knows no sessions (DS23).
    pub fn note_without_dso(&mut self, now: Instant, instance: &Instance) {
        self.memory(now, instance).without_dso_until = now.checked_add(WITHOUT_DSO);
    }
    /// The connection was lost without a reason. `is_establishing` tells whether the first answer was still waited for.
    /// Once, connecting again is good; the second time in a row the instance counts as one without sessions (DS23, DS49).
    pub fn note_drop(&mut self, now: Instant, instance: &Instance, is_establishing: bool) {
        let memory = self.memory(now, instance);
        if is_establishing || std::mem::replace(&mut memory.was_dropped, true) {
            memory.without_dso_until = now.checked_add(WITHOUT_DSO);
        }
    }

    fn memory(&mut self, now: Instant, instance: &Instance) -> &mut Memory {
        if !self.table.contains_key(instance) && self.table.len() >= self.most {
            let over = |memory: &Memory| memory.wait_until.max(memory.without_dso_until);
            self.table.retain(|_, memory| over(memory).is_some_and(|until| until > now));
            if self.table.len() >= self.most
                && let Some(next) =
                    self.table.iter().min_by_key(|(_, memory)| over(memory)).map(|(instance, _)| instance.clone())
            {
                self.table.remove(&next);
            }
        }
        self.table.entry(instance.clone()).or_default()
    }
}

/// The delay for the `index`-th of `count` clients that a server sends away, so that they do not come back all at once
/// (DS45): evenly over the second half of `most`.
pub fn spread_delay_ms(most_ms: u32, index: usize, count: usize) -> u32 {
    let half = u64::from(most_ms / 2);
    let count = count.max(1) as u64;
    (u64::from(most_ms) - half + half * (index as u64).min(count - 1) / count) as u32
}

#[cfg(test)]
mod tests;
