//! The whole house without I/O, driven with real CoAP messages under virtual time.

mod asking;
mod discovery;
mod dns_authority;
mod dns_names;
mod dns_push;
mod dns_push_many;
mod dns_tls;
mod dns_update;
mod dns_update_leases;
mod dns_update_plain;
mod dns_update_random;
mod extensions;
mod freshness;
mod groups;
mod house;
mod lookup;
mod observation;
mod operator;
mod ownership;
mod paging;
mod registration;
mod requester;
mod resolver;
mod simple;
mod update;
mod verbs;
