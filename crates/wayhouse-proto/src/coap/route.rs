//! Where messages of one conversation come from and go to.

use std::net::{IpAddr, SocketAddr};

use crate::io::{Destination, Meta, Peer, SocketId};

/// A datagram conversation: our socket, the other side, and the addresses that answers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) socket: SocketId,
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) interface: u32,
}

impl Route {
    /// Back to where a datagram came from. Where the destination was a multicast address the system chooses the source.
    pub(crate) fn back(meta: &Meta) -> Route {
        let local = if meta.is_multicast { None } else { meta.local };
        Route { socket: meta.socket, remote: meta.remote, local, interface: meta.interface }
    }
    /// The pair of endpoints alone.
    pub(crate) fn without_source(&self) -> Route {
        Route { local: None, interface: 0, ..*self }
    }
    pub(crate) fn peer(&self) -> Peer {
        Peer::Datagram { socket: self.socket, remote: self.remote }
    }
    pub(crate) fn destination(&self) -> Destination {
        let Route { socket, remote, local, interface } = *self;
        Destination::Datagram { socket, remote, local, interface }
    }
}

/// Where an answer to a request from `peer` goes.
pub(crate) fn back_to(peer: Peer, meta: &Meta) -> Destination {
    match peer {
        Peer::Datagram { .. } => Route::back(meta).destination(),
        Peer::Stream(stream) => Destination::Stream(stream),
    }
}
