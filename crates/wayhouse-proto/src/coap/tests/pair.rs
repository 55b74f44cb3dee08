//! Two stations and the network between them; the test decides what becomes of each datagram.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::notation::Msg;
use super::station::{Sent, Station};
use crate::coap::endpoint::Settings;
use crate::io::{Destination, Meta, SocketId, StreamId, StreamInput};

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrive,
    Drop,
    Twice,
    Late(Duration),
}

/// A datagram, or octets of the connection, on the way.
struct Flying {
    at: Instant,
    sequence: u64,
    to_server: bool,
    /// Our port of the client, in place of its socket.
    client_port: u16,
    octets: Vec<u8>,
    is_stream: bool,
    is_close: bool,
}

type Fates = Box<dyn FnMut(&Msg, bool) -> Fate>;

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) client: Station,
    pub(crate) server: Station,
    pub(crate) latency: Duration,
    /// Decides by the message and whether it goes to the server.
    pub(crate) fates: Fates,
    /// Every datagram that was sent: `>` to the server, `<` to the client.
    pub(crate) log: Vec<String>,
    flying: Vec<Flying>,
    sequence: u64,
}

pub(crate) const SERVER: &str = "192.168.0.7:40000";

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::with(Settings::default(), Settings::default())
    }
    pub(crate) fn with(client: Settings, server: Settings) -> Pair {
        let mut client = Station::with(client);
        let server = Station::with(server);
        (client.now, client.started) = (server.now, server.started);
        Pair {
            client,
            server,
            latency: Duration::from_millis(10),
            fates: Box::new(|_, _| Fate::Arrive),
            log: Vec::new(),
            flying: Vec::new(),
            sequence: 0,
        }
    }
    /// Opens a connection between the two.
    pub(crate) fn connect(&mut self, stream: u64) {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let (a, b) = (address("192.168.0.9:50000"), address("192.168.0.7:5683"));
        let now = self.client.now;
        let opened = StreamInput::Opened { remote: b, local: a, is_initiator: true };
        self.client.endpoint.handle_stream(now, StreamId(stream), opened);
        let opened = StreamInput::Opened { remote: a, local: b, is_initiator: false };
        self.server.endpoint.handle_stream(now, StreamId(stream), opened);
        self.exchange();
    }

    /// Puts what both have to say onto the network.
    fn exchange(&mut self) {
        for to_server in [true, false] {
            let station = if to_server { &mut self.client } else { &mut self.server };
            let sent = station.drain();
            for sent in sent {
                self.send(sent, to_server);
            }
        }
    }
    fn send(&mut self, sent: Sent, to_server: bool) {
        let mut fate = Fate::Arrive;
        let (client_port, is_stream, is_close) = match sent.transmit.to {
            Destination::Datagram { socket, remote, .. } => {
                let message = sent.msg();
                self.log.push(format!("{} {message}", if to_server { '>' } else { '<' }));
                fate = (self.fates)(&message, to_server);
                match (to_server, socket) {
                    (true, SocketId::Client(n)) => (10_000 + n, false, false),
                    (true, SocketId::Listener(n)) => (20_000 + n, false, false),
                    (true, SocketId::Group | SocketId::Dns(_)) => panic!("one server is no group"),
                    (false, _) => (remote.port(), false, false),
                }
            }
            Destination::Stream(_) => (0, true, false),
            Destination::CloseStream(_) | Destination::AbortStream(_) => (0, true, true),
        };
        let (copies, delay) = match fate {
            Fate::Arrive => (1, Duration::ZERO),
            Fate::Drop => (0, Duration::ZERO),
            Fate::Twice => (2, Duration::ZERO),
            Fate::Late(delay) => (1, delay),
        };
        for _ in 0..copies {
            self.sequence += 1;
            self.flying.push(Flying {
                at: sent.at + self.latency + delay,
                sequence: self.sequence,
                to_server,
                client_port,
                octets: sent.octets.clone(),
                is_stream,
                is_close,
            });
        }
    }
    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.client.now + time;
        loop {
            self.exchange();
            let arrival = self.flying.iter().map(|flying| flying.at).min();
            let wakeups =
                [&self.client, &self.server].map(|station| station.endpoint.poll_timeout().map(|wakeup| wakeup.at));
            let Some(next) = wakeups.into_iter().flatten().chain(arrival).min().filter(|next| *next <= end) else {
                break;
            };
            let next = next.max(self.client.now);
            (self.client.now, self.server.now) = (next, next);
            for station in [&mut self.client, &mut self.server] {
                station.endpoint.handle_timeout(next);
            }
            self.flying.sort_by_key(|flying| (flying.at, flying.sequence));
            while self.flying.first().is_some_and(|flying| flying.at <= next) {
                let flying = self.flying.remove(0);
                self.arrive(flying);
            }
        }
        (self.client.now, self.server.now) = (end, end);
    }
    fn arrive(&mut self, flying: Flying) {
        let server: SocketAddr = SERVER.parse().expect("an address");
        if flying.is_stream {
            let now = self.client.now;
            let station = if flying.to_server { &mut self.server } else { &mut self.client };
            if flying.is_close {
                station.endpoint.handle_stream(now, StreamId(1), StreamInput::Closed);
            } else {
                for sent in station.hear_stream(1, &flying.octets) {
                    self.send(sent, !flying.to_server);
                }
            }
            return;
        }
        if flying.to_server {
            let remote = SocketAddr::new("192.168.0.9".parse().expect("an address"), flying.client_port);
            let meta = Meta { remote, ..self.server.meta };
            self.server.deliver(&meta, &flying.octets);
        } else {
            let socket = match flying.client_port {
                port @ 20_000.. => SocketId::Listener(port - 20_000),
                port => SocketId::Client(port - 10_000),
            };
            let meta = Meta { socket, remote: server, ..self.client.meta };
            self.client.deliver(&meta, &flying.octets);
        }
    }
    /// Datagrams sent so far that contain a text.
    pub(crate) fn logged(&self, part: &str) -> Vec<&str> {
        self.log.iter().map(String::as_str).filter(|line| line.contains(part)).collect()
    }
}
