//! Block-wise transfer as peers see it, both roles (sheet §14, Request-Tag of §17).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use super::notation::Msg;
use super::pair::{Fate, Pair};
use super::station::{Act, Station, ask, body, observable, response};
use crate::coap::endpoint::{Ask, Response, Settings, Target};
use crate::coap::limits::Limits;

/// What the peer says to a message of ours: its token, and its message ID in an ACK.
fn reply(to: &Msg, text: &str) -> Msg {
    let mut message = Msg::parse(text);
    message.token.clone_from(&to.token);
    message.message_id = to.message_id;
    message
}

/// Sends the answer of the peer and returns the one message that follows.
#[track_caller]
fn next(station: &mut Station, to: &Msg, text: &str) -> Msg {
    let sent = station.hear_answer_msg(&reply(to, text));
    assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(Msg::to_string).collect::<Vec<_>>());
    sent.into_iter().next().expect("one")
}

fn one(sent: Vec<Msg>) -> Msg {
    assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(Msg::to_string).collect::<Vec<_>>());
    sent.into_iter().next().expect("one")
}

fn to_server(code: Code, payload: &str) -> Ask {
    let remote = super::pair::SERVER.parse().expect("an address");
    let to = Target::Datagram { remote, local: None, interface: 0 };
    Ask { to, payload: payload.into(), ..ask(code, "a") }
}

// The server's side.

#[test]
fn bw3_bw5_a_large_body_is_served_in_blocks_of_one_representation() {
    let mut station = Station::answering(response(Code::CONTENT, &body(2500)));
    let first = station.ask("CON GET #1 t:01 Uri-Path=a");
    first.assert("ACK 2.05 #1 t:01 ETag=* Block2=0/1/1024 \"*\"");
    let etag = first.option(number::ETAG).map(<[u8]>::to_vec);
    // The resource changes meanwhile; what was begun is finished.
    station.answer(response(Code::CONTENT, "another"));
    let second = station.ask("CON GET #2 t:02 Uri-Path=a Block2=1/0/1024");
    second.assert("ACK 2.05 #2 t:02 ETag=* Block2=1/1/1024 \"*\"");
    let third = station.ask("CON GET #3 t:03 Uri-Path=a Block2=2/0/1024");
    third.assert("ACK 2.05 #3 t:03 ETag=* Block2=2/0/1024 \"*\"");
    for block in [&second, &third] {
        assert_eq!(block.option(number::ETAG).map(<[u8]>::to_vec), etag);
    }
    let whole = [first.payload, second.payload, third.payload].concat();
    assert_eq!(String::from_utf8(whole), Ok(body(2500)));
    assert_eq!(station.seen.len(), 1, "the application was asked once");
}

#[test]
fn bw3_the_server_serves_the_size_that_is_asked_for_also_a_smaller_one_later() {
    let mut station = Station::answering(response(Code::CONTENT, &body(200)));
    station.ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/64").assert("ACK 2.05 #1 t:01 ETag=* Block2=0/1/64 \"*\"");
    let block = station.ask("CON GET #2 t:01 Uri-Path=a Block2=4/0/16");
    block.assert("ACK 2.05 #2 t:01 ETag=* Block2=4/1/16 \"*\"");
    assert_eq!(block.payload, body(200).as_bytes()[64..80]);
    station.ask("CON GET #3 t:01 Uri-Path=a Block2=13/0/16").assert("ACK 4.00 #3 t:01 \"*\"");
}

#[test]
fn bw5_a_body_that_is_not_kept_any_more_is_produced_again_with_another_etag() {
    let mut station = Station::answering(response(Code::CONTENT, &body(40)));
    let first = station.ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/16");
    station.pass(Duration::from_secs(248));
    station.answer(response(Code::CONTENT, &body(41)));
    let second = station.ask("CON GET #2 t:01 Uri-Path=a Block2=1/0/16");
    second.assert("ACK 2.05 #2 t:01 ETag=* Block2=1/1/16 \"*\"");
    assert_ne!(first.option(number::ETAG), second.option(number::ETAG), "the client can see it");
}

#[test]
fn bw5_rt5_what_must_be_fresh_is_produced_for_each_block() {
    let fresh = |octets| Response { must_be_fresh: true, ..response(Code::CONTENT, &body(octets)) };
    let mut station = Station::answering(fresh(40));
    let first = station.ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/16");
    let second = station.ask("CON GET #2 t:01 Uri-Path=a Block2=1/0/16");
    assert_eq!(first.option(number::ETAG), second.option(number::ETAG));
    station.answer(fresh(41));
    let third = station.ask("CON GET #3 t:01 Uri-Path=a Block2=2/0/16");
    assert_ne!(first.option(number::ETAG), third.option(number::ETAG));
    assert_eq!(station.seen.len(), 3);
}

#[test]
fn bw6_a_request_body_in_blocks_reaches_the_application_whole() {
    let mut station = Station::answering(response(Code::CHANGED, ""));
    let put =
        |n: u32, more: u32, payload: &str| format!("CON PUT #{n} t:0{n} Uri-Path=a Block1={n}/{more}/16 \"{payload}\"");
    station.ask(&put(0, 1, "0123456789abcdef")).assert("ACK 2.31 #0 t:00 Block1=0/1/16");
    station.ask(&put(1, 1, "ghijklmnopqrstuv")).assert("ACK 2.31 #1 t:01 Block1=1/1/16");
    assert!(station.seen.is_empty(), "nothing was acted upon yet");
    station.ask(&put(2, 0, "wxyz")).assert("ACK 2.04 #2 t:02 Block1=2/0/16");
    assert_eq!(station.seen.len(), 1);
    assert!(station.seen[0].ends_with("\"0123456789abcdefghijklmnopqrstuvwxyz\""), "{}", station.seen[0]);
}

#[test]
fn bw6_a_missing_block_is_4_08() {
    let mut station = Station::new();
    let missing = "CON PUT #2 t:01 Uri-Path=a Block1=1/0/16 \"x\"";
    station.ask(missing).assert("ACK 4.08 #2 t:01 Block1=1/0/16 \"*\"");
    station
        .ask("CON PUT #3 t:01 Uri-Path=a Block1=0/1/16 \"0123456789abcdef\"")
        .assert("ACK 2.31 #3 t:01 Block1=0/1/16");
    station
        .ask("CON PUT #4 t:01 Uri-Path=a Block1=2/1/16 \"0123456789abcdef\"")
        .assert("ACK 4.08 #4 t:01 Block1=2/1/16 \"*\"");
    assert!(station.seen.is_empty());
}

#[test]
fn bw1_bw2_malformed_blocks_are_4_00() {
    let mut station = Station::new();
    station.ask("CON PUT #1 t:01 Uri-Path=a Block1=0/1/16 \"short\"").assert("ACK 4.00 #1 t:01 \"*\"");
    station.ask("CON PUT #2 t:01 Uri-Path=a Block1=0/1/bert \"x\"").assert("ACK 4.00 #2 t:01 \"*\"");
    station.ask("CON GET #3 t:01 Uri-Path=a Block2=0/0/bert").assert("ACK 4.00 #3 t:01 \"*\"");
    // Critical, so a second one is not overlooked.
    station
        .ask("CON PUT #4 t:01 Uri-Path=a Block1=0/0/16 Block1=0/0/16 \"x\"")
        .assert("ACK 4.02 #4 t:01 Content-Format=257 \"*\"");
    assert!(station.seen.is_empty());
}

#[test]
fn bw7_a_body_beyond_the_bound_is_4_13_with_the_bound() {
    let limits = Limits { body_octets_max: 40, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    let block = |n: u32| format!("CON PUT #{n} t:01 Uri-Path=a Block1={n}/1/16 \"0123456789abcdef\"");
    station.ask(&block(0)).assert("ACK 2.31 #0 t:01 Block1=0/1/16");
    station.ask(&block(1)).assert("ACK 2.31 #1 t:01 Block1=1/1/16");
    station.ask(&block(2)).assert("ACK 4.13 #2 t:01 Block1=2/1/16 Size1=40");
    station
        .ask("CON PUT #9 t:01 Uri-Path=b Block1=0/1/16 Size1=41 \"0123456789abcdef\"")
        .assert("ACK 4.13 #9 t:01 Block1=0/1/16 Size1=40");
}

#[test]
fn bw3_the_server_says_which_block_size_it_prefers() {
    let mut station = Station::with(Settings { block_szx: 0, ..Settings::default() });
    let first = "CON PUT #1 t:01 Uri-Path=a Block1=0/1/32 \"0123456789abcdef0123456789abcdef\"";
    station.ask(first).assert("ACK 2.31 #1 t:01 Block1=0/1/16");
    station.ask("CON PUT #2 t:01 Uri-Path=a Block1=2/0/16 \"x\"").assert("ACK 2.05 #2 t:01 Block1=2/0/16 \"ok\"");
}

#[test]
fn bw10_a_large_answer_to_a_large_request() {
    let mut station = Station::answering(response(Code::CHANGED, &body(40)));
    station
        .ask("CON POST #1 t:01 Uri-Path=a Block1=0/1/16 \"0123456789abcdef\"")
        .assert("ACK 2.31 #1 t:01 Block1=0/1/16");
    station
        .ask("CON POST #2 t:01 Uri-Path=a Block2=0/0/16 Block1=1/0/16 \"x\"")
        .assert("ACK 2.04 #2 t:01 Block2=0/1/16 Block1=1/0/16 \"*\"");
    station.ask("CON POST #3 t:01 Uri-Path=a Block2=1/0/16").assert("ACK 2.04 #3 t:01 Block2=1/1/16 \"*\"");
    station.ask("CON POST #4 t:01 Uri-Path=a Block2=2/0/16").assert("ACK 2.04 #4 t:01 Block2=2/0/16 \"*\"");
    assert_eq!(station.seen.len(), 1, "what changes something is done once");
    // When the body is gone it is not done again either.
    station.pass(Duration::from_secs(248));
    assert_eq!(station.ask("CON POST #5 t:01 Uri-Path=a Block2=1/0/16").code, Code::REQUEST_ENTITY_INCOMPLETE);
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn bw12_the_size_is_told_to_who_asks() {
    let mut station = Station::answering(response(Code::CONTENT, &body(40)));
    station
        .ask("CON GET #1 t:01 Uri-Path=a Block2=0/0/16 Size2=0")
        .assert("ACK 2.05 #1 t:01 ETag=* Block2=0/1/16 Size2=40 \"*\"");
    station
        .ask("CON GET #2 t:01 Uri-Path=a Block2=1/0/16 Size2=0")
        .assert("ACK 2.05 #2 t:01 ETag=* Block2=1/1/16 Size2=40 \"*\"");
    station.ask("CON GET #3 t:01 Uri-Path=a Block2=1/0/16").assert("ACK 2.05 #3 t:01 ETag=* Block2=1/1/16 \"*\"");
}

#[test]
fn bw13_if_none_match_of_the_first_block_reaches_the_application() {
    for (option, expected) in [(" If-None-Match", true), ("", false)] {
        let mut station = Station::new();
        let seen = Rc::new(RefCell::new(None));
        let note = Rc::clone(&seen);
        station.app = Box::new(move |request| {
            *note.borrow_mut() = Some(request.has_if_none_match());
            Act::Respond(response(Code::CHANGED, ""))
        });
        station.ask(&format!("CON PUT #1 t:01{option} Uri-Path=a Block1=0/1/16 \"0123456789abcdef\""));
        station.ask("CON PUT #2 t:01 Uri-Path=a Block1=1/0/16 \"x\"").assert("ACK 2.04 #2 t:01 Block1=1/0/16");
        assert_eq!(*seen.borrow(), Some(expected));
    }
}

#[test]
fn rt1_bw14_operations_with_other_request_tags_do_not_mix() {
    let mut station = Station::new();
    let tags = ["", " Request-Tag=0x", " Request-Tag=0x01", " Request-Tag=0x01 Request-Tag=0x02"];
    let letters = ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc", "dddddddddddddddd"];
    for (n, (tag, letter)) in tags.iter().zip(letters).enumerate() {
        station
            .ask(&format!("CON PUT #{n} t:01 Uri-Path=a Block1=0/1/16{tag} \"{letter}\""))
            .assert(&format!("ACK 2.31 #{n} t:01 Block1=0/1/16"));
    }
    for (n, (tag, letter)) in tags.iter().zip(letters).enumerate() {
        let id = n + 10;
        station
            .ask(&format!("CON PUT #{id} t:01 Uri-Path=a Block1=1/0/16{tag} \"x\""))
            .assert(&format!("ACK 2.05 #{id} t:01 Block1=1/0/16 \"ok\""));
        assert!(station.seen[n].ends_with(&format!("\"{letter}x\"")), "{}", station.seen[n]);
    }
}

#[test]
fn bw9_bw14_peers_do_not_share_bodies() {
    let mut station = Station::new();
    station.ask("CON PUT #1 t:01 Uri-Path=a Block1=0/1/16 \"0123456789abcdef\"");
    station.set_peer("192.168.0.7:40001");
    station.ask("CON PUT #2 t:01 Uri-Path=a Block1=1/0/16 \"x\"").assert("ACK 4.08 #2 t:01 Block1=1/0/16 \"*\"");
}

#[test]
fn bw6_cm21_a_repeated_last_block_is_not_acted_upon_twice() {
    let mut station = Station::answering(response(Code::CREATED, ""));
    station.ask("CON POST #1 t:01 Uri-Path=a Block1=0/1/16 \"0123456789abcdef\"");
    let last = "CON POST #2 t:01 Uri-Path=a Block1=1/0/16 \"x\"";
    station.ask(last).assert("ACK 2.01 #2 t:01 Block1=1/0/16");
    station.ask(last).assert("ACK 2.01 #2 t:01 Block1=1/0/16");
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn bw5_ob3_notifications_carry_block_0_and_the_rest_is_fetched_without_observe() {
    let mut station = Station::answering(observable(&body(40)));
    station
        .ask("CON GET #1 t:01 Observe=0 Uri-Path=a Block2=0/0/16")
        .assert("ACK 2.05 #1 t:01 ETag=* Observe=* Block2=0/1/16 \"*\"");
    let notification = one(station.change(&body(50)));
    notification.assert("CON 2.05 #* t:01 ETag=* Observe=* Block2=0/1/16 \"*\"");
    let rest = station.ask("CON GET #2 t:02 Uri-Path=a Block2=3/0/16");
    rest.assert("ACK 2.05 #2 t:02 ETag=* Block2=3/0/16 \"dd\"");
    assert_eq!(rest.option(number::ETAG), notification.option(number::ETAG));
}

// The client's side, with a scripted server.

#[test]
fn bw2_bw6_bw12_the_client_sends_a_body_block_by_block() {
    let mut station = Station::new();
    let put = Ask { payload: body(40).into(), block_szx: Some(0), ..ask(Code::PUT, "a") };
    let first = one(station.request(put));
    first.assert("CON PUT #* t:* Uri-Path=a Block2=0/0/16 Block1=0/1/16 Size1=40 Request-Tag=* \"aaaaaaaaaaaaaaaa\"");
    let second = next(&mut station, &first, "ACK 2.31 #0 Block1=0/1/16");
    second.assert("CON PUT #* t:* Uri-Path=a Block2=0/0/16 Block1=1/1/16 Request-Tag=* \"bbbbbbbbbbbbbbbb\"");
    let third = next(&mut station, &second, "ACK 2.31 #0 Block1=1/1/16");
    third.assert("CON PUT #* t:* Uri-Path=a Block2=0/0/16 Block1=2/0/16 Request-Tag=* \"cccccccc\"");
    for block in [&second, &third] {
        assert_eq!(block.option(number::REQUEST_TAG), first.option(number::REQUEST_TAG), "RT1: one operation");
    }
    assert!(station.hear_answer_msg(&reply(&third, "ACK 2.04 #0 Block1=2/0/16")).is_empty());
    assert_eq!(station.take_answer().as_deref(), Some("2.04 "));
    assert_eq!(station.endpoint.request_count(), 0);
}

#[test]
fn bw3_the_client_goes_on_in_the_smaller_blocks_of_the_server() {
    let mut station = Station::new();
    let first = one(station.request(Ask { payload: body(200).into(), block_szx: Some(2), ..ask(Code::PUT, "a") }));
    let second = next(&mut station, &first, "ACK 2.31 #0 Block1=0/1/16");
    second.assert("CON PUT #* t:* Uri-Path=a Block2=0/0/64 Block1=4/1/16 Request-Tag=* \"eeeeeeeeeeeeeeee\"");
}

#[test]
fn bw13_the_client_sends_if_none_match_with_the_first_block_only() {
    let mut station = Station::new();
    let mut put = Ask { payload: body(40).into(), block_szx: Some(0), ..ask(Code::PUT, "a") };
    put.options.push(number::IF_NONE_MATCH, &[]);
    let first = one(station.request(put));
    assert!(first.option(number::IF_NONE_MATCH).is_some());
    let second = next(&mut station, &first, "ACK 2.31 #0 Block1=0/1/16");
    assert!(second.option(number::IF_NONE_MATCH).is_none());
}

#[test]
fn bw7_the_client_follows_a_hint_for_smaller_blocks() {
    let mut station = Station::new();
    let first = one(station.request(Ask { payload: body(200).into(), ..ask(Code::PUT, "a") }));
    first.assert("CON PUT #* t:* Uri-Path=a \"*\"");
    let second = next(&mut station, &first, "ACK 4.13 #0 Block1=0/0/64");
    second.assert("CON PUT #* t:* Uri-Path=a Block1=0/1/64 Size1=200 Request-Tag=* \"*\"");
    // A body that is too large at all is the parent's matter.
    assert!(station.hear_answer_msg(&reply(&second, "ACK 4.13 #0 Size1=100")).is_empty());
    assert_eq!(station.take_answer().as_deref(), Some("4.13 "));
}

#[test]
fn rt2_a_second_attempt_has_another_request_tag() {
    let mut station = Station::new();
    let first = one(station.request(Ask { payload: body(40).into(), block_szx: Some(0), ..ask(Code::PUT, "a") }));
    let second = next(&mut station, &first, "ACK 2.31 #0 Block1=0/1/16");
    let again = next(&mut station, &second, "ACK 4.08 #0 Block1=1/1/16");
    again.assert("CON PUT #* t:* Uri-Path=a Block2=0/0/16 Block1=0/1/16 Size1=40 Request-Tag=* \"*\"");
    assert_ne!(again.option(number::REQUEST_TAG), first.option(number::REQUEST_TAG));
    assert!(station.hear_answer_msg(&reply(&again, "ACK 4.08 #0 Block1=0/1/16")).is_empty());
    assert_eq!(station.take_answer().as_deref(), Some("4.08 "));
}

#[test]
fn rt3_bw10_the_answer_is_fetched_with_the_same_request_tag_and_without_block1() {
    let mut station = Station::new();
    let first = one(station.request(Ask { payload: body(20).into(), block_szx: Some(0), ..ask(Code::POST, "a") }));
    let second = next(&mut station, &first, "ACK 2.31 #0 Block1=0/1/16");
    let third = next(&mut station, &second, "ACK 2.04 #0 Block2=0/1/16 Block1=1/0/16 \"0123456789abcdef\"");
    third.assert("CON POST #* t:* Uri-Path=a Block2=1/0/16 Request-Tag=*");
    assert_eq!(third.option(number::REQUEST_TAG), first.option(number::REQUEST_TAG));
    station.hear_answer_msg(&reply(&third, "ACK 2.04 #0 Block2=1/0/16 \"xyz\""));
    assert_eq!(station.take_answer().as_deref(), Some("2.04 0123456789abcdefxyz"));
}

#[test]
fn bw5_the_client_begins_anew_when_the_etag_changes() {
    let mut station = Station::new();
    let first = one(station.request(ask(Code::GET, "a")));
    let second = next(&mut station, &first, "ACK 2.05 #0 ETag=0x01 Block2=0/1/16 \"0123456789abcdef\"");
    second.assert("CON GET #* t:* Uri-Path=a Block2=1/0/16");
    let third = next(&mut station, &second, "ACK 2.05 #0 ETag=0x02 Block2=1/0/16 \"new\"");
    third.assert("CON GET #* t:* Uri-Path=a Block2=0/0/16");
    let fourth = next(&mut station, &third, "ACK 2.05 #0 ETag=0x02 Block2=0/1/16 \"ABCDEFGHIJKLMNOP\"");
    station.hear_answer_msg(&reply(&fourth, "ACK 2.05 #0 ETag=0x02 Block2=1/0/16 \"new\""));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 ABCDEFGHIJKLMNOPnew"));
}

#[test]
fn bw2_bw4_blocks_that_break_the_rules_fail_the_request() {
    for second in ["Block2=2/0/16 \"x\"", "Block2=1/1/16 \"x\"", "Block2=1/0/bert \"x\""] {
        let mut station = Station::new();
        let first = one(station.request(ask(Code::GET, "a")));
        let asked = next(&mut station, &first, "ACK 2.05 #0 Block2=0/1/16 \"0123456789abcdef\"");
        station.hear_answer_msg(&reply(&asked, &format!("ACK 2.05 #0 {second}")));
        assert!(station.take_answer().is_some_and(|answer| answer.starts_with("Unprocessable")), "{second}");
        assert_eq!(station.endpoint.request_count(), 0);
    }
}

#[test]
fn bw12_the_client_bounds_what_it_gathers() {
    let limits = Limits { body_octets_max: 40, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    let first = one(station.request(ask(Code::GET, "a")));
    station.hear_answer_msg(&reply(&first, "ACK 2.05 #0 Block2=0/1/16 Size2=41 \"0123456789abcdef\""));
    assert_eq!(station.take_answer().as_deref(), Some("TooLarge"));
    assert_eq!(station.endpoint.request_count(), 0);
}

// Both, over a network.

fn lossy(pair: &mut Pair, nth: u32) {
    let mut count = 0;
    pair.fates = Box::new(move |_, _| {
        count += 1;
        match count % nth {
            0 => Fate::Drop,
            1 => Fate::Twice,
            _ => Fate::Arrive,
        }
    });
}

#[test]
fn bw3_bw5_bw6_bodies_of_all_sizes_arrive_whole_both_ways_over_a_lossy_network() {
    for (octets, szx) in [(0, 6), (16, 0), (17, 0), (1024, 6), (1025, 6), (5000, 4), (5000, 6)] {
        let mut pair = Pair::new();
        lossy(&mut pair, 7);
        let large = body(octets);
        // The server answers with what it got.
        pair.server.app = Box::new(|request| {
            let payload = String::from_utf8_lossy(&request.payload).into_owned();
            Act::Respond(response(Code::CONTENT, &payload))
        });
        for code in [Code::FETCH, Code::POST] {
            let mut request = Ask { block_szx: Some(szx), ..to_server(code, &large) };
            request.options.push(number::CONTENT_FORMAT, &[]);
            pair.client.endpoint.request(pair.client.now, request).expect("acceptable");
            pair.pass(Duration::from_secs(3600));
            let expected = format!("2.05 {large}");
            let answer = pair.client.take_answer();
            assert!(answer.as_deref() == Some(&expected), "{code} of {octets} in {szx}: {answer:?}");
        }
        let posts = pair.server.seen.iter().filter(|request| request.contains(" POST ")).count();
        assert_eq!(posts, 1, "what changes something is done once");
    }
}

#[test]
fn bw5_ob3_an_observer_gets_large_representations_whole() {
    let mut pair = Pair::new();
    pair.server.answer(observable(&body(3000)));
    let observe = Ask { is_observation: true, block_szx: Some(4), ..to_server(Code::GET, "") };
    pair.client.endpoint.request(pair.client.now, observe).expect("acceptable");
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {} (open)", body(3000))));
    pair.server.state.payload = body(2000).into();
    for observer in pair.server.observers.clone() {
        pair.server.endpoint.mark_changed(pair.server.now, observer);
    }
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {} (open)", body(2000))));
    assert_eq!(pair.client.take_answer(), None);
}
