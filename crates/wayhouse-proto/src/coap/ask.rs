//! What the client side of an endpoint and its parent say to each other: requests to send, answers to them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wayhouse_wire::coap::{Code, OptionList};

use crate::io::StreamId;

/// A request of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request to send.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Where to: an address (a client socket is chosen), or a connection.
    pub to: Target,
    /// Method.
    pub code: Code,
    /// Options without Block, Observe, Echo, Request-Tag, which the endpoint adds.
    pub options: OptionList,
    /// The whole body.
    pub payload: Vec<u8>,
    /// CON (true) or NON.
    pub is_confirmable: bool,
    /// Register an observation.
    pub is_observation: bool,
    /// Block size exponent to use and ask for, 0..=6 (7 on connections that allow BERT).
    pub block_szx: Option<u8>,
    /// Give up after this time, whatever the message layer still hopes for. `None`: EXCHANGE_LIFETIME after the last progress.
    pub patience: Option<Duration>,
    /// Whether a fresh cached response may answer, and a stale one be validated.
    pub may_use_cache: bool,
}

impl Ask {
    /// A confirmable request with nothing but a method and options, answered by the peer itself.
    pub fn new(to: Target, code: Code, options: OptionList) -> Ask {
        Ask {
            to,
            code,
            options,
            payload: Vec::new(),
            is_confirmable: true,
            is_observation: false,
            block_szx: None,
            patience: None,
            may_use_cache: false,
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A datagram endpoint, no group: those are asked by [`super::group::GroupAsk`]. `local` and `interface` as in
    /// [`crate::io::Destination`].
    Datagram {
        /// To whom.
        remote: SocketAddr,
        /// Source address.
        local: Option<IpAddr>,
        /// Interface, 0 for any.
        interface: u32,
    },
    /// As above, but from a listener, so that the peer sees our service port (simple registration, device roles).
    FromListener {
        /// Index of the listener.
        listener: u16,
        /// To whom.
        remote: SocketAddr,
    },
    /// An open connection.
    Stream(StreamId),
}

/// Why a request was not even started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All message IDs of all client sockets towards this peer were used within EXCHANGE_LIFETIME (RFC 7252 §4.4).
    #[error("message IDs towards this peer are used up for now")]
    MessageIdsExhausted,
    /// Too many requests under way.
    #[error("too many requests under way")]
    TooMany,
    /// The connection does not exist or is closing.
    #[error("the connection is not open")]
    NotConnected,
    /// The request breaks a rule of the protocol (such as a payload too large for the peer).
    #[error("not a valid request: {0}")]
    Invalid(&'static str),
}

/// Why a request ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody answered.
    #[error("no answer")]
    Timeout,
    /// The peer sent a reset.
    #[error("the peer reset the request")]
    Reset,
    /// The response had an unknown critical option or broke the rules of block-wise transfer.
    #[error("the response cannot be processed: {0}")]
    Unprocessable(&'static str),
    /// The body grew beyond the limit.
    #[error("the response body is too large")]
    TooLarge,
    /// The connection ended.
    #[error("the connection ended")]
    Disconnected,
}

/// A response (or a notification, or the failure) to a request of ours.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which request.
    pub id: RequestId,
    /// Who answered.
    pub from: Option<SocketAddr>,
    /// The response with its whole body, or why there is none.
    pub outcome: Result<Reply, Failure>,
    /// Whether more may come (an observation goes on).
    pub is_open: bool,
}

/// The content of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Response code; `None` for the answer to a ping, and where No-Response 26 asked for no response at all (NR3): then the
    /// request was acknowledged, or, as NON, sent.
    pub code: Option<Code>,
    /// Options, those of block-wise transfer removed.
    pub options: OptionList,
    /// The whole body.
    pub payload: Vec<u8>,
    /// Whether it came from our cache without asking the peer, or after the peer said that it is still valid.
    pub is_from_cache: bool,
}
