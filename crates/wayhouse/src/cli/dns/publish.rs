//! `publish`: registers a service of this host with a registrar (SRP, RFC 9665) and keeps it registered.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args as Arguments;
use serde_json::{Value, json};
use tokio::sync::Notify;
use wayhouse_proto::crypto::SigningKey;
use wayhouse_proto::dns::client::requester::{Event, Requester, Settings};
use wayhouse_proto::dns::client::srp_update::{Offer, OfferNames, OfferedService};
use wayhouse_proto::dns::client::stateful_requester::{self, StatefulRequester};
use wayhouse_proto::dns::dso_session::Close;
use wayhouse_wire::dns::{Header, Name, Rcode, UpdateLease};

use super::asking::{Asker, connect_fault, framed, seed, service_servers};
use super::connection::{ConnectFault, Connection};
use super::registering::{Registering, reverse_names};
use super::server::{Server, ServerOptions};
use super::tls::Trust;
use super::{key_file, services, shown};
use crate::cli::args::KeyValue;
use crate::cli::exit::{Exit, Fault};
use crate::cli::interrupt::Interrupt;
use crate::cli::printer::{Printer, printable, timestamp};

pub(crate) const EXAMPLES: &str = "Prints the name under which the service is registered: with a number where somebody else has it. Stays, refreshes the \
    registration before its lease ends, and removes it on Ctrl-C; the name stays reserved to this user's key.\n\n\
    With --json: one object in each line: at, event (registered, refreshed, taken, failed, expired, removed), instance, host; lease \
    and key_lease (seconds) when it is registered, rcode and again_in (seconds) when it failed.\n\n\
    Examples:\n  \
    wayhouse publish 'Desk Lamp' _coap._udp 5683 --subtype light --txt path=/light\n  \
    wayhouse publish Printer _ipp._tcp 631 --host printer --address 192.168.1.9 --once\n  \
    wayhouse publish --forget-key";

/// How long one address of a registrar may take until the next is tried.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// How long Ctrl-C waits for the answer to what was asked last.
const LAST_ANSWER: Duration = Duration::from_secs(5);
/// How long it then waits for the registrar to confirm the removal.
const FAREWELL: Duration = Duration::from_secs(5);

/// `publish`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// What people call the service
    #[arg(value_name = "INSTANCE", required_unless_present = "forget_key")]
    pub instance: Option<String>,
    /// Type of service, such as _coap._udp
    #[arg(value_name = "TYPE", required_unless_present = "forget_key")]
    pub service: Option<String>,
    /// Port of the service
    #[arg(value_name = "PORT", required_unless_present = "forget_key")]
    pub port: Option<u16>,
    /// Name of the host, one label [default: this machine's]
    #[arg(long, value_name = "LABEL")]
    pub host: Option<String>,
    /// Address of the host; may be repeated [default: this machine's]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<IpAddr>,
    /// Something to say about the service; may be repeated
    #[arg(long, value_name = "K=V")]
    pub txt: Vec<KeyValue>,
    /// A subtype, such as light; may be repeated
    #[arg(long, value_name = "LABEL")]
    pub subtype: Vec<String>,
    /// Ask for a lease of this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 7_200, value_parser = clap::value_parser!(u32).range(1..))]
    pub lease: u32,
    /// Ask that the names stay reserved for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1_209_600)]
    pub key_lease: u32,
    /// Zone to register in [default: what the server recommends, or services.home.arpa]
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// File with the key that the names belong to, made where there is none [default: in this user's data directory]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Erase the key; what is registered with it cannot be changed any more
    #[arg(long, conflicts_with_all = ["instance", "service", "port"])]
    pub forget_key: bool,
    /// Register and end; the registration stays until its lease ends
    #[arg(long)]
    pub once: bool,
    /// Leave the registration in place on Ctrl-C
    #[arg(long)]
    pub leave: bool,
    /// Register at once, without the random delay of up to three seconds
    #[arg(long)]
    pub immediately: bool,
    /// Register in several messages, as draft-lemon-stateful-dnssd has it; the lease is then a time to live
    #[arg(long)]
    pub stateful: bool,
    /// Print one JSON object in each line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(super) server: ServerOptions,
}

/// Runs `publish`.
pub(in crate::cli) async fn execute(args: Args) -> Result<Exit, Fault> {
    let path = args.key.clone().map_or_else(key_file::default_path, Ok)?;
    if args.forget_key {
        let is_erased = key_file::forget(&path)?;
        eprintln!("{} {}", if is_erased { "erased" } else { "there is no key in" }, path.display());
        return Ok(if is_erased { Exit::Done } else { Exit::Negative });
    }
    let mut asker = Asker::plain(args.server.plain().await?, true);
    let zone = services::domain(&mut asker, args.zone.as_deref(), &["dr", "r"]).await?;
    let offer = args.offer(&zone)?;
    let (key, is_made) = key_file::load_or_make(&path)?;
    if is_made {
        eprintln!("note: made a key in {}: with it, the names stay yours", path.display());
    }
    let registrar = Registrar::find(&args.server, &mut asker, &zone).await?;
    let requester = args.registering(&mut asker, offer, key).await?;
    let mut publication = Publication {
        args: &args,
        registrar,
        requester,
        printer: Printer::stdout(),
        fault: None,
        was_registered: false,
    };
    let mut interrupt = Interrupt::new()?;
    let stop = Notify::new();
    let outcome = {
        let mut staying = pin!(publication.run(&stop));
        tokio::select! {
            outcome = &mut staying => outcome,
            () = interrupt.wait() => {
                // What was asked may be done: its answer comes before the removal (SR4).
                stop.notify_one();
                tokio::time::timeout(LAST_ANSWER, staying).await.unwrap_or(Ok(Exit::Done))
            }
        }
    };
    if outcome == Ok(Exit::Done) && !args.once && !args.leave && !publication.requester.is_over() {
        publication.requester.remove(Instant::now());
        // An answer that is still under way is lost with its connection.
        publication.requester.handle_failure(Instant::now());
        if tokio::time::timeout(FAREWELL, publication.run(&Notify::new())).await.is_err() {
            eprintln!("note: the registrar did not confirm the removal; the registration ends with its lease");
        }
    }
    outcome
}

impl Args {
    async fn registering(&self, asker: &mut Asker, offer: Offer, key: SigningKey) -> Result<Registering, Fault> {
        let impossible = |fault| Fault::misuse(format!("this cannot be registered: {fault}"));
        let (now, is_delayed) = (Instant::now(), !self.immediately);
        if self.stateful {
            let reverse = reverse_names(asker, &offer.zone, &offer.addresses).await?;
            let settings = stateful_requester::Settings { ttl_s: self.lease, is_delayed, reverse };
            let requester = StatefulRequester::new(now, settings, offer, key, seed()?).map_err(impossible)?;
            return Ok(Registering::Stateful(Box::new(requester)));
        }
        let settings = Settings {
            // SR6: the key's lease is not the shorter one.
            lease: UpdateLease { lease_s: self.lease, key_lease_s: Some(self.key_lease.max(self.lease)) },
            is_delayed,
            key_lease_after_s: self.key_lease,
        };
        let requester = Requester::new(now, settings, offer, key, seed()?).map_err(impossible)?;
        Ok(Registering::Srp(Box::new(requester)))
    }
    fn offer(&self, zone: &Name) -> Result<Offer, Fault> {
        let service = shown::parse_name(self.service.as_deref().unwrap_or_default())?;
        if service.labels().count() != 2 || !service.labels().all(|label| label.starts_with(b"_")) {
            return Err(Fault::misuse(format!("`{service}` is no type of service"))
                .hint("a type is two labels with underscores, such as _coap._udp"));
        }
        let host = match &self.host {
            Some(host) => host.clone(),
            None => own_host_label()?,
        };
        let addresses = if self.address.is_empty() { own_addresses() } else { self.address.clone() };
        if addresses.is_empty() {
            return Err(
                Fault::misuse("this machine has no address that others could use").hint("name one with --address")
            );
        }
        let subtype = |subtype: &String| {
            if subtype.starts_with('_') { subtype.clone() } else { format!("_{subtype}") }
        };
        let service = OfferedService {
            instance: self.instance.clone().unwrap_or_default(),
            service,
            subtypes: self.subtype.iter().map(subtype).collect(),
            port: self.port.unwrap_or_default(),
            attributes: self.txt.iter().map(|attribute| attribute.to_string().into_bytes()).collect(),
        };
        Ok(Offer { zone: zone.clone(), host, addresses, services: vec![service] })
    }
}

/// The first label of this machine's name, with what hosts may not have in their names turned into hyphens.
fn own_host_label() -> Result<String, Fault> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let label: String = name
        .trim_end()
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    match label.trim_matches('-') {
        "" => Err(Fault::misuse("this machine has no name").hint("name the host with --host")),
        label => Ok(label.chars().take(63).collect()),
    }
}

/// The addresses from which this machine would reach others. Nothing is sent to find out.
fn own_addresses() -> Vec<IpAddr> {
    let towards = |any: &str, somebody: &str| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((somebody, 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
    };
    // Addresses of documentation stand for somebody far away.
    [towards("0.0.0.0", "192.0.2.1"), towards("::", "2001:db8::1")].into_iter().flatten().collect()
}

/// Who takes registrations.
struct Registrar {
    /// In the order to try; one at least.
    servers: Vec<Server>,
    trust: Option<Trust>,
    /// The address to begin with, counted over all servers: the one that answered last, or the one behind the last that did
    /// not.
    first: Cell<usize>,
}

impl Registrar {
    /// SR1, SR3: who the zone says it is, over TLS if there is such a one and nobody asked for TCP; else the server asked
    /// about the zone. Without a pin or certificates the TLS is opportunistic.
    async fn find(options: &ServerOptions, asker: &mut Asker, zone: &Name) -> Result<Registrar, Fault> {
        if options.tls {
            return Ok(Registrar::new(vec![options.protected().await?], Some(options.trust())));
        }
        if !options.tcp {
            let servers = service_servers(asker, zone, "_dnssd-srp-tls._tcp").await;
            if !servers.is_empty() {
                let trust = match options.trust() {
                    Trust::Roots(None) => Trust::Anybody,
                    trust => trust,
                };
                return Ok(Registrar::new(servers, Some(trust)));
            }
            if options.names_whom_to_believe() {
                return Err(Fault::negative(format!(
                    "{zone} names no registrar over TLS, so that nobody can be believed"
                ))
                .hint("use --tls if the server does TLS all the same, or leave out --pin and --ca"));
            }
        }
        let mut servers = service_servers(asker, zone, "_dnssd-srp._tcp").await;
        if servers.is_empty() {
            servers.push(options.plain().await?);
        }
        Ok(Registrar::new(servers, None))
    }
    fn new(servers: Vec<Server>, trust: Option<Trust>) -> Registrar {
        Registrar { servers, trust, first: Cell::new(0) }
    }
    /// Sends an update, and hands every message that comes back to `take` until that is satisfied.
    async fn exchange<'s>(&'s self, update: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Fault> {
        let mut last = None;
        let addresses = |server: &'s Server| server.addresses.iter().map(move |address| (server, *address));
        let everywhere: Vec<(&Server, SocketAddr)> = self.servers.iter().flat_map(addresses).collect();
        for _ in 0..everywhere.len() {
            let place = self.first.get() % everywhere.len();
            let (server, address) = everywhere[place];
            // Should the time be over before it answers, the next attempt begins behind it.
            self.first.set(place + 1);
            let opening = Connection::open(address, &server.host, self.trust.as_ref());
            let opened = tokio::time::timeout(CONNECT_WAIT, opening).await;
            match opened.unwrap_or_else(|_| Err(ConnectFault::Unreachable(io::ErrorKind::TimedOut.into()))) {
                Ok(mut connection) => {
                    let outcome = converse(&mut connection, update, &mut take).await;
                    connection.close(Close::Graceful).await;
                    if outcome.is_ok() {
                        self.first.set(place);
                    }
                    return outcome.map_err(|error| {
                        Fault::unreachable(format!("{} does not answer: {error}", server.shown()))
                            .hint("does it take registrations? --server names another server")
                    });
                }
                Err(fault) => last = Some(connect_fault(server, fault)),
            }
        }
        Err(last.unwrap_or_else(|| Fault::unreachable("the registrar has no address")))
    }
}

async fn converse(connection: &mut Connection, update: &[u8], take: &mut impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    connection.send(&framed(update))?;
    let mut arrived = Vec::new();
    loop {
        if !connection.next(&mut arrived).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((length, rest)) = arrived.split_first_chunk::<2>()
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length)))
        {
            if take(message) {
                return Ok(());
            }
            let taken = 2 + message.len();
            arrived.drain(..taken);
        }
    }
}

/// A registration with its registrar and whom it is told to.
struct Publication<'a> {
    args: &'a Args,
    registrar: Registrar,
    requester: Registering,
    printer: Printer,
    /// Why the last message did not arrive.
    fault: Option<Fault>,
    /// Whether it ever was registered: whoever published once goes on trying.
    was_registered: bool,
}

impl Publication<'_> {
    /// Goes on until the registration is over, failed for good, or is to stop and nothing is under way.
    async fn run(&mut self, stop: &Notify) -> Result<Exit, Fault> {
        loop {
            while let Some(event) = self.requester.poll_event() {
                if let Some(exit) = self.take_event(event)? {
                    return Ok(exit);
                }
            }
            let mut update = Vec::new();
            let wall_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            if self.requester.poll_transmit(Instant::now(), wall_s, &mut update) {
                self.send(&update).await;
                continue;
            }
            let due = self.requester.poll_timeout().map_or_else(Instant::now, |wakeup| wakeup.at);
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => self.requester.handle_timeout(Instant::now()),
                () = stop.notified() => return Ok(Exit::Done),
            }
        }
    }
    async fn send(&mut self, update: &[u8]) {
        let wait = self.requester.poll_timeout().map_or_else(Instant::now, |wakeup| wakeup.at);
        let requester = &mut self.requester;
        let id = Header::peek(update).map(|header| header.id);
        let exchange = self.registrar.exchange(update, |message| {
            requester.handle_message(Instant::now(), message);
            Header::peek(message).map(|header| header.id) == id
        });
        match tokio::time::timeout_at(wait.into(), exchange).await {
            Ok(Ok(())) => self.fault = None,
            Ok(Err(fault)) => self.fault = Some(fault),
            Err(_) => self.fault = Some(Fault::unreachable("the registrar does not answer in time")),
        }
        // What was answered is not asked any more, and this changes nothing then.
        self.requester.handle_failure(Instant::now());
    }

    fn take_event(&mut self, event: Event) -> Result<Option<Exit>, Fault> {
        match event {
            Event::Registered { names, lease, is_refresh } => {
                self.was_registered = true;
                let key_lease_s = lease.effective_key_lease_s();
                let word = if is_refresh { "refreshed" } else { "registered" };
                self.tell(word, &names, &json!({ "lease": lease.lease_s, "key_lease": key_lease_s }))?;
                if !self.args.json {
                    if !is_refresh {
                        self.printer.line(&printable(&names.instances[0].to_string()))?;
                    }
                    let reserved = match lease.key_lease_s {
                        Some(key_lease_s) => format!("; the names stay reserved for {key_lease_s} s"),
                        None => String::new(),
                    };
                    eprintln!("{word} for {} s{reserved}", lease.lease_s);
                }
                Ok(self.args.once.then_some(Exit::Done))
            }
            Event::Taken(names) => {
                self.tell("taken", &names, &Value::Null)?;
                if !self.args.json {
                    eprintln!("note: somebody else has {}", names_text(&names, " or "));
                }
                Ok(None)
            }
            Event::Failed { rcode, again_in } => self.take_failure(rcode, again_in),
            Event::Expired => {
                let names = self.requester.names().clone();
                self.tell("expired", &names, &Value::Null)?;
                eprintln!("note: the lease ended before it could be renewed; trying again");
                Ok(None)
            }
            Event::Removed => {
                let names = self.requester.names().clone();
                self.tell("removed", &names, &Value::Null)?;
                if !self.args.json {
                    eprintln!("removed {}", names_text(&names, " and "));
                }
                Ok(Some(Exit::Done))
            }
            Event::GivenUp => Err(Fault::negative("all names that were tried belong to somebody else")
                .hint("choose another name for instance or host (--host)")),
            Event::Impossible(fault) => Err(Fault::misuse(format!("this cannot be registered: {fault}"))),
        }
    }
    /// Before anything was registered a failure is final, unless the registrar only asks for patience.
    fn take_failure(&mut self, rcode: Option<Rcode>, again_in: Duration) -> Result<Option<Exit>, Fault> {
        let seconds = again_in.as_secs_f64().round();
        let names = self.requester.names().clone();
        let code = rcode.map(|rcode| rcode.to_string());
        self.tell("failed", &names, &json!({ "rcode": code, "again_in": seconds }))?;
        let fault = match (rcode, self.fault.take()) {
            (Some(rcode), _) => Fault::negative(format!("the registrar answers {rcode}"))
                .hint("does it take registrations for this zone? --zone and --server name others"),
            (None, Some(fault)) => fault,
            (None, None) => Fault::unreachable("the registrar does not answer in time"),
        };
        let is_busy = rcode == Some(Rcode::SERVFAIL);
        if !self.was_registered && (self.args.once || !is_busy) {
            return Err(fault);
        }
        eprintln!("note: {}; trying again in {seconds} s", fault.what);
        Ok(None)
    }
    /// Tells a program what happened.
    fn tell(&mut self, event: &str, names: &OfferNames, more: &Value) -> Result<(), Fault> {
        if !self.args.json {
            return Ok(());
        }
        let mut value = json!({
            "at": timestamp(SystemTime::now()),
            "event": event,
            "instance": names.instances.first().map(ToString::to_string),
            "host": names.host.to_string(),
        });
        for (key, more) in more.as_object().into_iter().flatten() {
            value[key] = more.clone();
        }
        self.printer.json_line(&value)?;
        Ok(())
    }
}

fn names_text(names: &OfferNames, between: &str) -> String {
    let all = names.instances.iter().chain(std::iter::once(&names.host)).map(ToString::to_string);
    printable(&all.collect::<Vec<_>>().join(between)).into_owned()
}
