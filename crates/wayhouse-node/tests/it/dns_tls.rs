//! What connections over TLS have beside those over TCP, and how connections end.

use std::time::Duration;

use wayhouse_node::config::{Dialects, Transport};
use wayhouse_proto::io::{Destination, StreamId, StreamInput};
use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::push_tlv::encode_subscribe;
use wayhouse_wire::dns::{
    Class, Compressor, DSOTYPENI, DsoMessage, DsoWriter, Flags, Message, MessageWriter, Name, OptRcode, Question,
    Rcode, Rtype,
};

use crate::house::House;
use crate::resolver::{framed, question, sent, unframed};

const ZONE: &str = "services.home.arpa";
const BROWSE: &str = "_coap._udp.services.home.arpa";

impl House {
    fn open_over_tls(&mut self, stream: u64) {
        self.open_dns_as(stream, Transport::Tls, Dialects::default());
    }
    /// The answer to one message on a connection.
    fn one_answer(&mut self, stream: u64, message: &[u8]) -> Vec<u8> {
        let (octets, is_closed) = self.dns_octets(stream, &framed(message));
        assert!(!is_closed);
        let mut answers = unframed(&octets);
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }
    /// How the connections end that end when time passes.
    fn ends_after(&mut self, time: Duration) -> Vec<Destination> {
        self.now += time;
        self.node.handle_timeout(self.now);
        ends(sent(&mut self.node))
    }
}

fn ends(sent: Vec<(Destination, Vec<u8>)>) -> Vec<Destination> {
    sent.into_iter().map(|(to, _)| to).filter(|to| !matches!(to, Destination::Stream(_))).collect()
}

fn subscribe(id: u16, pads: bool) -> Vec<u8> {
    let name = Name::parse(BROWSE).unwrap();
    let mut message = Vec::new();
    let mut writer = DsoWriter::request(&mut message, id);
    encode_subscribe(&mut writer, &Question { name: name.as_ref(), rtype: Rtype::PTR, class: Class::IN });
    if pads {
        writer.padding(128, DsoDialect::Rfc8490);
    }
    message
}

/// A query with an OPT that has these options.
fn query(options: &[(u16, &[u8])]) -> Vec<u8> {
    let (mut message, mut compressor, name) = (Vec::new(), Compressor::default(), Name::parse(ZONE).unwrap());
    let mut writer = MessageWriter::new(&mut message, &mut compressor, 1, Flags::default(), 65_535);
    writer.question(name.as_ref(), Rtype::SOA, Class::IN).unwrap();
    let opt = Opt { udp_octets_max: 1_232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    writer.opt(opt, options).unwrap();
    writer.finish();
    message
}

#[test]
fn pu1_pu2_changes_are_pushed_over_tls_and_there_alone() {
    let mut house = House::new();
    house.open_over_tls(1);
    house.open_dns(2);
    let rcode = |answer: &[u8]| DsoMessage::decode(answer, DsoDialect::Rfc8490).unwrap().rcode;
    assert_eq!(rcode(&house.one_answer(1, &subscribe(7, false))), Rcode::NOERROR);
    assert_eq!(rcode(&house.one_answer(2, &subscribe(7, false))), DSOTYPENI);
}

#[test]
fn the_zones_say_where_changes_are_pushed() {
    let mut house = House::with(|config| config.dns.push_port = Some(8853));
    let name = "_dns-push-tls._tcp.services.home.arpa";
    assert_eq!(house.answers(name, Rtype::SRV), [format!("{name}. SRV 8853 ns.services.home.arpa.")]);
    let reverse = "_dns-push-tls._tcp.10.in-addr.arpa";
    assert_eq!(house.answers(reverse, Rtype::SRV), [format!("{reverse}. SRV 8853 ns.services.home.arpa.")]);
    let mut without = House::new();
    assert_eq!(without.rcode(name, Rtype::SRV), Rcode::NXDOMAIN);
}

/// RFC 7830 §4, RFC 8467 §4.1: who pads over TLS gets 468 octets, or a multiple; nobody else does.
#[test]
fn padded_queries_are_answered_padded_where_it_hides_something() {
    let mut house = House::new();
    house.open_over_tls(1);
    house.open_dns(2);
    let padded = query(&[(option::PADDING, &[0; 5])]);
    let has_padding =
        |answer: &[u8]| Message::decode(answer).unwrap().edns().unwrap().option(option::PADDING).is_some();
    let answer = house.one_answer(1, &padded);
    assert_eq!((answer.len(), has_padding(&answer)), (468, true));
    assert!(!has_padding(&house.one_answer(1, &query(&[]))));
    assert!(!has_padding(&house.one_answer(2, &padded)));
}

#[test]
fn ds51_a_padded_request_is_answered_padded() {
    let mut house = House::new();
    house.open_over_tls(1);
    assert_eq!(house.one_answer(1, &subscribe(7, true)).len(), 468);
}

/// DS18: on a session the option ends it.
#[test]
fn ds18_ds59_faults_end_a_connection_by_a_reset() {
    let mut house = House::new();
    for (stream, second) in [(1, subscribe(8, false)), (2, query(&[(option::TCP_KEEPALIVE, &[])]))] {
        house.open_over_tls(stream);
        house.one_answer(stream, &subscribe(7, false));
        house.node.handle_stream(house.now, StreamId(stream), StreamInput::Data(&framed(&second)));
        assert_eq!(ends(sent(&mut house.node)), [Destination::AbortStream(StreamId(stream))]);
    }
}

#[test]
fn ds29_ds59_an_inactive_session_is_reset_and_a_silent_connection_closed() {
    let mut house = House::new();
    house.open_over_tls(1);
    house.open_over_tls(2);
    let mut keepalive = Vec::new();
    let asked = wayhouse_wire::dns::dso_tlv::Keepalive { inactivity_timeout_ms: 15_000, keepalive_interval_ms: 60_000 };
    DsoWriter::request(&mut keepalive, 7).keepalive(asked);
    house.one_answer(1, &keepalive);
    house.one_answer(2, &question(ZONE, Rtype::SOA).bytes());
    assert_eq!(house.ends_after(Duration::from_secs(15)), [Destination::CloseStream(StreamId(2))]);
    assert_eq!(house.ends_after(Duration::from_secs(15)), [Destination::AbortStream(StreamId(1))]);
}

/// Thousands that fell silent together do not end in one call.
#[test]
fn time_is_brought_to_a_bounded_number_of_connections_per_call() {
    let mut house = House::new();
    let most = wayhouse_node::limits::DNS_TURNS_PER_CALL as u64;
    (1..=most + 10).for_each(|stream| house.open_dns(stream));
    assert_eq!(house.ends_after(Duration::from_secs(15)).len() as u64, most);
    assert!(house.node.poll_timeout().unwrap().at <= house.now);
    assert_eq!(house.ends_after(Duration::ZERO).len(), 10);
}

#[test]
fn answers_to_updates_are_padded_for_whoever_pads() {
    let mut house = crate::requester::house();
    house.open_over_tls(1);
    let mut octets_of = |padding| {
        let mut sensor = crate::requester::requester("sensor", 1).lamp();
        sensor.padding = padding;
        let answer = house.one_answer(1, &sensor.bytes());
        assert_eq!(crate::requester::Granted::read(&answer).rcode, Rcode::NOERROR);
        // What was changed is read before the connection is served again.
        house.node.handle_timeout(house.now);
        answer.len()
    };
    assert_eq!(octets_of(Some(7)), 468);
    assert!(octets_of(None) < 128);
}
