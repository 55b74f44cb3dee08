use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn registration(words: &[&str]) -> Result<Registration, Fault> {
    let words = ["register", "--name", "lamp"].iter().chain(words);
    Registration::from_args(&Line::try_parse_from(words).expect("well-formed").args)
}

#[test]
fn the_query_holds_every_parameter() {
    let words = [
        "--sector",
        "kitchen",
        "--lifetime",
        "300",
        "--base",
        "coap://lamp.example:1",
        "--attribute",
        "et=light",
        "--attribute",
        "flag",
        "--link",
        "</a>;rt=x",
        "--link",
        "</b>",
    ];
    let registration = registration(&words).expect("sound");
    assert_eq!(
        registration.query,
        ["ep=lamp", "d=kitchen", "lt=300", "base=coap://lamp.example:1", "et=light", "flag"]
    );
    assert_eq!(registration.links, b"</a>;rt=x,</b>");
}

#[test]
fn no_links_are_a_document_too() {
    assert_eq!(registration(&[]).expect("sound").links, b"");
}

#[test]
fn rd3_links_are_always_sent_as_link_format_which_every_directory_takes() {
    // Nothing else can be chosen, so there is nothing to fall back from.
    assert!(Line::try_parse_from(["register", "--name", "x", "--content-format", "60"]).is_err());
}

#[test]
fn what_a_directory_would_refuse_is_misuse() {
    let long = "x".repeat(64);
    let huge = format!("k={}", "x".repeat(300));
    for words in [
        ["--sector", long.as_str()],
        ["--sector", "a\u{7f}b"],
        ["--base", "lamp.example"],
        ["--base", "coap://[fe80::1%25eth0]"],
        ["--base", "coap://[fe80::1%eth0]"],
        ["--base", "coap://h?x"],
        ["--attribute", "ep=other"],
        ["--attribute", "lt=5"],
        ["--attribute", &huge],
        ["--link", "a"],
        ["--link", "<relative>"],
        ["--link", "</a"],
    ] {
        let fault = registration(&words).expect_err(words[1]);
        assert_eq!(fault.exit, Exit::Misuse, "{words:?}");
        assert!(fault.hint.is_some(), "{words:?}");
    }
    assert!(checked_name("", "--name").is_err());
    assert!(checked_name(&"x".repeat(63), "--name").is_ok());
}
