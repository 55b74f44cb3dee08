//! Hosts that register by signed update: who may, what it shows, and who has which name.

use wayhouse_node::config::Updates;
use wayhouse_node::{Command, Reply};
use wayhouse_proto::io::{StreamId, StreamInput};
use wayhouse_registry::{EntryId, Origin};
use wayhouse_wire::coap::Code;
use wayhouse_wire::dns::{Message, Rcode, Rtype, UpdateLease};

use crate::house::{House, LAMP, PHONE, delete, get, post};
use crate::requester::{Granted, SENSOR, WALL_S, house, house_with, requester};
use crate::resolver::{framed, question, sent, unframed};

const APPLE: &[u8] = include_bytes!("../../../wayhouse-wire/vectors/sig0/apple-srp-update.bin");

/// Everything that the node knows, to tell whether anything changed.
fn known(house: &mut House) -> (u64, Vec<String>, usize) {
    let counters = house.node.counters();
    (counters.last_change, house.endpoints(""), counters.dns.records)
}

#[test]
fn sr12_a_host_and_its_services_have_names_at_once() {
    let mut house = house();
    house.register_by_update(
        &mut requester("Sensor", 1).lamp().with("_light._sub._coap._udp add 120 PTR Sensor\\032lamp._coap._udp"),
    );
    for zone in ["services.home.arpa", "default.service.arpa"] {
        let name = |relative: &str| format!("{relative}.{zone}");
        assert_eq!(house.answers(&name("sensor"), Rtype::AAAA), [format!("sensor.{zone}. AAAA 2001:db8::a")]);
        let instance = format!("Sensor\\032lamp._coap._udp.{zone}.");
        let pointers = [format!("_coap._udp.{zone}. PTR {instance}")];
        assert_eq!(house.answers(&name("_coap._udp"), Rtype::PTR), pointers);
        let pointers = [format!("_light._sub._coap._udp.{zone}. PTR {instance}")];
        assert_eq!(house.answers(&name("_light._sub._coap._udp"), Rtype::PTR), pointers);
        assert_eq!(house.answers(&instance, Rtype::SRV), [format!("{instance} SRV 5683 Sensor.{zone}.")]);
        assert_eq!(house.answers(&instance, Rtype::TXT), [format!("{instance} TXT path=/l|rt=light")]);
        let types = [format!("_services._dns-sd._udp.{zone}. PTR _coap._udp.{zone}.")];
        assert_eq!(house.answers(&name("_services._dns-sd._udp"), Rtype::PTR), types);
        // SR23: keys are nobody's to see.
        assert!(house.answers(&name("sensor"), Rtype::KEY).is_empty());
    }
}

#[test]
fn sr21_the_address_leads_back_to_the_host() {
    let mut house = house();
    let mut sensor = requester("sensor", 1).lamp();
    sensor.lines += "sensor add 120 AAAA fd00::a\nsensor add 120 AAAA fe80::a\nsensor add 120 AAAA ff02::1\n";
    house.register_by_update(&mut sensor);
    let reverse = "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(house.answers(reverse, Rtype::PTR), [format!("{reverse}. PTR sensor.services.home.arpa.")]);
    // What means something on a link only, or means many, is left out.
    assert_eq!(house.answers("sensor.services.home.arpa", Rtype::AAAA).len(), 2);
}

#[test]
fn a_registration_by_update_is_seen_in_the_directory() {
    let mut house = house();
    let endpoints = house.send(PHONE, get("/rd-lookup/ep").observe());
    let links = house.send(PHONE, get("/rd-lookup/res?rt=light").observe());
    house.notifications(&endpoints);
    house.notifications(&links);
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let told = house.notifications(&endpoints);
    let entry = told.last().expect("a notification").text().to_owned();
    assert!(entry.contains("ep=\"sensor\"") && entry.contains("base=\"coap://[2001:db8::a]\""), "{entry}");
    assert!(entry.contains("d=\"default.service.arpa\""), "{entry}");
    let told = house.notifications(&links);
    let link = told.last().expect("a notification").text().to_owned();
    assert_eq!(link, "<coap://[2001:db8::a]/l>;rt=\"light\";ins=\"sensor lamp\"");
    // It went with a renewal, and what is renewed is no news.
    house.register_by_update(&mut requester("sensor", 1).lamp().lease(&[3_600, 7_200]));
    assert!(house.notifications(&endpoints).is_empty());
    let origins: Vec<Origin> =
        house.changes.iter().filter_map(|change| change.after.as_ref()).map(|after| after.origin).collect();
    assert_eq!(origins, [Origin::Srp, Origin::Srp]);
}

#[test]
fn what_registered_by_update_is_not_changed_over_coap() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let entry = house.endpoints("")[0].clone();
    let location = entry[1..entry.find('>').unwrap()].to_owned();
    assert_eq!(house.ask(PHONE, post(&format!("{location}?lt=60"))).code, Code::FORBIDDEN);
    assert_eq!(house.ask(PHONE, delete(&location)).code, Code::FORBIDDEN);
    let same = post("/rd?ep=sensor&d=default.service.arpa").links("</x>");
    assert_eq!(house.ask(PHONE, same).code, Code::FORBIDDEN);
    // The other way round as well: whoever is in that sector already keeps the name.
    house.register(LAMP, "ep=switch&d=default.service.arpa", "</x>");
    assert_eq!(house.update(&mut requester("switch", 2).lamp()).rcode, Rcode::YXDOMAIN);
}

#[test]
fn base_and_links_are_those_of_the_coap_services() {
    let mut house = house();
    let mut printer = requester("printer", 1);
    printer.lines = printer.host_lines(&["192.0.2.7"]) + &printer.service("P", "_ipp._tcp", 631, "txtvers=1");
    house.register_by_update(&mut printer);
    assert!(house.endpoints("ep=printer")[0].contains("base=\"dns:printer.services.home.arpa\""));
    assert!(house.resources("").is_empty());
    let mut sensor = requester("sensor", 2);
    sensor.lines = sensor.host_lines(&["192.0.2.8", "2001:db8::8"])
        + &sensor.service("S", "_coaps._udp", 5684, "path=/s rt=temp if=core.s ct=60")
        + &sensor.service("T", "_coap._tcp", 7_000, "Path=t");
    house.register_by_update(&mut sensor);
    let links = house.resources("ep=sensor");
    assert_eq!(
        links,
        [
            "<coap+tcp://192.0.2.8:7000/>;ins=\"T\"",
            "<coaps://192.0.2.8/s>;rt=\"temp\";if=\"core.s\";ct=\"60\";ins=\"S\"",
        ]
    );
}

#[test]
fn sr13_conflicting_key_gets_yxdomain() {
    let mut house = house();
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let before = known(&mut house);
    // The host's name, in any case of letters and below any zone.
    let mut other = requester("SENSOR", 2).in_zone("default.service.arpa");
    other.lines = other.host_lines(&["2001:db8::b"]);
    assert_eq!(house.update(&mut other).rcode, Rcode::YXDOMAIN);
    // An instance's name.
    let mut other = requester("other", 2);
    other.lines = other.host_lines(&["2001:db8::b"]) + &other.service("sensor lamp", "_coap._udp", 5683, "x");
    assert_eq!(house.update(&mut other).rcode, Rcode::YXDOMAIN);
    assert_eq!(known(&mut house), before);
    // Whose name it is comes first: the signature is not looked at.
    let mut other = requester("sensor", 2).lamp();
    other.wall_s = 1;
    assert_eq!(house.update(&mut other).rcode, Rcode::YXDOMAIN);
}

#[test]
fn sr13_names_of_others_are_taken_too() {
    let mut house = house();
    house.register(LAMP, "ep=lamp", "</light>;rt=light");
    assert_eq!(house.update(&mut requester("lamp", 1).lamp()).rcode, Rcode::YXDOMAIN);
    assert_eq!(house.update(&mut requester("ns", 1).lamp()).rcode, Rcode::YXDOMAIN);
    // Whoever registers at the directory gets a number.
    house.register_by_update(&mut requester("sensor", 1).lamp());
    house.register("[2001:db8::9]:5683", "ep=sensor", "</t>");
    assert_eq!(house.answers("sensor-2.services.home.arpa", Rtype::AAAA).len(), 1);
    assert_eq!(house.answers("sensor.services.home.arpa", Rtype::AAAA).len(), 1);
}

#[test]
fn sr13_a_wrong_signature_is_refused_and_changes_nothing() {
    let mut house = house();
    let before = known(&mut house);
    let mut sensor = requester("sensor", 1).lamp();
    let good = sensor.bytes();
    for at in [good.len() - 1, 60] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let answer = house.dns_datagram(SENSOR, &bytes).expect("an answer");
        assert_ne!(Granted::read(&answer).rcode, Rcode::NOERROR, "{at}");
    }
    let unsigned = sensor.unsigned();
    let answer = house.dns_datagram(SENSOR, &unsigned).expect("an answer");
    assert_eq!(Granted::read(&answer).rcode, Rcode::REFUSED);
    // A signature of another time.
    for wall_s in [WALL_S - 1_000, WALL_S + 1_000] {
        sensor.wall_s = wall_s;
        assert_eq!(house.update(&mut sensor).rcode, Rcode::REFUSED);
    }
    assert_eq!(known(&mut house), before);
    let refused = house.node.counters().dns.updates_refused;
    assert!(refused >= 5, "{refused}");
}

#[test]
fn sr12_what_is_no_registration_is_refused_and_changes_nothing() {
    let mut house = house();
    let before = known(&mut house);
    let lamp = || requester("sensor", 1).lamp();
    let checks = [
        (lamp().with("sensor add 120 CNAME x\n"), Rcode::REFUSED),
        (lamp().with("needs sensor unused\n"), Rcode::REFUSED),
        (lamp().lease(&[]), Rcode::REFUSED),
        (lamp().lease(&[60, 59]), Rcode::REFUSED),
        (lamp().with("sensor add 60 AAAA 2001:db8::b\n"), Rcode::REFUSED),
        (lamp().with("x.example. delete\n"), Rcode::NOTZONE),
        (lamp().in_zone("example.com"), Rcode::NOTAUTH),
        (lamp().in_zone("home.arpa"), Rcode::NOTAUTH),
    ];
    for (mut requester, rcode) in checks {
        // Lines with prerequisites must come first.
        let (needs, does): (Vec<_>, Vec<_>) = requester.lines.lines().partition(|line| line.starts_with("needs"));
        requester.lines = [needs, does].concat().join("\n");
        assert_eq!(house.update(&mut requester), Granted { rcode, lease: None }, "{}", requester.lines);
    }
    assert_eq!(known(&mut house), before);
}

#[test]
fn sr21_who_is_not_of_the_house_is_refused() {
    let mut house = house();
    let granted = house.update_maybe("[2001:db9::1]:49152", &mut requester("sensor", 1).lamp());
    assert_eq!(granted.expect("an answer").rcode, Rcode::REFUSED);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn updates_can_be_off() {
    let mut house = house_with(|config| {
        config.dns.updates = Updates::Off;
        config.dns.registrar_port = Some(53);
    });
    assert_eq!(house.update(&mut requester("sensor", 1).lamp()).rcode, Rcode::NOTIMP);
    assert_eq!(house.rcode("default.service.arpa", Rtype::SOA), Rcode::REFUSED);
    assert_eq!(house.rcode("_dnssd-srp._tcp.services.home.arpa", Rtype::SRV), Rcode::NXDOMAIN);
    assert_eq!(house.rcode("r._dns-sd._udp.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
}

#[test]
fn sr2_hosts_find_where_to_register() {
    let mut house = house_with(|config| config.dns.registrar_port = Some(8053));
    for zone in ["services.home.arpa", "default.service.arpa"] {
        let registrar = format!("_dnssd-srp._tcp.{zone}. SRV 8053 ns.services.home.arpa.");
        assert_eq!(house.answers(&format!("_dnssd-srp._tcp.{zone}"), Rtype::SRV), [registrar]);
        assert_eq!(house.rcode(&format!("_dnssd-srp-tls._tcp.{zone}"), Rtype::SRV), Rcode::NXDOMAIN);
        for kind in ["r", "dr"] {
            let name = format!("{kind}._dns-sd._udp.{zone}");
            assert_eq!(house.answers(&name, Rtype::PTR), [format!("{name}. PTR {zone}.")]);
        }
    }
    // The zone for registrations shows nothing else.
    house.register(LAMP, "ep=lamp", "</light>;rt=light");
    assert_eq!(house.rcode("lamp.default.service.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
}

#[test]
fn sr13_a_captured_update_registers_in_its_time_only() {
    let mut house = house_with(|config| {
        config.dns.update_sources =
            vec![wayhouse_node::config::Network { address: "10.0.0.0".parse().unwrap(), prefix_length: 8 }];
    });
    let inception = u64::from(Message::decode(APPLE).unwrap().sig0().unwrap().inception);
    let from = "10.91.1.2:5353";
    house.node.set_wall_clock(house.now, inception + 2_000);
    let late = Granted::read(&house.dns_datagram(from, APPLE).expect("an answer"));
    assert_eq!(late.rcode, Rcode::REFUSED);
    house.node.set_wall_clock(house.now, inception + 10);
    let granted = Granted::read(&house.dns_datagram(from, APPLE).expect("an answer"));
    let lease = UpdateLease { lease_s: 30, key_lease_s: Some(604_800) };
    assert_eq!(granted, Granted { rcode: Rcode::NOERROR, lease: Some(lease) });
    assert_eq!(
        house.answers("srp-api-test._ipps._tcp.default.service.arpa", Rtype::SRV),
        ["srp-api-test._ipps._tcp.default.service.arpa. SRV 53 srp-api-test.default.service.arpa."]
    );
    // Played again, it is answered, and renews nothing.
    let change = house.node.counters().last_change;
    assert_eq!(Granted::read(&house.dns_datagram(from, APPLE).expect("an answer")), granted);
    assert_eq!(house.node.counters().last_change, change);
    house.advance_s(31);
    let again = Granted::read(&house.dns_datagram(from, APPLE).expect("an answer"));
    assert_eq!(again.rcode, Rcode::SERVFAIL, "what it did does not stand any more");
    assert_eq!(house.rcode("srp-api-test.default.service.arpa", Rtype::A), Rcode::NXDOMAIN);
}

#[test]
fn sr3_updates_are_taken_over_tcp_one_after_the_other() {
    let mut house = house();
    house.open_dns(1);
    let mut octets = framed(&requester("sensor", 1).lamp().bytes());
    // Of two for one name on one connection, the first wins.
    octets.extend(framed(&requester("sensor", 2).lamp().bytes()));
    octets.extend(framed(&question("sensor.services.home.arpa", Rtype::AAAA).bytes()));
    let (mut received, _) = house.dns_octets(1, &octets);
    while house.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= house.now) {
        house.node.handle_timeout(house.now);
        received.extend(house.dns_received(1).0);
    }
    let messages = unframed(&received);
    assert_eq!(messages.len(), 3);
    assert_eq!(Granted::read(&messages[0]).rcode, Rcode::NOERROR);
    assert_eq!(Granted::read(&messages[1]).rcode, Rcode::YXDOMAIN);
    assert_eq!(Message::decode(&messages[2]).unwrap().header.counts[1], 1);
}

#[test]
fn an_answer_waits_for_the_disk() {
    let mut house = house();
    let bytes = requester("sensor", 1).lamp().bytes();
    let meta = wayhouse_proto::io::Meta { socket: wayhouse_proto::io::SocketId::Dns(0), ..crate::house::meta(SENSOR) };
    let durable_after = |house: &mut House| {
        house.node.handle_datagram(house.now, &meta, &bytes);
        let mut out = Vec::new();
        house.node.poll_transmit(&mut out).expect("an answer").durable_after
    };
    let first = durable_after(&mut house);
    assert_eq!(first, house.node.counters().last_change);
    assert!(first > 0);
    // The same holds for a repetition, which may overtake the disk.
    assert_eq!(durable_after(&mut house), first);
    assert!(sent(&mut house.node).is_empty());
}

#[test]
fn sr13_checks_of_signatures_are_rationed() {
    let mut house = house_with(|config| config.dns.answers_per_s = 0);
    let mut answered = 0;
    let mut silent = 0;
    let mut sensor = requester("sensor", 1).lamp();
    // Each is signed, and wrong.
    let mut bytes = sensor.bytes();
    let last = bytes.len() - 1;
    for number in 0..400_u16 {
        bytes[last] = bytes[last].wrapping_add(1);
        bytes[last - 1] = number as u8;
        match house.dns_datagram(SENSOR, &bytes) {
            Some(answer) => {
                assert_eq!(Granted::read(&answer).rcode, Rcode::REFUSED);
                answered += 1;
            }
            None => silent += 1,
        }
    }
    assert_eq!((answered, silent), (256, 144));
    house.open_dns(1);
    let (received, _) = house.dns_octets(1, &framed(&bytes));
    assert_eq!(Granted::read(&unframed(&received)[0]).rcode, Rcode::SERVFAIL);
    // Others are not held up by it, and time gives more.
    let granted = house.update_maybe("[2001:db8:1::1]:1024", &mut requester("other", 2).lamp());
    assert_eq!(granted.expect("an answer").rcode, Rcode::NOERROR);
    house.advance_s(1);
    assert_eq!(house.update(&mut sensor).rcode, Rcode::NOERROR);
}

#[test]
fn one_device_with_two_registrations_is_told_as_one() {
    let mut house = house();
    house.register("[2001:db8::a]:5683", "ep=lamp", "</l>;rt=light");
    house.register(LAMP, "ep=other", "</l>");
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let id_of = |house: &mut House, name: &str| {
        let entry = house.endpoints(&format!("ep={name}"))[0].clone();
        EntryId::parse(&entry["</reg/".len()..entry.find('>').unwrap()]).expect("an id")
    };
    let (lamp, other, sensor) = (id_of(&mut house, "lamp"), id_of(&mut house, "other"), id_of(&mut house, "sensor"));
    let same_device = |house: &mut House, id| match house.node.command(house.now, Command::Registrant(id)) {
        Ok(Reply::Registrant(shown)) => shown.same_device,
        reply => panic!("{reply:?}"),
    };
    assert_eq!(same_device(&mut house, lamp), [sensor]);
    assert_eq!(same_device(&mut house, sensor), [lamp]);
    assert!(same_device(&mut house, other).is_empty());
}

#[test]
fn sr13_a_registry_without_room_is_a_failure_of_the_server() {
    let mut house = house_with(|config| config.registry.entries_max = 1);
    house.register_by_update(&mut requester("sensor", 1).lamp());
    let before = known(&mut house);
    let mut other = requester("other", 2).lamp();
    assert_eq!(house.update(&mut other).rcode, Rcode::SERVFAIL);
    assert_eq!(known(&mut house), before);
    // There is room for who is there already.
    house.register_by_update(&mut requester("sensor", 1).lamp().with("sensor add 120 AAAA 2001:db8::b\n"));
    // A repetition of what was not done is not taken for done, and is done when there is room.
    let bytes = other.bytes();
    let send = |house: &mut House| Granted::read(&house.dns_datagram(SENSOR, &bytes).expect("an answer")).rcode;
    assert_eq!(send(&mut house), Rcode::SERVFAIL);
    assert_eq!(send(&mut house), Rcode::SERVFAIL);
    let mut gone = requester("sensor", 1).lease(&[0, 0]);
    gone.lines = gone.host_lines(&[]);
    house.register_by_update(&mut gone);
    assert_eq!(send(&mut house), Rcode::NOERROR);
    assert_eq!(house.answers("other.services.home.arpa", Rtype::AAAA).len(), 1);
    let change = house.node.counters().last_change;
    assert_eq!(send(&mut house), Rcode::NOERROR);
    assert_eq!(house.node.counters().last_change, change);
}

#[test]
fn sr13_of_two_connections_only_one_gets_a_name() {
    let mut house = house();
    let host = |name: &str, key| {
        let base = requester(name, key);
        let lines = base.host_lines(&["2001:db8::a"]);
        base.with(&lines)
    };
    for (stream, name, key) in [(1, "one", 1), (2, "two", 2)] {
        house.open_dns(stream);
        let mut octets = framed(&host(name, key).bytes());
        // What comes behind an update waits for the next turn: both then have theirs in one call.
        let service = host(name, key).service("lamp", "_coap._udp", 5683, "x");
        octets.extend(framed(&host(name, key).with(&service).bytes()));
        house.node.handle_stream(house.now, StreamId(stream), StreamInput::Data(&octets));
    }
    while house.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= house.now) {
        house.node.handle_timeout(house.now);
    }
    let mut out = Vec::new();
    while house.node.poll_transmit(&mut out).is_some() {}
    let mut rcodes: Vec<Rcode> = unframed(&out).iter().map(|message| Granted::read(message).rcode).collect();
    rcodes.sort_by_key(|rcode| *rcode != Rcode::NOERROR);
    assert_eq!(rcodes, [Rcode::NOERROR, Rcode::NOERROR, Rcode::NOERROR, Rcode::YXDOMAIN]);
    assert_eq!(house.resources("").len(), 1);
}

/// What stands behind an update waits for the next turn; that its sender ends meanwhile changes nothing.
#[test]
fn who_ends_behind_several_updates_hears_of_all() {
    let mut house = house();
    let base = requester("one", 1);
    let lines = base.host_lines(&["2001:db8::a"]);
    let mut update = base.with(&lines);
    house.open_dns(1);
    let octets = [framed(&update.bytes()), framed(&update.bytes()), framed(&update.bytes())].concat();
    house.node.handle_stream(house.now, StreamId(1), StreamInput::Data(&octets));
    house.node.handle_stream(house.now, StreamId(1), StreamInput::Closed);
    assert!(house.node.is_answering(StreamId(1)));
    while house.node.poll_timeout().is_some_and(|wakeup| wakeup.at <= house.now) {
        house.node.handle_timeout(house.now);
    }
    let (octets, is_closed) = house.dns_received(1);
    let rcodes: Vec<Rcode> = unframed(&octets).iter().map(|message| Granted::read(message).rcode).collect();
    assert_eq!((rcodes, is_closed), (vec![Rcode::NOERROR; 3], true));
    assert!(!house.node.is_answering(StreamId(1)));
}

#[test]
fn sr13_when_one_of_several_hosts_cannot_give_up_a_service_none_does() {
    let mut house = house();
    let host = |name: &str| {
        let base = requester(name, 1);
        let lines = base.host_lines(&["2001:db8::a"]);
        base.with(&lines)
    };
    let mut taker = host("taker");
    for name in ["a", "b", "c", "d", "e", "f"] {
        let service = host(name).service(name, "_coap._udp", 5683, "path=/x");
        house.register_by_update(&mut host(name).with(&service));
        taker = taker.with(&host("taker").service(name, "_coap._udp", 5683, "path=/x"));
    }
    // What this one keeps has more terms than its text may have without the long paths.
    let mut crowded = host("crowded");
    for number in 0..6 {
        let instance = format!("s{number}");
        crowded = crowded.with(&host("crowded").service(&instance, "_coap._udp", 5683, "x"));
        for letter in 'a'..'p' {
            crowded = crowded.with(&format!("_{letter}{number}._sub._coap._udp add 120 PTR {instance}._coap._udp\n"));
        }
    }
    for name in ["long1", "long2"] {
        let text = format!("path=/{}", "x".repeat(240));
        crowded = crowded.with(&host("crowded").service(name, "_coap._udp", 5683, &text));
        taker = taker.with(&host("taker").service(name, "_coap._udp", 5683, "path=/x"));
    }
    house.register_by_update(&mut crowded);
    let before = house.resources("");
    assert_eq!(before.len(), 14);
    let bytes = taker.bytes();
    for _ in 0..2 {
        let answer = house.dns_datagram(SENSOR, &bytes).expect("an answer");
        assert_eq!(Granted::read(&answer).rcode, Rcode::SERVFAIL);
        assert_eq!(house.resources(""), before);
    }
    assert_eq!(house.rcode("taker.services.home.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
    assert_eq!(house.answers("_coap._udp.services.home.arpa", Rtype::PTR).len(), 14);
}

#[test]
fn without_the_time_of_day_no_signature_is_judged() {
    let mut house = House::with(|config| {
        config.dns.update_sources =
            vec![wayhouse_node::config::Network { address: "2001:db8::".parse().unwrap(), prefix_length: 32 }]
    });
    assert_eq!(house.update(&mut requester("sensor", 1).lamp()).rcode, Rcode::SERVFAIL);
}

#[test]
fn pu3_updates_are_taken_on_the_connection_of_a_session() {
    let mut house = house();
    house.open_dns(1);
    // A Keepalive request makes it a session (RFC 8490 §7.1).
    let keepalive =
        [&[0, 9, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8][..], &[0, 0, 0x3a, 0x98], &[0, 0, 0x3a, 0x98]];
    let (received, is_closed) = house.dns_octets(1, &framed(&keepalive.concat()));
    assert!(!received.is_empty() && !is_closed);
    let (received, _) = house.dns_octets(1, &framed(&requester("sensor", 1).lamp().bytes()));
    assert_eq!(Granted::read(&unframed(&received)[0]).rcode, Rcode::NOERROR);
}
