//! The DNS engines: sessions (RFC 8490) and what is pushed over them (RFC 8765).
//!
//! Read [`dso_session`] first. [`push`] keeps a session's subscriptions and gathers what is told about them; which records
//! there are is nobody's business here.

pub mod dso_session;
pub mod limits;
pub mod push;
