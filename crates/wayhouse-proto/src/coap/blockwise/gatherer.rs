//! A response body that a client fetches in blocks (Block2; RFC 7959 §2.4).

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, OptionList, Options};

use super::{BLOCK_COUNT_MAX, check_octets};
use crate::coap::request::has_valid_length;

/// How often a fetch begins anew because the representation changed under it; then it changes faster than it can be fetched.
const RESTARTS_MAX: u8 = 3;

/// A body being fetched.
#[derive(Debug, Clone)]
pub struct Gatherer {
    body_octets_max: usize,
    restarts: u8,
    /// Code and options of the first block, when it is there.
    first: Option<(Code, OptionList)>,
    body: Vec<u8>,
}

/// What to do after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// The body is whole: take it with [`Gatherer::into_parts`].
    Complete,
    /// Ask for this block: same request without Observe, Block1 and payload, sequentially (BW10).
    Next(BlockValue),
    /// The representation changed meanwhile (BW5): ask for this block 0 of the new one.
    Restart(BlockValue),
    /// Give up: the body grows beyond the bound.
    TooLarge,
    /// Give up: the server broke the rules.
    Failed(&'static str),
}

impl Gatherer {
    /// Nothing received. `body_octets_max` bounds the body.
    pub fn new(body_octets_max: usize) -> Gatherer {
        Gatherer { body_octets_max, restarts: 0, first: None, body: Vec::new() }
    }

    /// Takes a response: the first one (with Block2 NUM 0 or without Block2), or the one to what was asked for last.
    /// `may_be_bert`: whether SZX 7 is allowed, on connections that agreed on it.
    pub fn handle(&mut self, code: Code, options: Options<'_>, payload: &[u8], may_be_bert: bool) -> Gathering {
        let block = match options.first(number::BLOCK2).map(|option| BlockValue::decode(option.value)) {
            Some(None) => return Gathering::Failed("Block2 is malformed"),
            Some(Some(block)) if block.szx == 7 && !may_be_bert => {
                return Gathering::Failed("block size 7 is reserved");
            }
            block => block.flatten(),
        };
        match (&self.first, block) {
            (None, None) => return self.take_whole(code, options, payload),
            (None, Some(_)) => {
                let mut list = OptionList::new();
                list.extend_from(options);
                self.first = Some((code, list));
            }
            (Some((first, _)), _) if *first != code => {
                // What was asked for is not there any more, or the server is in trouble: its answer stands for all.
                return if code.is_success() {
                    Gathering::Failed("the blocks have different codes")
                } else {
                    self.take_whole(code, options, payload)
                };
            }
            (Some(_), None) => return Gathering::Failed("a block without Block2"),
            (Some((_, first)), Some(block)) => {
                // BW4, BW5: blocks of another representation are no continuation of this one.
                let is_same = [number::ETAG, number::CONTENT_FORMAT].into_iter().all(|number| {
                    first.first(number).map(|option| option.value) == options.first(number).map(|option| option.value)
                });
                if !is_same {
                    return self.restart(block.szx);
                }
            }
        }
        let block = block.expect("those without block were handled");
        if block.offset() != self.body.len() {
            return Gathering::Failed("a block other than the one asked for");
        }
        if let Err(reason) = check_octets(block, payload.len()) {
            return Gathering::Failed(reason);
        }
        // BW12: the size is a hint, good enough to stop early.
        let announced = options.first(number::SIZE2).filter(|size| has_valid_length(*size));
        let announced = announced.and_then(|size| size.uint()).unwrap_or(0);
        if self.body.len() + payload.len() > self.body_octets_max || announced > self.body_octets_max as u64 {
            return Gathering::TooLarge;
        }
        self.body.extend_from_slice(payload);
        if !block.more {
            return Gathering::Complete;
        }
        // BW3: further blocks are asked for in the size that the server chose.
        let num = self.body.len() / block.size();
        if num >= BLOCK_COUNT_MAX {
            return Gathering::TooLarge;
        }
        Gathering::Next(BlockValue { num: num as u32, more: false, szx: block.szx })
    }

    /// The code, the first block's options without those of block-wise transfer and those of a length that they cannot have
    /// (CO2), and the body.
    pub fn into_parts(self) -> (Code, OptionList, Vec<u8>) {
        let (code, all) = self.first.unwrap_or((Code::EMPTY, OptionList::new()));
        let mut options = OptionList::new();
        for option in all.iter() {
            let is_of_transfer = matches!(option.number, number::BLOCK1 | number::BLOCK2 | number::SIZE2);
            if !is_of_transfer && has_valid_length(option) {
                options.push(option.number, option.value);
            }
        }
        (code, options, self.body)
    }

    fn take_whole(&mut self, code: Code, options: Options<'_>, payload: &[u8]) -> Gathering {
        if payload.len() > self.body_octets_max {
            return Gathering::TooLarge;
        }
        let mut list = OptionList::new();
        list.extend_from(options);
        self.first = Some((code, list));
        self.body.clear();
        self.body.extend_from_slice(payload);
        Gathering::Complete
    }

    fn restart(&mut self, szx: u8) -> Gathering {
        if self.restarts >= RESTARTS_MAX {
            return Gathering::Failed("the representation changes faster than it can be fetched");
        }
        self.restarts += 1;
        self.first = None;
        self.body.clear();
        Gathering::Restart(BlockValue { num: 0, more: false, szx })
    }
}

#[cfg(test)]
mod tests;
