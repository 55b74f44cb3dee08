//! Drives both registries with operations read from octets, and compares them after each.
//!
//! A fuzzer and a property test feed the same reader, so that what one finds the other can replay.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use wayhouse_registry::{
    ChangeKind, Credentials, Criterion, Cursor, EntryId, Filter, Limits, Origin, Page, Pattern, Registration, Registry,
    Restored, Update,
};

use super::{RefEntry, RefRegistry};

const LOCATION_PREFIX: &str = "/reg/";

const NAMES: [&str; 8] = ["a", "b", "node-1", "node-10", "node-2", "lamp", "nöde", "a-name-that-no-key-holds-inline"];
const SECTORS: [&str; 4] = ["", "", "floor1", "floor2"];
const BASES: [&str; 8] = [
    "coap://h1",
    "coap://h1/path/",
    "coap://h10",
    "coap://h2:61616",
    "coaps://h1?query",
    "urn:x:y",
    "coap+tcp://[2001:db8::1]:5685",
    concat!(
        "coap://a-host-name-so-long-that-no-index-takes-the-base-that-it-stands-in.a-host-name-so-long-that-no-index-",
        "takes-the-base-that-it-stands-in.example"
    ),
];
const LONG: &str = concat!(
    "a-value-so-long-that-no-index-takes-it-but-readers-find-it.a-value-so-long-that-no-index-takes-it-but-readers-",
    "find-it.really"
);
const ATTRIBUTES: [(&str, &str); 9] = [
    ("et", "t1"),
    ("et", "t2"),
    ("et", "t1 t2"),
    ("foo", "bar"),
    ("foo", "bark"),
    ("foo", LONG),
    ("rel", "r1 r2"),
    ("title", "hello"),
    ("if", "i1"),
];
const TARGETS: [&str; 8] =
    ["/a", "/b/../c", "/a?q=1", "coap://h1/a", "coap://h2:61616/a", "http://www.example.com/x", "//h1/a", "rel"];
const PARAMETERS: [&str; 20] = [
    ";rt=temp",
    ";rt=\"temp light\"",
    ";rt=\"temperature\"",
    ";rt=\"\"",
    ";rt=\"core.rd-ep\"",
    ";if=i1",
    ";if=\"i1 i2\"",
    ";title=\"hello\"",
    ";title=\"a \\\"quoted\\\" word\"",
    ";ct=40",
    ";obs",
    ";et=t1",
    ";foo=bar",
    ";anchor=\"/a\"",
    ";anchor=\"coap://h1/b\"",
    ";anchor=\"http://www.example.com/y\"",
    ";d=floor1",
    ";ep=\"a\"",
    ";rel=\"r1  r3\"",
    ";base=\"coap://h1\"",
];

/// Reads choices from octets; behind the end all are 0.
struct Choices<'a> {
    octets: &'a [u8],
}

impl Choices<'_> {
    fn octet(&mut self) -> u8 {
        let (&first, rest) = self.octets.split_first().unwrap_or((&0, &[]));
        self.octets = rest;
        first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()) % bound
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 1
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn lifetime_s(&mut self) -> u32 {
        self.one(&[1, 2, 3, 5, 8, 60, 86_400, u32::MAX])
    }

    fn link_scope(&mut self) -> Option<u32> {
        self.one(&[None, None, None, Some(1), Some(2)])
    }

    fn credentials(&mut self) -> Credentials {
        match self.below(8) {
            1 => Credentials { public_key: Some([1; 32]), ..Credentials::default() },
            2 => Credentials { subjects: ["a@ca".into()].into(), ..Credentials::default() },
            3 => Credentials { subjects: ["a@ca".into(), "b@ca".into()].into(), ..Credentials::default() },
            _ => Credentials::anonymous(),
        }
    }

    fn attributes(&mut self) -> Vec<(&'static str, &'static str)> {
        (0..self.below(4)).map(|_| self.one(&ATTRIBUTES)).collect()
    }

    fn links(&mut self) -> String {
        let mut text = String::new();
        for index in 0..self.below(6) {
            text.push_str(if index > 0 { ",<" } else { "<" });
            text.push_str(self.one(&TARGETS));
            text.push('>');
            for _ in 0..self.below(4) {
                text.push_str(self.one(&PARAMETERS));
            }
            if self.one_in(16) {
                text.push_str(";rt=");
                text.push_str(LONG);
            }
        }
        text
    }

    fn source(&mut self) -> Option<std::net::SocketAddr> {
        self.one(&[None, Some(1_u16), Some(2)]).map(|port| ([192, 0, 2, 1], port).into())
    }

    /// A pattern made of a value: itself or, often, a beginning.
    fn pattern(&mut self, value: &str) -> Pattern {
        match self.below(4) {
            0 => {
                let mut end = self.below(value.len() + 1);
                while !value.is_char_boundary(end) {
                    end -= 1;
                }
                Pattern::Prefix(value[..end].into())
            }
            1 => Pattern::Prefix(value.into()),
            _ => Pattern::Exact(value.into()),
        }
    }

    fn criterion(&mut self, ids: &[EntryId]) -> Criterion {
        let location = match ids {
            [] => LOCATION_PREFIX.to_owned(),
            _ => format!("{LOCATION_PREFIX}{}", self.one(ids)),
        };
        let uri = match self.below(8) {
            0 => "coap://h1/path/a".to_owned(),
            1 => "coap://h1/path/rel".to_owned(),
            2 => location.clone(),
            3 => format!("coap://directory.example{location}"),
            4 => self.one(&TARGETS).to_owned(),
            5 => "urn:/a".to_owned(),
            6 => "coap://h1/b".to_owned(),
            _ => format!("{}/a", self.one(&BASES)),
        };
        let (name, value) = match self.below(12) {
            0 => return Criterion::Href(self.pattern(&uri)),
            1 => return Criterion::Anchor(self.pattern(&uri)),
            2 => return Criterion::Provenance(self.pattern(&location)),
            3 => ("ep", self.one(&NAMES)),
            4 => ("d", self.one(&SECTORS)),
            5 => ("base", self.one(&BASES)),
            6 => self.one(&ATTRIBUTES),
            7 => ("title", "a \"quoted\" word"),
            8 => ("rt", self.one(&["temp", "temperature", "light", "core.rd-ep", "", LONG])),
            9 => ("if", self.one(&["i1", "i2", "i3"])),
            10 => self.one(&[("ct", "40"), ("obs", ""), ("rel", "r3"), ("nothing", "x"), ("anchor", "/a")]),
            _ => ("ep", "bulk-1"),
        };
        Criterion::Attribute { name: name.into(), pattern: self.pattern(value) }
    }

    fn filter(&mut self, ids: &[EntryId]) -> Filter {
        let criteria = (0..self.below(4)).map(|_| self.criterion(ids)).collect();
        Filter { criteria, link_scope: self.link_scope(), sees_every_link: false }
    }

    fn page(&mut self) -> Page {
        match self.below(3) {
            0 => Page::ALL,
            1 => Page { first: self.below(16) as u64, count: self.below(8) as u64 },
            _ => Page { first: self.below(256) as u64 * 7, count: self.below(64) as u64 },
        }
    }

    fn limits(&mut self) -> Limits {
        let wide = Limits { grace_s: 10, attributes_max: 4, ..Limits::default() };
        match self.below(3) {
            0 => wide,
            1 => Limits { entries_max: 5, expired_max: 3, ..wide },
            _ => Limits { octets_max: 600, expired_max: 2, ..wide },
        }
    }
}

/// Both registries and what is needed to compare them.
struct Pair {
    real: Registry,
    model: RefRegistry,
    limits: Limits,
    cursor: Cursor,
    now: Instant,
    /// Every id ever given, so that forgotten ones are asked for, too.
    ids: Vec<EntryId>,
}

impl Pair {
    fn register(&mut self, registration: &Registration<'_>) {
        let real = self.real.register(self.now, registration).map(|registered| (registered.id, registered.is_new));
        let fresh = real.as_ref().map_or(EntryId(0), |&(id, _)| id);
        let model = self.model.register(self.now, registration, fresh);
        assert_eq!(real, model, "{registration:?}");
        if let Ok((id, _)) = real
            && !self.ids.contains(&id)
        {
            self.ids.push(id);
        }
    }

    /// Many entries of few kinds, for lists of more than one chunk.
    fn register_many(&mut self, choices: &mut Choices<'_>) {
        let first = choices.below(4) * 150;
        let attributes = choices.attributes();
        let links = choices.links();
        let lifetime_s = choices.lifetime_s();
        for index in first..first + 150 {
            self.register(&Registration {
                endpoint_name: &format!("bulk-{index}"),
                sector: SECTORS[index % 4],
                base: BASES[index % BASES.len()],
                is_base_explicit: true,
                lifetime_s: if index % 7 == 0 { 4 } else { lifetime_s },
                attributes: &attributes,
                links: &links,
                origin: Origin::Directory,
                credentials: &Credentials::anonymous(),
                source: None,
                link_scope: (index % 5 == 4).then_some(1),
                services: None,
            });
        }
    }

    /// As after a restart.
    fn restart(&mut self) {
        let entries: Vec<RefEntry> = self.model.entries().cloned().collect();
        self.real = Registry::new(self.limits, 2, LOCATION_PREFIX);
        self.cursor = self.real.open_cursor();
        self.model = RefRegistry::new(self.limits, LOCATION_PREFIX);
        for entry in &entries {
            let lease = wayhouse_registry::Lease { lifetime_s: entry.lifetime_s, renewed: entry.renewed };
            let restored = Restored { registrant: entry.registrant.clone(), lease };
            assert_eq!(self.real.restore(self.now, restored.clone()), Ok(()));
            assert!(self.real.restore(self.now, restored).is_err(), "an id or name is restored once");
        }
        self.model.restore(self.now, &entries);
    }

    fn expire(&mut self, budget: usize) {
        while self.real.expire(self.now, budget) {}
        self.model.expire(self.now);
        assert!(self.real.next_expiry().is_none_or(|at| at > self.now), "all that is due was done");
    }

    fn look_up(&mut self, filter: &Filter, page: Page) {
        let mut registrants = Vec::new();
        self.real.find_registrants(filter, page, &mut |view| {
            assert!(view.is_active);
            registrants.push(view.registrant.id);
            ControlFlow::Continue(())
        });
        assert_eq!(registrants, self.model.find_registrants(filter, page), "{filter:?} {page:?}");
        let mut links = Vec::new();
        self.real.find_links(filter, page, &mut |view, link| {
            assert!(filter.matches_link(view.registrant, link, LOCATION_PREFIX));
            assert!(filter.matches_registrant(view.registrant, LOCATION_PREFIX));
            links.push((view.registrant.id, link.target.to_owned(), link.parameters_text().to_owned()));
            ControlFlow::Continue(())
        });
        assert_eq!(links, self.model.find_links(filter, page), "{filter:?} {page:?}");
    }

    /// What must hold after every operation.
    fn compare(&mut self) {
        assert_eq!(self.real.octets(), self.model.octets());
        assert_eq!(self.real.active_count(), self.model.entries().filter(|entry| entry.is_active).count());
        assert_eq!(self.real.next_expiry().is_some(), self.model.next_due().is_some());
        assert!(self.real.next_expiry() <= self.model.next_due(), "waking up is never late");
        let mut log = Vec::new();
        while let Some(change) = self.real.next_change(self.cursor) {
            let is_shown = matches!(change.kind, ChangeKind::Added | ChangeKind::Changed | ChangeKind::Refreshed);
            assert_eq!(change.after.is_some(), is_shown);
            assert_eq!(change.before.is_some(), change.kind != ChangeKind::Added);
            let subject = change.after.as_ref().or(change.before.as_ref()).map_or(EntryId(0), |one| one.id);
            log.push((change.kind, subject));
        }
        assert_eq!(log, std::mem::take(&mut self.model.log));
        assert!(!self.real.take_lag(self.cursor));
    }

    /// Every entry, by each of its handles.
    fn compare_entries(&self) {
        for &id in &self.ids {
            let real = self.real.get(id);
            let model = self.model.entries().find(|entry| entry.registrant.id == id);
            assert_eq!(real.is_some(), model.is_some());
            if let (Some(real), Some(model)) = (real, model) {
                assert_eq!(**real.registrant, model.registrant);
                assert_eq!((real.is_active, real.lease.lifetime_s), (model.is_active, model.lifetime_s));
                assert_eq!(real.lease.renewed, model.renewed);
                let named = self.real.by_name(&model.registrant.sector, &model.registrant.endpoint_name);
                assert!(named.is_some_and(|named| named.registrant.id == id));
            }
        }
    }
}

/// Runs the operations that some octets stand for, starting at `now`.
pub fn run(octets: &[u8], now: Instant) {
    let mut choices = Choices { octets };
    let limits = choices.limits();
    let mut real = Registry::new(limits, 1, LOCATION_PREFIX);
    let cursor = real.open_cursor();
    let model = RefRegistry::new(limits, LOCATION_PREFIX);
    let mut pair = Pair { real, model, limits, cursor, now, ids: Vec::new() };
    while !choices.octets.is_empty() {
        let choices = &mut choices;
        let some_id = if pair.ids.is_empty() { EntryId(1) } else { choices.one(&pair.ids) };
        match choices.below(16) {
            0..=4 => pair.register(&Registration {
                endpoint_name: choices.one(&NAMES),
                sector: choices.one(&SECTORS),
                base: choices.one(&BASES),
                is_base_explicit: choices.one_in(2),
                lifetime_s: choices.lifetime_s(),
                attributes: &choices.attributes(),
                links: &choices.links(),
                origin: choices.one(&[Origin::Directory, Origin::SimpleRegistration]),
                credentials: &choices.credentials(),
                source: choices.source(),
                link_scope: choices.link_scope(),
                services: None,
            }),
            5 | 6 => {
                let links = choices.links();
                let update = Update {
                    lifetime_s: choices.one_in(2).then(|| choices.lifetime_s()),
                    base: choices.one_in(2).then(|| (choices.one(&BASES), choices.one_in(2))),
                    attributes: &choices.attributes(),
                    links: choices.one_in(3).then_some(&links),
                    source: choices.source(),
                    link_scope: choices.one_in(3).then(|| choices.link_scope()),
                };
                let by = choices.credentials();
                let real = pair.real.update(pair.now, some_id, &update, &by).map(|_| ());
                assert_eq!(real, pair.model.update(pair.now, some_id, &update, &by), "{update:?}");
            }
            7 => {
                let by = choices.credentials();
                let real = pair.real.withdraw(pair.now, some_id, &by).map(|_| ());
                assert_eq!(real, pair.model.withdraw(pair.now, some_id, &by));
            }
            8 | 9 => pair.now += Duration::from_millis(u64::from(choices.octet()) * 37),
            10 => pair.expire(1 + choices.below(8)),
            11 => {
                if choices.one_in(4) && pair.limits.entries_max > 1000 && pair.limits.octets_max > 1000 {
                    pair.register_many(choices);
                }
            }
            12 => {
                if choices.one_in(4) {
                    pair.restart();
                } else {
                    // Nothing that anybody may see comes of it.
                    pair.real.index_some(choices.below(4));
                }
            }
            _ => {
                let filter = choices.filter(&pair.ids);
                let page = choices.page();
                pair.look_up(&filter, page);
            }
        }
        pair.compare();
    }
    pair.compare_entries();
    pair.look_up(&Filter::default(), Page::ALL);
}
