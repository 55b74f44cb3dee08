//! What is to be sent once the disk has what it acknowledges.
//!
//! It leaves in the order of its coming. On a connection nothing overtakes it either: a client would take an old record for
//! the latest, or hear of something before the answer that begins it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use wayhouse_proto::io::{Destination, StreamId, Transmit};

/// Transmissions that may wait. Reaction: see [`Held::hold`].
const HELD_MAX: usize = 32_768;

/// One transmission that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Where to.
    pub(super) to: Destination,
    /// What.
    pub(super) octets: Box<[u8]>,
    after: u64,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Held {
    waiting: VecDeque<Waiting>,
    /// How many of them are for which connection.
    of_streams: HashMap<StreamId, u32>,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
    /// Whether a transmission has to wait while changes up to `durable` are on disk.
    pub(super) fn must_hold(&self, transmit: &Transmit, durable: u64) -> bool {
        transmit.durable_after > durable || stream_of(transmit.to).is_some_and(|id| self.of_streams.contains_key(&id))
    }
    /// Whether something waits for a connection.
    pub(super) fn has_for(&self, id: StreamId) -> bool {
        self.of_streams.contains_key(&id)
    }
    /// Keeps a transmission; false when there is no room. Who sent a datagram asks again then; on a connection nothing may
    /// be missing, so that it has to end.
    pub(super) fn hold(&mut self, transmit: &Transmit, octets: &[u8]) -> bool {
        if self.waiting.len() >= HELD_MAX {
            return false;
        }
        if let Some(id) = stream_of(transmit.to) {
            *self.of_streams.entry(id).or_default() += 1;
        }
        self.waiting.push_back(Waiting { to: transmit.to, octets: octets.into(), after: transmit.durable_after });
        true
    }
    /// The next one that changes up to `durable` let go.
    pub(super) fn pop(&mut self, durable: u64) -> Option<Waiting> {
        self.waiting.front().filter(|waiting| waiting.after <= durable)?;
        let waiting = self.waiting.pop_front()?;
        if let Some(id) = stream_of(waiting.to)
            && let Entry::Occupied(mut count) = self.of_streams.entry(id)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(waiting)
    }
}

/// The connection of a transmission that keeps its turn.
pub(super) fn stream_of(to: Destination) -> Option<StreamId> {
    match to {
        Destination::Stream(id) | Destination::CloseStream(id) => Some(id),
        Destination::Datagram { .. } | Destination::AbortStream(_) => None,
    }
}

#[cfg(test)]
mod tests;
