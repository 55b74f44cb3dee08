//! The Domain Name System's formats: messages, stateful operations (RFC 8490), push (RFC 8765), signatures (RFC 2931).
//!
//! Numbers of types, classes, opcodes and response codes come from the `domain` library, as do the text forms of labels
//! and record data. Here stands what it lacks (stateful operations, push, Update Lease, SIG(0)) or does too slowly for a
//! server that answers from memory (reading a message in one pass, writing one with compression).
//!
//! Read [`message`] for what arrives, [`compressor`] for what is sent, [`dso_tlv`] for sessions.

pub mod compressor;
pub mod dso_tlv;
pub mod edns;
pub mod message;
pub mod name;
pub mod presentation;
pub mod push_tlv;
pub mod rdata;
pub mod sig0;
pub mod update_lease;

pub use compressor::{Compressor, Full, MessageWriter};
pub use domain::base::iana::{Class, Opcode, OptRcode, Rcode, Rtype};
pub use dso_tlv::{DsoMessage, DsoWriter};
pub use edns::Edns;
pub use message::{Flags, Header, Message, Question, Record, Section};
pub use name::{Name, NameRef};
pub use update_lease::UpdateLease;

use crate::{DecodeError, What};

/// RCODE 11: stateful operations are understood, this type of them is not (RFC 8490 §10.2). The drafts call it
/// SSOPNOTIMP.
pub const DSOTYPENI: Rcode = Rcode::masked_from_int(11);

/// The two octets at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Result<u16, DecodeError> {
    match bytes.get(at..at + 2) {
        Some(octets) => Ok(u16::from_be_bytes([octets[0], octets[1]])),
        None => Err(DecodeError { what: What::Truncated, at: bytes.len() }),
    }
}

/// The four octets at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, DecodeError> {
    match bytes.get(at..at + 4) {
        Some(octets) => Ok(u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]])),
        None => Err(DecodeError { what: What::Truncated, at: bytes.len() }),
    }
}
