use super::*;

#[test]
fn names_in_data_are_made_whole() {
    // "example" at 0.
    let message = |data: &[u8]| [b"\x07example\0", data].concat();
    let check = |rtype: Rtype, data: &[u8], expected: Option<&[u8]>| {
        let bytes = message(data);
        let mut out = Vec::new();
        let result = expand(&bytes, rtype, 9, bytes.len(), &mut out);
        assert_eq!(result.is_ok().then_some(&out[..]), expected, "{rtype} {data:02x?}");
    };
    check(Rtype::PTR, b"\x01a\xc0\0", Some(b"\x01a\x07example\0"));
    check(Rtype::SRV, b"\0\x01\0\x02\0\x03\xc0\0", Some(b"\0\x01\0\x02\0\x03\x07example\0"));
    check(Rtype::MX, b"\0\x05\xc0\0", Some(b"\0\x05\x07example\0"));
    check(
        Rtype::SOA,
        b"\xc0\0\x01r\xc0\0abcdefghijklmnopqrst",
        Some(b"\x07example\0\x01r\x07example\0abcdefghijklmnopqrst"),
    );
    check(Rtype::NSEC, b"\xc0\0\0\x01\x40", Some(b"\x07example\0\0\x01\x40"));
    // Text may look like a pointer.
    check(Rtype::TXT, b"\x02\xc0\0", Some(b"\x02\xc0\0"));
    check(Rtype::from_int(65_280), b"\xc0\0", Some(b"\xc0\0"));
    check(Rtype::SRV, b"\0\x01\0\x02\0", None);
    check(Rtype::PTR, b"", None);
    check(Rtype::PTR, b"\x05a", None);
    check(Rtype::PTR, b"\xc0\x09", None);
}

#[test]
fn a_name_ends_inside_its_data() {
    let bytes = b"\x01a\0";
    assert!(expand(bytes, Rtype::PTR, 0, 2, &mut Vec::new()).is_err());
    assert!(expand(bytes, Rtype::PTR, 0, 4, &mut Vec::new()).is_err());
    assert!(expand(bytes, Rtype::PTR, 3, 2, &mut Vec::new()).is_err());
}

#[test]
fn canonical_data_has_its_names_in_lower_case_and_nothing_else_changed() {
    let canonical = |rtype, rdata: &[u8]| {
        let mut out = vec![9];
        append_canonical(rtype, rdata, &mut out);
        out.split_off(1)
    };
    assert_eq!(canonical(Rtype::PTR, b"\x02Ab\0"), b"\x02ab\0");
    assert_eq!(canonical(Rtype::SRV, b"ABCDEF\x02Ab\0"), b"ABCDEF\x02ab\0");
    assert_eq!(canonical(Rtype::TXT, b"\x02Ab"), b"\x02Ab");
    assert_eq!(canonical(Rtype::PTR, b"\x09Ab"), b"\x09Ab");
    assert_eq!(canonical(Rtype::SRV, b"ABC"), b"ABC");
}
