//! CX, GC: requests of ours to groups.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::crowd::{Crowd, GROUP, get, member};
use super::notation::Msg;
use super::station::{Station, ask, response};
use crate::coap::Response;
use crate::coap::endpoint::{Amplification, Ask, GroupAsk, Refused, Repetition, Settings, Target};
use crate::coap::limits::Limits;
use crate::io::{Destination, Meta, SocketId};

const WINDOW: Duration = Duration::from_secs(7);

fn with_etag(payload: &str, etag: &str, max_age_s: u64) -> Response {
    let mut response = response(Code::CONTENT, payload);
    response.options.push(4, etag.as_bytes());
    response.options.push_uint(14, max_age_s);
    response
}

fn members(count: usize) -> Vec<SocketAddr> {
    (0..count).map(member).collect()
}

/// What a member says to our request, from an address of the test's choice.
fn reply_from(station: &mut Station, request: &Msg, kind: Kind, from: &str, payload: &str) {
    let meta = Meta { socket: SocketId::Group, remote: from.parse().expect("an address"), ..station.meta };
    let reply = Msg {
        kind: Some(kind),
        code: Code::CONTENT,
        message_id: 7,
        options: Vec::new(),
        payload: payload.into(),
        ..request.clone()
    };
    station.deliver(&meta, &reply.encode());
}

#[test]
fn cx1_gc10_our_requests_to_groups_are_non() {
    let mut station = Station::new();
    let to = Target::Datagram { remote: GROUP.parse().expect("an address"), local: None, interface: 2 };
    assert!(matches!(
        station.endpoint.request(station.now, Ask { to, ..ask(Code::GET, "a") }),
        Err(Refused::Invalid(_))
    ));
    assert!(matches!(station.endpoint.ping(station.now, to), Err(Refused::Invalid(_))));
    station.endpoint.request_group(station.now, get("a")).expect("acceptable");
    station.drain()[0].msg().assert("NON GET #* t:* Uri-Path=a");
}

#[test]
fn cx2_requests_to_groups_leave_from_a_port_of_their_own() {
    let mut station = Station::new();
    station.endpoint.request(station.now, ask(Code::GET, "a")).expect("acceptable");
    station.endpoint.request_group(station.now, get("a")).expect("acceptable");
    let sent = station.drain();
    assert_eq!((sent[0].socket(), sent[1].socket()), (SocketId::Client(0), SocketId::Group));
}

#[test]
fn cx2_no_two_messages_from_that_port_have_the_same_id_whoever_they_go_to() {
    let mut crowd = Crowd::new(40);
    crowd.answer(|_| response(Code::CONTENT, &super::station::body(2_000)));
    for _ in 0..3 {
        crowd.ask(get("a"));
        crowd.pass(Duration::from_secs(30));
    }
    let sent = crowd.logged(">");
    let ids: BTreeSet<&str> = sent.iter().filter_map(|line| line.split('#').nth(1)?.split(' ').next()).collect();
    assert!(sent.len() > 200);
    assert_eq!(ids.len(), sent.iter().filter(|line| !line.contains("ACK")).count());
}

#[test]
fn a_request_leaves_by_every_interface_that_was_asked_for() {
    let mut station = Station::new();
    let mut wanted = get("a");
    wanted.group = "[ff02::fd]:5683".parse().expect("an address");
    wanted.interfaces = vec![3, 9];
    station.endpoint.request_group(station.now, wanted).expect("acceptable");
    let sent = station.drain();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].octets, sent[1].octets, "the same message: who hears both processes one");
    for (sent, index) in sent.iter().zip([3, 9]) {
        let Destination::Datagram { remote: SocketAddr::V6(remote), interface, .. } = sent.transmit.to else {
            panic!()
        };
        assert_eq!((remote.scope_id(), interface), (index, index));
    }
}

#[test]
fn gc11_cx4_answers_match_by_token_from_any_address_and_port_and_may_insist() {
    let mut station = Station::new();
    station.endpoint.request_group(station.now, GroupAsk { window: Some(WINDOW), ..get("a") }).expect("acceptable");
    let request = station.drain().remove(0).msg();
    for (from, kind) in [
        ("192.168.0.20:5683", Kind::NonConfirmable),
        ("192.168.0.21:61616", Kind::NonConfirmable),
        ("192.168.0.21:61617", Kind::NonConfirmable),
        ("192.168.0.22:5683", Kind::Confirmable),
    ] {
        reply_from(&mut station, &request, kind, from, from);
        let acknowledged = station.drain();
        assert_eq!(acknowledged.len(), usize::from(kind == Kind::Confirmable), "{from}");
        assert_eq!(station.answers[0].from, from.parse().ok());
        assert_eq!(station.take_answer(), Some(format!("2.05 {from} (open)")));
        // GC11: a CON that comes again because its ACK was lost is acknowledged again, and not delivered again.
        if kind == Kind::Confirmable {
            reply_from(&mut station, &request, kind, from, from);
            station.drain()[0].msg().assert("ACK EMPTY #7");
            assert_eq!(station.take_answer(), None);
        }
    }
    // To another port of ours it does not belong to the request; nor does another token, nor an acknowledgement.
    let stray = Meta { socket: SocketId::Client(0), ..station.meta };
    let reply = Msg { kind: Some(Kind::NonConfirmable), code: Code::CONTENT, options: vec![], ..request.clone() };
    station.deliver(&stray, &reply.encode());
    let group = Meta { socket: SocketId::Group, ..station.meta };
    station.deliver(&group, &Msg { token: vec![1, 2, 3], ..reply.clone() }.encode());
    station.deliver(&group, &Msg { kind: Some(Kind::Acknowledgement), ..reply }.encode());
    station.drain();
    assert_eq!(station.take_answer(), None);
    station.pass(WINDOW);
    assert_eq!(station.take_answer().as_deref(), Some("Timeout"), "the end of the wait");
}

#[test]
fn gc12_gc17_two_hundred_members_answer_once_each_and_are_told_apart() {
    let mut crowd = Crowd::new(200);
    crowd.ask(get("a"));
    crowd.pass(WINDOW);
    let answers = crowd.take_answers();
    let unique: BTreeSet<&String> = answers.iter().collect();
    assert_eq!((answers.len(), unique.len()), (201, 201));
    assert!((0..200).all(|index| unique.contains(&format!("{index}: 2.05 {index}"))));
    assert_eq!(answers.last().map(String::as_str), Some("Timeout"));
    // Spread over the leisure: no half second of the five has more than a quarter of the answers.
    for half in 0..10 {
        let span = Duration::from_millis(half * 500)..Duration::from_millis((half + 1) * 500);
        let count = crowd.log.iter().filter(|(at, line)| line.starts_with('<') && span.contains(at)).count();
        assert!((5..=50).contains(&count), "{count} answers in {span:?}");
    }
}

#[test]
fn gc13_gc17_repetition_reaches_members_that_loss_hid_and_delivers_nothing_twice() {
    for is_same_message in [false, true] {
        let mut found = Vec::new();
        for seed in 0..5 {
            let mut crowd = Crowd::new(200);
            crowd.lose(0.1, seed);
            let repetition = Some(Repetition { times: 1, after: None, is_same_message });
            crowd.ask(GroupAsk { window: Some(2 * WINDOW), repetition, ..get("a") });
            crowd.pass(2 * WINDOW);
            let answers = crowd.take_answers();
            assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), answers.len());
            let requests: Vec<_> = crowd.logged(">*").into_iter().map(str::to_owned).collect();
            assert_eq!(requests.len(), 2);
            assert_eq!(requests[0] == requests[1], is_same_message, "{requests:?}");
            let token = |line: &str| line.split("t:").nth(1).map(|rest| rest[..16].to_owned());
            assert_eq!(token(&requests[0]), token(&requests[1]));
            found.push(answers.len() - 1);
        }
        // Each way loses a tenth: a member answers one request with 0.81, two with 0.96.
        assert!(found.iter().all(|count| (182..=200).contains(count)), "{found:?}");
    }
}

#[test]
fn known_members_that_stay_silent_are_asked_alone() {
    for seed in 0..5 {
        let mut crowd = Crowd::new(200);
        crowd.lose(0.1, seed);
        let repetition = Some(Repetition { times: 1, after: None, is_same_message: false });
        let wanted =
            GroupAsk { members: members(200), asks_silent: true, repetition, window: Some(2 * WINDOW), ..get("a") };
        crowd.ask(wanted);
        crowd.pass(Duration::from_secs(60));
        let answers = crowd.take_answers();
        assert_eq!(answers.len(), 201, "{seed}");
        assert_eq!(answers.last().map(String::as_str), Some("- "), "all are there");
    }
}

#[test]
fn it_ends_with_the_last_known_member_or_with_enough_answers() {
    let mut crowd = Crowd::new(20);
    crowd.ask(GroupAsk { members: members(20), ..get("a") });
    crowd.pass(Duration::from_secs(5) + Duration::from_millis(20));
    assert_eq!(crowd.take_answers().last().map(String::as_str), Some("- "));
    assert_eq!(crowd.client.endpoint.request_count(), 0);
    crowd.ask(GroupAsk { answers_max: Some(3), ..get("a") });
    crowd.pass(WINDOW);
    let answers = crowd.take_answers();
    assert_eq!((answers.len(), answers[3].as_str()), (4, "- "));
    // A member of which nothing is heard is told apart from one that refused.
    crowd.is_lost = Box::new(|_, index, _| index == 5);
    crowd.ask(GroupAsk { members: members(20), asks_silent: true, ..get("a") });
    crowd.pass(Duration::from_secs(300));
    let answers = crowd.take_answers();
    assert_eq!(answers[19..], ["5: Timeout".to_owned(), "Timeout".to_owned()]);
}

#[test]
fn gc14_gc15_gc16_tokens_stay_retired() {
    let limits = Limits { retired_tokens_max: 3, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    let mut tokens = BTreeSet::new();
    for number in 1..=3 {
        // Each time another group: what nobody answers delays the next request to the same one.
        let group = SocketAddr::from(([224, 0, 1, number], 5683));
        let id = station.endpoint.request_group(station.now, GroupAsk { group, ..get("a") }).expect("acceptable");
        let request = station.drain().remove(0).msg();
        assert!(tokens.insert(request.token.clone()), "never the same one");
        station.endpoint.cancel(station.now, id);
        // What still comes belongs to nobody; who insists is rejected.
        reply_from(&mut station, &request, Kind::NonConfirmable, "192.168.0.20:5683", "late");
        assert!(station.drain().is_empty());
        reply_from(&mut station, &request, Kind::Confirmable, "192.168.0.20:5683", "late");
        station.drain()[0].msg().assert("RST EMPTY #7");
        assert_eq!(station.take_answer(), None);
    }
    assert_eq!(station.endpoint.request_group(station.now, get("a")), Err(Refused::TooMany), "rather than reuse");
    let reuse = Settings::default().params.min_token_reuse_time();
    assert!(reuse > Duration::from_secs(500), "250 s and MAX_SERVER_RESPONSE_DELAY: {reuse:?}");
    station.pass(Duration::from_secs(500));
    assert_eq!(station.endpoint.request_group(station.now, get("a")), Err(Refused::TooMany));
    station.pass(Duration::from_secs(2));
    assert!(station.endpoint.request_group(station.now, get("a")).is_ok());
}

#[test]
fn gc18_a_members_answer_serves_later_requests_to_it_alone() {
    let mut crowd = Crowd::new(3);
    crowd.answer(|index| with_etag(&format!("state {index}"), &format!("e{index}"), 60));
    crowd.ask(get("a"));
    crowd.pass(WINDOW);
    crowd.take_answers();
    let to = Target::Datagram { remote: member(1), local: None, interface: 0 };
    let unicast = Ask { to, may_use_cache: true, ..ask(Code::GET, "a") };
    crowd.client.endpoint.request(crowd.client.now, unicast).expect("acceptable");
    assert!(crowd.client.drain().is_empty(), "nothing is sent");
    assert_eq!(crowd.take_answers(), ["1: 2.05 state 1"]);
}

#[test]
fn gc19_no_request_is_needed_when_every_known_member_has_a_fresh_answer() {
    let mut crowd = Crowd::new(3);
    crowd.answer(|index| with_etag(&format!("state {index}"), &format!("e{index}"), 60));
    let wanted = GroupAsk { members: members(3), may_use_cache: true, ..get("a") };
    crowd.ask(wanted.clone());
    crowd.pass(WINDOW);
    crowd.take_answers();
    crowd.ask(wanted.clone());
    assert_eq!(crowd.take_answers(), ["0: 2.05 state 0", "1: 2.05 state 1", "2: 2.05 state 2", "- "]);
    assert_eq!(crowd.logged(">*").len(), 1);
    // One member more than what is known: the group is asked, and what is fresh stands for who stays silent (GC18).
    crowd.is_lost = Box::new(|_, index, _| index == 0);
    crowd.ask(GroupAsk {
        members: [members(3), vec!["192.168.9.9:5683".parse().expect("an address")]].concat(),
        ..wanted
    });
    crowd.pass(WINDOW);
    let mut answers = crowd.take_answers();
    assert_eq!(answers.pop().as_deref(), Some("Timeout"));
    answers.sort();
    assert_eq!(answers, ["0: 2.05 state 0", "1: 2.05 state 1", "2: 2.05 state 2"]);
    assert_eq!(crowd.logged(">*").len(), 2);
}

#[test]
fn gc20_gc21_etags_of_members_are_offered_and_a_foreign_one_is_asked_about_again() {
    let mut crowd = Crowd::new(4);
    // Members 2 and 3 happen to use the same ETag for different states.
    let etag = |index: usize| if index >= 2 { "same".to_owned() } else { format!("e{index}") };
    crowd.answer(|index| with_etag(&format!("state {index}"), &etag(index), 10));
    let wanted = GroupAsk { members: members(4), may_use_cache: true, ..get("a") };
    crowd.ask(wanted.clone());
    crowd.pass(Duration::from_secs(60));
    crowd.take_answers();
    crowd.ask(wanted);
    crowd.pass(WINDOW);
    let request = crowd.logged(">*")[1].to_owned();
    assert!(request.contains("ETag=0x6530") && request.contains("ETag=0x6531"), "{request}");
    assert!(!request.contains("73616d65"), "GC21: not one that two members use: {request}");
    assert_eq!(crowd.logged("2.03").len(), 2);
    let mut answers = crowd.take_answers();
    answers.pop();
    answers.sort();
    assert_eq!(answers, (0..4).map(|index| format!("{index}: 2.05 state {index}")).collect::<Vec<_>>());

    // Member 1 comes to use member 0's ETag: 2.03 says nothing about what is cached of member 1.
    let mut crowd = Crowd::new(2);
    crowd.answer(|index| with_etag(&format!("old {index}"), &format!("e{index}"), 10));
    let wanted = GroupAsk { members: members(2), may_use_cache: true, ..get("a") };
    crowd.ask(wanted.clone());
    crowd.pass(Duration::from_secs(60));
    crowd.take_answers();
    crowd.members[1].answer(with_etag("new 1", "e0", 10));
    crowd.ask(wanted);
    crowd.pass(Duration::from_secs(20));
    let mut answers = crowd.take_answers();
    answers.sort();
    assert_eq!(answers, ["- ", "0: 2.05 old 0", "1: 2.05 new 1"]);
    assert!(crowd.logged(">1 CON GET").iter().all(|line| !line.contains("ETag")), "{:?}", crowd.logged(">1"));
}

#[test]
fn cx5_gc20_a_group_request_carries_no_etag_but_one_that_was_wanted() {
    let mut crowd = Crowd::new(1);
    crowd.answer(|_| with_etag("state", "e", 10));
    crowd.ask(get("a"));
    crowd.pass(WINDOW);
    assert!(!crowd.logged(">*")[0].contains("ETag"));
    crowd.take_answers();
    let mut wanted = get("a");
    wanted.options.push(4, b"e");
    crowd.ask(wanted);
    crowd.pass(WINDOW);
    assert_eq!(crowd.take_answers()[0], "0: 2.03 ");
}

#[test]
fn gc24_one_request_at_a_time_goes_to_a_group_until_somebody_answers() {
    let mut crowd = Crowd::new(1);
    for path in ["a", "b"] {
        crowd.ask(get(path));
    }
    assert_eq!(crowd.logged(">*").len(), 1, "NSTART");
    crowd.pass(Duration::from_secs(5) + Duration::from_millis(20));
    assert_eq!(crowd.logged(">*").len(), 2, "the first was answered");
    // Another group has a count of its own.
    crowd.ask(GroupAsk { group: "224.0.1.190:5683".parse().expect("an address"), ..get("c") });
    assert_eq!(crowd.logged(">*").len(), 3);
}

#[test]
fn gc24_a_group_of_which_nobody_answers_gets_no_more_than_the_probing_rate() {
    let mut crowd = Crowd::new(0);
    for _ in 0..20 {
        crowd.ask(GroupAsk { window: Some(Duration::from_secs(1)), ..get("a") });
    }
    crowd.pass(Duration::from_secs(600));
    let sent: Vec<_> = crowd.log.iter().collect();
    assert!(sent.len() > 3);
    // 14 octets at one octet a second, after the time in which answers could still come.
    for pair in sent.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= Duration::from_secs(14), "{:?}", sent);
    }
}

#[test]
fn gc41_gc63_requests_that_make_no_sense_in_a_group_are_refused() {
    let mut station = Station::new();
    let mut refused = |wanted: GroupAsk| {
        assert!(matches!(station.endpoint.request_group(station.now, wanted), Err(Refused::Invalid(_))));
    };
    refused(GroupAsk { group: "224.0.1.187:5684".parse().expect("an address"), ..get("a") });
    refused(GroupAsk { group: "192.168.0.1:5683".parse().expect("an address"), ..get("a") });
    refused(GroupAsk { code: Code::PUT, payload: vec![0; 2_000], ..get("a") });
    refused(GroupAsk { code: Code::PUT, is_observation: true, ..get("a") });
    refused(GroupAsk { block_szx: Some(7), ..get("a") });
    refused(GroupAsk { members: vec![GROUP.parse().expect("an address")], ..get("a") });
}

#[test]
fn gc86_ec1_a_member_that_asks_for_proof_gets_it_alone() {
    let mut crowd = Crowd::new(3);
    crowd.answer(|index| response(Code::CONTENT, &format!("{index}{}", super::station::body(40))));
    // Too much for a request that small, too little for a smaller block: see the member's side.
    crowd.members[1] = Station::with(Settings { amplification: Amplification::Off, ..Settings::default() });
    crowd.members[1].now = crowd.client.now;
    crowd.members[1].answer(response(Code::UNAUTHORIZED, ""));
    let mut proof = response(Code::UNAUTHORIZED, "");
    proof.options.push(252, &[1, 2, 3]);
    proof.to_groups.tells_errors = true;
    crowd.members[1].app = Box::new(move |request| {
        let is_proved = request.option(252).is_some_and(|option| option.value == [1, 2, 3]);
        super::station::Act::Respond(if is_proved { response(Code::CONTENT, "now") } else { proof.clone() })
    });
    crowd.ask(get("a"));
    crowd.pass(Duration::from_secs(20));
    assert!(crowd.take_answers().contains(&"1: 2.05 now".to_owned()));
    let proved = crowd.logged("Echo=0x010203");
    assert_eq!(proved.iter().filter(|line| line.starts_with('>')).count(), 1, "EC2: to nobody else: {proved:?}");
    assert!(proved.iter().any(|line| line.starts_with(">1 CON GET")));
}

#[test]
fn nr3_a_request_that_wants_no_response_ends_without_one() {
    let mut crowd = Crowd::new(3);
    let mut wanted = GroupAsk { code: Code::PUT, payload: b"on".to_vec(), ..get("light") };
    wanted.options.push_uint(258, 26);
    crowd.ask(wanted);
    crowd.pass(Duration::from_secs(30));
    assert_eq!((crowd.take_answers(), crowd.logged("<").len()), (vec!["- ".to_owned()], 0));
    assert!(crowd.members.iter().all(|member| member.seen.len() == 1));
}

#[test]
fn five_thousand_answers_within_a_second_are_all_delivered() {
    let mut station = Station::new();
    station.endpoint.request_group(station.now, get("a")).expect("acceptable");
    let request = station.drain().remove(0).msg();
    for index in 0..5_000u32 {
        let from = format!("10.0.{}.{}:5683", index / 250, index % 250);
        reply_from(&mut station, &request, Kind::NonConfirmable, &from, &index.to_string());
    }
    station.drain();
    assert_eq!(station.answers.len(), 5_000);
}

#[test]
fn members_that_are_told_apart_are_bounded() {
    let limits = Limits { group_members_max: 3, ..Limits::default() };
    let mut station = Station::with(Settings { limits, ..Settings::default() });
    station.endpoint.request_group(station.now, get("a")).expect("acceptable");
    let request = station.drain().remove(0).msg();
    for index in 0..10 {
        let from = format!("192.168.3.{index}:5683");
        reply_from(&mut station, &request, Kind::NonConfirmable, &from, "x");
    }
    station.drain();
    assert_eq!((station.answers.len(), station.endpoint.counters().dropped_at_limit), (3, 7));
    assert_eq!(
        station.endpoint.request_group(station.now, GroupAsk { members: members(4), ..get("a") }),
        Err(Refused::TooMany)
    );
}

#[test]
fn gc53_what_follows_leaves_from_the_address_that_the_member_knows() {
    let mut station = Station::new();
    station.endpoint.request_group(station.now, get("a")).expect("acceptable");
    let request = station.drain().remove(0).msg();
    let local = "192.168.0.1".parse().ok();
    let meta = Meta { socket: SocketId::Group, remote: member(0), local, interface: 3, ..station.meta };
    let first = Msg {
        code: Code::CONTENT,
        message_id: 7,
        options: vec![(23, vec![0b1000])],
        payload: vec![b'x'; 16],
        ..request.clone()
    };
    station.deliver(&meta, &first.encode());
    let sent = station.drain().remove(0);
    let expected = Destination::Datagram { socket: SocketId::Group, remote: member(0), local, interface: 3 };
    assert_eq!(sent.transmit.to, expected);
}
