//! The rules of sheet `coap.md`, each proved with messages written out: endpoints under virtual time, no sockets.

mod crowd;
mod notation;
mod pair;
mod station;

mod blocks;
mod blockwise_rules;
mod cache_rules;
mod caching;
mod connection_rules;
mod connections;
mod group_blocks;
mod group_members;
mod group_observing;
mod group_requests;
mod message_layer;
mod observers;
mod observing;
mod options;
mod reachability;
mod requests;
mod soak;
