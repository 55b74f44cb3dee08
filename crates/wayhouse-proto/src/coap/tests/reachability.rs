//! EC: Echo, for reachability at the server, answered by the client.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::pair::Pair;
use super::station::{Act, PEER, Station, ask, body, response};
use crate::coap::endpoint::{Amplification, Ask, Settings};
use crate::coap::limits::Limits;

/// A server that trusts nobody but loopback.
fn distrustful(octets: usize) -> Station {
    let mut station = Station::with(Settings { amplification: Amplification::All, ..Settings::default() });
    station.answer(response(Code::CONTENT, &body(octets)));
    station
}

fn echo_of(message: &Msg) -> String {
    assert_eq!(message.code, Code::UNAUTHORIZED, "{message}");
    message.option(252).expect("Echo").iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn ec5_large_answers_to_unproven_peers_wait_for_an_echo() {
    let mut station = distrustful(500);
    let challenge = station.ask("CON GET #1 t:01 Uri-Path=a");
    let echo = echo_of(&challenge);
    assert_eq!(challenge.kind, Some(Kind::Acknowledgement), "piggybacked");
    assert!(challenge.encode().len() <= 136 && challenge.payload.is_empty());
    let answer = station.ask(&format!("CON GET #2 t:02 Uri-Path=a Echo=0x{echo}"));
    assert_eq!((answer.code, answer.payload.len()), (Code::CONTENT, 500));
    // Once per endpoint.
    assert_eq!(station.ask("CON GET #3 t:03 Uri-Path=a").code, Code::CONTENT);
    station.set_peer("192.168.0.7:40001");
    assert_eq!(station.ask("NON GET #4 t:04 Uri-Path=a").code, Code::UNAUTHORIZED);
    assert_eq!(station.endpoint.counters().echo_challenges, 2);
}

#[test]
fn ec5_answers_within_136_octets_or_three_times_the_request_need_none() {
    let mut station = distrustful(100);
    assert_eq!(station.ask("CON GET #1 t:01").code, Code::CONTENT);
    let mut station = distrustful(140);
    assert_eq!(station.ask("CON GET #1 t:01").code, Code::UNAUTHORIZED);
    let query = "q".repeat(60);
    assert_eq!(station.ask(&format!("CON GET #2 t:01 Uri-Query={query}")).code, Code::CONTENT);
}

#[test]
fn ec5_every_answer_to_an_unproven_peer_is_bounded() {
    for kind in ["CON", "NON"] {
        for method in ["GET", "FETCH", "POST", "PUT", "DELETE"] {
            for octets in [0, 50, 130, 137, 1_000, 5_000] {
                let mut station = distrustful(octets);
                let request = Msg::parse(&format!("{kind} {method} #1 t:01 Uri-Path=a")).encode();
                let sent = station.hear_octets(&request);
                let total: usize = sent.iter().map(|message| message.encode().len()).sum();
                assert!(total <= 136, "{total} octets for {kind} {method} with {octets}");
            }
        }
    }
}

#[test]
fn ec5_what_was_done_is_told_in_a_smaller_block() {
    let mut station = distrustful(500);
    let message = station.ask("CON POST #1 t:01 Uri-Path=a");
    assert_eq!(message.code, Code::CONTENT);
    assert!(message.uint(23).expect("Block2") & 8 == 8 && message.payload.len() <= 64);
    assert_eq!(station.seen.len(), 1);
}

#[test]
fn ec5_requests_are_not_deferred_for_unproven_peers() {
    let mut station = distrustful(0);
    station.app = Box::new(|_| Act::Defer);
    let echo = echo_of(&station.ask("CON GET #1 t:01"));
    assert!(station.pendings.is_empty());
    station.ask(&format!("CON GET #2 t:01 Echo=0x{echo}")).assert("ACK EMPTY #2");
    assert_eq!(station.pendings.len(), 1);
}

#[test]
fn ec5_separate_responses_to_unproven_peers_stay_bounded() {
    for octets in [5, 100, 500] {
        let mut station = distrustful(0);
        station.app = Box::new(|_| Act::Defer);
        station.ask("CON POST #1 t:01").assert("ACK EMPTY #1");
        let mut total: usize =
            station.settle(&response(Code::CHANGED, &body(octets))).iter().map(|message| message.encode().len()).sum();
        total += station.pass(Duration::from_secs(300)).iter().map(|sent| sent.octets.len()).sum::<usize>();
        assert!((1..=136).contains(&total), "{total}");
    }
}

#[test]
fn ec2_ec4_a_value_proves_its_address_alone_and_for_some_minutes() {
    let mut station = distrustful(500);
    let echo = echo_of(&station.ask("CON GET #1 t:01"));
    station.set_peer("192.168.0.7:40001");
    assert_eq!(station.ask(&format!("CON GET #2 t:01 Echo=0x{echo}")).code, Code::UNAUTHORIZED);
    station.set_peer("192.168.0.8:40000");
    assert_eq!(station.ask(&format!("CON GET #3 t:01 Echo=0x{echo}")).code, Code::UNAUTHORIZED);
    station.set_peer(PEER);
    for i in 0..12 {
        let mut forged: Vec<u8> =
            (0..12).map(|j| u8::from_str_radix(&echo[2 * j..2 * j + 2], 16).expect("hexadecimal")).collect();
        forged[i] ^= 0x40;
        let forged: String = forged.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(station.ask(&format!("CON GET #4 t:01 Echo=0x{forged}")).code, Code::UNAUTHORIZED);
    }
    station.pass(Duration::from_secs(301));
    assert_eq!(station.ask(&format!("CON GET #5 t:01 Echo=0x{echo}")).code, Code::UNAUTHORIZED, "too old");
    let echo = echo_of(&station.ask("CON GET #6 t:01"));
    station.pass(Duration::from_secs(299));
    assert_eq!(station.ask(&format!("CON GET #7 t:01 Echo=0x{echo}")).code, Code::CONTENT);
}

#[test]
fn ec7_values_do_not_survive_a_restart() {
    let mut first = distrustful(500);
    let echo = echo_of(&first.ask("CON GET #1 t:01"));
    let mut second = distrustful(500);
    second.endpoint =
        crate::coap::Endpoint::new(Settings { amplification: Amplification::All, ..Settings::default() }, 2);
    assert_eq!(second.ask("CON GET #1 t:01").code, Code::UNAUTHORIZED);
    assert_eq!(second.ask(&format!("CON GET #2 t:01 Echo=0x{echo}")).code, Code::UNAUTHORIZED, "another key");
    // Nothing in a value tells one client from another but the proof.
    first.set_peer("192.168.0.9:1");
    assert_eq!(echo_of(&first.ask("CON GET #3 t:01"))[..8], echo[..8]);
}

#[test]
fn ec5_proven_peers_are_bounded() {
    let limits = Limits { reachable_peers_max: 2, ..Limits::default() };
    let mut station = Station::with(Settings { amplification: Amplification::All, limits, ..Settings::default() });
    station.answer(response(Code::CONTENT, &body(500)));
    for port in 1..=3 {
        station.set_peer(&format!("192.168.0.7:{port}"));
        let echo = echo_of(&station.ask("CON GET #1 t:01"));
        assert_eq!(station.ask(&format!("CON GET #2 t:01 Echo=0x{echo}")).code, Code::CONTENT);
    }
    assert_eq!(station.ask("CON GET #3 t:01").code, Code::CONTENT);
    station.set_peer("192.168.0.7:1");
    assert_eq!(station.ask("CON GET #3 t:01").code, Code::UNAUTHORIZED, "the oldest is asked again");
}

#[test]
fn ec5_the_policy_says_who_is_asked() {
    for (policy, address, is_asked) in [
        (Amplification::Off, "198.51.100.1:1", false),
        (Amplification::Global, "198.51.100.1:1", true),
        (Amplification::Global, "192.168.1.1:1", false),
        (Amplification::Global, "169.254.1.1:1", false),
        (Amplification::Global, "[2001:db8::1]:1", true),
        (Amplification::Global, "[fe80::1]:1", false),
        (Amplification::Global, "[fd00::1]:1", false),
        (Amplification::Global, "[::ffff:198.51.100.1]:1", true),
        (Amplification::All, "192.168.1.1:1", true),
        (Amplification::All, "127.0.0.1:1", false),
        (Amplification::All, "[::1]:1", false),
    ] {
        let mut station = Station::with(Settings { amplification: policy, ..Settings::default() });
        station.answer(response(Code::CONTENT, &body(500)));
        station.set_peer(address);
        assert_eq!(station.ask("CON GET #1 t:01").code == Code::UNAUTHORIZED, is_asked, "{policy:?} {address}");
    }
}

#[test]
fn ec1_a_parent_may_demand_freshness() {
    let mut station = distrustful(0);
    station.meta.remote = PEER.parse().expect("an address");
    station.app = Box::new(|request| {
        assert!(request.is_reachable());
        Act::Respond(response(Code::CHANGED, ""))
    });
    let meta = station.meta;
    // The parent challenges instead of acting.
    let octets = Msg::parse("CON PUT #1 t:01 Uri-Path=lock").encode();
    if let crate::coap::Received::Request(request) = station.endpoint.handle_datagram(station.now, &meta, &octets) {
        assert!(!request.is_reachable());
        station.endpoint.challenge(station.now, &request);
    }
    let echo = echo_of(&station.drain()[0].msg());
    station.ask(&format!("CON PUT #2 t:01 Uri-Path=lock Echo=0x{echo}")).assert("ACK 2.04 #2 t:01");
}

#[test]
fn ec1_the_client_repeats_its_request_with_the_value_once() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a")).remove(0);
    let challenge = |message: &Msg| Msg {
        kind: Some(Kind::Acknowledgement),
        code: Code::UNAUTHORIZED,
        options: vec![(252, vec![1, 2, 3])],
        ..message.clone()
    };
    let again = station.hear_answer_msg(&challenge(&sent)).remove(0);
    again.assert("CON GET #* t:* Uri-Path=a Echo=0x010203");
    assert!(again.message_id != sent.message_id && again.token != sent.token);
    // A second challenge is the answer.
    assert!(station.hear_answer_msg(&challenge(&again)).is_empty());
    assert_eq!(station.take_answer().as_deref(), Some("4.01 "));
}

#[test]
fn ec1_ec2_a_value_in_another_response_goes_with_the_next_request_to_that_peer() {
    let mut station = Station::new();
    let sent = station.request(ask(Code::GET, "a")).remove(0);
    let options = vec![(252, vec![9, 9])];
    station.hear_answer_msg(&Msg { kind: Some(Kind::Acknowledgement), code: Code::CONTENT, options, ..sent });
    let other = crate::coap::endpoint::Target::Datagram {
        remote: "192.168.0.8:5683".parse().expect("an address"),
        local: None,
        interface: 0,
    };
    assert_eq!(station.request(Ask { to: other, ..ask(Code::GET, "a") })[0].option(252), None, "not to others");
    let next = station.request(ask(Code::GET, "b")).remove(0);
    next.assert("CON GET #* t:* Uri-Path=b Echo=0x0909");
    station.hear_answer_msg(&Msg { kind: Some(Kind::Acknowledgement), code: Code::CONTENT, options: vec![], ..next });
    assert_eq!(station.request(ask(Code::GET, "c"))[0].option(252), None, "once");
}

#[test]
fn ec1_ec5_two_endpoints_settle_it_between_them() {
    let server = Settings { amplification: Amplification::All, ..Settings::default() };
    for is_confirmable in [true, false] {
        let mut pair = Pair::with(Settings::default(), server.clone());
        pair.server.answer(response(Code::CONTENT, &body(3_000)));
        pair.client
            .endpoint
            .request(pair.client.now, Ask { is_confirmable, ..ask(Code::GET, "a") })
            .expect("acceptable");
        pair.pass(Duration::from_secs(20));
        assert_eq!(pair.client.take_answer(), Some(format!("2.05 {}", body(3_000))), "{:#?}", pair.log);
        assert_eq!(pair.server.endpoint.counters().echo_challenges, 1);
    }
}

#[test]
fn cr2_ec5_a_separate_response_to_an_unproven_peer_is_no_second_ack() {
    let mut station = Station::with(Settings { amplification: Amplification::All, ..Settings::default() });
    station.app = Box::new(|_| Act::Defer);
    station.set_peer("203.0.113.9:4000");
    station.ask("CON POST #1 t:01 Uri-Path=a").assert("ACK EMPTY #1");
    let sent = station.settle(&response(Code::CHANGED, &body(100)));
    assert!(sent[0].to_string().starts_with("NON 2.04"), "{}", sent[0]);
    // A duplicate gets the ACK again, and the next one another ID.
    station.ask("CON POST #1 t:01 Uri-Path=a").assert("ACK EMPTY #1");
    station.ask("CON POST #2 t:02 Uri-Path=a").assert("ACK EMPTY #2");
    let next = station.settle(&response(Code::CHANGED, &body(100)));
    assert_ne!(next[0].message_id, sent[0].message_id);
}
