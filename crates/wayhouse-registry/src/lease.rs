//! Leases: how long an entry lives without being renewed, and in which order leases end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// A lease as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Granted lifetime, seconds, 1..=4294967295.
    pub lifetime_s: u32,
    /// When it was last renewed.
    pub renewed: Instant,
}

impl Lease {
    /// When it ends.
    pub fn expires(&self) -> Instant {
        self.renewed + Duration::from_secs(u64::from(self.lifetime_s))
    }
    /// Time left, zero when over.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.expires().saturating_duration_since(now)
    }
    /// Time since the last renewal (RR17).
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.renewed)
    }
}

/// A point in time as nanoseconds from the registry's first call: half the size of an `Instant`, 292 years each way.
pub(crate) type Moment = i64;

/// Nanoseconds in a second.
const SECOND: Moment = 1_000_000_000;

/// The moment `seconds` later.
pub(crate) fn later(moment: Moment, seconds: u32) -> Moment {
    moment.saturating_add(i64::from(seconds) * SECOND)
}

/// Translates between the caller's instants and moments.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    start: Option<Instant>,
}

impl Epoch {
    /// The moment of an instant; the first one asked for becomes the epoch.
    pub(crate) fn moment(&mut self, at: Instant) -> Moment {
        let start = *self.start.get_or_insert(at);
        let nanoseconds = |duration: Duration| Moment::try_from(duration.as_nanos()).unwrap_or(Moment::MAX);
        match at.checked_duration_since(start) {
            Some(after) => nanoseconds(after),
            None => -nanoseconds(start.duration_since(at)),
        }
    }

    /// The instant of a moment. Only moments that [`Epoch::moment`] made, and later ones, exist as instants.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        let start = self.start.expect("a moment comes from an epoch that has started");
        let distance = Duration::from_nanos(moment.unsigned_abs());
        if moment < 0 { start.checked_sub(distance).unwrap_or(start) } else { start + distance }
    }
}

/// Slots in the order in which something is due for them.
///
/// For leases the order is kept lazily: a renewal leaves a slot where it stands, and the slot moves when its old turn
/// comes. A refresh therefore costs nothing here, and each lease is moved at most once per lifetime.
#[derive(Debug, Default)]
pub(crate) struct DueOrder {
    due: BTreeSet<(Moment, u32)>,
}

impl DueOrder {
    pub(crate) fn insert(&mut self, at: Moment, slot: u32) {
        self.due.insert((at, slot));
    }

    pub(crate) fn remove(&mut self, at: Moment, slot: u32) {
        let was_there = self.due.remove(&(at, slot));
        debug_assert!(was_there, "every scheduled slot remembers its turn");
    }

    /// The first turn.
    pub(crate) fn first(&self) -> Option<(Moment, u32)> {
        self.due.first().copied()
    }

    /// The first turn that has come.
    pub(crate) fn first_due(&self, now: Moment) -> Option<u32> {
        self.first().filter(|&(at, _)| at <= now).map(|(_, slot)| slot)
    }

    /// All slots, first turn first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.due.iter().map(|&(_, slot)| slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }
}
