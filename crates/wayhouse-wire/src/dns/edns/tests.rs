use super::*;

#[test]
fn ds18_tcp_keepalive_is_seen_in_both_forms() {
    let edns = |data: &'static [u8]| Edns::decode(1232, 0, data, 0).expect("well-formed");
    assert_eq!(edns(b"").tcp_keepalive(), None);
    assert_eq!(edns(b"\0\x0b\0\0").tcp_keepalive(), Some(None));
    assert_eq!(edns(b"\0\x0b\0\x02\x02\x58").tcp_keepalive(), Some(Some(600)));
}

#[test]
fn the_first_of_two_options_counts() {
    let edns = Edns::decode(512, 0x0100_8000, b"\0\x02\0\x04\0\0\0\x01\0\x02\0\x04\0\0\0\x02", 0).expect("well-formed");
    assert_eq!(edns.update_lease().expect("a lease").expect("four octets").lease_s, 1);
    assert_eq!((edns.extended_rcode, edns.version, edns.is_dnssec_ok), (1, 0, true));
    assert_eq!(edns.rcode(Rcode::NOERROR), OptRcode::BADVERS);
}
