//! How many connections may be open at a time, so that neither service starves the other, nor one peer all others.

use std::collections::HashMap;
use std::net::IpAddr;

/// The bounds of both services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For CoAP.
    pub coap: Bound,
    /// For DNS, handshakes going on included. DS55: several from one address have to be possible.
    pub dns: Bound,
}

/// The bound of a service. Reaction: a further connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// From all addresses together.
    pub all: usize,
    /// From one address; 0 for as many as there are.
    pub per_address: usize,
}

/// The connections of a service, counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Counted {
    pub(super) fn all(&self) -> usize {
        self.all
    }
    /// Whether a further one may be opened from an address.
    pub(super) fn has_room(&self, bound: Bound, remote: IpAddr) -> bool {
        let from_there = self.by_address.get(&remote.to_canonical()).copied().unwrap_or(0);
        self.all < bound.all && (bound.per_address == 0 || from_there < bound.per_address)
    }
    pub(super) fn add(&mut self, remote: IpAddr) {
        self.all += 1;
        *self.by_address.entry(remote.to_canonical()).or_default() += 1;
    }
    pub(super) fn remove(&mut self, remote: IpAddr) {
        self.all -= 1;
        let address = remote.to_canonical();
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}
