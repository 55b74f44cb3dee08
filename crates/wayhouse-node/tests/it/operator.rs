use std::time::Duration;

use wayhouse_node::face::operator::{Entry, Shown};
use wayhouse_node::{Command, Reply};
use wayhouse_registry::{Criterion, Filter, Origin, Page, Pattern, Refusal};
use wayhouse_wire::coap::Code;

use crate::house::{House, LAMP, get, post};

fn entry() -> Entry {
    Entry {
        endpoint_name: "lamp".into(),
        sector: "attic".into(),
        base: "coap://lamp.example".into(),
        lifetime_s: 600,
        attributes: vec![("et".into(), "oic.d.light".into())],
        links: "</x>;rt=light".into(),
    }
}

fn list(house: &mut House, filter: Filter, text: Option<&str>, page: Page) -> (Vec<Shown>, bool) {
    let command = Command::Registrants { filter, text: text.map(str::to_owned), page };
    match house.node.command(house.now, command) {
        Ok(Reply::Registrants { entries, is_cut }) => (entries, is_cut),
        other => panic!("{other:?}"),
    }
}

fn names(shown: &[Shown]) -> Vec<&str> {
    let mut names: Vec<&str> = shown.iter().map(|shown| &*shown.registrant.endpoint_name).collect();
    names.sort_unstable();
    names
}

#[test]
fn rd5_an_operator_sees_what_is_bound_to_a_link() {
    let mut house = House::new();
    house.ask("[fe80::1%3]:5683", post("/rd?ep=bound").links("</x>").on_link(3));
    house.register(LAMP, "ep=free", "</x>");
    let (shown, _) = list(&mut house, Filter::default(), None, Page::ALL);
    assert_eq!(names(&shown), ["bound", "free"]);
    let (shown, _) = list(&mut house, Filter::default(), Some("bound"), Page::ALL);
    assert_eq!(names(&shown), ["bound"]);
}

#[test]
fn an_operator_enters_sees_and_removes() {
    let mut house = House::new();
    let Ok(Reply::Registered { id, is_new: true, durable_after }) =
        house.node.command(house.now, Command::Register(entry()))
    else {
        panic!("entered");
    };
    house.drain();
    assert_eq!(house.changes.last().expect("a change to store").number.0, durable_after);
    assert_eq!(house.resources("d=attic&et=oic.d.light"), ["<coap://lamp.example/x>;rt=light"]);
    house.advance_s(100);
    let Ok(Reply::Registrant(shown)) = house.node.command(house.now, Command::Registrant(id)) else { panic!("shown") };
    assert_eq!(
        (shown.lifetime_s, shown.age, shown.remaining),
        (600, Duration::from_secs(100), Duration::from_secs(500))
    );
    assert!(shown.is_active);
    assert_eq!((shown.location.as_str(), shown.registrant.origin), (&*format!("/reg/{id}"), Origin::Operator));
    // Entered again it is replaced in place.
    let again = Entry { links: "</y>".into(), ..entry() };
    assert!(matches!(
        house.node.command(house.now, Command::Register(again)),
        Ok(Reply::Registered { id: same, is_new: false, .. }) if same == id
    ));
    assert_eq!(house.resources(""), ["<coap://lamp.example/y>"]);
    assert!(
        matches!(house.node.command(house.now, Command::Remove(id)), Ok(Reply::Removed { durable_after }) if durable_after > 0)
    );
    assert!(matches!(house.node.command(house.now, Command::Remove(id)), Err(Refusal::Unknown)));
    assert!(matches!(house.node.command(house.now, Command::Registrant(id)), Err(Refusal::Unknown)));
    assert!(house.resources("").is_empty());
}

#[test]
fn an_operator_obeys_the_rules_of_registration() {
    let mut house = House::new();
    for wrong in [
        Entry { endpoint_name: String::new(), ..entry() },
        Entry { endpoint_name: "x".repeat(64), ..entry() },
        Entry { base: String::new(), ..entry() },
        Entry { base: "lamp".into(), ..entry() },
        Entry { base: "coap://[fe80::1]".into(), ..entry() },
        Entry { lifetime_s: 0, ..entry() },
        Entry { links: "<x>".into(), ..entry() },
        Entry { attributes: vec![("rt".into(), "x".into())], ..entry() },
        Entry { attributes: vec![("ep".into(), "x".into())], ..entry() },
        Entry { attributes: vec![("a b".into(), "x".into())], ..entry() },
    ] {
        let outcome = house.node.command(house.now, Command::Register(wrong.clone()));
        assert!(matches!(outcome, Err(Refusal::Invalid { .. })), "{wrong:?}: {outcome:?}");
    }
}

#[test]
fn an_operator_may_change_and_remove_what_others_own() {
    let mut house = House::with(|config| {
        config.directory.anonymous = wayhouse_node::config::AnonymousPolicy::Address;
    });
    let location = house.register(LAMP, "ep=lamp&d=attic", "</x>");
    assert!(matches!(
        house.node.command(house.now, Command::Register(entry())),
        Ok(Reply::Registered { is_new: false, .. })
    ));
    // It is still its owner's.
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    let id = wayhouse_registry::EntryId::parse(&location["/reg/".len()..]).expect("an id");
    assert!(house.node.command(house.now, Command::Remove(id)).is_ok());
    assert_eq!(house.ask(LAMP, get(&location)).code, Code::NOT_FOUND);
}

#[test]
fn lists_are_filtered_searched_and_paged() {
    let mut house = House::new();
    house.register(LAMP, "ep=Lamp1&et=oic.d.light&base=coap://a.example", "</x>;title=\"Desk\"");
    house.register(LAMP, "ep=lamp2&et=oic.d.light&d=Attic&base=coap://b.example", "</x>");
    house.register(LAMP, "ep=plug&et=oic.d.plug&base=coap://c.example", "</x>");
    let all = Filter::default();
    let (shown, is_cut) = list(&mut house, all.clone(), None, Page::ALL);
    assert_eq!((names(&shown), is_cut), (vec!["Lamp1", "lamp2", "plug"], false));
    for (text, expected) in [
        ("LAMP", vec!["Lamp1", "lamp2"]),
        ("desk", vec!["Lamp1"]),
        ("attic", vec!["lamp2"]),
        ("c.example", vec!["plug"]),
        ("oic.d.", vec!["Lamp1", "lamp2", "plug"]),
        ("", vec!["Lamp1", "lamp2", "plug"]),
        ("nothing", vec![]),
    ] {
        assert_eq!(names(&list(&mut house, all.clone(), Some(text), Page::ALL).0), expected, "{text}");
    }
    let lights = Filter {
        criteria: vec![Criterion::Attribute { name: "et".into(), pattern: Pattern::parse("oic.d.light") }],
        ..Filter::default()
    };
    assert_eq!(names(&list(&mut house, lights, Some("plug"), Page::ALL).0), [""; 0]);
    for text in [None, Some("example")] {
        let mut seen = Vec::new();
        for first in 0..3 {
            let (shown, is_cut) = list(&mut house, all.clone(), text, Page { first, count: 1 });
            assert_eq!((shown.len(), is_cut), (1, first < 2), "{text:?} {first}");
            seen.extend(shown);
        }
        assert_eq!(names(&seen), ["Lamp1", "lamp2", "plug"]);
    }
}

#[test]
fn a_search_reads_a_bounded_amount_of_text_and_says_so() {
    let mut house = House::new();
    let links = format!("</{}>", "x".repeat(60_000));
    for n in 0..200 {
        let entry = Entry { endpoint_name: format!("n{n}"), links: links.clone(), ..entry() };
        assert!(house.node.command(house.now, Command::Register(entry)).is_ok());
    }
    let (shown, is_cut) = list(&mut house, Filter::default(), Some("nothing"), Page::ALL);
    assert!(shown.is_empty() && is_cut);
}

#[test]
fn status_counts_what_happened() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&lt=10", "</x>");
    house.ask(LAMP, post(&location));
    house.resources("");
    house.ask(LAMP, post("/rd"));
    house.advance_s(11);
    let Ok(Reply::Status(counters)) = house.node.command(house.now, Command::Status) else { panic!("status") };
    assert_eq!(*counters, house.node.counters());
    assert_eq!((counters.registrations, counters.updates, counters.expiries), (1, 1, 1));
    assert_eq!((counters.lookups, counters.refusals, counters.registrants), (1, 1, 0));
    assert_eq!(counters.last_change, house.changes.last().expect("a change").number.0);
    assert!(counters.coap.requests >= 4);
}
