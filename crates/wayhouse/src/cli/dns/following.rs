//! Carries a [`Follower`] over connections that come and go, and asks for it what is not pushed.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use wayhouse_proto::dns::client::follower::{Event, Follower, Settings, Wish};
use wayhouse_proto::dns::client::{Asked, RecordSet};
use wayhouse_proto::dns::dso_session::{self, Close};
use wayhouse_proto::dns::limits::{ClientLimits, SessionLimits};
use wayhouse_proto::dns::push;
use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::{Name, Rcode};

use super::asking::{Asker, connect_fault, service_servers};
use super::connection::{ConnectFault, Connection};
use super::server::{Server, ServerOptions};
use super::shown;
use super::tls::Trust;
use crate::cli::args::Seconds;
use crate::cli::exit::Fault;

/// How a program stays informed.
#[derive(Debug, Clone, Args)]
pub(crate) struct FollowOptions {
    /// Where nothing is pushed, ask again every so many seconds [default: 900, or when records end]
    #[arg(long, value_name = "SECONDS")]
    pub poll: Option<Seconds>,
}

/// A follower with its sockets.
pub(super) struct Following {
    follower: Follower,
    /// In the order to try; one at least.
    servers: Vec<Server>,
    trust: Option<Trust>,
    connection: Option<Connection>,
    asker: Asker,
    out: Vec<u8>,
    arrived: Vec<u8>,
    /// Why the last connection did not come about; told when polling begins.
    why_not: Option<Fault>,
    /// What is being granted.
    wish: Option<Wish>,
    /// The reason for refusals that was told last.
    refused: Option<Rcode>,
}

impl Following {
    /// Follows nothing yet. PU1: over TLS unless TCP was asked for; at the server that the zone of `name` tells
    /// (RFC 8765 §6.1), or where the options say.
    pub(super) async fn new(options: &ServerOptions, follow: &FollowOptions, name: &Name) -> Result<Following, Fault> {
        let mut asker = Asker::plain(options.plain().await?, true);
        if options.tcp {
            return Ok(Following::with(vec![options.plain().await?], None, asker, follow));
        }
        let mut servers = Vec::new();
        if options.tls_port.is_none() {
            servers = service_servers(&mut asker, name, "_dns-push-tls._tcp").await;
        }
        if servers.is_empty() {
            servers.push(options.protected().await?);
        }
        // Whoever says whom to believe is not told things by anybody else.
        if options.tls || options.names_whom_to_believe() {
            asker = Asker::protected(options, true).await?;
        }
        Ok(Following::with(servers, Some(options.trust()), asker, follow))
    }
    fn with(servers: Vec<Server>, trust: Option<Trust>, asker: Asker, follow: &FollowOptions) -> Following {
        let dialect = PushDialect::Rfc8765;
        let session = dso_session::Settings {
            operations: push::operations(dialect),
            // Apple's proxy is the other server of push there is.
            takes_bare_keepalive: true,
            limits: SessionLimits { message_octets_max: usize::from(u16::MAX), ..SessionLimits::default() },
            ..dso_session::Settings::default()
        };
        let settings = Settings {
            session: Arc::new(session),
            dialect,
            instance: servers[0].instance(),
            poll_interval: follow.poll.map(|seconds| seconds.0),
            limits: ClientLimits::default(),
        };
        Following {
            follower: Follower::new(Instant::now(), settings),
            servers,
            trust,
            connection: None,
            asker,
            out: Vec::new(),
            arrived: Vec::new(),
            why_not: None,
            wish: None,
            refused: None,
        }
    }
    /// What is known.
    pub(super) fn records(&self) -> &RecordSet {
        self.follower.records()
    }
    /// Says what to follow.
    pub(super) fn set_wanted(&mut self, wanted: &BTreeSet<Asked>) {
        self.follower.set_wanted(Instant::now(), wanted, &mut self.out);
    }
    /// Why there is no connection that pushes, if there is none.
    pub(super) fn take_why_not(&mut self) -> Option<Fault> {
        self.why_not.take()
    }

    /// What happens next. May be dropped at any time: an attempt to connect or to ask begins again then.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.follower.poll_event() {
                if self.is_news(&event) {
                    return event;
                }
                continue;
            }
            // A wish whose granting was dropped half way is granted anew.
            self.wish = self.wish.take().or_else(|| self.follower.poll_wish(Instant::now()));
            if let Some(wish) = self.wish.clone() {
                self.grant(wish).await;
                self.wish = None;
                continue;
            }
            if let Err(error) = self.send() {
                self.lose(&error);
                continue;
            }
            let due = self.follower.poll_timeout().map(|wakeup| wakeup.at);
            let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            tokio::select! {
                arrived = receive(&mut self.connection, &mut self.arrived) => match arrived {
                    Ok(true) => {
                        self.follower.handle_data(Instant::now(), &self.arrived, &mut self.out);
                        self.arrived.clear();
                    }
                    Ok(false) => self.lose(&io::ErrorKind::UnexpectedEof.into()),
                    Err(error) => self.lose(&error),
                },
                () = tokio::time::sleep_until(due.into()) => {
                    self.follower.handle_timeout(Instant::now(), &mut self.out);
                }
            }
        }
    }
    /// A server that refuses many questions for one reason is told of once.
    fn is_news(&mut self, event: &Event) -> bool {
        match event {
            Event::Refused { rcode, .. } => self.refused.replace(*rcode) != Some(*rcode),
            Event::Pushing => {
                self.refused = None;
                true
            }
            _ => true,
        }
    }
    fn send(&mut self) -> io::Result<()> {
        match (&mut self.connection, self.out.is_empty()) {
            (Some(connection), false) => connection.send(&std::mem::take(&mut self.out)),
            (_, true) => Ok(()),
            (None, false) => {
                self.out.clear();
                Ok(())
            }
        }
    }
    fn lose(&mut self, error: &io::Error) {
        self.connection = None;
        self.out.clear();
        self.why_not = Some(connect_fault(&self.servers[0], ConnectFault::Unreachable(io::Error::from(error.kind()))));
        self.follower.handle_closed(Instant::now());
    }
    async fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Connect => self.connect().await,
            Wish::Close(how) => {
                self.out.clear();
                if let Some(connection) = self.connection.take() {
                    connection.close(how).await;
                }
            }
            Wish::Ask(asked) => {
                let answer = self.asker.ask(&asked).await;
                self.follower.handle_answer(Instant::now(), &asked, answer.ok().as_ref());
            }
        }
    }
    async fn connect(&mut self) {
        self.out.clear();
        self.arrived.clear();
        let everywhere =
            self.servers.iter().flat_map(|server| server.addresses.iter().map(move |address| (server, *address)));
        for (server, address) in everywhere {
            match Connection::open(address, &server.host, self.trust.as_ref()).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.why_not = None;
                    self.follower.handle_connected(Instant::now(), &mut self.out);
                    return;
                }
                Err(fault) => self.why_not = Some(connect_fault(server, fault)),
            }
        }
        self.follower.handle_connect_failed(Instant::now());
    }
    /// Ends the subscriptions and the connection (PU31).
    pub(super) async fn close(mut self) {
        self.follower.finish(Instant::now());
        if let Some(connection) = self.connection.take() {
            connection.close(Close::Graceful).await;
        }
        self.asker.close().await;
    }
}

/// Waits for ever where there is no connection.
async fn receive(connection: &mut Option<Connection>, arrived: &mut Vec<u8>) -> io::Result<bool> {
    match connection {
        Some(connection) => connection.next(arrived).await,
        None => std::future::pending().await,
    }
}

/// Tells a person how they are kept informed; `false` for what is no such thing.
pub(super) fn tell(event: &Event, why_not: Option<Fault>) -> bool {
    match event {
        Event::Pushing => eprintln!("note: the server tells of changes as they happen"),
        Event::Polling { interval } => {
            if let Some(fault) = why_not {
                eprintln!("note: {}", fault.what);
                if let Some(hint) = fault.hint {
                    eprintln!("hint: {hint}");
                }
            }
            let seconds = interval.as_secs_f64();
            eprintln!("note: nothing is pushed; asking again every {seconds} s, or later where records live longer");
        }
        Event::Refused { asked, rcode } => {
            eprintln!("note: the server does not push {}: {rcode}", shown::question(asked));
        }
        Event::Unanswered(asked) => eprintln!("note: no answer about {}", shown::question(asked)),
        Event::Ended(why) => eprintln!("note: the session ended: {why}"),
        Event::Lost => eprintln!("note: the connection was lost"),
        Event::Changed(_) => return false,
    }
    true
}
