//! The Block1 and Block2 option value (RFC 7959 §2.2): `NUM(4/12/20) | M(1) | SZX(3)`.

/// A block option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockValue {
    /// Block number, up to 2^20 − 1.
    pub num: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// Size exponent: 0..=6 for 16..=1024 octets, 7 for BERT over reliable transports (RFC 8323 §6).
    pub szx: u8,
}

impl BlockValue {
    /// Reads an option value of 0..=3 octets.
    pub fn decode(value: &[u8]) -> Option<BlockValue> {
        if value.len() > 3 {
            return None;
        }
        let number = value.iter().fold(0u32, |number, octet| number << 8 | u32::from(*octet));
        Some(BlockValue { num: number >> 4, more: number & 8 != 0, szx: (number & 7) as u8 })
    }
    /// The value as the `uint` to send.
    pub const fn to_uint(self) -> u64 {
        (self.num as u64) << 4 | (self.more as u64) << 3 | self.szx as u64
    }
    /// Octets of one block (1024 for BERT's unit).
    pub const fn size(self) -> usize {
        1 << (if self.szx == 7 { 6 } else { self.szx } + 4)
    }
    /// Offset of this block in the body, in octets.
    pub const fn offset(self) -> usize {
        self.num as usize * self.size()
    }
}
