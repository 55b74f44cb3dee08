use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::{Criterion, Filter, Origin, Page, Pattern};

mod lookups;
mod rules;
mod services;

const PREFIX: &str = "/reg/";

#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> Instant {
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A registry at a point in time.
struct House {
    registry: Registry,
    cursor: Cursor,
    now: Instant,
}

fn house() -> House {
    house_with(Limits::default())
}

fn house_with(limits: Limits) -> House {
    let mut registry = Registry::new(limits, 1, PREFIX);
    let cursor = registry.open_cursor();
    House { registry, cursor, now: start() }
}

/// A registration with nothing unusual about it.
fn plain<'a>(endpoint_name: &'a str, links: &'a str) -> Registration<'a> {
    static ANYBODY: std::sync::LazyLock<Credentials> = std::sync::LazyLock::new(Credentials::anonymous);
    Registration {
        endpoint_name,
        sector: "",
        base: "coap://h1",
        is_base_explicit: true,
        lifetime_s: 60,
        attributes: &[],
        links,
        origin: Origin::Directory,
        credentials: &ANYBODY,
        source: None,
        link_scope: None,
        services: None,
    }
}

fn key(octet: u8) -> Credentials {
    Credentials { public_key: Some([octet; 32]), ..Credentials::default() }
}

impl House {
    fn try_register(&mut self, registration: &Registration<'_>) -> Result<Registered, Refusal> {
        self.registry.register(self.now, registration)
    }

    fn register(&mut self, registration: &Registration<'_>) -> EntryId {
        self.try_register(registration).expect("nothing speaks against it").id
    }

    fn update(&mut self, id: EntryId, update: &Update<'_>) {
        self.registry.update(self.now, id, update, &Credentials::anonymous()).expect("nothing speaks against it");
    }

    /// Lets time pass and does what is due.
    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        while self.registry.expire(self.now, 3) {}
    }

    fn registrant(&self, id: EntryId) -> Registrant {
        (**self.registry.get(id).expect("it is there").registrant).clone()
    }

    /// What happened since this was last asked.
    fn changes(&mut self) -> Vec<ChangeKind> {
        std::iter::from_fn(|| self.registry.next_change(self.cursor)).map(|change| change.kind).collect()
    }

    /// Names found by an endpoint lookup, separated by spaces.
    fn names(&mut self, query: &str) -> String {
        self.names_on(query, Page::ALL)
    }

    fn names_on(&mut self, query: &str, page: Page) -> String {
        let mut names = Vec::new();
        self.registry.find_registrants(&filter(query), page, &mut |view| {
            names.push(view.registrant.endpoint_name.to_string());
            ControlFlow::Continue(())
        });
        names.join(" ")
    }

    /// Targets found by a resource lookup, as written.
    fn targets(&mut self, query: &str) -> String {
        self.targets_on(query, Page::ALL)
    }

    fn targets_on(&mut self, query: &str, page: Page) -> String {
        let mut targets = Vec::new();
        self.registry.find_links(&filter(query), page, &mut |_, link| {
            targets.push(link.target.to_owned());
            ControlFlow::Continue(())
        });
        targets.join(" ")
    }
}

/// Reads `name=value&…`; a name `on` is the link the question comes from.
fn filter(query: &str) -> Filter {
    let mut filter = Filter::default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let pattern = Pattern::parse(value);
        filter.criteria.push(match name {
            "on" => {
                filter.link_scope = value.parse().ok();
                continue;
            }
            "href" => Criterion::Href(pattern),
            "anchor" => Criterion::Anchor(pattern),
            "provenance" => Criterion::Provenance(pattern),
            _ => Criterion::Attribute { name: name.into(), pattern },
        });
    }
    filter
}
