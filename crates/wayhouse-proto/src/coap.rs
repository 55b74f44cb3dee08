//! The CoAP engine: message layer, requests and responses, Observe, block-wise transfer, connections.

mod ask;
pub mod blockwise;
pub mod cache;
mod client;
mod compose;
mod congestion;
mod dedup;
mod echo;
pub mod endpoint;
mod exchange;
mod facts;
pub mod freshness;
pub mod group;
mod leisure;
pub mod limits;
mod matching;
pub mod message_id;
mod observe;
mod outbox;
pub mod params;
mod pending;
mod recency;
mod reply;
mod request;
mod route;
mod server;
mod settings;
pub mod stream;
mod streams;
mod timers;
pub mod token;

pub use endpoint::{Answer, Ask, Endpoint, Failure, ObserverId, PendingId, Received, Request, RequestId, Response};

#[cfg(test)]
mod tests;
