//! What registering, asking, renewing and expiring cost at ten thousand and at a million entries, and what they weigh.
//!
//! `cargo bench -p wayhouse-registry` measures; without `--bench` (as `cargo test` runs it) a small round shows that it
//! works. Documents are those of a load generator for directories, filled up to 1 kB: four or five links, one type of
//! its own for each registrant, the others shared by all.
#![allow(clippy::disallowed_methods, missing_docs, reason = "a bench reads the clock and its own memory")]

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use wayhouse_registry::{
    Credentials, Criterion, EntryId, Filter, Limits, Origin, Page, Pattern, Registration, Registry, Restored, Update,
};

const LOCATION_PREFIX: &str = "/reg/";

/// The document of registrant `i`: `links` links, filled up to about `octets`.
fn document(out: &mut String, i: u64, links: u64, octets: usize) {
    out.clear();
    for k in 0..links {
        if k > 0 {
            out.push(',');
        }
        let start = out.len();
        match k {
            0 => write!(out, "</s/0>;rt=\"u{i:06}\";if=\"core.s\""),
            _ => write!(out, "</s/{k}>;rt=\"kind{k}\";if=\"core.s\""),
        }
        .expect("a string takes everything");
        let missing = (octets / links as usize).saturating_sub(out.len() - start + 11);
        if missing > 0 {
            out.push_str(";title=\"");
            out.extend(std::iter::repeat_n('x', missing));
            out.push('"');
        }
    }
}

/// What a registrant says of itself.
struct Papers {
    name: String,
    sector: String,
    base: String,
    endpoint_type: String,
    links: String,
}

impl Papers {
    fn new(i: u64, links: u64, octets: usize, version: u64) -> Papers {
        let mut text = String::new();
        document(&mut text, i + version * 10_000_000, links, octets);
        text.shrink_to_fit();
        Papers {
            name: format!("node-{i:06}"),
            sector: format!("floor{}", i % 1000),
            base: format!("coap://10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255),
            endpoint_type: format!("type{}", i % 100),
            links: text,
        }
    }

    fn register(&self, registry: &mut Registry, now: Instant) -> EntryId {
        let registration = Registration {
            endpoint_name: &self.name,
            sector: &self.sector,
            base: &self.base,
            is_base_explicit: true,
            lifetime_s: 3600,
            attributes: &[("et", &self.endpoint_type)],
            links: &self.links,
            origin: Origin::Directory,
            credentials: &Credentials::anonymous(),
            source: Some(([10, 0, 0, 1], 5683).into()),
            link_scope: None,
            services: None,
        };
        registry.register(now, &registration).expect("the bounds are wide enough").id
    }
}

fn resident_octets() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn clock() -> Instant {
    Instant::now()
}

/// Processor time of this thread, which other programs do not stretch; told in steps of some milliseconds.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0))
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn report(what: &str, mut times: Vec<Duration>, results: u64) {
    times.sort_unstable();
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("  {what:<44} mean {mean:>9.2?}  median {median:>9.2?}  p99 {p99:>9.2?}  {results} results");
}

fn attribute(name: &str, value: &str) -> Criterion {
    Criterion::Attribute { name: name.into(), pattern: Pattern::parse(value) }
}

/// Asks `rounds` times, with values chosen by chance.
fn ask(
    registry: &mut Registry,
    what: &str,
    rounds: u64,
    is_links: bool,
    mut question: impl FnMut(&mut Chance) -> (Vec<Criterion>, Page),
) {
    let mut chance = Chance(42);
    let mut times = Vec::new();
    let mut results = 0;
    for _ in 0..rounds {
        let (criteria, page) = question(&mut chance);
        let filter = Filter { criteria, link_scope: None, sees_every_link: false };
        let start = clock();
        if is_links {
            registry.find_links(&filter, page, &mut |_, link| {
                std::hint::black_box(link.target);
                results += 1;
                ControlFlow::Continue(())
            });
        } else {
            registry.find_registrants(&filter, page, &mut |view| {
                std::hint::black_box(&view.registrant.base);
                results += 1;
                ControlFlow::Continue(())
            });
        }
        times.push(start.elapsed());
    }
    report(what, times, results);
}

fn measure(count: u64, links: u64, octets: usize, is_shuffled: bool) {
    println!(
        "{count} registrants, {links} links, {octets} octets of links{}",
        if is_shuffled { ", shuffled" } else { "" }
    );
    let resident_before = resident_octets();
    let mut registry = Registry::new(Limits::default(), 7, LOCATION_PREFIX);
    let now = clock();
    let mut ids = Vec::with_capacity(count as usize);
    let (mut all, mut last_tenth, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let batch = 1000;
    for first in (0..count).step_by(batch as usize) {
        // A multiplier that is coprime to powers of ten visits every number once.
        let number = |i: u64| if is_shuffled { i * 618_033 % count } else { i };
        let papers: Vec<Papers> = (first..first + batch).map(|i| Papers::new(number(i), links, octets, 0)).collect();
        let (before, mut at) = (processor_time(), clock());
        for (i, one) in (first..).zip(&papers) {
            ids.push((number(i), one.register(&mut registry, now + Duration::from_micros(i * 100))));
            let end = clock();
            slowest = slowest.max(end - at);
            at = end;
        }
        let spent = processor_time().saturating_sub(before);
        all += spent;
        last_tenth += if first >= count / 10 * 9 { spent } else { Duration::ZERO };
    }
    let (each, last) = (all / count as u32, last_tenth / (count / 10) as u32);
    println!("  register: {each:.2?} of processor time, the last tenth {last:.2?}; the slowest took {slowest:.2?}");
    let held = registry.octets();
    let resident = resident_octets().saturating_sub(resident_before + ids.len() * 16);
    let ratio = resident as f64 / held as f64;
    println!("  resident: {resident} octets for {held} registered: {ratio:.3}");
    ids.sort_unstable();
    let ids: Vec<EntryId> = ids.into_iter().map(|(_, id)| id).collect();

    let rounds = 2000;
    let ten = |page: u64| Page { first: page * 10, count: 10 };
    ask(&mut registry, "ep=X", rounds, false, |c| {
        (vec![attribute("ep", &format!("node-{:06}", c.below(count)))], Page::ALL)
    });
    ask(&mut registry, "ep=X, links", rounds, true, |c| {
        (vec![attribute("ep", &format!("node-{:06}", c.below(count)))], Page::ALL)
    });
    ask(&mut registry, "ep=X&d=Y", rounds, false, |c| {
        let i = c.below(count);
        (vec![attribute("ep", &format!("node-{i:06}")), attribute("d", &format!("floor{}", i % 1000))], Page::ALL)
    });
    ask(&mut registry, "base=X", rounds, false, |c| {
        let i = c.below(count);
        (vec![attribute("base", &format!("coap://10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255))], Page::ALL)
    });
    ask(&mut registry, "rt=RARE, links", rounds, true, |c| {
        (vec![attribute("rt", &format!("u{:06}", c.below(count)))], Page::ALL)
    });
    ask(&mut registry, "rt=RARE, registrants", rounds, false, |c| {
        (vec![attribute("rt", &format!("u{:06}", c.below(count)))], Page::ALL)
    });
    ask(&mut registry, "rt=RARE* (some values)", rounds, true, |c| {
        (vec![attribute("rt", &format!("u{:05}*", c.below(count / 10)))], ten(0))
    });
    ask(&mut registry, "href=URI, links", rounds, true, |c| {
        let i = c.below(count);
        let uri = format!("coap://10.{}.{}.{}/s/1", i >> 16 & 255, i >> 8 & 255, i & 255);
        (vec![Criterion::Href(Pattern::Exact(uri.into()))], Page::ALL)
    });
    ask(&mut registry, "href=LOCATION", rounds, false, |c| {
        let id = ids[c.below(count) as usize];
        (vec![Criterion::Href(Pattern::Exact(format!("{LOCATION_PREFIX}{id}").into()))], Page::ALL)
    });
    ask(&mut registry, "et=X, count 10", rounds, false, |c| {
        (vec![attribute("et", &format!("type{}", c.below(100)))], ten(0))
    });
    ask(&mut registry, "rt=COMMON, any page of 10 links", rounds, true, |c| {
        (vec![attribute("rt", "kind1")], ten(c.below(count / 10)))
    });
    ask(&mut registry, "rt=COMMON, any page of 10 registrants", rounds, false, |c| {
        (vec![attribute("rt", "kind1")], ten(c.below(count / 10)))
    });
    ask(&mut registry, "if=COMMON, any page of 10 links", rounds, true, |c| {
        (vec![attribute("if", "core.s")], ten(c.below(count / 10)))
    });
    ask(&mut registry, "no criteria, any page of 10 links", rounds, true, |c| {
        (vec![], ten(c.below(count * links / 10)))
    });
    ask(&mut registry, "no criteria, any page of 10 registrants", rounds, false, |c| {
        (vec![], ten(c.below(count / 10)))
    });
    ask(&mut registry, "ep=node*, first page of 10", rounds, false, |_| (vec![attribute("ep", "node*")], ten(0)));
    ask(&mut registry, "title=*, any page of 10 links", rounds, true, |c| {
        (vec![attribute("title", "*")], ten(c.below(count / 10)))
    });
    ask(&mut registry, "et=X&rt=COMMON&if=COMMON, count 10", rounds, true, |c| {
        let endpoint_type = format!("type{}", c.below(100));
        (vec![attribute("rt", "kind1"), attribute("et", &endpoint_type), attribute("if", "core.s")], ten(0))
    });
    ask(&mut registry, "et=X&rt=COMMON, any page of 10 links", rounds, true, |c| {
        (vec![attribute("rt", "kind1"), attribute("et", "type7")], ten(c.below(count / 1000)))
    });

    let mut times = Vec::new();
    let mut chance = Chance(1);
    for round in 0..count.min(100_000) {
        let id = ids[chance.below(count) as usize];
        let now = now + Duration::from_secs(1000) + Duration::from_micros(round);
        let start = clock();
        registry.update(now, id, &Update::default(), &Credentials::anonymous()).expect("it is there");
        times.push(start.elapsed());
    }
    report("renew", times, count.min(100_000));

    let mut times = Vec::new();
    for round in 0..count.min(20_000) {
        let papers = Papers::new(chance.below(count), links, octets, 1);
        let start = clock();
        papers.register(&mut registry, now + Duration::from_secs(1200) + Duration::from_micros(round));
        times.push(start.elapsed());
    }
    report("change one of the links", times, count.min(20_000));

    let removed = count.min(20_000) / 2;
    let mut times = Vec::new();
    for index in 0..removed {
        let id = ids[(index * 7919 % count) as usize];
        let start = clock();
        registry.evict(now + Duration::from_secs(1300), id).expect("each is removed once");
        times.push(start.elapsed());
    }
    report("remove", times, removed);

    let mut kept = Vec::new();
    registry.find_registrants(&Filter::default(), Page::ALL, &mut |view| {
        kept.push(Restored { registrant: (**view.registrant).clone(), lease: view.lease });
        ControlFlow::Continue(())
    });
    // As many leases as end in one second of load, in slices.
    let mut times = Vec::new();
    let expired_before = registry.active_count();
    let mut at = now + Duration::from_secs(3600);
    let before = processor_time();
    while expired_before - registry.active_count() < 10_000.min(count as usize / 2) {
        at += Duration::from_millis(100);
        loop {
            let start = clock();
            let is_more = registry.expire(at, 100);
            times.push(start.elapsed());
            if !is_more {
                break;
            }
        }
    }
    let spent = processor_time().saturating_sub(before);
    let expired = expired_before - registry.active_count();
    println!("  expiring {expired}: {spent:.2?} of processor time, {:.2?} each", spent / expired.max(1) as u32);
    report("expire, a slice of at most 100", times, expired as u64);

    drop(registry);
    let mut registry = Registry::new(Limits::default(), 8, LOCATION_PREFIX);
    let restored = kept.len();
    let (before, start) = (processor_time(), clock());
    for entry in kept {
        registry.restore(now, entry).expect("it was there before");
    }
    let spent = processor_time().saturating_sub(before);
    println!("  restoring {restored}: {spent:.2?} of processor time, {:.2?} in all", start.elapsed());
}

/// Each measurement has a process of its own, so that memory left by one is not taken for that of the next.
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        measure(2000, 4, 1024, true);
        return;
    }
    if let [_, _, count, links, octets, order] = &arguments[..] {
        let number = |text: &str| text.parse().expect("a number");
        measure(number(count), number(links), number(octets) as usize, order == "shuffled");
        return;
    }
    for measurement in [
        ["10000", "4", "1024", "shuffled"],
        ["10000", "5", "0", "shuffled"],
        ["1000000", "5", "0", "shuffled"],
        ["1000000", "4", "1024", "ascending"],
        ["1000000", "4", "1024", "shuffled"],
    ] {
        let itself = std::env::current_exe().expect("a running program has a file");
        let status = std::process::Command::new(itself).arg("--bench").args(measurement).status();
        assert!(status.is_ok_and(|status| status.success()), "{measurement:?}");
    }
}
