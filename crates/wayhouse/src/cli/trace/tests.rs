use wayhouse_wire::coap::Encoder;

use super::*;

#[test]
fn a_request_in_one_line() {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::datagram(&mut bytes, Kind::Confirmable, Code::GET, 0x1234, &[0xab, 0xcd]);
    encoder.option(number::ETAG, &[1, 2]);
    encoder.option(number::URI_PATH, b"a\x1bb");
    encoder.option_uint(number::ACCEPT, 40);
    encoder.option_uint(number::BLOCK2, BlockValue { num: 3, more: false, szx: 6 }.to_uint());
    encoder.option(65_000, &[9]);
    encoder.payload(b"xyz");
    let message = Message::decode(&bytes).expect("well-formed");
    insta::assert_snapshot!(describe_message(&message), @r#"CON GET [1234] token abcd ETag=0x0102 Uri-Path="a\u{1b}b" Accept=40 (application/link-format) Block2=3/last/1024 65000=0x09 | 3 octets"#);
}

#[test]
fn an_empty_message_in_one_line() {
    let message = Message::decode(&[0x70, 0, 0, 7]).expect("well-formed");
    assert_eq!(describe_message(&message), "RST Empty [0007]");
}

#[test]
fn signalling_options_have_their_own_names() {
    let mut bytes = Vec::new();
    let size = 4096_u32.to_be_bytes();
    let options = [
        OptionRef { number: signal::CSM_MAX_MESSAGE_SIZE, value: &size[2..] },
        OptionRef { number: signal::CSM_BLOCK_WISE_TRANSFER, value: &[] },
    ];
    Frame::encode(&mut bytes, Code::CSM, &[], options.into_iter(), &[]);
    let frame = Frame::decode(&bytes).expect("well-formed");
    assert_eq!(describe_frame(&frame), "7.01 CSM Max-Message-Size=4096 Block-Wise-Transfer");
}

#[test]
fn frames_in_pieces_are_put_together() {
    let mut bytes = Vec::new();
    let options = [OptionRef { number: number::SIZE2, value: &[2, 0] }];
    Frame::encode(&mut bytes, Code::CONTENT, &[1], options.into_iter(), b"body");
    let mut trace = Trace::new(false);
    let stream = StreamId(1);
    for octet in &bytes {
        assert_eq!(trace.announced_octets(), None);
        trace.stream(Direction::In, stream, std::slice::from_ref(octet));
    }
    assert_eq!(trace.announced_octets(), Some(512));
    trace.forget(stream);
    assert!(trace.partial.is_empty());
}
