//! `vectors/coap_messages.json`: RFC 7252 App. A and option and length boundaries, malformed messages, RFC 8323 frames.

use serde_json::Value;
use wayhouse_wire::What;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{BlockValue, Encoder, Header, Kind, Message, OptionList};

pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/coap_messages.json")).expect("vectors are JSON")
}

pub fn octets(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex text");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is a list"))
}

fn options_of(vector: &Value) -> Vec<(u16, Vec<u8>)> {
    list(vector, "options")
        .iter()
        .map(|option| (option["number"].as_u64().expect("a number") as u16, octets(&option["value"])))
        .collect()
}

#[test]
fn every_message_decodes_to_its_meaning_and_encodes_to_its_octets() {
    let vectors = vectors();
    let messages = list(&vectors, "messages");
    assert_eq!(messages.len(), 32);
    for vector in messages {
        let name = vector["name"].as_str().expect("a name");
        let bytes = octets(&vector["hex"]);
        let message = Message::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = match vector["type"].as_str() {
            Some("CON") => Kind::Confirmable,
            Some("NON") => Kind::NonConfirmable,
            Some("ACK") => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        assert_eq!(message.kind, kind, "{name}");
        assert_eq!(message.code.to_string(), vector["code"].as_str().expect("a code"), "{name}");
        assert_eq!(u64::from(message.message_id), vector["mid"].as_u64().expect("an ID"), "{name}");
        assert_eq!(message.token, octets(&vector["token"]), "{name}");
        assert_eq!(message.payload, octets(&vector["payload"]), "{name}");
        let options: Vec<_> = message.options.iter().map(|option| (option.number, option.value.to_vec())).collect();
        assert_eq!(options, options_of(vector), "{name}");

        let mut encoded = vec![0xee]; // encoders append
        let mut encoder = Encoder::datagram(&mut encoded, kind, message.code, message.message_id, message.token);
        for (number, value) in &options {
            encoder.option(*number, value);
        }
        encoder.payload(message.payload);
        assert_eq!(encoded[1..], bytes, "{name}");
    }
}

#[test]
fn cm1_cm2_every_malformed_message_is_recognised() {
    let vectors = vectors();
    let malformed = list(&vectors, "malformed");
    assert_eq!(malformed.len(), 19);
    for vector in malformed {
        let why = vector["why"].as_str().expect("a reason");
        let bytes = octets(&vector["hex"]);
        let decoded = Message::decode(&bytes);
        match vector["expect"].as_str().expect("a reaction") {
            // No header at all: nobody to answer.
            "ignore" | "silently ignore" => {
                assert!(decoded.is_err(), "{why}");
                assert_eq!(Header::peek(&bytes), None, "{why}");
            }
            // Malformed behind a good header: a CON can be rejected by its message ID.
            "message format error" => {
                assert!(decoded.is_err(), "{why}");
                assert_eq!(
                    Header::peek(&bytes).map(|header| header.message_id),
                    Some(u16::from_be_bytes([bytes[2], bytes[3]]))
                );
            }
            // Reserved classes are well-formed bytes; the message layer rejects them.
            _ => {
                let code = decoded.unwrap_or_else(|error| panic!("{why}: {error}")).code;
                assert!(!code.is_request() && !code.is_response(), "{why}");
            }
        }
    }
}

#[test]
fn cm3_an_option_number_beyond_the_range_is_malformed() {
    // Two options of delta 65535 each.
    let mut bytes = vec![0x40, 1, 0, 1];
    bytes.extend([0xe0, 0xfe, 0xf2]);
    assert!(Message::decode(&bytes).is_ok(), "65535 itself is a number");
    bytes.extend([0x10]);
    assert_eq!(Message::decode(&bytes).map_err(|error| error.what).err(), Some(What::OptionNumberOverflow));
}

#[test]
fn cm4_the_marker_octet_inside_a_value_is_no_marker() {
    let bytes = [0x40, 1, 0, 1, 0xb3, 0xff, 0xff, 0xff, 0xff, 0x61];
    let message = Message::decode(&bytes).expect("well-formed");
    assert_eq!(message.options.iter().next().map(|option| option.value.to_vec()), Some(vec![0xff; 3]));
    assert_eq!(message.payload, b"a");
}

#[test]
fn block_values_read_and_write() {
    for vector in list(&vectors(), "block_option_values") {
        let block = BlockValue {
            num: vector["num"].as_u64().expect("num") as u32,
            more: vector["more"].as_bool().expect("more"),
            szx: vector["szx"].as_u64().expect("szx") as u8,
        };
        let value = octets(&vector["value"]);
        assert_eq!(BlockValue::decode(&value), Some(block));
        assert_eq!(block.size() as u64, vector["size"].as_u64().expect("size"));
        let mut list = OptionList::new();
        list.push_uint(23, block.to_uint());
        assert_eq!(list.first(23).expect("pushed").value, value);
    }
    assert_eq!(BlockValue::decode(&[0; 4]), None);
}

#[test]
fn every_frame_decodes_and_encodes() {
    let vectors = vectors();
    let frames = list(&vectors, "tcp_frames");
    assert_eq!(frames.len(), 13);
    for vector in frames {
        let name = vector["name"].as_str().expect("a name");
        let bytes = match vector.get("hex") {
            Some(hex) => octets(hex),
            // The two longest are given by their start, their length and what fills them.
            None => {
                let mut bytes = octets(&vector["first_bytes"]);
                bytes.resize(vector["total_length"].as_u64().expect("a length") as usize, 0x61);
                bytes
            }
        };
        assert_eq!(Frame::octets(&bytes), Ok(Some(bytes.len())), "{name}");
        let frame = Frame::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.code.to_string(), vector["code"].as_str().expect("a code"), "{name}");
        assert_eq!(frame.token, octets(&vector["token"]), "{name}");
        match vector.get("hex") {
            Some(_) => assert_eq!(frame.payload, octets(&vector["payload"]), "{name}"),
            None => assert!(frame.payload.iter().all(|octet| *octet == 0x61), "{name}"),
        }
        let options: Vec<_> = frame.options.iter().map(|option| (option.number, option.value.to_vec())).collect();
        assert_eq!(options, options_of(vector), "{name}");
        let mut encoded = vec![0xee];
        Frame::encode(&mut encoded, frame.code, frame.token, frame.options.iter(), frame.payload);
        assert_eq!(encoded[1..], bytes, "{name}");
        for end in 0..bytes.len().min(100) {
            match Frame::octets(&bytes[..end]) {
                Ok(None) => {}
                Ok(Some(octets)) => assert_eq!(octets, bytes.len(), "{name}: the announced length does not change"),
                Err(error) => panic!("{name}: {error} after {end} octets"),
            }
        }
    }
}
