use super::*;

#[test]
fn extended_tokens_survive() {
    for octets in [0, 8, 13, 14, 268, 269, 270, 65_804] {
        let token = vec![7; octets];
        let mut bytes = Vec::new();
        Encoder::datagram(&mut bytes, Kind::Confirmable, Code::GET, 1, &token).payload(b"x");
        let message = Message::decode(&bytes).unwrap_or_else(|error| panic!("{octets}: {error}"));
        assert_eq!((message.token, message.payload), (&token[..], &b"x"[..]));
    }
}

#[test]
fn cm2_tokens_must_be_there_and_their_length_too() {
    for (bytes, what, at) in [
        (&[0x41, 1, 0, 1][..], What::Truncated, 4),
        (&[0x4d, 1, 0, 1], What::Truncated, 4),
        (&[0x4d, 1, 0, 1, 0], What::Truncated, 5),
        (&[0x4e, 1, 0, 1, 0], What::Truncated, 4),
        (&[0x4e, 1, 0, 1, 0xff, 0xff, 0], What::Truncated, 7),
        (&[0x49, 1, 0, 1], What::OutOfRange, 0),
        (&[0x4c, 1, 0, 1], What::OutOfRange, 0),
        (&[0x4f, 1, 0, 1], What::ReservedNibble, 0),
    ] {
        assert_eq!(Message::decode(bytes).map(drop), Err(DecodeError { what, at }), "{bytes:02x?}");
    }
}

#[test]
fn offsets_point_into_the_datagram() {
    for (bytes, what, at) in [
        (&[0x41, 1, 0, 1, 9, 0xff][..], What::EmptyPayload, 5),
        (&[0x41, 1, 0, 1, 9, 0xb1], What::Truncated, 6),
        (&[0x40, 0, 0, 1, 9], What::NotEmpty, 4),
        (&[0x41, 0, 0, 1], What::NotEmpty, 3),
        (&[0xc0, 1, 0, 1], What::UnknownVersion, 0),
        (&[0x40, 1, 0], What::Truncated, 0),
    ] {
        assert_eq!(Message::decode(bytes).map(drop), Err(DecodeError { what, at }), "{bytes:02x?}");
    }
}

#[test]
fn a_header_is_readable_where_the_rest_is_not() {
    let header = Header { kind: Kind::Confirmable, code: Code::GET, message_id: 0x1234 };
    assert_eq!(Header::peek(&[0x4f, 1, 0x12, 0x34, 0xff]), Some(header));
    assert_eq!(Header::peek(&[0x8f, 1, 0x12, 0x34]), None);
    assert_eq!(Header::peek(&[0x4f, 1, 0x12]), None);
}

#[test]
fn numbers_are_written_in_their_shortest_form() {
    for (value, octets) in [(0, &[][..]), (1, &[1]), (255, &[255]), (256, &[1, 0]), (u64::MAX, &[255; 8])] {
        let mut bytes = Vec::new();
        Encoder::datagram(&mut bytes, Kind::NonConfirmable, Code::GET, 1, &[]).option_uint(14, value);
        let message = Message::decode(&bytes).expect("our own encoding");
        let option = message.options.first(14).expect("written");
        assert_eq!((option.value, option.uint()), (octets, Some(value)));
    }
}

#[test]
fn codes_are_written_as_class_and_detail() {
    for (code, text, name) in [
        (Code::GET, "0.01", Some("GET")),
        (Code::CONTENT, "2.05", Some("Content")),
        (Code::CONTINUE, "2.31", Some("Continue")),
        (Code::TOO_MANY_REQUESTS, "4.29", Some("Too Many Requests")),
        (Code::ABORT, "7.05", Some("Abort")),
        (Code(0xff), "7.31", None),
    ] {
        assert_eq!((code.to_string().as_str(), code.name()), (text, name));
    }
    for octet in 0..=u8::MAX {
        let code = Code(octet);
        assert!(!(code.is_request() && code.is_response()) && (code.is_response() || !code.is_success()));
        assert_eq!(code.class() << 5 | code.detail(), octet);
    }
}
