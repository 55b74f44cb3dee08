//! Hosts that register with the real daemon by signed update, and are still there when it comes back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use wayhouse_proto::crypto::{Algorithm, SigningKey};
use wayhouse_proto::dns::sig0;
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Message, MessageWriter, Name, Opcode, OptRcode, Rcode, Rtype, Section,
};

use super::device::Device;
use super::dns::{over_tcp, over_udp, query};
use super::running::{Running, finished};

const ZONE: &str = "default.service.arpa";

/// A signed registration of a host with one CoAP service, for so many seconds.
fn registration(host: &str, key: u8, lease_s: u32, key_lease_s: u32) -> Vec<u8> {
    let key = SigningKey::new(Algorithm::Ed25519, &[key; 32]).unwrap();
    let name = |text: &str| Name::parse(&format!("{text}.{ZONE}")).unwrap();
    let (full, instance) = (name(host), name(&format!("{host}._coap._udp")));
    let mut key_rdata = Vec::new();
    Key::encode(0, key.algorithm().number(), &key.public_key(), &mut key_rdata);
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 4711, flags, 1_232);
    writer.question(Name::parse(ZONE).unwrap().as_ref(), Rtype::SOA, Class::IN).unwrap();
    let mut add = |owner: &Name, rtype, class, ttl_s, rdata: &[u8]| {
        writer.record(Section::Authority, owner.as_ref(), rtype, class, ttl_s, rdata).unwrap();
    };
    add(&full, Rtype::ANY, Class::ANY, 0, &[]);
    add(&full, Rtype::KEY, Class::IN, 120, &key_rdata);
    add(&full, Rtype::A, Class::IN, 120, &[192, 168, 7, 9]);
    add(&instance, Rtype::ANY, Class::ANY, 0, &[]);
    add(&instance, Rtype::SRV, Class::IN, 120, &[&[0, 0, 0, 0, 0x16, 0x33], full.wire()].concat());
    add(&instance, Rtype::TXT, Class::IN, 120, b"\x07path=/t");
    add(&name("_coap._udp"), Rtype::PTR, Class::IN, 120, instance.wire());
    let lease = [lease_s.to_be_bytes(), key_lease_s.to_be_bytes()].concat();
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    writer.opt(opt, &[(option::UPDATE_LEASE, &lease)]).unwrap();
    writer.finish();
    let wall_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let tag = Key::decode(&key_rdata).unwrap().tag();
    sig0::sign(&key, full.as_ref(), tag, wall_s, None, &mut out, 0);
    out
}

fn rcode(answer: &[u8]) -> Rcode {
    Message::decode(answer).unwrap().header.flags.rcode()
}

/// How many addresses a host has.
fn addresses(daemon: &Running, host: &str) -> usize {
    let answer = over_udp(daemon.dns(), &query(&format!("{host}.{ZONE}"), Rtype::A));
    Message::decode(&answer).unwrap().records(Section::Answer).count()
}

#[test]
fn sr26_what_is_registered_by_update_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    assert_eq!(rcode(&over_udp(daemon.dns(), &registration("sensor", 1, 3_600, 7_200))), Rcode::NOERROR);
    assert_eq!(rcode(&over_tcp(daemon.dns(), &registration("plug", 2, 3_600, 7_200))), Rcode::NOERROR);
    assert_eq!(rcode(&over_tcp(daemon.dns(), &registration("gone", 3, 3_600, 7_200))), Rcode::NOERROR);
    assert_eq!(rcode(&over_tcp(daemon.dns(), &registration("gone", 3, 0, 7_200))), Rcode::NOERROR);
    assert_eq!(rcode(&over_udp(daemon.dns(), &registration("sensor", 9, 3_600, 7_200))), Rcode::YXDOMAIN);
    let before = Device::new(daemon.coap()).look_up("sensor");
    assert!(before.contains("base=\"coap://192.168.7.9:5683\"") || before.contains("base=\"coap://192.168.7.9\""));
    // Whatever was acknowledged is on disk.
    daemon.kill();

    let daemon = Running::start(directory.path());
    assert_eq!(daemon.announced("restored"), 2);
    assert_eq!(Device::new(daemon.coap()).look_up("sensor"), before);
    assert_eq!([addresses(&daemon, "sensor"), addresses(&daemon, "plug"), addresses(&daemon, "gone")], [1, 1, 0]);
    for host in ["sensor", "plug", "gone"] {
        assert_eq!(rcode(&over_udp(daemon.dns(), &registration(host, 9, 60, 60))), Rcode::YXDOMAIN, "{host}");
    }
    assert_eq!(rcode(&over_udp(daemon.dns(), &registration("gone", 3, 60, 60))), Rcode::NOERROR);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().0.success());
}

/// Who ends its side behind an update hears what became of it all the same, once it is on disk.
#[test]
fn who_ends_its_side_behind_an_update_gets_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    for (host, key) in [("one", 1), ("two", 2), ("three", 3)] {
        let mut stream = TcpStream::connect(daemon.dns()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let update = registration(host, key, 3_600, 7_200);
        // One behind the other, and a question behind them: each waits for those before it.
        let again = registration(host, key, 3_000, 7_200);
        let question = query(&format!("{host}.{ZONE}"), Rtype::A);
        let messages =
            [&update, &again, &question].map(|message| [&(message.len() as u16).to_be_bytes()[..], message].concat());
        stream.write_all(&messages.concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).unwrap();
        let mut rest = &answers[..];
        let mut told = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (answer, others) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
            told.push((rcode(answer), Message::decode(answer).unwrap().records(Section::Answer).count()));
            rest = others;
        }
        assert_eq!(told, [(Rcode::NOERROR, 0), (Rcode::NOERROR, 0), (Rcode::NOERROR, 1)], "{host}");
    }
}

#[test]
fn the_command_line_lists_what_registered_by_update() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    assert_eq!(rcode(&over_udp(daemon.dns(), &registration("sensor", 1, 3_600, 7_200))), Rcode::NOERROR);
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    let output = finished(list.args(["list", "--json", "--directory", &format!("coap://{}", daemon.coap())]));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("\"sensor\"") && told.contains("\"default.service.arpa\""),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
