//! Asks questions over sockets and waits for their answers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::net::UdpSocket;
use wayhouse_proto::dns::client::query::{Outcome, Query, Way};
use wayhouse_proto::dns::client::srv_order::SrvTarget;
use wayhouse_proto::dns::client::subscriber::{Subscriber, Told};
use wayhouse_proto::dns::client::zone_walk::{Finding, ZoneWalk};
use wayhouse_proto::dns::client::{Answer, Asked, RecordSet, service_view};
use wayhouse_proto::dns::dso_session::Close;
use wayhouse_proto::dns::limits::ClientLimits;
use wayhouse_proto::io::Wakeup;
use wayhouse_proto::rng::Rng;
use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::{Flags, Name, Rtype};

use super::connection::{ConnectFault, Connection};
use super::server::{Server, ServerOptions};
use super::shown;
use super::tls::{TlsFault, Trust};
use crate::cli::exit::Fault;

/// The largest message (RFC 1035 §4.2.2).
const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Servers of a service that are tried, and addresses of each type of one of them: whoever lists more makes nobody wait for
/// all of them.
const SERVERS_MAX: usize = 4;
const ADDRESSES_MAX: usize = 4;

/// Asks one server.
pub(super) struct Asker {
    server: Server,
    way: Way,
    /// Whom to believe; `None` without TLS.
    trust: Option<Trust>,
    is_recursive: bool,
    connection: Option<Connection>,
    /// Whether somebody was told that an answer was not whole.
    has_warned: bool,
}

impl Asker {
    /// Asks the server of the options, in the way that they say.
    pub(super) async fn new(options: &ServerOptions, is_recursive: bool) -> Result<Asker, Fault> {
        let (server, way, trust) = match (options.tls, options.tcp) {
            (true, _) => (options.protected().await?, Way::Stream, Some(options.trust())),
            (false, true) => (options.plain().await?, Way::Stream, None),
            (false, false) => (options.plain().await?, Way::Datagram, None),
        };
        Ok(Asker { server, way, trust, is_recursive, connection: None, has_warned: false })
    }
    /// Asks the server of the options over TLS.
    pub(super) async fn protected(options: &ServerOptions, is_recursive: bool) -> Result<Asker, Fault> {
        let (server, trust) = (options.protected().await?, Some(options.trust()));
        Ok(Asker { server, way: Way::Stream, trust, is_recursive, connection: None, has_warned: false })
    }
    /// Asks a server over UDP, and over TCP what does not fit.
    pub(super) fn plain(server: Server, is_recursive: bool) -> Asker {
        Asker { server, way: Way::Datagram, trust: None, is_recursive, connection: None, has_warned: false }
    }
    /// Whom it asks.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Asks, at one address after the other until somebody answers.
    ///
    /// # Errors
    /// Unreachable when nobody does, or nobody that can be believed.
    pub(super) async fn ask(&mut self, asked: &Asked) -> Result<Answer, Fault> {
        let mut last = None;
        for address in self.server.addresses.clone() {
            match self.ask_at(address, asked).await {
                Ok(answer) => {
                    self.warn_if_cut(asked, &answer);
                    return Ok(answer);
                }
                Err(fault) => last = Some(fault),
            }
            self.connection = None;
        }
        Err(last.unwrap_or_else(|| Fault::unreachable("the server has no address")))
    }
    async fn ask_at(&mut self, address: SocketAddr, asked: &Asked) -> Result<Answer, Fault> {
        let mut query = Query::new(Instant::now(), asked.clone(), self.is_recursive, self.way, seed()?);
        if self.way == Way::Datagram {
            match over_udp(address, &mut query).await.map_err(|error| self.unreachable(&error.to_string()))? {
                Outcome::Truncated => query.over_stream(Instant::now()),
                outcome => return self.conclude(outcome),
            }
        }
        let outcome = self.over_stream(address, &mut query).await?;
        self.conclude(outcome)
    }
    /// What is cut over a stream as well is more than any message holds.
    fn warn_if_cut(&mut self, asked: &Asked, answer: &Answer) {
        if answer.flags.has(Flags::TC) && !std::mem::replace(&mut self.has_warned, true) {
            let question = shown::question(asked);
            eprintln!("warning: {question} has more records than an answer holds; `wayhouse subscribe` is told all");
        }
    }
    fn conclude(&self, outcome: Outcome) -> Result<Answer, Fault> {
        match outcome {
            Outcome::Answered(answer) => Ok(*answer),
            Outcome::Unanswered => Err(self.unreachable("no answer in time")),
            Outcome::Malformed | Outcome::Truncated => Err(self.unreachable("what it says is no answer")),
        }
    }
    fn unreachable(&self, why: &str) -> Fault {
        Fault::unreachable(format!("{} does not answer: {why}", self.server.shown()))
            .hint("is a name server there? `wayhouse run` serves DNS on port 8053; --server names another one")
    }
    async fn over_stream(&mut self, address: SocketAddr, query: &mut Query) -> Result<Outcome, Fault> {
        if let Some(mut kept) = self.connection.take() {
            // A server may have closed it meanwhile: then a new one is worth a try.
            if let Ok(outcome) = on_connection(&mut kept, query).await {
                self.connection = Some(kept);
                return Ok(outcome);
            }
            query.over_stream(Instant::now());
        }
        let opened = Connection::open(address, &self.server.host, self.trust.as_ref()).await;
        let mut connection = opened.map_err(|fault| connect_fault(&self.server, fault))?;
        let outcome = on_connection(&mut connection, query).await;
        self.connection = Some(connection);
        outcome.map_err(|error| self.unreachable(&error.to_string()))
    }
    /// Ends the connection, if there is one.
    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close(Close::Graceful).await;
        }
    }
}

/// Who offers a service for the zone of a name, such as `_dns-push-tls._tcp` (RFC 8765 §6.1), in the order to try
/// them; none when nobody says so. A host whose addresses the server does not know is taken for the server itself.
pub(super) async fn service_servers(asker: &mut Asker, name: &Name, service: &str) -> Vec<Server> {
    let mut servers = Vec::new();
    for target in service_targets(asker, name, service).await.unwrap_or_default().into_iter().take(SERVERS_MAX) {
        let mut addresses = Vec::new();
        for rtype in [Rtype::AAAA, Rtype::A] {
            let answer = asker.ask(&Asked::internet(target.host.clone(), rtype)).await;
            let records = answer.iter().flat_map(|answer| &answer.answers);
            addresses.extend(records.filter_map(|record| service_view::address(&record.rdata)).take(ADDRESSES_MAX));
        }
        if addresses.is_empty() {
            addresses.extend(asker.server.addresses.iter().map(SocketAddr::ip));
        }
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
        servers.push(Server { host: target.host.to_string().trim_end_matches('.').to_owned(), addresses });
    }
    servers
}

async fn service_targets(asker: &mut Asker, name: &Name, service: &str) -> Option<Vec<SrvTarget>> {
    let mut rng = Rng::new(seed().ok()?);
    let mut walk = ZoneWalk::new(name.clone(), Name::parse(service).ok()?);
    loop {
        let answer = asker.ask(&walk.asked()?).await.ok()?;
        match walk.handle_answer(&answer, &mut rng) {
            Finding::Onward => {}
            Finding::Servers { servers, .. } => return Some(servers),
            Finding::NoZone => return None,
        }
    }
}

/// A seed that nobody can foresee.
pub(super) fn seed() -> Result<u64, Fault> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|error| Fault::unreachable(format!("the system gives no random numbers: {error}")))?;
    Ok(u64::from_ne_bytes(seed))
}

/// What to say about a connection that did not come about.
pub(super) fn connect_fault(server: &Server, fault: ConnectFault) -> Fault {
    match fault {
        ConnectFault::Misuse(fault) => fault,
        ConnectFault::Unreachable(error) => {
            Fault::unreachable(format!("{} cannot be reached: {error}", server.shown()))
                .hint("is a name server there, and does it serve this port? --server and --tls-port name others; --tcp does without TLS")
        }
        ConnectFault::Tls(fault @ TlsFault::Unproven(_)) => {
            Fault::unreachable(format!("{}: {fault}", server.shown())).hint(
                "name the certificate with --ca, or the key with --pin (the daemon tells its own at its start); \
                 --insecure believes anybody",
            )
        }
        ConnectFault::Tls(fault @ TlsFault::Broken(_)) => Fault::unreachable(format!("{}: {fault}", server.shown()))
            .hint("does the server speak TLS on this port? --tcp does without"),
    }
}

/// A message with its length in front (RFC 1035 §4.2.2).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

async fn over_udp(server: SocketAddr, query: &mut Query) -> io::Result<Outcome> {
    let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port of its own for each question, so that answers are hard to forge; connected, so that strangers are not heard.
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    let (mut out, mut buffer) = (Vec::new(), vec![0; MESSAGE_OCTETS_MAX]);
    loop {
        out.clear();
        if query.poll_transmit(&mut out) {
            socket.send(&out).await?;
        }
        if let Some(outcome) = query.poll_outcome() {
            return Ok(outcome);
        }
        let due = query.poll_timeout().map_or_else(Instant::now, |wakeup| wakeup.at);
        tokio::select! {
            received = socket.recv(&mut buffer) => query.handle_message(Instant::now(), &buffer[..received?]),
            () = tokio::time::sleep_until(due.into()) => query.handle_timeout(Instant::now()),
        }
    }
}

/// Asks on a connection that nothing else is asked on at the same time.
async fn on_connection(connection: &mut Connection, query: &mut Query) -> io::Result<Outcome> {
    let (mut out, mut arrived) = (Vec::new(), Vec::new());
    loop {
        while let Some((length, rest)) = arrived.split_first_chunk::<2>()
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length)))
        {
            query.handle_message(Instant::now(), message);
            let taken = 2 + message.len();
            arrived.drain(..taken);
        }
        out.clear();
        if query.poll_transmit(&mut out) {
            connection.send(&framed(&out))?;
        }
        if let Some(outcome) = query.poll_outcome() {
            return Ok(outcome);
        }
        let due = query.poll_timeout().map_or_else(Instant::now, |wakeup| wakeup.at);
        tokio::select! {
            goes_on = connection.next(&mut arrived) => {
                if !goes_on? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            () = tokio::time::sleep_until(due.into()) => query.handle_timeout(Instant::now()),
        }
    }
}

/// Asks within a session (RFC 8490): the server has to confirm it before the question leaves (PU3).
///
/// # Errors
/// Unreachable when there is no session or no answer.
pub(super) async fn in_session(
    options: &ServerOptions,
    asked: &Asked,
    is_recursive: bool,
) -> Result<(SocketAddr, Answer), Fault> {
    let (server, trust) = match options.tls {
        true => (options.protected().await?, Some(options.trust())),
        false => (options.plain().await?, None),
    };
    let address = server.addresses[0];
    let opened = Connection::open(address, &server.host, trust.as_ref()).await;
    let mut connection = opened.map_err(|fault| connect_fault(&server, fault))?;
    let mut query = Query::new(Instant::now(), asked.clone(), is_recursive, Way::Stream, seed()?);
    let outcome = converse(&mut connection, &mut query).await;
    connection.close(Close::Graceful).await;
    let unreachable = |why: &str| {
        Fault::unreachable(format!("{}: {why}", server.shown())).hint("`wayhouse query` without --dso needs no session")
    };
    match outcome {
        Ok(Outcome::Answered(answer)) => Ok((address, *answer)),
        Ok(Outcome::Unanswered) => Err(unreachable("no answer in time")),
        Ok(Outcome::Malformed | Outcome::Truncated) => Err(unreachable("what it says is no answer")),
        Err(error) => Err(unreachable(&error.to_string())),
    }
}

async fn converse(connection: &mut Connection, query: &mut Query) -> io::Result<Outcome> {
    let mut subscriber = Subscriber::new(Instant::now(), Arc::default(), PushDialect::Rfc8765, 0);
    let mut records = RecordSet::new(ClientLimits::default());
    let (mut out, mut message, mut arrived) = (Vec::new(), Vec::new(), Vec::new());
    subscriber.open(Instant::now(), &mut out).map_err(io::Error::other)?;
    loop {
        while let Some(told) = subscriber.poll_event() {
            match told {
                Told::Established => {
                    query.poll_transmit(&mut message);
                    subscriber.send_dns(Instant::now(), &message, &mut out).map_err(io::Error::other)?;
                }
                Told::Dns(answer) => query.handle_message(Instant::now(), &answer),
                Told::WithoutDso => return Err(io::Error::other("it knows no sessions")),
                Told::Ended(end) => return Err(io::Error::other(end.why)),
                Told::Subscribed(_) | Told::Refused { .. } | Told::Changed(_) => {}
            }
        }
        if let Some(outcome) = query.poll_outcome() {
            return Ok(outcome);
        }
        connection.send(&std::mem::take(&mut out))?;
        let due = [query.poll_timeout(), subscriber.poll_timeout()].into_iter().fold(None, Wakeup::earliest);
        let due = due.map_or_else(Instant::now, |wakeup| wakeup.at);
        tokio::select! {
            goes_on = connection.next(&mut arrived) => {
                if !goes_on? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                subscriber.handle_data(Instant::now(), &std::mem::take(&mut arrived), &mut records, &mut out);
            }
            () = tokio::time::sleep_until(due.into()) => {
                query.handle_timeout(Instant::now());
                subscriber.handle_timeout(Instant::now(), &mut records, &mut out);
            }
        }
    }
}
