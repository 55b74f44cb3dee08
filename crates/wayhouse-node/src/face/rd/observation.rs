//! Observed lookups (RD37): which questions a change concerns.
//!
//! Every question is filed under the most telling of its exact criteria; a change is matched only with questions filed
//! under one of the values it shows, and with those that have no exact criterion. The rest is decided by evaluating
//! the question on the entry before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;
use wayhouse_proto::coap::ObserverId;
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeKind, Criterion, Filter, Pattern, Registrant};
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::uri::{self, has_scheme};

use super::lookup::{Kind, Question};
use crate::face::Context;
use crate::rules::{ENDPOINT_TYPE, LOCATION_PREFIX};

/// A question and who wants to know.
#[derive(Debug)]
struct Asked {
    question: Arc<Question>,
    observers: BTreeSet<ObserverId>,
}

/// The observed lookups.
#[derive(Debug)]
pub(super) struct Observation {
    asked: Slab<Asked>,
    by_question: HashMap<Arc<Question>, usize, KeyedState>,
    by_observer: HashMap<ObserverId, usize, KeyedState>,
    /// Attribute name → value → questions filed there.
    index: BTreeMap<Box<str>, HashMap<Box<str>, BTreeSet<usize>, KeyedState>>,
    /// Questions without an exact criterion.
    broad: BTreeSet<usize>,
    key: KeyedState,
    /// Reused by `note_change`.
    concerned: BTreeSet<usize>,
    resolved: Vec<u8>,
}

impl Observation {
    pub(super) fn new(rng: &mut Rng) -> Observation {
        let key = KeyedState::new(rng);
        Observation {
            asked: Slab::new(),
            by_question: HashMap::with_hasher(key),
            by_observer: HashMap::with_hasher(key),
            index: BTreeMap::new(),
            broad: BTreeSet::new(),
            key,
            concerned: BTreeSet::new(),
            resolved: Vec::new(),
        }
    }
    /// Observers.
    pub(super) fn len(&self) -> usize {
        self.by_observer.len()
    }
    /// Files an observer's question.
    pub(super) fn insert(&mut self, observer: ObserverId, question: Question) {
        self.remove(observer);
        let place = match self.by_question.get(&question) {
            Some(&place) => place,
            None => {
                let question = Arc::new(question);
                let place = self.asked.insert(Asked { question: question.clone(), observers: BTreeSet::new() });
                match filed_under(&question.filter) {
                    Some((name, value)) => {
                        let values = self.index.entry(name.into()).or_insert_with(|| HashMap::with_hasher(self.key));
                        values.entry(value.into()).or_default().insert(place);
                    }
                    None => {
                        self.broad.insert(place);
                    }
                }
                self.by_question.insert(question, place);
                place
            }
        };
        self.asked[place].observers.insert(observer);
        self.by_observer.insert(observer, place);
    }
    /// Forgets an observer, and its question with its last one.
    pub(super) fn remove(&mut self, observer: ObserverId) {
        let Some(place) = self.by_observer.remove(&observer) else { return };
        self.asked[place].observers.remove(&observer);
        if !self.asked[place].observers.is_empty() {
            return;
        }
        let Asked { question, .. } = self.asked.remove(place);
        self.by_question.remove(&question);
        let Some((name, value)) = filed_under(&question.filter) else {
            self.broad.remove(&place);
            return;
        };
        let values = self.index.get_mut(name).expect("the question was filed there");
        let places = values.get_mut(value).expect("the question was filed there");
        places.remove(&place);
        if places.is_empty() {
            values.remove(value);
            if values.is_empty() {
                self.index.remove(name);
            }
        }
    }
    /// An observer's question, and its place, the same for all observers that ask the same.
    pub(super) fn question_of(&self, observer: ObserverId) -> Option<(usize, &Question)> {
        let place = *self.by_observer.get(&observer)?;
        Some((place, &self.asked[place].question))
    }
    /// Marks the observers whose answer a change may alter.
    pub(super) fn note_change(&mut self, context: &mut Context<'_>, change: &Change) {
        // A renewal alters no answer; what is collected was not shown any more.
        if self.asked.is_empty() || matches!(change.kind, ChangeKind::Refreshed | ChangeKind::Collected) {
            return;
        }
        let mut concerned = std::mem::take(&mut self.concerned);
        concerned.clone_from(&self.broad);
        let mut resolved = std::mem::take(&mut self.resolved);
        for registrant in [&change.before, &change.after].into_iter().flatten() {
            self.gather(registrant, &mut concerned, &mut resolved);
        }
        for &place in &concerned {
            let Asked { question, observers } = &self.asked[place];
            if is_altered(question, change) {
                for &observer in observers {
                    context.endpoint.mark_changed(context.now, observer);
                }
            }
        }
        concerned.clear();
        (self.concerned, self.resolved) = (concerned, resolved);
    }

    /// Adds the questions filed under any value that a registrant shows.
    fn gather(&self, registrant: &Registrant, concerned: &mut BTreeSet<usize>, resolved: &mut Vec<u8>) {
        if self.index.is_empty() {
            return;
        }
        let mut show = |name: &str, value: &str| {
            let Some(values) = self.index.get(name) else { return };
            let is_list = is_relation_type_attribute(name);
            for one in value.split(|character| is_list && character == ' ') {
                concerned.extend(values.get(one).into_iter().flatten());
            }
        };
        show("ep", &registrant.endpoint_name);
        show("d", &registrant.sector);
        show("base", &registrant.base);
        show("rt", ENDPOINT_TYPE);
        for (name, value) in &registrant.attributes {
            show(name, value);
        }
        let resolves = self.index.contains_key("href") || self.index.contains_key("anchor");
        if resolves || self.index.contains_key("provenance") {
            let location = format!("{LOCATION_PREFIX}{}", registrant.id);
            show("href", &location);
            show("provenance", &location);
        }
        for link in LinkFormat::trusted(&registrant.links).links() {
            if resolves {
                show("href", resolve(resolved, registrant, link.target));
            }
            for (name, value) in link.parameters() {
                if !self.index.contains_key(name) {
                    continue;
                }
                let value = value.unquoted();
                match name {
                    "anchor" => show(name, resolve(resolved, registrant, &value)),
                    _ => show(name, &value),
                }
            }
        }
    }
}

fn resolve<'r>(resolved: &'r mut Vec<u8>, registrant: &Registrant, reference: &str) -> &'r str {
    resolved.clear();
    uri::resolve_into(resolved, &registrant.base, reference);
    std::str::from_utf8(resolved).unwrap_or_default()
}

/// The exact criterion that fits the fewest entries: a name before a link's address before an attribute before a sector.
/// A location as a full URI (RD34) fits what no value here spells out, so that it files nothing.
fn filed_under(filter: &Filter) -> Option<(&str, &str)> {
    filter
        .criteria
        .iter()
        .filter_map(|criterion| {
            let (name, pattern, rank) = match criterion {
                Criterion::Attribute { name, pattern } => match &**name {
                    "ep" => ("ep", pattern, 0),
                    "d" => ("d", pattern, 3),
                    name => (name, pattern, 2),
                },
                Criterion::Href(pattern) => ("href", pattern, 1),
                Criterion::Anchor(pattern) => ("anchor", pattern, 1),
                Criterion::Provenance(pattern) => ("provenance", pattern, 1),
            };
            match pattern {
                Pattern::Exact(value) if rank == 1 && value.contains(LOCATION_PREFIX) && has_scheme(value) => None,
                Pattern::Exact(value) => Some((rank, name, &**value)),
                Pattern::Prefix(_) => None,
            }
        })
        .min_by_key(|&(rank, ..)| rank)
        .map(|(_, name, value)| (name, value))
}

/// Whether the answer to a question may differ after a change.
fn is_altered(question: &Question, change: &Change) -> bool {
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    match question.kind {
        Kind::Endpoints => {
            let is_shown = |registrant: &Registrant| question.filter.matches_registrant(registrant, LOCATION_PREFIX);
            match (before.filter(|before| is_shown(before)), after.filter(|after| is_shown(after))) {
                (None, None) => false,
                (Some(before), Some(after)) => before.base != after.base || before.attributes != after.attributes,
                _ => true,
            }
        }
        Kind::Resources => {
            let mut before = before.into_iter().flat_map(|registrant| shown_links(question, registrant));
            let mut after = after.into_iter().flat_map(|registrant| shown_links(question, registrant));
            let is_base_kept = match (&change.before, &change.after) {
                (Some(before), Some(after)) => before.base == after.base,
                _ => true,
            };
            if is_base_kept {
                // Compared as submitted: with the same base they resolve to the same.
                !before.eq(after)
            } else {
                before.next().is_some() || after.next().is_some()
            }
        }
    }
}

fn shown_links<'r>(question: &'r Question, registrant: &'r Registrant) -> impl Iterator<Item = Link<'r>> {
    LinkFormat::trusted(&registrant.links)
        .links()
        .filter(|link| question.filter.matches_link(registrant, link, LOCATION_PREFIX))
}

#[cfg(test)]
mod tests;
