//! DNS over TLS of the real daemon: questions, changes as they happen, and peers that do not behave.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use rustix::process::Signal;
use wayhouse_wire::coap::Code;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::push_tlv::{ChangeKind, Changes, encode_subscribe};
use wayhouse_wire::dns::{Class, DsoMessage, DsoWriter, Message, Name, Question, Rcode, Rtype, Section};

use super::device::Device;
use super::dns::{over_udp, query};
use super::running::{Running, command, finished};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
const ZONE: &str = "services.home.arpa";
const BROWSE: &str = "_coap._udp.services.home.arpa";

fn address_of(daemon: &Running) -> SocketAddr {
    daemon.announced("dns_tls")[0].as_str().unwrap().parse().unwrap()
}

fn tcp(daemon: &Running) -> TcpStream {
    let stream = TcpStream::connect(address_of(daemon)).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection of a client that takes any certificate.
fn tls(daemon: &Running) -> SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.build().connect("localhost", tcp(daemon)).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn next_message(stream: &mut SslStream<TcpStream>) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a message in time");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).expect("a message in time");
    message
}

fn is_answered(stream: &mut SslStream<TcpStream>) -> bool {
    stream.write_all(&framed(&query(ZONE, Rtype::SOA))).unwrap();
    let answer = next_message(stream);
    let message = Message::decode(&answer).unwrap();
    message.header.flags.rcode() == Rcode::NOERROR && message.records(Section::Answer).count() == 1
}

fn subscribe(stream: &mut SslStream<TcpStream>, id: u16) {
    let name = Name::parse(BROWSE).unwrap();
    let mut message = Vec::new();
    let question = Question { name: name.as_ref(), rtype: Rtype::PTR, class: Class::IN };
    encode_subscribe(&mut DsoWriter::request(&mut message, id), &question);
    stream.write_all(&framed(&message)).unwrap();
}

fn subscribed(daemon: &Running) -> SslStream<TcpStream> {
    let mut stream = tls(daemon);
    subscribe(&mut stream, 7);
    let answer = next_message(&mut stream);
    assert_eq!(DsoMessage::decode(&answer, DsoDialect::Rfc8490).unwrap().rcode, Rcode::NOERROR);
    stream
}

#[test]
fn questions_are_answered_in_whatever_records_they_come() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut stream = tls(&daemon);
    assert!(is_answered(&mut stream));
    // Every octet in a record of its own, and two questions in one.
    let question = framed(&query(ZONE, Rtype::SOA));
    question.iter().for_each(|octet| stream.write_all(&[*octet]).unwrap());
    next_message(&mut stream);
    stream.write_all(&question.repeat(2)).unwrap();
    next_message(&mut stream);
    next_message(&mut stream);
    assert!(daemon.metrics().contains("wayhouse_dns_tls_established_total 1\n"));
}

#[test]
fn both_versions_are_spoken_and_older_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let connect = |version| {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        connector.set_security_level(0);
        connector.set_min_proto_version(Some(version)).unwrap();
        connector.set_max_proto_version(Some(version)).unwrap();
        connector.set_alpn_protos(b"\x02h2\x03dot").unwrap();
        connector.build().connect("localhost", tcp(&daemon))
    };
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut stream = connect(version).unwrap();
        assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"dot"[..]));
        assert!(is_answered(&mut stream));
    }
    assert!(connect(SslVersion::TLS1_1).is_err());
}

#[test]
fn pu1_subscribers_over_tls_hear_of_devices() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut stream = subscribed(&daemon);
    let registered = Device::new(daemon.coap()).ask(Code::POST, &["rd"], &["ep=lamp"], "</light>;rt=light");
    assert_eq!(registered.code, Code::CREATED);
    let message = next_message(&mut stream);
    let push = DsoMessage::decode(&message, DsoDialect::Rfc8490).unwrap();
    let changes = Changes::decode(&message, &push.primary().unwrap(), PushDialect::Rfc8765).unwrap();
    let kinds: Vec<_> = changes.into_iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Add { ttl_s: 120 }]);
    // The zone says where all this is.
    stream.write_all(&framed(&query("_dns-push-tls._tcp.services.home.arpa", Rtype::SRV))).unwrap();
    let answer = next_message(&mut stream);
    let message = Message::decode(&answer).unwrap();
    let record = message.records(Section::Answer).next().expect("a service record");
    let mut rdata = Vec::new();
    record.expand_rdata(&mut rdata).unwrap();
    assert_eq!(rdata[4..6], address_of(&daemon).port().to_be_bytes());
}

/// Clients of the RFC are not sent to a listener of a draft, and those that register by plain updates find who takes them.
#[test]
fn clients_are_sent_to_listeners_that_suit_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path());
    command.args(["--dns", "127.0.0.1:0+stateful-dnssd", "--dns-tls", "127.0.0.1:0+push-10+session-signal-02"]);
    let daemon =
        Running::start_with(command.args(["--dns-tls", "127.0.0.1:0", "--dns-tls", "127.0.0.1:0+stateful-dnssd"]));
    let port = |key: &str, number: usize| -> u16 {
        daemon.announced(key)[number].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap()
    };
    let told = |name: &str| {
        let answer = over_udp(daemon.dns(), &query(&format!("{name}.{ZONE}"), Rtype::SRV));
        let mut rdata = Vec::new();
        Message::decode(&answer).unwrap().records(Section::Answer).next().unwrap().expand_rdata(&mut rdata).unwrap();
        u16::from_be_bytes([rdata[4], rdata[5]])
    };
    assert_eq!(told("_dns-push-tls._tcp"), port("dns_tls", 1));
    assert_eq!(told("_dnssd-srp._tcp"), port("dns", 1));
    assert_eq!(told("_dnssd-srp-tls._tcp"), port("dns_tls", 2));
}

#[test]
fn ds59_a_fault_resets_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut stream = subscribed(&daemon);
    // PU8: the same again.
    subscribe(&mut stream, 8);
    let error = stream.get_mut().read(&mut [0; 16]).expect_err("no end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(is_answered(&mut tls(&daemon)));
}

#[test]
fn ds40_ds59_the_end_of_the_daemon_is_said_in_tls() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut stream = subscribed(&daemon);
    daemon.signal(Signal::TERM);
    let goodbye = next_message(&mut stream);
    let goodbye = DsoMessage::decode(&goodbye, DsoDialect::Rfc8490).unwrap();
    assert!(goodbye.retry_delay_ms(DsoDialect::Rfc8490).is_some() || goodbye.primary().is_some());
    // Without close_notify this would be an error.
    assert_eq!(stream.ssl_read(&mut [0; 16]).map_err(|error| error.code()), Err(openssl::ssl::ErrorCode::ZERO_RETURN));
    assert!(daemon.wait().0.success());
}

/// What never becomes a session costs nobody else anything but its place, and that for ten seconds.
#[test]
fn half_open_and_broken_connections_leave_others_served() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let half_open: Vec<_> = (0..200).map(|_| tcp(&daemon)).collect();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0x16, 3, 1, 0xff, 0xff, 1], &framed(b"\0\0\0\0")] {
        let mut stream = tcp(&daemon);
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // An alert at most, then the end; a reset where octets were left unread.
        let mut told = Vec::new();
        let outcome = stream.read_to_end(&mut told);
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
        assert!(told.len() < 100, "{told:?}");
    }
    for _ in 0..5 {
        assert!(is_answered(&mut tls(&daemon)));
    }
    let metrics = daemon.metrics();
    assert!(metrics.contains("wayhouse_dns_tls_failed_total 4\n"), "{metrics}");
    drop(half_open);
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut few = command(directory.path());
    let daemon = Running::start_with(few.args(["--set", "dns.connections_per_address=2"]));
    let (mut first, mut second) = (tls(&daemon), tls(&daemon));
    let mut third = tcp(&daemon);
    assert_eq!(third.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(is_answered(&mut first) && is_answered(&mut second));
}

#[test]
fn our_own_certificate_is_kept_and_its_pin_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let seen = |daemon: &Running| -> (X509, String) {
        let certificate = tls(daemon).ssl().peer_certificate().unwrap();
        let key = certificate.public_key().unwrap().public_key_to_der().unwrap();
        let pin = openssl::base64::encode_block(&openssl::sha::sha256(&key));
        assert_eq!(daemon.announced("dns_tls_pin"), &pin);
        (certificate, pin)
    };
    let daemon = Running::start(directory.path());
    let (certificate, pin) = seen(&daemon);
    // It is good for the names and addresses that we have.
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.cert_store_mut().add_cert(certificate.clone()).unwrap();
    let connector = connector.build();
    for name in ["localhost", "127.0.0.1", "ns.services.home.arpa"] {
        assert!(connector.connect(name, tcp(&daemon)).is_ok(), "{name}");
    }
    assert!(connector.connect("elsewhere.example", tcp(&daemon)).is_err());
    daemon.signal(Signal::TERM);
    let (_, told) = daemon.wait();
    assert!(told.contains(&format!("pin {pin}")), "{told}");
    let daemon = Running::start(directory.path());
    let again = seen(&daemon);
    assert_eq!((again.0.to_der().unwrap(), again.1), (certificate.to_der().unwrap(), pin.clone()));
    // Who pinned it is not cut off because its file is gone.
    std::fs::remove_file(directory.path().join("dns-tls-key.pem")).unwrap();
    daemon.signal(Signal::HUP);
    for _ in 0..10 {
        assert_eq!(seen(&daemon).1, pin);
    }
    daemon.signal(Signal::TERM);
    let (_, told) = daemon.wait();
    assert!(told.contains("TLS goes on with the certificate that it had"), "{told}");
}

#[test]
fn named_files_are_shown_and_what_is_wrong_with_them_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
    let pins = [&one, &other].map(|path| Running::start(path).announced("dns_tls_pin").clone());
    let certificate = one.join("dns-tls-certificate.pem");
    let with = |certificate: &Path, key: &Path| {
        let mut command = command(&directory.path().join("third"));
        command.arg("--set").arg(format!("dns.tls_certificate={}", certificate.display()));
        command.arg("--set").arg(format!("dns.tls_key={}", key.display()));
        command
    };
    let daemon = Running::start_with(&mut with(&certificate, &one.join("dns-tls-key.pem")));
    assert_eq!(daemon.announced("dns_tls_pin"), &pins[0]);
    drop(daemon);

    let refused = |command: &mut std::process::Command| {
        let output = finished(command);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let mismatched = other.join("dns-tls-key.pem");
    let told = refused(&mut with(&certificate, &mismatched));
    assert!(told.contains(&format!("dns.tls_key: {}: it is not the key of", mismatched.display())), "{told}");
    assert!(told.contains("hint: "), "{told}");
    let missing = directory.path().join("missing");
    let told = refused(&mut with(&missing, &mismatched));
    assert!(told.contains(&format!("dns.tls_certificate: {}: No such file", missing.display())), "{told}");
    let told = refused(command(directory.path()).arg("--set").arg("dns.tls_key=key.pem"));
    assert!(told.contains("dns.tls_key: a certificate needs its key"), "{told}");
    assert!(told.contains("hint: set both"), "{told}");
}

/// A renewed certificate is shown when the daemon is told so, and one that cannot be used changes nothing.
#[test]
fn hang_up_has_the_certificate_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
    let pins = [&one, &other].map(|path| Running::start(path).announced("dns_tls_pin").clone());
    let files = ["dns-tls-certificate.pem", "dns-tls-key.pem"];
    let shown = files.map(|name| directory.path().join(name));
    let put = |from: &Path| {
        for (name, to) in files.iter().zip(&shown) {
            std::fs::copy(from.join(name), to).unwrap();
        }
    };
    put(&one);
    let mut command = command(&directory.path().join("third"));
    command.arg("--set").arg(format!("dns.tls_certificate={}", shown[0].display()));
    command.arg("--set").arg(format!("dns.tls_key={}", shown[1].display()));
    let daemon = Running::start_with(&mut command);
    let seen = || {
        let key = tls(&daemon).ssl().peer_certificate().unwrap().public_key().unwrap().public_key_to_der().unwrap();
        openssl::base64::encode_block(&openssl::sha::sha256(&key))
    };
    let mut before = subscribed(&daemon);
    assert_eq!(pins[0], seen());
    put(&other);
    assert_eq!(pins[0], seen(), "nobody said anything");
    daemon.signal(Signal::HUP);
    assert!((0..1_000).any(|_| pins[1] == seen()), "in the time of so many handshakes");
    assert!(is_answered(&mut before), "who was connected stays so");

    std::fs::write(&shown[1], "no key").unwrap();
    daemon.signal(Signal::HUP);
    for _ in 0..10 {
        assert_eq!(pins[1], seen());
    }
    daemon.signal(Signal::TERM);
    let (status, told) = daemon.wait();
    assert!(status.success());
    assert!(told.contains("TLS goes on with the certificate that it had"), "{told}");
    assert!(told.contains("no private key stands there"), "{told}");
}

#[test]
fn tls_can_be_off_and_then_nobody_is_sent_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut off = command(directory.path());
    let daemon = Running::start_with(off.args(["--dns-tls", "off"]));
    assert_eq!(daemon.announced("dns_tls").as_array().map(Vec::len), Some(0));
    let mut stream = TcpStream::connect(daemon.dns()).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    stream.write_all(&framed(&query("_dns-push-tls._tcp.services.home.arpa", Rtype::SRV))).unwrap();
    let mut header = [0; 14];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[5] & 15, Rcode::NXDOMAIN.to_int());
}
