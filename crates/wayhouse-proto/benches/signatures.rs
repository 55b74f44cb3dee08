//! What one signature costs: `cargo bench -p wayhouse-proto --bench signatures`. Prints microseconds per operation, the best
//! of several rounds; without `--bench` every operation is done once, to see that it still works.
#![allow(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

use std::hint::black_box;
use std::time::Instant;

use wayhouse_proto::crypto::{Algorithm, SigningKey, verify};

const ROUNDS: u32 = 20;
const CALLS: u32 = 100;

fn main() {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let message = [7; 300];
    for algorithm in [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519] {
        let key = SigningKey::new(algorithm, &[7; 32]).expect("a key");
        let (public, signature) = (key.public_key(), key.sign(&message));
        let measure = |what: &str, work: &dyn Fn()| {
            if is_measuring {
                println!("{algorithm:?} {what:10} {:8.1} µs", best(work));
            } else {
                work();
            }
        };
        measure("verify", &|| assert!(verify(algorithm, black_box(&public), &message, &signature)));
        measure("sign", &|| {
            black_box(key.sign(black_box(&message)));
        });
    }
}

/// Microseconds per call in the best round.
fn best(work: &dyn Fn()) -> f64 {
    let round = || {
        let start = Instant::now();
        (0..CALLS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}
