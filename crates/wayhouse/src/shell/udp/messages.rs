//! Which datagrams leave together: several to one peer as one message, many messages in one system call.
//!
//! ```text
//!   run        a₁ b₁ a₂ c₁ a₃          to the peers a, b, c
//!   messages   [a₁ a₂ a₃] [b₁] [c₁]    one system call; Linux cuts the first one into three datagrams (UDP_SEGMENT)
//! ```
//! What passes the network stack as one message costs little more than one datagram. A message has datagrams of one size;
//! only the last one may be smaller. Those to one peer keep their order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::{BATCH, Outgoing};

/// Octets of a datagram that is sent together with others: what passes every link of IPv6 whole. Larger ones may have to be
/// fragmented, which the system refuses for datagrams that it cuts.
const CUT_OCTETS_MAX: usize = 1_232;
/// Octets of a message: no more than one datagram could have.
const MESSAGE_OCTETS_MAX: usize = 60_000;
/// Places of the table in which the message for a peer is looked up; twice as many as there can be peers.
const PLACES: usize = 2 * BATCH;

/// The numbers of datagrams in their own order.
pub(super) const IN_ORDER: [u8; BATCH] = {
    let mut numbers = [0; BATCH];
    let mut number = 0;
    while number < BATCH {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};

/// Whether a message was refused for what it asks of the system, and its datagrams may pass one by one: the device or the
/// route cannot cut (EIO), or its datagrams are too large to be sent whole.
pub(super) fn is_about_cutting(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

/// For which peers several datagrams may leave as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// For all.
    All,
    /// For all but this one.
    AllBut(SocketAddr),
    /// For none.
    None,
}

/// Datagrams for one peer that leave as one message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    /// The number of the first datagram.
    pub(super) first: u8,
    last: u8,
    /// How many datagrams.
    pub(super) count: u8,
    octets: usize,
    is_full: bool,
}

impl Message {
    fn of(number: usize, outgoing: &Outgoing, cuts: Cuts) -> Message {
        let octets = outgoing.octets.len();
        let is_alone = match cuts {
            Cuts::All => false,
            Cuts::AllBut(peer) => peer == outgoing.remote,
            Cuts::None => true,
        };
        let is_full = is_alone || octets == 0 || octets > CUT_OCTETS_MAX || outgoing.remote.ip().is_multicast();
        Message { first: number as u8, last: number as u8, count: 1, octets, is_full }
    }

    /// Takes a further datagram, if it can.
    fn take(&mut self, number: usize, run: &[Outgoing]) -> bool {
        let (first, next) = (&run[usize::from(self.first)], &run[number]);
        let octets = next.octets.len();
        let is_alike = first.remote == next.remote && first.local == next.local && first.interface == next.interface;
        let has_room = !self.is_full && self.octets + octets <= MESSAGE_OCTETS_MAX;
        if !is_alike || !has_room || octets == 0 || octets > first.octets.len() {
            return false;
        }
        self.last = number as u8;
        self.count += 1;
        self.octets += octets;
        self.is_full = octets < first.octets.len();
        true
    }
}

/// How a run of datagrams leaves: as which messages, in which order, and how far that has come.
#[derive(Debug)]
pub(super) struct Messages {
    all: Vec<Message>,
    /// The numbers of the datagrams in the order in which they leave.
    order: [u8; BATCH],
    /// How many messages, and how many datagrams, were sent or given up.
    sent: usize,
    sent_datagrams: usize,
    datagrams: usize,
}

impl Messages {
    pub(super) fn new() -> Messages {
        Messages { all: Vec::with_capacity(BATCH), order: IN_ORDER, sent: 0, sent_datagrams: 0, datagrams: 0 }
    }

    /// Settles which datagrams of a run leave together, and the order of all. `cuts` tells for which peers.
    pub(super) fn arrange(&mut self, run: &[Outgoing], cuts: Cuts) {
        (self.sent, self.sent_datagrams, self.datagrams) = (0, 0, run.len());
        self.all.clear();
        if cuts == Cuts::None {
            self.order = IN_ORDER;
            self.all.extend(run.iter().enumerate().map(|(number, outgoing)| Message::of(number, outgoing, cuts)));
            return;
        }
        const NONE: u8 = u8::MAX;
        // By place, the latest message for a peer that falls there; by number, the datagram that follows in its message.
        let (mut latest, mut next) = ([NONE; PLACES], [NONE; BATCH]);
        for (number, outgoing) in run.iter().enumerate() {
            let place = &mut latest[place_of(outgoing.remote)];
            if let Some(message) = self.all.get_mut(usize::from(*place)) {
                let last = usize::from(message.last);
                if message.take(number, run) {
                    next[last] = number as u8;
                    continue;
                }
            }
            *place = self.all.len() as u8;
            self.all.push(Message::of(number, outgoing, cuts));
        }
        let mut position = 0;
        for message in &self.all {
            let mut number = message.first;
            for _ in 0..message.count {
                self.order[position] = number;
                position += 1;
                number = next[usize::from(number)];
            }
        }
    }

    /// The messages.
    pub(super) fn all(&self) -> &[Message] {
        &self.all
    }

    /// The messages that are left, as a range of all.
    pub(super) fn left_range(&self) -> Range<usize> {
        self.sent..self.all.len()
    }

    /// The numbers of all datagrams in the order in which they leave.
    pub(super) fn order(&self) -> &[u8] {
        &self.order[..self.datagrams]
    }

    /// Whether no message is left.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.all.len()
    }

    /// The numbers of the datagrams that are left, in the order in which they would leave.
    pub(super) fn left(&self) -> &[u8] {
        &self.order[self.sent_datagrams..self.datagrams]
    }

    /// How many datagrams the next message has.
    pub(super) fn first_len(&self) -> usize {
        self.all.get(self.sent).map_or(0, |message| usize::from(message.count))
    }

    /// Gives up the next message; returns how many datagrams it had.
    pub(super) fn skip(&mut self) -> usize {
        self.pass(1)
    }

    /// Notes that so many messages have left; returns how many datagrams they had.
    pub(super) fn pass(&mut self, messages: usize) -> usize {
        let passed = &self.all[self.sent..self.sent + messages];
        let datagrams = passed.iter().map(|message| usize::from(message.count)).sum();
        self.sent += messages;
        self.sent_datagrams += datagrams;
        datagrams
    }
}

/// Where the message for a peer is looked up. Peers that choose to share a place only miss being sent together.
fn place_of(remote: SocketAddr) -> usize {
    let word = match remote.ip() {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => (u128::from(address) ^ (u128::from(address) >> 64)) as u32,
    };
    let mixed = (word ^ (u32::from(remote.port()) << 16) ^ u32::from(remote.port())).wrapping_mul(0x9e37_79b1);
    (mixed >> (u32::BITS - PLACES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests;
