//! The shapes of the REST interface, one file per version.

pub mod v1;
