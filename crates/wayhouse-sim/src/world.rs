//! Virtual time, one directory node with a disk that can crash, and any number of CoAP clients.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_node::{Config, Event, Node};
use wayhouse_proto::coap::endpoint::Settings;
use wayhouse_proto::coap::{Answer, Endpoint};
use wayhouse_proto::io::{Destination, Meta, SocketId, Transmit};
use wayhouse_registry::{Change, ChangeKind, ChangeNumber, EntryId, Lease, Registrant, Restored};

use crate::network::{Network, Packet, Weather};

/// The directory's address.
pub const DIRECTORY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5683);

/// A client of the world.
#[derive(Debug)]
pub struct Client {
    /// Its engine.
    pub endpoint: Endpoint,
    /// Its address.
    pub address: IpAddr,
    /// What it was answered, in order.
    pub answers: VecDeque<Answer>,
    /// Client sockets it has sent from.
    pub sockets_used: BTreeMap<SocketId, u64>,
}

/// What survives a crash: the changes that the disk has taken.
#[derive(Debug, Default)]
pub struct Disk {
    entries: BTreeMap<EntryId, (Registrant, Lease)>,
    written: u64,
    pending: VecDeque<(Instant, Change)>,
}

impl Disk {
    fn take(&mut self, change: &Change) {
        self.written = change.number.0;
        match (&change.after, change.kind) {
            (Some(after), _) => {
                self.entries.insert(after.id, ((**after).clone(), change.lease));
            }
            (None, ChangeKind::Withdrawn | ChangeKind::Collected | ChangeKind::Expired) => {
                if let Some(before) = &change.before {
                    self.entries.remove(&before.id);
                }
            }
            (None, kind) => panic!("{kind:?} without a value after it"),
        }
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Virtual time.
    pub now: Instant,
    /// The network between all.
    pub network: Network,
    /// The directory.
    pub node: Node,
    /// The clients.
    pub clients: Vec<Client>,
    /// How long the disk takes for a change.
    pub disk_delay: Duration,
    /// Datagrams the directory wanted to send, in all.
    pub sent_by_directory: u64,
    disk: Disk,
    held: VecDeque<(u64, Transmit, Vec<u8>)>,
    config: Config,
    seed: u64,
}

impl World {
    /// A world from a seed.
    pub fn new(seed: u64, weather: Weather, config: Config) -> World {
        #[allow(clippy::disallowed_methods, reason = "the one origin of virtual time")]
        let now = Instant::now();
        World {
            now,
            network: Network::new(weather, seed ^ 0x006e_6574),
            node: Node::new(config.clone(), seed),
            clients: Vec::new(),
            disk_delay: Duration::from_millis(2),
            sent_by_directory: 0,
            disk: Disk::default(),
            held: VecDeque::new(),
            config,
            seed,
        }
    }
    /// Adds a client; returns its index.
    pub fn add_client(&mut self, settings: Settings) -> usize {
        let index = self.clients.len();
        let octets = (index as u32 + 2).to_be_bytes();
        self.clients.push(Client {
            endpoint: Endpoint::new(settings, self.seed.wrapping_add(1 + index as u64)),
            address: IpAddr::V4(Ipv4Addr::new(10, octets[1], octets[2], octets[3])),
            answers: VecDeque::new(),
            sockets_used: BTreeMap::new(),
        });
        index
    }
    /// Does something with a client and sends what comes of it.
    pub fn with<T>(&mut self, client: usize, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let result = act(&mut self.clients[client].endpoint, self.now);
        self.drain_client(client);
        result
    }
    /// Runs until `time` has passed.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }
    /// Runs until a condition holds; `false` when it does not within `patience`.
    pub fn run_until(&mut self, patience: Duration, mut holds: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + patience;
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return holds(self);
            }
        }
    }
    /// Lets time pass without anybody noticing: a suspended machine.
    pub fn jump(&mut self, time: Duration) {
        self.now += time;
    }
    /// Ends the directory's process at once and starts another from the disk. What the disk had not taken is gone.
    pub fn crash(&mut self) {
        self.disk.pending.clear();
        self.held.clear();
        self.seed = self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.node = Node::new(self.config.clone(), self.seed);
        for (registrant, lease) in self.disk.entries.values() {
            let restored = Restored { registrant: registrant.clone(), lease: *lease };
            self.node.restore(self.now, restored).expect("what was stored is acceptable");
        }
        self.node.continue_after(ChangeNumber(self.disk.written));
        self.drain_node();
    }

    /// One event, if one is due by `end`.
    fn step(&mut self, end: Instant) -> bool {
        let mut at = self.network.next_arrival();
        let earlier = |at: Option<Instant>, other: Option<Instant>| match (at, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        at = earlier(at, self.node.poll_timeout().map(|wakeup| wakeup.at));
        at = earlier(at, self.disk.pending.front().map(|(at, _)| *at));
        for client in &self.clients {
            at = earlier(at, client.endpoint.poll_timeout().map(|wakeup| wakeup.at));
        }
        let Some(at) = at.filter(|at| *at <= end) else { return false };
        self.now = self.now.max(at);
        if let Some((due, _)) = self.disk.pending.front()
            && *due <= self.now
        {
            let (_, change) = self.disk.pending.pop_front().expect("looked at");
            self.disk.take(&change);
            self.release();
        } else if let Some(packet) = self.network.arrive(self.now) {
            self.deliver(&packet);
        } else if self.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= self.now) {
            self.node.handle_timeout(self.now);
            self.drain_node();
        } else {
            for index in 0..self.clients.len() {
                if self.clients[index].endpoint.poll_timeout().is_some_and(|wakeup| wakeup.at <= self.now) {
                    self.clients[index].endpoint.handle_timeout(self.now);
                    self.drain_client(index);
                    break;
                }
            }
        }
        true
    }

    fn deliver(&mut self, packet: &Packet) {
        let meta = |socket| Meta {
            socket,
            remote: packet.from,
            local: Some(packet.to.ip()),
            interface: 1,
            is_multicast: false,
            group: None,
        };
        if packet.to == DIRECTORY {
            self.node.handle_datagram(self.now, &meta(SocketId::Listener(0)), &packet.bytes);
            self.drain_node();
        } else if let Some(index) = self.clients.iter().position(|client| client.address == packet.to.ip()) {
            let socket = SocketId::Client(packet.to.port() - 40_000);
            let _ = self.clients[index].endpoint.handle_datagram(self.now, &meta(socket), &packet.bytes);
            self.drain_client(index);
        }
    }

    /// One mutation, then drain.
    fn drain_node(&mut self) {
        while let Some(change) = self.node.poll_persist() {
            self.disk.pending.push_back((self.now + self.disk_delay, change));
        }
        let mut bytes = Vec::new();
        while let Some(transmit) = self.node.poll_transmit(&mut bytes) {
            let datagram = std::mem::take(&mut bytes);
            assert_eq!(datagram.len(), transmit.octets, "a transmit tells its octets");
            self.sent_by_directory += 1;
            if transmit.durable_after > self.disk.written {
                self.held.push_back((transmit.durable_after, transmit, datagram));
            } else {
                self.transmit(&transmit, datagram);
            }
        }
        while let Some(event) = self.node.poll_event() {
            if let Event::Warning(what) = event {
                panic!("the node warns: {what}");
            }
        }
    }

    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        for (after, transmit, datagram) in held {
            if after <= self.disk.written {
                self.transmit(&transmit, datagram);
            } else {
                self.held.push_back((after, transmit, datagram));
            }
        }
    }

    fn transmit(&mut self, transmit: &Transmit, bytes: Vec<u8>) {
        if let Destination::Datagram { remote, .. } = transmit.to {
            self.network.send(self.now, Packet { from: DIRECTORY, to: remote, group: None, bytes });
        }
    }

    fn drain_client(&mut self, index: usize) {
        let mut bytes = Vec::new();
        while let Some(transmit) = self.clients[index].endpoint.poll_transmit(&mut bytes) {
            let datagram = std::mem::take(&mut bytes);
            if let Destination::Datagram { socket, remote, .. } = transmit.to {
                let client = &mut self.clients[index];
                *client.sockets_used.entry(socket).or_default() += 1;
                let SocketId::Client(port) = socket else { continue };
                let from = SocketAddr::new(client.address, 40_000 + port);
                self.network.send(self.now, Packet { from, to: remote, group: None, bytes: datagram });
            }
        }
        while let Some(answer) = self.clients[index].endpoint.poll_answer() {
            self.clients[index].answers.push_back(answer);
        }
    }
}
