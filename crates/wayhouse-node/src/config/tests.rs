use wayhouse_wire::dns::Name;

use super::*;

fn network(address: &str, prefix_length: u8) -> Network {
    Network { address: address.parse().expect("test data"), prefix_length }
}

#[test]
fn a_network_contains_what_shares_its_prefix() {
    for (of, address, expected) in [
        (network("192.0.2.0", 24), "192.0.2.77", true),
        (network("192.0.2.99", 24), "192.0.2.77", true),
        (network("192.0.2.0", 24), "192.0.3.1", false),
        (network("192.0.2.0", 24), "::ffff:192.0.2.1", true),
        (network("192.0.2.1", 32), "192.0.2.1", true),
        (network("192.0.2.1", 32), "192.0.2.0", false),
        (network("0.0.0.0", 0), "203.0.113.9", true),
        (network("0.0.0.0", 0), "2001:db8::1", false),
        (network("2001:db8::", 32), "2001:db8:7::1", true),
        (network("2001:db8::", 32), "2001:db9::1", false),
        (network("::", 0), "2001:db9::1", true),
        (network("2001:db8::1", 128), "2001:db8::1", true),
    ] {
        assert_eq!(of.contains(address.parse().expect("test data")), expected, "{of:?} {address}");
    }
}

#[test]
fn the_defaults_have_no_problems_and_each_mistake_is_told() {
    assert_eq!(Config::default().problems(), []);
    let mut config = Config::default();
    config.directory.lifetime_max_s = 600;
    config.directory.trusted_consumers = vec![network("192.0.2.1", 33)];
    let keys: Vec<_> = config.problems().iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["directory.default_lifetime_s", "directory.trusted_consumers"]);
}

#[test]
fn a_zone_in_another_one_is_told() {
    let problems = |zones: &[&str], updates| {
        let mut config = Config::default();
        config.dns.zones = zones.iter().map(|zone| Name::parse(zone).expect("a name")).collect();
        config.dns.updates = updates;
        config.problems().iter().map(|problem| problem.why).collect::<Vec<_>>()
    };
    let nested = ["a zone lies in another one"];
    assert_eq!(problems(&["example", "hall.example"], Updates::Off), nested);
    assert_eq!(problems(&["Hall.EXAMPLE", "example"], Updates::Off), nested);
    assert!(problems(&["hall.example", "all.example"], Updates::Signed).is_empty());
    // Where hosts register is a zone as well.
    assert_eq!(problems(&["service.arpa"], Updates::Signed), nested);
    assert_eq!(problems(&["x.default.service.arpa"], Updates::Signed), nested);
    assert!(problems(&["service.arpa"], Updates::Off).is_empty());
    assert!(problems(&["default.service.arpa"], Updates::Signed).is_empty());
}
