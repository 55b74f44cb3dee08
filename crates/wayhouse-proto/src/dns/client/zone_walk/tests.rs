use wayhouse_wire::dns::{Class, Flags, OptRcode};

use super::super::OwnedRecord;
use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn answer(rcode: OptRcode, answers: Vec<OwnedRecord>, authorities: Vec<OwnedRecord>) -> Answer {
    Answer { rcode, flags: Flags::QR, answers, authorities, additionals: Vec::new(), octets: 0 }
}

fn record(owner: &str, rtype: Rtype, rdata: Vec<u8>) -> OwnedRecord {
    OwnedRecord { name: name(owner), rtype, class: Class::IN, ttl_s: 1, rdata: rdata.into() }
}

fn soa(owner: &str) -> OwnedRecord {
    record(owner, Rtype::SOA, vec![0; 22])
}

fn walk(text: &str) -> (ZoneWalk, Rng) {
    (ZoneWalk::new(name(text), name("_dns-push-tls._tcp")), Rng::new(1))
}

#[test]
fn pu5_the_zone_is_found_label_by_label_and_its_server_by_srv() {
    let (mut walk, mut rng) = walk("_coap._udp.home.example");
    let nothing = answer(OptRcode::NXDOMAIN, vec![], vec![soa("other.example")]);
    for expected in ["_coap._udp.home.example.", "_udp.home.example.", "home.example."] {
        let asked = walk.asked().unwrap();
        assert_eq!((asked.name.to_string().as_str(), asked.rtype), (expected, Rtype::SOA));
        let found = if expected == "home.example." {
            answer(OptRcode::NXDOMAIN, vec![], vec![soa("example")])
        } else {
            nothing.clone()
        };
        assert_eq!(walk.handle_answer(&found, &mut rng), Finding::Onward);
    }
    let asked = walk.asked().unwrap();
    assert_eq!((asked.name.to_string().as_str(), asked.rtype), ("_dns-push-tls._tcp.example.", Rtype::SRV));
    let srv = record("_DNS-push-tls._tcp.example", Rtype::SRV, b"\0\0\0\0\x03\x55\x02ns\0".to_vec());
    let stray = record("other.example", Rtype::SRV, b"\0\0\0\0\x03\x55\x02xx\0".to_vec());
    match walk.handle_answer(&answer(OptRcode::NOERROR, vec![stray, srv], vec![]), &mut rng) {
        Finding::Servers { zone, servers } => {
            assert_eq!(zone, name("example"));
            let only = SrvTarget { priority: 0, weight: 0, port: 853, host: name("ns") };
            assert_eq!(servers, [only]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_walk_ends_at_the_last_label() {
    let (mut walk, mut rng) = walk("a.b.example");
    let nothing = answer(OptRcode::NXDOMAIN, vec![], vec![]);
    assert_eq!(walk.handle_answer(&nothing, &mut rng), Finding::Onward);
    assert_eq!(walk.handle_answer(&nothing, &mut rng), Finding::NoZone);
}
