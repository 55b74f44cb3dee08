//! Journeys with the real program, on loopback.

mod cli_directory;
mod cli_help;
mod cli_journey;
mod cli_observe;
mod cli_requests;
mod cli_server;
mod daemon;
mod device;
mod device_fleet;
mod dns;
mod dns_join;
mod dns_publish;
mod dns_tls;
mod dns_verbs;
mod dns_verbs_tls;
mod groups;
mod groups_asked;
mod hostile;
mod http_rest;
mod page;
mod restart;
mod running;
mod srp;
