//! Retry Delay, and what is left after an error.

use super::*;

fn retry_delay(id: u16, rcode: Rcode, delay_ms: u32, dialect: DsoDialect) -> Vec<u8> {
    let mut out = Vec::new();
    DsoWriter::begin(&mut out, id, Flags::default(), rcode).retry_delay(delay_ms, dialect);
    out
}

#[test]
fn ds40_retry_delay_ends_a_session_and_comes_from_servers_only() {
    assert_eq!(
        Bench::established(Role::Server, RFC).receive(&retry_delay(0, Rcode::NOERROR, 1, RFC)),
        ["Abort NotTheirs"]
    );
    assert_eq!(
        Bench::established(Role::Server, RFC).receive(&retry_delay(5, Rcode::NOERROR, 1, RFC)),
        ["Abort NotTheirs"]
    );
    assert_eq!(
        Bench::established(Role::Client, RFC).receive(&retry_delay(5, Rcode::NOERROR, 1, RFC)),
        ["Abort WrongMessageId"]
    );
    assert_eq!(
        Bench::established(Role::Client, RFC).session.shut_down(start(), Rcode::NOERROR, 1, &mut Vec::new()),
        Err(Refused::NotOurs)
    );
}

#[test]
fn ds41_any_response_code_is_taken() {
    for code in 0..16 {
        let rcode = Rcode::masked_from_int(code);
        let words = Bench::established(Role::Client, RFC).receive(&retry_delay(0, rcode, 10_000, RFC));
        assert_eq!(words, [format!("Graceful {:?}", Reason::RetryDelay { rcode, delay_ms: 10_000 })]);
    }
}

#[test]
fn ds42_ds44_after_a_retry_delay_a_server_is_deaf_and_mute_and_leaves_in_five_seconds() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(1, SUBSCRIBE));
    // A message is half there.
    bench.receive_octets(&framed(&request(2, SUBSCRIBE))[..9]);
    bench.session.shut_down(bench.now, Rcode::SERVFAIL, 60_000, &mut bench.out).expect("established");
    assert_eq!(bench.sent(), [retry_delay(0, Rcode::SERVFAIL, 60_000, RFC)]);
    assert_eq!(bench.receive_octets(&framed(&request(2, SUBSCRIBE))[9..]), NOTHING);
    assert_eq!(bench.receive(&keepalive_request(3, 1, 1)), NOTHING);
    assert_eq!(bench.receive(&response(0, Rcode::NOERROR)), NOTHING, "not even a fault");
    let now = bench.now;
    assert!(bench.session.respond(now, 1, Rcode::NOERROR, None, &mut bench.out, |_| {}).is_err());
    assert!(bench.session.tell(now, PUSH, &mut bench.out, fill(PUSH)).is_err());
    assert!(bench.session.send_dns(now, &answer_to_query(), &mut bench.out).is_err());
    assert!(bench.session.shut_down(now, Rcode::SERVFAIL, 1, &mut bench.out).is_err());
    assert_eq!(bench.pass(ms(4_999)), NOTHING);
    assert_eq!(bench.pass(ms(1)), ["Abort ShutDown"]);
    assert!(bench.sent().is_empty());
}

#[test]
fn ds43_a_client_closes_gracefully_and_takes_nothing_more() {
    let mut bench = Bench::established(Role::Client, RFC);
    bench.subscribe();
    bench.sent();
    let both = [framed(&retry_delay(0, Rcode::REFUSED, 0, RFC)), framed(&request(0, PUSH))].concat();
    let words = bench.receive_octets(&both);
    assert_eq!(words, [format!("Graceful {:?}", Reason::RetryDelay { rcode: Rcode::REFUSED, delay_ms: 0 })]);
    assert!(bench.session.is_closed() && bench.sent().is_empty());
    assert_eq!(bench.session.poll_timeout(), None);
    // Malformed, it is still the end.
    let mut short = retry_delay(0, Rcode::NOERROR, 0, RFC);
    short.pop();
    short[15] = 3;
    assert!(Bench::established(Role::Client, RFC).receive(&short)[0].starts_with("Abort Malformed"));
}

#[test]
fn ds46_a_delay_goes_with_an_error_and_concerns_that_operation() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(0x42, SUBSCRIBE));
    let delay = Some(300_000);
    bench.session.respond(bench.now, 0x42, Rcode::REFUSED, delay, &mut bench.out, |_| {}).expect("it waits");
    let sent = bench.sent();
    assert_eq!(sent[0], b"\0\x42\xb0\x05\0\0\0\0\0\0\0\0\0\x02\0\x04\0\x04\x93\xe0");
    let mut bench = Bench::established(Role::Client, RFC);
    let (other, id) = (bench.subscribe(), bench.subscribe());
    let mut answer = sent[0].clone();
    answer[1] = id as u8;
    assert_eq!(bench.receive(&answer), [format!("response {id} 0x40 5 Some(300000)")]);
    // DS47: the session goes on.
    assert_eq!(bench.receive(&response(other, Rcode::NOERROR)), [format!("response {other} 0x40 0 None")]);
    // Not with NOERROR.
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(1, SUBSCRIBE));
    bench.session.respond(bench.now, 1, Rcode::NOERROR, delay, &mut bench.out, |_| {}).expect("it waits");
    assert_eq!(bench.sent(), [response(1, Rcode::NOERROR)]);
}

#[test]
fn ds47_an_operation_that_failed_does_not_end_the_session() {
    let mut bench = Bench::established(Role::Server, RFC);
    for (id, rcode) in [(1, Rcode::SERVFAIL), (2, Rcode::NOTAUTH), (3, Rcode::FORMERR)] {
        bench.receive(&request(id, SUBSCRIBE));
        bench.session.respond(bench.now, id, rcode, None, &mut bench.out, |_| {}).expect("it waits");
    }
    assert!(bench.session.is_established());
}

#[test]
fn the_drafts_retry_delay_is_a_request_of_type_zero_that_nobody_answers() {
    for dialect in [DRAFT_02, DRAFT_03] {
        let mut bench = Bench::established(Role::Server, dialect);
        bench.session.shut_down(bench.now, Rcode::SERVFAIL, 10_000, &mut bench.out).expect("established");
        let sent = bench.sent();
        assert_eq!(sent[0][2..], *b"\x30\x02\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\x27\x10");
        assert_ne!(sent[0][..2], [0, 0]);
        let mut bench = Bench::established(Role::Client, dialect);
        let words = bench.receive(&sent[0]);
        assert_eq!(words, [format!("Graceful {:?}", Reason::RetryDelay { rcode: Rcode::SERVFAIL, delay_ms: 10_000 })]);
        assert!(bench.sent().is_empty());
        assert_eq!(Bench::established(Role::Server, dialect).receive(&sent[0]), ["Abort NotTheirs"]);
    }
}
