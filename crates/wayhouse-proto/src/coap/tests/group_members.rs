//! CX, GC: the members of a group: what they answer, when, and how much.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::station::{Act, Sent, Station, body, observable, response};
use crate::coap::endpoint::{Amplification, GroupManners, Leisure, Protection, Settings};
use crate::coap::limits::Limits;
use crate::coap::{Endpoint, Response};
use crate::io::{Destination, Meta};

fn group() -> IpAddr {
    "224.0.1.187".parse().expect("an address")
}

/// A member that need not know who asks.
fn trusting() -> Station {
    Station::with(Settings { amplification: Amplification::Off, ..Settings::default() })
}

/// What an endpoint says at once to a group request, and later.
fn hear_group(station: &mut Station, text: &str) -> (usize, Vec<Msg>) {
    let meta = station.group_meta();
    station.deliver(&meta, &Msg::parse(text).encode());
    let at_once = station.drain().len();
    let later = station.pass(Duration::from_secs(6));
    (at_once, later.iter().map(Sent::msg).collect())
}

#[test]
fn cx1_confirmable_requests_to_groups_are_dropped_and_nothing_is_reset() {
    let mut station = Station::new();
    for text in ["CON GET #1 t:01", "CON EMPTY #2", "CON 2.05 #3 t:02", "CON 7.01 #4", "NON 2.05 #5 t:02"] {
        assert_eq!(hear_group(&mut station, text), (0, vec![]), "{text}");
    }
    let meta = station.group_meta();
    station.deliver(&meta, &[0x40, 0x01, 0x12, 0x34, 0xb5, b'a']);
    assert!(station.drain().is_empty());
    assert!(station.seen.is_empty());
}

#[test]
fn cx3_gc37_answers_wait_a_random_time_within_the_leisure() {
    let mut delays = Vec::new();
    for seed in 0..50 {
        let mut station = Station::new();
        station.endpoint = Endpoint::new(Settings::default(), seed);
        let meta = station.group_meta();
        station.deliver(&meta, &Msg::parse("NON GET #1 t:01").encode());
        assert!(station.drain().is_empty());
        let sent = station.pass(Duration::from_secs(5));
        assert_eq!(sent.len(), 1);
        sent[0].msg().assert("NON 2.05 #* t:01 \"ok\"");
        // From a unicast address that the system chooses, by the interface it came.
        let expected = Destination::Datagram { socket: meta.socket, remote: meta.remote, local: None, interface: 3 };
        assert_eq!(sent[0].transmit.to, expected);
        delays.push((sent[0].at - station.started).as_millis());
    }
    assert!(delays.iter().any(|delay| *delay < 1_500) && delays.iter().any(|delay| *delay > 3_500), "{delays:?}");
}

#[test]
fn the_leisure_follows_what_is_known_of_the_group() {
    let default = Duration::from_secs(5);
    let span = |leisure: Leisure| leisure.span(default);
    assert_eq!(span(Leisure::Default(Protection::None)), Duration::from_secs(5));
    assert_eq!(span(Leisure::Default(Protection::GroupMode)), Duration::from_secs(20));
    assert_eq!(span(Leisure::Default(Protection::PairwiseMode)), Duration::from_secs(13));
    // RFC 7252's default is that of 50 members, 100 octets, 1000 octets a second.
    let computed = |members| Leisure::Computed { members, response_octets: 100, octets_per_s: 1_000 };
    assert_eq!(span(computed(50)), default);
    assert_eq!(span(computed(200)), Duration::from_secs(20));
    assert_eq!(span(computed(u32::MAX)), Duration::from_secs(250), "what clients reckon with");
    assert_eq!(span(Leisure::Computed { members: 1, response_octets: 1, octets_per_s: 0 }), Duration::from_secs(1));

    let mut latest = Duration::ZERO;
    for seed in 0..40 {
        let mut station = Station::new();
        station.endpoint = Endpoint::new(Settings::default(), seed);
        station.endpoint.set_leisure(group(), computed(200));
        let meta = station.group_meta();
        station.deliver(&meta, &Msg::parse("NON GET #1 t:01").encode());
        let sent = station.pass(Duration::from_secs(20));
        latest = latest.max(sent[0].at - station.started);
    }
    assert!(latest > Duration::from_secs(15), "{latest:?}");
    let limits = Limits { leisures_max: 1, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.endpoint.set_leisure("224.0.1.1".parse().expect("an address"), computed(1));
    station.endpoint.set_leisure(group(), Leisure::Fixed(Duration::from_secs(100)));
    let meta = station.group_meta();
    station.deliver(&meta, &Msg::parse("NON GET #1 t:01").encode());
    assert_eq!(station.pass(Duration::from_secs(5)).len(), 1, "one too many has the default");
}

#[test]
fn cx3_gc31_silence_is_an_answer_and_errors_are_silence() {
    let mut station = Station::answering(Response::default());
    assert_eq!(hear_group(&mut station, "NON GET #1 t:01"), (0, vec![]));
    // GC32: whatever the class of error.
    for (id, code) in [Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED, Code::UNSUPPORTED_CONTENT_FORMAT].iter().enumerate() {
        station.answer(response(*code, ""));
        assert_eq!(hear_group(&mut station, &format!("NON GET #2{id} t:01")), (0, vec![]));
    }
    station.answer(response(Code::SERVICE_UNAVAILABLE, ""));
    assert_eq!(hear_group(&mut station, "NON GET #3 t:01"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON GET #4 t:01 opt9=0x01"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON PUT #5 t:01 Block1=0/1/16 \"0123456789abcdef\""), (0, vec![]));
}

#[test]
fn gc31_gc32_a_resource_may_want_its_errors_told() {
    let to_groups = GroupManners { tells_errors: true, ..GroupManners::default() };
    for code in [Code::NOT_FOUND, Code::UNSUPPORTED_CONTENT_FORMAT, Code::SERVICE_UNAVAILABLE] {
        let mut station = Station::answering(Response { to_groups, ..response(code, "") });
        assert_eq!(hear_group(&mut station, "NON GET #1 t:01").1.len(), 1, "{code}");
        // Anybody may ask for more silence.
        assert_eq!(hear_group(&mut station, "NON GET #2 t:01 No-Response=24").1.len(), 0, "{code}");
    }
}

#[test]
fn gc33_no_response_widens_the_silence_for_anybody_and_narrows_it_for_none_that_is_unknown() {
    let to_groups = GroupManners { honours_no_response: true, ..GroupManners::default() };
    let mut station = Station::answering(Response { to_groups, ..response(Code::NOT_FOUND, "") });
    assert_eq!(hear_group(&mut station, "NON GET #1 t:01 No-Response=0"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON GET #2 t:01 No-Response=2"), (0, vec![]));
    station.answer(response(Code::CONTENT, "ok"));
    assert_eq!(hear_group(&mut station, "NON GET #3 t:01 No-Response=2"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON GET #4 t:01 No-Response=8").1.len(), 1);
}

#[test]
fn cx3_waiting_answers_are_bounded() {
    let limits = Limits { leisurely_answers_max: 2, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    let meta = station.group_meta();
    for id in 0..10 {
        station.deliver(&meta, &Msg::parse(&format!("NON GET #{id} t:01")).encode());
    }
    assert_eq!(station.pass(Duration::from_secs(6)).len(), 2);
    assert_eq!(station.endpoint.counters().dropped_at_limit, 8);
}

#[test]
fn cx6_the_parent_knows_that_the_request_went_to_a_group() {
    let mut station = Station::new();
    station.app = Box::new(|request| {
        let code = request.meta.is_multicast.then_some(Code::CONTENT);
        Act::Respond(Response { code, ..Response::default() })
    });
    assert_eq!(hear_group(&mut station, "NON GET #1 t:01").1.len(), 1);
    assert!(station.hear("NON GET #2 t:01").is_empty());
}

#[test]
fn gc35_an_etag_in_a_request_to_a_group_is_treated_as_any_other() {
    let mut station = Station::answering(response(Code::CONTENT, "state"));
    let (_, first) = hear_group(&mut station, "NON GET #1 t:01 ETag=0x00");
    let etag = first[0].option(4).expect("one is made for who asks with one").to_vec();
    let hex: String = etag.iter().map(|octet| format!("{octet:02x}")).collect();
    let (_, second) = hear_group(&mut station, &format!("NON GET #2 t:02 ETag=0x00 ETag=0x{hex}"));
    second[0].assert(&format!("NON 2.03 #* t:02 ETag=0x{hex}"));
}

#[test]
fn gc36_etags_of_two_servers_differ_for_the_same_representation() {
    let etag = |seed| {
        let mut station = Station::answering(response(Code::CONTENT, "state"));
        station.endpoint = Endpoint::new(Settings::default(), seed);
        hear_group(&mut station, "NON GET #1 t:01 ETag=0x00").1[0].option(4).map(<[u8]>::to_vec)
    };
    assert_eq!(etag(1), etag(1));
    assert_ne!(etag(1), etag(2));
}

#[test]
fn gc39_a_request_with_a_forged_source_draws_no_more_than_three_times_its_size() {
    for (peer, headers) in [("192.168.0.7:40000", 28), ("[fe80::7%3]:40000", 48), ("203.0.113.9:5683", 28)] {
        for octets in [0, 1, 40, 60, 90, 120, 200, 500, 1_000, 5_000] {
            for request in ["NON GET #1 t:01", "NON GET #2 t:0102030405060708 Uri-Path=temperature Observe=0"] {
                let mut station = Station::answering(observable(&body(octets)));
                station.set_peer(peer);
                let asked = Msg::parse(request).encode().len() + headers;
                let meta = station.group_meta();
                station.deliver(&meta, &Msg::parse(request).encode());
                // Whatever follows by itself counts as well.
                let mut sent = station.pass(Duration::from_secs(6));
                station.change("a change");
                sent.extend(station.pass(Duration::from_secs(300)));
                let drawn: usize = sent.iter().map(|sent| sent.octets.len() + headers).sum();
                assert!(drawn <= 3 * asked, "{drawn} octets for {asked}: {peer} {octets} {request}");
                assert!(!sent.is_empty(), "and it draws something");
            }
        }
    }
}

#[test]
fn gc86_who_wants_more_than_that_is_asked_to_prove_its_address_and_gets_it_then() {
    let mut station = Station::answering(observable("a value"));
    let (_, challenged) = hear_group(&mut station, "NON GET #1 t:aa Uri-Path=o Observe=0");
    challenged[0].assert("NON 4.01 #* t:aa Echo=*");
    assert_eq!(station.endpoint.observer_count(), 0);
    let echo: String = challenged[0].option(252).expect("Echo").iter().map(|octet| format!("{octet:02x}")).collect();
    let answer = station.ask(&format!("CON GET #2 t:aa Uri-Path=o Observe=0 Echo=0x{echo}"));
    assert_eq!((answer.code, answer.uint(6).is_some()), (Code::CONTENT, true));
    // The address is known from then on, to the group's requests too.
    let (_, registered) = hear_group(&mut station, "NON GET #3 t:bb Uri-Path=o Observe=0");
    assert!(registered[0].uint(6).is_some());
    // Nobody is asked who does not want to hear of errors.
    station.set_peer("192.168.0.8:40000");
    assert_eq!(hear_group(&mut station, "NON GET #4 t:cc Observe=0 No-Response=8"), (0, vec![]));
}

#[test]
fn gc38_gc61_a_large_answer_begins_with_a_block_that_fits() {
    let mut station = Station::answering(response(Code::CONTENT, &body(3_000)));
    let (_, sent) = hear_group(&mut station, "NON GET #1 t:01 Uri-Path=.well-known Uri-Path=core");
    let block = sent[0].uint(23).expect("Block2");
    assert!(block & 8 != 0 && block & 7 <= 3, "{}", sent[0]);
    let mut station = trusting();
    station.answer(response(Code::CONTENT, &body(3_000)));
    let (_, sent) = hear_group(&mut station, "NON GET #1 t:01");
    assert_eq!((sent[0].uint(23), sent[0].payload.len()), (Some(0b1110), 1_024), "GC61: by itself");
}

#[test]
fn gc60_a_group_may_be_asked_for_further_blocks() {
    let mut station = trusting();
    station.answer(response(Code::CONTENT, &body(200)));
    hear_group(&mut station, "NON GET #1 t:01 Block2=0/0/64");
    let (at_once, sent) = hear_group(&mut station, "NON GET #2 t:02 Block2=3/0/64");
    assert_eq!((at_once, sent.len()), (0, 1), "with leisure");
    assert_eq!(sent[0].payload, &body(200).as_bytes()[192..]);
    assert_eq!(hear_group(&mut station, "NON GET #3 t:03 Block2=9/0/64"), (0, vec![]), "errors are silence");
}

#[test]
fn gc63_block1_and_q_block_are_ignored_in_groups() {
    let mut station = trusting();
    assert_eq!(hear_group(&mut station, "NON PUT #1 t:01 Block1=0/0/16 \"x\""), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON GET #2 t:01 opt31=0x06 No-Response=0"), (0, vec![]));
    assert!(station.seen.is_empty());
}

fn observed(members: usize) -> Station {
    let mut station = trusting();
    station.answer(observable("first"));
    for index in 0..members {
        station.set_peer(&format!("192.168.0.7:{}", 40_000 + index));
        let meta = station.group_meta();
        station.deliver(&meta, &Msg::parse(&format!("NON GET #{index} t:aa Uri-Path=o Observe=0")).encode());
    }
    station
}

#[test]
fn gc54_gc55_registrations_are_answered_and_notifications_wait_for_the_leisure() {
    let mut station = observed(1);
    let first = station.pass(Duration::from_secs(5));
    assert!(first[0].msg().uint(6).is_some(), "GC54: {}", first[0].msg());
    let mut delays = Vec::new();
    for round in 0..20 {
        station.pass(Duration::from_secs(10));
        let changed = station.now;
        assert!(station.change(&round.to_string()).is_empty(), "never at once");
        let sent = station.pass(Duration::from_secs(8));
        // A question whether anybody is there is repeated until it is answered below.
        assert!(sent.iter().all(|other| other.msg().payload == sent[0].msg().payload), "round {round}");
        delays.push((sent[0].at - changed).as_millis());
        if sent[0].msg().kind == Some(Kind::Confirmable) {
            station.hear(&format!("ACK EMPTY #{}", sent[0].msg().message_id));
        }
    }
    assert!(delays.iter().any(|delay| *delay < 1_500) && delays.iter().any(|delay| *delay > 3_000), "{delays:?}");
}

#[test]
fn gc46_a_new_leisure_begins_when_the_one_before_has_ended() {
    let mut station = observed(1);
    station.pass(Duration::from_secs(20));
    for second in 0..10 {
        // A second observation of the same group; its notification must not fall into the first one's leisure.
        station.set_peer("192.168.0.8:40000");
        if second == 0 {
            let meta = station.group_meta();
            station.deliver(&meta, &Msg::parse("NON GET #77 t:bb Uri-Path=p Observe=0").encode());
            station.pass(Duration::from_secs(20));
        }
        let [a, b] = station.observers[..] else { panic!("two observers") };
        let changed = station.now;
        station.endpoint.mark_changed(station.now, a);
        station.pass(Duration::from_millis(1));
        station.endpoint.mark_changed(station.now, b);
        let sent = station.pass(Duration::from_secs(12));
        let late = sent.iter().filter(|sent| sent.msg().token == [0xbb]).map(|sent| sent.at - changed).next();
        assert!(late.expect("it is told") >= Duration::from_secs(5), "{late:?}");
        for sent in sent.iter().filter(|sent| sent.msg().kind == Some(Kind::Confirmable)) {
            let meta = Meta { remote: sent.to(), ..station.meta };
            station.deliver(&meta, &Msg::parse(&format!("ACK EMPTY #{}", sent.msg().message_id)).encode());
        }
        station.pass(Duration::from_secs(30));
    }
    // What is pending when a period begins shares it: a thousand observations are told in two periods, not in a thousand.
    let mut station = observed(50);
    station.pass(Duration::from_secs(20));
    let changed = station.now;
    station.change("all");
    let sent = station.pass(Duration::from_secs(15));
    assert_eq!(sent.len(), 50);
    assert!(sent.iter().all(|sent| sent.at - changed <= Duration::from_secs(10)));
}

#[test]
fn gc56_gc57_an_observer_that_is_gone_costs_a_bounded_number_of_notifications() {
    let mut station = observed(1);
    station.pass(Duration::from_secs(6));
    let mut told = Vec::new();
    for round in 0..200 {
        station.change(&round.to_string());
        told.extend(station.pass(Duration::from_secs(20)).iter().map(|sent| sent.msg().kind));
    }
    let non = told.iter().filter(|kind| **kind == Some(Kind::NonConfirmable)).count();
    let con = told.iter().filter(|kind| **kind == Some(Kind::Confirmable)).count();
    assert!(non <= 8, "{non} without a question whether anybody is there");
    assert_eq!(con, 5, "one question, with its retransmissions");
    assert_eq!((station.endpoint.observer_count(), station.gone.len()), (0, 1));
}

#[test]
fn gc58_a_group_request_with_observe_1_ends_the_observation() {
    let mut station = observed(1);
    station.pass(Duration::from_secs(6));
    assert_eq!(station.endpoint.observer_count(), 1);
    let (_, sent) = hear_group(&mut station, "NON GET #9 t:aa Uri-Path=o Observe=1");
    assert_eq!((station.endpoint.observer_count(), sent[0].uint(6)), (0, None));
}

#[test]
fn gc30_gc34_an_answer_is_unicast_from_whatever_port_the_member_has() {
    let mut station = Station::new();
    station.meta.socket = crate::io::SocketId::Listener(4);
    let meta = station.group_meta();
    station.deliver(&meta, &Msg::parse("NON GET #1 t:01").encode());
    let sent = station.pass(Duration::from_secs(6)).remove(0);
    assert!(matches!(sent.transmit.to, Destination::Datagram { socket: crate::io::SocketId::Listener(4), .. }));
    let to: SocketAddr = sent.to();
    assert_eq!(to, station.meta.remote);
}
