use wayhouse_wire::coap::BlockValue;

use super::{check_octets, cut};

fn check(octets: usize, num: u32, szx: u8, expected: Option<(usize, usize, bool)>) {
    let body: Vec<u8> = (0..octets).map(|n| n as u8).collect();
    let got = cut(&body, num, szx, 3000).map(|cut| {
        assert_eq!((cut.block.num, cut.block.szx), (num, szx));
        assert_eq!(cut.payload, &body[cut.block.offset()..][..cut.payload.len()]);
        (cut.block.offset(), cut.payload.len(), cut.block.more)
    });
    assert_eq!(got, expected, "block {num} of size {szx} of {octets} octets");
}

#[test]
fn bw3_blocks_are_cut_where_their_number_and_size_say() {
    check(100, 0, 0, Some((0, 16, true)));
    check(100, 6, 0, Some((96, 4, false)));
    check(100, 7, 0, None);
    check(96, 5, 0, Some((80, 16, false)));
    check(96, 6, 0, None);
    check(0, 0, 2, Some((0, 0, false)));
    check(0, 1, 2, None);
    check(1024, 0, 6, Some((0, 1024, false)));
    check(1025, 1, 6, Some((1024, 1, false)));
    check(100, 0xf_ffff, 6, None);
}

#[test]
fn tc4_bert_blocks_are_as_many_units_as_fit() {
    check(5000, 0, 7, Some((0, 2048, true)));
    check(5000, 2, 7, Some((2048, 2048, true)));
    check(5000, 4, 7, Some((4096, 904, false)));
    check(5000, 5, 7, None);
    assert_eq!(cut(&[0; 3000], 0, 7, 100).map(|cut| cut.payload.len()), Some(1024), "one unit at least");
}

#[test]
fn bw2_tc4_payload_octets_must_be_those_of_the_block() {
    let fits = |more, szx, octets| check_octets(BlockValue { num: 0, more, szx }, octets).is_ok();
    for (octets, with_more, without) in [(0, false, true), (15, false, true), (16, true, true), (17, false, false)] {
        assert_eq!(fits(true, 0, octets), with_more, "{octets}");
        assert_eq!(fits(false, 0, octets), without, "{octets}");
    }
    for (octets, with_more) in [(0, false), (1, false), (1024, true), (1025, false), (4096, true)] {
        assert_eq!(fits(true, 7, octets), with_more, "{octets}");
        assert!(fits(false, 7, octets), "{octets}");
    }
}
