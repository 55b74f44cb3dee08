//! The verbs that ask name servers: `query`, `browse`, `resolve`, `subscribe`, `publish`.
//!
//! What a client of the DNS does stands in [`wayhouse_proto::dns::client`]; here are its sockets ([`connection`], [`asking`],
//! [`following`]) and what people see ([`shown`], [`services`]). [`server`] says who is asked, and how its answers are protected; [`key_file`] keeps the
//! key that registered names belong to.

pub(super) mod browse;
pub(super) mod publish;
pub(super) mod query;
pub(super) mod resolve;
pub(super) mod subscribe;

mod asking;
mod connection;
mod following;
mod key_file;
mod registering;
mod server;
mod services;
mod shown;
mod tls;
