//! The whole house without I/O: faces, routing, and one registry between them.
//!
//! [`Node`] is what a shell (or the simulator) drives. A face translates between a protocol and the registry; no face
//! calls another. Read [`node`] for the verbs, [`face::rd`] for the Resource Directory, `face/dns.rs` for the DNS,
//! [`face::operator`] for what a person may ask.
#![forbid(unsafe_code)]

pub mod config;
pub mod face;
mod groups;
pub mod limits;
pub mod node;
mod request;
mod route;
mod rules;

pub use config::Config;
pub use face::dns::Counters as DnsCounters;
pub use face::operator::{Command, Reply};
pub use groups::GroupRefused;
pub use node::{Counters, Event, Node};
