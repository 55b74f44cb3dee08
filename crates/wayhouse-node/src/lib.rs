//! The whole house without I/O: faces, routing, and one registry between them.
//!
//! [`Node`] is what a shell (or the simulator) drives. A face translates between a protocol and the registry; no face
//! calls another. Read [`node`] for the verbs, [`face::rd`] for the Resource Directory, `face/dns.rs` for the DNS,
//! [`face::operator`] for what a person may ask. Beside it stand the parties that a directory has to do with:
//! [`registrant`], which decides what a registrant does next, and [`device`], a whole small device.
#![forbid(unsafe_code)]

pub mod config;
pub mod device;
pub mod face;
mod groups;
pub mod limits;
mod links;
pub mod node;
pub mod registrant;
mod request;
mod route;
mod rules;

pub use config::Config;
pub use device::Device;
pub use face::dns::Counters as DnsCounters;
pub use face::operator::{Command, Reply};
pub use groups::GroupRefused;
pub use node::{Counters, Event, Node};
