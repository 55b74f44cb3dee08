//! Why the registry refused: one value per reason, mapped once per face to the protocol's answer.

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No entry with that id.
    #[error("no such entry")]
    Unknown,
    /// The name belongs to somebody else (RFC 9176 §7.5).
    #[error("the name is held by another registrant")]
    NotOwner,
    /// The entry stands in the configuration ([`crate::Origin::Configured`]).
    #[error("it stands in the configuration")]
    Configured,
    /// A value is not allowed.
    #[error("{what} is not acceptable: {why}")]
    Invalid {
        /// The parameter in the field's own word, such as `ep`.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The registry holds as many entries or octets as configured.
    #[error("the registry is full: {bound}")]
    Full {
        /// Which bound was met.
        bound: &'static str,
    },
}
