//! Any operations: the registry does what the naive one does.
#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use wayhouse_sim::ref_registry::driver;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|bytes: &[u8]| {
    driver::run(bytes, *START);
});
