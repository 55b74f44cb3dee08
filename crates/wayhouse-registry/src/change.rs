//! The numbered log of changes, read through cursors.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Lease, Registrant};

#[cfg(test)]
mod tests;

/// The number of a change: strictly increasing, never reused within the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChangeNumber(pub u64);

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It is new, or was revived after it had expired.
    Added,
    /// Its content changed, perhaps also its lease.
    Changed,
    /// Only its lease was renewed, perhaps from another source address: nothing that a lookup shows is different.
    Refreshed,
    /// It was removed on request while its lease ran.
    Withdrawn,
    /// Its lease ran out: lookups no longer show it; it can be revived for a while.
    Expired,
    /// An expired entry was forgotten.
    Collected,
}

/// One change. Holds the values before and after, so that a reader can tell what it means for its own questions.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its number.
    pub number: ChangeNumber,
    /// What happened.
    pub kind: ChangeKind,
    /// The value before, when there was one (`Changed`, `Refreshed`, `Withdrawn`, `Expired`, `Collected`). For
    /// `Collected` it is what lookups showed until `Expired`.
    pub before: Option<Arc<Registrant>>,
    /// The visible value after, when there is one (`Added`, `Changed`, `Refreshed`).
    pub after: Option<Arc<Registrant>>,
    /// The lease after; for removals the last lease.
    pub lease: Lease,
}

/// A reader's place in the log. The log keeps a change until every open cursor has passed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor(pub(crate) usize);

/// Where a cursor stands.
#[derive(Debug)]
struct Reader {
    /// Position of the next change to read, counted from the first change ever logged.
    position: u64,
    has_lagged: bool,
}

/// The log: what at least one open cursor has not read.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    last: ChangeNumber,
    unread: VecDeque<Change>,
    /// Position of the first of `unread`.
    first_position: u64,
    readers: Vec<Option<Reader>>,
    changes_max: usize,
}

impl ChangeLog {
    pub(crate) fn new(changes_max: usize) -> ChangeLog {
        let last = ChangeNumber::default();
        ChangeLog { last, unread: VecDeque::new(), first_position: 0, readers: Vec::new(), changes_max }
    }

    pub(crate) fn last(&self) -> ChangeNumber {
        self.last
    }

    pub(crate) fn continue_after(&mut self, number: ChangeNumber) {
        self.last = self.last.max(number);
    }

    /// Numbers a change, and keeps it when somebody reads.
    pub(crate) fn append(
        &mut self,
        kind: ChangeKind,
        before: Option<&Arc<Registrant>>,
        after: Option<&Arc<Registrant>>,
        lease: Lease,
    ) -> ChangeNumber {
        self.last.0 += 1;
        let number = self.last;
        if self.readers.iter().any(Option::is_some) {
            self.unread.push_back(Change { number, kind, before: before.cloned(), after: after.cloned(), lease });
            while self.unread.len() > self.changes_max {
                self.drop_first();
            }
        }
        number
    }

    /// Drops the oldest change although somebody has not read it.
    fn drop_first(&mut self) {
        self.unread.pop_front();
        self.first_position += 1;
        for reader in self.readers.iter_mut().flatten() {
            if reader.position < self.first_position {
                reader.position = self.first_position;
                reader.has_lagged = true;
            }
        }
    }

    fn end(&self) -> u64 {
        self.first_position + self.unread.len() as u64
    }

    pub(crate) fn open(&mut self) -> Cursor {
        let reader = Some(Reader { position: self.end(), has_lagged: false });
        match self.readers.iter().position(Option::is_none) {
            Some(free) => {
                self.readers[free] = reader;
                Cursor(free)
            }
            None => {
                self.readers.push(reader);
                Cursor(self.readers.len() - 1)
            }
        }
    }

    pub(crate) fn close(&mut self, cursor: Cursor) {
        if let Some(reader) = self.readers.get_mut(cursor.0) {
            *reader = None;
        }
        self.trim();
    }

    fn reader(&mut self, cursor: Cursor) -> Option<&mut Reader> {
        self.readers.get_mut(cursor.0)?.as_mut()
    }

    pub(crate) fn next(&mut self, cursor: Cursor) -> Option<Change> {
        let (first, end) = (self.first_position, self.end());
        let reader = self.reader(cursor)?;
        if reader.position == end {
            return None;
        }
        let index = (reader.position - first) as usize;
        reader.position += 1;
        if index > 0 {
            return Some(self.unread[index].clone());
        }
        let change = self.unread[0].clone();
        self.trim();
        Some(change)
    }

    pub(crate) fn take_lag(&mut self, cursor: Cursor) -> bool {
        self.reader(cursor).is_some_and(|reader| std::mem::take(&mut reader.has_lagged))
    }

    pub(crate) fn has_unread(&self) -> bool {
        let end = self.end();
        self.readers.iter().flatten().any(|reader| reader.position < end)
    }

    /// Forgets what every reader has passed.
    fn trim(&mut self) {
        let needed = self.readers.iter().flatten().map(|reader| reader.position).min().unwrap_or(self.end());
        while self.first_position < needed {
            self.unread.pop_front();
            self.first_position += 1;
        }
    }
}
