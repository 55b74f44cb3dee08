//! Where names stand in record data, for the types whose names may be compressed (RFC 6762 §18.14, RFC 8765 §6.3.1).
//!
//! Types defined later never have compressed names (RFC 3597 §4), so their data can be copied as it is.

use super::Rtype;
use super::name::NameRef;
use crate::{DecodeError, What};

/// Data that starts with `fixed` octets, goes on with `names` names, and ends with whatever follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameLayout {
    /// Octets before the first name.
    pub fixed: usize,
    /// Names in a row.
    pub names: usize,
    /// Whether a writer may compress the names. A reader always has to expect it.
    pub is_compressible: bool,
}

/// Where names stand in the data of a type; `None` when there are none that may be compressed.
#[inline]
pub fn name_layout(rtype: Rtype) -> Option<NameLayout> {
    let layout = |fixed, names| Some(NameLayout { fixed, names, is_compressible: true });
    match rtype {
        // First what discovery is made of.
        Rtype::A | Rtype::AAAA | Rtype::TXT => None,
        Rtype::PTR | Rtype::NS | Rtype::CNAME | Rtype::DNAME | Rtype::NSEC => layout(0, 1),
        Rtype::SRV => layout(6, 1),
        Rtype::SOA | Rtype::RP => layout(0, 2),
        Rtype::MX | Rtype::AFSDB | Rtype::RT | Rtype::KX => layout(2, 1),
        Rtype::PX => layout(2, 2),
        // Not on the list for writers, but met compressed: Apple's client points to the signer of a SIG.
        Rtype::SIG => Some(NameLayout { fixed: 18, names: 1, is_compressible: false }),
        _ => None,
    }
}

/// Appends data with its names uncompressed. The data stands at `at..end` of `message`, which its pointers lead into.
///
/// # Errors
/// As for names; `Truncated` when the data ends inside its fixed part or a name.
pub fn expand(message: &[u8], rtype: Rtype, at: usize, end: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let message = message.get(..end).ok_or(DecodeError { what: What::Truncated, at: message.len() })?;
    let data = message.get(at..).ok_or(DecodeError { what: What::Truncated, at: end })?;
    let Some(layout) = name_layout(rtype) else {
        out.extend_from_slice(data);
        return Ok(());
    };
    out.extend_from_slice(data.get(..layout.fixed).ok_or(DecodeError { what: What::Truncated, at: end })?);
    let mut position = at + layout.fixed;
    for _ in 0..layout.names {
        let (name, next) = NameRef::read(message, position)?;
        name.append_to(out);
        position = next;
    }
    out.extend_from_slice(&message[position..]);
    Ok(())
}

/// Appends uncompressed data with its names in lower case, so that equal data has equal octets (RFC 4034 §6.2). What is not
/// well-formed for its type stays as it is.
pub fn append_canonical(rtype: Rtype, rdata: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut at = 0;
    if let Some(layout) = name_layout(rtype).filter(|layout| layout.fixed <= rdata.len()) {
        out.extend_from_slice(&rdata[..layout.fixed]);
        at = layout.fixed;
        for _ in 0..layout.names {
            let Ok((name, next)) = NameRef::read(rdata, at) else {
                out.truncate(start);
                at = 0;
                break;
            };
            name.append_canonical_to(out);
            at = next;
        }
    }
    out.extend_from_slice(&rdata[at..]);
}

#[cfg(test)]
mod tests;
