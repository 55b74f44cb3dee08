//! One change, many subscribers: nobody else waits for them, and each hears of everything in order.

use std::collections::BTreeMap;

use wayhouse_node::Command;
use wayhouse_node::config::{Dialects, Transport};
use wayhouse_node::face::operator::Entry;
use wayhouse_node::limits::DNS_TELLINGS_PER_CALL;
use wayhouse_proto::io::{Destination, StreamId, StreamInput};
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::push_tlv::{ChangeKind, Changes, encode_subscribe};
use wayhouse_wire::dns::{Class, DsoMessage, DsoWriter, Name, Question, Rtype};

use crate::house::House;
use crate::resolver::{framed, sent, unframed};

const BROWSE: &str = "_coap._udp.services.home.arpa";
const SUBSCRIBERS: usize = 2 * DNS_TELLINGS_PER_CALL + 10;

fn subscribe(house: &mut House, stream: u64, id: u16, rtype: Rtype) -> Vec<String> {
    let name = Name::parse(BROWSE).unwrap();
    let mut message = Vec::new();
    let question = Question { name: name.as_ref(), rtype, class: Class::IN };
    encode_subscribe(&mut DsoWriter::request(&mut message, id), &question);
    house.node.handle_stream(house.now, StreamId(stream), StreamInput::Data(&framed(&message)));
    told(house).remove(&stream).unwrap_or_default()
}

/// What each connection is told: answers, and additions and removals with the first label of the instance.
fn told(house: &mut House) -> BTreeMap<u64, Vec<String>> {
    let mut all: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (to, octets) in sent(&mut house.node) {
        let Destination::Stream(StreamId(stream)) = to else { panic!("{to:?}") };
        for bytes in unframed(&octets) {
            let message = DsoMessage::decode(&bytes, DsoDialect::Rfc8490).unwrap();
            if message.is_response {
                all.entry(stream).or_default().push(format!("{}", message.rcode));
                continue;
            }
            for change in Changes::decode(&bytes, &message.primary().unwrap(), PushDialect::Rfc8765).unwrap() {
                let mut rdata = Vec::new();
                change.expand_rdata(&mut rdata).unwrap();
                let label = String::from_utf8_lossy(rdata.get(1..2).unwrap_or_default()).into_owned();
                let sign = if matches!(change.kind, ChangeKind::Add { .. }) { "+" } else { "-" };
                all.entry(stream).or_default().push(sign.to_owned() + &label);
            }
        }
    }
    all
}

fn register(house: &mut House, endpoint_name: &str) {
    let entry = Entry {
        endpoint_name: endpoint_name.into(),
        base: "coap://[fd00::9]".into(),
        links: "</a>".into(),
        lifetime_s: 90_000,
        ..Entry::default()
    };
    house.node.command(house.now, Command::Register(entry)).unwrap();
}

fn crowd() -> House {
    let mut house = House::new();
    for stream in 1..=SUBSCRIBERS as u64 {
        house.open_dns_as(stream, Transport::Tls, Dialects::default());
        assert_eq!(subscribe(&mut house, stream, 7, Rtype::PTR), ["NOERROR"]);
    }
    house
}

#[test]
fn a_change_is_told_in_portions_and_a_wakeup_asked_for_at_once() {
    let mut house = crowd();
    register(&mut house, "a");
    let mut heard: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut calls = 0;
    loop {
        let portion = told(&mut house);
        assert!(portion.len() <= DNS_TELLINGS_PER_CALL);
        portion.into_iter().for_each(|(stream, lines)| heard.entry(stream).or_default().extend(lines));
        calls += 1;
        if heard.len() == SUBSCRIBERS {
            break;
        }
        assert!(house.node.poll_timeout().unwrap().at <= house.now);
        house.node.handle_timeout(house.now);
    }
    assert_eq!(calls, 3);
    assert!(heard.values().all(|lines| *lines == ["+a"]));
    house.node.handle_timeout(house.now);
    assert!(house.node.poll_timeout().unwrap().at > house.now);
}

/// PU16: whoever asks something in the meantime hears first what it was to hear, once, and then how things are.
#[test]
fn pu16_pu23_changes_are_told_in_order_also_to_who_asks_meanwhile() {
    let mut house = crowd();
    register(&mut house, "a");
    told(&mut house);
    let last = SUBSCRIBERS as u64;
    register(&mut house, "b");
    told(&mut house);
    // The last connection has heard of neither change; the type is another, so that the subscription is one more.
    let lines = subscribe(&mut house, last, 8, Rtype::ANY);
    assert_eq!(lines, ["+a", "+b", "NOERROR", "+a", "+b"]);
    let mut heard = Vec::new();
    while house.node.poll_timeout().unwrap().at <= house.now {
        house.node.handle_timeout(house.now);
        for (stream, lines) in told(&mut house) {
            assert_ne!(stream, last, "it has heard everything");
            if stream == last - 1 {
                heard.extend(lines);
            }
        }
    }
    assert_eq!(heard, ["+a", "+b"]);
}

/// Whoever goes away meanwhile is told nothing, and nobody is forgotten for it.
#[test]
fn a_subscriber_that_leaves_meanwhile_is_passed_over() {
    let mut house = crowd();
    register(&mut house, "a");
    let first = told(&mut house).len();
    let gone = DNS_TELLINGS_PER_CALL as u64 + 5;
    house.node.handle_stream(house.now, StreamId(gone), StreamInput::Closed);
    let mut heard = first;
    while house.node.poll_timeout().unwrap().at <= house.now {
        house.node.handle_timeout(house.now);
        let portion = told(&mut house);
        assert!(!portion.contains_key(&gone));
        heard += portion.len();
    }
    assert_eq!(heard, SUBSCRIBERS - 1);
}
