//! Bytes ↔ values: every format that wayhouse puts on a wire or takes from one.
//!
//! This crate knows layouts and nothing else: no time, no sessions, no policy, no logging. Decoders borrow from the
//! input and allocate nothing; encoders append to a buffer that the caller owns. What decoders refuse, they refuse with a
//! [`DecodeError`]: what was wrong and where; what that means for the peer is decided by whoever asked.
//!
//! # A tour
//!
//! | to read about | see |
//! |---|---|
//! | datagrams, and how messages are written | [`coap::message`]; start here |
//! | options: their numbers, properties, and lists of them | [`coap::option`] |
//! | methods and response codes; block options; media types | [`coap::code`], [`coap::block`], [`coap::content_format`] |
//! | frames on connections, signalling options | [`coap::stream`] |
//! | URIs to options and back; references against bases | [`coap::uri`] |
//! | documents of links, as devices describe themselves | [`coap::link_format`] |
//! | CBOR for people; problem details | [`cbor`] |
//! | DNS messages, read and written | [`dns::message`], [`dns::compressor`], [`dns::name`] |
//! | DNS sessions and what is pushed over them | [`dns::dso_tlv`], [`dns::push_tlv`] |
//! | signed updates and their leases | [`dns::sig0`], [`dns::update_lease`] |
//! | what drafts and RFCs write differently | [`dialect`] |
//!
//! Each format that has input from strangers is checked once, when decoded: [`coap::Options`] and
//! [`coap::link_format::LinkFormat`] then iterate without failing. Known answers stand in `vectors/`, with their sources.
#![forbid(unsafe_code)]

pub mod cbor;
pub mod coap;
mod decode_error;
pub mod dialect;
pub mod dns;

pub use decode_error::{DecodeError, What};
