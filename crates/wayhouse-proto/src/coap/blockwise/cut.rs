//! What a block may hold, and cutting one out of a body.

use wayhouse_wire::coap::BlockValue;

/// Octets of a unit of BERT (RFC 8323 §6).
pub(super) const BERT_UNIT: usize = 1024;
/// One more than the largest block number.
pub(super) const BLOCK_COUNT_MAX: usize = 1 << 20;

/// One block of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut<'a> {
    /// The option value that describes it.
    pub block: BlockValue,
    /// Its octets.
    pub payload: &'a [u8],
}

/// Cuts block `num` of size exponent `szx`; `None` when it starts behind the end (block 0 of an empty body is empty).
/// With `szx` 7 as many units of 1024 octets as fit into `bert_octets` (at least one) make one block (RFC 8323 §6; TC4).
pub fn cut(body: &[u8], num: u32, szx: u8, bert_octets: usize) -> Option<Cut<'_>> {
    let block = BlockValue { num, more: false, szx };
    let start = block.offset();
    if start > body.len() || (start == body.len() && start != 0) {
        return None;
    }
    let octets = if szx == 7 { (bert_octets / BERT_UNIT).max(1) * BERT_UNIT } else { block.size() };
    let end = body.len().min(start + octets);
    Some(Cut { block: BlockValue { more: end < body.len(), ..block }, payload: &body[start..end] })
}

/// Whether a payload has the octets that its block option announces: all of them when more follow (BW2), whole units with BERT (TC4),
/// never more than a block.
pub(super) fn check_octets(block: BlockValue, octets: usize) -> Result<(), &'static str> {
    let fits = match (block.szx, block.more) {
        (7, true) => octets > 0 && octets.is_multiple_of(BERT_UNIT),
        (7, false) => true,
        (_, true) => octets == block.size(),
        (_, false) => octets <= block.size(),
    };
    if fits { Ok(()) } else { Err("the payload does not have the size of its block") }
}

#[cfg(test)]
mod tests;
