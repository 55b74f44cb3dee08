//! What an authority answers, whatever the names are.

use std::time::Duration;

use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_wire::dns::{Class, Flags, Header, Message, Opcode, OptRcode, Rcode, Rtype, Section};

use crate::house::{House, LAMP, PHONE, meta};
use crate::resolver::{Looked, Question, framed, question, unframed};

const ZONE: &str = "services.home.arpa.";

fn house() -> House {
    House::with(|config| config.dns.addresses = vec!["192.168.1.53".parse().unwrap(), "fd00::53".parse().unwrap()])
}

/// Registers lamps whose names fill answers.
fn register_lamps(house: &mut House, count: u32) {
    for number in 0..count {
        let from = format!("[2001:db8::{:x}]:5683", 0x100 + number);
        house.register(&from, &format!("ep=a-lamp-with-a-long-name-{number:04}"), "</l>;rt=light");
    }
}

#[test]
fn dp17_apex_has_soa_and_ns() {
    let mut house = house();
    let soa = house.dig(&question(ZONE, Rtype::SOA));
    assert_eq!((soa.rcode(), soa.answers.len()), (Rcode::NOERROR, 1));
    assert!(soa.flags.has(Flags::AA) && !soa.flags.has(Flags::RA));
    let ns = house.dig(&question(ZONE, Rtype::NS));
    assert_eq!(ns.answers, ["services.home.arpa. NS ns.services.home.arpa."]);
    assert_eq!(ns.additionals, ["ns.services.home.arpa. A 192.168.1.53", "ns.services.home.arpa. AAAA fd00::53"]);
}

#[test]
fn a_name_that_is_not_there_is_told_apart_from_one_without_that_type() {
    let mut house = house();
    house.register(LAMP, "ep=lamp&d=hall", "</light>;rt=light");
    let missing = house.dig(&question("nobody.services.home.arpa", Rtype::A));
    assert_eq!(missing.rcode(), Rcode::NXDOMAIN);
    assert!(missing.authorities[0].starts_with("services.home.arpa. SOA"), "{missing:?}");
    assert!(missing.flags.has(Flags::AA));
    let untyped = house.dig(&question("lamp.hall.services.home.arpa", Rtype::MX));
    assert_eq!((untyped.rcode(), untyped.answers.len(), untyped.authorities.len()), (Rcode::NOERROR, 0, 1));
    // The sector has no records of its own, only names below it.
    let empty = house.dig(&question("hall.services.home.arpa", Rtype::A));
    assert_eq!((empty.rcode(), empty.answers.len(), empty.authorities.len()), (Rcode::NOERROR, 0, 1));
    assert_eq!(house.rcode("_udp.services.home.arpa", Rtype::PTR), Rcode::NOERROR);
    assert_eq!(house.rcode("home.arpa", Rtype::SOA), Rcode::REFUSED);
    assert_eq!(house.rcode("example.com", Rtype::A), Rcode::REFUSED);
    assert!(!house.dig(&question("example.com", Rtype::A)).flags.has(Flags::AA));
}

#[test]
fn negative_answers_are_remembered_for_the_minimum_of_the_soa() {
    let mut house = house();
    let bytes = house.dns_datagram(PHONE, &question("x.services.home.arpa", Rtype::A).bytes()).unwrap();
    let message = Message::decode(&bytes).unwrap();
    let soa = message.records(Section::Authority).next().unwrap();
    assert_eq!(soa.ttl_s, 10);
    assert_eq!(soa.rdata[soa.rdata.len() - 4..], 10_u32.to_be_bytes());
}

#[test]
fn case_does_not_matter_and_is_kept() {
    let mut house = house();
    house.register(LAMP, "ep=Lamp", "</light>;rt=light");
    let looked = house.dig(&question("lAMP.SERVICES.home.ARPA", Rtype::AAAA));
    assert_eq!(looked.question.as_deref(), Some("lAMP.SERVICES.home.ARPA. AAAA"));
    assert_eq!(looked.answers, ["lAMP.SERVICES.home.ARPA. AAAA 2001:db8::1"]);
    assert_eq!(
        house.answers("_coap._udp.services.home.arpa", Rtype::PTR),
        ["_coap._udp.services.home.arpa. PTR Lamp._coap._udp.services.home.arpa."]
    );
    // What was asked in another case is the owner, and nothing else has that case.
    let looked = house.dig(&question("_COAP._udp.services.HOME.arpa", Rtype::PTR));
    assert_eq!(looked.answers, ["_COAP._udp.services.HOME.arpa. PTR Lamp._coap._udp.services.home.arpa."]);
    let owners = looked.additionals.iter().map(|record| record.split(' ').next().unwrap());
    assert_eq!(
        owners.collect::<Vec<_>>(),
        ["Lamp._coap._udp.services.home.arpa.", "Lamp._coap._udp.services.home.arpa.", "Lamp.services.home.arpa."]
    );
}

#[test]
fn the_serial_grows_with_each_change_and_stays_with_renewals() {
    let mut house = house();
    let serial = |house: &mut House| {
        let bytes = house.dns_datagram(PHONE, &question(ZONE, Rtype::SOA).bytes()).unwrap();
        let message = Message::decode(&bytes).unwrap();
        let record = message.records(Section::Answer).next().unwrap();
        let at = record.rdata.len() - 20;
        u32::from_be_bytes(record.rdata[at..at + 4].try_into().unwrap())
    };
    let first = serial(&mut house);
    house.register(LAMP, "ep=lamp", "</light>;rt=light");
    let second = serial(&mut house);
    assert!(second > first, "{first} {second}");
    house.register(LAMP, "ep=lamp", "</light>;rt=light");
    assert_eq!(serial(&mut house), second, "a renewal changes nothing that is asked for");
    house.register(LAMP, "ep=lamp", "</light>;rt=lamp");
    assert!(serial(&mut house) > second);
}

#[test]
fn everything_of_a_name_is_one_set_over_udp_and_all_over_tcp() {
    let mut house = house();
    house.register(LAMP, "ep=lamp", "</light>;rt=light");
    let any = question("lamp._coap._udp.services.home.arpa", Rtype::ANY);
    assert_eq!(house.dig(&any).answers.len(), 1);
    house.open_dns(1);
    let (octets, _) = house.dns_octets(1, &framed(&any.bytes()));
    let answers = Looked::read(&unframed(&octets)[0]).answers;
    assert_eq!(answers.len(), 2, "{answers:?}");
}

#[test]
fn what_does_not_fit_is_asked_again_over_tcp() {
    let mut house = house();
    register_lamps(&mut house, 40);
    let browse = question("_coap._udp.services.home.arpa", Rtype::PTR);
    let short = house.dig(&browse);
    assert!(short.flags.has(Flags::TC) && short.answers.is_empty() && short.octets <= 512, "{short:?}");
    let longer = house.dig(&browse.clone().edns(4096));
    assert!(longer.flags.has(Flags::TC), "1232 octets are too few");
    assert_eq!(longer.edns, Some((1232, OptRcode::NOERROR)));
    house.open_dns(1);
    let (octets, _) = house.dns_octets(1, &framed(&browse.bytes()));
    let whole = Looked::read(&unframed(&octets)[0]);
    assert!(!whole.flags.has(Flags::TC));
    assert_eq!(whole.answers.len(), 40);
    assert_eq!(whole.additionals.len(), 120, "SRV, TXT and AAAA of each");
}

#[test]
fn dn10_additional_records_come_as_far_as_there_is_room() {
    let mut house = house();
    for number in 0..12 {
        let from = format!("[2001:db8::{:x}]:5683", 0x100 + number);
        house.register(&from, &format!("ep=lamp-{number:02}"), "</l>;rt=light");
    }
    let looked = house.dig(&question("_coap._udp.services.home.arpa", Rtype::PTR));
    assert!(!looked.flags.has(Flags::TC) && looked.octets <= 512, "{looked:?}");
    assert_eq!(looked.answers.len(), 12);
    assert!(!looked.additionals.is_empty() && looked.additionals.len() < 36);
    let srv = house.dig(&question("lamp-03._coap._udp.services.home.arpa", Rtype::SRV));
    assert_eq!(srv.answers, ["lamp-03._coap._udp.services.home.arpa. SRV 5683 lamp-03.services.home.arpa."]);
    assert_eq!(srv.additionals, ["lamp-03.services.home.arpa. AAAA 2001:db8::103"]);
}

#[test]
fn ds25_stateful_operations_are_not_for_datagrams() {
    let mut house = house();
    // A Keepalive, as it would be right on a connection.
    let mut message =
        Header { id: 0x1234, flags: Flags::new(Opcode::DSO, Rcode::NOERROR), counts: [0; 4] }.to_octets().to_vec();
    message.extend_from_slice(&[0, 1, 0, 8, 0, 0, 0x3a, 0x98, 0, 0x36, 0xee, 0x80]);
    let looked = Looked::read(&house.dns_datagram(PHONE, &message).unwrap());
    assert_eq!((looked.rcode(), looked.flags.opcode(), looked.octets), (Rcode::NOTIMP, Opcode::DSO, Header::OCTETS));
}

#[test]
fn addresses_of_a_host_with_many_services_stand_there_once() {
    let mut house = house();
    let links = "</a>;exp;ins=\"A\";rt=spot,</b>;exp;ins=\"B\";rt=spot,</c>;exp;ins=\"C\";rt=spot";
    house.register(LAMP, "ep=lamp", links);
    let looked = house.dig(&question("_spot._sub._coap._udp.services.home.arpa", Rtype::PTR));
    assert_eq!(looked.answers.len(), 4, "{looked:?}");
    let addresses = looked.additionals.iter().filter(|record| record.starts_with("lamp.services.home.arpa. AAAA"));
    assert_eq!((addresses.count(), looked.additionals.len()), (1, 9), "{looked:?}");
}

#[test]
fn what_is_no_question_is_refused_in_kind() {
    let mut house = house();
    let asked = |class, rtype| Question { class, ..question(ZONE, rtype) };
    assert_eq!(house.dig(&asked(Class::CH, Rtype::TXT)).rcode(), Rcode::REFUSED);
    assert_eq!(house.dig(&asked(Class::IN, Rtype::AXFR)).rcode(), Rcode::REFUSED);
    assert_eq!(house.dig(&asked(Class::IN, Rtype::from_int(254))).rcode(), Rcode::NOTIMP);
    assert_eq!(house.dig(&asked(Class::IN, Rtype::OPT)).rcode(), Rcode::FORMERR);
    for opcode in [Opcode::IQUERY, Opcode::STATUS, Opcode::NOTIFY, Opcode::DSO] {
        let flags = Flags::new(opcode, Rcode::NOERROR);
        let looked = house.dig(&Question { flags, ..question(ZONE, Rtype::SOA) });
        assert_eq!((looked.rcode(), looked.flags.opcode()), (Rcode::NOTIMP, opcode));
        assert_eq!(looked.octets, Header::OCTETS);
    }
    let mut two = question(ZONE, Rtype::SOA).bytes();
    two.extend_from_within(12..);
    two[5] = 2;
    assert_eq!(Looked::read(&house.dns_datagram(PHONE, &two).unwrap()).rcode(), Rcode::FORMERR);
    let none = Header { id: 0x1234, ..Header::default() }.to_octets();
    assert_eq!(Looked::read(&house.dns_datagram(PHONE, &none).unwrap()).rcode(), Rcode::FORMERR);
    let cut = &question(ZONE, Rtype::SOA).bytes()[..15];
    assert_eq!(Looked::read(&house.dns_datagram(PHONE, cut).unwrap()).rcode(), Rcode::FORMERR);
    assert_eq!(house.node.counters().dns.malformed, 1);
}

#[test]
fn an_edns_version_that_is_not_known_is_told_so() {
    let mut house = house();
    let mut bytes = question(ZONE, Rtype::SOA).edns(1232).bytes();
    let version = bytes.len() - 5;
    bytes[version] = 1;
    let looked = Looked::read(&house.dns_datagram(PHONE, &bytes).unwrap());
    assert_eq!(looked.edns, Some((1232, OptRcode::BADVERS)));
    assert!(looked.answers.is_empty());
}

#[test]
fn echoes_without_end_are_not_begun() {
    let mut house = house();
    let mut response = question(ZONE, Rtype::SOA).bytes();
    response[2] |= 0x80;
    assert_eq!(house.dns_datagram(PHONE, &response), None);
    assert_eq!(house.dns_datagram(PHONE, &response[..11]), None);
    assert_eq!(house.dns_datagram("192.0.2.1:0", &question(ZONE, Rtype::SOA).bytes()), None);
    let by_group = Meta { socket: SocketId::Dns(0), is_multicast: true, ..meta(PHONE) };
    house.node.handle_datagram(house.now, &by_group, &question(ZONE, Rtype::SOA).bytes());
    assert!(house.node.poll_transmit(&mut Vec::new()).is_none());
}

#[test]
fn who_shows_our_cookie_is_not_limited() {
    let mut house = House::with(|config| config.dns.answers_per_s = 5);
    let asked = question(ZONE, Rtype::SOA).edns(1232).option(10, &[7; 8]);
    let cookie = house.dig(&asked).cookie.expect("a cookie of ours");
    assert_eq!((cookie.len(), &cookie[..8]), (24, &[7; 8][..]));
    let (mut curt, mut silent) = (0, 0);
    for _ in 0..100 {
        match house.dig_maybe(&question(ZONE, Rtype::SOA)) {
            Some(looked) if looked.flags.has(Flags::TC) => {
                assert!(looked.answers.is_empty() && looked.octets <= question(ZONE, Rtype::SOA).bytes().len());
                curt += 1;
            }
            Some(_) => {}
            None => silent += 1,
        }
    }
    assert!((40..50).contains(&curt) && (40..50).contains(&silent), "{curt} {silent}");
    let shown = question(ZONE, Rtype::SOA).edns(1232).option(10, &cookie);
    for _ in 0..100 {
        assert_eq!(house.dig(&shown).answers.len(), 1);
    }
    let counters = house.node.counters().dns;
    assert_eq!((counters.rate_truncated, counters.rate_dropped), (curt, silent));
    house.now += Duration::from_secs(1);
    assert_eq!(house.dig(&question(ZONE, Rtype::SOA)).answers.len(), 1, "patience comes back");
    let wrong = house.dig(&question(ZONE, Rtype::SOA).edns(1232).option(10, &[1; 9]));
    assert_eq!(wrong.rcode(), Rcode::FORMERR);
}

#[test]
fn several_questions_on_one_connection_are_answered_in_turn() {
    let mut house = house();
    house.open_dns(1);
    let mut octets = framed(&question(ZONE, Rtype::SOA).bytes());
    octets.extend(framed(&question("x.services.home.arpa", Rtype::A).bytes()));
    octets.extend(framed(&question("example.com", Rtype::A).bytes()));
    let (mut received, mut is_closed) = (Vec::new(), false);
    for octet in octets {
        let (more, closed) = house.dns_octets(1, &[octet]);
        received.extend(more);
        is_closed |= closed;
    }
    let rcodes: Vec<_> = unframed(&received).iter().map(|message| Looked::read(message).rcode()).collect();
    assert_eq!(rcodes, [Rcode::NOERROR, Rcode::NXDOMAIN, Rcode::REFUSED]);
    assert!(!is_closed);
    house.advance_s(16);
    assert_eq!(house.node.counters().dns.streams_open, 0, "silent for too long");
}

#[test]
fn large_answers_asked_for_in_one_go_leave_in_several() {
    let mut house = house();
    register_lamps(&mut house, 400);
    house.open_dns(1);
    let one = framed(&question("_coap._udp.services.home.arpa", Rtype::PTR).bytes());
    let octets: Vec<u8> = one.iter().copied().cycle().take(one.len() * 100).collect();
    let (first, _) = house.dns_octets(1, &octets);
    assert!(first.len() < 512 << 10, "{}", first.len());
    let mut messages = unframed(&first).len();
    while house.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= house.now) {
        house.node.handle_timeout(house.now);
        messages += unframed(&house.dns_received(1).0).len();
    }
    assert_eq!(messages, 100);
}

/// Who is told to come back over TCP has a cookie from there, so that it need not do so again.
#[test]
fn cookies_are_given_over_tcp_too() {
    let mut house = house();
    house.open_dns(1);
    let ask = |house: &mut House, cookie: &[u8]| {
        let octets = framed(&question(ZONE, Rtype::SOA).edns(1232).option(10, cookie).bytes());
        Looked::read(&unframed(&house.dns_octets(1, &octets).0)[0])
    };
    let cookie = ask(&mut house, &[7; 8]).cookie.expect("a cookie of ours");
    assert_eq!((cookie.len(), &cookie[..8]), (24, &[7; 8][..]));
    assert_eq!(ask(&mut house, &cookie).cookie.expect("the same"), cookie);
    assert_eq!(ask(&mut house, &[1; 9]).rcode(), Rcode::FORMERR);
}

/// There is nothing beyond TCP to ask again over: an answer without records would say that there are none.
#[test]
fn what_no_message_holds_is_told_as_far_as_it_fits() {
    let mut house = house();
    register_lamps(&mut house, 2_500);
    let asked = question("_coap._udp.services.home.arpa", Rtype::PTR);
    let datagram = house.dig(&asked);
    assert!(datagram.flags.has(Flags::TC) && datagram.answers.is_empty());
    house.open_dns(1);
    let looked = Looked::read(&unframed(&house.dns_octets(1, &framed(&asked.bytes())).0)[0]);
    assert!(looked.flags.has(Flags::TC));
    assert!(looked.answers.len() > 1_400, "{}", looked.answers.len());
}

#[test]
fn a_connection_under_the_number_of_another_leaves_nothing_of_it() {
    let mut house = house();
    house.open_dns(1);
    house.advance_s(7);
    house.open_dns(1);
    house.advance_s(10);
    assert_eq!(house.node.counters().dns.streams_open, 1);
    assert!(house.node.poll_timeout().is_none_or(|wakeup| wakeup.at > house.now));
}
