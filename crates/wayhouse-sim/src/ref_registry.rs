//! A registry without any index, table or order kept: the one in `wayhouse-registry` must behave like it.
//!
//! Entries stand in a list; every question walks it, every criterion is held against text. [`driver`] makes both do
//! the same and compares what comes out.

use std::time::{Duration, Instant};

use wayhouse_registry::{
    ChangeKind, Credentials, Criterion, EntryId, Filter, Limits, Page, Pattern, Refusal, Registrant, Registration,
    Update,
};
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::uri::resolve_into;

pub mod driver;

/// One entry.
#[derive(Debug, Clone)]
pub struct RefEntry {
    /// What was registered.
    pub registrant: Registrant,
    /// When the lease started.
    pub renewed: Instant,
    /// For how long, seconds.
    pub lifetime_s: u32,
    /// Whether it was not expired yet.
    pub is_active: bool,
}

impl RefEntry {
    fn end(&self) -> Instant {
        self.renewed + Duration::from_secs(self.lifetime_s.into())
    }
}

/// A link as found: whose, target, parameters.
pub type FoundLink = (EntryId, String, String);

/// The naive registry.
#[derive(Debug)]
pub struct RefRegistry {
    limits: Limits,
    location_prefix: String,
    /// In the order of results; a place that became free last is taken first.
    places: Vec<Option<RefEntry>>,
    free: Vec<usize>,
    /// What happened, in order.
    pub log: Vec<(ChangeKind, EntryId)>,
}

impl RefRegistry {
    /// An empty one.
    pub fn new(limits: Limits, location_prefix: &str) -> RefRegistry {
        let location_prefix = location_prefix.to_owned();
        RefRegistry { limits, location_prefix, places: Vec::new(), free: Vec::new(), log: Vec::new() }
    }

    /// All entries in order.
    pub fn entries(&self) -> impl Iterator<Item = &RefEntry> {
        self.places.iter().flatten()
    }

    /// Octets of text.
    pub fn octets(&self) -> usize {
        self.entries().map(|entry| octets(&entry.registrant)).sum()
    }

    fn place_of(&self, id: EntryId) -> Option<usize> {
        self.places.iter().position(|place| place.as_ref().is_some_and(|entry| entry.registrant.id == id))
    }

    fn entry(&mut self, place: usize) -> &mut RefEntry {
        self.places[place].as_mut().expect("places that are looked at are taken")
    }

    fn insert(&mut self, entry: RefEntry) {
        match self.free.pop() {
            Some(place) => self.places[place] = Some(entry),
            None => self.places.push(Some(entry)),
        }
    }

    fn remove(&mut self, place: usize, kind: ChangeKind) {
        let entry = self.places[place].take().expect("only taken places are freed");
        self.free.push(place);
        self.log.push((kind, entry.registrant.id));
    }

    /// Expired entries, the oldest first.
    fn expired(&self) -> Vec<usize> {
        let mut expired: Vec<(Instant, usize)> = Vec::new();
        for (place, entry) in self.places.iter().enumerate() {
            if let Some(entry) = entry.as_ref().filter(|entry| !entry.is_active) {
                expired.push((entry.end(), place));
            }
        }
        expired.sort_unstable();
        expired.into_iter().map(|(_, place)| place).collect()
    }

    fn expire_if_over(&mut self, now: Instant, place: usize) {
        let entry = self.entry(place);
        if entry.is_active && entry.end() <= now {
            entry.is_active = false;
            let id = entry.registrant.id;
            self.log.push((ChangeKind::Expired, id));
        }
    }

    fn make_room(&mut self, entries: usize, more: usize, spared: Option<usize>) -> Result<(), Refusal> {
        let collectable: Vec<usize> = self.expired().into_iter().filter(|&place| Some(place) != spared).collect();
        let mut count = self.entries().count();
        let mut held = self.octets();
        let mut victims = 0;
        loop {
            let has_entries = entries == 0 || count + entries <= self.limits.entries_max;
            let has_octets = more == 0 || held + more <= self.limits.octets_max;
            if has_entries && has_octets {
                break;
            }
            let Some(&victim) = collectable.get(victims) else {
                // Which bound is named depends on what collecting everything would have freed.
                return Err(Refusal::Full { bound: if has_entries { "octets_max" } else { "entries_max" } });
            };
            victims += 1;
            count -= 1;
            held -= octets(&self.entry(victim).registrant);
        }
        for &victim in &collectable[..victims] {
            self.remove(victim, ChangeKind::Collected);
        }
        Ok(())
    }

    /// As the real one; `fresh` is the id that an entry gets if it is new.
    ///
    /// # Errors
    /// As the real one, for what can be entered at all.
    pub fn register(
        &mut self,
        now: Instant,
        registration: &Registration<'_>,
        fresh: EntryId,
    ) -> Result<(EntryId, bool), Refusal> {
        let mut registrant = Registrant {
            id: fresh,
            endpoint_name: registration.endpoint_name.into(),
            sector: registration.sector.into(),
            base: registration.base.into(),
            is_base_explicit: registration.is_base_explicit,
            attributes: registration.attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
            links: registration.links.into(),
            origin: registration.origin,
            owner: registration.credentials.clone(),
            source: registration.source,
            link_scope: registration.link_scope,
            services: registration.services.cloned(),
        };
        let same_name = |entry: &RefEntry| {
            entry.registrant.endpoint_name == registrant.endpoint_name && entry.registrant.sector == registrant.sector
        };
        let existing = self.places.iter().position(|place| place.as_ref().is_some_and(same_name));
        let lifetime_s = registration.lifetime_s;
        let Some(place) = existing else {
            self.make_room(1, octets(&registrant), None)?;
            self.insert(RefEntry { registrant, renewed: now, lifetime_s, is_active: true });
            self.log.push((ChangeKind::Added, fresh));
            return Ok((fresh, true));
        };
        self.expire_if_over(now, place);
        let held = self.entry(place).clone();
        let covers = registration.credentials.cover(&held.registrant.owner);
        if !covers && held.is_active {
            return Err(Refusal::NotOwner);
        }
        self.make_room(0, octets(&registrant).saturating_sub(octets(&held.registrant)), Some(place))?;
        if !covers {
            self.remove(place, ChangeKind::Collected);
            self.insert(RefEntry { registrant, renewed: now, lifetime_s, is_active: true });
            self.log.push((ChangeKind::Added, fresh));
            return Ok((fresh, true));
        }
        registrant.id = held.registrant.id;
        if held.is_active {
            registrant.owner = held.registrant.owner.clone();
        }
        self.put(now, place, lifetime_s, registrant);
        Ok((held.registrant.id, !held.is_active))
    }

    fn put(&mut self, now: Instant, place: usize, lifetime_s: u32, registrant: Registrant) {
        let entry = self.entry(place);
        let before = Registrant { source: registrant.source, ..entry.registrant.clone() };
        let kind = match entry.is_active {
            false => ChangeKind::Added,
            true if before == registrant => ChangeKind::Refreshed,
            true => ChangeKind::Changed,
        };
        let id = registrant.id;
        *entry = RefEntry { registrant, renewed: now, lifetime_s, is_active: true };
        self.log.push((kind, id));
    }

    /// As the real one.
    ///
    /// # Errors
    /// As the real one.
    pub fn update(&mut self, now: Instant, id: EntryId, update: &Update<'_>, by: &Credentials) -> Result<(), Refusal> {
        let place = self.place_of(id).ok_or(Refusal::Unknown)?;
        let held = self.entry(place).clone();
        if !by.cover(&held.registrant.owner) {
            return Err(Refusal::NotOwner);
        }
        self.expire_if_over(now, place);
        let mut registrant = held.registrant.clone();
        if let Some((base, is_explicit)) = update.base {
            registrant.base = base.into();
            registrant.is_base_explicit = is_explicit;
        }
        for &(name, _) in update.attributes {
            let given: Vec<_> = update.attributes.iter().filter(|(other, _)| *other == name).copied().collect();
            let mut attributes = registrant.attributes.to_vec();
            let at = attributes.iter().position(|(other, _)| **other == *name).unwrap_or(attributes.len());
            attributes.retain(|(other, _)| **other != *name);
            attributes.splice(at..at, given.into_iter().map(|(name, value)| (name.into(), value.into())));
            registrant.attributes = attributes.into();
        }
        if let Some(links) = update.links {
            registrant.links = links.into();
        }
        if let Some(link_scope) = update.link_scope {
            registrant.link_scope = link_scope;
        }
        if registrant.attributes.len() > self.limits.attributes_max {
            return Err(Refusal::Full { bound: "attributes_max" });
        }
        self.make_room(0, octets(&registrant).saturating_sub(octets(&held.registrant)), Some(place))?;
        registrant.source = update.source.or(registrant.source);
        self.put(now, place, update.lifetime_s.unwrap_or(held.lifetime_s), registrant);
        Ok(())
    }

    /// As the real one.
    ///
    /// # Errors
    /// As the real one.
    pub fn withdraw(&mut self, now: Instant, id: EntryId, by: &Credentials) -> Result<(), Refusal> {
        let place = self.place_of(id).ok_or(Refusal::Unknown)?;
        if !by.cover(&self.entry(place).registrant.owner) {
            return Err(Refusal::NotOwner);
        }
        self.expire_if_over(now, place);
        let kind = if self.entry(place).is_active { ChangeKind::Withdrawn } else { ChangeKind::Collected };
        self.remove(place, kind);
        Ok(())
    }

    /// Expires and collects all that is due.
    pub fn expire(&mut self, now: Instant) {
        let mut due: Vec<(Instant, usize)> = Vec::new();
        for (place, entry) in self.places.iter().enumerate() {
            if let Some(entry) = entry.as_ref().filter(|entry| entry.is_active && entry.end() <= now) {
                due.push((entry.end(), place));
            }
        }
        due.sort_unstable();
        for (_, place) in due {
            self.expire_if_over(now, place);
            self.bound_expired();
        }
        self.bound_expired();
        let grace = Duration::from_secs(self.limits.grace_s.into());
        for place in self.expired() {
            if self.entry(place).end() + grace <= now {
                self.remove(place, ChangeKind::Collected);
            }
        }
    }

    fn bound_expired(&mut self) {
        let expired = self.expired();
        for &place in &expired[..expired.len().saturating_sub(self.limits.expired_max)] {
            self.remove(place, ChangeKind::Collected);
        }
    }

    /// When something is due first.
    pub fn next_due(&self) -> Option<Instant> {
        let grace = Duration::from_secs(self.limits.grace_s.into());
        self.entries().map(|entry| if entry.is_active { entry.end() } else { entry.end() + grace }).min()
    }

    /// Puts the entries of another one into this one, as after a restart. Too many expired ones are for `expire`.
    pub fn restore(&mut self, now: Instant, entries: &[RefEntry]) {
        for entry in entries {
            self.insert(RefEntry { is_active: entry.end() > now, ..entry.clone() });
        }
    }

    /// Active entries that a question from a link may see, in order: first those bound to no link.
    fn visible(&self, filter: &Filter) -> Vec<&Registrant> {
        let active = || self.entries().filter(|entry| entry.is_active).map(|entry| &entry.registrant);
        let unbound = active().filter(|registrant| registrant.link_scope.is_none());
        let bound = active().filter(|registrant| registrant.link_scope.is_some());
        unbound.chain(bound.filter(|registrant| registrant.link_scope == filter.link_scope)).collect()
    }

    /// Endpoint lookup.
    pub fn find_registrants(&self, filter: &Filter, page: Page) -> Vec<EntryId> {
        let mut found = Vec::new();
        for registrant in self.visible(filter) {
            let matches = filter.criteria.iter().all(|criterion| {
                self.registrant_has(registrant, criterion)
                    || LinkFormat::trusted(&registrant.links)
                        .links()
                        .any(|link| link_has(&registrant.base, &link, criterion))
            });
            if matches {
                found.push(registrant.id);
            }
        }
        cut(found, page)
    }

    /// Resource lookup.
    pub fn find_links(&self, filter: &Filter, page: Page) -> Vec<FoundLink> {
        let mut found = Vec::new();
        for registrant in self.visible(filter) {
            for link in LinkFormat::trusted(&registrant.links).links() {
                let matches = filter.criteria.iter().all(|criterion| {
                    self.registrant_has(registrant, criterion) || link_has(&registrant.base, &link, criterion)
                });
                if matches {
                    found.push((registrant.id, link.target.to_owned(), link.parameters_text().to_owned()));
                }
            }
        }
        cut(found, page)
    }

    fn registrant_has(&self, registrant: &Registrant, criterion: &Criterion) -> bool {
        match criterion {
            Criterion::Attribute { name, pattern } => {
                let mut attributes: Vec<(&str, &str)> =
                    vec![("ep", &registrant.endpoint_name), ("base", &registrant.base), ("rt", "core.rd-ep")];
                if !registrant.sector.is_empty() {
                    attributes.push(("d", &registrant.sector));
                }
                attributes.extend(registrant.attributes.iter().map(|(name, value)| (&**name, &**value)));
                attributes.iter().any(|(other, value)| **other == **name && has_value(name, value, pattern))
            }
            Criterion::Href(pattern) | Criterion::Provenance(pattern) => {
                let location = format!("{}{}", self.location_prefix, registrant.id);
                match pattern {
                    Pattern::Prefix(prefix) => location.starts_with(&**prefix),
                    Pattern::Exact(wanted) => {
                        let authority = wanted.strip_suffix(&*location);
                        authority.is_some_and(|before| {
                            let host = before.split_once("://").map(|(_, host)| host);
                            before.is_empty() || host.is_some_and(|host| !host.contains(['/', '?', '#']))
                        })
                    }
                }
            }
            Criterion::Anchor(_) => false,
        }
    }
}

fn octets(registrant: &Registrant) -> usize {
    let attributes: usize = registrant.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    let names = registrant.endpoint_name.len() + registrant.sector.len() + registrant.base.len();
    names + attributes + registrant.links.len()
}

fn cut<T>(found: Vec<T>, page: Page) -> Vec<T> {
    let first = usize::try_from(page.first).unwrap_or(usize::MAX);
    let count = usize::try_from(page.count).unwrap_or(usize::MAX);
    found.into_iter().skip(first).take(count).collect()
}

fn fits(text: &str, pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Exact(exact) => text == &**exact,
        Pattern::Prefix(prefix) => text.starts_with(&**prefix),
    }
}

fn has_value(name: &str, value: &str, pattern: &Pattern) -> bool {
    if is_relation_type_attribute(name) && value.split(' ').any(|single| !single.is_empty()) {
        return value.split(' ').any(|single| !single.is_empty() && fits(single, pattern));
    }
    let value = if is_relation_type_attribute(name) { "" } else { value };
    fits(value, pattern)
}

fn link_has(base: &str, link: &Link<'_>, criterion: &Criterion) -> bool {
    let resolve = |reference: &str| {
        let mut resolved = Vec::new();
        resolve_into(&mut resolved, base, reference);
        String::from_utf8(resolved).expect("URIs made of text are text")
    };
    match criterion {
        Criterion::Attribute { name, pattern } => {
            link.parameters().any(|(other, value)| *other == **name && has_value(name, &value.unquoted(), pattern))
        }
        Criterion::Href(pattern) => fits(&resolve(link.target), pattern),
        Criterion::Anchor(pattern) => link.anchor().is_some_and(|anchor| fits(&resolve(&anchor.unquoted()), pattern)),
        Criterion::Provenance(_) => false,
    }
}
