//! A request body that a client sends in blocks (Block1; RFC 7959 §2.3, §2.5).
//!
//! One block is under way at a time. The next one starts where the acknowledged one ended, numbered in the server's block size (BW3).

use wayhouse_wire::coap::{BlockValue, Code};

use super::{BERT_UNIT, BLOCK_COUNT_MAX, Cut, cut};

/// A body on its way.
#[derive(Debug, Clone)]
pub struct Sender {
    body: Vec<u8>,
    /// Where the current block starts; a multiple of the block size.
    offset: usize,
    szx: u8,
    bert_octets: usize,
    /// Whether Block1 is used.
    is_in_blocks: bool,
    /// Whether a 4.08 was answered with a second attempt.
    has_restarted: bool,
}

/// The payload of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Block1; `None` when the whole body goes in one message.
    pub block: Option<BlockValue>,
    /// Size1, in the first of several blocks (BW12).
    pub size1: Option<u64>,
    /// The octets.
    pub payload: &'a [u8],
}

impl Piece<'_> {
    /// Whether If-None-Match may go along: only with the first block (BW13).
    pub fn may_have_if_none_match(&self) -> bool {
        self.block.is_none_or(|block| block.num == 0)
    }
}

/// What to do after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send [`Sender::piece`], the next block of the same operation.
    Next,
    /// Send [`Sender::piece`], the first block of a new operation: with a Request-Tag not used before (RT2).
    Restart,
    /// The response is the one to the whole request.
    Final,
    /// The server broke the rules.
    Failed(&'static str),
}

impl Sender {
    /// A body to send in blocks of size exponent `szx`; in one message when it fits into one block.
    /// `bert_octets`: see [`super::cut`]; only for `szx` 7.
    pub fn new(body: Vec<u8>, szx: u8, bert_octets: usize) -> Sender {
        // TC4: without room for a whole unit there is no BERT.
        let mut szx = if szx >= 7 && bert_octets < BERT_UNIT { 6 } else { szx.min(7) };
        while szx < 6 && !can_be_numbered(&body, szx) {
            szx += 1;
        }
        let one_block = if szx == 7 { bert_octets } else { 16 << szx };
        let is_in_blocks = body.len() > one_block;
        Sender { body, offset: 0, szx, bert_octets, is_in_blocks, has_restarted: false }
    }

    /// The same body from its start, to be sent once more; `None` when it is at its start.
    pub fn restarted(&self) -> Option<Sender> {
        (self.offset > 0).then(|| Sender { offset: 0, has_restarted: false, ..self.clone() })
    }

    /// Goes back to the start of the body, for a new operation with the same body.
    pub fn rewind(&mut self) {
        self.offset = 0;
        self.has_restarted = false;
    }

    /// What to send now.
    pub fn piece(&self) -> Piece<'_> {
        if !self.is_in_blocks {
            return Piece { block: None, size1: None, payload: &self.body };
        }
        let Cut { block, payload } = self.current();
        let size1 = (self.offset == 0 && block.more).then_some(self.body.len() as u64);
        Piece { block: Some(block), size1, payload }
    }

    /// Takes the response to what was sent: its code, Block1 and Size1.
    pub fn handle(&mut self, code: Code, block: Option<BlockValue>, size1: Option<u64>) -> Step {
        match code {
            Code::REQUEST_ENTITY_TOO_LARGE => self.handle_too_large(block, size1),
            Code::REQUEST_ENTITY_INCOMPLETE if self.is_in_blocks && !self.has_restarted => {
                // BW6: the server lost what it had; once more from the start.
                self.has_restarted = true;
                self.offset = 0;
                Step::Restart
            }
            Code::CONTINUE => self.handle_continue(block),
            // BW8: a server that acts on each block answers each with a final code.
            code if code.is_success() && self.is_in_blocks && self.current().block.more => match block {
                Some(_) => self.handle_continue(block),
                None => Step::Failed("the server answered before it had the whole body"),
            },
            _ => Step::Final,
        }
    }

    /// BW7: a server that cannot take the body as it came may say how it could.
    fn handle_too_large(&mut self, block: Option<BlockValue>, size1: Option<u64>) -> Step {
        if size1.is_some_and(|octets| octets < self.body.len() as u64) {
            return Step::Final;
        }
        let szx = match block {
            // Smaller blocks, or blocks at all.
            Some(hint) if hint.szx < self.szx || !self.is_in_blocks => hint.szx.min(self.szx),
            None if size1.is_some() && !self.is_in_blocks => self.szx,
            _ => return Step::Final,
        };
        if !can_be_numbered(&self.body, szx) {
            return Step::Failed("the body has more blocks than can be numbered");
        }
        (self.szx, self.offset, self.is_in_blocks) = (szx, 0, true);
        Step::Restart
    }

    fn handle_continue(&mut self, acknowledged: Option<BlockValue>) -> Step {
        if !self.is_in_blocks {
            return Step::Failed("2.31 for a request that was not in blocks");
        }
        let Cut { block, payload } = self.current();
        if !block.more {
            return Step::Failed("2.31 for the last block");
        }
        let octets = payload.len();
        if let Some(acknowledged) = acknowledged {
            if acknowledged.num != block.num {
                return Step::Failed("another block was acknowledged than was sent");
            }
            // BW3: the server's smaller size holds from the next block on, which starts where this one ended.
            let szx = self.szx.min(acknowledged.szx);
            if !can_be_numbered(&self.body, szx) {
                return Step::Failed("the body has more blocks than can be numbered");
            }
            self.szx = szx;
        }
        self.offset += octets;
        Step::Next
    }

    fn current(&self) -> Cut<'_> {
        let size = BlockValue { num: 0, more: false, szx: self.szx }.size();
        let num = (self.offset / size) as u32;
        cut(&self.body, num, self.szx, self.bert_octets).expect("a block is only left behind when more follow")
    }
}

/// Whether 20 bits suffice for the numbers of all blocks.
fn can_be_numbered(body: &[u8], szx: u8) -> bool {
    body.len().div_ceil(BlockValue { num: 0, more: false, szx }.size()) <= BLOCK_COUNT_MAX
}

#[cfg(test)]
mod tests;
