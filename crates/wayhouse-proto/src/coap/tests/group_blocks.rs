//! BW11, GC60–GC62: bodies of members that need several blocks.

use std::time::Duration;

use wayhouse_wire::coap::Code;

use super::crowd::{Crowd, get, member};
use super::station::{body, response};
use crate::coap::endpoint::{Amplification, FollowUp, GroupAsk, Repetition, Settings};

fn crowd(octets: &[usize], szx: &[u8]) -> Crowd {
    let mut crowd = Crowd::with(0, &Settings::default());
    crowd.octets = vec![(0, 0); octets.len()];
    for (index, octets) in octets.iter().enumerate() {
        let settings =
            Settings { amplification: Amplification::Off, block_szx: szx[index % szx.len()], ..Settings::default() };
        let mut member = super::station::Station::with(settings.clone());
        member.endpoint = crate::coap::Endpoint::new(settings, 100 + index as u64);
        (member.now, member.started) = (crowd.client.now, crowd.client.started);
        member.answer(response(Code::CONTENT, &body(*octets)));
        crowd.members.push(member);
    }
    crowd
}

fn bodies(crowd: &mut Crowd) -> Vec<(String, usize)> {
    let mut answers: Vec<_> = crowd
        .take_answers()
        .into_iter()
        .filter_map(|answer| answer.split_once(": 2.05 ").map(|(member, body)| (member.to_owned(), body.len())))
        .collect();
    answers.sort();
    answers
}

#[test]
fn bw11_gc60_the_rest_of_each_answer_comes_by_unicast() {
    let mut crowd = crowd(&[2_000, 10, 5_000], &[6]);
    crowd.ask(get("a"));
    crowd.pass(Duration::from_secs(20));
    assert_eq!(bodies(&mut crowd), [("0".into(), 2_000), ("1".into(), 10), ("2".into(), 5_000)]);
    assert_eq!(crowd.logged(">*").len(), 1);
    assert_eq!(crowd.logged(">0 CON GET").len(), 1);
    assert!(crowd.logged(">2 CON GET")[0].contains("Block2=1/0/1024"));
}

#[test]
fn gc60_the_rest_comes_by_requests_to_the_group_where_that_is_wanted() {
    let mut crowd = crowd(&[2_000, 10, 3_000, 2_000], &[6]);
    crowd.ask(GroupAsk { follow_up: FollowUp::Group, ..get("a") });
    crowd.pass(Duration::from_secs(60));
    let expected = [("0".into(), 2_000), ("1".into(), 10), ("2".into(), 3_000), ("3".into(), 2_000)];
    assert_eq!(bodies(&mut crowd), expected);
    let asked = crowd.logged(">*");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("Block2=1/0/1024") && asked[2].contains("Block2=2/0/1024"));
    assert_eq!(crowd.logged("CON GET").len(), 0, "nobody is asked alone");
}

#[test]
fn gc62_members_with_different_block_sizes_are_asked_in_the_smallest() {
    let mut crowd = crowd(&[3_000, 3_000, 3_000], &[6, 4, 5]);
    crowd.ask(GroupAsk { follow_up: FollowUp::Group, ..get("a") });
    crowd.pass(Duration::from_secs(120));
    assert_eq!(bodies(&mut crowd), [("0".into(), 3_000), ("1".into(), 3_000), ("2".into(), 3_000)]);
    let asked = crowd.logged(">*");
    assert!(asked[1].contains("Block2=1/0/256"), "the foremost one first: {asked:?}");
    assert!(asked[1..].iter().all(|line| line.contains("/0/256")), "{asked:?}");
}

#[test]
fn gc60_who_misses_a_block_of_the_group_is_asked_alone() {
    let mut crowd = crowd(&[3_000, 3_000], &[6]);
    crowd.is_lost = Box::new(|message, index, goes_to_member| {
        goes_to_member
            && index == 1
            && message.uint(23).is_some_and(|block| block >> 4 == 1)
            && message.kind != Some(wayhouse_wire::coap::Kind::Confirmable)
    });
    crowd.ask(GroupAsk { follow_up: FollowUp::Group, ..get("a") });
    crowd.pass(Duration::from_secs(120));
    assert_eq!(bodies(&mut crowd), [("0".into(), 3_000), ("1".into(), 3_000)]);
    assert!(!crowd.logged(">1 CON GET").is_empty());
    assert!(crowd.logged(">0 CON GET").is_empty());
}

#[test]
fn gc25_a_client_may_ask_for_small_blocks_from_the_start() {
    let mut crowd = crowd(&[100], &[6]);
    crowd.ask(GroupAsk { block_szx: Some(2), ..get(".well-known/core") });
    crowd.pass(Duration::from_secs(20));
    assert!(crowd.logged(">*")[0].contains("Block2=0/0/64"));
    assert_eq!(bodies(&mut crowd), [("0".into(), 100)]);
}

#[test]
fn blocks_from_the_group_end_the_repetitions_of_its_first_request() {
    // Found by fuzzing: a repetition came due after the group was asked for the next block.
    let mut crowd = crowd(&[3_000], &[6]);
    let repetition = Some(Repetition { times: 3, after: Some(Duration::from_secs(30)), is_same_message: false });
    crowd.ask(GroupAsk { follow_up: FollowUp::Group, repetition, window: Some(Duration::from_secs(7)), ..get("a") });
    crowd.pass(Duration::from_secs(300));
    assert_eq!(bodies(&mut crowd), [("0".into(), 3_000)]);
    assert_eq!(crowd.logged(">*").len(), 3);
}

#[test]
fn a_first_block_that_comes_after_the_window_does_not_keep_a_request_for_ever() {
    let mut crowd = crowd(&[3_000, 3_000], &[6]);
    crowd.is_lost = Box::new(|_, index, _| index == 1);
    crowd.ask(GroupAsk {
        follow_up: FollowUp::Group,
        members: vec![member(0), member(1)],
        asks_silent: true,
        window: Some(Duration::from_millis(1)),
        ..get("a")
    });
    crowd.pass(Duration::from_secs(300));
    assert_eq!(crowd.client.endpoint.request_count(), 0);
    assert!(crowd.take_answers().iter().any(|answer| answer.starts_with("0: 2.05")));
}
