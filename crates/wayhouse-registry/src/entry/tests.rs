use super::*;

#[test]
fn rd12_id_is_written_in_one_way_only() {
    for value in [0, 1, 31, 32, 0x0123_4567_89ab_cdef, u64::MAX] {
        let text = EntryId(value).to_string();
        assert_eq!(text.len(), EntryId::CHARACTERS);
        assert!(text.bytes().all(|octet| octet.is_ascii_digit() || octet.is_ascii_lowercase()), "{text}");
        assert_eq!(EntryId::parse(&text), Some(EntryId(value)));
    }
    assert_eq!(EntryId(0).to_string(), "0000000000000");
    assert_eq!(EntryId(u64::MAX).to_string(), "fzzzzzzzzzzzz");
    for wrong in
        ["", "000000000000", "00000000000000", "g000000000000", "000000000000i", "000000000000A", "00000000000é"]
    {
        assert_eq!(EntryId::parse(wrong), None, "{wrong}");
    }
}
