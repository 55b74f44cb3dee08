use wayhouse_proto::dns::client::srv_order::SrvTarget;

use super::*;

fn instance(service: &str, port: u16, address: &str, path: Option<&str>) -> ServiceInstance {
    ServiceInstance {
        name: Name::parse(&format!("Lamp.{service}.example")).unwrap(),
        target: Some(SrvTarget { priority: 0, weight: 0, port, host: Name::parse("h.example").unwrap() }),
        addresses: vec![address.parse().unwrap()],
        attributes: path.map(|path| ("path".to_owned(), Some(path.as_bytes().to_vec()))).into_iter().collect(),
    }
}

#[test]
fn services_of_known_types_have_uris() {
    let check = |service: &str, port, address: &str, path, expected: Option<&str>| {
        assert_eq!(uri(&instance(service, port, address, path)).as_deref(), expected);
    };
    check("_coap._udp", 5_683, "192.0.2.1", Some("/light"), Some("coap://192.0.2.1/light"));
    check("_COAPS._udp", 7, "fd00::1", None, Some("coaps://[fd00::1]:7"));
    check("_coap._tcp", 5_683, "fd00::1", Some("light"), Some("coap+tcp://[fd00::1]/light"));
    check("_ipp._tcp", 631, "192.0.2.1", None, None);
    let mut lost = instance("_coap._udp", 5_683, "192.0.2.1", None);
    lost.addresses.clear();
    assert_eq!(uri(&lost), None);
    assert_eq!(line(&lost), "Lamp h.example:5683");
}

#[test]
fn what_peers_wrote_does_not_steer_the_terminal() {
    let mut instance = instance("_coap._udp", 5_683, "192.0.2.1", Some("/\u{1b}[2J"));
    instance.name = Name::from_labels([&b"\x1b[2J"[..], b"_coap", b"_udp"]).unwrap();
    for text in [line(&instance), uri(&instance).unwrap(), instances_table(&[instance], Surroundings::default())] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
