//! Domain names: owned ([`Name`]) and borrowed from a message, compressed or not ([`NameRef`]) (RFC 1035 §3.1, §4.1.4).
//!
//! Names keep the case they came in and compare, order and hash without it (RFC 4343). Both types are checked when they
//! are made: at most 255 octets, labels of at most 63, pointers that lead backwards only; what holds one never fails.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use domain::base::name::Label;

use crate::{DecodeError, What};

/// Octets of the longest name, uncompressed (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Octets of the longest label.
pub const LABEL_OCTETS_MAX: usize = 63;
/// Labels of the longest name, without the root.
pub const LABELS_MAX: usize = 127;
/// Pointers followed for one name. Every honest one stands behind a label; a chain of bare pointers would let a message of
/// 64 kB ask for millions of steps. Reaction: `BadPointer`.
const POINTERS_MAX: usize = LABELS_MAX;

/// A name that borrows from the octets it was read from.
#[derive(Clone, Copy)]
pub struct NameRef<'a> {
    bytes: &'a [u8],
    at: u16,
    /// Octets of the name when uncompressed.
    octets: u8,
    /// Whether the octets at `at` are the whole name.
    is_flat: bool,
}

impl<'a> NameRef<'a> {
    /// The root.
    pub const ROOT: NameRef<'static> = NameRef { bytes: &[0], at: 0, octets: 1, is_flat: true };

    /// Reads the name at `at`, following pointers back into `bytes`; tells where the octets behind it start.
    ///
    /// # Errors
    /// `Truncated`, `ReservedLabel`, `BadPointer` (one that does not lead backwards), `NameTooLong`.
    #[inline]
    pub fn read(bytes: &'a [u8], at: usize) -> Result<(NameRef<'a>, usize), DecodeError> {
        let truncated = DecodeError { what: What::Truncated, at: bytes.len() };
        let (mut position, mut octets) = (at, 0usize);
        let mut end = None;
        // Every pointer must lead to before the piece it ends, so each one shortens what can still be reached.
        let mut piece = at;
        let mut pointers = 0;
        loop {
            let length = usize::from(*bytes.get(position).ok_or(truncated)?);
            match length {
                0 => {
                    let end = end.unwrap_or(position + 1);
                    octets += 1;
                    if octets > NAME_OCTETS_MAX {
                        return Err(DecodeError { what: What::NameTooLong, at });
                    }
                    if end > usize::from(u16::MAX) {
                        return Err(DecodeError { what: What::TooLarge, at });
                    }
                    let is_flat = end == at + octets;
                    return Ok((NameRef { bytes, at: at as u16, octets: octets as u8, is_flat }, end));
                }
                1..=LABEL_OCTETS_MAX => {
                    octets += 1 + length;
                    position += 1 + length;
                    if octets >= NAME_OCTETS_MAX {
                        return Err(DecodeError { what: What::NameTooLong, at });
                    }
                }
                0xc0.. => {
                    let low = usize::from(*bytes.get(position + 1).ok_or(truncated)?);
                    let target = (length & 0x3f) << 8 | low;
                    pointers += 1;
                    if target >= piece || pointers > POINTERS_MAX {
                        return Err(DecodeError { what: What::BadPointer, at: position });
                    }
                    end.get_or_insert(position + 2);
                    (position, piece) = (target, target);
                }
                _ => return Err(DecodeError { what: What::ReservedLabel, at: position }),
            }
        }
    }

    /// The labels, first to last, without the root.
    #[inline]
    pub fn labels(self) -> Labels<'a> {
        Labels { bytes: self.bytes, at: usize::from(self.at) }
    }
    /// Octets when uncompressed, the root's included.
    pub fn octets(self) -> usize {
        usize::from(self.octets)
    }
    /// Whether this is the root.
    pub fn is_root(self) -> bool {
        self.octets == 1
    }
    /// The uncompressed octets, where they are at hand.
    #[inline]
    pub fn flat(self) -> Option<&'a [u8]> {
        let at = usize::from(self.at);
        self.is_flat.then(|| &self.bytes[at..at + usize::from(self.octets)])
    }
    /// The uncompressed octets, gathered in `buffer` where they are not at hand.
    #[inline]
    pub fn flatten<'b>(self, buffer: &'b mut [u8; NAME_OCTETS_MAX]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.flat() {
            Some(flat) => flat,
            None => {
                let mut filled = 0;
                for label in self.labels() {
                    buffer[filled] = label.len() as u8;
                    buffer[filled + 1..filled + 1 + label.len()].copy_from_slice(label);
                    filled += 1 + label.len();
                }
                buffer[filled] = 0;
                &buffer[..=filled]
            }
        }
    }
    /// Appends the uncompressed octets.
    pub fn append_to(self, out: &mut Vec<u8>) {
        let mut buffer = [0; NAME_OCTETS_MAX];
        out.extend_from_slice(self.flatten(&mut buffer));
    }
    /// Appends the uncompressed octets in lower case: the canonical form (RFC 4034 §6.2).
    pub fn append_canonical_to(self, out: &mut Vec<u8>) {
        let start = out.len();
        self.append_to(out);
        out[start..].make_ascii_lowercase();
    }
    /// The name without its first label; `None` for the root.
    #[inline]
    pub fn parent(self) -> Option<NameRef<'a>> {
        if self.is_root() {
            return None;
        }
        let mut labels = self.labels();
        let label = labels.next()?;
        let octets = self.octets - 1 - label.len() as u8;
        // A pointer may stand where the next label would: past it, so that `at` is a label or the root.
        let at = labels.resolve();
        // Whether the rest is in one piece is known only for names that are.
        Some(NameRef { bytes: self.bytes, at: at as u16, octets, is_flat: self.is_flat })
    }
    /// Whether the name is `ancestor` or below it.
    #[inline]
    pub fn is_at_or_below(self, ancestor: NameRef<'_>) -> bool {
        let mut name = self;
        while name.octets > ancestor.octets {
            match name.parent() {
                Some(parent) => name = parent,
                None => return false,
            }
        }
        name == ancestor
    }
    /// An owned copy.
    pub fn to_name(self) -> Name {
        let mut buffer = [0; NAME_OCTETS_MAX];
        Name { wire: self.flatten(&mut buffer).into() }
    }
}

impl PartialEq for NameRef<'_> {
    #[inline]
    fn eq(&self, other: &NameRef<'_>) -> bool {
        if self.octets != other.octets {
            return false;
        }
        // Length octets are at most 63 and therefore no letters: folding leaves them alone.
        match (self.flat(), other.flat()) {
            // Almost always the same octets, which is quicker to see.
            (Some(own), Some(other)) => own == other || own.eq_ignore_ascii_case(other),
            _ => {
                let (mut own, mut others) = (self.labels(), other.labels());
                loop {
                    match (own.next(), others.next()) {
                        (None, None) => return true,
                        (Some(label), Some(other)) if label.eq_ignore_ascii_case(other) => {}
                        _ => return false,
                    }
                }
            }
        }
    }
}

impl Eq for NameRef<'_> {}

impl Hash for NameRef<'_> {
    /// Equal names hash alike, whatever their case, compression and owner.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut folded = [0; NAME_OCTETS_MAX];
        let octets = match self.flat() {
            Some(flat) => {
                folded[..flat.len()].copy_from_slice(flat);
                flat.len()
            }
            None => self.flatten(&mut folded).len(),
        };
        folded[..octets].make_ascii_lowercase();
        state.write(&folded[..octets]);
    }
}

impl Ord for NameRef<'_> {
    /// Canonical order (RFC 4034 §6.1): by labels from the last to the first, in lower case, shorter first.
    fn cmp(&self, other: &NameRef<'_>) -> Ordering {
        let (mut own_buffer, mut other_buffer) = ([0; NAME_OCTETS_MAX], [0; NAME_OCTETS_MAX]);
        let (own, other) = (self.flatten(&mut own_buffer), other.flatten(&mut other_buffer));
        let (mut own_starts, mut other_starts) = ([0; LABELS_MAX], [0; LABELS_MAX]);
        let own_labels = label_starts(own, &mut own_starts);
        let other_labels = label_starts(other, &mut other_starts);
        for (own_at, other_at) in own_starts[..own_labels].iter().rev().zip(other_starts[..other_labels].iter().rev()) {
            let order = folded(own, *own_at).cmp(folded(other, *other_at));
            if order != Ordering::Equal {
                return order;
            }
        }
        own_labels.cmp(&other_labels)
    }
}

impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &NameRef<'_>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NameRef<'_> {
    /// Presentation format (RFC 1035 §5.1), with the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            write!(f, "{}.", Label::from_slice(label).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Where the labels of an uncompressed name start; how many there are.
#[inline]
pub(crate) fn label_starts(flat: &[u8], starts: &mut [u8; LABELS_MAX]) -> usize {
    let (mut count, mut at) = (0, 0);
    while flat[at] != 0 {
        starts[count] = at as u8;
        count += 1;
        at += 1 + usize::from(flat[at]);
    }
    count
}

fn folded(flat: &[u8], at: u8) -> impl Iterator<Item = u8> + '_ {
    let at = usize::from(at);
    flat[at + 1..=at + usize::from(flat[at])].iter().map(u8::to_ascii_lowercase)
}

/// The labels of a name.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Labels<'_> {
    /// Follows pointers until a label or the root stands at the position, which is returned.
    #[inline]
    fn resolve(&mut self) -> usize {
        while self.bytes[self.at] >= 0xc0 {
            self.at = usize::from(self.bytes[self.at] & 0x3f) << 8 | usize::from(self.bytes[self.at + 1]);
        }
        self.at
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let at = self.resolve();
        let length = usize::from(self.bytes[at]);
        if length == 0 {
            return None;
        }
        self.at = at + 1 + length;
        Some(&self.bytes[at + 1..self.at])
    }
}

/// A name of its own: uncompressed octets on the heap, two words here.
#[derive(Clone)]
pub struct Name {
    wire: Box<[u8]>,
}

impl Name {
    /// The root.
    pub fn root() -> Name {
        Name { wire: [0].into() }
    }
    /// Reads presentation format (RFC 1035 §5.1): labels between dots, the final dot optional, `\.` and `\032` as escapes.
    ///
    /// Characters beyond ASCII stand for their UTF-8 octets, as service instance names use them (RFC 6763 §4.1.1).
    ///
    /// # Errors
    /// `UnexpectedCharacter` for an empty label, `OutOfRange` for a number above 255, `Truncated` for an unfinished escape,
    /// `NameTooLong` for a label or name that is.
    pub fn parse(text: &str) -> Result<Name, DecodeError> {
        let octets = text.as_bytes();
        let mut wire = Vec::with_capacity(octets.len() + 2);
        if octets == b"." {
            return Ok(Name::root());
        }
        let mut label_at = 0;
        wire.push(0);
        let mut at = 0;
        while at < octets.len() {
            let error = |what| DecodeError { what, at };
            let taken = match octets[at] {
                b'.' => {
                    close_label(&mut wire, label_at).map_err(error)?;
                    label_at = wire.len();
                    wire.push(0);
                    at += 1;
                    continue;
                }
                b'\\' => match octets.get(at + 1..) {
                    Some([a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..]) => {
                        let number = [a, b, c].iter().fold(0, |number, digit| number * 10 + u16::from(**digit - b'0'));
                        wire.push(u8::try_from(number).map_err(|_| error(What::OutOfRange))?);
                        4
                    }
                    Some([b'0'..=b'9', ..]) | Some([]) | None => return Err(error(What::Truncated)),
                    Some([literal, ..]) => {
                        wire.push(*literal);
                        2
                    }
                },
                plain => {
                    wire.push(plain);
                    1
                }
            };
            at += taken;
            if wire.len() > NAME_OCTETS_MAX {
                return Err(DecodeError { what: What::NameTooLong, at });
            }
        }
        if wire.len() > label_at + 1 {
            close_label(&mut wire, label_at).map_err(|what| DecodeError { what, at })?;
            wire.push(0);
        } else if label_at == 0 {
            return Err(DecodeError { what: What::UnexpectedCharacter, at: 0 });
        }
        if wire.len() > NAME_OCTETS_MAX {
            return Err(DecodeError { what: What::NameTooLong, at });
        }
        Ok(Name { wire: wire.into() })
    }
    /// Joins labels to a name, the root not among them.
    ///
    /// # Errors
    /// `UnexpectedCharacter` for an empty label, `NameTooLong` for a label or name that is.
    pub fn from_labels<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Result<Name, DecodeError> {
        let mut wire = Vec::new();
        for label in labels {
            let at = wire.len();
            wire.push(0);
            wire.extend_from_slice(label);
            close_label(&mut wire, at).map_err(|what| DecodeError { what, at })?;
        }
        wire.push(0);
        if wire.len() > NAME_OCTETS_MAX {
            return Err(DecodeError { what: What::NameTooLong, at: NAME_OCTETS_MAX });
        }
        Ok(Name { wire: wire.into() })
    }
    /// The name with `below`'s labels in front of it.
    ///
    /// # Errors
    /// `NameTooLong`.
    pub fn prefixed(&self, below: NameRef<'_>) -> Result<Name, DecodeError> {
        Name::from_labels(below.labels().chain(self.labels()))
    }
    /// The name under which an address leads to names (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(address: IpAddr) -> Name {
        let text = match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(address) => {
                let mut text = String::with_capacity(72);
                for octet in address.octets().iter().rev() {
                    text.push_str(&format!("{:x}.{:x}.", octet & 15, octet >> 4));
                }
                text + "ip6.arpa"
            }
        };
        Name::parse(&text).expect("digits and letters between dots")
    }
    /// The name as one that is borrowed.
    #[inline]
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef { bytes: &self.wire, at: 0, octets: self.wire.len() as u8, is_flat: true }
    }
    /// The uncompressed octets.
    #[inline]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }
    /// The labels, first to last, without the root.
    pub fn labels(&self) -> Labels<'_> {
        self.as_ref().labels()
    }
}

/// Writes the length of the label that started at `at`.
fn close_label(wire: &mut [u8], at: usize) -> Result<(), What> {
    match wire.len() - at - 1 {
        0 => Err(What::UnexpectedCharacter),
        octets @ 1..=LABEL_OCTETS_MAX => {
            wire[at] = octets as u8;
            Ok(())
        }
        _ => Err(What::NameTooLong),
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.wire == other.wire || self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl PartialEq<NameRef<'_>> for Name {
    fn eq(&self, other: &NameRef<'_>) -> bool {
        self.as_ref() == *other
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

#[cfg(test)]
mod tests;
