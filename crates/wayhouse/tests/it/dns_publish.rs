//! `publish` against a registrar that the test plays.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use wayhouse_proto::dns::sig0::{Settings, Verified, Verifier};
use wayhouse_proto::rng::Rng;
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::sig0::key_at;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Message, MessageWriter, Name, OptRcode, Rcode, Rtype, Section, UpdateLease,
};

use super::cli_server::{self, PATIENCE, wayhouse};

const LEASE: UpdateLease = UpdateLease { lease_s: 3_600, key_lease_s: Some(7_200) };

/// A registrar on TCP: what it saw, and where it is.
struct Registrar {
    address: SocketAddr,
    seen: Receiver<Vec<u8>>,
}

impl Registrar {
    /// Answers the n-th update as the test says.
    fn start(answer: impl Fn(usize) -> (Rcode, Option<UpdateLease>) + Send + 'static) -> Registrar {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback gives ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (to_test, seen) = channel();
        std::thread::spawn(move || {
            for (index, connection) in listener.incoming().flatten().enumerate() {
                let mut connection = connection;
                let mut length = [0; 2];
                if connection.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut update = vec![0; usize::from(u16::from_be_bytes(length))];
                connection.read_exact(&mut update).expect("a whole message");
                let said = answered(&update, answer(index));
                let _ = to_test.send(update);
                let _ = connection.write_all(&said);
            }
        });
        Registrar { address, seen }
    }
    /// The words that publish a lamp here.
    fn words<'w>(&'w self, address: &'w str, key: &'w Path) -> Vec<&'w str> {
        let key = key.to_str().expect("text");
        let lamp = ["publish", "Desk Lamp", "_coap._udp", "5683", "--subtype", "light", "--txt", "path=/light"];
        let host = ["--host", "desk", "--address", "192.0.2.7", "--zone", "services.home.arpa", "--immediately"];
        [&lamp[..], &host, &["--tcp", "--server", address, "--key", key]].concat()
    }
    fn next(&self) -> Vec<u8> {
        self.seen.recv_timeout(PATIENCE).expect("an update arrives")
    }
}

/// An answer with its length in front.
fn answered(update: &[u8], (rcode, lease): (Rcode, Option<UpdateLease>)) -> Vec<u8> {
    let header = Message::decode(update).expect("a well-formed update").header;
    let (id, mut out, mut compressor) = (header.id, vec![0; 2], Compressor::default());
    let flags = Flags::new(header.flags.opcode(), rcode).with(Flags::QR);
    let mut writer = MessageWriter::new(&mut out, &mut compressor, id, flags, 512);
    if let Some(lease) = lease {
        let opt = Opt { udp_octets_max: 1_232, rcode: OptRcode::from_rcode(rcode), is_dnssec_ok: false };
        writer.opt(opt, &[(option::UPDATE_LEASE, lease.octets(&mut [0; 8]))]).expect("room");
    }
    let octets = writer.finish() as u16;
    out[..2].copy_from_slice(&octets.to_be_bytes());
    out
}

/// The host, the instances (by their SRV records) and the lease of an update whose signature is right.
fn read(update: &[u8]) -> (String, Vec<String>, UpdateLease) {
    let message = Message::decode(update).expect("well-formed");
    let signer = message.sig0().expect("signed").signer;
    let key = key_at(&message, Section::Authority, signer).expect("the host's key");
    let wall_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut verifier = Verifier::new(Instant::now(), Settings::default(), &mut Rng::new(1));
    let peer: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(verifier.verify(Instant::now(), wall_s, peer, &message, &key), Ok(Verified::First));
    let services = message.records(Section::Authority).filter(|record| record.rtype == Rtype::SRV);
    let lease = message.edns().and_then(|edns| edns.update_lease()).expect("a lease").expect("well-formed");
    (signer.to_string(), services.map(|record| record.name.to_string()).collect(), lease)
}

#[test]
fn sr3_sr6_publish_registers_over_tcp_and_prints_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    let registrar = Registrar::start(|_| (Rcode::NOERROR, Some(LEASE)));
    let address = registrar.address.to_string();
    let mut words = registrar.words(&address, &key);
    words.push("--once");
    let ended = wayhouse(&words);
    insta::assert_snapshot!(ended.transcript().replace(key.to_str().unwrap(), "KEY"), @r"
    Desk\ Lamp._coap._udp.services.home.arpa.
    ! note: made a key in KEY: with it, the names stay yours
    ! registered for 3600 s; the names stay reserved for 7200 s
    exit 0
    ");
    let first = registrar.next();
    let (host, instances, lease) = read(&first);
    assert_eq!(host, "desk.services.home.arpa.");
    assert_eq!(instances, ["Desk\\ Lamp._coap._udp.services.home.arpa."]);
    assert_eq!(lease, UpdateLease { lease_s: 7_200, key_lease_s: Some(1_209_600) });
    assert!(registrar.seen.try_recv().is_err(), "with --once nothing is removed");

    // SR5: the next run has the same key, until it is erased.
    let key_of = |update: &[u8]| {
        let message = Message::decode(update).expect("well-formed");
        key_at(&message, Section::Authority, message.sig0().unwrap().signer).unwrap().public_key.to_vec()
    };
    assert_eq!(wayhouse(&words).code, Some(0));
    assert_eq!(key_of(&registrar.next()), key_of(&first));
    let erased = wayhouse(&["publish", "--forget-key", "--key", key.to_str().unwrap()]);
    assert_eq!((erased.code, key.exists()), (Some(0), false), "{erased:?}");
    assert_eq!(wayhouse(&words).code, Some(0));
    assert_ne!(key_of(&registrar.next()), key_of(&first));
}

#[test]
fn sr13_a_taken_name_is_told_and_the_next_tried() {
    let directory = tempfile::tempdir().unwrap();
    let registrar = Registrar::start(|index| match index {
        0 => (Rcode::YXDOMAIN, None),
        _ => (Rcode::NOERROR, Some(LEASE)),
    });
    let (address, key) = (registrar.address.to_string(), directory.path().join("key"));
    let mut words = registrar.words(&address, &key);
    words.extend(["--once", "--json"]);
    let ended = wayhouse(&words);
    let events: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        events.iter().map(|event| event["event"].as_str()).collect::<Vec<_>>(),
        [Some("taken"), Some("registered")]
    );
    assert_eq!(events[1]["instance"], "Desk\\ Lamp\\ (2)._coap._udp.services.home.arpa.");
    assert_eq!((&events[1]["host"], &events[1]["lease"]), (&"desk-2.services.home.arpa.".into(), &3_600.into()));
    registrar.next();
    assert_eq!(read(&registrar.next()).0, "desk-2.services.home.arpa.");
}

#[test]
fn sr16_sr18_publish_refreshes_as_granted_and_removes_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let registrar = Registrar::start(|_| (Rcode::NOERROR, Some(UpdateLease { lease_s: 2, key_lease_s: Some(4) })));
    let (address, key) = (registrar.address.to_string(), directory.path().join("key"));
    let words = registrar.words(&address, &key);
    let mut publishing = cli_server::Running::start(&words);
    assert_eq!(publishing.line(), "Desk\\ Lamp._coap._udp.services.home.arpa.\n");
    for _ in 0..2 {
        assert_eq!(read(&registrar.next()).2.lease_s, 7_200);
    }
    let ended = publishing.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("refreshed") && ended.stderr.contains("removed Desk\\ Lamp"), "{ended:?}");
    let (host, instances, lease) = read(&registrar.next());
    assert_eq!((host.as_str(), instances.len()), ("desk.services.home.arpa.", 0));
    assert_eq!(lease, UpdateLease { lease_s: 0, key_lease_s: Some(1_209_600) });
}

/// Answers questions over UDP on a port: PTR and SRV records by name, an SOA of the zone for everything else.
pub(crate) fn answer_questions(port: u16, records: Vec<(&'static str, Rtype, Vec<u8>)>) {
    let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free for UDP");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((octets, client)) = socket.recv_from(&mut buffer) {
            let asked = Message::decode(&buffer[..octets]).expect("a question");
            let question = asked.question().expect("one");
            let (mut out, mut compressor) = (Vec::new(), Compressor::default());
            let mut writer = MessageWriter::new(&mut out, &mut compressor, asked.header.id, Flags::QR, 512);
            writer.question(question.name, question.rtype, Class::IN).expect("room");
            for (name, rtype, rdata) in &records {
                if Name::parse(name).unwrap() == question.name && *rtype == question.rtype {
                    writer.record(Section::Answer, question.name, *rtype, Class::IN, 60, rdata).expect("room");
                }
            }
            let zone = Name::parse("services.home.arpa").unwrap();
            writer.record(Section::Authority, zone.as_ref(), Rtype::SOA, Class::IN, 60, &[0; 22]).expect("room");
            writer.finish();
            socket.send_to(&out, client).expect("it listens");
        }
    });
}

#[test]
fn sr1_sr30_sr34_the_registrar_is_found_and_may_want_it_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let registrar = Registrar::start(|_| (Rcode::NOERROR, None));
    let asked = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wire = |text: &str| Name::parse(text).unwrap().wire().to_vec();
    let srv = [&[0; 4], &registrar.address.port().to_be_bytes()[..], &wire("ns.services.home.arpa")].concat();
    answer_questions(
        asked.port(),
        vec![
            ("dr._dns-sd._udp.services.home.arpa", Rtype::PTR, wire("services.home.arpa")),
            ("_mldnssd.services.home.arpa", Rtype::PTR, wire("services.home.arpa")),
            ("_inaddr_zone.services.home.arpa", Rtype::PTR, wire("2.0.192.in-addr.arpa")),
            ("_dnssd-srp._tcp.services.home.arpa", Rtype::SRV, srv),
            ("ns.services.home.arpa", Rtype::A, vec![127, 0, 0, 1]),
        ],
    );
    let (server, key) = (asked.to_string(), directory.path().join("key"));
    let words = ["publish", "Lamp", "_coap._udp", "5683", "--host", "desk", "--address", "192.0.2.7", "--immediately"];
    let ended = wayhouse(
        &[&words[..], &["--once", "--stateful", "--server", &server, "--key", key.to_str().unwrap()]].concat(),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "Lamp._coap._udp.services.home.arpa.\n");
    let zones: Vec<String> = registrar
        .seen
        .try_iter()
        .map(|update| Message::decode(&update).unwrap().question().unwrap().name.to_string())
        .collect();
    let zone = "services.home.arpa.";
    assert_eq!(zones, [zone, zone, "2.0.192.in-addr.arpa.", zone, "desk.services.home.arpa."]);
}

#[test]
fn a_refusal_ends_with_1_and_silence_with_3() {
    let directory = tempfile::tempdir().unwrap();
    let registrar = Registrar::start(|_| (Rcode::REFUSED, None));
    let (address, key) = (registrar.address.to_string(), directory.path().join("key"));
    let ended = wayhouse(&registrar.words(&address, &key));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("error: the registrar answers REFUSED\nhint: "), "{ended:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ended = wayhouse(&registrar.words(&nobody, &key));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("cannot be reached"), "{ended:?}");
    for wrong in
        [&["publish"][..], &["publish", "Lamp", "coap", "1", "--zone", "a.example"], &["publish", "L", "_a._b", "x"]]
    {
        assert_eq!(wayhouse(wrong).code, Some(2), "{wrong:?}");
    }
}
