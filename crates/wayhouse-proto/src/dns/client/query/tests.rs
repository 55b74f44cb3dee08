use wayhouse_wire::dns::{Class, Name, Rtype, Section};

use super::*;

struct Bench {
    now: Instant,
    query: Query,
    sent: Vec<u8>,
}

impl Bench {
    fn new(way: Way) -> Bench {
        let asked = Asked::internet(Name::parse("lamp.example").unwrap(), Rtype::A);
        let now = super::super::start();
        Bench { now, query: Query::new(now, asked, false, way, 1), sent: Vec::new() }
    }
    fn takes_message(&mut self) -> bool {
        self.sent.clear();
        self.query.poll_transmit(&mut self.sent)
    }
    fn passes(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.query.handle_timeout(self.now);
    }
    /// An answer to what was sent last, changed by the test.
    fn answer(&self, flags: Flags, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let asked = Message::decode(&self.sent).expect("ours");
        let question = asked.question().expect("one");
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let flags = Flags(flags.0).with(Flags::QR);
        let mut writer = MessageWriter::new(&mut out, &mut compressor, asked.header.id, flags, 512);
        writer.question(question.name, question.rtype, question.class).unwrap();
        writer.record(Section::Answer, question.name, Rtype::A, Class::IN, 7, &[192, 0, 2, 1]).unwrap();
        writer.finish();
        change(&mut out);
        out
    }
    fn receives(&mut self, bytes: &[u8]) -> Option<Outcome> {
        self.query.handle_message(self.now, bytes);
        self.query.poll_outcome()
    }
}

fn records(outcome: Option<Outcome>) -> usize {
    match outcome {
        Some(Outcome::Answered(answer)) => answer.answers.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_is_sent_three_times_over_udp_and_then_given_up() {
    let mut bench = Bench::new(Way::Datagram);
    assert!(bench.takes_message());
    let first = bench.sent.clone();
    for wait in [1, 2] {
        assert!(!bench.takes_message());
        bench.passes(wait);
        assert!(bench.takes_message());
        assert_eq!(bench.sent, first, "the same message, so that any answer fits");
    }
    bench.passes(3);
    assert_eq!(bench.query.poll_outcome(), None);
    bench.passes(1);
    assert_eq!(bench.query.poll_outcome(), Some(Outcome::Unanswered));
    assert_eq!((bench.query.poll_timeout(), bench.takes_message()), (None, false));
}

#[test]
fn only_the_answer_is_taken_for_it() {
    let mut bench = Bench::new(Way::Datagram);
    assert!(bench.takes_message());
    let of = |bench: &Bench, change: fn(&mut Vec<u8>)| bench.answer(Flags::AA, change);
    for wrong in [
        of(&bench, |bytes| bytes[0] ^= 1),
        of(&bench, |bytes| bytes[2] &= 0x7f),
        of(&bench, |bytes| bytes[2] |= 0x28),
        of(&bench, |bytes| bytes[13] ^= 0x10),
        of(&bench, |bytes| bytes.truncate(bytes.len() - 1)),
        of(&bench, |bytes| bytes[5] = 0),
        Vec::new(),
    ] {
        assert_eq!(bench.receives(&wrong), None, "{wrong:02x?}");
    }
    // Letters may come back in another case.
    let right = of(&bench, |bytes| bytes[13] ^= 0x20);
    assert_eq!(records(bench.receives(&right)), 1);
    assert_eq!(bench.receives(&right), None, "told once");
}

#[test]
fn what_does_not_fit_is_asked_again_over_a_stream() {
    let mut bench = Bench::new(Way::Datagram);
    assert!(bench.takes_message());
    let truncated = bench.answer(Flags::TC, |_| {});
    assert_eq!(bench.receives(&truncated), Some(Outcome::Truncated));
    bench.query.over_stream(bench.now);
    assert!(bench.takes_message());
    assert_eq!(bench.receives(&truncated), Some(Outcome::Malformed), "on a stream nothing strays in");
    bench.query.over_stream(bench.now);
    assert!(bench.takes_message());
    let whole = bench.answer(Flags::AA, |_| {});
    assert_eq!(records(bench.receives(&whole)), 1);
}

#[test]
fn a_server_without_edns_is_asked_without() {
    let mut bench = Bench::new(Way::Datagram);
    assert!(bench.takes_message());
    assert!(Message::decode(&bench.sent).unwrap().edns().is_some());
    let complaint = |bench: &Bench| {
        bench.answer(Flags::new(Opcode::QUERY, Rcode::FORMERR), |bytes| {
            bytes.truncate(12);
            bytes[4..].fill(0);
        })
    };
    let first = complaint(&bench);
    assert_eq!(bench.receives(&first), None);
    assert!(bench.takes_message());
    assert!(Message::decode(&bench.sent).unwrap().edns().is_none());
    let second = complaint(&bench);
    assert!(matches!(bench.receives(&second), Some(Outcome::Answered(answer)) if answer.rcode == OptRcode::FORMERR));
}

#[test]
fn a_stream_is_waited_for_once_and_longer() {
    let mut bench = Bench::new(Way::Stream);
    assert!(bench.takes_message());
    bench.passes(9);
    assert_eq!(bench.query.poll_outcome(), None);
    bench.passes(1);
    assert_eq!(bench.query.poll_outcome(), Some(Outcome::Unanswered));
}
