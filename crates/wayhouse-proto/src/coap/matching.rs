//! Which options make two requests the same one: for a cache, for the blocks of a body (RFC 7252 §5.4.2, §5.6;
//! RFC 9175 §3.3). Options are kept in one flat form, `number(16) length(32) value`, in ascending order.

use std::hash::Hasher;

use wayhouse_wire::coap::OptionRef;
use wayhouse_wire::coap::option::{is_critical, is_no_cache_key, number};

/// Whether an option is part of the key of a stored response (CC1, CC7, CC11): all but NoCacheKey ones and those that the cache
/// or block-wise transfer handles itself.
pub(super) fn is_cache_key(number: u16) -> bool {
    !is_no_cache_key(number)
        && !matches!(number, number::ETAG | number::OBSERVE | number::BLOCK1 | number::BLOCK2 | number::REQUEST_TAG)
}

/// Whether an option names the resource (CC5).
pub(super) fn is_uri(number: u16) -> bool {
    matches!(number, number::URI_HOST | number::URI_PORT | number::URI_PATH | number::URI_QUERY)
}

/// Whether an option must be the same in all Block1 requests of one operation (BW14, RT1): those of the cache key, Request-Tag among
/// them. Content-Format is compared apart (BW4); If-None-Match stands in the first block alone (BW13).
pub(super) fn is_block1_key(number: u16) -> bool {
    (!is_no_cache_key(number) || is_critical(number))
        && !matches!(
            number,
            number::OBSERVE | number::BLOCK1 | number::BLOCK2 | number::CONTENT_FORMAT | number::IF_NONE_MATCH
        )
}

/// Whether an option must be the same in the request that was answered and in those that fetch further blocks of the answer (BW14, RT3).
/// Clients may drop what belonged to the request's body or was a condition on it.
pub(super) fn is_block2_key(number: u16) -> bool {
    is_block1_key(number) && !matches!(number, number::IF_MATCH | number::ETAG)
}

/// Appends options in flat form.
pub(super) fn flatten<'a>(out: &mut Vec<u8>, options: impl Iterator<Item = OptionRef<'a>>) {
    for option in options {
        out.extend_from_slice(&head(option));
        out.extend_from_slice(option.value);
    }
}

/// Whether options are the same as those in flat form.
pub(super) fn is_same<'a>(mut flat: &[u8], options: impl Iterator<Item = OptionRef<'a>>) -> bool {
    for option in options {
        let Some(rest) = flat.strip_prefix(&head(option)).and_then(|rest| rest.strip_prefix(option.value)) else {
            return false;
        };
        flat = rest;
    }
    flat.is_empty()
}

/// Feeds options to a hasher.
pub(super) fn hash<'a>(hasher: &mut impl Hasher, options: impl Iterator<Item = OptionRef<'a>>) {
    for option in options {
        hasher.write(&head(option));
        hasher.write(option.value);
    }
}

/// What stands in front of a value.
fn head(option: OptionRef<'_>) -> [u8; 6] {
    let [n0, n1] = option.number.to_be_bytes();
    let [l0, l1, l2, l3] = (option.value.len() as u32).to_be_bytes();
    [n0, n1, l0, l1, l2, l3]
}

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
