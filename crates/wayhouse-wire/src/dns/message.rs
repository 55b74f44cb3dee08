//! Messages as they arrive: checked once, then read without failing and without allocation (RFC 1035 §4.1).
//!
//! ```text
//! ID | QR Opcode(4) AA TC RD RA Z AD CD RCODE(4) | QDCOUNT ANCOUNT NSCOUNT ARCOUNT     six times two octets
//! questions: NAME TYPE CLASS          records: NAME TYPE CLASS TTL(4) RDLENGTH RDATA
//! ```
//!
//! Updates (RFC 2136) have the same form: their zone, prerequisites and updates are questions, answers and authorities.

use super::edns::Edns;
use super::name::NameRef;
use super::sig0::Sig0;
use super::{Class, Opcode, Rcode, Rtype, rdata, u16_at};
use crate::{DecodeError, What};

/// The second pair of octets of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

#[allow(missing_docs, reason = "the names are those of the header's bits")]
impl Flags {
    pub const QR: Flags = Flags(0x8000);
    pub const AA: Flags = Flags(0x0400);
    pub const TC: Flags = Flags(0x0200);
    pub const RD: Flags = Flags(0x0100);
    pub const RA: Flags = Flags(0x0080);
    pub const AD: Flags = Flags(0x0020);
    pub const CD: Flags = Flags(0x0010);

    /// Flags of an opcode and a response code, nothing set.
    pub const fn new(opcode: Opcode, rcode: Rcode) -> Flags {
        Flags((opcode.to_int() as u16 & 15) << 11 | rcode.to_int() as u16 & 15)
    }
    /// With the bits of `other` as well.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// The kind of message.
    pub const fn opcode(self) -> Opcode {
        Opcode::from_int((self.0 >> 11) as u8 & 15)
    }
    /// The lower four bits of the response code.
    pub const fn rcode(self) -> Rcode {
        Rcode::masked_from_int(self.0 as u8 & 15)
    }
}

/// The twelve octets that every message starts with; readable even where the rest is malformed, so that FORMERR can be
/// answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Message ID.
    pub id: u16,
    /// The bits.
    pub flags: Flags,
    /// Questions, answers, authorities, additionals.
    pub counts: [u16; 4],
}

impl Header {
    /// Octets of a header.
    pub const OCTETS: usize = 12;

    /// Reads a header; `None` when there are fewer octets.
    #[inline]
    pub fn peek(bytes: &[u8]) -> Option<Header> {
        let octets: &[u8; Header::OCTETS] = bytes.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        Some(Header { id: number(0), flags: Flags(number(2)), counts: [number(4), number(6), number(8), number(10)] })
    }
    /// The octets of the header.
    pub fn to_octets(self) -> [u8; Header::OCTETS] {
        let mut octets = [0; Header::OCTETS];
        octets[..2].copy_from_slice(&self.id.to_be_bytes());
        octets[2..4].copy_from_slice(&self.flags.0.to_be_bytes());
        for (index, count) in self.counts.iter().enumerate() {
            octets[4 + 2 * index..6 + 2 * index].copy_from_slice(&count.to_be_bytes());
        }
        octets
    }
    /// Whether this is a response.
    pub fn is_response(&self) -> bool {
        self.flags.has(Flags::QR)
    }
}

/// A part of a message behind the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Answers; an update's prerequisites.
    Answer = 1,
    /// Authorities; an update's changes.
    Authority = 2,
    /// Additional records.
    Additional = 3,
}

/// What is asked; in an update, the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name.
    pub name: NameRef<'a>,
    /// The type.
    pub rtype: Rtype,
    /// The class.
    pub class: Class,
}

impl<'a> Question<'a> {
    /// Reads the question at `at`; tells where the octets behind it start.
    #[inline]
    pub(crate) fn read(bytes: &'a [u8], at: usize) -> Result<(Question<'a>, usize), DecodeError> {
        let (name, at) = NameRef::read(bytes, at)?;
        let rtype = Rtype::from_int(u16_at(bytes, at)?);
        let class = Class::from_int(u16_at(bytes, at + 2)?);
        Ok((Question { name, rtype, class }, at + 4))
    }
}

/// A resource record that borrows from its message.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    message: &'a [u8],
    /// The owner.
    pub name: NameRef<'a>,
    /// The type.
    pub rtype: Rtype,
    /// The class.
    pub class: Class,
    /// Time to live, seconds.
    pub ttl_s: u32,
    /// The data; names in it may be compressed, see [`Record::expand_rdata`].
    pub rdata: &'a [u8],
    /// Offset of the record in the message.
    pub at: usize,
    /// Offset of its data.
    pub rdata_at: usize,
}

impl<'a> Record<'a> {
    #[inline]
    fn read(message: &'a [u8], at: usize) -> Result<(Record<'a>, usize), DecodeError> {
        let (name, fixed) = NameRef::read(message, at)?;
        let Some(octets) = message.get(fixed..fixed + 10) else {
            return Err(DecodeError { what: What::Truncated, at: message.len() });
        };
        let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let rdata_at = fixed + 10;
        let end = rdata_at + usize::from(number(8));
        let rdata = message.get(rdata_at..end).ok_or(DecodeError { what: What::Truncated, at: message.len() })?;
        let record = Record {
            message,
            name,
            rtype: Rtype::from_int(number(0)),
            class: Class::from_int(number(2)),
            ttl_s: u32::from_be_bytes([octets[4], octets[5], octets[6], octets[7]]),
            rdata,
            at,
            rdata_at,
        };
        Ok((record, end))
    }
    /// Appends the data with its names uncompressed, so that it means the same outside this message.
    ///
    /// # Errors
    /// As for names; `Truncated` when the data is too short for its type.
    pub fn expand_rdata(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        rdata::expand(self.message, self.rtype, self.rdata_at, self.rdata_at + self.rdata.len(), out)
    }
    /// The name that starts `offset` octets into the data (0 in PTR, 6 in SRV).
    ///
    /// # Errors
    /// As for names; `Truncated` when it does not end within the data.
    pub fn rdata_name(&self, offset: usize) -> Result<NameRef<'a>, DecodeError> {
        let end = self.rdata_at + self.rdata.len();
        NameRef::read(&self.message[..end], self.rdata_at + offset).map(|(name, _)| name)
    }
}

/// A message whose form was checked: every name, length and count, and the options of its OPT record.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// The header.
    pub header: Header,
    /// Where answers, authorities and additionals start.
    starts: [u16; 3],
    edns: Option<Edns<'a>>,
    /// Where the SIG(0) starts; 0 for none.
    sig0_at: u16,
}

impl<'a> Message<'a> {
    /// Reads a whole message, nothing behind it. Allocates nothing.
    ///
    /// # Errors
    /// `Truncated`, `TrailingOctets`, those of names; `Duplicate` for a second OPT, `Misplaced` for an OPT whose owner is
    /// not the root or that stands outside the additional section (RFC 6891 §6.1.1), and for a SIG(0) that is not the last
    /// record (RFC 2931 §3).
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let header = Header::peek(bytes).ok_or(DecodeError { what: What::Truncated, at: bytes.len() })?;
        if bytes.len() > usize::from(u16::MAX) {
            return Err(DecodeError { what: What::TooLarge, at: usize::from(u16::MAX) });
        }
        let mut at = Header::OCTETS;
        for _ in 0..header.counts[0] {
            (_, at) = Question::read(bytes, at)?;
        }
        let (mut edns, mut sig0_at) = (None, 0);
        let mut starts = [0; 3];
        for (section, start) in starts.iter_mut().enumerate() {
            *start = at as u16;
            for _ in 0..header.counts[section + 1] {
                if sig0_at != 0 {
                    return Err(DecodeError { what: What::Misplaced, at });
                }
                let (record, end) = Record::read(bytes, at)?;
                match record.rtype {
                    Rtype::OPT => {
                        if section != 2 || !record.name.is_root() {
                            return Err(DecodeError { what: What::Misplaced, at });
                        }
                        let read = Edns::decode(record.class.to_int(), record.ttl_s, record.rdata, record.rdata_at)?;
                        if edns.replace(read).is_some() {
                            return Err(DecodeError { what: What::Duplicate, at });
                        }
                    }
                    // SR6: a SIG that covers no type signs the message (RFC 2931 §3); others are data.
                    Rtype::SIG if section == 2 && record.rdata.starts_with(&[0, 0]) => {
                        Sig0::read(bytes, &record)?;
                        sig0_at = at as u16;
                    }
                    _ => {}
                }
                at = end;
            }
        }
        if at < bytes.len() {
            return Err(DecodeError { what: What::TrailingOctets, at });
        }
        Ok(Message { bytes, header, starts, edns, sig0_at })
    }
    /// The octets of the message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    /// The questions; an update's zone.
    #[inline]
    pub fn questions(&self) -> Questions<'a> {
        Questions { bytes: self.bytes, at: Header::OCTETS, left: self.header.counts[0] }
    }
    /// The question, when there is exactly one.
    #[inline]
    pub fn question(&self) -> Option<Question<'a>> {
        if self.header.counts[0] == 1 { self.questions().next() } else { None }
    }
    /// The records of a section.
    #[inline]
    pub fn records(&self, section: Section) -> Records<'a> {
        let at = usize::from(self.starts[section as usize - 1]);
        Records { bytes: self.bytes, at, left: self.header.counts[section as usize] }
    }
    /// The OPT record.
    #[inline]
    pub fn edns(&self) -> Option<Edns<'a>> {
        self.edns
    }
    /// The signature of the message, always its last record.
    pub fn sig0(&self) -> Option<Sig0<'a>> {
        if self.sig0_at == 0 {
            return None;
        }
        let (record, _) = Record::read(self.bytes, usize::from(self.sig0_at)).ok()?;
        Sig0::read(self.bytes, &record).ok()
    }
}

/// The questions of a message.
#[derive(Debug, Clone)]
pub struct Questions<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Iterator for Questions<'a> {
    type Item = Question<'a>;
    #[inline]
    fn next(&mut self) -> Option<Question<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (question, end) = Question::read(self.bytes, self.at).ok()?;
        self.at = end;
        Some(question)
    }
}

/// Records of a section.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;
    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (record, end) = Record::read(self.bytes, self.at).ok()?;
        self.at = end;
        Some(record)
    }
}

/// Skips what the counts of a header announce; tells where the octets behind it start (session-signal-02 §3.3).
pub(crate) fn skip_sections(bytes: &[u8], header: &Header) -> Result<usize, DecodeError> {
    let mut at = Header::OCTETS;
    for _ in 0..header.counts[0] {
        (_, at) = Question::read(bytes, at)?;
    }
    for count in &header.counts[1..] {
        for _ in 0..*count {
            (_, at) = Record::read(bytes, at)?;
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests;
