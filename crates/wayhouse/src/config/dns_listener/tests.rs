use super::*;

fn listener(text: &str) -> Result<DnsListener, NoListener> {
    text.parse()
}

#[test]
fn what_is_written_is_read_and_written_the_same() {
    for text in ["[::]:8053", "0.0.0.0:8054+push-10", "127.0.0.1:53+session-signal-02+push-12+stateful-dnssd"] {
        assert_eq!(listener(text).unwrap().to_string(), text);
    }
    let turned = listener("0.0.0.0:53+push-10+session-signal-03").unwrap();
    assert_eq!(turned.to_string(), "0.0.0.0:53+session-signal-03+push-10", "in whatever order");
}

/// What is not said is as for all; the RFC can be named where all follow a draft.
#[test]
fn a_listener_follows_what_it_names_and_else_what_all_follow() {
    let all = Dialects { push: PushDialect::Push12, ..Dialects::default() };
    let dialects = |text: &str| listener(text).unwrap().dialects(all);
    assert_eq!(dialects("[::]:53"), all);
    let other = Dialects { sessions: DsoDialect::SessionSignal02, updates: UpdateDialect::StatefulDnssd, ..all };
    assert_eq!(dialects("[::]:53+session-signal-02+stateful-dnssd"), other);
    assert_eq!(dialects("[::]:53+rfc8765"), Dialects::default());
    assert_eq!(listener("[::]:53+push-10").unwrap().with_port(853).to_string(), "[::]:853+push-10");
}

#[test]
fn nonsense_is_no_listener() {
    for (text, why) in [
        ("", NoListener::Address(String::new())),
        ("+push-10", NoListener::Address(String::new())),
        ("[::]", NoListener::Address("[::]".into())),
        ("[::]:53 +push-10", NoListener::Address("[::]:53 ".into())),
        ("[::]:53+", NoListener::Word(String::new())),
        ("[::]:53+push-11", NoListener::Word("push-11".into())),
        ("[::]:53+Push-10", NoListener::Word("Push-10".into())),
        ("[::]:53+push-10+push-12", NoListener::SecondOfKind("push-12".into())),
        ("[::]:53+srp+srp", NoListener::SecondOfKind("srp".into())),
    ] {
        assert_eq!(listener(text), Err(why), "{text}");
    }
}
