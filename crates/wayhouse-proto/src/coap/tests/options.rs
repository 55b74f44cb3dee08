//! CO, CP, HL: what the options of requests and responses may be, and what happens otherwise.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::station::{Station, ask, response};

/// The diagnostic of a 4.02: a problem-details map with the option's number.
fn assert_names_option(message: &Msg, number: u16) {
    assert_eq!(message.code, Code::BAD_OPTION, "{message}");
    let mut expected = vec![0xa1, 0x27];
    match number {
        0..=23 => expected.push(number as u8),
        24..=255 => expected.extend([0x18, number as u8]),
        _ => expected.extend([0x19, (number >> 8) as u8, number as u8]),
    }
    assert_eq!((message.uint(12), &message.payload), (Some(257), &expected));
}

#[test]
fn co1_unknown_critical_options_are_named_and_refused() {
    for number in [9u16, 13, 19, 21, 31, 235, 239, 2049, 65001] {
        for kind in ["CON", "NON"] {
            let mut station = Station::new();
            let message = station.ask(&format!("{kind} GET #7 t:01 Uri-Path=a opt{number}=0x01"));
            assert_names_option(&message, number);
            assert_eq!(message.token, [1]);
            assert!(station.seen.is_empty());
        }
    }
}

#[test]
fn co1_unknown_elective_options_are_ignored() {
    let mut station = Station::new();
    for number in [2u16, 10, 32, 250, 2048, 65000] {
        assert_eq!(station.ask(&format!("CON GET #7 t:01 opt{number}=0x01")).code, Code::CONTENT, "{number}");
    }
}

#[test]
fn co1_responses_with_unknown_critical_options_are_rejected() {
    for kind in [Kind::Acknowledgement, Kind::Confirmable, Kind::NonConfirmable] {
        let mut station = Station::new();
        let sent = station.request(ask(Code::GET, "a")).remove(0);
        let reply = Msg {
            kind: Some(kind),
            code: Code::CONTENT,
            message_id: if kind == Kind::Acknowledgement { sent.message_id } else { 9 },
            options: vec![(65001, vec![1])],
            ..sent
        };
        let answers = station.hear_answer_msg(&reply);
        if kind == Kind::Confirmable {
            answers[0].assert("RST EMPTY #9");
        } else {
            assert!(answers.is_empty());
        }
        assert!(station.take_answer().expect("an answer").starts_with("Unprocessable"));
        assert!(station.pass(Duration::from_secs(300)).is_empty());
    }
}

#[test]
fn co2_values_of_a_bad_length_make_an_option_unknown() {
    let mut station = Station::new();
    let long = "78".repeat(256);
    for (option, number) in [
        (format!("Uri-Path=0x{long}"), 11),
        (format!("Uri-Query=0x{long}"), 15),
        ("Uri-Host=".into(), 3),
        ("Uri-Port=0x010203".into(), 7),
        ("Accept=0x010203".into(), 17),
        ("If-None-Match=0x01".into(), 5),
        ("If-Match=0x010203040506070809".into(), 1),
        ("Block2=0x01020304".into(), 23),
    ] {
        let message = if option.starts_with("Block2") {
            let mut message = Msg::parse("CON GET #7 t:01");
            message.options.push((23, vec![1, 2, 3, 4]));
            station.hear_octets(&message.encode()).remove(0)
        } else {
            station.ask(&format!("CON PUT #7 t:01 {option}"))
        };
        assert_names_option(&message, number);
    }
    // Elective ones are ignored: nothing is read from them.
    station.app = Box::new(|request| {
        assert_eq!(request.content_format(), None);
        super::station::Act::Respond(response(Code::CHANGED, ""))
    });
    station.ask("CON PUT #8 t:01 Content-Format=0x010203").assert("ACK 2.04 #8 t:01");
    station.ask("CON GET #9 t:01 ETag=0x").assert("ACK 2.04 #9 t:01");
}

#[test]
fn co3_defaults_are_not_sent() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a")).remove(0);
    sent.assert("CON GET #* t:* Uri-Path=a");
    station.ask("CON GET #7 t:01").assert("ACK 2.05 #7 t:01 \"ok\"");
}

#[test]
fn co4_supernumerary_options_are_unknown() {
    let mut station = Station::new();
    assert_names_option(&station.ask("CON GET #7 t:01 Accept=0 Accept=40"), 17);
    assert_names_option(&station.ask("CON GET #8 t:01 Block2=0/0/64 Block2=0/0/64"), 23);
    assert_names_option(&station.ask("CON GET #9 t:01 Uri-Port=1 Uri-Port=2"), 7);
    // Elective ones count once; repeatable ones may repeat.
    station.app = Box::new(|request| {
        assert_eq!(request.content_format(), Some(40));
        super::station::Act::Respond(response(Code::CHANGED, ""))
    });
    station
        .ask("CON PUT #10 t:01 Content-Format=40 Content-Format=0 Uri-Path=a Uri-Path=b")
        .assert("ACK 2.04 #10 t:01");
}

#[test]
fn co5_options_not_defined_for_the_method_are_unknown() {
    let mut station = Station::new();
    assert_names_option(&station.ask("CON GET #7 t:01 Block1=0/0/64"), 27);
    assert_names_option(&station.ask("CON DELETE #8 t:01 Block1=0/0/64"), 27);
    // Elective: Observe in PUT, options of responses.
    station.app = Box::new(|request| {
        assert_eq!(request.observe, None);
        super::station::Act::Respond(super::station::observable("x"))
    });
    let message = station.ask("CON PUT #9 t:01 Observe=0 Location-Path=x Max-Age=5");
    assert_eq!((message.code, message.uint(6)), (Code::CONTENT, None));
    assert_eq!(station.endpoint.observer_count(), 0);
}

#[test]
fn co5_responses_with_critical_request_options_are_rejected() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a")).remove(0);
    let reply =
        Msg { kind: Some(Kind::Acknowledgement), code: Code::CONTENT, options: vec![(11, b"a".to_vec())], ..sent };
    station.hear_answer_msg(&reply);
    assert!(station.take_answer().expect("an answer").starts_with("Unprocessable"));
}

#[test]
fn co7_accept_reaches_the_parent() {
    let mut station = Station::new();
    station.app = Box::new(|request| {
        let code =
            if request.accept().is_some_and(|format| format != 40) { Code::NOT_ACCEPTABLE } else { Code::CONTENT };
        super::station::Act::Respond(response(code, ""))
    });
    station.ask("CON GET #7 t:01 Accept=40").assert("ACK 2.05 #7 t:01");
    station.ask("CON GET #8 t:01 Accept=0").assert("ACK 4.06 #8 t:01");
    station.ask("CON GET #9 t:01").assert("ACK 2.05 #9 t:01");
}

#[test]
fn co8_a_current_etag_gives_2_03_without_payload() {
    let mut current = response(Code::CONTENT, "state");
    current.options.push(4, &[0xaa, 0xbb]);
    current.options.push_uint(12, 0);
    current.options.push_uint(14, 30);
    let mut station = Station::answering(current);
    station.ask("CON GET #7 t:01 ETag=0x01 ETag=0xaabb ETag=0x02").assert("ACK 2.03 #7 t:01 ETag=0xaabb Max-Age=30");
    station
        .ask("CON GET #8 t:01 ETag=0x01")
        .assert("ACK 2.05 #8 t:01 ETag=0xaabb Content-Format=0 Max-Age=30 \"state\"");
    // Only where it is defined: not for other methods.
    assert_eq!(station.ask("CON PUT #9 t:01 ETag=0xaabb").code, Code::CONTENT);
}

#[test]
fn co8_rt5_etags_are_made_from_the_representation() {
    let mut station = Station::answering(response(Code::CONTENT, "one"));
    let first = station.ask("CON GET #7 t:01 ETag=0x01");
    let etag: String = first.option(4).expect("an ETag").iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!((first.code, etag.len()), (Code::CONTENT, 16));
    station.ask(&format!("CON GET #8 t:01 ETag=0x{etag}")).assert(&format!("ACK 2.03 #8 t:01 ETag=0x{etag}"));
    station.ask(&format!("CON FETCH #9 t:01 ETag=0x{etag}")).assert(&format!("ACK 2.03 #9 t:01 ETag=0x{etag}"));
    station.answer(response(Code::CONTENT, "two"));
    assert_eq!(station.ask(&format!("CON GET #10 t:01 ETag=0x{etag}")).code, Code::CONTENT);
    let mut other_format = response(Code::CONTENT, "one");
    other_format.options.push_uint(12, 50);
    station.answer(other_format);
    assert_eq!(station.ask(&format!("CON GET #11 t:01 ETag=0x{etag}")).code, Code::CONTENT);
}

#[test]
fn co9_conditions_reach_the_parent() {
    let mut station = Station::new();
    station.app = Box::new(|request| {
        let code = if request.has_if_none_match() { Code::PRECONDITION_FAILED } else { Code::CHANGED };
        super::station::Act::Respond(response(code, ""))
    });
    station.ask("CON PUT #7 t:01 If-None-Match").assert("ACK 4.12 #7 t:01");
    station.ask("CON PUT #8 t:01 If-Match=0x01").assert("ACK 2.04 #8 t:01");
    assert_eq!(station.seen[1], "CON PUT #8 t:01 If-Match=0x01");
}

#[test]
fn co10_dot_segments_are_no_paths() {
    let mut station = Station::new();
    for path in [".", ".."] {
        assert_eq!(station.ask(&format!("CON GET #7 t:01 Uri-Path=a Uri-Path={path}")).code, Code::BAD_REQUEST);
    }
    assert!(station.seen.is_empty());
    station.ask("CON GET #8 t:01 Uri-Path=...").assert("ACK 2.05 #8 t:01 \"ok\"");
}

#[test]
fn co11_reserved_location_options_are_refused_next_to_others() {
    let mut station = Station::new();
    for number in [128, 132, 136, 140] {
        assert_names_option(&station.ask(&format!("CON GET #7 t:01 Location-Path=a opt{number}=0x01")), number);
        station.ask(&format!("CON GET #7 t:01 opt{number}=0x01")).assert("ACK 2.05 #7 t:01 \"ok\"");
    }
    let sent = station.request(ask(Code::POST, "a")).remove(0);
    let options = vec![(8, b"b".to_vec()), (128, vec![1])];
    station.hear_answer_msg(&Msg { kind: Some(Kind::Acknowledgement), code: Code::CREATED, options, ..sent });
    assert!(station.take_answer().expect("an answer").starts_with("Unprocessable"));
}

#[test]
fn co12_cp2_this_is_no_proxy() {
    let mut station = Station::new();
    station.ask("CON GET #7 t:01 Proxy-Uri=coap://other/").assert("ACK 5.05 #7 t:01");
    station.ask("CON GET #8 t:01 Uri-Host=other Proxy-Scheme=coap").assert("ACK 5.05 #8 t:01");
    // Proxy-Uri takes precedence over what should not be there.
    station.ask("CON GET #9 t:01 Uri-Path=a Proxy-Uri=coap://other/").assert("ACK 5.05 #9 t:01");
    assert!(station.seen.is_empty());
    station.ask("CON GET #10 t:01 Uri-Host=me Uri-Port=5683").assert("ACK 2.05 #10 t:01 \"ok\"");
}

#[test]
fn cp1_all_options_are_processed_or_refused() {
    // An origin server: what is unsafe and unknown but elective harms nobody, what is critical is refused.
    let mut station = Station::new();
    station.ask("CON GET #7 t:01 opt2050=0x01").assert("ACK 2.05 #7 t:01 \"ok\"");
    assert_names_option(&station.ask("CON GET #8 t:01 opt2051=0x01"), 2051);
}

#[test]
fn hl1_hop_limit_is_from_1_to_255() {
    let mut station = Station::new();
    for value in ["0x", "0x00", "0x0100", "0x0001"] {
        assert_eq!(station.ask(&format!("CON GET #7 t:01 Hop-Limit={value}")).code, Code::BAD_REQUEST, "{value}");
    }
    for value in [1, 16, 255] {
        assert_eq!(station.ask(&format!("CON GET #7 t:01 Hop-Limit={value}")).code, Code::CONTENT);
    }
}

#[test]
fn co1_unknown_methods_get_4_05() {
    let mut station = Station::new();
    station.ask("CON 0.08 #7 t:01").assert("ACK 4.05 #7 t:01");
    station.ask("NON 0.31 #7 t:01").assert("NON 4.05 #* t:01");
    assert!(station.seen.is_empty());
}

#[test]
fn co13_max_age_is_sent_as_the_parent_says() {
    let mut current = response(Code::CONTENT, "state");
    current.options.push_uint(14, 0);
    let mut station = Station::answering(current);
    station.ask("CON GET #7 t:01").assert("ACK 2.05 #7 t:01 Max-Age=0 \"state\"");
}
