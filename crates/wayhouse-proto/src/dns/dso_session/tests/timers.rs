//! Timeouts, keepalives, grace.

use super::*;

/// A client or server with these timeouts in force.
fn with_timeouts(role: Role, inactivity_timeout_ms: u32, keepalive_interval_ms: u32) -> Bench {
    let most = Keepalive { inactivity_timeout_ms: INFINITE_MS, keepalive_interval_ms: INFINITE_MS };
    let mut bench = Bench::established_with(role, Settings { timeouts: most, ..settings(RFC) });
    match role {
        Role::Client => {
            let told = keepalive_response(0, inactivity_timeout_ms, keepalive_interval_ms);
            let mut told = told;
            told[2] &= 0x7f;
            bench.receive(&told);
        }
        Role::Server => {
            bench.receive(&keepalive_request(99, inactivity_timeout_ms, keepalive_interval_ms));
        }
    }
    bench.out.clear();
    bench
}

#[test]
fn ds26_both_timeouts_are_fifteen_seconds_until_said_otherwise() {
    let mut bench = Bench::new(Role::Client, RFC);
    let id = bench.subscribe();
    bench.receive(&response(id, Rcode::REFUSED));
    assert!(bench.session.is_without_dso());
    let mut bench = Bench::new(Role::Client, RFC);
    let id = bench.subscribe();
    bench.receive(&response(id, Rcode::NOERROR));
    let fifteen = Keepalive { inactivity_timeout_ms: 15_000, keepalive_interval_ms: 15_000 };
    assert_eq!(bench.session.timeouts(), fifteen);
    // Subscribed, so not inactive; but silent.
    assert_eq!(bench.pass(ms(14_999)), NOTHING);
    assert!(bench.out.len() > 2 && bench.sent().len() == 1);
    bench.pass(ms(1));
    assert_eq!(bench.sent(), [keepalive_request(2, 15_000, KEEPALIVE_INTERVAL_RECOMMENDED_MS)]);
}

#[test]
fn ds27_any_message_resets_both_timers_and_a_keepalive_only_one() {
    let mut bench = with_timeouts(Role::Client, 20_000, 60_000);
    bench.pass(s(15));
    bench.session.send_dns(bench.now, &query(b""), &mut bench.out).expect("established");
    bench.receive(&answer_to_query());
    assert_eq!(bench.pass(s(19)), NOTHING);
    bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.pass(s(1)), ["Graceful Inactive"], "a Keepalive is no activity");
    // Received ones count as well.
    let mut bench = with_timeouts(Role::Server, 20_000, 60_000);
    bench.pass(s(39));
    bench.receive(&request(0, UNSUBSCRIBE));
    assert_eq!(bench.pass(ms(39_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort Inactive"]);
    // A Keepalive does reset the other timer.
    let mut bench = with_timeouts(Role::Server, INFINITE_MS, 20_000);
    bench.pass(s(39));
    bench.receive(&keepalive_request(5, INFINITE_MS, 20_000));
    assert_eq!(bench.pass(ms(39_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort Silent"]);
}

#[test]
fn ds27_what_is_outstanding_holds_the_inactivity_timer_at_zero() {
    // A request without answer, a live operation, a query.
    let mut bench = with_timeouts(Role::Client, 5_000, INFINITE_MS);
    let id = bench.subscribe();
    assert_eq!(bench.pass(s(100)), NOTHING);
    bench.receive(&response(id, Rcode::NOERROR));
    assert_eq!(bench.pass(s(100)), NOTHING);
    bench.session.tell(bench.now, UNSUBSCRIBE, &mut bench.out, fill(UNSUBSCRIBE)).expect("established");
    bench.session.abandon(id);
    assert_eq!(bench.pass(ms(4_999)), NOTHING);
    bench.session.send_dns(bench.now, &query(b""), &mut bench.out).expect("established");
    assert_eq!(bench.pass(s(100)), NOTHING);
    bench.receive(&answer_to_query());
    assert_eq!(bench.pass(ms(4_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Graceful Inactive"]);
    // The same seen from the server.
    let mut bench = with_timeouts(Role::Server, 5_000, INFINITE_MS);
    bench.receive(&request(1, SUBSCRIBE));
    bench.session.respond(bench.now, 1, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    bench.receive(&query(b""));
    assert_eq!(bench.pass(s(100)), NOTHING);
    bench.session.send_dns(bench.now, &answer_to_query(), &mut bench.out).expect("established");
    assert_eq!(bench.pass(s(100)), NOTHING);
    bench.receive(&request(0, UNSUBSCRIBE));
    bench.session.release(1);
    assert_eq!(bench.pass(ms(9_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort Inactive"]);
}

#[test]
fn ds28_a_client_closes_gracefully_when_inactive() {
    for (timeout, expected) in [(0, 0), (1_000, 1_000), (INFINITE_MS - 1, u64::from(INFINITE_MS) - 1)] {
        let mut bench = with_timeouts(Role::Client, timeout, INFINITE_MS);
        if expected > 0 {
            assert_eq!(bench.pass(ms(expected - 1)), NOTHING);
        }
        assert_eq!(bench.pass(ms(1)), ["Graceful Inactive"]);
    }
    let mut bench = with_timeouts(Role::Client, INFINITE_MS, INFINITE_MS);
    assert_eq!(bench.session.poll_timeout(), None);
    bench.session.close();
    assert!(bench.session.is_closed());
}

#[test]
fn ds29_a_server_aborts_at_five_seconds_or_twice_the_timeout() {
    for (timeout, expected) in [(0, 5_000), (1_000, 5_000), (2_500, 5_000), (3_000, 6_000), (60_000, 120_000)] {
        let mut bench = with_timeouts(Role::Server, timeout, INFINITE_MS);
        assert_eq!(bench.pass(ms(expected - 1)), NOTHING, "{timeout}");
        assert_eq!(bench.pass(ms(1)), ["Abort Inactive"], "{timeout}");
    }
}

#[test]
fn ds30_a_client_keeps_alive_and_a_server_gives_up_at_twice_the_interval() {
    let mut bench = with_timeouts(Role::Client, INFINITE_MS, 10_000);
    for round in 0..3 {
        assert_eq!(bench.pass(ms(9_999)), NOTHING);
        assert!(bench.sent().is_empty());
        bench.pass(ms(1));
        let id = 2 + round;
        assert_eq!(bench.sent(), [keepalive_request(id, INFINITE_MS, INFINITE_MS)]);
        assert_eq!(
            bench.receive(&keepalive_response(id, INFINITE_MS, 10_000)),
            [format!("timeouts {INFINITE_MS} 10000")]
        );
    }
    // Nobody answers.
    bench.pass(s(10));
    assert_eq!(bench.pass(s(10)), ["Abort Silent"]);
    let mut bench = with_timeouts(Role::Server, INFINITE_MS, 10_000);
    assert_eq!(bench.pass(ms(19_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort Silent"]);
    // An infinite interval wants no keepalives.
    let mut bench = with_timeouts(Role::Client, INFINITE_MS, INFINITE_MS);
    assert_eq!(bench.pass(s(10_000_000)), NOTHING);
}

#[test]
fn ds31_no_keepalive_interval_is_below_ten_seconds() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&keepalive_request(7, 1, 9_999));
    assert_eq!(bench.sent(), [keepalive_response(7, 1, 10_000)]);
    let timeouts = Keepalive { inactivity_timeout_ms: 0, keepalive_interval_ms: 0 };
    bench.session.set_timeouts(bench.now, timeouts, &mut bench.out).expect("established");
    let sent = bench.sent();
    let message = DsoMessage::decode(&sent[0], RFC).expect("ours");
    let expected = Keepalive { keepalive_interval_ms: 10_000, ..timeouts };
    assert_eq!((message.id, message.primary().expect("a TLV").keepalive()), (0, Ok(expected)));
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.receive(&keepalive_response(id, 15_000, 9_999)), ["Abort TimeoutTooShort"]);
    let mut told = keepalive_request(0, 15_000, 9_999);
    assert_eq!(Bench::established(Role::Client, RFC).receive(&told), ["Abort TimeoutTooShort"]);
    told = keepalive_request(0, 15_000, 10_000);
    assert_eq!(Bench::established(Role::Client, RFC).receive(&told), ["timeouts 15000 10000"]);
}

#[test]
fn ds32_a_server_may_dictate_any_inactivity_timeout() {
    for timeout in [0, 1, 15_000, INFINITE_MS - 1, INFINITE_MS] {
        let mut bench = Bench::established(Role::Server, RFC);
        let timeouts = Keepalive { inactivity_timeout_ms: timeout, keepalive_interval_ms: 20_000 };
        bench.session.set_timeouts(bench.now, timeouts, &mut bench.out).expect("established");
        assert_eq!(bench.sent(), [keepalive_request(0, timeout, 20_000)]);
        assert_eq!(bench.session.timeouts(), timeouts);
        let told = keepalive_request(0, timeout, 20_000);
        let words = Bench::established(Role::Client, RFC).receive(&told);
        assert_eq!(words, [format!("timeouts {timeout} 20000")]);
    }
}

#[test]
fn ds33_an_hour_is_asked_for_and_granted_by_default() {
    assert_eq!(Settings::default().timeouts.keepalive_interval_ms, 3_600_000);
}

#[test]
fn ds34_a_client_that_could_not_know_gets_grace() {
    // Ten seconds idle of sixty; then the timeout becomes eight, or forty.
    for (timeout, grace, rule) in [(8_000, 5_000, 6_000), (100, 5_000, 0)] {
        let mut bench = with_timeouts(Role::Server, 60_000, INFINITE_MS);
        bench.pass(s(10));
        let timeouts = Keepalive { inactivity_timeout_ms: timeout, keepalive_interval_ms: INFINITE_MS };
        bench.session.set_timeouts(bench.now, timeouts, &mut bench.out).expect("established");
        let wait = grace.max(rule);
        assert_eq!(bench.pass(ms(wait - 1)), NOTHING, "{timeout}");
        assert_eq!(bench.pass(ms(1)), ["Abort Inactive"], "{timeout}");
    }
    // A quarter of the new timeout, where that is longer.
    let mut bench = with_timeouts(Role::Server, 1_000_000, INFINITE_MS);
    bench.pass(s(500));
    let timeouts = Keepalive { inactivity_timeout_ms: 200_000, keepalive_interval_ms: INFINITE_MS };
    bench.session.set_timeouts(bench.now, timeouts, &mut bench.out).expect("established");
    assert_eq!(bench.pass(ms(49_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort Inactive"]);
    // The client itself closes at once.
    let mut bench = with_timeouts(Role::Client, 60_000, INFINITE_MS);
    bench.pass(s(10));
    assert_eq!(bench.receive(&keepalive_request(0, 8_000, INFINITE_MS)), [format!("timeouts 8000 {INFINITE_MS}")]);
    assert_eq!(bench.pass(ms(0)), ["Graceful Inactive"]);
    // A longer one goes on from where it was.
    let mut bench = with_timeouts(Role::Client, 20_000, INFINITE_MS);
    bench.pass(s(10));
    bench.receive(&keepalive_request(0, 30_000, INFINITE_MS));
    assert_eq!(bench.pass(ms(19_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Graceful Inactive"]);
}

#[test]
fn ds35_a_client_keeps_asking_for_what_it_prefers_and_obeys() {
    let preferred = Keepalive { inactivity_timeout_ms: 40_000, keepalive_interval_ms: 50_000 };
    let mut bench = Bench::with(Role::Client, Settings { timeouts: preferred, ..settings(RFC) });
    for id in 1..4 {
        bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
        assert_eq!(bench.sent(), [keepalive_request(id, 40_000, 50_000)]);
        bench.receive(&keepalive_response(id, 12_000, 13_000));
        let granted = Keepalive { inactivity_timeout_ms: 12_000, keepalive_interval_ms: 13_000 };
        assert_eq!(bench.session.timeouts(), granted);
    }
}

#[test]
fn ds36_ds37_a_client_asks_for_timeouts_and_a_server_tells_them() {
    assert_eq!(
        Bench::established(Role::Server, RFC).receive(&keepalive_request(0, 1, 20_000)),
        ["Abort WrongMessageId"]
    );
    assert_eq!(
        Bench::established(Role::Client, RFC).receive(&keepalive_request(5, 1, 20_000)),
        ["Abort WrongMessageId"]
    );
    let mut bench = Bench::established(Role::Client, RFC);
    assert_eq!(bench.receive(&keepalive_request(0, 20_000, 20_000)), ["timeouts 20000 20000"]);
    assert!(bench.sent().is_empty(), "it is not answered");
    assert_eq!(
        Bench::established(Role::Server, RFC).session.keep_alive(start(), &mut Vec::new()),
        Err(Refused::NotOurs)
    );
}

#[test]
fn drafts_have_a_floor_for_inactivity_and_acknowledge_a_servers_keepalive() {
    for dialect in [DRAFT_02, DRAFT_03] {
        let mut bench = Bench::established(Role::Client, dialect);
        assert_eq!(bench.receive(&keepalive_request(7, 30_000, 900_000)), ["timeouts 30000 900000"]);
        assert_eq!(bench.sent(), [response(7, Rcode::NOERROR)]);
        assert_eq!(bench.receive(&keepalive_request(8, 9_999, 900_000)), ["Abort TimeoutTooShort"]);
        let mut bench = Bench::established(Role::Server, dialect);
        let timeouts = Keepalive { inactivity_timeout_ms: 0, keepalive_interval_ms: 0 };
        bench.session.set_timeouts(bench.now, timeouts, &mut bench.out).expect("established");
        assert_eq!(bench.sent(), [keepalive_request(1, 10_000, 10_000)]);
        assert_eq!(bench.receive(&response(1, Rcode::NOERROR)), NOTHING);
    }
}
