//! Plain updates, several for one host, as draft-lemon-stateful-dnssd-00 has them sent.

use wayhouse_node::config::{Dialects, Network, UpdateDialect};
use wayhouse_proto::crypto::fingerprint;
use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_registry::{Credentials, EntryId, Lease, Origin, Registrant, Restored, ServiceHost};
use wayhouse_wire::dns::{Message, Name, Rcode, Rtype};

use crate::house::{House, LAMP, meta};
use crate::requester::{Granted, Requester, SENSOR, house, house_with, requester};

const NSUPDATE: &[u8] = include_bytes!("../../../wayhouse-wire/vectors/sig0/nsupdate-sig0.bin");
/// The key that made it.
const NSUPDATE_KEY: &str = "2fe0119a0c00505926ebabb0b8e6f548def3e91d5e5186133a820bd4eb7dc173\
                            38d997a5211e3712b1d47d33a43918b202e36f45d0819f61f475e8d5c5fdfb38";

fn plain_house() -> House {
    house_with(|config| {
        config.dns.dialects.updates = UpdateDialect::StatefulDnssd;
        config.dns.reverse.push(Network { address: "2001:db8::".parse().unwrap(), prefix_length: 32 });
    })
}

/// An update without a lease.
fn plain(key: u8, lines: &str) -> Requester {
    requester("m1", key).lease(&[]).with(lines)
}

const FIRST: &str = "needs m1 unused\nm1 add 120 AAAA 2001:db8::a\nm1 add 120 KEY\n";

#[test]
fn sr30_sr32_a_stateful_house_is_found() {
    let mut plain = plain_house();
    assert_eq!(
        plain.answers("_mldnssd.services.home.arpa", Rtype::PTR),
        ["_mldnssd.services.home.arpa. PTR services.home.arpa."]
    );
    let v4 = plain.answers("_inaddr_zone.services.home.arpa", Rtype::PTR);
    assert!(v4.contains(&"_inaddr_zone.services.home.arpa. PTR 168.192.in-addr.arpa.".to_owned()), "{v4:?}");
    let v6 = plain.answers("_ipv6_zone.services.home.arpa", Rtype::PTR);
    assert!(v6.contains(&"_ipv6_zone.services.home.arpa. PTR d.f.ip6.arpa.".to_owned()), "{v6:?}");
    let mut other = house();
    assert_eq!(other.rcode("_mldnssd.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
}

/// A listener for those who follow the draft: the others take from nobody what SRP does not know.
#[test]
fn each_listener_takes_updates_of_its_own_text() {
    let mut house = house_with(|config| {
        let draft = Dialects { updates: UpdateDialect::StatefulDnssd, ..config.dns.dialects };
        config.dns.listeners = vec![config.dns.dialects, draft];
    });
    let mut sent = |listener| {
        let mut out = Vec::new();
        let meta = Meta { socket: SocketId::Dns(listener), ..meta(SENSOR) };
        house.node.handle_datagram(house.now, &meta, &plain(1, FIRST).bytes());
        house.node.poll_transmit(&mut out).map(|_| Granted::read(&out).rcode)
    };
    assert_eq!(sent(0), Some(Rcode::REFUSED));
    assert_eq!(sent(2), Some(Rcode::REFUSED), "one without a place follows the text of all");
    assert_eq!(sent(1), Some(Rcode::NOERROR));
    assert_eq!(house.rcode("_mldnssd.services.home.arpa", Rtype::PTR), Rcode::NOERROR, "that it is taken can be found");
}

#[test]
fn sr38_a_host_registers_step_by_step_with_its_key() {
    let mut house = plain_house();
    let sent = |house: &mut House, key, lines: &str| house.update(&mut plain(key, lines)).rcode;
    assert_eq!(sent(&mut house, 1, FIRST), Rcode::NOERROR);
    let host = "m1.services.home.arpa";
    assert_eq!(house.answers(host, Rtype::AAAA), [format!("{host}. AAAA 2001:db8::a")]);
    // It exists; its own addresses are replaced.
    assert_eq!(sent(&mut house, 1, FIRST), Rcode::YXDOMAIN);
    let second = "m1 delete A\nm1 delete AAAA\nm1 add 120 AAAA 2001:db8::b\nm1 add 120 A 192.168.1.7\n";
    assert_eq!(sent(&mut house, 1, second), Rcode::NOERROR);
    assert_eq!(house.answers(host, Rtype::AAAA), [format!("{host}. AAAA 2001:db8::b")]);
    // Another key gets nowhere.
    let before = house.node.counters().last_change;
    assert_eq!(sent(&mut house, 2, second), Rcode::REFUSED);
    assert_eq!(sent(&mut house, 2, FIRST), Rcode::YXDOMAIN);
    let unsigned = plain(1, second).unsigned();
    let answer = house.dns_datagram(SENSOR, &unsigned).expect("an answer");
    assert_eq!(Granted::read(&answer).rcode, Rcode::REFUSED);
    assert_eq!(house.node.counters().last_change, before);
    // A name for people.
    assert_eq!(sent(&mut house, 1, "Lamp\\032in\\032the\\032hall add 120 PTR m1\n"), Rcode::NOERROR);
    let human = "Lamp\\032in\\032the\\032hall.services.home.arpa";
    assert_eq!(house.answers(human, Rtype::PTR), [format!("{human}. PTR {host}.")]);
    assert_eq!(sent(&mut house, 2, "Lamp\\032in\\032the\\032hall add 120 PTR m1\n"), Rcode::REFUSED);
    // Services are added, and stay when others are.
    let service = |label: &str, port: u16| requester("m1", 1).service(label, "_coap._udp", port, "path=/x");
    let add = |lines: String| lines.lines().filter(|line| !line.ends_with("delete")).collect::<Vec<_>>().join("\n");
    assert_eq!(sent(&mut house, 1, &add(service("one", 5683))), Rcode::NOERROR);
    assert_eq!(sent(&mut house, 1, &add(service("two", 5684))), Rcode::NOERROR);
    assert_eq!(house.answers("_coap._udp.services.home.arpa", Rtype::PTR).len(), 2);
    assert_eq!(house.resources("").len(), 2);
    assert_eq!(sent(&mut house, 2, &add(service("two", 1))), Rcode::REFUSED);
    assert_eq!(sent(&mut house, 1, "one._coap._udp delete\n"), Rcode::NOERROR);
    assert_eq!(house.answers("_coap._udp.services.home.arpa", Rtype::PTR).len(), 1);
    assert_eq!(house.answers(human, Rtype::PTR).len(), 1);
    // SR36: what is not refreshed ends with the time to live of the addresses.
    house.advance_s(119);
    assert_eq!(house.answers(host, Rtype::A).len(), 1);
    house.advance_s(1);
    assert_eq!(house.rcode(host, Rtype::A), Rcode::NXDOMAIN);
    // The name is still its key's.
    assert_eq!(sent(&mut house, 2, FIRST), Rcode::YXDOMAIN);
    assert_eq!(sent(&mut house, 1, second), Rcode::NOERROR);
}

#[test]
fn sr36_what_has_expired_does_not_come_back_with_the_next_update() {
    let mut house = plain_house();
    house.register_by_update(&mut plain(1, FIRST));
    house.register_by_update(&mut plain(1, "hall add 120 PTR m1\n"));
    let service =
        requester("m1", 1).service("one", "_coap._udp", 5683, "path=/x").replace("one._coap._udp delete\n", "");
    house.register_by_update(&mut plain(1, &service));
    house.advance_s(121);
    // A text is no service without its SRV.
    let text = "one._coap._udp add 120 TXT path=/y\n";
    assert_eq!(house.update(&mut plain(1, text)).rcode, Rcode::REFUSED);
    house.register_by_update(&mut plain(1, "m1 add 120 A 192.168.1.7\n"));
    let host = "m1.services.home.arpa";
    assert_eq!(house.answers(host, Rtype::A), [format!("{host}. A 192.168.1.7")]);
    assert!(house.answers(host, Rtype::AAAA).is_empty());
    assert_eq!(house.rcode("hall.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
    assert_eq!(house.rcode("_coap._udp.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
}

#[test]
fn sr35_addresses_lead_back_already() {
    let mut house = plain_house();
    house.register_by_update(&mut plain(1, FIRST));
    let zone = "8.b.d.0.1.0.0.2.ip6.arpa";
    let owner = format!("{}a{}.8.b.d.0.1.0.0.2.ip6.arpa", "", ".0".repeat(23));
    assert_eq!(house.answers(&owner, Rtype::PTR), [format!("{owner}. PTR m1.services.home.arpa.")]);
    let mut reverse = |target: &str| {
        let lines = format!("{owner}. delete PTR\n{owner}. add 120 PTR {target}\n");
        house.update(&mut plain(1, &lines).in_zone(zone)).rcode
    };
    assert_eq!(reverse("m1.services.home.arpa."), Rcode::NOERROR);
    assert_eq!(reverse("m2.services.home.arpa."), Rcode::REFUSED);
}

#[test]
fn prerequisites_are_met_or_nothing_is_done() {
    let mut house = plain_house();
    house.register_by_update(&mut plain(1, FIRST));
    house.register(LAMP, "ep=lamp", "</t>");
    let before = house.node.counters().last_change;
    let mut check = |needs: &str, rcode: Rcode| {
        let lines = format!("needs {needs}\nm1 delete AAAA\nm1 add 120 AAAA 2001:db8::c\n");
        assert_eq!(house.update(&mut plain(1, &lines)).rcode, rcode, "{needs}");
    };
    check("lamp unused", Rcode::YXDOMAIN);
    check("m2 delete", Rcode::NXDOMAIN);
    check("m1 delete A", Rcode::NXRRSET);
    check("m1 remove AAAA", Rcode::YXRRSET);
    check("m1 add 0 AAAA 2001:db8::b", Rcode::NXRRSET);
    assert_eq!(house.node.counters().last_change, before);
    let mut check = |needs: &str, rcode: Rcode| {
        let lines = format!("needs {needs}\nm1 delete AAAA\nm1 add 120 AAAA 2001:db8::a\n");
        assert_eq!(house.update(&mut plain(1, &lines)).rcode, rcode, "{needs}");
    };
    check("m1 add 0 AAAA 2001:db8::a", Rcode::NOERROR);
    check("m1 delete", Rcode::NOERROR);
    check("m1 remove A", Rcode::NOERROR);
    check("m3 unused", Rcode::NOERROR);
}

#[test]
fn a_repeated_update_is_answered_as_the_first_was() {
    let mut house = plain_house();
    let bytes = plain(1, FIRST).bytes();
    let sent = |house: &mut House| Granted::read(&house.dns_datagram(SENSOR, &bytes).expect("an answer")).rcode;
    assert_eq!(sent(&mut house), Rcode::NOERROR);
    let change = house.node.counters().last_change;
    assert_eq!(sent(&mut house), Rcode::NOERROR, "though its prerequisite does not hold any more");
    assert_eq!(house.node.counters().last_change, change);
    house.register_by_update(&mut plain(1, "m1 delete AAAA\nm1 add 120 AAAA 2001:db8::b\n"));
    assert_eq!(sent(&mut house), Rcode::YXDOMAIN);
}

#[test]
fn what_has_no_host_is_refused() {
    let mut house = plain_house();
    house.register_by_update(&mut plain(1, FIRST));
    let before = house.node.counters().last_change;
    for lines in [
        "m1 add 120 CNAME x\n",
        "m2 add 120 AAAA 2001:db8::c\n",
        "m1 add 120 AAAA 2001:db8::c\nm2 add 120 AAAA 2001:db8::c\n",
        "_coap._udp add 120 PTR x._coap._udp\n",
        "_coap._udp delete PTR\n",
        "x._coap._udp add 120 SRV 1 elsewhere.example.\n",
        "x._ipp._tcp add 120 SRV 1 m1\n_coap._udp add 120 PTR x._ipp._tcp\n",
        "name add 120 PTR elsewhere.example.\n",
        "_mldnssd add 120 PTR m1\n",
        "m1 add 120 A ::1\n",
    ] {
        let rcode = house.update(&mut plain(1, lines)).rcode;
        assert!(matches!(rcode, Rcode::REFUSED | Rcode::FORMERR), "{lines}: {rcode}");
    }
    assert_eq!(house.node.counters().last_change, before);
}

#[test]
fn sr38_a_captured_update_is_verified_with_the_key_that_is_stored() {
    let mut house = house_with(|config| {
        config.dns.dialects.updates = UpdateDialect::StatefulDnssd;
        config.dns.zones = vec![Name::parse("upd.example").unwrap()];
    });
    let key: Vec<u8> = (0..NSUPDATE_KEY.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&NSUPDATE_KEY[at..at + 2], 16).unwrap())
        .collect();
    let owner = fingerprint(&[&[13], &key[..]].concat());
    let services = ServiceHost {
        name: Name::parse("host1").unwrap(),
        key: [&[2, 0, 3, 13], &key[..]].concat().into(),
        key_lease_s: 600,
        addresses: Box::new([]),
        ttl_s: 60,
        aliases: Box::new([]),
        instances: Box::new([]),
    };
    let registrant = Registrant {
        id: EntryId(1),
        endpoint_name: "host1".into(),
        sector: "default.service.arpa".into(),
        base: "dns:host1.upd.example".into(),
        is_base_explicit: true,
        attributes: Box::new([]),
        links: "".into(),
        origin: Origin::Srp,
        owner: Credentials { public_key: Some(owner), ..Credentials::default() },
        source: None,
        link_scope: None,
        services: Some(services.into()),
    };
    house
        .node
        .restore(house.now, Restored { registrant, lease: Lease { lifetime_s: 60, renewed: house.now } })
        .unwrap();
    let inception = u64::from(Message::decode(NSUPDATE).unwrap().sig0().unwrap().inception);
    let sent = |house: &mut House, wall_s| {
        house.node.set_wall_clock(house.now, wall_s);
        Granted::read(&house.dns_datagram(SENSOR, NSUPDATE).expect("an answer")).rcode
    };
    assert_eq!(sent(&mut house, inception + 2_000), Rcode::REFUSED);
    assert_eq!(sent(&mut house, inception + 10), Rcode::NOERROR);
    assert_eq!(house.answers("host1.upd.example", Rtype::A), ["host1.upd.example. A 10.0.0.1"]);
}
