//! OB, the server: observers and their notifications.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::station::{Station, body, observable, response};
use crate::coap::endpoint::Settings;
use crate::coap::limits::Limits;

fn observed(kind: &str) -> Station {
    let mut station = Station::answering(observable("first"));
    let message = station.ask(&format!("{kind} GET #1 t:aa Uri-Path=o Observe=0"));
    assert_eq!((message.code, station.endpoint.observer_count()), (Code::CONTENT, 1));
    assert!(message.uint(6).is_some());
    station
}

fn acknowledge(station: &mut Station, message: &Msg) -> Vec<Msg> {
    station.hear(&format!("ACK EMPTY #{}", message.message_id))
}

/// Whether a sequence number follows another (24 bits).
fn is_after(first: &Msg, second: &Msg) -> bool {
    let (first, second) = (first.uint(6).expect("Observe"), second.uint(6).expect("Observe"));
    (second.wrapping_sub(first) & 0xff_ffff) < 1 << 23 && first != second
}

#[test]
fn ob7_registration_is_kept_by_endpoint_and_token() {
    let mut station = observed("CON");
    // The same token again replaces the entry; another token, or another endpoint, adds one.
    station.ask("CON GET #2 t:aa Uri-Path=p Observe=0");
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (1, 1));
    station.ask("CON GET #3 t:bb Uri-Path=o Observe=0");
    station.set_peer("192.168.0.7:40001");
    station.ask("CON GET #4 t:aa Uri-Path=o Observe=0");
    assert_eq!(station.endpoint.observer_count(), 3);
}

#[test]
fn ob7_what_cannot_be_observed_is_a_plain_request() {
    let mut station = Station::answering(response(Code::CONTENT, "plain"));
    station.ask("CON GET #1 t:aa Observe=0").assert("ACK 2.05 #1 t:aa \"plain\"");
    station.answer(response(Code::NOT_FOUND, ""));
    station.ask("CON GET #2 t:aa Observe=0").assert("ACK 4.04 #2 t:aa");
    let limits = Limits { observers_max: 3, observers_per_peer_max: 2, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.answer(observable("x"));
    for (address, token, is_accepted) in
        [(1, "01", true), (1, "02", true), (1, "03", false), (2, "01", true), (3, "01", false), (1, "01", true)]
    {
        station.set_peer(&format!("192.168.0.{address}:40000"));
        let message = station.ask(&format!("CON GET #{address}{token} t:{token} Observe=0"));
        assert_eq!(message.uint(6).is_some(), is_accepted, "{address} {token}");
    }
    assert_eq!(station.endpoint.observer_count(), 3);
}

#[test]
fn ob7_deregistration_removes_the_entry_and_answers_plainly() {
    let mut station = observed("CON");
    station.ask("CON GET #2 t:aa Uri-Path=o Observe=1").assert("ACK 2.05 #2 t:aa \"first\"");
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
    assert!(station.change("x").is_empty());
    // Of another token nothing is removed.
    let mut station = observed("CON");
    station.ask("CON GET #2 t:ab Uri-Path=o Observe=1");
    assert_eq!(station.endpoint.observer_count(), 1);
}

#[test]
fn ob8_notifications_look_like_the_first_response() {
    let mut station = Station::new();
    let mut first = observable("first");
    first.options.push_uint(12, 50);
    station.answer(first.clone());
    station.state = first;
    station.ask("CON GET #1 t:aa Observe=0");
    station.change("next")[0].assert("CON 2.05 #* t:aa Observe=* Content-Format=50 \"next\"");
}

#[test]
fn ob8_another_format_ends_the_observation_with_4_06() {
    let mut station = observed("CON");
    station.state.options.push_uint(12, 50);
    let sent = station.change("{}");
    sent[0].assert("CON 4.06 #* t:aa");
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
}

#[test]
fn ob8_errors_end_the_observation_without_an_observe_option() {
    for kind in ["CON", "NON"] {
        let mut station = observed(kind);
        station.state = response(Code::NOT_FOUND, "");
        let sent = station.pass(Duration::ZERO).len();
        assert_eq!(sent, 0);
        let mut sent = station.change("");
        sent.extend(station.pass(Duration::from_secs(5)).iter().map(super::station::Sent::msg));
        sent[0].assert("CON 4.04 #* t:aa");
        assert_eq!(station.endpoint.observer_count(), 0);
        acknowledge(&mut station, &sent[0]);
        assert!(station.change("x").is_empty());
        assert!(station.pass(Duration::from_secs(300)).is_empty());
    }
}

#[test]
fn ob9_numbers_grow_across_registrations_and_retransmissions() {
    let mut station = Station::answering(observable("x"));
    let mut previous = station.ask("CON GET #1 t:aa Observe=0");
    for i in 2..50u16 {
        let next = if i % 3 == 0 {
            station.ask(&format!("CON GET #{i} t:aa Observe=0"))
        } else {
            let next = station.change("y").remove(0);
            acknowledge(&mut station, &next);
            next
        };
        assert!(is_after(&previous, &next), "{previous} then {next}");
        previous = next;
        if i % 10 == 0 {
            station.pass(Duration::from_secs(100));
        }
    }
    // Sent again: the number of that moment.
    let first = station.change("z").remove(0);
    let again = station.pass(Duration::from_secs(4)).remove(0).msg();
    assert_eq!(again.message_id, first.message_id);
    assert!(is_after(&first, &again));
    assert_eq!((again.payload, again.code), (first.payload, first.code));
}

#[test]
fn ob9_no_more_than_half_the_number_space_in_256_seconds() {
    let mut station = Station::answering(observable("x"));
    let first = station.ask("CON GET #1 t:aa Observe=0").uint(6).expect("Observe");
    station.pass(Duration::from_secs(256));
    let second = station.ask("CON GET #2 t:aa Observe=0").uint(6).expect("Observe");
    assert!((second.wrapping_sub(first) & 0xff_ffff) < 1 << 23);
}

#[test]
fn ob10_intermediate_states_are_skipped_but_the_last_arrives() {
    let mut station = observed("CON");
    let first = station.change("1").remove(0);
    for state in ["2", "3", "4"] {
        assert!(station.change(state).is_empty(), "one at a time");
    }
    let second = acknowledge(&mut station, &first).remove(0);
    assert_eq!(second.payload, b"4");
    assert!(acknowledge(&mut station, &second).is_empty());
    assert_eq!(station.endpoint.counters().notifications_sent, 2);
}

#[test]
fn ob11_a_reset_removes_the_observer() {
    for kind in ["CON", "NON"] {
        let mut station = observed(kind);
        let sent = station.change("x").remove(0);
        assert_eq!(sent.kind, Some(if kind == "CON" { Kind::Confirmable } else { Kind::NonConfirmable }));
        assert!(station.hear(&format!("RST EMPTY #{}", sent.message_id)).is_empty());
        assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
        assert!(station.change("y").is_empty());
        assert!(station.pass(Duration::from_secs(300)).is_empty());
    }
}

#[test]
fn ob11_a_final_timeout_removes_the_observer() {
    let mut station = observed("CON");
    station.change("x");
    assert_eq!(station.pass(Duration::from_secs(94)).len(), 4);
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
}

#[test]
fn ob11_non_notifications_are_interspersed_with_con() {
    let mut station = observed("NON");
    let mut kinds = Vec::new();
    for i in 0..40 {
        station.pass(Duration::from_secs(4));
        for message in station.change(&i.to_string()) {
            kinds.push(message.kind);
            if message.kind == Some(Kind::Confirmable) {
                acknowledge(&mut station, &message);
            }
        }
    }
    assert_eq!(kinds.len(), 40);
    let longest = kinds.split(|kind| *kind == Some(Kind::Confirmable)).map(<[_]>::len).max();
    assert!(longest <= Some(8) && kinds.contains(&Some(Kind::NonConfirmable)), "{longest:?}");
    // And after a long silence the first one asks.
    station.pass(Duration::from_secs(24 * 3600));
    assert_eq!(station.change("later")[0].kind, Some(Kind::Confirmable));
}

#[test]
fn ob12_one_con_notification_per_client_is_outstanding() {
    let mut station = Station::answering(observable("x"));
    for token in ["01", "02", "03"] {
        station.ask(&format!("CON GET #{token} t:{token} Observe=0"));
    }
    let mut sent = station.change("y");
    let mut tokens = Vec::new();
    while let Some(message) = sent.pop() {
        assert!(sent.is_empty(), "one at a time");
        tokens.push(message.token.clone());
        sent = acknowledge(&mut station, &message);
    }
    assert_eq!(tokens, [[1], [2], [3]]);
}

#[test]
fn ob12_non_notifications_are_paced() {
    let mut station = Station::answering(observable("x"));
    for token in ["01", "02"] {
        station.ask(&format!("NON GET #{token} t:{token} Observe=0"));
    }
    let mut times = Vec::new();
    for i in 0..300 {
        let at = station.now;
        times.extend(station.change(&i.to_string()).iter().map(|message| (at, message.clone())));
        times.extend(station.pass(Duration::from_millis(100)).iter().map(|sent| (sent.at, sent.msg())));
    }
    let nons: Vec<_> = times.iter().filter(|(_, message)| message.kind == Some(Kind::NonConfirmable)).collect();
    assert!(nons.len() >= 8, "{}", nons.len());
    assert!(nons.windows(2).all(|pair| pair[1].0 - pair[0].0 >= Duration::from_secs(3)));
    assert!(
        nons.iter().any(|(_, message)| message.token == [1]) && nons.iter().any(|(_, message)| message.token == [2])
    );
}

#[test]
fn ob13_a_newer_state_takes_the_place_of_the_one_under_way() {
    let mut station = observed("CON");
    let started = station.now;
    let first = station.change("old").remove(0);
    station.change("new");
    let sent = station.pass(Duration::from_secs(100));
    let times: Vec<f64> = sent.iter().map(|sent| (sent.at - started).as_secs_f64()).collect();
    // The attempts of both together are those of one message: counter and doubled timeout are kept.
    assert_eq!(sent.len(), 4);
    assert!((times[1] - times[0] * 3.0).abs() < 0.001 && (times[3] - times[0] * 15.0).abs() < 0.001, "{times:?}");
    let second = sent[0].msg();
    assert_ne!(second.message_id, first.message_id, "a new message ID");
    assert!(is_after(&first, &second));
    assert!(sent.iter().all(|sent| sent.msg().payload == b"new"));
    assert_eq!(station.endpoint.observer_count(), 0, "and given up like one");
}

#[test]
fn ob13_a_late_ack_for_the_superseded_message_shows_interest() {
    let mut station = observed("CON");
    let first = station.change("old").remove(0);
    station.change("new");
    // Before the earliest time at which it could be given up, whatever the random part of the timeout.
    let second = station.pass(Duration::from_secs(60)).remove(0).msg();
    acknowledge(&mut station, &first);
    // The newest is still sent, and the observer is not given up at the time of the first.
    let sent = station.pass(Duration::from_secs(60));
    assert!(sent.iter().all(|sent| sent.msg().payload == b"new"));
    assert_eq!(station.endpoint.observer_count(), 1);
    acknowledge(&mut station, &second);
    assert!(station.pass(Duration::from_secs(600)).is_empty());
    assert_eq!(station.endpoint.observer_count(), 1);
}

#[test]
fn ob14_fetch_is_observed_like_get() {
    let mut station = Station::answering(observable("x"));
    let message = station.ask("CON FETCH #1 t:aa Observe=0 Content-Format=60 \"query\"");
    assert!(message.uint(6).is_some());
    station.change("y")[0].assert("CON 2.05 #* t:aa Observe=* \"y\"");
}

#[test]
fn ob12_bw3_large_notifications_carry_block_0_in_the_size_of_the_client() {
    let mut station = Station::answering(observable("x"));
    station.ask("CON GET #1 t:aa Uri-Path=o Block2=0/0/64 Observe=0");
    let message = station.change(&body(200)).remove(0);
    assert_eq!((message.payload.len(), message.uint(23)), (64, Some(0b1010)));
    let etag = message.option(4).expect("an ETag").to_vec();
    // The rest by a plain GET, from the same representation.
    station.answer(response(Code::CONTENT, "asked again"));
    let rest = station.ask("CON GET #2 t:bb Uri-Path=o Block2=1/0/64");
    assert_eq!((rest.payload.as_slice(), rest.option(4)), (&body(200).as_bytes()[64..128], Some(etag.as_slice())));
    assert_eq!(rest.uint(6), None);
}

#[test]
fn ob7_lost_registrations_are_answered_again() {
    let mut station = observed("CON");
    // The ACK was lost, the client repeats: one observer remains.
    station.ask("CON GET #1 t:aa Uri-Path=o Observe=0");
    assert_eq!(station.endpoint.observer_count(), 1);
    assert_eq!(station.change("x").len(), 1);
}

#[test]
fn ob7_registrations_with_very_long_options_are_plain_requests() {
    let mut station = Station::answering(observable("x"));
    let query = " Uri-Query=".to_string() + &"q".repeat(250);
    station.ask(&format!("CON GET #1 t:01 Observe=0{}", query.repeat(7))).assert("ACK 2.05 #1 t:01 Observe=* \"x\"");
    station.ask(&format!("CON GET #2 t:02 Observe=0{}", query.repeat(9))).assert("ACK 2.05 #2 t:02 \"x\"");
    assert_eq!(station.endpoint.observer_count(), 1);
}
