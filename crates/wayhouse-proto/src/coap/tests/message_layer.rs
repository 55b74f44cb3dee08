//! CM: confirmable and non-confirmable messages, acknowledgements, resets, duplicates, congestion.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::pair::{Fate, Pair};
use super::station::{Act, PEER, Sent, Station, ask, body, observable, response};
use crate::coap::endpoint::{Ask, Refused, Settings, Target};
use crate::coap::limits::Limits;
use crate::coap::params::Params;
use crate::io::SocketId;

fn posting() -> Station {
    Station::answering(response(Code::CHANGED, ""))
}

#[test]
fn cm4_octets_of_ff_inside_values_are_no_payload_marker() {
    let mut station = Station::new();
    station.ask("CON PUT #65535 t:ffff Uri-Path=0xffff If-Match=0xff \"x\"").assert("ACK 2.05 #65535 t:ffff \"ok\"");
    assert_eq!(station.endpoint.counters().malformed, 0);
    station.app = Box::new(|request| {
        assert_eq!((&request.payload[..], request.options.iter().count()), (&[0xff, 0xff][..], 1));
        Act::Respond(response(Code::CHANGED, ""))
    });
    let message = Msg { payload: vec![0xff, 0xff], ..Msg::parse("CON PUT #1 Uri-Path=a") };
    station.hear_octets(&message.encode())[0].assert("ACK 2.04 #1");
}

#[test]
fn cm11_confirmable_messages_are_acknowledged_or_rejected() {
    let mut station = Station::new();
    station.ask("CON GET #7 t:01 Uri-Path=a").assert("ACK 2.05 #7 t:01 \"ok\"");
    station.ask("CON EMPTY #8").assert("RST EMPTY #8");
    station.ask("CON 1.01 #9").assert("RST EMPTY #9");
    station.ask("CON 6.00 #10 t:05").assert("RST EMPTY #10");
    station.ask("CON 7.01 #11").assert("RST EMPTY #11");
    station.ask("CON 2.05 #12 t:0102 \"nobody asked\"").assert("RST EMPTY #12");
    // A format error: an option that ends too early.
    let sent = station.hear_octets(&[0x40, 0x01, 0x12, 0x34, 0xb5, b'a']);
    assert_eq!(sent.len(), 1);
    sent[0].assert("RST EMPTY #4660");
    assert_eq!(station.endpoint.counters().malformed, 1);
    assert_eq!(station.endpoint.counters().resets_sent, 6);
}

#[test]
fn cm11_a_parent_without_an_answer_still_acknowledges() {
    let mut station = Station::answering(crate::coap::Response::default());
    station.ask("CON POST #7 t:01").assert("ACK EMPTY #7");
    station.ask("CON POST #7 t:01").assert("ACK EMPTY #7");
    assert!(station.hear("NON POST #8 t:01").is_empty());
}

#[test]
fn cm12_acknowledgements_and_resets_repeat_the_message_id() {
    let mut station = Station::new();
    for id in [0, 1, 0x7d34, 0xffff] {
        station.ask(&format!("CON GET #{id} t:aabb")).assert(&format!("ACK 2.05 #{id} t:aabb \"ok\""));
        let reset = station.ask(&format!("CON EMPTY #{id}"));
        assert_eq!(reset.encode().len(), 4, "a reset is empty");
        assert_eq!((reset.kind, reset.message_id), (Some(Kind::Reset), id));
    }
}

#[test]
fn cm13_acknowledgements_and_resets_are_never_answered() {
    let mut station = Station::new();
    for text in [
        "ACK EMPTY #7",
        "RST EMPTY #7",
        "ACK GET #7 t:01 Uri-Path=a",
        "ACK 1.00 #7",
        "ACK 2.05 #7 t:01 \"unexpected\"",
        "RST 2.05 #7 t:01",
        "RST GET #7",
    ] {
        assert!(station.hear(text).is_empty(), "{text}");
    }
    // Malformed ones neither.
    assert!(station.hear_octets(&[0x60, 0x45, 0, 7, 0xff]).is_empty());
    assert!(station.hear_octets(&[0x70, 0x00, 0, 7, 0x01]).is_empty());
    assert!(station.seen.is_empty());
}

#[test]
fn cm14_retransmission_doubles_a_random_timeout_and_gives_up() {
    let mut first_timeouts = Vec::new();
    for seed in 0..20 {
        let mut station = Station::new();
        station.endpoint = crate::coap::Endpoint::new(Settings::default(), seed);
        let first = station.request(ask(Code::GET, "a"));
        let started = station.now;
        let sent: Vec<Sent> = station.pass(Duration::from_secs(46));
        assert_eq!(sent.len(), 4, "MAX_RETRANSMIT within MAX_TRANSMIT_SPAN");
        let times: Vec<f64> = sent.iter().map(|sent| (sent.at - started).as_secs_f64()).collect();
        let timeout = times[0];
        assert!((2.0..=3.0).contains(&timeout), "{timeout}");
        for (i, time) in times.iter().enumerate() {
            assert!((time - timeout * f64::from((2u32 << i) - 1)).abs() < 0.001, "{times:?}");
            assert_eq!(sent[i].msg(), first[0], "the same message");
        }
        assert_eq!(station.take_answer(), None);
        station.pass(Duration::from_secs_f64(timeout * 31.0 - 46.0 + 0.01));
        assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
        assert!(station.pass(Duration::from_secs(600)).is_empty());
        first_timeouts.push(timeout);
    }
    first_timeouts.dedup();
    assert!(first_timeouts.len() > 15, "the timeout is random");
}

#[test]
fn cm14_a_reset_ends_the_transmission_as_a_failure() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a"));
    assert!(station.hear_answer(&format!("RST EMPTY #{}", sent[0].message_id)).is_empty());
    assert_eq!(station.take_answer().as_deref(), Some("Reset"));
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn cm15_a_cancelled_request_is_not_sent_again() {
    let mut station = Station::new();
    let id = station.endpoint.request(station.now, ask(Code::GET, "a")).expect("acceptable");
    assert_eq!(station.drain().len(), 1);
    station.endpoint.cancel(station.now, id);
    assert!(station.pass(Duration::from_secs(300)).is_empty());
    assert_eq!(station.take_answer(), None);
    assert_eq!(station.endpoint.request_count(), 0);
}

#[test]
fn cm15_cr2_a_duplicate_after_the_separate_response_was_acknowledged_gets_an_empty_ack() {
    for method in ["GET", "POST"] {
        let mut station = Station::deferring();
        let request = format!("CON {method} #7 t:01 Uri-Path=slow");
        station.ask(&request).assert("ACK EMPTY #7");
        let sent = station.settle(&response(Code::CONTENT, "late"));
        sent[0].assert("CON 2.05 #* t:01 \"late\"");
        station.hear(&format!("ACK EMPTY #{}", sent[0].message_id));
        station.ask(&request).assert("ACK EMPTY #7");
        assert_eq!(station.seen.len(), 1, "processed once");
        assert!(station.pass(Duration::from_secs(300)).is_empty());
    }
}

#[test]
fn cm17_non_messages_are_never_acknowledged_nor_empty() {
    let mut station = Station::new();
    station.ask("NON GET #7 t:01").assert("NON 2.05 #* t:01 \"ok\"");
    assert!(station.hear("NON EMPTY #8").is_empty());
    assert!(station.hear("NON 1.05 #8").is_empty());
    assert!(station.hear("NON 2.05 #8 t:09").is_empty());
    assert!(station.hear_octets(&[0x50, 0x01, 0x12, 0x34, 0xb5, b'a']).is_empty());
}

#[test]
fn cm19_non_responses_do_not_repeat_message_ids() {
    let mut station = Station::new();
    let mut ids: Vec<u16> = (0..3_000).map(|id| station.ask(&format!("NON GET #{id} t:01")).message_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3_000);
}

#[test]
fn cm19_responses_and_notifications_to_one_peer_have_different_message_ids() {
    let mut station = Station::answering(observable("0"));
    let mut ids = vec![station.ask("NON GET #100 t:01 Observe=0").message_id];
    for i in 1..200 {
        station.pass(Duration::from_secs(4));
        for message in station.change("x").iter().chain(&station.hear(&format!("NON GET #{} t:02", 100 + i * 3))) {
            ids.push(message.message_id);
            if message.kind == Some(Kind::Confirmable) {
                let acknowledgement = format!("ACK EMPTY #{}", message.message_id);
                station.hear(&acknowledgement);
            }
        }
    }
    let count = ids.len();
    assert!(count > 300);
    ids.sort_unstable();
    ids.dedup();
    // 800 s have passed, 247 s of which no ID may return in; here none returns at all.
    assert_eq!(ids.len(), count);
}

/// Message IDs of NON responses to a peer that nothing else was sent to are remembered nowhere.
#[test]
fn cm19_what_comes_of_itself_repeats_no_id_of_the_answers_before() {
    let non_get = |station: &mut Station, id: u16| {
        let [high, low] = id.to_be_bytes();
        station.hear_octets(&[0x51, Code::GET.0, high, low, 1])[0].message_id
    };
    let observed = |station: &mut Station| {
        station.answer(observable("0"));
        station.ask("CON GET #60000 t:01 Observe=0").assert("ACK 2.05 #60000 t:01 Observe=* \"0\"");
        station.pass(Duration::from_secs(4));
        station.change("1")[0].message_id
    };
    let separate = |station: &mut Station, request: &str| {
        station.app = Box::new(|_| Act::Defer);
        station.hear(request);
        // Meanwhile the peer asks on.
        station.answer(response(Code::CONTENT, "ok"));
        let between: Vec<u16> = (60_001..60_100).map(|id| non_get(station, id)).collect();
        let id = station.settle(&response(Code::CONTENT, "late"))[0].message_id;
        assert!(!between.contains(&id), "{request}");
        id
    };
    for what in ["observed", "CON GET #60000 t:01", "NON GET #60000 t:01"] {
        let mut station = Station::new();
        // So many that an ID taken at random would hardly pass.
        let answered: std::collections::BTreeSet<u16> = (0..60_000).map(|id| non_get(&mut station, id)).collect();
        let own = if what == "observed" { observed(&mut station) } else { separate(&mut station, what) };
        assert!(!answered.contains(&own), "{what}");
    }
}

#[test]
fn cm19_requests_spread_over_client_sockets_and_are_refused_when_ids_run_out() {
    let limits =
        Limits { client_sockets_max: 2, requests_max: 1 << 20, queued_per_peer_max: 1 << 20, ..Limits::default() };
    let params = Params { nstart: u32::MAX, ..Params::default() };
    let mut station = Station::with(Settings { limits, params, ..Settings::default() });
    let first = station
        .endpoint
        .request(station.now, Ask { patience: Some(Duration::from_secs(100)), ..ask(Code::GET, "first") });
    let first_message = station.drain().remove(0).msg();
    let mut sockets = std::collections::BTreeMap::new();
    for _ in 0..2 * 65_536 - 1 {
        let id = station.endpoint.request(station.now, ask(Code::GET, "a")).expect("IDs are left");
        for sent in station.drain() {
            *sockets.entry(sent.socket()).or_insert(0) += 1;
        }
        station.endpoint.cancel(station.now, id);
    }
    assert_eq!(sockets.into_iter().collect::<Vec<_>>(), [(SocketId::Client(0), 65_535), (SocketId::Client(1), 65_536)]);
    assert_eq!(station.endpoint.request(station.now, ask(Code::GET, "a")), Err(Refused::MessageIdsExhausted));
    // Others are not disturbed: another peer, and what is under way.
    let other = Target::Datagram { remote: "192.168.0.8:5683".parse().expect("an address"), local: None, interface: 0 };
    assert!(station.endpoint.request(station.now, Ask { to: other, ..ask(Code::GET, "a") }).is_ok());
    let token: String = first_message.token.iter().map(|octet| format!("{octet:02x}")).collect();
    station.hear_answer(&format!("ACK 2.05 #{} t:{token} \"still here\"", first_message.message_id));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 still here"));
    assert!(first.is_ok());
    // After EXCHANGE_LIFETIME they are free.
    station.pass(Duration::from_secs(249));
    assert!(station.endpoint.request(station.now, ask(Code::GET, "a")).is_ok());
}

#[test]
fn cm20_an_acknowledgement_from_elsewhere_does_not_match() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a"));
    let id = sent[0].message_id;
    for address in ["192.168.0.7:40001", "192.168.0.8:40000"] {
        station.set_peer(address);
        station.hear_answer(&format!("ACK EMPTY #{id}"));
        station.hear_answer(&format!("RST EMPTY #{id}"));
    }
    station.set_peer(PEER);
    station.hear(&format!("ACK EMPTY #{id}")); // to the listener, not to the socket it was sent from
    station.hear_answer(&format!("ACK EMPTY #{}", id.wrapping_add(1)));
    assert_eq!(station.pass(Duration::from_secs(4)).len(), 1, "it is still sent again");
    station.hear_answer(&format!("ACK EMPTY #{id}"));
    assert!(station.pass(Duration::from_secs(90)).is_empty());
}

#[test]
fn cm21_a_duplicate_gets_the_same_answer_and_is_processed_once() {
    let mut station = posting();
    let request = "CON POST #7 t:01 Uri-Path=rd \"x\"";
    let first = station.ask(request);
    first.assert("ACK 2.04 #7 t:01");
    station.answer(response(Code::BAD_REQUEST, "not twice"));
    assert_eq!(station.ask(request), first);
    station.pass(Duration::from_secs(246));
    assert_eq!(station.ask(request), first);
    assert_eq!((station.seen.len(), station.endpoint.counters().duplicates), (1, 2));
    // Past EXCHANGE_LIFETIME the ID is new again; from another port it always was.
    station.pass(Duration::from_secs(2));
    assert_eq!(station.ask(request).code, Code::BAD_REQUEST);
    station.set_peer("192.168.0.7:40001");
    assert_eq!(station.ask(request).code, Code::BAD_REQUEST);
}

#[test]
fn cm21_answers_that_are_long_are_remembered_too() {
    let mut station = Station::answering(response(Code::CHANGED, &body(600)));
    let first = station.ask("CON PUT #7 t:01");
    assert_eq!(station.ask("CON PUT #7 t:01"), first);
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn cm21_a_duplicate_non_is_dropped_silently() {
    let mut station = posting();
    assert_eq!(station.hear("NON POST #7 t:01").len(), 1);
    assert!(station.hear("NON POST #7 t:01").is_empty());
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn cm21_the_oldest_answer_is_forgotten_at_the_bound() {
    let limits = Limits { remembered_answers_max: 100, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    for id in 0..=100 {
        station.ask(&format!("CON POST #{id}"));
    }
    station.ask("CON POST #1");
    assert_eq!(station.seen.len(), 101, "remembered");
    station.ask("CON POST #0");
    assert_eq!(station.seen.len(), 102, "forgotten");
}

#[test]
fn cm21_what_must_be_durable_first_stays_so_when_repeated() {
    let mut station = Station::answering(crate::coap::Response { durable_after: 42, ..response(Code::CREATED, "") });
    let meta = station.meta;
    for _ in 0..2 {
        station.deliver(&meta, &Msg::parse("CON POST #7").encode());
        assert_eq!(station.drain()[0].transmit.durable_after, 42);
    }
}

#[test]
fn cm22_messages_stay_below_1152_octets() {
    let mut station = Station::answering(response(Code::CONTENT, &body(5_000)));
    let message = station.ask("CON GET #7 t:0102030405060708 Uri-Path=large");
    assert_eq!(message.payload.len(), 1024);
    assert!(message.encode().len() <= 1152);
    let mut client = Station::new();
    let sent = client.request(Ask { payload: body(5_000).into(), ..ask(Code::PUT, "large") });
    assert_eq!(sent[0].payload.len(), 1024);
    assert!(sent[0].encode().len() <= 1152);
}

#[test]
fn cm23_one_interaction_at_a_time_is_outstanding() {
    let mut station = Station::new();
    let first = station.request(ask(Code::GET, "a"));
    assert_eq!(first.len(), 1);
    assert!(station.request(ask(Code::GET, "b")).is_empty());
    assert!(station.request(ask(Code::GET, "c")).is_empty());
    // To another server nothing waits.
    let other = Target::Datagram { remote: "192.168.0.8:5683".parse().expect("an address"), local: None, interface: 0 };
    assert_eq!(station.request(Ask { to: other, ..ask(Code::GET, "d") }).len(), 1);
    // An Empty ACK ends being outstanding, a response does.
    let second = station.hear_answer(&format!("ACK EMPTY #{}", first[0].message_id));
    assert_eq!(second.len(), 1);
    second[0].assert("CON GET #* t:* Uri-Path=b");
    let answer =
        Msg { kind: Some(Kind::Acknowledgement), code: Code::CONTENT, options: Vec::new(), ..second[0].clone() };
    let third = station.hear_answer_msg(&answer);
    third[0].assert("CON GET #* t:* Uri-Path=c");
}

#[test]
fn cm23_the_queue_of_a_peer_is_bounded() {
    let limits = Limits { queued_per_peer_max: 3, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    for _ in 0..4 {
        assert!(station.endpoint.request(station.now, ask(Code::GET, "a")).is_ok());
    }
    assert_eq!(station.endpoint.request(station.now, ask(Code::GET, "a")), Err(Refused::TooMany));
}

#[test]
fn cm23_separate_responses_and_requests_share_the_allowance() {
    let mut station = Station::deferring();
    station.ask("CON GET #1 t:01");
    station.ask("CON GET #2 t:02");
    let first = station.settle(&response(Code::CONTENT, "1"));
    assert_eq!(first.len(), 1);
    assert!(station.settle(&response(Code::CONTENT, "2")).is_empty());
    let second = station.hear(&format!("ACK EMPTY #{}", first[0].message_id));
    second[0].assert("CON 2.05 #* t:02 \"2\"");
}

#[test]
fn cm24_after_exchange_lifetime_no_response_is_expected() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a"));
    let id = sent[0].message_id;
    station.hear_answer(&format!("ACK EMPTY #{id}"));
    station.pass(Duration::from_secs(246));
    assert_eq!(station.take_answer(), None);
    station.pass(Duration::from_secs(2));
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
    let late = Msg {
        kind: Some(Kind::Confirmable),
        code: Code::CONTENT,
        message_id: 9,
        options: Vec::new(),
        ..sent[0].clone()
    };
    station.hear_answer_msg(&late)[0].assert("RST EMPTY #9");
}

#[test]
fn cm25_a_silent_peer_gets_no_more_than_the_probing_rate() {
    let mut station = Station::new();
    let non = || Ask { is_confirmable: false, patience: Some(Duration::from_secs(3_000)), ..ask(Code::GET, "a") };
    for _ in 0..200 {
        station.endpoint.request(station.now, non()).expect("acceptable");
    }
    let sent = station.pass(Duration::from_secs(1_000));
    let octets: usize = sent.iter().map(|sent| sent.octets.len()).sum();
    assert!(octets <= 1_000 + sent[0].octets.len(), "{octets} octets in 1,000 s");
    assert!(sent.len() > 20, "but not nothing: {}", sent.len());
    // Once it answers there is no reason to wait.
    let last = sent.last().expect("some").msg();
    let answer = Msg { code: Code::CONTENT, options: Vec::new(), ..last };
    let before = station.now;
    assert_eq!(station.hear_answer_msg(&answer).len(), 1);
    assert_eq!(station.now, before);
}

#[test]
fn nr6_updates_that_want_no_answer_are_three_seconds_apart() {
    let mut station = Station::new();
    for i in 0..20 {
        let mut update = Ask { is_confirmable: false, ..ask(Code::PUT, &i.to_string()) };
        update.options.push_uint(258, 26);
        station.endpoint.request(station.now, update).expect("acceptable");
    }
    let sent = station.pass(Duration::from_secs(240));
    assert!(sent.len() > 5);
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(3)));
}

#[test]
fn cm25_after_a_timeout_the_next_request_waits() {
    let params = Params { probing_rate: 1, ..Params::default() };
    let mut station = Station::with(Settings { params, ..Settings::default() });
    let mut large = ask(Code::PUT, "a");
    large.payload = vec![b'x'; 200];
    station.request(large);
    station.pass(Duration::from_secs(93));
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
    assert!(station.request(Ask { patience: Some(Duration::from_secs(5_000)), ..ask(Code::GET, "b") }).is_empty());
    let sent = station.pass(Duration::from_secs(1_200));
    assert!(sent[0].at - station.started > Duration::from_secs(1_000), "five times 200 octets cost 1,000 s");
}

#[test]
fn cm14_cm21_loss_and_duplication_leave_one_effect_each() {
    let mut pair = Pair::new();
    let mut count = 0;
    pair.server.app = Box::new(move |_| {
        count += 1;
        Act::Respond(response(Code::CHANGED, &count.to_string()))
    });
    let mut turn = 0;
    pair.fates = Box::new(move |_, _| {
        turn += 1;
        [Fate::Drop, Fate::Twice, Fate::Arrive, Fate::Late(Duration::from_secs(5))][turn % 4]
    });
    for i in 1..=20 {
        pair.client.endpoint.request(pair.client.now, ask(Code::POST, "count")).expect("acceptable");
        pair.pass(Duration::from_secs(60));
        assert_eq!(pair.client.take_answer(), Some(format!("2.04 {i}")), "{:#?}", pair.log);
        assert_eq!(pair.client.take_answer(), None);
    }
}

#[test]
fn cm19_non_responses_and_notifications_never_share_a_message_id() {
    let mut station = Station::answering(observable("x"));
    let offset = station.ask("NON GET #0 t:01 Observe=0 Uri-Path=a").message_id;
    let sent = station.change("y");
    let first = sent[0].message_id;
    // The peer's next NON request happens to have the ID that makes our response collide with the next notification.
    let id = first.wrapping_add(1).wrapping_sub(offset);
    let answer = station.ask(&format!("NON GET #{id} t:02 Uri-Path=a"));
    station.pass(Duration::from_secs(5));
    let sent = station.change("z");
    let notification = sent.first().expect("a notification");
    assert_ne!(answer.message_id, notification.message_id);
}

#[test]
fn cm19_notifications_come_after_the_answer_to_the_registration() {
    let mut station = Station::answering(observable("x"));
    for id in 0..100 {
        station.ask(&format!("NON GET #{id} t:01 Uri-Path=a"));
    }
    let answer = station.ask("NON GET #100 t:01 Observe=0 Uri-Path=a");
    let sent = station.change("y");
    assert_eq!(sent[0].message_id, answer.message_id.wrapping_add(1), "none of those that the peer got before");
    // While it observes, what it gets is remembered, however long nothing came.
    station.pass(Duration::from_secs(600));
    let answer = station.ask("NON GET #600 t:02 Uri-Path=a");
    assert_eq!(answer.message_id, sent[0].message_id.wrapping_add(1));
}

#[test]
fn cm20_a_reset_ends_the_non_request_that_it_names_and_no_other() {
    let mut station = Station::new();
    let non = || Ask { is_confirmable: false, ..ask(Code::GET, "a") };
    let sent = station.request(non());
    // A second one waits for its turn; its end must not make the first one deaf.
    let second = station.endpoint.request(station.now, non()).expect("acceptable");
    station.endpoint.cancel(station.now, second);
    station.hear_answer(&format!("RST EMPTY #{}", sent[0].message_id.wrapping_add(1)));
    assert_eq!(station.take_answer(), None);
    station.hear_answer(&format!("RST EMPTY #{}", sent[0].message_id));
    assert_eq!(station.take_answer().as_deref(), Some("Reset"));
}
