use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::stream::Frame;

use super::{BASE_MESSAGE_OCTETS, Connection, Happened, OwnSettings, PeerSettings};
use crate::coap::matching::sample::list;

const OWN: OwnSettings = OwnSettings { message_octets_max: 4000, token_octets_max: 64 };

/// Code, token, options, payload.
type Sent = (Code, Vec<u8>, Vec<(u16, Vec<u8>)>, Vec<u8>);

struct Bench {
    connection: Connection,
    out: Vec<u8>,
}

impl Bench {
    /// A connection whose CSM was sent and checked.
    fn new() -> Bench {
        let mut out = Vec::new();
        let connection = Connection::new(OWN, &mut out);
        out.clear();
        Bench { connection, out }
    }
    /// A connection that had the peer's CSM too.
    fn open() -> Bench {
        let mut bench = Bench::new();
        assert_eq!(bench.feed(&frame(Code::CSM, b"", &[], b"")), ["settings 1152 false 8"]);
        bench
    }
    /// What happened, in words.
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.connection.feed(bytes);
        let mut words = Vec::new();
        while let Some(happened) = self.connection.poll(&mut self.out) {
            words.push(match happened {
                Happened::Frame(frame) => {
                    format!("{} {:02x?} {}", frame.code, frame.token, String::from_utf8_lossy(frame.payload))
                }
                Happened::Settings(PeerSettings { message_octets_max, does_block_wise, token_octets_max }) => {
                    format!("settings {message_octets_max} {does_block_wise} {token_octets_max}")
                }
                Happened::Pong { token, has_custody } => format!("pong {token:02x?} {has_custody}"),
                Happened::Released(release) => {
                    let addresses: Vec<&str> = release.alternative_addresses().collect();
                    format!("released {addresses:?} {:?}", release.hold_off())
                }
                Happened::Aborted { bad_csm_option, diagnostic } => {
                    format!("aborted {bad_csm_option:?} {}", String::from_utf8_lossy(diagnostic))
                }
                Happened::Failed(_) => "failed".into(),
            });
        }
        words
    }
    /// The messages sent since last asked.
    fn sent(&mut self) -> Vec<Sent> {
        let bytes = std::mem::take(&mut self.out);
        let mut rest = &bytes[..];
        let mut messages = Vec::new();
        while let Ok(Some(octets)) = Frame::octets(rest) {
            let frame = Frame::decode(&rest[..octets]).expect("we write well-formed messages");
            let options = frame.options.iter().map(|option| (option.number, option.value.to_vec())).collect();
            messages.push((frame.code, frame.token.to_vec(), options, frame.payload.to_vec()));
            rest = &rest[octets..];
        }
        assert!(rest.is_empty());
        messages
    }
    /// Asserts that we gave up with one Abort, and nothing happens any more.
    #[track_caller]
    fn check_aborted(&mut self, bad_csm_option: Option<u8>) {
        let sent = self.sent();
        let Some((Code::ABORT, token, options, diagnostic)) = sent.last() else { panic!("no Abort: {sent:?}") };
        assert!(token.is_empty() && !diagnostic.is_empty());
        let expected: Vec<(u16, Vec<u8>)> = bad_csm_option.map(|number| (2, vec![number])).into_iter().collect();
        assert_eq!(*options, expected);
        assert!(self.connection.is_closed() && !self.connection.may_ask());
        assert!(self.feed(&frame(Code::PING, b"x", &[], b"")).is_empty());
        self.connection.ping(b"x", false, &mut self.out);
        self.connection.release(None, None, &mut self.out);
        self.connection.abort("again", &mut self.out);
        assert!(self.out.is_empty());
    }
}

fn frame(code: Code, token: &[u8], options: &[(u16, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame::encode(&mut out, code, token, list(options).iter(), payload);
    out
}

#[test]
fn tc1_our_csm_is_the_first_message_and_waits_for_nothing() {
    let mut out = Vec::new();
    let connection = Connection::new(OWN, &mut out);
    // Len 6, 7.01, Max-Message-Size 4000, Block-Wise-Transfer, Extended-Token-Length 64.
    assert_eq!(out, [0x60, 0xe1, 0x22, 0x0f, 0xa0, 0x20, 0x21, 0x40]);
    assert!(connection.may_ask(), "requests may follow before the peer's CSM");
    out.clear();
    Connection::new(OwnSettings { message_octets_max: 1152, token_octets_max: 8 }, &mut out);
    assert_eq!(out, [0x40, 0xe1, 0x22, 0x04, 0x80, 0x20], "the base value of the token length is not sent");
}

#[test]
fn tc1_anything_before_the_csm_of_the_peer_ends_the_connection() {
    for code in [Code::GET, Code::CONTENT, Code::PING, Code::PONG, Code::RELEASE, Code(0x20)] {
        let mut bench = Bench::new();
        let bytes = [frame(code, b"t", &[], b""), frame(Code::CSM, b"", &[], b"")].concat();
        assert_eq!(bench.feed(&bytes), ["failed"], "{code}");
        bench.check_aborted(None);
    }
    let mut bench = Bench::new();
    assert_eq!(bench.feed(&frame(Code::ABORT, b"", &[], b"no")), ["aborted None no"]);
    assert!(bench.connection.is_closed() && bench.sent().is_empty());
}

#[test]
fn tc2_empty_messages_are_ignored_everywhere() {
    let mut bench = Bench::new();
    let empty = frame(Code::EMPTY, b"", &[], b"");
    assert_eq!(empty, [0, 0]);
    let csm = frame(Code::CSM, b"", &[], b"");
    let bytes = [&empty[..], &csm, &empty, &frame(Code::EMPTY, b"t", &[(1, b"")], b"x"), &empty].concat();
    assert_eq!(bench.feed(&bytes), ["settings 1152 false 8"]);
    assert!(bench.sent().is_empty());
}

#[test]
fn tc2_an_unknown_critical_option_of_a_csm_is_named() {
    let mut bench = Bench::new();
    assert_eq!(bench.feed(&frame(Code::CSM, b"", &[(2, b"\x10"), (9, b"")], b"")), ["failed"]);
    bench.check_aborted(Some(9));
    assert_eq!(bench.connection.peer_settings().message_octets_max, BASE_MESSAGE_OCTETS, "nothing of it counts");
    // An elective one is ignored.
    let mut bench = Bench::new();
    assert_eq!(bench.feed(&frame(Code::CSM, b"", &[(8, b"x"), (100, b"")], b"")), ["settings 1152 false 8"]);
}

#[test]
fn tc2_an_unknown_critical_option_of_any_signal_ends_the_connection() {
    for code in [Code::PING, Code::PONG, Code::RELEASE, Code(0xe6)] {
        let mut bench = Bench::open();
        assert_eq!(bench.feed(&frame(code, b"", &[(2, b""), (3, b"")], b"")), ["failed"], "{code}");
        bench.check_aborted(None);
        let mut bench = Bench::open();
        assert!(!bench.feed(&frame(code, b"", &[(8, b"")], b"")).contains(&"failed".into()), "{code}");
        assert!(!bench.connection.is_closed());
    }
    // Signals not assigned yet and reserved classes mean nothing.
    let mut bench = Bench::open();
    for code in [Code(0xe6), Code(0xff), Code(0x20), Code(0x60), Code(0xc0)] {
        assert!(bench.feed(&frame(code, b"t", &[], b"x")).is_empty(), "{code}");
    }
    assert!(bench.sent().is_empty());
}

#[test]
fn tc2_a_syntax_error_ends_the_connection() {
    // Token length 15; an option length of 15; a payload marker without payload; an option beyond the end.
    for bytes in [&[0x0f, 1][..], &[0x10, 1, 0x1f], &[0x10, 1, 0xff], &[0x20, 1, 0x13, 0]] {
        let mut bench = Bench::open();
        let whole = [&frame(Code::GET, b"1", &[], b""), bytes].concat();
        assert_eq!(bench.feed(&whole), ["0.01 [31] ", "failed"], "{bytes:02x?}");
        bench.check_aborted(None);
    }
}

#[test]
fn tc4_csms_are_cumulative() {
    let mut bench = Bench::new();
    let csm = |options: &[(u16, &[u8])]| frame(Code::CSM, b"", options, b"");
    assert_eq!(bench.feed(&csm(&[(2, b"\x20\x00")])), ["settings 8192 false 8"]);
    assert_eq!(bench.feed(&csm(&[(4, b"")])), ["settings 8192 true 8"]);
    assert_eq!(bench.feed(&csm(&[(6, b"\x01\x00")])), ["settings 8192 true 256"]);
    assert_eq!(bench.feed(&csm(&[(2, b"\x10\x00")])), ["settings 4096 true 256"]);
    assert_eq!(bench.feed(&csm(&[])), ["settings 4096 true 256"]);
    // Values out of range are ignored or brought into it; the second of two is unknown.
    let odd = csm(&[(2, &[1; 5])]);
    assert_eq!(bench.feed(&odd), ["settings 4096 true 256"]);
    assert_eq!(bench.feed(&csm(&[(6, b"\x02")])), ["settings 4096 true 8"]);
    assert_eq!(bench.feed(&csm(&[(6, b"\xff\xff\xff")])), ["settings 4096 true 65804"]);
    assert_eq!(bench.feed(&csm(&[(2, b"\x09"), (2, b"\x08")])), ["settings 9 true 65804"]);
}

#[test]
fn tc4_bert_is_on_iff_blocks_are_understood_and_messages_may_be_larger() {
    let settings =
        |message_octets_max, does_block_wise| PeerSettings { message_octets_max, does_block_wise, token_octets_max: 8 };
    assert!(!settings(1152, true).is_bert_on());
    assert!(!settings(8192, false).is_bert_on());
    assert!(settings(1153, true).is_bert_on());
    assert_eq!(settings(8192, true).bert_octets(100), 7 * 1024);
    assert_eq!(settings(1153, true).bert_octets(130), 0);
    assert_eq!(settings(1153, true).bert_octets(129), 1024);
    assert_eq!(settings(8192, false).bert_octets(0), 0);
    assert_eq!(settings(1200, true).bert_octets(5000), 0);
}

#[test]
fn tc2_a_ping_is_answered_with_its_token_and_custody() {
    let mut bench = Bench::open();
    assert!(bench.feed(&[0x01, 0xe2, 0x42]).is_empty());
    assert_eq!(std::mem::take(&mut bench.out), [0x01, 0xe3, 0x42]);
    // The request before it was handed over; then custody is given.
    let bytes = [frame(Code::PUT, b"r", &[], b"1"), frame(Code::PING, b"p", &[(2, b"")], b"")].concat();
    assert_eq!(bench.feed(&bytes), ["0.03 [72] 1"]);
    assert_eq!(bench.sent(), [(Code::PONG, b"p".to_vec(), vec![(2, vec![])], vec![])]);
}

#[test]
fn tc2_a_pong_tells_its_token() {
    let mut bench = Bench::open();
    bench.connection.ping(b"\x42", false, &mut bench.out);
    assert_eq!(std::mem::take(&mut bench.out), [0x01, 0xe2, 0x42]);
    bench.connection.ping(b"\x43", true, &mut bench.out);
    assert_eq!(bench.sent(), [(Code::PING, vec![0x43], vec![(2, vec![])], vec![])]);
    let bytes = [frame(Code::PONG, b"\x42", &[], b""), frame(Code::PONG, b"\x43", &[(2, b"")], b"")].concat();
    assert_eq!(bench.feed(&bytes), ["pong [42] false", "pong [43] true"]);
}

#[test]
fn tc1_after_a_release_of_the_peer_answers_still_flow() {
    let mut bench = Bench::open();
    let options: &[(u16, &[u8])] = &[(2, b"a.example"), (2, b"[2001:db8::1]:61616"), (2, b"\xff"), (4, b"\x1e")];
    let bytes = [frame(Code::RELEASE, b"", options, b""), frame(Code::CONTENT, b"t", &[], b"late")].concat();
    assert_eq!(bench.feed(&bytes), ["released [\"a.example\", \"[2001:db8::1]:61616\"] Some(30s)", "2.05 [74] late"]);
    assert!(bench.connection.is_releasing() && !bench.connection.may_ask() && !bench.connection.is_closed());
    bench.connection.release(None, None, &mut bench.out);
    assert!(bench.out.is_empty(), "theirs suffices");
    let mut bench = Bench::open();
    assert_eq!(bench.feed(&frame(Code::RELEASE, b"", &[], b"")), ["released [] None"]);
}

#[test]
fn tc1_our_release_says_where_and_when_to_come_back() {
    let mut bench = Bench::open();
    bench.connection.release(Some("b.example:5683"), Some(Duration::from_secs(300)), &mut bench.out);
    let options = vec![(2, b"b.example:5683".to_vec()), (4, vec![1, 44])];
    assert_eq!(bench.sent(), [(Code::RELEASE, vec![], options, vec![])]);
    assert!(!bench.connection.may_ask());
    bench.connection.release(None, None, &mut bench.out);
    assert!(bench.out.is_empty(), "once is enough");
    assert_eq!(bench.feed(&frame(Code::GET, b"t", &[], b"")), ["0.01 [74] "], "what was on its way is taken");
}

#[test]
fn tc2_an_abort_of_the_peer_is_reported_and_not_answered() {
    let mut bench = Bench::open();
    let bytes = [frame(Code::ABORT, b"", &[(2, b"\x09")], b"why"), frame(Code::GET, b"t", &[], b"")].concat();
    assert_eq!(bench.feed(&bytes), ["aborted Some(9) why"]);
    assert!(bench.connection.is_closed() && bench.sent().is_empty());
}

#[test]
fn tc2_our_abort_carries_its_reason() {
    let mut bench = Bench::open();
    bench.connection.abort("too many requests", &mut bench.out);
    assert_eq!(bench.sent(), [(Code::ABORT, vec![], vec![], b"too many requests".to_vec())]);
    assert!(bench.connection.is_closed());
}

#[test]
fn tc4_messages_are_put_together_from_any_pieces() {
    let payload = vec![b'x'; 3000];
    let messages = [
        frame(Code::CSM, b"", &[(2, b"\x20\x00")], b""),
        frame(Code::GET, b"1", &[(11, b"a")], b""),
        frame(Code::PUT, &[7; 20], &[(11, b"a")], &payload[..300]),
        frame(Code::PING, b"p", &[], b""),
        frame(Code::POST, b"", &[(11, b"b")], &payload),
        frame(Code::CONTENT, b"2", &[], b"end"),
    ];
    let bytes = messages.concat();
    let whole = {
        let mut bench = Bench::new();
        (bench.feed(&bytes), bench.sent())
    };
    assert_eq!((whole.0.len(), whole.1.len()), (5, 1));
    for step in [1, 2, 3, 7, 64, 1000] {
        let mut bench = Bench::new();
        let words: Vec<String> = bytes.chunks(step).flat_map(|piece| bench.feed(piece)).collect();
        assert_eq!((words, bench.sent()), whole, "pieces of {step}");
    }
}

#[test]
fn tc2_a_message_beyond_our_max_message_size_is_refused_before_it_is_gathered() {
    let mut bench = Bench::open();
    let largest = frame(Code::PUT, b"t", &[], &vec![0; OWN.message_octets_max - 6]);
    assert_eq!(largest.len(), OWN.message_octets_max);
    assert_eq!(bench.feed(&largest).len(), 1);
    let larger = frame(Code::PUT, b"t", &[], &vec![0; OWN.message_octets_max - 5]);
    // The head alone tells.
    assert_eq!(bench.feed(&larger[..6]), ["failed"]);
    bench.check_aborted(None);
    let mut bench = Bench::open();
    assert_eq!(bench.feed(&[0xf0, 0xff, 0xff, 0xff, 0xff, 0x01]), ["failed"], "4 GiB");
    bench.check_aborted(None);
}

#[test]
fn tc4_the_buffer_does_not_stay_large() {
    let mut out = Vec::new();
    let own = OwnSettings { message_octets_max: 1 << 20, token_octets_max: 8 };
    let mut connection = Connection::new(own, &mut out);
    let large = frame(Code::PUT, b"t", &[], &vec![0; 1 << 19]);
    for bytes in [frame(Code::CSM, b"", &[], b""), large, frame(Code::GET, b"t", &[], b"")] {
        for piece in bytes.chunks(1400) {
            connection.feed(piece);
            while connection.poll(&mut out).is_some() {}
        }
    }
    assert!(connection.buffer.capacity() < 1 << 12);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// TC2: whatever arrives, in whatever pieces, nothing breaks and no more is held than a message and a piece.
        #[test]
        fn tc2_any_octets_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..600), step in 1usize..50) {
            let mut bench = Bench::open();
            for piece in bytes.chunks(step) {
                bench.feed(piece);
                prop_assert!(bench.connection.buffer.len() <= OWN.message_octets_max + step);
            }
            // What we send is well-formed, and at most one Abort is the last of it.
            let sent = bench.sent();
            let aborts = sent.iter().filter(|message| message.0 == Code::ABORT).count();
            prop_assert!(aborts <= usize::from(bench.connection.is_closed()));
        }
    }
}
