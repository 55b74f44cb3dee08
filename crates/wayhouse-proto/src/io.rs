//! What engines take in and give out: where a datagram came from, where one goes, when to wake up.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A socket of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketId {
    /// The n-th configured CoAP listener: requests arrive here, and what is sent from here keeps its source port.
    Listener(u16),
    /// The n-th client socket, an ephemeral port. The shell opens it when the first datagram wants to leave from it
    /// (RFC 7252 §4.4: message IDs run out per pair of endpoints, so the client side spreads over ports).
    Client(u16),
    /// The client socket of requests to groups, an ephemeral port of its own (RFC 7252 §8.1; CX2). It is not connected: members answer
    /// from any address and port.
    Group,
    /// The n-th configured DNS listener.
    Dns(u16),
}

/// A connection of the shell. Never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Everything about an arriving datagram that is not in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The socket it arrived on.
    pub socket: SocketId,
    /// Who sent it; link-local IPv6 with scope id.
    pub remote: SocketAddr,
    /// The destination address, when the system told it and it was unicast.
    pub local: Option<IpAddr>,
    /// Index of the interface it arrived on, 0 when unknown.
    pub interface: u32,
    /// Whether the destination was a multicast address (the group stands in `group`).
    pub is_multicast: bool,
    /// The multicast destination.
    pub group: Option<IpAddr>,
}

/// The other side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A datagram endpoint, as seen from one of our sockets.
    Datagram {
        /// Our socket.
        socket: SocketId,
        /// Its address.
        remote: SocketAddr,
    },
    /// The other end of a connection.
    Stream(StreamId),
}

/// Where a transmission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// One datagram.
    Datagram {
        /// From which socket.
        socket: SocketId,
        /// To whom.
        remote: SocketAddr,
        /// Source address to use; `None` lets the system choose.
        local: Option<IpAddr>,
        /// Interface to leave by; 0 lets the system choose.
        interface: u32,
    },
    /// Octets appended to a connection.
    Stream(StreamId),
    /// Ends a connection after what was written before; carries no octets.
    CloseStream(StreamId),
    /// Ends a connection at once, by a reset where there is one (DS59): what waits for it is dropped. Carries no octets.
    AbortStream(StreamId),
}

/// One thing to send; its octets were appended to the buffer given to `poll_transmit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// How many octets were appended.
    pub octets: usize,
    /// Number of the change that must be on disk before this leaves; 0 for none. Nothing acknowledged is lost.
    pub durable_after: u64,
}

/// When the engine wants `handle_timeout`, and why (for traces).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wakeup {
    /// When.
    pub at: Instant,
    /// What will happen then.
    pub why: &'static str,
}

impl Wakeup {
    /// The earlier of two.
    pub fn earliest(a: Option<Wakeup>, b: Option<Wakeup>) -> Option<Wakeup> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

/// What happens on a connection.
#[derive(Debug, Clone, Copy)]
pub enum StreamInput<'a> {
    /// It was accepted or connected.
    Opened {
        /// The other end.
        remote: SocketAddr,
        /// Our end.
        local: SocketAddr,
        /// Whether we connected (as opposed to accepted).
        is_initiator: bool,
    },
    /// Octets arrived.
    Data(&'a [u8]),
    /// It ended; nothing can be sent any more.
    Closed,
}
