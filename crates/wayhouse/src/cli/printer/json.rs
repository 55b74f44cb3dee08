//! An answer as a JSON object with stable keys.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::cbor;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::{Format, definition, number};
use wayhouse_wire::coap::{OptionRef, content_format};

use super::representation::{Reading, reading};
use super::{hexadecimal, links, problem};
use crate::cli::exchange::{content_format_of, location_of};

/// What the help text says of the keys.
pub(in crate::cli) const KEYS: &str = "Keys with --json: code, name, from, options (number, name, value), content_format, media_type, \
    location, etag (hexadecimal), max_age (seconds), payload_octets, and the payload as one of text, json, links, cbor \
    (diagnostic notation) or hex; problem (title, detail, unprocessed_options) when the server explains a refusal.";

/// The whole answer.
pub(in crate::cli) fn reply_json(reply: &Reply, from: Option<SocketAddr>) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    if let Some(code) = reply.code {
        put("code", Value::from(code.to_string()));
        put("name", code.name().map_or(Value::Null, Value::from));
    }
    if let Some(from) = from {
        put("from", Value::from(from.to_string()));
    }
    put("options", reply.options.iter().map(|option| option_json(&option)).collect());
    let format = content_format_of(reply);
    if let Some(format) = format {
        put("content_format", Value::from(format));
        put("media_type", content_format::media_type(format).map_or(Value::Null, Value::from));
    }
    if let Some(location) = location_of(reply) {
        put("location", Value::from(location));
    }
    if let Some(etag) = reply.options.first(number::ETAG) {
        put("etag", Value::from(hexadecimal(etag.value)));
    }
    if let Some(age) = reply.options.first(number::MAX_AGE).and_then(|option| option.uint()) {
        put("max_age", Value::from(age));
    }
    put("payload_octets", Value::from(reply.payload.len()));
    if format == Some(content_format::PROBLEM_DETAILS_CBOR)
        && let Some(problem) = problem::json(&reply.payload)
    {
        put("problem", problem);
    }
    if !reply.payload.is_empty() {
        let (key, value) = payload_json(format, &reply.payload);
        put(key, value);
    }
    Value::from(object)
}

fn option_json(option: &OptionRef<'_>) -> Value {
    let definition = definition(option.number);
    let hex = || Value::from(format!("0x{}", hexadecimal(option.value)));
    let value = match definition.map(|definition| definition.format) {
        Some(Format::Uint) => option.uint().map_or_else(hex, Value::from),
        Some(Format::Text) => option.text().map_or_else(hex, Value::from),
        Some(Format::Empty) => Value::Null,
        Some(Format::Opaque) | None => hex(),
    };
    json!({ "number": option.number, "name": definition.map(|definition| definition.name), "value": value })
}

fn payload_json(format: Option<u16>, payload: &[u8]) -> (&'static str, Value) {
    let text = || std::str::from_utf8(payload).ok();
    let read = match reading(format, payload) {
        Reading::Links => LinkFormat::parse(payload)
            .ok()
            .map(|document| ("links", document.links().map(|link| links::link_json(&link)).collect())),
        Reading::Json => serde_json::from_slice(payload).ok().map(|value| ("json", value)),
        Reading::Cbor => {
            let mut notation = String::new();
            cbor::diagnostic(payload, &mut notation).ok().map(|()| ("cbor", Value::from(notation)))
        }
        Reading::Text => text().map(|text| ("text", Value::from(text))),
        Reading::Binary => Some(("hex", Value::from(hexadecimal(payload)))),
    };
    read.or_else(|| text().map(|text| ("text", Value::from(text))))
        .unwrap_or_else(|| ("hex", Value::from(hexadecimal(payload))))
}
