//! What is known, and who says so: one registry that every protocol face reads and writes.
//!
//! The registry knows entries, who vouches for them, how long they live, and in which order things changed. It knows
//! no protocol and no bytes. [`Registry`] is the only door; read [`entry`] for what it keeps, [`change`] for how others
//! learn of it, [`filter`] for how they ask, [`group`] for what entries say about groups, and `index.rs` for what each
//! question costs.
#![forbid(unsafe_code)]

pub mod change;
pub mod device;
pub mod entry;
pub mod filter;
pub mod group;
mod index;
pub mod lease;
pub mod limits;
pub mod origin;
mod posting_list;
pub mod refusal;
mod registry;
pub mod services;
mod slots;

pub use change::{Change, ChangeKind, ChangeNumber, Cursor};
pub use entry::{EntryId, Registrant, View};
pub use filter::{Criterion, Filter, Page, Pattern};
pub use group::{CoapGroup, Groups};
pub use lease::Lease;
pub use limits::Limits;
pub use origin::{Credentials, Origin};
pub use refusal::Refusal;
pub use registry::{Registered, Registration, Registry, Restored, Update};
pub use services::{ServiceHost, ServiceInstance, ServiceOffer};
