//! Buffers that all connections share, so that none has its own while it is idle.

use super::{READ_OCTETS, tls};

/// Buffers kept for the next connection that has something to write, and how large each may be.
const SPARE_MAX: usize = 256;
const SPARE_OCTETS_MAX: usize = 32 << 10;

/// What is read and written goes through here.
#[derive(Debug)]
pub(super) struct Buffers {
    /// As it came from a socket.
    pub(super) incoming: Vec<u8>,
    /// In the clear.
    pub(super) plain: Vec<u8>,
    /// Which of the two the last octets for the node stand in.
    pub(super) is_plain: bool,
    spare: Vec<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers {
            incoming: vec![0; READ_OCTETS],
            plain: vec![0; tls::PLAIN_OCTETS],
            is_plain: false,
            spare: Vec::new(),
        }
    }
}

impl Buffers {
    /// The octets that the node is to have.
    pub(super) fn received(&self, octets: usize) -> &[u8] {
        if self.is_plain { &self.plain[..octets] } else { &self.incoming[..octets] }
    }
    /// An empty buffer.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }
    /// Takes a buffer back, leaving one that holds no memory.
    pub(super) fn take_back(&mut self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        if self.spare.len() < SPARE_MAX && (1..=SPARE_OCTETS_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
