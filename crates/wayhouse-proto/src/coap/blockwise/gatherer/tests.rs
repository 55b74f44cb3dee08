use wayhouse_wire::coap::option::number::*;
use wayhouse_wire::coap::{BlockValue, Code};

use super::{Gatherer, Gathering};
use crate::coap::matching::sample::{self, Sample};

struct Bench {
    gatherer: Gatherer,
    may_be_bert: bool,
}

impl Bench {
    fn new() -> Bench {
        Bench { gatherer: Gatherer::new(5000), may_be_bert: false }
    }
    fn take(&mut self, code: Code, block: (u32, bool, u8), options: &[(u16, &[u8])], payload: &[u8]) -> Gathering {
        let value = sample::block(block.0, block.1, block.2);
        let mut options = options.to_vec();
        options.push((BLOCK2, &value));
        self.gatherer.handle(code, Sample::new(&options).options(), payload, self.may_be_bert)
    }
    fn content(&mut self, block: (u32, bool, u8), payload: &[u8]) -> Gathering {
        self.take(Code::CONTENT, block, &[(ETAG, b"e")], payload)
    }
}

fn ask(num: u32, szx: u8) -> BlockValue {
    BlockValue { num, more: false, szx }
}

#[test]
fn bw3_bw10_blocks_are_fetched_in_order_in_the_size_of_the_server() {
    let mut bench = Bench::new();
    let options: &[(u16, &[u8])] = &[(ETAG, b"e"), (CONTENT_FORMAT, b"\x28"), (MAX_AGE, b"\x05"), (SIZE2, b"\x28")];
    assert_eq!(bench.take(Code::CONTENT, (0, true, 0), options, &[1; 16]), Gathering::Next(ask(1, 0)));
    assert_eq!(bench.take(Code::CONTENT, (1, true, 0), &options[..2], &[2; 16]), Gathering::Next(ask(2, 0)));
    assert_eq!(bench.take(Code::CONTENT, (2, false, 0), &options[..3], &[3; 8]), Gathering::Complete);
    let (code, kept, body) = bench.gatherer.into_parts();
    assert_eq!(code, Code::CONTENT);
    assert_eq!(kept, sample::list(&options[..3]), "the first block's, without those of block-wise transfer");
    assert_eq!(body, [&[1; 16][..], &[2; 16], &[3; 8]].concat());
}

#[test]
fn bw3_a_server_may_turn_to_smaller_blocks_on_the_way() {
    let mut bench = Bench::new();
    assert_eq!(bench.content((0, true, 3), &[1; 128]), Gathering::Next(ask(1, 3)));
    assert_eq!(bench.content((4, true, 1), &[2; 32]), Gathering::Next(ask(5, 1)));
    assert_eq!(bench.content((5, false, 1), &[3; 1]), Gathering::Complete);
    assert_eq!(bench.gatherer.into_parts().2.len(), 161);
}

#[test]
fn bw1_a_response_without_block2_is_whole() {
    let mut bench = Bench::new();
    let message = Sample::new(&[(BLOCK1, b"\x22"), (CONTENT_FORMAT, b"")]);
    assert_eq!(bench.gatherer.handle(Code::CONTENT, message.options(), &[1; 700], false), Gathering::Complete);
    let (_, options, body) = bench.gatherer.into_parts();
    assert_eq!((options, body.len()), (sample::list(&[(CONTENT_FORMAT, b"")]), 700));
}

#[test]
fn bw2_blocks_of_another_size_than_announced_fail() {
    for (block, octets) in [((0, true, 0), 15), ((0, true, 0), 17), ((0, true, 0), 0), ((0, false, 0), 17)] {
        assert!(matches!(Bench::new().content(block, &vec![0; octets]), Gathering::Failed(_)), "{block:?} {octets}");
    }
}

#[test]
fn bw5_another_etag_begins_anew_but_not_for_ever() {
    let mut bench = Bench::new();
    for etag in [b"a", b"b", b"c"] {
        let first = bench.take(Code::CONTENT, (0, true, 1), &[(ETAG, etag)], &[etag[0]; 32]);
        assert_eq!(first, Gathering::Next(ask(1, 1)));
        let second = bench.take(Code::CONTENT, (1, true, 1), &[(ETAG, b"x")], &[0; 32]);
        assert_eq!(second, Gathering::Restart(ask(0, 1)));
    }
    let mut patient = bench.gatherer.clone();
    bench.take(Code::CONTENT, (0, true, 1), &[(ETAG, b"d")], &[4; 32]);
    assert!(matches!(bench.take(Code::CONTENT, (1, true, 1), &[], &[0; 32]), Gathering::Failed(_)));
    // After the restarts the body is of one representation.
    let last = Sample::new(&[(ETAG, b"z"), (BLOCK2, b"\x01")]);
    assert_eq!(patient.handle(Code::CONTENT, last.options(), &[9; 3], false), Gathering::Complete);
    assert_eq!(patient.into_parts().2, [9; 3]);
}

#[test]
fn bw4_another_content_format_is_another_representation() {
    let mut bench = Bench::new();
    bench.take(Code::CONTENT, (0, true, 0), &[(CONTENT_FORMAT, b"\x28")], &[0; 16]);
    let second = bench.take(Code::CONTENT, (1, true, 0), &[(CONTENT_FORMAT, b"\x29")], &[0; 16]);
    assert_eq!(second, Gathering::Restart(ask(0, 0)));
}

#[test]
fn bw10_blocks_out_of_order_fail() {
    assert!(matches!(Bench::new().content((1, true, 0), &[0; 16]), Gathering::Failed(_)), "the first is not block 0");
    for num in [0, 2] {
        let mut bench = Bench::new();
        bench.content((0, true, 0), &[0; 16]);
        assert!(matches!(bench.content((num, true, 0), &[0; 16]), Gathering::Failed(_)), "{num}");
    }
    let mut bench = Bench::new();
    bench.content((0, true, 0), &[0; 16]);
    let plain = Sample::new(&[(ETAG, b"e")]);
    assert!(matches!(bench.gatherer.handle(Code::CONTENT, plain.options(), &[0; 40], false), Gathering::Failed(_)));
}

#[test]
fn bw5_an_error_on_the_way_is_the_answer() {
    let mut bench = Bench::new();
    bench.content((0, true, 0), &[0; 16]);
    let gone = Sample::new(&[(MAX_AGE, b"\x01")]);
    assert_eq!(bench.gatherer.handle(Code::NOT_FOUND, gone.options(), b"gone", false), Gathering::Complete);
    assert_eq!(bench.gatherer.into_parts(), (Code::NOT_FOUND, sample::list(&[(MAX_AGE, b"\x01")]), b"gone".to_vec()));
    let mut bench = Bench::new();
    bench.content((0, true, 0), &[0; 16]);
    assert!(matches!(bench.take(Code::CHANGED, (1, true, 0), &[(ETAG, b"e")], &[0; 16]), Gathering::Failed(_)));
}

#[test]
fn bw12_a_body_beyond_the_bound_is_given_up_early() {
    let mut bench = Bench::new();
    let announced = bench.take(Code::CONTENT, (0, true, 0), &[(SIZE2, b"\x13\x89")], &[0; 16]);
    assert_eq!(announced, Gathering::TooLarge);
    let mut bench = Bench::new();
    for num in 0..4 {
        assert_eq!(bench.content((num, true, 6), &[0; 1024]), Gathering::Next(ask(num + 1, 6)));
    }
    assert_eq!(bench.content((4, true, 6), &[0; 1024]), Gathering::TooLarge);
    // M ends the transfer, not the announced size.
    let mut bench = Bench::new();
    bench.take(Code::CONTENT, (0, true, 0), &[(SIZE2, b"\x10")], &[0; 16]);
    assert_eq!(bench.take(Code::CONTENT, (1, false, 0), &[(SIZE2, b"\x10")], &[0; 16]), Gathering::Complete);
}

#[test]
fn tc4_bert_blocks_are_taken_where_agreed() {
    assert!(matches!(Bench::new().content((0, true, 7), &[0; 2048]), Gathering::Failed(_)));
    let mut bench = Bench { may_be_bert: true, ..Bench::new() };
    assert_eq!(bench.content((0, true, 7), &[1; 2048]), Gathering::Next(ask(2, 7)));
    assert_eq!(bench.content((2, true, 7), &[2; 1024]), Gathering::Next(ask(3, 7)));
    assert_eq!(bench.content((3, false, 7), &[3; 1500]), Gathering::Complete);
    let mut bench = Bench { may_be_bert: true, ..Bench::new() };
    assert!(matches!(bench.content((0, true, 7), &[1; 2000]), Gathering::Failed(_)));
}

#[test]
fn bw1_a_malformed_block2_fails() {
    let message = Sample::new(&[(BLOCK2, &[0; 4])]);
    assert!(matches!(Bench::new().gatherer.handle(Code::CONTENT, message.options(), &[], false), Gathering::Failed(_)));
}
