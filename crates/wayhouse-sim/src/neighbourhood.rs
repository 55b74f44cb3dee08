//! One link with a client and many devices on it: groups, losses, duplicates, and whoever forges a source.
//!
//! Each device has an address of its own and one listener; a datagram to a group reaches every device that is a member, each copy
//! with a fate of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_node::device::{Device, Settings as DeviceSettings};
use wayhouse_proto::coap::endpoint::Settings;
use wayhouse_proto::coap::{Answer, Endpoint};
use wayhouse_proto::io::{Destination, Meta, SocketId};

use crate::network::{Network, Packet, Weather};

/// The client's address.
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));
/// The client's port for requests to groups; others follow it.
const GROUP_PORT: u16 = 39_999;

/// The link.
#[derive(Debug)]
pub struct Neighbourhood {
    /// Virtual time.
    pub now: Instant,
    /// The network between all.
    pub network: Network,
    /// The client.
    pub client: Endpoint,
    /// What it was answered, in order.
    pub answers: VecDeque<Answer>,
    /// Octets that each address got from devices, and how many datagrams.
    pub received: BTreeMap<SocketAddr, (usize, usize)>,
    devices: Vec<Device>,
    due: BTreeSet<(Instant, usize)>,
    wakeups: Vec<Option<Instant>>,
    by_address: BTreeMap<IpAddr, usize>,
    seed: u64,
}

impl Neighbourhood {
    /// A link with a client alone.
    pub fn new(seed: u64, weather: Weather) -> Neighbourhood {
        #[allow(clippy::disallowed_methods, reason = "the one origin of virtual time")]
        let now = Instant::now();
        Neighbourhood {
            now,
            network: Network::new(weather, seed ^ 0x6c69_6e6b),
            client: Endpoint::new(Settings::default(), seed),
            answers: VecDeque::new(),
            received: BTreeMap::new(),
            devices: Vec::new(),
            due: BTreeSet::new(),
            wakeups: Vec::new(),
            by_address: BTreeMap::new(),
            seed,
        }
    }
    /// Adds a device; returns its address.
    pub fn add(&mut self, settings: DeviceSettings) -> SocketAddr {
        let index = self.devices.len();
        let seed = self.seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.devices.push(Device::new(self.now, settings, seed));
        self.wakeups.push(None);
        self.by_address.insert(address(index).ip(), index);
        self.drain_device(index);
        address(index)
    }
    /// A device.
    pub fn device(&self, index: usize) -> &Device {
        &self.devices[index]
    }
    /// All devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter()
    }
    /// Does something with a device and sends what comes of it.
    pub fn with_device<T>(&mut self, index: usize, act: impl FnOnce(&mut Device, Instant) -> T) -> T {
        let result = act(&mut self.devices[index], self.now);
        self.drain_device(index);
        result
    }
    /// Does something with the client and sends what comes of it.
    pub fn with_client<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let result = act(&mut self.client, self.now);
        self.drain_client();
        result
    }
    /// Sends a datagram with any source, as an attacker would.
    pub fn forge(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.send(from, to, bytes.to_vec());
    }
    /// Runs until `time` has passed.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// One event, if one is due by `end`.
    fn step(&mut self, end: Instant) -> bool {
        let own = [self.network.next_arrival(), self.client.poll_timeout().map(|wakeup| wakeup.at)];
        let next = own.into_iter().flatten().chain(self.due.first().map(|(at, _)| *at)).min();
        let Some(at) = next.filter(|at| *at <= end) else { return false };
        self.now = self.now.max(at);
        if let Some(packet) = self.network.arrive(self.now) {
            self.deliver(&packet);
        } else if let Some((_, index)) = self.due.first().copied().filter(|(at, _)| *at <= self.now) {
            self.devices[index].handle_timeout(self.now);
            self.drain_device(index);
        } else {
            self.client.handle_timeout(self.now);
            self.drain_client();
        }
        true
    }

    fn deliver(&mut self, packet: &Packet) {
        let meta = |socket| Meta {
            socket,
            remote: packet.from,
            local: Some(packet.to.ip()).filter(|_| packet.group.is_none()),
            interface: 1,
            is_multicast: packet.group.is_some(),
            group: packet.group.map(|group| group.ip()),
        };
        if let Some(&index) = self.by_address.get(&packet.to.ip()) {
            self.devices[index].handle_datagram(self.now, &meta(SocketId::Listener(0)), &packet.bytes);
            self.drain_device(index);
            return;
        }
        let (octets, datagrams) = self.received.entry(packet.to).or_default();
        (*octets, *datagrams) = (*octets + packet.bytes.len(), *datagrams + 1);
        if packet.to.ip() == CLIENT {
            let socket = match packet.to.port() {
                GROUP_PORT => SocketId::Group,
                port => SocketId::Client(port - GROUP_PORT - 1),
            };
            // It offers nothing: requests are none of its affairs.
            let _ = self.client.handle_datagram(self.now, &meta(socket), &packet.bytes);
            self.drain_client();
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if to.ip().is_multicast() {
            let is_member = |device: &Device| device.settings().groups.iter().any(|group| group.address == to);
            let members = self.devices.iter().enumerate().filter(|(_, device)| is_member(device));
            let members: Vec<SocketAddr> = members.map(|(index, _)| address(index)).collect();
            self.network.multicast(self.now, from, to, &members, &bytes);
        } else {
            self.network.send(self.now, Packet { from, to, group: None, bytes });
        }
    }

    /// One mutation, then drain.
    fn drain_device(&mut self, index: usize) {
        let mut bytes = Vec::new();
        while let Some(transmit) = self.devices[index].poll_transmit(&mut bytes) {
            let datagram = std::mem::take(&mut bytes);
            assert_eq!(datagram.len(), transmit.octets, "a transmit tells its octets");
            if let Destination::Datagram { remote, .. } = transmit.to {
                self.send(address(index), remote, datagram);
            }
        }
        while self.devices[index].poll_event().is_some() {}
        let wakeup = self.devices[index].poll_timeout().map(|wakeup| wakeup.at);
        if let Some(at) = std::mem::replace(&mut self.wakeups[index], wakeup) {
            self.due.remove(&(at, index));
        }
        self.due.extend(wakeup.map(|at| (at, index)));
    }

    fn drain_client(&mut self) {
        let mut bytes = Vec::new();
        while let Some(transmit) = self.client.poll_transmit(&mut bytes) {
            let datagram = std::mem::take(&mut bytes);
            if let Destination::Datagram { socket, remote, .. } = transmit.to {
                let port = match socket {
                    SocketId::Client(number) => GROUP_PORT + 1 + number,
                    SocketId::Group | SocketId::Listener(_) | SocketId::Dns(_) => GROUP_PORT,
                };
                self.send(SocketAddr::new(CLIENT, port), remote, datagram);
            }
        }
        while let Some(answer) = self.client.poll_answer() {
            self.answers.push_back(answer);
        }
    }
}

/// The address of a device.
pub fn address(index: usize) -> SocketAddr {
    let octets = (index as u32 + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1 + octets[1], octets[2], octets[3])), 5683)
}
