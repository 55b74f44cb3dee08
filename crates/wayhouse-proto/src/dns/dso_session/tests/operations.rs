//! Long-lived operations, padding, bounds, and whose a type is.

use super::*;

/// A client with a subscription that was accepted.
fn subscribed() -> (Bench, u16) {
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.subscribe();
    bench.receive(&response(id, Rcode::NOERROR));
    bench.sent();
    (bench, id)
}

#[test]
fn ds50_a_second_answer_ends_a_long_lived_operation() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(0x42, SUBSCRIBE));
    let now = bench.now;
    assert_eq!(bench.session.cancel(now, 0x42, Rcode::NOTAUTH, None, &mut bench.out), Err(Refused::NotOurs));
    bench.session.respond(now, 0x42, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    bench.sent();
    assert_eq!(bench.session.cancel(now, 0x42, Rcode::NOERROR, None, &mut bench.out), Err(Refused::NotOurs));
    bench.session.cancel(now, 0x42, Rcode::NOTAUTH, Some(300_000), &mut bench.out).expect("it lives");
    let cancel = bench.sent().remove(0);
    assert_eq!(cancel[..4], [0, 0x42, 0xb0, 9]);
    assert_eq!(bench.receive(&request(0x42, SUBSCRIBE)), ["request 66 0x40"], "the ID is free");

    let (mut bench, id) = subscribed();
    let mut cancel = cancel;
    cancel[1] = id as u8;
    assert_eq!(bench.receive(&cancel), [format!("cancelled {id} 0x40 9 Some(300000)")]);
    bench.session.state.last_id = id - 1;
    assert_eq!(bench.subscribe(), id, "the ID is free");
}

#[test]
fn ds50_ends_that_cross_on_the_way_are_no_fault() {
    let (mut bench, id) = subscribed();
    bench.session.tell(bench.now, UNSUBSCRIBE, &mut bench.out, fill(UNSUBSCRIBE)).expect("established");
    bench.session.abandon(id);
    assert_eq!(bench.receive(&response(id, Rcode::NOTAUTH)), NOTHING);
    assert!(bench.session.is_established());
    // Ended before the first answer.
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.subscribe();
    bench.session.abandon(id);
    assert_eq!(bench.receive(&response(id, Rcode::NOERROR)), [format!("response {id} 0x40 0 None")]);
    assert_eq!(bench.receive(&response(id, Rcode::NOTAUTH)), NOTHING);
    // What is remembered of them is bounded.
    let (mut bench, _) = subscribed();
    for _ in 0..40 {
        let id = bench.subscribe();
        bench.receive(&response(id, Rcode::NOERROR));
        bench.session.abandon(id);
    }
    assert_eq!(bench.session.state.own.len(), 1 + SessionLimits::default().abandoned_max);
}

#[test]
fn ds51_what_is_padded_is_answered_padded() {
    let pad = |message: &mut Vec<u8>| message.extend_from_slice(b"\0\x03\0\x05abcde");
    let mut bench = Bench::new(Role::Server, RFC);
    let mut message = keepalive_request(1, 15_000, 60_000);
    pad(&mut message);
    bench.receive(&message);
    let mut message = request(2, SUBSCRIBE);
    pad(&mut message);
    bench.receive(&message);
    bench.session.respond(bench.now, 2, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    for message in bench.sent() {
        let decoded = DsoMessage::decode(&message, RFC).expect("ours");
        assert!(decoded.is_padded(RFC));
        assert_eq!(message.len(), 468);
        assert!(message[message.len() - 400..].iter().all(|octet| *octet == 0));
    }
    // As what the message is for it is no message at all (DX2).
    bench.receive(&request(3, 3));
    assert_eq!(bench.sent(), [response(3, Rcode::FORMERR)]);
    assert_eq!(bench.receive(&request(0, 3)), ["Abort NotTheirs"]);
}

#[test]
fn pu15_pu19_pu28_pu29_what_comes_from_the_wrong_side_ends_the_session() {
    for id in [0, 5] {
        for dso_type in [SUBSCRIBE, UNSUBSCRIBE, RECONFIRM] {
            assert_eq!(Bench::established(Role::Client, RFC).receive(&request(id, dso_type)), ["Abort NotTheirs"]);
        }
        assert_eq!(Bench::established(Role::Server, RFC).receive(&request(id, PUSH)), ["Abort NotTheirs"]);
    }
    for dso_type in [PUSH, UNSUBSCRIBE, RECONFIRM] {
        // With QR=1 they answer nothing that was asked.
        let mut message = request(5, dso_type);
        message[2] |= 0x80;
        for role in [Role::Client, Role::Server] {
            assert_eq!(Bench::established(role, RFC).receive(&message), ["Abort UnknownResponse"]);
        }
    }
    // push-12 has an answer for it.
    let mut bench = Bench::established(Role::Client, DRAFT_03);
    assert_eq!(bench.receive(&request(5, SUBSCRIBE)), NOTHING);
    assert_eq!(bench.sent(), [response(5, Rcode::NOTAUTH)]);
    // And we do not send it.
    let mut bench = Bench::established(Role::Server, RFC);
    let asked = bench.session.request(bench.now, SUBSCRIBE, &mut bench.out, fill(SUBSCRIBE));
    assert_eq!(asked, Err(Refused::NotOurs));
    assert_eq!(bench.session.tell(bench.now, UNSUBSCRIBE, &mut bench.out, |_| {}), Err(Refused::NotOurs));
}

#[test]
fn push_10_unsubscribes_with_the_id_of_the_subscription() {
    let settings = Settings { operations: push::operations(PushDialect::Push10), ..settings(DRAFT_02) };
    let mut client = Bench::with(Role::Client, settings.clone());
    let mut server = Bench::with(Role::Server, settings);
    let unsubscribe = |bench: &mut Bench, id| {
        bench.session.request_about(bench.now, id, UNSUBSCRIBE, &mut bench.out, |writer| writer.tlv(UNSUBSCRIBE, &[]))
    };
    assert_eq!(unsubscribe(&mut client, 1), Err(Refused::NotOurs), "there is no such subscription");
    let id = client.subscribe();
    // It overtakes the answer.
    unsubscribe(&mut client, id).expect("there is one");
    let words: Vec<String> = client.sent().iter().flat_map(|message| server.receive(message)).collect();
    assert_eq!(words, [format!("request {id} 0x40"), format!("request {id} 0x42")]);
    for _ in 0..2 {
        server.session.respond(server.now, id, Rcode::NOERROR, None, &mut server.out, |_| {}).expect("it waits");
    }
    let words: Vec<String> = server.sent().iter().flat_map(|message| client.receive(message)).collect();
    assert_eq!(words, [format!("response {id} 0x40 0 None"), format!("response {id} 0x42 0 None")]);
    assert!(client.session.state.own.is_empty() && server.session.state.theirs.is_empty());
}

#[test]
fn ds3_operations_are_bounded_on_both_sides() {
    let limits = SessionLimits { their_operations_max: 2, own_operations_max: 3, ..SessionLimits::default() };
    let mut bench = Bench::established_with(Role::Server, Settings { limits, ..settings(RFC) });
    assert_eq!(bench.receive(&request(1, SUBSCRIBE)).len(), 1);
    assert_eq!(bench.receive(&request(2, SUBSCRIBE)).len(), 1);
    assert_eq!(bench.receive(&request(3, SUBSCRIBE)), NOTHING);
    assert_eq!(bench.sent(), [response(3, Rcode::REFUSED)]);
    let mut bench = Bench::established_with(Role::Client, Settings { limits, ..settings(RFC) });
    (0..3).for_each(|_| {
        bench.subscribe();
    });
    let asked = bench.session.request(bench.now, SUBSCRIBE, &mut bench.out, fill(SUBSCRIBE));
    assert_eq!(asked, Err(Refused::TooMany));
}

#[test]
fn what_is_too_long_is_not_sent() {
    let mut bench = Bench::established(Role::Server, RFC);
    let long = |writer: &mut DsoWriter<'_>| writer.tlv(PUSH, &[0; 65_530]);
    assert_eq!(bench.session.tell(bench.now, PUSH, &mut bench.out, long), Err(Refused::TooLong));
    assert_eq!(bench.session.send_dns(bench.now, &[0; 65_536], &mut bench.out), Err(Refused::TooLong));
    assert!(bench.out.is_empty());
}

#[test]
fn a_caller_can_end_a_session_for_what_it_found_wrong() {
    let mut bench = Bench::established(Role::Client, RFC);
    bench.receive(&request(0, PUSH));
    bench.session.abort("a PUSH without notifications");
    assert_eq!(bench.drain(), [r#"Abort Operation("a PUSH without notifications")"#]);
    assert_eq!(bench.drain(), NOTHING);
}
