//! URIs: RFC 7252 §6 and App. B, RFC 3986 §5.4.

use wayhouse_wire::coap::OptionList;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{CoapUri, Host, Scheme, UriError, compose, resolve_into};

use crate::vectors::vectors;

fn options(list: &serde_json::Value) -> OptionList {
    let mut options = OptionList::new();
    for pair in list.as_array().expect("a list") {
        let number = match pair[0].as_str() {
            Some("Uri-Host") => number::URI_HOST,
            Some("Uri-Path") => number::URI_PATH,
            Some("Uri-Query") => number::URI_QUERY,
            other => panic!("{other:?}"),
        };
        options.push(number, pair[1].as_str().expect("text").as_bytes());
    }
    options
}

#[test]
fn uris_compose_as_in_appendix_b_and_decompose_again() {
    for vector in vectors()["uris"]["compose"].as_array().expect("a list") {
        let destination = vector["dest"].as_str().expect("an address").parse().expect("an address");
        let options = options(&vector["options"]);
        let uri = compose(Scheme::Coap, destination, options.iter());
        assert_eq!(uri, vector["uri"].as_str().expect("a URI"));
        let parsed = CoapUri::parse(&uri).expect("our own URI");
        let lists: Vec<_> = [&parsed.options, &options]
            .iter()
            .map(|list| list.iter().map(|o| (o.number, o.value.to_vec())).collect::<Vec<_>>())
            .collect();
        assert_eq!(lists[0], lists[1], "{uri}");
    }
}

#[test]
fn equivalent_uris_give_the_same_options() {
    let vectors = vectors();
    let wanted = options(&vectors["uris"]["equivalent"]["options"]);
    for uri in vectors["uris"]["equivalent"]["uris"].as_array().expect("a list") {
        let parsed = CoapUri::parse(uri.as_str().expect("text")).expect("a URI");
        assert_eq!(parsed.host, Host::Name("example.com".into()));
        assert_eq!(parsed.port, 5683);
        for number in [number::URI_PATH, number::URI_QUERY] {
            let of = |list: &OptionList| {
                list.iter().filter(|o| o.number == number).map(|o| o.value.to_vec()).collect::<Vec<_>>()
            };
            assert_eq!(of(&parsed.options), of(&wanted), "{uri}");
        }
    }
}

#[test]
fn paths_and_queries_decompose_as_noted() {
    let count = |uri: &str, wanted: u16| {
        CoapUri::parse(uri).expect("a URI").options.iter().filter(|option| option.number == wanted).count()
    };
    assert_eq!(count("coap://h", number::URI_PATH), 0);
    assert_eq!(count("coap://h/", number::URI_PATH), 0);
    assert_eq!(count("coap://h//", number::URI_PATH), 2);
    assert_eq!(count("coap://h/foo/", number::URI_PATH), 2);
    assert_eq!(count("coap://h?", number::URI_QUERY), 1, "an empty query is one empty argument");
    assert_eq!(count("coap://h/a?x&y=%26", number::URI_QUERY), 2);
}

#[test]
fn co10_dot_segments_never_become_options() {
    let parsed = CoapUri::parse("coap://h/a/./b/../c").expect("a URI");
    let segments: Vec<_> = parsed.options.all_text(number::URI_PATH);
    assert_eq!(segments, ["a", "c"]);
}

#[test]
fn hosts_zones_and_ports() {
    let parsed = CoapUri::parse("coap+tcp://[fe80::1%25eth0]:61616/x").expect("a URI");
    assert_eq!(parsed.scheme, Scheme::CoapTcp);
    assert_eq!(parsed.host, Host::Address("fe80::1".parse().expect("an address")));
    assert_eq!(parsed.zone.as_deref(), Some("eth0"));
    assert_eq!(parsed.port, 61616);
    assert_eq!(CoapUri::parse("coap://[fe80::1%eth0]").expect("a URI").zone.as_deref(), Some("eth0"));
    assert_eq!(CoapUri::parse("COAPS://Host").expect("a URI").port, 5684);
}

#[test]
fn what_is_no_coap_uri_is_refused_with_its_reason() {
    for (text, why) in [
        ("/a", UriError::NotAbsolute),
        ("coap:/a", UriError::NotAbsolute),
        ("http://h/", UriError::UnknownScheme),
        ("coap://h/#f", UriError::Fragment),
        ("coap:///a", UriError::BadHost),
        ("coap://user@h/", UriError::BadHost),
        ("coap://[::1/", UriError::BadHost),
        ("coap://h:0/", UriError::BadPort),
        ("coap://h:65536/", UriError::BadPort),
        ("coap://h/%4", UriError::BadPercent),
    ] {
        assert_eq!(CoapUri::parse(text), Err(why), "{text}");
    }
    assert_eq!(CoapUri::parse(&format!("coap://h/{}", "a".repeat(256))), Err(UriError::SegmentTooLong));
}

#[test]
fn references_resolve_as_in_rfc_3986() {
    let resolve = |base: &str, reference: &str| {
        let mut out = Vec::new();
        resolve_into(&mut out, base, reference);
        String::from_utf8(out).expect("text")
    };
    // RFC 3986 §5.4 with the scheme of our field.
    for (reference, wanted) in [
        ("g:h", "g:h"),
        ("g", "coap://a/b/c/g"),
        ("./g", "coap://a/b/c/g"),
        ("g/", "coap://a/b/c/g/"),
        ("/g", "coap://a/g"),
        ("//g", "coap://g"),
        ("?y", "coap://a/b/c/d;p?y"),
        ("g?y", "coap://a/b/c/g?y"),
        ("#s", "coap://a/b/c/d;p?q#s"),
        ("g#s", "coap://a/b/c/g#s"),
        (";x", "coap://a/b/c/;x"),
        ("", "coap://a/b/c/d;p?q"),
        (".", "coap://a/b/c/"),
        ("./", "coap://a/b/c/"),
        ("..", "coap://a/b/"),
        ("../g", "coap://a/b/g"),
        ("../..", "coap://a/"),
        ("../../../g", "coap://a/g"),
        ("/./g", "coap://a/g"),
        ("/../g", "coap://a/g"),
        ("g.", "coap://a/b/c/g."),
        ("..g", "coap://a/b/c/..g"),
        ("./g/.", "coap://a/b/c/g/"),
        ("g/./h", "coap://a/b/c/g/h"),
        ("g/../h", "coap://a/b/c/h"),
        ("g?y/../x", "coap://a/b/c/g?y/../x"),
    ] {
        assert_eq!(resolve("coap://a/b/c/d;p?q", reference), wanted, "{reference}");
    }
    assert_eq!(resolve("coap://[2001:db8::1]:61616", "/s?x=1"), "coap://[2001:db8::1]:61616/s?x=1");
    assert_eq!(resolve("coap://h", "s"), "coap://h/s");
}
