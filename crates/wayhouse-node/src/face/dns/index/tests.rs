use wayhouse_proto::rng::Rng;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn index() -> Index {
    let mut index = Index::new(KeyedState::new(&mut Rng::new(1)));
    index.add_zone(&name("example"), vec![0; 22].into(), 60).unwrap();
    index
}

fn is_there(index: &Index, text: &str) -> bool {
    matches!(index.lookup(&Folded::new(name(text).as_ref())), Found::At(..))
}

#[test]
fn a_record_is_there_as_long_as_somebody_holds_it() {
    let mut index = index();
    let record = index.add(&name("a.b.example"), Rtype::TXT, 60, vec![0].into()).unwrap();
    assert_eq!(index.add(&name("A.B.example"), Rtype::TXT, 60, vec![0].into()), Some(record));
    index.remove(record);
    assert!(is_there(&index, "a.b.example") && is_there(&index, "b.example"));
    index.remove(record);
    assert!(!is_there(&index, "a.b.example") && !is_there(&index, "b.example"));
    assert!(is_there(&index, "example"));
    assert_eq!((index.record_count(), index.nodes.len()), (1, 1));
    assert_eq!(index.add(&name("a.elsewhere"), Rtype::TXT, 60, vec![0].into()), None);
}

#[test]
fn records_of_a_set_come_in_order_whatever_goes() {
    let mut index = index();
    let owner = name("set.example");
    let all: Vec<_> = (0..9).map(|octet| index.add(&owner, Rtype::TXT, 60, vec![octet].into()).unwrap()).collect();
    for gone in [0, 4, 8] {
        index.remove(all[gone]);
    }
    let Found::At(_, node) = index.lookup(&Folded::new(owner.as_ref())) else { panic!("it is there") };
    let set = index.set(node, Rtype::TXT).unwrap();
    let left: Vec<u8> = index.data(set).map(|datum| datum.rdata[0]).collect();
    assert_eq!(left, [1, 2, 3, 5, 6, 7]);
}

#[test]
fn what_is_only_led_to_does_not_exist_until_it_has_records() {
    let mut index = index();
    let to_host: Box<[u8]> = [&[0, 0, 0, 0, 22, 51], name("LAMP.hall.example").wire()].concat().into();
    let service = index.add(&name("lamp._coap._udp.example"), Rtype::SRV, 60, to_host).unwrap();
    assert!(!is_there(&index, "lamp.hall.example") && !is_there(&index, "hall.example"));
    let host = index.add(&name("lamp.hall.example"), Rtype::A, 60, vec![10, 0, 0, 1].into()).unwrap();
    let Found::At(_, node) = index.lookup(&Folded::new(name("lamp.hall.example").as_ref())) else { panic!("there") };
    assert_eq!(index.name(node).to_string(), "lamp.hall.example.");
    assert!(is_there(&index, "hall.example"));
    index.remove(host);
    assert!(!is_there(&index, "lamp.hall.example") && !is_there(&index, "hall.example"));
    index.remove(service);
    // A name that leads to itself goes as well.
    let own = index.add(&name("ring.example"), Rtype::PTR, 60, name("ring.example").wire().into()).unwrap();
    index.remove(own);
    assert_eq!((index.record_count(), index.nodes.len()), (1, 1));
}

#[test]
fn a_zone_inside_another_is_its_own() {
    let mut index = index();
    let inner = index.add_zone(&name("in.example"), vec![0; 22].into(), 60).unwrap();
    let found = index.lookup(&Folded::new(name("x.y.in.example").as_ref()));
    assert_eq!(found, Found::Nowhere(inner));
    assert_eq!(index.add_zone(&name("IN.example"), vec![0; 22].into(), 60), None);
    assert!(matches!(index.lookup(&Folded::new(name("x.example").as_ref())), Found::Nowhere(zone) if zone != inner));
    assert_eq!(index.lookup(&Folded::new(name("com").as_ref())), Found::Outside);
}

#[test]
fn pu26_another_time_to_live_is_told_of_each_record_of_a_set() {
    let mut index = index();
    let owner = name("set.example");
    for octet in 0..2 {
        index.add(&owner, Rtype::TXT, 120, vec![octet].into()).unwrap();
    }
    index.set_watched(true);
    index.add(&owner, Rtype::TXT, 120, vec![0].into()).unwrap();
    assert!(index.take_changes().is_empty(), "nothing changed");
    index.add(&owner, Rtype::TXT, 60, vec![0].into()).unwrap();
    let told: Vec<_> =
        index.take_changes().iter().map(|change| (change.rdata[0], change.ttl_s, change.is_there)).collect();
    assert_eq!(told, [(0, 60, true), (1, 60, true)]);
}
