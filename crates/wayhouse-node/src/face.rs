//! Faces: one translator per protocol. They share the registry, and nothing else.

use std::time::Instant;

use wayhouse_proto::coap::Endpoint;
use wayhouse_registry::Registry;

use crate::Config;

pub(crate) mod dns;
pub mod operator;
pub mod rd;

/// What a face is handed for one call; it keeps none of it.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// The node's settings.
    pub config: &'a Config,
    /// What is known.
    pub registry: &'a mut Registry,
    /// The CoAP engine.
    pub endpoint: &'a mut Endpoint,
}
