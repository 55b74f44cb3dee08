//! Virtual time, a seeded network, scripted peers and a naive registry: what the tests of several parts stand on.
//!
//! Nothing here is shipped. A failing seed is printed by the test that met it and replays the same run.
#![forbid(unsafe_code)]

pub mod neighbourhood;
pub mod network;
pub mod ref_registry;
pub mod seeds;
pub mod world;
