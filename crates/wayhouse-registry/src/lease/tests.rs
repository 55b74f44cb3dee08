use super::*;

#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn rr17_age_runs_from_the_last_renewal() {
    let renewed = start();
    let lease = Lease { lifetime_s: 60, renewed };
    assert_eq!(lease.age(renewed), Duration::ZERO);
    assert_eq!(lease.age(renewed + Duration::from_secs(25)), Duration::from_secs(25));
}

#[test]
fn rr19_remaining_is_what_age_leaves_of_the_lifetime() {
    let renewed = start();
    let lease = Lease { lifetime_s: 60, renewed };
    assert_eq!(lease.remaining(renewed + Duration::from_secs(25)), Duration::from_secs(35));
    assert_eq!(lease.remaining(renewed + Duration::from_secs(61)), Duration::ZERO);
}

#[test]
fn moments_and_instants_translate_both_ways() {
    let first = start() + Duration::from_secs(10);
    let mut epoch = Epoch::default();
    assert_eq!(epoch.moment(first), 0);
    for instant in
        [first, first + Duration::from_nanos(1), first - Duration::from_secs(5), first + Duration::from_secs(1 << 32)]
    {
        let moment = epoch.moment(instant);
        assert_eq!(epoch.instant(moment), instant);
    }
    assert_eq!(later(5, 2), 2_000_000_005);
    assert_eq!(later(Moment::MAX - 1, u32::MAX), Moment::MAX);
}
