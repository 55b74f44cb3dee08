//! The whole house without I/O: faces, routing, and one registry between them.
//!
//! [`Node`] is what a shell (or the simulator) drives. A face translates between a protocol and the registry; no face
//! calls another. Read [`node`] for the verbs, [`face::rd`] for the Resource Directory, [`face::operator`] for what a
//! person may ask. Beside it stands [`registrant`]: what a party
//! that registers does next.
#![forbid(unsafe_code)]

pub mod config;
pub mod face;
pub mod limits;
pub mod node;
pub mod registrant;
mod request;
mod route;
mod rules;

pub use config::Config;
pub use face::operator::{Command, Reply};
pub use node::{Counters, Event, Node};
