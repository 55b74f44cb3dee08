use super::*;
use crate::What;

fn list(options: &[(u16, &[u8])]) -> OptionList {
    let mut list = OptionList::new();
    for (number, value) in options {
        list.push(*number, value);
    }
    list
}

#[test]
fn cm2_what_is_announced_must_be_there() {
    for (bytes, at) in [
        (&[0xb1][..], 1),
        (&[0xb5, b'a', b'b'], 3),
        (&[0xd0], 1),
        (&[0xe0, 0], 1),
        (&[0x0d], 1),
        (&[0xdd, 0], 2),
        (&[0x0e, 0], 1),
        (&[0xdd, 0, 0], 3),
        (&[0x10, 0xe1, 0, 0], 4),
    ] {
        assert_eq!(
            check(bytes, 100).map(drop),
            Err(DecodeError { what: What::Truncated, at: 100 + at }),
            "{bytes:02x?}"
        );
    }
    for bytes in [&[0xf0][..], &[0x0f], &[0xf1, 0], &[0xdf, 0]] {
        assert_eq!(check(bytes, 0).map_err(|error| error.what).map(drop), Err(What::ReservedNibble), "{bytes:02x?}");
    }
}

#[test]
fn cm3_numbers_overflow_in_both_forms() {
    let up_to_the_last = [0xe0, 0xfe, 0xf2];
    assert!(check(&up_to_the_last, 0).is_ok());
    for further in [&[0x10][..], &[0xd0, 0], &[0xe0, 0xff, 0xff]] {
        let bytes = [&up_to_the_last, further].concat();
        let error = check(&bytes, 0).expect_err("no such number");
        assert_eq!(error.what, What::OptionNumberOverflow, "{bytes:02x?}");
    }
}

#[test]
fn cm1_a_marker_announces_a_payload() {
    assert_eq!(check(&[0x10, 0xff], 4).map(drop), Err(DecodeError { what: What::EmptyPayload, at: 5 }));
    assert_eq!(check(&[0x10, 0xff, 0], 4).map(|(_, payload)| payload), Ok(&[0][..]));
}

#[test]
fn lists_compare_by_what_they_say() {
    let ascending = list(&[(1, b"a"), (3, b"b"), (3, b"c")]);
    let gathered = list(&[(3, b"b"), (1, b"a"), (3, b"c")]);
    assert_eq!(ascending, gathered);
    assert_ne!(ascending, list(&[(1, b"a"), (3, b"c"), (3, b"b")]));
    assert_ne!(ascending, list(&[(1, b"a"), (3, b"bc")]));
    assert_ne!(ascending, list(&[(1, b"a"), (3, b"b")]));
}

#[test]
fn a_value_replaced_again_and_again_takes_no_further_memory() {
    let mut options = list(&[(1, b"first"), (4, b""), (60, b"last")]);
    for round in 0..1000u64 {
        options.remove(23);
        options.push_uint(23, round);
    }
    assert_eq!(options, list(&[(1, b"first"), (4, b""), (23, &[3, 0xe7]), (60, b"last")]));
    assert!(options.bytes.len() < 64, "{} octets", options.bytes.len());
    options.remove(4);
    options.remove(1);
    assert_eq!(options, list(&[(23, &[3, 0xe7]), (60, b"last")]));
    options.clear();
    assert!(options.is_empty());
}

#[test]
fn the_table_holds_the_properties_that_follow_from_the_numbers() {
    // The columns C, U and N of the registry, from RFC 7252 §5.10 and its companions; * stands for all three absent.
    for (number, properties) in [
        (1, "C"),
        (3, "CU"),
        (4, ""),
        (5, "C"),
        (6, "U"),
        (7, "CU"),
        (8, ""),
        (9, "C"),
        (11, "CU"),
        (12, ""),
        (14, "U"),
        (15, "CU"),
        (16, ""),
        (17, "C"),
        (19, "CU"),
        (20, ""),
        (21, "C"),
        (23, "CU"),
        (27, "CU"),
        (28, "N"),
        (31, "CU"),
        (35, "CU"),
        (39, "CU"),
        (60, "N"),
        (235, "CU"),
        (239, "CU"),
        (252, "N"),
        (258, "U"),
        (292, ""),
        (2049, "C"),
        (2053, "C"),
    ] {
        let mut found = String::new();
        found.push_str(if is_critical(number) { "C" } else { "" });
        found.push_str(if is_unsafe(number) { "U" } else { "" });
        found.push_str(if is_no_cache_key(number) && !is_unsafe(number) { "N" } else { "" });
        assert_eq!(found, properties, "{number}");
        assert!(
            definition(number).is_some_and(|definition| definition.octets_min <= definition.octets_max),
            "{number}"
        );
    }
    assert_eq!((0..=u16::MAX).filter(|number| definition(*number).is_some()).count(), 31);
}

#[test]
fn lengths_and_repetition_are_as_registered() {
    for (number, octets, is_repeatable) in [
        (number::IF_MATCH, 0..=8, true),
        (number::URI_HOST, 1..=255, false),
        (number::ETAG, 1..=8, true),
        (number::OBSERVE, 0..=3, false),
        (number::URI_PORT, 0..=2, false),
        (number::URI_PATH, 0..=255, true),
        (number::MAX_AGE, 0..=4, false),
        (number::HOP_LIMIT, 1..=1, false),
        (number::PROXY_URI, 1..=1034, false),
        (number::PROXY_CRI, 1..=1023, false),
        (number::ECHO, 1..=40, false),
        (number::NO_RESPONSE, 0..=1, false),
        (number::REQUEST_TAG, 0..=8, true),
        (number::EDHOC, 0..=0, false),
        (number::Q_BLOCK1, 0..=3, false),
        (number::Q_BLOCK2, 0..=3, true),
    ] {
        let definition = definition(number).expect("registered");
        assert_eq!(definition.octets_min..=definition.octets_max, octets, "{}", definition.name);
        assert_eq!(definition.is_repeatable, is_repeatable, "{}", definition.name);
    }
}

proptest::proptest! {
    #[test]
    fn what_is_checked_iterates_to_its_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        if let Ok((options, payload)) = check(&bytes, 0) {
            let mut iterator = options.iter();
            let mut before = 0;
            for option in iterator.by_ref() {
                proptest::prop_assert!(option.number >= before);
                before = option.number;
            }
            proptest::prop_assert!(iterator.rest.is_empty(), "nothing is left unread");
            let marker = usize::from(!payload.is_empty());
            proptest::prop_assert_eq!(options.as_bytes().len() + marker + payload.len(), bytes.len());
        }
    }
}
