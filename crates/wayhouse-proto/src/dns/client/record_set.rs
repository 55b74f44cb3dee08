//! The records that a client knows, each once (PU26).
//!
//! A record that a subscription keeps up to date has no age. When the subscription ends, or the session with it, records
//! begin to age and live as long as their TTL says, unless somebody tells them again: so a lost connection does not make
//! everything disappear.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wayhouse_wire::dns::{Class, Name, NameRef, Rtype, rdata};

use super::{Asked, OwnedRecord};
use crate::dns::limits::ClientLimits;
use crate::io::Wakeup;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It was not known before.
    Added(OwnedRecord),
    /// It is gone.
    Removed(OwnedRecord),
}

/// There are as many records as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many records")]
pub struct Full;

/// Records in the order of their names.
#[derive(Debug)]
pub struct RecordSet {
    table: BTreeMap<Key, Kept>,
    octets: usize,
    limits: ClientLimits,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: Name,
    rtype: Rtype,
    class: Class,
    /// The data with its names in lower case: compression may change the case of names.
    data: Box<[u8]>,
}

#[derive(Debug)]
struct Kept {
    record: OwnedRecord,
    /// When it is forgotten; `None` while somebody would tell us that it is gone.
    until: Option<Instant>,
}

impl Kept {
    fn octets(&self) -> usize {
        2 * (self.record.name.wire().len() + self.record.rdata.len())
    }
}

impl RecordSet {
    /// None yet.
    pub fn new(limits: ClientLimits) -> RecordSet {
        RecordSet { table: BTreeMap::new(), octets: 0, limits }
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.table.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
    /// Octets of names and data, as they count against the bound.
    pub fn octets(&self) -> usize {
        self.octets
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &OwnedRecord> {
        self.table.values().map(|kept| &kept.record)
    }
    /// The records of a name and type, whatever their class.
    pub fn of<'s>(&'s self, name: &Name, rtype: Rtype) -> impl Iterator<Item = &'s OwnedRecord> + use<'s> {
        let first = Key { name: name.clone(), rtype, class: Class::from_int(0), data: Box::default() };
        let (name, rest) = (name.clone(), self.table.range(first..));
        rest.take_while(move |(key, _)| key.name == name && key.rtype == rtype).map(|(_, kept)| &kept.record)
    }

    /// Adds a record, or takes note that it is still there. `until` is when it is forgotten; `None` for one that is kept up
    /// to date. Tells whether it is new.
    ///
    /// # Errors
    /// [`Full`]: it was not added.
    pub fn put(&mut self, record: OwnedRecord, until: Option<Instant>) -> Result<bool, Full> {
        let mut data = Vec::with_capacity(record.rdata.len());
        rdata::append_canonical(record.rtype, &record.rdata, &mut data);
        let key = Key { name: record.name.clone(), rtype: record.rtype, class: record.class, data: data.into() };
        if let Some(kept) = self.table.get_mut(&key) {
            (kept.record.ttl_s, kept.until) = (record.ttl_s, until);
            return Ok(false);
        }
        let kept = Kept { record, until };
        let octets = self.octets + kept.octets();
        if self.table.len() >= self.limits.records_max || octets > self.limits.record_octets_max {
            return Err(Full);
        }
        self.octets = octets;
        self.table.insert(key, kept);
        Ok(true)
    }
    /// Removes what is chosen at a name.
    pub fn remove(
        &mut self,
        name: NameRef<'_>,
        differences: &mut Vec<Difference>,
        mut is_chosen: impl FnMut(&OwnedRecord) -> bool,
    ) {
        let first =
            Key { name: name.to_name(), rtype: Rtype::from_int(0), class: Class::from_int(0), data: Box::default() };
        let at_name = self.table.range(first..).take_while(|(key, _)| key.name == name);
        let chosen: Vec<Key> =
            at_name.filter(|(_, kept)| is_chosen(&kept.record)).map(|(key, _)| key.clone()).collect();
        self.take(chosen, differences);
    }
    /// Makes records age from here on: those that are kept up to date, and chosen.
    pub fn begin_ageing(&mut self, now: Instant, mut is_chosen: impl FnMut(&OwnedRecord) -> bool) {
        for kept in self.table.values_mut().filter(|kept| kept.until.is_none()) {
            if is_chosen(&kept.record) {
                // A TTL of 0 meant: until the subscription ends.
                kept.until = Some(now + Duration::from_secs(u64::from(kept.record.ttl_s)));
            }
        }
    }
    /// Forgets whatever nobody asks for any more.
    pub fn retain(&mut self, differences: &mut Vec<Difference>, mut is_wanted: impl FnMut(&OwnedRecord) -> bool) {
        let unwanted = self.table.iter().filter(|(_, kept)| !is_wanted(&kept.record)).map(|(key, _)| key.clone());
        let unwanted = unwanted.collect();
        self.take(unwanted, differences);
    }
    /// Forgets what is too old.
    pub fn handle_timeout(&mut self, now: Instant, differences: &mut Vec<Difference>) {
        let is_over = |kept: &Kept| kept.until.is_some_and(|until| until <= now);
        let over = self.table.iter().filter(|(_, kept)| is_over(kept)).map(|(key, _)| key.clone()).collect();
        self.take(over, differences);
    }
    /// When the next record is too old.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let at = self.table.values().filter_map(|kept| kept.until).min()?;
        Some(Wakeup { at, why: "record too old" })
    }

    fn take(&mut self, keys: Vec<Key>, differences: &mut Vec<Difference>) {
        for key in keys {
            if let Some(kept) = self.table.remove(&key) {
                self.octets -= kept.octets();
                differences.push(Difference::Removed(kept.record));
            }
        }
    }
}

/// Whether a record belongs to the answer to a question: all types answer ANY, and a CNAME answers every type (PU9, PU11).
pub fn answers(asked: &Asked, record: &OwnedRecord) -> bool {
    let of_type = asked.rtype == record.rtype || asked.rtype == Rtype::ANY || record.rtype == Rtype::CNAME;
    of_type && (asked.class == record.class || asked.class == Class::ANY) && asked.name == record.name
}

#[cfg(test)]
mod tests;
