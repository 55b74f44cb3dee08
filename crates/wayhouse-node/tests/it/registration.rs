use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{Ask, House, LAMP, PHONE, ask, delete, get, post};

const LINKS: &str = "</sensors/temp>;rt=temperature-c;if=sensor,<http://www.example.com/sensors/temp>;anchor=\"/sensors/temp\";rel=describedby";

#[test]
fn rd11_rd12_a_registration_gets_a_location_and_keeps_it() {
    let mut house = House::new();
    let first = house.ask(LAMP, post("/rd?ep=lamp&lt=600").links(LINKS));
    assert_eq!(first.code, Code::CREATED);
    assert_eq!(first.option(number::LOCATION_QUERY), None);
    let path = first.all(number::LOCATION_PATH);
    assert_eq!((path.len(), path[0].as_str()), (2, "reg"));
    // Same name: same location, same code, content replaced, nothing second.
    let second = house.ask(LAMP, post("/rd?ep=lamp&lt=900&et=x").links("</other>"));
    assert_eq!(second.location(), first.location());
    assert_eq!(house.endpoints("").len(), 1);
    assert_eq!(house.resources(""), ["<coap://[2001:db8::1]/other>"]);
    // The same name in another sector is another registrant.
    let other = house.register(LAMP, "ep=lamp&d=attic", "");
    assert_ne!(other, first.location());
    assert_eq!(house.endpoints("ep=lamp").len(), 2);
    // What the second registration did not name is gone.
    house.register(LAMP, "ep=lamp", "");
    assert!(house.endpoints("et=x").is_empty());
}

#[test]
fn rd11_a_registration_is_acknowledged_only_once_it_is_durable() {
    let mut house = House::new();
    let created = house.ask(LAMP, post("/rd?ep=lamp").links(LINKS));
    assert_eq!(created.durable_after, house.changes.last().expect("a change to store").number.0);
    let location = created.location();
    let updated = house.ask(LAMP, post(&location));
    assert_eq!(updated.durable_after, created.durable_after + 1);
    assert_eq!(updated.durable_after, house.changes.last().expect("a change to store").number.0);
    let removed = house.ask(LAMP, delete(&location));
    assert_eq!(removed.durable_after, updated.durable_after + 1);
    assert_eq!(house.ask(LAMP, get("/rd-lookup/ep")).durable_after, 0);
}

#[test]
fn rd2_operations_are_atomic_and_idempotent() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp&lt=600&et=oic.d.light", LINKS);
    let (endpoints, resources) = (house.endpoints(""), house.resources(""));
    // A registration that fails at its end changes nothing.
    let failed = house.ask(LAMP, post("/rd?ep=lamp&et=y&lt=7").links("</a>,</b>,<c>"));
    assert_eq!(failed.code, Code::BAD_REQUEST);
    let failed = house.ask(LAMP, post(&format!("{location}?et=y&base=nothing")));
    assert_eq!(failed.code, Code::BAD_REQUEST);
    assert_eq!((house.endpoints(""), house.resources("")), (endpoints.clone(), resources.clone()));
    // The same registration again leaves the same state.
    assert_eq!(house.register(LAMP, "ep=lamp&lt=600&et=oic.d.light", LINKS), location);
    assert_eq!((house.endpoints(""), house.resources("")), (endpoints, resources));
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::DELETED);
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::NOT_FOUND);
    assert!(house.endpoints("").is_empty());
}

fn code_of(request: Ask) -> Code {
    House::new().ask(LAMP, request).code
}

#[test]
fn registration_parameters_are_checked() {
    for (query, expected) in [
        ("ep=lamp", Code::CREATED),
        ("ep=lamp&d=attic&lt=1&base=coap://lamp.example&et=a&et=b&x", Code::CREATED),
        ("ep=lamp&lt=4294967295", Code::CREATED),
        ("ep=Lämpchen 1", Code::CREATED),
        ("", Code::BAD_REQUEST),
        ("ep=", Code::BAD_REQUEST),
        ("d=attic", Code::BAD_REQUEST),
        ("ep=lamp&ep=lamp", Code::BAD_REQUEST),
        ("ep=lamp&d=a&d=b", Code::BAD_REQUEST),
        ("ep=lamp&lt=0", Code::BAD_REQUEST),
        ("ep=lamp&lt=4294967296", Code::BAD_REQUEST),
        ("ep=lamp&lt=+5", Code::BAD_REQUEST),
        ("ep=lamp&lt=", Code::BAD_REQUEST),
        ("ep=lamp&lt=1h", Code::BAD_REQUEST),
        ("ep=lamp&base=lamp.example", Code::BAD_REQUEST),
        ("ep=lamp&base=/x", Code::BAD_REQUEST),
        ("ep=lamp&base=", Code::BAD_REQUEST),
        ("ep=la\u{7}mp", Code::BAD_REQUEST),
        ("ep=la\u{85}mp", Code::BAD_REQUEST),
        ("ep=0123456789012345678901234567890123456789012345678901234567890123", Code::BAD_REQUEST),
        ("ep=lamp&page=1", Code::BAD_REQUEST),
        ("ep=lamp&count=1", Code::BAD_REQUEST),
        ("ep=lamp&rt=light", Code::BAD_REQUEST),
        ("ep=lamp&href=/x", Code::BAD_REQUEST),
        ("ep=lamp&anchor=coap://x", Code::BAD_REQUEST),
        ("ep=lamp&lt-age=1", Code::BAD_REQUEST),
        ("ep=lamp&a b=1", Code::BAD_REQUEST),
        ("ep=lamp&a;b=1", Code::BAD_REQUEST),
        ("ep=lamp&=1", Code::BAD_REQUEST),
    ] {
        assert_eq!(code_of(post(&format!("/rd?{query}")).links("</x>")), expected, "{query}");
    }
    assert_eq!(code_of(post("/rd").option(number::URI_QUERY, b"ep=\xff\xfe")), Code::BAD_REQUEST);
    assert_eq!(code_of(post("/rd?ep=a").option(number::URI_QUERY, b"\xc3=x")), Code::BAD_REQUEST);
    let many: String = (0..33).map(|n| format!("&a{n}=1")).collect();
    assert_eq!(code_of(post(&format!("/rd?ep=lamp{many}"))), Code::BAD_REQUEST);
}

#[test]
fn rd15_a_registration_may_have_no_links() {
    let mut house = House::new();
    assert_eq!(house.ask(LAMP, post("/rd?ep=empty")).code, Code::CREATED);
    assert_eq!(house.ask(LAMP, post("/rd?ep=empty2").links("")).code, Code::CREATED);
    assert_eq!(house.endpoints("").len(), 2);
    assert!(house.resources("").is_empty());
}

#[test]
fn rd16_only_limited_link_format_is_taken() {
    for links in ["<x>", "</x>;anchor=\"y\"", "<//host/x>", "</x", "no links", "</x>,", "<>"] {
        assert_eq!(code_of(post("/rd?ep=lamp").links(links)), Code::BAD_REQUEST, "{links}");
    }
    for links in ["</x>", "<coap://other/x>;rt=\"a b\"", "</x>;anchor=\"coap://other\""] {
        assert_eq!(code_of(post("/rd?ep=lamp").links(links)), Code::CREATED, "{links}");
    }
    assert_eq!(code_of(post("/rd?ep=lamp").payload(60, "x")), Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(code_of(post("/rd?ep=lamp").payload(0, "</x>")), Code::UNSUPPORTED_CONTENT_FORMAT);
}

#[test]
fn cl1_white_space_of_a_document_is_not_passed_on() {
    let mut house = House::new();
    house.register(LAMP, "ep=lamp&base=coap://lamp.example", "</a> ; rt=light ,\n </b>");
    assert_eq!(house.resources(""), ["<coap://lamp.example/a>;rt=light", "<coap://lamp.example/b>"]);
}

#[test]
fn documents_beyond_the_bound_are_told_the_bound() {
    let mut house = House::with(|config| config.registry.links_octets_max = 40);
    let answer = house.ask(LAMP, post("/rd?ep=lamp").links(&format!("</{}>", "x".repeat(60))));
    assert_eq!((answer.code, answer.uint(number::SIZE1)), (Code::REQUEST_ENTITY_TOO_LARGE, Some(40)));
}

#[test]
fn a_full_registry_answers_5_03() {
    let mut house = House::with(|config| config.registry.entries_max = 2);
    house.register(LAMP, "ep=a", "");
    house.register(LAMP, "ep=b", "");
    assert_eq!(house.ask(LAMP, post("/rd?ep=c")).code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(house.ask(LAMP, post("/rd?ep=b")).code, Code::CREATED);
}

#[test]
fn the_base_is_the_source_unless_given() {
    for (from, query, expected) in [
        ("[2001:db8::1]:5683", "", "coap://[2001:db8::1]"),
        ("[2001:db8::1]:61616", "", "coap://[2001:db8::1]:61616"),
        ("192.0.2.9:5683", "", "coap://192.0.2.9"),
        ("[::ffff:192.0.2.9]:7000", "", "coap://192.0.2.9:7000"),
        ("192.0.2.9:7000", "&base=coap+tcp://lamp.example", "coap+tcp://lamp.example"),
    ] {
        let mut house = House::new();
        let location = house.register(from, &format!("ep=lamp{query}"), "</x>");
        assert_eq!(
            house.endpoints(""),
            [format!("<{location}>;ep=\"lamp\";base=\"{expected}\";rt=\"core.rd-ep\"")],
            "{from}"
        );
        assert_eq!(house.resources(""), [format!("<{expected}/x>")], "{from}");
    }
}

#[test]
fn rd5_a_link_local_base_is_shown_only_on_its_link() {
    let from = "[fe80::1%3]:5683";
    let mut house = House::new();
    let request = post("/rd?ep=lamp").links("</x>");
    let location = house.ask(from, request.on_link(3)).location();
    let on_link = |house: &mut House, path: &str, link: u32| house.ask(PHONE, get(path).on_link(link)).links();
    // Without a zone.
    assert_eq!(
        on_link(&mut house, "/rd-lookup/ep", 3),
        [format!("<{location}>;ep=\"lamp\";base=\"coap://[fe80::1]\";rt=\"core.rd-ep\"")]
    );
    assert_eq!(on_link(&mut house, "/rd-lookup/res", 3), ["<coap://[fe80::1]/x>"]);
    for path in ["/rd-lookup/ep", "/rd-lookup/res", "/rd-lookup/ep?ep=lamp", "/rd-lookup/res?href=coap://[fe80::1]/x"] {
        assert_eq!(on_link(&mut house, path, 4), [""; 0], "{path}");
        assert_eq!(on_link(&mut house, path, 0), [""; 0], "{path}");
    }
    assert_eq!(house.ask(PHONE, get(&location).on_link(4)).code, Code::NOT_FOUND);
    assert_eq!(house.ask(PHONE, get(&location).on_link(3)).code, Code::CONTENT);
}

#[test]
fn rd5_an_explicit_link_local_base_has_no_zone_and_belongs_to_the_receiving_link() {
    let mut house = House::new();
    for base in ["coap://[fe80::1%25eth0]", "coap://[fe80::1%eth0]"] {
        let answer = house.ask(LAMP, post(&format!("/rd?ep=lamp&base={base}")));
        assert_eq!(answer.code, Code::BAD_REQUEST, "{base}");
    }
    let request = post("/rd?ep=lamp&base=coap://[fe80::1]").links("</x>");
    assert_eq!(house.ask(LAMP, request.on_link(9)).code, Code::CREATED);
    assert_eq!(house.ask(PHONE, get("/rd-lookup/res").on_link(9)).links(), ["<coap://[fe80::1]/x>"]);
    assert!(house.ask(PHONE, get("/rd-lookup/res").on_link(3)).links().is_empty());
}

#[test]
fn lifetimes_default_and_are_cut() {
    let mut house = House::with(|config| {
        config.directory.default_lifetime_s = 100;
        config.directory.lifetime_max_s = 200;
    });
    house.register(LAMP, "ep=default", "");
    house.register(LAMP, "ep=cut&lt=4000000000", "");
    house.advance_s(99);
    assert_eq!(house.endpoints("").len(), 2);
    house.advance_s(2);
    assert_eq!(house.endpoints("").len(), 1);
    house.advance_s(98);
    assert_eq!(house.endpoints("").len(), 1);
    house.advance_s(2);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn rd25_an_expired_registration_is_hidden_and_can_be_revived() {
    let mut house = House::with(|config| config.registry.grace_s = 60);
    let location = house.register(LAMP, "ep=lamp&lt=10", "</x>");
    house.advance_s(11);
    assert!(house.endpoints("").is_empty());
    assert!(house.resources("").is_empty());
    assert_eq!(house.ask(LAMP, get(&location)).code, Code::CONTENT);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::CHANGED);
    assert_eq!(house.resources("").len(), 1);
    house.advance_s(11);
    assert!(house.endpoints("").is_empty());
    house.advance_s(61);
    assert_eq!(house.ask(LAMP, post(&location)).code, Code::NOT_FOUND);
    assert_eq!(house.node.counters().expiries, 2);
}

#[test]
fn a_registration_is_read_with_a_tag() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp", LINKS);
    let answer = house.ask(PHONE, get(&location));
    assert_eq!(answer.text(), LINKS);
    let tag = answer.option(number::ETAG).expect("a tag").to_vec();
    let again = house.ask(PHONE, get(&location).option(number::ETAG, &tag));
    assert_eq!((again.code, again.payload.len()), (Code::VALID, 0));
    assert_eq!(house.ask(PHONE, get(&location).option(number::ACCEPT, &[60])).code, Code::NOT_ACCEPTABLE);
    for code in [Code::PUT, Code::FETCH, Code::PATCH, Code::IPATCH] {
        assert_eq!(house.ask(PHONE, ask(code, &location).links("")).code, Code::METHOD_NOT_ALLOWED, "{code}");
    }
    assert_eq!(house.ask(PHONE, get("/reg/0000000000000")).code, Code::NOT_FOUND);
}

#[test]
fn co9_a_registration_is_changed_under_conditions() {
    let mut house = House::new();
    let location = house.register(LAMP, "ep=lamp", LINKS);
    let tag = house.ask(PHONE, get(&location)).option(number::ETAG).expect("a tag").to_vec();
    let with = |request: Ask, number: u16, value: &[u8]| request.option(number, value);
    for (request, expected) in [
        (with(post(&location), number::IF_NONE_MATCH, &[]), Code::PRECONDITION_FAILED),
        (with(post(&location), number::IF_MATCH, b"other"), Code::PRECONDITION_FAILED),
        (with(delete(&location), number::IF_MATCH, b"other"), Code::PRECONDITION_FAILED),
        (with(post(&location), number::IF_MATCH, &tag), Code::CHANGED),
        (with(with(post(&location), number::IF_MATCH, b"other"), number::IF_MATCH, &tag), Code::CHANGED),
        (with(post(&location), number::IF_MATCH, &[]), Code::CHANGED),
        (with(delete(&location), number::IF_MATCH, &tag), Code::DELETED),
        (with(delete(&location), number::IF_MATCH, &tag), Code::NOT_FOUND),
    ] {
        assert_eq!(house.ask(LAMP, request.clone()).code, expected, "{request:?}");
    }
}

#[test]
fn sectors_and_groups_are_plain_registrations() {
    let mut house = House::new();
    let query = "ep=lights&d=floor-2&et=core.rd-group&base=coap://[ff35:30:2001:db8:f1::8000:1]";
    let location = house.register(PHONE, query, "</light>;rt=\"tag:example.com,2020:light\"");
    house.register(LAMP, "ep=lights&d=floor-3", "");
    assert_eq!(
        house.endpoints("et=core.rd-group&d=floor-2&rt=tag:example.com,2020:light"),
        [format!(
            "<{location}>;ep=\"lights\";d=\"floor-2\";base=\"coap://[ff35:30:2001:db8:f1::8000:1]\";\
             rt=\"core.rd-ep\";et=\"core.rd-group\""
        )]
    );
}
