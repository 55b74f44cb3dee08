//! Keys of the ordered index: short ones without an allocation of their own.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Octets that fit into a key itself: names, types and most bases.
const INLINE_OCTETS: usize = 22;

/// A value as a key: 24 octets, ordered as its octets are.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// Padded with zeros.
    Short {
        length: u8,
        octets: [u8; INLINE_OCTETS],
    },
    Long(Box<[u8]>),
}

impl Key {
    /// The key of a value that needs no allocation.
    pub(crate) fn short(value: &[u8]) -> Option<Key> {
        let mut octets = [0; INLINE_OCTETS];
        octets.get_mut(..value.len())?.copy_from_slice(value);
        Some(Key::Short { length: value.len() as u8, octets })
    }

    pub(crate) fn long(value: &[u8]) -> Key {
        Key::Long(value.into())
    }

    pub(crate) fn as_octets(&self) -> &[u8] {
        match self {
            Key::Short { length, octets } => &octets[..usize::from(*length)],
            Key::Long(octets) => octets,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_octets()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            // Most comparisons of a search are decided by the first word; equal padded octets by the length.
            (Key::Short { length, octets }, Key::Short { length: other_length, octets: other_octets }) => {
                let halves = |octets: &[u8; INLINE_OCTETS]| {
                    let mut words = [0; 2];
                    for (word, chunk) in words.iter_mut().zip(octets.as_chunks::<8>().0) {
                        *word = u64::from_be_bytes(*chunk);
                    }
                    words
                };
                halves(octets)
                    .cmp(&halves(other_octets))
                    .then_with(|| octets[16..].cmp(&other_octets[16..]))
                    .then_with(|| length.cmp(other_length))
            }
            _ => self.as_octets().cmp(other.as_octets()),
        }
    }
}

#[cfg(test)]
mod tests;
