//! Options: numbers and their properties, the delta encoding, and lists of them (RFC 7252 §3.1, §5.4).
//!
//! [`Options`] is what stands in a message, checked once and read as often as needed; [`OptionList`] is what somebody
//! gathers to send.

use crate::{DecodeError, What};

/// Option numbers (IANA CoRE parameters); see the table of sheet `coap.md` §3.
#[allow(missing_docs, reason = "the names are the registered ones")]
pub mod number {
    pub const IF_MATCH: u16 = 1;
    pub const URI_HOST: u16 = 3;
    pub const ETAG: u16 = 4;
    pub const IF_NONE_MATCH: u16 = 5;
    pub const OBSERVE: u16 = 6;
    pub const URI_PORT: u16 = 7;
    pub const LOCATION_PATH: u16 = 8;
    pub const OSCORE: u16 = 9;
    pub const URI_PATH: u16 = 11;
    pub const CONTENT_FORMAT: u16 = 12;
    pub const MAX_AGE: u16 = 14;
    pub const URI_QUERY: u16 = 15;
    pub const HOP_LIMIT: u16 = 16;
    pub const ACCEPT: u16 = 17;
    pub const Q_BLOCK1: u16 = 19;
    pub const LOCATION_QUERY: u16 = 20;
    pub const EDHOC: u16 = 21;
    pub const BLOCK2: u16 = 23;
    pub const BLOCK1: u16 = 27;
    pub const SIZE2: u16 = 28;
    pub const Q_BLOCK2: u16 = 31;
    pub const PROXY_URI: u16 = 35;
    pub const PROXY_SCHEME: u16 = 39;
    pub const SIZE1: u16 = 60;
    pub const PROXY_CRI: u16 = 235;
    pub const PROXY_SCHEME_NUMBER: u16 = 239;
    pub const ECHO: u16 = 252;
    pub const NO_RESPONSE: u16 = 258;
    pub const REQUEST_TAG: u16 = 292;
}

/// Whether a receiver that does not know the option must reject the message (RFC 7252 §5.4.6).
pub const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}
/// Whether a proxy that does not know the option must not forward it.
pub const fn is_unsafe(number: u16) -> bool {
    number & 2 == 2
}
/// Whether the option is no part of the cache key (only meaningful when safe to forward).
pub const fn is_no_cache_key(number: u16) -> bool {
    number & 0x1e == 0x1c
}

/// What the registry says of a known option: the octets its value may have, and whether it may be repeated (CO2, CO4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// The registered name, such as `Uri-Path`.
    pub name: &'static str,
    /// How the value reads.
    pub format: Format,
    /// Fewest octets.
    pub octets_min: u16,
    /// Most octets.
    pub octets_max: u16,
    /// Whether it may stand more than once.
    pub is_repeatable: bool,
}

/// The value formats of RFC 7252 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// No octets.
    Empty,
    /// Any octets.
    Opaque,
    /// Big-endian number; leading zero octets are accepted on receipt, never sent.
    Uint,
    /// UTF-8.
    Text,
}

/// The definition of an option number that is registered, by constant-time `match`; not of the reserved and
/// experimental ones.
pub const fn definition(number: u16) -> Option<Definition> {
    use Format::{Empty, Opaque, Text, Uint};
    let (name, format, octets_min, octets_max, is_repeatable) = match number {
        1 => ("If-Match", Opaque, 0, 8, true),
        3 => ("Uri-Host", Text, 1, 255, false),
        4 => ("ETag", Opaque, 1, 8, true),
        5 => ("If-None-Match", Empty, 0, 0, false),
        6 => ("Observe", Uint, 0, 3, false),
        7 => ("Uri-Port", Uint, 0, 2, false),
        8 => ("Location-Path", Text, 0, 255, true),
        9 => ("OSCORE", Opaque, 0, 255, false),
        11 => ("Uri-Path", Text, 0, 255, true),
        12 => ("Content-Format", Uint, 0, 2, false),
        14 => ("Max-Age", Uint, 0, 4, false),
        15 => ("Uri-Query", Text, 0, 255, true),
        16 => ("Hop-Limit", Uint, 1, 1, false),
        17 => ("Accept", Uint, 0, 2, false),
        19 => ("Q-Block1", Uint, 0, 3, false),
        20 => ("Location-Query", Text, 0, 255, true),
        21 => ("EDHOC", Empty, 0, 0, false),
        23 => ("Block2", Uint, 0, 3, false),
        27 => ("Block1", Uint, 0, 3, false),
        28 => ("Size2", Uint, 0, 4, false),
        31 => ("Q-Block2", Uint, 0, 3, true),
        35 => ("Proxy-Uri", Text, 1, 1034, false),
        39 => ("Proxy-Scheme", Text, 1, 255, false),
        60 => ("Size1", Uint, 0, 4, false),
        235 => ("Proxy-Cri", Opaque, 1, 1023, false),
        239 => ("Proxy-Scheme-Number", Uint, 0, 3, false),
        252 => ("Echo", Opaque, 1, 40, false),
        258 => ("No-Response", Uint, 0, 1, false),
        292 => ("Request-Tag", Opaque, 0, 8, true),
        2049 => ("OCF-Accept-Content-Format-Version", Uint, 0, 2, false),
        2053 => ("OCF-Content-Format-Version", Uint, 0, 2, false),
        _ => return None,
    };
    Some(Definition { name, format, octets_min, octets_max, is_repeatable })
}

/// Reads a nibble and what it announces (RFC 7252 §3.1): literal, one further octet plus 13, two plus 269.
#[inline]
pub(crate) fn extended(bytes: &[u8], at: &mut usize, nibble: u8) -> Result<u32, DecodeError> {
    match nibble {
        0..=12 => Ok(u32::from(nibble)),
        13 => {
            // CM2: what was announced must be there.
            let octet = bytes.get(*at).ok_or(DecodeError { what: What::Truncated, at: *at })?;
            *at += 1;
            Ok(u32::from(*octet) + 13)
        }
        14 => {
            let octets = bytes.get(*at..*at + 2).ok_or(DecodeError { what: What::Truncated, at: *at })?;
            *at += 2;
            Ok(u32::from(u16::from_be_bytes([octets[0], octets[1]])) + 269)
        }
        _ => Err(DecodeError { what: What::ReservedNibble, at: *at }),
    }
}

/// Checks options up to the payload marker or the end; returns them and the payload. `offset` is where `bytes` starts in
/// the message.
pub(crate) fn check(bytes: &[u8], offset: usize) -> Result<(Options<'_>, &[u8]), DecodeError> {
    let wrong = |what, at: usize| DecodeError { what, at: at + offset };
    let mut at = 0;
    let mut number = 0u32;
    while let Some(&first) = bytes.get(at) {
        // Nearly all options of nearly all messages have neither extension.
        if first < 13 << 4 && first & 15 < 13 {
            number += u32::from(first >> 4);
            at += 1 + usize::from(first & 15);
            if at > bytes.len() || number > 0xffff {
                let what = if at > bytes.len() { What::Truncated } else { What::OptionNumberOverflow };
                return Err(wrong(what, at.min(bytes.len())));
            }
            continue;
        }
        // CM4: 0xFF is a marker only where an option could start.
        if first == 0xff {
            let payload = &bytes[at + 1..];
            // CM1: a marker announces at least one octet.
            if payload.is_empty() {
                return Err(wrong(What::EmptyPayload, at));
            }
            return Ok((Options { bytes: &bytes[..at] }, payload));
        }
        let start = at;
        at += 1;
        let shift = |error: DecodeError| DecodeError { at: error.at + offset, ..error };
        let delta = extended(bytes, &mut at, first >> 4).map_err(shift)?;
        let length = extended(bytes, &mut at, first & 15).map_err(shift)? as usize;
        number += delta;
        // CM3: a number beyond the registry's range cannot be an option.
        if number > 0xffff {
            return Err(wrong(What::OptionNumberOverflow, start));
        }
        // CM2: so must the value.
        if bytes.len() - at < length {
            return Err(wrong(What::Truncated, bytes.len()));
        }
        at += length;
    }
    Ok((Options { bytes }, &[]))
}

/// One option as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionRef<'a> {
    /// The option number.
    pub number: u16,
    /// The value's octets.
    pub value: &'a [u8],
}

impl<'a> OptionRef<'a> {
    /// The value as `uint`; leading zeros accepted; `None` beyond eight significant octets.
    pub fn uint(&self) -> Option<u64> {
        let significant = self.value.iter().skip_while(|octet| **octet == 0).count();
        if significant > 8 {
            return None;
        }
        Some(self.value.iter().fold(0u64, |number, octet| number << 8 | u64::from(*octet)))
    }
    /// The value as text.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok()
    }
}

/// The options of a decoded message, already checked: iterating cannot fail and allocates nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    bytes: &'a [u8],
}

impl<'a> Options<'a> {
    /// All options in wire order.
    #[inline]
    pub fn iter(&self) -> OptionsIter<'a> {
        OptionsIter { rest: self.bytes, number: 0 }
    }
    /// The first option with that number.
    pub fn first(&self, number: u16) -> Option<OptionRef<'a>> {
        self.iter().find(|option| option.number == number)
    }
    /// All options with that number.
    pub fn all(&self, number: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.iter().filter(move |option| option.number == number).map(|option| option.value)
    }
    /// The encoded octets (for hashing a cache key, for keeping a copy).
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Iterator over [`Options`].
#[derive(Debug, Clone)]
pub struct OptionsIter<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = OptionRef<'a>;
    #[inline]
    fn next(&mut self) -> Option<OptionRef<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        // `Message::decode` walked over the same octets and found them sound.
        let mut at = 1;
        let delta = extended(self.rest, &mut at, self.rest[0] >> 4).ok()?;
        let length = extended(self.rest, &mut at, self.rest[0] & 15).ok()? as usize;
        self.number = self.number.wrapping_add(delta as u16);
        let value = self.rest.get(at..at + length)?;
        self.rest = &self.rest[at + length..];
        Some(OptionRef { number: self.number, value })
    }
}

/// Options gathered in any order, sorted by number (stable) as they are inserted; reusable without reallocating.
#[derive(Debug, Clone, Default)]
pub struct OptionList {
    // (number, start, end) into `bytes`, sorted by number
    entries: Vec<(u16, u32, u32)>,
    bytes: Vec<u8>,
}

impl OptionList {
    /// An empty list.
    pub const fn new() -> OptionList {
        OptionList { entries: Vec::new(), bytes: Vec::new() }
    }
    /// Forgets all options and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// Adds one behind those of equal number.
    pub fn push(&mut self, number: u16, value: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        let entry = (number, start, self.bytes.len() as u32);
        match self.entries.last() {
            Some(last) if last.0 > number => {
                let at = self.entries.partition_point(|other| other.0 <= number);
                self.entries.insert(at, entry);
            }
            _ => self.entries.push(entry),
        }
    }
    /// Adds a `uint` in its shortest form (0 is the empty string).
    pub fn push_uint(&mut self, number: u16, value: u64) {
        let octets = value.to_be_bytes();
        self.push(number, &octets[value.leading_zeros() as usize / 8..]);
    }
    /// Removes all with that number. Takes time in proportion to the list; replacing a value again and again takes no
    /// further memory.
    pub fn remove(&mut self, number: u16) {
        self.entries.retain(|entry| entry.0 != number);
        let live: usize = self.entries.iter().map(|&(_, start, end)| (end - start) as usize).sum();
        if live <= self.bytes.len() / 2 {
            let mut bytes = Vec::with_capacity(live);
            for (_, start, end) in &mut self.entries {
                let value = *start as usize..*end as usize;
                *start = bytes.len() as u32;
                bytes.extend_from_slice(&self.bytes[value]);
                *end = bytes.len() as u32;
            }
            self.bytes = bytes;
        }
    }
    /// All options in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = OptionRef<'_>> + Clone {
        self.entries
            .iter()
            .map(|&(number, start, end)| OptionRef { number, value: &self.bytes[start as usize..end as usize] })
    }
    /// The first with that number.
    pub fn first(&self, number: u16) -> Option<OptionRef<'_>> {
        self.iter().find(|option| option.number == number)
    }
    /// All values with that number that are text.
    pub fn all_text(&self, number: u16) -> Vec<&str> {
        self.iter().filter(|option| option.number == number).filter_map(|option| option.text()).collect()
    }
    /// Copies options from a message.
    pub fn extend_from(&mut self, options: Options<'_>) {
        for option in options.iter() {
            self.push(option.number, option.value);
        }
    }
}

impl PartialEq for OptionList {
    /// Equal when the same options stand in the same order, however the values lie in memory.
    fn eq(&self, other: &OptionList) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for OptionList {}

#[cfg(test)]
mod tests;
