//! The transfers that a server has under way in one direction, each found by the requests that belong to it.
//!
//! Requests belong together when peer, method and the options that tell operations apart agree (BW14). A transfer ends when its
//! next request does not come in time, or when it is the one that waited longest and there is too much.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use slab::Slab;
use wayhouse_wire::coap::{Code, OptionRef, Options};

use crate::coap::matching;
use crate::coap::recency::Recency;
use crate::io::Peer;
use crate::keyed_hash::KeyedState;

/// What is held for a transfer.
pub(super) trait Held {
    /// What it costs: its body, and something for itself, so that the bound on octets bounds the number of transfers too.
    fn octets(&self) -> usize;
}

/// Transfers, from the one that waited longest to the one that went on last.
#[derive(Debug)]
pub(super) struct Transfers<T> {
    octets_max: usize,
    lifetime: Duration,
    /// Whether options of a number tell operations apart.
    is_key: fn(u16) -> bool,
    hasher: KeyedState,
    table: Slab<Transfer<T>>,
    index: HashTable<u32>,
    recency: Recency,
    octets: usize,
}

#[derive(Debug)]
struct Transfer<T> {
    hash: u64,
    peer: Peer,
    method: Code,
    /// The options that tell operations apart, flat.
    key: Box<[u8]>,
    touched: Instant,
    held: T,
}

impl<T: Held> Transfers<T> {
    /// Nothing under way. `octets_max` bounds what is held; what does not go on within `lifetime` is dropped.
    pub(super) fn new(
        octets_max: usize,
        lifetime: Duration,
        is_key: fn(u16) -> bool,
        hasher: KeyedState,
    ) -> Transfers<T> {
        Transfers {
            octets_max,
            lifetime,
            is_key,
            hasher,
            table: Slab::new(),
            index: HashTable::new(),
            recency: Recency::new(),
            octets: 0,
        }
    }

    /// The transfer that a request belongs to.
    pub(super) fn find(&self, peer: Peer, method: Code, options: Options<'_>) -> Option<usize> {
        let is_same = |slot: &u32| {
            let transfer = &self.table[*slot as usize];
            transfer.peer == peer && transfer.method == method && matching::is_same(&transfer.key, self.key(options))
        };
        self.index.find(self.hash(peer, method, options), is_same).map(|slot| *slot as usize)
    }

    /// What is held for a transfer.
    pub(super) fn get(&self, slot: usize) -> &T {
        &self.table[slot].held
    }

    /// Begins the transfer that a request belongs to; there is none yet. `false` when it is too large to be held.
    pub(super) fn insert(&mut self, now: Instant, peer: Peer, method: Code, options: Options<'_>, held: T) -> bool {
        let hash = self.hash(peer, method, options);
        let mut key = Vec::new();
        matching::flatten(&mut key, self.key(options));
        let transfer = Transfer { hash, peer, method, key: key.into(), touched: now, held };
        self.octets += transfer.octets();
        let slot = self.table.insert(transfer);
        let table = &self.table;
        self.index.insert_unique(hash, slot as u32, |slot| table[*slot as usize].hash);
        self.recency.insert(slot);
        self.make_room();
        self.table.contains(slot)
    }

    /// Goes on with a transfer. `false` when it has become too large to be held.
    pub(super) fn advance(&mut self, now: Instant, slot: usize, step: impl FnOnce(&mut T)) -> bool {
        let transfer = &mut self.table[slot];
        self.octets -= transfer.octets();
        transfer.touched = now;
        step(&mut transfer.held);
        self.octets += transfer.octets();
        self.recency.touch(slot);
        self.make_room();
        self.table.contains(slot)
    }

    /// Ends a transfer.
    pub(super) fn remove(&mut self, slot: usize) -> T {
        let transfer = self.table.remove(slot);
        if let Ok(entry) = self.index.find_entry(transfer.hash, |other| *other as usize == slot) {
            entry.remove();
        }
        self.recency.remove(slot);
        self.octets -= transfer.octets();
        transfer.held
    }

    /// Drops what waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.recency.oldest()
            && self.table[slot].touched + self.lifetime <= now
        {
            self.remove(slot);
        }
    }

    /// When [`Transfers::expire`] has something to do.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.recency.oldest().map(|slot| self.table[slot].touched + self.lifetime)
    }

    /// Octets held.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.table.len()
    }

    /// Drops what waited longest while there is too much; what went on last goes last.
    fn make_room(&mut self) {
        while self.octets > self.octets_max
            && let Some(oldest) = self.recency.oldest()
        {
            self.remove(oldest);
        }
    }

    fn key<'o>(&self, options: Options<'o>) -> impl Iterator<Item = OptionRef<'o>> + use<'o, T> {
        let is_key = self.is_key;
        options.iter().filter(move |option| is_key(option.number))
    }

    fn hash(&self, peer: Peer, method: Code, options: Options<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (peer, method).hash(&mut hasher);
        matching::hash(&mut hasher, self.key(options));
        hasher.finish()
    }
}

impl<T: Held> Transfer<T> {
    fn octets(&self) -> usize {
        self.key.len() + self.held.octets()
    }
}
