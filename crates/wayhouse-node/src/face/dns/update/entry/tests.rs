use super::*;

fn text(strings: &[&[u8]]) -> Box<[u8]> {
    strings.iter().flat_map(|string| [&[string.len() as u8], *string].concat()).collect()
}

/// A host with one CoAP service that has a label and a TXT.
fn links(label: &[u8], strings: &[&[u8]]) -> String {
    let offer = ServiceOffer {
        lease_s: 60,
        subtypes: Box::new([(*b"_light").into(), (*b"\xff").into(), (*b"a \"b").into()]),
        priority: 0,
        weight: 0,
        port: 5683,
        texts: Box::new([text(strings)]),
        ttl_s: 60,
    };
    let name = Name::from_labels([label, b"_coap", b"_udp"]).unwrap();
    let instance = ServiceInstance { name, key_lease_s: 60, renewed_before_ms: 0, offer: Some(offer) };
    let services = ServiceHost {
        name: Name::parse("lamp").unwrap(),
        key: Box::new([]),
        key_lease_s: 60,
        addresses: Box::new(["192.0.2.1".parse().unwrap()]),
        ttl_s: 60,
        aliases: Box::new([]),
        instances: Box::new([instance]),
    };
    links_of(&services, &base_of(&config::Dns::default(), &services))
}

#[test]
fn what_a_text_says_about_a_link_is_taken_as_far_as_it_is_one() {
    let checks: [(&[&[u8]], &str); 9] = [
        (&[b"path=/l"], "</l>;rt=\"light\""),
        (&[b"PATH=/l", b"path=/second"], "</l>;rt=\"light\""),
        (&[b"path=l"], "</>;rt=\"light\""),
        // A path that begins so would lead to another host.
        (&[b"path=//evil.example/"], "</>;rt=\"light\""),
        (&[b"path=/a>;b,<c d\x01"], "</a%3E;b,%3Cc%20d%01>;rt=\"light\""),
        (&[b"rt=temp light core.s \x07"], "</>;rt=\"light temp core.s\""),
        (&[b"if=a\"b\\c", b"title=\x01"], "</>;rt=\"light\";if=\"a\\\"b\\\\c\""),
        (&[b"\xff=1", b"path", b"=x"], "</>;rt=\"light\""),
        (&[b""], "</>;rt=\"light\""),
    ];
    for (strings, link) in checks {
        assert_eq!(links(b"L", strings), format!("{link};ins=\"L\""));
    }
    assert_eq!(links(b"a\x07\xff\"", &[b""]), "</>;rt=\"light\";ins=\"a\u{fffd}\\\"\"");
}

#[test]
fn a_host_has_a_name_in_the_directory_if_it_is_text_and_plain() {
    let name = |labels: &[&[u8]]| endpoint_name(&Name::from_labels(labels.iter().copied()).unwrap());
    assert_eq!(name(&[b"Lamp"]).as_deref(), Some("lamp"));
    assert_eq!(name(&[b"Lamp", b"Hall"]).as_deref(), Some("lamp.hall"));
    assert_eq!(name(&["l\u{e4}mp".as_bytes()]).as_deref(), Some("l\u{e4}mp"));
    assert_eq!(name(&[b"lamp.hall"]), None);
    assert_eq!(name(&[b"a\x01"]), None);
    assert_eq!(name(&[b"\xff"]), None);
    assert_eq!(name(&[&[b'a'; 63]]), Some("a".repeat(63)));
    assert_eq!(name(&[&[b'a'; 63], b"b"]), None);
}
