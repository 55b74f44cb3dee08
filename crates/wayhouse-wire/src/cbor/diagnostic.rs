//! Diagnostic notation (RFC 8949 §8): CBOR as text that a person can read.

use std::fmt::Write;

use crate::{DecodeError, What};

/// How deep items may stand inside each other: beyond what any format in use needs, far below what a stack holds.
const DEPTH_MAX: u32 = 64;

/// Writes the diagnostic notation (RFC 8949 §8) of one CBOR item, or of a CBOR sequence separated by `, `. Control
/// characters in text are escaped, so that the notation may go to a terminal.
///
/// # Errors
/// When the bytes are not well-formed CBOR, or nested deeper than 64; `out` is then as it was.
pub fn diagnostic(bytes: &[u8], out: &mut String) -> Result<(), DecodeError> {
    let start = out.len();
    let mut writer = Writer { bytes, at: 0, out };
    let written = writer.sequence();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// What the first octets of an item say.
#[derive(Clone, Copy)]
struct Head {
    at: usize,
    major: u8,
    /// The low five bits: how the argument was written.
    form: u8,
    argument: u64,
}

impl Head {
    const fn is_indefinite(self) -> bool {
        self.form == 31
    }
    const fn is_break(self) -> bool {
        self.major == 7 && self.form == 31
    }
}

struct Writer<'b, 'o> {
    bytes: &'b [u8],
    at: usize,
    out: &'o mut String,
}

impl<'b> Writer<'b, '_> {
    fn sequence(&mut self) -> Result<(), DecodeError> {
        let mut is_first = true;
        while self.at < self.bytes.len() {
            if !std::mem::take(&mut is_first) {
                self.out.push_str(", ");
            }
            self.item(0)?;
        }
        Ok(())
    }

    fn item(&mut self, depth: u32) -> Result<(), DecodeError> {
        let head = self.head()?;
        if head.is_break() {
            return Err(wrong(What::UnexpectedCharacter, head));
        }
        self.item_behind(head, depth)
    }

    fn item_behind(&mut self, head: Head, depth: u32) -> Result<(), DecodeError> {
        if depth == DEPTH_MAX {
            return Err(wrong(What::TooLarge, head));
        }
        match head.major {
            0 => self.number(head.argument.into()),
            1 => self.number(-1 - i128::from(head.argument)),
            2 | 3 if head.is_indefinite() => self.chunks(head)?,
            2 => self.octets(head)?,
            3 => self.text(head)?,
            4 => self.container(head, depth, '[', ']')?,
            5 => self.container(head, depth, '{', '}')?,
            6 => {
                self.number(head.argument.into());
                self.out.push('(');
                self.item(depth + 1)?;
                self.out.push(')');
            }
            _ => self.simple(head)?,
        }
        Ok(())
    }

    /// An array, or a map.
    fn container(&mut self, head: Head, depth: u32, open: char, close: char) -> Result<(), DecodeError> {
        self.out.push(open);
        if head.is_indefinite() {
            self.out.push_str("_ ");
        }
        // A count beyond the input ends as truncated: nothing is reserved for it.
        let mut left = head.argument;
        let mut is_first = true;
        loop {
            if !head.is_indefinite() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            let next = self.head()?;
            if next.is_break() {
                if head.is_indefinite() {
                    break;
                }
                return Err(wrong(What::UnexpectedCharacter, next));
            }
            if !std::mem::take(&mut is_first) {
                self.out.push_str(", ");
            }
            self.item_behind(next, depth + 1)?;
            if head.major == 5 {
                self.out.push_str(": ");
                self.item(depth + 1)?;
            }
        }
        self.out.push(close);
        Ok(())
    }

    /// A string of indefinite length: chunks of the same kind, each of definite length.
    fn chunks(&mut self, head: Head) -> Result<(), DecodeError> {
        let start = self.out.len();
        loop {
            let next = self.head()?;
            if next.is_break() {
                break;
            }
            if next.major != head.major || next.is_indefinite() {
                return Err(wrong(What::UnexpectedCharacter, next));
            }
            self.out.push_str(if self.out.len() == start { "(_ " } else { ", " });
            if next.major == 2 { self.octets(next)? } else { self.text(next)? }
        }
        match (self.out.len() == start, head.major) {
            (true, 2) => self.out.push_str("''_"),
            (true, _) => self.out.push_str("\"\"_"),
            (false, _) => self.out.push(')'),
        }
        Ok(())
    }

    fn octets(&mut self, head: Head) -> Result<(), DecodeError> {
        let octets = self.take(head.argument)?;
        self.out.push_str("h'");
        for octet in octets {
            let _ = write!(self.out, "{octet:02x}");
        }
        self.out.push('\'');
        Ok(())
    }

    fn text(&mut self, head: Head) -> Result<(), DecodeError> {
        let at = self.at;
        let text = std::str::from_utf8(self.take(head.argument)?)
            .map_err(|error| DecodeError { what: What::NotUtf8, at: at + error.valid_up_to() })?;
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => self.out.extend(['\\', character]),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                _ if character.is_control() => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(character));
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
        Ok(())
    }

    /// Major type 7: simple values and floating point.
    fn simple(&mut self, head: Head) -> Result<(), DecodeError> {
        let float = match head.form {
            25 => half_to_double(head.argument as u16),
            26 => f64::from(f32::from_bits(head.argument as u32)),
            27 => f64::from_bits(head.argument),
            // RFC 8949 §3.3: the two-octet form is not well-formed for values that fit into one.
            24 if head.argument < 32 => return Err(wrong(What::OutOfRange, head)),
            _ => {
                match head.argument {
                    20 => self.out.push_str("false"),
                    21 => self.out.push_str("true"),
                    22 => self.out.push_str("null"),
                    23 => self.out.push_str("undefined"),
                    value => {
                        let _ = write!(self.out, "simple({value})");
                    }
                }
                return Ok(());
            }
        };
        if float.is_infinite() {
            self.out.push_str(if float > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            let _ = write!(self.out, "{float:?}");
        }
        Ok(())
    }

    fn number(&mut self, number: i128) {
        let _ = write!(self.out, "{number}");
    }

    fn head(&mut self) -> Result<Head, DecodeError> {
        let at = self.at;
        let first = self.take(1)?[0];
        let (major, form) = (first >> 5, first & 31);
        let argument = match form {
            0..=23 => form.into(),
            24..=27 => self.take(1 << (form - 24))?.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)),
            // Lengths may be left open for strings, arrays and maps; 31 of major type 7 ends them.
            31 if matches!(major, 2..=5 | 7) => 0,
            _ => return Err(DecodeError { what: What::OutOfRange, at }),
        };
        Ok(Head { at, major, form, argument })
    }

    fn take(&mut self, octets: u64) -> Result<&'b [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(octets)
            .ok()
            .and_then(|octets| rest.get(..octets))
            .ok_or(DecodeError { what: What::Truncated, at: self.bytes.len() })?;
        self.at += taken.len();
        Ok(taken)
    }
}

fn wrong(what: What, head: Head) -> DecodeError {
    DecodeError { what, at: head.at }
}

/// An IEEE 754 half as a double; every half is one exactly.
fn half_to_double(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match bits >> 10 & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (fraction + 1024.0) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}
