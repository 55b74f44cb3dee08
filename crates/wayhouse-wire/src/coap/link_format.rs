//! CoRE Link Format (RFC 6690) and the Limited Link Format of RFC 9176 App. C.
//!
//! A document is checked once, by [`LinkFormat::parse`] or [`LinkFormat::parse_limited`]; reading links, parameters and
//! values from it then neither fails nor allocates.
//!
//! # Deviations
//! Two things that the grammar has no place for are accepted, because devices write them and nothing is lost: white space
//! around commas and semicolons and at both ends (as in HTTP's Link header), and characters beyond ASCII in targets and
//! unquoted values. [`LinkFormat::normalized`] takes the white space out again, so that none is sent on (CL1).

use std::borrow::Cow;

use super::uri::{has_scheme, origin, resolve_into};
use crate::{DecodeError, What};

/// A link-format document: text that was checked once, read as links as often as needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFormat<'a> {
    text: &'a str,
}

impl<'a> LinkFormat<'a> {
    /// Checks a document: the grammar of RFC 6690 §2, with the tolerance that the module's text describes. An empty
    /// document has no links.
    ///
    /// # Errors
    /// With the offset of the first character that does not fit; `OutOfRange` for a parameter that may not stand there (CL2).
    pub fn parse(bytes: &'a [u8]) -> Result<LinkFormat<'a>, DecodeError> {
        LinkFormat::checked(bytes, |_| true)
    }
    /// As [`LinkFormat::parse`], and every target and anchor must be a full URI or path-absolute (RFC 9176 App. C; RD16).
    ///
    /// # Errors
    /// As [`LinkFormat::parse`]; `OutOfRange` with the offset of a target or anchor that is neither.
    pub fn parse_limited(bytes: &'a [u8]) -> Result<LinkFormat<'a>, DecodeError> {
        LinkFormat::checked(bytes, is_limited)
    }
    fn checked(bytes: &'a [u8], accepts: fn(&str) -> bool) -> Result<LinkFormat<'a>, DecodeError> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| DecodeError { what: What::NotUtf8, at: error.valid_up_to() })?;
        check(text, accepts)?;
        Ok(LinkFormat { text })
    }
    /// Takes text that [`LinkFormat::parse`] accepted before (kept in a registry, read from our own store).
    pub fn trusted(text: &'a str) -> LinkFormat<'a> {
        LinkFormat { text }
    }
    /// The document's text.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
    /// The links in order. Allocates nothing.
    pub fn links(&self) -> Links<'a> {
        Links { rest: self.text }
    }
    /// The document as the grammar has it: without the white space that was tolerated (CL1). Borrows when there is none.
    pub fn normalized(&self) -> Cow<'a, str> {
        if !has_space(self.text.as_bytes()) {
            return Cow::Borrowed(self.text);
        }
        let raw_octets = |raw: Option<&str>| raw.map_or(0, |raw| 1 + raw.len());
        let octets_of = |link: Link<'_>| {
            let parameters = link.parameters().map(|(name, value)| 1 + name.len() + raw_octets(value.raw()));
            2 + link.target.len() + parameters.sum::<usize>()
        };
        let (links, octets) = self.links().fold((0, 0), |(links, octets), link| (links + 1, octets + octets_of(link)));
        let octets = octets + usize::saturating_sub(links, 1);
        if octets == self.text.len() {
            return Cow::Borrowed(self.text);
        }
        let mut text = String::with_capacity(octets);
        for link in self.links() {
            text.push_str(if text.is_empty() { "<" } else { ",<" });
            text.push_str(link.target);
            text.push('>');
            for (name, value) in link.parameters() {
                text.push(';');
                text.push_str(name);
                if let Some(raw) = value.raw() {
                    text.push('=');
                    text.push_str(raw);
                }
            }
        }
        Cow::Owned(text)
    }
}

/// Whether there is any white space, in or out of quotes.
fn has_space(octets: &[u8]) -> bool {
    // Counted in pieces whose counts fit into an octet, so that the processor looks at many octets at once.
    let count = |piece: &[u8]| piece.iter().map(|&octet| u8::from(is_space(octet))).sum::<u8>();
    octets.chunks(255).any(|piece| count(piece) > 0)
}

/// Iterator over the links of a document.
#[derive(Debug, Clone)]
pub struct Links<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Links<'a> {
    type Item = Link<'a>;
    fn next(&mut self) -> Option<Link<'a>> {
        // The text was checked: a link starts with `<`, links are separated by commas.
        let start = skip(self.rest, 0, |octet| is_space(octet) || octet == b',');
        let inner = self.rest[start..].strip_prefix('<')?;
        let target_end = skip(inner, 0, |octet| octet != b'>');
        let behind = inner.get(target_end + 1..)?;
        let end = end_of_link(behind);
        self.rest = &behind[end..];
        Some(Link { target: &inner[..target_end], parameters: trim_end(&behind[..end]) })
    }
}

/// One link: the URI reference between `<` and `>`, and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The target as written.
    pub target: &'a str,
    // the text behind `>`: `;name=value;...`
    parameters: &'a str,
}

impl<'a> Link<'a> {
    /// The parameters in order; values unquoted lazily.
    pub fn parameters(&self) -> Parameters<'a> {
        Parameters { rest: self.parameters }
    }
    /// The first parameter with that name.
    pub fn parameter(&self, name: &str) -> Option<Value<'a>> {
        self.parameters().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
    /// The `anchor` parameter's value.
    pub fn anchor(&self) -> Option<Value<'a>> {
        self.parameter("anchor")
    }
    /// Appends the context URI, of which the link says something (CL3; RFC 6690 §2.1): the anchor, else the origin of the
    /// target; both resolved against the URI of the document.
    pub fn context_into(&self, out: &mut Vec<u8>, base: &str) {
        match self.anchor() {
            Some(anchor) => resolve_into(out, base, &anchor.unquoted()),
            // A target without origin of its own has that of the document.
            None => out.extend_from_slice(origin(if has_scheme(self.target) { self.target } else { base }).as_bytes()),
        }
    }
    /// The relation types, separated by spaces; `hosts` where none is given (CL3; RFC 6690 §2.2).
    pub fn relation(&self) -> Cow<'a, str> {
        self.parameter("rel").map_or(Cow::Borrowed("hosts"), |value| value.unquoted())
    }
    /// The parameters exactly as written (`;rt="x";if=y`), for passing a link on unchanged.
    pub fn parameters_text(&self) -> &'a str {
        self.parameters
    }
}

/// Iterator over a link's parameters: name and value (empty value without `=`).
#[derive(Debug, Clone)]
pub struct Parameters<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, Value<'a>);
    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        let rest = &self.rest[skip(self.rest, 0, |octet| is_space(octet) || octet == b';')..];
        if rest.is_empty() {
            return None;
        }
        let name_end = skip(rest, 0, |octet| !matches!(octet, b'=' | b';'));
        let name = trim_end(&rest[..name_end]);
        let behind = &rest[name_end..];
        let Some(value) = behind.strip_prefix('=') else {
            self.rest = behind;
            return Some((name, Value { raw: None }));
        };
        let end = if value.starts_with('"') {
            quoted_end(value).unwrap_or(value.len())
        } else {
            skip(value, 0, |octet| octet != b';')
        };
        self.rest = &value[end..];
        Some((name, Value { raw: Some(trim_end(&value[..end])) }))
    }
}

/// A parameter's value as written: token, quoted string, or absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    // what stands behind `=`, quotes included; `None` without `=`
    raw: Option<&'a str>,
}

impl<'a> Value<'a> {
    /// The value without quotes and escapes; borrows unless an escape must be removed. Empty when there is none.
    pub fn unquoted(&self) -> Cow<'a, str> {
        let raw = self.raw.unwrap_or_default();
        let Some(inner) = raw.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest)) else {
            return Cow::Borrowed(raw);
        };
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        let mut text = String::with_capacity(inner.len());
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            text.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
        }
        Cow::Owned(text)
    }
    /// As written, quotes included; `None` without `=`.
    pub fn raw(&self) -> Option<&'a str> {
        self.raw
    }
}

/// Whether the values of an attribute are space separated relation types (CL8: rt, if, rel, rev).
pub fn is_relation_type_attribute(name: &str) -> bool {
    matches!(name, "rt" | "if" | "rel" | "rev")
}

/// Appends `;name="value"`, with quotes and backslashes in the value escaped.
pub fn write_parameter(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b';');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for octet in value.bytes() {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

/// Whether a reference is a full URI or path-absolute with exactly one slash in front (RD16; RFC 9176 App. C).
fn is_limited(reference: &str) -> bool {
    has_scheme(reference) || (reference.starts_with('/') && !reference.starts_with("//"))
}

/// The first place at or behind `at` whose octet is not one to skip.
#[inline]
fn skip(text: &str, at: usize, is_skipped: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[at..].iter().position(|octet| !is_skipped(*octet)).map_or(text.len(), |further| at + further)
}

/// White space that is tolerated around separators.
const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_end(text: &str) -> &str {
    &text[..text.bytes().rposition(|octet| !is_space(octet)).map_or(0, |last| last + 1)]
}

/// Where a quoted string ends, behind its closing quote. CL1: separators inside it separate nothing.
fn quoted_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the parameters of a link end: at the comma that separates it from the next.
fn end_of_link(behind: &str) -> usize {
    let bytes = behind.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => match quoted_end(&behind[at..]) {
                Some(end) => at += end,
                None => return bytes.len(),
            },
            b',' => return at,
            _ => at += 1,
        }
    }
    at
}

/// What may stand in targets and anchors: more than in a URI reference, but nothing that ends one.
const fn is_reference_octet(octet: u8) -> bool {
    !matches!(octet, b'<' | b'>' | b'"' | b'\\' | 0..=0x20 | 0x7f)
}

const fn is_name_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'!' | b'#' | b'$' | b'&' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' | b'*')
}

const fn is_token_octet(octet: u8) -> bool {
    octet > 0x20 && octet != 0x7f && !matches!(octet, b'"' | b',' | b';' | b'\\')
}

/// Walks over a document once and checks it; `accepts` judges targets and anchors.
fn check(text: &str, accepts: fn(&str) -> bool) -> Result<(), DecodeError> {
    let bytes = text.as_bytes();
    let wrong = |at: usize| DecodeError {
        what: if at >= bytes.len() { What::Truncated } else { What::UnexpectedCharacter },
        at,
    };
    let skip_space = |at: usize| skip(text, at, is_space);
    let mut at = skip_space(0);
    if at == bytes.len() {
        return Ok(()); // no links at all
    }
    loop {
        if bytes.get(at) != Some(&b'<') {
            return Err(wrong(at));
        }
        let start = at + 1;
        at = skip(text, start, is_reference_octet);
        if bytes.get(at) != Some(&b'>') {
            return Err(wrong(at));
        }
        if !accepts(&text[start..at]) {
            return Err(DecodeError { what: What::OutOfRange, at: start });
        }
        at = skip_space(at + 1);
        // CL2: each of these at most once per link.
        let (mut has_rt, mut has_if, mut has_sz, mut has_ct) = (false, false, false, false);
        while bytes.get(at) == Some(&b';') {
            at = skip_space(at + 1);
            let name_start = at;
            at = skip(text, name_start, is_name_octet);
            let name = &text[name_start..at];
            let seen = match name {
                "" => return Err(wrong(at)),
                // CL2: `href` names the target in queries and is no parameter.
                "href" => return Err(DecodeError { what: What::OutOfRange, at: name_start }),
                "rt" => &mut has_rt,
                "if" => &mut has_if,
                "sz" => &mut has_sz,
                "ct" => &mut has_ct,
                _ => &mut false,
            };
            if std::mem::replace(seen, true) {
                return Err(DecodeError { what: What::OutOfRange, at: name_start });
            }
            let mut value = Value { raw: None };
            let value_start = at + 1;
            if bytes.get(at) == Some(&b'=') {
                at = value_start;
                if bytes.get(at) == Some(&b'"') {
                    at += quoted_end(&text[at..]).ok_or(wrong(bytes.len()))?;
                } else {
                    at = skip(text, value_start, is_token_octet);
                    if at == value_start {
                        return Err(wrong(at));
                    }
                }
                value = Value { raw: Some(&text[value_start..at]) };
            }
            if name == "anchor" {
                let anchor = value.unquoted();
                if !anchor.bytes().all(is_reference_octet) || !accepts(&anchor) {
                    return Err(DecodeError { what: What::OutOfRange, at: value_start });
                }
            }
            at = skip_space(at);
        }
        match bytes.get(at) {
            None => return Ok(()),
            Some(b',') => at = skip_space(at + 1),
            Some(_) => return Err(wrong(at)),
        }
    }
}

#[cfg(test)]
mod tests;
