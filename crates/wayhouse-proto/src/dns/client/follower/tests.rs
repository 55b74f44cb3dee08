use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::push_tlv::{ChangeKind, PushWriter};
use wayhouse_wire::dns::{Class, DsoMessage, DsoWriter, Flags, Name, OptRcode, Rtype};

use super::super::subscriber::tests::{framed, response};
use super::super::{Answer, OwnedRecord};
use super::*;
use crate::dns::push;
use wayhouse_wire::dialect::DsoDialect;

/// A follower whose caller is the test, in virtual time.
struct Bench {
    now: Instant,
    follower: Follower,
    out: Vec<u8>,
}

fn asked(text: &str) -> Asked {
    Asked::internet(Name::parse(text).unwrap(), Rtype::TXT)
}

fn record(text: &str, content: u8, ttl_s: u32) -> OwnedRecord {
    OwnedRecord {
        name: Name::parse(text).unwrap(),
        rtype: Rtype::TXT,
        class: Class::IN,
        ttl_s,
        rdata: [1, content].into(),
    }
}

fn answer(records: Vec<OwnedRecord>) -> Answer {
    let flags = Flags::QR;
    let (rcode, octets) = (OptRcode::NOERROR, 0);
    Answer { rcode, flags, answers: records, authorities: Vec::new(), additionals: Vec::new(), octets }
}

impl Bench {
    fn new(poll_s: Option<u64>, wanted: &[&str]) -> Bench {
        let session = dso_session::Settings {
            operations: push::operations(PushDialect::Rfc8765),
            ..dso_session::Settings::default()
        };
        let settings = Settings {
            session: Arc::new(session),
            dialect: PushDialect::Rfc8765,
            instance: Instance::Named(Name::parse("ns.example").unwrap(), 853),
            poll_interval: poll_s.map(Duration::from_secs),
            limits: ClientLimits::default(),
        };
        let now = super::super::start();
        let mut bench = Bench { now, follower: Follower::new(now, settings), out: Vec::new() };
        bench.wants(wanted);
        bench
    }
    fn wants(&mut self, wanted: &[&str]) {
        let wanted = wanted.iter().map(|text| asked(text)).collect();
        self.follower.set_wanted(self.now, &wanted, &mut self.out);
    }
    fn wish(&mut self) -> Option<Wish> {
        self.follower.poll_wish(self.now)
    }
    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.follower.poll_event()).collect()
    }
    /// Lets time pass up to the next thing that is due; tells how long that was.
    fn passes(&mut self) -> Duration {
        let at = self.follower.poll_timeout().expect("something is due").at.max(self.now);
        let passed = at - self.now;
        self.now = at;
        self.follower.handle_timeout(self.now, &mut self.out);
        passed
    }
    fn receives(&mut self, bytes: &[u8]) {
        self.follower.handle_data(self.now, bytes, &mut self.out);
    }
    /// The IDs of the SUBSCRIBEs sent since the last look.
    fn subscribes(&mut self) -> Vec<u16> {
        let out = std::mem::take(&mut self.out);
        let (mut rest, mut ids) = (&out[..], Vec::new());
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
            let dso = DsoMessage::decode(message, DsoDialect::Rfc8490).expect("ours");
            ids.extend(dso.primary().filter(|tlv| tlv.dso_type == dso_type::SUBSCRIBE).map(|_| dso.id));
            rest = behind;
        }
        ids
    }
    /// Connects and has everything accepted.
    fn pushing(&mut self) {
        assert_eq!(self.wish(), Some(Wish::Connect));
        self.follower.handle_connected(self.now, &mut self.out);
        for id in self.subscribes() {
            self.receives(&response(id, Rcode::NOERROR, None));
        }
        assert_eq!(self.events(), [Event::Pushing]);
    }
    fn pushes(&mut self, kind: ChangeKind, name: &str, content: u8) -> Vec<Event> {
        let bytes = framed(|out| {
            let mut writer = DsoWriter::unidirectional(out, Rcode::NOERROR);
            let mut push = PushWriter::begin(&mut writer, PushDialect::Rfc8765, None);
            let name = Name::parse(name).unwrap();
            push.change(kind, name.as_ref(), Rtype::TXT, Class::IN, &[1, content]).expect("fits");
            push.finish();
        });
        self.receives(&bytes);
        self.events()
    }
}

const ADD: ChangeKind = ChangeKind::Add { ttl_s: 120 };

#[test]
fn what_is_wanted_is_subscribed_to_and_told_without_polling() {
    let mut bench = Bench::new(None, &["a.example", "b.example"]);
    bench.pushing();
    assert!(bench.follower.is_pushed());
    let added = Event::Changed(vec![Difference::Added(record("a.example", 7, 120))]);
    assert_eq!(bench.pushes(ADD, "a.example", 7), [added]);
    assert_eq!(bench.wish(), None, "PU26: nothing is polled while it is pushed");
    bench.wants(&["b.example", "c.example"]);
    assert!(bench.follower.records().is_empty(), "what is not wanted is forgotten");
    assert_eq!(bench.subscribes().len(), 1);
}

#[test]
fn pu32_without_push_questions_are_asked_seldom_and_push_is_tried_before() {
    let mut bench = Bench::new(None, &["a.example"]);
    assert_eq!(bench.wish(), Some(Wish::Connect));
    bench.follower.handle_connect_failed(bench.now);
    assert_eq!(bench.wish(), Some(Wish::Ask(asked("a.example"))));
    assert_eq!(bench.events(), [Event::Polling { interval: POLL_INTERVAL_MIN }]);
    let start = bench.now;
    bench.follower.handle_answer(bench.now, &asked("a.example"), Some(&answer(vec![record("a.example", 1, 2_000)])));
    assert_eq!(bench.events(), [Event::Changed(vec![Difference::Added(record("a.example", 1, 2_000))])]);
    let mut tries = 0;
    let next = loop {
        bench.passes();
        match bench.wish() {
            Some(Wish::Connect) => {
                tries += 1;
                bench.follower.handle_connect_failed(bench.now);
            }
            Some(Wish::Ask(_)) => break bench.now - start,
            other => assert_eq!(other, None),
        }
    };
    assert_eq!(next, Duration::from_secs(2_002), "two seconds after the TTL");
    assert!((8..40).contains(&tries), "{tries} tries, more and more seldom");
    // The answer has changed; a short TTL is no reason to ask often.
    bench.follower.handle_answer(bench.now, &asked("a.example"), Some(&answer(vec![record("a.example", 2, 5)])));
    let (gone, come) = (record("a.example", 1, 2_000), record("a.example", 2, 5));
    assert_eq!(bench.events(), [Event::Changed(vec![Difference::Removed(gone), Difference::Added(come)])]);
    let start = bench.now;
    loop {
        bench.passes();
        match bench.wish() {
            Some(Wish::Connect) => bench.follower.handle_connect_failed(bench.now),
            Some(Wish::Ask(_)) => break,
            other => assert_eq!(other, None),
        }
    }
    assert_eq!(bench.now - start, POLL_INTERVAL_MIN);
    assert_eq!(bench.events(), [], "what is confirmed in time does not disappear in between");
}

#[test]
fn a_server_in_trouble_says_nothing_about_what_is_there() {
    let mut bench = Bench::new(None, &["a.example"]);
    assert_eq!(bench.wish(), Some(Wish::Connect));
    bench.follower.handle_connect_failed(bench.now);
    let a = asked("a.example");
    bench.follower.handle_answer(bench.now, &a, Some(&answer(vec![record("a.example", 1, 2_000)])));
    bench.events();
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NOTIMP] {
        let trouble = Answer { rcode: OptRcode::from_rcode(rcode), ..answer(Vec::new()) };
        bench.follower.handle_answer(bench.now, &a, Some(&trouble));
        assert_eq!(bench.events(), [Event::Unanswered(a.clone())], "{rcode}");
    }
    let gone = Answer { rcode: OptRcode::NXDOMAIN, ..answer(Vec::new()) };
    bench.follower.handle_answer(bench.now, &a, Some(&gone));
    assert_eq!(bench.events(), [Event::Changed(vec![Difference::Removed(record("a.example", 1, 2_000))])]);
}

#[test]
fn pu32_a_person_decides_how_often_and_a_session_ends_the_polling() {
    let mut bench = Bench::new(Some(5), &["a.example"]);
    assert_eq!(bench.wish(), Some(Wish::Connect));
    bench.follower.handle_connect_failed(bench.now);
    assert_eq!(bench.wish(), Some(Wish::Ask(asked("a.example"))));
    bench.follower.handle_answer(bench.now, &asked("a.example"), None);
    let interval = Duration::from_secs(5);
    assert_eq!(bench.events(), [Event::Polling { interval }, Event::Unanswered(asked("a.example"))]);
    bench.passes();
    bench.pushing();
    assert_eq!(bench.wish(), None);
}

#[test]
fn ds49_ds56_a_lost_session_is_made_again_at_once_and_then_more_and_more_seldom() {
    let mut bench = Bench::new(None, &["a.example"]);
    bench.pushing();
    bench.pushes(ADD, "a.example", 1);
    bench.follower.handle_closed(bench.now);
    assert_eq!(bench.events(), [Event::Lost]);
    assert_eq!(bench.passes(), Duration::ZERO);
    bench.pushing();
    assert_eq!(bench.pushes(ADD, "a.example", 1), [], "what is still there was never away");
    bench.follower.handle_closed(bench.now);
    bench.events();
    // Polling fills the gap, and push comes back.
    let mut waited = Duration::ZERO;
    loop {
        match bench.wish() {
            Some(Wish::Connect) => break,
            Some(Wish::Ask(asked)) => bench.follower.handle_answer(bench.now, &asked, None),
            _ => waited += bench.passes(),
        }
    }
    assert_eq!(waited, Duration::from_secs(1));
}

#[test]
fn ds22_ds23_a_server_without_sessions_is_left_alone_for_an_hour() {
    let mut bench = Bench::new(None, &["a.example"]);
    let start = bench.now;
    assert_eq!(bench.wish(), Some(Wish::Connect));
    bench.follower.handle_connected(bench.now, &mut bench.out);
    // NOTIMP to the Keepalive, whose ID is the first.
    bench.receives(&response(1, Rcode::NOTIMP, None));
    assert_eq!(bench.wish(), Some(Wish::Close(Close::Graceful)));
    loop {
        match bench.wish() {
            Some(Wish::Connect) => break,
            Some(Wish::Ask(asked)) => bench.follower.handle_answer(bench.now, &asked, None),
            _ => drop(bench.passes()),
        }
    }
    assert_eq!(bench.now - start, Duration::from_secs(3_600));
}

#[test]
fn ds43_ds48_a_server_that_sends_away_is_obeyed() {
    let mut bench = Bench::new(None, &["a.example"]);
    bench.pushing();
    let away = framed(|out| DsoWriter::unidirectional(out, Rcode::NOERROR).retry_delay(90_000, DsoDialect::Rfc8490));
    let start = bench.now;
    bench.receives(&away);
    assert_eq!(bench.wish(), Some(Wish::Close(Close::Graceful)));
    let why = Reason::RetryDelay { rcode: Rcode::NOERROR, delay_ms: 90_000 };
    assert_eq!(bench.events(), [Event::Ended(why)]);
    loop {
        match bench.wish() {
            Some(Wish::Connect) => break,
            Some(Wish::Ask(asked)) => bench.follower.handle_answer(bench.now, &asked, None),
            _ => drop(bench.passes()),
        }
    }
    assert_eq!(bench.now - start, Duration::from_secs(90));
}

#[test]
fn pu14_what_is_refused_is_polled_and_asked_for_again_after_the_delay() {
    let mut bench = Bench::new(None, &["a.example"]);
    assert_eq!(bench.wish(), Some(Wish::Connect));
    bench.follower.handle_connected(bench.now, &mut bench.out);
    let id = bench.subscribes()[0];
    bench.receives(&framed(|out| {
        let timeouts = dso_session::Settings::default().timeouts;
        DsoWriter::response(out, 1, Rcode::NOERROR).keepalive(timeouts);
    }));
    bench.receives(&response(id, Rcode::NOTAUTH, Some(20_000)));
    assert_eq!(bench.events(), [Event::Refused { asked: asked("a.example"), rcode: Rcode::NOTAUTH }]);
    assert_eq!(bench.wish(), Some(Wish::Ask(asked("a.example"))));
    bench.follower.handle_answer(bench.now, &asked("a.example"), Some(&answer(vec![])));
    let start = bench.now;
    // DS28: a session without use ends meanwhile.
    let mut is_ended = false;
    loop {
        bench.passes();
        match bench.wish() {
            Some(Wish::Close(_)) => is_ended = true,
            Some(Wish::Connect) => break,
            other => assert_eq!(other, None),
        }
    }
    assert!(is_ended);
    assert_eq!(bench.now - start, Duration::from_secs(20));
}
