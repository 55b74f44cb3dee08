//! The registry and the naive one stay equal through random operations, order and paging included.

use std::time::Instant;

use proptest::prelude::*;
use wayhouse_sim::ref_registry::driver;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rd31_rd32_rd33_rd34_rd36_registry_stays_equal_to_the_naive_one(octets in prop::collection::vec(any::<u8>(), 0..5000)) {
        driver::run(&octets, Instant::now());
    }
}
