//! The order in which slots of a slab were last used: a doubly linked list of indices, all steps in constant time.

const NONE: u32 = u32::MAX;

/// Slots from the one used longest ago to the one used last.
#[derive(Debug)]
pub(super) struct Recency {
    links: Vec<Link>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
}

impl Recency {
    /// No slots.
    pub(super) const fn new() -> Recency {
        Recency { links: Vec::new(), oldest: NONE, newest: NONE }
    }
    /// The slot used longest ago.
    pub(super) fn oldest(&self) -> Option<usize> {
        (self.oldest != NONE).then_some(self.oldest as usize)
    }
    /// Adds a slot that is not in the list, as the one used last.
    pub(super) fn insert(&mut self, slot: usize) {
        if self.links.len() <= slot {
            self.links.resize(slot + 1, Link { older: NONE, newer: NONE });
        }
        self.links[slot] = Link { older: self.newest, newer: NONE };
        match self.newest {
            NONE => self.oldest = slot as u32,
            newest => self.links[newest as usize].newer = slot as u32,
        }
        self.newest = slot as u32;
    }
    /// Takes a slot out that is in the list.
    pub(super) fn remove(&mut self, slot: usize) {
        let Link { older, newer } = self.links[slot];
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
    }
    /// Makes a slot that is in the list the one used last.
    pub(super) fn touch(&mut self, slot: usize) {
        if self.newest != slot as u32 {
            self.remove(slot);
            self.insert(slot);
        }
    }
}

#[cfg(test)]
mod tests;
