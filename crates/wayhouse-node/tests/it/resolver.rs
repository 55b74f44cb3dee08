//! A client of the DNS in a bottle: questions and answers as `dig` would write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wayhouse_node::Node;
use wayhouse_node::config::{Dialects, Transport};
use wayhouse_proto::io::{Destination, Meta, SocketId, StreamId, StreamInput};
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Message, MessageWriter, Name, OptRcode, Rcode, Record, Rtype, Section,
};

use crate::house::{House, PHONE, meta};

/// A question as a test writes it.
#[derive(Debug, Clone)]
pub struct Question {
    pub name: Name,
    pub rtype: Rtype,
    pub class: Class,
    pub flags: Flags,
    pub edns_octets: Option<u16>,
    pub options: Vec<(u16, Vec<u8>)>,
    pub from: String,
}

/// A question for a name and type, without EDNS.
pub fn question(name: &str, rtype: Rtype) -> Question {
    Question {
        name: Name::parse(name).expect("a name in a test"),
        rtype,
        class: Class::IN,
        flags: Flags::default(),
        edns_octets: None,
        options: Vec::new(),
        from: PHONE.into(),
    }
}

impl Question {
    pub fn edns(mut self, octets: u16) -> Question {
        self.edns_octets = Some(octets);
        self
    }
    pub fn option(mut self, number: u16, data: &[u8]) -> Question {
        self.options.push((number, data.into()));
        self
    }
    pub fn bytes(&self) -> Vec<u8> {
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let mut writer = MessageWriter::new(&mut out, &mut compressor, 0x1234, self.flags, 65_535);
        writer.question(self.name.as_ref(), self.rtype, self.class).expect("room");
        if let Some(udp_octets_max) = self.edns_octets {
            let options: Vec<(u16, &[u8])> = self.options.iter().map(|(number, data)| (*number, &data[..])).collect();
            let opt = Opt { udp_octets_max, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
            writer.opt(opt, &options).expect("room");
        }
        writer.finish();
        out
    }
}

/// An answer as a test reads it: records as `NAME TYPE DATA`, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    pub octets: usize,
    pub flags: Flags,
    pub question: Option<String>,
    pub answers: Vec<String>,
    pub authorities: Vec<String>,
    pub additionals: Vec<String>,
    pub ttls: Vec<u32>,
    pub edns: Option<(u16, OptRcode)>,
    pub cookie: Option<Vec<u8>>,
}

impl Looked {
    pub fn read(bytes: &[u8]) -> Looked {
        let message = Message::decode(bytes).expect("a well-formed answer");
        assert!(message.header.is_response());
        assert_eq!(message.header.id, 0x1234);
        let of = |section| {
            let records = message.records(section).filter(|record| record.rtype != Rtype::OPT);
            records.map(|record| show(&record)).collect::<Vec<_>>()
        };
        let question = message.question();
        Looked {
            octets: bytes.len(),
            flags: message.header.flags,
            question: question.map(|question| format!("{} {}", question.name, question.rtype)),
            answers: of(Section::Answer),
            authorities: of(Section::Authority),
            additionals: of(Section::Additional),
            ttls: message.records(Section::Answer).map(|record| record.ttl_s).collect(),
            edns: message.edns().map(|edns| (edns.udp_octets_max, edns.rcode(message.header.flags.rcode()))),
            cookie: message.edns().and_then(|edns| edns.option(10)).map(<[u8]>::to_vec),
        }
    }
    pub fn rcode(&self) -> Rcode {
        self.flags.rcode()
    }
    pub fn sorted(mut self) -> Vec<String> {
        self.answers.sort();
        self.answers
    }
}

/// A record as text.
pub fn show(record: &Record<'_>) -> String {
    let mut rdata = Vec::new();
    record.expand_rdata(&mut rdata).expect("well-formed data");
    let text = format!("{} {} {}", record.name, record.rtype, show_data(record.rtype, &rdata));
    text.replace("\\ ", "\\032")
}

/// Uncompressed data as text.
pub fn show_data(rtype: Rtype, rdata: &[u8]) -> String {
    let name = |at| wayhouse_wire::dns::NameRef::read(rdata, at).expect("a name").0.to_string();
    match rtype {
        Rtype::A => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(rdata).expect("four octets"))).to_string(),
        Rtype::AAAA => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(rdata).expect("sixteen"))).to_string(),
        Rtype::PTR | Rtype::NS => name(0),
        Rtype::SRV => format!("{} {}", u16::from_be_bytes([rdata[4], rdata[5]]), name(6)),
        Rtype::TXT => {
            let (mut strings, mut rest) = (Vec::new(), rdata);
            while let [length, tail @ ..] = rest {
                let (string, behind) = tail.split_at(usize::from(*length));
                strings.push(String::from_utf8_lossy(string).into_owned());
                rest = behind;
            }
            strings.join("|")
        }
        Rtype::SOA => {
            let serial = rdata[rdata.len() - 20..].first_chunk().expect("the serial");
            format!("serial {}", u32::from_be_bytes(*serial))
        }
        _ => format!("{} octets", rdata.len()),
    }
}

/// Everything the node has to send on its DNS side.
pub fn sent(node: &mut Node) -> Vec<(Destination, Vec<u8>)> {
    let (mut out, mut all) = (Vec::new(), Vec::new());
    while let Some(transmit) = node.poll_transmit(&mut out) {
        all.push((transmit.to, out.split_off(out.len() - transmit.octets)));
    }
    all
}

impl House {
    /// What a datagram is answered with.
    pub fn dns_datagram(&mut self, from: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let meta = Meta { socket: SocketId::Dns(0), ..meta(from) };
        self.node.handle_datagram(self.now, &meta, bytes);
        let mut answers = sent(&mut self.node);
        assert!(answers.len() <= 1, "one question, one answer");
        let (to, bytes) = answers.pop()?;
        let Destination::Datagram { socket, remote, .. } = to else { panic!("not a datagram: {to:?}") };
        assert_eq!((socket, remote), (SocketId::Dns(0), from.parse().unwrap()));
        Some(bytes)
    }
    /// Asks over UDP.
    pub fn dig_maybe(&mut self, question: &Question) -> Option<Looked> {
        let answer = self.dns_datagram(&question.from, &question.bytes())?;
        Some(Looked::read(&answer))
    }
    pub fn dig(&mut self, question: &Question) -> Looked {
        self.dig_maybe(question).expect("an answer")
    }
    /// The answers to a question over UDP with room for them, sorted.
    pub fn answers(&mut self, name: &str, rtype: Rtype) -> Vec<String> {
        let looked = self.dig(&question(name, rtype).edns(1232));
        assert_eq!(looked.rcode(), Rcode::NOERROR, "{looked:?}");
        looked.sorted()
    }
    pub fn rcode(&mut self, name: &str, rtype: Rtype) -> Rcode {
        self.dig(&question(name, rtype)).rcode()
    }
    /// Opens a connection.
    pub fn open_dns(&mut self, stream: u64) {
        self.open_dns_as(stream, Transport::Tcp, Dialects::default());
    }
    /// Opens a connection to a listener that follows some texts.
    pub fn open_dns_as(&mut self, stream: u64, transport: Transport, dialects: Dialects) {
        self.node.open_dns_stream(self.now, StreamId(stream), PHONE.parse().unwrap(), transport, dialects);
    }
    /// Sends octets on a connection; what comes back on it, and whether it was closed.
    pub fn dns_octets(&mut self, stream: u64, bytes: &[u8]) -> (Vec<u8>, bool) {
        self.node.handle_stream(self.now, StreamId(stream), StreamInput::Data(bytes));
        self.dns_received(stream)
    }
    pub fn dns_received(&mut self, stream: u64) -> (Vec<u8>, bool) {
        let (mut octets, mut is_closed) = (Vec::new(), false);
        for (to, bytes) in sent(&mut self.node) {
            match to {
                Destination::Stream(StreamId(id)) if id == stream => octets.extend(bytes),
                Destination::CloseStream(StreamId(id)) | Destination::AbortStream(StreamId(id)) if id == stream => {
                    is_closed = true;
                }
                _ => {}
            }
        }
        (octets, is_closed)
    }
}

/// Messages with their lengths in front.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}

/// The messages of a stream.
pub fn unframed(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let [high, low, rest @ ..] = octets {
        let (message, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        messages.push(message.to_vec());
        octets = behind;
    }
    messages
}
