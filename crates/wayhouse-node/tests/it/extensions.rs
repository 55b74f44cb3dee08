use wayhouse_node::config::Network;
use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{House, LAMP, PHONE, get, post};

/// A lookup proxy that the configuration names.
const PROXY: &str = "[2001:db8:aaaa::1]:5683";

fn trusting() -> House {
    House::with(|config| {
        config.directory.trusted_consumers =
            vec![Network { address: "2001:db8:aaaa::".parse().expect("an address"), prefix_length: 48 }];
        config.directory.lookup_max_age_s = 300;
    })
}

#[test]
fn rr14_provenance_names_the_registration_and_stands_last() {
    let mut house = trusting();
    let location = house.register(LAMP, "ep=lamp", "</x>;provenance=\"coap://elsewhere/reg/1\";rt=a");
    let links = house.ask(PROXY, get("/rd-lookup/res?provenance")).links();
    assert_eq!(
        links,
        [format!("<coap://[2001:db8::1]/x>;provenance=\"coap://elsewhere/reg/1\";rt=a;provenance=\"{location}\"")]
    );
}

#[test]
fn rr15_provenance_is_shown_when_asked_for_and_filters_with_a_value() {
    let mut house = trusting();
    let lamp = house.register(LAMP, "ep=lamp", "</x>");
    let plug = house.register(LAMP, "ep=plug", "</y>");
    let ask = |house: &mut House, query: &str| house.ask(PROXY, get(&format!("/rd-lookup/res?{query}"))).links();
    let shown = |target: &str, location: &str| format!("<coap://[2001:db8::1]/{target}>;provenance=\"{location}\"");
    assert_eq!(ask(&mut house, "ep=lamp"), ["<coap://[2001:db8::1]/x>"]);
    assert_eq!(ask(&mut house, "provenance"), [shown("x", &lamp), shown("y", &plug)]);
    assert_eq!(ask(&mut house, "provenance=/*"), [shown("x", &lamp), shown("y", &plug)]);
    assert_eq!(ask(&mut house, &format!("provenance={plug}")), [shown("y", &plug)]);
    assert_eq!(ask(&mut house, "provenance=coap://*"), [""; 0]);
    assert_eq!(ask(&mut house, "provenance&ep=plug"), [shown("y", &plug)]);
}

#[test]
fn rr15_provenance_belongs_to_resource_lookup() {
    let mut house = trusting();
    house.register(LAMP, "ep=lamp", "</x>");
    let answer = house.ask(PROXY, get("/rd-lookup/ep?provenance"));
    assert!(!answer.text().contains("provenance"), "{}", answer.text());
}

#[test]
fn rr17_rr19_ages_and_remainders_are_shown_in_endpoint_lookups() {
    let mut house = trusting();
    house.register(LAMP, "ep=lamp&lt=600", "</x>");
    house.advance_s(100);
    let answer = house.ask(PROXY, get("/rd-lookup/ep"));
    assert!(answer.text().ends_with(";lt-age=100;lt-remaining=500"), "{}", answer.text());
    // RR17: no longer than a minute.
    assert_eq!(answer.option(number::MAX_AGE), None);
    let answer = house.ask(PROXY, get("/rd-lookup/res"));
    assert!(!answer.text().contains("lt-"), "{}", answer.text());
    assert_eq!(answer.uint(number::MAX_AGE), Some(300));
    // A renewal starts the age again.
    house.register(LAMP, "ep=lamp&lt=600", "</x>");
    assert!(house.ask(PROXY, get("/rd-lookup/ep")).text().ends_with(";lt-age=0;lt-remaining=600"));
}

#[test]
fn rr18_ordinary_clients_see_none_of_it() {
    let mut house = trusting();
    let location = house.register(LAMP, "ep=lamp&lt=600", "</x>");
    let answer = house.ask(PHONE, get("/rd-lookup/ep"));
    assert!(!answer.text().contains("lt-"), "{}", answer.text());
    assert_eq!(answer.uint(number::MAX_AGE), Some(300));
    let answer = house.ask(PHONE, get("/rd-lookup/res?provenance"));
    assert_eq!(answer.text(), "<coap://[2001:db8::1]/x>");
    // Nor do they learn it by filtering.
    assert_eq!(house.resources(&format!("provenance={location}")), [""; 0]);
    // And nobody can state an age or a remainder of their own.
    for name in ["lt-age", "lt-remaining", "provenance"] {
        assert_eq!(house.ask(LAMP, post(&format!("/rd?ep=x&{name}=1"))).code, Code::BAD_REQUEST, "{name}");
    }
}
