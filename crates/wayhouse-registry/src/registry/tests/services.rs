//! Entries with services: leases that end in parts, and names that stay reserved to their key.

use wayhouse_wire::dns::Name;

use super::*;
use crate::{ServiceHost, ServiceInstance, ServiceOffer};

fn services(key_lease_s: u32) -> Arc<ServiceHost> {
    let name = |text| Name::parse(text).expect("a name");
    let instance = ServiceInstance { name: name("Lamp._coap._udp"), key_lease_s, renewed_before_ms: 0, offer: None };
    Arc::new(ServiceHost {
        name: name("lamp"),
        key: Box::new([3; 68]),
        key_lease_s,
        addresses: Box::new([]),
        ttl_s: 60,
        aliases: Box::new([]),
        instances: Box::new([instance]),
    })
}

fn signed<'a>(credentials: &'a Credentials, services: &'a Arc<ServiceHost>, lifetime_s: u32) -> Registration<'a> {
    let origin = Origin::Srp;
    Registration { origin, credentials, services: Some(services), lifetime_s, ..plain("lamp", "") }
}

#[test]
fn sr26_a_name_is_its_keys_until_the_key_lease_ends() {
    let mut house = house();
    let (ours, theirs, services) = (key(1), key(2), services(1_000));
    let id = house.register(&signed(&ours, &services, 60));
    house.pass(seconds(61));
    assert_eq!(house.names(""), "");
    assert!(house.registry.get(id).expect("remembered").is_reserved(house.now));
    assert_eq!(house.try_register(&signed(&theirs, &services, 60)), Err(Refusal::NotOwner));
    assert_eq!(house.try_register(&plain("lamp", "")), Err(Refusal::NotOwner));
    let back = house.try_register(&signed(&ours, &services, 60)).expect("it is ours");
    assert_eq!((back.id, back.is_new), (id, true));
    house.pass(seconds(999));
    assert_eq!(house.try_register(&signed(&theirs, &services, 60)), Err(Refusal::NotOwner));
    house.pass(seconds(1));
    assert!(house.registry.get(id).is_none());
    assert_ne!(house.register(&signed(&theirs, &services, 60)), id);
    // Also where nobody had the time to collect it.
    house.now += seconds(1_000);
    house.register(&signed(&ours, &services, 60));
}

#[test]
fn sr18_without_a_lifetime_only_the_reservation_is_left() {
    let mut house = house();
    let (ours, services) = (key(1), services(100));
    house.register(&signed(&ours, &services, 60));
    let ended = house.try_register(&signed(&ours, &services, 0)).expect("it is ours");
    assert_eq!(house.changes(), [ChangeKind::Added, ChangeKind::Refreshed, ChangeKind::Expired]);
    assert_eq!(ended.change, house.registry.last_change());
    assert_eq!((house.names(""), house.registry.active_count()), (String::new(), 0));
    assert_eq!(house.try_register(&signed(&key(2), &services, 60)), Err(Refusal::NotOwner));
    house.pass(seconds(100));
    house.register(&signed(&key(2), &services, 60));
    // Others must live for a second at least.
    let none = Registration { lifetime_s: 0, ..plain("other", "") };
    assert!(matches!(house.try_register(&none), Err(Refusal::Invalid { .. })));
}

#[test]
fn entries_with_and_without_services_do_not_become_each_other() {
    let mut house = house();
    let (ours, services) = (key(1), services(100));
    let id = house.register(&plain("lamp", ""));
    assert_eq!(house.try_register(&signed(&ours, &services, 60)), Err(Refusal::NotOwner));
    house.pass(seconds(61));
    // The name of an expired entry without services is free.
    assert_eq!(house.register(&signed(&ours, &services, 60)), id);
    assert_eq!(house.registrant(id).owner, ours);
    let as_owner = Registration { credentials: &ours, ..plain("lamp", "") };
    assert_eq!(house.try_register(&as_owner), Err(Refusal::NotOwner));
}

#[test]
fn sr17_what_ends_before_the_whole_leaves_the_lease_alone() {
    let mut house = house();
    let (ours, services) = (key(1), services(100));
    let id = house.register(&signed(&ours, &services, 60));
    house.pass(seconds(20));
    let fewer = Arc::new(ServiceHost { instances: Box::new([]), ..(*services).clone() });
    house.registry.amend(house.now, id, &signed(&ours, &fewer, 0)).expect("it is there");
    let view = house.registry.get(id).expect("it is there");
    assert_eq!((view.lease.lifetime_s, view.lease.remaining(house.now)), (60, seconds(40)));
    assert_eq!(house.registrant(id).services, Some(fewer.clone()));
    house.pass(seconds(40));
    assert!(!house.registry.get(id).expect("reserved").is_active);
    assert_eq!(house.registry.amend(house.now, id, &signed(&ours, &fewer, 0)), Err(Refusal::Unknown));
}

#[test]
fn sr26_of_too_many_reservations_the_one_that_ends_first_goes() {
    let mut house = house_with(Limits { expired_max: 1, ..Limits::default() });
    let (ours, long, short) = (key(1), services(1_000), services(500));
    house.register(&signed(&ours, &long, 60));
    house.register(&Registration { endpoint_name: "switch", ..signed(&ours, &short, 60) });
    house.pass(seconds(61));
    assert!(house.registry.by_name("", "switch").is_none());
    assert!(house.registry.by_name("", "lamp").is_some());
}

#[test]
fn sr26_a_reservation_outlives_a_restart() {
    let mut house = house();
    let (ours, services) = (key(1), services(100));
    let id = house.register(&signed(&ours, &services, 0));
    let view = house.registry.get(id).expect("reserved");
    let restored = Restored { registrant: (**view.registrant).clone(), lease: view.lease };
    let mut next = house_with(Limits::default());
    next.now = house.now + seconds(99);
    next.registry.restore(next.now, restored).expect("it was ours");
    assert_eq!(next.try_register(&signed(&key(2), &services, 60)), Err(Refusal::NotOwner));
    next.pass(seconds(1));
    next.register(&signed(&key(2), &services, 60));
}

#[test]
fn sr26_more_reservations_than_may_be_are_collected_bit_by_bit_after_a_restart() {
    let limits = Limits { expired_max: 10, changes_max: 40, ..Limits::default() };
    let mut house = house_with(limits);
    let (ours, services) = (key(1), services(1_000));
    let names: Vec<String> = (0..200).map(|number| format!("e{number}")).collect();
    let mut before = house_with(Limits::default());
    before.now = house.now;
    for name in &names {
        let id = before.register(&Registration { endpoint_name: name, ..signed(&ours, &services, 0) });
        let view = before.registry.get(id).expect("reserved");
        let restored = Restored { registrant: (**view.registrant).clone(), lease: view.lease };
        house.registry.restore(house.now, restored).expect("it was ours");
        assert!(house.registry.get(id).is_some());
    }
    // Nothing happened, and numbers go on where the store was.
    assert!(!house.registry.has_unread() && !house.registry.take_lag(house.cursor));
    house.registry.continue_after(ChangeNumber(1_000));
    // One that comes does not have to wait for it.
    house.register(&plain("lamp", ""));
    let mut numbers = Vec::new();
    while house.registry.next_expiry().is_some_and(|at| at <= house.now) {
        house.registry.expire(house.now, 30);
        assert!(!house.registry.take_lag(house.cursor));
        numbers.extend(std::iter::from_fn(|| house.registry.next_change(house.cursor)).map(|change| change.number.0));
    }
    assert_eq!(numbers, (1_001..=1_191).collect::<Vec<_>>());
    assert_eq!(names.iter().filter(|name| house.registry.by_name("", name).is_some()).count(), 10);
}

#[test]
fn what_a_store_kept_beyond_the_bounds_makes_room_for_what_comes() {
    let mut before = house();
    let (ours, services) = (key(1), services(1_000));
    let mut house = house_with(Limits { entries_max: 3, changes_max: 5, ..Limits::default() });
    before.now = house.now;
    for number in 0..20 {
        let name = format!("e{number}");
        let id = before.register(&Registration { endpoint_name: &name, ..signed(&ours, &services, 0) });
        let view = before.registry.get(id).expect("reserved");
        let restored = Restored { registrant: (**view.registrant).clone(), lease: view.lease };
        house.registry.restore(house.now, restored).expect("it can be collected");
    }
    house.register(&plain("lamp", ""));
    assert!(!house.registry.take_lag(house.cursor));
    assert_eq!(house.changes(), [ChangeKind::Collected, ChangeKind::Added]);
    house.pass(seconds(0));
    let left = (0..20).filter(|number| house.registry.by_name("", &format!("e{number}")).is_some());
    assert_eq!(left.count(), 2);
}

#[test]
fn subtypes_and_texts_of_a_host_are_bounded_in_all() {
    let mut house = house();
    let ours = key(1);
    let with = |count: usize| {
        let offer = ServiceOffer {
            lease_s: 60,
            subtypes: (0..15).map(|number| [b'_', number].into()).collect(),
            priority: 0,
            weight: 0,
            port: 1,
            texts: Box::new([[0].into()]),
            ttl_s: 60,
        };
        let name = |number| Name::parse(&format!("s{number}._coap._udp")).expect("a name");
        let instances = (0..count).map(|number| ServiceInstance {
            name: name(number),
            key_lease_s: 100,
            renewed_before_ms: 0,
            offer: Some(offer.clone()),
        });
        Arc::new(ServiceHost { instances: instances.collect(), ..(*services(100)).clone() })
    };
    let full = Refusal::Full { bound: crate::limits::SERVICE_RECORDS_BOUND };
    assert_eq!(house.try_register(&signed(&ours, &with(33), 60)), Err(full));
    house.register(&signed(&ours, &with(32), 60));
}
