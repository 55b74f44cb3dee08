use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;

use super::*;

#[test]
fn pu18_a_name_with_too_much_to_tell_is_told_apart() {
    let name = |text: &str| Name::parse(text).unwrap();
    let mut index = Index::new(KeyedState::new(&mut Rng::new(1)));
    index.add_zone(&name("example"), vec![0; 22].into(), 60).unwrap();
    for octet in 0..5 {
        index.add(&name("many.example"), Rtype::TXT, 60, vec![octet].into()).unwrap();
    }
    index.add(&name("many.example"), Rtype::A, 60, vec![10, 0, 0, 1].into()).unwrap();
    let found = find(&index, &name("many.example"));
    let check = |rtype, most| has_at_most(&index, found, rtype, most);
    assert!(check(Rtype::TXT, 5) && !check(Rtype::TXT, 4));
    assert!(check(Rtype::ANY, 6) && !check(Rtype::ANY, 5));
    assert!(check(Rtype::A, 1) && check(Rtype::SRV, 0));
    assert!(has_at_most(&index, find(&index, &name("nobody.example")), Rtype::ANY, 0));
}
