//! CX: requests to groups, from both sides.

use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::notation::Msg;
use super::station::{Act, Station, ask, body, observable, response};
use crate::coap::endpoint::{Ask, Refused, Settings, Target};
use crate::coap::limits::Limits;
use crate::io::{Destination, Meta};

const GROUP: &str = "224.0.1.187:5683";

/// What an endpoint says at once to a group request, and later.
fn hear_group(station: &mut Station, text: &str) -> (usize, Vec<Msg>) {
    let meta = station.group_meta();
    station.deliver(&meta, &Msg::parse(text).encode());
    let at_once = station.drain().len();
    let later = station.pass(Duration::from_secs(6));
    (at_once, later.iter().map(super::station::Sent::msg).collect())
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
fn cx1_our_requests_to_groups_are_non() {
    let mut station = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 2 };
    assert!(matches!(
        station.endpoint.request(station.now, Ask { to, ..ask(Code::GET, "a") }),
        Err(Refused::Invalid(_))
    ));
    assert!(station.endpoint.request(station.now, Ask { to, is_confirmable: false, ..ask(Code::GET, "a") }).is_ok());
    assert_eq!(station.drain()[0].msg().kind, Some(Kind::NonConfirmable));
    assert!(matches!(station.endpoint.ping(station.now, to), Err(Refused::Invalid(_))));
}

#[test]
fn cx2_requests_to_groups_leave_from_a_port_of_their_own() {
    let mut station = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 0 };
    station.endpoint.request(station.now, ask(Code::GET, "a")).expect("acceptable");
    station
        .endpoint
        .request(station.now, Ask { to, is_confirmable: false, ..ask(Code::GET, "a") })
        .expect("acceptable");
    let sent = station.drain();
    assert_ne!(sent[0].socket(), sent[1].socket());
}

#[test]
fn cx3_answers_wait_a_random_time_within_the_leisure() {
    let mut delays = Vec::new();
    for seed in 0..50 {
        let mut station = Station::new();
        station.endpoint = crate::coap::Endpoint::new(Settings::default(), seed);
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
fn cx3_silence_is_an_answer_and_errors_are_silence() {
    let mut station = Station::answering(crate::coap::Response::default());
    assert_eq!(hear_group(&mut station, "NON GET #1 t:01"), (0, vec![]));
    station.answer(response(Code::NOT_FOUND, ""));
    assert_eq!(hear_group(&mut station, "NON GET #2 t:01"), (0, vec![]));
    station.answer(response(Code::SERVICE_UNAVAILABLE, ""));
    assert_eq!(hear_group(&mut station, "NON GET #3 t:01"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON GET #4 t:01 opt9=0x01"), (0, vec![]));
    assert_eq!(hear_group(&mut station, "NON PUT #5 t:01 Block1=0/1/16 \"0123456789abcdef\""), (0, vec![]));
}

#[test]
fn nr1_explicit_interest_overrides_the_silence_of_groups() {
    let mut station = Station::answering(response(Code::NOT_FOUND, ""));
    let (at_once, later) = hear_group(&mut station, "NON GET #1 t:01 No-Response=0");
    assert_eq!((at_once, later.len()), (0, 1));
    later[0].assert("NON 4.04 #* t:01");
    assert_eq!(hear_group(&mut station, "NON GET #2 t:01 No-Response=2").1.len(), 1);
    assert_eq!(hear_group(&mut station, "NON GET #3 t:01 No-Response=8").1.len(), 0);
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
fn cx3_groups_do_not_observe() {
    let mut station = Station::answering(observable("x"));
    let (_, later) = hear_group(&mut station, "NON GET #1 t:01 Observe=0");
    assert_eq!((later[0].uint(6), station.endpoint.observer_count()), (None, 0));
}

#[test]
fn cx4_answers_from_any_member_match_by_token() {
    let mut station = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 0 };
    let patience = Some(Duration::from_secs(10));
    station
        .endpoint
        .request(station.now, Ask { to, is_confirmable: false, patience, ..ask(Code::GET, "a") })
        .expect("acceptable");
    let sent = station.drain().remove(0);
    let request = sent.msg();
    for member in ["192.168.0.20:5683", "192.168.0.21:61616"] {
        let meta = Meta { socket: sent.socket(), remote: member.parse().expect("an address"), ..station.meta };
        let reply =
            Msg { code: Code::CONTENT, message_id: 7, options: Vec::new(), payload: member.into(), ..request.clone() };
        station.deliver(&meta, &reply.encode());
        station.drain();
        assert_eq!(station.answers[0].from, Some(meta.remote));
        assert_eq!(station.take_answer(), Some(format!("2.05 {member} (open)")));
    }
    station.pass(Duration::from_secs(11));
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"), "the end of the wait");
}

#[test]
fn cx5_requests_to_groups_have_no_etag() {
    let mut station = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 0 };
    let mut get = Ask { to, is_confirmable: false, ..ask(Code::GET, "a") };
    get.options.push(4, &[1]);
    assert!(matches!(station.endpoint.request(station.now, get), Err(Refused::Invalid(_))));
}

#[test]
fn bw11_the_rest_of_a_group_answer_comes_by_unicast() {
    let mut server = Station::answering(response(Code::CONTENT, &body(2_000)));
    let mut client = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 0 };
    let patience = Some(Duration::from_secs(60));
    client
        .endpoint
        .request(client.now, Ask { to, is_confirmable: false, patience, ..ask(Code::GET, "a") })
        .expect("acceptable");
    let sent = client.drain().remove(0);
    let meta = server.group_meta();
    server.deliver(&meta, &sent.octets);
    let first = server.pass(Duration::from_secs(6)).remove(0);
    assert_eq!(first.msg().uint(23), Some(0b1110));
    // The member answers from its own address; the client goes on there.
    let member: std::net::SocketAddr = "192.168.0.30:5683".parse().expect("an address");
    let to_client = Meta { socket: sent.socket(), remote: member, ..client.meta };
    client.deliver(&to_client, &first.octets);
    let next = client.drain().remove(0);
    assert_eq!(next.to(), member);
    next.msg().assert("CON GET #* t:* Uri-Path=a Block2=1/0/1024");
    let meta = server.meta;
    server.deliver(&meta, &next.octets);
    let rest = server.drain().remove(0);
    client.deliver(&to_client, &rest.octets);
    client.drain();
    assert_eq!(client.answers[0].from, Some(member));
    assert_eq!(client.take_answer(), Some(format!("2.05 {} (open)", body(2_000))));
    // BW11, the server: a group cannot ask for later blocks.
    assert_eq!(hear_group(&mut server, "NON GET #9 t:09 Block2=1/0/64"), (0, vec![]));
}

#[test]
fn cx6_the_parent_knows_that_the_request_went_to_a_group() {
    let mut station = Station::new();
    station.app = Box::new(|request| {
        let code = request.meta.is_multicast.then_some(Code::CONTENT);
        Act::Respond(crate::coap::Response { code, ..crate::coap::Response::default() })
    });
    assert_eq!(hear_group(&mut station, "NON GET #1 t:01").1.len(), 1);
    assert!(station.hear("NON GET #2 t:01").is_empty());
}
