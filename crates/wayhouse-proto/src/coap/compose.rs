//! Putting a message together from what the parent wrote and what the engine adds, straight into the output buffer.

use std::iter::Peekable;

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, OptionRef};

/// What stands around code, token, options and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// A datagram.
    Datagram { kind: Kind, message_id: u16 },
    /// A frame of a connection.
    Frame,
}

const OCTETS_MAX: usize = 12;
const OPTIONS_MAX: usize = 8;

/// The options that the engine adds to a message, on the stack; added in ascending order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extras {
    entries: [(u16, u8, [u8; OCTETS_MAX]); OPTIONS_MAX],
    count: usize,
}

impl Extras {
    #[inline]
    pub(crate) fn new() -> Extras {
        Extras { entries: [(0, 0, [0; OCTETS_MAX]); OPTIONS_MAX], count: 0 }
    }
    /// Adds an option; numbers must not descend, values have at most 12 octets.
    pub(crate) fn push(&mut self, number: u16, value: &[u8]) {
        debug_assert!(self.as_slice().last().is_none_or(|entry| entry.0 <= number), "options in ascending order");
        let entry = &mut self.entries[self.count];
        entry.0 = number;
        entry.1 = value.len() as u8;
        entry.2[..value.len()].copy_from_slice(value);
        self.count += 1;
    }
    /// Adds a `uint` option in its shortest form.
    pub(crate) fn push_uint(&mut self, number: u16, value: u64) {
        let octets = value.to_be_bytes();
        self.push(number, &octets[value.leading_zeros() as usize / 8..]);
    }
    /// Adds a block option if there is one.
    pub(crate) fn push_block(&mut self, number: u16, block: Option<BlockValue>) {
        if let Some(block) = block {
            self.push_uint(number, block.to_uint());
        }
    }
    fn as_slice(&self) -> &[(u16, u8, [u8; OCTETS_MAX])] {
        &self.entries[..self.count]
    }
    fn iter(&self) -> impl Iterator<Item = OptionRef<'_>> {
        self.as_slice()
            .iter()
            .map(|(number, length, value)| OptionRef { number: *number, value: &value[..usize::from(*length)] })
    }
}

/// Two ascending lists as one; of equal numbers the first list's come first.
struct Merged<A: Iterator, B: Iterator> {
    first: Peekable<A>,
    second: Peekable<B>,
}

impl<'a, A: Iterator<Item = OptionRef<'a>>, B: Iterator<Item = OptionRef<'a>>> Iterator for Merged<A, B> {
    type Item = OptionRef<'a>;
    #[inline]
    fn next(&mut self) -> Option<OptionRef<'a>> {
        match (self.first.peek(), self.second.peek()) {
            (Some(first), Some(second)) if second.number < first.number => self.second.next(),
            (Some(_), _) => self.first.next(),
            (None, _) => self.second.next(),
        }
    }
}

/// Appends a message.
pub(crate) fn compose<'o>(
    out: &mut Vec<u8>,
    envelope: Envelope,
    code: Code,
    token: &[u8],
    extras: &'o Extras,
    options: impl Iterator<Item = OptionRef<'o>>,
    payload: &[u8],
) {
    let merged = Merged { first: extras.iter().peekable(), second: options.peekable() };
    match envelope {
        Envelope::Datagram { kind, message_id } => {
            let mut encoder = Encoder::datagram(out, kind, code, message_id, token);
            for option in merged {
                encoder.option(option.number, option.value);
            }
            encoder.payload(payload);
        }
        Envelope::Frame => Frame::encode(out, code, token, merged, payload),
    }
}

/// Octets of a frame without payload, at most: the longest length field, payload marker included.
pub(crate) fn frame_overhead<'o>(token: &[u8], options: impl Iterator<Item = OptionRef<'o>>) -> usize {
    let extension = |value: usize| usize::from(value >= 13) + usize::from(value >= 269);
    // How an option's number is written depends on the one before; no delta is longer than the number itself.
    let option = |option: OptionRef<'_>| {
        1 + extension(usize::from(option.number)) + extension(option.value.len()) + option.value.len()
    };
    1 + 4 + 1 + extension(token.len()) + token.len() + options.map(option).sum::<usize>() + 1
}

/// Appends an Empty message (CM12).
pub(crate) fn compose_empty(out: &mut Vec<u8>, kind: Kind, message_id: u16) {
    Encoder::datagram(out, kind, Code::EMPTY, message_id, &[]).payload(&[]);
}

/// Whether an option of a 2.05 also stands in the 2.03 that takes its place: the payload is missing, so is its format (CO5, CO6).
pub(crate) fn belongs_to_valid(option: &OptionRef<'_>) -> bool {
    option.number != number::CONTENT_FORMAT
}
