use wayhouse_wire::dns::Record;

use super::super::srp_update::tests::{WALL_S, key, offer};
use super::super::start;
use super::*;

/// A requester whose server is the test, in virtual time.
struct Bench {
    now: Instant,
    requester: StatefulRequester,
    sent: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        let reverse = ("7.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa");
        let reverse = vec![(Name::parse(reverse.0).unwrap(), Name::parse(reverse.1).unwrap())];
        let settings = Settings { ttl_s: 1_000, is_delayed: false, reverse };
        let now = start();
        let requester = StatefulRequester::new(now, settings, offer(), key(), 1).expect("a possible offer");
        let mut bench = Bench { now, requester, sent: Vec::new() };
        bench.passes();
        bench
    }
    fn passes(&mut self) -> Duration {
        let at = self.requester.poll_timeout().expect("something is due").at.max(self.now);
        let passed = at - self.now;
        self.now = at;
        self.requester.handle_timeout(self.now);
        passed
    }
    /// The next message in short: zone or question, prerequisites, changes.
    fn sends(&mut self) -> String {
        self.sent.clear();
        assert!(self.requester.poll_transmit(self.now, WALL_S, &mut self.sent), "a message is due");
        let message = Message::decode(&self.sent).expect("well-formed");
        let is_update = message.header.flags.opcode() == Opcode::UPDATE;
        assert_eq!(message.sig0().is_some(), is_update, "SR33");
        let label = |record: &Record<'_>| {
            let first = record.name.labels().next().map(|label| String::from_utf8_lossy(label).into_owned());
            let sign = match (record.class, record.ttl_s) {
                (Class::ANY | Class::NONE, 0) => "-",
                _ => "+",
            };
            format!("{sign}{} {}", first.unwrap_or_default(), record.rtype)
        };
        let section = |section| message.records(section).map(|record| label(&record)).collect::<Vec<_>>().join(",");
        let question = message.question().expect("one");
        format!("{} {} [{}] {}", question.name, question.rtype, section(Section::Answer), section(Section::Authority))
    }
    fn answers(&mut self, rcode: Rcode) -> Vec<Event> {
        let mut answer = self.sent[..12].to_vec();
        answer[2] |= 0x80;
        answer[3] = rcode.to_int();
        answer[4..].fill(0);
        self.requester.handle_message(self.now, &answer);
        std::iter::from_fn(|| self.requester.poll_event()).collect()
    }
    /// Says that the host's address lives so long.
    fn shows_ttl(&mut self, ttl_s: u32) -> Vec<Event> {
        let asked = Message::decode(&self.sent).unwrap();
        let question = asked.question().unwrap();
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let mut writer = MessageWriter::new(&mut out, &mut compressor, asked.header.id, Flags::QR, 512);
        writer.question(question.name, question.rtype, Class::IN).unwrap();
        writer.record(Section::Answer, question.name, Rtype::A, Class::IN, ttl_s, &[192, 0, 2, 7]).unwrap();
        writer.finish();
        self.requester.handle_message(self.now, &out);
        std::iter::from_fn(|| self.requester.poll_event()).collect()
    }
    /// Lets everything succeed up to the registration.
    fn registered(&mut self, ttl_s: u32) {
        while !self.sends().ends_with(" A [] ") {
            assert_eq!(self.answers(Rcode::NOERROR), []);
        }
        assert!(matches!(&self.shows_ttl(ttl_s)[..], [Event::Registered { .. }]));
    }
}

const ZONE: &str = "services.home.arpa. SOA";

#[test]
fn sr34_sr35_updates_come_one_by_one_in_the_order_of_the_draft() {
    let mut bench = Bench::new();
    for expected in [
        format!("{ZONE} [-desk ANY] +desk A,+desk AAAA,+desk KEY"),
        format!("{ZONE} [] +Desk Lamp PTR"),
        "2.0.192.in-addr.arpa. SOA [] +7 PTR".to_owned(),
        format!("{ZONE} [] +_coap PTR,+_light PTR,+Desk Lamp SRV,+Desk Lamp TXT"),
    ] {
        assert_eq!(bench.sends(), expected);
        assert_eq!(bench.answers(Rcode::NOERROR), []);
    }
    // SR36: the TTL that is shown counts.
    assert_eq!(bench.sends(), "desk.services.home.arpa. A [] ");
    assert!(matches!(&bench.shows_ttl(100)[..], [Event::Registered { is_refresh: false, .. }]));
    assert_eq!(bench.passes(), Duration::from_secs(80));
    assert_eq!(bench.sends(), format!("{ZONE} [] -desk A,-desk AAAA,+desk A,+desk AAAA,+desk KEY"));
    bench.answers(Rcode::NOERROR);
    bench.registered(100);
}

#[test]
fn sr34_a_name_that_is_there_is_taken_over_or_given_up() {
    let mut bench = Bench::new();
    bench.sends();
    assert_eq!(bench.answers(Rcode::YXDOMAIN), []);
    assert_eq!(bench.sends(), format!("{ZONE} [] -desk A,-desk AAAA,+desk A,+desk AAAA,+desk KEY"));
    assert!(matches!(&bench.answers(Rcode::REFUSED)[..], [Event::Taken(_)]));
    assert_eq!(bench.sends(), format!("{ZONE} [-desk-2 ANY] +desk-2 A,+desk-2 AAAA,+desk-2 KEY"));
    bench.answers(Rcode::NOERROR);
    bench.sends();
    assert!(matches!(&bench.answers(Rcode::REFUSED)[..], [Event::Taken(_)]));
    assert_eq!(bench.sends(), format!("{ZONE} [] +Desk Lamp (2) PTR"));
    assert_eq!(bench.requester.names().host.to_string(), "desk-2.services.home.arpa.");
}

#[test]
fn sr35_a_reverse_zone_that_refuses_stops_nothing() {
    let mut bench = Bench::new();
    for rcode in [Rcode::NOERROR, Rcode::NOERROR, Rcode::NOTAUTH] {
        bench.sends();
        bench.answers(rcode);
    }
    assert!(bench.sends().contains("Desk Lamp SRV"));
}

#[test]
fn sr36_the_end_takes_the_services_back_and_leaves_the_names() {
    let mut bench = Bench::new();
    bench.registered(1_000);
    bench.requester.remove(bench.now);
    assert_eq!(bench.sends(), format!("{ZONE} [] -_coap PTR,-_light PTR,-Desk Lamp ANY"));
    assert_eq!(bench.answers(Rcode::NOERROR), [Event::Removed]);
    assert!(bench.requester.is_over());
}

#[test]
fn silence_and_refusals_are_met_with_pauses() {
    let mut bench = Bench::new();
    bench.sends();
    assert_eq!(bench.passes(), ANSWER_WAIT);
    assert!(matches!(bench.requester.poll_event(), Some(Event::Failed { rcode: None, .. })));
    bench.passes();
    bench.sends();
    assert!(matches!(&bench.answers(Rcode::REFUSED)[..], [Event::Failed { rcode: Some(Rcode::REFUSED), .. }]));
}

#[test]
fn sr30_sr32_a_domain_says_by_names_what_it_takes() {
    let domain = Name::parse("services.home.arpa").unwrap();
    assert_eq!(detection_name(&domain).unwrap().to_string(), "_mldnssd.services.home.arpa.");
    let of = |address: &str| reverse_zones_name(&domain, address.parse().unwrap()).unwrap().to_string();
    assert_eq!(of("192.0.2.1"), "_inaddr_zone.services.home.arpa.");
    assert_eq!(of("2001:db8::1"), "_ipv6_zone.services.home.arpa.");
}
