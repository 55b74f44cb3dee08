//! How peers talk: protocol engines without I/O.
//!
//! Engines know the wire formats and nothing of the registry. Time is an argument, chance is a seeded generator given
//! at construction, output is drained with `poll_*`. Read [`io`] for what goes in and out, then [`coap::endpoint`]
//! or [`dns::dso_session`].
#![forbid(unsafe_code)]

pub mod coap;
pub mod crypto;
pub mod dns;
pub mod io;
pub mod keyed_hash;
pub mod rng;
