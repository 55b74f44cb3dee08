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
