//! Settings of the DNS face.

use std::net::IpAddr;

use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::Name;

use super::{Network, Problem};
use crate::limits::{DNS_REVERSE_PREFIXES_MAX, DNS_STREAMS_MAX, DNS_ZONES_MAX};

/// The zone where nobody says otherwise: below the name that belongs to every home (RFC 8375), so that nobody outside is
/// asked for it.
const DEFAULT_ZONE: &str = "services.home.arpa";
/// Prefixes for private use (RFC 1918, RFC 4193) and those of groups that stay inside (RFC 2365, RFC 4291).
const DEFAULT_REVERSE: [(&str, u8); 6] =
    [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("239.0.0.0", 8), ("fd00::", 8), ("ff00::", 8)];

/// Settings of the DNS face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Zones that show the entries of the registry, each all of them. Empty: no DNS.
    pub zones: Vec<Name>,
    /// Prefixes whose reverse zones are served.
    pub reverse: Vec<Network>,
    /// Addresses of this server, for the name in its NS records.
    pub addresses: Vec<IpAddr>,
    /// Time to live of records about entries, seconds.
    pub ttl_s: u32,
    /// Whether every registrant is a service, as opposed to links with `exp` alone.
    pub shows_endpoints: bool,
    /// Octets of the largest datagram sent (RFC 9715: what passes everywhere without fragments).
    pub udp_octets_max: u16,
    /// Answers per second to a network that showed no cookie, over UDP; 0 for no limit.
    pub answers_per_s: u32,
    /// Where changes are pushed.
    pub push: Push,
    /// Connections at a time.
    pub streams_max: usize,
    /// The port of the listener over TLS, for the records that lead clients of push to it; `None` without one.
    pub push_tls_port: Option<u16>,
    /// Which text of DNS Stateful Operations the listeners speak.
    pub dso_dialect: DsoDialect,
    /// Which text of DNS Push Notifications they speak.
    pub push_dialect: PushDialect,
}

/// Where changes are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Over TLS only, as the RFC has it (PU1).
    #[default]
    Tls,
    /// Over plain TCP as well: for tests, and where the link itself is protected.
    Plain,
}

impl Default for Dns {
    fn default() -> Dns {
        let network = |(address, prefix_length): (&str, u8)| Network {
            address: address.parse().expect("an address"),
            prefix_length,
        };
        Dns {
            zones: vec![Name::parse(DEFAULT_ZONE).expect("a name")],
            reverse: DEFAULT_REVERSE.map(network).into(),
            addresses: Vec::new(),
            ttl_s: 120,
            shows_endpoints: true,
            udp_octets_max: 1_232,
            answers_per_s: 200,
            push: Push::Tls,
            streams_max: DNS_STREAMS_MAX,
            push_tls_port: None,
            dso_dialect: DsoDialect::Rfc8490,
            push_dialect: PushDialect::Rfc8765,
        }
    }
}

impl Dns {
    /// Everything that is wrong with these settings.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let problem = |key, why, hint| Problem { key, why, hint };
        let has_root = self.zones.iter().any(|zone| zone.as_ref().is_root());
        let is_twice = |(place, zone): (usize, &Name)| self.zones[..place].contains(zone);
        let checks = [
            (
                has_root,
                problem("dns.zones", "the root is nobody's to serve", "name a zone, such as services.home.arpa"),
            ),
            (
                self.zones.iter().enumerate().any(is_twice),
                problem("dns.zones", "a zone stands there twice", "remove one"),
            ),
            (self.zones.len() > DNS_ZONES_MAX, problem("dns.zones", "too many zones", "use at most 8")),
            (
                self.reverse.len() > DNS_REVERSE_PREFIXES_MAX,
                problem("dns.reverse", "too many prefixes", "use at most 64"),
            ),
            (
                self.reverse.iter().any(|network| !network.is_valid() || network.prefix_length == 0),
                problem(
                    "dns.reverse",
                    "a prefix is empty, or longer than its address",
                    "use /1 to /32 for IPv4 and /1 to /128 for IPv6",
                ),
            ),
            (
                self.udp_octets_max < 512,
                problem(
                    "dns.udp_octets_max",
                    "every client takes 512 octets",
                    "use 512 or more; 1232 passes everywhere",
                ),
            ),
        ];
        checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem).collect()
    }
}
