//! The blocks of a segment: what one write puts on disk, framed so that reading back can judge it.
//!
//! ```text
//! segment  block | block | … | zeros, or what is left of an earlier use        blocks start at multiples of 4,096
//! block    header | records | padding
//! header   magic 4 | version 4 | octets of records 4 | count of records 4
//!          number 8 | number of the oldest block that counts 8
//!          last change before 8 | last change 8 | wall clock, ms since 1970, 8
//!          checksum of the records 8 | checksum of the header 8                integers little-endian
//! ```
//!
//! Both checksums are seeded with the segment's own random number, which changes with every use of the file, and with the
//! place: what is left of an earlier use, or what a peer has made look like a block, is never taken for one. A block is
//! on disk before the next one is begun, so that only the last one can be torn. In all versions the header keeps its
//! length, and its checksum and version their places.

use super::record::Frames;

#[cfg(test)]
mod tests;

/// Blocks start at multiples of this: the size of a page, so that a write never has to read, and that a block whose
/// header is damaged hides no other.
pub const PAGE_OCTETS: usize = 4096;
/// Octets of a header.
pub const HEADER_OCTETS: usize = 4 * 4 + 7 * 8;

const MAGIC: [u8; 4] = *b"whj\0";
/// The shape written. Higher ones are not read: a newer program wrote them. Version 1 has no services in its entries, and
/// is otherwise the same.
const VERSION: u32 = 2;
/// Where the checksum of the header stands.
const HEADER_CHECKSUM_AT: usize = HEADER_OCTETS - 8;

/// What the header of a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Octets of the records.
    pub octets: u32,
    /// How many there are.
    pub records: u32,
    /// Its number, one more than that of the block before.
    pub sequence: u64,
    /// The first block that counts: what older ones say was copied or is over.
    pub oldest: u64,
    /// The last change written before.
    pub before: u64,
    /// The last change written with it.
    pub last: u64,
    /// The time of day when it was written, milliseconds since 1970.
    pub wall_ms: u64,
}

impl Header {
    /// Octets of the whole block.
    pub fn block_octets(&self) -> u64 {
        block_octets(self.octets as usize)
    }
}

/// Octets of a block with so many octets of records.
pub fn block_octets(records: usize) -> u64 {
    (HEADER_OCTETS + records).next_multiple_of(PAGE_OCTETS) as u64
}

/// One block as read back.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Where it starts in its segment.
    pub at: u64,
    /// Its header.
    pub header: Header,
    /// Its records.
    pub records: &'a [u8],
    /// Whether all of them are as they were written.
    pub is_whole: bool,
}

impl<'a> Block<'a> {
    /// The block at the beginning of `octets`, which stand at `at` in their segment. `None` when there is none.
    pub fn first(octets: &'a [u8], seed: u64, at: u64) -> Option<Result<Block<'a>, Newer>> {
        let seed = seed_at(seed, at);
        let (version, header, checksum) = read_header(octets, seed)?;
        if version > VERSION {
            return Some(Err(Newer));
        }
        let records = octets.get(HEADER_OCTETS..)?.get(..header.octets as usize)?;
        let is_whole = xxhash_rust::xxh3::xxh3_64_with_seed(records, seed) == checksum;
        Some(Ok(Block { at, header, records, is_whole }))
    }

    /// The octets of the block that begins with `octets`, as its header tells. `None` when there is no good one.
    pub fn octets_of_first(octets: &[u8], seed: u64, at: u64) -> Option<u64> {
        read_header(octets, seed_at(seed, at)).map(|(_, header, _)| header.block_octets())
    }

    /// The records that are as they were written.
    pub fn frames(&self) -> Frames<'a> {
        if self.is_whole { Frames::trusted(self.records) } else { Frames::intact(self.records) }
    }
}

/// Completes a block for its place: `block` begins with room for the header, and is padded here.
pub fn seal(block: &mut Vec<u8>, seed: u64, at: u64, header: &Header) {
    let seed = seed_at(seed, at);
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&block[HEADER_OCTETS..], seed);
    let out = &mut block[..HEADER_OCTETS];
    out[..4].copy_from_slice(&MAGIC);
    for (place, number) in out[4..16].chunks_exact_mut(4).zip([VERSION, header.octets, header.records]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let wide = [header.sequence, header.oldest, header.before, header.last, header.wall_ms, checksum];
    for (place, number) in out[16..HEADER_CHECKSUM_AT].chunks_exact_mut(8).zip(wide) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&out[..HEADER_CHECKSUM_AT], seed);
    out[HEADER_CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    block.resize(block.len().next_multiple_of(PAGE_OCTETS), 0);
}

/// A header and the checksum of its records; `None` when there is no good one. The version is not judged.
fn read_header(octets: &[u8], seed: u64) -> Option<(u32, Header, u64)> {
    let octets: &[u8; HEADER_OCTETS] = octets.first_chunk()?;
    if octets[..4] != MAGIC {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    let wide = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
    if wide(HEADER_CHECKSUM_AT) != xxhash_rust::xxh3::xxh3_64_with_seed(&octets[..HEADER_CHECKSUM_AT], seed) {
        return None;
    }
    let header = Header {
        octets: number(8),
        records: number(12),
        sequence: wide(16),
        oldest: wide(24),
        before: wide(32),
        last: wide(40),
        wall_ms: wide(48),
    };
    Some((number(4), header, wide(56)))
}

fn seed_at(seed: u64, at: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&at.to_le_bytes(), seed)
}

/// A newer program wrote this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newer;

/// Reads the blocks of a segment in order, passing over what is none.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    octets: &'a [u8],
    seed: u64,
    at: usize,
}

impl<'a> Blocks<'a> {
    /// The blocks of a segment with this random number. `octets`: all of it, or its beginning.
    pub fn new(octets: &'a [u8], seed: u64) -> Blocks<'a> {
        Blocks { octets, seed, at: 0 }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, Newer>;
    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.octets.len() {
            let at = self.at;
            self.at += PAGE_OCTETS;
            if let Some(block) = Block::first(&self.octets[at..], self.seed, at as u64) {
                if let Ok(block) = &block {
                    self.at = at + block.header.block_octets() as usize;
                }
                return Some(block);
            }
        }
        None
    }
}

/// Has a block say that a newer program wrote it.
#[cfg(test)]
pub fn make_newer(block: &mut [u8], seed: u64, at: u64) {
    block[4] = VERSION as u8 + 1;
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&block[..HEADER_CHECKSUM_AT], seed_at(seed, at));
    block[HEADER_CHECKSUM_AT..HEADER_OCTETS].copy_from_slice(&checksum.to_le_bytes());
}
