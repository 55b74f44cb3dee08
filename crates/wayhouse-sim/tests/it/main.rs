//! Simulated worlds: several parties, virtual time, seeds that replay.

mod directory;
mod groupcomm;
mod registry_model;
