//! OB, the client: our observations at others.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::pair::{Fate, Pair};
use super::station::{Station, ask, body, observable};
use crate::coap::RequestId;
use crate::coap::endpoint::{Ask, Refused};

fn observe(path: &str) -> Ask {
    Ask { is_observation: true, ..ask(Code::GET, path) }
}

/// An observation that the peer accepted with number 10 and Max-Age 60.
fn observing() -> (Station, RequestId, Msg) {
    let mut station = Station::new();
    let id = station.endpoint.request(station.now, observe("o")).expect("acceptable");
    let sent = station.drain()[0].msg();
    sent.assert("CON GET #* t:* Observe=0 Uri-Path=o");
    station.hear_answer_msg(&notification(&sent, Kind::Acknowledgement, sent.message_id, 10, "first"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 first (open)"));
    (station, id, sent)
}

fn notification(request: &Msg, kind: Kind, message_id: u16, number: u32, payload: &str) -> Msg {
    let number = number.to_be_bytes()[number.leading_zeros() as usize / 8..].to_vec();
    Msg {
        kind: Some(kind),
        code: Code::CONTENT,
        message_id,
        token: request.token.clone(),
        options: vec![(6, number)],
        payload: payload.into(),
    }
}

#[test]
fn ob1_a_response_without_observe_ends_it() {
    let mut station = Station::new();
    let sent = station.request(observe("o")).remove(0);
    let mut plain = notification(&sent, Kind::Acknowledgement, sent.message_id, 0, "plain");
    plain.options.clear();
    station.hear_answer_msg(&plain);
    assert_eq!(station.take_answer().as_deref(), Some("2.05 plain"));
    assert_eq!(station.endpoint.request_count(), 0);
    // The token is not in use any more.
    station.hear_answer_msg(&notification(&sent, Kind::Confirmable, 5, 1, "late"))[0].assert("RST EMPTY #5");
}

#[test]
fn ob2_the_same_resource_is_not_observed_twice() {
    let (mut station, id, _) = observing();
    assert!(matches!(station.endpoint.request(station.now, observe("o")), Err(Refused::Invalid(_))));
    assert!(station.endpoint.request(station.now, observe("other")).is_ok());
    let mut with_query = observe("o");
    with_query.options.push(15, b"q=1");
    assert!(station.endpoint.request(station.now, with_query).is_ok());
    station.endpoint.cancel(station.now, id);
    assert!(station.endpoint.request(station.now, observe("o")).is_ok());
}

#[test]
fn ob3_reordered_notifications_are_dropped() {
    let (mut station, _, sent) = observing();
    for (number, expected) in
        [(12, true), (11, false), (12, false), (13, true), (1 << 22, true), (5, false), (12_000_000, true), (3, true)]
    {
        station.hear_answer_msg(&notification(&sent, Kind::NonConfirmable, 100, number, &number.to_string()));
        assert_eq!(station.take_answer(), expected.then(|| format!("2.05 {number} (open)")), "{number}");
    }
    // After 128 s arrival alone counts.
    station.pass(Duration::from_secs(50));
    station.hear_answer_msg(&notification(&sent, Kind::NonConfirmable, 101, 4, "4"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 4 (open)"));
}

#[test]
fn ob3_a_stale_confirmable_notification_is_acknowledged_all_the_same() {
    let (mut station, _, sent) = observing();
    station.hear_answer_msg(&notification(&sent, Kind::Confirmable, 50, 9, "stale"))[0].assert("ACK EMPTY #50");
    assert_eq!(station.take_answer(), None);
}

#[test]
fn ob3_after_128_seconds_any_number_is_newer() {
    let mut station = Station::new();
    let sent = station.request(observe("o")).remove(0);
    let mut first = notification(&sent, Kind::Acknowledgement, sent.message_id, 1_000, "first");
    first.options.push((14, vec![0x0f, 0xff]));
    station.hear_answer_msg(&first);
    station.take_answer();
    station.pass(Duration::from_secs(129));
    let mut second = notification(&sent, Kind::NonConfirmable, 7, 1, "second");
    second.options.push((14, vec![0x0f, 0xff]));
    station.hear_answer_msg(&second);
    assert_eq!(station.take_answer().as_deref(), Some("2.05 second (open)"));
}

#[test]
fn ob4_registration_is_renewed_with_the_same_token_after_max_age() {
    let mut delays = Vec::new();
    for seed in 0..20 {
        let mut station = Station::new();
        station.endpoint = crate::coap::Endpoint::new(crate::coap::endpoint::Settings::default(), seed);
        let sent = station.request(observe("o")).remove(0);
        let mut first = notification(&sent, Kind::Acknowledgement, sent.message_id, 1, "first");
        first.options.push((14, vec![30]));
        station.hear_answer_msg(&first);
        let heard_at = station.now;
        assert!(station.pass(Duration::from_secs(34)).is_empty(), "not while fresh, and 5 s more");
        let again = station.pass(Duration::from_secs(12)).remove(0);
        let message = again.msg();
        assert_eq!((&message.token, &message.options), (&sent.token, &sent.options));
        assert_ne!(message.message_id, sent.message_id);
        delays.push((again.at - heard_at).as_millis());
        // The observation goes on.
        station.take_answer();
        station.hear_answer_msg(&notification(&message, Kind::Acknowledgement, message.message_id, 2, "second"));
        assert_eq!(station.take_answer().as_deref(), Some("2.05 second (open)"));
    }
    assert!(delays.iter().all(|delay| (35_000..=45_000).contains(delay)));
    delays.dedup();
    assert!(delays.len() > 15, "at random");
}

#[test]
fn ob4_a_peer_that_is_gone_ends_the_observation() {
    let (mut station, _, _) = observing();
    let sent = station.pass(Duration::from_secs(60 + 15 + 94));
    assert_eq!(sent.len(), 5);
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
    assert_eq!(station.endpoint.request_count(), 0);
}

#[test]
fn ob5_unknown_notifications_are_reset_and_never_acknowledged() {
    let mut station = Station::new();
    station.hear_answer("CON 2.05 #9 t:0badbeef Observe=3 \"?\"")[0].assert("RST EMPTY #9");
    assert!(station.hear_answer("NON 2.05 #10 t:0badbeef Observe=3 \"?\"").is_empty());
}

#[test]
fn ob6_cancelling_tells_the_peer_with_the_same_token() {
    let (mut station, id, sent) = observing();
    station.endpoint.cancel(station.now, id);
    let cancellation = station.drain()[0].msg();
    cancellation.assert("CON GET #* t:* Observe=1 Uri-Path=o");
    assert_eq!(cancellation.token, sent.token);
    // A notification that crosses it is rejected.
    station.hear_answer_msg(&notification(&sent, Kind::Confirmable, 60, 20, "crossed"))[0].assert("RST EMPTY #60");
    let mut end = notification(&sent, Kind::Acknowledgement, cancellation.message_id, 0, "last");
    end.options.clear();
    station.hear_answer_msg(&end);
    assert_eq!(station.take_answer(), None, "nobody wants to know");
    assert_eq!(station.endpoint.request_count(), 0);
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn ob6_an_error_notification_is_the_end() {
    let (mut station, _, sent) = observing();
    let mut end = notification(&sent, Kind::Confirmable, 70, 0, "");
    (end.code, end.options) = (Code::NOT_FOUND, Vec::new());
    station.hear_answer_msg(&end)[0].assert("ACK EMPTY #70");
    assert_eq!(station.take_answer().as_deref(), Some("4.04 "));
    assert_eq!(station.endpoint.request_count(), 0);
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn ob10_the_latest_state_arrives_through_loss() {
    let mut pair = Pair::new();
    pair.server.answer(observable("0"));
    pair.client.endpoint.request(pair.client.now, observe("o")).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    let mut turn = 0;
    pair.fates = Box::new(move |_, _| {
        turn += 1;
        if turn % 3 == 0 { Fate::Arrive } else { Fate::Drop }
    });
    for i in 1..=30 {
        pair.server.observers.clone().into_iter().for_each(|id| pair.server.endpoint.mark_changed(pair.server.now, id));
        pair.server.state.payload = i.to_string().into();
        pair.pass(Duration::from_millis(700));
    }
    pair.pass(Duration::from_secs(90));
    let last = std::iter::from_fn(|| pair.client.take_answer()).last();
    assert_eq!(last.as_deref(), Some("2.05 30 (open)"), "{:#?}", pair.log);
}

#[test]
fn ob12_bw10_the_rest_of_a_large_notification_is_fetched_without_observe() {
    let mut pair = Pair::new();
    pair.server.answer(observable(&body(2_500)));
    pair.client.endpoint.request(pair.client.now, observe("o")).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.client.take_answer(), Some(format!("2.05 {} (open)", body(2_500))));
    for size in [3_000, 100, 2_000] {
        pair.server.state.payload = body(size).into();
        let text = body(size);
        pair.server.answer(observable(&text));
        pair.server.observers.clone().into_iter().for_each(|id| pair.server.endpoint.mark_changed(pair.server.now, id));
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.client.take_answer(), Some(format!("2.05 {text} (open)")));
    }
    let follow_ups = pair.log.iter().filter(|line| line.starts_with('>') && line.contains("Block2="));
    assert!(follow_ups.clone().count() >= 5);
    assert!(follow_ups.into_iter().all(|line| !line.contains("Observe")));
    assert_eq!(pair.server.endpoint.observer_count(), 1);
}

#[test]
fn ob6_cancelling_before_anything_was_sent_sends_nothing() {
    let mut station = Station::new();
    station.request(ask(Code::GET, "busy"));
    let id = station.endpoint.request(station.now, observe("o")).expect("acceptable");
    station.endpoint.cancel(station.now, id);
    assert!(station.drain().is_empty());
    assert_eq!(station.endpoint.request_count(), 1);
}

#[test]
fn ob6_a_cancellation_that_nobody_answers_comes_to_an_end() {
    for is_confirmable in [true, false] {
        let mut station = Station::new();
        let patience = Some(Duration::from_secs(10));
        let id = station
            .endpoint
            .request(station.now, Ask { is_confirmable, patience, ..observe("o") })
            .expect("acceptable");
        let sent = station.drain()[0].msg();
        station.hear_answer_msg(&notification(&sent, Kind::NonConfirmable, 1, 10, "first"));
        station.pass(Duration::from_secs(20));
        station.endpoint.cancel(station.now, id);
        station.pass(Duration::from_secs(400));
        assert_eq!(station.endpoint.request_count(), 0);
        assert_eq!(station.answers.len(), 1, "the first notification alone");
    }
}

#[test]
fn co2_ob4_a_max_age_of_eight_octets_does_no_harm() {
    let mut station = Station::new();
    let sent = station.request(observe("a"));
    let mut reply = Msg::parse("ACK 2.05 #0 Observe=5 Max-Age=0xffffffffffffffff \"x\"");
    reply.token.clone_from(&sent[0].token);
    reply.message_id = sent[0].message_id;
    station.hear_answer_msg(&reply);
    assert_eq!(station.take_answer().as_deref(), Some("2.05 x (open)"));
    // It is as if it were not there: registered again after 60 seconds, and 5 to 15 more.
    assert!(station.pass(Duration::from_secs(64)).is_empty());
    assert!(!station.pass(Duration::from_secs(12)).is_empty());
}

#[test]
fn ob3_a_registration_answered_with_something_old_goes_on() {
    let (mut station, _, request) = observing();
    let again = station.pass(Duration::from_secs(80)).remove(0).msg();
    assert_eq!(again.token, request.token);
    station.hear_answer_msg(&notification(&again, Kind::Acknowledgement, again.message_id, 9, "older"));
    assert_eq!(station.take_answer(), None);
    // No end for lack of an answer; it is registered once more.
    let sent = station.pass(Duration::from_secs(80));
    assert_eq!((station.take_answer(), station.endpoint.request_count()), (None, 1));
    let again = sent[0].msg();
    again.assert("CON GET #* t:* Observe=0 Uri-Path=o");
    station.hear_answer_msg(&notification(&again, Kind::Acknowledgement, again.message_id, 9, "after a restart"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 after a restart (open)"));
    station.pass(Duration::from_secs(50));
    assert_eq!(station.endpoint.request_count(), 1);
}

#[test]
fn rt2_a_body_that_is_sent_again_has_another_request_tag() {
    let mut pair = Pair::new();
    pair.server.answer(observable("x"));
    let mut fetch = Ask { is_observation: true, payload: body(3_000).into(), ..ask(Code::FETCH, "o") };
    fetch.options.push_uint(12, 0);
    let id = pair.client.endpoint.request(pair.client.now, fetch).expect("acceptable");
    pair.pass(Duration::from_secs(80));
    pair.client.endpoint.cancel(pair.client.now, id);
    pair.pass(Duration::from_secs(10));
    let tags: Vec<&str> = pair
        .server
        .seen
        .iter()
        .map(|line| line.split(' ').find(|word| word.starts_with("Request-Tag=")).expect("a Request-Tag"))
        .collect();
    assert_eq!(pair.server.endpoint.observer_count(), 0);
    assert!(tags.len() == 3 && tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
}

#[test]
fn ob4_bw8_a_notification_while_the_body_is_registered_again_is_no_answer_to_it() {
    let mut station = Station::new();
    let mut fetch = Ask { is_observation: true, payload: body(1_500).into(), ..ask(Code::FETCH, "o") };
    fetch.options.push_uint(12, 0);
    let first = station.request(fetch).remove(0);
    let go_on = |block: &Msg| Msg {
        kind: Some(Kind::Acknowledgement),
        code: Code::CONTINUE,
        options: vec![(27, vec![0x0e])],
        payload: Vec::new(),
        ..block.clone()
    };
    let last = station.hear_answer_msg(&go_on(&first)).remove(0);
    station.hear_answer_msg(&notification(&last, Kind::Acknowledgement, last.message_id, 10, "first"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 first (open)"));
    let again = station.pass(Duration::from_secs(80)).remove(0).msg();
    assert_eq!((again.token.clone(), again.payload.len()), (first.token, 1_024));
    station.hear_answer_msg(&notification(&again, Kind::NonConfirmable, 77, 11, "second"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 second (open)"));
    assert!(!station.pass(Duration::from_secs(80)).is_empty(), "registered again later");
}
