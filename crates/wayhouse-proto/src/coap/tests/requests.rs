//! CR, NR: requests and responses, tokens, separate responses, suppressed ones; pings; both roles.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::pair::{Fate, Pair};
use super::station::{Act, PEER, Station, ask, body, response};
use crate::coap::endpoint::{Ask, Refused, Settings, Target};
use crate::coap::limits::Limits;

/// The response to a message of ours.
fn reply_to(request: &Msg, kind: Kind, message_id: u16, payload: &str) -> Msg {
    Msg {
        kind: Some(kind),
        code: Code::CONTENT,
        message_id,
        token: request.token.clone(),
        options: Vec::new(),
        payload: payload.into(),
    }
}

#[test]
fn cr1_all_combinations_of_request_and_response_are_accepted() {
    for is_confirmable in [true, false] {
        let start = || {
            let mut station = Station::new();
            let sent = station.request(Ask { is_confirmable, ..ask(Code::GET, "a") });
            (station, sent.into_iter().next().expect("sent"))
        };
        if is_confirmable {
            // Piggybacked.
            let (mut station, sent) = start();
            assert!(station.hear_answer_msg(&reply_to(&sent, Kind::Acknowledgement, sent.message_id, "a")).is_empty());
            assert_eq!(station.take_answer().as_deref(), Some("2.05 a"));
        }
        for has_ack in [false, is_confirmable] {
            // Separate, as CON and as NON, with and without an Empty ACK before.
            let (mut station, sent) = start();
            if has_ack {
                assert!(station.hear_answer(&format!("ACK EMPTY #{}", sent.message_id)).is_empty());
            }
            station.hear_answer_msg(&reply_to(&sent, Kind::Confirmable, 77, "b"))[0].assert("ACK EMPTY #77");
            assert_eq!(station.take_answer().as_deref(), Some("2.05 b"));
            assert!(station.pass(Duration::from_secs(300)).is_empty());

            let (mut station, sent) = start();
            if has_ack {
                station.hear_answer(&format!("ACK EMPTY #{}", sent.message_id));
            }
            assert!(station.hear_answer_msg(&reply_to(&sent, Kind::NonConfirmable, 77, "c")).is_empty());
            assert_eq!(station.take_answer().as_deref(), Some("2.05 c"));
            assert!(station.pass(Duration::from_secs(300)).is_empty());
        }
    }
}

#[test]
fn cr2_a_duplicate_of_a_deferred_request_gets_another_empty_ack() {
    for method in ["GET", "FETCH", "POST", "PUT"] {
        let mut station = Station::deferring();
        let request = format!("CON {method} #7 t:01 Uri-Path=slow");
        station.ask(&request).assert("ACK EMPTY #7");
        station.ask(&request).assert("ACK EMPTY #7");
        let sent = station.settle(&response(Code::CONTENT, "late"));
        assert_eq!(sent[0].kind, Some(Kind::Confirmable), "the response is not in an ACK any more");
        station.ask(&request).assert("ACK EMPTY #7");
        assert_eq!(station.seen.len(), 1);
    }
}

#[test]
fn cr3_a_separate_response_is_sent_until_acknowledged_or_reset() {
    for end in ["ACK", "RST"] {
        let mut station = Station::deferring();
        station.ask("CON GET #7 t:01");
        let sent = station.settle(&response(Code::CONTENT, "late"));
        assert_eq!(station.pass(Duration::from_secs(10)).len(), 2, "sent again");
        assert!(station.hear(&format!("{end} EMPTY #{}", sent[0].message_id)).is_empty());
        assert!(station.pass(Duration::from_secs(300)).is_empty());
    }
}

#[test]
fn cr3_a_duplicate_separate_response_is_acknowledged_again() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a"));
    let reply = reply_to(&sent[0], Kind::Confirmable, 500, "late");
    for _ in 0..2 {
        let acknowledgement = station.hear_answer_msg(&reply);
        assert_eq!(acknowledgement.len(), 1);
        acknowledgement[0].assert("ACK EMPTY #500");
    }
    assert_eq!(station.answers.len(), 1);
}

#[test]
fn cr4_a_response_before_the_ack_ends_retransmission() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a"));
    station.hear_answer_msg(&reply_to(&sent[0], Kind::Confirmable, 5, "quick"));
    assert!(station.pass(Duration::from_secs(100)).is_empty());
    // The ACK that comes late changes nothing.
    assert!(station.hear_answer(&format!("ACK EMPTY #{}", sent[0].message_id)).is_empty());
    assert_eq!(station.answers.len(), 1);
}

#[test]
fn cr5_non_requests_get_non_responses() {
    let mut station = Station::new();
    station.ask("NON GET #7 t:01").assert("NON 2.05 #* t:01 \"ok\"");
    let mut station = Station::deferring();
    assert!(station.hear("NON GET #7 t:02").is_empty());
    station.settle(&response(Code::CONTENT, "late"))[0].assert("NON 2.05 #* t:02 \"late\"");
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn cr6_the_token_comes_back_unmodified() {
    let mut station = Station::new();
    station.ask("CON GET #7").assert("ACK 2.05 #7 \"ok\"");
    for octets in [1, 8, 13, 64, 300] {
        let token = "5a".repeat(octets);
        station.ask(&format!("CON GET #7 t:{token}")).assert(&format!("ACK 2.05 #7 t:{token} \"ok\""));
    }
}

#[test]
fn cr6_tokens_too_long_to_keep_are_refused_where_state_is_needed() {
    let mut station = Station::deferring();
    let token = "5a".repeat(65);
    station.ask(&format!("CON GET #7 t:{token}")).assert(&format!("ACK 5.03 #7 t:{token}"));
    assert!(station.pendings.is_empty());
}

#[test]
fn cr7_nr5_tokens_are_random_and_not_repeated() {
    let mut station = Station::new();
    let mut tokens = Vec::new();
    for _ in 0..500 {
        let id = station.endpoint.request(station.now, ask(Code::GET, "a")).expect("acceptable");
        tokens.push(station.drain()[0].msg().token);
        station.endpoint.cancel(station.now, id);
    }
    assert!(tokens.iter().all(|token| token.len() >= 4), "32 random bits at least");
    let distance: u32 = tokens
        .windows(2)
        .map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>())
        .sum();
    assert!(distance / 499 > 24, "about half of the bits differ: {}", distance / 499);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 500);
}

#[test]
fn cr8_responses_match_by_source_and_token() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a")).remove(0);
    // Another source.
    station.set_peer("192.168.0.7:40001");
    station.hear_answer_msg(&reply_to(&sent, Kind::Confirmable, 1, "forged"))[0].assert("RST EMPTY #1");
    assert!(station.hear_answer_msg(&reply_to(&sent, Kind::NonConfirmable, 2, "forged")).is_empty());
    station.set_peer(PEER);
    // Another token.
    let mut other = reply_to(&sent, Kind::NonConfirmable, 3, "forged");
    other.token[0] ^= 1;
    assert!(station.hear_answer_msg(&other).is_empty());
    other.kind = Some(Kind::Acknowledgement);
    other.message_id = sent.message_id;
    assert!(station.hear_answer_msg(&other).is_empty());
    // Piggybacked: the right token, another message ID.
    let stray = reply_to(&sent, Kind::Acknowledgement, sent.message_id.wrapping_add(1), "forged");
    assert!(station.hear_answer_msg(&stray).is_empty());
    // To another socket of ours.
    assert_eq!(station.hear(&reply_to(&sent, Kind::Confirmable, 4, "forged").to_string())[0].kind, Some(Kind::Reset));
    assert_eq!(station.take_answer(), None);
    station.hear_answer_msg(&reply_to(&sent, Kind::Acknowledgement, sent.message_id, "right"));
    assert_eq!(station.take_answer().as_deref(), Some("2.05 right"));
    assert_eq!(station.endpoint.counters().unexpected_responses, 6);
}

#[test]
fn nr1_nr2_classes_are_suppressed_but_acknowledged() {
    for (bits, code, is_silent) in [
        (2, Code::CONTENT, true),
        (8, Code::CONTENT, false),
        (8, Code::NOT_FOUND, true),
        (16, Code::NOT_FOUND, false),
        (16, Code::SERVICE_UNAVAILABLE, true),
        (26, Code::CONTENT, true),
        (26, Code::NOT_FOUND, true),
        (26, Code::SERVICE_UNAVAILABLE, true),
        (0, Code::CONTENT, false),
        (0, Code::NOT_FOUND, false),
    ] {
        let mut station = Station::answering(response(code, ""));
        let sent = station.ask(&format!("CON PUT #7 t:01 No-Response={bits}"));
        let expected = if is_silent { "ACK EMPTY #7".into() } else { format!("ACK {code} #7 t:01") };
        sent.assert(&expected);
        station.ask(&format!("CON PUT #7 t:01 No-Response={bits}")).assert(&expected);
        let sent = station.hear(&format!("NON PUT #8 t:01 No-Response={bits}"));
        assert_eq!(sent.is_empty(), is_silent, "{bits} {code}");
    }
}

#[test]
fn nr3_who_wants_no_response_does_not_wait_for_one() {
    for is_confirmable in [true, false] {
        let mut pair = Pair::new();
        let mut put = Ask { is_confirmable, ..ask(Code::PUT, "a") };
        put.options.push_uint(258, 26);
        pair.client.endpoint.request(pair.client.now, put).expect("acceptable");
        pair.pass(Duration::from_secs(4));
        assert_eq!(pair.client.take_answer().as_deref(), Some("- "), "{:#?}", pair.log);
        assert_eq!(pair.client.endpoint.request_count(), 0);
        assert_eq!(pair.server.seen.len(), 1);
    }
}

#[test]
fn nr2_errors_of_the_engine_are_suppressed_as_well() {
    let mut station = Station::new();
    station.ask("CON PUT #7 t:01 No-Response=8 opt9=0x01").assert("ACK EMPTY #7");
    station.ask("CON PUT #7 t:01 No-Response=2 opt9=0x01").assert("ACK 4.02 #7 t:01 Content-Format=257 \"*\"");
}

#[test]
fn cm11_cr1_pings_are_answered_by_reset() {
    let mut station = Station::new();
    let to = ask(Code::GET, "").to;
    station.endpoint.ping(station.now, to).expect("acceptable");
    let sent = station.drain()[0].msg();
    sent.assert("CON EMPTY #*");
    station.hear_answer(&format!("RST EMPTY #{}", sent.message_id));
    assert_eq!(station.take_answer().as_deref(), Some("- "));
    // And nobody there.
    station.endpoint.ping(station.now, to).expect("acceptable");
    station.pass(Duration::from_secs(94));
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
    // Two endpoints.
    let mut pair = Pair::new();
    pair.client.endpoint.ping(pair.client.now, to).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.client.take_answer().as_deref(), Some("- "));
}

#[test]
fn cr1_patience_ends_a_request_before_the_message_layer_does() {
    let mut station = Station::new();
    station.request(Ask { patience: Some(Duration::from_secs(5)), ..ask(Code::GET, "a") });
    station.pass(Duration::from_secs(5));
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"));
    assert!(station.pass(Duration::from_secs(300)).is_empty());
}

#[test]
fn cr1_deferred_requests_are_bounded() {
    let limits = Limits { pending_max: 2, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.app = Box::new(|_| Act::Defer);
    station.ask("CON GET #1").assert("ACK EMPTY #1");
    station.ask("CON GET #2").assert("ACK EMPTY #2");
    station.ask("CON GET #3").assert("ACK 5.03 #3");
    assert_eq!(station.endpoint.counters().dropped_at_limit, 1);
}

#[test]
fn cr1_separate_responses_survive_loss() {
    let mut pair = Pair::new();
    pair.server.app = Box::new(|_| Act::Defer);
    // The Empty ACK and the first two responses are lost.
    let mut lost = 0;
    pair.fates = Box::new(move |_, to_server| {
        lost += usize::from(!to_server);
        if !to_server && lost <= 3 { Fate::Drop } else { Fate::Arrive }
    });
    pair.client.endpoint.request(pair.client.now, ask(Code::POST, "slow")).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    pair.server.settle_later(&response(Code::CHANGED, "done"));
    pair.pass(Duration::from_secs(60));
    assert_eq!(pair.client.take_answer().as_deref(), Some("2.04 done"), "{:#?}", pair.log);
    assert_eq!(pair.server.seen.len(), 1);
}

#[test]
fn co6_co10_co12_requests_against_the_rules_are_not_sent() {
    let mut station = Station::new();
    let mut refuse = |ask: Ask| {
        let refused = station.endpoint.request(station.now, ask);
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
        assert!(station.drain().is_empty());
    };
    refuse(ask(Code::CONTENT, "a"));
    refuse(ask(Code::EMPTY, "a"));
    refuse(ask(Code::GET, "a/../b"));
    refuse(ask(Code::GET, "."));
    refuse(Ask { payload: b"x".into(), ..ask(Code::GET, "a") });
    refuse(Ask { is_observation: true, ..ask(Code::PUT, "a") });
    refuse(ask(Code::FETCH, "a"));
    refuse(Ask { block_szx: Some(7), ..ask(Code::GET, "a") });
    for (number, value) in [(23, "x"), (27, "x"), (6, "x"), (252, "x"), (292, "x"), (35, "coap://h/")] {
        let mut bad = ask(Code::GET, "a");
        bad.options.push(number, value.as_bytes());
        refuse(bad);
    }
}

#[test]
fn cr1_requests_from_a_listener_keep_its_port() {
    let mut station = Station::new();
    let to = Target::FromListener { listener: 2, remote: PEER.parse().expect("an address") };
    station.endpoint.request(station.now, Ask { to, ..ask(Code::GET, ".well-known/core") }).expect("acceptable");
    assert_eq!(station.drain()[0].socket(), crate::io::SocketId::Listener(2));
}

#[test]
fn cr1_deferred_requests_are_bounded_in_octets_too() {
    let limits = Limits { pending_octets_max: 1_000, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.app = Box::new(|_| Act::Defer);
    let payload = body(600);
    station.ask(&format!("CON POST #1 t:01 \"{payload}\"")).assert("ACK EMPTY #1");
    station.ask(&format!("CON POST #2 t:02 \"{payload}\"")).assert("ACK 5.03 #2 t:02");
    station.ask("CON POST #3 t:03").assert("ACK EMPTY #3");
    // What was answered takes no room.
    station.settle(&response(Code::CHANGED, ""));
    station.ask(&format!("CON POST #4 t:04 \"{payload}\"")).assert("ACK EMPTY #4");
}
