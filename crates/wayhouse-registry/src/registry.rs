//! The only door: register, update, withdraw, expire, look up, follow changes.

//!
//! Where things are: entries stand in `slots`; what an entry can be found by is in `index`, one index per link scope,
//! active entries only, the latest perhaps not yet; `lease` knows whose turn to expire or to be collected is next. An entry's
//! way:
//!
//! ```text
//!              register, restore            lease over              grace over, bound met
//!   (unknown) -------------------> active ------------> expired -----------------------> (unknown)
//!                  register, update | ^                    |  |                             ^
//!                                   +-+ <------------------+  +--- withdraw, evict ---------+
//!                                          register, update
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::change::ChangeLog;
use crate::index::Index;
use crate::lease::{DueOrder, Epoch, Moment, later};
use crate::limits::{BOUNDED_PER_EXPIRY, UNINDEXED_MAX};
use crate::slots::{HashKey, Slot, SlotTable, Slots};
use crate::{Change, ChangeKind, ChangeNumber, Credentials, Cursor, EntryId, Lease, Limits, Refusal, Registrant, View};

mod check;
mod lookup;
mod request;
mod services;

pub use request::{Registration, Update};

#[cfg(test)]
mod tests;

/// The outcome of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The entry.
    pub id: EntryId,
    /// Whether it is new (or revived), as opposed to replaced in place (RD11).
    pub is_new: bool,
    /// The change that must be durable before the answer leaves.
    pub change: ChangeNumber,
}

/// An entry as read back from a store.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The registrant.
    pub registrant: Registrant,
    /// Its lease; one that has run out counts as expired at once.
    pub lease: Lease,
}

/// The registry.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    hash_key: HashKey,
    location_prefix: Box<str>,
    epoch: Epoch,
    slots: Slots,
    /// By sector and name: all entries.
    names: SlotTable,
    /// By id: all entries.
    ids: SlotTable,
    /// By link scope, none of them empty: active entries.
    pub(crate) indexes: BTreeMap<Option<u32>, Index>,
    /// Active entries that no index has yet, in the order of their coming; of those that were indexed or have gone
    /// meanwhile, and of slots that were taken anew, some may stand there as well.
    unindexed: Vec<u32>,
    /// Active entries by the end of their lease.
    leases: DueOrder,
    /// Expired entries by the end of their grace.
    graces: DueOrder,
    /// Text held, of all entries.
    octets: usize,
    /// Text held, of expired entries.
    expired_octets: usize,
    ids_made: u64,
    log: ChangeLog,
    /// What restored entries count as their last change.
    restored_change: ChangeNumber,
}

impl Registry {
    /// An empty registry. `seed` keys its hash tables and generates ids; `location_prefix` is what stands before an id
    /// in the location of an entry (for `href` and `provenance` criteria).
    pub fn new(limits: Limits, seed: u64, location_prefix: &str) -> Registry {
        Registry {
            limits,
            hash_key: HashKey::new(seed),
            location_prefix: location_prefix.into(),
            epoch: Epoch::default(),
            slots: Slots::default(),
            names: SlotTable::new(),
            ids: SlotTable::new(),
            indexes: BTreeMap::new(),
            unindexed: Vec::new(),
            leases: DueOrder::default(),
            graces: DueOrder::default(),
            octets: 0,
            expired_octets: 0,
            ids_made: 0,
            log: ChangeLog::new(limits.changes_max),
            restored_change: ChangeNumber::default(),
        }
    }

    /// Enters a registrant, or replaces the one of the same name and sector under the same id (RD11).
    ///
    /// While an entry is active, its owner stays the one who registered first (RFC 9176 §7.5). The name of an expired
    /// entry is free: its owner revives it, anybody else gets an entry of their own under another id. An entry with
    /// services is changed by registrations with services only, and its name stays its owner's for as long as it is
    /// reserved (SR26).
    ///
    /// # Errors
    /// `NotOwner`, `Invalid` (name rules of RFC 9176 §5), `Full`.
    pub fn register(&mut self, now: Instant, registration: &Registration<'_>) -> Result<Registered, Refusal> {
        registration.check(&self.limits)?;
        let now = self.epoch.moment(now);
        let existing = self.slot_by_name(registration.sector, registration.endpoint_name);
        let Some(slot) = existing else {
            self.make_room(1, registration.octets(), None)?;
            let entered = self.enter(now, registration);
            return Ok(self.end_if_over(now, entered));
        };
        self.expire_if_over(now, slot);
        let Slot { registrant: held, is_active, turn, .. } = &self.slots[slot];
        let is_held = *is_active || held.services.is_some() && *turn > now;
        let (held, is_active) = (held.clone(), *is_active);
        if is_held && held.services.is_some() != registration.services.is_some() {
            return Err(Refusal::NotOwner);
        }
        if !registration.credentials.cover(&held.owner) {
            if is_held {
                return Err(Refusal::NotOwner);
            }
            self.make_room(0, registration.octets().saturating_sub(held.octets()), Some(slot))?;
            self.forget(slot, ChangeKind::Collected);
            let entered = self.enter(now, registration);
            return Ok(self.end_if_over(now, entered));
        }
        // Whoever revives an expired entry is again the first to come, and is the one to remember.
        let owner = if is_active { &held.owner } else { registration.credentials };
        // RD11: the same entry, at the same location.
        let change = if registration.is_content_of(&held) && *owner == held.owner {
            self.renew(now, slot, registration.lifetime_s, registration.source)
        } else {
            self.make_room(0, registration.octets().saturating_sub(held.octets()), Some(slot))?;
            let registrant = registration.to_registrant(held.id, owner.clone());
            self.replace(now, slot, registration.lifetime_s, registrant)
        };
        Ok(self.end_if_over(now, Registered { id: held.id, is_new: !is_active, change }))
    }

    /// Renews the lease and changes what the update names; revives an expired entry (RD25).
    ///
    /// # Errors
    /// `Unknown`, `NotOwner`, `Invalid`, `Full`.
    pub fn update(
        &mut self,
        now: Instant,
        id: EntryId,
        update: &Update<'_>,
        by: &Credentials,
    ) -> Result<ChangeNumber, Refusal> {
        let slot = self.slot_of(id).ok_or(Refusal::Unknown)?;
        let held = self.slots[slot].registrant.clone();
        if !by.cover(&held.owner) {
            return Err(Refusal::NotOwner);
        }
        update.check(&self.limits)?;
        let now = self.epoch.moment(now);
        self.expire_if_over(now, slot);
        // RD21: without a lifetime the last one starts again.
        let lifetime_s = update.lifetime_s.unwrap_or(self.slots[slot].lifetime_s);
        let source = update.source.or(held.source);
        if update.is_content_of(&held) {
            return Ok(self.renew(now, slot, lifetime_s, source));
        }
        let mut registrant = update.apply(&held);
        if registrant == *held {
            return Ok(self.renew(now, slot, lifetime_s, source));
        }
        check::check_content(&registrant, &self.limits)?;
        self.make_room(0, registrant.octets().saturating_sub(held.octets()), Some(slot))?;
        registrant.source = source;
        Ok(self.replace(now, slot, lifetime_s, registrant))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// `Unknown`, `NotOwner`.
    pub fn withdraw(&mut self, now: Instant, id: EntryId, by: &Credentials) -> Result<ChangeNumber, Refusal> {
        let slot = self.slot_of(id).ok_or(Refusal::Unknown)?;
        if !by.cover(&self.slots[slot].registrant.owner) {
            return Err(Refusal::NotOwner);
        }
        self.evict(now, id)
    }

    /// Removes an entry whoever owns it: the operator's right.
    ///
    /// # Errors
    /// `Unknown`.
    pub fn evict(&mut self, now: Instant, id: EntryId) -> Result<ChangeNumber, Refusal> {
        let slot = self.slot_of(id).ok_or(Refusal::Unknown)?;
        let now = self.epoch.moment(now);
        self.expire_if_over(now, slot);
        let kind = if self.slots[slot].is_active { ChangeKind::Withdrawn } else { ChangeKind::Collected };
        Ok(self.forget(slot, kind))
    }

    /// Expires and collects what is due, at most `budget` entries; returns whether more is due already.
    pub fn expire(&mut self, now: Instant, budget: usize) -> bool {
        let now = self.epoch.moment(now);
        for _ in 0..budget {
            if let Some(slot) = self.leases.first_due(now) {
                let entry = &mut self.slots[slot];
                let (turn, end) = (entry.turn, entry.end());
                if turn == end {
                    self.expire_slot(slot);
                    self.bound_expired();
                } else {
                    // Renewed since it took its place. Even if the lease is over again, others may have ended before.
                    entry.turn = end;
                    self.leases.remove(turn, slot);
                    self.leases.insert(end, slot);
                }
            } else if let Some(slot) = self.first_collectable(now) {
                self.forget(slot, ChangeKind::Collected);
            } else {
                return false;
            }
        }
        self.leases.first_due(now).or_else(|| self.first_collectable(now)).is_some()
    }

    /// The expired entry to be collected first: its grace is over, or there are more than may be, as a store may have kept.
    fn first_collectable(&self, now: Moment) -> Option<u32> {
        let (turn, slot) = self.graces.first()?;
        (turn <= now || self.is_beyond_bounds()).then_some(slot)
    }

    /// Whether expired entries are held that should not be.
    fn is_beyond_bounds(&self) -> bool {
        let is_full = self.slots.len() > self.limits.entries_max || self.octets > self.limits.octets_max;
        self.graces.len() > self.limits.expired_max || is_full && self.graces.len() > 0
    }

    /// When to call [`Registry::expire`] next: never later than something is due, sometimes earlier.
    pub fn next_expiry(&self) -> Option<Instant> {
        let first = [self.leases.first(), self.graces.first()].into_iter().flatten().min()?;
        // What is there too much of is due since the beginning.
        Some(self.epoch.instant(if self.is_beyond_bounds() { first.0.min(0) } else { first.0 }))
    }

    /// Puts back what a store kept, without logging a change: of expired entries also more than may be, which
    /// [`Registry::expire`] then collects.
    ///
    /// # Errors
    /// `Invalid` when the record breaks a rule or its name is taken; `Full`.
    pub fn restore(&mut self, now: Instant, restored: Restored) -> Result<(), Refusal> {
        let Restored { registrant, lease } = restored;
        check::check_registrant(&registrant, &self.limits)?;
        if registrant.services.is_none() {
            check::check_lifetime(lease.lifetime_s)?;
        }
        if self.slot_by_name(&registrant.sector, &registrant.endpoint_name).is_some() {
            return Err(Refusal::Invalid { what: "ep", why: "held by another entry" });
        }
        if self.slot_of(registrant.id).is_some() {
            return Err(Refusal::Invalid { what: "id", why: "held by another entry" });
        }
        self.check_room(1, registrant.octets(), None)?;
        let now = self.epoch.moment(now);
        let renewed = self.epoch.moment(lease.renewed);
        let slot = self.insert(renewed, lease.lifetime_s, registrant);
        if self.slots[slot].end() <= now {
            self.rest(slot);
        } else {
            self.activate(slot);
        }
        Ok(())
    }

    /// Continues the numbering of changes behind what a store has seen. For restored entries that number counts as
    /// their last change.
    pub fn continue_after(&mut self, number: ChangeNumber) {
        self.log.continue_after(number);
        self.restored_change = number;
    }

    /// One entry, active or expired.
    pub fn get(&self, id: EntryId) -> Option<View<'_>> {
        self.slot_of(id).map(|slot| self.view(slot))
    }

    /// One entry by name, active or expired.
    pub fn by_name(&self, sector: &str, endpoint_name: &str) -> Option<View<'_>> {
        self.slot_by_name(sector, endpoint_name).map(|slot| self.view(slot))
    }

    /// Active entries.
    pub fn active_count(&self) -> usize {
        self.leases.len()
    }

    /// Octets of text held, expired entries included.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The number of the last change.
    pub fn last_change(&self) -> ChangeNumber {
        self.log.last()
    }

    /// The number of the last change to one entry (RD26).
    pub fn last_change_of(&self, id: EntryId) -> Option<ChangeNumber> {
        self.slot_of(id).map(|slot| self.slots[slot].change.max(self.restored_change))
    }

    /// Opens a reader at the end of the log.
    pub fn open_cursor(&mut self) -> Cursor {
        self.log.open()
    }

    /// Closes a reader: the log keeps nothing for it any more, and its value may stand for a later reader.
    pub fn close_cursor(&mut self, cursor: Cursor) {
        self.log.close(cursor);
    }

    /// The next change behind a cursor, which moves past it.
    pub fn next_change(&mut self, cursor: Cursor) -> Option<Change> {
        self.log.next(cursor)
    }

    /// Whether changes were dropped before this cursor read them, since this was last asked
    /// ([`Limits::changes_max`]). The reader must then compare everything it knows with the registry. A reader that is
    /// let read after each mutation never sees this.
    pub fn take_lag(&mut self, cursor: Cursor) -> bool {
        self.log.take_lag(cursor)
    }

    /// Whether any cursor has changes to read.
    pub fn has_unread(&self) -> bool {
        self.log.has_unread()
    }

    fn slot_of(&self, id: EntryId) -> Option<u32> {
        self.ids.find(self.hash_key.hash(id), |slot| self.slots[slot].registrant.id == id)
    }

    fn slot_by_name(&self, sector: &str, endpoint_name: &str) -> Option<u32> {
        self.names.find(self.hash_key.hash((sector, endpoint_name)), |slot| {
            let registrant = &self.slots[slot].registrant;
            *registrant.endpoint_name == *endpoint_name && *registrant.sector == *sector
        })
    }

    fn lease(&self, slot: u32) -> Lease {
        let Slot { lifetime_s, renewed, .. } = self.slots[slot];
        Lease { lifetime_s, renewed: self.epoch.instant(renewed) }
    }

    pub(crate) fn view(&self, slot: u32) -> View<'_> {
        let Slot { registrant, is_active, .. } = &self.slots[slot];
        View { registrant, lease: self.lease(slot), is_active: *is_active }
    }

    /// A random id that no entry has.
    fn make_id(&mut self) -> EntryId {
        loop {
            self.ids_made += 1;
            let id = EntryId(self.hash_key.hash(("id", self.ids_made)));
            if self.slot_of(id).is_none() {
                return id;
            }
        }
    }

    /// Sees to it that so many more entries and octets fit, collecting expired entries before their time if need be;
    /// `spared` is not one of them. Where a store had kept more than may be, as much is collected as comes: the rest is for
    /// [`Registry::expire`], for all of it at once would be more than readers of changes are let keep.
    fn make_room(&mut self, entries: usize, octets: usize, spared: Option<u32>) -> Result<(), Refusal> {
        self.check_room(entries, octets, spared)?;
        let entries_max = self.entries_max().max(self.slots.len());
        let octets_max = self.limits.octets_max.max(self.octets);
        while (entries > 0 && self.slots.len() + entries > entries_max)
            || (octets > 0 && self.octets + octets > octets_max)
        {
            let Some(oldest) = self.graces.slots().find(|&slot| Some(slot) != spared) else { break };
            self.forget(oldest, ChangeKind::Collected);
        }
        Ok(())
    }

    /// Whether so many more entries and octets would fit, with all expired entries but `spared` collected.
    fn check_room(&self, entries: usize, octets: usize, spared: Option<u32>) -> Result<(), Refusal> {
        let spared_entry = spared.map(|slot| &self.slots[slot]).filter(|entry| !entry.is_active);
        let collectable = self.graces.len() - usize::from(spared_entry.is_some());
        let collectable_octets = self.expired_octets - spared_entry.map_or(0, |entry| entry.registrant.octets());
        if entries > 0 && self.slots.len() - collectable + entries > self.entries_max() {
            return Err(Refusal::Full { bound: "entries_max" });
        }
        if octets > 0 && self.octets - collectable_octets + octets > self.limits.octets_max {
            return Err(Refusal::Full { bound: "octets_max" });
        }
        Ok(())
    }

    fn entries_max(&self) -> usize {
        self.limits.entries_max.min(u32::MAX as usize)
    }

    /// Takes in a registration whose name no entry has.
    fn enter(&mut self, now: Moment, registration: &Registration<'_>) -> Registered {
        let id = self.make_id();
        let registrant = registration.to_registrant(id, registration.credentials.clone());
        let slot = self.insert(now, registration.lifetime_s, registrant);
        self.activate(slot);
        let change = self.log_change(slot, ChangeKind::Added, None);
        Registered { id, is_new: true, change }
    }

    /// Gives a registrant a slot, neither active nor expired yet.
    fn insert(&mut self, renewed: Moment, lifetime_s: u32, registrant: Registrant) -> u32 {
        self.octets += registrant.octets();
        let id_hash = self.hash_key.hash(registrant.id);
        let name_hash = self.hash_key.hash((&*registrant.sector, &*registrant.endpoint_name));
        let slot = self.slots.insert(Slot {
            registrant: Arc::new(registrant),
            renewed,
            turn: 0,
            change: ChangeNumber::default(),
            lifetime_s,
            links: 0,
            is_active: false,
            is_indexed: false,
        });
        self.ids.insert(id_hash, slot);
        self.names.insert(name_hash, slot);
        slot
    }

    /// Makes lookups show an entry that they do not show, and starts its lease.
    fn activate(&mut self, slot: u32) {
        let entry = &mut self.slots[slot];
        entry.is_active = true;
        entry.turn = entry.end();
        self.leases.insert(entry.turn, slot);
        self.unindexed.push(slot);
        if self.unindexed.len() >= UNINDEXED_MAX {
            self.index_some(UNINDEXED_MAX);
        }
    }

    /// Enters at most `budget` of the entries that wait for it into the indexes; whether more wait. Half of what a
    /// registration costs is done here: call it when there is nothing else to do. Lookups call it themselves.
    pub fn index_some(&mut self, budget: usize) -> bool {
        let count = self.unindexed.len().min(budget);
        for slot in self.unindexed.drain(..count) {
            let waits = self.slots.get(slot).is_some_and(|entry| entry.is_active && !entry.is_indexed);
            if waits {
                let entry = &mut self.slots[slot];
                let index = self.indexes.entry(entry.registrant.link_scope).or_default();
                entry.links = index.insert(slot, &entry.registrant);
                entry.is_indexed = true;
            }
        }
        !self.unindexed.is_empty()
    }

    /// Undoes [`Registry::activate`].
    fn deactivate(&mut self, slot: u32) {
        let entry = &mut self.slots[slot];
        entry.is_active = false;
        self.leases.remove(entry.turn, slot);
        if !std::mem::take(&mut entry.is_indexed) {
            return;
        }
        let link_scope = entry.registrant.link_scope;
        if let Some(index) = self.indexes.get_mut(&link_scope) {
            index.remove(slot, &entry.registrant);
            if index.is_empty() {
                self.indexes.remove(&link_scope);
            }
        }
    }

    /// Keeps an inactive entry for revival (RD25).
    fn rest(&mut self, slot: u32) {
        let entry = &mut self.slots[slot];
        entry.turn = match &entry.registrant.services {
            // SR26: the names are the key's until its own lease ends.
            Some(services) => entry.end().max(later(entry.renewed, services.reserved_s())),
            None => later(entry.end(), self.limits.grace_s),
        };
        self.graces.insert(entry.turn, slot);
        self.expired_octets += entry.registrant.octets();
    }

    /// Collects the oldest of too many expired entries, but not more at once than readers of changes can bear.
    fn bound_expired(&mut self) {
        for _ in 0..BOUNDED_PER_EXPIRY {
            match self.graces.first() {
                Some((_, oldest)) if self.graces.len() > self.limits.expired_max => {
                    self.forget(oldest, ChangeKind::Collected);
                }
                _ => return,
            }
        }
    }

    /// Undoes [`Registry::rest`].
    fn wake(&mut self, slot: u32) {
        self.graces.remove(self.slots[slot].turn, slot);
        self.expired_octets -= self.slots[slot].registrant.octets();
    }

    fn expire_slot(&mut self, slot: u32) {
        self.deactivate(slot);
        let before = self.slots[slot].registrant.clone();
        self.log_change(slot, ChangeKind::Expired, Some(&before));
        self.rest(slot);
    }

    /// Expires an entry whose turn has not come, so that late work changes no outcome. The bound on expired entries
    /// is left to the next turn: the caller is about to revive or forget this one.
    fn expire_if_over(&mut self, now: Moment, slot: u32) {
        if self.slots[slot].is_active && self.slots[slot].end() <= now {
            self.expire_slot(slot);
        }
    }

    /// Removes an entry altogether.
    fn forget(&mut self, slot: u32, kind: ChangeKind) -> ChangeNumber {
        let before = self.slots[slot].registrant.clone();
        if self.slots[slot].is_active {
            self.deactivate(slot);
        } else {
            self.wake(slot);
        }
        let number = self.log_change(slot, kind, Some(&before));
        self.octets -= before.octets();
        self.ids.remove(self.hash_key.hash(before.id), slot);
        self.names.remove(self.hash_key.hash((&*before.sector, &*before.endpoint_name)), slot);
        self.slots.remove(slot);
        number
    }

    /// Starts the lease again, for content that is as it was.
    fn renew(&mut self, now: Moment, slot: u32, lifetime_s: u32, source: Option<SocketAddr>) -> ChangeNumber {
        let before = self.slots[slot].registrant.clone();
        if before.source != source {
            self.slots[slot].registrant = Arc::new(Registrant { source, ..(*before).clone() });
        }
        let is_active = self.slots[slot].is_active;
        self.restart(now, slot, lifetime_s);
        if is_active {
            return self.log_change(slot, ChangeKind::Refreshed, Some(&before));
        }
        self.wake(slot);
        self.activate(slot);
        self.log_change(slot, ChangeKind::Added, None)
    }

    /// Starts the lease again, with other content.
    fn replace(&mut self, now: Moment, slot: u32, lifetime_s: u32, registrant: Registrant) -> ChangeNumber {
        let is_active = self.slots[slot].is_active;
        if !is_active {
            self.wake(slot);
        }
        let entry = &mut self.slots[slot];
        let before = std::mem::replace(&mut entry.registrant, Arc::new(registrant));
        self.octets = self.octets - before.octets() + entry.registrant.octets();
        if !is_active {
            self.restart(now, slot, lifetime_s);
            self.activate(slot);
            return self.log_change(slot, ChangeKind::Added, None);
        }
        let link_scope = entry.registrant.link_scope;
        if !entry.is_indexed {
            // It will be indexed as it is then.
        } else if link_scope == before.link_scope {
            let index = self.indexes.entry(link_scope).or_default();
            entry.links = index.replace(slot, &before, &entry.registrant);
        } else {
            let after = std::mem::replace(&mut entry.registrant, before.clone());
            self.deactivate(slot);
            self.slots[slot].registrant = after;
            self.activate(slot);
        }
        self.restart(now, slot, lifetime_s);
        self.log_change(slot, ChangeKind::Changed, Some(&before))
    }

    /// Sets the lease. An active entry keeps its place in the order of leases unless it would be too late there.
    fn restart(&mut self, now: Moment, slot: u32, lifetime_s: u32) {
        let entry = &mut self.slots[slot];
        entry.renewed = now;
        entry.lifetime_s = lifetime_s;
        let end = entry.end();
        if entry.is_active && end < entry.turn {
            self.leases.remove(entry.turn, slot);
            self.leases.insert(end, slot);
            entry.turn = end;
        }
    }

    /// Logs what happened to an entry; `before` as [`Change::before`].
    fn log_change(&mut self, slot: u32, kind: ChangeKind, before: Option<&Arc<Registrant>>) -> ChangeNumber {
        let lease = self.lease(slot);
        let after = &self.slots[slot].registrant;
        let is_shown = matches!(kind, ChangeKind::Added | ChangeKind::Changed | ChangeKind::Refreshed);
        let number = self.log.append(kind, before, is_shown.then_some(after), lease);
        self.slots[slot].change = number;
        number
    }
}

// Kept so that the store's thread may hold entries.
const _: fn() = || {
    fn assert_send<T: Send + Sync>() {}
    assert_send::<Arc<Registrant>>();
};
