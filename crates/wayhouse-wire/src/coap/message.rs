//! CoAP messages over datagrams (RFC 7252 §3, extended token lengths of RFC 8974).
//!
//! ```text
//! Ver(2) T(2) TKL(4) | Code(8) | Message ID(16) | [token length 0/1/2] | Token | Options | [0xFF Payload]
//! ```
//!
//! [`Header::peek`] reads what is needed to answer even a malformed message, [`Message::decode`] all of it,
//! [`Encoder`] writes.
//!
//! # Deviations
//! A token length of 9 to 12 is malformed here, as RFC 7252 §3 says, although RFC 8974 §2.1 gives these nibbles a meaning:
//! a client that tries such tokens over UDP sees the reset that tells it to keep to eight octets.

use super::option::{check, extended};
use super::{Code, Options};
use crate::{DecodeError, What};

/// The message type (RFC 7252 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// CON: wants an ACK or RST.
    Confirmable = 0,
    /// NON: wants neither.
    NonConfirmable = 1,
    /// ACK.
    Acknowledgement = 2,
    /// RST.
    Reset = 3,
}

impl Kind {
    const fn from_bits(bits: u8) -> Kind {
        match bits & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        }
    }
}

/// The four fixed octets; readable even where the rest is malformed, so that a reset can name the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Message type.
    pub kind: Kind,
    /// Code.
    pub code: Code,
    /// Message ID.
    pub message_id: u16,
}

impl Header {
    /// Reads the fixed header; `None` when shorter than four octets or of another version.
    #[inline]
    pub fn peek(bytes: &[u8]) -> Option<Header> {
        let [first, code, high, low, ..] = *bytes else { return None };
        (first >> 6 == 1).then(|| Header {
            kind: Kind::from_bits(first >> 4),
            code: Code(code),
            message_id: u16::from_be_bytes([high, low]),
        })
    }
}

/// A decoded message that borrows from the datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Message type.
    pub kind: Kind,
    /// Code.
    pub code: Code,
    /// Message ID.
    pub message_id: u16,
    /// Token, 0..=65804 octets.
    pub token: &'a [u8],
    /// The options, checked.
    pub options: Options<'a>,
    /// The payload; empty when there is none.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram. Allocates nothing.
    ///
    /// # Errors
    /// See [`crate::What`]; the offset points at the field that could not be read.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let Some(header) = Header::peek(bytes) else {
            let what = if bytes.len() < 4 { What::Truncated } else { What::UnknownVersion };
            return Err(DecodeError { what, at: 0 });
        };
        let Header { kind, code, message_id } = header;
        // RFC 7252 §4.1: an Empty message is four octets and nothing else.
        if code == Code::EMPTY {
            if bytes.len() > 4 || bytes[0] & 15 != 0 {
                return Err(DecodeError { what: What::NotEmpty, at: 4.min(bytes.len() - 1) });
            }
            return Ok(Message { kind, code, message_id, token: &[], options: Options::default(), payload: &[] });
        }
        let mut at = 4;
        let token_octets = match bytes[0] & 15 {
            nibble @ 0..=8 => usize::from(nibble),
            9..=12 => return Err(DecodeError { what: What::OutOfRange, at: 0 }),
            15 => return Err(DecodeError { what: What::ReservedNibble, at: 0 }),
            nibble => extended(bytes, &mut at, nibble)? as usize,
        };
        let Some(token) = bytes.get(at..at + token_octets) else {
            return Err(DecodeError { what: What::Truncated, at: bytes.len() });
        };
        at += token_octets;
        let (options, payload) = check(&bytes[at..], at)?;
        Ok(Message { kind, code, message_id, token, options, payload })
    }
}

/// Appends one message to a buffer of the caller, options in ascending order.
#[derive(Debug)]
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
    number: u16,
}

impl<'b> Encoder<'b> {
    /// Starts a datagram message. The token has at most 65804 octets, and not 9 to 12 of them if the receiver keeps to
    /// RFC 7252.
    #[inline]
    pub fn datagram(out: &'b mut Vec<u8>, kind: Kind, code: Code, message_id: u16, token: &[u8]) -> Encoder<'b> {
        let [high, low] = message_id.to_be_bytes();
        let at = out.len();
        out.extend_from_slice(&[0, code.0, high, low]);
        out[at] = 1 << 6 | (kind as u8) << 4 | push_extended(out, token.len());
        out.extend_from_slice(token);
        Encoder { out, number: 0 }
    }
    /// Continues behind a head that was written already.
    pub(crate) fn continuing(out: &'b mut Vec<u8>) -> Encoder<'b> {
        Encoder { out, number: 0 }
    }
    /// Adds an option. Numbers must not descend; a value has at most 65804 octets.
    #[inline]
    pub fn option(&mut self, number: u16, value: &[u8]) {
        debug_assert!(number >= self.number, "options ascend");
        let delta = number - self.number;
        self.number = number;
        let at = self.out.len();
        self.out.push(0);
        let high = push_extended(self.out, usize::from(delta));
        let low = push_extended(self.out, value.len());
        self.out[at] = high << 4 | low;
        self.out.extend_from_slice(value);
    }
    /// Adds a `uint` option in its shortest form.
    pub fn option_uint(&mut self, number: u16, value: u64) {
        self.option(number, &value.to_be_bytes()[value.leading_zeros() as usize / 8..]);
    }
    /// Adds the payload (marker included); nothing when it is empty. Call last.
    pub fn payload(&mut self, payload: &[u8]) {
        if !payload.is_empty() {
            self.out.push(0xff);
            self.out.extend_from_slice(payload);
        }
    }
}

/// Appends what a length or delta needs beyond its nibble, which is returned (RFC 7252 §3.1, RFC 8974 §2.1).
#[inline]
pub(crate) fn push_extended(out: &mut Vec<u8>, value: usize) -> u8 {
    match value {
        0..=12 => value as u8,
        13..=268 => {
            out.push((value - 13) as u8);
            13
        }
        _ => {
            debug_assert!(value <= 65_804, "the largest number that two octets can tell");
            out.extend_from_slice(&((value - 269) as u16).to_be_bytes());
            14
        }
    }
}

#[cfg(test)]
mod tests;
