//! CC: the response cache, as requests of ours see it.

use std::time::Duration;

use wayhouse_wire::coap::Code;

use super::notation::Msg;
use super::pair::Pair;
use super::station::{Act, Station, ask, body, observable, response};
use crate::coap::Response;
use crate::coap::endpoint::{Ask, Target};
use crate::io::StreamId;

fn cached(path: &str) -> Ask {
    Ask { may_use_cache: true, ..ask(Code::GET, path) }
}

fn with_max_age(payload: &str, seconds: u64) -> Response {
    let mut response = response(Code::CONTENT, payload);
    response.options.push_uint(14, seconds);
    response.options.push(4, payload.as_bytes().get(..4).unwrap_or(b"none"));
    response
}

fn get(pair: &mut Pair, ask: Ask) -> (String, bool) {
    pair.client.endpoint.request(pair.client.now, ask).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    let is_from_cache = pair.client.answers[0].outcome.as_ref().is_ok_and(|reply| reply.is_from_cache);
    (pair.client.take_answer().expect("an answer"), is_from_cache)
}

#[test]
fn cc1_cc3_a_fresh_response_answers_the_same_request() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("state", 30));
    assert_eq!(get(&mut pair, cached("a")), ("2.05 state".into(), false));
    assert_eq!(get(&mut pair, cached("a")), ("2.05 state".into(), true));
    assert_eq!(pair.server.seen.len(), 1);
    // Another path, other options, another method: another request.
    assert!(!get(&mut pair, cached("b")).1);
    let mut accept = cached("a");
    accept.options.push_uint(17, 0);
    assert!(!get(&mut pair, accept).1);
    // Who does not want it does not get it.
    assert!(!get(&mut pair, ask(Code::GET, "a")).1);
}

#[test]
fn cc2_the_body_of_fetch_is_part_of_the_key() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("found", 30));
    let fetch = |query: &str| {
        let mut fetch = Ask { may_use_cache: true, payload: query.into(), ..ask(Code::FETCH, "a") };
        fetch.options.push_uint(12, 60);
        fetch
    };
    assert!(!get(&mut pair, fetch("one")).1);
    assert!(get(&mut pair, fetch("one")).1);
    assert!(!get(&mut pair, fetch("two")).1);
}

#[test]
fn cp3_max_age_from_the_cache_is_what_is_left_of_it() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("state", 30));
    get(&mut pair, cached("a"));
    pair.pass(Duration::from_secs(10));
    pair.client.endpoint.request(pair.client.now, cached("a")).expect("acceptable");
    pair.client.drain();
    let reply = pair.client.answers.pop_front().expect("at once").outcome.expect("a reply");
    let max_age = reply.options.first(14).and_then(|option| option.uint()).expect("Max-Age");
    assert!((17..=20).contains(&max_age), "{max_age}");
}

#[test]
fn tc6_responses_of_another_transport_are_of_another_origin() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("state", 30));
    pair.connect(1);
    pair.pass(Duration::from_secs(1));
    get(&mut pair, cached("a"));
    let to = Target::Stream(StreamId(1));
    assert!(!get(&mut pair, Ask { to, ..cached("a") }).1);
    assert!(get(&mut pair, Ask { to, ..cached("a") }).1);
}

#[test]
fn cc4_a_stale_response_is_validated() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("state", 10));
    get(&mut pair, cached("a"));
    pair.pass(Duration::from_secs(20));
    assert_eq!(get(&mut pair, cached("a")), ("2.05 state".into(), true));
    assert_eq!(pair.logged("2.03").len(), 1);
    assert_eq!(pair.server.seen.len(), 2);
    // Refreshed: fresh again. Changed: replaced.
    assert_eq!(get(&mut pair, cached("a")), ("2.05 state".into(), true));
    assert_eq!(pair.server.seen.len(), 2);
    pair.pass(Duration::from_secs(20));
    pair.server.answer(with_max_age("new state", 10));
    assert_eq!(get(&mut pair, cached("a")), ("2.05 new state".into(), false));
}

#[test]
fn cc3_max_age_0_is_not_kept() {
    let mut pair = Pair::new();
    let mut never = response(Code::CONTENT, "state");
    never.options.push_uint(14, 0);
    pair.server.answer(never);
    get(&mut pair, cached("a"));
    assert!(!get(&mut pair, cached("a")).1);
}

#[test]
fn cc5_a_change_makes_what_is_stored_stale() {
    let mut pair = Pair::new();
    pair.server.app = Box::new(|request| {
        Act::Respond(if request.code == Code::GET { with_max_age("state", 30) } else { response(Code::CHANGED, "") })
    });
    get(&mut pair, cached("a"));
    get(&mut pair, Ask { payload: b"x".into(), ..ask(Code::PUT, "a") });
    get(&mut pair, cached("a"));
    assert_eq!(pair.server.seen.iter().filter(|seen| seen.starts_with("CON GET")).count(), 2);
}

#[test]
fn cc6_a_new_response_replaces_the_fresh_one() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age("old", 30));
    get(&mut pair, cached("a"));
    pair.server.answer(with_max_age("new", 30));
    get(&mut pair, ask(Code::GET, "a"));
    assert_eq!(get(&mut pair, cached("a")), ("2.05 new".into(), true));
}

#[test]
fn cc7_a_notification_answers_a_plain_get_without_observe() {
    let mut pair = Pair::new();
    pair.server.answer(observable("first"));
    assert_eq!(get(&mut pair, Ask { is_observation: true, ..ask(Code::GET, "a") }).0, "2.05 first (open)");
    pair.client.endpoint.request(pair.client.now, cached("a")).expect("acceptable");
    pair.client.drain();
    let answer = pair.client.answers.pop_front().expect("at once");
    let reply = answer.outcome.expect("a reply");
    assert!(reply.is_from_cache && reply.options.first(6).is_none());
}

#[test]
fn cc8_block1_in_progress_makes_what_is_stored_stale() {
    let mut pair = Pair::new();
    pair.server.app = Box::new(|request| {
        Act::Respond(if request.code == Code::GET {
            with_max_age("state", 30)
        } else {
            response(Code::BAD_REQUEST, "")
        })
    });
    get(&mut pair, cached("a"));
    get(&mut pair, Ask { payload: body(3_000).into(), ..ask(Code::PUT, "a") });
    assert_eq!(pair.logged("2.31").len(), 2);
    get(&mut pair, cached("a"));
    assert_eq!(pair.server.seen.iter().filter(|seen| seen.starts_with("CON GET")).count(), 2);
}

#[test]
fn cc10_errors_are_kept_by_max_age() {
    let mut pair = Pair::new();
    pair.server.answer(response(Code::NOT_FOUND, ""));
    get(&mut pair, cached("a"));
    assert_eq!(get(&mut pair, cached("a")), ("4.04 ".into(), true));
    pair.pass(Duration::from_secs(61));
    assert!(!get(&mut pair, cached("a")).1);
}

#[test]
fn cc8_bodies_in_blocks_are_kept_whole() {
    let mut pair = Pair::new();
    pair.server.answer(with_max_age(&body(3_000), 30));
    assert_eq!(get(&mut pair, cached("a")), (format!("2.05 {}", body(3_000)), false));
    assert_eq!(get(&mut pair, cached("a")), (format!("2.05 {}", body(3_000)), true));
}

#[test]
fn cc4_a_2_03_for_something_else_is_not_an_answer() {
    let mut station = Station::new();
    let get = || Ask { may_use_cache: true, ..ask(Code::GET, "a") };
    let answer = |station: &mut Station, to: &Msg, text: &str| {
        let mut reply = Msg::parse(text);
        reply.token.clone_from(&to.token);
        reply.message_id = to.message_id;
        station.hear_answer_msg(&reply)
    };
    let sent = station.request(get());
    answer(&mut station, &sent[0], "ACK 2.05 #0 ETag=0x01 Max-Age=1 \"x\"");
    station.take_answer();
    station.pass(Duration::from_secs(2));
    let sent = station.request(get());
    assert!(sent[0].to_string().contains("ETag=0x01"));
    let again = answer(&mut station, &sent[0], "ACK 2.03 #0 ETag=0x02");
    assert_eq!(station.take_answer(), None, "not answered with nothing");
    again[0].assert("CON GET #* t:* Uri-Path=a");
    answer(&mut station, &again[0], "ACK 2.05 #0 ETag=0x02 \"y\"");
    assert_eq!(station.take_answer().as_deref(), Some("2.05 y"));
}
