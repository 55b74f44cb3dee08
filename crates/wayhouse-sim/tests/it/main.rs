//! Simulated worlds: several parties, virtual time, seeds that replay.

mod directory;
mod registry_model;
