use wayhouse_wire::coap::Code;

use crate::house::{House, LAMP, PHONE, delete, post};

#[test]
fn rd21_an_update_restarts_the_lifetime_last_given() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&lt=100", "");
    house.advance_s(90);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    house.advance_s(90);
    assert_eq!(house.endpoints("").len(), 1);
    // A new lifetime stays for later updates.
    assert_eq!(house.ask(LAMP, post(&format!("{location}?lt=50"))).code, Code::CHANGED);
    house.advance_s(40);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    house.advance_s(45);
    assert_eq!(house.endpoints("").len(), 1);
    house.advance_s(6);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn rd22_a_new_base_moves_all_references() {
    let mut house = House::new();
    let links = "</sensors/temp>;rt=temperature-c;if=sensor,\
                 <http://www.example.com/sensors/temp>;anchor=\"/sensors/temp\";rel=describedby";
    let location = house.register(LAMP, "ep=endpoint1&base=coap://local-proxy-old.example.com", links);
    let expected = |base: &str| {
        vec![
            format!("<{base}/sensors/temp>;rt=temperature-c;if=sensor"),
            format!("<http://www.example.com/sensors/temp>;anchor=\"{base}/sensors/temp\";rel=describedby"),
        ]
    };
    assert_eq!(house.resources(""), expected("coap://local-proxy-old.example.com"));
    assert_eq!(house.ask(LAMP, post(&format!("{location}?base=coaps://new.example.com"))).code, Code::CHANGED);
    assert_eq!(house.resources(""), expected("coaps://new.example.com"));
    // It was explicit: an update from anywhere keeps it.
    assert_eq!(house.ask("[2001:db8::77]:5683", post(&location)).code, Code::CHANGED);
    assert_eq!(house.resources(""), expected("coaps://new.example.com"));
}

#[test]
fn rd22_an_implicit_base_follows_the_source_of_the_update() {
    let mut house = House::new();
    let location = house.register("192.0.2.1:5683", "ep=lamp", "</x>");
    assert_eq!(house.resources(""), ["<coap://192.0.2.1/x>"]);
    assert_eq!(house.ask("192.0.2.7:6000", post(&location)).code, Code::CHANGED);
    assert_eq!(house.resources(""), ["<coap://192.0.2.7:6000/x>"]);
    // Once explicit, it stays.
    house.ask("192.0.2.7:6000", post(&format!("{location}?base=coap://lamp.example")));
    house.ask("192.0.2.8:6000", post(&location));
    assert_eq!(house.resources(""), ["<coap://lamp.example/x>"]);
}

#[test]
fn rd5_rd22_an_update_can_move_a_registrant_off_its_link() {
    let mut house = House::new();
    let location = house.ask("[fe80::1%3]:5683", post("/rd?ep=lamp").links("</x>").on_link(8)).location();
    assert!(house.resources("").is_empty());
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    assert_eq!(house.resources(""), ["<coap://[2001:db8::1]/x>"]);
}

#[test]
fn rd23_attributes_override_those_of_the_same_name() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&et=a&et=b&floor=1", "");
    assert_eq!(house.ask(LAMP, post(&format!("{location}?et=c&room=9"))).code, Code::CHANGED);
    assert_eq!(house.endpoints("et=a"), [""; 0]);
    assert_eq!(house.endpoints("et=c&floor=1&room=9").len(), 1);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    assert_eq!(house.endpoints("et=c&floor=1&room=9").len(), 1);
}

#[test]
fn rd24_a_registration_cannot_be_renamed() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp", "");
    for query in
        ["ep=lamp", "ep=other", "d=attic", "page=1", "rt=x", "href=/x", "anchor=x", "count=1", "lt=0", "base=x"]
    {
        assert_eq!(house.ask(LAMP, post(&format!("{location}?{query}"))).code, Code::BAD_REQUEST, "{query}");
    }
    assert_eq!(house.ask(LAMP, post(&location).links("</x>")).code, Code::BAD_REQUEST);
    assert_eq!(house.endpoints("ep=lamp").len(), 1);
}

#[test]
fn an_update_of_nothing_is_4_04() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp", "");
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::DELETED);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::NOT_FOUND);
    assert_eq!(house.ask(PHONE, post("/reg/zzzzzzzzzzzzz")).code, Code::NOT_FOUND);
}
