use super::*;

#[test]
fn hosts_are_named_with_letters_digits_and_hyphens() {
    for (text, label) in [("lamp", "lamp"), ("Lamp 1", "Lamp-1"), ("_a_", "a"), ("é", ""), ("a.b", "a-b"), ("-", "")] {
        assert_eq!(host_label(text), label, "{text}");
    }
    assert_eq!(host_label(&"x".repeat(80)).len(), LABEL_OCTETS_MAX);
}

#[test]
fn dn6_what_does_not_fit_a_txt_is_left_out_whole() {
    let mut text = Text::new();
    text.add("path", &"p".repeat(300));
    text.add("rt", &"r".repeat(200));
    text.add("if", &"i".repeat(200));
    assert_eq!(text.octets.len(), 1 + TXT_VERSION.len() + 1 + 203);
}
