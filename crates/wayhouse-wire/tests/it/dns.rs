//! `vectors/dso.json` and `vectors/push.json`: every message in both directions, in each dialect it belongs to; the
//! captured updates in `vectors/sig0`.

use serde_json::Value;
use wayhouse_wire::What;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::push_tlv::{
    ChangeKind, Changes, PushWriter, Reconfirm, decode_subscribe, decode_unsubscribe, encode_reconfirm,
    encode_subscribe, encode_unsubscribe,
};
use wayhouse_wire::dns::{
    Class, Compressor, DsoMessage, DsoWriter, Flags, Message, Name, Opcode, Question, Rcode, Rtype,
};

use crate::vectors::octets;

fn dialects(name: &str) -> (DsoDialect, PushDialect) {
    match name {
        "rfc" => (DsoDialect::Rfc8490, PushDialect::Rfc8765),
        "ss-02" | "push-10" => (DsoDialect::SessionSignal02, PushDialect::Push10),
        "ss-03" | "push-12" => (DsoDialect::SessionSignal03, PushDialect::Push12),
        other => panic!("{other} is no dialect"),
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is a number"))
}

fn question_of(value: &Value) -> (Name, Rtype, Class) {
    let name = Name::parse(value[0].as_str().expect("a name")).expect("a name");
    (name, Rtype::from_int(number(&value[1]) as u16), Class::from_int(number(&value[2]) as u16))
}

/// Record data from its text, uncompressed.
fn data_of(rtype: u64, text: &str) -> Vec<u8> {
    let name = |text: &str| Name::parse(text).expect("a name").wire().to_vec();
    match rtype {
        _ if text.is_empty() => Vec::new(),
        1 => text.parse::<std::net::Ipv4Addr>().expect("an address").octets().to_vec(),
        12 => name(text),
        33 => {
            let (numbers, target) = text.rsplit_once(' ').expect("four fields");
            let numbers = numbers.split(' ').flat_map(|number| number.parse::<u16>().expect("a number").to_be_bytes());
            numbers.chain(name(target)).collect()
        }
        other => panic!("no text form of type {other} here"),
    }
}

/// What the codec alone finds wrong. All other malformed messages are readable: the session ends for what they say.
fn malformation(id: &str) -> Option<What> {
    match id {
        "count-nonzero" => Some(What::UnexpectedSections),
        "tlv-overrun" => Some(What::Truncated),
        "ka-short-data" => Some(What::OutOfRange),
        "push-add-any-class" | "push-remove-one-any-type" => Some(What::OutOfRange),
        "push-collective-with-rdata" => Some(What::NotEmpty),
        "push-empty" | "push-empty-draft" => Some(What::Missing),
        "reconfirm-any" | "reconfirm-draft-any" => Some(What::OutOfRange),
        _ => None,
    }
}

/// Reads a message and all it holds, compares it with its fields, and writes it again from them.
fn check(vector: &Value, dialect: &str) -> Result<(), What> {
    let (dso, push) = dialects(dialect);
    let (id, fields, bytes) = (vector["id"].as_str().expect("an id"), &vector["fields"], octets(&vector["hex"]));
    let message = DsoMessage::decode(&bytes, dso).map_err(|error| error.what)?;
    assert_eq!(u64::from(message.id), number(&fields["id"]), "{id}");
    assert_eq!(u64::from(message.is_response), number(&fields["qr"]), "{id}");
    assert_eq!(u64::from(message.rcode.to_int()), number(&fields["rcode"]), "{id}");
    let tlvs: Vec<_> = message.tlvs.into_iter().map(|tlv| (u64::from(tlv.dso_type), tlv.data.to_vec())).collect();
    let listed: Vec<_> = fields["tlvs"].as_array().expect("a list").iter().collect();
    let is_skipping = fields.get("trailing").is_some();
    if !is_skipping {
        let expected: Vec<_> = listed.iter().map(|tlv| (number(&tlv["type"]), octets(&tlv["data"]))).collect();
        assert_eq!(tlvs, expected, "{id}");
    }

    // Write it again: from what was decoded where a TLV has a meaning of ours, as opaque data otherwise.
    let mut encoded = vec![0xee]; // writers append
    let flags = if message.is_response { Flags::QR } else { Flags::default() };
    let mut writer = DsoWriter::begin(&mut encoded, message.id, flags, message.rcode);
    // Whether the source compressed: then one name at least ends in a pointer.
    let is_compressed = id.ends_with("-compressed");
    let mut compressor = Compressor::default();
    for tlv in message.tlvs {
        match tlv.dso_type {
            dso_type::KEEPALIVE => {
                let keepalive = tlv.keepalive().map_err(|error| error.what)?;
                if let Some(inactivity_ms) = fields.get("inactivity_ms") {
                    assert_eq!(u64::from(keepalive.inactivity_timeout_ms), number(inactivity_ms), "{id}");
                    assert_eq!(u64::from(keepalive.keepalive_interval_ms), number(&fields["keepalive_ms"]), "{id}");
                }
                writer.keepalive(keepalive);
            }
            dso_type::SUBSCRIBE => {
                let question = decode_subscribe(&bytes, &tlv).map_err(|error| error.what)?;
                let (name, rtype, class) = question_of(&fields["question"]);
                assert_eq!(question, Question { name: name.as_ref(), rtype, class }, "{id}");
                // Not the decoded one but ours: what it was read from is not needed to write it.
                let name = question.name.to_name();
                encode_subscribe(&mut writer, &Question { name: name.as_ref(), ..question });
            }
            dso_type::UNSUBSCRIBE => {
                let cancelled = decode_unsubscribe(message.id, &tlv, push).map_err(|error| error.what)?;
                assert_eq!(u64::from(cancelled), number(&fields["cancels"]), "{id}");
                encode_unsubscribe(&mut writer, cancelled, push);
            }
            dso_type::RECONFIRM => {
                let reconfirm = Reconfirm::decode(&bytes, &tlv, push).map_err(|error| error.what)?;
                let record = &fields["record"];
                let (rtype, text) = (number(&record["type"]), record["rdata"].as_str().expect("text"));
                assert_eq!(reconfirm.name.to_string(), record["name"], "{id}");
                assert_eq!(u64::from(reconfirm.rtype.to_int()), rtype, "{id}");
                let mut rdata = Vec::new();
                reconfirm.expand_rdata(&mut rdata).expect("well-formed data");
                assert_eq!(rdata, data_of(rtype, text), "{id}");
                let name = reconfirm.name.to_name();
                let question = Question { name: name.as_ref(), rtype: reconfirm.rtype, class: reconfirm.class };
                encode_reconfirm(&mut writer, &question, &rdata, push, is_compressed.then_some(&mut compressor));
            }
            dso_type::PUSH => {
                let changes = Changes::decode(&bytes, &tlv, push).map_err(|error| error.what)?;
                let records: Vec<_> = fields["records"].as_array().expect("a list").iter().collect();
                let mut push_writer = PushWriter::begin(&mut writer, push, is_compressed.then_some(&mut compressor));
                let decoded: Vec<_> = changes.into_iter().collect();
                if vector["expect"] == "ignore-record" {
                    assert!(decoded.is_empty(), "{id}");
                    return Ok(());
                }
                assert_eq!(decoded.len(), records.len(), "{id}");
                for (change, record) in decoded.iter().zip(records) {
                    let rtype = number(&record["type"]);
                    assert_eq!(change.name.to_string(), record["name"], "{id}");
                    if change.kind != ChangeKind::RemoveEverything {
                        assert_eq!(u64::from(change.rtype.to_int()), rtype, "{id}");
                    }
                    assert_eq!(u64::from(change.class.to_int()), number(&record["class"]), "{id}");
                    if let ChangeKind::Add { ttl_s } = change.kind {
                        assert_eq!(u64::from(ttl_s), number(&record["ttl"]), "{id}");
                    }
                    let mut rdata = Vec::new();
                    change.expand_rdata(&mut rdata).expect("well-formed data");
                    assert_eq!(rdata, data_of(rtype, record["rdata"].as_str().expect("text")), "{id}");
                    let name = change.name.to_name();
                    push_writer
                        .change(change.kind, name.as_ref(), change.rtype, change.class, &rdata)
                        .expect("it was in one message");
                }
                push_writer.finish();
            }
            retry if retry == dso.retry_delay_type() => {
                let delay_ms = tlv.retry_delay_ms().map_err(|error| error.what)?;
                if let Some(retry_ms) = fields.get("retry_ms") {
                    assert_eq!(u64::from(delay_ms), number(retry_ms), "{id}");
                }
                writer.retry_delay(delay_ms, dso);
            }
            padding if Some(padding) == dso.padding_type() && !listed.is_empty() => {
                // The least block size that gives as many octets: what the source had.
                writer.padding(tlv.at + tlv.data.len(), dso);
            }
            other => writer.tlv(other, tlv.data),
        }
    }
    let written = writer.octets();
    if !is_skipping {
        assert_eq!(encoded[1..], bytes, "{id} in {dialect}");
        assert_eq!(written, bytes.len(), "{id}");
        let framed = [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
        assert_eq!(framed, octets(&vector["tcp_hex"]), "{id}");
    }
    Ok(())
}

fn check_all(text: &str, count: usize) {
    let document: Value = serde_json::from_str(text).expect("vectors are JSON");
    let vectors = document["vectors"].as_array().expect("a list");
    assert_eq!(vectors.len(), count);
    for vector in vectors {
        let id = vector["id"].as_str().expect("an id");
        if vector["kind"] == "plain-dns" {
            continue;
        }
        for dialect in vector["dialects"].as_array().expect("a list") {
            let dialect = dialect.as_str().expect("a name");
            assert_eq!(check(vector, dialect).err(), malformation(id), "{id} in {dialect}");
        }
    }
}

#[test]
fn ds1_ds2_ds39_every_session_message_reads_and_writes_in_its_dialects() {
    check_all(include_str!("../../vectors/dso.json"), 41);
}

#[test]
fn pu7_pu20_pu28_pu29_every_push_message_reads_and_writes_in_its_dialects() {
    check_all(include_str!("../../vectors/push.json"), 61);
}

#[test]
fn session_signal_02_skips_sections_and_reads_the_tlv_behind_them() {
    let document: Value = serde_json::from_str(include_str!("../../vectors/dso.json")).expect("vectors are JSON");
    let vectors = document["vectors"].as_array().expect("a list");
    let vector = vectors.iter().find(|vector| vector["id"] == "count-nonzero-ss02").expect("it is there");
    let bytes = octets(&vector["hex"]);
    let message = DsoMessage::decode(&bytes, DsoDialect::SessionSignal02).expect("the draft takes it");
    let keepalive = message.primary().expect("a TLV").keepalive().expect("a Keepalive");
    assert_eq!((keepalive.inactivity_timeout_ms, keepalive.keepalive_interval_ms), (60_000, 3_600_000));
    // Sections that are announced and not there.
    assert!(DsoMessage::decode(&bytes[..20], DsoDialect::SessionSignal02).is_err());
}

#[test]
fn ds18_a_plain_query_shows_its_edns_options() {
    let document: Value = serde_json::from_str(include_str!("../../vectors/dso.json")).expect("vectors are JSON");
    let vectors = document["vectors"].as_array().expect("a list");
    let vector = vectors.iter().find(|vector| vector["kind"] == "plain-dns").expect("it is there");
    let bytes = octets(&vector["hex"]);
    let message = Message::decode(&bytes).expect("a query");
    assert_eq!(message.header.flags.opcode(), Opcode::QUERY);
    assert_eq!(message.question().expect("a question").name.to_string(), "example.com.");
    let edns = message.edns().expect("an OPT");
    assert_eq!(edns.tcp_keepalive(), Some(Some(600)));
    assert_eq!(edns.option(option::COOKIE), None);
    assert_eq!(edns.udp_octets_max, 1232);
}

#[test]
fn sr6_captured_updates_are_read_as_what_they_are() {
    let bytes = include_bytes!("../../vectors/sig0/apple-srp-update.bin");
    let update = Message::decode(bytes).expect("an update");
    assert_eq!(update.header.flags.opcode(), Opcode::UPDATE);
    assert_eq!(update.header.flags.rcode(), Rcode::NOERROR);
    let zone = update.question().expect("a zone");
    assert_eq!((zone.name.to_string().as_str(), zone.rtype), ("default.service.arpa.", Rtype::SOA));
    let lease = update.edns().expect("an OPT").update_lease().expect("a lease").expect("of 8 octets");
    assert_eq!((lease.lease_s, lease.key_lease_s), (30, Some(604_800)));
    let sig0 = update.sig0().expect("a signature");
    assert_eq!((sig0.algorithm, sig0.key_tag, sig0.signature.len()), (13, 0x8b2c, 64));
    assert_eq!(sig0.signer.to_string(), "srp-api-test.default.service.arpa.");

    let bytes = include_bytes!("../../vectors/sig0/nsupdate-sig0.bin");
    let update = Message::decode(bytes).expect("an update");
    assert_eq!(update.sig0().expect("a signature").signer.to_string(), "host1.upd.example.");
    assert!(update.edns().is_none());
}
