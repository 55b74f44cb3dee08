//! Arbitrary datagrams and connections of the DNS into a node that has names to tell: it neither panics nor amplifies
//! beyond what it says, and everything it sends is well-formed.
//!
//! The input is a list of steps: `kind (1) | length (2, big-endian) | octets`.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wayhouse_node::config::{Dialects, Push, Transport};
use wayhouse_node::face::operator::Entry;
use wayhouse_node::{Command, Config, Node};
use wayhouse_proto::io::{Destination, Meta, SocketId, StreamId, StreamInput};
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::{Header, Message, Opcode};

/// Wake-ups in a row without time passing, at most.
const ROUNDS_MAX: usize = 10_000;

fuzz_target!(|input: &[u8]| {
    let mut config = Config::default();
    config.dns.push = Push::Plain;
    config.dns.answers_per_s = 50;
    let dialect = input.first().map_or(0, |octet| octet % 3);
    let dialects = Dialects {
        push: [PushDialect::Rfc8765, PushDialect::Push10, PushDialect::Push12][usize::from(dialect)],
        sessions: [DsoDialect::Rfc8490, DsoDialect::SessionSignal02, DsoDialect::SessionSignal03]
            [usize::from(dialect)],
        ..Dialects::default()
    };
    let mut node = Node::new(config, 1);
    let mut now = Instant::now();
    for name in ["lamp", "Lamp", "plug"] {
        register(&mut node, now, name, "</l>;rt=light;exp");
    }
    let mut rest = input.get(1..).unwrap_or_default();
    while let [kind, high, low, tail @ ..] = rest {
        let length = (usize::from(*high) << 8 | usize::from(*low)).min(tail.len());
        let (octets, after) = tail.split_at(length);
        rest = after;
        let stream = StreamId(u64::from(kind >> 4 & 3));
        let address = |host: u8| std::net::SocketAddr::from(([192, 0, 2, host], 4000));
        match kind % 8 {
            0..=2 => {
                let meta = Meta {
                    socket: SocketId::Dns(0),
                    remote: address(kind >> 4),
                    local: None,
                    interface: 0,
                    is_multicast: false,
                    group: None,
                };
                node.handle_datagram(now, &meta, octets);
            }
            3 => {
                let transport = if stream.0 % 2 == 0 { Transport::Tcp } else { Transport::Tls };
                node.open_dns_stream(now, stream, address(1), transport, dialects);
            }
            4 | 5 => node.handle_stream(now, stream, StreamInput::Data(octets)),
            6 => match octets.first().map_or(0, |octet| octet % 3) {
                0 => register(&mut node, now, "plug", "</l>;rt=lux;exp;ins=x"),
                1 => register(&mut node, now, "plug", "</l>"),
                _ => node.handle_stream(now, stream, StreamInput::Closed),
            },
            _ => now += Duration::from_millis(u64::from(kind >> 3) * 1_000),
        }
        settle(&mut node, now, octets.len());
    }
});

fn register(node: &mut Node, now: Instant, name: &str, links: &str) {
    let entry = Entry {
        endpoint_name: name.into(),
        base: "coap://10.1.2.3".into(),
        links: links.into(),
        lifetime_s: 60,
        ..Entry::default()
    };
    let _ = node.command(now, Command::Register(entry));
}

/// Lets the node work until it waits for time to pass; everything it sends must be well-formed.
fn settle(node: &mut Node, now: Instant, asked_octets: usize) {
    let mut out = Vec::new();
    for round in 0.. {
        assert!(round < ROUNDS_MAX, "the node never rests: {:?}", node.poll_timeout());
        while let Some(transmit) = node.poll_transmit(&mut out) {
            let octets = &out[out.len() - transmit.octets..];
            match transmit.to {
                Destination::Datagram { socket: SocketId::Dns(_), .. } => {
                    assert!(octets.len() <= 1_232 && asked_octets >= Header::OCTETS);
                    let message = Message::decode(octets).expect("a well-formed answer");
                    assert!(message.header.is_response());
                }
                Destination::Stream(_) => check_frames(octets),
                _ => {}
            }
            out.clear();
        }
        while node.poll_persist().is_some() {}
        if node.poll_timeout().is_none_or(|wakeup| wakeup.at > now) {
            return;
        }
        node.handle_timeout(now);
    }
}

fn check_frames(mut octets: &[u8]) {
    while let [high, low, rest @ ..] = octets {
        let (message, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        let header = Header::peek(message).expect("a header");
        if header.flags.opcode() != Opcode::DSO {
            Message::decode(message).expect("a well-formed answer");
        }
        octets = behind;
    }
    assert!(octets.is_empty(), "frames are whole");
}
