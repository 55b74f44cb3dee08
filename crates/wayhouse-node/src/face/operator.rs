//! What a person may ask for: the one entry for REST, page and local tools.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wayhouse_registry::{
    Credentials, EntryId, Filter, Origin, Page, Refusal, Registered, Registrant, Registration, Registry, View,
};
use wayhouse_wire::coap::link_format::LinkFormat;

use crate::Config;
use crate::limits;

pub mod asking;
pub mod groups;

use crate::rules::{LOCATION_PREFIX, Reach, check_attribute, check_base, invalid};
use asking::{AskId, GroupQuestion};
use groups::{ShownGroup, Wanted};

/// A person's request.
#[derive(Debug, Clone)]
pub enum Command {
    /// List registrants.
    Registrants {
        /// Which.
        filter: Filter,
        /// Free text: shown are those whose name, sector, base, attributes or links contain it (ASCII case ignored). A
        /// search reads a bounded amount of text (see [`crate::limits::SEARCH_OCTETS_MAX`]); then `is_cut` is set.
        text: Option<String>,
        /// Which part of the result.
        page: Page,
    },
    /// Show one registrant.
    Registrant(EntryId),
    /// Enter or replace a registrant.
    Register(Entry),
    /// Remove one, whoever owns it.
    Remove(EntryId),
    /// Ask a group; the answers come as events.
    AskGroup(GroupQuestion),
    /// Forget a question to a group.
    StopAsking(AskId),
    /// List CoAP groups with what they carry, what protects them and who is in them.
    Groups {
        /// Which.
        wanted: Wanted,
        /// Which part of the result.
        page: Page,
    },
    /// Sizes and counters.
    Status,
}

/// A registrant that an operator enters.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// `ep`.
    pub endpoint_name: String,
    /// `d`; empty for none.
    pub sector: String,
    /// Base URI.
    pub base: String,
    /// Lifetime, seconds.
    pub lifetime_s: u32,
    /// Further endpoint attributes.
    pub attributes: Vec<(String, String)>,
    /// Link-format document.
    pub links: String,
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A part of the registrants.
    Registrants {
        /// This page.
        entries: Vec<Shown>,
        /// Whether more follow.
        is_cut: bool,
    },
    /// A part of the CoAP groups.
    Groups {
        /// This page.
        groups: Vec<ShownGroup>,
        /// Whether more follow. Where the page is not full, the bound on text was met
        /// ([`crate::limits::GROUP_OCTETS_MAX`]): ask for smaller pages.
        is_cut: bool,
    },
    /// One registrant.
    Registrant(Shown),
    /// Entered under this id.
    Registered {
        /// The id.
        id: EntryId,
        /// Whether it is new.
        is_new: bool,
        /// The change that must be durable before the person is told.
        durable_after: u64,
    },
    /// Removed.
    Removed {
        /// The change that must be durable before the person is told.
        durable_after: u64,
    },
    /// The group is asked.
    Asking(AskId),
    /// Done.
    Stopped,
    /// Sizes and counters.
    Status(Box<crate::Counters>),
}

/// A registrant as shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The registrant.
    pub registrant: Arc<Registrant>,
    /// Its location path, such as `/reg/0123456789abc`.
    pub location: String,
    /// Granted lifetime, seconds.
    pub lifetime_s: u32,
    /// Time left.
    pub remaining: Duration,
    /// Time since the last renewal.
    pub age: Duration,
    /// Whether the lease runs.
    pub is_active: bool,
    /// Other entries of the same device; told of one entry alone.
    pub same_device: Vec<EntryId>,
}

/// Who owns what an operator enters: no anonymous registrant can take it over.
const OPERATOR: &str = "operator";

/// Lists registrants.
pub(crate) fn list(registry: &mut Registry, now: Instant, filter: &Filter, text: Option<&str>, page: Page) -> Reply {
    let text = text.filter(|text| !text.is_empty()).map(str::to_ascii_lowercase);
    let filter = &Filter { sees_every_link: true, ..filter.clone() };
    let count = page.count.min(limits::OPERATOR_ENTRIES_MAX) as usize;
    let mut entries = Vec::new();
    let mut is_cut = false;
    let mut take = |view: View<'_>| {
        if entries.len() == count {
            is_cut = true;
            return ControlFlow::Break(());
        }
        entries.push(shown(now, view));
        ControlFlow::Continue(())
    };
    match text {
        None => {
            let page = Page { first: page.first, count: count as u64 + 1 };
            registry.find_registrants(filter, page, &mut take);
        }
        Some(text) => {
            let mut to_skip = page.first;
            let mut budget = limits::SEARCH_OCTETS_MAX;
            let mut is_exhausted = false;
            registry.find_registrants(filter, Page::ALL, &mut |view| {
                let octets = octets_of(view.registrant);
                if octets > budget {
                    is_exhausted = true;
                    return ControlFlow::Break(());
                }
                budget -= octets;
                if !contains(view.registrant, &text) {
                    return ControlFlow::Continue(());
                }
                if to_skip > 0 {
                    to_skip -= 1;
                    return ControlFlow::Continue(());
                }
                take(view)
            });
            is_cut |= is_exhausted;
        }
    }
    Reply::Registrants { entries, is_cut }
}

/// Shows one registrant.
pub(crate) fn show(registry: &mut Registry, now: Instant, id: EntryId) -> Result<Reply, Refusal> {
    let same_device = registry.device_of(id);
    let view = registry.get(id).ok_or(Refusal::Unknown)?;
    Ok(Reply::Registrant(Shown { same_device, ..shown(now, view) }))
}

/// Enters or replaces a registrant under the directory's rules. An entry that exists keeps its owner.
pub(crate) fn register(
    registry: &mut Registry,
    now: Instant,
    config: &Config,
    entry: &Entry,
) -> Result<Reply, Refusal> {
    if check_base(&entry.base)? == Reach::LinkLocal {
        // RD5: a link-local base means nothing without the link it was heard on.
        return Err(invalid("base", "link-local, and an operator speaks from no link"));
    }
    if entry.lifetime_s == 0 {
        return Err(invalid("lt", "it is not a number from 1 to 4294967295"));
    }
    if entry.attributes.len() > config.registry.attributes_max {
        return Err(invalid("parameter", "there are too many"));
    }
    let mut attributes = Vec::with_capacity(entry.attributes.len());
    for (name, value) in &entry.attributes {
        if matches!(name.as_str(), "ep" | "d" | "lt" | "base") {
            return Err(invalid("parameter", "ep, d, lt and base have fields of their own"));
        }
        check_attribute(name, value)?;
        attributes.push((name.as_str(), value.as_str()));
    }
    let links = LinkFormat::parse_limited(entry.links.as_bytes())
        .map_err(|_| invalid("links", "they are not in Limited Link Format"))?;
    let credentials = match registry.by_name(&entry.sector, &entry.endpoint_name) {
        Some(view) if view.registrant.origin == Origin::Configured => return Err(Refusal::Configured),
        Some(view) => view.registrant.owner.clone(),
        None => Credentials { subjects: Box::new([OPERATOR.into()]), ..Credentials::anonymous() },
    };
    let registration = Registration {
        endpoint_name: &entry.endpoint_name,
        sector: &entry.sector,
        base: &entry.base,
        is_base_explicit: true,
        lifetime_s: entry.lifetime_s.min(config.directory.lifetime_max_s),
        attributes: &attributes,
        links: &links.normalized(),
        origin: Origin::Operator,
        credentials: &credentials,
        source: None,
        link_scope: None,
        services: None,
    };
    let Registered { id, is_new, change } = registry.register(now, &registration)?;
    Ok(Reply::Registered { id, is_new, durable_after: change.0 })
}

/// Removes a registrant. What the configuration says is changed there: else it would be back after the next start.
pub(crate) fn remove(registry: &mut Registry, now: Instant, id: EntryId) -> Result<Reply, Refusal> {
    if registry.get(id).is_some_and(|view| view.registrant.origin == Origin::Configured) {
        return Err(Refusal::Configured);
    }
    Ok(Reply::Removed { durable_after: registry.evict(now, id)?.0 })
}

fn shown(now: Instant, view: View<'_>) -> Shown {
    Shown {
        registrant: view.registrant.clone(),
        location: format!("{LOCATION_PREFIX}{}", view.registrant.id),
        lifetime_s: view.lease.lifetime_s,
        remaining: view.lease.remaining(now),
        age: view.lease.age(now),
        is_active: view.is_active,
        same_device: Vec::new(),
    }
}

/// The text that a search looks through.
fn texts(registrant: &Registrant) -> impl Iterator<Item = &str> {
    let attributes = registrant.attributes.iter().flat_map(|(name, value)| [&**name, &**value]);
    [&*registrant.endpoint_name, &*registrant.sector, &*registrant.base, &*registrant.links]
        .into_iter()
        .chain(attributes)
}

fn octets_of(registrant: &Registrant) -> usize {
    texts(registrant).map(str::len).sum()
}

/// Whether any text holds a word, which is in lower case already.
fn contains(registrant: &Registrant, lower_case_word: &str) -> bool {
    let word = lower_case_word.as_bytes();
    let (first_lower, first_upper) = (word[0], word[0].to_ascii_uppercase());
    texts(registrant).any(|text| {
        text.as_bytes()
            .windows(word.len())
            .any(|window| (window[0] == first_lower || window[0] == first_upper) && window.eq_ignore_ascii_case(word))
    })
}
