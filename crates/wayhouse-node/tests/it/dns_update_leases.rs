//! How long registrations by update live, and what ends when.

use wayhouse_registry::{ChangeKind, Restored};
use wayhouse_wire::dns::{Message, Rcode, Rtype, Section, UpdateLease};

use crate::house::{House, LAMP, PHONE};
use crate::requester::{Granted, WALL_S, house, house_with, requester};
use crate::resolver::question;

const HOST: &str = "sensor.services.home.arpa";
const INSTANCE: &str = "sensor\\032lamp._coap._udp.services.home.arpa";
const TYPE: &str = "_coap._udp.services.home.arpa";

fn serial(house: &mut House) -> u32 {
    let bytes = house.dns_datagram(PHONE, &question("services.home.arpa", Rtype::SOA).bytes()).unwrap();
    let message = Message::decode(&bytes).unwrap();
    let record = message.records(Section::Answer).next().unwrap();
    let at = record.rdata.len() - 20;
    u32::from_be_bytes(record.rdata[at..at + 4].try_into().unwrap())
}

#[test]
fn sr16_leases_are_granted_within_bounds_in_the_form_they_are_asked_for() {
    let mut house = house_with(|config| config.dns.key_lease_max_s = 10_000);
    let mut granted = |lease: &[u32]| {
        let Granted { rcode, lease } = house.update(&mut requester("sensor", 1).lamp().lease(lease));
        assert_eq!(rcode, Rcode::NOERROR);
        lease.expect("a lease")
    };
    let long = |lease_s, key_lease_s| UpdateLease { lease_s, key_lease_s: Some(key_lease_s) };
    assert_eq!(granted(&[3_600, 7_200]), long(3_600, 7_200));
    assert_eq!(granted(&[86_400, 86_400]), long(7_200, 10_000));
    assert_eq!(granted(&[1, 1]), long(30, 30));
    assert_eq!(granted(&[100]), UpdateLease { lease_s: 100, key_lease_s: None });
    assert_eq!(granted(&[86_400]), UpdateLease { lease_s: 7_200, key_lease_s: None });
}

#[test]
fn sr17_what_is_not_renewed_ends_as_granted() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[60, 600]));
    house.advance_s(59);
    assert_eq!(house.answers(TYPE, Rtype::PTR).len(), 1);
    house.advance_s(1);
    for (name, rtype) in [(HOST, Rtype::AAAA), (INSTANCE, Rtype::SRV), (TYPE, Rtype::PTR)] {
        assert_eq!(house.rcode(name, rtype), Rcode::NXDOMAIN, "{name}");
    }
    assert!(house.endpoints("").is_empty());
}

#[test]
fn sr26_names_stay_reserved_until_the_key_lease_ends() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[60, 600]));
    house.advance_s(599);
    let mut thief = requester("sensor", 2).lamp();
    assert_eq!(house.update(&mut thief).rcode, Rcode::YXDOMAIN);
    let mut thief_of_instance = requester("other", 2);
    thief_of_instance.lines =
        thief_of_instance.host_lines(&[]) + &thief_of_instance.service("sensor lamp", "_coap._udp", 5683, "x");
    assert_eq!(house.update(&mut thief_of_instance).rcode, Rcode::YXDOMAIN);
    // The directory gives the name with a number.
    house.register(LAMP, "ep=sensor", "</t>");
    assert_eq!(house.answers("sensor-2.services.home.arpa", Rtype::AAAA).len(), 1);
    house.advance_s(1);
    assert_eq!(house.update(&mut thief).rcode, Rcode::NOERROR);
}

#[test]
fn sr26_whoever_comes_back_in_time_has_the_names_again() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[60, 600]));
    house.advance_s(300);
    // Without its service: that one is not back, and its name is still kept.
    let mut back = requester("sensor", 1).lease(&[60, 600]);
    back.lines = back.host_lines(&["2001:db8::b"]);
    house.register_by_update(&mut back);
    assert_eq!(house.answers(HOST, Rtype::AAAA), [format!("{HOST}. AAAA 2001:db8::b")]);
    assert_eq!(house.rcode(INSTANCE, Rtype::SRV), Rcode::NXDOMAIN);
    let mut thief = requester("other", 2);
    thief.lines = thief.host_lines(&[]) + &thief.service("sensor lamp", "_coap._udp", 5683, "x");
    assert_eq!(house.update(&mut thief).rcode, Rcode::YXDOMAIN);
    // Its own time counts: 600 s from when it was registered.
    for _ in 0..6 {
        house.advance_s(50);
        house.register_by_update(&mut back);
    }
    assert_eq!(house.update(&mut thief).rcode, Rcode::NOERROR);
}

#[test]
fn sr16_a_renewal_moves_no_serial_and_is_a_refresh() {
    let mut house = house();
    let mut sensor = requester("sensor", 1).lamp().lease(&[60, 600]);
    house.register_by_update(&mut sensor);
    let first = serial(&mut house);
    house.advance_s(48);
    house.register_by_update(&mut sensor);
    assert_eq!(serial(&mut house), first);
    house.drain();
    assert_eq!(house.changes.last().map(|change| change.kind), Some(ChangeKind::Refreshed));
    house.advance_s(59);
    assert_eq!(house.answers(TYPE, Rtype::PTR).len(), 1);
    // Something else is a change.
    house.register_by_update(&mut requester("sensor", 1).lamp().with("sensor add 120 AAAA 2001:db8::c\n"));
    assert!(serial(&mut house) > first);
}

#[test]
fn sr17_services_have_leases_of_their_own() {
    let mut house = house();
    let base = requester("sensor", 1);
    let (one, two) = (base.service("one", "_coap._udp", 5683, "a"), base.service("two", "_coap._udp", 5684, "b"));
    let host = base.host_lines(&["2001:db8::a"]);
    let update = |lines: &str| requester("sensor", 1).with(&host).with(lines).lease(&[60, 600]);
    house.register_by_update(&mut update(&format!("{one}{two}")));
    let before = serial(&mut house);
    // From here on only the second one is renewed.
    house.advance_s(30);
    house.register_by_update(&mut update(&two));
    assert_eq!(serial(&mut house), before, "nothing that is shown has changed");
    house.advance_s(29);
    assert_eq!(house.answers(TYPE, Rtype::PTR).len(), 2);
    house.advance_s(1);
    assert_eq!(house.answers(TYPE, Rtype::PTR), [format!("{TYPE}. PTR two.{TYPE}.")]);
    assert_eq!(house.resources("").len(), 1);
    assert_eq!(house.answers(HOST, Rtype::AAAA).len(), 1);
    // The host takes the rest along.
    house.advance_s(30);
    assert_eq!(house.rcode(TYPE, Rtype::PTR), Rcode::NXDOMAIN);
}

#[test]
fn sr17_many_small_renewals_do_not_lengthen_what_they_do_not_name() {
    let mut house = house();
    let mut both = requester("sensor", 1).lamp().lease(&[60, 600]);
    house.register_by_update(&mut both);
    let mut alone = requester("sensor", 1).lease(&[60, 600]);
    alone.lines = alone.host_lines(&["2001:db8::a"]);
    for _ in 0..61 {
        house.advance(std::time::Duration::from_micros(999_900));
        house.register_by_update(&mut alone);
    }
    assert_eq!(house.rcode(INSTANCE, Rtype::SRV), Rcode::NXDOMAIN);
}

#[test]
fn sr19_a_service_goes_with_its_pointers_and_the_host_stays() {
    let mut house = house();
    house.register_by_update(
        &mut requester("sensor", 1).lamp().with("_x._sub._coap._udp add 120 PTR sensor\\032lamp._coap._udp"),
    );
    assert_eq!(house.answers(&format!("_x._sub.{TYPE}"), Rtype::PTR).len(), 1);
    let mut fewer = requester("sensor", 1);
    fewer.lines = fewer.host_lines(&["2001:db8::a"]) + "sensor\\032lamp._coap._udp delete\n";
    house.register_by_update(&mut fewer);
    for name in [TYPE.to_owned(), format!("_x._sub.{TYPE}"), INSTANCE.to_owned()] {
        assert_eq!(house.rcode(&name, Rtype::PTR), Rcode::NXDOMAIN, "{name}");
    }
    assert_eq!(house.answers(HOST, Rtype::AAAA).len(), 1);
    // SR26: the name of the service is still its key's.
    let mut thief = requester("other", 2);
    thief.lines = thief.host_lines(&[]) + &thief.service("sensor lamp", "_coap._udp", 5683, "x");
    assert_eq!(house.update(&mut thief).rcode, Rcode::YXDOMAIN);
}

#[test]
fn sr20_subtypes_that_an_update_does_not_name_are_gone() {
    let mut house = house();
    let subtype = |one: &str| format!("_{one}._sub._coap._udp add 120 PTR sensor\\032lamp._coap._udp\n");
    house.register_by_update(&mut requester("sensor", 1).lamp().with(&subtype("a")).with(&subtype("b")));
    house.register_by_update(&mut requester("sensor", 1).lamp().with(&subtype("b")));
    assert_eq!(house.rcode(&format!("_a._sub.{TYPE}"), Rtype::PTR), Rcode::NXDOMAIN);
    assert_eq!(house.answers(&format!("_b._sub.{TYPE}"), Rtype::PTR).len(), 1);
}

#[test]
fn sr18_a_lease_of_zero_ends_everything_and_keeps_the_names() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    // Its services need not be named.
    let mut gone = requester("sensor", 1).lease(&[0, 600]);
    gone.lines = gone.host_lines(&[]);
    let granted = house.update(&mut gone);
    let lease = UpdateLease { lease_s: 0, key_lease_s: Some(600) };
    assert_eq!(granted, Granted { rcode: Rcode::NOERROR, lease: Some(lease) });
    for name in [HOST, INSTANCE, TYPE] {
        assert_eq!(house.rcode(name, Rtype::ANY), Rcode::NXDOMAIN, "{name}");
    }
    assert!(house.endpoints("").is_empty());
    assert_eq!(house.update(&mut requester("sensor", 2).lamp()).rcode, Rcode::YXDOMAIN);
    // Nobody can end what is not there, and nobody is told otherwise.
    let mut nobody = requester("nobody", 3).lease(&[0, 600]);
    nobody.lines = nobody.host_lines(&[]);
    assert_eq!(house.update(&mut nobody).rcode, Rcode::NOERROR);
}

#[test]
fn sr18_a_key_lease_of_zero_frees_the_names_too() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let mut gone = requester("sensor", 1).lease(&[0, 0]);
    gone.lines = gone.host_lines(&[]);
    house.register_by_update(&mut gone);
    assert_eq!(house.rcode(HOST, Rtype::AAAA), Rcode::NXDOMAIN);
    assert_eq!(house.update(&mut requester("sensor", 2).lamp()).rcode, Rcode::NOERROR);
}

#[test]
fn sr15_answers_live_no_longer_than_the_lease() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[60, 600]));
    assert_eq!(house.dig(&question(HOST, Rtype::AAAA)).ttls, [60]);
    assert_eq!(house.dig(&question(TYPE, Rtype::PTR)).ttls, [60]);
}

#[test]
fn sr13_a_service_moves_with_its_key_to_another_host() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let mut renamed = requester("renamed", 1);
    renamed.lines = renamed.host_lines(&["2001:db8::c"]) + &renamed.service("sensor lamp", "_coap._udp", 5683, "b");
    house.register_by_update(&mut renamed);
    assert_eq!(house.answers(INSTANCE, Rtype::SRV), [format!("{INSTANCE}. SRV 5683 renamed.services.home.arpa.")]);
    assert_eq!(house.answers(INSTANCE, Rtype::TXT), [format!("{INSTANCE}. TXT b")]);
    assert_eq!(house.answers(TYPE, Rtype::PTR).len(), 1);
    assert_eq!(house.answers(HOST, Rtype::AAAA).len(), 1);
}

#[test]
fn sr26_a_name_that_is_taken_back_at_another_host_stays_reserved() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let mut renamed = requester("renamed", 1);
    renamed.lines = renamed.host_lines(&["2001:db8::c"]) + "sensor\\032lamp._coap._udp delete\n";
    house.register_by_update(&mut renamed);
    assert_eq!(house.rcode(INSTANCE, Rtype::SRV), Rcode::NXDOMAIN);
    let mut thief = requester("other", 2);
    thief.lines = thief.host_lines(&[]) + &thief.service("sensor lamp", "_coap._udp", 5683, "x");
    assert_eq!(house.update(&mut thief).rcode, Rcode::YXDOMAIN);
    // The same where the first host is away.
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[30, 600]));
    house.advance_s(60);
    house.register_by_update(&mut renamed);
    assert_eq!(house.update(&mut thief).rcode, Rcode::YXDOMAIN);
}

#[test]
fn sr17_what_is_late_ends_all_the_same() {
    let mut house = house();
    let base = requester("sensor", 1);
    let (one, two) = (base.service("one", "_coap._udp", 5683, "a"), base.service("two", "_coap._udp", 5684, "b"));
    let host = base.host_lines(&["2001:db8::a"]);
    let mut crowd = Vec::new();
    for number in 0..100 {
        crowd.push(format!("ep=e{number}&lt=60"));
    }
    house.register_by_update(&mut requester("sensor", 1).with(&host).with(&one).lease(&[60, 600]));
    house.advance_s(1);
    house.register_by_update(&mut requester("sensor", 1).with(&host).with(&two).lease(&[60, 600]));
    crowd.iter().for_each(|query| drop(house.register(LAMP, query, "</t>")));
    // Nobody calls the node for a day; more is due then than it does in one call.
    house.now += std::time::Duration::from_secs(86_400);
    house.node.handle_timeout(house.now);
    while house.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= house.now) {
        house.node.handle_timeout(house.now);
    }
    assert_eq!(house.rcode(TYPE, Rtype::PTR), Rcode::NXDOMAIN);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn sr13_more_services_than_a_host_may_have_are_refused_as_a_whole() {
    let mut house = house();
    let many = |from: usize, to: usize| {
        let base = requester("sensor", 1);
        let services = (from..to).map(|number| base.service(&format!("s{number}"), "_coap._udp", 5683, "x"));
        let lines = base.host_lines(&["2001:db8::a"]) + &services.collect::<String>();
        base.with(&lines)
    };
    house.open_dns(1);
    let over_tcp = |house: &mut House, mut requester: crate::requester::Requester| {
        let (received, _) = house.dns_octets(1, &crate::resolver::framed(&requester.bytes()));
        Granted::read(&crate::resolver::unframed(&received)[0]).rcode
    };
    assert_eq!(over_tcp(&mut house, many(0, 40)), Rcode::NOERROR);
    let before = house.node.counters().dns.records;
    assert_eq!(over_tcp(&mut house, many(40, 80)), Rcode::REFUSED);
    // Repeated, it is not taken for done.
    let bytes = many(40, 80).bytes();
    for _ in 0..2 {
        let answer = house.dns_datagram(crate::requester::SENSOR, &bytes).expect("an answer");
        assert_eq!(Granted::read(&answer).rcode, Rcode::REFUSED);
    }
    assert_eq!(house.node.counters().dns.records, before);
}

#[test]
fn sr13_more_subtypes_in_all_than_a_host_may_have_are_refused() {
    let mut house = house();
    let mut granted = |from: usize, to: usize| {
        let mut sensor = requester("sensor", 1);
        sensor.lines = sensor.host_lines(&["2001:db8::a"]);
        for number in from..to {
            let instance = format!("s{number}");
            sensor = sensor.with(&requester("sensor", 1).service(&instance, "_ipp._tcp", 631, "x"));
            for subtype in 0..15 {
                sensor = sensor.with(&format!("_t{subtype}._sub._ipp._tcp add 120 PTR {instance}._ipp._tcp\n"));
            }
        }
        house.update(&mut sensor).rcode
    };
    assert_eq!(granted(0, 32), Rcode::NOERROR);
    assert_eq!(granted(32, 33), Rcode::REFUSED);
}

/// The house after a restart: what a store would have kept.
pub fn restarted(house: &mut House) -> House {
    house.drain();
    let mut kept = std::collections::BTreeMap::new();
    for change in &house.changes {
        let registrant = change.after.as_ref().or(change.before.as_ref()).expect("one of both");
        match change.kind {
            ChangeKind::Withdrawn | ChangeKind::Collected => drop(kept.remove(&registrant.id)),
            ChangeKind::Expired if registrant.services.is_none() => drop(kept.remove(&registrant.id)),
            ChangeKind::Expired => {}
            _ => drop(kept.insert(registrant.id, Restored { registrant: (**registrant).clone(), lease: change.lease })),
        }
    }
    let mut next = house_with(|_| {});
    next.now = house.now;
    next.node.set_wall_clock(next.now, WALL_S);
    let last = house.node.counters().last_change;
    for restored in kept.into_values() {
        next.node.restore(next.now, restored).expect("it was there");
    }
    next.node.continue_after(wayhouse_registry::ChangeNumber(last));
    // What is on disk stays there.
    next.changes = std::mem::take(&mut house.changes);
    next
}

#[test]
fn sr17_sr26_a_restart_keeps_names_leases_and_reservations() {
    let mut house = house();
    let base = requester("sensor", 1);
    let (one, two) = (base.service("one", "_coap._udp", 5683, "a"), base.service("two", "_coap._udp", 5684, "b"));
    let host = base.host_lines(&["2001:db8::a"]);
    let update = |lines: &str| requester("sensor", 1).with(&host).with(lines).lease(&[60, 600]);
    // Somebody at the directory wants the name before it is known whose it is, and after.
    house.register_by_update(&mut update(&format!("{one}{two}")));
    house.register(LAMP, "ep=sensor", "</t>");
    house.register_by_update(&mut requester("gone", 3).lamp().lease(&[60, 600]));
    house.advance_s(30);
    house.register_by_update(&mut update(&two));
    let mut gone = requester("gone", 3).lease(&[0, 600]);
    gone.lines = gone.host_lines(&[]);
    house.register_by_update(&mut gone);
    let records = house.node.counters().dns.records;
    let mut house = restarted(&mut house);
    assert_eq!(house.node.counters().dns.records, records);
    assert_eq!(house.answers(HOST, Rtype::AAAA), [format!("{HOST}. AAAA 2001:db8::a")]);
    assert_eq!(house.answers("sensor-2.services.home.arpa", Rtype::AAAA).len(), 1);
    assert_eq!(house.update(&mut requester("gone", 4).lamp()).rcode, Rcode::YXDOMAIN);
    assert_eq!(house.update(&mut requester("sensor", 4).lamp()).rcode, Rcode::YXDOMAIN);
    house.advance_s(30);
    assert_eq!(house.answers(TYPE, Rtype::PTR).len(), 2, "`two`, and the device of the directory");
    house.advance_s(30);
    assert_eq!(house.rcode(HOST, Rtype::AAAA), Rcode::NXDOMAIN);
    assert_eq!(house.update(&mut requester("sensor", 4).lamp()).rcode, Rcode::YXDOMAIN);
}
