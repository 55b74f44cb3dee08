//! The wire crate against published vectors, its rules by id, and random input.

mod captures;
mod dns;
mod link_format;
mod properties;
mod uri;
mod vectors;
