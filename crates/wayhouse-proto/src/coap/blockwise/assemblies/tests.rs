use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_wire::coap::option::number::*;
use wayhouse_wire::coap::{BlockValue, Code};

use super::{Assemblies, Gathered};
use crate::coap::matching::sample::{self, Sample, seconds};
use crate::io::{Peer, SocketId, StreamId};
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

const BODY_OCTETS_MAX: usize = 10_000;
const OCTETS_MAX: usize = 40_000;
const LIFETIME: Duration = seconds(247);

struct Bench {
    assemblies: Assemblies,
    now: Instant,
}

/// A request for one block, the usual one changed as a test wants.
#[derive(Clone, Copy)]
struct Ask<'a> {
    peer: u16,
    method: Code,
    options: &'a [(u16, &'a [u8])],
    szx_max: u8,
}

const PUT: Ask<'static> = Ask { peer: 1, method: Code::PUT, options: &[(URI_PATH, b"store")], szx_max: 6 };

impl Bench {
    fn new() -> Bench {
        let hasher = KeyedState::new(&mut Rng::new(1));
        Bench { assemblies: Assemblies::new(BODY_OCTETS_MAX, OCTETS_MAX, LIFETIME, hasher), now: sample::start() }
    }
    fn send(&mut self, ask: Ask<'_>, block: (u32, bool, u8), payload: &[u8]) -> Gathered {
        let value = sample::block(block.0, block.1, block.2);
        let mut options = ask.options.to_vec();
        options.push((BLOCK1, &value));
        let message = Sample::new(&options);
        let peer = datagram_peer(ask.peer);
        self.assemblies.accept(self.now, peer, ask.method, message.options(), payload, ask.szx_max)
    }
}

fn datagram_peer(port: u16) -> Peer {
    Peer::Datagram { socket: SocketId::Listener(0), remote: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
}

fn continues(num: u32, szx: u8) -> Gathered {
    Gathered::Continue(BlockValue { num, more: true, szx })
}

fn completes(num: u32, szx: u8, body: &[u8]) -> Gathered {
    let block = BlockValue { num, more: false, szx };
    Gathered::Complete { block, body: body.to_vec(), if_none_match: false }
}

#[test]
fn bw6_blocks_in_order_become_the_body() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(PUT, (0, true, 0), &[1; 16]), continues(0, 0));
    assert_eq!(bench.send(PUT, (1, true, 0), &[2; 16]), continues(1, 0));
    let body = [&[1; 16][..], &[2; 16], &[3; 5]].concat();
    assert_eq!(bench.send(PUT, (2, false, 0), &[3; 5]), completes(2, 0, &body));
    assert_eq!(bench.assemblies.octets(), 0);
    // What is done is done: the last block alone is no body.
    assert_eq!(bench.send(PUT, (2, false, 0), &[3; 5]), Gathered::Incomplete);
}

#[test]
fn bw1_a_request_without_block1_is_whole_and_an_empty_value_is_block_0_of_16() {
    let mut bench = Bench::new();
    let message = Sample::new(PUT.options);
    let whole = bench.assemblies.accept(bench.now, datagram_peer(1), Code::PUT, message.options(), &[0; 900], 6);
    assert_eq!(whole, Gathered::Whole);
    assert_eq!(bench.send(PUT, (0, false, 0), &[7; 9]), completes(0, 0, &[7; 9]));
}

#[test]
fn bw2_a_payload_of_another_size_than_its_block_is_a_bad_request() {
    let mut bench = Bench::new();
    for (block, octets) in [((0, true, 1), 31), ((0, true, 1), 33), ((0, true, 1), 0), ((0, false, 1), 33)] {
        assert!(matches!(bench.send(PUT, block, &vec![0; octets]), Gathered::Bad(_)), "{block:?} {octets}");
    }
    assert_eq!(bench.assemblies.octets(), 0);
}

#[test]
fn bw1_tc4_size_7_is_reserved_where_there_is_no_bert() {
    let mut bench = Bench::new();
    assert!(matches!(bench.send(PUT, (0, true, 7), &[0; 1024]), Gathered::Bad(_)));
    let bert = Ask { szx_max: 7, ..PUT };
    assert_eq!(bench.send(bert, (0, true, 7), &[1; 3072]), continues(0, 7));
    assert!(matches!(bench.send(bert, (3, true, 7), &[2; 1500]), Gathered::Bad(_)));
    let body = [&[1; 3072][..], &[2; 1500]].concat();
    assert_eq!(bench.send(bert, (3, false, 7), &[2; 1500]), completes(3, 7, &body));
}

#[test]
fn bw3_the_server_prefers_smaller_blocks_and_the_client_may_follow() {
    let mut bench = Bench::new();
    let small = Ask { szx_max: 2, ..PUT };
    assert_eq!(bench.send(small, (0, true, 4), &[1; 256]), continues(0, 2));
    // 256 octets are there: four blocks of 64.
    assert_eq!(bench.send(small, (4, true, 2), &[2; 64]), continues(4, 2));
    let body = [&[1; 256][..], &[2; 64], &[3; 1]].concat();
    assert_eq!(bench.send(small, (5, false, 2), &[3; 1]), completes(5, 2, &body));
}

#[test]
fn bw4_blocks_of_another_content_format_are_not_put_together() {
    for (first, second) in [(Some(b"\x28"), Some(b"\x29")), (None, Some(b"\x28")), (Some(b"\x28"), None)] {
        let mut bench = Bench::new();
        let mut send = |format: Option<&[u8; 1]>, block, payload: &[u8]| {
            let mut options = PUT.options.to_vec();
            options.extend(format.map(|value| (CONTENT_FORMAT, &value[..])));
            bench.send(Ask { options: &options, ..PUT }, block, payload)
        };
        assert_eq!(send(first, (0, true, 0), &[0; 16]), continues(0, 0));
        assert_eq!(send(second, (1, false, 0), &[0; 16]), Gathered::Incomplete);
        assert_eq!(send(first, (1, false, 0), &[0; 16]), Gathered::Incomplete, "the body is spoilt");
    }
    // The same number with a leading zero is the same format.
    let mut bench = Bench::new();
    let short = [PUT.options, &[(CONTENT_FORMAT, b"\x28")]].concat();
    let long = [PUT.options, &[(CONTENT_FORMAT, b"\x00\x28")]].concat();
    assert_eq!(bench.send(Ask { options: &short, ..PUT }, (0, true, 0), &[0; 16]), continues(0, 0));
    assert_eq!(bench.send(Ask { options: &long, ..PUT }, (1, false, 0), &[]), completes(1, 0, &[0; 16]));
}

#[test]
fn bw6_a_missing_block_is_reported() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(PUT, (1, true, 0), &[0; 16]), Gathered::Incomplete, "block 0 is missing");
    assert_eq!(bench.send(PUT, (0, true, 0), &[0; 16]), continues(0, 0));
    assert_eq!(bench.send(PUT, (2, true, 0), &[0; 16]), Gathered::Incomplete, "block 1 is missing");
    assert_eq!(bench.send(PUT, (2, false, 0), &[0; 16]), Gathered::Incomplete, "block 1 is missing at the end");
    // It may still come.
    assert_eq!(bench.send(PUT, (1, false, 0), &[1; 1]), completes(1, 0, &[&[0; 16][..], &[1]].concat()));
}

#[test]
fn bw6_block_0_begins_anew() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(PUT, (0, true, 0), &[1; 16]), continues(0, 0));
    assert_eq!(bench.send(PUT, (1, true, 0), &[1; 16]), continues(1, 0));
    assert_eq!(bench.send(PUT, (0, true, 0), &[2; 16]), continues(0, 0));
    assert_eq!(bench.send(PUT, (1, false, 0), &[2; 1]), completes(1, 0, &[2; 17]));
}

#[test]
fn bw6_a_block_sent_again_is_acknowledged_again_but_not_changed() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(PUT, (0, true, 0), &[0; 16]), continues(0, 0));
    assert_eq!(bench.send(PUT, (1, true, 0), &[1; 16]), continues(1, 0));
    assert_eq!(bench.send(PUT, (1, true, 0), &[1; 16]), continues(1, 0));
    assert_eq!(bench.send(PUT, (2, true, 0), &[2; 16]), continues(2, 0));
    assert_eq!(bench.send(PUT, (1, true, 0), &[9; 16]), Gathered::Incomplete, "other octets: another body");
    assert_eq!(bench.send(PUT, (3, false, 0), &[3; 16]), Gathered::Incomplete);
}

#[test]
fn bw7_a_body_beyond_the_bound_is_refused_with_the_bound() {
    let too_large = Gathered::TooLarge { size1: BODY_OCTETS_MAX as u64 };
    let mut bench = Bench::new();
    for num in 0..9 {
        assert_eq!(bench.send(PUT, (num, true, 6), &[0; 1024]), continues(num, 6));
    }
    assert_eq!(bench.send(PUT, (9, true, 6), &[0; 1024]), too_large);
    assert_eq!(bench.assemblies.octets(), 0, "nothing is kept of it");
    // BW12: an announced size is believed, before anything is gathered.
    let announced = [PUT.options, &[(SIZE1, b"\x27\x11")]].concat();
    assert_eq!(bench.send(Ask { options: &announced, ..PUT }, (0, true, 6), &[0; 1024]), too_large);
    let announced = [PUT.options, &[(SIZE1, b"\x27\x10")]].concat();
    assert_eq!(bench.send(Ask { options: &announced, ..PUT }, (0, true, 6), &[0; 1024]), continues(0, 6));
}

#[test]
fn bw13_if_none_match_of_the_first_block_holds_for_the_body() {
    let mut bench = Bench::new();
    let first = [PUT.options, &[(IF_NONE_MATCH, b"")]].concat();
    assert_eq!(bench.send(Ask { options: &first, ..PUT }, (0, true, 0), &[0; 16]), continues(0, 0));
    let block = BlockValue { num: 1, more: false, szx: 0 };
    let complete = Gathered::Complete { block, body: vec![0; 17], if_none_match: true };
    assert_eq!(bench.send(PUT, (1, false, 0), &[0; 1]), complete);
}

#[test]
fn bw9_bw14_bodies_of_other_peers_methods_and_resources_are_apart() {
    let path = [(URI_PATH, &b"other"[..])];
    let query = [(URI_PATH, &b"store"[..]), (URI_QUERY, b"a")];
    let others = [
        Ask { peer: 2, ..PUT },
        Ask { method: Code::POST, ..PUT },
        Ask { options: &path, ..PUT },
        Ask { options: &query, ..PUT },
    ];
    for other in others {
        let mut bench = Bench::new();
        assert_eq!(bench.send(PUT, (0, true, 0), &[1; 16]), continues(0, 0));
        assert_eq!(bench.send(other, (1, false, 0), &[9; 1]), Gathered::Incomplete);
        assert_eq!(bench.send(other, (0, true, 0), &[2; 16]), continues(0, 0));
        assert_eq!(bench.send(PUT, (1, false, 0), &[1; 1]), completes(1, 0, &[1; 17]));
        assert_eq!(bench.send(other, (1, false, 0), &[2; 1]), completes(1, 0, &[2; 17]));
    }
}

#[test]
fn bw14_options_that_describe_the_block_may_differ() {
    let mut bench = Bench::new();
    let first = [PUT.options, &[(SIZE1, b"\x11"), (ECHO, b"old")]].concat();
    let last = [PUT.options, &[(ECHO, b"new"), (BLOCK2, b"\x02")]].concat();
    assert_eq!(bench.send(Ask { options: &first, ..PUT }, (0, true, 0), &[1; 16]), continues(0, 0));
    assert_eq!(bench.send(Ask { options: &last, ..PUT }, (1, false, 0), &[1; 1]), completes(1, 0, &[1; 17]));
}

#[test]
fn rt1_bw14_other_request_tags_are_other_operations() {
    let lists: [&[(u16, &[u8])]; 6] = [
        &[],
        &[(REQUEST_TAG, b"")],
        &[(REQUEST_TAG, b"a")],
        &[(REQUEST_TAG, b"a"), (REQUEST_TAG, b"b")],
        &[(REQUEST_TAG, b"b"), (REQUEST_TAG, b"a")],
        &[(REQUEST_TAG, b"ab")],
    ];
    let mut bench = Bench::new();
    let options: Vec<_> = lists.iter().map(|tags| [PUT.options, tags].concat()).collect();
    for (n, options) in options.iter().enumerate() {
        assert_eq!(bench.send(Ask { options, ..PUT }, (0, true, 0), &[n as u8; 16]), continues(0, 0));
    }
    for (n, options) in options.iter().enumerate() {
        let whole = completes(1, 0, &[n as u8; 17]);
        assert_eq!(bench.send(Ask { options, ..PUT }, (1, false, 0), &[n as u8]), whole, "{options:?}");
    }
}

#[test]
fn bw5_bw6_a_body_that_stands_still_for_exchange_lifetime_is_dropped() {
    let mut bench = Bench::new();
    let begin = bench.now;
    bench.send(PUT, (0, true, 0), &[1; 16]);
    bench.now = begin + seconds(200);
    bench.send(Ask { peer: 2, ..PUT }, (0, true, 0), &[1; 16]);
    bench.send(PUT, (1, true, 0), &[1; 16]);
    assert_eq!(bench.assemblies.next_expiry(), Some(begin + seconds(447)));
    bench.now = begin + seconds(446);
    assert_eq!(bench.send(PUT, (2, true, 0), &[1; 16]), continues(2, 0));
    bench.assemblies.expire(begin + seconds(447));
    assert_eq!(bench.assemblies.next_expiry(), Some(begin + seconds(446 + 247)));
    assert_eq!(bench.send(Ask { peer: 2, ..PUT }, (1, false, 0), &[1; 1]), Gathered::Incomplete);
    bench.assemblies.expire(begin + seconds(446 + 247));
    assert_eq!((bench.assemblies.next_expiry(), bench.assemblies.octets()), (None, 0));
}

#[test]
fn bw7_what_waits_longest_gives_way_and_memory_is_bounded() {
    let mut bench = Bench::new();
    let big = |peer| Ask { peer, ..PUT };
    for num in 0..8 {
        for peer in [1, 2, 3] {
            bench.send(big(peer), (num, true, 6), &[peer as u8; 1024]);
        }
    }
    assert_eq!(bench.send(big(1), (8, true, 6), &[1; 1024]), continues(8, 6));
    // Hundreds of small bodies of others: 2 waited longest.
    let mut peer = 10;
    while bench.assemblies.octets() + 600 < OCTETS_MAX {
        bench.send(big(peer), (0, true, 0), &[0; 16]);
        peer += 1;
    }
    for peer in peer..peer + 10 {
        bench.send(big(peer), (0, true, 0), &[0; 16]);
    }
    assert_eq!(bench.send(big(2), (8, false, 6), &[0; 1]), Gathered::Incomplete);
    assert!(matches!(bench.send(big(1), (9, false, 6), &[0; 1]), Gathered::Complete { .. }));
    for peer in 1000..3000 {
        bench.send(big(peer), (0, true, 6), &[0; 1024]);
        assert!(bench.assemblies.octets() <= OCTETS_MAX);
    }
    assert!(bench.assemblies.bodies.count() < 40);
}

#[test]
fn bw7_a_single_body_beyond_all_room_is_refused() {
    let hasher = KeyedState::new(&mut Rng::new(1));
    let mut bench = Bench::new();
    bench.assemblies = Assemblies::new(BODY_OCTETS_MAX, 1000, LIFETIME, hasher);
    assert_eq!(bench.send(PUT, (0, true, 6), &[0; 1024]), Gathered::TooLarge { size1: 1000 });
    assert_eq!(bench.assemblies.octets(), 0);
}

#[test]
fn tc3_bodies_of_connections_are_apart() {
    let mut bench = Bench::new();
    let value = sample::block(0, true, 0);
    let message = Sample::new(&[(BLOCK1, &value)]);
    for stream in [1, 2] {
        let peer = Peer::Stream(StreamId(stream));
        let got = bench.assemblies.accept(bench.now, peer, Code::POST, message.options(), &[stream as u8; 16], 7);
        assert_eq!(got, continues(0, 0));
    }
    let value = sample::block(1, false, 0);
    let message = Sample::new(&[(BLOCK1, &value)]);
    let peer = Peer::Stream(StreamId(1));
    let got = bench.assemblies.accept(bench.now, peer, Code::POST, message.options(), &[1], 7);
    assert_eq!(got, completes(1, 0, &[1; 17]));
}
