//! A keyed hash (SipHash) for tables whose keys peers choose, for entity tags and for reachability tokens.
//!
//! The key is drawn from the endpoint's generator, so that one seed gives one run and no peer can aim at a bucket.

use std::hash::{BuildHasher, Hasher};

use crate::rng::Rng;

/// The key; makes [`KeyedHasher`]s for hash tables.
#[derive(Debug, Clone, Copy)]
pub struct KeyedState {
    key: (u64, u64),
}

impl KeyedState {
    /// A key drawn from the generator.
    pub fn new(rng: &mut Rng) -> KeyedState {
        KeyedState { key: (rng.next_u64(), rng.next_u64()) }
    }
    /// The hash of some octets.
    pub fn octets(&self, octets: &[u8]) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(octets);
        hasher.finish()
    }
}

impl BuildHasher for KeyedState {
    type Hasher = KeyedHasher;
    fn build_hasher(&self) -> KeyedHasher {
        SipHasher::new(self.key)
    }
}

/// The hasher of tables.
pub type KeyedHasher = SipHasher<1, 3>;

/// SipHash-2-4 of some octets, for formats that name it (RFC 9018 §4.4).
pub fn siphash_2_4(key: (u64, u64), octets: &[u8]) -> u64 {
    let mut hasher = SipHasher::<2, 4>::new(key);
    hasher.write(octets);
    hasher.finish()
}

/// SipHash with so many compression and so many finalisation rounds.
#[derive(Debug, Clone, Copy)]
pub struct SipHasher<const COMPRESSION: usize, const FINALISATION: usize> {
    state: [u64; 4],
    /// Octets that do not yet fill a word, the first in the lowest place.
    tail: u64,
    octets: u64,
}

impl<const COMPRESSION: usize, const FINALISATION: usize> SipHasher<COMPRESSION, FINALISATION> {
    #[inline]
    fn new((k0, k1): (u64, u64)) -> Self {
        SipHasher {
            state: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            octets: 0,
        }
    }
    #[inline]
    fn round(v: &mut [u64; 4]) {
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[1]);
        v[0] = v[0].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].rotate_left(32);
    }
    #[inline]
    fn compress(&mut self, word: u64) {
        self.state[3] ^= word;
        for _ in 0..COMPRESSION {
            Self::round(&mut self.state);
        }
        self.state[0] ^= word;
    }
    /// Takes the lowest `octets` (1..=8) octets of a word whose other octets are 0.
    #[inline]
    fn take(&mut self, word: u64, octets: u32) {
        let filled = (self.octets & 7) as u32;
        self.octets = self.octets.wrapping_add(u64::from(octets));
        self.tail |= word << (8 * filled);
        if filled + octets >= 8 {
            self.compress(self.tail);
            self.tail = if filled == 0 { 0 } else { word >> (8 * (8 - filled)) };
        }
    }
}

impl<const COMPRESSION: usize, const FINALISATION: usize> Hasher for SipHasher<COMPRESSION, FINALISATION> {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            self.take(u64::from_le_bytes(word.try_into().expect("chunks of eight")), 8);
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.take(u64::from_le_bytes(word), rest.len() as u32);
        }
    }
    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.take(u64::from(value), 1);
    }
    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.take(u64::from(value), 2);
    }
    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.take(u64::from(value), 4);
    }
    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.take(value, 8);
    }
    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.take(value as u64, 8);
    }
    #[inline]
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.compress(self.octets << 56 | self.tail);
        let mut v = last.state;
        v[2] ^= 0xff;
        for _ in 0..FINALISATION {
            Self::round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[cfg(test)]
mod tests;
