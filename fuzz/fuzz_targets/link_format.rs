//! Any document: no panic, and what was read and written again reads as the same links.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::coap::link_format::LinkFormat;

fn values(document: LinkFormat<'_>) -> Vec<(String, Vec<(String, String)>)> {
    document
        .links()
        .map(|link| {
            let parameters = link.parameters().map(|(name, value)| (name.to_owned(), value.unquoted().into_owned()));
            (link.target.to_owned(), parameters.collect())
        })
        .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let limited = LinkFormat::parse_limited(bytes);
    let Ok(document) = LinkFormat::parse(bytes) else {
        assert!(limited.is_err(), "the limited form is a part of the whole");
        return;
    };
    let mut written = String::new();
    for (index, link) in document.links().enumerate() {
        written.push_str(if index == 0 { "<" } else { ",<" });
        written.push_str(link.target);
        written.push('>');
        written.push_str(link.parameters_text());
    }
    let again = LinkFormat::parse(written.as_bytes()).expect("what was read is well-formed");
    assert_eq!(values(document), values(again));
    let normalized = document.normalized();
    let again = LinkFormat::parse(normalized.as_bytes()).expect("normal form is well-formed");
    assert_eq!(again.normalized(), normalized, "normal form is final");
    assert_eq!(values(document), values(again));
});
