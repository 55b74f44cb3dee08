//! Why and how sessions end.

use wayhouse_wire::DecodeError;
use wayhouse_wire::dns::Rcode;

/// How the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// TLS close_notify, then FIN, so that what was sent arrives (DS59).
    Graceful,
    /// RST, at once (DS59).
    Abort,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// What to do with the connection.
    pub how: Close,
    /// What happened.
    pub why: Reason,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing was asked for as long as the inactivity timeout says (DS28, DS29).
    #[error("inactive for too long")]
    Inactive,
    /// Nothing arrived for as long as the keepalive interval says (DS30).
    #[error("silent for too long")]
    Silent,
    /// No answer to the first request (DS22). The service instance counts as one without DSO for an hour (DS23).
    #[error("no answer to the first request")]
    NotEstablished,
    /// The server wants us to go and to stay away for a time (DS43).
    #[error("sent away for {delay_ms} ms, {rcode}")]
    RetryDelay {
        /// Why.
        rcode: Rcode,
        /// For how long, milliseconds.
        delay_ms: u32,
    },
    /// We sent a Retry Delay, and the client did not close (DS44).
    #[error("shut down")]
    ShutDown,
    /// The peer broke a rule.
    #[error("{0}")]
    Fault(SessionFault),
}

/// What a peer did that sessions do not survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    /// A message longer than we take, or shorter than a header.
    #[error("a message of {0} octets")]
    MessageOctets(usize),
    /// What cannot be read and cannot be answered FORMERR (DX1, DX2).
    #[error("malformed: {0}")]
    Malformed(DecodeError),
    /// A response with message ID 0 (DS4).
    #[error("a response without message ID")]
    ResponseWithoutId,
    /// A response to nothing (DS14).
    #[error("a response to nothing")]
    UnknownResponse,
    /// A message ID that contradicts the type's manner (DS5, DS36, DS37).
    #[error("a message ID that contradicts the type")]
    WrongMessageId,
    /// A request with the ID of one that waits or lives (DS3, DS15).
    #[error("a message ID in use")]
    MessageIdInUse,
    /// A type that this side may not use (DS40, PU15, PU19, PU28, PU29).
    #[error("a type that is not the peer's to send")]
    NotTheirs,
    /// An unknown type in a message that is not answered (DS10).
    #[error("unidirectional and unknown")]
    UnknownUnidirectional,
    /// A message without TLV that is not answered (DS6).
    #[error("unidirectional and empty")]
    Empty,
    /// A response without what its type requires, or with too much of it (DS7, DS38).
    #[error("a response with too little or too much in it")]
    ResponseTlvs,
    /// A timeout that must not be granted (DS31).
    #[error("a timeout below ten seconds")]
    TimeoutTooShort,
    /// A message before there was a session (DS19, DS20).
    #[error("a message before the session")]
    BeforeSession,
    /// Early data that must not be early (DS53).
    #[error("not for early data")]
    EarlyData,
    /// edns-tcp-keepalive (DS18).
    #[error("edns-tcp-keepalive on a session")]
    TcpKeepalive,
    /// Something that the caller found wrong in an operation of its own.
    #[error("{0}")]
    Operation(&'static str),
}
