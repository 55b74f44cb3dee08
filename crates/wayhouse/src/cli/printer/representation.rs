//! A payload as a person wants to read it, by its content-format.

use std::fmt::Write as _;

use wayhouse_wire::cbor;
use wayhouse_wire::coap::content_format;
use wayhouse_wire::coap::link_format::LinkFormat;

use super::{Surroundings, links, printable_lines};

/// How a payload reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Reading {
    /// Links.
    Links,
    /// CBOR, alone or in sequence.
    Cbor,
    /// JSON.
    Json,
    /// Text.
    Text,
    /// Octets.
    Binary,
}

/// How a payload reads by what its content-format promises, and, without one, by what it looks like.
pub(in crate::cli) fn reading(format: Option<u16>, payload: &[u8]) -> Reading {
    let looks = || match std::str::from_utf8(payload) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) => Reading::Text,
        _ => Reading::Binary,
    };
    let Some(format) = format else { return looks() };
    let Some(name) = content_format::media_type(format) else { return looks() };
    let essence = name.split(';').next().unwrap_or(name).trim();
    match essence {
        "application/link-format" => Reading::Links,
        // The deflate codings carry the media type of what is inside.
        "application/cbor" | "application/json" if format > 10_000 => Reading::Binary,
        "application/cbor" | "application/cbor-seq" | "application/cwt" | "application/multipart-core" => Reading::Cbor,
        "application/cose" | "application/cose-key" | "application/cose-key-set" => Reading::Cbor,
        _ if essence.ends_with("+cbor") || essence.ends_with("+cbor-seq") => Reading::Cbor,
        "application/json" => Reading::Json,
        _ if essence.ends_with("+json") => Reading::Json,
        "application/octet-stream" => Reading::Binary,
        _ => looks(),
    }
}

/// The octets to print for a payload. Whatever is not what it claims to be is shown as text or octets.
pub(in crate::cli) fn render(format: Option<u16>, payload: &[u8], surroundings: Surroundings) -> Vec<u8> {
    if payload.is_empty() {
        return Vec::new();
    }
    let shown = match reading(format, payload) {
        Reading::Links => {
            LinkFormat::parse(payload).ok().map(|document| links::resources_table(document.links(), surroundings))
        }
        Reading::Cbor => {
            let mut notation = String::new();
            cbor::diagnostic(payload, &mut notation).ok().map(|()| notation)
        }
        Reading::Json => std::str::from_utf8(payload).ok().and_then(indented_json),
        Reading::Text | Reading::Binary => None,
    };
    match shown {
        Some(mut text) => {
            text.push('\n');
            text.into_bytes()
        }
        None if !surroundings.is_terminal => payload.to_vec(),
        None => match (reading(None, payload), std::str::from_utf8(payload)) {
            (Reading::Text, Ok(text)) => {
                let mut text = printable_lines(text);
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                text.into_bytes()
            }
            _ => hexadecimal_dump(payload).into_bytes(),
        },
    }
}

/// Offset, sixteen octets, and the printable characters among them, in each line.
pub(in crate::cli) fn hexadecimal_dump(octets: &[u8]) -> String {
    let mut dump = String::new();
    for (index, line) in octets.chunks(16).enumerate() {
        let _ = write!(dump, "{:08x} ", index * 16);
        for column in 0..16 {
            if column % 8 == 0 {
                dump.push(' ');
            }
            match line.get(column) {
                Some(octet) => {
                    let _ = write!(dump, "{octet:02x} ");
                }
                None => dump.push_str("   "),
            }
        }
        dump.push_str(" |");
        dump.extend(
            line.iter().map(|&octet| if octet.is_ascii_graphic() || octet == b' ' { octet as char } else { '.' }),
        );
        dump.push_str("|\n");
    }
    dump
}

/// JSON with indentation; numbers, order of members and escapes stay as they were written. `None` when it is not JSON.
pub(in crate::cli) fn indented_json(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut is_in_string = false;
    let mut is_escaped = false;
    let mut characters = text.chars().peekable();
    let line_end = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        if is_in_string {
            out.push(character);
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => is_in_string = false,
                _ => {}
            }
            continue;
        }
        match character {
            '"' => {
                is_in_string = true;
                out.push('"');
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line_end(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                line_end(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line_end(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
    }
    Some(out)
}
