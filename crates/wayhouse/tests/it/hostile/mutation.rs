//! What becomes of messages in the hands of somebody who means no good, or on a device that is broken.

use std::ops::Range;

use wayhouse_proto::rng::Rng;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{Code, Message, OptionList};

/// Longest run of octets that mean nothing.
const NOISE_OCTETS_MAX: u64 = 96;
/// Longest datagram that is made: what fits into the buffer that a daemon reads into, and then some.
const DATAGRAM_OCTETS_MAX: usize = 2_048;

/// Makes mischief; the same seed makes the same.
pub(super) struct Mutation {
    rng: Rng,
    /// Whatever is spliced comes from here.
    messages: Vec<Vec<u8>>,
}

impl Mutation {
    pub(super) fn new(seed: u64, messages: Vec<Vec<u8>>) -> Mutation {
        Mutation { rng: Rng::new(seed), messages }
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.rng.below(count) == 0
    }

    /// Octets that mean nothing.
    pub(super) fn noise(&mut self) -> Vec<u8> {
        (0..self.rng.below(NOISE_OCTETS_MAX)).map(|_| self.rng.next_u64() as u8).collect()
    }

    /// A message under a message ID of its own, so that it is not taken for one that came before; as NON now and then.
    pub(super) fn renew(&mut self, message: &[u8]) -> Vec<u8> {
        let mut octets = message.to_vec();
        if octets.len() >= 4 && !self.one_in(8) {
            octets[2..4].copy_from_slice(&(self.rng.next_u64() as u16).to_be_bytes());
        }
        if self.one_in(4) {
            octets[0] ^= 0x10;
        }
        octets
    }

    /// A change to a message, or two.
    pub(super) fn mutate(&mut self, mut octets: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.rng.below(2) {
            self.mutate_once(&mut octets);
        }
        octets.truncate(DATAGRAM_OCTETS_MAX);
        octets
    }

    fn mutate_once(&mut self, octets: &mut Vec<u8>) {
        if octets.is_empty() {
            *octets = self.noise();
            return;
        }
        let at = self.below(octets.len());
        match self.rng.below(10) {
            0 => octets[at] ^= 1 << self.rng.below(8),
            1 => octets[at] = self.rng.next_u64() as u8,
            2 => octets.truncate(at),
            3 => {
                let noise = self.noise();
                octets.splice(at..at, noise);
            }
            4 => {
                let other = self.below(self.messages.len());
                let from = self.below(self.messages[other].len());
                octets.truncate(at);
                octets.extend_from_slice(&self.messages[other][from..]);
            }
            5 => {
                // The token is longer or shorter than it says.
                octets[0] = octets[0] & 0xf0 | self.rng.below(16) as u8;
            }
            _ => self.mutate_options(octets),
        }
    }

    /// Changes whole options: their deltas come along, so that moving one renumbers those behind it.
    fn mutate_options(&mut self, octets: &mut Vec<u8>) {
        let options = options_of(octets);
        if options.is_empty() {
            return;
        }
        let (start, end) = (options[0].start, options[options.len() - 1].end);
        let mut parts: Vec<Vec<u8>> = options.into_iter().map(|range| octets[range].to_vec()).collect();
        let (one, other) = (self.below(parts.len()), self.below(parts.len()));
        match self.rng.below(5) {
            0 => parts.swap(one, other),
            1 => {
                // Again, and again: delta 0 says so.
                let mut repeated = parts[one].clone();
                if repeated[0] >> 4 < 13 {
                    repeated[0] &= 0x0f;
                }
                for _ in 0..=self.rng.below(40) {
                    parts.insert(one + 1, repeated.clone());
                }
            }
            2 => drop(parts.remove(one)),
            3 => parts[one][0] = parts[one][0] & 0xf0 | self.rng.below(16) as u8,
            _ => parts[one][0] = parts[one][0] & 0x0f | (self.rng.below(16) as u8) << 4,
        }
        octets.splice(start..end, parts.concat());
    }

    /// What a connection carries until it breaks off.
    pub(super) fn stream(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        if !self.one_in(4) {
            Frame::encode(&mut octets, Code::CSM, b"", OptionList::new().iter(), b"");
        }
        for _ in 0..=self.rng.below(4) {
            let message = self.below(self.messages.len());
            if let Ok(message) = Message::decode(&self.messages[message]) {
                Frame::encode(&mut octets, message.code, message.token, message.options.iter(), message.payload);
            }
        }
        match self.rng.below(4) {
            0 => octets.extend(self.noise()),
            1 => {
                let octet_count = self.below(octets.len().max(1));
                octets.truncate(octet_count);
            }
            _ => octets = self.mutate(octets),
        }
        octets
    }
}

/// Where the options of a message stand, as far as they can be told.
fn options_of(octets: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let Some(first) = octets.first() else { return found };
    let mut start = 4 + usize::from(first & 15);
    while let Some(&head) = octets.get(start).filter(|head| **head != 0xff) {
        let mut at = start + 1;
        let mut extended = |nibble: u8| {
            let octets_more = usize::from(nibble.saturating_sub(12));
            let value = octets.get(at..at + octets_more)?;
            at += octets_more;
            Some(match *value {
                [] => usize::from(nibble),
                [one] => 13 + usize::from(one),
                [high, low] => 269 + usize::from(u16::from_be_bytes([high, low])),
                _ => return None,
            })
        };
        let Some(length) = extended(head >> 4).and_then(|_| extended(head & 15)) else { break };
        let end = at + length;
        if end > octets.len() {
            break;
        }
        found.push(start..end);
        start = end;
    }
    found
}
