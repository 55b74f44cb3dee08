//! Bytes ↔ values: every format that wayhouse puts on a wire or takes from one.
//!
//! This crate knows layouts and nothing else: no time, no sessions, no policy, no logging. Decoders borrow from the
//! input and allocate nothing; encoders append to a buffer that the caller owns. Read [`coap::message`] first.
#![forbid(unsafe_code)]

pub mod cbor;
pub mod coap;
mod decode_error;

pub use decode_error::{DecodeError, What};
