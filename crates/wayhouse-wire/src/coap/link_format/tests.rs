use super::*;

fn parse(text: &str) -> LinkFormat<'_> {
    LinkFormat::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn cl1_white_space_is_tolerated_and_not_sent_on() {
    for (text, expected) in [
        ("", ""),
        (" \r\n", ""),
        ("</a>;rt=\"x y\";obs,</b>", "</a>;rt=\"x y\";obs,</b>"),
        (" </a> ;\trt=\"x  y\" ; obs ,\r\n</b>\n", "</a>;rt=\"x  y\";obs,</b>"),
        ("</a>;\n if=z ,</b>", "</a>;if=z,</b>"),
        ("</a>;title=\u{3000}", "</a>;title=\u{3000}"),
    ] {
        let document = parse(text);
        let normalized = document.normalized();
        assert_eq!(normalized, expected);
        assert_eq!(matches!(normalized, Cow::Borrowed(_)), text == expected, "{text}");
        let parts = |document: LinkFormat<'_>| -> Vec<(String, String)> {
            let named =
                |link: Link<'_>| link.parameters().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(";");
            document.links().map(|link| (link.target.to_owned(), named(link))).collect()
        };
        assert_eq!(parts(document), parts(parse(expected)), "{text}");
    }
}

#[test]
fn cl2_obs_needs_no_value_and_its_value_is_ignored() {
    for text in ["</a>;obs", "</a>;obs=\"no\"", "</a>;obs;ct=0"] {
        let document = parse(text);
        assert!(document.links().all(|link| link.parameter("obs").is_some()), "{text}");
    }
    assert_eq!(parse("</a>;obs").links().next().and_then(|link| link.parameter("obs")?.raw()), None);
}

#[test]
fn cl3_the_context_is_the_anchor_or_else_an_origin() {
    for (link, context) in [
        ("</a>;anchor=\"/b\"", "coap://rd/b"),
        ("<coap://h/a>;anchor=\"c\"", "coap://rd/.well-known/c"),
        ("</a>;anchor=\"http://x/y\"", "http://x/y"),
        ("<coap://h:1/a>", "coap://h:1"),
        ("</a>", "coap://rd"),
        ("<a>", "coap://rd"),
    ] {
        let mut out = Vec::new();
        parse(link).links().next().expect("one link").context_into(&mut out, "coap://rd/.well-known/core");
        assert_eq!(String::from_utf8_lossy(&out), context, "{link}");
    }
}

#[test]
fn cl3_a_link_without_relation_says_hosts() {
    for (link, relation) in [
        ("</a>", "hosts"),
        ("</a>;rel=next", "next"),
        ("</a>;rel=\"next prev\"", "next prev"),
        ("</a>;rel=x;rel=y", "x"),
    ] {
        assert_eq!(parse(link).links().next().expect("one link").relation(), relation);
    }
}

#[test]
fn cl4_quoting_is_no_part_of_a_value() {
    for (value, expected) in [
        ("x", "x"),
        ("\"x\"", "x"),
        ("\"\"", ""),
        (r#""a\"b""#, "a\"b"),
        (r#""a\\""#, "a\\"),
        (r#""\a""#, "a"),
        ("'x'", "'x'"),
        ("a=b", "a=b"),
        ("\"ü,;<>\"", "ü,;<>"),
    ] {
        let text = format!("</>;v={value};w");
        let document = parse(&text);
        let value = document.links().next().and_then(|link| link.parameter("v")).expect("given");
        assert_eq!(value.unquoted(), expected, "{text}");
        assert_eq!(matches!(value.unquoted(), Cow::Borrowed(_)), !text.contains('\\'), "{text}");
    }
}

#[test]
fn cl5_unknown_parameters_pass_through() {
    let document = parse("</a>;x*=UTF-8''%e2%82%ac;zz;a.b-c_d=1");
    let names: Vec<_> = document.links().flat_map(|link| link.parameters().map(|(name, _)| name)).collect();
    assert_eq!(names, ["x*", "zz", "a.b-c_d"]);
    assert_eq!(document.links().next().expect("one").parameters_text(), ";x*=UTF-8''%e2%82%ac;zz;a.b-c_d=1");
}

#[test]
fn rd16_one_slash_and_no_more() {
    for (text, is_limited) in [
        ("</>", true),
        ("</a//b>", true),
        ("<//a>", false),
        ("<a:b>", true),
        ("<1a:b>", false),
        ("<#f>", false),
        ("</a>;anchor=\"//h/a\"", false),
        ("</a>;anchor=\"\\/a\"", true),
        ("</a>;anchor=\"\\//a\"", false),
        ("</a>;anchor", false),
        ("</a>;rt=\"a\",<b>", false),
    ] {
        assert_eq!(LinkFormat::parse_limited(text.as_bytes()).is_ok(), is_limited, "{text}");
    }
}

#[test]
fn nothing_gets_out_of_its_brackets_or_quotes() {
    for text in
        [r#"</a>;anchor="/x\",</evil>;rt=\"y""#, r#"</a>;anchor="/a b""#, "</a\nb>", r"</a\>", "</a<b>", "</\u{7f}>"]
    {
        assert!(LinkFormat::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn relation_types_are_lists() {
    for name in ["rt", "if", "rel", "rev"] {
        assert!(is_relation_type_attribute(name));
    }
    assert!(!is_relation_type_attribute("ct"));
}

proptest::proptest! {
    #[test]
    fn any_value_survives_writing_and_reading(name in "[a-z][a-z*.]{0,5}", value in ".{0,20}", second in "\\PC{0,9}") {
        proptest::prop_assume!(!matches!(name.as_str(), "href" | "anchor"));
        let mut text = b"</a>".to_vec();
        write_parameter(&mut text, &name, &value);
        text.extend_from_slice(b",</b>");
        write_parameter(&mut text, &name, &second);
        let document = LinkFormat::parse_limited(&text).expect("our own text");
        let values: Vec<_> = document.links().map(|link| link.parameter(&name).expect("given").unquoted()).collect();
        proptest::prop_assert_eq!(values, [value, second]);
        proptest::prop_assert!(matches!(document.normalized(), Cow::Borrowed(_)));
    }

    #[test]
    fn normal_form_says_the_same(
        text in "( ?<[/a-z:]{0,4}> ?(; ?[a-z]{1,3} ?|;[a-z]{1,3}=[a-z=]{1,3} ?|;t=\"[a-z\\\\, ]{0,4}\"\t?){0,3},?){0,4}"
    ) {
        if let Ok(document) = LinkFormat::parse(text.as_bytes()) {
            let normalized = document.normalized();
            let again = LinkFormat::parse(normalized.as_bytes()).expect("normal form is well-formed");
            proptest::prop_assert!(matches!(again.normalized(), Cow::Borrowed(_)));
            proptest::prop_assert_eq!(document.links().count(), again.links().count());
            for (before, after) in document.links().zip(again.links()) {
                proptest::prop_assert_eq!(before.target, after.target);
                proptest::prop_assert!(before.parameters().eq(after.parameters()));
            }
        }
    }
}
