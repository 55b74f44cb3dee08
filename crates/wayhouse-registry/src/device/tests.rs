use std::sync::Arc;
use std::time::Instant;

use wayhouse_wire::dns::Name;

use super::*;
use crate::{Credentials, Limits, Origin, Registration, ServiceHost};

#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn register(registry: &mut Registry, name: &str, base: &str, signed: Option<(&[&str], u8)>) -> EntryId {
    let services = signed.map(|(addresses, _)| {
        Arc::new(ServiceHost {
            name: Name::parse(name).unwrap(),
            key: Box::new([]),
            key_lease_s: 60,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ttl_s: 60,
            aliases: Box::new([]),
            instances: Box::new([]),
        })
    });
    let public_key = signed.map(|(_, key)| [key; 32]);
    let registration = Registration {
        endpoint_name: name,
        sector: if signed.is_some() { SECTOR } else { "" },
        base,
        is_base_explicit: true,
        lifetime_s: 60,
        attributes: &[],
        links: "",
        origin: if signed.is_some() { Origin::Srp } else { Origin::Directory },
        credentials: &Credentials { public_key, ..Credentials::default() },
        source: None,
        link_scope: None,
        services: services.as_ref(),
    };
    registry.register(start(), &registration).unwrap().id
}

#[test]
fn entries_at_one_address_or_of_one_key_are_one_device() {
    let mut registry = Registry::new(Limits::default(), 1, "/reg/");
    let lamp = register(&mut registry, "lamp", "coap://192.0.2.1", None);
    let over_tcp = register(&mut registry, "lamp-tcp", "coap+tcp://192.0.2.1:7000", None);
    register(&mut registry, "neighbour", "coap://192.0.2.10", None);
    register(&mut registry, "named", "coap://lamp.example", None);
    let two = (&["2001:db8::1", "192.0.2.1"][..], 1);
    let signed = register(&mut registry, "signed", "coap://[2001:db8::1]", Some(two));
    let keyed = register(&mut registry, "keyed", "dns:keyed.example", Some((&[], 1)));
    register(&mut registry, "other", "dns:other.example", Some((&["192.0.2.9"], 2)));
    let sorted = |mut ids: Vec<EntryId>| {
        ids.sort();
        ids
    };
    assert_eq!(registry.device_of(lamp), sorted(vec![over_tcp, signed]));
    assert_eq!(registry.device_of(signed), sorted(vec![lamp, over_tcp, keyed]));
    assert_eq!(registry.device_of(keyed), [signed]);
    assert_eq!(registry.device_of(EntryId(0)), []);
}

#[test]
fn crowds_at_one_address_are_not_told_whole() {
    let mut registry = Registry::new(Limits::default(), 1, "/reg/");
    let ids: Vec<EntryId> =
        (0..100).map(|number| register(&mut registry, &format!("e{number}"), "coap://192.0.2.1", None)).collect();
    assert_eq!(registry.device_of(ids[0]).len(), DEVICE_ENTRIES_MAX);
}
