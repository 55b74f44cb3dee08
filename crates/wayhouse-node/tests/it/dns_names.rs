//! Which names entries have: from the directory to the DNS.

use wayhouse_node::config::{ApplicationGroup, Group, Interfaces, Network};
use wayhouse_registry::{Lease, Restored};
use wayhouse_wire::dns::{Name, Rcode, Rtype};

use crate::house::{House, LAMP, PHONE, delete, post};
use crate::resolver::question;

#[test]
fn dn1_dn2_dn3_dn4_a_device_that_registers_is_a_service_at_once() {
    let mut house = House::new();
    house.register(LAMP, "ep=Lamp 1", "</light>;rt=\"light core.s\"");
    let instance = "Lamp\\0321._coap._udp.services.home.arpa";
    assert_eq!(house.answers(instance, Rtype::SRV), [format!("{instance}. SRV 5683 Lamp-1.services.home.arpa.")]);
    assert_eq!(house.answers(instance, Rtype::TXT), [format!("{instance}. TXT txtvers=1")]);
    assert_eq!(
        house.answers("Lamp-1.services.home.arpa", Rtype::AAAA),
        ["Lamp-1.services.home.arpa. AAAA 2001:db8::1"]
    );
}

#[test]
fn dn7_dn11_types_are_subtypes_and_can_be_enumerated() {
    let mut house = House::new();
    house.register(LAMP, "ep=lamp", "</light>;rt=\"light core.s\",</t>;rt=light");
    let to_lamp = |owner: &str| vec![format!("{owner}.services.home.arpa. PTR lamp._coap._udp.services.home.arpa.")];
    for owner in ["_coap._udp", "_light._sub._coap._udp", "_core\\.s._sub._coap._udp"] {
        assert_eq!(house.answers(&format!("{owner}.services.home.arpa"), Rtype::PTR), to_lamp(owner));
    }
    assert_eq!(
        house.answers("_services._dns-sd._udp.services.home.arpa", Rtype::PTR),
        ["_services._dns-sd._udp.services.home.arpa. PTR _coap._udp.services.home.arpa."]
    );
}

#[test]
fn an_exported_link_whose_path_does_not_fit_is_left_out() {
    let mut house = House::new();
    let path = |octets| format!("/{}", "p".repeat(octets));
    house.register(LAMP, "ep=lamp", &format!("<{}>;exp;ins=fits,<{}>;exp;ins=not", path(249), path(250)));
    let text = house.answers("fits._coap._udp.services.home.arpa", Rtype::TXT);
    assert!(text[0].ends_with(&path(249)), "{text:?}");
    assert_eq!(house.rcode("not._coap._udp.services.home.arpa", Rtype::SRV), Rcode::NXDOMAIN);
}

#[test]
fn dn5_exported_links_are_instances_of_their_own() {
    let mut house = House::new();
    let links = "</light/1>;rt=light;if=core.a;exp;ins=\"Spot\",</light/2>;rt=light;exp,</hidden>;rt=x";
    house.register(LAMP, "ep=lamp&base=coaps://[fd00::7]:5699", links);
    assert_eq!(
        house.answers("_light._sub._coaps._udp.services.home.arpa", Rtype::PTR),
        [
            "_light._sub._coaps._udp.services.home.arpa. PTR Spot._coaps._udp.services.home.arpa.",
            "_light._sub._coaps._udp.services.home.arpa. PTR lamp._coaps._udp.services.home.arpa.",
            "_light._sub._coaps._udp.services.home.arpa. PTR lamp\\032light/2._coaps._udp.services.home.arpa.",
        ]
    );
    assert_eq!(
        house.answers("Spot._coaps._udp.services.home.arpa", Rtype::TXT),
        ["Spot._coaps._udp.services.home.arpa. TXT txtvers=1|path=/light/1|rt=light|if=core.a"]
    );
    assert_eq!(
        house.answers("spot._coaps._udp.services.home.arpa", Rtype::SRV),
        ["spot._coaps._udp.services.home.arpa. SRV 5699 lamp.services.home.arpa."]
    );
    assert_eq!(house.rcode("_x._sub._coap._udp.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
}

#[test]
fn only_exported_links_where_the_configuration_says_so() {
    let mut house = House::with(|config| config.dns.shows_endpoints = false);
    house.register(LAMP, "ep=lamp", "</a>;exp;ins=A,</b>");
    assert_eq!(
        house.answers("_coap._udp.services.home.arpa", Rtype::PTR),
        ["_coap._udp.services.home.arpa. PTR A._coap._udp.services.home.arpa."]
    );
}

#[test]
fn names_go_with_removal_and_expiry_and_come_back() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&lt=60", "</l>;rt=light");
    house.ask(LAMP, delete(&location));
    assert_eq!(house.rcode("lamp.services.home.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
    assert_eq!(house.rcode("_coap._udp.services.home.arpa", Rtype::PTR), Rcode::NXDOMAIN);
    assert_eq!(house.node.counters().dns.records, records_without_entries());

    let location = house.register(LAMP, "ep=lamp&lt=60", "</l>;rt=light");
    assert_eq!(house.answers("lamp.services.home.arpa", Rtype::AAAA).len(), 1);
    house.advance_s(61);
    assert_eq!(house.rcode("lamp.services.home.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
    house.ask(LAMP, post(&location));
    assert_eq!(house.answers("lamp.services.home.arpa", Rtype::AAAA).len(), 1);
    house.advance_s(1_000);
    assert_eq!(house.node.counters().dns.records, records_without_entries());
}

fn records_without_entries() -> usize {
    House::new().node.counters().dns.records
}

#[test]
fn who_comes_first_has_the_name_and_keeps_it() {
    let mut house = House::new();
    let kitchen = "[2001:db8::a]:5683";
    let cellar = "[2001:db8::b]:5683";
    house.register(LAMP, "ep=lamp", "</l>;rt=light");
    house.register(kitchen, "ep=Lamp", "</l>;rt=light");
    house.register(cellar, "ep=LAMP", "</l>;rt=light");
    assert_eq!(
        house.answers("_coap._udp.services.home.arpa", Rtype::PTR),
        [
            "_coap._udp.services.home.arpa. PTR LAMP\\032(3)._coap._udp.services.home.arpa.",
            "_coap._udp.services.home.arpa. PTR Lamp\\032(2)._coap._udp.services.home.arpa.",
            "_coap._udp.services.home.arpa. PTR lamp._coap._udp.services.home.arpa.",
        ]
    );
    assert_eq!(
        house.answers("Lamp\\032(2)._coap._udp.services.home.arpa", Rtype::SRV),
        ["Lamp\\032(2)._coap._udp.services.home.arpa. SRV 5683 Lamp-2.services.home.arpa."]
    );
    // The first goes; the others keep what they have, through changes and renewals.
    let first = house.register(LAMP, "ep=lamp", "</l>;rt=light");
    house.ask(LAMP, delete(&first));
    house.register(kitchen, "ep=Lamp", "</l>;rt=lux");
    house.register(cellar, "ep=LAMP", "</l>;rt=light");
    assert_eq!(
        house.answers("_coap._udp.services.home.arpa", Rtype::PTR),
        [
            "_coap._udp.services.home.arpa. PTR LAMP\\032(3)._coap._udp.services.home.arpa.",
            "_coap._udp.services.home.arpa. PTR Lamp\\032(2)._coap._udp.services.home.arpa.",
        ]
    );
    // Whoever comes next gets the name that is free.
    house.register(LAMP, "ep=lamp", "</l>;rt=light");
    assert_eq!(house.answers("lamp.services.home.arpa", Rtype::AAAA), ["lamp.services.home.arpa. AAAA 2001:db8::1"]);
    assert_eq!(
        house.answers("lamp-2.services.home.arpa", Rtype::AAAA),
        ["lamp-2.services.home.arpa. AAAA 2001:db8::a"]
    );
}

#[test]
fn two_links_of_one_device_may_wish_for_the_same_name() {
    let mut house = House::new();
    for _ in 0..2 {
        house.register(LAMP, "ep=lamp", "</a>;exp;ins=lamp,</b>;exp;ins=Lamp");
        let mut instances = house.answers("_coap._udp.services.home.arpa", Rtype::PTR);
        instances.iter_mut().for_each(|one| *one = one.split(' ').nth(2).unwrap().into());
        assert_eq!(
            instances,
            [
                "Lamp\\032(3)._coap._udp.services.home.arpa.",
                "lamp._coap._udp.services.home.arpa.",
                "lamp\\032(2)._coap._udp.services.home.arpa.",
            ]
        );
        house.register(LAMP, "ep=lamp&et=x", "</a>;exp;ins=lamp,</b>;exp;ins=Lamp");
    }
}

#[test]
fn our_own_name_is_not_to_be_had() {
    let mut house = House::with(|config| config.dns.addresses = vec!["192.168.1.53".parse().unwrap()]);
    house.register(LAMP, "ep=ns", "</l>");
    assert_eq!(house.answers("ns.services.home.arpa", Rtype::A), ["ns.services.home.arpa. A 192.168.1.53"]);
    assert_eq!(house.answers("ns-2.services.home.arpa", Rtype::AAAA).len(), 1);
}

#[test]
fn dn9_dp22_browsers_find_the_domain_by_name_and_by_address() {
    let mut house = House::with(|config| {
        config.dns.reverse.push(Network { address: "192.168.7.9".parse().unwrap(), prefix_length: 24 });
    });
    for kind in ["b", "db", "lb", "r", "dr"] {
        for below in ["services.home.arpa", "0.0.168.192.in-addr.arpa", "0.7.168.192.in-addr.arpa"] {
            let name = format!("{kind}._dns-sd._udp.{below}");
            assert_eq!(house.answers(&name, Rtype::PTR), [format!("{name}. PTR services.home.arpa.")]);
        }
    }
}

#[test]
fn addresses_lead_back_to_names() {
    let mut house = House::new();
    house.register(LAMP, "ep=lamp&base=coap://192.168.3.4", "</l>");
    house.register(PHONE, "ep=plug&base=coap://[fd00::8]", "</l>");
    house.register(PHONE, "ep=odd&base=coap://172.20.0.1", "</l>");
    assert_eq!(
        house.answers("4.3.168.192.in-addr.arpa", Rtype::PTR),
        ["4.3.168.192.in-addr.arpa. PTR lamp.services.home.arpa."]
    );
    let nibbles = format!("8{}.d.f.ip6.arpa", ".0".repeat(29));
    assert_eq!(house.answers(&nibbles, Rtype::PTR), [format!("{nibbles}. PTR plug.services.home.arpa.")]);
    assert_eq!(house.answers("1.0.20.172.in-addr.arpa", Rtype::PTR).len(), 1);
    assert_eq!(house.rcode("20.172.in-addr.arpa", Rtype::SOA), Rcode::NOERROR);
    assert_eq!(house.rcode("1.0.32.172.in-addr.arpa", Rtype::PTR), Rcode::REFUSED);
    assert_eq!(house.rcode("9.9.168.192.in-addr.arpa", Rtype::PTR), Rcode::NXDOMAIN);
    assert_eq!(house.rcode("3.168.192.in-addr.arpa", Rtype::PTR), Rcode::NOERROR);
}

#[test]
fn dp10_what_means_something_on_one_link_only_has_no_name() {
    let mut house = House::new();
    house.register("[fe80::1%3]:5683", "ep=near", "</l>");
    assert_eq!(house.rcode("near.services.home.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
}

#[test]
fn a_host_named_elsewhere_keeps_that_name() {
    let mut house = House::new();
    house.register(LAMP, "ep=cloud&base=coap+tcp://lamp.example.com:5700", "</l>");
    assert_eq!(
        house.answers("cloud._coap._tcp.services.home.arpa", Rtype::SRV),
        ["cloud._coap._tcp.services.home.arpa. SRV 5700 lamp.example.com."]
    );
    assert_eq!(house.rcode("cloud.services.home.arpa", Rtype::A), Rcode::NXDOMAIN);
}

#[test]
fn groups_have_their_addresses_and_addresses_their_groups() {
    let group = |name: &str, addresses: &[&str], groups: &[&str]| Group {
        name: name.into(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        application_groups: groups.iter().map(|text| ApplicationGroup::parse(text).unwrap()).collect(),
        interfaces: Interfaces::None,
        ..Group::default()
    };
    let mut house = House::with(|config| {
        config.groups = vec![group("hall.example", &["ff15::5", "239.0.0.5"], &["lights g.light"])]
    });
    house.node.enter_groups(house.now).unwrap();
    let zone = "services.home.arpa";
    for name in ["hall.example", "lights"] {
        assert_eq!(house.answers(&format!("{name}.{zone}"), Rtype::AAAA), [format!("{name}.{zone}. AAAA ff15::5")]);
        assert_eq!(house.answers(&format!("{name}.{zone}"), Rtype::A), [format!("{name}.{zone}. A 239.0.0.5")]);
    }
    let names = house.answers("5.0.0.239.in-addr.arpa", Rtype::PTR);
    assert!(names.contains(&"5.0.0.239.in-addr.arpa. PTR hall.example.services.home.arpa.".to_owned()), "{names:?}");
    assert!(names.contains(&"5.0.0.239.in-addr.arpa. PTR lights.services.home.arpa.".to_owned()), "{names:?}");
    // A device cannot take the name of a group.
    house.register(LAMP, "ep=lights", "</l>");
    assert_eq!(house.answers("lights-2.services.home.arpa", Rtype::AAAA).len(), 1);
    assert_eq!(house.answers("lights.services.home.arpa", Rtype::AAAA), ["lights.services.home.arpa. AAAA ff15::5"]);
}

#[test]
fn every_zone_shows_every_entry() {
    let mut house = House::with(|config| config.dns.zones.push(Name::parse("things.example").unwrap()));
    house.register(LAMP, "ep=lamp", "</l>;rt=light");
    for zone in ["services.home.arpa", "things.example"] {
        let looked = house.dig(&question(&format!("_coap._udp.{zone}"), Rtype::PTR).edns(1232));
        assert_eq!(looked.answers, [format!("_coap._udp.{zone}. PTR lamp._coap._udp.{zone}.")]);
        assert_eq!(looked.additionals.len(), 3);
    }
}

#[test]
fn what_the_store_kept_has_its_names_again() {
    let mut house = House::new();
    house.register(LAMP, "ep=lamp", "</l>;rt=light");
    let change = house.changes.last().unwrap().clone();
    let registrant = (*change.after.unwrap()).clone();
    let mut again = House::new();
    let lease = Lease { lifetime_s: 60, renewed: again.now };
    again.node.restore(again.now, Restored { registrant, lease }).unwrap();
    again.node.continue_after(change.number);
    assert_eq!(again.answers("lamp.services.home.arpa", Rtype::AAAA).len(), 1);
    again.advance_s(61);
    assert_eq!(again.rcode("lamp.services.home.arpa", Rtype::AAAA), Rcode::NXDOMAIN);
}

#[test]
fn names_too_long_for_a_label_are_cut_between_characters() {
    let mut house = House::new();
    let long = "ä".repeat(40);
    house.register(LAMP, "ep=lamp", &format!("</l>;exp;ins=\"{long}\",</m>;exp;ins=\"{long}\""));
    let instances = house.answers("_coap._udp.services.home.arpa", Rtype::PTR);
    assert_eq!(instances.len(), 3, "{instances:?}");
}
