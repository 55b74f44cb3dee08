use super::*;

#[test]
fn tokens_of_every_length_form_survive() {
    for octets in [0, 1, 8, 9, 12, 13, 14, 268, 269, 270, 65_804] {
        let token = vec![7; octets];
        let mut bytes = Vec::new();
        let option = OptionRef { number: 11, value: b"a" };
        Frame::encode(&mut bytes, Code::GET, &token, [option].into_iter(), b"");
        assert_eq!(Frame::octets(&bytes), Ok(Some(bytes.len())), "{octets}");
        let frame = Frame::decode(&bytes).unwrap_or_else(|error| panic!("{octets}: {error}"));
        assert_eq!(frame.token, token);
        assert_eq!(frame.options.iter().collect::<Vec<_>>(), [option]);
    }
    assert_eq!(Frame::octets(&[0x0f, 1]), Err(DecodeError { what: What::ReservedNibble, at: 0 }));
}

#[test]
fn announced_lengths_are_told_and_not_trusted() {
    for (bytes, expected) in [
        (&[][..], None),
        (&[0xd0], None),
        (&[0xd0, 0], None),
        (&[0xd0, 0, 1], Some(3 + 13)),
        (&[0xe0, 0xff, 0xff, 1], Some(4 + 269 + 0xffff)),
        (&[0xf0, 0xff, 0xff, 0xff], None),
        (&[0xf0, 0xff, 0xff, 0xff, 0xff, 1], Some(6 + 65_805 + 0xffff_ffff)),
        (&[0x0d, 1], None),
        (&[0x0d, 1, 0xff], Some(3 + 268)),
        (&[0x0e, 1, 0xff], None),
        (&[0x0e, 1, 0xff, 0xff], Some(4 + 65_804)),
    ] {
        assert_eq!(Frame::octets(bytes), Ok(expected), "{bytes:02x?}");
        assert_eq!(Frame::decode(bytes).map(drop), Err(DecodeError { what: What::Truncated, at: bytes.len() }));
    }
}

#[test]
fn what_follows_a_frame_is_left_alone() {
    let bytes = [0x01, 0x43, 0x7f, 0xff];
    let frame = Frame::decode(&bytes).expect("well-formed");
    assert_eq!((frame.code, frame.token, frame.payload), (Code::VALID, &[0x7f][..], &[][..]));
}

#[test]
fn tc2_syntax_errors_inside_a_frame_are_found() {
    for (bytes, what, at) in [
        (&[0x10, 1, 0xff][..], What::EmptyPayload, 2),
        (&[0x10, 1, 0xf0], What::ReservedNibble, 3),
        (&[0x10, 1, 0x01, 0x00], What::Truncated, 3),
    ] {
        assert_eq!(Frame::decode(bytes).map(drop), Err(DecodeError { what, at }), "{bytes:02x?}");
    }
}
