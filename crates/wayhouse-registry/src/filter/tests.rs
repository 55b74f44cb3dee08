use super::*;
use crate::{Credentials, Origin};

fn registrant() -> Registrant {
    Registrant {
        id: EntryId(33),
        endpoint_name: "lamp".into(),
        sector: "".into(),
        base: "coap://h1/p/".into(),
        is_base_explicit: true,
        attributes: [("et".into(), "a".into()), ("rel".into(), "x y".into())].into(),
        links: "</a>;rt=\"t1 t2\";anchor=\"b\",<c>;if=\"\"".into(),
        origin: Origin::Directory,
        owner: Credentials::anonymous(),
        source: None,
        link_scope: None,
        services: None,
    }
}

fn attribute(name: &str, value: &str) -> Criterion {
    Criterion::Attribute { name: name.into(), pattern: Pattern::parse(value) }
}

fn matches(criterion: Criterion) -> (bool, Vec<bool>) {
    let filter = Filter { criteria: vec![criterion], link_scope: None, sees_every_link: false };
    let registrant = registrant();
    let links = LinkFormat::trusted(&registrant.links).links();
    let links = links.map(|link| filter.matches_link(&registrant, &link, "/reg/")).collect();
    (filter.matches_registrant(&registrant, "/reg/"), links)
}

#[test]
fn rd32_patterns_are_whole_values_or_prefixes() {
    assert_eq!(Pattern::parse("a*"), Pattern::Prefix("a".into()));
    assert_eq!(Pattern::parse("*"), Pattern::Prefix("".into()));
    assert_eq!(Pattern::parse("a*b"), Pattern::Exact("a*b".into()));
    assert!(Pattern::parse("a*").matches("ab") && !Pattern::parse("ab*").matches("a"));
    assert!(Pattern::parse("a").matches("a") && !Pattern::parse("a").matches("ab"));
}

#[test]
fn rd32_relation_types_match_by_each_of_their_values() {
    let values = |name, value| attribute_values(name, value).collect::<Vec<_>>();
    assert_eq!(values("rt", "a  b "), ["a", "b"]);
    assert_eq!(values("rt", ""), [""]);
    assert_eq!(values("rt", "  "), [""]);
    assert_eq!(values("et", "a b"), ["a b"]);
    assert_eq!(values("et", ""), [""]);
    assert_eq!(matches(attribute("rt", "t2")), (true, vec![true, false]));
    assert_eq!(matches(attribute("rel", "y")), (true, vec![true, true]));
    assert_eq!(matches(attribute("if", "*")), (true, vec![false, true]));
    assert_eq!(matches(attribute("d", "*")), (false, vec![false, false]));
}

#[test]
fn rd34_references_are_compared_resolved() {
    let href = |text: &str| matches(Criterion::Href(Pattern::parse(text)));
    assert_eq!(href("coap://h1/a"), (true, vec![true, false]));
    assert_eq!(href("coap://h1/p/c"), (true, vec![false, true]));
    assert_eq!(href("/a"), (false, vec![false, false]));
    assert_eq!(href("/reg/0000000000011"), (true, vec![true, true]));
    assert_eq!(href("coap://rd.example/reg/0000000000011"), (true, vec![true, true]));
    assert_eq!(href("coap://rd.example/x/reg/0000000000011"), (false, vec![false, false]));
    assert_eq!(href("/reg/00000*"), (true, vec![true, true]));
    assert_eq!(href("/reg/00001*"), (false, vec![false, false]));
    let anchor = |text: &str| matches(Criterion::Anchor(Pattern::parse(text)));
    assert_eq!(anchor("coap://h1/p/b"), (true, vec![true, false]));
    assert_eq!(anchor("b"), (false, vec![false, false]));
}

#[test]
fn the_part_in_front_of_a_path_is_scheme_and_authority() {
    for (uri, origin) in [
        ("coap://h1/a", "coap://h1"),
        ("coap://h1", "coap://h1"),
        ("coap://[2001:db8::1]:61616?q", "coap://[2001:db8::1]:61616"),
        ("coap://h#f", "coap://h"),
        ("urn:dev:x", "urn:"),
        ("coap:/a", "coap:"),
        ("coap", ""),
        ("", ""),
    ] {
        assert_eq!(uri_origin(uri), origin);
    }
}
