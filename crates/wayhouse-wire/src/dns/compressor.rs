//! Messages as they are sent: name compression, a limit of octets, nothing allocated once its memory is warm.
//!
//! [`Compressor`] is the memory, made once per thread of work; [`MessageWriter`] writes one message with it. A record that
//! does not fit leaves no trace: the caller decides whether that means TC or an additional record less.

use super::edns::OPT_OCTETS;
use super::message::{Flags, Header, Section};
use super::name::{LABELS_MAX, NAME_OCTETS_MAX, NameRef, label_starts};
use super::rdata::name_layout;
use super::{Class, OptRcode, Rtype, UpdateLease};

/// Slots of the table of suffixes; a power of two. When it is full, further names are written without being remembered.
const SLOTS: usize = 256;
/// Slots looked at for one suffix: what bounds the work when a peer chooses names that fall together.
const PROBES_MAX: usize = 8;
/// A pointer has fourteen bits: what stands further back cannot be pointed at.
pub const POINTER_LIMIT: usize = 0x4000;
/// The hash of no label.
const HASH_START: u64 = 0x9e37_79b9_7f4a_7c15;

/// Remembers where the suffixes of names stand in the message being written.
#[derive(Debug, Clone)]
pub struct Compressor {
    slots: Box<[Slot; SLOTS]>,
    /// Slots of other generations are empty, so that a new message costs nothing.
    generation: u16,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    generation: u16,
    offset: u16,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor { slots: Box::new([Slot::default(); SLOTS]), generation: 1 }
    }
}

impl Compressor {
    /// Forgets all suffixes.
    #[inline]
    pub fn reset(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.slots.fill(Slot::default());
            self.generation = 1;
        }
    }

    /// Appends a name to the message that starts at `start` of `out`, with a pointer to the longest suffix that stands
    /// there already, and remembers what is new. ASCII case is ignored in comparing, so a pointer may change it.
    #[inline]
    pub fn append_name(&mut self, out: &mut Vec<u8>, start: usize, name: NameRef<'_>) {
        let mut buffer;
        let flat = match name.flat() {
            Some(flat) => flat,
            None => {
                buffer = [0; NAME_OCTETS_MAX];
                name.flatten(&mut buffer)
            }
        };
        let mut starts = [0; LABELS_MAX];
        let labels = label_starts(flat, &mut starts);
        let name_at = out.len() - start;
        let mut hash = HASH_START;
        // From the last label to the first: the suffix known so far stands at `known`, which starts as the root.
        let mut known = None;
        let mut first_written = labels;
        let mut is_known = true;
        for index in (0..labels).rev() {
            let label_at = usize::from(starts[index]);
            let label = &flat[label_at..=label_at + usize::from(flat[label_at])];
            hash = mix(hash, label);
            let own = name_at + label_at;
            if is_known {
                if let Some(offset) = self.find(hash as u32, label, known, &out[start..]) {
                    known = Some(offset);
                    first_written = index;
                    continue;
                }
                is_known = false;
            }
            if own >= POINTER_LIMIT {
                // Labels further to the left stand further to the front.
                continue;
            }
            self.insert(hash as u32, own as u16);
        }
        let literal = if first_written == labels { flat.len() - 1 } else { usize::from(starts[first_written]) };
        out.extend_from_slice(&flat[..literal]);
        match known {
            Some(offset) => out.extend_from_slice(&(0xc000 | offset).to_be_bytes()),
            None => out.push(0),
        }
    }

    /// Remembers a name that was written whole at an offset of the message, as if [`Compressor::append_name`] had.
    fn remember(&mut self, offset: usize, flat: &[u8]) {
        let mut starts = [0; LABELS_MAX];
        let labels = label_starts(flat, &mut starts);
        let mut hash = HASH_START;
        for index in (0..labels).rev() {
            let at = usize::from(starts[index]);
            hash = mix(hash, &flat[at..=at + usize::from(flat[at])]);
            if offset + at < POINTER_LIMIT {
                self.insert(hash as u32, (offset + at) as u16);
            }
        }
    }

    /// Where a suffix stands: `label` (its length first), followed by what stands at `known`, or by the root.
    #[inline]
    fn find(&self, hash: u32, label: &[u8], known: Option<u16>, message: &[u8]) -> Option<u16> {
        for probe in 0..PROBES_MAX {
            let slot = self.slots[(hash as usize).wrapping_add(probe) % SLOTS];
            if slot.generation != self.generation {
                return None;
            }
            if slot.hash != hash {
                continue;
            }
            let at = usize::from(slot.offset);
            let behind = at + label.len();
            let Some(found) = message.get(at..behind) else { continue };
            // Almost always the same octets, which is quicker to see.
            if found != label && !found.eq_ignore_ascii_case(label) {
                continue;
            }
            let continues = match (known, message.get(behind..)) {
                (None, Some([0, ..])) => true,
                (Some(known), Some([high, low, ..])) if *high >= 0xc0 => {
                    u16::from_be_bytes([*high & 0x3f, *low]) == known
                }
                (Some(known), Some(_)) => behind == usize::from(known),
                _ => false,
            };
            if continues {
                return Some(slot.offset);
            }
        }
        None
    }

    #[inline]
    fn insert(&mut self, hash: u32, offset: u16) {
        for probe in 0..PROBES_MAX {
            let slot = &mut self.slots[(hash as usize).wrapping_add(probe) % SLOTS];
            if slot.generation != self.generation {
                *slot = Slot { hash, generation: self.generation, offset };
                return;
            }
        }
    }

    /// Forgets what stands at or behind `offset`: it is taken back.
    pub(crate) fn forget_from(&mut self, offset: usize) {
        for slot in self.slots.iter_mut().filter(|slot| slot.generation == self.generation) {
            // The slot stays taken, or suffixes probed past it would be lost; where it leads, nothing is found.
            if usize::from(slot.offset) >= offset {
                (slot.hash, slot.offset) = (0, u16::MAX);
            }
        }
    }
}

/// Goes on with the hash of a suffix over one more label. Folds letters together with some characters that are none,
/// which only costs a comparison.
#[inline]
fn mix(hash: u64, label: &[u8]) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let mut hash = hash;
    let mut words = label.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight")) | FOLD;
        hash = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
    }
    let rest = words.remainder().iter().fold(0, |rest, octet| rest << 8 | u64::from(*octet));
    hash = (hash ^ (rest | FOLD)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 32
}

/// What was to be written does not fit; the message is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is full")]
pub struct Full;

/// Writes one message behind what `out` holds already.
#[derive(Debug)]
pub struct MessageWriter<'w> {
    out: &'w mut Vec<u8>,
    compressor: &'w mut Compressor,
    start: usize,
    /// Octets that the message may have.
    octets_max: usize,
    header: Header,
    section: usize,
    /// Octets up to the end of the questions.
    questions_end: usize,
}

impl<'w> MessageWriter<'w> {
    /// Starts a message of at most `octets_max` octets (65535 at most) with an ID and flags.
    #[inline]
    pub fn new(
        out: &'w mut Vec<u8>,
        compressor: &'w mut Compressor,
        id: u16,
        flags: Flags,
        octets_max: usize,
    ) -> MessageWriter<'w> {
        compressor.reset();
        let start = out.len();
        let header = Header { id, flags, counts: [0; 4] };
        out.extend_from_slice(&header.to_octets());
        let octets_max = octets_max.min(usize::from(u16::MAX));
        MessageWriter { out, compressor, start, octets_max, header, section: 0, questions_end: Header::OCTETS }
    }
    /// Octets written so far.
    pub fn octets(&self) -> usize {
        self.out.len() - self.start
    }
    /// The header so far.
    pub fn header(&self) -> Header {
        self.header
    }
    /// Changes the flags.
    pub fn set_flags(&mut self, flags: Flags) {
        self.header.flags = flags;
    }
    /// Keeps octets free for what is written last, such as [`MessageWriter::opt`]; give them back with
    /// [`MessageWriter::release`].
    pub fn reserve(&mut self, octets: usize) {
        self.octets_max = self.octets_max.saturating_sub(octets);
    }
    /// Gives reserved octets back.
    pub fn release(&mut self, octets: usize) {
        self.octets_max = (self.octets_max + octets).min(usize::from(u16::MAX));
    }

    /// Adds a question; before all records.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn question(&mut self, name: NameRef<'_>, rtype: Rtype, class: Class) -> Result<(), Full> {
        debug_assert!(self.section == 0, "questions come first");
        let mark = self.out.len();
        self.compressor.append_name(self.out, self.start, name);
        self.out.extend_from_slice(&rtype.to_int().to_be_bytes());
        self.out.extend_from_slice(&class.to_int().to_be_bytes());
        self.settle(mark, 0)?;
        self.questions_end = self.octets();
        Ok(())
    }
    /// Adds a question of a name without a pointer, and without remembering it: for who knows by other means where names
    /// stand, and writes records with [`MessageWriter::record_with`].
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn question_whole(&mut self, name: &[u8], rtype: Rtype, class: Class) -> Result<(), Full> {
        debug_assert!(self.octets() == Header::OCTETS, "the only question");
        let mark = self.out.len();
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(&rtype.to_int().to_be_bytes());
        self.out.extend_from_slice(&class.to_int().to_be_bytes());
        self.settle(mark, 0)?;
        self.questions_end = self.octets();
        Ok(())
    }
    /// Remembers the name of [`MessageWriter::question_whole`], for records that are compressed here.
    pub fn remember_question(&mut self, name: &[u8]) {
        self.compressor.remember(Header::OCTETS, name);
    }
    /// Adds a record that `write` appends from its owner to its end, given where in the buffer the message starts.
    ///
    /// # Errors
    /// [`Full`]: what was appended is taken back.
    #[inline]
    pub fn record_with(&mut self, section: Section, write: impl FnOnce(&mut Vec<u8>, usize)) -> Result<(), Full> {
        debug_assert!(self.section <= section as usize, "sections come in their order");
        let mark = self.out.len();
        write(self.out, self.start);
        self.settle(mark, section as usize)
    }
    /// Adds a record to a section; sections in their order. The data is uncompressed and well-formed for its type; names
    /// in it are compressed where the type allows.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn record(
        &mut self,
        section: Section,
        name: NameRef<'_>,
        rtype: Rtype,
        class: Class,
        ttl_s: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        debug_assert!(self.section <= section as usize, "sections come in their order");
        let mark = self.out.len();
        self.compressor.append_name(self.out, self.start, name);
        append_rest(self.out, self.start, Some(self.compressor), rtype, class, ttl_s, rdata);
        self.settle(mark, section as usize)
    }
    /// Adds the OPT record (to the additional section) with options.
    ///
    /// # Errors
    /// [`Full`].
    pub fn opt(&mut self, opt: Opt, options: &[(u16, &[u8])]) -> Result<(), Full> {
        let mark = self.out.len();
        let data: usize = options.iter().map(|(_, data)| 4 + data.len()).sum();
        if data > usize::from(u16::MAX) - OPT_OCTETS {
            return Err(Full);
        }
        self.out.extend_from_slice(&[0, 0, 41]);
        self.out.extend_from_slice(&opt.udp_octets_max.to_be_bytes());
        let flags = if opt.is_dnssec_ok { 0x80 } else { 0 };
        self.out.extend_from_slice(&[opt.rcode.ext(), 0, flags, 0]);
        self.out.extend_from_slice(&(data as u16).to_be_bytes());
        for (number, data) in options {
            self.out.extend_from_slice(&number.to_be_bytes());
            self.out.extend_from_slice(&(data.len() as u16).to_be_bytes());
            self.out.extend_from_slice(data);
        }
        self.settle(mark, Section::Additional as usize)?;
        let rcode = u16::from(opt.rcode.rcode().to_int());
        self.header.flags.0 = self.header.flags.0 & !15 | rcode;
        Ok(())
    }

    /// Keeps what was written since `mark` and counts it, or takes it back.
    #[inline]
    fn settle(&mut self, mark: usize, section: usize) -> Result<(), Full> {
        if self.out.len() - self.start > self.octets_max || self.header.counts[section] == u16::MAX {
            self.out.truncate(mark);
            self.compressor.forget_from(mark - self.start);
            return Err(Full);
        }
        self.section = section;
        self.header.counts[section] += 1;
        Ok(())
    }
    /// Takes all records back and sets TC: the client asks again over a stream (RFC 2181 §9).
    pub fn truncate(&mut self) {
        self.out.truncate(self.start + self.questions_end);
        self.compressor.forget_from(self.questions_end);
        self.header.counts[1..].fill(0);
        self.section = 0;
        self.header.flags = self.header.flags.with(Flags::TC);
    }
    /// Writes the header; tells the octets of the message.
    #[inline]
    pub fn finish(self) -> usize {
        self.out[self.start..self.start + Header::OCTETS].copy_from_slice(&self.header.to_octets());
        self.out.len() - self.start
    }
}

/// What an OPT record says beside its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// The largest UDP payload that we take, octets.
    pub udp_octets_max: u16,
    /// The whole response code; its lower four bits go into the header.
    pub rcode: OptRcode,
    /// DNSSEC OK.
    pub is_dnssec_ok: bool,
}

impl UpdateLease {
    /// The data of the option, in `buffer`.
    pub fn octets(self, buffer: &mut [u8; 8]) -> &[u8] {
        buffer[..4].copy_from_slice(&self.lease_s.to_be_bytes());
        match self.key_lease_s {
            Some(key_lease_s) => {
                buffer[4..].copy_from_slice(&key_lease_s.to_be_bytes());
                &buffer[..]
            }
            None => &buffer[..4],
        }
    }
}

/// Appends what follows the owner of a record: type, class, TTL, length and data. The data is uncompressed; names in it
/// are compressed when a compressor is given and the type allows.
#[inline]
pub(crate) fn append_rest(
    out: &mut Vec<u8>,
    start: usize,
    compressor: Option<&mut Compressor>,
    rtype: Rtype,
    class: Class,
    ttl_s: u32,
    rdata: &[u8],
) {
    let mut fixed = [0; 10];
    fixed[..2].copy_from_slice(&rtype.to_int().to_be_bytes());
    fixed[2..4].copy_from_slice(&class.to_int().to_be_bytes());
    fixed[4..8].copy_from_slice(&ttl_s.to_be_bytes());
    out.extend_from_slice(&fixed);
    let rdata_at = out.len();
    append_rdata(out, start, compressor, rtype, rdata);
    let octets = (out.len() - rdata_at) as u16;
    out[rdata_at - 2..rdata_at].copy_from_slice(&octets.to_be_bytes());
}

/// Appends record data; see [`append_rest`].
#[inline]
pub(crate) fn append_rdata(
    out: &mut Vec<u8>,
    start: usize,
    compressor: Option<&mut Compressor>,
    rtype: Rtype,
    rdata: &[u8],
) {
    let layout = name_layout(rtype).filter(|layout| layout.is_compressible);
    let (Some(compressor), Some(layout)) = (compressor, layout) else {
        out.extend_from_slice(rdata);
        return;
    };
    let mut at = layout.fixed.min(rdata.len());
    out.extend_from_slice(&rdata[..at]);
    for _ in 0..layout.names {
        // Data that is not what its type says goes out as it is.
        let Ok((name, end)) = NameRef::read(rdata, at) else { break };
        compressor.append_name(out, start, name);
        at = end;
    }
    out.extend_from_slice(&rdata[at..]);
}

#[cfg(test)]
mod tests;
