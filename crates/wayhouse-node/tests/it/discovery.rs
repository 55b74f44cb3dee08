use std::time::Duration;

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{House, PHONE, ask, get, post};

fn discover(query: &str) -> Vec<String> {
    let mut house = House::new();
    let targets = house.ask(PHONE, get(&format!("/.well-known/core?{query}"))).links();
    targets.into_iter().map(|link| link.split(';').next().expect("a target").to_owned()).collect()
}

#[test]
fn rd9_discovery_names_all_interfaces_with_their_format() {
    let mut house = House::new();
    let answer = house.ask(PHONE, get("/.well-known/core"));
    assert_eq!(answer.uint(number::CONTENT_FORMAT), Some(40));
    let links = answer.links();
    assert!(links.contains(&"</rd>;rt=\"core.rd\";ct=40".to_owned()), "{links:?}");
    assert!(links.contains(&"</rd-lookup/ep>;rt=\"core.rd-lookup-ep\";ct=40;obs".to_owned()), "{links:?}");
    assert!(links.contains(&"</rd-lookup/res>;rt=\"core.rd-lookup-res\";ct=40;obs".to_owned()), "{links:?}");
}

#[test]
fn cl7_cl8_discovery_filters_by_value_prefix_and_presence() {
    assert_eq!(discover("rt=core.rd"), ["</rd>"]);
    assert_eq!(discover("rt=core.rd*"), ["</rd-lookup/ep>", "</rd-lookup/res>", "</rd>"]);
    assert_eq!(discover("rt=core.rd-lookup*"), ["</rd-lookup/ep>", "</rd-lookup/res>"]);
    assert_eq!(discover("rt=core.rd-lookup-ep"), ["</rd-lookup/ep>"]);
    assert_eq!(discover("rt=*"), ["</rd-lookup/ep>", "</rd-lookup/res>", "</rd>"]);
    assert_eq!(discover("obs=*"), ["</rd-lookup/ep>", "</rd-lookup/res>"]);
    assert_eq!(discover("ct=40&rt=core.rd"), ["</rd>"]);
}

#[test]
fn cl9_href_matches_the_reference_as_written() {
    assert_eq!(discover("href=/rd"), ["</rd>"]);
    assert_eq!(discover("href=/rd-lookup/*"), ["</rd-lookup/ep>", "</rd-lookup/res>"]);
    assert_eq!(discover("href=rd"), [""; 0]);
}

#[test]
fn cl11_no_match_is_an_empty_document() {
    let mut house = House::new();
    let answer = house.ask(PHONE, get("/.well-known/core?rt=light"));
    assert_eq!((answer.code, answer.payload.len()), (Code::CONTENT, 0));
}

#[test]
fn cl10_multicast_is_answered_only_where_something_matches() {
    let mut house = House::new();
    house.send(PHONE, get("/.well-known/core?rt=light").by_multicast());
    house.advance(Duration::from_secs(60));
    assert!(house.sent.is_empty());
    let token = house.send(PHONE, get("/.well-known/core?rt=core.rd*").by_multicast());
    // CX3: some time within the leisure.
    house.advance(Duration::from_secs(60));
    assert_eq!(house.sent.len(), 1);
    assert_eq!(house.sent[0].token, token);
    assert_eq!(house.sent[0].links().len(), 3);
}

#[test]
fn cx6_a_group_is_asked_for_nothing_but_discovery() {
    let mut house = House::new();
    for request in
        [get("/"), get("/rd-lookup/ep"), post("/rd?ep=lamp"), get("/nothing"), get("/.well-known/core?\u{ff}")]
    {
        house.send(PHONE, request.by_multicast());
    }
    house.send(PHONE, post("/.well-known/core").by_multicast());
    house.advance(Duration::from_secs(60));
    assert_eq!(house.sent, []);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn the_root_says_who_answers() {
    let mut house = House::new();
    let answer = house.ask(PHONE, get("/"));
    assert_eq!((answer.code, answer.option(number::CONTENT_FORMAT)), (Code::CONTENT, Some(&[][..])));
    assert!(answer.text().starts_with("wayhouse "), "{}", answer.text());
}

#[test]
fn co7_what_cannot_be_accepted_is_refused() {
    let mut house = House::new();
    for path in ["/.well-known/core", "/rd-lookup/ep", "/rd-lookup/res"] {
        assert_eq!(house.ask(PHONE, get(path).option(number::ACCEPT, &[40])).code, Code::CONTENT, "{path}");
        assert_eq!(house.ask(PHONE, get(path).option(number::ACCEPT, &[60])).code, Code::NOT_ACCEPTABLE, "{path}");
    }
    assert_eq!(house.ask(PHONE, get("/").option(number::ACCEPT, &[])).code, Code::CONTENT);
    assert_eq!(house.ask(PHONE, get("/").option(number::ACCEPT, &[40])).code, Code::NOT_ACCEPTABLE);
}

#[test]
fn rd1_only_the_registration_interfaces_take_information() {
    let mut house = House::new();
    for (code, path) in [
        (Code::PUT, "/rd?ep=lamp"),
        (Code::GET, "/rd"),
        (Code::GET, "/.well-known/rd"),
        (Code::POST, "/rd-lookup/ep?ep=lamp"),
        (Code::PUT, "/rd-lookup/res"),
        (Code::POST, "/.well-known/core?ep=lamp"),
        (Code::FETCH, "/rd-lookup/ep"),
        (Code::PATCH, "/rd"),
        (Code(0x1f), "/rd"),
        (Code::POST, "/"),
    ] {
        let answer = house.ask(PHONE, ask(code, path).links("</x>"));
        assert_eq!(answer.code, Code::METHOD_NOT_ALLOWED, "{code} {path}");
    }
    assert_eq!(house.ask(PHONE, get("/nothing")).code, Code::NOT_FOUND);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn co12_nobody_is_proxied_for() {
    let mut house = House::new();
    let request = get("/").option(number::PROXY_SCHEME, b"coap");
    assert_eq!(house.ask(PHONE, request).code, Code::PROXYING_NOT_SUPPORTED);
}

#[test]
fn co9_conditions_hold_where_nothing_has_a_tag() {
    let mut house = House::new();
    let answer = house.ask(PHONE, post("/rd?ep=lamp").links("</x>").option(number::IF_NONE_MATCH, &[]));
    assert_eq!(answer.code, Code::PRECONDITION_FAILED);
    let answer = house.ask(PHONE, post("/rd?ep=lamp").links("</x>").option(number::IF_MATCH, b"tag"));
    assert_eq!(answer.code, Code::PRECONDITION_FAILED);
    assert!(house.endpoints("").is_empty());
    let answer = house.ask(PHONE, post("/rd?ep=lamp").links("</x>").option(number::IF_MATCH, &[]));
    assert_eq!(answer.code, Code::CREATED);
}
