use super::*;

fn zones(text: &str) -> Vec<String> {
    let (address, length) = text.split_once('/').unwrap();
    let network = Network { address: address.parse().unwrap(), prefix_length: length.parse().unwrap() };
    reverse_zones(&network).iter().map(ToString::to_string).collect()
}

#[test]
fn a_prefix_has_the_zones_it_covers() {
    assert_eq!(zones("10.9.9.9/8"), ["10.in-addr.arpa."]);
    assert_eq!(zones("192.168.7.1/32"), ["1.7.168.192.in-addr.arpa."]);
    assert_eq!(zones("192.168.4.0/22").len(), 4);
    assert_eq!(zones("192.168.4.0/22")[3], "7.168.192.in-addr.arpa.");
    let private = zones("172.16.0.0/12");
    assert_eq!((private.len(), &*private[0], &*private[15]), (16, "16.172.in-addr.arpa.", "31.172.in-addr.arpa."));
    assert_eq!(zones("fd00::/8"), ["d.f.ip6.arpa."]);
    assert_eq!(zones("fc00::/7"), ["c.f.ip6.arpa.", "d.f.ip6.arpa."]);
    assert_eq!(zones("0.0.0.0/1").len(), 128);
    assert_eq!(
        base_address(&Network { address: "fd12:3456::1".parse().unwrap(), prefix_length: 8 }).to_string(),
        "fd00::"
    );
}
