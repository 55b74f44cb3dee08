use wayhouse_node::config::AnonymousPolicy;
use wayhouse_node::face::operator::Entry;
use wayhouse_node::{Command, Reply};
use wayhouse_wire::coap::Code;

use crate::house::{House, LAMP, PHONE, delete, get, post};

fn with_policy(policy: AnonymousPolicy) -> House {
    House::with(|config| config.directory.anonymous = policy)
}

#[test]
fn openly_everybody_may_change_what_nobody_proved_to_own() {
    let mut house = with_policy(AnonymousPolicy::Open);
    let location = house.register(LAMP, "ep=lamp", "");
    assert_eq!(house.register(PHONE, "ep=lamp", ""), location);
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::DELETED);
}

#[test]
fn bound_to_addresses_only_the_first_address_may_change_it() {
    let mut house = with_policy(AnonymousPolicy::Address);
    let location = house.register("[2001:db8::1]:5683", "ep=lamp", "</x>");
    assert_eq!(house.ask(PHONE, post("/rd?ep=lamp")).code, Code::FORBIDDEN);
    assert_eq!(house.ask(PHONE, post(&location)).code, Code::FORBIDDEN);
    assert_eq!(house.ask(PHONE, delete(&location)).code, Code::FORBIDDEN);
    assert_eq!(house.resources("").len(), 1);
    // The port may change, the name in another sector is free.
    assert_eq!(house.ask("[2001:db8::1]:9999", post(&location)).code, Code::CHANGED);
    assert_eq!(house.ask(PHONE, post("/rd?ep=lamp&d=x")).code, Code::CREATED);
    assert_eq!(house.ask("[2001:db8::1]:9999", delete(&location)).code, Code::DELETED);
    assert_eq!(house.ask(PHONE, post("/rd?ep=lamp")).code, Code::CREATED);
}

#[test]
fn refused_the_anonymous_only_look_up() {
    let mut house = with_policy(AnonymousPolicy::Refuse);
    for request in
        [post("/rd?ep=lamp"), post("/.well-known/rd?ep=lamp"), post("/reg/0000000000000"), delete("/reg/0000000000000")]
    {
        assert_eq!(house.ask(LAMP, request).code, Code::UNAUTHORIZED);
    }
    assert!(house.sent.is_empty());
    assert_eq!(house.ask(LAMP, get("/rd-lookup/ep")).code, Code::CONTENT);
}

#[test]
fn what_an_operator_entered_no_anonymous_registrant_takes_over() {
    let mut house = with_policy(AnonymousPolicy::Open);
    let entry =
        Entry { endpoint_name: "lamp".into(), base: "coap://lamp.example".into(), lifetime_s: 600, ..Entry::default() };
    let Ok(Reply::Registered { id, .. }) = house.node.command(house.now, Command::Register(entry)) else {
        panic!("entered");
    };
    assert_eq!(house.ask(LAMP, post("/rd?ep=lamp")).code, Code::FORBIDDEN);
    assert_eq!(house.ask(LAMP, delete(&format!("/reg/{id}"))).code, Code::FORBIDDEN);
    assert_eq!(house.ask(LAMP, post(&format!("/reg/{id}"))).code, Code::FORBIDDEN);
}
