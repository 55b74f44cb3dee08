//! TC: CoAP over TCP.

use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::stream::Frame;

use super::notation::Msg;
use super::pair::Pair;
use super::station::{Act, Sent, Station, ask, body, observable, response};
use crate::coap::endpoint::{Ask, Failure, Refused, Settings, Target};
use crate::coap::limits::Limits;
use crate::io::{Destination, StreamId, StreamInput};

/// The frames in what was sent on a connection.
fn frames(sent: &[Sent]) -> Vec<Msg> {
    let octets: Vec<u8> = sent.iter().flat_map(|sent| sent.octets.clone()).collect();
    let mut rest = &octets[..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = Frame::octets(rest).expect("well-formed").expect("complete");
        frames.push(Msg::of_frame(&Frame::decode(&rest[..length]).expect("well-formed")));
        rest = &rest[length..];
    }
    frames
}

fn is_closed(sent: &[Sent]) -> bool {
    sent.iter().any(|sent| sent.transmit.to == Destination::CloseStream(StreamId(1)))
}

/// A station with connection 1, settings exchanged.
fn connected() -> Station {
    let mut station = Station::new();
    station.open(1);
    station.hear_stream(1, &Msg::parse("TCP 7.01").encode());
    station
}

fn hear(station: &mut Station, text: &str) -> Vec<Msg> {
    frames(&station.hear_stream(1, &Msg::parse(text).encode()))
}

fn to_stream(code: Code, path: &str) -> Ask {
    Ask { to: Target::Stream(StreamId(1)), ..ask(code, path) }
}

#[test]
fn tc1_our_csm_comes_first_and_does_not_wait() {
    let mut station = Station::new();
    let octets = station.open(1);
    let csm = Frame::decode(&octets).expect("one frame");
    assert_eq!(csm.code, Code::CSM);
    // A request may follow at once, before the peer's CSM.
    station.endpoint.request(station.now, to_stream(Code::GET, "a")).expect("acceptable");
    let sent = station.drain();
    assert_eq!(sent.len(), 1);
    frames(&sent)[0].assert("TCP GET t:* Uri-Path=a");
}

#[test]
fn tc1_a_missing_csm_aborts() {
    let mut station = Station::new();
    station.open(1);
    let sent = station.hear_stream(1, &Msg::parse("TCP GET t:01").encode());
    assert_eq!(frames(&sent)[0].code, Code::ABORT);
    assert!(is_closed(&sent) && station.seen.is_empty());
}

#[test]
fn tc1_requests_wait_for_the_connection_and_long_ones_for_the_settings() {
    let mut station = Station::new();
    station.endpoint.request(station.now, to_stream(Code::GET, "early")).expect("acceptable");
    station
        .endpoint
        .request(station.now, Ask { payload: body(5_000).into(), ..to_stream(Code::PUT, "long") })
        .expect("acceptable");
    assert!(station.drain().is_empty());
    let input = StreamInput::Opened {
        remote: station.meta.remote,
        local: "192.168.0.1:9".parse().expect("an address"),
        is_initiator: true,
    };
    station.endpoint.handle_stream(station.now, StreamId(1), input);
    let sent = frames(&station.drain());
    assert_eq!(sent.iter().map(|message| message.code).collect::<Vec<_>>(), [Code::CSM, Code::GET]);
    // Max-Message-Size 8,192, Block-Wise-Transfer.
    let sent = frames(&station.hear_stream(1, &Msg::parse("TCP 7.01 opt2=0x2000 opt4").encode()));
    assert_eq!((sent[0].code, sent[0].payload.len(), sent[0].uint(27)), (Code::PUT, 5_000, None));
}

#[test]
fn tc2_signals_and_empty_messages() {
    let mut station = connected();
    assert!(hear(&mut station, "TCP EMPTY").is_empty());
    hear(&mut station, "TCP 7.02 t:42")[0].assert("TCP 7.03 t:42");
    assert!(hear(&mut station, "TCP GET t:01").len() == 1);
    let sent = station.hear_stream(1, &Msg::parse("TCP 7.02 opt3=0x01").encode());
    assert_eq!(frames(&sent)[0].code, Code::ABORT);
    assert!(is_closed(&sent));
    // A syntax error.
    let mut station = connected();
    let sent = station.hear_stream(1, &[0x01, 0x01, 0xaa, 0x10, 0x01, 0xff]);
    assert!(sent.is_empty() || is_closed(&sent));
    let mut station = connected();
    let sent = station.hear_stream(1, &[0x20, 0x01, 0xb5, b'a']);
    assert_eq!(frames(&sent)[0].code, Code::ABORT);
    assert!(is_closed(&sent));
}

#[test]
fn tc2_pings_of_ours() {
    let mut station = connected();
    station.endpoint.ping(station.now, Target::Stream(StreamId(1))).expect("acceptable");
    let ping = frames(&station.drain()).remove(0);
    assert_eq!(ping.code, Code::PING);
    station.hear_stream(1, &Msg { code: Code::PONG, ..ping }.encode());
    assert_eq!(station.take_answer().as_deref(), Some("- "));
    // libcoap 4.3.1 forgets the token.
    station.endpoint.ping(station.now, Target::Stream(StreamId(1))).expect("acceptable");
    station.drain();
    station.hear_stream(1, &Msg::parse("TCP 7.03").encode());
    assert_eq!(station.take_answer().as_deref(), Some("- "));
}

#[test]
fn tc3_requests_are_answered_on_their_connection() {
    let mut station = connected();
    hear(&mut station, "TCP GET t:01 Uri-Path=a")[0].assert("TCP 2.05 t:01 \"ok\"");
    hear(&mut station, "TCP GET t:02 opt9=0x01")[0].assert("TCP 4.02 t:02 Content-Format=257 \"*\"");
    // Deferred, and the connection is gone by then.
    station.app = Box::new(|_| Act::Defer);
    assert!(hear(&mut station, "TCP GET t:03").is_empty());
    frames_of_settled(&mut station, "late")[0].assert("TCP 2.05 t:03 \"late\"");
    assert!(hear(&mut station, "TCP GET t:04").is_empty());
    station.endpoint.handle_stream(station.now, StreamId(1), StreamInput::Closed);
    assert!(frames_of_settled(&mut station, "too late").is_empty());
}

fn frames_of_settled(station: &mut Station, payload: &str) -> Vec<Msg> {
    station.settle_later(&response(Code::CONTENT, payload));
    frames(&station.drain())
}

#[test]
fn tc3_tokens_belong_to_the_connection() {
    let mut station = connected();
    station.open(2);
    station.hear_stream(2, &Msg::parse("TCP 7.01").encode());
    station.endpoint.request(station.now, to_stream(Code::GET, "a")).expect("acceptable");
    let request = frames(&station.drain()).remove(0);
    let reply = Msg { code: Code::CONTENT, options: Vec::new(), payload: b"x".into(), ..request };
    station.hear_stream(2, &reply.encode());
    assert_eq!(station.take_answer(), None, "another connection");
    station.hear_stream(1, &reply.encode());
    assert_eq!(station.take_answer().as_deref(), Some("2.05 x"));
}

#[test]
fn tc3_requests_end_with_the_connection() {
    let mut station = connected();
    station.endpoint.request(station.now, to_stream(Code::GET, "a")).expect("acceptable");
    station.drain();
    station.endpoint.handle_stream(station.now, StreamId(1), StreamInput::Closed);
    station.drain();
    assert_eq!(station.take_answer(), Some(format!("{:?}", Failure::Disconnected)));
    assert_eq!(station.endpoint.request(station.now, to_stream(Code::GET, "b")), Err(Refused::NotConnected));
}

#[test]
fn tc3_both_sides_may_ask() {
    let mut pair = Pair::new();
    pair.server.answer(response(Code::CONTENT, "from the server"));
    pair.client.answer(response(Code::CONTENT, "from the client"));
    pair.connect(1);
    pair.pass(Duration::from_secs(1));
    pair.client.endpoint.request(pair.client.now, to_stream(Code::GET, "a")).expect("acceptable");
    pair.server.endpoint.request(pair.server.now, to_stream(Code::GET, "a")).expect("acceptable");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.client.take_answer().as_deref(), Some("2.05 from the server"));
    assert_eq!(pair.server.take_answer().as_deref(), Some("2.05 from the client"));
}

#[test]
fn tc4_large_bodies_go_whole_or_in_bert_blocks() {
    for (octets_max, is_whole) in [(1 << 20, true), (8_192, false), (1_152, false)] {
        let limits = Limits { stream_message_octets_max: octets_max, ..Limits::default() };
        let settings = Settings { limits, ..Settings::default() };
        let mut pair = Pair::with(settings.clone(), settings);
        pair.connect(1);
        pair.server.app = Box::new(|request| {
            Act::Respond(response(Code::CHANGED, &String::from_utf8_lossy(&request.payload).to_uppercase()))
        });
        pair.pass(Duration::from_secs(1));
        let payload: Vec<u8> = body(50_000).into();
        pair.client
            .endpoint
            .request(pair.client.now, Ask { payload, ..to_stream(Code::POST, "a") })
            .expect("acceptable");
        pair.pass(Duration::from_secs(10));
        assert_eq!(pair.client.take_answer(), Some(format!("2.04 {}", body(50_000).to_uppercase())), "{octets_max}");
        assert_eq!(pair.server.seen.len(), 1);
        assert_eq!(pair.server.seen[0].contains("Block1"), !is_whole);
        assert_eq!(pair.server.seen[0].contains("/bert"), octets_max == 8_192);
    }
}

#[test]
fn tc4_responses_keep_to_the_settings_of_the_peer() {
    // No block-wise transfer and too long: an error instead.
    let mut station = connected();
    station.answer(response(Code::CONTENT, &body(3_000)));
    assert_eq!(hear(&mut station, "TCP GET t:01")[0].code, Code::INTERNAL_SERVER_ERROR);
    // Settings are cumulative: first the blocks, then the size.
    hear(&mut station, "TCP 7.01 opt4");
    let message = hear(&mut station, "TCP GET t:02").remove(0);
    assert_eq!((message.payload.len(), message.uint(23)), (1_024, Some(0b1110)));
    hear(&mut station, "TCP 7.01 opt2=0x0a00");
    let message = hear(&mut station, "TCP GET t:03").remove(0);
    assert_eq!((message.payload.len(), message.uint(23)), (2_048, Some(0b1111)));
    let message = hear(&mut station, "TCP GET t:04 Block2=2/0/bert").remove(0);
    assert_eq!((message.payload.len(), message.uint(23)), (3_000 - 2_048, Some(2 << 4 | 7)));
    hear(&mut station, "TCP 7.01 opt2=0x2000");
    assert_eq!(hear(&mut station, "TCP GET t:05")[0].payload.len(), 3_000);
}

#[test]
fn tc5_observations_follow_the_order_of_the_connection() {
    let mut pair = Pair::new();
    pair.server.answer(observable("first"));
    pair.connect(1);
    let id = pair
        .client
        .endpoint
        .request(pair.client.now, Ask { is_observation: true, ..to_stream(Code::GET, "o") })
        .expect("acceptable");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.client.take_answer().as_deref(), Some("2.05 first (open)"));
    for i in 0..10 {
        pair.server.state.payload = i.to_string().into();
        pair.server.observers.clone().into_iter().for_each(|id| pair.server.endpoint.mark_changed(pair.server.now, id));
        pair.pass(Duration::from_millis(100));
        assert_eq!(pair.client.take_answer(), Some(format!("2.05 {i} (open)")));
    }
    // Cancelled explicitly.
    pair.client.endpoint.cancel(pair.client.now, id);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.server.endpoint.observer_count(), 0);
    assert_eq!(pair.client.endpoint.request_count(), 0);
}

#[test]
fn tc5_observers_go_with_the_connection() {
    let mut station = connected();
    station.answer(observable("x"));
    let message = hear(&mut station, "TCP GET t:01 Observe=0").remove(0);
    assert!(message.option(6).is_some());
    assert_eq!(station.endpoint.observer_count(), 1);
    station.endpoint.handle_stream(station.now, StreamId(1), StreamInput::Closed);
    station.drain();
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
}

#[test]
fn tc2_release_answers_what_is_pending_and_asks_nothing_new() {
    let mut station = connected();
    station.app = Box::new(|_| Act::Defer);
    hear(&mut station, "TCP GET t:01");
    let sent = station.hear_stream(1, &Msg::parse("TCP 7.04").encode());
    assert!(!is_closed(&sent));
    assert_eq!(station.endpoint.request(station.now, to_stream(Code::GET, "a")), Err(Refused::NotConnected));
    station.settle_later(&response(Code::CONTENT, "last"));
    let sent = station.drain();
    assert!(is_closed(&sent));
    // Nothing pending: closed at once.
    let mut station = connected();
    assert!(is_closed(&station.hear_stream(1, &Msg::parse("TCP 7.04").encode())));
}

#[test]
fn tc1_connections_are_bounded() {
    let limits = Limits { streams_max: 1, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.open(2);
    let input = StreamInput::Opened {
        remote: station.meta.remote,
        local: "192.168.0.1:5683".parse().expect("an address"),
        is_initiator: false,
    };
    station.endpoint.handle_stream(station.now, StreamId(1), input);
    assert!(is_closed(&station.drain()));
}

/// A station whose peer takes messages of so many octets, in blocks.
fn connected_to_small(octets_max: u16) -> Station {
    let mut station = Station::new();
    station.open(1);
    hear(&mut station, &format!("TCP 7.01 opt2=0x{octets_max:04x} opt4"));
    station
}

#[track_caller]
fn check_octets(sent: &[Sent], octets_max: u16) {
    for sent in sent {
        assert!(sent.octets.len() <= usize::from(octets_max), "{} > {octets_max}", sent.octets.len());
    }
}

#[test]
fn tc4_no_response_is_longer_than_the_peer_takes() {
    for octets_max in [70_u16, 200, 600, 1_152, 1_200, 1_279, 2_300] {
        let mut station = connected_to_small(octets_max);
        let mut long = response(Code::CONTENT, &body(5_000));
        long.options.push(4, b"etag");
        station.answer(long);
        let mut gathered = Vec::new();
        let mut block = String::new();
        while gathered.len() < 5_000 {
            let request = Msg::parse(&format!("TCP GET t:0102030405060708 Uri-Path=a{block}"));
            let sent = station.hear_stream(1, &request.encode());
            check_octets(&sent, octets_max);
            let message = frames(&sent).remove(0);
            assert_eq!(message.code, Code::CONTENT, "{octets_max}");
            gathered.extend_from_slice(&message.payload);
            let szx = message.uint(23).expect("Block2") & 7;
            let size = if szx == 7 { 1_024 } else { 16 << szx };
            let name = if szx == 7 { "bert".to_string() } else { size.to_string() };
            block = format!(" Block2={}/0/{name}", gathered.len() / size as usize);
        }
        assert_eq!(String::from_utf8(gathered), Ok(body(5_000)));
        assert_eq!(station.seen.len(), 1, "the body is kept");
    }
}

#[test]
fn tc4_a_peer_that_takes_hardly_anything_is_told_the_code() {
    for octets_max in [0, 20, 40] {
        let mut station = connected_to_small(octets_max);
        station.answer(response(Code::CONTENT, &body(5_000)));
        hear(&mut station, "TCP GET t:01 Uri-Path=a")[0].assert("TCP 5.00 t:01");
        // Without block-wise transfer as well.
        let mut station = Station::new();
        station.open(1);
        station.answer(response(Code::CONTENT, &body(5_000)));
        hear(&mut station, &format!("TCP 7.01 opt2=0x{octets_max:04x}"));
        hear(&mut station, "TCP GET t:01 Uri-Path=a")[0].assert("TCP 5.00 t:01");
    }
}

#[test]
fn tc4_no_request_is_longer_than_the_peer_takes() {
    for octets_max in [200_u16, 600, 1_152, 1_200, 1_279, 2_300] {
        let mut station = connected_to_small(octets_max);
        let mut long = Ask { payload: body(5_000).into(), ..to_stream(Code::PUT, "a") };
        long.options.push(15, "q".repeat(90).as_bytes());
        station.endpoint.request(station.now, long).expect("acceptable");
        let sent = station.drain();
        check_octets(&sent, octets_max);
        assert!(frames(&sent)[0].payload.len() * 4 > usize::from(octets_max) || octets_max == 200);
    }
    let mut station = connected_to_small(60);
    station
        .endpoint
        .request(station.now, Ask { payload: body(100).into(), ..to_stream(Code::PUT, "a") })
        .expect("acceptable");
    assert!(station.drain().is_empty());
    assert!(station.take_answer().expect("a failure").starts_with("Unprocessable"));
}

#[test]
fn tc1_after_our_release_requests_on_the_way_are_still_answered() {
    let mut station = connected();
    station.endpoint.release_stream(station.now, StreamId(1));
    let sent = station.drain();
    assert_eq!(frames(&sent)[0].code, Code::RELEASE);
    assert!(!is_closed(&sent), "the peer closes");
    hear(&mut station, "TCP GET t:01 Uri-Path=a")[0].assert("TCP 2.05 t:01 \"ok\"");
    assert_eq!(station.endpoint.request(station.now, to_stream(Code::GET, "a")), Err(Refused::NotConnected));
    // One that does not close does not keep us.
    assert!(!is_closed(&station.pass(Duration::from_millis(4_999))));
    assert!(is_closed(&station.pass(Duration::from_millis(1))));
    // Nor does one whose CSM crosses our Release.
    let mut station = Station::new();
    station.open(1);
    station.endpoint.release_stream(station.now, StreamId(1));
    station.drain();
    station.hear_stream(1, &Msg::parse("TCP 7.01").encode());
    assert!(is_closed(&station.pass(Duration::from_secs(5))));
    // One that does leaves nothing behind.
    let mut station = connected();
    station.endpoint.release_stream(station.now, StreamId(1));
    station.drain();
    station.endpoint.handle_stream(station.now, StreamId(1), StreamInput::Closed);
    assert_eq!(station.endpoint.poll_timeout(), None);
    // One that answers with a Release of its own leaves the closing to us.
    let mut station = connected();
    station.endpoint.release_stream(station.now, StreamId(1));
    station.drain();
    assert!(is_closed(&station.hear_stream(1, &Msg::parse("TCP 7.04").encode())));
}

#[test]
fn tc1_who_does_not_send_a_csm_in_time_is_given_up() {
    let mut station = Station::new();
    station.open(1);
    // Half a message is none.
    station.hear_stream(1, &Msg::parse("TCP 7.01").encode()[..1]);
    assert!(station.pass(Duration::from_millis(9_999)).is_empty());
    let sent = station.pass(Duration::from_millis(1));
    assert_eq!(frames(&sent)[0].code, Code::ABORT);
    assert!(is_closed(&sent));
    assert_eq!(station.endpoint.poll_timeout(), None);
    // After a CSM a peer may be silent.
    let mut station = connected();
    assert_eq!(station.endpoint.poll_timeout(), None);
    assert!(station.pass(Duration::from_secs(3_600)).is_empty());
}

#[test]
fn tc5_observe_numbers_grow_over_connections_too() {
    let mut station = connected();
    station.answer(observable("x"));
    station.pass(Duration::from_secs(1));
    let mut previous = hear(&mut station, "TCP GET t:01 Observe=0")[0].uint(6).expect("Observe");
    for state in ["a", "b", "c"] {
        station.state.payload = state.into();
        for observer in station.observers.clone() {
            station.endpoint.mark_changed(station.now, observer);
        }
        let number = frames(&station.drain())[0].uint(6).expect("Observe");
        assert!(number > previous, "there are clients that compare them");
        previous = number;
    }
}

#[test]
fn tc1_a_deferred_answer_after_their_release_closes_the_connection() {
    let mut station = Station::deferring();
    station.open(1);
    station.hear_stream(1, &Msg::parse("TCP 7.01").encode());
    station.hear_stream(1, &Msg::parse("TCP GET t:01 Uri-Path=a").encode());
    station.hear_stream(1, &Msg::parse("TCP 7.04").encode());
    let pending = station.pendings.pop_front().unwrap();
    station.endpoint.respond_deferred(station.now, pending, &response(Code::CONTENT, "late"));
    let sent = station.drain();
    assert_eq!(sent.len(), 2, "the answer, then the end: {sent:?}");
}
