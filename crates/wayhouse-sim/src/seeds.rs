//! Which seeds a simulation tries.

/// Runs a check for every seed, and names the seed that fails. `WAYHOUSE_SEEDS` tells how many (default 5);
/// `WAYHOUSE_SEED` replays one.
pub fn for_each(check: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("WAYHOUSE_SEED") {
        return check(seed);
    }
    for seed in 1..=number("WAYHOUSE_SEEDS").unwrap_or(5) {
        let told = OnPanic(seed);
        check(seed);
        std::mem::forget(told);
    }
}

struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        eprintln!("the run failed with seed {}; replay it with WAYHOUSE_SEED={}", self.0, self.0);
    }
}
