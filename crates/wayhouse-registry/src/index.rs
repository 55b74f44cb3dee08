//! The index: which entries a criterion can find, without asking the others.
//!
//! For every attribute name there is an ordered map from value to [`Posting`], so that a value is found at once and a
//! prefix is a range of the map. What is answered from it, and what is not:
//!
//! | question | cost |
//! |---|---|
//! | no criterion; `rt=core.rd-ep`, bare `ep=*`, `base=*`, `rt=*`, `href=/*` (all entries match) | the page, anywhere |
//! | one criterion `name=value`, value up to 128 octets: endpoint attributes (`ep d base et` and any other); `rt`, `if`, `sec-gp` and `app-gp` of links | the page, anywhere |
//! | bare `name=*`, any name but `if`, of links too | the page, anywhere |
//! | several such criteria | the shortest of their postings up to the page; deep pages of links also read documents |
//! | `name=prefix*` finding up to 16,384 entries | those entries, for deep pages of links also their documents |
//! | `href=` or `anchor=` with a full URI or a prefix of one, the authority standing in up to 16,384 bases, targets or anchors | those entries and their documents |
//! | `href=` or `provenance=` with the location of an entry | that entry |
//! | prefixes (bare `if=*` too) and authorities that find more than 16,384 entries | walks and reads all entries in order until the page is full |
//! | values over 128 octets | the entries that have such a value for that name |
//! | other link attributes (`title`, `ct`, …) by value | the entries that have the attribute at all |
//! | `href=` or `provenance=` with the beginning of an id | walks all entries |
//!
//! An attribute name that is used both by registrants and, as something other than `rt if ep d base et sec-gp app-gp`, by links, is
//! answered from the union of those who have the value and those who have such a link.
//!
//! Beside attributes it has what [`crate::group`] reads out of entries: the authorities and names of CoAP groups, and who
//! takes part in them. That costs the entries found.
//!
//! There is one index per link scope (RD5): what a question may see is decided by choosing indexes, not by filtering.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use crate::entry::Registrant;
use crate::posting_list::{Member, Posting};

mod key;
mod plan;
mod terms;

use key::Key;
pub(crate) use plan::{Candidates, CandidatesCursor, Plan, Question};
use terms::{Facet, Room, Term, terms_of};
pub(crate) use terms::{Field, count_terms};

/// The postings of one name.
#[derive(Debug, Default)]
struct NameIndex {
    values: BTreeMap<Key, Posting>,
    /// Entries with some value that is indexed.
    present: Posting,
    /// Entries with some value that is not.
    unindexed: Posting,
}

impl NameIndex {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.present.is_empty() && self.unindexed.is_empty()
    }

    /// Applies `change` to the posting of a facet and forgets it when that leaves it empty.
    fn change(&mut self, facet: &Facet<'_>, change: impl FnOnce(&mut Posting)) {
        let value = match facet {
            Facet::Present => return change(&mut self.present),
            Facet::Unindexed => return change(&mut self.unindexed),
            Facet::Value(value) => value.as_bytes(),
        };
        if let Some(key) = Key::short(value) {
            match self.values.entry(key) {
                Entry::Vacant(entry) => change(entry.insert(Posting::default())),
                Entry::Occupied(mut entry) => {
                    change(entry.get_mut());
                    if entry.get().is_empty() {
                        entry.remove();
                    }
                }
            }
            return;
        }
        match self.values.get_mut(value) {
            Some(posting) => {
                change(posting);
                if posting.is_empty() {
                    self.values.remove(value);
                }
            }
            None => change(self.values.entry(Key::long(value)).or_default()),
        }
    }

    /// The posting of a value.
    fn value(&self, value: &[u8]) -> Option<&Posting> {
        match Key::short(value) {
            Some(key) => self.values.get(&key),
            None => self.values.get(value),
        }
    }

    /// The postings of all values with a prefix.
    fn range<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a Posting> {
        self.values
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.as_octets().starts_with(prefix))
            .map(|(_, posting)| posting)
    }
}

/// The active entries of one link scope.
#[derive(Debug, Default)]
pub(crate) struct Index {
    all: Posting,
    /// Of the fields that have a number, by it.
    numbered: [NameIndex; Field::NUMBERED],
    /// Of the others by name, none of them empty.
    named: BTreeMap<Box<str>, NameIndex>,
    room: Room,
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every entry, with all its links.
    pub(crate) fn all(&self) -> &Posting {
        &self.all
    }

    /// Enters an entry; returns how many links it has.
    pub(crate) fn insert(&mut self, slot: u32, registrant: &Registrant) -> u16 {
        let (terms, links) = terms_of(registrant, std::mem::take(&mut self.room));
        self.all.insert(Member { slot, links });
        self.apply(slot, &[], &terms);
        self.room = Room::of(terms);
        links
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, slot: u32, registrant: &Registrant) {
        let (terms, _) = terms_of(registrant, std::mem::take(&mut self.room));
        self.all.remove(slot);
        self.apply(slot, &terms, &[]);
        self.room = Room::of(terms);
    }

    /// Replaces an entry, touching only what differs; returns how many links it has.
    pub(crate) fn replace(&mut self, slot: u32, before: &Registrant, after: &Registrant) -> u16 {
        let (old_terms, old_links) = terms_of(before, Room::default());
        let (terms, links) = terms_of(after, Room::default());
        if links != old_links {
            self.all.set_links(Member { slot, links });
        }
        self.apply(slot, &old_terms, &terms);
        links
    }

    /// Turns the postings of the terms `old` into those of the terms `new`, both in order.
    fn apply(&mut self, slot: u32, old: &[Term<'_>], new: &[Term<'_>]) {
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => (a.field, &a.facet).cmp(&(b.field, &b.facet)),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            match (before, after) {
                (Some(before), None) => self.change(before, |posting| posting.remove(slot)),
                (None, Some(after)) => {
                    self.change(after, |posting| posting.insert(Member { slot, links: after.links }));
                }
                (Some(before), Some(after)) if before.links != after.links => {
                    self.change(after, |posting| posting.set_links(Member { slot, links: after.links }));
                }
                _ => {}
            }
        }
    }

    fn change(&mut self, term: &Term<'_>, change: impl FnOnce(&mut Posting)) {
        let name = match term.field.number() {
            Ok(number) => return self.numbered[number].change(&term.facet, change),
            Err(name) => name,
        };
        match self.named.get_mut(name) {
            Some(index) => {
                index.change(&term.facet, change);
                if index.is_empty() {
                    self.named.remove(name);
                }
            }
            None => self.named.entry(name.into()).or_default().change(&term.facet, change),
        }
    }

    /// The values of a field that start so, in order, and who has them; those too long for the index are left out.
    pub(crate) fn values<'a, 'p>(
        &'a self,
        field: Field<'_>,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'a [u8], &'a Posting)> + use<'a, 'p> {
        let range = self.field(field).map(|index| {
            let from = (Bound::Included(prefix.as_bytes()), Bound::Unbounded);
            index.values.range::<[u8], _>(from).map(|(key, posting)| (key.as_octets(), posting))
        });
        range.into_iter().flatten().take_while(|(key, _)| key.starts_with(prefix.as_bytes()))
    }

    /// Who has a value of a field that is not too long for the index.
    pub(crate) fn value(&self, field: Field<'_>, value: &str) -> Option<&Posting> {
        self.field(field)?.value(value.as_bytes())
    }

    /// What there is of a field.
    fn field(&self, field: Field<'_>) -> Option<&NameIndex> {
        match field.number() {
            Ok(number) => Some(&self.numbered[number]),
            Err(name) => self.named.get(name),
        }
    }
}
