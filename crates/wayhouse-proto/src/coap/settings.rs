//! What an endpoint is told at construction.

use super::limits::Limits;
use super::params::Params;

/// Settings of an endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Transmission parameters.
    pub params: Params,
    /// Bounds.
    pub limits: Limits,
    /// Largest block we send and ask for, as size exponent 0..=6 (6: 1024 octets, the default; CM22).
    pub block_szx: u8,
    /// Whom to challenge with Echo before a large first answer (EC5).
    pub amplification: Amplification,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            params: Params::default(),
            limits: Limits::default(),
            block_szx: 6,
            amplification: Amplification::default(),
        }
    }
}

/// Which unauthenticated datagram peers must prove that they are reachable before an answer may be larger than three
/// times their request (RFC 9175 §2.4, §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Amplification {
    /// None.
    Off,
    /// All but loopback, link-local, private (RFC 1918) and unique local addresses.
    #[default]
    Global,
    /// All but loopback.
    All,
}

/// Counters, for metrics. All only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counters {
    pub datagrams_received: u64,
    pub malformed: u64,
    pub requests: u64,
    pub duplicates: u64,
    pub responses_sent: u64,
    pub notifications_sent: u64,
    pub retransmissions: u64,
    pub timeouts: u64,
    pub resets_sent: u64,
    pub resets_received: u64,
    pub unexpected_responses: u64,
    pub echo_challenges: u64,
    pub dropped_at_limit: u64,
}
