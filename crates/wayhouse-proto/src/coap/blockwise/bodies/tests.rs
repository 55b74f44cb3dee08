use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_wire::coap::option::number::*;
use wayhouse_wire::coap::{BlockValue, Code};

use super::{Bodies, Representation, Served};
use crate::coap::matching::sample::{self, Sample, seconds};
use crate::io::{Peer, SocketId};
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

const LIFETIME: Duration = seconds(247);
const OCTETS_MAX: usize = 20_000;
const PATH: (u16, &[u8]) = (URI_PATH, b"big");

struct Bench {
    bodies: Bodies,
    now: Instant,
}

impl Bench {
    fn new() -> Bench {
        let hasher = KeyedState::new(&mut Rng::new(1));
        Bench { bodies: Bodies::new(OCTETS_MAX, LIFETIME, hasher), now: sample::start() }
    }
    fn insert(&mut self, port: u16, method: Code, options: &[(u16, &[u8])], payload: &[u8], body: &[u8]) {
        let representation = Representation {
            code: Code::CONTENT,
            options: sample::list(&[(ETAG, &body[..1]), (CONTENT_FORMAT, b"\x28")]),
            body: body.to_vec(),
        };
        let message = Sample::new(options);
        self.bodies.insert(self.now, peer(port), method, message.options(), payload, representation);
    }
    fn serve(
        &mut self,
        port: u16,
        method: Code,
        options: &[(u16, &[u8])],
        payload: &[u8],
        num: u32,
        szx: u8,
    ) -> Served<'_> {
        let message = Sample::new(options);
        let block = BlockValue { num, more: false, szx };
        self.bodies.serve(self.now, peer(port), method, message.options(), payload, |_| (block, 2048))
    }
}

fn peer(port: u16) -> Peer {
    Peer::Datagram { socket: SocketId::Listener(0), remote: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
}

#[track_caller]
fn check(served: Served<'_>, more: bool, octets: &[u8]) {
    let Served::Block { block, payload, representation } = served else { panic!("no block: {served:?}") };
    assert_eq!((block.more, payload), (more, octets));
    assert_eq!(representation.options.first(ETAG).map(|etag| etag.value), Some(&representation.body[..1]));
}

#[test]
fn bw5_rt5_all_blocks_with_one_etag_are_of_one_representation() {
    let mut bench = Bench::new();
    bench.insert(1, Code::GET, &[PATH], b"", &[7; 40]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 1, 0), true, &[7; 16]);
    // Another client got a newer representation meanwhile.
    bench.insert(2, Code::GET, &[PATH], b"", &[8; 40]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 2, 0), false, &[7; 8]);
    check(bench.serve(2, Code::GET, &[PATH], b"", 2, 0), false, &[8; 8]);
    // The same client asked anew.
    bench.insert(1, Code::GET, &[PATH], b"", &[9; 40]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 2, 0), false, &[9; 8]);
}

#[test]
fn bw3_a_client_may_ask_for_other_sizes_on_the_way() {
    let mut bench = Bench::new();
    let body: Vec<u8> = (0..=255).collect();
    bench.insert(1, Code::GET, &[PATH], b"", &body);
    check(bench.serve(1, Code::GET, &[PATH], b"", 1, 2), true, &body[64..128]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 8, 0), true, &body[128..144]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 9, 0), true, &body[144..160]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 15, 0), false, &body[240..]);
    assert_eq!(bench.serve(1, Code::GET, &[PATH], b"", 16, 0), Served::OutOfRange);
}

#[test]
fn tc4_bert_blocks_are_served() {
    let mut bench = Bench::new();
    let body = [[1; 2048], [2; 2048]].concat();
    bench.insert(1, Code::GET, &[PATH], b"", &[&body[..], &[3; 9]].concat());
    check(bench.serve(1, Code::GET, &[PATH], b"", 2, 7), true, &[2; 2048]);
    check(bench.serve(1, Code::GET, &[PATH], b"", 4, 7), false, &[3; 9]);
}

#[test]
fn bw10_bw14_further_blocks_are_asked_for_without_the_request_body_and_its_options() {
    let mut bench = Bench::new();
    let with_body = [PATH, (IF_MATCH, b"x"), (CONTENT_FORMAT, b"\x28"), (BLOCK1, b"\x02"), (SIZE1, b"\x40")];
    bench.insert(1, Code::POST, &with_body, &[5; 600], &[7; 40]);
    check(bench.serve(1, Code::POST, &[PATH, (BLOCK2, b"\x10")], b"", 1, 0), true, &[7; 16]);
    check(bench.serve(1, Code::POST, &with_body, &[5; 600], 1, 0), true, &[7; 16]);
    assert_eq!(bench.serve(1, Code::POST, &with_body, &[6; 600], 1, 0), Served::Unknown, "another body");
}

#[test]
fn bw14_rt3_blocks_of_other_requests_are_not_served() {
    let mut bench = Bench::new();
    let tagged = [PATH, (REQUEST_TAG, b"t")];
    bench.insert(1, Code::FETCH, &tagged, b"what", &[7; 40]);
    type Pairs<'a> = &'a [(u16, &'a [u8])];
    let unknown: [(u16, Code, Pairs<'_>); 5] = [
        (2, Code::FETCH, &tagged),
        (1, Code::GET, &tagged),
        (1, Code::FETCH, &[PATH]),
        (1, Code::FETCH, &[PATH, (REQUEST_TAG, b"")]),
        (1, Code::FETCH, &[PATH, (REQUEST_TAG, b"t"), (ACCEPT, b"\x28")]),
    ];
    for (port, method, options) in unknown {
        assert_eq!(bench.serve(port, method, options, b"", 1, 0), Served::Unknown, "{port} {method} {options:?}");
    }
    check(bench.serve(1, Code::FETCH, &tagged, b"", 1, 0), true, &[7; 16]);
}

#[test]
fn bw5_what_is_not_fetched_for_exchange_lifetime_is_dropped() {
    let mut bench = Bench::new();
    let begin = bench.now;
    bench.insert(1, Code::GET, &[PATH], b"", &[7; 40]);
    bench.now = begin + seconds(100);
    check(bench.serve(1, Code::GET, &[PATH], b"", 1, 0), true, &[7; 16]);
    assert_eq!(bench.bodies.next_expiry(), Some(begin + seconds(347)));
    bench.now = begin + seconds(346);
    bench.bodies.expire(bench.now);
    check(bench.serve(1, Code::GET, &[PATH], b"", 1, 0), true, &[7; 16]);
    bench.now += LIFETIME;
    assert_eq!(bench.serve(1, Code::GET, &[PATH], b"", 1, 0), Served::Unknown);
    assert_eq!((bench.bodies.next_expiry(), bench.bodies.octets()), (None, 0));
}

#[test]
fn bw5_memory_is_bounded_and_what_was_fetched_longest_ago_gives_way() {
    let mut bench = Bench::new();
    for port in 1..=4 {
        bench.insert(port, Code::GET, &[PATH], b"", &[port as u8; 4000]);
    }
    check(bench.serve(1, Code::GET, &[PATH], b"", 249, 0), false, &[1; 16]);
    bench.insert(5, Code::GET, &[PATH], b"", &[5; 4000]);
    assert_eq!(bench.serve(2, Code::GET, &[PATH], b"", 1, 0), Served::Unknown);
    check(bench.serve(1, Code::GET, &[PATH], b"", 249, 0), false, &[1; 16]);
    bench.insert(6, Code::GET, &[PATH], b"", &[6; OCTETS_MAX]);
    assert_eq!(bench.serve(6, Code::GET, &[PATH], b"", 1, 0), Served::Unknown, "larger than all room");
    for port in 100..400 {
        bench.insert(port, Code::GET, &[PATH], b"", &[0; 17]);
        assert!(bench.bodies.octets() <= OCTETS_MAX);
    }
}
