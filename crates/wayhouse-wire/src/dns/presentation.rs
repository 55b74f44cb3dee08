//! Record data as people read it: the form of zone files (RFC 1035 §5.1, RFC 3597 §5).
//!
//! Nothing in it can steer a terminal: what is neither a printable character of ASCII nor part of a name's own escapes is
//! written as `\DDD`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::ParsedName;
use domain::base::rdata::ParseAnyRecordData;
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;

use super::name::NameRef;
use super::{Rtype, rdata, u32_at};

/// Writes uncompressed data of a type.
#[derive(Debug, Clone, Copy)]
pub struct RdataText<'a> {
    /// The type.
    pub rtype: Rtype,
    /// The data; data that is not well-formed for the type is written as that of an unknown type.
    pub rdata: &'a [u8],
}

impl fmt::Display for RdataText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RdataText { rtype, rdata } = *self;
        let is_told = match rtype {
            Rtype::A => <[u8; 4]>::try_from(rdata).is_ok_and(|octets| write!(f, "{}", Ipv4Addr::from(octets)).is_ok()),
            Rtype::AAAA => {
                <[u8; 16]>::try_from(rdata).is_ok_and(|octets| write!(f, "{}", Ipv6Addr::from(octets)).is_ok())
            }
            Rtype::TXT => character_strings(f, rdata)?,
            _ => with_names(f, rtype, rdata)? || other(f, rtype, rdata)?,
        };
        if is_told { Ok(()) } else { unknown(f, rdata) }
    }
}

/// Strings in quotes; `false`, and nothing written, when the data does not consist of them.
fn character_strings(f: &mut fmt::Formatter<'_>, rdata: &[u8]) -> Result<bool, fmt::Error> {
    if Strings::new(rdata).map(|string| 1 + string.len()).sum::<usize>() != rdata.len() || rdata.is_empty() {
        return Ok(false);
    }
    for (index, string) in Strings::new(rdata).enumerate() {
        f.write_str(if index == 0 { "\"" } else { " \"" })?;
        for octet in string {
            match octet {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*octet))?,
                b' '..=b'~' => write!(f, "{}", char::from(*octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
        f.write_str("\"")?;
    }
    Ok(true)
}

/// The strings of a TXT record, each without its length (RFC 1035 §3.3.14); ends where a length leads out of the data.
#[derive(Debug, Clone)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    /// The strings of the data.
    pub fn new(rdata: &'a [u8]) -> Strings<'a> {
        Strings { rest: rdata }
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, behind) = self.rest.split_first()?;
        let string = behind.get(..usize::from(*length))?;
        self.rest = &behind[string.len()..];
        Some(string)
    }
}

/// The types that are numbers, then names, then more numbers; `false` for others, with nothing written.
fn with_names(f: &mut fmt::Formatter<'_>, rtype: Rtype, rdata: &[u8]) -> Result<bool, fmt::Error> {
    let tail = match rtype {
        Rtype::SOA => 5,
        Rtype::NSEC | Rtype::SIG => return Ok(false),
        _ => 0,
    };
    let Some(layout) = rdata::name_layout(rtype).filter(|layout| layout.fixed <= rdata.len()) else {
        return Ok(false);
    };
    let (mut names, mut at) = ([NameRef::ROOT; 2], layout.fixed);
    for slot in &mut names[..layout.names] {
        let Ok((name, next)) = NameRef::read(rdata, at) else { return Ok(false) };
        (*slot, at) = (name, next);
    }
    if rdata.len() != at + 4 * tail {
        return Ok(false);
    }
    for number in rdata[..layout.fixed].chunks_exact(2) {
        write!(f, "{} ", u16::from_be_bytes([number[0], number[1]]))?;
    }
    for (index, name) in names[..layout.names].iter().enumerate() {
        write!(f, "{}{name}", if index == 0 { "" } else { " " })?;
    }
    for index in 0..tail {
        write!(f, " {}", u32_at(rdata, at + 4 * index).unwrap_or_default())?;
    }
    Ok(true)
}

/// What the library knows; `false`, and nothing written, for the rest.
fn other(f: &mut fmt::Formatter<'_>, rtype: Rtype, rdata: &[u8]) -> Result<bool, fmt::Error> {
    let mut parser = Parser::from_ref(rdata);
    match AllRecordData::<&[u8], ParsedName<&[u8]>>::parse_any_rdata(rtype, &mut parser) {
        Ok(AllRecordData::Unknown(_)) | Err(_) => Ok(false),
        Ok(_) if parser.remaining() > 0 => Ok(false),
        Ok(known) => write!(f, "{known}").map(|()| true),
    }
}

/// `\# LENGTH HEX` (RFC 3597 §5).
fn unknown(f: &mut fmt::Formatter<'_>, rdata: &[u8]) -> fmt::Result {
    write!(f, "\\# {}{}", rdata.len(), if rdata.is_empty() { "" } else { " " })?;
    rdata.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

#[cfg(test)]
mod tests;
