use super::*;

#[test]
fn a_table_finds_what_was_entered_and_not_removed() {
    let key = HashKey::new(1);
    let mut table = SlotTable::new();
    for slot in 0..10_000 {
        table.insert(key.hash(slot), slot);
    }
    for slot in (0..10_000).step_by(3) {
        table.remove(key.hash(slot), slot);
    }
    for slot in 0..10_100 {
        let expected = (slot < 10_000 && slot % 3 != 0).then_some(slot);
        assert_eq!(table.find(key.hash(slot), |other| other == slot), expected);
    }
}

#[test]
fn slots_with_one_hash_are_told_apart() {
    let mut table = SlotTable::new();
    table.insert(5, 1);
    table.insert(5, 2);
    assert_eq!(table.find(5, |slot| slot == 2), Some(2));
    table.remove(5, 2);
    assert_eq!(table.find(5, |slot| slot == 2), None);
    assert_eq!(table.find(5, |_| true), Some(1));
}

#[test]
fn hashes_depend_on_the_key() {
    assert_eq!(HashKey::new(1).hash("a"), HashKey::new(1).hash("a"));
    assert_ne!(HashKey::new(1).hash("a"), HashKey::new(2).hash("a"));
    assert_ne!(HashKey::new(1).hash(("a", "b")), HashKey::new(1).hash(("ab", "")));
}
