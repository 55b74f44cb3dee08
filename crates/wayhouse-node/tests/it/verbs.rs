use std::time::Duration;

use wayhouse_node::{Config, Event, Node};
use wayhouse_proto::io::{Destination, StreamId, StreamInput};
use wayhouse_registry::{ChangeKind, ChangeNumber, Restored};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{Code, OptionList};

use crate::house::{House, LAMP, PHONE, delete, get, post};

#[test]
fn events_are_kept_only_for_listeners() {
    let mut house = House::new();
    house.register(LAMP, "ep=a", "");
    assert!(house.node.poll_event().is_none());
    house.node.set_event_interest(true);
    let location = house.register(LAMP, "ep=b", "");
    house.ask(LAMP, post(&location));
    house.ask(LAMP, delete(&location));
    let mut kinds = Vec::new();
    while let Some(Event::Changed(change)) = house.node.poll_event() {
        kinds.push(change.kind);
    }
    assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Refreshed, ChangeKind::Withdrawn]);
}

#[test]
fn a_slow_listener_is_told_what_it_missed() {
    let mut house = House::new();
    house.node.set_event_interest(true);
    let kept = wayhouse_node::limits::EVENTS_MAX;
    let location = house.register(LAMP, "ep=a", "");
    for _ in 0..kept + 9 {
        house.ask(LAMP, post(&location));
    }
    let mut changes = 0;
    loop {
        match house.node.poll_event() {
            Some(Event::Changed(_)) => changes += 1,
            Some(Event::Lagged { missed }) => {
                assert_eq!((changes, missed), (kept, 10));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    house.ask(LAMP, post(&location));
    assert!(matches!(house.node.poll_event(), Some(Event::Changed(_))));
    assert!(house.node.poll_event().is_none());
}

#[test]
fn restored_entries_keep_their_location_and_what_is_left_of_their_lives() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&lt=600", "</x>");
    let stored = house.changes.last().expect("a change").clone();
    house.advance_s(500);
    let mut node = Node::new(Config::default(), 99);
    let registrant = (**stored.after.as_ref().expect("an entry")).clone();
    node.restore(house.now, Restored { registrant, lease: stored.lease }).expect("a sound record");
    node.continue_after(stored.number);
    let mut again = House::of(node);
    again.now = house.now;
    assert_eq!(again.resources(""), ["<coap://[2001:db8::1]/x>"]);
    assert!(again.changes.is_empty());
    again.advance_s(99);
    assert_eq!(again.ask(LAMP, get(&location)).code, Code::CONTENT);
    again.advance_s(2);
    assert!(again.resources("").is_empty());
    assert!(again.changes.last().expect("the expiry").number > ChangeNumber(stored.number.0));
}

#[test]
fn expiry_works_in_small_portions() {
    let mut house = House::new();
    for n in 0..600 {
        house.register(LAMP, &format!("ep=n{n}&lt=10"), "");
    }
    house.now += Duration::from_secs(11);
    let mut calls = 0;
    let mut left = 600;
    while left > 0 {
        assert!(house.node.poll_timeout().expect("more to do").at <= house.now);
        house.node.handle_timeout(house.now);
        house.drain();
        let now_left = house.node.counters().registrants;
        assert!(left - now_left <= wayhouse_node::limits::EXPIRIES_PER_CALL);
        left = now_left;
        calls += 1;
    }
    assert!(calls >= 3);
    house.node.handle_timeout(house.now);
    assert!(house.node.poll_timeout().expect("the graces").at > house.now);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut house = House::new();
        let mut trace = Vec::new();
        for n in 0..20 {
            let answer = house.ask(LAMP, post(&format!("/rd?ep=n{n}")).links("</x>;rt=y"));
            trace.push((answer.code, answer.location()));
        }
        (trace, house.endpoints(""), house.resources("rt=y&count=5"))
    };
    assert_eq!(run(), run());
}

fn frame(code: Code, token: &[u8], options: &[(u16, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut list = OptionList::new();
    for (number, value) in options {
        list.push(*number, value);
    }
    let mut bytes = Vec::new();
    Frame::encode(&mut bytes, code, token, list.iter(), payload);
    bytes
}

/// All frames that the node writes to a connection.
fn frames(node: &mut Node) -> Vec<(Code, Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    let mut stream = Vec::new();
    while let Some(transmit) = node.poll_transmit(&mut out) {
        let bytes = out.split_off(out.len() - transmit.octets);
        if matches!(transmit.to, Destination::Stream(_)) {
            stream.extend(bytes);
        }
    }
    while node.poll_persist().is_some() {}
    let mut frames = Vec::new();
    let mut rest = stream.as_slice();
    while let Ok(Some(octets)) = Frame::octets(rest) {
        let frame = Frame::decode(&rest[..octets]).expect("well-formed frames");
        frames.push((frame.code, frame.token.to_vec(), frame.payload.to_vec()));
        rest = &rest[octets..];
    }
    frames
}

#[test]
fn connections_are_served_with_their_own_scheme() {
    let mut house = House::new();
    let (stream, now) = (StreamId(1), house.now);
    let remote = "192.0.2.7:40001".parse().expect("an address");
    let local = "192.0.2.1:5683".parse().expect("an address");
    let node = &mut house.node;
    node.handle_stream(now, stream, StreamInput::Opened { remote, local, is_initiator: false });
    node.handle_stream(now, stream, StreamInput::Data(&frame(Code::CSM, &[], &[], &[])));
    let register = frame(
        Code::POST,
        &[1],
        &[(number::URI_PATH, b"rd"), (number::CONTENT_FORMAT, &[40]), (number::URI_QUERY, b"ep=lamp")],
        b"</x>",
    );
    let lookup = frame(Code::GET, &[2], &[(number::URI_PATH, b"rd-lookup"), (number::URI_PATH, b"res")], &[]);
    // Two requests in one piece.
    node.handle_stream(now, stream, StreamInput::Data(&[register, lookup].concat()));
    let answers = frames(node);
    assert!(answers.iter().any(|(code, token, _)| (*code, token.as_slice()) == (Code::CREATED, &[1])), "{answers:?}");
    let found = answers.iter().find(|(_, token, _)| token.as_slice() == [2]).expect("an answer");
    assert_eq!(found.2, b"<coap+tcp://192.0.2.7:40001/x>");
    // Simple registration over a connection fetches over the same connection.
    let simple = frame(
        Code::POST,
        &[3],
        &[(number::URI_PATH, b".well-known"), (number::URI_PATH, b"rd"), (number::URI_QUERY, b"ep=tv")],
        &[],
    );
    node.handle_stream(now, stream, StreamInput::Data(&simple));
    let fetch = frames(node).into_iter().find(|(code, ..)| *code == Code::GET).expect("a fetch");
    let reply = frame(Code::CONTENT, &fetch.1, &[(number::CONTENT_FORMAT, &[40])], b"</screen>");
    node.handle_stream(now, stream, StreamInput::Data(&reply));
    assert!(frames(node).iter().any(|(code, token, _)| (*code, token.as_slice()) == (Code::CHANGED, &[3])));
    node.handle_stream(now, stream, StreamInput::Closed);
    assert_eq!(house.ask(PHONE, get("/rd-lookup/res?ep=tv")).links(), ["<coap+tcp://192.0.2.7:40001/screen>"]);
}
