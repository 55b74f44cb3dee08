//! Response bodies that a server sends in blocks (Block2), kept until the client had time to fetch them (RFC 7959 §2.4).
//!
//! What is kept stays as it is while a client fetches it, however often the resource changes meanwhile.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use slab::Slab;
use wayhouse_wire::coap::{BlockValue, Code, OptionList, Options};

use crate::coap::matching;
use crate::coap::recency::Recency;
use crate::io::Peer;
use crate::keyed_hash::KeyedState;

/// What a body costs besides its octets: the bound on octets bounds the number of bodies too.
const OVERHEAD_OCTETS: usize = 384;

/// Representations being fetched.
#[derive(Debug)]
pub struct Bodies {
    octets_max: usize,
    lifetime: Duration,
    hasher: KeyedState,
    bodies: Slab<Kept>,
    index: HashTable<u32>,
    recency: Recency,
    octets: usize,
}

#[derive(Debug)]
struct Kept {
    hash: u64,
    peer: Peer,
    method: Code,
    /// The request's options that tell operations apart, flat.
    key: Box<[u8]>,
    /// The hash of the request's body.
    payload_hash: u64,
    representation: Representation,
    touched: Instant,
}

/// A response whose body does not fit into one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representation {
    /// Response code.
    pub code: Code,
    /// Options of every block: ETag, Content-Format, Max-Age…; no Block2, Size2 or Observe.
    pub options: OptionList,
    /// All octets.
    pub body: Vec<u8>,
}

/// What became of a request for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served<'a> {
    /// The block.
    Block {
        /// Its representation (code, options with ETag).
        representation: &'a Representation,
        /// Block2 of the response.
        block: BlockValue,
        /// The block's octets.
        payload: &'a [u8],
    },
    /// The block lies behind the end: 4.00.
    OutOfRange,
    /// No such representation is kept: a safe method is answered anew, for others 4.08.
    Unknown,
}

impl Bodies {
    /// Nothing kept. `octets_max` bounds all bodies (the one fetched longest ago is dropped), `lifetime` is EXCHANGE_LIFETIME.
    pub fn new(octets_max: usize, lifetime: Duration, hasher: KeyedState) -> Bodies {
        Bodies {
            octets_max,
            lifetime,
            hasher,
            bodies: Slab::new(),
            index: HashTable::new(),
            recency: Recency::new(),
            octets: 0,
        }
    }

    /// Keeps the answer to a request for later blocks, in place of an earlier one to a matching request of the peer.
    /// `payload` is the request's body.
    pub fn insert(
        &mut self,
        now: Instant,
        peer: Peer,
        method: Code,
        request: Options<'_>,
        payload: &[u8],
        representation: Representation,
    ) {
        self.expire(now);
        let hash = self.hash(peer, method, request);
        if let Some(slot) = self.find(hash, peer, method, request) {
            self.remove(slot);
        }
        let mut key = Vec::new();
        matching::flatten(&mut key, request.iter().filter(|option| matching::is_block2_key(option.number)));
        let payload_hash = self.hasher.octets(payload);
        let kept = Kept { hash, peer, method, key: key.into(), payload_hash, representation, touched: now };
        self.octets += kept.cost();
        let slot = self.bodies.insert(kept);
        let bodies = &self.bodies;
        self.index.insert_unique(hash, slot as u32, |slot| bodies[*slot as usize].hash);
        self.recency.insert(slot);
        while self.octets > self.octets_max
            && let Some(oldest) = self.recency.oldest()
        {
            self.remove(oldest);
        }
    }

    /// The block that a request with Block2 NUM > 0 asks for. An empty `payload` matches whatever the first request had (BW10).
    /// `fit` finds the block that is sent in its place, and `bert_octets`: see [`super::cut`].
    pub fn serve(
        &mut self,
        now: Instant,
        peer: Peer,
        method: Code,
        request: Options<'_>,
        payload: &[u8],
        fit: impl FnOnce(&Representation) -> (BlockValue, usize),
    ) -> Served<'_> {
        self.expire(now);
        let hash = self.hash(peer, method, request);
        let Some(slot) = self.find(hash, peer, method, request) else { return Served::Unknown };
        if !payload.is_empty() && self.bodies[slot].payload_hash != self.hasher.octets(payload) {
            return Served::Unknown;
        }
        self.recency.touch(slot);
        let kept = &mut self.bodies[slot];
        kept.touched = now;
        let (block, bert_octets) = fit(&kept.representation);
        match super::cut(&kept.representation.body, block.num, block.szx, bert_octets) {
            Some(cut) => Served::Block { representation: &kept.representation, block: cut.block, payload: cut.payload },
            None => Served::OutOfRange,
        }
    }

    /// Drops what was not asked for in time.
    pub fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.recency.oldest()
            && self.bodies[slot].touched + self.lifetime <= now
        {
            self.remove(slot);
        }
    }

    /// When [`Bodies::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.recency.oldest().map(|slot| self.bodies[slot].touched + self.lifetime)
    }

    /// Octets held, overhead included.
    pub fn octets(&self) -> usize {
        self.octets
    }

    fn hash(&self, peer: Peer, method: Code, request: Options<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (peer, method).hash(&mut hasher);
        matching::hash(&mut hasher, request.iter().filter(|option| matching::is_block2_key(option.number)));
        hasher.finish()
    }

    fn find(&self, hash: u64, peer: Peer, method: Code, request: Options<'_>) -> Option<usize> {
        let is_same = |slot: &u32| {
            let kept = &self.bodies[*slot as usize];
            kept.peer == peer
                && kept.method == method
                && matching::is_same(&kept.key, request.iter().filter(|option| matching::is_block2_key(option.number)))
        };
        self.index.find(hash, is_same).map(|slot| *slot as usize)
    }

    fn remove(&mut self, slot: usize) {
        let kept = self.bodies.remove(slot);
        if let Ok(entry) = self.index.find_entry(kept.hash, |other| *other as usize == slot) {
            entry.remove();
        }
        self.recency.remove(slot);
        self.octets -= kept.cost();
    }
}

impl Kept {
    fn cost(&self) -> usize {
        OVERHEAD_OCTETS + self.key.len() + self.representation.body.capacity()
    }
}

#[cfg(test)]
mod tests;
