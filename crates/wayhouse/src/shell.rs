//! The I/O shell: sockets, store, clock, and the one loop that owns the node.
//!
//! [`event_loop`] is where everything meets; [`handle`] is how the rest of the binary reaches it. [`fleet`] is the same for many
//! small devices, which need less.

pub mod clock;
pub mod counters;
pub mod daemon;
pub mod event_loop;
pub mod fleet;
pub mod handle;
mod held;
pub mod links;
pub mod privileges;
pub mod store;
pub mod stream;
pub mod tls;
pub mod udp;
