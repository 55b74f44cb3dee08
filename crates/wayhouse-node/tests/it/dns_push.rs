//! Changes told as they happen, over connections.

use wayhouse_node::Command;
use wayhouse_node::config::{Dialects, Push, Transport};
use wayhouse_node::face::operator::Entry;
use wayhouse_proto::io::{StreamId, StreamInput};
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::dso_tlv::{Keepalive, dso_type};
use wayhouse_wire::dns::push_tlv::{ChangeKind, Changes, encode_reconfirm, encode_subscribe, encode_unsubscribe};
use wayhouse_wire::dns::{Class, DSOTYPENI, DsoMessage, DsoWriter, Flags, Header, Name, Question, Rcode, Rtype};

use crate::house::{House, LAMP};
use crate::resolver::{Looked, framed, question, show_data, unframed};

const BROWSE: &str = "_coap._udp.services.home.arpa";

/// A client of push on connection 1.
struct Subscriber {
    house: House,
    push: PushDialect,
    dso: DsoDialect,
}

fn subscriber() -> Subscriber {
    in_dialect(DsoDialect::Rfc8490, PushDialect::Rfc8765)
}

fn in_dialect(dso: DsoDialect, push: PushDialect) -> Subscriber {
    let mut house = House::with(|config| {
        config.dns.push = Push::Plain;
    });
    house.open_dns_as(1, Transport::Tcp, dialects(dso, push));
    Subscriber { house, push, dso }
}

fn dialects(sessions: DsoDialect, push: PushDialect) -> Dialects {
    Dialects { sessions, push, ..Dialects::default() }
}

impl Subscriber {
    fn send(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> (Vec<String>, bool) {
        let mut message = Vec::new();
        fill(&mut message);
        let (octets, is_closed) = self.house.dns_octets(1, &framed(&message));
        (self.show_all(&octets), is_closed)
    }
    fn subscribe(&mut self, id: u16, name: &str, rtype: Rtype) -> (Vec<String>, bool) {
        let name = Name::parse(name).unwrap();
        self.send(|out| {
            let question = Question { name: name.as_ref(), rtype, class: Class::IN };
            encode_subscribe(&mut DsoWriter::request(out, id), &question);
        })
    }
    fn received(&mut self) -> Vec<String> {
        let (octets, _) = self.house.dns_received(1);
        self.show_all(&octets)
    }
    fn show_all(&self, octets: &[u8]) -> Vec<String> {
        unframed(octets).iter().map(|message| self.show(message)).collect()
    }
    /// A message in words: `7 NOERROR`, `PUSH +… -…`.
    fn show(&self, bytes: &[u8]) -> String {
        let message = DsoMessage::decode(bytes, self.dso).expect("a well-formed message");
        if message.is_response {
            let delay = message.retry_delay_ms(self.dso).map(|delay| format!(" retry {}", delay.unwrap()));
            return format!("{} {}{}", message.id, message.rcode, delay.unwrap_or_default());
        }
        let tlv = message.primary().unwrap();
        if tlv.dso_type != dso_type::PUSH {
            return format!("type {} id {}", tlv.dso_type, message.id);
        }
        assert_eq!(message.id == 0, self.push == PushDialect::Rfc8765);
        let mut text = "PUSH".to_owned();
        for change in Changes::decode(bytes, &tlv, self.push).unwrap() {
            let mut rdata = Vec::new();
            change.expand_rdata(&mut rdata).unwrap();
            let data = |rdata: &[u8]| show_data(change.rtype, rdata);
            let (name, rtype) = (change.name, change.rtype);
            text += &match change.kind {
                ChangeKind::Add { ttl_s } => format!(" +{name} {ttl_s} {rtype} {}", data(&rdata)),
                ChangeKind::RemoveOne => format!(" -{name} {rtype} {}", data(&rdata)),
                ChangeKind::RemoveRrset => format!(" -{name} {rtype}"),
                ChangeKind::RemoveName => format!(" -{name} class"),
                ChangeKind::RemoveEverything => format!(" -{name}"),
            };
        }
        text
    }
}

#[test]
fn pu13_pu16_pu23_subscribers_are_told_what_there_is_and_what_comes() {
    let mut client = subscriber();
    client.house.register(LAMP, "ep=lamp", "</l>;rt=light");
    let (told, _) = client.subscribe(7, BROWSE, Rtype::PTR);
    assert_eq!(
        told,
        ["7 NOERROR", "PUSH +_coap._udp.services.home.arpa. 120 PTR lamp._coap._udp.services.home.arpa.",]
    );
    register(&mut client.house, "plug", "</a>");
    assert_eq!(client.received(), ["PUSH +_coap._udp.services.home.arpa. 120 PTR plug._coap._udp.services.home.arpa."]);
}

#[test]
fn pu23_who_wants_a_soa_is_told_its_serials() {
    let mut client = subscriber();
    let serial = |told: &str| -> u32 { told.rsplit_once(' ').unwrap().1.parse().unwrap() };
    let (told, _) = client.subscribe(7, "Services.home.arpa", Rtype::SOA);
    let first = serial(&told[1]);
    // Several changes of one zone are one serial further, and other zones are not told of.
    register(&mut client.house, "plug", "</a>;exp;ins=A,</b>;exp;ins=B");
    let told = client.received();
    assert_eq!(told.len(), 1, "{told:?}");
    let (gone, come) = told[0].split_once(" +").unwrap();
    assert_eq!((serial(gone), told[0].matches(" SOA ").count()), (first, 2), "{told:?}");
    let second = serial(come);
    assert!(second > first, "{told:?}");
    // Registered again as it was: nothing has changed.
    register(&mut client.house, "plug", "</a>;exp;ins=A,</b>;exp;ins=B");
    assert_eq!(client.received(), [""; 0]);
    register(&mut client.house, "plug", "</a>");
    assert_eq!(serial(client.received()[0].split_once(" +").unwrap().0), second);
}

/// An operator registers a device; what subscribers are told waits to be fetched.
fn register(house: &mut House, endpoint_name: &str, links: &str) {
    let entry = Entry {
        endpoint_name: endpoint_name.into(),
        base: "coap://[fd00::9]".into(),
        links: links.into(),
        lifetime_s: 90_000,
        ..Entry::default()
    };
    house.node.command(house.now, Command::Register(entry)).unwrap();
}

#[test]
fn pu12_pu21_pu22_one_instant_is_one_message_in_the_fewest_words() {
    let mut client = subscriber();
    assert_eq!(client.subscribe(7, BROWSE, Rtype::PTR).0, ["7 NOERROR"]);
    assert_eq!(client.subscribe(8, "PLUG._coap._udp.services.home.arpa", Rtype::ANY).0, ["8 NOERROR"]);
    register(&mut client.house, "plug", "</a>;exp;ins=A");
    let told = client.received();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].matches(" +").count(), 4, "two instances, SRV and TXT of one: {told:?}");
    register(&mut client.house, "plug", "</a>");
    let told = client.received();
    assert_eq!(told, ["PUSH -_coap._udp.services.home.arpa. PTR A._coap._udp.services.home.arpa."]);
}

#[test]
fn pu22_removals_of_the_last_record_are_collective() {
    let mut client = subscriber();
    client.house.register(LAMP, "ep=lamp", "</l>;rt=light");
    let id = client.house.changes.last().unwrap().after.as_ref().unwrap().id;
    client.subscribe(7, "lamp._coap._udp.services.home.arpa", Rtype::ANY);
    client.subscribe(8, "lamp.services.home.arpa", Rtype::AAAA);
    client.house.node.command(client.house.now, Command::Remove(id)).unwrap();
    assert_eq!(client.received(), ["PUSH -lamp.services.home.arpa. -lamp._coap._udp.services.home.arpa."]);
}

#[test]
fn pu1_nothing_is_pushed_in_the_clear_unless_configured() {
    let mut client = subscriber();
    client.house = House::new();
    client.house.open_dns(1);
    assert_eq!(client.subscribe(7, BROWSE, Rtype::PTR).0, [format!("7 {DSOTYPENI}")]);
}

#[test]
fn pu4_questions_are_answered_on_the_session() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    let (octets, _) = client.house.dns_octets(1, &framed(&question("services.home.arpa", Rtype::SOA).bytes()));
    assert_eq!(Looked::read(&unframed(&octets)[0]).answers.len(), 1);
}

#[test]
fn pu14_refusals_say_how_long_to_wait_and_others_live_on() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    assert_eq!(client.subscribe(8, "example.com", Rtype::PTR).0, ["8 NOTAUTH retry 300000"]);
    let (malformed, is_closed) = client.send(|out| DsoWriter::request(out, 9).tlv(dso_type::SUBSCRIBE, &[0, 0]));
    assert_eq!((malformed, is_closed), (vec!["9 FORMERR retry 300000".to_owned()], false));
    register(&mut client.house, "plug", "</a>");
    assert_eq!(client.received().len(), 1);
}

#[test]
fn pu8_a_duplicate_ends_the_session() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    let (told, is_closed) = client.subscribe(8, "_COAP._udp.services.home.arpa", Rtype::PTR);
    assert_eq!((told, is_closed), (vec![], true));
}

#[test]
fn pu18_a_session_has_so_many_subscriptions() {
    let mut client = subscriber();
    for id in 1..=256 {
        let name = format!("x{id}.services.home.arpa");
        assert_eq!(client.subscribe(id, &name, Rtype::A).0, [format!("{id} NOERROR")]);
    }
    assert_eq!(client.subscribe(300, BROWSE, Rtype::PTR).0, ["300 REFUSED retry 300000"]);
}

#[test]
fn pu28_unsubscribing_ends_what_is_told_and_unknown_ones_are_ignored() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    for subscription in [99, 7] {
        let (told, is_closed) = client.send(|out| {
            let mut writer = DsoWriter::unidirectional(out, Rcode::NOERROR);
            encode_unsubscribe(&mut writer, subscription, PushDialect::Rfc8765);
        });
        assert_eq!((told, is_closed), (vec![], false));
    }
    register(&mut client.house, "plug", "</a>");
    assert!(client.received().is_empty());
    assert_eq!(client.subscribe(7, BROWSE, Rtype::PTR).0.len(), 2, "the ID is free again");
}

#[test]
fn pu29_a_reconfirm_is_not_answered_and_must_be_of_one_record() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    let name = Name::parse(BROWSE).unwrap();
    let reconfirm = |client: &mut Subscriber, rtype| {
        client.send(|out| {
            let asked = Question { name: name.as_ref(), rtype, class: Class::IN };
            let mut writer = DsoWriter::unidirectional(out, Rcode::NOERROR);
            encode_reconfirm(&mut writer, &asked, &[0], PushDialect::Rfc8765, None);
        })
    };
    assert_eq!(reconfirm(&mut client, Rtype::PTR), (vec![], false));
    assert_eq!(reconfirm(&mut client, Rtype::ANY), (vec![], true));
}

#[test]
fn pu15_pu19_pushing_is_the_servers_alone() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    let (_, is_closed) =
        client.send(|out| DsoWriter::unidirectional(out, Rcode::NOERROR).tlv(dso_type::PUSH, &[0; 11]));
    assert!(is_closed);

    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    let (_, is_closed) = client.send(|out| _ = DsoWriter::response(out, 9, Rcode::NOERROR));
    assert!(is_closed, "an answer to a request that nobody sent");
}

#[test]
fn pu31_the_end_of_a_connection_ends_its_subscriptions() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    client.house.node.handle_stream(client.house.now, StreamId(1), StreamInput::Closed);
    register(&mut client.house, "plug", "</a>");
    assert!(client.received().is_empty());
    client.house.open_dns(1);
    let (told, _) = client.subscribe(7, BROWSE, Rtype::PTR);
    assert_eq!(told.len(), 2, "a new connection of that number starts afresh: {told:?}");
}

#[test]
fn ds40_clients_are_sent_away_when_the_daemon_ends() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    client.house.node.release_stream(client.house.now, StreamId(1));
    let (octets, is_closed) = client.house.dns_received(1);
    assert!(is_closed);
    assert_eq!(client.show_all(&octets), ["type 2 id 0"]);
}

#[test]
fn ds31_ds38_a_keepalive_is_answered_with_what_is_granted() {
    for (asked, granted) in [((1_000, 60_000), (1_000, 60_000)), ((60_000, 1_000), (15_000, 10_000))] {
        let mut client = subscriber();
        let asked = Keepalive { inactivity_timeout_ms: asked.0, keepalive_interval_ms: asked.1 };
        let mut message = Vec::new();
        DsoWriter::request(&mut message, 3).keepalive(asked);
        let (octets, _) = client.house.dns_octets(1, &framed(&message));
        let answers = unframed(&octets);
        let answer = DsoMessage::decode(&answers[0], client.dso).unwrap();
        assert_eq!((answers.len(), answer.id, answer.rcode), (1, 3, Rcode::NOERROR));
        let told = answer.primary().unwrap().keepalive().unwrap();
        assert_eq!((told.inactivity_timeout_ms, told.keepalive_interval_ms), granted);
    }
}

#[test]
fn ds1_a_session_message_with_sections_is_a_format_error() {
    let mut client = subscriber();
    let flags = Flags::new(wayhouse_wire::dns::Opcode::DSO, Rcode::NOERROR);
    let (told, _) =
        client.send(|out| out.extend_from_slice(&Header { id: 5, flags, counts: [0, 0, 0, 1] }.to_octets()));
    assert_eq!(told, ["5 FORMERR"]);
}

/// The drafts: PUSH is a request that is answered, removals look as in updates, UNSUBSCRIBE is answered.
#[test]
fn drafts_are_spoken_where_configured() {
    for (push, unsubscribed) in [(PushDialect::Push10, 7), (PushDialect::Push12, 9)] {
        let mut client = in_dialect(DsoDialect::SessionSignal02, push);
        assert_eq!(client.subscribe(7, BROWSE, Rtype::PTR).0, ["7 NOERROR"]);
        register(&mut client.house, "plug", "</a>");
        let told = client.received();
        assert_eq!(told, ["PUSH +_coap._udp.services.home.arpa. 120 PTR plug._coap._udp.services.home.arpa."]);
        let id = if push == PushDialect::Push10 { 7 } else { 9 };
        let (told, is_closed) = client.send(|out| encode_unsubscribe(&mut DsoWriter::request(out, id), 7, push));
        assert_eq!((told, is_closed), (vec![format!("{unsubscribed} NOERROR")], false));
    }
}

/// Clients of two listeners that follow different texts hear of the same change, each as its text has it.
#[test]
fn listeners_of_two_texts_tell_one_change_each_in_its_own() {
    let mut client = subscriber();
    client.subscribe(7, BROWSE, Rtype::PTR);
    client.house.open_dns_as(2, Transport::Tcp, dialects(DsoDialect::SessionSignal02, PushDialect::Push10));
    let mut message = Vec::new();
    let name = Name::parse(BROWSE).unwrap();
    let question = Question { name: name.as_ref(), rtype: Rtype::PTR, class: Class::IN };
    encode_subscribe(&mut DsoWriter::request(&mut message, 8), &question);
    client.house.dns_octets(2, &framed(&message));

    let told =
        |name: &str| format!("PUSH +_coap._udp.services.home.arpa. 120 PTR {name}._coap._udp.services.home.arpa.");
    register(&mut client.house, "plug", "</a>");
    assert_eq!(client.received(), [told("plug")]);
    register(&mut client.house, "lamp", "</a>");
    let (octets, _) = client.house.dns_received(2);
    let draft = Subscriber { push: PushDialect::Push10, dso: DsoDialect::SessionSignal02, ..client };
    assert_eq!(draft.show_all(&octets), [told("lamp")]);
    // In the draft a PUSH is a request, which is answered; in the RFC it has no message ID.
    let header = Header::peek(&unframed(&octets)[0]).unwrap();
    assert!(header.id != 0 && !header.is_response(), "{header:?}");
}

/// The drafts: a client that never answers a PUSH is let go when as many wait as may.
#[test]
fn a_client_that_answers_no_push_is_let_go() {
    let mut client = in_dialect(DsoDialect::SessionSignal02, PushDialect::Push10);
    for number in 0..300 {
        client.house.register(&format!("[2001:db8::{:x}]:5683", 0x100 + number), &format!("ep=n{number}"), "</l>");
    }
    let is_let_go = (0..2_000).any(|_| {
        let (_, is_closed) = client.subscribe(7, BROWSE, Rtype::PTR);
        is_closed || client.send(|out| encode_unsubscribe(&mut DsoWriter::request(out, 7), 7, PushDialect::Push10)).1
    });
    assert!(is_let_go);
}

#[test]
fn many_changes_leave_in_messages_of_bounded_size() {
    let mut client = subscriber();
    for number in 0..600 {
        let from = format!("[2001:db8::{:x}]:5683", 0x100 + number);
        client.house.register(&from, &format!("ep=a-lamp-with-a-long-name-{number:03}"), "</l>;rt=light");
    }
    let (told, _) = client.subscribe(7, BROWSE, Rtype::PTR);
    assert_eq!(told.iter().map(|message| message.matches(" +").count()).sum::<usize>(), 600);
    assert!(told.len() > 2, "256 changes at most are gathered: {}", told.len());
}

/// Every message that clients send in the known answers, on an established session of a server of `example.com`.
#[test]
fn known_messages_of_clients_are_taken_as_the_vectors_say() {
    let mut met = 0;
    for text in [
        include_str!("../../../wayhouse-wire/vectors/push.json"),
        include_str!("../../../wayhouse-wire/vectors/dso.json"),
    ] {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        // Responses belong to requests that this server has not made; the engine's own tests meet them.
        let is_meant = |vector: &&serde_json::Value| vector["sender"] == "client" && vector["kind"] != "response";
        for vector in file["vectors"].as_array().unwrap().iter().filter(is_meant) {
            for dialect in vector["dialects"].as_array().unwrap() {
                let (dso, push) = match dialect.as_str().unwrap() {
                    "rfc" => (DsoDialect::Rfc8490, PushDialect::Rfc8765),
                    "ss-02" | "push-10" => (DsoDialect::SessionSignal02, PushDialect::Push10),
                    _ => (DsoDialect::SessionSignal03, PushDialect::Push12),
                };
                check_vector(vector, dso, push);
                met += 1;
            }
        }
    }
    assert!(met > 30, "{met}");
}

fn check_vector(vector: &serde_json::Value, dso: DsoDialect, push: PushDialect) {
    let hex = vector["tcp_hex"].as_str().unwrap();
    let octets: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let mut house = House::with(|config| {
        config.dns.zones = vec![Name::parse("example.com").unwrap()];
        config.dns.push = Push::Plain;
    });
    house.open_dns_as(1, Transport::Tcp, dialects(dso, push));
    let mut client = Subscriber { house, push, dso };
    // The subscription that the vectors are about.
    assert_eq!(client.subscribe(1, "_ipp._tcp.example.com", Rtype::PTR).0, ["1 NOERROR"]);
    if vector["id"] == "sub-req" {
        client.house.node.handle_stream(client.house.now, StreamId(1), StreamInput::Closed);
        client.house.open_dns_as(1, Transport::Tcp, dialects(dso, push));
    }
    let (received, is_closed) = client.house.dns_octets(1, &octets);
    let expected = vector["expect"].as_str().unwrap();
    // Where the texts name no reaction, what cannot be answered ends the session (DX1, DX2).
    if expected != "see note" {
        assert_eq!(is_closed, expected == "fatal", "{}: {expected}", vector["id"]);
    }
    if expected == "formerr" {
        assert_eq!(received[5] & 15, 1, "{}", vector["id"]);
    }
}
