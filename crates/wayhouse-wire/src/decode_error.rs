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
    /// A compression pointer that does not lead backwards, or one of too many (RFC 1035 §4.1.4).
    #[error("compression pointer astray")]
    BadPointer,
    /// A label type other than a length or a pointer (RFC 6891 §5).
    #[error("reserved label type")]
    ReservedLabel,
    /// A domain name above 255 octets or a label above 63 (RFC 1035 §2.3.4).
    #[error("name too long")]
    NameTooLong,
    /// Octets behind the end of what was announced.
    #[error("octets left over")]
    TrailingOctets,
    /// Something that must stand alone stands twice.
    #[error("one too many")]
    Duplicate,
    /// Something is missing that the format demands.
    #[error("something required is missing")]
    Missing,
    /// A section is announced where there must be none (DS1).
    #[error("sections where there must be none")]
    UnexpectedSections,
    /// A record that must be the last is not.
    #[error("a record out of place")]
    Misplaced,
    /// More nesting, elements or octets than this decoder is willing to follow.
    #[error("too large or too deep")]
    TooLarge,
}
