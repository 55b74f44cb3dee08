//! The DNS engines: sessions (RFC 8490), what is pushed over them (RFC 8765), signed updates (RFC 2931).
//!
//! Read [`dso_session`] first, and [`instances`] for what a client remembers between sessions. [`push`] keeps subscriptions
//! and gathers what is told about them; [`sig0`] verifies and signs, within bounds; [`update`] reads updates, and [`srp`]
//! those that register services. [`client`] is the side that asks. Which records a server has is nobody's business here.

pub mod client;
pub mod dso_session;
pub mod instances;
pub mod limits;
pub mod push;
pub mod sig0;
pub mod srp;
pub mod update;
