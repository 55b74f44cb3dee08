use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::Kind;
use wayhouse_wire::coap::option::number;

use crate::house::{House, LAMP, PHONE, delete, get, post};

/// Starts an observation and returns its token.
fn observe(house: &mut House, path: &str) -> Vec<u8> {
    let answer = house.ask_maybe(PHONE, get(path).observe()).expect("an answer");
    assert_eq!(answer.code, Code::CONTENT);
    assert!(answer.option(number::OBSERVE).is_some(), "{path} is observable");
    answer.token
}

/// What the observer was told since, as the last document; `None` when nothing.
fn told(house: &mut House, token: &[u8]) -> Option<Vec<String>> {
    house.notifications(token).last().map(super::house::Answer::links)
}

#[test]
fn rd37_an_observer_sees_add_change_removal_and_expiry() {
    let mut house = House::new();
    let token = observe(&mut house, "/rd-lookup/ep");
    assert_eq!(told(&mut house, &token), None);
    // Added.
    let location = house.register(LAMP, "ep=lamp&lt=1000&et=a", "</x>");
    let shown = told(&mut house, &token).expect("a notification");
    assert_eq!(shown, [format!("<{location}>;ep=\"lamp\";base=\"coap://[2001:db8::1]\";rt=\"core.rd-ep\";et=\"a\"")]);
    // Changed.
    house.ask(LAMP, post(&format!("{location}?et=b")));
    let shown = told(&mut house, &token).expect("a notification");
    assert!(shown[0].ends_with("et=\"b\""), "{shown:?}");
    // Removed.
    house.ask(LAMP, delete(&location));
    assert_eq!(told(&mut house, &token), Some(vec![]));
    // Expired.
    house.register(LAMP, "ep=lamp&lt=100", "");
    assert_eq!(told(&mut house, &token).expect("a notification").len(), 1);
    house.advance_s(101);
    assert_eq!(told(&mut house, &token), Some(vec![]));
}

#[test]
fn rd37_resource_lookups_are_observed_too() {
    let mut house = House::new();
    let token = observe(&mut house, "/rd-lookup/res?rt=light");
    let location = house.register(LAMP, "ep=lamp&lt=1000", "</l>;rt=light,</s>;rt=switch");
    assert_eq!(told(&mut house, &token), Some(vec!["<coap://[2001:db8::1]/l>;rt=light".into()]));
    house.register(LAMP, "ep=lamp&lt=1000", "</l2>;rt=\"light dimmer\"");
    assert_eq!(told(&mut house, &token), Some(vec!["<coap://[2001:db8::1]/l2>;rt=\"light dimmer\"".into()]));
    house.ask(LAMP, post(&format!("{location}?base=coap://lamp.example")));
    assert_eq!(told(&mut house, &token), Some(vec!["<coap://lamp.example/l2>;rt=\"light dimmer\"".into()]));
    house.ask(LAMP, delete(&location));
    assert_eq!(told(&mut house, &token), Some(vec![]));
}

#[test]
fn rd37_only_changes_of_the_answer_are_told() {
    let mut house = House::new();
    house.register(PHONE, "ep=other", "</o>;rt=other");
    let location = house.register(LAMP, "ep=lamp&et=a", "</l>;rt=light");
    let endpoints = observe(&mut house, "/rd-lookup/ep?et=a");
    let resources = observe(&mut house, "/rd-lookup/res?rt=light");
    let named = observe(&mut house, "/rd-lookup/ep?ep=lamp");
    // A renewal and a change elsewhere alter none of them.
    house.ask(LAMP, post(&location));
    house.register(LAMP, "ep=lamp&et=a", "</l>;rt=light");
    house.register(PHONE, "ep=other&et=b", "</p>;rt=other");
    house.register(PHONE, "ep=third", "");
    for token in [&endpoints, &resources, &named] {
        assert_eq!(told(&mut house, token), None);
    }
    // Other links of the same registrant alter no endpoint lookup, and no lookup of the links that stay.
    house.register(LAMP, "ep=lamp&et=a", "</l>;rt=light,</new>;rt=new");
    for token in [&endpoints, &resources, &named] {
        assert_eq!(told(&mut house, token), None);
    }
    // Another attribute alters the endpoint lookups alone.
    house.register(LAMP, "ep=lamp&et=a&et=c", "</l>;rt=light,</new>;rt=new");
    assert!(told(&mut house, &endpoints).is_some());
    house.register(LAMP, "ep=lamp&et=a&et=d", "</l>;rt=light,</new>;rt=new");
    assert_eq!(told(&mut house, &resources), None);
    assert!(told(&mut house, &named).is_some());
}

#[test]
fn rd37_all_kinds_of_filters_and_pages_are_followed() {
    let link = "</l>;rt=light;ex=9;anchor=\"/a\"";
    for path in [
        "/rd-lookup/ep?ep=lamp",
        "/rd-lookup/ep?ep=la*",
        "/rd-lookup/ep?d=attic",
        "/rd-lookup/ep?base=coap://lamp.example",
        "/rd-lookup/ep?rt=light",
        "/rd-lookup/ep?rt=core.rd-ep",
        "/rd-lookup/ep?href=coap://lamp.example/l",
        "/rd-lookup/ep?et=e&d=attic",
        "/rd-lookup/ep?count=3",
        "/rd-lookup/ep?page=0&count=3&et=e",
        "/rd-lookup/res",
        "/rd-lookup/res?ep=lamp",
        "/rd-lookup/res?d=attic",
        "/rd-lookup/res?ex=9",
        "/rd-lookup/res?anchor=coap://lamp.example/a",
        "/rd-lookup/res?href=coap://lamp.example/l",
        "/rd-lookup/res?href=coap://lamp.example/*",
        "/rd-lookup/res?count=1",
        "/rd-lookup/res?et=e&rt=light",
    ] {
        let mut house = House::new();
        let token = observe(&mut house, path);
        let location = house.register(LAMP, "ep=lamp&d=attic&et=e&base=coap://lamp.example", link);
        assert_eq!(told(&mut house, &token).map(|links| links.len()), Some(1), "{path}");
        house.ask(LAMP, delete(&location));
        assert_eq!(told(&mut house, &token), Some(vec![]), "{path}");
    }
    // By location, as a path and as a full URI.
    for prefix in ["", "coap://[2001:db8::53]"] {
        let mut house = House::new();
        let location = house.register(LAMP, "ep=lamp", link);
        let token = observe(&mut house, &format!("/rd-lookup/ep?href={prefix}{location}"));
        house.ask(LAMP, delete(&location));
        assert_eq!(told(&mut house, &token), Some(vec![]), "{prefix}");
    }
}

#[test]
fn rd5_rd37_observers_on_other_links_hear_nothing_of_link_local_ones() {
    let mut house = House::new();
    let mut watch =
        |link: u32| house.ask_maybe(PHONE, get("/rd-lookup/ep").observe().on_link(link)).expect("an answer").token;
    let (here, elsewhere) = (watch(3), watch(4));
    house.ask("[fe80::1%3]:5683", post("/rd?ep=lamp").on_link(3));
    assert_eq!(told(&mut house, &here).map(|links| links.len()), Some(1));
    assert_eq!(told(&mut house, &elsewhere), None);
}

#[test]
fn rd37_an_observer_that_resets_is_forgotten() {
    let mut house = House::new();
    let token = observe(&mut house, "/rd-lookup/ep");
    assert_eq!(house.node.counters().observers, 1);
    house.register(LAMP, "ep=lamp", "");
    house.advance_s(5);
    let place = house.sent.iter().position(|answer| answer.token == token).expect("a notification");
    let notification = house.sent.remove(place);
    house.acknowledge(&notification, Kind::Reset);
    assert_eq!(house.node.counters().observers, 0);
    house.sent.clear();
    house.register(LAMP, "ep=lamp2", "");
    assert_eq!(told(&mut house, &token), None);
}

#[test]
fn rd37_deregistering_ends_the_observation_and_answers_plainly() {
    let mut house = House::new();
    let token = observe(&mut house, "/rd-lookup/ep?ep=lamp");
    let other = observe(&mut house, "/rd-lookup/ep?ep=lamp");
    let mut bytes = Vec::new();
    let mut message = wayhouse_wire::coap::Encoder::datagram(&mut bytes, Kind::Confirmable, Code::GET, 900, &token);
    message.option(number::OBSERVE, &[1]);
    message.option(number::URI_PATH, b"rd-lookup");
    message.option(number::URI_PATH, b"ep");
    message.option(number::URI_QUERY, b"ep=lamp");
    house.node.handle_datagram(house.now, &crate::house::meta(PHONE), &bytes);
    house.drain();
    let answer = house.sent.pop().expect("an answer");
    assert_eq!((answer.code, answer.option(number::OBSERVE)), (Code::CONTENT, None));
    house.register(LAMP, "ep=lamp", "");
    assert_eq!(told(&mut house, &token), None);
    assert_eq!(told(&mut house, &other).map(|links| links.len()), Some(1));
}

#[test]
fn rd37_beyond_the_bound_lookups_are_answered_plainly() {
    let mut house = House::with(|config| config.directory.observed_lookups_max = 1);
    observe(&mut house, "/rd-lookup/ep");
    let answer = house.ask(PHONE, get("/rd-lookup/res").observe());
    assert_eq!((answer.code, answer.option(number::OBSERVE)), (Code::CONTENT, None));
}

#[test]
fn an_answer_that_grew_too_large_ends_the_observation() {
    let mut house = House::with(|config| config.directory.lookup_results_max = 1);
    let token = observe(&mut house, "/rd-lookup/ep");
    house.register(LAMP, "ep=a", "");
    assert_eq!(told(&mut house, &token).map(|links| links.len()), Some(1));
    house.register(LAMP, "ep=b", "");
    let last = house.notifications(&token).pop().expect("a last notification");
    assert_eq!((last.code, last.option(number::OBSERVE)), (Code::BAD_REQUEST, None));
    assert_eq!(house.node.counters().observers, 0);
}

#[test]
fn what_is_no_lookup_is_not_observable() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp", "</x>");
    for path in ["/", "/.well-known/core", location.as_str()] {
        let answer = house.ask(PHONE, get(path).observe());
        assert_eq!((answer.code, answer.option(number::OBSERVE)), (Code::CONTENT, None), "{path}");
    }
}
