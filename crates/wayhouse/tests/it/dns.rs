//! The DNS of the real daemon: devices register over CoAP, and whoever asks for names finds them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::push_tlv::{ChangeKind, Changes, encode_subscribe};
use wayhouse_wire::dns::{
    Class, Compressor, DsoMessage, DsoWriter, Flags, Message, MessageWriter, Name, Question, Rcode, Rtype, Section,
};

use super::device::Device;
use super::running::{Running, command, command_with_dns, finished};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
const BROWSE: &str = "_coap._udp.services.home.arpa";

pub(crate) fn query(name: &str, rtype: Rtype) -> Vec<u8> {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let name = Name::parse(name).expect("a name in a test");
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 77, Flags::default(), 65_535);
    writer.question(name.as_ref(), rtype, Class::IN).expect("room");
    writer.finish();
    out
}

pub(crate) fn over_udp(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(PATIENCE).unwrap();
    socket.connect(server).unwrap();
    socket.send(message).unwrap();
    let mut answer = vec![0; 65_535];
    let octets = socket.recv(&mut answer).expect("an answer in time");
    answer.truncate(octets);
    answer
}

pub(crate) fn over_tcp(server: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    stream.write_all(&(message.len() as u16).to_be_bytes()).unwrap();
    stream.write_all(message).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer in time");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("an answer in time");
    answer
}

/// The response code and the names that pointers lead to.
fn pointers(answer: &[u8]) -> (Rcode, Vec<String>) {
    let message = Message::decode(answer).expect("a well-formed answer");
    let name = |record: wayhouse_wire::dns::Record<'_>| record.rdata_name(0).expect("a name").to_string();
    (message.header.flags.rcode(), message.records(Section::Answer).map(name).collect())
}

#[test]
fn a_device_that_registers_is_found_and_one_that_leaves_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let ask = query(BROWSE, Rtype::PTR);
    assert_eq!(pointers(&over_udp(daemon.dns(), &ask)), (Rcode::NXDOMAIN, vec![]));
    let mut device = Device::new(daemon.coap());
    let registered = device.ask(Code::POST, &["rd"], &["ep=lamp"], "</light>;rt=light");
    assert_eq!(registered.code, Code::CREATED);
    let found = (Rcode::NOERROR, vec!["lamp._coap._udp.services.home.arpa.".to_owned()]);
    assert_eq!(pointers(&over_udp(daemon.dns(), &ask)), found);
    assert_eq!(pointers(&over_tcp(daemon.dns(), &ask)), found);
    let location: Vec<&str> = registered.location.iter().map(String::as_str).collect();
    assert_eq!(device.ask(Code::DELETE, &location, &[], "").code, Code::DELETED);
    assert_eq!(pointers(&over_udp(daemon.dns(), &ask)), (Rcode::NXDOMAIN, vec![]));
    let metrics = daemon.metrics();
    assert!(metrics.contains("wayhouse_dns_udp_queries_total 3\n"), "{metrics}");
    assert!(metrics.contains("wayhouse_dns_tcp_queries_total 1\n"), "{metrics}");
}

#[test]
fn names_outlive_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let registered = Device::new(daemon.coap()).ask(Code::POST, &["rd"], &["ep=lamp"], "</light>;rt=light");
    assert_eq!(registered.code, Code::CREATED);
    daemon.kill();
    let daemon = Running::start(directory.path());
    let (_, found) = pointers(&over_udp(daemon.dns(), &query(BROWSE, Rtype::PTR)));
    assert_eq!(found, ["lamp._coap._udp.services.home.arpa."]);
}

#[test]
fn a_taken_port_is_explained_and_dns_can_be_off() {
    let directory = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = finished(&mut command_with_dns(directory.path(), &address));
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("cannot serve DNS on {address}")), "{told}");
    assert!(told.contains("hint: is another DNS server running?"), "{told}");
    let daemon = Running::start_with(&mut command_with_dns(directory.path(), "off"));
    assert_eq!(daemon.announced("dns").as_array().map(Vec::len), Some(0));
    assert!(daemon.metrics().contains("wayhouse_dns_records 0\n"));
}

/// The next message on a connection.
fn next_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a message in time");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).expect("a message in time");
    message
}

#[test]
fn subscribers_hear_of_devices_as_they_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut plain = command(directory.path());
    let daemon = Running::start_with(plain.args(["--set", "dns.push=plain"]));
    let mut stream = TcpStream::connect(daemon.dns()).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    let name = Name::parse(BROWSE).unwrap();
    let mut subscribe = vec![0; 2];
    let question = Question { name: name.as_ref(), rtype: Rtype::PTR, class: Class::IN };
    encode_subscribe(&mut DsoWriter::request(&mut subscribe, 7), &question);
    let octets = (subscribe.len() - 2) as u16;
    subscribe[..2].copy_from_slice(&octets.to_be_bytes());
    stream.write_all(&subscribe).unwrap();
    let answer = next_message(&mut stream);
    let answer = DsoMessage::decode(&answer, DsoDialect::Rfc8490).unwrap();
    assert_eq!((answer.id, answer.rcode), (7, Rcode::NOERROR));

    let mut device = Device::new(daemon.coap());
    let registered = device.ask(Code::POST, &["rd"], &["ep=lamp"], "</light>;rt=light");
    let mut told = || {
        let message = next_message(&mut stream);
        let push = DsoMessage::decode(&message, DsoDialect::Rfc8490).unwrap();
        let changes = Changes::decode(&message, &push.primary().unwrap(), PushDialect::Rfc8765).unwrap();
        changes.into_iter().map(|change| (change.name.to_string(), change.kind)).collect::<Vec<_>>()
    };
    assert_eq!(told(), [(format!("{BROWSE}."), ChangeKind::Add { ttl_s: 120 })]);
    let location: Vec<&str> = registered.location.iter().map(String::as_str).collect();
    device.ask(Code::DELETE, &location, &[], "");
    assert_eq!(told(), [(format!("{BROWSE}."), ChangeKind::RemoveEverything)]);
}
