use super::*;

fn segments(uri: &str) -> Vec<String> {
    let parsed = CoapUri::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
    parsed.options.all_text(number::URI_PATH).into_iter().map(str::to_owned).collect()
}

#[test]
fn co10_dot_segments_vanish_however_they_are_written() {
    for (uri, expected) in [
        ("coap://h/a/%2e%2E/b", &["b"][..]),
        ("coap://h/a/.%2e", &[]),
        ("coap://h/a/b/..", &["a", ""]),
        ("coap://h/a/b/.", &["a", "b", ""]),
        ("coap://h/../..", &[]),
        ("coap://h/./", &[]),
        ("coap://h//..", &[]),
        ("coap://h//.", &["", ""]),
        ("coap://h/...", &["..."]),
        ("coap://h/a%2F..", &["a/.."]),
    ] {
        assert_eq!(segments(uri), expected, "{uri}");
    }
}

#[test]
fn hosts_are_read_as_they_are_meant() {
    for (uri, host, zone, port) in [
        ("coap://127.0.0.1", Host::Address([127, 0, 0, 1].into()), None, 5683),
        ("coap://[::1]:", Host::Address(Ipv6Addr::LOCALHOST.into()), None, 5683),
        ("coaps+tcp://[::ffff:192.0.2.1]", Host::Address([192, 0, 2, 1].into()), None, 5684),
        ("coap://[ff02::fd%25eth0]", Host::Address("ff02::fd".parse().expect("an address")), Some("eth0"), 5683),
        ("coap://[ff02::fd%25]", Host::Address("ff02::fd".parse().expect("an address")), Some("25"), 5683),
        ("coap+tcp://Sch%C3%BC.example:00099", Host::Name("schü.example".into()), None, 99),
        ("coap://1.2.3", Host::Name("1.2.3".into()), None, 5683),
    ] {
        let parsed = CoapUri::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
        assert_eq!((&parsed.host, parsed.zone.as_deref(), parsed.port), (&host, zone, port), "{uri}");
        assert_eq!(parsed.options.first(number::URI_HOST).is_some(), matches!(host, Host::Name(_)), "{uri}");
    }
    for (uri, why) in [
        ("coap://[fe80::1%]/", UriError::BadHost),
        ("coap://[127.0.0.1]/", UriError::BadHost),
        ("coap://[::1]x/", UriError::BadPort),
        ("coap://h:+1/", UriError::BadPort),
        ("coap://::1/", UriError::BadHost),
        ("coap://a:1:2/", UriError::BadPort),
        ("coap://a b/", UriError::BadHost),
        ("coap://a\\b/", UriError::BadHost),
        ("coap://%ff/", UriError::BadHost),
        ("coap://%g0/", UriError::BadPercent),
        ("coap://h?%", UriError::BadPercent),
        ("//h/", UriError::NotAbsolute),
        ("", UriError::NotAbsolute),
        ("1coap://h", UriError::NotAbsolute),
        ("coap+ws://h", UriError::UnknownScheme),
    ] {
        assert_eq!(CoapUri::parse(uri), Err(why), "{uri}");
    }
}

#[test]
fn a_percent_sign_in_a_name_is_data() {
    let parsed = CoapUri::parse("coap://a%2541").expect("a URI");
    assert_eq!(parsed.options.first(number::URI_HOST).map(|host| host.value), Some(&b"a%41"[..]));
}

#[test]
fn composing_puts_options_before_the_destination() {
    let uri = |options: &[(u16, &[u8])], destination: &str| {
        let mut list = OptionList::new();
        for (number, value) in options {
            list.push(*number, value);
        }
        compose(Scheme::Coap, destination.parse().expect("an address"), list.iter())
    };
    assert_eq!(uri(&[(number::URI_PORT, &[0x16, 0x33])], "[2001:db8::1]:61616"), "coap://[2001:db8::1]/");
    assert_eq!(uri(&[(number::URI_PORT, &[99])], "192.0.2.1:5683"), "coap://192.0.2.1:99/");
    assert_eq!(uri(&[(number::URI_PORT, &[1, 0, 0])], "192.0.2.1:99"), "coap://192.0.2.1:99/", "no such port");
    assert_eq!(uri(&[(number::URI_HOST, b"2001:DB8:0::1")], "[::1]:99"), "coap://[2001:db8::1]:99/");
    assert_eq!(uri(&[(number::URI_HOST, b"[2001:db8::1]")], "[::1]:99"), "coap://[2001:db8::1]:99/");
    assert_eq!(
        uri(&[(number::URI_HOST, b"a:1/b\xff")], "[::1]:5683"),
        "coap://a%3A1%2Fb%FF/",
        "no way out of the host"
    );
    assert_eq!(uri(&[], "[::ffff:192.0.2.1]:5683"), "coap://192.0.2.1/");
    assert_eq!(uri(&[(number::URI_QUERY, b"")], "[::1]:5683"), "coap://[::1]/?");
}

#[test]
fn bases_are_written_as_rfc_5952_wants() {
    for (scheme, address, expected) in [
        (Scheme::Coap, "[2001:db8:0:0:1:0:0:1]:5683", "coap://[2001:db8::1:0:0:1]"),
        (Scheme::Coap, "[2001:DB8::AB]:5684", "coap://[2001:db8::ab]:5684"),
        (Scheme::CoapTcp, "[fe80::1%7]:5683", "coap+tcp://[fe80::1]"),
        (Scheme::Coaps, "192.0.2.1:5684", "coaps://192.0.2.1"),
        (Scheme::CoapsTcp, "[::ffff:192.0.2.1]:1", "coaps+tcp://192.0.2.1:1"),
    ] {
        let mut out = String::new();
        base_from_address(&mut out, scheme, address.parse().expect("an address"));
        assert_eq!(out, expected);
    }
}

#[test]
fn references_resolve_against_unusual_bases() {
    for (base, reference, expected) in [
        ("coap://h", "", "coap://h"),
        ("coap://h", "?q", "coap://h?q"),
        ("coap://h?x#f", "", "coap://h?x"),
        ("coap://h?x#f", "#g", "coap://h?x#g"),
        ("coap://h?a/b", "c", "coap://h/c"),
        ("coap://h/a?x", "?", "coap://h/a?"),
        ("coap://h/a/b?x", "../../../c/./d/..", "coap://h/c/"),
        ("coap://h/a/../b/c", "d", "coap://h/b/d"),
        ("coap://h/a/b", "//i/x/../y?q#f", "coap://i/y?q#f"),
        ("coap://h/a/b", "/a//../c", "coap://h/a/c"),
        ("coap://h/a/b", "./", "coap://h/a/"),
        ("coap://h/a/b", "urn:x:../y", "urn:x:../y"),
        ("urn:a:b", "c", "urn:c"),
        ("urn:a/b", "./c", "urn:a/c"),
    ] {
        let mut out = b"kept ".to_vec();
        resolve_into(&mut out, base, reference);
        assert_eq!(String::from_utf8_lossy(&out), format!("kept {expected}"), "{reference} at {base}");
    }
}

#[test]
fn origins_end_where_the_path_starts() {
    for (uri, expected) in [
        ("coap://h:1/a/b?c#d", "coap://h:1"),
        ("coap://[::1]?q", "coap://[::1]"),
        ("coap://h", "coap://h"),
        ("urn:x:y", "urn:x:y"),
    ] {
        assert_eq!(origin(uri), expected);
    }
}

#[test]
fn schemes_are_recognised() {
    for text in ["coap:", "a+b-c.1:x", "urn:x"] {
        assert!(has_scheme(text), "{text}");
    }
    for text in ["", ":", "1a:", "/a:b", "a/b:c", "a?b:c", "abc", "é:"] {
        assert!(!has_scheme(text), "{text}");
    }
}

#[test]
fn percent_encoding_and_back() {
    let mut out = String::new();
    percent_encode(&mut out, b"a-._~ /%\xff", b"/");
    assert_eq!(out, "a-._~%20/%25%FF");
    assert_eq!(percent_decode(&out).as_deref(), Some(&b"a-._~ /%\xff"[..]));
    for malformed in ["%", "%4", "%4g", "a%", "%+1"] {
        assert_eq!(percent_decode(malformed), None, "{malformed}");
    }
}

proptest::proptest! {
    #[test]
    fn uris_survive_composing_and_parsing(
        path in proptest::collection::vec("[^.]{0,8}|..\\.", 0..5),
        query in proptest::collection::vec(".{0,8}", 0..4),
        port in 1u16..,
    ) {
        let mut options = OptionList::new();
        // A single empty segment is the same path as none.
        if path != [""] {
            path.iter().for_each(|segment| options.push(number::URI_PATH, segment.as_bytes()));
        }
        query.iter().for_each(|argument| options.push(number::URI_QUERY, argument.as_bytes()));
        let uri = compose(Scheme::CoapTcp, SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port), options.iter());
        let parsed = CoapUri::parse(&uri).expect("our own URI");
        proptest::prop_assert_eq!(parsed.port, port);
        proptest::prop_assert_eq!(parsed.options, options);
    }

    #[test]
    fn resolving_leaves_no_dot_segments(base_path in "(/[a.]{0,3}){0,4}", reference in "(/?[a.]{0,3}){0,5}") {
        let mut out = Vec::new();
        resolve_into(&mut out, &format!("coap://h{base_path}"), &reference);
        let resolved = String::from_utf8(out).expect("text");
        // Against a base without them; where the reference has no path, the base's is taken as it is (RFC 3986 §5.2.2).
        if !reference.is_empty() && !reference.starts_with("//") {
            let path = resolved.strip_prefix("coap://h").expect("the same authority");
            proptest::prop_assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{}", resolved);
        }
    }
}
