//! Slots: where entries stand, in the order in which lookups show them (RD36), and the tables that find them.
//!
//! A slot keeps its entry until that is forgotten; then the next entry takes it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::lease::{Moment, later};
use crate::{ChangeNumber, Registrant};

#[cfg(test)]
mod tests;

/// What is kept about an entry beside its registrant.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) registrant: Arc<Registrant>,
    pub(crate) renewed: Moment,
    /// Where the slot stands in the order of leases, or of collection when expired. At or before the end of the lease.
    pub(crate) turn: Moment,
    pub(crate) change: ChangeNumber,
    pub(crate) lifetime_s: u32,
    /// How many links there are, when active.
    pub(crate) links: u16,
    pub(crate) is_active: bool,
    /// Whether the index of its link scope has it. Active entries that it has not yet stand in `Registry::unindexed`.
    pub(crate) is_indexed: bool,
}

impl Slot {
    /// When the lease ends.
    pub(crate) fn end(&self) -> Moment {
        later(self.renewed, self.lifetime_s)
    }
}

/// All slots.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

impl Slots {
    /// How many are taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes the slot that became free last, or else a further one.
    pub(crate) fn insert(&mut self, slot: Slot) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                u32::try_from(self.slots.len() - 1).expect("the number of entries is bounded below 2^32")
            }
        }
    }

    /// What is in a slot, perhaps nothing any more.
    pub(crate) fn get(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(crate) fn remove(&mut self, index: u32) -> Slot {
        let slot = self.slots[index as usize].take().expect("a slot number stands for an entry");
        self.free.push(index);
        slot
    }
}

impl std::ops::Index<u32> for Slots {
    type Output = Slot;
    fn index(&self, index: u32) -> &Slot {
        self.slots[index as usize].as_ref().expect("a slot number stands for an entry")
    }
}

impl std::ops::IndexMut<u32> for Slots {
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        self.slots[index as usize].as_mut().expect("a slot number stands for an entry")
    }
}

/// Keyed hashing: peers choose names, so they must not be able to foresee what collides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashKey(u64);

impl HashKey {
    pub(crate) fn new(seed: u64) -> HashKey {
        HashKey(seed)
    }

    /// The hash of a value. SipHash whose first input is the key: its state behind that is as secret as the key.
    pub(crate) fn hash(self, value: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

/// Parts of a [`SlotTable`]. A part grows by itself, so that no single insertion moves more than a 64th of all.
const PARTS: usize = 64;

/// A hash table of slots, eight octets each: half of the hash stands beside the slot, so that neither growing nor most
/// of searching touches the entries.
#[derive(Debug)]
pub(crate) struct SlotTable {
    parts: Box<[HashTable<Place>]>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    half_hash: u32,
    slot: u32,
}

impl Place {
    /// The half hash on both ends of a hash: tables take the position from one end and a tag from the other.
    fn spread(half_hash: u32) -> u64 {
        u64::from(half_hash) << 32 | u64::from(half_hash)
    }
}

impl SlotTable {
    pub(crate) fn new() -> SlotTable {
        SlotTable { parts: (0..PARTS).map(|_| HashTable::new()).collect() }
    }

    fn part(hash: u64) -> usize {
        hash as usize % PARTS
    }

    fn half(hash: u64) -> u32 {
        (hash >> 32) as u32
    }

    /// The slot with this hash for which `is_wanted` holds.
    pub(crate) fn find(&self, hash: u64, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let half_hash = SlotTable::half(hash);
        self.parts[SlotTable::part(hash)]
            .find(Place::spread(half_hash), |place| place.half_hash == half_hash && is_wanted(place.slot))
            .map(|place| place.slot)
    }

    /// Enters a slot that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        let place = Place { half_hash: SlotTable::half(hash), slot };
        self.parts[SlotTable::part(hash)]
            .insert_unique(Place::spread(place.half_hash), place, |other| Place::spread(other.half_hash));
    }

    /// Removes a slot that was entered with this hash.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let half_hash = SlotTable::half(hash);
        match self.parts[SlotTable::part(hash)].find_entry(Place::spread(half_hash), |place| place.slot == slot) {
            Ok(place) => {
                place.remove();
            }
            Err(_) => debug_assert!(false, "only entered slots are removed"),
        }
    }
}
