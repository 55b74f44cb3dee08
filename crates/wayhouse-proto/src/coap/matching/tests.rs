use super::sample::Sample;
use super::{flatten, is_block1_key, is_block2_key, is_cache_key, is_same};

const PLAIN: [u16; 10] = [1, 3, 7, 11, 15, 16, 17, 258, 2049, 65_001];

#[test]
fn cc1_cc7_cc11_the_cache_key_is_all_but_no_cache_key_and_special_options() {
    for number in PLAIN.into_iter().chain([5, 12]) {
        assert!(is_cache_key(number), "{number}");
    }
    // ETag, Observe, Block2, Block1, Size2, Size1, Echo, Request-Tag, unknown NoCacheKey.
    for number in [4, 6, 23, 27, 28, 60, 252, 292, 65_020] {
        assert!(!is_cache_key(number), "{number}");
    }
}

#[test]
fn bw14_rt1_rt3_operations_differ_by_cache_key_options_and_request_tag() {
    for number in PLAIN.into_iter().chain([292]) {
        assert!(is_block1_key(number), "{number}");
        assert_eq!(is_block2_key(number), number != 1, "{number}");
    }
    // Block1, Block2, Size1, Size2, Echo: describe the block, not the operation.
    for number in [23, 27, 28, 60, 252] {
        assert!(!is_block1_key(number) && !is_block2_key(number), "{number}");
    }
    // 29 is critical and NoCacheKey: only elective ones are left out.
    assert!(is_block1_key(29));
    assert!(!is_cache_key(29));
}

#[test]
fn flat_options_are_compared_whole() {
    let sample = Sample::new(&[(11, b"a"), (11, b"bc"), (15, b"")]);
    let mut flat = Vec::new();
    flatten(&mut flat, sample.options().iter());
    assert!(is_same(&flat, sample.options().iter()));
    let others: [&[(u16, &[u8])]; 6] = [
        &[(11, b"a"), (11, b"bc")],
        &[(11, b"a"), (11, b"bc"), (15, b""), (15, b"")],
        &[(11, b"ab"), (11, b"c"), (15, b"")],
        &[(11, b"bc"), (11, b"a"), (15, b"")],
        &[(11, b"a"), (12, b"bc"), (15, b"")],
        &[],
    ];
    for other in others {
        assert!(!is_same(&flat, Sample::new(other).options().iter()), "{other:?}");
    }
}
