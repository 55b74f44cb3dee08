use super::*;

#[test]
fn a_server_is_a_host_with_or_without_port() {
    let check = |text: &str, expected: Option<(&str, Option<u16>)>| {
        let read = text.parse::<HostPort>().ok();
        assert_eq!(read.as_ref().map(|read| (read.host.as_str(), read.port)), expected, "{text}");
    };
    check("ns.example", Some(("ns.example", None)));
    check("ns.example:5353", Some(("ns.example", Some(5353))));
    check("192.0.2.1:53", Some(("192.0.2.1", Some(53))));
    check("2001:db8::1", Some(("2001:db8::1", None)));
    check("[2001:db8::1]", Some(("2001:db8::1", None)));
    check("[fe80::1%eth0]:53", Some(("fe80::1%eth0", Some(53))));
    for wrong in ["", ":53", "h:", "h:0", "h:65536", "[::1", "[::1]x", "h:1:2"] {
        check(wrong, None);
    }
}
