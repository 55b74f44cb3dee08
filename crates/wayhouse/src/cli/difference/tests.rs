use super::*;

/// The differences that a sequence of documents makes, as signs and targets.
fn check(documents: &[&str], expected: &[&str]) {
    let mut state = State::default();
    let told: Vec<String> = documents
        .iter()
        .map(|document| {
            let document = LinkFormat::parse(document.as_bytes()).expect("link-format");
            let differences = state.advance(&document);
            differences.iter().map(|one| format!("{}{}", one.sign(), one.link())).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn added_changed_removed() {
    check(
        &["</r/1>;ep=a,</r/2>;ep=b", "</r/1>;ep=a,</r/2>;ep=b", "</r/2>;ep=b;et=x,</r/3>;ep=c", ""],
        &[
            "+</r/1>;ep=a +</r/2>;ep=b",
            "",
            "-</r/1>;ep=a ~</r/2>;ep=b;et=x +</r/3>;ep=c",
            "-</r/2>;ep=b;et=x -</r/3>;ep=c",
        ],
    );
}

#[test]
fn rd30_registrations_are_told_apart_by_opaque_uris() {
    check(
        &["<coap://x/1>;ep=a,<http://y/1>;ep=a", "<http://y/1>;ep=a"],
        &["+<coap://x/1>;ep=a +<http://y/1>;ep=a", "-<coap://x/1>;ep=a"],
    );
}

#[test]
fn the_same_link_twice_is_two_links() {
    check(&["</a>;rt=x", "</a>;rt=x,</a>;rt=x", "</a>;rt=x"], &["+</a>;rt=x", "+</a>;rt=x", "-</a>;rt=x"]);
}

#[test]
fn order_does_not_matter() {
    check(&["</a>,</b>", "</b>,</a>"], &["+</a> +</b>", ""]);
}

#[test]
fn one_target_in_two_contexts_is_two_links() {
    check(
        &["</a>;anchor=\"/x\"", "</a>;anchor=\"/y\""],
        &["+</a>;anchor=\"/x\"", "-</a>;anchor=\"/x\" +</a>;anchor=\"/y\""],
    );
}
