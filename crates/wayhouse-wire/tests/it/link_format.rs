//! Link format (RFC 6690) and Limited Link Format (RFC 9176 App. C), rule by rule.

use wayhouse_wire::coap::link_format::{LinkFormat, write_parameter};

/// Every link as `target|name=value|…`.
fn read(text: &str) -> Vec<String> {
    let document = LinkFormat::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    document
        .links()
        .map(|link| {
            let mut shown = link.target.to_owned();
            for (name, value) in link.parameters() {
                shown.push_str(&format!("|{name}={}", value.unquoted()));
            }
            shown
        })
        .collect()
}

#[test]
fn cl1_separators_inside_brackets_and_quotes_separate_nothing() {
    assert_eq!(
        read(r#"</a,b;c>;title="x, <y>; \"z\"";rt=light,</d>;obs"#),
        [r#"/a,b;c|title=x, <y>; "z"|rt=light"#, "/d|obs="]
    );
    assert_eq!(read("</a>;if=core.s ,\r\n </b> ; ct=40"), ["/a|if=core.s", "/b|ct=40"], "white space is tolerated");
}

#[test]
fn cl2_what_stands_once_stands_once() {
    for text in ["</a>;rt=x;rt=y", "</a>;if=x;if=y", "</a>;sz=1;sz=2", "</a>;ct=0;ct=40", "</a>;href=\"/b\""] {
        assert!(LinkFormat::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(read("</a>;obs=\"ignored\";title=x;title=y").len(), 1, "other attributes may repeat");
}

#[test]
fn cl4_values_compare_without_their_quotes() {
    let document = LinkFormat::parse(br#"</a>;rt="light",</b>;rt=light"#).expect("well-formed");
    let values: Vec<String> =
        document.links().map(|link| link.parameter("rt").expect("given").unquoted().into_owned()).collect();
    assert_eq!(values, ["light", "light"]);
}

#[test]
fn cl6_a_content_format_is_a_number_or_a_quoted_list() {
    assert_eq!(read(r#"</a>;ct=40,</b>;ct="40 60""#), ["/a|ct=40", "/b|ct=40 60"]);
}

#[test]
fn rd15_an_empty_document_is_a_document() {
    assert!(read("").is_empty());
    assert!(LinkFormat::parse_limited(b"").is_ok());
}

#[test]
fn rd16_limited_targets_and_anchors_are_absolute() {
    for text in ["</a>", "<coap://h/a>;anchor=\"/b\"", "<urn:x:y>", "</>;anchor=\"coap://h\""] {
        assert!(LinkFormat::parse_limited(text.as_bytes()).is_ok(), "{text}");
    }
    for text in ["<a>", "<//h/a>", "<>", "<?q>", "<../a>", "</a>;anchor=\"b\"", "</a>;anchor=\"\""] {
        assert!(LinkFormat::parse_limited(text.as_bytes()).is_err(), "{text}");
        assert!(LinkFormat::parse(text.as_bytes()).is_ok(), "{text} is link format all the same");
    }
}

#[test]
fn what_is_no_link_format_is_refused_with_its_place() {
    for (text, at) in [
        ("/a", 0),
        ("</a", 3),
        ("</a>,", 5),
        ("</a>;", 5),
        ("</a>;rt=", 8),
        ("</a>;rt=\"x", 10),
        ("</a> b", 5),
        ("</a>;=x", 5),
        ("</a b>", 3),
        ("</a>;rt=x\"y", 9),
    ] {
        assert_eq!(LinkFormat::parse(text.as_bytes()).map_err(|error| error.at).err(), Some(at), "{text}");
    }
    assert!(LinkFormat::parse(b"</\xff>").is_err());
}

#[test]
fn what_is_written_reads_back() {
    let mut text = b"</a>".to_vec();
    write_parameter(&mut text, "title", r#"a "quoted" \ thing, or <two>;"#);
    let document = LinkFormat::parse(&text).expect("well-formed");
    let link = document.links().next().expect("one link");
    assert_eq!(link.parameter("title").expect("given").unquoted(), r#"a "quoted" \ thing, or <two>;"#);
}
