//! GC50–GC58: observations of a whole group.

use std::collections::BTreeMap;
use std::time::Duration;

use wayhouse_wire::coap::{Code, Kind};

use super::crowd::{Crowd, get, member};
use super::station::{Station, observable, response};
use crate::coap::endpoint::{Amplification, GroupAsk, RequestId, Settings};
use crate::coap::params::Params;

fn observing() -> GroupAsk {
    GroupAsk { is_observation: true, ..get("o") }
}

/// Members that need no proof of who asks, and so take registrations from the group's request.
fn trusting(members: usize) -> Crowd {
    let mut crowd = Crowd::with(members, &Settings { amplification: Amplification::Off, ..Settings::default() });
    crowd.answer(|index| observable(&format!("{index} first")));
    crowd
}

/// What was told of each member last.
fn latest(crowd: &mut Crowd, told: &mut BTreeMap<String, String>) {
    for answer in crowd.take_answers() {
        if let Some((member, text)) = answer.split_once(": ") {
            told.insert(member.to_owned(), text.to_owned());
        }
    }
}

fn change(crowd: &mut Crowd, index: usize, text: &str) {
    let state = observable(text);
    crowd.members[index].answer(state.clone());
    crowd.members[index].state = state;
    let station = &mut crowd.members[index];
    for observer in station.observers.clone() {
        station.endpoint.mark_changed(station.now, observer);
    }
}

fn registered(crowd: &Crowd) -> usize {
    crowd.members.iter().map(|member| member.endpoint.observer_count()).sum()
}

#[test]
fn gc50_gc53_one_request_registers_at_all_members_with_one_token() {
    let mut crowd = trusting(20);
    crowd.ask(observing());
    crowd.pass(Duration::from_secs(7));
    assert_eq!((registered(&crowd), crowd.take_answers().len()), (20, 20), "and it stays open");
    for index in 0..20 {
        change(&mut crowd, index, &format!("{index} second"));
    }
    crowd.pass(Duration::from_secs(12));
    let answers = crowd.take_answers();
    assert_eq!(answers.len(), 20, "{answers:?}");
    assert!((0..20).all(|index| answers.contains(&format!("{index}: 2.05 {index} second"))));
    let token = |line: &str| line.split("t:").nth(1).map(|rest| rest[..16].to_owned());
    let first = token(crowd.logged(">*")[0]);
    assert!(crowd.log.iter().filter(|(_, line)| line.contains("2.05")).all(|(_, line)| token(line) == first));
}

#[test]
fn gc86_members_that_want_proof_are_registered_at_one_by_one() {
    let mut crowd = Crowd::new(10);
    crowd.answer(|index| observable(&index.to_string()));
    crowd.ask(observing());
    crowd.pass(Duration::from_secs(10));
    assert_eq!((registered(&crowd), crowd.take_answers().len()), (10, 10));
    let group = crowd.logged(">*")[0].to_owned();
    let alone = crowd.logged(">3 CON GET")[0].to_owned();
    let part =
        |line: &str, mark: &str| line.split(mark).nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    assert_eq!(part(&group, "t:"), part(&alone, "t:"), "GC53");
    assert_ne!(part(&group, "#"), part(&alone, "#"), "GC51");
    assert!(alone.contains("Echo="), "{alone}");
}

#[test]
fn gc51_gc53_a_member_that_was_not_reached_is_caught_up_with() {
    let mut crowd = trusting(10);
    let wanted = GroupAsk { members: (0..10).map(member).collect(), asks_silent: true, ..observing() };
    crowd.is_lost = Box::new(|message, index, _| index == 4 && message.kind == Some(Kind::NonConfirmable));
    crowd.ask(wanted);
    crowd.pass(Duration::from_secs(12));
    assert_eq!(registered(&crowd), 10);
    assert!(crowd.take_answers().contains(&"4: 2.05 4 first".to_owned()));
    assert_eq!(crowd.logged(">4 CON GET").len(), 1);
    assert!(crowd.logged(">4 CON GET")[0].contains("Observe=0"));
}

#[test]
fn gc50_gc51_members_whose_notifications_stop_are_asked_again() {
    let mut crowd = trusting(40);
    crowd.ask(observing());
    crowd.pass(Duration::from_secs(7));
    crowd.take_answers();
    // One member restarts and has forgotten everything: it is asked alone.
    let settings = Settings { amplification: Amplification::Off, ..Settings::default() };
    crowd.members[7].endpoint = crate::coap::Endpoint::new(settings.clone(), 999);
    crowd.members[7].observers.clear();
    for round in 0..6 {
        crowd.pass(Duration::from_secs(20));
        for index in (0..40).filter(|index| *index != 7) {
            change(&mut crowd, index, &format!("{index} at {round}"));
        }
    }
    crowd.pass(Duration::from_secs(30));
    assert_eq!(registered(&crowd), 40);
    assert!(!crowd.logged(">7 CON GET").is_empty());
    assert_eq!(crowd.logged(">*").len(), 1, "the group was not bothered");
    // All go quiet: one request to the group serves them together.
    let asked_alone = crowd.logged("CON GET").iter().filter(|line| line.starts_with('>')).count();
    crowd.pass(Duration::from_secs(100));
    assert!(crowd.logged(">*").len() > 1);
    let alone = crowd.logged("CON GET").iter().filter(|line| line.starts_with('>')).count() - asked_alone;
    assert!(alone < 30, "{alone} of 40 asked alone");
}

#[test]
fn a_hundred_members_change_ten_times_under_loss_and_every_last_value_arrives() {
    for seed in 0..3 {
        for amplification in [Amplification::Off, Amplification::Global] {
            let mut crowd = Crowd::with(100, &Settings { amplification, ..Settings::default() });
            crowd.answer(|index| observable(&format!("{index} first")));
            crowd.lose(0.05, seed);
            crowd.ask(GroupAsk { members: (0..100).map(member).collect(), asks_silent: true, ..observing() });
            let mut told = BTreeMap::new();
            for round in 0..10 {
                crowd.pass(Duration::from_secs(8));
                for index in 0..100 {
                    change(&mut crowd, index, &format!("{index} at {round}"));
                }
                latest(&mut crowd, &mut told);
            }
            crowd.pass(Duration::from_secs(200));
            latest(&mut crowd, &mut told);
            let wrong: Vec<_> = (0..100)
                .filter(|index| told.get(&index.to_string()) != Some(&format!("2.05 {index} at 9")))
                .map(|index| (index, told.get(&index.to_string()).cloned()))
                .collect();
            assert!(wrong.is_empty(), "seed {seed} {amplification:?}: {wrong:?}");
        }
    }
}

#[test]
fn gc58_cancelling_reaches_all_and_who_missed_it_is_told_at_its_next_notification() {
    let mut crowd = trusting(20);
    let id = crowd.ask(observing());
    crowd.pass(Duration::from_secs(7));
    crowd.take_answers();
    // Member 3 does not hear of it.
    crowd.is_lost = Box::new(|message, index, goes| goes && index == 3 && message.uint(6) == Some(1));
    crowd.client.endpoint.cancel(crowd.client.now, id);
    crowd.pass(Duration::from_secs(7));
    assert!(crowd.logged(">*")[1].contains("Observe=1"));
    assert_eq!((registered(&crowd), crowd.take_answers().len()), (1, 0));
    change(&mut crowd, 3, "more");
    crowd.pass(Duration::from_secs(12));
    assert_eq!((registered(&crowd), crowd.take_answers().len()), (0, 0));
    assert_eq!(crowd.logged(">3 RST").len(), 1);
}

#[test]
fn gc58_one_member_can_be_cancelled_alone() {
    let mut crowd = trusting(5);
    let id = crowd.ask(observing());
    crowd.pass(Duration::from_secs(7));
    crowd.take_answers();
    crowd.client.endpoint.cancel_member(crowd.client.now, id, member(2));
    crowd.pass(Duration::from_secs(2));
    assert_eq!((registered(&crowd), crowd.members[2].endpoint.observer_count()), (4, 0));
    crowd.client.endpoint.cancel_member(crowd.client.now, RequestId(99), member(2));
}

#[test]
fn gc52_repetitions_and_windows_reckon_with_leisure_and_round_trip() {
    let station = Station::new();
    let leisure = Params::default().default_leisure;
    assert!(station.endpoint.repetition_spacing() > leisure && station.endpoint.default_window() > leisure);
}

#[test]
fn ob3_notifications_that_overtake_each_other_are_told_in_order() {
    let mut station = Station::new();
    station.endpoint.request_group(station.now, observing()).expect("acceptable");
    let request = station.drain().remove(0).msg();
    let mut hear = |from: usize, observe: u8, payload: &str| {
        let meta = crate::io::Meta { socket: crate::io::SocketId::Group, remote: member(from), ..station.meta };
        let text = super::notation::Msg {
            code: Code::CONTENT,
            message_id: 100 + u16::from(observe),
            options: vec![(6, vec![observe])],
            payload: payload.into(),
            ..request.clone()
        };
        station.deliver(&meta, &text.encode());
        station.drain();
        station.take_answer()
    };
    assert_eq!(hear(0, 5, "five").as_deref(), Some("2.05 five (open)"));
    assert_eq!(hear(0, 4, "four"), None);
    assert_eq!(hear(1, 4, "another").as_deref(), Some("2.05 another (open)"), "each member has its own order");
    assert_eq!(hear(0, 6, "six").as_deref(), Some("2.05 six (open)"));
}

#[test]
fn a_member_that_answers_plainly_is_not_observed() {
    let mut crowd = trusting(2);
    crowd.members[1].answer(response(Code::CONTENT, "plain"));
    crowd.ask(observing());
    crowd.pass(Duration::from_secs(7));
    assert!(crowd.take_answers().contains(&"1: 2.05 plain".to_owned()));
    crowd.pass(Duration::from_secs(120));
    assert!(crowd.logged(">1 CON").is_empty(), "{:?}", crowd.logged(">1"));
}
