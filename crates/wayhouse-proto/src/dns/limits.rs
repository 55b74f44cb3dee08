//! Every bound of the DNS engines, its reason, and the reaction when it is met.

/// Bounds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Octets of a message that is taken in: what an unfinished one may hold in memory. Reaction: abort.
    pub message_octets_max: usize,
    /// Requests of the peer that wait for an answer or live on. Reaction: the request is answered REFUSED.
    pub their_operations_max: usize,
    /// Own requests that wait for an answer or live on. Reaction: `Refused::TooMany`.
    pub own_operations_max: usize,
    /// Operations that ended on our side and whose late answer is still taken. Reaction: the oldest is forgotten, and a
    /// late answer to it ends the session.
    pub abandoned_max: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            message_octets_max: 16_384,
            their_operations_max: 1_024,
            own_operations_max: 1_024,
            abandoned_max: 16,
        }
    }
}

/// Bounds of push, for those who keep subscriptions and gather what is told about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// Subscriptions of one session. Reaction: the next is refused, the others live on (PU18).
    pub subscriptions_max: usize,
    /// Changes gathered before they are sent; looking for what is superfluous costs their square. Reaction: they are sent.
    pub gathered_max: usize,
}

impl Default for PushLimits {
    fn default() -> PushLimits {
        PushLimits { subscriptions_max: 256, gathered_max: 256 }
    }
}

/// Service instances that a client remembers. Reaction: the one whose time is over first is forgotten.
pub const INSTANCES_MAX: usize = 256;

/// Instructions of an update that registers services: three for each of as many services as a host may have, and subtypes.
/// Reaction: it is refused before anything else of it is looked at.
pub const UPDATE_INSTRUCTIONS_MAX: usize = 1_024;
/// Service instances in one update. Reaction: it is refused.
pub const UPDATE_SERVICES_MAX: usize = 64;
/// Addresses of a host, and subtypes or TXT records of one service, in an update. Reaction: it is refused.
pub const UPDATE_PARTS_MAX: usize = 16;
/// Octets of the TXT records of one service: what DNS-SD advises for one (RFC 6763 §6.1), three times. Reaction: it is refused.
pub const UPDATE_TEXT_OCTETS_MAX: usize = 4_096;

/// Bounds of a client: what a server may make it hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Records known at once. Reaction: the session that brings one more is aborted; of a polled answer the rest is left
    /// out.
    pub records_max: usize,
    /// Octets of the names and data of these records. Reaction: the same.
    pub record_octets_max: usize,
    /// Questions followed at once: two for each service instance and two for its host. Reaction: further ones are not
    /// asked.
    pub questions_max: usize,
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits { records_max: 16_384, record_octets_max: 8 << 20, questions_max: 1_000 }
    }
}

/// Labels of a name that the search for its zone goes up. Reaction: there is no zone. Longer names are addresses in
/// `ip6.arpa` at most.
pub const ZONE_WALK_LABELS_MAX: usize = 40;

/// Service instances of one type that a client looks into: each takes two questions, its host two more. Reaction: the rest is left out.
pub const VIEW_INSTANCES_MAX: usize = 2_048;
