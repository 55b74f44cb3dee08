//! Who is asked: the options that name a server, its addresses, and how its answers are protected.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use wayhouse_proto::dns::instances::Instance;
use wayhouse_wire::dns::Name;

use super::tls::{Pin, Trust};
use crate::cli::exit::Fault;

/// Where this program's own daemon serves DNS unless told otherwise.
const DEFAULT_SERVER: &str = "127.0.0.1:8053";
/// The port of name servers.
const PORT: u16 = 53;
/// How far the port for TLS is above that for UDP and TCP: as 853 is above 53.
const TLS_PORT_OFFSET: u16 = 800;

/// Options that name a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerOptions {
    /// Name server to ask
    #[arg(long, value_name = "HOST[:PORT]", env = "WAYHOUSE_DNS", default_value = DEFAULT_SERVER)]
    pub server: HostPort,
    /// Use TCP
    #[arg(long)]
    pub tcp: bool,
    /// Use TLS, on the port 800 above that of --server, as 853 is above 53
    #[arg(long, conflicts_with = "tcp")]
    pub tls: bool,
    /// Port for TLS
    #[arg(long, value_name = "PORT")]
    pub tls_port: Option<u16>,
    /// Believe servers vouched for by a certificate in this file (PEM)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin", "insecure"])]
    pub ca: Option<PathBuf>,
    /// Believe the server that has this key (SHA-256 in base64); the daemon tells its own at its start. May be repeated
    #[arg(long, value_name = "PIN", conflicts_with = "insecure")]
    pub pin: Vec<Pin>,
    /// Believe any server: protects from who listens, not from who interferes
    #[arg(long)]
    pub insecure: bool,
}

impl ServerOptions {
    /// Whether the options say whom to believe: then nobody else is.
    pub(super) fn names_whom_to_believe(&self) -> bool {
        self.ca.is_some() || !self.pin.is_empty()
    }
    /// Whom to believe over TLS.
    pub(super) fn trust(&self) -> Trust {
        match (&self.pin[..], self.insecure) {
            (_, true) => Trust::Anybody,
            ([], false) => Trust::Roots(self.ca.clone()),
            (pins, false) => Trust::Pins(pins.to_vec()),
        }
    }
    /// The server with its addresses for UDP and TCP.
    pub(super) async fn plain(&self) -> Result<Server, Fault> {
        Server::find(&self.server.host, self.server.port.unwrap_or(PORT)).await
    }
    /// The server with its addresses for TLS.
    pub(super) async fn protected(&self) -> Result<Server, Fault> {
        let port = self.server.port.unwrap_or(PORT);
        let Some(port) = self.tls_port.or_else(|| port.checked_add(TLS_PORT_OFFSET)) else {
            return Err(Fault::misuse("there is no port 800 above that one").hint("name the port with --tls-port"));
        };
        Server::find(&self.server.host, port).await
    }
}

/// A host, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name or an address.
    pub host: String,
    /// As written.
    pub port: Option<u16>,
}

impl FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<HostPort, String> {
        let wrong = || format!("`{text}` is not HOST, HOST:PORT or [ADDRESS]:PORT");
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(HostPort { host: text.to_owned(), port: None });
        }
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']').ok_or_else(wrong)) {
            Some(bracketed) => {
                let (host, rest) = bracketed?;
                (host, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some(rest) }))
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
        if host.is_empty() || port == Some(0) { Err(wrong()) } else { Ok(HostPort { host: host.to_owned(), port }) }
    }
}

/// A server and its addresses.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The name or address that it is called by.
    pub host: String,
    /// Where it may be, in the order to try.
    pub addresses: Vec<SocketAddr>,
}

impl Server {
    /// Looks a server up.
    ///
    /// # Errors
    /// Unreachable when the name is not known.
    pub(super) async fn find(host: &str, port: u16) -> Result<Server, Fault> {
        let host = host.trim_end_matches('.');
        let found = tokio::net::lookup_host((host, port)).await.map(Iterator::collect::<Vec<_>>);
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(Server { host: host.to_owned(), addresses }),
            _ => Err(Fault::unreachable(format!("the name `{host}` is not known"))
                .hint("check the spelling, or use an address")),
        }
    }
    /// What sessions with it are counted under (DS55): what it is called, never what that leads to.
    pub(super) fn instance(&self) -> Instance {
        let first = self.addresses[0];
        match (self.host.parse::<IpAddr>(), Name::parse(&self.host)) {
            (Err(_), Ok(name)) => Instance::Named(name, first.port()),
            _ => Instance::Address(first),
        }
    }
    /// How it is called in sentences.
    pub(super) fn shown(&self) -> String {
        match self.addresses[0] {
            address if address.ip().to_string() == self.host => address.to_string(),
            address => format!("{} ({address})", self.host),
        }
    }
}

#[cfg(test)]
mod tests;
