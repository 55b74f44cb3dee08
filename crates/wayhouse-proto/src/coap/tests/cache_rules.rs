//! The client's cache as its parent and the peer see it (sheet §8).

use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use super::notation::Msg;
use super::station::{Station, ask};
use crate::coap::endpoint::Ask;

fn get() -> Ask {
    Ask { may_use_cache: true, ..ask(Code::GET, "a") }
}

/// Asks, and gives the answer of the peer; what the peer was asked, what the parent got.
#[track_caller]
fn fetch(station: &mut Station, ask: Ask, answer: &str) -> (String, String) {
    let sent = station.request(ask);
    assert_eq!(sent.len(), 1, "the peer is asked");
    let mut reply = Msg::parse(answer);
    reply.token.clone_from(&sent[0].token);
    reply.message_id = sent[0].message_id;
    station.hear_answer_msg(&reply);
    (sent[0].to_string(), station.take_answer().expect("an answer"))
}

/// Asks where nobody needs to be asked.
#[track_caller]
fn cached(station: &mut Station, ask: Ask) -> String {
    assert!(station.request(ask).is_empty(), "the peer is not asked");
    station.take_answer().expect("an answer")
}

#[test]
fn cc1_cc3_a_fresh_response_answers_without_asking() {
    let mut station = Station::new();
    fetch(&mut station, get(), "ACK 2.05 #0 Max-Age=10 \"22\"");
    station.pass(Duration::from_secs(9));
    assert_eq!(cached(&mut station, get()), "2.05 22");
    // Another resource, another method, a parent that wants to know for sure: the peer is asked.
    fetch(&mut station, Ask { may_use_cache: true, ..ask(Code::GET, "b") }, "ACK 2.05 #0 \"23\"");
    fetch(&mut station, Ask { may_use_cache: true, ..ask(Code::POST, "a") }, "ACK 4.05 #0");
    let (_, answer) = fetch(&mut station, ask(Code::GET, "a"), "ACK 2.05 #0 Max-Age=10 \"24\"");
    assert_eq!(answer, "2.05 24");
    // CC6: what came last counts.
    assert_eq!(cached(&mut station, get()), "2.05 24");
    station.pass(Duration::from_secs(11));
    fetch(&mut station, get(), "ACK 2.05 #0 \"25\"");
}

#[test]
fn cc2_the_body_of_a_fetch_is_part_of_the_key() {
    let mut station = Station::new();
    let query = |payload: &str| {
        let mut ask = Ask { may_use_cache: true, payload: payload.into(), ..ask(Code::FETCH, "a") };
        ask.options.push(number::CONTENT_FORMAT, &[]);
        ask
    };
    fetch(&mut station, query("one"), "ACK 2.05 #0 \"1\"");
    fetch(&mut station, query("two"), "ACK 2.05 #0 \"2\"");
    assert_eq!(cached(&mut station, query("one")), "2.05 1");
    assert_eq!(cached(&mut station, query("two")), "2.05 2");
}

#[test]
fn cc4_a_stale_response_is_validated_with_its_etag() {
    let mut station = Station::new();
    fetch(&mut station, get(), "ACK 2.05 #0 ETag=0x01 Max-Age=10 \"22\"");
    station.pass(Duration::from_secs(11));
    let (asked, answer) = fetch(&mut station, get(), "ACK 2.03 #0 ETag=0x01 Max-Age=20");
    assert!(asked.contains("ETag=0x01"), "{asked}");
    assert_eq!(answer, "2.05 22");
    station.pass(Duration::from_secs(19));
    assert_eq!(cached(&mut station, get()), "2.05 22");
    // Any other answer is used as it is.
    station.pass(Duration::from_secs(2));
    let (_, answer) = fetch(&mut station, get(), "ACK 2.05 #0 ETag=0x02 \"23\"");
    assert_eq!(answer, "2.05 23");
}

#[test]
fn cc5_a_change_of_ours_makes_the_peer_be_asked_again() {
    for (code, answer) in [(Code::PUT, "ACK 2.04 #0"), (Code::DELETE, "ACK 2.02 #0"), (Code::POST, "ACK 2.01 #0")] {
        let mut station = Station::new();
        fetch(&mut station, get(), "ACK 2.05 #0 \"22\"");
        fetch(&mut station, ask(code, "a"), answer);
        fetch(&mut station, get(), "ACK 2.05 #0 \"23\"");
    }
    let mut station = Station::new();
    fetch(&mut station, get(), "ACK 2.05 #0 \"22\"");
    fetch(&mut station, ask(Code::POST, "other"), "ACK 2.01 #0 Location-Path=a");
    fetch(&mut station, get(), "ACK 2.05 #0 \"23\"");
}

#[test]
fn cc7_a_notification_answers_a_plain_get() {
    let mut station = Station::new();
    let observe = Ask { is_observation: true, ..ask(Code::GET, "a") };
    fetch(&mut station, observe, "ACK 2.05 #0 Observe=5 \"22\"");
    let sent = station.request(get());
    assert!(sent.is_empty());
    let answer = station.answers.pop_front().expect("an answer").outcome.expect("a response");
    assert_eq!(answer.payload, b"22");
    assert!(answer.is_from_cache && answer.options.first(number::OBSERVE).is_none());
}

#[test]
fn cc10_errors_are_kept_for_their_max_age() {
    let mut station = Station::new();
    fetch(&mut station, get(), "ACK 4.04 #0 Max-Age=5 \"no\"");
    station.pass(Duration::from_secs(4));
    assert_eq!(cached(&mut station, get()), "4.04 no");
    station.pass(Duration::from_secs(2));
    let (asked, _) = fetch(&mut station, get(), "ACK 2.05 #0 \"yes\"");
    assert!(!asked.contains("ETag"), "{asked}");
}
