//! Random values survive a round trip; random bytes never panic.

use proptest::prelude::*;
use wayhouse_wire::cbor;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::{definition, is_critical, is_no_cache_key, is_unsafe, number};
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::uri::CoapUri;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message, OptionList};

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn some_options() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    prop::collection::vec((any::<u16>(), prop_oneof![octets(14), octets(300)]), 0..12)
}

/// The lengths at which the token's encoding changes, and around them.
fn token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![octets(9), prop::collection::vec(any::<u8>(), 13..20), prop::collection::vec(any::<u8>(), 260..280)]
        .prop_filter("9 to 12 are encoded in the extended form too", |token| !(9..13).contains(&token.len()))
}

proptest! {
    #[test]
    fn messages_survive_a_round_trip(
        code in 1u8.., message_id: u16, token in token(), options in some_options(), payload in octets(50)
    ) {
        let mut list = OptionList::new();
        for (number, value) in &options {
            list.push(*number, value);
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::datagram(&mut bytes, Kind::NonConfirmable, Code(code), message_id, &token);
        for option in list.iter() {
            encoder.option(option.number, option.value);
        }
        encoder.payload(&payload);
        let message = Message::decode(&bytes).expect("our own encoding");
        prop_assert_eq!(message.message_id, message_id);
        prop_assert_eq!(message.token, &token[..]);
        prop_assert_eq!(message.payload, &payload[..]);
        prop_assert!(message.options.iter().eq(list.iter()));

        let mut framed = Vec::new();
        Frame::encode(&mut framed, Code(code), &token, list.iter(), &payload);
        prop_assert_eq!(Frame::octets(&framed), Ok(Some(framed.len())));
        let frame = Frame::decode(&framed).expect("our own encoding");
        prop_assert_eq!(frame.token, &token[..]);
        prop_assert_eq!(frame.payload, &payload[..]);
        prop_assert!(frame.options.iter().eq(list.iter()));
    }

    #[test]
    fn option_lists_sort_and_keep_the_order_of_equals(options in some_options()) {
        let mut list = OptionList::new();
        for (number, value) in &options {
            list.push(*number, value);
        }
        let mut sorted = options;
        sorted.sort_by_key(|option| option.0);
        prop_assert!(list.iter().map(|option| (option.number, option.value.to_vec())).eq(sorted));
    }

    #[test]
    fn random_bytes_never_panic(bytes in octets(200)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert!(message.options.iter().all(|option| option.value.len() > 8 || option.uint().is_some()));
        }
        if let Ok(Some(octets)) = Frame::octets(&bytes)
            && let Some(frame) = bytes.get(..octets)
        {
            let _ = Frame::decode(frame);
        }
        let _ = cbor::diagnostic(&bytes, &mut String::new());
        let _ = cbor::ProblemDetails::decode(&bytes, &mut Vec::new());
        if let Ok(document) = LinkFormat::parse(&bytes) {
            document.links().flat_map(|link| link.parameters()).for_each(|(_, value)| drop(value.unquoted()));
        }
        let _ = CoapUri::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn text_that_looks_like_links_never_panics_and_reads_as_what_it_is(
        text in "(<[/a-z:<>,;\"]{0,6}>?)(;[a-z=\"\\\\, ]{0,9}){0,3}(,<[/a-z]{0,5}>(;rt=[a-z\"\\\\]{0,4})?){0,3}"
    ) {
        if let Ok(document) = LinkFormat::parse(text.as_bytes()) {
            // Writing what was read gives a document with the same content.
            let mut written = String::new();
            for (index, link) in document.links().enumerate() {
                written.push_str(if index == 0 { "" } else { "," });
                written.push_str(&format!("<{}>{}", link.target, link.parameters_text()));
            }
            let again = LinkFormat::parse(written.as_bytes()).expect("what was read is well-formed");
            prop_assert!(document.links().map(|l| l.target).eq(again.links().map(|l| l.target)));
            let values = |d: LinkFormat<'_>| -> Vec<(String, String)> {
                d.links().flat_map(|l| l.parameters().map(|(n, v)| (n.to_owned(), v.unquoted().into_owned())).collect::<Vec<_>>()).collect()
            };
            prop_assert_eq!(values(document), values(again));
        }
    }
}

#[test]
fn properties_of_options_follow_from_their_numbers() {
    // RFC 7252 §5.4.6 and the table of §5.10.
    assert!(is_critical(number::URI_PATH) && is_unsafe(number::URI_PATH));
    assert!(!is_critical(number::MAX_AGE) && is_unsafe(number::MAX_AGE));
    assert!(is_no_cache_key(number::SIZE1) && is_no_cache_key(number::SIZE2) && is_no_cache_key(number::ECHO));
    assert!(!is_no_cache_key(number::REQUEST_TAG) && !is_critical(number::REQUEST_TAG));
    assert_eq!(definition(number::ECHO).map(|echo| (echo.octets_min, echo.octets_max)), Some((1, 40)));
    assert!(definition(number::URI_QUERY).is_some_and(|query| query.is_repeatable && query.octets_min == 0));
    assert_eq!(definition(13), None, "no draft number is known");
}

#[test]
fn numbers_accept_leading_zeros_and_are_sent_without() {
    let mut list = OptionList::new();
    list.push(14, &[0, 0, 60]);
    list.push_uint(60, 0);
    assert_eq!(list.first(14).expect("pushed").uint(), Some(60));
    assert_eq!(list.first(60).expect("pushed").value, b"");
    list.push(28, &[1; 9]);
    assert_eq!(list.first(28).expect("pushed").uint(), None);
}
