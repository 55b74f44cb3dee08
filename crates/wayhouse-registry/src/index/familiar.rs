//! Familiar links: devices of a kind have the same links. One that was read twice is compared the next time, instead of being
//! read and searched again.
//!
//! ```text
//!   </s/0>;rt="u000017";if="core.s"    never seen: read, and each of its values searched
//!   </s/1>;rt="light";if="core.s"      familiar: postings 4 and 9
//! ```
//! Nothing here changes what is found: a link is familiar when target and parameters are the same, octet for octet, and all
//! postings that it led to are still there.

use wayhouse_wire::coap::link_format::Link;

use super::postings::{PostingHandle, PostingNumber, Postings};

/// Links that are familiar at most, a power of two. Reaction: one that falls on the place of another takes it when it is read
/// twice with no other read there in between.
const PLACES: usize = 1 << 10;
/// Octets of a familiar link. Longer ones are read each time.
const OCTETS_MAX: usize = 256;
/// Postings that it leads to. Links with more are read each time.
const POSTINGS_MAX: usize = 16;

#[cfg(test)]
mod tests;

/// What a familiar link leads to.
#[derive(Debug)]
struct Familiar {
    target: Box<str>,
    parameters: Box<str>,
    postings: Box<[PostingHandle]>,
}

#[derive(Debug, Default)]
struct Place {
    /// The hash of the link that was last read here: one that comes a second time becomes familiar.
    last_read: u64,
    link: Option<Box<Familiar>>,
}

/// The place of a link that may be familiar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    hash: u64,
}

impl Spot {
    fn place(self) -> usize {
        // The bits in which all octets are mixed.
        (self.hash >> (u64::BITS - PLACES.ilog2())) as usize
    }
}

/// The links that are familiar.
#[derive(Debug, Default)]
pub(super) struct FamiliarLinks {
    /// Empty until the first link is read.
    places: Vec<Place>,
}

impl FamiliarLinks {
    /// The place of a link; `None` for one that cannot be familiar: what it says depends on the base, or it is too long.
    pub(super) fn spot(link: &Link<'_>) -> Option<Spot> {
        let (target, parameters) = (link.target.as_bytes(), link.parameters_text().as_bytes());
        let is_local = target.first() == Some(&b'/') && target.get(1) != Some(&b'/');
        (is_local && target.len() + parameters.len() <= OCTETS_MAX)
            .then(|| Spot { hash: mix(mix(target.len() as u64, target), parameters) })
    }

    /// The postings of a familiar link.
    pub(super) fn find(
        &self,
        spot: Spot,
        link: &Link<'_>,
        postings: &Postings,
    ) -> Option<impl Iterator<Item = PostingNumber> + use<'_>> {
        let familiar = self.places.get(spot.place())?.link.as_deref()?;
        let is_same = *familiar.target == *link.target && *familiar.parameters == *link.parameters_text();
        (is_same && familiar.postings.iter().all(|&handle| postings.is_current(handle)))
            .then(|| familiar.postings.iter().map(|handle| handle.number))
    }

    /// Notes that a link was read, and where it led; it becomes familiar when it comes a second time.
    pub(super) fn note(
        &mut self,
        spot: Spot,
        link: &Link<'_>,
        numbers: impl ExactSizeIterator<Item = PostingNumber>,
        postings: &Postings,
    ) {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Place::default);
        }
        let place = &mut self.places[spot.place()];
        if std::mem::replace(&mut place.last_read, spot.hash) != spot.hash || numbers.len() > POSTINGS_MAX {
            return;
        }
        place.link = Some(Box::new(Familiar {
            target: link.target.into(),
            parameters: link.parameters_text().into(),
            postings: numbers.map(|number| postings.handle(number)).collect(),
        }));
    }
}

/// Mixes octets into a hash, eight at a time. Peers can foresee it: those whose links share a place have them read each time.
fn mix(hash: u64, octets: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = octets.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    step(hash, u64::from_le_bytes(last))
}
