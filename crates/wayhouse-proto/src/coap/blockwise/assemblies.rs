//! Request bodies that arrive in blocks (Block1), gathered at the server (RFC 7959 §2.3, §2.5).
//!
//! Blocks belong together when peer, method and options agree (BW14), Request-Tags among them (RT1). They are taken in order: their offsets,
//! not their numbers, must join, so that a client may change to smaller blocks on the way (BW3).

use std::time::{Duration, Instant};

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Options};

use super::transfers::{Held, Transfers};
use crate::coap::matching;
use crate::io::Peer;
use crate::keyed_hash::KeyedState;

/// What a body costs besides its octets.
const OVERHEAD_OCTETS: usize = 256;

/// Bodies being gathered.
#[derive(Debug)]
pub struct Assemblies {
    body_octets_max: usize,
    octets_max: usize,
    bodies: Transfers<Assembly>,
}

#[derive(Debug)]
struct Assembly {
    content_format: Option<u64>,
    if_none_match: bool,
    body: Vec<u8>,
}

/// What a request means for the body it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gathered {
    /// The request has no Block1: its payload is the whole body.
    Whole,
    /// 2.31 Continue with this Block1: a block was taken, more are expected (BW6).
    Continue(BlockValue),
    /// The body is whole. The response to the request carries this Block1.
    Complete {
        /// Block1 of the response.
        block: BlockValue,
        /// All octets.
        body: Vec<u8>,
        /// Whether the first block had If-None-Match, which later ones must not repeat (BW13).
        if_none_match: bool,
    },
    /// 4.08 Request Entity Incomplete: a block is missing, or the blocks disagree (BW4, BW6).
    Incomplete,
    /// 4.13 Request Entity Too Large with this Size1 (BW7).
    TooLarge {
        /// Octets that would be accepted.
        size1: u64,
    },
    /// 4.00 Bad Request with this diagnostic (BW2, reserved SZX).
    Bad(&'static str),
}

impl Assemblies {
    /// Nothing gathered. `body_octets_max` bounds one body (4.13 beyond), `octets_max` all (the one that waited longest is dropped),
    /// `lifetime` is EXCHANGE_LIFETIME: a body whose next block does not arrive within it is dropped.
    pub fn new(body_octets_max: usize, octets_max: usize, lifetime: Duration, hasher: KeyedState) -> Assemblies {
        let bodies = Transfers::new(octets_max, lifetime, matching::is_block1_key, hasher);
        Assemblies { body_octets_max, octets_max, bodies }
    }

    /// Takes a request. `szx_max` is the largest block size exponent we want: 0..=6, 7 on connections with BERT.
    pub fn accept(
        &mut self,
        now: Instant,
        peer: Peer,
        method: Code,
        options: Options<'_>,
        payload: &[u8],
        szx_max: u8,
    ) -> Gathered {
        let Some(option) = options.first(number::BLOCK1) else { return Gathered::Whole };
        let Some(block) = BlockValue::decode(option.value) else { return Gathered::Bad("Block1 is malformed") };
        if block.szx == 7 && szx_max != 7 {
            return Gathered::Bad("block size 7 is reserved");
        }
        if let Err(reason) = super::check_octets(block, payload.len()) {
            return Gathered::Bad(reason);
        }
        self.expire(now);
        let known = self.bodies.find(peer, method, options);

        let announced = options.first(number::SIZE1).and_then(|size| size.uint()).unwrap_or(0);
        let end = block.offset() + payload.len();
        if end > self.body_octets_max || announced > self.body_octets_max as u64 {
            known.map(|slot| self.bodies.remove(slot));
            return Gathered::TooLarge { size1: self.body_octets_max as u64 };
        }

        let answer = BlockValue { szx: block.szx.min(szx_max), ..block };
        let content_format = options.first(number::CONTENT_FORMAT).and_then(|format| format.uint());
        if block.num == 0 {
            // BW6: block 0 begins anew, whatever was there.
            known.map(|slot| self.bodies.remove(slot));
            let if_none_match = options.first(number::IF_NONE_MATCH).is_some();
            if !block.more {
                return Gathered::Complete { block: answer, body: payload.to_vec(), if_none_match };
            }
            let assembly = Assembly { content_format, if_none_match, body: payload.to_vec() };
            let is_held = self.bodies.insert(now, peer, method, options, assembly);
            return self.continuation(is_held, answer);
        }

        // BW6: without the blocks before this one the body cannot become whole.
        let Some(slot) = known else { return Gathered::Incomplete };
        let assembly = self.bodies.get(slot);
        if assembly.content_format != content_format {
            // BW4: such blocks must not be put together.
            self.bodies.remove(slot);
            return Gathered::Incomplete;
        }
        if block.offset() > assembly.body.len() {
            return Gathered::Incomplete;
        }
        if block.offset() < assembly.body.len() {
            // A block that came before, sent again because our answer was lost, is answered again.
            if block.more && assembly.body.get(block.offset()..end) == Some(payload) {
                return Gathered::Continue(answer);
            }
            self.bodies.remove(slot);
            return Gathered::Incomplete;
        }
        if !block.more {
            let Assembly { mut body, if_none_match, .. } = self.bodies.remove(slot);
            body.extend_from_slice(payload);
            return Gathered::Complete { block: answer, body, if_none_match };
        }
        let is_held = self.bodies.advance(now, slot, |assembly| assembly.body.extend_from_slice(payload));
        self.continuation(is_held, answer)
    }

    /// Drops what waited too long.
    pub fn expire(&mut self, now: Instant) {
        self.bodies.expire(now);
    }

    /// When [`Assemblies::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.bodies.next_expiry()
    }

    /// Octets held, overhead included.
    pub fn octets(&self) -> usize {
        self.bodies.octets()
    }

    /// What is said of a block that was taken, but for which there may be no room.
    fn continuation(&self, is_held: bool, answer: BlockValue) -> Gathered {
        match is_held {
            true => Gathered::Continue(answer),
            false => Gathered::TooLarge { size1: self.octets_max.min(self.body_octets_max) as u64 },
        }
    }
}

impl Held for Assembly {
    fn octets(&self) -> usize {
        OVERHEAD_OCTETS + self.body.capacity()
    }
}

#[cfg(test)]
mod tests;
