//! What registering, updating, withdrawing and the passing of time do.

use super::*;

#[test]
fn rd11_same_name_and_sector_is_one_entry_in_one_place() {
    let mut house = house();
    let first = house.try_register(&plain("lamp", "</a>")).unwrap();
    let again = house.try_register(&Registration { base: "coap://h2", ..plain("lamp", "</b>") }).unwrap();
    assert_eq!((first.id, first.is_new, again.is_new), (again.id, true, false));
    assert_eq!((house.names(""), house.targets("")), ("lamp".into(), "/b".into()));
    assert_eq!(&*house.registrant(first.id).base, "coap://h2");
    let other = house.register(&Registration { sector: "floor", ..plain("lamp", "</c>") });
    assert_ne!(other, first.id);
    assert_eq!(house.names("ep=lamp"), "lamp lamp");
    assert_eq!(house.changes(), [ChangeKind::Added, ChangeKind::Changed, ChangeKind::Added]);
}

#[test]
fn rd12_ids_stay_through_changes_and_differ_between_entries() {
    let mut house = house();
    let names: Vec<String> = (0..100).map(|index| format!("node-{index}")).collect();
    let ids: Vec<EntryId> = names.iter().map(|name| house.register(&plain(name, ""))).collect();
    let again: Vec<EntryId> = names.iter().map(|name| house.register(&plain(name, "</a>"))).collect();
    assert_eq!(ids, again);
    let distinct: std::collections::BTreeSet<EntryId> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(ids.iter().zip(&names).all(|(&id, name)| *house.registrant(id).endpoint_name == **name));
}

#[test]
fn registering_the_same_again_is_a_refresh_and_keeps_the_value() {
    let mut house = house();
    let attributes = [("et", "t1"), ("et", "t2")];
    let registration = Registration { attributes: &attributes, ..plain("lamp", "</a>") };
    let id = house.register(&registration);
    let before = house.registry.get(id).unwrap().registrant.clone();
    house.now += seconds(10);
    house.register(&registration);
    let view = house.registry.get(id).unwrap();
    assert!(Arc::ptr_eq(view.registrant, &before));
    assert_eq!(view.lease.renewed, house.now);
    house.register(&Registration { source: Some(([192, 0, 2, 1], 5).into()), ..registration.clone() });
    assert_eq!(house.registrant(id).source, Some(([192, 0, 2, 1], 5).into()));
    assert_eq!(house.changes(), [ChangeKind::Added, ChangeKind::Refreshed, ChangeKind::Refreshed]);
    for other in [
        Registration { attributes: &attributes[..1], ..registration.clone() },
        Registration { links: "</b>", ..registration.clone() },
        Registration { base: "coap://h2", ..registration.clone() },
        Registration { is_base_explicit: false, ..registration.clone() },
        Registration { origin: Origin::Operator, ..registration.clone() },
        Registration { link_scope: Some(1), ..registration.clone() },
    ] {
        house.register(&other);
        assert_eq!(house.changes(), [ChangeKind::Changed], "{other:?}");
    }
}

#[test]
fn rd21_update_starts_the_lease_again_with_the_last_or_a_new_lifetime() {
    let mut house = house();
    let id = house.register(&plain("lamp", ""));
    house.pass(seconds(50));
    house.update(id, &Update::default());
    house.pass(seconds(59));
    assert_eq!(house.names(""), "lamp");
    house.update(id, &Update { lifetime_s: Some(5), ..Update::default() });
    assert_eq!(house.registry.get(id).unwrap().lease, Lease { lifetime_s: 5, renewed: house.now });
    house.pass(seconds(4));
    house.update(id, &Update::default());
    house.pass(Duration::from_millis(4_999));
    assert_eq!(house.names(""), "lamp");
    house.pass(Duration::from_millis(1));
    assert_eq!(house.names(""), "");
    assert_eq!(
        house.changes(),
        [ChangeKind::Added, ChangeKind::Refreshed, ChangeKind::Refreshed, ChangeKind::Refreshed, ChangeKind::Expired]
    );
}

#[test]
fn rd22_a_new_base_moves_all_relative_references() {
    let mut house = house();
    let links = "</t>;rt=temp,<http://www.example.com/t>;anchor=\"/t\";rel=describedby";
    let id = house.register(&Registration { base: "coap://old.example", ..plain("lamp", links) });
    assert_eq!(house.targets("href=coap://old.example/t"), "/t");
    assert_eq!(house.targets("anchor=coap://old.example/t"), "http://www.example.com/t");
    house.update(id, &Update { base: Some(("coaps://new.example", true)), ..Update::default() });
    assert_eq!(house.targets("href=coap://old.example/t"), "");
    assert_eq!(house.targets("anchor=coap://old.example/t"), "");
    assert_eq!(house.targets("href=coaps://new.example/t"), "/t");
    assert_eq!(house.targets("anchor=coaps://new.example/t"), "http://www.example.com/t");
    assert_eq!(house.names("base=coaps://new.example"), "lamp");
    assert_eq!(house.names("base=coap://old.example"), "");
    // Without a base in the update it stays.
    house.update(id, &Update { attributes: &[("et", "x")], ..Update::default() });
    assert_eq!(&*house.registrant(id).base, "coaps://new.example");
}

#[test]
fn rd23_update_replaces_attributes_of_the_same_name_and_keeps_the_others() {
    let mut house = house();
    let attributes = [("et", "t1"), ("model", "m"), ("et", "t2")];
    let id = house.register(&Registration { attributes: &attributes, ..plain("lamp", "") });
    let read = |house: &mut House| {
        let attributes = house.registrant(id).attributes;
        attributes.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    house.update(id, &Update { attributes: &[("et", "t3"), ("color", "red"), ("color", "blue")], ..Update::default() });
    assert_eq!(read(&mut house), "et=t3 model=m color=red color=blue");
    assert_eq!(house.names("et=t1"), "");
    assert_eq!(house.names("et=t3&model=m&color=blue"), "lamp");
    house.changes();
    house.update(id, &Update { attributes: &[("et", "t3")], ..Update::default() });
    assert_eq!(house.changes(), [ChangeKind::Refreshed]);
}

#[test]
fn rd25_an_expired_entry_is_hidden_but_can_be_revived_until_it_is_collected() {
    let mut house = house();
    let links = "</a>;rt=temp";
    let id = house.register(&plain("lamp", links));
    house.pass(seconds(60));
    assert_eq!((house.names(""), house.targets("rt=temp"), house.registry.active_count()), ("".into(), "".into(), 0));
    assert!(house.registry.get(id).is_some_and(|view| !view.is_active));
    assert!(house.registry.by_name("", "lamp").is_some_and(|view| !view.is_active));
    house.pass(seconds(299));
    house.update(id, &Update::default());
    assert_eq!(
        (house.names(""), house.targets("rt=temp"), house.registry.active_count()),
        ("lamp".into(), "/a".into(), 1)
    );
    assert_eq!(house.changes(), [ChangeKind::Added, ChangeKind::Expired, ChangeKind::Added]);
    house.pass(seconds(60));
    let again = house.try_register(&plain("lamp", links)).unwrap();
    assert_eq!((again.id, again.is_new), (id, true));
    house.pass(seconds(60));
    house.pass(seconds(300));
    assert!(house.registry.get(id).is_none() && house.registry.by_name("", "lamp").is_none());
    assert_eq!(house.registry.octets(), 0);
    let changes = [ChangeKind::Expired, ChangeKind::Added, ChangeKind::Expired, ChangeKind::Collected];
    assert_eq!(house.changes(), changes);
    let update = house.registry.update(house.now, id, &Update::default(), &Credentials::anonymous());
    assert_eq!(update, Err(Refusal::Unknown));
    assert_ne!(house.register(&plain("lamp", links)), id);
}

#[test]
fn rd25_a_lease_that_is_over_counts_even_before_expiry_was_worked_on() {
    let mut house = house();
    let id = house.register(&Registration { credentials: &key(1), ..plain("lamp", "") });
    house.now += seconds(61);
    // The name is free by now: somebody else gets it, under another id.
    let other = house.try_register(&Registration { credentials: &key(2), ..plain("lamp", "") }).unwrap();
    assert!(other.is_new && other.id != id);
    let changes = [ChangeKind::Added, ChangeKind::Expired, ChangeKind::Collected, ChangeKind::Added];
    assert_eq!(house.changes(), changes);
    assert!(house.registry.get(id).is_none());
    house.now += seconds(61);
    house.registry.withdraw(house.now, other.id, &key(2)).unwrap();
    assert_eq!(house.changes(), [ChangeKind::Expired, ChangeKind::Collected]);
}

#[test]
fn rd26_each_entry_remembers_the_number_of_its_last_change() {
    let mut house = house();
    let lamp = house.try_register(&plain("lamp", "")).unwrap();
    let door = house.try_register(&plain("door", "")).unwrap();
    assert_eq!(house.registry.last_change_of(lamp.id), Some(lamp.change));
    assert_eq!(
        (house.registry.last_change_of(door.id), house.registry.last_change()),
        (Some(door.change), door.change)
    );
    let number = house.registry.update(house.now, lamp.id, &Update::default(), &Credentials::anonymous()).unwrap();
    assert!(number > door.change);
    assert_eq!(house.registry.last_change_of(lamp.id), Some(number));
    assert_eq!(house.registry.last_change_of(door.id), Some(door.change));
    assert_eq!(house.registry.last_change_of(EntryId(1)), None);
}

#[test]
fn first_come_is_first_remembered() {
    let mut house = house();
    let id = house.register(&Registration { credentials: &key(1), ..plain("lamp", "</a>") });
    for stranger in [&key(2), &Credentials::anonymous()] {
        let register = house.try_register(&Registration { credentials: stranger, ..plain("lamp", "</b>") });
        assert_eq!(register, Err(Refusal::NotOwner));
        let update = house.registry.update(house.now, id, &Update::default(), stranger);
        assert_eq!(update, Err(Refusal::NotOwner));
        assert_eq!(house.registry.withdraw(house.now, id, stranger), Err(Refusal::NotOwner));
    }
    assert_eq!(house.targets(""), "/a");
    // More proof than was remembered is fine, and is not remembered.
    let more = Credentials { session: Some(3), ..key(1) };
    house.register(&Registration { credentials: &more, ..plain("lamp", "</c>") });
    assert_eq!(house.registrant(id).owner, key(1));
    house.registry.update(house.now, id, &Update::default(), &key(1)).unwrap();
    house.registry.withdraw(house.now, id, &key(1)).unwrap();
    assert_eq!(house.registry.withdraw(house.now, id, &key(1)), Err(Refusal::Unknown));
    // With nothing remembered whoever asks, owns.
    house.register(&plain("door", ""));
    house.register(&Registration { credentials: &key(1), ..plain("door", "</a>") });
    house.register(&plain("door", ""));
}

#[test]
fn an_operator_removes_whatever_there_is() {
    let mut house = house();
    let id = house.register(&Registration { credentials: &key(1), ..plain("lamp", "") });
    house.registry.evict(house.now, id).unwrap();
    assert_eq!(house.changes(), [ChangeKind::Added, ChangeKind::Withdrawn]);
    assert_eq!(house.registry.evict(house.now, id), Err(Refusal::Unknown));
    assert_eq!((house.registry.octets(), house.registry.active_count()), (0, 0));
}

#[test]
fn values_that_the_rules_exclude_are_refused() {
    let mut house = house();
    let long = "x".repeat(64);
    let name = "ö".repeat(31);
    house.register(&plain(&name, ""));
    house.register(&Registration { sector: &long[1..], ..plain(&long[1..], "") });
    let check = |house: &mut House, registration: &Registration<'_>, expected: &str| {
        let refusal = house.try_register(registration).unwrap_err();
        assert!(matches!(refusal, Refusal::Invalid { what, .. } if what == expected), "{registration:?}: {refusal}");
    };
    for bad in ["", &long, "a\u{0}", "a\u{1f}b", "\u{7f}", "\u{9f}"] {
        check(&mut house, &plain(bad, ""), "ep");
    }
    for bad in [&long, "a\nb", "\u{80}"] {
        check(&mut house, &Registration { sector: bad, ..plain("lamp", "") }, "d");
    }
    let long_base = format!("coap://{}", "h".repeat(1024));
    for bad in ["", "/path", "host", "coap://h\n", &long_base] {
        check(&mut house, &Registration { base: bad, ..plain("lamp", "") }, "base");
    }
    check(&mut house, &Registration { lifetime_s: 0, ..plain("lamp", "") }, "lt");
    let too_long = "v".repeat(1025);
    for bad in [("", "x"), ("a\tb", "x"), ("ep", "x"), ("href", "x"), ("rt", "x"), ("page", "1"), ("et", &too_long)] {
        check(&mut house, &Registration { attributes: &[bad], ..plain("lamp", "") }, "attribute");
    }
    let id = house.register(&plain("lamp", ""));
    for bad in [
        Update { lifetime_s: Some(0), ..Update::default() },
        Update { base: Some(("h", true)), ..Update::default() },
        Update { attributes: &[("d", "x")], ..Update::default() },
    ] {
        let refusal = house.registry.update(house.now, id, &bad, &Credentials::anonymous());
        assert!(matches!(refusal, Err(Refusal::Invalid { .. })), "{bad:?}");
    }
    // What RFC 9176 §5 allows: anything else in Unicode.
    house.register(&plain("tür 1 \u{a0}", ""));
}

#[test]
fn bounds_refuse_what_goes_beyond_and_count_exactly() {
    let limits =
        Limits { entries_max: 2, octets_max: 50, links_octets_max: 10, attributes_max: 2, ..Limits::default() };
    let mut house = house_with(limits);
    let full = |bound| Err(Refusal::Full { bound });
    assert_eq!(house.try_register(&plain("lamp", "</1234567>,")).map(|_| ()), full("links_octets_max"));
    let three = [("a", "1"), ("b", "2"), ("c", "3")];
    assert_eq!(
        house.try_register(&Registration { attributes: &three, ..plain("lamp", "") }).map(|_| ()),
        full("attributes_max")
    );
    // 4 + 9 + 2 · 2 + 8 octets.
    let id = house.register(&Registration { attributes: &three[..2], ..plain("lamp", "</12345>") });
    assert_eq!(house.registry.octets(), 25);
    let update = Update { attributes: &three[2..], ..Update::default() };
    assert_eq!(
        house.registry.update(house.now, id, &update, &Credentials::anonymous()).map(|_| ()),
        full("attributes_max")
    );
    // 25 more fit, 26 do not.
    assert_eq!(house.try_register(&plain("door-34", "</1234567>")).map(|_| ()), full("octets_max"));
    house.register(&plain("door-3", "</1234567>"));
    assert_eq!(house.registry.octets(), 50);
    let grow = Update { links: Some("</123456>"), ..Update::default() };
    assert_eq!(house.registry.update(house.now, id, &grow, &Credentials::anonymous()).map(|_| ()), full("octets_max"));
    let shrink = Update { links: Some("</1>"), ..Update::default() };
    house.update(id, &shrink);
    assert_eq!(house.registry.octets(), 46);
    assert_eq!(house.try_register(&Registration { base: "a:", ..plain("w", "") }).map(|_| ()), full("entries_max"));
    house.registry.evict(house.now, id).unwrap();
    assert_eq!(house.registry.octets(), 25);
    house.register(&Registration { base: "a:", ..plain("w", "") });
}

#[test]
fn a_document_has_no_more_links_than_indexes_count() {
    let limits = Limits { links_octets_max: 1 << 20, ..Limits::default() };
    let mut house = house_with(limits);
    let most = vec!["<>"; 65_535].join(",");
    house.register(&plain("lamp", &most));
    assert_eq!(house.targets_on("ep=lamp", Page { first: 65_534, count: 5 }), "");
    let refusal = house.try_register(&plain("lamp", &format!("{most},<>")));
    assert_eq!(refusal, Err(Refusal::Full { bound: "LINKS_MAX" }));
}

#[test]
fn crowds_of_tiny_terms_are_refused() {
    let mut house = house();
    let full = Err(Refusal::Full { bound: "terms_max" });
    let values: Vec<String> = (0..100).map(|index| index.to_string()).collect();
    let crowd = format!("</a>;rt=\"{}\"", values.join(" "));
    assert_eq!(house.try_register(&plain("lamp", &crowd)), full);
    let names = format!("</a>;{}", values.join(";"));
    assert_eq!(house.try_register(&plain("lamp", &names)), full);
    let own = values.join(" ");
    assert_eq!(house.try_register(&Registration { attributes: &[("rel", &own)], ..plain("lamp", "") }), full);
    let id = house.register(&plain("lamp", ""));
    let update = Update { links: Some(&crowd), ..Update::default() };
    assert_eq!(
        house.registry.update(house.now, id, &update, &Credentials::anonymous()).map(|_| ()),
        full.map(|_: Registered| ())
    );
    // The same few terms however often, and many in a text that is long enough.
    let repeated = vec!["</a>;rt=x;if=y;ct=40;obs"; 500].join(",");
    house.register(&plain("lamp", &repeated));
    let long: Vec<String> = (0..200).map(|index| format!("</sensors/number{index}>;rt=kind{index}")).collect();
    house.register(&plain("lamp", &long.join(",")));
}

#[test]
fn expired_entries_make_room_first_the_oldest_of_them() {
    let mut house = house_with(Limits { entries_max: 3, ..Limits::default() });
    let old = house.register(&Registration { lifetime_s: 1, ..plain("old", "") });
    let older = house.register(&Registration { lifetime_s: 2, ..plain("older", "") });
    house.register(&plain("lamp", ""));
    house.pass(seconds(5));
    house.register(&plain("door", ""));
    assert!(house.registry.get(old).is_none() && house.registry.get(older).is_some());
    assert_eq!(house.names(""), "door lamp");
    // The one that is revived does not make room for itself.
    house.register(&plain("older", ""));
    assert_eq!(house.try_register(&plain("window", "")), Err(Refusal::Full { bound: "entries_max" }));
}

#[test]
fn no_more_expired_entries_are_kept_than_configured() {
    let mut house = house_with(Limits { expired_max: 2, ..Limits::default() });
    let ids: Vec<EntryId> = (0..5)
        .map(|index| house.register(&Registration { lifetime_s: 10 - index, ..plain(&index.to_string(), "") }))
        .collect();
    house.pass(seconds(20));
    let kept: Vec<bool> = ids.iter().map(|&id| house.registry.get(id).is_some()).collect();
    assert_eq!(kept, [true, true, false, false, false]);
}

#[test]
fn expiry_works_in_slices_and_says_when_it_is_wanted() {
    let mut house = house();
    assert_eq!(house.registry.next_expiry(), None);
    for index in 0..10 {
        house.register(&Registration { lifetime_s: 5 + index % 2, ..plain(&index.to_string(), "") });
    }
    assert_eq!(house.registry.next_expiry(), Some(house.now + seconds(5)));
    assert!(!house.registry.expire(house.now + seconds(4), 100));
    house.now += seconds(5);
    assert!(house.registry.expire(house.now, 3));
    assert_eq!(house.registry.active_count(), 7);
    assert!(!house.registry.expire(house.now, 2));
    assert_eq!(house.registry.next_expiry(), Some(house.now + seconds(1)));
    assert_eq!(house.names(""), "1 3 5 7 9");
    assert!(!house.registry.expire(house.now + seconds(1), 100));
    assert_eq!(house.registry.next_expiry(), Some(house.now + seconds(300)));
}

#[test]
fn changes_carry_the_values_and_leases_before_and_after() {
    let mut house = house();
    let first = house.now;
    let id = house.register(&plain("lamp", "</a>"));
    house.now += seconds(1);
    house.register(&plain("lamp", "</b>"));
    house.now += seconds(1);
    house.registry.evict(house.now, id).unwrap();
    let text = |value: &Option<Arc<Registrant>>| value.as_ref().map(|value| value.links.to_string());
    let mut numbers = Vec::new();
    let mut next = || {
        let change = house.registry.next_change(house.cursor).expect("three changes were made");
        numbers.push(change.number.0);
        (change.kind, text(&change.before), text(&change.after), change.lease.renewed)
    };
    assert_eq!(next(), (ChangeKind::Added, None, Some("</a>".into()), first));
    assert_eq!(next(), (ChangeKind::Changed, Some("</a>".into()), Some("</b>".into()), first + seconds(1)));
    assert_eq!(next(), (ChangeKind::Withdrawn, Some("</b>".into()), None, first + seconds(1)));
    assert_eq!(numbers, [1, 2, 3]);
    assert!(!house.registry.has_unread());
}

#[test]
fn restored_entries_have_what_is_left_of_their_lease() {
    let mut old = house();
    let id = old.register(&Registration { attributes: &[("et", "t")], ..plain("lamp", "</a>;rt=temp") });
    let short = old.register(&Registration { lifetime_s: 5, ..plain("door", "") });
    let records: Vec<Restored> = [id, short]
        .iter()
        .map(|&id| Restored { registrant: old.registrant(id), lease: old.registry.get(id).unwrap().lease })
        .collect();
    let mut house = house();
    house.now = old.now + seconds(20);
    for record in &records {
        house.registry.restore(house.now, record.clone()).unwrap();
        let again = house.registry.restore(house.now, record.clone());
        assert!(matches!(again, Err(Refusal::Invalid { what: "ep", .. })));
    }
    house.registry.continue_after(ChangeNumber(70));
    assert_eq!(house.changes(), []);
    assert_eq!((house.names("et=t"), house.targets("rt=temp")), ("lamp".into(), "/a".into()));
    assert!(house.registry.get(short).is_some_and(|view| !view.is_active));
    assert_eq!(house.registry.last_change_of(id), Some(ChangeNumber(70)));
    house.pass(seconds(39));
    assert_eq!(house.names(""), "lamp");
    house.pass(seconds(1));
    assert_eq!(house.names(""), "");
    assert_eq!(house.registry.last_change(), ChangeNumber(71));
    let mut twin = records[0].clone();
    twin.registrant.endpoint_name = "twin".into();
    let taken = house.registry.restore(house.now, twin.clone());
    assert!(matches!(taken, Err(Refusal::Invalid { what: "id", .. })));
    twin.registrant.endpoint_name = "".into();
    let unnamed = house.registry.restore(house.now, twin);
    assert!(matches!(unnamed, Err(Refusal::Invalid { what: "ep", .. })));
}
