//! All postings of an index, each under a number, so that who remembers the number need not search again.

use crate::posting_list::Posting;

/// The number of a posting; another posting has it once this one is gone.
pub(super) type PostingNumber = u32;

/// A posting, however often its number was given to others meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PostingHandle {
    pub(super) number: PostingNumber,
    generation: u64,
}

#[derive(Debug, Default)]
struct Place {
    posting: Posting,
    /// How many postings had the number before.
    generation: u64,
}

/// The postings. There are as many places as there were postings at once.
#[derive(Debug, Default)]
pub(super) struct Postings {
    places: Vec<Place>,
    free: Vec<PostingNumber>,
}

impl Postings {
    /// A further posting, empty.
    pub(super) fn create(&mut self) -> PostingNumber {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).expect("the number of terms is bounded below 2^32")
        })
    }

    /// Applies `change` to a posting; false when that left it empty. Its number is then no longer its own, and must be forgotten.
    #[must_use]
    pub(super) fn change(&mut self, number: PostingNumber, change: impl FnOnce(&mut Posting)) -> bool {
        let place = &mut self.places[number as usize];
        change(&mut place.posting);
        let stays = !place.posting.is_empty();
        if !stays {
            place.generation += 1;
            self.free.push(number);
        }
        stays
    }

    pub(super) fn get(&self, number: PostingNumber) -> &Posting {
        &self.places[number as usize].posting
    }

    pub(super) fn get_mut(&mut self, number: PostingNumber) -> &mut Posting {
        &mut self.places[number as usize].posting
    }

    /// What stands for a posting longer than its number does.
    pub(super) fn handle(&self, number: PostingNumber) -> PostingHandle {
        PostingHandle { number, generation: self.places[number as usize].generation }
    }

    /// Whether there is still the posting that a handle was made for.
    pub(super) fn is_current(&self, handle: PostingHandle) -> bool {
        self.places[handle.number as usize].generation == handle.generation
    }
}
