use super::*;

#[test]
fn the_table_is_sorted_and_without_repetition() {
    assert!(TABLE.is_sorted_by(|one, next| one.0 < next.0));
    for (number, name) in TABLE {
        assert_eq!(media_type(number), Some(name));
        assert_eq!(from_name(name), Some(number), "{name}");
    }
}

#[test]
fn named_numbers_mean_what_their_names_say() {
    for (number, name) in [
        (TEXT_PLAIN, "text/plain"),
        (LINK_FORMAT, "application/link-format"),
        (OCTET_STREAM, "application/octet-stream"),
        (JSON, "application/json"),
        (CBOR, "application/cbor"),
        (CBOR_SEQ, "application/cbor-seq"),
        (SENML_JSON, "application/senml+json"),
        (SENML_CBOR, "application/senml+cbor"),
        (PROBLEM_DETAILS_CBOR, "application/concise-problem-details+cbor"),
    ] {
        assert_eq!(from_name(name), Some(number), "{name}");
    }
}

#[test]
fn names_are_found_without_parameters_and_in_any_case() {
    assert_eq!(from_name("Application/JSON"), Some(50));
    assert_eq!(from_name(" application/yang-data+cbor; id=name "), Some(341));
    assert_eq!(from_name("application/yang-data+cbor"), Some(340));
    assert_eq!(from_name("65535"), Some(65535), "numbers without a name are numbers all the same");
    assert_eq!(from_name("65536"), None);
    assert_eq!(from_name("image/x-none"), None);
    assert_eq!(media_type(282), None, "unassigned");
}
