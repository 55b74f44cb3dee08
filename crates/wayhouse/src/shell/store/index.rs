//! Which records count: for every entry, the changes that wrote its last words.
//!
//! What an entry is stands in memory in the registry. Here is only what cleaning needs to tell a record that counts from
//! one that does not: 32 octets an entry.

use std::collections::HashMap;

use wayhouse_registry::EntryId;

use super::record::{Frame, Kind, REFRESH_OCTETS_MAX};

/// Parts of the index. Each grows by itself, so that a commit waits for a 64th of all to be moved at most.
const PARTS: usize = 64;

/// Where the last words about an entry are from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastWords {
    /// The change that wrote the entry; 0 while only a refresh is known.
    pub entry: u64,
    /// The change that renewed the lease since; 0 when none did.
    pub refresh: u64,
    /// Octets of the entry's record.
    octets: u32,
    /// Whether it was handed on while reading back.
    pub is_taken: bool,
}

impl LastWords {
    fn octets(&self) -> u64 {
        u64::from(self.octets) + if self.refresh > 0 { REFRESH_OCTETS_MAX as u64 } else { 0 }
    }
}

/// The last words of all entries.
#[derive(Debug)]
pub struct Index {
    parts: Vec<HashMap<EntryId, LastWords>>,
    octets: u64,
}

impl Index {
    /// An empty index.
    pub fn new() -> Index {
        Index { parts: (0..PARTS).map(|_| HashMap::new()).collect(), octets: 0 }
    }

    fn part(&mut self, id: EntryId) -> &mut HashMap<EntryId, LastWords> {
        &mut self.parts[id.0 as usize % PARTS]
    }

    /// Octets of all records that count, removals aside.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The last words about an entry.
    pub fn get_mut(&mut self, id: EntryId) -> Option<&mut LastWords> {
        self.part(id).get_mut(&id)
    }

    /// Hears a record; records come in the order in which they stand in the journal.
    ///
    /// Cleaning moves records to the end, so that one may be heard twice, and an entry behind its refresh. Nothing but a
    /// copy is ever heard behind what overrules it.
    pub fn hear(&mut self, frame: &Frame<'_>) {
        if frame.kind == Kind::Removal {
            if let Some(gone) = self.part(frame.id).remove(&frame.id) {
                self.octets -= gone.octets();
            }
            return;
        }
        let words = self.part(frame.id).entry(frame.id).or_default();
        let before = words.octets();
        if frame.kind == Kind::Refresh {
            words.refresh = words.refresh.max(if frame.change > words.entry { frame.change } else { 0 });
        } else if frame.change >= words.entry {
            words.entry = frame.change;
            words.octets = frame.octets.len() as u32;
            if words.refresh < frame.change {
                words.refresh = 0;
            }
        }
        let after = words.octets();
        self.octets = self.octets + after - before;
    }

    /// Whether a record counts. A removal in the oldest segment does not: what it overrules stood before it and is gone.
    pub fn counts(&self, frame: &Frame<'_>) -> bool {
        let Some(words) = self.parts[frame.id.0 as usize % PARTS].get(&frame.id) else { return false };
        match frame.kind {
            Kind::Entry => words.entry == frame.change,
            Kind::Refresh => words.refresh == frame.change,
            Kind::Removal => false,
        }
    }

    /// Forgets refreshes of entries that are not there; returns how many there were.
    pub fn forget_orphans(&mut self) -> u64 {
        let mut orphans = 0;
        for part in &mut self.parts {
            part.retain(|_, words| {
                let is_orphan = words.entry == 0;
                if is_orphan {
                    orphans += 1;
                    self.octets -= words.octets();
                }
                !is_orphan
            });
        }
        orphans
    }
}

#[cfg(test)]
mod tests;
