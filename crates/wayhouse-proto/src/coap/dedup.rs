//! Messages that were processed, and the answers they got: a duplicate gets the same answer and nothing else (CM21).
//!
//! A ring in order of arrival, with an index by peer and message ID. Answers of up to 47 octets stand in the ring itself.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hashbrown::HashTable;

use crate::io::Peer;
use crate::keyed_hash::KeyedState;

const INLINE_OCTETS: usize = 47;

/// The memory of an endpoint for messages it must not process twice.
#[derive(Debug)]
pub(crate) struct Dedup {
    ring: VecDeque<Entry>,
    /// Sequence number of the first entry of the ring.
    first: u64,
    index: HashTable<u64>,
    hasher: KeyedState,
    lifetime: Duration,
    entries_max: usize,
    octets_max: usize,
    /// Octets of answers outside of the ring.
    octets: usize,
    /// Entries for deferred requests with safe methods; while there are none, requests with safe methods need no look-up.
    safe_count: usize,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    message_id: u16,
    is_safe: bool,
    hash: u64,
    at: Instant,
    durable_after: u64,
    answer: Kept,
}

#[derive(Debug)]
enum Kept {
    /// None: a duplicate is dropped.
    Silence,
    /// An Empty ACK: the response came or will come separately (CR2).
    Acknowledgement,
    Inline {
        length: u8,
        octets: [u8; INLINE_OCTETS],
    },
    Boxed(Box<[u8]>),
}

/// What is known about a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// Nothing; it is remembered from here on, under this number.
    New(u64),
    /// It was processed, and there is nothing to say again.
    Silence,
    /// It was processed, and acknowledged without a response.
    Acknowledgement,
    /// It was processed, and this was the answer.
    Answer { octets: &'a [u8], durable_after: u64 },
}

impl Dedup {
    pub(crate) fn new(lifetime: Duration, entries_max: usize, octets_max: usize, hasher: KeyedState) -> Dedup {
        Dedup {
            ring: VecDeque::new(),
            first: 0,
            index: HashTable::new(),
            hasher,
            lifetime,
            entries_max: entries_max.max(1),
            octets_max,
            octets: 0,
            safe_count: 0,
        }
    }

    /// Looks for a message, and remembers it when it is new.
    pub(crate) fn look(&mut self, now: Instant, peer: Peer, message_id: u16) -> Seen<'_> {
        let hash = hash_of(&self.hasher, peer, message_id);
        if let Some(sequence) = self.find(now, hash, peer, message_id) {
            return self.seen(sequence);
        }
        Seen::New(self.insert(now, hash, peer, message_id, false))
    }

    /// Looks for a request with a safe method, which is remembered only after [`Dedup::acknowledge_safe`].
    pub(crate) fn look_safe(&mut self, now: Instant, peer: Peer, message_id: u16) -> Option<Seen<'_>> {
        if self.safe_count == 0 {
            return None;
        }
        self.find_only(now, peer, message_id)
    }

    /// Looks for a message without remembering it.
    pub(crate) fn find_only(&mut self, now: Instant, peer: Peer, message_id: u16) -> Option<Seen<'_>> {
        let hash = hash_of(&self.hasher, peer, message_id);
        let sequence = self.find(now, hash, peer, message_id)?;
        Some(self.seen(sequence))
    }

    /// Remembers that a request with a safe method was acknowledged and will be answered separately.
    pub(crate) fn acknowledge_safe(&mut self, now: Instant, peer: Peer, message_id: u16) {
        let hash = hash_of(&self.hasher, peer, message_id);
        let sequence = match self.find(now, hash, peer, message_id) {
            Some(sequence) => sequence,
            None => self.insert(now, hash, peer, message_id, true),
        };
        self.acknowledge(sequence);
    }

    /// Remembers that a message was acknowledged without a response.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        self.keep(sequence, Kept::Acknowledgement, 0);
    }

    /// Remembers the answer to a message.
    pub(crate) fn answer(&mut self, sequence: u64, octets: &[u8], durable_after: u64) {
        let kept = if octets.len() <= INLINE_OCTETS {
            let mut inline = [0; INLINE_OCTETS];
            inline[..octets.len()].copy_from_slice(octets);
            Kept::Inline { length: octets.len() as u8, octets: inline }
        } else {
            Kept::Boxed(octets.into())
        };
        self.keep(sequence, kept, durable_after);
        while self.octets > self.octets_max {
            self.forget_oldest();
        }
    }

    /// Messages remembered, those included that are so old that nobody asks.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.ring.len()
    }

    fn keep(&mut self, sequence: u64, kept: Kept, durable_after: u64) {
        let Some(position) = sequence.checked_sub(self.first) else { return };
        let Some(entry) = self.ring.get_mut(position as usize) else { return };
        self.octets = self.octets - entry.answer.boxed_octets() + kept.boxed_octets();
        entry.answer = kept;
        entry.durable_after = durable_after;
    }

    fn find(&mut self, now: Instant, hash: u64, peer: Peer, message_id: u16) -> Option<u64> {
        let sequence = *self.index.find(hash, |sequence| {
            let entry = &self.ring[(sequence - self.first) as usize];
            entry.message_id == message_id && entry.peer == peer
        })?;
        let entry = &self.ring[(sequence - self.first) as usize];
        if now.saturating_duration_since(entry.at) < self.lifetime {
            return Some(sequence);
        }
        // The sender may use the ID again: everything up to this entry is old.
        while self.first <= sequence {
            self.forget_oldest();
        }
        None
    }

    fn insert(&mut self, now: Instant, hash: u64, peer: Peer, message_id: u16, is_safe: bool) -> u64 {
        // Two at a time, so that what is old leaves quicker than anything comes, and no call takes long.
        for _ in 0..2 {
            if self.ring.front().is_some_and(|entry| now.saturating_duration_since(entry.at) >= self.lifetime) {
                self.forget_oldest();
            }
        }
        if self.ring.len() >= self.entries_max {
            self.forget_oldest();
        }
        let sequence = self.first + self.ring.len() as u64;
        self.safe_count += usize::from(is_safe);
        self.ring.push_back(Entry {
            peer,
            message_id,
            is_safe,
            hash,
            at: now,
            durable_after: 0,
            answer: Kept::Silence,
        });
        let (ring, first) = (&self.ring, self.first);
        self.index.insert_unique(hash, sequence, |sequence| ring[(sequence - first) as usize].hash);
        sequence
    }

    fn forget_oldest(&mut self) {
        let Some(entry) = self.ring.pop_front() else { return };
        let sequence = self.first;
        self.first += 1;
        self.octets -= entry.answer.boxed_octets();
        self.safe_count -= usize::from(entry.is_safe);
        if let Ok(found) = self.index.find_entry(entry.hash, |candidate| *candidate == sequence) {
            found.remove();
        }
    }

    fn seen(&self, sequence: u64) -> Seen<'_> {
        let entry = &self.ring[(sequence - self.first) as usize];
        let durable_after = entry.durable_after;
        match &entry.answer {
            Kept::Silence => Seen::Silence,
            Kept::Acknowledgement => Seen::Acknowledgement,
            Kept::Inline { length, octets } => Seen::Answer { octets: &octets[..usize::from(*length)], durable_after },
            Kept::Boxed(octets) => Seen::Answer { octets, durable_after },
        }
    }
}

impl Kept {
    fn boxed_octets(&self) -> usize {
        match self {
            Kept::Boxed(octets) => octets.len(),
            _ => 0,
        }
    }
}

fn hash_of(hasher: &KeyedState, peer: Peer, message_id: u16) -> u64 {
    let mut state = hasher.build_hasher();
    peer.hash(&mut state);
    state.write_u16(message_id);
    state.finish()
}

#[cfg(test)]
mod tests;
