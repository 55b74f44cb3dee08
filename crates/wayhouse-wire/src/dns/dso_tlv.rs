//! DNS Stateful Operations: header, list of TLVs, and the three base TLVs (RFC 8490 §5.4, §7).
//!
//! ```text
//! ID (0: unidirectional) | QR Opcode=6 Z(7) RCODE(4) | four counts, all 0 | TLVs to the end of the message
//! TLV:          DSO-TYPE u16 | DSO-LENGTH u16 | DSO-DATA
//! Keepalive:    INACTIVITY TIMEOUT u32 ms | KEEPALIVE INTERVAL u32 ms
//! Retry Delay:  RETRY DELAY u32 ms
//! ```
//!
//! A message does not tell its dialect: it is an argument.

use super::message::{Flags, Header, skip_sections};
use super::{Opcode, Rcode, u16_at, u32_at};
use crate::dialect::DsoDialect;
use crate::{DecodeError, What};

/// DSO-TYPEs that are the same in every dialect; Retry Delay and Encryption Padding are in [`DsoDialect`].
#[allow(missing_docs, reason = "the names are the registered ones")]
pub mod dso_type {
    pub const KEEPALIVE: u16 = 1;
    pub const SUBSCRIBE: u16 = 0x40;
    pub const PUSH: u16 = 0x41;
    pub const UNSUBSCRIBE: u16 = 0x42;
    pub const RECONFIRM: u16 = 0x43;
}

/// "Never" as a timeout or interval (RFC 8490 §6.4.2, §6.5.2), and the longest delay (§6.6.3).
pub const INFINITE_MS: u32 = 0xffff_ffff;

/// A message of opcode 6, its list of TLVs checked.
#[derive(Debug, Clone, Copy)]
pub struct DsoMessage<'a> {
    /// Message ID; 0 in unidirectional messages.
    pub id: u16,
    /// QR.
    pub is_response: bool,
    /// Response code; means something in responses, and in requests where their type says so (DS12).
    pub rcode: Rcode,
    /// The whole message: pointers of names in TLVs lead into it.
    pub bytes: &'a [u8],
    /// The TLVs.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DsoMessage<'a> {
    /// Reads a message whose opcode is DSO.
    ///
    /// # Errors
    /// `Truncated` for a header or TLV that does not fit, `UnexpectedSections` for a nonzero count (DS1; in
    /// session-signal-02 the sections are skipped instead), `OutOfRange` for another opcode.
    pub fn decode(bytes: &'a [u8], dialect: DsoDialect) -> Result<DsoMessage<'a>, DecodeError> {
        let header = Header::peek(bytes).ok_or(DecodeError { what: What::Truncated, at: bytes.len() })?;
        if header.flags.opcode() != Opcode::DSO {
            return Err(DecodeError { what: What::OutOfRange, at: 2 });
        }
        let mut at = Header::OCTETS;
        if let Some(index) = header.counts.iter().position(|count| *count != 0) {
            if !dialect.skips_sections() {
                return Err(DecodeError { what: What::UnexpectedSections, at: 4 + 2 * index });
            }
            at = skip_sections(bytes, &header)?;
        }
        let first = at;
        while at < bytes.len() {
            let truncated = DecodeError { what: What::Truncated, at };
            let octets = u16_at(bytes, at + 2).map_err(|_| truncated)?;
            at += 4 + usize::from(octets);
            if at > bytes.len() {
                return Err(truncated);
            }
        }
        // DS2: the Z bits may be anything.
        Ok(DsoMessage {
            id: header.id,
            is_response: header.is_response(),
            rcode: header.flags.rcode(),
            bytes,
            tlvs: Tlvs { bytes, at: first },
        })
    }
    /// The first TLV: in a request or unidirectional message it says what the message is for.
    pub fn primary(&self) -> Option<Tlv<'a>> {
        self.tlvs.clone_first()
    }
    /// The data of the first Retry Delay behind the primary TLV, or in a response anywhere.
    pub fn retry_delay_ms(&self, dialect: DsoDialect) -> Option<Result<u32, DecodeError>> {
        let tlv = self.tlvs.into_iter().find(|tlv| tlv.dso_type == dialect.retry_delay_type())?;
        Some(tlv.retry_delay_ms())
    }
    /// Whether there is Encryption Padding behind the primary TLV (DS51).
    pub fn is_padded(&self, dialect: DsoDialect) -> bool {
        let skip = usize::from(!self.is_response);
        dialect
            .padding_type()
            .is_some_and(|padding| self.tlvs.into_iter().skip(skip).any(|tlv| tlv.dso_type == padding))
    }
}

/// One TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// DSO-TYPE.
    pub dso_type: u16,
    /// DSO-DATA.
    pub data: &'a [u8],
    /// Offset of the data in the message.
    pub at: usize,
}

impl Tlv<'_> {
    /// Reads the data of a Keepalive.
    ///
    /// # Errors
    /// `OutOfRange` for a length other than 8 (DS39).
    pub fn keepalive(&self) -> Result<Keepalive, DecodeError> {
        if self.data.len() != 8 {
            return Err(DecodeError { what: What::OutOfRange, at: self.at - 2 });
        }
        Ok(Keepalive { inactivity_timeout_ms: u32_at(self.data, 0)?, keepalive_interval_ms: u32_at(self.data, 4)? })
    }
    /// Reads the data of a Retry Delay.
    ///
    /// # Errors
    /// `OutOfRange` for a length other than 4.
    pub fn retry_delay_ms(&self) -> Result<u32, DecodeError> {
        if self.data.len() != 4 {
            return Err(DecodeError { what: What::OutOfRange, at: self.at - 2 });
        }
        u32_at(self.data, 0)
    }
}

/// The data of a Keepalive TLV (RFC 8490 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How long a session may be without operations; [`INFINITE_MS`] for ever.
    pub inactivity_timeout_ms: u32,
    /// How long it may be silent; [`INFINITE_MS`] for ever.
    pub keepalive_interval_ms: u32,
}

/// The TLVs of a message, checked.
#[derive(Debug, Clone, Copy)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tlvs<'a> {
    fn clone_first(&self) -> Option<Tlv<'a>> {
        self.into_iter().next()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

impl<'a> IntoIterator for Tlvs<'a> {
    type Item = Tlv<'a>;
    type IntoIter = TlvIter<'a>;
    fn into_iter(self) -> TlvIter<'a> {
        TlvIter { bytes: self.bytes, at: self.at }
    }
}

/// Goes through TLVs.
#[derive(Debug, Clone)]
pub struct TlvIter<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for TlvIter<'a> {
    type Item = Tlv<'a>;
    fn next(&mut self) -> Option<Tlv<'a>> {
        let dso_type = u16_at(self.bytes, self.at).ok()?;
        let at = self.at + 4;
        let data = self.bytes.get(at..at + usize::from(u16_at(self.bytes, self.at + 2).ok()?))?;
        self.at = at + data.len();
        Some(Tlv { dso_type, data, at })
    }
}

/// Appends one message to a buffer of the caller.
///
/// The message's octets must stay within 65535, which its length on a stream can tell; its users have tighter bounds.
#[derive(Debug)]
pub struct DsoWriter<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
}

impl<'b> DsoWriter<'b> {
    /// Starts a request; the ID is not 0.
    pub fn request(out: &'b mut Vec<u8>, id: u16) -> DsoWriter<'b> {
        DsoWriter::begin(out, id, Flags::default(), Rcode::NOERROR)
    }
    /// Starts a message that is never answered. Only Retry Delay has a response code to tell (DS41).
    pub fn unidirectional(out: &'b mut Vec<u8>, rcode: Rcode) -> DsoWriter<'b> {
        DsoWriter::begin(out, 0, Flags::default(), rcode)
    }
    /// Starts a response.
    pub fn response(out: &'b mut Vec<u8>, id: u16, rcode: Rcode) -> DsoWriter<'b> {
        DsoWriter::begin(out, id, Flags::QR, rcode)
    }
    /// Starts a message of any kind; session-signal's Retry Delay is a request that has a response code.
    pub fn begin(out: &'b mut Vec<u8>, id: u16, flags: Flags, rcode: Rcode) -> DsoWriter<'b> {
        let start = out.len();
        // DS1, DS2: counts and Z bits are 0.
        let header = Header { id, flags: Flags::new(Opcode::DSO, rcode).with(flags), counts: [0; 4] };
        out.extend_from_slice(&header.to_octets());
        DsoWriter { out, start }
    }
    /// Adds a TLV of at most 65535 octets.
    pub fn tlv(&mut self, dso_type: u16, data: &[u8]) {
        let at = self.open_tlv(dso_type);
        self.out.extend_from_slice(data);
        self.close_tlv(at);
    }
    /// Adds a Keepalive.
    pub fn keepalive(&mut self, keepalive: Keepalive) {
        let at = self.open_tlv(dso_type::KEEPALIVE);
        self.out.extend_from_slice(&keepalive.inactivity_timeout_ms.to_be_bytes());
        self.out.extend_from_slice(&keepalive.keepalive_interval_ms.to_be_bytes());
        self.close_tlv(at);
    }
    /// Adds a Retry Delay.
    pub fn retry_delay(&mut self, delay_ms: u32, dialect: DsoDialect) {
        self.tlv(dialect.retry_delay_type(), &delay_ms.to_be_bytes());
    }
    /// Pads the message to a multiple of `block` octets, with at least an empty TLV; nothing in dialects without padding.
    pub fn padding(&mut self, block: usize, dialect: DsoDialect) {
        let Some(padding) = dialect.padding_type() else { return };
        let at = self.open_tlv(padding);
        let octets = (self.out.len() - self.start).next_multiple_of(block.max(1)).min(usize::from(u16::MAX));
        self.out.resize(self.start + octets, 0);
        self.close_tlv(at);
    }
    /// Starts a TLV whose data is then appended to [`DsoWriter::out`]; tells what [`DsoWriter::close_tlv`] wants to know.
    pub fn open_tlv(&mut self, dso_type: u16) -> usize {
        self.out.extend_from_slice(&dso_type.to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        self.out.len()
    }
    /// Writes the length of a TLV.
    pub fn close_tlv(&mut self, at: usize) {
        let octets = self.out.len() - at;
        debug_assert!(octets <= usize::from(u16::MAX), "a TLV's length has sixteen bits");
        self.out[at - 2..at].copy_from_slice(&(octets as u16).to_be_bytes());
    }
    /// The buffer, and where in it the message starts.
    pub fn out(&mut self) -> (&mut Vec<u8>, usize) {
        (self.out, self.start)
    }
    /// Octets of the message so far.
    pub fn octets(&self) -> usize {
        self.out.len() - self.start
    }
}

#[cfg(test)]
mod tests;
