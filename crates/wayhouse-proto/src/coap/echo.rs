//! Who has shown to be where it says: Echo values for reachability (RFC 9175 §2.4, §2.6; EC4, EC5).
//!
//! A value is `seconds since the first one (4 octets) | keyed hash over address, port and seconds (8 octets)`: nothing is
//! remembered for it (EC7, second method). It proves reachability, not freshness of more than the minutes it is valid.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hashbrown::HashSet;

use super::settings::Amplification;
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// Octets of an Echo value made here.
pub(crate) const ECHO_OCTETS: usize = 12;
/// How long a value proves something.
const ECHO_LIFETIME: Duration = Duration::from_secs(300);
/// What any peer may get without proof, octets of CoAP (RFC 9175 §2.4).
const UNPROVEN_OCTETS: usize = 136;
/// Octets of the headers around a CoAP message.
const IPV4_UDP_OCTETS: usize = 20 + 8;
const IPV6_UDP_OCTETS: usize = 40 + 8;
/// How many times its own octets an unproven peer may get (RFC 9175 §2.4).
const UNPROVEN_FACTOR: usize = 3;

/// Addresses that proved their reachability, and the key that lets them do so.
#[derive(Debug)]
pub(crate) struct Reachability {
    policy: Amplification,
    key: KeyedState,
    started: Option<Instant>,
    proven: HashSet<SocketAddr, KeyedState>,
    order: VecDeque<SocketAddr>,
    proven_max: usize,
}

impl Reachability {
    pub(crate) fn new(policy: Amplification, proven_max: usize, rng: &mut Rng) -> Reachability {
        Reachability {
            policy,
            key: KeyedState::new(rng),
            started: None,
            proven: HashSet::with_hasher(KeyedState::new(rng)),
            order: VecDeque::new(),
            proven_max: proven_max.max(1),
        }
    }

    /// Whether answers to this address need not be limited.
    #[inline]
    pub(crate) fn is_proven(&self, remote: SocketAddr) -> bool {
        is_exempt(self.policy, remote.ip()) || self.proven.contains(&remote)
    }

    /// Whether this address proved itself, or nobody has to.
    pub(crate) fn has_proved(&self, remote: SocketAddr) -> bool {
        self.policy == Amplification::Off || self.proven.contains(&remote)
    }

    /// Octets that an unproven peer may get from each member for a request to a group: three times what it sent, counted as
    /// it was on the wire, with the headers of IP and UDP (GC39).
    pub(crate) fn group_allowance(request_octets: usize, remote: SocketAddr) -> usize {
        let headers = if remote.is_ipv4() { IPV4_UDP_OCTETS } else { IPV6_UDP_OCTETS };
        UNPROVEN_FACTOR * (request_octets + headers) - headers
    }

    /// Octets that an unproven peer may get for a request of that many octets.
    pub(crate) fn allowance(request_octets: usize) -> usize {
        UNPROVEN_OCTETS.max(UNPROVEN_FACTOR * request_octets)
    }

    /// Makes a value for an address.
    pub(crate) fn make(&mut self, now: Instant, remote: SocketAddr) -> [u8; ECHO_OCTETS] {
        let started = *self.started.get_or_insert(now);
        let seconds = now.saturating_duration_since(started).as_secs() as u32;
        let mut value = [0; ECHO_OCTETS];
        value[..4].copy_from_slice(&seconds.to_be_bytes());
        value[4..].copy_from_slice(&self.proof(seconds, remote).to_be_bytes());
        value
    }

    /// Takes a value that came from an address; remembers the address when the value is one made for it not long ago.
    pub(crate) fn verify(&mut self, now: Instant, remote: SocketAddr, value: &[u8]) -> bool {
        let (Some(started), Ok(value)) = (self.started, <[u8; ECHO_OCTETS]>::try_from(value)) else { return false };
        let seconds = u32::from_be_bytes([value[0], value[1], value[2], value[3]]);
        let elapsed = now.saturating_duration_since(started).as_secs();
        let is_recent = u64::from(seconds) <= elapsed && elapsed - u64::from(seconds) <= ECHO_LIFETIME.as_secs();
        // All octets are compared whatever the first ones say: the time tells nothing about the expected value.
        let difference = self.proof(seconds, remote) ^ u64::from_be_bytes(value[4..].try_into().expect("eight octets"));
        let is_valid = is_recent && difference == 0;
        if is_valid && self.proven.insert(remote) {
            self.order.push_back(remote);
            if self.order.len() > self.proven_max {
                let oldest = self.order.pop_front().expect("longer than its bound");
                self.proven.remove(&oldest);
            }
        }
        is_valid
    }

    fn proof(&self, seconds: u32, remote: SocketAddr) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write_u32(seconds);
        remote.hash(&mut hasher);
        hasher.finish()
    }
}

/// Whether the policy exempts an address.
fn is_exempt(policy: Amplification, address: IpAddr) -> bool {
    match policy {
        Amplification::Off => true,
        Amplification::All => address.to_canonical().is_loopback(),
        Amplification::Global => match address.to_canonical() {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unicast_link_local() || address.is_unique_local()
            }
        },
    }
}
