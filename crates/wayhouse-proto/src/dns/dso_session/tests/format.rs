//! Framing, message IDs, malformed messages.

use super::*;

#[test]
fn ds1_nonzero_counts_are_a_format_error_or_the_end() {
    for index in 0..4 {
        let mut message = keepalive_request(7, 1, 2);
        message[5 + 2 * index] = 1;
        let mut bench = Bench::new(Role::Server, RFC);
        assert_eq!(bench.receive(&message), NOTHING);
        assert_eq!(bench.sent(), [response(7, Rcode::FORMERR)]);
        assert!(!bench.session.is_established());
        // DX1: what is not to be answered ends the session.
        message[..2].fill(0);
        let words = Bench::established(Role::Server, RFC).receive(&message);
        assert!(words[0].starts_with("Abort Malformed"), "{words:?}");
        let mut answer = response(7, Rcode::NOERROR);
        answer[5 + 2 * index] = 1;
        assert!(Bench::established(Role::Client, RFC).receive(&answer)[0].starts_with("Abort Malformed"));
    }
    // What we send has none.
    let mut bench = Bench::new(Role::Client, RFC);
    bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.sent()[0][4..12], [0; 8]);
}

#[test]
fn ds2_reserved_bits_mean_nothing() {
    let mut message = keepalive_request(7, 20_000, 20_000);
    message[2] |= 7;
    message[3] |= 0xf0;
    let mut bench = Bench::new(Role::Server, RFC);
    assert_eq!(bench.receive(&message), NOTHING);
    assert_eq!(bench.sent(), [keepalive_response(7, 15_000, 20_000)]);
}

#[test]
fn ds3_message_ids_are_not_zero_and_not_in_use() {
    let mut bench = Bench::established(Role::Client, RFC);
    let live = bench.subscribe();
    bench.receive(&response(live, Rcode::NOERROR));
    let waiting = bench.subscribe();
    bench.session.state.last_id = u16::MAX - 1;
    let ids: Vec<u16> = (0..4).map(|_| bench.subscribe()).collect();
    assert_eq!(ids[0], u16::MAX);
    assert!(!ids.contains(&0) && !ids.contains(&live) && !ids.contains(&waiting), "{ids:?} {live} {waiting}");
    assert!(bench.sent().iter().all(|message| message[..2] != [0, 0]));
    // Unidirectional ones have none.
    bench.session.tell(bench.now, UNSUBSCRIBE, &mut bench.out, fill(UNSUBSCRIBE)).expect("established");
    assert_eq!(bench.sent()[0][..2], [0, 0]);
}

#[test]
fn ds4_a_response_has_the_id_of_its_request_and_never_zero() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(0x1234, SUBSCRIBE));
    bench.session.respond(bench.now, 0x1234, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    assert_eq!(bench.sent(), [response(0x1234, Rcode::NOERROR)]);
    assert_eq!(
        bench.session.respond(bench.now, 0x1234, Rcode::NOERROR, None, &mut bench.out, |_| {}),
        Err(Refused::NotOurs)
    );
    assert_eq!(
        Bench::established(Role::Client, RFC).receive(&response(0, Rcode::NOERROR)),
        ["Abort ResponseWithoutId"]
    );
}

#[test]
fn ds5_an_id_that_contradicts_the_type_ends_the_session() {
    assert_eq!(Bench::established(Role::Server, RFC).receive(&request(0, SUBSCRIBE)), ["Abort WrongMessageId"]);
    assert_eq!(Bench::established(Role::Server, RFC).receive(&request(5, UNSUBSCRIBE)), ["Abort WrongMessageId"]);
    assert_eq!(Bench::established(Role::Client, RFC).receive(&request(5, PUSH)), ["Abort WrongMessageId"]);
}

#[test]
fn ds6_a_message_that_asks_or_tells_has_a_tlv() {
    let empty = |id| {
        let mut out = Vec::new();
        DsoWriter::request(&mut out, id);
        out
    };
    let mut bench = Bench::new(Role::Server, RFC);
    assert_eq!(bench.receive(&empty(7)), NOTHING);
    assert_eq!(bench.sent(), [response(7, Rcode::FORMERR)]);
    assert_eq!(Bench::established(Role::Server, RFC).receive(&empty(0)), ["Abort Empty"]);
}

#[test]
fn ds7_ds38_the_answer_to_a_keepalive_holds_exactly_one_in_front() {
    let keepalive = Keepalive { inactivity_timeout_ms: 20_000, keepalive_interval_ms: 20_000 };
    let check = |write: &dyn Fn(&mut DsoWriter<'_>), expected: &str| {
        let mut bench = Bench::established(Role::Client, RFC);
        let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
        let mut out = Vec::new();
        write(&mut DsoWriter::response(&mut out, id, Rcode::NOERROR));
        assert_eq!(bench.receive(&out), [expected]);
    };
    check(&|writer| writer.keepalive(keepalive), "timeouts 20000 20000");
    check(&|_| {}, "Abort ResponseTlvs");
    check(&|writer| (0..2).for_each(|_| writer.keepalive(keepalive)), "Abort ResponseTlvs");
    let unknown_first = |writer: &mut DsoWriter<'_>| {
        writer.tlv(UNKNOWN, &[]);
        writer.keepalive(keepalive);
    };
    check(&unknown_first, "Abort ResponseTlvs");
    // Additional ones that mean nothing to us are skipped.
    let unknown_last = |writer: &mut DsoWriter<'_>| {
        writer.keepalive(keepalive);
        writer.tlv(UNKNOWN, b"x");
    };
    check(&unknown_last, "timeouts 20000 20000");
    // No other answer of ours has one.
    let mut bench = Bench::new(Role::Server, RFC);
    bench.receive(&request(7, SUBSCRIBE));
    bench.session.respond(bench.now, 7, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    assert_eq!(bench.sent(), [response(7, Rcode::NOERROR)]);
}

/// Apple's proxy answers a Keepalive with nothing: a client that is told to goes on with the timeouts that it has.
#[test]
fn a_bare_answer_to_a_keepalive_is_taken_where_that_is_allowed() {
    let settings = Settings { takes_bare_keepalive: true, ..settings(RFC) };
    let mut bench = Bench::with(Role::Client, settings);
    let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    let before = bench.session.timeouts();
    assert_eq!(bench.receive(&response(id, Rcode::NOERROR)), NOTHING);
    assert!(bench.session.is_established());
    assert_eq!(bench.session.timeouts(), before);
    // What is there has to be right all the same.
    let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    let mut out = Vec::new();
    DsoWriter::response(&mut out, id, Rcode::NOERROR).tlv(UNKNOWN, &[]);
    assert_eq!(bench.receive(&out), ["Abort ResponseTlvs"]);
}

#[test]
fn ds8_what_is_unidirectional_is_never_answered() {
    for message in [request(0, UNSUBSCRIBE), request(0, RECONFIRM), request(0, SUBSCRIBE), request(0, UNKNOWN)] {
        let mut bench = Bench::established(Role::Server, RFC);
        bench.receive(&message);
        bench.receive(&message[..14]);
        assert!(bench.sent().is_empty());
    }
}

#[test]
fn ds10_unknown_primary_is_answered_with_dsotypeni() {
    let mut bench = Bench::new(Role::Server, RFC);
    assert_eq!(bench.receive(&request(7, UNKNOWN)), NOTHING);
    assert_eq!(bench.sent(), [response(7, DSOTYPENI)]);
    assert!(!bench.session.is_established());
    // Type 0 is not that of anything in the RFC.
    bench.receive(&request(8, 0));
    assert_eq!(bench.sent(), [response(8, DSOTYPENI)]);
    let mut bench = Bench::established(Role::Server, RFC);
    assert_eq!(bench.receive(&request(0, UNKNOWN)), ["Abort UnknownUnidirectional"]);
    assert!(bench.sent().is_empty());
}

#[test]
fn ds11_unknown_additional_tlvs_are_skipped() {
    let mut message = request(7, SUBSCRIBE);
    message.extend_from_slice(b"\xf8\xf1\0\x01x");
    assert_eq!(Bench::established(Role::Server, RFC).receive(&message), ["request 7 0x40"]);
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.subscribe();
    let mut answer = response(id, Rcode::NOERROR);
    answer.extend_from_slice(b"\xf8\xf1\0\x01x");
    assert_eq!(bench.receive(&answer), [format!("response {id} 0x40 0 None")]);
}

#[test]
fn ds12_the_response_code_of_a_request_means_nothing() {
    let mut message = request(7, SUBSCRIBE);
    message[3] |= 5;
    assert_eq!(Bench::established(Role::Server, RFC).receive(&message), ["request 7 0x40"]);
    // Other codes than the usual in a response are taken as they are.
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.subscribe();
    assert_eq!(bench.receive(&response(id, Rcode::masked_from_int(15))), [format!("response {id} 0x40 15 None")]);
}

#[test]
fn ds13_ids_of_the_two_directions_have_nothing_to_do_with_each_other() {
    // Only the drafts have requests in both directions.
    let mut bench = Bench::established(Role::Server, DRAFT_03);
    assert_eq!(bench.receive(&request(1, SUBSCRIBE)), ["request 1 0x40"]);
    let id = bench.session.request(bench.now, PUSH, &mut bench.out, fill(PUSH)).expect("a server may");
    assert_eq!(id, 1);
    assert_eq!(bench.receive(&response(1, Rcode::NOERROR)), ["response 1 0x41 0 None"]);
    bench.session.respond(bench.now, 1, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits still");
}

#[test]
fn ds14_a_response_to_nothing_ends_the_session() {
    for role in [Role::Client, Role::Server] {
        assert_eq!(Bench::established(role, RFC).receive(&response(77, Rcode::NOERROR)), ["Abort UnknownResponse"]);
    }
    // A second NOERROR is one.
    let mut bench = Bench::established(Role::Client, RFC);
    let id = bench.subscribe();
    bench.receive(&response(id, Rcode::NOERROR));
    assert_eq!(bench.receive(&response(id, Rcode::NOERROR)), ["Abort UnknownResponse"]);
}

#[test]
fn ds15_an_id_that_waits_for_its_answer_is_not_used_again() {
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(7, SUBSCRIBE));
    assert_eq!(bench.receive(&request(7, SUBSCRIBE)), ["Abort MessageIdInUse"]);
    // Nor that of a subscription.
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(7, SUBSCRIBE));
    bench.session.respond(bench.now, 7, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    assert_eq!(bench.receive(&keepalive_request(7, 1, 1)), ["Abort MessageIdInUse"]);
    // An answered one is free.
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&request(7, SUBSCRIBE));
    bench.session.respond(bench.now, 7, Rcode::REFUSED, None, &mut bench.out, |_| {}).expect("it waits");
    assert_eq!(bench.receive(&request(7, SUBSCRIBE)), ["request 7 0x40"]);
}

#[test]
fn ds16_messages_count_in_the_order_they_came_in_any_pieces() {
    let messages = [
        framed(&keepalive_request(1, 20_000, 20_000)),
        framed(&request(2, SUBSCRIBE)),
        framed(&query(b"")),
        framed(&request(0, UNSUBSCRIBE)),
        framed(&request(3, UNKNOWN)),
        framed(&request(4, SUBSCRIBE)),
    ]
    .concat();
    let whole = ["request 2 0x40", "dns 33", "told 0x42", "request 4 0x40"];
    for step in [1, 2, 3, 7, 20, 1000] {
        let mut bench = Bench::new(Role::Server, RFC);
        let words: Vec<String> = messages.chunks(step).flat_map(|piece| bench.receive_octets(piece)).collect();
        assert_eq!(words, whole, "pieces of {step}");
        assert_eq!(bench.sent(), [keepalive_response(1, 15_000, 20_000), response(3, DSOTYPENI)]);
        // Answers may go in another order than the requests came.
        for id in [4, 2] {
            bench.session.respond(bench.now, id, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
        }
    }
}

#[test]
fn ds17_a_session_message_has_no_edns_and_others_may() {
    let mut message = keepalive_request(7, 1, 2);
    message[11] = 1;
    message.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    let mut bench = Bench::established(Role::Server, RFC);
    bench.receive(&message);
    assert_eq!(bench.sent(), [response(7, Rcode::FORMERR)]);
    assert_eq!(bench.receive(&query(b"\0\x0a\0\x08abcdefgh")), ["dns 45"]);
    bench.session.send_dns(bench.now, &query(b"\0\x0a\0\x08abcdefgh"), &mut bench.out).expect("nothing against it");
}

#[test]
fn ds18_edns_tcp_keepalive_has_no_place_on_a_session() {
    let with_option = query(b"\0\x0b\0\x02\0\x64");
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::established(role, RFC);
        assert_eq!(bench.session.send_dns(bench.now, &with_option, &mut bench.out), Err(Refused::TcpKeepalive));
        assert!(bench.out.is_empty());
        assert_eq!(bench.receive(&with_option), ["Abort TcpKeepalive"]);
    }
    // A client stops when it asks for a session; before it is good.
    let mut bench = Bench::new(Role::Client, RFC);
    bench.session.send_dns(bench.now, &with_option, &mut bench.out).expect("no session yet");
    bench.session.keep_alive(bench.now, &mut bench.out).expect("a client may");
    assert_eq!(bench.session.send_dns(bench.now, &with_option, &mut bench.out), Err(Refused::TcpKeepalive));
    assert_eq!(Bench::new(Role::Server, RFC).receive(&with_option), ["dns 39"]);
}

#[test]
fn ds39_keepalive_data_has_eight_octets() {
    let mut message = request(7, dso_type::KEEPALIVE);
    let mut bench = Bench::established(Role::Server, RFC);
    assert_eq!(bench.receive(&message), NOTHING);
    assert_eq!(bench.sent(), [response(7, Rcode::FORMERR)]);
    message[..2].fill(0);
    let words = Bench::established(Role::Client, RFC).receive(&message);
    assert!(words[0].starts_with("Abort Malformed"), "{words:?}");
}

#[test]
fn messages_of_impossible_length_end_the_session_before_they_are_gathered() {
    for octets in [0u16, 1, 11, 16_385, 65_535] {
        let mut bench = Bench::new(Role::Server, RFC);
        assert_eq!(bench.receive_octets(&octets.to_be_bytes()), [format!("Abort MessageOctets({octets})")]);
        assert!(bench.session.is_closed());
        assert_eq!(bench.receive(&keepalive_request(1, 1, 1)), NOTHING, "nothing after the end");
    }
}

#[test]
fn an_idle_session_with_ten_subscriptions_costs_little() {
    let mut bench = Bench::established(Role::Server, RFC);
    for id in 1..=10 {
        bench.receive(&request(id, SUBSCRIBE));
        bench.session.respond(bench.now, id, Rcode::NOERROR, None, &mut bench.out, |_| {}).expect("it waits");
    }
    bench.receive(&[&request(11, UNKNOWN)[..], &[0; 4000]].concat());
    assert!(bench.session.memory_octets() < 512, "{}", bench.session.memory_octets());
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    /// Octets that look like messages of a session often enough.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let id = prop_oneof![Just(0u16), 1..4u16, any::<u16>()];
        let flags = prop_oneof![Just(0x3000u16), Just(0xb000), Just(0xb00b), Just(0x0100), any::<u16>()];
        let types = prop_oneof![0..4u16, 0x40..0x44u16, any::<u16>()];
        let tlvs = prop::collection::vec((types, prop::collection::vec(any::<u8>(), 0..12)), 0..3);
        let message =
            (id, flags, tlvs, prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(id, flags, tlvs, rest)| {
                let mut bytes = [id.to_be_bytes(), flags.to_be_bytes()].concat();
                bytes.resize(12, 0);
                for (dso_type, data) in tlvs {
                    bytes.extend(dso_type.to_be_bytes());
                    bytes.extend((data.len() as u16).to_be_bytes());
                    bytes.extend(data);
                }
                bytes.extend(rest);
                framed(&bytes)
            });
        prop::collection::vec(message, 0..12).prop_map(|messages| messages.concat())
    }

    proptest! {
        /// Whatever arrives, in whatever pieces and at whatever time: nothing breaks, and what we send is well-formed.
        #[test]
        fn any_messages_in_any_pieces(bytes in messages(), step in 1usize..60, wait in 0u64..40, pick in 0usize..6) {
            let dialect = [RFC, DRAFT_02, DRAFT_03][pick % 3];
            let role = [Role::Client, Role::Server][pick / 3];
            let mut bench = Bench::new(role, dialect);
            if role == Role::Client {
                bench.subscribe();
                bench.subscribe();
            }
            for piece in bytes.chunks(step) {
                let words = bench.receive_octets(piece);
                for word in words {
                    if let Some(id) = word.strip_prefix("request ") {
                        let id = id.split(' ').next().expect("a number").parse().expect("a number");
                        let _ = bench.session.respond(bench.now, id, Rcode::NOERROR, None, &mut bench.out, |_| {});
                    }
                }
                bench.pass(s(wait));
                prop_assert!(bench.session.buffer.len() <= 16_384 + step);
            }
            for message in bench.sent() {
                prop_assert!(DsoMessage::decode(&message, RFC).is_ok());
            }
        }
    }
}
