use super::*;

fn instance(key_lease_s: u32, lease_s: u32, renewed_before_ms: u64) -> ServiceInstance {
    let offer = ServiceOffer {
        lease_s,
        subtypes: Box::new([]),
        priority: 0,
        weight: 0,
        port: 5683,
        texts: Box::new([[0].into()]),
        ttl_s: 120,
    };
    let name = Name::parse("Lamp._coap._udp").expect("a name");
    ServiceInstance { name, key_lease_s, renewed_before_ms, offer: Some(offer) }
}

fn host(instances: Vec<ServiceInstance>) -> ServiceHost {
    let name = Name::parse("lamp").expect("a name");
    let addresses = Box::new(["192.0.2.1".parse().expect("an address")]);
    ServiceHost {
        name,
        key: Box::new([0; 68]),
        key_lease_s: 100,
        addresses,
        ttl_s: 120,
        aliases: Box::new([]),
        instances: instances.into(),
    }
}

#[test]
fn sr17_times_of_an_instance_count_from_its_own_renewal() {
    let instance = instance(50, 10, 4_001);
    assert_eq!((instance.offer_ends_ms(), instance.reservation_ends_ms()), (Some(5_999), 45_999));
    assert_eq!(ServiceInstance { renewed_before_ms: 60_000, ..instance }.reservation_ends_ms(), 0);
}

#[test]
fn sr26_an_entry_is_remembered_as_long_as_any_of_its_names_is_reserved() {
    assert_eq!(host(Vec::new()).reserved_s(), 100);
    assert_eq!(host(vec![instance(300, 10, 1_500)]).reserved_s(), 298);
    assert_eq!(host(vec![instance(50, 10, 0)]).reserved_s(), 100);
}

#[test]
fn every_part_counts() {
    let plain = host(Vec::new());
    assert!(plain.octets() >= 68 + 6);
    let one = host(vec![instance(1, 1, 0)]);
    // Itself and its text, each a record and a name in every zone.
    assert!(one.octets() > plain.octets() + 18 + 2 * 256);
    let mut more = instance(1, 1, 0);
    let offer = more.offer.as_mut().expect("an offer");
    offer.subtypes = Box::new([[b'_', b'a'].into(), [b'_', b'b'].into()]);
    assert!(host(vec![more]).octets() > one.octets() + 2 * 256);
    let aliases = Box::new([Name::parse("hall").expect("a name")]);
    assert!(ServiceHost { aliases, ..plain.clone() }.octets() > plain.octets() + 256);
    assert!(plain.octets() > ServiceHost { addresses: Box::new([]), ..plain.clone() }.octets() + 256);
}
