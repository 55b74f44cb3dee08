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
//! A link that two entries had, octet for octet, is mostly not read again when a third one comes with it: `familiar.rs` knows
//! the postings that it leads to. Removing and replacing read all links.
//!
//! There is one index per link scope (RD5): what a question may see is decided by choosing indexes, not by filtering.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use wayhouse_wire::coap::link_format::LinkFormat;

use crate::entry::Registrant;
use crate::posting_list::{Member, Posting};

mod familiar;
mod key;
mod plan;
mod postings;
mod terms;

use familiar::FamiliarLinks;
use key::Key;
pub(crate) use plan::{Candidates, CandidatesCursor, Plan, Question};
use postings::{PostingNumber, Postings};
use terms::{Facet, Reader, Room, Term, terms_of};
pub(crate) use terms::{Field, count_terms};

/// The postings of one name.
#[derive(Debug, Default)]
struct NameIndex {
    values: BTreeMap<Key, PostingNumber>,
    /// Entries with some value that is indexed.
    present: Option<PostingNumber>,
    /// Entries with some value that is not.
    unindexed: Option<PostingNumber>,
}

impl NameIndex {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.present.is_none() && self.unindexed.is_none()
    }

    fn value(&self, value: &[u8]) -> Option<PostingNumber> {
        match Key::short(value) {
            Some(key) => self.values.get(&key).copied(),
            None => self.values.get(value).copied(),
        }
    }

    /// The posting of a facet, a new one if need be.
    fn find_or_create(&mut self, facet: &Facet<'_>, postings: &mut Postings) -> PostingNumber {
        let value = match facet {
            Facet::Present => return *self.present.get_or_insert_with(|| postings.create()),
            Facet::Unindexed => return *self.unindexed.get_or_insert_with(|| postings.create()),
            Facet::Value(value) => value.as_bytes(),
        };
        match Key::short(value) {
            Some(key) => *self.values.entry(key).or_insert_with(|| postings.create()),
            // No key is made for a value that has one.
            None => match self.values.get(value) {
                Some(number) => *number,
                None => *self.values.entry(Key::long(value)).or_insert_with(|| postings.create()),
            },
        }
    }

    /// Applies `change` to the posting of a facet, a new one if need be, and forgets it when that leaves it empty.
    fn change(&mut self, facet: &Facet<'_>, postings: &mut Postings, change: impl FnOnce(&mut Posting)) {
        let place = match facet {
            Facet::Present => &mut self.present,
            Facet::Unindexed => &mut self.unindexed,
            Facet::Value(value) => return self.change_value(value.as_bytes(), postings, change),
        };
        let number = *place.get_or_insert_with(|| postings.create());
        if !postings.change(number, change) {
            *place = None;
        }
    }

    fn change_value(&mut self, value: &[u8], postings: &mut Postings, change: impl FnOnce(&mut Posting)) {
        if let Some(key) = Key::short(value) {
            // Most values have one entry and go with it: they are searched once.
            match self.values.entry(key) {
                Entry::Vacant(entry) => {
                    let number = postings.create();
                    entry.insert(number);
                    let stays = postings.change(number, change);
                    debug_assert!(stays, "only who enters comes to a value that nobody has");
                }
                Entry::Occupied(entry) => {
                    if !postings.change(*entry.get(), change) {
                        entry.remove();
                    }
                }
            }
            return;
        }
        let number = match self.values.get(value) {
            Some(number) => *number,
            None => *self.values.entry(Key::long(value)).or_insert_with(|| postings.create()),
        };
        if !postings.change(number, change) {
            self.values.remove(value);
        }
    }
}

/// The postings of one name, to be read.
#[derive(Debug, Clone, Copy)]
struct FieldView<'a> {
    index: &'a NameIndex,
    postings: &'a Postings,
}

impl<'a> FieldView<'a> {
    /// Entries with some value that is indexed.
    fn present(self) -> &'a Posting {
        self.posting(self.index.present)
    }

    /// Entries with some value that is not.
    fn unindexed(self) -> &'a Posting {
        self.posting(self.index.unindexed)
    }

    fn posting(self, number: Option<PostingNumber>) -> &'a Posting {
        static NONE: Posting = Posting::Empty;
        number.map_or(&NONE, |number| self.postings.get(number))
    }

    /// The posting of a value.
    fn value(self, value: &[u8]) -> Option<&'a Posting> {
        self.index.value(value).map(|number| self.postings.get(number))
    }

    /// The values with a prefix in order, and their postings.
    fn range<'p>(self, prefix: &'p [u8]) -> impl Iterator<Item = (&'a [u8], &'a Posting)> + use<'a, 'p> {
        self.index
            .values
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .map(move |(key, &number)| (key.as_octets(), self.postings.get(number)))
            .take_while(move |(value, _)| value.starts_with(prefix))
    }
}

/// The active entries of one link scope.
#[derive(Debug, Default)]
pub(crate) struct Index {
    all: Posting,
    names: Names,
    postings: Postings,
    familiar: FamiliarLinks,
    /// Kept for the next entry, as filling an index is a good part of a registration's work.
    room: Room,
    found: Vec<Found>,
}

/// The postings by field.
#[derive(Debug, Default)]
struct Names {
    /// Of the fields that have a number, by it.
    numbered: [NameIndex; Field::NUMBERED],
    /// Of the others by name, none of them empty.
    named: BTreeMap<Box<str>, NameIndex>,
}

impl Names {
    fn get(&self, field: Field<'_>) -> Option<&NameIndex> {
        match field.number() {
            Ok(number) => Some(&self.numbered[number]),
            Err(name) => self.named.get(name),
        }
    }

    /// The posting of what a term says, a new one if need be.
    fn find_or_create(&mut self, field: Field<'_>, facet: &Facet<'_>, postings: &mut Postings) -> PostingNumber {
        match field.number() {
            Ok(number) => self.numbered[number].find_or_create(facet, postings),
            // No name is copied that is there.
            Err(name) => match self.named.get_mut(name) {
                Some(index) => index.find_or_create(facet, postings),
                None => self.named.entry(name.into()).or_default().find_or_create(facet, postings),
            },
        }
    }

    /// Applies `change` to that posting, and forgets it when that leaves it empty.
    fn change(&mut self, term: &Term<'_>, postings: &mut Postings, change: impl FnOnce(&mut Posting)) {
        match term.field.number() {
            Ok(number) => self.numbered[number].change(&term.facet, postings, change),
            Err(name) => match self.named.get_mut(name) {
                Some(index) => {
                    index.change(&term.facet, postings, change);
                    if index.is_empty() {
                        self.named.remove(name);
                    }
                }
                None => self.named.entry(name.into()).or_default().change(&term.facet, postings, change),
            },
        }
    }
}

/// Something that an entry can be found by; in the order in which what is found alike stands together, the registrant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    by: PostingNumber,
    /// As [`Term::owner`].
    owner: u32,
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
        let mut reader = Reader::new(std::mem::take(&mut self.room));
        let mut found = std::mem::take(&mut self.found);
        reader.registrant(registrant);
        self.note_terms(&mut found, &mut reader);
        let mut links = 0_u32;
        for link in LinkFormat::trusted(&registrant.links).links() {
            links += 1;
            let spot = FamiliarLinks::spot(&link);
            // What may be remembered must not depend on the base.
            let base = if spot.is_some() { "" } else { &*registrant.base };
            if let Some(numbers) = spot.and_then(|spot| self.familiar.find(spot, &link, &self.postings)) {
                found.extend(numbers.map(|by| Found { by, owner: links }));
                continue;
            }
            let start = found.len();
            reader.link(&link, base, links);
            self.note_terms(&mut found, &mut reader);
            if let Some(spot) = spot {
                let numbers = found[start..].iter().map(|found| found.by);
                self.familiar.note(spot, &link, numbers, &self.postings);
            }
        }
        let links = u16::try_from(links).expect("documents with more links are refused");

        found.sort_unstable();
        self.all.insert(Member { slot, links });
        for alike in found.chunk_by(|one, other| one.by == other.by) {
            let matching = match alike[0].owner {
                // RD33: what the registrant matches, all its links match.
                0 => links,
                // A link counts once however often it has the value.
                _ => alike.chunk_by(|one, other| one.owner == other.owner).count() as u16,
            };
            self.postings.get_mut(alike[0].by).insert(Member { slot, links: matching });
        }
        found.clear();
        found.shrink_to(Room::TERMS_MAX);
        self.found = found;
        self.room = reader.into_room();
        links
    }

    /// Takes the terms that were read, and notes the postings of each, new ones if need be.
    fn note_terms(&mut self, found: &mut Vec<Found>, reader: &mut Reader<'_>) {
        for Term { field, facet, owner, .. } in reader.take_terms() {
            found.push(Found { by: self.names.find_or_create(field, &facet, &mut self.postings), owner });
        }
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
        self.names.change(term, &mut self.postings, change);
    }

    /// The values of a field that start so, in order, and who has them; those too long for the index are left out.
    pub(crate) fn values<'a, 'p>(
        &'a self,
        field: Field<'_>,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'a [u8], &'a Posting)> + use<'a, 'p> {
        self.field(field).into_iter().flat_map(|field| field.range(prefix.as_bytes()))
    }

    /// Who has a value of a field that is not too long for the index.
    pub(crate) fn value(&self, field: Field<'_>, value: &str) -> Option<&Posting> {
        self.field(field)?.value(value.as_bytes())
    }

    /// What there is of a field.
    fn field(&self, field: Field<'_>) -> Option<FieldView<'_>> {
        let index = self.names.get(field)?;
        Some(FieldView { index, postings: &self.postings })
    }
}
