//! Validated, typed settings of a node. How they are written in a file is the binary's affair.

use std::net::IpAddr;

use wayhouse_proto::coap::endpoint::Settings;
use wayhouse_registry::Limits;

mod dns;
mod group;

pub use dns::{Dialects, Dns, LEASE_MIN_S, Push, Transport, UpdateDialect, Updates};
pub use group::{ApplicationGroup, Group, Interfaces};

/// Settings of a node.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The CoAP engine.
    pub coap: Settings,
    /// Bounds of the registry.
    pub registry: Limits,
    /// The Resource Directory.
    pub directory: Directory,
    /// Names and services in the DNS.
    pub dns: Dns,
    /// CoAP groups that this node knows and perhaps is a member of.
    pub groups: Vec<Group>,
    /// UDP ports of the listeners, in their order; of those not told, the default port. Which CoAP group a multicast
    /// datagram was for depends on it.
    pub listener_ports: Vec<u16>,
}

/// Settings of the Resource Directory.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Who may register over plain CoAP, where the transport proves no identity.
    pub anonymous: AnonymousPolicy,
    /// Lifetime granted when a registrant names none, seconds (RFC 9176 §5: 90000).
    pub default_lifetime_s: u32,
    /// Longest lifetime granted, seconds; longer wishes are cut.
    pub lifetime_max_s: u32,
    /// Whether simple registration is offered (RD17).
    pub simple_registration: bool,
    /// Whether changes to a registration must be fresh, shown by Echo (RD26).
    pub require_freshness: bool,
    /// Max-Age of lookup answers, seconds.
    pub lookup_max_age_s: u32,
    /// Consumers that may see `provenance`, `lt-age` and `lt-remaining` (RR14–RR19).
    pub trusted_consumers: Vec<Network>,
    /// Results that one lookup answer may hold. Reaction: a question with more is refused with 4.00 and told to ask for
    /// pages (`count`, `page`); a silently shortened answer would read as the whole truth.
    pub lookup_results_max: u64,
    /// Observed lookups. Reaction: answered without Observe.
    pub observed_lookups_max: usize,
}

impl Default for Directory {
    fn default() -> Directory {
        Directory {
            anonymous: AnonymousPolicy::Open,
            default_lifetime_s: 90_000,
            lifetime_max_s: u32::MAX,
            simple_registration: true,
            require_freshness: false,
            lookup_max_age_s: 60,
            trusted_consumers: Vec::new(),
            lookup_results_max: 10_000,
            observed_lookups_max: 16_384,
        }
    }
}

/// What an unauthenticated registrant may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnonymousPolicy {
    /// Register, and change whatever no authenticated registrant holds: what most deployments without security do.
    #[default]
    Open,
    /// Register; changes only from the IP address that registered.
    Address,
    /// Nothing but look up.
    Refuse,
}

/// An address prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address of it.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix_length: u8,
}

impl Network {
    /// Whether an address lies in it (IPv4-mapped addresses count as IPv4).
    pub fn contains(&self, address: IpAddr) -> bool {
        let length = u32::from(self.prefix_length);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= length.min(u32::BITS)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= length.min(u128::BITS)
            }
            _ => false,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as a path of field names such as `directory.default_lifetime_s`.
    pub key: &'static str,
    /// What is wrong.
    pub why: &'static str,
    /// What to do.
    pub hint: &'static str,
}

impl Config {
    /// Everything that is wrong with these settings, in the order of the fields.
    pub fn problems(&self) -> Vec<Problem> {
        let directory = &self.directory;
        let checks = [
            (
                self.coap.block_szx > 6,
                Problem {
                    key: "coap.block_szx",
                    why: "block sizes end at exponent 6",
                    hint: "use 0 (16 octets) to 6 (1024 octets)",
                },
            ),
            (
                directory.lifetime_max_s == 0,
                Problem {
                    key: "directory.lifetime_max_s",
                    why: "a lifetime is at least one second",
                    hint: "use 1 to 4294967295",
                },
            ),
            (
                directory.default_lifetime_s == 0 || directory.default_lifetime_s > directory.lifetime_max_s,
                Problem {
                    key: "directory.default_lifetime_s",
                    why: "it lies outside what is granted",
                    hint: "use 1 up to directory.lifetime_max_s",
                },
            ),
            (
                directory.lookup_results_max == 0,
                Problem {
                    key: "directory.lookup_results_max",
                    why: "no lookup could ever be answered",
                    hint: "use 1 or more",
                },
            ),
            (
                directory.trusted_consumers.iter().any(|network| !network.is_valid()),
                Problem {
                    key: "directory.trusted_consumers",
                    why: "a prefix is longer than its address",
                    hint: "use at most /32 for IPv4 and /128 for IPv6",
                },
            ),
        ];
        let own = checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem);
        own.chain(self.dns.problems()).collect()
    }
}

impl Network {
    fn is_valid(&self) -> bool {
        self.prefix_length <= if self.address.is_ipv4() { 32 } else { 128 }
    }
}

#[cfg(test)]
mod tests;
