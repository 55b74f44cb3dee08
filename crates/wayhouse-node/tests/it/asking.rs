//! Questions of persons to groups.

use std::net::SocketAddr;
use std::time::Duration;

use wayhouse_node::face::operator::asking::{AskId, GroupAnswer, GroupQuestion};
use wayhouse_node::{Command, Event, Reply, limits};
use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_registry::Refusal;
use wayhouse_wire::coap::{Code, Encoder, Kind};

use crate::house::{Answer, House, get, meta};

const QUESTION: &str = "coap://[ff05::fd]/gp/hall/light";

fn listening() -> House {
    let mut house = House::new();
    house.node.set_event_interest(true);
    house
}

fn ask(house: &mut House, question: GroupQuestion) -> Result<AskId, Refusal> {
    let reply = house.node.command(house.now, Command::AskGroup(question))?;
    house.drain();
    match reply {
        Reply::Asking(id) => Ok(id),
        other => panic!("{other:?}"),
    }
}

fn question(uri: &str) -> GroupQuestion {
    GroupQuestion { uri: uri.into(), ..GroupQuestion::default() }
}

fn reply(house: &mut House, to: &Answer, from: &str, payload: &str) {
    let mut bytes = Vec::new();
    Encoder::datagram(&mut bytes, Kind::NonConfirmable, Code::CONTENT, 1, &to.token).payload(payload.as_bytes());
    let meta = Meta { socket: SocketId::Group, ..meta(from) };
    house.node.handle_datagram(house.now, &meta, &bytes);
    house.drain();
}

fn answers(house: &mut House) -> Vec<GroupAnswer> {
    let mut answers = Vec::new();
    while let Some(event) = house.node.poll_event() {
        if let Event::Answered(answer) = event {
            answers.push(answer);
        }
    }
    answers
}

#[test]
fn a_person_asks_a_group_and_hears_each_member() {
    let mut house = listening();
    let id = ask(&mut house, question(QUESTION)).expect("a question");
    let sent = house.sent.pop().expect("a request to the group");
    assert_eq!(
        (sent.to.to_string().as_str(), sent.kind, sent.code),
        ("[ff05::fd]:5683", Kind::NonConfirmable, Code::GET)
    );
    assert_eq!(sent.all(11), ["gp", "hall", "light"]);
    for member in ["[2001:db8::21]:5683", "[2001:db8::22]:61616"] {
        reply(&mut house, &sent, member, member);
    }
    let heard = answers(&mut house);
    let members: Vec<Option<SocketAddr>> = heard.iter().map(|answer| answer.from).collect();
    assert_eq!(members, [sent_address("[2001:db8::21]:5683"), sent_address("[2001:db8::22]:61616")]);
    assert!(heard.iter().all(|answer| answer.ask == id && matches!(answer.outcome, Some(Ok(_)))));
    house.advance_s(8);
    assert_eq!(answers(&mut house), [GroupAnswer { ask: id, from: None, outcome: None }]);
}

fn sent_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

#[test]
fn what_is_no_question_to_a_group_is_refused() {
    let mut house = listening();
    for uri in [
        "coap://[2001:db8::1]/",
        "coap://lamp.example/",
        "coaps://[ff05::fd]/",
        "coap://[ff05::fd]:5684/",
        "http://[ff05::fd]/",
        "ff05::fd",
    ] {
        assert!(matches!(ask(&mut house, question(uri)), Err(Refusal::Invalid { .. })), "{uri}");
    }
    let long = GroupQuestion { window: Some(Duration::from_secs(601)), ..question(QUESTION) };
    assert!(matches!(ask(&mut house, long), Err(Refusal::Invalid { .. })));
    assert!(house.sent.is_empty());
}

#[test]
fn questions_are_bounded_and_can_be_forgotten() {
    let mut house = listening();
    let mut last = None;
    for number in 0..limits::GROUP_QUESTIONS_MAX {
        let uri = format!("coap://[ff05::{:x}]/", number + 1);
        last = Some(ask(&mut house, question(&uri)).expect("there is room"));
    }
    assert!(matches!(ask(&mut house, question(QUESTION)), Err(Refusal::Full { .. })));
    let stopped = house.node.command(house.now, Command::StopAsking(last.expect("some")));
    assert!(matches!(stopped, Ok(Reply::Stopped)));
    assert!(ask(&mut house, question(QUESTION)).is_ok());
    // The house goes on answering others.
    assert_eq!(house.ask(crate::house::PHONE, get("/")).code, Code::CONTENT);
}
