//! Plans: for each criterion, the entries worth asking.

use crate::filter::{Criterion, Pattern, REGISTRATION_RESOURCE_TYPE, location_id, uri_origin};
use crate::limits::{GATHERED_MAX, INDEXED_OCTETS_MAX};
use crate::posting_list::{Posting, PostingCursor, gallop};

use super::{Field, FieldView, Index};
use crate::entry::EntryId;

/// What the index says to a criterion.
#[derive(Debug)]
pub(crate) enum Plan<'a> {
    /// Every registrant matches.
    Everyone,
    /// Nothing matches.
    Nobody,
    /// At most these match.
    Among(Candidates<'a>),
    /// The index does not know.
    Unknown,
}

/// Entries in the order of results, among which are all that match a criterion.
#[derive(Debug)]
pub(crate) enum Candidates<'a> {
    /// Exactly these match, and with exactly so many links.
    Exactly(&'a Posting),
    /// The members of either list, to be asked.
    Either(&'a Posting, &'a Posting),
    /// These slots, ascending.
    Slots {
        /// The slots.
        slots: Vec<u32>,
        /// Whether all of them match, though the number of links is not known.
        is_exact: bool,
    },
}

static NONE: Posting = Posting::Empty;

impl<'a> Candidates<'a> {
    /// How many there are at most.
    pub(crate) fn len(&self) -> usize {
        match self {
            Candidates::Exactly(posting) => posting.len(),
            Candidates::Either(one, other) => one.len() + other.len(),
            Candidates::Slots { slots, .. } => slots.len(),
        }
    }

    /// Whether every one of them matches in an endpoint lookup.
    pub(crate) fn is_exact(&self) -> bool {
        match self {
            Candidates::Exactly(_) => true,
            Candidates::Either(..) => false,
            Candidates::Slots { is_exact, .. } => *is_exact,
        }
    }

    /// A place at the first.
    pub(crate) fn start(&self) -> CandidatesCursor<'_> {
        match self {
            Candidates::Exactly(posting) => CandidatesCursor::Posting(posting.start()),
            Candidates::Either(one, other) => CandidatesCursor::Either(one.start(), other.start()),
            Candidates::Slots { slots, .. } => CandidatesCursor::Slots(slots),
        }
    }
}

/// A place among candidates that moves forward.
#[derive(Debug)]
pub(crate) enum CandidatesCursor<'a> {
    Posting(PostingCursor<'a>),
    Either(PostingCursor<'a>, PostingCursor<'a>),
    /// What is left.
    Slots(&'a [u32]),
}

impl CandidatesCursor<'_> {
    /// The candidate here; `None` at the end.
    pub(crate) fn current(&self) -> Option<u32> {
        match self {
            CandidatesCursor::Posting(cursor) => cursor.current().map(|member| member.slot),
            CandidatesCursor::Either(one, other) => {
                [one.current(), other.current()].iter().flatten().map(|member| member.slot).min()
            }
            CandidatesCursor::Slots(slots) => slots.first().copied(),
        }
    }

    /// How many links of the candidate here match the criterion, when that is known.
    pub(crate) fn known_links(&self) -> Option<u16> {
        match self {
            CandidatesCursor::Posting(cursor) => cursor.current().map(|member| member.links),
            _ => None,
        }
    }

    /// Moves to the first candidate at `slot` or above; never back.
    pub(crate) fn seek(&mut self, slot: u32) {
        match self {
            CandidatesCursor::Posting(cursor) => cursor.seek(slot),
            CandidatesCursor::Either(one, other) => {
                one.seek(slot);
                other.seek(slot);
            }
            CandidatesCursor::Slots(slots) => *slots = &slots[gallop(slots, |&other| other < slot)..],
        }
    }
}

/// What a plan needs to know beside the index.
pub(crate) struct Question<'a> {
    /// What stands before an id in a location.
    pub(crate) location_prefix: &'a str,
    /// The slot of an id, active or not.
    pub(crate) slot_of: &'a dyn Fn(EntryId) -> Option<u32>,
}

/// Gathers slots from several postings, giving up when they are too many.
struct Gathering {
    slots: Vec<u32>,
    is_over: bool,
}

impl Gathering {
    fn new() -> Gathering {
        Gathering { slots: Vec::new(), is_over: false }
    }

    fn add(&mut self, posting: &Posting) {
        self.is_over |= self.slots.len() + posting.len() > GATHERED_MAX;
        if !self.is_over {
            let mut cursor = posting.start();
            while let Some(member) = cursor.current() {
                self.slots.push(member.slot);
                cursor.advance();
            }
        }
    }

    fn add_all<'a>(&mut self, postings: impl Iterator<Item = &'a Posting>) {
        for posting in postings {
            self.add(posting);
            if self.is_over {
                return;
            }
        }
    }

    fn plan<'a>(mut self, is_exact: bool) -> Plan<'a> {
        if self.is_over {
            return Plan::Unknown;
        }
        if self.slots.is_empty() {
            return Plan::Nobody;
        }
        self.slots.sort_unstable();
        self.slots.dedup();
        Plan::Among(Candidates::Slots { slots: self.slots, is_exact })
    }
}

/// The members of either list, exactly when one is empty.
fn either<'a>(one: &'a Posting, other: &'a Posting) -> Plan<'a> {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => Plan::Nobody,
        (false, true) => Plan::Among(Candidates::Exactly(one)),
        (true, false) => Plan::Among(Candidates::Exactly(other)),
        (false, false) => Plan::Among(Candidates::Either(one, other)),
    }
}

impl<'a> FieldView<'a> {
    /// Those that may have `pattern`; `is_presence_known`: `present` is kept for this name.
    fn plan(self, pattern: &Pattern, is_presence_known: bool) -> Plan<'a> {
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = pattern;
        if text.len() > INDEXED_OCTETS_MAX {
            return self.unindexed_plan();
        }
        match pattern {
            Pattern::Exact(value) => match self.value(value.as_bytes()) {
                Some(posting) if self.unindexed().is_empty() => Plan::Among(Candidates::Exactly(posting)),
                Some(posting) => Plan::Among(Candidates::Either(posting, self.unindexed())),
                None => self.unindexed_plan(),
            },
            Pattern::Prefix(prefix) if prefix.is_empty() && is_presence_known => {
                either(self.present(), self.unindexed())
            }
            Pattern::Prefix(prefix) => {
                let mut range = self.range(prefix.as_bytes());
                if let (Some((_, only)), None, true) = (range.next(), range.next(), self.unindexed().is_empty()) {
                    return Plan::Among(Candidates::Exactly(only));
                }
                let mut gathering = Gathering::new();
                gathering.add(self.unindexed());
                gathering.add_all(self.range(prefix.as_bytes()).map(|(_, posting)| posting));
                match gathering.plan(self.unindexed().is_empty()) {
                    // Those who have the attribute at all are fewer than all.
                    Plan::Unknown if is_presence_known => {
                        Plan::Among(Candidates::Either(self.present(), self.unindexed()))
                    }
                    plan => plan,
                }
            }
        }
    }

    /// Those with a value that is not indexed, to be asked.
    fn unindexed_plan(self) -> Plan<'a> {
        if self.unindexed().is_empty() {
            return Plan::Nobody;
        }
        Plan::Among(Candidates::Either(self.unindexed(), &NONE))
    }
}

impl Index {
    /// Which entries are worth asking about a criterion.
    pub(crate) fn plan<'a>(&'a self, criterion: &'a Criterion, question: &Question<'_>) -> Plan<'a> {
        match criterion {
            Criterion::Attribute { name, pattern } => self.plan_attribute(name, pattern),
            Criterion::Href(pattern) => self.plan_href(pattern, question),
            Criterion::Anchor(pattern) => match pattern {
                Pattern::Prefix(prefix) if prefix.is_empty() => {
                    self.field(Field::Attribute("anchor")).map_or(Plan::Nobody, |index| index.plan(pattern, true))
                }
                _ => self.plan_uri(pattern, Field::Anchor, None),
            },
            Criterion::Provenance(pattern) => self.plan_location(pattern, question),
        }
    }

    fn plan_attribute<'a>(&'a self, name: &str, pattern: &'a Pattern) -> Plan<'a> {
        let field = Field::of_attribute(name);
        // RD29: every registrant has a name, a base and the constant type.
        let has_everyone = match field {
            Field::ResourceType => pattern.matches(REGISTRATION_RESOURCE_TYPE),
            Field::EndpointName | Field::Base => matches!(pattern, Pattern::Prefix(prefix) if prefix.is_empty()),
            _ => false,
        };
        if has_everyone {
            return Plan::Everyone;
        }
        self.field(field).map_or(Plan::Nobody, |index| index.plan(pattern, field.keeps_presence()))
    }

    /// RD34: the target of a link, or the registration resource.
    fn plan_href<'a>(&'a self, pattern: &'a Pattern, question: &Question<'_>) -> Plan<'a> {
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = pattern;
        let location = self.plan_location(pattern, question);
        match location {
            // Resolved targets are full URIs: nothing but a location starts with a slash.
            _ if text.starts_with('/') => location,
            Plan::Nobody => self.plan_uri(pattern, Field::Target, None),
            Plan::Among(Candidates::Slots { slots, .. }) => {
                self.plan_uri(pattern, Field::Target, slots.first().copied())
            }
            other => other,
        }
    }

    /// The registration resource only.
    fn plan_location<'a>(&'a self, pattern: &Pattern, question: &Question<'_>) -> Plan<'a> {
        let prefix = question.location_prefix;
        match pattern {
            Pattern::Exact(text) => {
                let slot = location_id(text, prefix).and_then(question.slot_of).filter(|&slot| self.all.contains(slot));
                slot.map_or(Plan::Nobody, |slot| Plan::Among(Candidates::Slots { slots: vec![slot], is_exact: true }))
            }
            Pattern::Prefix(text) if prefix.starts_with(&**text) => Plan::Everyone,
            Pattern::Prefix(text) if text.starts_with(prefix) => Plan::Unknown,
            Pattern::Prefix(_) => Plan::Nobody,
        }
    }

    /// Those with a reference that can resolve to a URI, as the base or the reference itself has its authority.
    fn plan_uri(&self, pattern: &Pattern, references: Field<'_>, location: Option<u32>) -> Plan<'_> {
        let (text, is_complete) = match pattern {
            Pattern::Exact(uri) => (uri_origin(uri), true),
            Pattern::Prefix(prefix) => {
                let origin = uri_origin(prefix);
                let (scheme, rest) = prefix.split_at(prefix.find(':').map_or(prefix.len(), |colon| colon + 1));
                match rest.strip_prefix("//") {
                    Some(_) => (origin, origin.len() < prefix.len()),
                    // Nothing or one slash behind the scheme: an authority may follow.
                    None => (scheme, !matches!(rest, "" | "/")),
                }
            }
        };
        let mut gathering = Gathering::new();
        gathering.slots.extend(location);
        for field in [references, Field::Base] {
            let Some(index) = self.field(field) else { continue };
            gathering.add(index.unindexed());
            // A text too long for the index finds nothing in it, which is right.
            if is_complete && !text.ends_with(':') {
                gathering.add_all(index.value(text.as_bytes()).into_iter());
                for delimiter in ['/', '?', '#'] {
                    let prefix = format!("{text}{delimiter}");
                    gathering.add_all(index.range(prefix.as_bytes()).map(|(_, posting)| posting));
                }
            } else {
                gathering.add_all(index.range(text.as_bytes()).map(|(_, posting)| posting));
            }
        }
        gathering.plan(false)
    }
}
