use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{Answer, House, LAMP, PHONE, ask, delete, get, post};

/// The fetch that the node has sent to an address.
fn fetch(house: &mut House, to: &str) -> Answer {
    let to = to.parse().expect("an address in a test");
    let place = house.sent.iter().position(|message| message.to == to && message.code == Code::GET);
    let fetch = house.sent.remove(place.expect("a fetch"));
    assert_eq!(fetch.all(number::URI_PATH), [".well-known", "core"]);
    assert_eq!(fetch.uint(number::ACCEPT), Some(40));
    fetch
}

/// The separate answer to a token.
fn answer(house: &mut House, token: &[u8]) -> Answer {
    let place = house.sent.iter().position(|message| message.token == token && message.code.is_response());
    house.sent.remove(place.expect("an answer"))
}

fn register(house: &mut House, from: &str, query: &str, links: &str) -> Answer {
    let token = house.send(from, post(&format!("/.well-known/rd?{query}")));
    let fetch = fetch(house, from);
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], links);
    answer(house, &token)
}

#[test]
fn rd17_links_are_fetched_from_the_source_and_entered() {
    let mut house = House::new();
    let token = house.send(LAMP, post("/.well-known/rd?ep=lamp&lt=600&d=attic&et=x"));
    // Nothing is claimed before the registrant has answered.
    assert!(house.endpoints("").is_empty());
    assert!(!house.sent.iter().any(|message| message.token == token && message.code.is_response()));
    let fetch = fetch(&mut house, LAMP);
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], "</sensors/temp>;rt=temperature");
    let answer = answer(&mut house, &token);
    assert_eq!((answer.code, answer.option(number::LOCATION_PATH)), (Code::CHANGED, None));
    assert_eq!(answer.durable_after, house.changes.last().expect("a change to store").number.0);
    assert_eq!(house.resources("ep=lamp&d=attic&et=x"), ["<coap://[2001:db8::1]/sensors/temp>;rt=temperature"]);
}

#[test]
fn rd17_a_registrant_that_asks_again_is_answered_from_the_cache() {
    let mut house = House::new();
    let token = house.send(LAMP, post("/.well-known/rd?ep=lamp"));
    let fetch = fetch(&mut house, LAMP);
    // It has forgotten its request while it answers ours, and asks again later.
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], "</x>");
    let first = answer(&mut house, &token);
    house.acknowledge(&first, wayhouse_wire::coap::Kind::Acknowledgement);
    house.sent.clear();
    house.advance_s(10);
    let token = house.send(LAMP, post("/.well-known/rd?ep=lamp"));
    assert!(house.sent.iter().all(|message| message.code != Code::GET), "{:?}", house.sent);
    assert_eq!(answer(&mut house, &token).code, Code::CHANGED);
    // Not fresh any more: fetched again.
    house.advance_s(400);
    house.sent.clear();
    house.send(LAMP, post("/.well-known/rd?ep=lamp"));
    self::fetch(&mut house, LAMP);
}

#[test]
fn rd17_repeated_requests_share_one_fetch() {
    let mut house = House::new();
    let tokens: Vec<_> = (0..6).map(|_| house.send(LAMP, post("/.well-known/rd?ep=lamp"))).collect();
    let fetch = fetch(&mut house, LAMP);
    assert!(!house.sent.iter().any(|message| message.code == Code::GET));
    for token in &tokens[4..] {
        assert_eq!(answer(&mut house, token).code, Code::SERVICE_UNAVAILABLE);
    }
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], "</x>");
    for token in &tokens[..4] {
        // One separate answer at a time.
        for _ in 0..10 {
            let confirmable: Vec<_> = house.sent.iter().filter(|message| message.code.is_response()).cloned().collect();
            for message in confirmable {
                house.acknowledge(&message, wayhouse_wire::coap::Kind::Acknowledgement);
            }
        }
        assert_eq!(answer(&mut house, token).code, Code::CHANGED);
    }
    assert_eq!(house.endpoints("").len(), 1);
}

#[test]
fn rd18_links_are_fetched_again_before_they_expire() {
    let mut house = House::new();
    assert_eq!(register(&mut house, LAMP, "ep=lamp&lt=400", "</x>").code, Code::CHANGED);
    house.advance_s(299);
    assert!(!house.sent.iter().any(|message| message.code == Code::GET));
    house.advance_s(2);
    let fetch = fetch(&mut house, LAMP);
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], "</y>");
    assert_eq!(house.resources(""), ["<coap://[2001:db8::1]/y>"]);
    // Its life has begun again.
    house.advance_s(250);
    assert_eq!(house.resources("").len(), 1);
}

#[test]
fn rd18_without_an_answer_it_is_deleted_after_its_lifetime() {
    let mut house = House::new();
    register(&mut house, LAMP, "ep=lamp&lt=400", "</x>");
    house.advance_s(399);
    assert_eq!(house.resources("").len(), 1);
    assert!(house.sent.iter().any(|message| message.code == Code::GET));
    house.advance_s(2);
    assert!(house.resources("").is_empty());
    house.sent.clear();
    house.advance_s(1000);
    assert!(!house.sent.iter().any(|message| message.code == Code::GET), "what is gone is not fetched");
}

#[test]
fn rd18_a_short_life_is_left_to_the_registrant() {
    let mut house = House::new();
    register(&mut house, LAMP, "ep=lamp&lt=20", "</x>");
    house.sent.clear();
    house.advance_s(21);
    assert!(!house.sent.iter().any(|message| message.code == Code::GET));
    assert!(house.resources("").is_empty());
}

#[test]
fn rd18_there_is_no_interface_to_change_it_but_registering_again() {
    let mut house = House::new();
    register(&mut house, LAMP, "ep=lamp&lt=400", "</x>");
    let shown = house.endpoints("").pop().expect("one endpoint");
    let location = shown[1..shown.find('>').expect("a target")].to_owned();
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::METHOD_NOT_ALLOWED);
    house.advance_s(200);
    register_again(&mut house);
    house.advance_s(220);
    assert_eq!(house.endpoints("").len(), 1);
}

fn register_again(house: &mut House) {
    assert_eq!(register(house, LAMP, "ep=lamp&lt=400", "</x>").code, Code::CHANGED);
}

#[test]
fn rd20_a_base_is_refused() {
    let mut house = House::new();
    for (request, expected) in [
        (post("/.well-known/rd?ep=lamp&base=coap://lamp.example"), Code::BAD_REQUEST),
        (post("/.well-known/rd"), Code::BAD_REQUEST),
        (post("/.well-known/rd?ep=lamp&lt=0"), Code::BAD_REQUEST),
        (post("/.well-known/rd?ep=lamp&rt=x"), Code::BAD_REQUEST),
        (post("/.well-known/rd?ep=lamp").links("</x>"), Code::BAD_REQUEST),
        (ask(Code::PUT, "/.well-known/rd?ep=lamp"), Code::METHOD_NOT_ALLOWED),
        (get("/.well-known/rd"), Code::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(house.ask(LAMP, request.clone()).code, expected, "{request:?}");
    }
    assert!(house.sent.is_empty(), "nothing is fetched: {:?}", house.sent);
}

#[test]
fn rd17_what_cannot_be_fetched_is_not_registered() {
    let mut house = House::new();
    // Nobody answers.
    let token = house.send(LAMP, post("/.well-known/rd?ep=lamp"));
    house.advance_s(120);
    assert_eq!(answer(&mut house, &token).code, Code::GATEWAY_TIMEOUT);
    // Something else answers.
    for (n, (code, format, payload)) in [
        (Code::NOT_FOUND, None, ""),
        (Code::CONTENT, Some(0u8), "</x>"),
        (Code::CONTENT, Some(40), "<x>"),
        (Code::CONTENT, Some(40), "no links"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("[2001:db8::77]:{}", 7000 + n);
        let token = house.send(&from, post("/.well-known/rd?ep=lamp"));
        let fetch = fetch(&mut house, &from);
        let format: Vec<u8> = format.filter(|format| *format > 0).into_iter().collect();
        let options: &[(u16, &[u8])] = if code == Code::CONTENT { &[(number::CONTENT_FORMAT, &format)] } else { &[] };
        house.reply(&fetch, code, options, payload);
        assert_eq!(answer(&mut house, &token).code, Code::BAD_REQUEST, "{code} {payload}");
    }
    assert!(house.endpoints("").is_empty());
}

#[test]
fn rd17_simple_registration_can_be_switched_off() {
    let mut house = House::with(|config| config.directory.simple_registration = false);
    assert_eq!(house.ask(LAMP, post("/.well-known/rd?ep=lamp")).code, Code::NOT_FOUND);
    assert!(house.sent.is_empty());
}

#[test]
fn rd19_the_sender_is_verified_before_anything_is_published() {
    // The source address is real: it answered the fetch. That the request is meant for us now takes Echo.
    let mut house = House::with(|config| config.directory.require_freshness = true);
    let challenge = house.ask(LAMP, post("/.well-known/rd?ep=lamp"));
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    assert!(house.sent.is_empty(), "nothing is fetched for an unverified sender");
    let echo = challenge.option(number::ECHO).expect("an Echo").to_vec();
    // Another sender cannot use it.
    let forged = house.ask(PHONE, post("/.well-known/rd?ep=lamp").option(number::ECHO, &echo));
    assert_eq!(forged.code, Code::UNAUTHORIZED);
    let token = house.send(LAMP, post("/.well-known/rd?ep=lamp").option(number::ECHO, &echo));
    let fetch = fetch(&mut house, LAMP);
    house.reply(&fetch, Code::CONTENT, &[(number::CONTENT_FORMAT, &[40])], "</x>");
    assert_eq!(answer(&mut house, &token).code, Code::CHANGED);
}

#[test]
fn rd18_a_restored_simple_registration_is_fetched_again() {
    let mut house = House::new();
    register(&mut house, LAMP, "ep=lamp&lt=400", "</x>");
    let change = house.changes.last().expect("a change").clone();
    let mut again = House::new();
    let registrant = (**change.after.as_ref().expect("an entry")).clone();
    let lease = wayhouse_registry::Lease { lifetime_s: change.lease.lifetime_s, renewed: again.now };
    again.node.restore(again.now, wayhouse_registry::Restored { registrant, lease }).expect("a sound record");
    assert_eq!(again.resources("").len(), 1);
    again.advance_s(301);
    fetch(&mut again, LAMP);
}
