use super::*;

#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

const LIMITS: QuotaLimits = QuotaLimits {
    per_neighbourhood: Allowance { burst: 3, refill: Duration::from_secs(1) },
    total: Allowance { burst: 8, refill: Duration::from_millis(100) },
    neighbourhoods_max: 2,
};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// How many of ten checks are allowed.
fn takes(quota: &mut Quota, now: Instant, text: &str) -> usize {
    (0..10).filter(|_| quota.take(now, address(text))).count()
}

#[test]
fn each_neighbourhood_has_its_allowance_and_it_refills() {
    let now = start();
    let mut quota = Quota::new(now, LIMITS, &mut Rng::new(1));
    assert_eq!(takes(&mut quota, now, "192.0.2.1"), 3);
    assert_eq!(takes(&mut quota, now, "::ffff:192.0.2.1"), 0, "the same address in other clothes");
    assert_eq!(takes(&mut quota, now, "2001:db8::1"), 3);
    assert_eq!(takes(&mut quota, now, "2001:db8::ffff:0:2"), 0, "the same /64");
    assert_eq!(takes(&mut quota, now + Duration::from_millis(999), "192.0.2.1"), 0);
    assert_eq!(takes(&mut quota, now + Duration::from_secs(1), "192.0.2.1"), 1);
    assert_eq!(takes(&mut quota, now + Duration::from_secs(100), "192.0.2.1"), 3);
}

#[test]
fn all_together_have_one_too() {
    let now = start();
    let limits = QuotaLimits { neighbourhoods_max: 100, ..LIMITS };
    let mut quota = Quota::new(now, limits, &mut Rng::new(1));
    let total: usize = (0..20).map(|host| takes(&mut quota, now, &format!("192.0.2.{host}"))).sum();
    assert_eq!(total, 8);
    assert_eq!(takes(&mut quota, now + Duration::from_millis(200), "192.0.2.99"), 2);
}

#[test]
fn when_the_table_is_full_the_rest_of_the_world_shares() {
    let now = start();
    let limits = QuotaLimits { total: Allowance { burst: 1000, ..LIMITS.total }, ..LIMITS };
    let mut quota = Quota::new(now, limits, &mut Rng::new(1));
    let taken: Vec<_> = (0..5).map(|host| takes(&mut quota, now, &format!("192.0.2.{host}"))).collect();
    assert_eq!(taken, [3, 3, 3, 0, 0]);
    assert_eq!(quota.len(), 2);
    // Who has its whole allowance back gives its place.
    let later = now + Duration::from_secs(10);
    assert_eq!(takes(&mut quota, later, "192.0.2.7"), 3);
    assert_eq!(takes(&mut quota, later, "192.0.2.8"), 3);
    assert_eq!(quota.len(), 2);
}
