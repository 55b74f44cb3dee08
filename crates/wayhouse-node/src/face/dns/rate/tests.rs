use std::time::Duration;

use wayhouse_proto::rng::Rng;

use super::*;

fn limiter(per_s: u32) -> Limiter {
    Limiter::new(KeyedState::new(&mut Rng::new(1)), per_s)
}

#[allow(clippy::disallowed_methods, reason = "a test needs some moment to start from")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn a_network_gets_what_it_may_and_then_every_other_question_back() {
    let (mut limiter, now) = (limiter(10), start());
    let client = |last: u8| IpAddr::from([192, 0, 2, last]);
    for last in 0..20 {
        assert_eq!(limiter.judge(now, client(last)), Verdict::Answer, "{last}");
    }
    let beyond: Vec<_> = (0..4).map(|last| limiter.judge(now, client(last))).collect();
    assert_eq!(beyond, [Verdict::Drop, Verdict::Truncate, Verdict::Drop, Verdict::Truncate]);
    assert_eq!(limiter.judge(now, IpAddr::from([192, 0, 3, 1])), Verdict::Answer, "another network");
    assert_eq!(limiter.judge(now + Duration::from_millis(100), client(1)), Verdict::Answer, "a tenth of a second");
    assert_ne!(limiter.judge(now + Duration::from_millis(100), client(1)), Verdict::Answer);
}

#[test]
fn loopback_and_no_limit_are_not_counted() {
    let (mut limited, mut free, now) = (limiter(1), limiter(0), start());
    for _ in 0..1_000 {
        assert_eq!(limited.judge(now, IpAddr::from([127, 0, 0, 1])), Verdict::Answer);
        assert_eq!(free.judge(now, IpAddr::from([192, 0, 2, 1])), Verdict::Answer);
    }
}
