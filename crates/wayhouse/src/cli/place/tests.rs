use super::*;
use crate::cli::exit::Exit;

fn place(text: &str) -> Place {
    Place::parse(text).expect("a URI that can be used")
}

#[test]
fn mistakes_are_misuse_with_a_hint() {
    for text in
        ["host/path", "http://host/", "coaps://host/", "coaps+tcp://host", "coap://host/#part", "coap://", "coap://h:0"]
    {
        let fault = Place::parse(text).expect_err(text);
        assert_eq!(fault.exit, Exit::Misuse, "{text}");
        assert!(fault.hint.is_some(), "{text}");
    }
}

#[test]
fn origin_and_path_are_told_apart() {
    assert_eq!(place("coap://host:1/a/b?c").origin(), "coap://host:1");
    assert_eq!(place("coap+tcp://[::1]").origin(), "coap+tcp://[::1]");
    for (text, wanted) in [
        ("coap://h", "coap://h/d"),
        ("coap://h/", "coap://h/d"),
        ("coap://h?rt=x", "coap://h/d?rt=x"),
        ("coap://h/?rt=x", "coap://h/d?rt=x"),
        ("coap://h/e?rt=x", "coap://h/e?rt=x"),
    ] {
        let with_path = place(text).with_default_path("/d").unwrap();
        assert_eq!(with_path.resolve(""), wanted, "{text}");
    }
    for (text, has_path) in [("coap://h", false), ("coap://h/", false), ("coap://h/x", true), ("coap://h?x", true)] {
        assert_eq!(place(text).has_path(), has_path, "{text}");
    }
}

#[test]
fn rd8_references_of_any_kind_lead_somewhere() {
    let core = place("coap://[2001:db8::1]:1234/.well-known/core");
    assert_eq!(core.join("/rd").expect("a path").text, "coap://[2001:db8::1]:1234/rd");
    assert_eq!(core.join("rd").expect("a relative path").text, "coap://[2001:db8::1]:1234/.well-known/rd");
    assert_eq!(core.join("//other/rd").expect("an authority").text, "coap://other/rd");
    assert_eq!(core.join("coap+tcp://[::2]/rd?x").expect("a URI").text, "coap+tcp://[::2]/rd?x");
}

#[test]
fn link_local_references_stay_on_their_link() {
    let core = place("coap://[fe80::1%eth0]/.well-known/core");
    assert_eq!(core.join("coap://[fe80::2]/rd").expect("link-local").uri.zone.as_deref(), Some("eth0"));
    assert_eq!(core.join("/rd").expect("a path").uri.zone.as_deref(), Some("eth0"));
    assert_eq!(core.join("coap://[2001:db8::2]/rd").expect("global").uri.zone, None);
}
