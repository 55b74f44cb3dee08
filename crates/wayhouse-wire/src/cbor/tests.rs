use super::{ProblemDetails, diagnostic};
use crate::{DecodeError, What};

fn octets(text: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).expect("a test writes hexadecimal") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn notation(hexadecimal: &str) -> Result<String, DecodeError> {
    let mut out = String::new();
    diagnostic(&octets(hexadecimal), &mut out).map(|()| out)
}

#[test]
fn items_are_written_in_diagnostic_notation() {
    for (hexadecimal, expected) in [
        ("", ""),
        ("00", "0"),
        ("17", "23"),
        ("1818", "24"),
        ("1903e8", "1000"),
        ("1a000f4240", "1000000"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("20", "-1"),
        ("40", "h''"),
        ("4401020304", "h'01020304'"),
        ("6161", "\"a\""),
        ("62225c", "\"\\\"\\\\\""),
        ("62c3bc", "\"ü\""),
        ("640a0d0907", "\"\\n\\r\\t\\u0007\""),
        ("62c29b", "\"\\u009b\""),
        ("80", "[]"),
        ("83010203", "[1, 2, 3]"),
        ("8301820203820405", "[1, [2, 3], [4, 5]]"),
        ("a0", "{}"),
        ("a201020304", "{1: 2, 3: 4}"),
        ("c074323031332d30332d32315432303a30343a30305a", "0(\"2013-03-21T20:04:00Z\")"),
        ("d9010041ff", "256(h'ff')"),
        ("f4", "false"),
        ("f5", "true"),
        ("f6", "null"),
        ("f7", "undefined"),
        ("f0", "simple(16)"),
        ("f8ff", "simple(255)"),
        ("f90000", "0.0"),
        ("f98000", "-0.0"),
        ("f93e00", "1.5"),
        ("f97bff", "65504.0"),
        ("f90001", "5.960464477539063e-8"),
        ("f90400", "6.103515625e-5"),
        ("f9c400", "-4.0"),
        ("f97c00", "Infinity"),
        ("f9fc00", "-Infinity"),
        ("f97e00", "NaN"),
        ("fa47c35000", "100000.0"),
        ("fb3ff199999999999a", "1.1"),
        ("fb7e37e43c8800759c", "1e300"),
        ("5f42010243030405ff", "(_ h'0102', h'030405')"),
        ("7f657374726561646d696e67ff", "(_ \"strea\", \"ming\")"),
        ("5fff", "''_"),
        ("7fff", "\"\"_"),
        ("9fff", "[_ ]"),
        ("9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"),
        ("bf61610161629f0203ffff", "{_ \"a\": 1, \"b\": [_ 2, 3]}"),
        ("0102a0", "1, 2, {}"),
    ] {
        assert_eq!(notation(hexadecimal).as_deref(), Ok(expected), "{hexadecimal}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused_and_leaves_no_trace() {
    for (hexadecimal, what, at) in [
        ("18", What::Truncated, 1),
        ("1c", What::OutOfRange, 0),
        ("1f", What::OutOfRange, 0),
        ("df00", What::OutOfRange, 0),
        ("ff", What::UnexpectedCharacter, 0),
        ("81ff", What::UnexpectedCharacter, 1),
        ("81", What::Truncated, 1),
        ("a101", What::Truncated, 2),
        ("bf01ff", What::UnexpectedCharacter, 2),
        ("9bffffffffffffffff", What::Truncated, 9),
        ("5bffffffffffffffff", What::Truncated, 9),
        ("61ff", What::NotUtf8, 1),
        ("5f6161ff", What::UnexpectedCharacter, 1),
        ("5f5f4101ffff", What::UnexpectedCharacter, 1),
        ("f818", What::OutOfRange, 0),
        ("c0", What::Truncated, 1),
    ] {
        assert_eq!(notation(hexadecimal), Err(DecodeError { what, at }), "{hexadecimal}");
    }
    let mut out = "kept".to_owned();
    assert!(diagnostic(&[0x82, 0x01], &mut out).is_err());
    assert_eq!(out, "kept");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "81".repeat(depth) + "00";
    assert!(notation(&nested(63)).is_ok());
    assert_eq!(notation(&nested(64)).map_err(|error| error.what), Err(What::TooLarge));
    assert_eq!(notation(&"c1".repeat(100_000)).map_err(|error| error.what), Err(What::TooLarge));
}

#[test]
fn problem_details_have_the_shortest_form() {
    let mut out = Vec::new();
    ProblemDetails { unprocessed_coap_options: &[13], ..ProblemDetails::default() }.encode(&mut out);
    assert_eq!(out, octets("a1270d"));
    out.clear();
    ProblemDetails::default().encode(&mut out);
    assert!(out.is_empty());
}

#[test]
fn problem_details_are_read_as_they_were_written() {
    let details = ProblemDetails {
        title: Some("no such thing"),
        detail: Some("look elsewhere"),
        response_code: Some(132),
        unprocessed_coap_options: &[13, 2053],
    };
    let mut out = Vec::new();
    details.encode(&mut out);
    let mut text = String::new();
    diagnostic(&out, &mut text).expect("what is written is well-formed");
    assert_eq!(text, "{-1: \"no such thing\", -2: \"look elsewhere\", -4: 132, -8: [13, 2053]}");
    assert_eq!(ProblemDetails::decode(&out, &mut Vec::new()), Ok(details));
}

#[test]
fn unknown_entries_and_kinds_are_ignored() {
    for (hexadecimal, title, code, options) in [
        // {-1: "a", 99: {1: 2}, "urn:x": {1: [2]}}
        ("a320616118 63a10102 6575726e3a78a1018102", Some("a"), None, &[][..]),
        // {-1: 38(["en", "a"])}
        ("a120d8268262656e6161", Some("a"), None, &[]),
        // {-1: 38(["en", "a", true])}, the map of indefinite length
        ("bf20d8268362656e6161f5ff", Some("a"), None, &[]),
        // {-4: 400, -1: 7}
        ("a223190190 2007", None, None, &[]),
        // {-4: 132, -8: [_ 1, 2]}
        ("a2231884 279f0102ff", None, Some(132), &[1, 2]),
        // {-8: "x"}
        ("a1276178", None, None, &[]),
        // {h'': 1, -8: 9}
        ("a24001 2709", None, None, &[9]),
    ] {
        let bytes = octets(&hexadecimal.replace(' ', ""));
        let mut numbers = Vec::new();
        let details = ProblemDetails::decode(&bytes, &mut numbers);
        let expected = ProblemDetails { title, detail: None, response_code: code, unprocessed_coap_options: options };
        assert_eq!(details, Ok(expected), "{hexadecimal}");
    }
}

#[test]
fn what_is_no_map_of_problem_details_is_refused() {
    for (hexadecimal, what) in [
        ("", What::Truncated),
        ("a1", What::Truncated),
        ("a127", What::Truncated),
        ("bf2701", What::Truncated),
        ("a0", What::OutOfRange),
        ("80", What::OutOfRange),
        ("a1270d00", What::UnexpectedCharacter),
    ] {
        let refused =
            ProblemDetails::decode(&octets(hexadecimal), &mut Vec::new()).map_err(|error| error.what).map(drop);
        assert_eq!(refused, Err(what), "{hexadecimal}");
    }
}

proptest::proptest! {
    #[test]
    fn random_octets_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let _ = diagnostic(&bytes, &mut String::new());
        let _ = ProblemDetails::decode(&bytes, &mut Vec::new());
    }

    #[test]
    fn problem_details_survive_the_wire(
        title in proptest::option::of(".{0,20}"),
        response_code in proptest::option::of(proptest::num::u8::ANY),
        numbers in proptest::collection::vec(proptest::num::u16::ANY, 0..5),
    ) {
        let details = ProblemDetails {
            title: title.as_deref(),
            detail: None,
            response_code,
            unprocessed_coap_options: &numbers,
        };
        let mut out = Vec::new();
        details.encode(&mut out);
        if details != ProblemDetails::default() {
            let mut read = Vec::new();
            proptest::prop_assert_eq!(ProblemDetails::decode(&out, &mut read), Ok(details));
        }
    }
}

#[test]
fn a_single_option_number_ends_where_the_next_entry_starts() {
    // {-8: 13, 35: {1: 2}}: the custom key 35 is no option number.
    let bytes = [0xa2, 0x27, 0x0d, 0x18, 0x23, 0xa1, 0x01, 0x02];
    let mut numbers = Vec::new();
    let problem = ProblemDetails::decode(&bytes, &mut numbers).expect("well-formed");
    assert_eq!(problem.unprocessed_coap_options, [13]);
}
