//! What changed at one moment, for one session: told at once, each change once, in the fewest words (RFC 8765 §6.3).
//!
//! The caller gathers changes as it meets them and then writes messages; what is left of a name after a removal it is
//! asked for, for only who keeps the records knows.

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::push_tlv::{ChangeKind, PushWriter};
use wayhouse_wire::dns::{Class, Compressor, DsoWriter, Name, NameRef, Rtype};

/// What was removed with a name's last record, or a type's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Other records of the same name, type and class.
    OfRrset,
    /// None of that type, but others of the name and class.
    OfName,
    /// None of the class, but others of the name.
    OfOtherClasses,
    /// Nothing.
    Nothing,
}

/// The changes of one moment.
#[derive(Debug, Default)]
pub struct Gathered {
    /// In the order of their coming; what became superfluous is `None`.
    changes: Vec<Option<Gathering>>,
    /// The data of all of them.
    rdata: Vec<u8>,
}

#[derive(Debug)]
struct Gathering {
    kind: ChangeKind,
    name: Name,
    rtype: Rtype,
    class: Class,
    /// Where its data stands.
    at: usize,
    octets: usize,
}

/// A change was not taken: the caller sends what it has and starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many changes at once")]
pub struct TooMany;

impl Gathered {
    /// Takes note that a record is there. What was noted of the same record before is superfluous.
    ///
    /// # Errors
    /// [`TooMany`] when there are `most` already.
    pub fn add(
        &mut self,
        name: NameRef<'_>,
        rtype: Rtype,
        class: Class,
        ttl_s: u32,
        rdata: &[u8],
        most: usize,
    ) -> Result<(), TooMany> {
        self.note(ChangeKind::Add { ttl_s }, name, rtype, class, rdata, most)
    }
    /// Takes note that a record is gone.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn remove(
        &mut self,
        name: NameRef<'_>,
        rtype: Rtype,
        class: Class,
        rdata: &[u8],
        most: usize,
    ) -> Result<(), TooMany> {
        self.note(ChangeKind::RemoveOne, name, rtype, class, rdata, most)
    }
    fn note(
        &mut self,
        kind: ChangeKind,
        name: NameRef<'_>,
        rtype: Rtype,
        class: Class,
        rdata: &[u8],
        most: usize,
    ) -> Result<(), TooMany> {
        // PU21: the last word about a record is the one that is told.
        for slot in &mut self.changes {
            let is_same = slot.as_ref().is_some_and(|old| {
                old.rtype == rtype
                    && old.class == class
                    && self.rdata[old.at..old.at + old.octets] == *rdata
                    && old.name == name
            });
            if is_same {
                *slot = None;
            }
        }
        if self.changes.len() >= most {
            return Err(TooMany);
        }
        let at = self.rdata.len();
        self.rdata.extend_from_slice(rdata);
        self.changes.push(Some(Gathering { kind, name: name.to_name(), rtype, class, at, octets: rdata.len() }));
        Ok(())
    }
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(Option::is_none)
    }

    /// Makes collective removals of what can be told so (PU22): `left` tells what remains of a name, type and class after
    /// all that was gathered. Removals that are then included go.
    pub fn condense(&mut self, dialect: PushDialect, left: impl Fn(NameRef<'_>, Rtype, Class) -> Left) {
        for index in 0..self.changes.len() {
            let Some(change) = self.changes[index].as_ref().filter(|change| change.kind == ChangeKind::RemoveOne)
            else {
                continue;
            };
            let (name, rtype, class) = (change.name.clone(), change.rtype, change.class);
            let kind = match left(name.as_ref(), rtype, class) {
                Left::OfRrset => continue,
                Left::OfName => ChangeKind::RemoveRrset,
                // The drafts can remove a name in all classes only.
                Left::OfOtherClasses if dialect != PushDialect::Rfc8765 => ChangeKind::RemoveRrset,
                Left::OfOtherClasses => ChangeKind::RemoveName,
                Left::Nothing => ChangeKind::RemoveEverything,
            };
            let covers = |other: &Gathering| {
                other.name == name
                    && match kind {
                        ChangeKind::RemoveRrset => other.rtype == rtype && other.class == class,
                        ChangeKind::RemoveName => other.class == class,
                        _ => true,
                    }
            };
            // A collective removal that comes first must not take what is added: then nothing is left out.
            let is_contradicted = self
                .changes
                .iter()
                .flatten()
                .any(|other| matches!(other.kind, ChangeKind::Add { .. }) && covers(other));
            if is_contradicted {
                continue;
            }
            for (other_index, slot) in self.changes.iter_mut().enumerate() {
                if other_index != index && slot.as_ref().is_some_and(covers) {
                    *slot = None;
                }
            }
            let change = self.changes[index].as_mut().expect("looked at above");
            // One record alone may be named as well as its set: the set is shorter.
            (change.kind, change.octets) = (kind, 0);
        }
    }

    /// Writes the next message's PUSH: as many changes as fit (PU23, PU24), which are then forgotten. `false` when there is
    /// nothing to tell; then no message is to be sent.
    pub fn write(&mut self, writer: &mut DsoWriter<'_>, dialect: PushDialect, compressor: &mut Compressor) -> bool {
        if self.is_empty() {
            self.clear();
            return false;
        }
        let mut push = PushWriter::begin(writer, dialect, Some(compressor));
        for slot in &mut self.changes {
            let Some(change) = slot else { continue };
            let rdata = &self.rdata[change.at..change.at + change.octets];
            let is_full = push.change(change.kind, change.name.as_ref(), change.rtype, change.class, rdata).is_err();
            // A record that not even an empty message can hold is not told at all.
            if is_full && !push.is_empty() {
                push.finish();
                return true;
            }
            *slot = None;
        }
        let is_written = !push.is_empty();
        push.finish();
        self.clear();
        is_written
    }
    fn clear(&mut self) {
        self.changes.clear();
        self.rdata.clear();
    }
}

#[cfg(test)]
mod tests;
