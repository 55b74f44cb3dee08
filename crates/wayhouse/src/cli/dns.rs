//! The verbs that ask name servers: `query`, `browse`, `resolve`, `subscribe`.
//!
//! What a client of the DNS does stands in [`wayhouse_proto::dns::client`]; here are its sockets ([`connection`], [`asking`],
//! [`following`]) and what people see ([`shown`], [`services`]). [`server`] says who is asked, and how its answers are protected.

pub(super) mod browse;
pub(super) mod query;
pub(super) mod resolve;
pub(super) mod subscribe;

mod asking;
mod connection;
mod following;
mod server;
mod services;
mod shown;
mod tls;
