//! How sessions come to be, or do not.

use super::*;

#[test]
fn ds19_a_server_is_silent_until_there_is_a_session() {
    let mut bench = Bench::new(Role::Server, RFC);
    let timeouts = Keepalive { inactivity_timeout_ms: 20_000, keepalive_interval_ms: 20_000 };
    assert_eq!(bench.session.tell(bench.now, PUSH, &mut bench.out, fill(PUSH)), Err(Refused::NoSession));
    assert_eq!(bench.session.set_timeouts(bench.now, timeouts, &mut bench.out), Err(Refused::NoSession));
    assert_eq!(bench.session.shut_down(bench.now, Rcode::NOERROR, 0, &mut bench.out), Err(Refused::NoSession));
    assert!(bench.out.is_empty());
    // The answer to a client's request makes one.
    bench.receive(&request(7, SUBSCRIBE));
    assert!(!bench.session.is_established());
    bench.session.respond(bench.now, 7, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    assert!(bench.session.is_established());
    bench.session.tell(bench.now, PUSH, &mut bench.out, fill(PUSH)).expect("established");
    // A refusal does not.
    let mut bench = Bench::new(Role::Server, RFC);
    bench.receive(&request(7, SUBSCRIBE));
    bench.session.respond(bench.now, 7, Rcode::NOTAUTH, None, &mut bench.out, |_| {}).expect("it waits");
    assert!(!bench.session.is_established());
    // A client does not take it from a server.
    let mut bench = Bench::new(Role::Client, RFC);
    bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.receive(&request(0, PUSH)), ["Abort BeforeSession"]);
}

#[test]
fn ds9_ds20_a_client_tells_nothing_until_there_is_a_session() {
    let mut bench = Bench::new(Role::Client, RFC);
    let told = |bench: &mut Bench| bench.session.tell(bench.now, UNSUBSCRIBE, &mut bench.out, fill(UNSUBSCRIBE));
    assert_eq!(told(&mut bench), Err(Refused::NoSession));
    let id = bench.subscribe();
    assert_eq!(told(&mut bench), Err(Refused::NoSession));
    bench.receive(&response(id, Rcode::NOERROR));
    assert_eq!(told(&mut bench), Ok(()));
    assert_eq!(Bench::new(Role::Server, RFC).receive(&request(0, UNSUBSCRIBE)), ["Abort BeforeSession"]);
}

#[test]
fn ds21_ds24_a_server_answers_keepalive_with_what_it_grants() {
    let check = |asked: (u32, u32), most: (u32, u32), granted: (u32, u32)| {
        let timeouts = Keepalive { inactivity_timeout_ms: most.0, keepalive_interval_ms: most.1 };
        let mut bench = Bench::with(Role::Server, Settings { timeouts, ..settings(RFC) });
        assert_eq!(bench.receive(&keepalive_request(7, asked.0, asked.1)), NOTHING);
        assert_eq!(bench.sent(), [keepalive_response(7, granted.0, granted.1)]);
        assert!(bench.session.is_established());
        assert_eq!(bench.session.timeouts().inactivity_timeout_ms, granted.0);
    };
    check((30_000, 600_000), (15_000, 3_600_000), (15_000, 600_000));
    check((0, 0), (15_000, 3_600_000), (0, 10_000));
    check((INFINITE_MS, INFINITE_MS), (15_000, 3_600_000), (15_000, 3_600_000));
    check((INFINITE_MS, INFINITE_MS), (INFINITE_MS, INFINITE_MS), (INFINITE_MS, INFINITE_MS));
}

#[test]
fn ds22_a_client_waits_thirty_seconds_for_its_session() {
    let mut bench = Bench::new(Role::Client, RFC);
    assert_eq!(bench.session.poll_timeout(), None);
    bench.subscribe();
    bench.pass(s(10));
    bench.subscribe();
    bench.receive(&query(b""));
    assert_eq!(bench.pass(ms(19_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort NotEstablished"]);
    assert!(bench.session.is_closed() && bench.session.poll_timeout().is_none());
}

#[test]
fn ds22_an_answer_that_knows_no_sessions_leaves_plain_dns() {
    let mut bench = Bench::new(Role::Client, RFC);
    let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.receive(&response(id, Rcode::NOTIMP)), [format!("response {id} 0x1 4 None")]);
    assert!(bench.session.is_without_dso());
    let asked = bench.session.request(bench.now, SUBSCRIBE, &mut bench.out, fill(SUBSCRIBE));
    assert_eq!(asked, Err(Refused::NoDso));
    bench.session.send_dns(bench.now, &query(b""), &mut bench.out).expect("plain DNS goes on");
    assert_eq!(bench.pass(s(3600)), NOTHING);
}

#[test]
fn ds10_after_dsotypeni_another_type_may_be_tried() {
    let mut bench = Bench::new(Role::Client, RFC);
    let id = bench.subscribe();
    assert_eq!(bench.receive(&response(id, DSOTYPENI)), [format!("response {id} 0x40 11 None")]);
    assert!(!bench.session.is_established() && !bench.session.is_without_dso());
    assert_eq!(bench.pass(s(60)), NOTHING, "nothing is waited for");
    let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.receive(&keepalive_response(id, 15_000, 60_000)), ["timeouts 15000 60000"]);
    assert!(bench.session.is_established());
}

#[test]
fn ds52_ds53_only_what_may_be_early_is() {
    let early = |role, settings: Settings, message: &[u8]| {
        let mut bench = Bench::with(role, settings);
        bench.session.handle_early_data(&framed(message));
        bench.drain()
    };
    assert_eq!(early(Role::Server, settings(RFC), &keepalive_request(1, 1, 1)), NOTHING);
    assert_eq!(early(Role::Server, settings(RFC), &request(1, SUBSCRIBE)), ["request 1 0x40"]);
    assert_eq!(early(Role::Server, settings(RFC), &request(1, UNKNOWN)), ["Abort EarlyData"]);
    let implicit = || Settings { is_implicit: true, ..settings(RFC) };
    assert_eq!(early(Role::Server, implicit(), &request(0, UNSUBSCRIBE)), ["Abort EarlyData"]);
    assert_eq!(early(Role::Client, settings(RFC), &request(0, PUSH)), ["Abort BeforeSession"]);
    assert_eq!(early(Role::Client, implicit(), &request(0, PUSH)), ["Abort EarlyData"]);
    // What comes behind the handshake is not early any more, even in the same breath.
    let mut bench = Bench::new(Role::Server, RFC);
    let (first, second) = (framed(&request(1, SUBSCRIBE)), framed(&request(2, UNKNOWN)));
    bench.session.handle_early_data(&first[..9]);
    bench.session.handle_data(&[&first[9..], &second].concat());
    assert_eq!(bench.drain(), ["request 1 0x40"]);
    assert_eq!(bench.sent(), [response(2, DSOTYPENI)]);
}

#[test]
fn an_implicit_session_is_there_from_the_start() {
    for role in [Role::Client, Role::Server] {
        let mut bench = Bench::with(role, Settings { is_implicit: true, ..settings(RFC) });
        let (own, theirs) = if role == Role::Client { (UNSUBSCRIBE, PUSH) } else { (PUSH, UNSUBSCRIBE) };
        bench.session.tell(bench.now, own, &mut bench.out, fill(own)).expect("there is a session");
        assert_eq!(bench.receive(&request(0, theirs)), [format!("told {theirs:#x}")]);
    }
}
