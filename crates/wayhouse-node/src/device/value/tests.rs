use super::*;

fn check(text: &str, is_on: Option<bool>, number: Option<f64>) {
    assert_eq!(parse(text.as_bytes()), Some(Wanted { is_on, number, toggles: false }), "{text}");
}

#[test]
fn text_numbers_and_json_are_understood() {
    for text in ["on", "true", " on\n", "\"on\"", "{\"on\":true}", "{ \"on\" : true }"] {
        check(text, Some(true), None);
    }
    check("off", Some(false), None);
    check("40", None, Some(40.0));
    check("-3.5", None, Some(-3.5));
    check("{\"on\":false,\"level\":40}", Some(false), Some(40.0));
    check("{\"value\":21.5}", None, Some(21.5));
    assert_eq!(parse(b"toggle"), Some(Wanted::TOGGLE));
}

#[test]
fn what_makes_no_sense_is_nothing() {
    for text in ["", "{", "{}", "{\"on\"}", "{\"on\":1}", "{\"x\":1}", "nan", "inf", "dim", "[1]", "{\"on\":{}}"] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(parse(b"\xff"), None);
}
