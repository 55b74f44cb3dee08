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

fn register(registry: &mut Registry, now: Instant, i: u64, document: &str) -> (EntryId, usize) {
    let name = format!("node-{i:06}");
    let base = format!("coap://10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255);
    let endpoint_type = format!("type{}", i % 100);
    let sector = format!("floor{}", i % 1000);
    let registration = Registration {
        endpoint_name: &name,
        sector: &sector,
        base: &base,
        is_base_explicit: true,
        lifetime_s: 3600,
        attributes: &[("et", &endpoint_type)],
        links: document,
        origin: Origin::Directory,
        credentials: &Credentials::anonymous(),
        source: Some(([10, 0, 0, 1], 5683).into()),
        link_scope: None,
    };
    let octets = name.len() + base.len() + sector.len() + endpoint_type.len() + 2 + document.len();
    let registered = registry.register(now, &registration).expect("the bounds are wide enough");
    (registered.id, octets)
}

fn resident_octets() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// The processor time of this process, finer than its clock ticks would tell.
fn clock() -> Instant {
    Instant::now()
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
    registry: &Registry,
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
        let filter = Filter { criteria, link_scope: None };
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
    let mut text = String::new();
    let (mut ids, mut held) = (Vec::new(), 0);
    let mut spent = Vec::new();
    for i in 0..count {
        // A multiplier that is coprime to powers of ten visits every number once.
        let i = if is_shuffled { i * 618_033 % count } else { i };
        document(&mut text, i, links, octets);
        let start = clock();
        let (id, octets) = register(&mut registry, now + Duration::from_micros(i * 100), i, &text);
        spent.push(start.elapsed());
        ids.push(id);
        held += octets;
    }
    assert_eq!(held, registry.octets());
    let last = spent[spent.len() - count as usize / 10..].to_vec();
    let slowest = spent.iter().max().copied().unwrap_or_default();
    report("register", spent, count);
    report("register, the last tenth", last, count / 10);
    let resident = resident_octets().saturating_sub(resident_before + ids.len() * 8 + count as usize * 32);
    println!(
        "  slowest registration {slowest:.2?}; resident {resident} for {held} octets registered: {:.3}",
        resident as f64 / held as f64
    );

    let rounds = 2000;
    let ten = |page: u64| Page { first: page * 10, count: 10 };
    ask(&registry, "ep=X", rounds, false, |c| {
        (vec![attribute("ep", &format!("node-{:06}", c.below(count)))], Page::ALL)
    });
    ask(&registry, "ep=X, links", rounds, true, |c| {
        (vec![attribute("ep", &format!("node-{:06}", c.below(count)))], Page::ALL)
    });
    ask(&registry, "ep=X&d=Y", rounds, false, |c| {
        let i = c.below(count);
        (vec![attribute("ep", &format!("node-{i:06}")), attribute("d", &format!("floor{}", i % 1000))], Page::ALL)
    });
    ask(&registry, "base=X", rounds, false, |c| {
        let i = c.below(count);
        (vec![attribute("base", &format!("coap://10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255))], Page::ALL)
    });
    ask(&registry, "rt=RARE, links", rounds, true, |c| {
        (vec![attribute("rt", &format!("u{:06}", c.below(count)))], Page::ALL)
    });
    ask(&registry, "rt=RARE, registrants", rounds, false, |c| {
        (vec![attribute("rt", &format!("u{:06}", c.below(count)))], Page::ALL)
    });
    ask(&registry, "rt=RARE* (16 values)", rounds, true, |c| {
        (vec![attribute("rt", &format!("u{:05}*", c.below(count / 10)))], ten(0))
    });
    ask(&registry, "href=URI, links", rounds, true, |c| {
        let i = c.below(count);
        let uri = format!("coap://10.{}.{}.{}/s/1", i >> 16 & 255, i >> 8 & 255, i & 255);
        (vec![Criterion::Href(Pattern::Exact(uri.into()))], Page::ALL)
    });
    ask(&registry, "href=LOCATION", rounds, false, |c| {
        let id = ids[c.below(count) as usize];
        (vec![Criterion::Href(Pattern::Exact(format!("{LOCATION_PREFIX}{id}").into()))], Page::ALL)
    });
    ask(&registry, "et=X, count 10", rounds, false, |c| {
        (vec![attribute("et", &format!("type{}", c.below(100)))], ten(0))
    });
    ask(&registry, "rt=COMMON, any page of 10 links", rounds, true, |c| {
        (vec![attribute("rt", "kind1")], ten(c.below(count / 10)))
    });
    ask(&registry, "rt=COMMON, any page of 10 registrants", rounds, false, |c| {
        (vec![attribute("rt", "kind1")], ten(c.below(count / 10)))
    });
    ask(&registry, "if=COMMON, any page of 10 links", rounds, true, |c| {
        (vec![attribute("if", "core.s")], ten(c.below(count / 10)))
    });
    ask(&registry, "no criteria, any page of 10 links", rounds, true, |c| (vec![], ten(c.below(count * links / 10))));
    ask(&registry, "no criteria, any page of 10 registrants", rounds, false, |c| (vec![], ten(c.below(count / 10))));
    ask(&registry, "ep=node*, first page of 10", rounds, false, |_| (vec![attribute("ep", "node*")], ten(0)));
    ask(&registry, "title=*, any page of 10 links", rounds, true, |c| {
        (vec![attribute("title", "*")], ten(c.below(count / 10)))
    });
    ask(&registry, "et=X&rt=COMMON&if=COMMON, count 10", rounds, true, |c| {
        let endpoint_type = format!("type{}", c.below(100));
        (vec![attribute("rt", "kind1"), attribute("et", &endpoint_type), attribute("if", "core.s")], ten(0))
    });
    ask(&registry, "et=X&rt=COMMON, any page of 10 links", rounds, true, |c| {
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
        let i = chance.below(count);
        document(&mut text, i + count, links, octets);
        let start = clock();
        register(&mut registry, now + Duration::from_secs(1200) + Duration::from_micros(round), i, &text);
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

    // As many leases as end in one second of load, in slices.
    let mut times = Vec::new();
    let expired_before = registry.active_count();
    let mut at = now + Duration::from_secs(3600);
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
    let total: Duration = times.iter().sum();
    let expired = expired_before - registry.active_count();
    println!("  expiring {expired}: {total:.2?}, {:.2?} each", total / expired.max(1) as u32);
    report("expire, a slice of at most 100", times, expired as u64);

    let mut kept = Vec::new();
    registry.find_registrants(&Filter::default(), Page::ALL, &mut |view| {
        kept.push(Restored { registrant: (**view.registrant).clone(), lease: view.lease });
        ControlFlow::Continue(())
    });
    drop(registry);
    let mut registry = Registry::new(Limits::default(), 8, LOCATION_PREFIX);
    let restored = kept.len();
    let start = clock();
    for entry in kept {
        registry.restore(now, entry).expect("it was there before");
    }
    println!("  restoring {restored}: {:.2?}", start.elapsed());
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
