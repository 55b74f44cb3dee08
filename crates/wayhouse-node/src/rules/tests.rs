use super::*;

#[test]
fn rd5_bases_with_zones_are_refused_and_link_local_ones_told_apart() {
    for (base, expected) in [
        ("coap://[2001:db8::1]", Some(Reach::Wide)),
        ("coap://[2001:db8::1]:61616/x?y#z", Some(Reach::Wide)),
        ("coap://[fe80::1]", Some(Reach::LinkLocal)),
        ("coap+tcp://[fe80::1]:7000", Some(Reach::LinkLocal)),
        ("coap://user@[fe80::1]", Some(Reach::LinkLocal)),
        ("coap://169.254.3.4:5683", Some(Reach::LinkLocal)),
        ("coap://192.0.2.1", Some(Reach::Wide)),
        ("coap://lamp.example", Some(Reach::Wide)),
        ("urn:dev:mac:0024befffe804ff1", Some(Reach::Wide)),
        ("coap://[fe80::1%25eth0]", None),
        ("coap://[fe80::1%eth0]", None),
        ("coap://[fe80::1", None),
        ("coap://[lamp]", None),
        ("//192.0.2.1", None),
        ("/path", None),
        ("", None),
        ("coap://a b", None),
        ("coap://a\"b", None),
        ("coap://ä.example", None),
    ] {
        assert_eq!(check_base(base).ok(), expected, "{base}");
    }
}

#[test]
fn attributes_must_be_writable_as_link_attributes() {
    for name in ["et", "ex.building", "oic-d", "lt2"] {
        assert!(check_attribute(name, "any thing, \"quoted\"; ä").is_ok(), "{name}");
    }
    for name in
        ["", "a b", "a;b", "a=", "a,b", "ä", "a\"", "page", "count", "rt", "href", "anchor", "provenance", "lt-age"]
    {
        assert!(check_attribute(name, "x").is_err(), "{name}");
    }
    assert!(check_attribute("et", "line\nbreak").is_err());
}
