//! BW, RT: block-wise transfer, both directions and both roles.

use std::time::Duration;

use wayhouse_wire::coap::Code;

use super::pair::{Fate, Pair};
use super::station::{Act, Station, ask, body, response};
use crate::coap::Response;
use crate::coap::endpoint::{Ask, Settings};
use crate::coap::limits::Limits;

fn serving(octets: usize) -> Station {
    Station::answering(response(Code::CONTENT, &body(octets)))
}

/// A server that says how many octets it got.
fn counting() -> Station {
    let mut station = Station::new();
    station.app = Box::new(|request| Act::Respond(response(Code::CHANGED, &request.payload.len().to_string())));
    station
}

#[test]
fn bw1_malformed_block_options_are_refused() {
    let mut station = serving(10);
    assert_eq!(station.ask("CON GET #7 t:01 Block2=0/0/64 Block2=1/0/64").code, Code::BAD_OPTION);
    // Size exponent 7 is reserved over datagrams.
    assert_eq!(station.ask("CON GET #8 t:01 Block2=0/0/bert").code, Code::BAD_REQUEST);
    assert_eq!(station.ask("CON PUT #9 t:01 Block1=0/1/bert \"x\"").code, Code::BAD_REQUEST);
}

#[test]
fn bw2_blocks_with_more_to_come_are_full() {
    let mut station = counting();
    for payload in ["x".repeat(63), "x".repeat(65), String::new()] {
        let request = format!("CON PUT #7 t:01 Block1=0/1/64 \"{payload}\"");
        let request = if payload.is_empty() { "CON PUT #7 t:01 Block1=0/1/64".into() } else { request };
        assert_eq!(station.ask(&request).code, Code::BAD_REQUEST);
        station.pass(Duration::from_secs(300));
    }
}

#[test]
fn bw3_the_client_chooses_the_size_and_changes_it_on_the_way() {
    let mut station = serving(300);
    let text = body(300);
    let first = station.ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/64");
    let etag: String = first.option(4).expect("an ETag").iter().map(|octet| format!("{octet:02x}")).collect();
    first.assert(&format!("ACK 2.05 #1 t:01 ETag=0x{etag} Block2=0/1/64 \"{}\"", &text[..64]));
    station
        .ask("CON GET #2 t:02 Uri-Path=a Block2=1/0/64")
        .assert(&format!("ACK 2.05 #2 t:02 ETag=0x{etag} Block2=1/1/64 \"{}\"", &text[64..128]));
    // Smaller from here on: the number is scaled.
    station
        .ask("CON GET #3 t:03 Uri-Path=a Block2=8/0/16")
        .assert(&format!("ACK 2.05 #3 t:03 ETag=0x{etag} Block2=8/1/16 \"{}\"", &text[128..144]));
    station
        .ask("CON GET #4 t:04 Uri-Path=a Block2=18/0/16")
        .assert(&format!("ACK 2.05 #4 t:04 ETag=0x{etag} Block2=18/0/16 \"{}\"", &text[288..]));
    assert_eq!(station.ask("CON GET #5 t:05 Uri-Path=a Block2=19/0/16").code, Code::BAD_REQUEST);
    assert_eq!(station.seen.len(), 1, "the body is kept");
}

#[test]
fn bw3_the_server_answers_with_a_smaller_size() {
    let mut station = Station::with(Settings { block_szx: 2, ..Settings::default() });
    station.answer(response(Code::CONTENT, &body(300)));
    let message = station.ask("CON GET #1 t:01 Block2=0/0/1024");
    assert_eq!((message.payload.len(), message.uint(23)), (64, Some(0b1010)));
    // Block 1 of 128 octets starts at octet 128: block 2 of 64.
    let message = station.ask("CON GET #2 t:01 Block2=1/0/128");
    assert_eq!(
        (message.payload.clone(), message.uint(23)),
        (body(300).as_bytes()[128..192].to_vec(), Some(2 << 4 | 0b1010))
    );
}

#[test]
fn bw3_bw5_a_client_follows_the_size_of_the_server() {
    let server = Settings { block_szx: 3, ..Settings::default() };
    let mut pair = Pair::with(Settings::default(), server);
    pair.server.answer(response(Code::CONTENT, &body(1_000)));
    pair.client.endpoint.request(pair.client.now, ask(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(1_000))));
    assert_eq!(pair.logged("> CON GET").len(), 8);
    assert_eq!(pair.logged("Block2=7/0/128").len(), 2);
}

#[test]
fn bw4_content_format_must_not_change_between_blocks() {
    let mut station = counting();
    let block = "x".repeat(64);
    station
        .ask(&format!("CON PUT #1 t:01 Content-Format=0 Block1=0/1/64 \"{block}\""))
        .assert("ACK 2.31 #1 t:01 Block1=0/1/64");
    let message = station.ask(&format!("CON PUT #2 t:01 Content-Format=50 Block1=1/0/64 \"{block}\""));
    assert_eq!(message.code, Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(station.seen.is_empty());
}

#[test]
fn bw5_rt5_a_changed_representation_is_noticed_by_its_etag() {
    let mut pair = Pair::new();
    let mut count = 0;
    // Each asking gets another state, and nothing is kept in between.
    pair.server.app = Box::new(move |_| {
        count += 1;
        let text = if count <= 2 { body(2_000) } else { body(2_500).to_uppercase() };
        Act::Respond(Response { must_be_fresh: true, ..response(Code::CONTENT, &text) })
    });
    pair.client.endpoint.request(pair.client.now, ask(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(2_000))));
    pair.client.endpoint.request(pair.client.now, ask(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(2_500).to_uppercase())), "{:#?}", pair.log);
}

#[test]
fn bw5_a_client_starts_over_when_the_etag_changes() {
    let mut pair = Pair::new();
    let mut count = 0;
    pair.server.app = Box::new(move |_| {
        count += 1;
        let text = if count == 1 { body(2_000) } else { body(2_100).to_uppercase() };
        Act::Respond(Response { must_be_fresh: true, ..response(Code::CONTENT, &text) })
    });
    pair.client.endpoint.request(pair.client.now, ask(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(2_100).to_uppercase())));
}

#[test]
fn bw5_bodies_are_dropped_after_exchange_lifetime_and_asked_for_anew() {
    let mut station = serving(300);
    station.ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/64");
    station.pass(Duration::from_secs(300));
    let message = station.ask("CON GET #2 t:01 Uri-Path=a Block2=1/0/64");
    assert_eq!(message.payload, body(300).as_bytes()[64..128]);
    assert_eq!(station.seen.len(), 2);
}

#[test]
fn bw6_blocks_of_a_request_are_gathered() {
    let mut station = counting();
    let block = "x".repeat(64);
    station
        .ask(&format!("CON PUT #1 t:01 Uri-Path=a Block1=0/1/64 \"{block}\""))
        .assert("ACK 2.31 #1 t:01 Block1=0/1/64");
    station
        .ask(&format!("CON PUT #2 t:02 Uri-Path=a Block1=1/1/64 \"{block}\""))
        .assert("ACK 2.31 #2 t:02 Block1=1/1/64");
    // A duplicate is answered alike and changes nothing.
    station
        .ask(&format!("CON PUT #2 t:02 Uri-Path=a Block1=1/1/64 \"{block}\""))
        .assert("ACK 2.31 #2 t:02 Block1=1/1/64");
    station.ask("CON PUT #3 t:03 Uri-Path=a Block1=2/0/64 \"end\"").assert("ACK 2.04 #3 t:03 Block1=2/0/64 \"131\"");
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn bw6_a_missing_block_is_4_08() {
    let mut station = counting();
    let block = "x".repeat(64);
    station.ask(&format!("CON PUT #1 t:01 Block1=0/1/64 \"{block}\""));
    assert_eq!(station.ask("CON PUT #2 t:01 Block1=2/0/64 \"end\"").code, Code::REQUEST_ENTITY_INCOMPLETE);
    let mut station = counting();
    assert_eq!(station.ask("CON PUT #2 t:01 Block1=1/0/64 \"end\"").code, Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(station.seen.is_empty());
}

#[test]
fn bw6_a_first_block_overwrites_what_was_begun() {
    let mut station = counting();
    let block = "x".repeat(64);
    station.ask(&format!("CON PUT #1 t:01 Block1=0/1/64 \"{block}\""));
    station.ask(&format!("CON PUT #2 t:01 Block1=1/1/64 \"{block}\""));
    station.ask(&format!("CON PUT #3 t:01 Block1=0/1/64 \"{block}\"")).assert("ACK 2.31 #3 t:01 Block1=0/1/64");
    station.ask("CON PUT #4 t:01 Block1=1/0/64 \"end\"").assert("ACK 2.04 #4 t:01 Block1=1/0/64 \"67\"");
}

#[test]
fn bw7_bodies_that_are_too_large_get_4_13_with_size1() {
    let limits = Limits { body_octets_max: 100, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    let block = "x".repeat(64);
    let message = station.ask(&format!("CON PUT #1 t:01 Block1=0/1/64 Size1=101 \"{block}\""));
    assert_eq!((message.code, message.uint(60)), (Code::REQUEST_ENTITY_TOO_LARGE, Some(100)));
    assert_eq!(station.ask(&format!("CON PUT #2 t:01 Block1=0/1/64 \"{block}\"")).code, Code::CONTINUE);
    let message = station.ask(&format!("CON PUT #3 t:01 Block1=1/1/64 \"{block}\""));
    assert_eq!((message.code, message.uint(60)), (Code::REQUEST_ENTITY_TOO_LARGE, Some(100)));
    assert!(station.seen.is_empty());
}

#[test]
fn bw7_a_client_takes_the_hint_to_use_smaller_blocks() {
    let mut station = Station::new();
    let sent = station.request(Ask { payload: body(500).into(), ..ask(Code::PUT, "a") }).remove(0);
    assert_eq!((sent.payload.len(), sent.uint(27)), (500, None));
    let token: String = sent.token.iter().map(|octet| format!("{octet:02x}")).collect();
    let next =
        station.hear_answer(&format!("ACK 4.13 #{} t:{token} Block1=0/0/64 Size1=600", sent.message_id)).remove(0);
    assert_eq!((next.payload.len(), next.uint(27), next.uint(60)), (64, Some(0b1010), Some(500)));
}

#[test]
fn bw9_rt1_rt2_concurrent_bodies_are_told_apart_by_request_tag() {
    let mut station = counting();
    let block = "x".repeat(64);
    station.ask(&format!("CON PUT #1 t:01 Block1=0/1/64 Request-Tag=0x01 \"{block}\""));
    station.ask(&format!("CON PUT #2 t:02 Block1=0/1/64 Request-Tag=0x02 \"{block}\""));
    station.ask(&format!("CON PUT #3 t:03 Block1=0/1/64 \"{block}\""));
    station.ask(&format!("CON PUT #4 t:04 Block1=0/1/64 Request-Tag=0x \"{block}\""));
    for (id, tag, end) in
        [(5, "Request-Tag=0x01 ", "1"), (6, "Request-Tag=0x02 ", "22"), (7, "", "333"), (8, "Request-Tag=0x ", "4444")]
    {
        station
            .ask(&format!("CON PUT #{id} t:05 Block1=1/0/64 {tag}\"{end}\""))
            .assert(&format!("ACK 2.04 #{id} t:05 Block1=1/0/64 \"{}\"", 64 + end.len()));
    }
    // RT2: our own operations each have their own.
    let mut tags = Vec::new();
    let mut station = Station::new();
    for _ in 0..3 {
        let id = station.endpoint.request(station.now, Ask { payload: body(3_000).into(), ..ask(Code::PUT, "a") });
        tags.push(station.drain()[0].msg().option(292).expect("a Request-Tag").to_vec());
        station.endpoint.cancel(station.now, id.expect("acceptable"));
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
}

#[test]
fn bw10_rt3_both_directions_one_after_the_other() {
    let mut pair = Pair::new();
    pair.server.app = Box::new(|request| {
        let text: String = String::from_utf8_lossy(&request.payload).to_uppercase();
        Act::Respond(response(Code::CHANGED, &text))
    });
    let payload: Vec<u8> = body(3_000).into();
    pair.client.endpoint.request(pair.client.now, Ask { payload, ..ask(Code::POST, "upper") }).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.04 {}", body(3_000).to_uppercase())));
    assert_eq!(pair.server.seen.len(), 1, "done once");
    let follow_ups: Vec<&str> =
        pair.log.iter().map(String::as_str).filter(|line| line.starts_with('>') && line.contains("Block2=")).collect();
    assert_eq!(follow_ups.len(), 2);
    // RT3: with the Request-Tag of the body; BW10: without Block1 and payload.
    assert!(
        follow_ups.iter().all(|line| line.contains("Request-Tag") && !line.contains("Block1") && !line.contains('"'))
    );
}

#[test]
fn bw10_what_changed_something_is_not_done_again_for_a_lost_body() {
    let mut station = Station::answering(response(Code::CHANGED, &body(300)));
    station.ask("CON POST #1 t:01 Block2=0/0/64");
    station.ask("CON POST #2 t:02 Block2=1/0/64");
    assert_eq!(station.seen.len(), 1);
    station.pass(Duration::from_secs(300));
    assert_eq!(station.ask("CON POST #3 t:03 Block2=2/0/64").code, Code::REQUEST_ENTITY_INCOMPLETE);
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn bw12_sizes_are_told_when_asked_for() {
    let mut station = serving(300);
    let message = station.ask("CON GET #1 t:01 Block2=0/0/64 Size2=0");
    assert_eq!(message.uint(28), Some(300));
    assert_eq!(station.ask("CON GET #2 t:01 Block2=1/0/64 Size2=0").uint(28), Some(300));
    assert_eq!(station.ask("CON GET #3 t:01 Block2=0/0/64").uint(28), None);
    let mut client = Station::new();
    let sent = client.request(Ask { payload: body(3_000).into(), ..ask(Code::PUT, "a") });
    assert_eq!(sent[0].uint(60), Some(3_000));
}

#[test]
fn bw13_if_none_match_goes_with_the_first_block_only() {
    let mut pair = Pair::new();
    pair.server.app = Box::new(|request| {
        let code = if request.has_if_none_match() { Code::CREATED } else { Code::CHANGED };
        Act::Respond(response(code, ""))
    });
    let mut put = Ask { payload: body(2_000).into(), ..ask(Code::PUT, "a") };
    put.options.push(5, &[]);
    pair.client.endpoint.request(pair.client.now, put).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer().as_deref(), Some("2.01 "));
    assert_eq!(pair.logged("If-None-Match").len(), 1);
}

#[test]
fn bw14_blocks_of_other_operations_are_not_glued() {
    let block = "x".repeat(64);
    // Another path, another query, another peer.
    for (options, address) in [
        ("Uri-Path=b", "192.168.0.7:40000"),
        ("Uri-Path=a Uri-Query=q", "192.168.0.7:40000"),
        ("Uri-Path=a", "192.168.0.7:40001"),
    ] {
        let mut station = counting();
        station.ask(&format!("CON PUT #1 t:01 Uri-Path=a Block1=0/1/64 \"{block}\""));
        station.set_peer(address);
        let message = station.ask(&format!("CON PUT #2 t:01 {options} Block1=1/0/64 \"end\""));
        assert_eq!(message.code, Code::REQUEST_ENTITY_INCOMPLETE);
    }
    // Elective NoCacheKey options (Size1, Echo) may differ.
    let mut station = counting();
    station.ask(&format!("CON PUT #1 t:01 Block1=0/1/64 Size1=67 \"{block}\""));
    station.ask("CON PUT #2 t:01 Block1=1/0/64 Echo=0x01 \"end\"").assert("ACK 2.04 #2 t:01 Block1=1/0/64 \"67\"");
}

#[test]
fn bw6_bw10_transfers_survive_loss_and_duplication() {
    let mut pair = Pair::new();
    pair.server.app =
        Box::new(|request| Act::Respond(response(Code::CHANGED, &String::from_utf8_lossy(&request.payload))));
    let mut turn = 0usize;
    pair.fates = Box::new(move |_, _| {
        turn += 1;
        match turn % 5 {
            0 => Fate::Drop,
            2 => Fate::Twice,
            3 => Fate::Late(Duration::from_millis(1_500)),
            _ => Fate::Arrive,
        }
    });
    let payload: Vec<u8> = body(10_000).into();
    pair.client.endpoint.request(pair.client.now, Ask { payload, ..ask(Code::POST, "a") }).expect("acceptable");
    pair.pass(Duration::from_secs(600));
    assert_eq!(pair.client.take_answer(), Some(format!("2.04 {}", body(10_000))), "{:#?}", pair.log);
    assert_eq!(pair.server.seen.len(), 1);
}

#[test]
fn bw3_bodies_beyond_the_bound_end_the_request() {
    let limits = Limits { body_octets_max: 2_000, ..Limits::default() };
    let mut pair = Pair::with(Settings { limits, ..Settings::default() }, Settings::default());
    pair.server.answer(response(Code::CONTENT, &body(5_000)));
    pair.client.endpoint.request(pair.client.now, ask(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer().as_deref(), Some("TooLarge"));
}

#[test]
fn bw3_fetch_bodies_in_one_message_are_repeated_with_each_block() {
    let mut pair = Pair::new();
    pair.server.answer(response(Code::CONTENT, &body(2_000)));
    let mut fetch = Ask { payload: b"query".into(), ..ask(Code::FETCH, "a") };
    fetch.options.push_uint(12, 60);
    pair.client.endpoint.request(pair.client.now, fetch).expect("acceptable");
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(2_000))));
    assert_eq!(pair.logged("\"query\"").len(), 2);
    assert_eq!(pair.server.seen.len(), 1);
}

#[test]
fn bw5_an_error_is_not_cut_by_the_block_that_was_asked_for() {
    let mut station = Station::answering(response(Code::NOT_FOUND, ""));
    station.ask("CON GET #1 t:01 Uri-Path=a Block2=3/0/16").assert("ACK 4.04 #1 t:01");
    let mut station = Station::answering(response(Code::NOT_FOUND, "no such resource here"));
    station.ask("CON GET #1 t:01 Uri-Path=a Block2=1/0/16").assert("ACK 4.04 #1 t:01 \"no such resource here\"");
    let mut station = Station::new();
    station
        .ask("CON POST #5 t:01 Uri-Path=a Block2=1/0/16")
        .assert("ACK 4.08 #5 t:01 \"the response body is no longer kept\"");
}
