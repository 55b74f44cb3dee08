//! Every message of the known answers meets the side that receives it, and what happens is what the vector says.

use serde_json::Value;
use wayhouse_wire::dns::push_tlv::{Changes, Reconfirm, decode_subscribe, decode_unsubscribe};

use super::*;

fn octets(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex text");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn of_name(name: &str) -> (DsoDialect, PushDialect) {
    match name {
        "rfc" => (RFC, PushDialect::Rfc8765),
        "ss-02" | "push-10" => (DRAFT_02, PushDialect::Push10),
        _ => (DRAFT_03, PushDialect::Push12),
    }
}

/// A receiver in the state that the vector assumes.
fn receiver(vector: &Value, dialect: &str) -> (Bench, PushDialect) {
    let (id, fields) = (vector["id"].as_str().expect("an id"), &vector["fields"]);
    let (dso, push) = of_name(dialect);
    let role = if vector["sender"] == "client" { Role::Server } else { Role::Client };
    // Granted as the vectors' server does.
    let timeouts = match id {
        "ka-req" | "ka-req-padded" => Keepalive { inactivity_timeout_ms: 30_000, keepalive_interval_ms: 900_000 },
        _ => Settings::default().timeouts,
    };
    let padding_block_octets = if id == "ka-req-padded" { 1 } else { 468 };
    let settings = Settings { timeouts, padding_block_octets, operations: push::operations(push), ..settings(dso) };
    let mut bench = Bench::established_with(role, settings);
    // The request that a response answers.
    let asks = match (fields["qr"].as_u64(), id) {
        (Some(1), "resp-id-zero" | "resp-id-unknown" | "push-as-response") => None,
        (Some(1), id) if id.starts_with("ka-server") => Some(dso_type::KEEPALIVE),
        (Some(1), id) if id.starts_with("ka-") || id == "notimp-resp" => Some(dso_type::KEEPALIVE),
        (Some(1), id) if id.starts_with("unsub-12") => Some(UNSUBSCRIBE),
        (Some(1), id) if id.starts_with("push-") => Some(PUSH),
        (Some(1), id) if id.starts_with("reconfirm") => Some(RECONFIRM),
        (Some(1), _) => Some(SUBSCRIBE),
        _ => None,
    };
    if let Some(dso_type) = asks {
        let message_id = fields["id"].as_u64().expect("a number") as u16;
        let stage =
            if id.starts_with("cancel") || id == "sub-cancelled-by-server" { Stage::Live } else { Stage::Unanswered };
        bench.session.state.own.push(Operation { id: message_id, dso_type, stage, is_padded: false });
    }
    (bench, push)
}

/// What happens in one word, PUSH and its kin judged as a face would.
fn meet(vector: &Value, dialect: &str) -> (String, Vec<Vec<u8>>) {
    let (mut bench, push) = receiver(vector, dialect);
    bench.session.handle_data(&octets(&vector["tcp_hex"]));
    let mut word = "accept".to_owned();
    let mut answer = None;
    while let Some(happened) = bench.session.poll(bench.now, &mut bench.out) {
        match happened {
            Happened::Ended(End { how: Close::Abort, .. }) => word = "fatal".to_owned(),
            Happened::Request { id, dso_type, message } => {
                let tlv = message.primary().expect("a request has one");
                let is_good = match dso_type {
                    SUBSCRIBE => decode_subscribe(message.bytes, &tlv).is_ok(),
                    UNSUBSCRIBE => decode_unsubscribe(id, &tlv, push).is_ok(),
                    RECONFIRM => Reconfirm::decode(message.bytes, &tlv, push).is_ok(),
                    _ => Changes::decode(message.bytes, &tlv, push).is_ok(),
                };
                if !is_good && dso_type == PUSH {
                    word = "fatal".to_owned();
                } else {
                    answer = Some((id, if is_good { Rcode::NOERROR } else { Rcode::FORMERR }));
                }
            }
            Happened::Unidirectional { dso_type: PUSH, message } => {
                let tlv = message.primary().expect("it has one");
                match Changes::decode(message.bytes, &tlv, push) {
                    Err(_) => word = "fatal".to_owned(),
                    Ok(changes) if changes.into_iter().count() == 0 => word = "ignore-record".to_owned(),
                    Ok(_) => {}
                }
            }
            // PUSH acknowledged with an error (push-10, push-12 §6.3.2).
            Happened::Response { dso_type: PUSH, rcode, .. } if rcode != Rcode::NOERROR => word = "fatal".to_owned(),
            _ => {}
        }
    }
    if let Some((id, rcode)) = answer {
        bench.session.respond(bench.now, id, rcode, None, &mut bench.out, |_| {}).expect("it waits");
    }
    (word, bench.sent())
}

fn check_all(text: &str) {
    let document: Value = serde_json::from_str(text).expect("vectors are JSON");
    let vectors = document["vectors"].as_array().expect("a list");
    for vector in vectors {
        let id = vector["id"].as_str().expect("an id");
        for dialect in vector["dialects"].as_array().expect("a list") {
            let dialect = dialect.as_str().expect("a name");
            let (word, sent) = meet(vector, dialect);
            let expected = match (id, vector["expect"].as_str().expect("an expectation")) {
                // A duplicate is seen by who keeps the subscriptions.
                ("sub-dup-case", _) => continue,
                // Suggestions where the RFC is silent (DX2), and the drafts' reading of type 0.
                ("pad-as-primary" | "no-tlv-req" | "tlv-overrun" | "ka-short-data", _) => {
                    let message_id = vector["fields"]["id"].as_u64().expect("a number") as u16;
                    assert_eq!(sent, [response(message_id, Rcode::FORMERR)], "{id} in {dialect}");
                    continue;
                }
                ("type-zero-req", _) => {
                    assert_eq!(sent, [response(12_291, DSOTYPENI)]);
                    continue;
                }
                // Nobody to answer: it is ignored.
                ("reconfirm-any", _) => "accept",
                (_, expected) => expected,
            };
            if let Some(answer) = expected.strip_prefix("reply:") {
                let answer = vectors.iter().find(|vector| vector["id"] == answer).expect("it is there");
                assert_eq!(sent, [octets(&answer["hex"])], "{id} in {dialect}");
            } else {
                assert_eq!(word, expected, "{id} in {dialect}");
            }
        }
    }
}

#[test]
fn ds1_ds5_ds10_ds18_ds31_ds36_ds37_ds40_every_session_message_gets_its_reaction() {
    check_all(include_str!("../../../../../wayhouse-wire/vectors/dso.json"));
}

#[test]
fn pu15_pu19_pu20_pu28_pu29_every_push_message_gets_its_reaction() {
    check_all(include_str!("../../../../../wayhouse-wire/vectors/push.json"));
}
