use serde_json::Value;
use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::push_tlv::{PushWriter, decode_subscribe, decode_unsubscribe};
use wayhouse_wire::dns::{DsoWriter, Name, NameRef};

use super::*;
use crate::dns::dso_session::{Close, Reason};
use crate::dns::limits::ClientLimits;
use crate::dns::push;

/// A subscriber and a server played by hand.
pub(in crate::dns::client) struct Bench {
    pub(in crate::dns::client) now: Instant,
    pub(in crate::dns::client) subscriber: Subscriber,
    pub(in crate::dns::client) records: RecordSet,
    out: Vec<u8>,
    dialect: PushDialect,
}

pub(in crate::dns::client) fn framed(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = Vec::new();
    fill(&mut message);
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

pub(in crate::dns::client) fn response(id: u16, rcode: Rcode, delay_ms: Option<u32>) -> Vec<u8> {
    framed(|out| {
        let mut writer = DsoWriter::response(out, id, rcode);
        if let Some(delay_ms) = delay_ms {
            writer.retry_delay(delay_ms, DsoDialect::Rfc8490);
        }
    })
}

fn asked(text: &str, rtype: Rtype) -> Asked {
    Asked::internet(Name::parse(text).expect("a name"), rtype)
}

impl Bench {
    fn new(dialect: PushDialect) -> Bench {
        let dso = match dialect {
            PushDialect::Rfc8765 => DsoDialect::Rfc8490,
            PushDialect::Push10 => DsoDialect::SessionSignal02,
            PushDialect::Push12 => DsoDialect::SessionSignal03,
        };
        let settings = Settings { operations: push::operations(dialect), dialect: dso, ..Settings::default() };
        let now = super::super::start();
        let subscriber = Subscriber::new(now, Arc::new(settings), dialect, 4);
        Bench { now, subscriber, records: RecordSet::new(ClientLimits::default()), out: Vec::new(), dialect }
    }
    fn subscribes(&mut self, text: &str, rtype: Rtype) -> Result<(), Refused> {
        self.subscriber.subscribe(self.now, &asked(text, rtype), &mut self.out)
    }
    fn receives(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.subscriber.handle_data(self.now, bytes, &mut self.records, &mut self.out);
        std::iter::from_fn(|| self.subscriber.poll_event()).collect()
    }
    /// With one subscription, accepted.
    fn subscribed(text: &str, rtype: Rtype) -> Bench {
        let mut bench = Bench::new(PushDialect::Rfc8765);
        bench.subscribes(text, rtype).expect("the first");
        let id = bench.sent().pop().expect("a SUBSCRIBE").0;
        bench.receives(&response(id, Rcode::NOERROR, None));
        bench
    }
    /// ID, type and message of everything sent since the last look.
    fn sent(&mut self) -> Vec<(u16, u16, Vec<u8>)> {
        let out = std::mem::take(&mut self.out);
        let (mut rest, mut sent) = (&out[..], Vec::new());
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
            let dso = DsoMessage::decode(message, self.subscriber.session.settings().dialect).expect("ours");
            sent.push((dso.id, dso.primary().map_or(0, |tlv| tlv.dso_type), message.to_vec()));
            rest = behind;
        }
        sent
    }
    fn pushed(&mut self, changes: &[(ChangeKind, &str, Rtype, Class, &[u8])]) -> Vec<Told> {
        let dialect = self.dialect;
        let bytes = framed(|out| {
            let mut writer = DsoWriter::unidirectional(out, Rcode::NOERROR);
            let mut push = PushWriter::begin(&mut writer, dialect, None);
            for (kind, name, rtype, class, rdata) in changes {
                push.change(*kind, Name::parse(name).unwrap().as_ref(), *rtype, *class, rdata).expect("fits");
            }
            push.finish();
        });
        self.receives(&bytes)
    }
}

/// Comings and goings in short.
fn told(told: &[Told]) -> Vec<String> {
    let one = |difference: &Difference| match difference {
        Difference::Added(record) => format!("+{} {}", record.name, record.rtype),
        Difference::Removed(record) => format!("-{} {}", record.name, record.rtype),
    };
    told.iter()
        .flat_map(|told| match told {
            Told::Changed(differences) => differences.iter().map(one).collect::<Vec<_>>(),
            other => vec![format!("{other:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned()],
        })
        .collect()
}

const ADD: ChangeKind = ChangeKind::Add { ttl_s: 120 };
const IN: Class = Class::IN;

#[test]
fn pu2_pu7_the_session_comes_first_and_each_subscription_is_one_question() {
    let mut bench = Bench::new(PushDialect::Rfc8765);
    bench.subscriber.open(bench.now, &mut bench.out).unwrap();
    bench.subscribes("a.example", Rtype::PTR).unwrap();
    let sent = bench.sent();
    assert_eq!(sent.iter().map(|(_, dso_type, _)| *dso_type).collect::<Vec<_>>(), [1, dso_type::SUBSCRIBE]);
    let message = DsoMessage::decode(&sent[1].2, DsoDialect::Rfc8490).unwrap();
    let question = decode_subscribe(&sent[1].2, &message.primary().unwrap()).unwrap();
    assert_eq!(question, asked("a.example", Rtype::PTR).as_question());
    let happened = bench.receives(&response(sent[1].0, Rcode::NOERROR, None));
    assert_eq!(told(&happened), ["Established", "Subscribed"]);
}

#[test]
fn pu8_pu18_nothing_is_subscribed_to_twice_and_no_more_than_allowed() {
    let mut bench = Bench::subscribed("a.example", Rtype::PTR);
    assert_eq!(bench.subscribes("A.EXAMPLE", Rtype::PTR), Ok(()));
    bench.subscribes("b.example", Rtype::PTR).unwrap();
    bench.sent();
    assert_eq!(bench.subscribes("B.example", Rtype::PTR), Ok(()));
    assert!(bench.sent().is_empty(), "neither one in force nor one under way is asked for again");
    bench.subscribes("c.example", Rtype::PTR).unwrap();
    bench.subscribes("d.example", Rtype::PTR).unwrap();
    assert_eq!(bench.subscribes("e.example", Rtype::PTR), Err(Refused::TooMany));
}

#[test]
fn pu14_a_refusal_says_for_how_long_and_leaves_the_others() {
    let mut bench = Bench::subscribed("a.example", Rtype::PTR);
    for (rcode, sent_ms, seconds, is_of_server) in [
        (Rcode::NOTAUTH, None, 300, false),
        (Rcode::SERVFAIL, None, 60, true),
        (Rcode::REFUSED, Some(7_000), 7, true),
        (Rcode::masked_from_int(13), None, 300, true),
    ] {
        bench.subscribes("b.example", Rtype::PTR).unwrap();
        let id = bench.sent().pop().unwrap().0;
        let refused = Told::Refused {
            asked: asked("b.example", Rtype::PTR),
            rcode,
            delay: Duration::from_secs(seconds),
            is_of_server,
        };
        assert_eq!(bench.receives(&response(id, rcode, sent_ms)), [refused]);
    }
    assert_eq!(told(&bench.pushed(&[(ADD, "a.example", Rtype::PTR, IN, b"\0")])), ["+a.example. PTR"]);
}

#[test]
fn pu19_pu25_pu27_records_come_and_go_as_pushed_and_strangers_are_ignored() {
    let mut bench = Bench::subscribed("a.example", Rtype::ANY);
    let happened = bench.pushed(&[
        (ADD, "a.example", Rtype::PTR, IN, b"\x01x\0"),
        (ADD, "A.example", Rtype::TXT, IN, b"\x01x"),
        (ADD, "b.example", Rtype::TXT, IN, b"\x01x"),
        (ADD, "a.example", Rtype::TXT, Class::CH, b"\x01x"),
    ]);
    assert_eq!(told(&happened), ["+a.example. PTR", "+A.example. TXT"]);
    assert!(bench.sent().is_empty(), "a PUSH is not acknowledged");
    assert!(bench.pushed(&[(ADD, "a.example", Rtype::PTR, IN, b"\x01X\0")]).is_empty(), "known already");
    let one = bench.pushed(&[(ChangeKind::RemoveOne, "a.example", Rtype::PTR, IN, b"\x01X\0")]);
    assert_eq!(told(&one), ["-a.example. PTR"]);
    for kind in [ChangeKind::RemoveRrset, ChangeKind::RemoveName, ChangeKind::RemoveEverything] {
        bench.pushed(&[(ADD, "a.example", Rtype::TXT, IN, b"\x01x")]);
        let gone = bench.pushed(&[(kind, "a.example", Rtype::TXT, IN, b"")]);
        assert_eq!(told(&gone).len(), 1, "{kind:?}");
        assert!(bench.records.is_empty(), "{kind:?}");
    }
}

#[test]
fn pu17_pu27_what_nobody_looks_at_is_unsubscribed_and_its_late_news_ignored() {
    let mut bench = Bench::subscribed("a.example", Rtype::PTR);
    bench.pushed(&[(ADD, "a.example", Rtype::PTR, IN, b"\0")]);
    let unwanted = asked("a.example", Rtype::PTR);
    bench.subscriber.unsubscribe(bench.now, &unwanted, &mut bench.records, &mut bench.out);
    let (id, dso_type, message) = bench.sent().pop().expect("an UNSUBSCRIBE");
    assert_eq!((id, dso_type), (0, dso_type::UNSUBSCRIBE));
    let tlv = DsoMessage::decode(&message, DsoDialect::Rfc8490).unwrap().primary().map(|tlv| (tlv.at, tlv.data.len()));
    assert_eq!(tlv.map(|(_, octets)| octets), Some(2));
    assert!(bench.pushed(&[(ADD, "a.example", Rtype::PTR, IN, b"\x01z\0")]).is_empty());
    // PU26: what is known ages from here on.
    let due = bench.records.poll_timeout().map(|wakeup| wakeup.at - bench.now);
    assert_eq!(due, Some(Duration::from_secs(120)));
}

#[test]
fn pu28_a_subscription_ended_before_its_answer_is_unsubscribed_after_it() {
    let mut bench = Bench::new(PushDialect::Rfc8765);
    bench.subscribes("a.example", Rtype::PTR).unwrap();
    let id = bench.sent().pop().unwrap().0;
    let unwanted = asked("a.example", Rtype::PTR);
    bench.subscriber.unsubscribe(bench.now, &unwanted, &mut bench.records, &mut bench.out);
    assert!(bench.sent().is_empty(), "DS20: there is no session yet");
    assert_eq!(told(&bench.receives(&response(id, Rcode::NOERROR, None))), ["Established"]);
    let (_, dso_type, message) = bench.sent().pop().expect("an UNSUBSCRIBE");
    assert_eq!(dso_type, dso_type::UNSUBSCRIBE);
    let tlv = DsoMessage::decode(&message, DsoDialect::Rfc8490).unwrap().primary().unwrap();
    assert_eq!(decode_unsubscribe(0, &tlv, PushDialect::Rfc8765), Ok(id));
}

#[test]
fn pu20_pu24_a_malformed_push_and_too_many_records_end_the_session() {
    let mut bench = Bench::subscribed("a.example", Rtype::ANY);
    let empty = framed(|out| DsoWriter::unidirectional(out, Rcode::NOERROR).tlv(dso_type::PUSH, &[]));
    assert_eq!(told(&bench.receives(&empty)), ["Ended"]);
    let mut bench = Bench::subscribed("a.example", Rtype::ANY);
    bench.records = RecordSet::new(ClientLimits { records_max: 1, ..ClientLimits::default() });
    let happened =
        bench.pushed(&[(ADD, "a.example", Rtype::TXT, IN, b"\x01x"), (ADD, "a.example", Rtype::TXT, IN, b"\x01y")]);
    assert_eq!(told(&happened), ["+a.example. TXT", "Ended"]);
    assert!(matches!(&happened[1], Told::Ended(end) if end.how == Close::Abort));
}

#[test]
fn pu31_ds43_the_end_of_a_session_ends_its_subscriptions_and_records_age() {
    let mut bench = Bench::subscribed("a.example", Rtype::ANY);
    bench.pushed(&[(ADD, "a.example", Rtype::TXT, IN, b"\x01x")]);
    let away = framed(|out| DsoWriter::unidirectional(out, Rcode::NOERROR).retry_delay(9_000, DsoDialect::Rfc8490));
    let happened = bench.receives(&away);
    let why = Reason::RetryDelay { rcode: Rcode::NOERROR, delay_ms: 9_000 };
    assert!(matches!(&happened[..], [Told::Ended(end)] if end.why == why && end.how == Close::Graceful));
    assert!(bench.records.poll_timeout().is_some());
    assert_eq!(bench.subscribes("b.example", Rtype::PTR), Err(Refused::NoSession));
}

#[test]
fn drafts_acknowledge_what_is_pushed() {
    let mut bench = Bench::new(PushDialect::Push12);
    bench.subscribes("a.example", Rtype::TXT).unwrap();
    let id = bench.sent().pop().unwrap().0;
    bench.receives(&response(id, Rcode::NOERROR, None));
    let push = framed(|out| {
        let mut writer = DsoWriter::request(out, 77);
        let mut push = PushWriter::begin(&mut writer, PushDialect::Push12, None);
        let name = Name::parse("a.example").unwrap();
        push.change(ADD, name.as_ref(), Rtype::TXT, IN, b"\x01x").unwrap();
        push.finish();
    });
    assert_eq!(told(&bench.receives(&push)), ["+a.example. TXT"]);
    assert_eq!(bench.sent().pop().map(|(id, ..)| id), Some(77));
}

/// Every message of the known answers that a server sends meets a subscriber to everything.
#[test]
fn pu15_pu19_pu20_pu25_known_answers_are_taken_as_they_say() {
    let text = include_str!("../../../../../wayhouse-wire/vectors/push.json");
    let document: Value = serde_json::from_str(text).expect("vectors are JSON");
    let mut met = 0;
    for vector in document["vectors"].as_array().expect("a list") {
        let id = vector["id"].as_str().expect("an id");
        let is_of_rfc = vector["dialects"].as_array().expect("a list").iter().any(|dialect| dialect == "rfc");
        if vector["sender"] != "server" || !is_of_rfc || vector["kind"] == "response" {
            continue;
        }
        let hex = vector["tcp_hex"].as_str().expect("hex");
        let octets: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
        let message = &octets[2..];
        let dso = DsoMessage::decode(message, DsoDialect::Rfc8490).expect("well-formed as a list of TLVs");
        let tlv = dso.primary().expect("a TLV");
        let owner = NameRef::read(message, tlv.at).map_or_else(|_| Name::root(), |(name, _)| name.to_name());
        let mut bench = Bench::subscribed(&owner.to_string(), Rtype::ANY);
        let happened = told(&bench.receives(&octets));
        let is_ended = happened.last().is_some_and(|last| last == "Ended");
        assert_eq!(is_ended, vector["expect"] == "fatal", "{id}: {happened:?}");
        let adds = happened.iter().filter(|happened| happened.starts_with('+')).count();
        if id.starts_with("push-add") || id.starts_with("push-three") {
            assert_eq!(adds > 0, vector["expect"] == "accept", "{id}: {happened:?}");
        }
        met += 1;
    }
    assert!(met >= 15, "{met} vectors");
}
