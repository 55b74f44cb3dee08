//! Settings: what can be set, where it may be written, and what is wrong with it.
//!
//! One table, [`options`], names every option once with its meaning, its bounds and its default; [`groups`] is that of the
//! tables of which there may be several. [`mod@file`] reads the TOML
//! shape, [`mod@resolve`] puts the layers on top of one another (defaults < file < environment < flags) and remembers where
//! each value came from. All problems are gathered before anything fails.

pub mod dns_listener;
pub mod file;
pub mod groups;
pub mod options;
pub mod resolve;
pub mod words;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use dns_listener::DnsListener;

pub use resolve::{Layers, Resolved, resolve};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node: engine, registry, directory.
    pub node: wayhouse_node::Config,
    /// Where CoAP is served.
    pub coap: Coap,
    /// Where DNS is served.
    pub dns: Dns,
    /// What is kept on disk, and where.
    pub store: Store,
    /// The page and REST.
    pub http: Http,
    /// What is told about the daemon's doings.
    pub log: Log,
}

/// Where CoAP is served.
#[derive(Debug, Clone)]
pub struct Coap {
    /// Addresses for UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Whether CoAP over UDP is served.
    pub is_udp_on: bool,
    /// Whether CoAP over TCP is served.
    pub is_tcp_on: bool,
    /// Whether listeners on wildcard addresses join the CoAP groups.
    pub is_multicast_on: bool,
    /// Connections over TCP that one address may have; 0: no limit.
    pub connections_per_address: usize,
}

/// Where DNS is served.
#[derive(Debug, Clone)]
pub struct Dns {
    /// Listeners for UDP and TCP; none: nowhere.
    pub listen: Vec<DnsListener>,
    /// Listeners for TLS, none: nowhere; `None`: those of `listen` with the port [`TLS_PORT_OFFSET`] above.
    pub tls_listen: Option<Vec<DnsListener>>,
    /// Certificates and key shown there; without them our own.
    pub tls_certificate: Option<PathBuf>,
    /// The key of the first certificate.
    pub tls_key: Option<PathBuf>,
    /// Connections from one address at a time; 0 for no limit.
    pub connections_per_address: usize,
}

/// How far the port for TLS is above that for TCP where nobody names it: as 853 is above 53.
pub const TLS_PORT_OFFSET: u16 = 800;

impl Dns {
    /// Listeners for TLS.
    pub fn tls_listeners(&self) -> Vec<DnsListener> {
        let Some(named) = &self.tls_listen else {
            // A port that the system chooses is one for TLS as well.
            let port = |port: u16| if port == 0 { 0 } else { port.checked_add(TLS_PORT_OFFSET).unwrap_or(port) };
            return self.listen.iter().map(|plain| plain.with_port(port(plain.address.port()))).collect();
        };
        named.clone()
    }
}

/// What is kept on disk, and where.
#[derive(Debug, Clone)]
pub struct Store {
    /// The data directory; empty only before it is resolved.
    pub data_dir: PathBuf,
}

/// The page and REST.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where it is served; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// Names and addresses, besides the loopback ones, under which browsers reach it.
    pub host_names: Vec<String>,
    /// The admin token itself.
    pub admin_token: Option<String>,
    /// A file that holds it.
    pub admin_token_file: Option<PathBuf>,
}

/// What is told about the daemon's doings.
#[derive(Debug, Clone)]
pub struct Log {
    /// The least severe level told.
    pub level: tracing::Level,
    /// How it is written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Settings {
        let port = 5683;
        let dns_port = 8053;
        Settings {
            node: wayhouse_node::Config::default(),
            coap: Coap {
                listen: vec![
                    SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)),
                    SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port)),
                ],
                is_udp_on: true,
                is_tcp_on: true,
                is_multicast_on: true,
                connections_per_address: 256,
            },
            dns: Dns {
                listen: vec![
                    SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, dns_port)).into(),
                    SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, dns_port)).into(),
                ],
                tls_listen: None,
                tls_certificate: None,
                tls_key: None,
                connections_per_address: 1_024,
            },
            store: Store { data_dir: PathBuf::new() },
            http: Http {
                listen: Some(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 8683))),
                host_names: Vec::new(),
                admin_token: None,
                admin_token_file: None,
            },
            log: Log { level: tracing::Level::INFO, format: LogFormat::Text },
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(String),
}

impl Source {
    /// The line in a file; 0 for other sources.
    pub fn line(&self) -> usize {
        if let Source::File { line, .. } = self { *line } else { 0 }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "{}:{line}", path.display()),
            Source::Environment(name) => write!(f, "${name}"),
            Source::Flag(name) => f.write_str(name),
        }
    }
}

/// Something that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub source: Source,
    /// The option, or what was taken for one; empty when the place says it all.
    pub key: String,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n  hint: {}", self.why, self.hint)
    }
}
