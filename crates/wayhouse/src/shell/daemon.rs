//! Puts the daemon together: data directory, sockets, store, node, page, loop.
//!
//! The order matters: what can be refused at once (a directory in use, a port taken) is tried before what takes time
//! (reading the store back). Datagrams that arrive meanwhile wait in the sockets.

mod dns_over_tls;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use wayhouse_node::config::{Dialects, Group, Interfaces, UpdateDialect};
use wayhouse_node::{GroupRefused, Node};
use wayhouse_registry::ChangeNumber;

use super::clock::Clock;
use super::counters::ShellCounters;
use super::event_loop::{EventLoop, Parts, notify_supervisor};
use super::handle::NodeHandle;
use super::links::Links;
use super::store::{Archive, DataDirectory, Report, StoreError};
use super::stream::{Bound, Bounds, Service, Streams};
use super::tls::identity::IdentityError;
use super::udp::{Membership, Sockets};
use crate::config::Settings;
use crate::http;

/// The default port of CoAP, which URIs leave out.
const COAP_PORT: u16 = 5683;
/// How often a port is chosen that both transports may have.
const PORT_TRIALS: usize = 16;
/// Octets of chance in a token that we make: too many to guess.
const TOKEN_OCTETS: usize = 20;
/// The token file in the data directory.
const TOKEN_FILE: &str = "admin-token";

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be served.
    #[error("cannot serve {what} on {address}: {error}")]
    Listen {
        /// What was to be served there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The admin token cannot be read or made.
    #[error("the admin token in {}: {error}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is no certificate or key for TLS.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A configured group finds no place.
    #[error(transparent)]
    Group(#[from] GroupRefused),
    /// The system does not give what every program gets.
    #[error("the system refuses {what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl StartError {
    /// Whether the settings are to blame, so that trying again is of no use.
    pub fn is_misuse(&self) -> bool {
        matches!(self, StartError::Identity(_))
    }
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StartError::Store(error) => error.hint(),
            StartError::Listen { what: "HTTP", .. } => {
                "is another daemon running? choose another address with --http, or --http off"
            }
            StartError::Listen { what: "DNS", .. } => {
                "is another DNS server running? choose another address with --dns, or --dns off"
            }
            StartError::Listen { what: "DNS over TLS", .. } => {
                "is another DNS server running? choose another address with --dns-tls, or --dns-tls off"
            }
            StartError::Listen { .. } => "is another CoAP server running? choose another address with --listen",
            StartError::Identity(error) => error.hint,
            StartError::Group(_) => "raise the bound that it names, or shorten the group",
            StartError::Token { .. } => "name a file that holds a token with --set http.admin_token_file=FILE",
            StartError::System { .. } => "are too many programs or files open?",
        }
    }
}

/// Where everything is, for people and scripts.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// CoAP over UDP.
    pub udp: Vec<SocketAddr>,
    /// CoAP over TCP.
    pub tcp: Vec<SocketAddr>,
    /// DNS, over UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// DNS over TLS.
    pub dns_tls: Vec<SocketAddr>,
    /// The pin by which clients know us there: SHA-256 of the key, in base64 (RFC 7858 §4.2).
    pub dns_tls_pin: Option<String>,
    /// The zones that are served there.
    pub zones: Vec<String>,
    /// Whether groups are joined.
    pub is_multicast_on: bool,
    /// Page and REST.
    pub http: Option<SocketAddr>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// What was read back from it.
    pub report: Report,
    /// The file with the admin token, where it comes from a file.
    pub token_file: Option<PathBuf>,
}

/// Whether addresses of an IP version that the machine does not have are passed over, because nobody asked for them.
#[derive(Debug, Clone, Copy)]
pub struct MaySkip {
    /// Of those for CoAP.
    pub coap: bool,
    /// Of those for DNS.
    pub dns: bool,
    /// Of those for DNS over TLS.
    pub dns_tls: bool,
}

/// A daemon that is ready to run.
#[derive(Debug)]
pub struct Daemon {
    event_loop: EventLoop,
    page: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Makes everything ready. Needs a runtime around it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn prepare(settings: &Settings, may_skip: MaySkip) -> Result<(Daemon, Whereabouts), StartError> {
        let clock = Clock::start();
        let directory = DataDirectory::claim(&settings.store.data_dir)?;
        let (handle, operations, changes) = NodeHandle::new();
        let counters = Arc::clone(handle.shell_counters());
        let mut served = listen(settings, may_skip.coap, &counters)?;
        listen_for_dns(settings, may_skip.dns, &mut served)?;
        let (dns_tls_pin, identity) = dns_over_tls::listen(settings, may_skip.dns_tls, &mut served)?.unzip();
        let page = settings.http.listen.map(bind_page).transpose()?;
        let (token, token_file) = admin_token(settings)?;

        let mut archive = Archive::open(directory, clock)?;
        let mut config = wayhouse_node::Config { listener_ports: served.listener_ports, ..settings.node.clone() };
        if served.dns.is_empty() {
            config.dns.zones.clear();
        } else if config.dns.addresses.is_empty() {
            config.dns.addresses = own_addresses(&served.dns);
        }
        // Clients of the RFC must not be sent to a listener of a draft; one that takes plain updates takes the others as well.
        let pushes = |dialects: Dialects| Dialects { updates: dialects.updates, ..Dialects::default() } == dialects;
        let takes_all = |dialects: Dialects| dialects.updates == UpdateDialect::StatefulDnssd;
        config.dns.push_port = port_told(&served.dns_tls, pushes);
        config.dns.registrar_port = port_told(&served.dns, takes_all);
        config.dns.registrar_tls_port = port_told(&served.dns_tls, takes_all);
        config.dns.listeners = served.dns.iter().chain(&served.dns_tls).map(|(_, dialects)| *dialects).collect();
        let zones = config.dns.zones.iter().map(|zone| zone.to_string().trim_end_matches('.').to_owned()).collect();
        let mut node = Node::new(config, seed()?);
        let report = archive.restore(|restored| node.restore(clock.now(), restored).is_ok())?;
        node.continue_after(ChangeNumber(report.last_change));
        node.enter_groups(clock.now())?;
        let store = archive
            .start(report.last_change, Arc::clone(&counters))
            .map_err(|error| StartError::System { what: "a thread", error })?;

        let whereabouts = Whereabouts {
            udp: served.udp,
            tcp: served.tcp,
            dns: served.dns.into_iter().map(|(bound, _)| bound).collect(),
            dns_tls: served.dns_tls.into_iter().map(|(bound, _)| bound).collect(),
            dns_tls_pin,
            zones,
            is_multicast_on: served.links.is_some(),
            http: page.as_ref().and_then(|page| page.local_addr().ok()),
            data_dir: settings.store.data_dir.clone(),
            report,
            token_file,
        };
        let (stopping, stopped) = oneshot::channel();
        let group_interfaces = named_interfaces(&settings.node.groups);
        let page = page
            .map(|listener| {
                let settings = http::Settings {
                    admin_token: Some(token),
                    host_names: settings.http.host_names.clone(),
                    directory_uris: whereabouts.directory_uris(),
                    group_interfaces,
                    clock,
                };
                serve_page(listener, settings, handle, stopped)
            })
            .transpose()
            .map_err(|error| StartError::System { what: "a thread", error })?;
        let parts = Parts {
            node,
            clock,
            sockets: served.sockets,
            streams: served.streams,
            identity,
            links: served.links,
            store,
            operations,
            changes,
            counters,
            stopping,
        };
        let event_loop = EventLoop::new(parts).map_err(|error| StartError::System { what: "a timer", error })?;
        Ok((Daemon { event_loop, page }, whereabouts))
    }

    /// Runs until a signal ends it.
    ///
    /// # Errors
    /// When the store failed.
    pub async fn run(self) -> Result<(), StoreError> {
        notify_supervisor(sd_notify::NotifyState::Ready);
        self.event_loop.run().await?;
        // How the page ended is told where it ends; devices are served without it.
        let _ = self.page.map(JoinHandle::join);
        Ok(())
    }
}

/// All that listens for CoAP and DNS.
struct Served {
    sockets: Sockets,
    streams: Streams,
    links: Option<Links>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    dns: Vec<(SocketAddr, Dialects)>,
    dns_tls: Vec<(SocketAddr, Dialects)>,
    /// The port of each UDP listener.
    listener_ports: Vec<u16>,
}

fn listen(settings: &Settings, may_skip_families: bool, counters: &Arc<ShellCounters>) -> Result<Served, StartError> {
    let bounds = Bounds {
        coap: Bound { all: settings.node.coap.limits.streams_max, per_address: settings.coap.connections_per_address },
        dns: Bound { all: settings.node.dns.streams_max, per_address: settings.dns.connections_per_address },
    };
    let streams = Streams::new(bounds, Arc::clone(counters))
        .map_err(|error| StartError::System { what: "an event queue", error })?;
    let mut served = Served {
        sockets: Sockets::new(Arc::clone(counters)),
        streams,
        links: None,
        udp: Vec::new(),
        tcp: Vec::new(),
        dns: Vec::new(),
        dns_tls: Vec::new(),
        listener_ports: Vec::new(),
    };
    let mut joins = false;
    for &address in &settings.coap.listen {
        let mut tcp_address = address;
        if settings.coap.is_udp_on {
            match served.sockets.listen(address, settings.coap.is_multicast_on) {
                Ok(bound) => {
                    served.udp.push(bound);
                    served.listener_ports.push(bound.port());
                    joins |= settings.coap.is_multicast_on && bound.ip().is_unspecified();
                    // One port for both transports, also where the system chose it.
                    tcp_address = bound;
                }
                Err(error) if may_skip_families && is_family_missing(&error) => {
                    tracing::warn!(%address, %error, "not served");
                    continue;
                }
                Err(error) => return Err(StartError::Listen { what: "CoAP over UDP", address, error }),
            }
        }
        if settings.coap.is_tcp_on {
            let outcome = match served.streams.listen(tcp_address, Service::Coap) {
                Err(error) if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse => {
                    served.streams.listen(address, Service::Coap)
                }
                outcome => outcome,
            };
            match outcome {
                Ok(bound) => served.tcp.push(bound),
                Err(error) if may_skip_families && is_family_missing(&error) => {
                    tracing::warn!(%address, %error, "not served");
                }
                Err(error) => return Err(StartError::Listen { what: "CoAP over TCP", address, error }),
            }
        }
    }
    joins |= listen_for_groups(settings, may_skip_families, &mut served)?;
    if joins {
        match Links::follow() {
            Ok(links) => served.links = Some(links),
            Err(error) => {
                tracing::warn!(%error, "network interfaces cannot be followed: no multicast groups are joined")
            }
        }
    }
    Ok(served)
}

/// The interfaces that the configuration names for each group address.
fn named_interfaces(groups: &[Group]) -> BTreeMap<IpAddr, Vec<String>> {
    let mut named: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for group in groups {
        if let Interfaces::Named(names) = &group.interfaces {
            for address in &group.addresses {
                named.entry(*address).or_default().extend(names.iter().cloned());
            }
        }
    }
    named
}

/// Opens the DNS listeners, one port for both transports at each address.
fn listen_for_dns(settings: &Settings, may_skip_families: bool, served: &mut Served) -> Result<(), StartError> {
    for listener in &settings.dns.listen {
        let (address, dialects) = (listener.address, listener.dialects(settings.node.dns.dialects));
        match listen_for_dns_at(address, dialects, served) {
            Ok(bound) => served.dns.push((bound, dialects)),
            Err(error) if may_skip_families && is_family_missing(&error) => {
                tracing::warn!(%address, %error, "not served");
            }
            Err(error) => return Err(StartError::Listen { what: "DNS", address, error }),
        }
    }
    Ok(())
}

fn listen_for_dns_at(address: SocketAddr, dialects: Dialects, served: &mut Served) -> io::Result<SocketAddr> {
    if address.port() != 0 {
        served.streams.listen(address, Service::Dns(dialects))?;
        return served.sockets.listen_for_dns(address);
    }
    // TCP first: most connections of others hold ports there, and a port that is free for it is mostly free for UDP.
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..PORT_TRIALS {
        let bound = served.streams.listen(address, Service::Dns(dialects))?;
        outcome = served.sockets.listen_for_dns(bound);
        if outcome.is_ok() {
            break;
        }
        served.streams.stop_last();
    }
    outcome
}

/// The port that clients are told: of the first listener that suits them, else of the first one.
fn port_told(listeners: &[(SocketAddr, Dialects)], suits: impl Fn(Dialects) -> bool) -> Option<u16> {
    let suitable = listeners.iter().find(|(_, dialects)| suits(*dialects));
    suitable.or(listeners.first()).map(|(bound, _)| bound.port())
}

/// The addresses under which others reach the DNS listeners.
fn own_addresses(dns: &[(SocketAddr, Dialects)]) -> Vec<IpAddr> {
    let reachable = |(bound, _): &(SocketAddr, Dialects)| match bound.ip() {
        ip if ip.is_unspecified() => outward_address(bound.is_ipv6()),
        ip => Some(ip),
    };
    let mut addresses: Vec<_> = dns.iter().filter_map(reachable).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Opens what is missing to be a member of the configured groups; whether there are any to join.
///
/// A listener serves all groups of its port. Groups of another port get one of their own: it takes what any listener
/// takes, and answers leave from it.
fn listen_for_groups(settings: &Settings, may_skip_families: bool, served: &mut Served) -> Result<bool, StartError> {
    let mut memberships = Vec::new();
    for group in settings.node.groups.iter().filter(|group| group.is_member()) {
        let interfaces = &group.interfaces;
        memberships.extend(group.addresses.iter().map(|&address| Membership {
            address,
            port: group.port,
            interfaces: interfaces.clone(),
        }));
    }
    let mut wildcards: Vec<SocketAddr> =
        served.udp.iter().copied().filter(|bound| bound.ip().is_unspecified()).collect();
    for membership in &memberships {
        let is_ipv4 = membership.address.is_ipv4();
        if wildcards.iter().any(|bound| bound.port() == membership.port && bound.is_ipv4() == is_ipv4) {
            continue;
        }
        match served.sockets.listen_for_groups(membership.port, is_ipv4) {
            Ok(bound) => {
                wildcards.push(bound);
                served.listener_ports.push(bound.port());
            }
            Err(error) if may_skip_families && is_family_missing(&error) => {
                tracing::warn!(address = %membership.address, %error, "the group is not joined");
            }
            Err(error) => {
                let address = SocketAddr::new(membership.address, membership.port);
                return Err(StartError::Listen { what: "a group", address, error });
            }
        }
    }
    let joins = !memberships.is_empty();
    served.sockets.set_memberships(memberships);
    Ok(joins)
}

/// Whether the machine lacks the IP version of an address.
fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind_page(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let fault = |error| StartError::Listen { what: "HTTP", address, error };
    let listener = std::net::TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}

/// Serves the page from a thread and runtime of its own, so that browsers cannot delay devices.
fn serve_page(
    listener: std::net::TcpListener,
    settings: http::Settings,
    handle: NodeHandle,
    stopped: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // A loop that ended without a word ends the page too.
        http::serve(listener, settings, handle, async { drop(stopped.await) }).await
    };
    std::thread::Builder::new().name("page".into()).spawn(move || {
        if let Err(error) = runtime.block_on(serve) {
            tracing::error!(%error, "the page is no longer served");
        }
    })
}

/// The admin token and the file it stands in; made where there is none.
fn admin_token(settings: &Settings) -> Result<(String, Option<PathBuf>), StartError> {
    if let Some(token) = &settings.http.admin_token {
        return Ok((token.clone(), None));
    }
    let own = settings.store.data_dir.join(TOKEN_FILE);
    let (path, may_make) = match &settings.http.admin_token_file {
        Some(path) => (path.clone(), false),
        None => (own, true),
    };
    let fault = |error| StartError::Token { path: path.clone(), error };
    let token = match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => {
            return Err(fault(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")));
        }
        Ok(text) => text.trim().to_owned(),
        Err(error) if may_make && error.kind() == io::ErrorKind::NotFound => make_token(&path).map_err(fault)?,
        Err(error) => return Err(fault(error)),
    };
    Ok((token, Some(path)))
}

/// Writes a new token that only this user may read.
fn make_token(path: &Path) -> io::Result<String> {
    let mut octets = [0; TOKEN_OCTETS];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    let token: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    // Written aside first, so that a crash leaves no empty token behind.
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    Ok(token)
}

/// What all chance of the node grows from.
fn seed() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System { what: "random numbers", error: io::Error::other(error) })
}

impl Whereabouts {
    /// URIs under which devices reach the directory, the one of the widest reach first.
    fn directory_uris(&self) -> Vec<String> {
        let reachable = |bound: &SocketAddr| {
            let address = if bound.ip().is_unspecified() { outward_address(bound.is_ipv6()) } else { Some(bound.ip()) };
            address.map(|address| SocketAddr::new(address, bound.port()))
        };
        let mut addresses: Vec<_> = self.udp.iter().filter_map(reachable).collect();
        addresses.sort_by_key(|address| address.ip().is_loopback());
        let over_tcp = self.tcp.iter().filter_map(reachable).map(|address| uri("coap+tcp", address));
        addresses.into_iter().map(|address| uri("coap", address)).chain(over_tcp).collect()
    }
}

/// A CoAP URI, without the default port.
pub fn uri(scheme: &str, address: SocketAddr) -> String {
    match (address.port(), address.ip()) {
        (COAP_PORT, IpAddr::V4(ip)) => format!("{scheme}://{ip}"),
        (COAP_PORT, IpAddr::V6(ip)) => format!("{scheme}://[{ip}]"),
        (port, IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{port}"),
        (port, IpAddr::V4(ip)) => format!("{scheme}://{ip}:{port}"),
    }
}

/// Our address towards the rest of the world, else the loopback one. Connecting a UDP socket chooses it and sends
/// nothing; the destinations are reserved for documentation.
fn outward_address(is_ipv6: bool) -> Option<IpAddr> {
    let (any, far, loopback) = if is_ipv6 {
        ("[::]:0", "[2001:db8::1]:9", IpAddr::from(std::net::Ipv6Addr::LOCALHOST))
    } else {
        ("0.0.0.0:0", "192.0.2.1:9", IpAddr::from(std::net::Ipv4Addr::LOCALHOST))
    };
    let socket = UdpSocket::bind(any).ok()?;
    match socket.connect(far).and_then(|()| socket.local_addr()) {
        Ok(address) => Some(address.ip()),
        Err(_) => Some(loopback),
    }
}

#[cfg(test)]
mod tests;
