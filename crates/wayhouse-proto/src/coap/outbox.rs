//! What waits to be sent: one buffer for all octets, one queue of where they go.

use std::collections::VecDeque;

use crate::io::{Destination, Transmit};

/// Messages in the order in which they leave. The memory is reused once everything was taken.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    octets: Vec<u8>,
    taken: usize,
    queue: VecDeque<Transmit>,
}

impl Outbox {
    /// The buffer to append one message to, and where the message starts. [`Outbox::send`] or [`Outbox::discard`] must follow.
    pub(crate) fn begin(&mut self) -> (&mut Vec<u8>, usize) {
        let start = self.octets.len();
        (&mut self.octets, start)
    }
    /// Sends what was appended since `start`, and lets the caller look at it.
    pub(crate) fn send(&mut self, start: usize, to: Destination, durable_after: u64) -> &[u8] {
        let octets = self.octets.len() - start;
        self.queue.push_back(Transmit { to, octets, durable_after });
        &self.octets[start..]
    }
    /// Takes back what was appended since `start`.
    pub(crate) fn discard(&mut self, start: usize) {
        self.octets.truncate(start);
    }
    /// Takes back what was appended since `start`, for later.
    pub(crate) fn take_back(&mut self, start: usize) -> Vec<u8> {
        self.octets.split_off(start)
    }
    /// Sends a copy of a message.
    pub(crate) fn send_copy(&mut self, octets: &[u8], to: Destination, durable_after: u64) {
        let (out, start) = self.begin();
        out.extend_from_slice(octets);
        self.send(start, to, durable_after);
    }
    /// Moves the next message to the caller's buffer.
    pub(crate) fn pop(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        let Some(transmit) = self.queue.pop_front() else {
            self.octets.clear();
            self.taken = 0;
            return None;
        };
        let end = self.taken + transmit.octets;
        out.extend_from_slice(&self.octets[self.taken..end]);
        self.taken = end;
        Some(transmit)
    }
}
