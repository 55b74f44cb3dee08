use super::super::Name;
use super::*;

fn check(rtype: Rtype, rdata: &[u8], expected: &str) {
    assert_eq!(RdataText { rtype, rdata }.to_string(), expected);
}

fn wire(text: &str) -> Vec<u8> {
    Name::parse(text).expect("a name in a test").wire().to_vec()
}

#[test]
fn data_is_written_as_in_zone_files() {
    check(Rtype::A, &[192, 0, 2, 1], "192.0.2.1");
    check(Rtype::AAAA, &[0; 16], "::");
    check(Rtype::PTR, &wire("lamp.example"), "lamp.example.");
    check(Rtype::SRV, &[&[0, 0, 0, 1, 0x16, 0x33], &wire("h.example")[..]].concat(), "0 1 5683 h.example.");
    check(Rtype::TXT, b"\x03a=b\x04\"\\\x1b\xff", "\"a=b\" \"\\\"\\\\\\027\\255\"");
    check(Rtype::TXT, b"\0", "\"\"");
    check(Rtype::MX, &[&[0, 9], &wire("m.example")[..]].concat(), "9 m.example.");
    let soa = [wire("ns.example"), wire("who.example"), [0, 0, 0, 7].repeat(5)].concat();
    check(Rtype::SOA, &soa, "ns.example. who.example. 7 7 7 7 7");
    check(Rtype::from_int(0xff00), &[1, 0xab], "\\# 2 01ab");
}

#[test]
fn what_is_malformed_is_written_as_unknown() {
    check(Rtype::A, &[1, 2, 3], "\\# 3 010203");
    check(Rtype::TXT, b"\x04abc", "\\# 4 04616263");
    check(Rtype::TXT, b"", "\\# 0");
    check(Rtype::PTR, &[63, 1], "\\# 2 3f01");
    check(Rtype::SRV, &[0, 0], "\\# 2 0000");
    check(Rtype::SOA, &[0, 0, 0], "\\# 3 000000");
}
