//! A device that registers by update, in a bottle: what it sends is written record by record, and signed with its key.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use wayhouse_node::Config;
use wayhouse_node::config::Network;
use wayhouse_proto::crypto::{Algorithm, SigningKey};
use wayhouse_proto::dns::sig0;
use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Message, MessageWriter, Name, Opcode, OptRcode, Rcode, Rtype, Section, UpdateLease,
};

use crate::house::{House, meta};

/// When tests begin, seconds since 1970.
pub const WALL_S: u64 = 1_800_000_000;
/// Where requesters send from.
pub const SENSOR: &str = "[2001:db8::a]:49152";

static MESSAGE_IDS: AtomicU16 = AtomicU16::new(1);

/// A device with a key.
pub struct Requester {
    key: SigningKey,
    /// The host's name, without a zone.
    pub host: String,
    pub zone: String,
    /// The lease asked for, and that of the key.
    pub lease: Vec<u32>,
    /// Records, one a line: `NAME add TTL TYPE DATA`, `NAME delete`, `NAME remove TYPE DATA`.
    pub lines: String,
    /// Octets of padding.
    pub padding: Option<usize>,
    /// Seconds since 1970 by its clock; 0 for none.
    pub wall_s: u64,
}

/// A device whose key is made from a number.
pub fn requester(host: &str, key: u8) -> Requester {
    Requester {
        key: SigningKey::new(Algorithm::EcdsaP256Sha256, &[key; 32]).expect("a key"),
        host: host.into(),
        zone: "services.home.arpa".into(),
        lease: vec![7_200, 1_209_600],
        lines: String::new(),
        padding: None,
        wall_s: WALL_S,
    }
}

impl Requester {
    /// The lines of the host itself.
    pub fn host_lines(&self, addresses: &[&str]) -> String {
        let host = &self.host;
        let mut lines = format!("{host} delete\n{host} add 120 KEY\n");
        for address in addresses {
            let rtype = if address.contains(':') { "AAAA" } else { "A" };
            lines += &format!("{host} add 120 {rtype} {address}\n");
        }
        lines
    }
    /// A lamp with one CoAP service called like its host.
    pub fn lamp(mut self) -> Requester {
        let label = format!("{} lamp", self.host);
        self.lines = self.host_lines(&["2001:db8::a"]) + &self.service(&label, "_coap._udp", 5683, "path=/l rt=light");
        self
    }
    /// The lines of a service; spaces in its label are written `\032`.
    pub fn service(&self, label: &str, service: &str, port: u16, text: &str) -> String {
        let (label, host) = (label.replace(' ', "\\032"), &self.host);
        format!(
            "{service} add 120 PTR {label}.{service}\n{label}.{service} delete\n\
             {label}.{service} add 120 SRV {port} {host}\n{label}.{service} add 120 TXT {text}\n"
        )
    }
    pub fn with(mut self, lines: &str) -> Requester {
        self.lines += lines;
        self
    }
    pub fn lease(mut self, lease: &[u32]) -> Requester {
        self.lease = lease.to_vec();
        self
    }
    pub fn in_zone(mut self, zone: &str) -> Requester {
        self.zone = zone.into();
        self
    }
    /// The data of its KEY record.
    pub fn key_rdata(&self) -> Vec<u8> {
        let mut rdata = Vec::new();
        Key::encode(0x0201, 13, &self.key.public_key(), &mut rdata);
        rdata
    }
    /// The message, signed.
    pub fn bytes(&mut self) -> Vec<u8> {
        let mut out = self.unsigned();
        let signer = self.name(&self.host);
        let rdata = self.key_rdata();
        let tag = Key::decode(&rdata).expect("a key").tag();
        sig0::sign(&self.key, signer.as_ref(), tag, self.wall_s, None, &mut out, 0);
        out
    }
    /// The message without a signature.
    pub fn unsigned(&mut self) -> Vec<u8> {
        // Two messages that are the same would count as one that is repeated.
        let id = MESSAGE_IDS.fetch_add(1, Ordering::Relaxed);
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
        let mut writer = MessageWriter::new(&mut out, &mut compressor, id, flags, 65_535);
        let zone = Name::parse(&self.zone).expect("a zone");
        writer.question(zone.as_ref(), Rtype::SOA, Class::IN).expect("room");
        for line in self.lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let (section, words) =
                if words[0] == "needs" { (Section::Answer, &words[1..]) } else { (Section::Authority, &words[..]) };
            let (class, ttl_s, rtype, data) = match words[1] {
                "delete" => (Class::ANY, 0, words.get(2).copied().unwrap_or("ANY"), &[][..]),
                "unused" => (Class::NONE, 0, "ANY", &[][..]),
                "remove" => (Class::NONE, 0, words[2], &words[3..]),
                _ => (Class::IN, words[2].parse().expect("a number"), words[3], &words[4..]),
            };
            let rtype: Rtype = rtype.parse().expect("a type");
            let is_bare = class == Class::ANY || rtype == Rtype::ANY || class == Class::NONE && data.is_empty();
            let data = if is_bare { Vec::new() } else { self.data(rtype, data) };
            writer.record(section, self.name(words[0]).as_ref(), rtype, class, ttl_s, &data).expect("room");
        }
        let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
        let lease: Vec<u8> = self.lease.iter().flat_map(|seconds| seconds.to_be_bytes()).collect();
        if !lease.is_empty() {
            let padding = vec![0; self.padding.unwrap_or(0)];
            let options = [(option::UPDATE_LEASE, &lease[..]), (option::PADDING, &padding)];
            let count = if self.padding.is_some() { 2 } else { 1 };
            writer.opt(opt, &options[..count]).expect("room");
        }
        writer.finish();
        out
    }
    fn name(&self, text: &str) -> Name {
        let text = match text.strip_suffix('.') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{text}.{}", self.zone),
        };
        Name::parse(&text).expect("a name")
    }
    fn data(&self, rtype: Rtype, data: &[&str]) -> Vec<u8> {
        match (rtype, data) {
            (Rtype::A | Rtype::AAAA, [address]) => match address.parse().expect("an address") {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            },
            (Rtype::KEY, _) => self.key_rdata(),
            (Rtype::PTR, [target]) => self.name(target).wire().to_vec(),
            (Rtype::SRV, [port, target]) => {
                let port: u16 = port.parse().expect("a port");
                [&[0; 4], &port.to_be_bytes()[..], self.name(target).wire()].concat()
            }
            (Rtype::TXT, strings) => {
                strings.iter().flat_map(|text| [&[text.len() as u8], text.as_bytes()].concat()).collect()
            }
            _ => vec![1],
        }
    }
}

/// What an update was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    pub rcode: Rcode,
    pub lease: Option<UpdateLease>,
}

impl Granted {
    pub fn read(bytes: &[u8]) -> Granted {
        let message = Message::decode(bytes).expect("a well-formed answer");
        assert!(message.header.is_response() && message.header.flags.opcode() == Opcode::UPDATE);
        // Apple's client finds its lease only in an answer that has nothing else.
        assert_eq!(message.header.counts[..3], [0; 3]);
        let lease = message.edns().and_then(|edns| edns.update_lease()).map(|lease| lease.expect("a lease"));
        Granted { rcode: message.header.flags.rcode(), lease }
    }
}

/// A house that takes updates from documentation addresses and knows the time.
pub fn house() -> House {
    house_with(|_| {})
}
pub fn house_with(configure: impl FnOnce(&mut Config)) -> House {
    let mut house = House::with(|config| {
        let address = "2001:db8::".parse().expect("a prefix");
        config.dns.update_sources = vec![Network { address, prefix_length: 32 }];
        configure(config);
    });
    house.node.set_wall_clock(house.now, WALL_S);
    house
}

impl House {
    /// Sends an update in a datagram.
    pub fn update_maybe(&mut self, from: &str, requester: &mut Requester) -> Option<Granted> {
        let meta = Meta { socket: SocketId::Dns(0), ..meta(from) };
        self.node.handle_datagram(self.now, &meta, &requester.bytes());
        let mut out = Vec::new();
        let answer = self.node.poll_transmit(&mut out);
        // Observers may be told as well.
        self.drain();
        answer.map(|_| Granted::read(&out))
    }
    pub fn update(&mut self, requester: &mut Requester) -> Granted {
        self.update_maybe(SENSOR, requester).expect("an answer")
    }
    /// Sends an update that is taken.
    pub fn register_by_update(&mut self, requester: &mut Requester) {
        let granted = self.update(requester);
        assert_eq!(granted.rcode, Rcode::NOERROR, "{}", requester.lines);
    }
}
