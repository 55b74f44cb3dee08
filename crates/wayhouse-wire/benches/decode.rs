//! How long the codecs take: `cargo bench -p wayhouse-wire`. Prints nanoseconds per operation, the best of several rounds.
//!
//! Without `--bench` on its command line (as `cargo test --benches` runs it) every operation is done once, to see that it
//! still works.
#![allow(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::uri::resolve_into;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message, OptionList};
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::{self, Class, Compressor, MessageWriter, OptRcode, Rtype, Section};

const ROUNDS: u32 = 20;
const ROUND: Duration = Duration::from_millis(20);

fn main() {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");

    let mut small = Vec::new();
    let mut request = Encoder::datagram(&mut small, Kind::Confirmable, Code::GET, 7, &[1, 2, 3, 4]);
    request.option(number::URI_PATH, b"temperature");
    let mut registration = Vec::new();
    let mut request = Encoder::datagram(&mut registration, Kind::Confirmable, Code::POST, 7, &[1, 2, 3, 4]);
    request.option(number::URI_PATH, b"rd");
    request.option_uint(number::CONTENT_FORMAT, 40);
    request.option(number::URI_QUERY, b"ep=lamp-0123456789");
    request.option(number::URI_QUERY, b"lt=600");
    let links =
        r#"</sensors/temp>;rt="temperature-c";if="sensor",</light>;rt="light-lux core.s";ct=40;obs,</fw>;sz=99999"#;
    request.payload(links.as_bytes());
    let mut framed = Vec::new();
    let decoded = Message::decode(&registration).expect("our own encoding");
    Frame::encode(&mut framed, decoded.code, decoded.token, decoded.options.iter(), decoded.payload);

    let mut out = Vec::with_capacity(2048);
    let mut list = OptionList::new();
    let measure = |what: &str, work: &mut dyn FnMut()| {
        if is_measuring {
            println!("{what:45} {:8.1} ns", best(work));
        } else {
            work();
        }
    };
    measure(&format!("decode a GET of {} octets", small.len()), &mut || {
        black_box(Message::decode(black_box(&small)).expect("well-formed"));
    });
    measure("decode it and look at its options", &mut || {
        let message = Message::decode(black_box(&small)).expect("well-formed");
        for option in message.options.iter() {
            black_box(option);
        }
    });
    measure(&format!("decode a registration of {} octets", registration.len()), &mut || {
        black_box(Message::decode(black_box(&registration)).expect("well-formed"));
    });
    measure("decode the same as a frame", &mut || {
        black_box(Frame::decode(black_box(&framed)).expect("well-formed"));
    });
    measure("encode a response of 16 octets payload", &mut || {
        out.clear();
        let mut response =
            Encoder::datagram(&mut out, Kind::Acknowledgement, Code::CONTENT, 7, black_box(&[1, 2, 3, 4]));
        response.option_uint(number::CONTENT_FORMAT, 0);
        response.payload(black_box(&[b'x'; 16]));
        black_box(&out);
    });
    measure("gather four options out of order", &mut || {
        list.clear();
        list.push(number::URI_PATH, b"rd");
        list.push(number::URI_PATH, b"1");
        list.push_uint(number::MAX_AGE, 60);
        list.push_uint(number::CONTENT_FORMAT, 40);
        black_box(&list);
    });
    measure(&format!("check {} octets of link-format", links.len()), &mut || {
        black_box(LinkFormat::parse_limited(black_box(links.as_bytes())).expect("well-formed"));
    });
    measure("find a parameter in each of its links", &mut || {
        for link in LinkFormat::trusted(black_box(links)).links() {
            black_box(link.parameter("if"));
        }
    });
    measure("resolve a target", &mut || {
        out.clear();
        resolve_into(&mut out, black_box("coap://[2001:db8::1]:61616"), black_box("/sensors/temp"));
        black_box(&out);
    });
    names(&measure);
}

/// DNS: a query with an OPT, and the answer to it.
fn names(measure: &dyn Fn(&str, &mut dyn FnMut())) {
    let parse = |text: &str| dns::Name::parse(text).expect("a name");
    let (service, instance) = (parse("_ipp._tcp.home.example."), parse("Office Printer._ipp._tcp.home.example."));
    let host = parse("printer.home.example.");
    let srv = [&[0, 0, 0, 0, 2, 0x77][..], host.wire()].concat();
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    let mut compressor = Compressor::default();
    let mut query = Vec::new();
    let mut writer = MessageWriter::new(&mut query, &mut compressor, 7, dns::Flags::RD, 512);
    writer.question(service.as_ref(), Rtype::PTR, Class::IN).expect("fits");
    writer.opt(opt, &[]).expect("fits");
    writer.finish();
    measure(&format!("decode a DNS query of {} octets", query.len()), &mut || {
        black_box(dns::Message::decode(black_box(&query)).expect("well-formed"));
    });
    let mut out = Vec::with_capacity(2048);
    let mut answer = |out: &mut Vec<u8>| {
        out.clear();
        let mut writer = MessageWriter::new(out, &mut compressor, 7, dns::Flags::QR, 1232);
        writer.question(black_box(&service).as_ref(), Rtype::PTR, Class::IN).expect("fits");
        let mut add = |section, name: &dns::Name, rtype, rdata: &[u8]| {
            writer.record(section, name.as_ref(), rtype, Class::IN, 120, rdata).expect("fits");
        };
        add(Section::Answer, &service, Rtype::PTR, instance.wire());
        add(Section::Additional, &instance, Rtype::SRV, &srv);
        add(Section::Additional, &instance, Rtype::TXT, b"\x09txtvers=1");
        add(Section::Additional, &host, Rtype::AAAA, &[0x20; 16]);
        writer.opt(opt, &[]).expect("fits");
        writer.finish()
    };
    measure("answer it with four records and an OPT", &mut || {
        black_box(answer(&mut out));
    });
    measure(&format!("decode that answer of {} octets", out.len()), &mut || {
        black_box(dns::Message::decode(black_box(&out)).expect("well-formed"));
    });
}

/// Nanoseconds per call in the best round.
fn best(work: &mut dyn FnMut()) -> f64 {
    let mut calls = 1u32;
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        loop {
            let start = Instant::now();
            (0..calls).for_each(|_| work());
            let took = start.elapsed();
            if took >= ROUND {
                least = least.min(took.as_nanos() as f64 / f64::from(calls));
                break;
            }
            calls *= 2;
        }
    }
    least
}
