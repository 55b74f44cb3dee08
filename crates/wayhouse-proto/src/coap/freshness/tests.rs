use std::time::Duration;

use super::Freshness;
use crate::coap::matching::sample;

#[test]
fn ob3_vectors() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/observe_order.json")).expect("the file is JSON");
    let cases = file["cases"].as_array().expect("a list of cases");
    assert_eq!(cases.len(), 12);
    for case in cases {
        let value = |name: &str| case[name].as_u64().expect("a number") as u32;
        let start = sample::start();
        let arrival = start + Duration::from_secs_f64(case["dt"].as_f64().expect("a number"));
        let mut newest = Freshness::new(value("v1"), start);
        let is_newer = case["newer"].as_bool().expect("a truth value");
        assert_eq!(newest.is_newer(value("v2"), arrival), is_newer, "{case}");
        assert_eq!(newest.advance(value("v2"), arrival), is_newer, "{case}");
        let expected = if is_newer { Freshness::new(value("v2"), arrival) } else { Freshness::new(value("v1"), start) };
        assert_eq!(newest, expected, "{case}");
    }
}

#[test]
fn ob3_late_notifications_do_not_become_the_measure() {
    let start = sample::start();
    let mut newest = Freshness::new(0xff_fffe, start);
    let arrivals = [(0xff_ffff, true), (1, true), (0, false), (0xff_ffff, false), (2, true), (2, false)];
    for (second, (value, is_newer)) in arrivals.into_iter().enumerate() {
        assert_eq!(newest.advance(value, start + sample::seconds(second as u64)), is_newer, "{value}");
    }
    // Only the low 24 bits count.
    assert!(!newest.is_newer(0x100_0002, start));
}
