use serde_json::json;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, OptionList};

use super::*;

const PIPE: Surroundings = Surroundings { is_terminal: false };
const TERMINAL: Surroundings = Surroundings { is_terminal: true };

fn render(format: Option<u16>, payload: &[u8], surroundings: Surroundings) -> String {
    String::from_utf8(representation::render(format, payload, surroundings)).expect("UTF-8")
}

fn reply(code: Code, format: Option<u16>, payload: &[u8]) -> Reply {
    let mut options = OptionList::new();
    if let Some(format) = format {
        options.push_uint(number::CONTENT_FORMAT, u64::from(format));
    }
    Reply { code: Some(code), options, payload: payload.to_vec(), is_from_cache: false }
}

#[test]
fn links_are_a_table_of_what_they_have() {
    let document = b"</light>;rt=\"light lamp\";if=sensor;ct=\"0 50\";obs,<coap://h/x>;title=\"a b\"";
    insta::assert_snapshot!(render(Some(40), document, PIPE), @r#"
    RESOURCE    TYPE        INTERFACE  FORMAT                                 OTHER
    /light      light lamp  sensor     0 (text/plain), 50 (application/json)  obs
    coap://h/x                                                                title="a b"
    "#);
}

#[test]
fn registrants_are_a_table_of_their_own() {
    let document = b"</rd/1>;ep=\"lamp\";d=\"kitchen\";base=\"coap://[::1]:99\";rt=\"core.rd-ep\";et=a;et=b;x=1,</rd/2>;ep=b;rt=core.rd-ep";
    let document = LinkFormat::parse(document).expect("link-format");
    insta::assert_snapshot!(links::registrants_table(document.links(), PIPE), @r"
    NAME  SECTOR   BASE             TYPE  REGISTRATION  OTHER
    lamp  kitchen  coap://[::1]:99  a b   /rd/1         x=1
    b                                     /rd/2
    ");
}

#[test]
fn a_link_in_one_line() {
    let line = |text: &str| {
        links::one_line(&LinkFormat::parse(text.as_bytes()).expect("link-format").links().next().expect("a link"))
    };
    assert_eq!(line("</rd/1>;ep=lamp;rt=core.rd-ep;base=\"coap://h\""), "lamp base=coap://h </rd/1>");
    assert_eq!(line("</rd/1>;ep=lamp;rt=core.rd-ep"), "lamp </rd/1>");
    assert_eq!(line("<coap://h/a>;rt=\"x y\";obs"), "<coap://h/a> rt=\"x y\" obs");
}

#[test]
fn a_link_as_json() {
    let document = LinkFormat::parse(b"</a>;rt=\"x y\";obs;et=1;et=2;et=3").expect("link-format");
    let value = links::link_json(&document.links().next().expect("a link"));
    assert_eq!(value, json!({ "href": "/a", "rt": "x y", "obs": true, "et": ["1", "2", "3"] }));
}

#[test]
fn cbor_is_diagnostic_notation() {
    for format in [60, 63, 112, 61, 18] {
        assert_eq!(
            render(Some(format), &[0xa1, 0x61, b'a', 0x82, 1, 0x41, 0xff], PIPE),
            "{\"a\": [1, h'ff']}\n",
            "{format}"
        );
    }
    assert_eq!(representation::render(Some(60), &[0xff], PIPE), [0xff], "what is no CBOR is left as it is");
}

#[test]
fn json_is_indented_and_not_changed() {
    let text = r#"{"b":12345678901234567890.10,"a":[1,{ },[ ],"x\",{é"],"c":null}"#;
    insta::assert_snapshot!(render(Some(50), text.as_bytes(), PIPE), @r#"
    {
      "b": 12345678901234567890.10,
      "a": [
        1,
        {},
        [],
        "x\",{é"
      ],
      "c": null
    }
    "#);
    assert_eq!(render(Some(50), b"{broken", PIPE), "{broken");
}

#[test]
fn text_is_as_it_is_for_a_pipe_and_safe_for_a_terminal() {
    assert_eq!(render(Some(0), b"a\x1b[2Jb\r\n", PIPE), "a\u{1b}[2Jb\r\n");
    assert_eq!(render(None, b"one\ttwo\nthree", TERMINAL), "one\ttwo\nthree\n");
    assert!(!render(Some(0), "a\u{1b}[2J\u{202e}b".as_bytes(), TERMINAL).contains(['\u{1b}', '\u{202e}']));
    assert_eq!(render(Some(0), b"", TERMINAL), "");
}

#[test]
fn octets_are_a_dump_on_a_terminal_only() {
    let octets: Vec<u8> = (0..=17).collect();
    assert_eq!(representation::render(Some(42), &octets, PIPE), octets);
    insta::assert_snapshot!(render(Some(42), &octets, TERMINAL), @r"
    00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|
    00000010  10 11                                             |..|
    ");
}

#[test]
fn control_characters_are_shown_not_obeyed() {
    assert_eq!(printable("plain é"), "plain é");
    assert_eq!(printable("a\u{7}\u{1b}b\n"), "a\\u{7}\\u{1b}b\\u{a}");
}

#[test]
fn refusals_are_sentences_with_a_hint() {
    let fault = problem::refusal(&reply(Code::NOT_FOUND, None, b"no \x1bsuch thing"));
    assert_eq!(fault.what, "4.04 Not Found: no \\u{1b}such thing");
    assert!(fault.hint.is_some());
    let mut details = Vec::new();
    wayhouse_wire::cbor::ProblemDetails {
        title: Some("Bad option"),
        detail: Some("Leave it out"),
        response_code: Some(0x82),
        unprocessed_coap_options: &[13, 17],
    }
    .encode(&mut details);
    let fault = problem::refusal(&reply(Code::BAD_OPTION, Some(257), &details));
    assert_eq!(fault.what, "4.02 Bad Option: Bad option. Leave it out. not processed: option 13, Accept (17)");
    let mut busy = reply(Code::SERVICE_UNAVAILABLE, None, b"");
    busy.options.push_uint(number::MAX_AGE, 7);
    assert_eq!(problem::refusal(&busy).hint.as_deref(), Some("try again in 7 s"));
}

#[test]
fn an_answer_as_json() {
    let mut created = reply(Code::CREATED, None, b"");
    created.options.push(number::LOCATION_PATH, b"rd");
    created.options.push(number::LOCATION_PATH, b"1");
    created.options.push(number::ETAG, &[0xab]);
    created.options.push_uint(number::MAX_AGE, 60);
    created.options.push(65_000, &[1]);
    let from = "127.0.0.1:5683".parse().ok();
    let expected = json!({
        "code": "2.01",
        "name": "Created",
        "from": "127.0.0.1:5683",
        "location": "/rd/1",
        "etag": "ab",
        "max_age": 60,
        "payload_octets": 0,
        "options": [
            { "number": 4, "name": "ETag", "value": "0xab" },
            { "number": 8, "name": "Location-Path", "value": "rd" },
            { "number": 8, "name": "Location-Path", "value": "1" },
            { "number": 14, "name": "Max-Age", "value": 60 },
            { "number": 65000, "name": null, "value": "0x01" },
        ],
    });
    assert_eq!(json::reply_json(&created, from), expected);
}

#[test]
fn payloads_as_json_by_format() {
    let payload = |format, payload: &[u8]| json::reply_json(&reply(Code::CONTENT, format, payload), None);
    assert_eq!(payload(Some(0), b"hi")["text"], "hi");
    assert_eq!(payload(None, b"\xff\x00")["hex"], "ff00");
    assert_eq!(payload(Some(50), b"{\"a\":[1]}")["json"]["a"][0], 1);
    assert_eq!(payload(Some(40), b"</a>;rt=x")["links"][0]["rt"], "x");
    assert_eq!(payload(Some(60), &[0x81, 0xf5])["cbor"], "[true]");
    assert_eq!(payload(Some(60), b"\xff")["hex"], "ff");
    assert_eq!(payload(Some(60), b"")["media_type"], "application/cbor");
}

#[test]
fn points_in_time_are_written_in_utc() {
    let at = |seconds: u64, milliseconds: u32| timestamp(UNIX_EPOCH + Duration::new(seconds, milliseconds * 1_000_000));
    assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(951_782_399, 999), "2000-02-28T23:59:59.999Z");
    assert_eq!(at(951_782_400, 1), "2000-02-29T00:00:00.001Z");
    assert_eq!(at(1_798_761_599, 0), "2026-12-31T23:59:59.000Z");
}
