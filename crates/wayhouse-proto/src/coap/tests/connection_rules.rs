//! Connections as peers see them, both roles (sheet §21).

use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::stream::Frame;

use super::notation::Msg;
use super::pair::Pair;
use super::station::{Act, Sent, Station, ask, body, observable, response};
use crate::coap::endpoint::{Ask, Target};
use crate::io::{Destination, StreamId};

const STREAM: StreamId = StreamId(1);

/// The messages among what was sent, and whether the connection was closed at the end.
fn frames(sent: &[Sent]) -> (Vec<Msg>, bool) {
    let octets: Vec<u8> = sent.iter().flat_map(|sent| sent.octets.clone()).collect();
    let mut rest = &octets[..];
    let mut messages = Vec::new();
    while let Ok(Some(octets)) = Frame::octets(rest) {
        messages.push(Msg::of_frame(&Frame::decode(&rest[..octets]).expect("well-formed")));
        rest = &rest[octets..];
    }
    (messages, sent.iter().any(|sent| sent.transmit.to == Destination::CloseStream(STREAM)))
}

fn hear(station: &mut Station, text: &str) -> (Vec<Msg>, bool) {
    frames(&station.hear_stream(1, &Msg::parse(text).encode()))
}

#[track_caller]
fn one(station: &mut Station, text: &str) -> Msg {
    let (messages, is_closed) = hear(station, text);
    assert!(messages.len() == 1 && !is_closed, "{:?}", messages.iter().map(Msg::to_string).collect::<Vec<_>>());
    messages.into_iter().next().expect("one")
}

/// A station with a connection whose peer takes 8 KiB and blocks.
fn connected() -> Station {
    let mut station = Station::new();
    station.open(1);
    assert_eq!(hear(&mut station, "TCP 7.01 opt2=0x2000 opt4"), (vec![], false));
    station
}

fn on_stream(code: Code, payload: &str) -> Ask {
    Ask { to: Target::Stream(STREAM), payload: payload.into(), ..ask(code, "a") }
}

#[test]
fn tc1_each_side_begins_with_its_csm() {
    let mut station = Station::new();
    let octets = station.open(1);
    Msg::of_frame(&Frame::decode(&octets).expect("one frame")).assert("TCP 7.01 opt2=* opt4=0x opt6=*");
    let (sent, is_closed) = hear(&mut station, "TCP GET t:01 Uri-Path=a");
    assert_eq!(sent.len(), 1);
    sent[0].assert("TCP 7.05 \"*\"");
    assert!(is_closed && station.seen.is_empty());
}

#[test]
fn tc2_an_unknown_critical_option_of_a_signal_ends_the_connection() {
    let mut station = connected();
    let (sent, is_closed) = hear(&mut station, "TCP 7.01 opt9=0x");
    sent[0].assert("TCP 7.05 opt2=0x09 \"*\"");
    assert!(is_closed);
    assert_eq!(hear(&mut station, "TCP GET t:01 Uri-Path=a"), (vec![], false), "nothing happens any more");
    assert!(station.endpoint.request(station.now, on_stream(Code::GET, "")).is_err());
}

#[test]
fn tc2_pings_are_answered_and_empty_messages_are_not() {
    let mut station = connected();
    one(&mut station, "TCP 7.02 t:42").assert("TCP 7.03 t:42");
    one(&mut station, "TCP 7.02 t:42 opt2=0x").assert("TCP 7.03 t:42 opt2=0x");
    assert_eq!(hear(&mut station, "TCP EMPTY"), (vec![], false));
}

#[test]
fn tc3_the_answer_goes_back_on_the_connection_of_the_request() {
    let mut station = connected();
    one(&mut station, "TCP GET t:0102 Uri-Path=a").assert("TCP 2.05 t:0102 \"ok\"");
    // Several at once are answered in order.
    let two = ["TCP GET t:01 Uri-Path=a", "TCP GET t:02 Uri-Path=b"].map(|text| Msg::parse(text).encode()).concat();
    let (sent, _) = frames(&station.hear_stream(1, &two));
    assert_eq!(sent.iter().map(|message| message.token[0]).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn tc3_cr7_requests_of_ours_count_their_tokens_and_take_answers_from_their_connection_only() {
    let mut station = connected();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        station.endpoint.request(station.now, on_stream(Code::GET, "")).expect("acceptable");
        let (sent, _) = frames(&station.drain());
        tokens.push(sent[0].token.clone());
    }
    assert_eq!(tokens, [[0], [1], [2]]);
    // The same token on another connection is nobody's.
    station.open(2);
    station.hear_stream(2, &Msg::parse("TCP 7.01").encode());
    station.hear_stream(2, &Msg::parse("TCP 2.05 t:01 \"forged\"").encode());
    assert_eq!(station.take_answer(), None);
    hear(&mut station, "TCP 2.05 t:01 \"true\"");
    assert_eq!(station.take_answer().as_deref(), Some("2.05 true"));
}

#[test]
fn tc4_large_answers_go_in_bert_blocks_where_agreed() {
    let mut station = connected();
    station.answer(response(Code::CONTENT, &body(20_000)));
    let first = one(&mut station, "TCP GET t:01 Uri-Path=a");
    first.assert("TCP 2.05 t:01 ETag=* Block2=0/1/bert \"*\"");
    assert!(first.payload.len().is_multiple_of(1024) && first.payload.len() > 1024);
    let second = one(&mut station, &format!("TCP GET t:02 Uri-Path=a Block2={}/0/bert", first.payload.len() / 1024));
    second.assert("TCP 2.05 t:02 ETag=* Block2=7/1/bert \"*\"");
    assert_eq!(String::from_utf8([first.payload, second.payload].concat()), Ok(body(14 * 1024)));
    // A peer that wants plain blocks gets them.
    one(&mut station, "TCP GET t:03 Uri-Path=a Block2=0/0/64").assert("TCP 2.05 t:03 ETag=* Block2=0/1/64 \"*\"");
}

#[test]
fn tc4_request_bodies_come_in_bert_blocks() {
    let mut station = connected();
    let (whole, end) = (body(3072), "the end");
    let first = format!("TCP PUT t:01 Uri-Path=a Block1=0/1/bert \"{whole}\"");
    one(&mut station, &first).assert("TCP 2.31 t:01 Block1=0/1/bert");
    let last = format!("TCP PUT t:02 Uri-Path=a Block1=3/0/bert \"{end}\"");
    one(&mut station, &last).assert("TCP 2.05 t:02 Block1=3/0/bert \"ok\"");
    assert!(station.seen[0].ends_with(&format!("{whole}{end}\"")));
}

#[test]
fn tc5_a_lost_connection_takes_its_observers_and_requests_along() {
    let mut station = connected();
    station.answer(observable("x"));
    one(&mut station, "TCP GET t:01 Observe=0 Uri-Path=a").assert("TCP 2.05 t:01 Observe=* \"x\"");
    assert_eq!(station.endpoint.observer_count(), 1);
    station.endpoint.request(station.now, on_stream(Code::GET, "")).expect("acceptable");
    station.drain();
    station.endpoint.handle_stream(station.now, STREAM, crate::io::StreamInput::Closed);
    station.drain();
    assert_eq!((station.endpoint.observer_count(), station.observers.len()), (0, 0));
    assert_eq!(station.take_answer().as_deref(), Some("Disconnected"));
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn tc1_after_the_release_of_the_peer_what_is_pending_is_answered() {
    let mut station = connected();
    station.app = Box::new(|_| Act::Defer);
    assert_eq!(hear(&mut station, "TCP GET t:01 Uri-Path=a"), (vec![], false));
    assert_eq!(hear(&mut station, "TCP 7.04"), (vec![], false), "not closed: an answer is owed");
    assert!(station.endpoint.request(station.now, on_stream(Code::GET, "")).is_err(), "nothing new is asked");
    let pending = station.pendings.pop_front().expect("deferred");
    station.endpoint.respond_deferred(station.now, pending, &response(Code::CONTENT, "late"));
    frames(&station.drain()).0[0].assert("TCP 2.05 t:01 \"late\"");
    let mut station = connected();
    assert_eq!(hear(&mut station, "TCP 7.04"), (vec![], true), "nothing is owed");
}

#[test]
fn tc4_bodies_of_all_sizes_arrive_whole_both_ways() {
    for octets in [0, 100, 1024, 1152, 5000, 300_000] {
        let mut pair = Pair::new();
        pair.connect(1);
        let large = body(octets);
        pair.server.app =
            Box::new(|request| Act::Respond(response(Code::CHANGED, &String::from_utf8_lossy(&request.payload))));
        pair.client.endpoint.request(pair.client.now, on_stream(Code::POST, &large)).expect("acceptable");
        pair.pass(Duration::from_secs(60));
        let answer = pair.client.take_answer();
        assert!(answer == Some(format!("2.04 {large}")), "{octets}: {:?}", answer.map(|answer| answer.len()));
    }
}
