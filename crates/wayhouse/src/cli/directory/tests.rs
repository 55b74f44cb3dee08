use super::*;

fn uris(at: &str, document: &str, resource_type: &str) -> Vec<String> {
    let document = LinkFormat::parse(document.as_bytes()).expect("link-format");
    uris_of_type(&Place::parse(at).expect("a URI"), &document, resource_type)
}

#[test]
fn rd8_targets_may_be_relative_or_absolute_anywhere() {
    let document = "</rd>;rt=core.rd;ct=40,<coap+tcp://other:1/x>;rt=\"core.rd core.other\",<//third/r>;rt=core.rd,\
        </lookup>;rt=core.rd-lookup-ep,</light>;rt=light";
    assert_eq!(
        uris("coap://[::1]:99/.well-known/core", document, REGISTRATION),
        ["coap://[::1]:99/rd", "coap+tcp://other:1/x", "coap://third/r"]
    );
    assert_eq!(uris("coap://h/.well-known/core", document, ENDPOINT_LOOKUP), ["coap://h/lookup"]);
    assert!(uris("coap://h/.well-known/core", document, RESOURCE_LOOKUP).is_empty());
}

#[test]
fn rd8_what_can_be_reached_comes_first() {
    let document = "<coaps://h/rd>;rt=core.rd,<http://h/rd>;rt=core.rd,<coap://h/rd>;rt=core.rd";
    assert_eq!(
        uris("coap://h/.well-known/core", document, REGISTRATION),
        ["coap://h/rd", "coaps://h/rd", "http://h/rd"]
    );
}

#[test]
fn gc7_a_path_finds_absolute_references_too() {
    let document = LinkFormat::parse(b"<coap://grp.example:5685/gp/gp1>;rt=g.light").expect("link-format");
    let link = document.links().next().expect("one link");
    for (filter, is_match) in [
        ("href=/gp/gp1", true),
        ("href=/gp/*", true),
        ("href=coap://grp.example*", true),
        ("href=/gp/gp2", false),
        ("href=gp/gp1", false),
        ("href=*", true),
        ("rt=g.*", true),
    ] {
        assert_eq!(matches(&link, &filter.parse().expect("a filter")), is_match, "{filter}");
    }
}

#[test]
fn filters_select_as_a_server_would() {
    let document = LinkFormat::parse(b"</s/1>;rt=\"a.b c\";obs;title=\"two words\"").expect("link-format");
    let link = document.links().next().expect("one link");
    for (filter, is_match) in [
        ("rt=a.b", true),
        ("rt=c", true),
        ("rt=a*", true),
        ("rt=a", false),
        ("obs", true),
        ("obs=*", true),
        ("if=*", false),
        ("title=two words", true),
        ("title=two", false),
        ("href=/s*", true),
        ("href=/s", false),
    ] {
        assert_eq!(matches(&link, &filter.parse().expect("a filter")), is_match, "{filter}");
    }
}

#[test]
fn answers_in_another_format_are_explained() {
    let mut reply = Reply { payload: b"hello".to_vec(), ..Reply::default() };
    assert!(links_of(&reply).expect_err("no links").what.contains("not link-format"));
    reply.options.push_uint(number::CONTENT_FORMAT, 50);
    assert!(links_of(&reply).expect_err("JSON").what.contains("50"));
    reply.payload.clear();
    assert_eq!(links_of(&reply).expect("nothing").links().count(), 0);
}
