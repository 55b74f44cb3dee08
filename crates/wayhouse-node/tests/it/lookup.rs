use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{House, LAMP, PHONE, get};

/// Two registrants with what the criteria need.
fn furnished() -> (House, String, String) {
    let mut house = House::new();
    let lamp = house.register(
        LAMP,
        "ep=lamp&d=attic&et=oic.d.light&et=x.dim&base=coap://lamp.example",
        "</light>;rt=\"light dimmer\";if=\"core.a\",</temp>;rt=temperature;if=core.s,\
         <http://doc.example/lamp>;anchor=\"/light\";rel=describedby",
    );
    let plug =
        house.register(LAMP, "ep=plug&et=oic.d.plug&base=coap://plug.example:7000", "</relay>;rt=switch;if=core.a");
    (house, lamp, plug)
}

fn check_endpoints(query: &str, expected: &[&str]) {
    let (mut house, ..) = furnished();
    let found = house.endpoints(query);
    let names: Vec<&str> = found
        .iter()
        .map(|link| link.split("ep=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?"))
        .collect();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected, "endpoints {query}");
}

fn check_resources(query: &str, expected: &[&str]) {
    let (mut house, ..) = furnished();
    let found = house.resources(query);
    let targets: Vec<&str> =
        found.iter().map(|link| link.trim_start_matches('<').split('>').next().unwrap_or("?")).collect();
    assert_eq!(targets, expected, "resources {query}");
}

const LIGHT: &str = "coap://lamp.example/light";
const TEMP: &str = "coap://lamp.example/temp";
const DOC: &str = "http://doc.example/lamp";
const RELAY: &str = "coap://plug.example:7000/relay";

#[test]
fn rd27_resource_lookup_shows_links_as_submitted_and_resolved() {
    let (mut house, ..) = furnished();
    assert_eq!(
        house.resources("ep=lamp"),
        [
            "<coap://lamp.example/light>;rt=\"light dimmer\";if=\"core.a\"",
            "<coap://lamp.example/temp>;rt=temperature;if=core.s",
            "<http://doc.example/lamp>;anchor=\"coap://lamp.example/light\";rel=describedby",
        ]
    );
}

#[test]
fn rd27_absolute_references_stay_unmodified() {
    let mut house = House::new();
    let link = "<HTTP://Doc.Example:80/./a>;anchor=\"coap://X.example/../y\";title=\"a, \\\"b\\\"; c\";rel=describedby";
    house.register(LAMP, "ep=lamp&base=coap://lamp.example/x/y?q", link);
    assert_eq!(house.resources(""), [link]);
}

#[test]
fn rd29_endpoint_lookup_shows_registrations_without_lifetime() {
    let (mut house, lamp, plug) = furnished();
    let mut expected = [
        format!(
            "<{lamp}>;ep=\"lamp\";d=\"attic\";base=\"coap://lamp.example\";rt=\"core.rd-ep\";et=\"oic.d.light\";et=\"x.dim\""
        ),
        format!("<{plug}>;ep=\"plug\";base=\"coap://plug.example:7000\";rt=\"core.rd-ep\";et=\"oic.d.plug\""),
    ];
    expected.sort();
    let answer = house.ask(PHONE, get("/rd-lookup/ep"));
    assert_eq!(answer.uint(number::CONTENT_FORMAT), Some(40));
    assert_eq!(answer.links(), expected);
    assert!(!answer.text().contains("lt"));
}

#[test]
fn lookups_without_a_match_are_empty_documents() {
    let (mut house, ..) = furnished();
    for path in ["/rd-lookup/ep?ep=none", "/rd-lookup/res?rt=none"] {
        let answer = house.ask(PHONE, get(path));
        assert_eq!((answer.code, answer.payload.len()), (Code::CONTENT, 0), "{path}");
    }
}

#[test]
fn rd31_criteria_are_anded() {
    check_endpoints("if=core.a", &["lamp", "plug"]);
    check_endpoints("if=core.a&rt=switch", &["plug"]);
    check_endpoints("ep=lamp&ep=plug", &[]);
    check_resources("if=core.a&rt=light", &[LIGHT]);
    check_resources("rt=light&rt=dimmer", &[LIGHT]);
    check_resources("rt=light&rt=temperature", &[]);
}

#[test]
fn rd32_values_match_whole_by_prefix_or_by_word() {
    check_resources("rt=dimmer", &[LIGHT]);
    check_resources("rt=dim*", &[LIGHT]);
    check_resources("rt=light dimmer", &[]);
    check_resources("rt=immer", &[]);
    check_resources("if=*", &[LIGHT, TEMP, RELAY]);
    check_resources("rel=describedby", &[DOC]);
    check_endpoints("et=x.dim", &["lamp"]);
    check_endpoints("et=oic.d.*", &["lamp", "plug"]);
    check_endpoints("d=attic", &["lamp"]);
    check_endpoints("ep=la*", &["lamp"]);
    check_endpoints("EP=lamp", &[]);
}

#[test]
fn rd33_criteria_match_across_registrations_and_links() {
    check_resources("ep=plug", &[RELAY]);
    check_resources("d=attic", &[LIGHT, TEMP, DOC]);
    check_resources("base=coap://plug.example:7000", &[RELAY]);
    check_resources("et=x.dim&rt=temperature", &[TEMP]);
    check_endpoints("rt=switch", &["plug"]);
    // Each by itself: different links of one registrant may meet different criteria.
    check_endpoints("rt=light&rt=temperature", &["lamp"]);
    check_endpoints("rt=light&rt=switch", &[]);
}

#[test]
fn rd34_href_names_targets_or_registrations() {
    let (mut house, lamp, plug) = furnished();
    check_resources(&format!("href={LIGHT}"), &[LIGHT]);
    check_resources("href=coap://lamp.example/*", &[LIGHT, TEMP]);
    check_endpoints(&format!("href={RELAY}"), &["plug"]);
    check_endpoints("href=/reg/*", &["lamp", "plug"]);
    assert_eq!(house.endpoints(&format!("href={lamp}")).len(), 1);
    assert_eq!(house.resources(&format!("href={plug}")).len(), 1);
    // A registration by its full URI: ids are random, so that the authority need not be compared.
    assert_eq!(house.endpoints(&format!("href=coap://[2001:db8::53]{lamp}")).len(), 1);
    assert_eq!(house.endpoints("href=coap://[2001:db8::53]/reg/0000000000000").len(), 0);
    check_resources(&format!("anchor={LIGHT}"), &[DOC]);
    check_endpoints(&format!("anchor={LIGHT}"), &["lamp"]);
}

#[test]
fn rd35_lifetimes_cannot_be_looked_up() {
    let (mut house, ..) = furnished();
    for path in ["/rd-lookup/ep?lt=90000", "/rd-lookup/res?lt=*"] {
        assert_eq!(house.ask(PHONE, get(path)).code, Code::BAD_REQUEST, "{path}");
    }
}

#[test]
fn queries_are_checked() {
    let (mut house, ..) = furnished();
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep").option(number::URI_QUERY, b"ep=\xff")).code, Code::BAD_REQUEST);
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep?=x")).code, Code::BAD_REQUEST);
    // A name alone asks for presence.
    assert_eq!(house.endpoints("d").len(), 1);
}

#[test]
fn max_age_is_sent_when_it_is_not_the_default() {
    let mut house = House::new();
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep")).option(number::MAX_AGE), None);
    let mut house = House::with(|config| config.directory.lookup_max_age_s = 5);
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep")).uint(number::MAX_AGE), Some(5));
}

#[test]
fn large_answers_come_in_blocks_of_one_state() {
    let mut house = House::new();
    for n in 0..100 {
        house.register(LAMP, &format!("ep=node{n}&base=coap://node{n}.example"), "</a>;rt=x,</b>;rt=y");
    }
    assert_eq!(house.endpoints("").len(), 100);
    assert_eq!(house.resources("").len(), 200);
    assert_eq!(house.resources("rt=x").len(), 100);
}
