use super::*;
use crate::dialect::DsoDialect;
use crate::dns::dso_tlv::DsoMessage;
use crate::dns::name::Name;
use crate::dns::{Flags, Rcode};

const RFC: PushDialect = PushDialect::Rfc8765;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// A message with one TLV of the given data.
fn with_tlv(dso_type: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    DsoWriter::begin(&mut bytes, 1, Flags::default(), Rcode::NOERROR).tlv(dso_type, data);
    bytes
}

fn tlv_of(bytes: &[u8]) -> Tlv<'_> {
    DsoMessage::decode(bytes, DsoDialect::Rfc8490).expect("well-formed").primary().expect("a TLV")
}

#[test]
fn pu7_a_subscribe_holds_one_question_and_nothing_else() {
    let check = |data: &[u8], what: Option<What>| {
        let bytes = with_tlv(dso_type::SUBSCRIBE, data);
        assert_eq!(decode_subscribe(&bytes, &tlv_of(&bytes)).err().map(|error| error.what), what, "{data:02x?}");
    };
    check(b"\x01a\0\0\x0c\0\x01", None);
    check(b"\x01a\0\0\x0c\0", Some(What::Truncated));
    check(b"\x01a\0\0\x0c\0\x01x", Some(What::TrailingOctets));
    check(b"", Some(What::Truncated));
    check(b"\x01a", Some(What::Truncated));
    // A name must end inside its TLV, whatever follows in the message.
    let mut bytes = with_tlv(dso_type::SUBSCRIBE, b"\x03a");
    DsoWriter::begin(&mut Vec::new(), 1, Flags::default(), Rcode::NOERROR);
    bytes.extend_from_slice(b"\0\x09\0\x04bc\0\0");
    assert!(decode_subscribe(&bytes, &tlv_of(&bytes)).is_err());
}

#[test]
fn pu20_notifications_mean_what_the_dialect_says() {
    let any = Class::ANY.to_int();
    let check = |dialect, rtype: u16, class: u16, ttl: u32, data: &[u8], expected: Result<Option<ChangeKind>, What>| {
        let mut change = b"\x01a\0".to_vec();
        change.extend(rtype.to_be_bytes());
        change.extend(class.to_be_bytes());
        change.extend(ttl.to_be_bytes());
        change.extend((data.len() as u16).to_be_bytes());
        change.extend(data);
        let bytes = with_tlv(dso_type::PUSH, &change);
        let read = Changes::decode(&bytes, &tlv_of(&bytes), dialect).map_err(|error| error.what);
        let kind = read.map(|changes| changes.into_iter().next().map(|change| change.kind));
        assert_eq!(kind, expected, "{dialect:?} {rtype} {class} {ttl:x} {data:02x?}");
    };
    use ChangeKind::{Add, RemoveEverything, RemoveName, RemoveOne, RemoveRrset};
    check(RFC, 1, 1, 0, b"abcd", Ok(Some(Add { ttl_s: 0 })));
    check(RFC, 1, 1, 0x7fff_ffff, b"", Ok(Some(Add { ttl_s: 0x7fff_ffff })));
    check(RFC, 1, 1, 0x8000_0000, b"abcd", Ok(None));
    check(RFC, 1, 1, 0xffff_fffd, b"abcd", Ok(None));
    check(RFC, 255, any, 0x8000_0000, b"", Ok(None));
    check(RFC, 1, 1, 0xffff_ffff, b"abcd", Ok(Some(RemoveOne)));
    check(RFC, 1, 1, 0xffff_fffe, b"", Ok(Some(RemoveRrset)));
    check(RFC, 255, 1, 0xffff_fffe, b"", Ok(Some(RemoveName)));
    check(RFC, 0, any, 0xffff_fffe, b"", Ok(Some(RemoveEverything)));
    check(RFC, 77, any, 0xffff_fffe, b"", Ok(Some(RemoveEverything)));
    for ttl in [0, 120, 0xffff_ffff] {
        check(RFC, 255, 1, ttl, b"", Err(What::OutOfRange));
        check(RFC, 1, any, ttl, b"abcd", Err(What::OutOfRange));
    }
    check(RFC, 1, 1, 0xffff_fffe, b"abcd", Err(What::NotEmpty));
    for dialect in [PushDialect::Push10, PushDialect::Push12] {
        check(dialect, 1, 1, 120, b"abcd", Ok(Some(Add { ttl_s: 120 })));
        check(dialect, 1, 254, 0, b"abcd", Ok(Some(RemoveOne)));
        check(dialect, 1, any, 0, b"", Ok(Some(RemoveRrset)));
        check(dialect, 255, any, 0, b"", Ok(Some(RemoveEverything)));
        check(dialect, 1, any, 0, b"abcd", Err(What::NotEmpty));
        check(dialect, 255, 1, 0, b"", Err(What::OutOfRange));
        check(dialect, 1, any, 5, b"", Ok(None));
        check(dialect, 1, 254, 5, b"abcd", Ok(None));
        check(dialect, 1, 1, 0xffff_ffff, b"abcd", Ok(None));
    }
}

#[test]
fn pu20_what_is_written_is_read_again() {
    let (host, data) = (name("prnt.example.com"), [203, 0, 113, 2]);
    for dialect in [RFC, PushDialect::Push10, PushDialect::Push12] {
        let kinds = [
            ChangeKind::Add { ttl_s: 120 },
            ChangeKind::RemoveOne,
            ChangeKind::RemoveRrset,
            ChangeKind::RemoveName,
            ChangeKind::RemoveEverything,
        ];
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let mut writer = DsoWriter::unidirectional(&mut out, Rcode::NOERROR);
        let mut push = PushWriter::begin(&mut writer, dialect, Some(&mut compressor));
        assert!(push.is_empty());
        for kind in kinds {
            push.change(kind, host.as_ref(), Rtype::A, Class::IN, &data).expect("fits");
        }
        assert!(!push.is_empty());
        push.finish();
        let changes = Changes::decode(&out, &tlv_of(&out), dialect).expect("well-formed");
        let read: Vec<_> = changes.into_iter().map(|change| change.kind).collect();
        let mut expected = kinds;
        if dialect != RFC {
            // The drafts have one form for both.
            expected[3] = ChangeKind::RemoveEverything;
        }
        assert_eq!(read, expected);
        assert!(changes.into_iter().all(|change| change.name == host.as_ref()));
        // Only the RFC compresses.
        assert_eq!(out.len() < 16 + 5 * (18 + 10), dialect == RFC);
    }
}

#[test]
fn pu24_no_message_is_longer_than_16382_octets() {
    let (mut out, mut compressor) = (vec![0xee; 3], Compressor::default());
    let mut writer = DsoWriter::unidirectional(&mut out, Rcode::NOERROR);
    let mut push = PushWriter::begin(&mut writer, RFC, Some(&mut compressor));
    let data = [7; 300];
    let mut count = 0;
    while push
        .change(ChangeKind::Add { ttl_s: 1 }, name(&format!("h{count}.example")).as_ref(), Rtype::TXT, Class::IN, &data)
        .is_ok()
    {
        count += 1;
    }
    push.finish();
    let octets = writer.octets();
    assert!(octets <= PUSH_MESSAGE_OCTETS_MAX && octets > PUSH_MESSAGE_OCTETS_MAX - 320, "{octets}");
    let bytes = &out[3..];
    let changes = Changes::decode(bytes, &tlv_of(bytes), RFC).expect("well-formed");
    assert_eq!(changes.into_iter().count(), count);
    // One octet more than allowed ends the session.
    let mut change = b"\x01a\0\0\x10\0\x01\0\0\0\x01".to_vec();
    change.extend(((PUSH_MESSAGE_OCTETS_MAX - 16 - 13) as u16).to_be_bytes());
    change.resize(PUSH_MESSAGE_OCTETS_MAX - 16, 0);
    let bytes = with_tlv(dso_type::PUSH, &change);
    assert_eq!(bytes.len(), PUSH_MESSAGE_OCTETS_MAX);
    assert!(Changes::decode(&bytes, &tlv_of(&bytes), RFC).is_ok());
    change.extend(b"\x01a\0\0\x10\0\x01\0\0\0\x01\0\0");
    let bytes = with_tlv(dso_type::PUSH, &change);
    assert_eq!(Changes::decode(&bytes, &tlv_of(&bytes), RFC).err().map(|error| error.what), Some(What::TooLarge));
    assert!(Changes::decode(&bytes, &tlv_of(&bytes), PushDialect::Push12).is_ok());
}

#[test]
fn pu28_an_unsubscribe_names_its_subscription_as_the_dialect_does() {
    for (dialect, good) in [(RFC, 2), (PushDialect::Push12, 2), (PushDialect::Push10, 0)] {
        for octets in 0..4 {
            let bytes = with_tlv(dso_type::UNSUBSCRIBE, &[9; 3][..octets.min(3)]);
            assert_eq!(decode_unsubscribe(1, &tlv_of(&bytes), dialect).is_ok(), octets == good, "{dialect:?} {octets}");
        }
    }
}

#[test]
fn pu29_a_reconfirm_holds_one_record_of_a_definite_type_and_class() {
    let check = |dialect, data: &[u8], what: Option<What>| {
        let bytes = with_tlv(dso_type::RECONFIRM, data);
        let error = Reconfirm::decode(&bytes, &tlv_of(&bytes), dialect).err();
        assert_eq!(error.map(|error| error.what), what, "{dialect:?} {data:02x?}");
    };
    check(RFC, b"\x01a\0\0\x01\0\x01abcd", None);
    check(RFC, b"\x01a\0\0\x01\0\x01", None);
    check(RFC, b"\x01a\0\0\xff\0\x01", Some(What::OutOfRange));
    check(RFC, b"\x01a\0\0\x01\0\xff", Some(What::OutOfRange));
    check(RFC, b"\x01a\0\0\x01\0", Some(What::Truncated));
    check(PushDialect::Push12, b"\x01a\0\0\x01\0\x01\0\x04abcd", None);
    check(PushDialect::Push12, b"\x01a\0\0\x01\0\x01\0\x05abcd", Some(What::Truncated));
    check(PushDialect::Push12, b"\x01a\0\0\x01\0\x01\0\x03abcd", Some(What::TrailingOctets));
    check(PushDialect::Push10, b"\x01a\0\0\xff\0\x01\0\0", Some(What::OutOfRange));
}
