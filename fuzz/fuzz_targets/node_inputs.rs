//! Arbitrary datagrams, stream octets and timeouts into a node: it neither panics nor leaves its bounds, and always
//! comes to rest.
//!
//! The input is a list of steps: `kind (1) | peer (1) | length (2, big-endian) | octets`. Most steps are shaped into
//! requests to the directory's resources or into answers to what the node sent, so that these are reached without luck.
#![no_main]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wayhouse_node::config::Network;
use wayhouse_node::{Config, Node};
use wayhouse_proto::io::{Destination, Meta, SocketId, StreamId, StreamInput};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message};

/// Registrants that the node under test may hold.
const ENTRIES_MAX: usize = 8;
/// Observed lookups that it may hold.
const OBSERVED_MAX: usize = 4;
/// The CoAP group that multicast datagrams come by.
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0xfd);
/// Wake-ups in a row without time passing, at most.
const ROUNDS_MAX: usize = 10_000;

const PATHS: [&[&[u8]]; 6] = [
    &[],
    &[b".well-known", b"core"],
    &[b".well-known", b"rd"],
    &[b"rd"],
    &[b"rd-lookup", b"ep"],
    &[b"rd-lookup", b"res"],
];

/// A node and what a client remembers of it, so that later steps can follow up on earlier ones.
struct House {
    node: Node,
    now: Instant,
    out: Vec<u8>,
    /// The last location that the node gave.
    location: Vec<Vec<u8>>,
    /// The last Echo value that it sent.
    echo: Vec<u8>,
    /// The last request or confirmable message that it sent: to whom, message ID, token.
    message: Option<(SocketAddr, u16, Vec<u8>)>,
}

fuzz_target!(|input: &[u8]| {
    let mut config = Config::default();
    config.registry.entries_max = ENTRIES_MAX;
    config.registry.expired_max = 2;
    config.coap.limits.observers_max = OBSERVED_MAX;
    config.coap.limits.streams_max = 2;
    config.directory.observed_lookups_max = OBSERVED_MAX;
    config.directory.require_freshness = input.len() % 2 == 1;
    config.directory.trusted_consumers =
        vec![Network { address: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)), prefix_length: 128 }];
    let mut node = Node::new(config, 1);
    node.set_event_interest(true);
    let now = Instant::now();
    let mut house = House { node, now, out: Vec::new(), location: Vec::new(), echo: Vec::new(), message: None };
    let mut rest = input;
    while let [kind, peer, high, low, tail @ ..] = rest {
        let length = (usize::from(*high) << 8 | usize::from(*low)).min(tail.len());
        let (octets, after) = tail.split_at(length);
        rest = after;
        house.step(*kind, *peer, octets);
        house.settle();
    }
});

impl House {
    fn step(&mut self, kind: u8, peer: u8, octets: &[u8]) {
        match kind % 7 {
            0 => self.node.handle_datagram(self.now, &meta(kind, address(peer), peer), octets),
            1 | 2 => {
                let request = self.aimed(kind, octets);
                self.node.handle_datagram(self.now, &meta(kind, address(peer), peer), &request);
            }
            3 => {
                let input = match kind / 7 % 8 {
                    0 => StreamInput::Opened { remote: address(peer), local: address(0), is_initiator: false },
                    1 => StreamInput::Closed,
                    _ => StreamInput::Data(octets),
                };
                self.node.handle_stream(self.now, StreamId(u64::from(peer % 4)), input);
            }
            4 => self.now += Duration::from_millis(u64::from(peer) * 1_000),
            5 => self.now += Duration::from_millis(u64::from(peer)),
            _ => self.reply(peer, octets),
        }
    }

    /// Lets the node work until it waits for time to pass; everything it sends must be well-formed.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the node never rests: {:?}", self.node.poll_timeout());
            let mut out = std::mem::take(&mut self.out);
            while let Some(transmit) = self.node.poll_transmit(&mut out) {
                if let Destination::Datagram { remote, .. } = transmit.to {
                    let message = Message::decode(&out[out.len() - transmit.octets..]).expect("a well-formed message");
                    self.remember(remote, &message);
                }
            }
            out.clear();
            self.out = out;
            while self.node.poll_persist().is_some() {}
            while self.node.poll_event().is_some() {}
            if self.node.poll_timeout().is_none_or(|wakeup| wakeup.at > self.now) {
                break;
            }
            self.node.handle_timeout(self.now);
        }
        let counters = self.node.counters();
        assert!(counters.registrants <= ENTRIES_MAX);
        assert!(counters.observers <= OBSERVED_MAX);
    }

    fn remember(&mut self, remote: SocketAddr, message: &Message<'_>) {
        if message.code == Code::CREATED {
            self.location = message.options.all(number::LOCATION_PATH).map(<[u8]>::to_vec).collect();
        }
        if let Some(echo) = message.options.first(number::ECHO) {
            self.echo = echo.value.to_vec();
        }
        if message.kind == Kind::Confirmable {
            self.message = Some((remote, message.message_id, message.token.to_vec()));
        }
    }

    /// A request to one of the node's resources; the octets become query and payload.
    fn aimed(&self, selector: u8, octets: &[u8]) -> Vec<u8> {
        let [code, path, parts @ ..] = octets else { return Vec::new() };
        let mut bytes = Vec::new();
        let kind = if selector & 0x40 == 0 { Kind::Confirmable } else { Kind::NonConfirmable };
        let message_id = u16::from(*code) << 8 | parts.len() as u16 & 0xff;
        let mut message = Encoder::datagram(&mut bytes, kind, Code(code % 8), message_id, &[*path]);
        if path & 0x80 != 0 {
            message.option(number::OBSERVE, &[]);
        }
        match PATHS.get(usize::from(path & 7)) {
            Some(segments) => segments.iter().for_each(|segment| message.option(number::URI_PATH, segment)),
            None => self.location.iter().for_each(|segment| message.option(number::URI_PATH, segment)),
        }
        let (query, payload) = match parts.iter().position(|octet| *octet == b'\n') {
            Some(place) => (&parts[..place], &parts[place + 1..]),
            None => (parts, &[][..]),
        };
        for argument in query.split(|octet| *octet == b'&').filter(|argument| !argument.is_empty()) {
            message.option(number::URI_QUERY, &argument[..argument.len().min(255)]);
        }
        if path & 0x40 != 0 && !self.echo.is_empty() {
            message.option(number::ECHO, &self.echo);
        }
        message.payload(payload);
        bytes
    }

    /// Answers, acknowledges or resets what the node sent last.
    fn reply(&mut self, selector: u8, octets: &[u8]) {
        let Some((remote, message_id, token)) = self.message.clone() else { return };
        let mut bytes = Vec::new();
        match selector % 4 {
            0 => _ = Encoder::datagram(&mut bytes, Kind::Reset, Code::EMPTY, message_id, &[]),
            1 => _ = Encoder::datagram(&mut bytes, Kind::Acknowledgement, Code::EMPTY, message_id, &[]),
            _ => {
                let mut message =
                    Encoder::datagram(&mut bytes, Kind::Acknowledgement, Code::CONTENT, message_id, &token);
                message.option_uint(number::CONTENT_FORMAT, 40);
                message.payload(octets);
            }
        }
        self.node.handle_datagram(self.now, &meta(0, remote, 0), &bytes);
    }
}

fn address(peer: u8) -> SocketAddr {
    let link_local = peer & 0x80 != 0;
    let prefix = if link_local { 0xfe80 } else { 0x2001 };
    let second = if link_local { 0 } else { 0xdb8 };
    SocketAddr::new(Ipv6Addr::new(prefix, second, 0, 0, 0, 0, 0, u16::from(peer % 4)).into(), 5683)
}

fn meta(kind: u8, remote: SocketAddr, peer: u8) -> Meta {
    Meta {
        socket: SocketId::Listener(0),
        remote,
        local: None,
        interface: u32::from(peer >> 4 & 3),
        is_multicast: kind & 0x80 != 0,
        group: (kind & 0x80 != 0).then_some(IpAddr::V6(GROUP)),
    }
}
