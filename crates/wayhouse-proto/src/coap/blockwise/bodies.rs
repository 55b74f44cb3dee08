//! Response bodies that a server sends in blocks (Block2), kept until the client had time to fetch them (RFC 7959 §2.4).
//!
//! What is kept stays as it is while a client fetches it, however often the resource changes meanwhile.

use std::time::{Duration, Instant};

use wayhouse_wire::coap::{BlockValue, Code, OptionList, Options};

use super::transfers::{Held, Transfers};
use crate::coap::matching;
use crate::io::Peer;
use crate::keyed_hash::KeyedState;

/// What a body costs besides its octets.
const OVERHEAD_OCTETS: usize = 384;

/// Representations being fetched.
#[derive(Debug)]
pub struct Bodies {
    hasher: KeyedState,
    bodies: Transfers<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// The hash of the request's body.
    payload_hash: u64,
    representation: Representation,
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
        Bodies { hasher, bodies: Transfers::new(octets_max, lifetime, matching::is_block2_key, hasher) }
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
        if let Some(slot) = self.bodies.find(peer, method, request) {
            self.bodies.remove(slot);
        }
        let kept = Kept { payload_hash: self.hasher.octets(payload), representation };
        self.bodies.insert(now, peer, method, request, kept);
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
        let Some(slot) = self.bodies.find(peer, method, request) else { return Served::Unknown };
        if !payload.is_empty() && self.bodies.get(slot).payload_hash != self.hasher.octets(payload) {
            return Served::Unknown;
        }
        self.bodies.advance(now, slot, |_| {});
        let kept = self.bodies.get(slot);
        let (block, bert_octets) = fit(&kept.representation);
        match super::cut(&kept.representation.body, block.num, block.szx, bert_octets) {
            Some(cut) => Served::Block { representation: &kept.representation, block: cut.block, payload: cut.payload },
            None => Served::OutOfRange,
        }
    }

    /// Drops what was not asked for in time.
    pub fn expire(&mut self, now: Instant) {
        self.bodies.expire(now);
    }

    /// When [`Bodies::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.bodies.next_expiry()
    }

    /// Octets held, overhead included.
    pub fn octets(&self) -> usize {
        self.bodies.octets()
    }
}

impl Held for Kept {
    fn octets(&self) -> usize {
        OVERHEAD_OCTETS + self.representation.body.capacity()
    }
}

#[cfg(test)]
mod tests;
