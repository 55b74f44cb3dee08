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

/// The zone in which hosts without a domain of their own register (RFC 9665 §3.1.2).
const REGISTRATION_ZONE: &str = "default.service.arpa";
/// Where updates may come from: what is private, or on a link of ours (SR21).
const DEFAULT_UPDATE_SOURCES: [(&str, u8); 8] = [
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("169.254.0.0", 16),
    ("127.0.0.0", 8),
    ("fc00::", 7),
    ("fe80::", 10),
    ("::1", 128),
];
/// The shortest lease granted, seconds (RFC 9664 §8).
pub const LEASE_MIN_S: u32 = 30;

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
    /// Which texts the listeners follow.
    pub dialects: Dialects,
    /// Which texts each listener follows: those for datagrams by their number, behind them all others. A listener for datagrams
    /// that has no place here follows `dialects`.
    pub listeners: Vec<Dialects>,
    /// Whether hosts may register by update.
    pub updates: Updates,
    /// Where updates may come from.
    pub update_sources: Vec<Network>,
    /// The longest lease granted to what is registered by update, seconds.
    pub lease_max_s: u32,
    /// The longest time for which a name is reserved to a key, seconds.
    pub key_lease_max_s: u32,
    /// The TLS port where clients find push; `None` where DNS is not served over TLS.
    pub push_port: Option<u16>,
    /// The TCP port where registrars take updates, told to clients; `None` where it is not known.
    pub registrar_port: Option<u16>,
    /// Their TLS port; `None` where DNS is not served over TLS.
    pub registrar_tls_port: Option<u16>,
}

/// Whether hosts may register by update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Updates {
    /// By signed ones.
    #[default]
    Signed,
    /// No.
    Off,
}

/// Which texts a listener follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialects {
    /// Of DNS Stateful Operations.
    pub sessions: DsoDialect,
    /// Of DNS Push Notifications.
    pub push: PushDialect,
    /// Of updates by which hosts register.
    pub updates: UpdateDialect,
}

/// How octets of DNS pass a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Tcp,
    /// Protected by TLS, which ends in front of the node.
    Tls,
}

/// Which text updates follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateDialect {
    /// Service Registration Protocol (RFC 9665).
    #[default]
    Srp,
    /// Besides, the procedure of draft-lemon-stateful-dnssd-00.
    StatefulDnssd,
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
            dialects: Dialects::default(),
            listeners: Vec::new(),
            updates: Updates::Signed,
            update_sources: DEFAULT_UPDATE_SOURCES.map(network).into(),
            lease_max_s: 7_200,
            key_lease_max_s: 1_209_600,
            push_port: None,
            registrar_port: None,
            registrar_tls_port: None,
        }
    }
}

impl Dns {
    /// Whether updates are taken.
    pub fn takes_updates(&self) -> bool {
        self.updates != Updates::Off && !self.zones.is_empty()
    }
    /// Whether some listener takes updates as draft-lemon-stateful-dnssd has them.
    pub fn takes_plain_updates(&self) -> bool {
        // Where all listeners are known, nothing else is spoken.
        let all = if self.listeners.is_empty() { std::slice::from_ref(&self.dialects) } else { &self.listeners[..] };
        self.takes_updates() && all.iter().any(|dialects| dialects.updates == UpdateDialect::StatefulDnssd)
    }
    /// Which texts a listener for datagrams follows.
    pub fn dialects_of(&self, number: u16) -> Dialects {
        self.listeners.get(usize::from(number)).copied().unwrap_or(self.dialects)
    }
    /// The zone for registrations that shows nothing else; `None` when there is none, or when it is one of the others.
    pub fn registration_zone(&self) -> Option<Name> {
        let zone = Name::parse(REGISTRATION_ZONE).expect("a name");
        (self.takes_updates() && !self.zones.contains(&zone)).then_some(zone)
    }
    /// Whether a zone lies in another one that is served: a name would be in both, and each would say something else of it.
    fn has_nested_zones(&self) -> bool {
        let registration_zone = self.registration_zone();
        let zones = || self.zones.iter().chain(&registration_zone).filter(|zone| !zone.as_ref().is_root());
        zones().any(|inner| zones().any(|outer| inner != outer && inner.as_ref().is_at_or_below(outer.as_ref())))
    }
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
            (
                self.has_nested_zones(),
                problem(
                    "dns.zones",
                    "a zone lies in another one",
                    "keep one of them; default.service.arpa is one while dns.updates is on",
                ),
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
            (
                self.update_sources.iter().any(|network| !network.is_valid()),
                problem(
                    "dns.update_sources",
                    "a prefix is longer than its address",
                    "use at most /32 for IPv4 and /128 for IPv6",
                ),
            ),
            (self.lease_max_s < LEASE_MIN_S, problem("dns.lease_max_s", "nobody renews that often", "use 30 or more")),
            (
                self.key_lease_max_s < self.lease_max_s,
                problem(
                    "dns.key_lease_max_s",
                    "a name would be free before its lease ends",
                    "use dns.lease_max_s or more",
                ),
            ),
        ];
        checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem).collect()
    }
}
