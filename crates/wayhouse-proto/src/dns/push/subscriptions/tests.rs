use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::push_tlv::{Changes, PushWriter};
use wayhouse_wire::dns::{DsoMessage, DsoWriter, Rcode};

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn with(dialect: PushDialect, list: &[(&str, Rtype, Class)]) -> Subscriptions {
    let mut subscriptions = Subscriptions::new(dialect);
    for (id, (text, rtype, class)) in list.iter().enumerate() {
        let name = name(text);
        let question = Question { name: name.as_ref(), rtype: *rtype, class: *class };
        subscriptions.add(id as u16 + 1, &question, 100).expect("no duplicates");
    }
    subscriptions
}

const RFC: PushDialect = PushDialect::Rfc8765;

#[test]
fn pu8_a_name_type_and_class_is_subscribed_to_once() {
    let mut subscriptions = with(RFC, &[("_ipp._tcp.example.com", Rtype::PTR, Class::IN)]);
    let (same, other) = (name("_IPP._tcp.Example.COM"), name("_ipps._tcp.example.com"));
    let mut add =
        |name: &Name, rtype, class| subscriptions.add(9, &Question { name: name.as_ref(), rtype, class }, 100);
    assert_eq!(add(&same, Rtype::PTR, Class::IN), Err(SubscribeFault::Duplicate));
    assert_eq!(add(&same, Rtype::ANY, Class::IN), Ok(()));
    assert_eq!(add(&same, Rtype::PTR, Class::ANY), Ok(()));
    assert_eq!(add(&other, Rtype::PTR, Class::IN), Ok(()));
}

#[test]
fn pu18_subscriptions_are_bounded_and_others_live_on() {
    let mut subscriptions = with(RFC, &[("a", Rtype::A, Class::IN), ("b", Rtype::A, Class::IN)]);
    let name = name("c");
    let question = Question { name: name.as_ref(), rtype: Rtype::A, class: Class::IN };
    assert_eq!(subscriptions.add(3, &question, 2), Err(SubscribeFault::TooMany));
    assert_eq!(subscriptions.len(), 2);
    // PU28: an unknown ID is ignored.
    assert_eq!(subscriptions.remove(3), None);
    assert_eq!(subscriptions.remove(1).map(|subscription| subscription.name.to_string()).as_deref(), Some("a."));
    assert_eq!(subscriptions.add(3, &question, 2), Ok(()));
}

#[test]
fn pu9_pu10_pu11_records_match_by_the_rules_of_queries() {
    let subscriptions = with(
        RFC,
        &[
            ("ptr.example", Rtype::PTR, Class::IN),
            ("all.example", Rtype::ANY, Class::ANY),
            ("*.example", Rtype::A, Class::IN),
            ("cname.example", Rtype::CNAME, Class::IN),
        ],
    );
    let check = |text: &str, rtype, class, expected| {
        assert_eq!(subscriptions.match_record(name(text).as_ref(), rtype, class), expected, "{text} {rtype} {class}");
    };
    check("PTR.example", Rtype::PTR, Class::IN, true);
    check("ptr.example", Rtype::SRV, Class::IN, false);
    check("ptr.example", Rtype::PTR, Class::CH, false);
    check("a.ptr.example", Rtype::PTR, Class::IN, false);
    check("ptr.example", Rtype::CNAME, Class::IN, true);
    check("all.example", Rtype::TXT, Class::CH, true);
    check("*.example", Rtype::A, Class::IN, true);
    check("host.example", Rtype::A, Class::IN, false);
    check("cname.example", Rtype::CNAME, Class::IN, true);
    check("cname.example", Rtype::A, Class::IN, false);
    // In the drafts a CNAME is a type like others.
    let draft = with(PushDialect::Push12, &[("ptr.example", Rtype::PTR, Class::IN)]);
    assert!(!draft.match_record(name("ptr.example").as_ref(), Rtype::CNAME, Class::IN));
}

#[test]
fn pu25_pu27_notifications_that_nobody_asked_for_are_ignored_one_by_one() {
    let interest = [("a.example", Rtype::PTR, Class::IN), ("b.example", Rtype::ANY, Class::ANY)];
    let told = |dialect, text: &str, kind, rtype, class| {
        let (mut out, name) = (Vec::new(), name(text));
        let mut writer = DsoWriter::unidirectional(&mut out, Rcode::NOERROR);
        let mut push = PushWriter::begin(&mut writer, dialect, None);
        push.change(kind, name.as_ref(), rtype, class, &[0]).expect("fits");
        push.finish();
        let message = DsoMessage::decode(&out, DsoDialect::Rfc8490).expect("ours");
        let changes = Changes::decode(&out, &message.primary().expect("a TLV"), dialect).expect("ours");
        let change = changes.into_iter().next().expect("one");
        with(dialect, &interest).match_change(&change)
    };
    let add = ChangeKind::Add { ttl_s: 1 };
    for kind in [add, ChangeKind::RemoveOne, ChangeKind::RemoveRrset] {
        assert!(told(RFC, "A.example", kind, Rtype::PTR, Class::IN), "{kind:?}");
        assert!(!told(RFC, "a.example", kind, Rtype::SRV, Class::IN), "{kind:?}");
        assert!(!told(RFC, "a.example", kind, Rtype::PTR, Class::CH), "{kind:?}");
        assert!(told(RFC, "b.example", kind, Rtype::SRV, Class::CH), "{kind:?}");
        assert!(!told(RFC, "c.example", kind, Rtype::PTR, Class::IN), "{kind:?}");
        assert!(told(PushDialect::Push12, "a.example", kind, Rtype::PTR, Class::IN), "{kind:?}");
        assert!(!told(PushDialect::Push12, "a.example", kind, Rtype::SRV, Class::IN), "{kind:?}");
    }
    assert!(told(RFC, "a.example", ChangeKind::RemoveName, Rtype::ANY, Class::IN));
    assert!(!told(RFC, "a.example", ChangeKind::RemoveName, Rtype::ANY, Class::CH));
    assert!(told(RFC, "a.example", ChangeKind::RemoveEverything, Rtype::ANY, Class::ANY));
    assert!(!told(RFC, "c.example", ChangeKind::RemoveEverything, Rtype::ANY, Class::ANY));
}
