//! CoAP over reliable transports: frames and signalling options (RFC 8323 §3.2, §5).
//!
//! ```text
//! Len(4) TKL(4) | Extended Length 0/1/2/4 | Code | Token | Options | [0xFF Payload]      (Len counts options, marker, payload)
//! ```

use super::message::push_extended;
use super::option::check;
use super::{Code, Encoder, OptionRef, Options};
use crate::{DecodeError, What};

/// Option numbers of signalling messages; each code has its own number space.
#[allow(missing_docs, reason = "the names are the registered ones")]
pub mod signal {
    pub const CSM_MAX_MESSAGE_SIZE: u16 = 2;
    pub const CSM_BLOCK_WISE_TRANSFER: u16 = 4;
    pub const CSM_EXTENDED_TOKEN_LENGTH: u16 = 6;
    pub const PING_CUSTODY: u16 = 2;
    pub const RELEASE_ALTERNATIVE_ADDRESS: u16 = 2;
    pub const RELEASE_HOLD_OFF: u16 = 4;
    pub const ABORT_BAD_CSM_OPTION: u16 = 2;
}

/// One frame that borrows from the stream's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Code.
    pub code: Code,
    /// Token.
    pub token: &'a [u8],
    /// Options, checked.
    pub options: Options<'a>,
    /// Payload; empty when there is none.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The octets of the whole frame at the start of `bytes`, header included, as soon as the length fields are there;
    /// `Ok(None)` when more octets are needed to tell.
    ///
    /// # Errors
    /// `ReservedNibble` for a token length of 15, `TooLarge` when the length does not fit `usize`.
    pub fn octets(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        Ok(lengths(bytes)?.map(|head| head.end))
    }
    /// Reads the complete frame at the start of `bytes`, as long as [`Frame::octets`] announced; what follows it is left
    /// alone.
    ///
    /// # Errors
    /// As for datagrams; `Truncated` when `bytes` ends before the frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, DecodeError> {
        let truncated = DecodeError { what: What::Truncated, at: bytes.len() };
        let head = lengths(bytes)?.ok_or(truncated)?;
        let bytes = bytes.get(..head.end).ok_or(truncated)?;
        let (options, payload) = check(&bytes[head.options_at..], head.options_at)?;
        Ok(Frame { code: Code(bytes[head.code_at]), token: &bytes[head.token_at..head.options_at], options, payload })
    }
    /// Appends a frame; options in ascending order, the token of at most 65804 octets.
    pub fn encode<'o>(
        out: &mut Vec<u8>,
        code: Code,
        token: &[u8],
        options: impl Iterator<Item = OptionRef<'o>>,
        payload: &[u8],
    ) {
        // The length stands in front of what it counts: room for the longest head, closed afterwards.
        const ROOM: usize = 5;
        let start = out.len();
        out.resize(start + ROOM, 0);
        out.push(code.0);
        let token_nibble = push_extended(out, token.len());
        out.extend_from_slice(token);
        let content = out.len();
        let mut encoder = Encoder::continuing(out);
        for option in options {
            encoder.option(option.number, option.value);
        }
        encoder.payload(payload);
        let length = out.len() - content;
        let (nibble, extension): (u8, &[u8]) = match length {
            0..=12 => (length as u8, &[]),
            13..=268 => (13, &[(length - 13) as u8]),
            269..=65_804 => (14, &((length - 269) as u16).to_be_bytes()),
            _ => (15, &((length - 65_805) as u32).to_be_bytes()),
        };
        let head = start + ROOM - 1 - extension.len();
        out[head] = nibble << 4 | token_nibble;
        out[head + 1..start + ROOM].copy_from_slice(extension);
        out.drain(start..head);
    }
}

/// Where the parts of a frame stand.
struct Head {
    code_at: usize,
    token_at: usize,
    options_at: usize,
    end: usize,
}

/// Reads the length fields; `None` while they are not complete. Nothing of what they announce need be there.
fn lengths(bytes: &[u8]) -> Result<Option<Head>, DecodeError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (length_octets, length_bias) = match first >> 4 {
        13 => (1, 13),
        14 => (2, 269),
        15 => (4, 65_805),
        literal => (0, usize::from(literal)),
    };
    let (token_length_octets, token_bias) = match first & 15 {
        13 => (1, 13),
        14 => (2, 269),
        15 => return Err(DecodeError { what: What::ReservedNibble, at: 0 }),
        literal => (0, usize::from(literal)),
    };
    // The extended token length stands behind the code (RFC 8974 §2.1).
    let code_at = 1 + length_octets;
    let token_at = code_at + 1 + token_length_octets;
    let Some(fields) = bytes.get(1..token_at) else { return Ok(None) };
    let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet));
    let options_at = token_at + token_bias + number(&fields[code_at..]);
    let end = number(&fields[..length_octets])
        .checked_add(length_bias)
        .and_then(|length| length.checked_add(options_at))
        .ok_or(DecodeError { what: What::TooLarge, at: 1 })?;
    Ok(Some(Head { code_at, token_at, options_at, end }))
}

#[cfg(test)]
mod tests;
