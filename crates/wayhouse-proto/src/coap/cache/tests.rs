use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use wayhouse_wire::coap::option::number::*;
use wayhouse_wire::coap::{Code, OptionList};

use super::{Asked, Cache, Found, Origin, Stored};
use crate::coap::matching::sample::{list, seconds, start};
use crate::io::StreamId;
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

type Pairs<'a> = &'a [(u16, &'a [u8])];

const PATH: (u16, &[u8]) = (URI_PATH, b"temperature");

struct Bench {
    cache: Cache,
    begin: Instant,
}

impl Bench {
    fn new() -> Bench {
        Bench::with_room_for(100_000)
    }
    fn with_room_for(octets_max: usize) -> Bench {
        Bench { cache: Cache::new(octets_max, KeyedState::new(&mut Rng::new(1))), begin: start() }
    }
    fn find(&mut self, at_s: u64, options: Pairs<'_>) -> Found {
        let options = list(options);
        match self.cache.find(self.begin + seconds(at_s), get(&options)) {
            Found::Fresh(stored) => Found::Fresh(in_order(stored)),
            found => found,
        }
    }
    fn store(&mut self, at_s: u64, request: Pairs<'_>, code: Code, response: Pairs<'_>, payload: &[u8]) {
        let request = list(request);
        self.answer(at_s, get(&request), code, response, payload);
    }
    fn answer(&mut self, at_s: u64, asked: Asked<'_>, code: Code, response: Pairs<'_>, payload: &[u8]) {
        self.cache.handle_response(self.begin + seconds(at_s), asked, code, &list(response), payload);
    }
    fn refresh(&mut self, at_s: u64, request: Pairs<'_>, response: Pairs<'_>) -> Option<Stored> {
        let request = list(request);
        self.cache.refresh(self.begin + seconds(at_s), get(&request), &list(response)).map(in_order)
    }
}

/// Lists of options are equal when they were made in the same order.
fn in_order(stored: Stored) -> Stored {
    let mut options = OptionList::new();
    for option in stored.options.iter() {
        options.push(option.number, option.value);
    }
    Stored { options, ..stored }
}

fn origin(port: u16) -> Origin {
    Origin::Datagram(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn get(options: &OptionList) -> Asked<'_> {
    Asked { origin: origin(1), method: Code::GET, options, payload: &[] }
}

fn fresh(code: Code, options: Pairs<'_>, payload: &[u8]) -> Found {
    Found::Fresh(Stored { code, options: list(options), payload: payload.to_vec() })
}

fn content(left_s: u8, payload: &[u8]) -> Found {
    fresh(Code::CONTENT, &[(MAX_AGE, if left_s == 0 { &[] } else { std::slice::from_ref(&left_s) })], payload)
}

#[test]
fn cc1_only_the_same_request_is_answered() {
    let mut bench = Bench::new();
    let options = [PATH, (URI_QUERY, &b"u=C"[..]), (ACCEPT, b"\x28")];
    bench.store(0, &options, Code::CONTENT, &[], b"22");
    assert_eq!(bench.find(1, &options), content(59, b"22"));
    let others: [Pairs<'_>; 6] = [
        &[PATH],
        &[PATH, (URI_QUERY, b"u=C")],
        &[PATH, (URI_QUERY, b"u=C"), (ACCEPT, b"\x29")],
        &[PATH, (URI_QUERY, b"u=F"), (ACCEPT, b"\x28")],
        &[PATH, (URI_QUERY, b"u=C"), (ACCEPT, b"\x28"), (IF_MATCH, b"")],
        &[(URI_HOST, b"h"), PATH, (URI_QUERY, b"u=C"), (ACCEPT, b"\x28")],
    ];
    for other in others {
        assert_eq!(bench.find(1, other), Found::Nothing, "{other:?}");
    }
    let list = list(&options);
    let now = bench.begin + seconds(1);
    for (origin, method) in [
        (origin(2), Code::GET),
        (Origin::Stream(StreamId(1)), Code::GET),
        (origin(1), Code::FETCH),
        (origin(1), Code::PUT),
    ] {
        let asked = Asked { origin, method, options: &list, payload: &[] };
        assert_eq!(bench.cache.find(now, asked), Found::Nothing, "{origin:?} {method}");
    }
}

#[test]
fn cc1_cc11_options_that_are_no_part_of_the_key_do_not_matter() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH, (SIZE2, b""), (ECHO, b"x")], Code::CONTENT, &[], b"22");
    let request = [PATH, (ETAG, b"old"), (BLOCK2, b"\x02"), (ECHO, b"y"), (REQUEST_TAG, b"t")];
    assert_eq!(bench.find(1, &request), content(59, b"22"));
}

#[test]
fn cc2_the_payload_is_part_of_the_key_of_fetch() {
    let mut bench = Bench::new();
    let options = list(&[PATH, (CONTENT_FORMAT, b"\x3c")]);
    let ask = |payload| Asked { method: Code::FETCH, payload, ..get(&options) };
    bench.answer(0, ask(b"a"), Code::CONTENT, &[], b"A");
    bench.answer(0, ask(b"b"), Code::CONTENT, &[], b"B");
    let now = bench.begin + seconds(20);
    assert_eq!(bench.cache.find(now, ask(b"a")), content(40, b"A"));
    assert_eq!(bench.cache.find(now, ask(b"b")), content(40, b"B"));
    assert_eq!(bench.cache.find(now, ask(b"c")), Found::Nothing);
    let other_format = list(&[PATH, (CONTENT_FORMAT, b"\x32")]);
    let asked = Asked { options: &other_format, ..ask(b"a") };
    assert_eq!(bench.cache.find(now, asked), Found::Nothing);
}

#[test]
fn cc3_a_response_is_fresh_for_max_age_or_60_seconds() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH], Code::CONTENT, &[], b"22");
    assert_eq!(bench.find(0, &[PATH]), content(60, b"22"));
    assert_eq!(bench.find(60, &[PATH]), content(0, b"22"));
    assert_eq!(bench.find(61, &[PATH]), Found::Nothing);
    bench.store(100, &[PATH], Code::CONTENT, &[(MAX_AGE, b"\x05")], b"23");
    assert_eq!(bench.find(105, &[PATH]), content(0, b"23"));
    assert_eq!(bench.find(106, &[PATH]), Found::Nothing);
    bench.store(200, &[PATH], Code::CONTENT, &[(MAX_AGE, &[0xff; 4])], b"24");
    assert!(matches!(bench.find(4_000_000_000, &[PATH]), Found::Fresh(_)));
}

#[test]
fn cc3_max_age_0_forbids_to_store() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH], Code::CONTENT, &[(MAX_AGE, b""), (ETAG, b"e")], b"22");
    assert_eq!(bench.find(0, &[PATH]), Found::Nothing);
    assert_eq!(bench.cache.octets(), 0);
}

#[test]
fn cc4_a_stale_response_is_validated_and_refreshed() {
    let mut bench = Bench::new();
    // 2050 is elective and unsafe to forward.
    let response: Pairs<'_> =
        &[(ETAG, b"e1"), (CONTENT_FORMAT, b"\x32"), (LOCATION_QUERY, b"a"), (LOCATION_QUERY, b"b"), (2050, b"old")];
    bench.store(0, &[PATH], Code::CONTENT, response, b"22");
    assert_eq!(bench.find(61, &[PATH]), Found::Stale { etag: b"e1".to_vec() });
    // Max-Age replaces; so does each kind of option that is safe to forward, whole; unsafe ones do not.
    let valid = [(ETAG, &b"e1"[..]), (MAX_AGE, b"\x0a"), (LOCATION_QUERY, b"c"), (2050, b"new")];
    let refreshed = bench.refresh(62, &[PATH, (ETAG, b"e1")], &valid).expect("the ETag is ours");
    let expected = |left_s: &'static [u8]| {
        list(&[(ETAG, b"e1"), (CONTENT_FORMAT, b"\x32"), (MAX_AGE, left_s), (LOCATION_QUERY, b"c"), (2050, b"old")])
    };
    assert_eq!(refreshed, Stored { code: Code::CONTENT, options: expected(b"\x0a"), payload: b"22".to_vec() });
    let Found::Fresh(found) = bench.find(70, &[PATH]) else { panic!("fresh until 72") };
    assert_eq!(found.options, expected(b"\x02"));
    // Without Max-Age the default replaces.
    bench.refresh(80, &[PATH], &[(ETAG, b"e1")]).expect("the ETag is ours");
    assert!(matches!(bench.find(140, &[PATH]), Found::Fresh(_)));
    assert!(matches!(bench.find(141, &[PATH]), Found::Stale { .. }));
}

#[test]
fn cc4_a_2_03_for_something_else_refreshes_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.refresh(0, &[PATH], &[(ETAG, b"e1")]), None);
    bench.store(0, &[PATH], Code::CONTENT, &[(ETAG, b"e1")], b"22");
    assert_eq!(bench.refresh(61, &[PATH], &[(ETAG, b"e2")]), None);
    assert_eq!(bench.find(61, &[PATH]), Found::Stale { etag: b"e1".to_vec() });
    // Any other answer takes its place.
    bench.store(62, &[PATH], Code::CONTENT, &[(ETAG, b"e2")], b"23");
    assert!(matches!(bench.find(63, &[PATH]), Found::Fresh(stored) if stored.payload == b"23"));
    bench.store(64, &[PATH], Code::CONTENT, &[], b"24");
    assert_eq!(bench.refresh(65, &[PATH], &[(ETAG, b"e2")]), None, "what is stored has no ETag");
}

#[test]
fn cc5_cc8_a_change_outdates_all_responses_for_the_resource() {
    let variants: [Pairs<'_>; 3] = [&[PATH], &[PATH, (ACCEPT, b"\x28")], &[PATH, (ACCEPT, b"\x29")]];
    let other = [PATH, (URI_QUERY, &b"q"[..])];
    for (method, code) in [
        (Code::POST, Code::CREATED),
        (Code::PUT, Code::CHANGED),
        (Code::DELETE, Code::DELETED),
        (Code::PATCH, Code::CHANGED),
        (Code::PUT, Code::CONTINUE),
    ] {
        let mut bench = Bench::new();
        for options in variants {
            bench.store(0, options, Code::CONTENT, &[(ETAG, b"e")], b"22");
        }
        bench.store(0, &other, Code::CONTENT, &[], b"22");
        let changing = list(&[PATH, (CONTENT_FORMAT, b"\x28")]);
        bench.answer(1, Asked { method, ..get(&changing) }, code, &[], b"");
        for options in variants {
            // Stale, not gone: it may still be validated.
            assert_eq!(bench.find(2, options), Found::Stale { etag: b"e".to_vec() }, "{method} {code}");
        }
        assert!(matches!(bench.find(2, &other), Found::Fresh(_)), "another resource");
    }
}

#[test]
fn cc5_an_error_outdates_nothing() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH], Code::CONTENT, &[], b"22");
    let options = list(&[PATH]);
    bench.answer(1, Asked { method: Code::PUT, ..get(&options) }, Code::FORBIDDEN, &[], b"");
    assert!(matches!(bench.find(2, &[PATH]), Found::Fresh(stored) if stored.payload == b"22"));
}

#[test]
fn cc5_a_location_outdates_what_it_names() {
    let mut bench = Bench::new();
    let named = [(URI_HOST, &b"h"[..]), (URI_PATH, b"rd"), (URI_PATH, b"7"), (URI_QUERY, b"x")];
    bench.store(0, &named, Code::CONTENT, &[], b"22");
    bench.store(0, &named[1..], Code::CONTENT, &[], b"other host");
    bench.store(0, &named[..1], Code::CONTENT, &[], b"root");
    let options = list(&[(URI_HOST, b"h"), (URI_PATH, b"rd"), (URI_QUERY, b"ep=n")]);
    let location = [(LOCATION_PATH, &b"rd"[..]), (LOCATION_PATH, b"7"), (LOCATION_QUERY, b"x")];
    bench.answer(1, Asked { method: Code::POST, ..get(&options) }, Code::CREATED, &location, b"");
    assert_eq!(bench.find(2, &named), Found::Nothing);
    assert!(matches!(bench.find(2, &named[1..]), Found::Fresh(_)));
    bench.answer(1, Asked { method: Code::POST, ..get(&options) }, Code::CREATED, &[], b"");
    assert!(matches!(bench.find(2, &named[..1]), Found::Fresh(_)), "no location is not the root");
}

#[test]
fn cc6_a_new_response_takes_the_place_of_a_fresh_one() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH], Code::CONTENT, &[(ETAG, b"e")], b"22");
    bench.store(1, &[PATH], Code::CONTENT, &[], b"23");
    assert_eq!(bench.find(2, &[PATH]), content(59, b"23"));
    bench.store(3, &[PATH], Code::NOT_FOUND, &[(MAX_AGE, b"")], b"");
    assert_eq!(bench.find(3, &[PATH]), Found::Nothing, "even if it may not be stored itself");
}

#[test]
fn cc7_a_stored_notification_answers_a_plain_get_without_observe() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH, (OBSERVE, b"")], Code::CONTENT, &[(OBSERVE, b"\x05"), (MAX_AGE, b"\x1e")], b"22");
    assert_eq!(bench.find(10, &[PATH]), content(20, b"22"));
}

#[test]
fn cc10_errors_are_stored_for_max_age_and_not_validated() {
    let mut bench = Bench::new();
    bench.store(0, &[PATH], Code::NOT_FOUND, &[(ETAG, b"e")], b"no");
    let expected = fresh(Code::NOT_FOUND, &[(ETAG, b"e"), (MAX_AGE, b"\x00")], b"no");
    assert!(matches!((bench.find(60, &[PATH]), expected), (Found::Fresh(a), Found::Fresh(b)) if a.code == b.code));
    assert_eq!(bench.find(61, &[PATH]), Found::Nothing);
    assert_eq!(bench.refresh(61, &[PATH], &[(ETAG, b"e")]), None);
    bench.store(100, &[PATH], Code::SERVICE_UNAVAILABLE, &[(MAX_AGE, b"\x05")], b"");
    assert!(matches!(bench.find(105, &[PATH]), Found::Fresh(_)));
    assert_eq!(bench.find(106, &[PATH]), Found::Nothing);
}

#[test]
fn cc1_what_is_not_cacheable_is_not_stored() {
    let mut bench = Bench::new();
    for code in [Code(0x5e), Code::CREATED, Code::CHANGED, Code::VALID, Code::CONTINUE] {
        bench.store(0, &[PATH], code, &[], b"22");
        assert_eq!(bench.find(0, &[PATH]), Found::Nothing, "{code}");
    }
    // A challenge is for one request.
    bench.store(0, &[PATH], Code::UNAUTHORIZED, &[(ECHO, b"x")], b"");
    assert_eq!(bench.find(0, &[PATH]), Found::Nothing);
    let options = list(&[PATH]);
    for method in [Code::POST, Code::PUT, Code::DELETE, Code::PATCH, Code::IPATCH] {
        let asked = Asked { method, ..get(&options) };
        bench.answer(0, asked, Code::CONTENT, &[], b"22");
        bench.answer(0, asked, Code::NOT_FOUND, &[], b"22");
        assert_eq!(bench.cache.find(bench.begin, asked), Found::Nothing, "{method}");
    }
    assert_eq!(bench.cache.octets(), 0);
}

#[test]
fn cc1_the_least_recently_used_gives_way_and_memory_is_bounded() {
    let mut bench = Bench::with_room_for(8_000);
    let names: Vec<String> = (0..200).map(|n| format!("r{n}")).collect();
    for name in &names[..6] {
        bench.store(0, &[(URI_PATH, name.as_bytes())], Code::CONTENT, &[], &[0; 900]);
    }
    assert!(matches!(bench.find(1, &[(URI_PATH, b"r0")]), Found::Fresh(_)));
    bench.store(1, &[(URI_PATH, b"new")], Code::CONTENT, &[], &[0; 900]);
    assert_eq!(bench.find(1, &[(URI_PATH, b"r1")]), Found::Nothing);
    assert!(matches!(bench.find(1, &[(URI_PATH, b"r0")]), Found::Fresh(_)));
    for name in &names {
        bench.store(2, &[(URI_PATH, name.as_bytes())], Code::CONTENT, &[(ETAG, b"e")], b"");
        assert!(bench.cache.octets() <= 8_000);
    }
    bench.store(3, &[PATH], Code::CONTENT, &[], &[0; 8_000]);
    assert_eq!(bench.find(3, &[PATH]), Found::Nothing, "larger than all room");
    assert!(matches!(bench.find(3, &[(URI_PATH, b"r199")]), Found::Fresh(_)), "nothing had to go for it");
}
