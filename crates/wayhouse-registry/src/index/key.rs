//! Keys of the ordered index: short ones without an allocation of their own.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Octets that fit into a key itself: names, types and most bases.
const INLINE_OCTETS: usize = 22;

/// A value as a key: 24 octets, ordered as its octets are.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Short { length: u8, octets: [u8; INLINE_OCTETS] },
    Long(Box<[u8]>),
}

impl Key {
    pub(crate) fn new(value: &[u8]) -> Key {
        if value.len() > INLINE_OCTETS {
            return Key::Long(value.into());
        }
        let mut octets = [0; INLINE_OCTETS];
        octets[..value.len()].copy_from_slice(value);
        Key::Short { length: value.len() as u8, octets }
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
        self.as_octets() == other.as_octets()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.as_octets().cmp(other.as_octets())
    }
}
