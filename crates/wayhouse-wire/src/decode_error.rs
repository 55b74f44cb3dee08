//! What was wrong with some bytes, and where.

/// Why bytes could not be read as the format they claim to be. `Copy`, no strings: the engine maps it to the reaction
/// the specification asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at octet {at}")]
pub struct DecodeError {
    /// What was wrong.
    pub what: What,
    /// Offset in octets from the start of the input.
    pub at: usize,
}

/// The kinds of malformation that decoders of this crate tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The input ends before what it announced.
    #[error("truncated")]
    Truncated,
    /// CoAP version other than 1: ignored silently (RFC 7252 §3).
    #[error("unknown version")]
    UnknownVersion,
    /// A nibble of 15 where it is reserved.
    #[error("reserved nibble")]
    ReservedNibble,
    /// An option number above 65535 (CM3).
    #[error("option number overflow")]
    OptionNumberOverflow,
    /// A payload marker with nothing behind it (CM1).
    #[error("empty payload after the marker")]
    EmptyPayload,
    /// An Empty message with more than four octets (RFC 7252 §4.1).
    #[error("content in an empty message")]
    NotEmpty,
    /// A value outside the range its format allows.
    #[error("value out of range")]
    OutOfRange,
    /// Text that is not UTF-8 where the format says it is.
    #[error("not UTF-8")]
    NotUtf8,
    /// A character that the grammar does not allow here.
    #[error("unexpected character")]
    UnexpectedCharacter,
    /// More nesting, elements or octets than this decoder is willing to follow.
    #[error("too large or too deep")]
    TooLarge,
}
