//! Posting lists: the entries that one question finds, in the order of results, with counts to skip by.
//!
//! A member is an entry's slot and the number of its links that a resource lookup shows for the question. Members
//! stand in chunks of a few hundred, each with its sums, so that a page deep inside a list of a million is found by
//! adding up some thousand sums, and a member is entered or removed by moving at most one chunk's octets.

#[cfg(test)]
mod tests;

/// Members of a chunk at most: 3 kB. Larger chunks make changes dearer, smaller ones deep pages.
const CHUNK_MEMBERS: usize = 512;

/// One member: the slot of an entry, and how many of its links match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    pub(crate) links: u16,
}

/// A posting list. Most have a single member, which costs nothing beside the list itself.
#[derive(Debug, Default)]
pub(crate) enum Posting {
    #[default]
    Empty,
    One(Member),
    Many(Box<Chunks>),
}

/// The members of a longer list.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// In ascending order of slots, none empty.
    chunks: Vec<Chunk>,
    members: usize,
    links: u64,
}

/// Some neighbouring members, slots ascending.
#[derive(Debug)]
struct Chunk {
    /// `slots[0]`, kept here so that a search over chunks stays within their array.
    first: u32,
    /// Sum of `links`.
    link_sum: u32,
    slots: Vec<u32>,
    links: Vec<u16>,
}

impl Chunk {
    fn with_capacity(capacity: usize) -> Chunk {
        Chunk { first: 0, link_sum: 0, slots: Vec::with_capacity(capacity), links: Vec::with_capacity(capacity) }
    }

    fn insert(&mut self, at: usize, member: Member) {
        self.slots.insert(at, member.slot);
        self.links.insert(at, member.links);
        self.link_sum += u32::from(member.links);
        self.first = self.slots[0];
    }

    fn split_off(&mut self, at: usize) -> Chunk {
        let slots = self.slots.split_off(at);
        let links = self.links.split_off(at);
        let link_sum = links.iter().map(|&count| u32::from(count)).sum();
        self.link_sum -= link_sum;
        Chunk { first: slots[0], link_sum, slots, links }
    }
}

impl Chunks {
    fn new() -> Chunks {
        Chunks { chunks: Vec::new(), members: 0, links: 0 }
    }

    /// The chunk in which a slot stands or would stand.
    fn chunk_of(&self, slot: u32) -> usize {
        // Further slots mostly come last.
        if self.chunks.last().is_none_or(|last| last.first <= slot) {
            return self.chunks.len().saturating_sub(1);
        }
        self.chunks.partition_point(|chunk| chunk.first <= slot).saturating_sub(1)
    }

    fn insert(&mut self, member: Member) {
        self.members += 1;
        self.links += u64::from(member.links);
        let mut index = self.chunk_of(member.slot);
        let is_last = index + 1 >= self.chunks.len();
        match self.chunks.get_mut(index) {
            None => self.chunks.push(Chunk::with_capacity(4)),
            Some(chunk) if chunk.slots.len() < CHUNK_MEMBERS => {}
            // Slots are mostly taken in ascending order: full chunks then stay full.
            Some(chunk) if is_last && chunk.slots[CHUNK_MEMBERS - 1] < member.slot => {
                self.chunks.push(Chunk::with_capacity(CHUNK_MEMBERS / 8));
                index += 1;
            }
            Some(chunk) => {
                let upper = chunk.split_off(CHUNK_MEMBERS / 2);
                let goes_up = upper.first < member.slot;
                self.chunks.insert(index + 1, upper);
                index += usize::from(goes_up);
            }
        }
        let chunk = &mut self.chunks[index];
        let at = match chunk.slots.last() {
            Some(&last) if last < member.slot => chunk.slots.len(),
            _ => chunk.slots.partition_point(|&slot| slot < member.slot),
        };
        debug_assert!(chunk.slots.get(at) != Some(&member.slot), "a slot is entered once");
        chunk.insert(at, member);
    }

    fn position(&self, slot: u32) -> Option<(usize, usize)> {
        let index = self.chunk_of(slot);
        let offset = self.chunks.get(index)?.slots.binary_search(&slot).ok()?;
        Some((index, offset))
    }

    fn remove(&mut self, slot: u32) {
        let Some((index, offset)) = self.position(slot) else {
            debug_assert!(false, "only members are removed");
            return;
        };
        let chunk = &mut self.chunks[index];
        chunk.slots.remove(offset);
        let links = chunk.links.remove(offset);
        chunk.link_sum -= u32::from(links);
        self.members -= 1;
        self.links -= u64::from(links);
        match chunk.slots.first() {
            None => {
                self.chunks.remove(index);
            }
            Some(&first) => {
                chunk.first = first;
                self.merge(index);
                self.merge(index.saturating_sub(1));
            }
        }
    }

    /// Joins a chunk with the next one when together they are small, so that there are never many nearly empty ones.
    fn merge(&mut self, index: usize) {
        let members = |at: usize| self.chunks.get(at).map_or(CHUNK_MEMBERS, |chunk| chunk.slots.len());
        if members(index) + members(index + 1) <= CHUNK_MEMBERS / 4 {
            let upper = self.chunks.remove(index + 1);
            let lower = &mut self.chunks[index];
            lower.slots.extend_from_slice(&upper.slots);
            lower.links.extend_from_slice(&upper.links);
            lower.link_sum += upper.link_sum;
        }
    }

    fn member(&self, chunk: usize, offset: usize) -> Option<Member> {
        let chunk = self.chunks.get(chunk)?;
        Some(Member { slot: *chunk.slots.get(offset)?, links: chunk.links[offset] })
    }
}

impl Posting {
    /// Enters a member whose slot is not in the list.
    pub(crate) fn insert(&mut self, member: Member) {
        match self {
            Posting::Empty => *self = Posting::One(member),
            Posting::One(first) => {
                let mut chunks = Box::new(Chunks::new());
                chunks.insert(*first);
                chunks.insert(member);
                *self = Posting::Many(chunks);
            }
            Posting::Many(chunks) => chunks.insert(member),
        }
    }

    /// Removes the member of a slot.
    pub(crate) fn remove(&mut self, slot: u32) {
        match self {
            Posting::Empty => debug_assert!(false, "only members are removed"),
            Posting::One(member) => {
                debug_assert_eq!(member.slot, slot, "only members are removed");
                *self = Posting::Empty;
            }
            Posting::Many(chunks) => {
                chunks.remove(slot);
                if chunks.members == 1
                    && let Some(last) = chunks.member(0, 0)
                {
                    *self = Posting::One(last);
                }
            }
        }
    }

    /// Changes how many links of a member match.
    pub(crate) fn set_links(&mut self, member: Member) {
        match self {
            Posting::Empty => debug_assert!(false, "only members change"),
            Posting::One(one) => *one = member,
            Posting::Many(chunks) => {
                let Some((index, offset)) = chunks.position(member.slot) else {
                    debug_assert!(false, "only members change");
                    return;
                };
                let chunk = &mut chunks.chunks[index];
                let before = std::mem::replace(&mut chunk.links[offset], member.links);
                chunk.link_sum = chunk.link_sum - u32::from(before) + u32::from(member.links);
                chunks.links = chunks.links - u64::from(before) + u64::from(member.links);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Posting::Empty)
    }

    /// How many members.
    pub(crate) fn len(&self) -> usize {
        match self {
            Posting::Empty => 0,
            Posting::One(_) => 1,
            Posting::Many(chunks) => chunks.members,
        }
    }

    /// How many links match, over all members.
    pub(crate) fn link_sum(&self) -> u64 {
        match self {
            Posting::Empty => 0,
            Posting::One(member) => u64::from(member.links),
            Posting::Many(chunks) => chunks.links,
        }
    }

    /// Whether a slot is a member.
    pub(crate) fn contains(&self, slot: u32) -> bool {
        match self {
            Posting::Empty => false,
            Posting::One(member) => member.slot == slot,
            Posting::Many(chunks) => chunks.position(slot).is_some(),
        }
    }

    /// A place at the first member.
    pub(crate) fn start(&self) -> PostingCursor<'_> {
        PostingCursor { posting: self, chunk: 0, offset: 0 }
    }

    /// The place behind `skipped` members.
    pub(crate) fn at_member(&self, skipped: u64) -> PostingCursor<'_> {
        let mut cursor = self.start();
        let mut rest = skipped;
        if let Posting::Many(chunks) = self {
            for chunk in &chunks.chunks {
                let members = chunk.slots.len() as u64;
                if rest < members {
                    break;
                }
                rest -= members;
                cursor.chunk += 1;
            }
        }
        // Beyond the end there is no chunk, and the offset does not matter.
        cursor.offset = usize::try_from(rest).unwrap_or(usize::MAX);
        cursor
    }

    /// The place of the member with the link behind `skipped` links, and how many of its own links come before that.
    pub(crate) fn at_link(&self, skipped: u64) -> (PostingCursor<'_>, u64) {
        let mut cursor = self.start();
        let mut rest = skipped;
        if let Posting::Many(chunks) = self {
            for chunk in &chunks.chunks {
                if rest < u64::from(chunk.link_sum) {
                    break;
                }
                rest -= u64::from(chunk.link_sum);
                cursor.chunk += 1;
            }
        }
        while let Some(member) = cursor.current() {
            if rest < u64::from(member.links) {
                break;
            }
            rest -= u64::from(member.links);
            cursor.advance();
        }
        (cursor, rest)
    }
}

/// A place in a posting list that moves forward.
#[derive(Debug, Clone)]
pub(crate) struct PostingCursor<'a> {
    posting: &'a Posting,
    chunk: usize,
    offset: usize,
}

impl PostingCursor<'_> {
    /// The member here; `None` at the end.
    pub(crate) fn current(&self) -> Option<Member> {
        match self.posting {
            Posting::Empty => None,
            Posting::One(member) => (self.offset == 0).then_some(*member),
            Posting::Many(chunks) => chunks.member(self.chunk, self.offset),
        }
    }

    pub(crate) fn advance(&mut self) {
        self.offset += 1;
        if let Posting::Many(chunks) = self.posting
            && chunks.chunks.get(self.chunk).is_some_and(|chunk| self.offset >= chunk.slots.len())
        {
            self.chunk += 1;
            self.offset = 0;
        }
    }

    /// Moves to the first member whose slot is `slot` or above; never back.
    pub(crate) fn seek(&mut self, slot: u32) {
        match self.posting {
            Posting::Empty => {}
            Posting::One(member) => self.offset = usize::from(self.offset > 0 || member.slot < slot),
            Posting::Many(chunks) => {
                // Mostly the place wanted is close: gallop to it.
                let rest = chunks.chunks.get(self.chunk..).unwrap_or_default();
                let ahead = gallop(rest, |chunk| chunk.first <= slot).saturating_sub(1);
                if ahead > 0 {
                    self.chunk += ahead;
                    self.offset = 0;
                }
                if let Some(chunk) = chunks.chunks.get(self.chunk) {
                    self.offset += gallop(&chunk.slots[self.offset..], |&other| other < slot);
                    if self.offset == chunk.slots.len() {
                        self.chunk += 1;
                        self.offset = 0;
                    }
                }
            }
        }
    }
}

/// As `partition_point`, at the cost of the logarithm of the answer rather than of the length.
pub(crate) fn gallop<T>(items: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while items.get(step - 1).is_some_and(&is_before) {
        step *= 2;
    }
    let known = step / 2;
    let end = items.len().min(step);
    known + items[known..end].partition_point(is_before)
}
