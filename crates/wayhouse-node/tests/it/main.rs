//! The whole house without I/O, driven with real CoAP messages under virtual time.

mod asking;
mod discovery;
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
mod simple;
mod update;
mod verbs;
