use super::*;

fn decode(bytes: &[u8]) -> Result<DsoMessage<'_>, DecodeError> {
    DsoMessage::decode(bytes, DsoDialect::Rfc8490)
}

#[test]
fn ds2_reserved_bits_are_ignored_when_read_and_zero_when_written() {
    let mut bytes = Vec::new();
    DsoWriter::request(&mut bytes, 7).keepalive(Keepalive { inactivity_timeout_ms: 1, keepalive_interval_ms: 2 });
    assert_eq!(bytes[2..4], [0x30, 0]);
    bytes[2] |= 0x07;
    bytes[3] |= 0xf0;
    let message = decode(&bytes).expect("well-formed");
    assert!(message.primary().expect("a TLV").keepalive().is_ok());
    assert_eq!(message.rcode, Rcode::NOERROR);
}

#[test]
fn ds1_each_nonzero_count_is_found() {
    for index in 0..4 {
        let mut bytes = Vec::new();
        DsoWriter::request(&mut bytes, 7);
        assert_eq!(bytes[4..12], [0; 8]);
        bytes[5 + 2 * index] = 1;
        let error = DecodeError { what: What::UnexpectedSections, at: 4 + 2 * index };
        assert_eq!(decode(&bytes).err(), Some(error));
    }
}

#[test]
fn ds51_padding_stands_behind_the_primary_and_fills_a_block() {
    let keepalive = Keepalive { inactivity_timeout_ms: INFINITE_MS, keepalive_interval_ms: 10_000 };
    let mut bytes = vec![0xee];
    let mut writer = DsoWriter::request(&mut bytes, 7);
    writer.keepalive(keepalive);
    writer.padding(128, DsoDialect::Rfc8490);
    assert_eq!(writer.octets(), 128);
    let message = decode(&bytes[1..]).expect("well-formed");
    assert!(message.is_padded(DsoDialect::Rfc8490));
    assert_eq!(message.tlvs.into_iter().map(|tlv| tlv.data.len()).collect::<Vec<_>>(), [8, 100]);
    // The drafts know no padding: nothing is written, and type 3 is unknown.
    let mut bytes = Vec::new();
    let mut writer = DsoWriter::request(&mut bytes, 7);
    writer.keepalive(keepalive);
    writer.padding(128, DsoDialect::SessionSignal03);
    assert_eq!(writer.octets(), 24);
    // As primary it pads nothing.
    let mut bytes = Vec::new();
    DsoWriter::request(&mut bytes, 7).padding(16, DsoDialect::Rfc8490);
    assert!(!decode(&bytes).expect("well-formed").is_padded(DsoDialect::Rfc8490));
}

#[test]
fn ds39_base_tlvs_have_fixed_lengths() {
    for octets in 0..12u8 {
        let mut bytes = Vec::new();
        let data = [0; 12];
        let mut writer = DsoWriter::response(&mut bytes, 7, Rcode::REFUSED);
        writer.tlv(dso_type::KEEPALIVE, &data[..usize::from(octets)]);
        writer.tlv(2, &data[..usize::from(octets)]);
        let message = decode(&bytes).expect("well-formed");
        assert_eq!(message.primary().expect("a TLV").keepalive().is_ok(), octets == 8);
        let delay = message.retry_delay_ms(DsoDialect::Rfc8490).expect("a TLV");
        assert_eq!(delay.is_ok(), octets == 4);
        assert!(message.retry_delay_ms(DsoDialect::SessionSignal02).is_none(), "it is type 0 there");
    }
}

#[test]
fn what_is_no_session_message_is_refused_with_its_place() {
    let check = |bytes: &[u8], what, at| assert_eq!(decode(bytes).err(), Some(DecodeError { what, at }));
    let mut bytes = Vec::new();
    DsoWriter::request(&mut bytes, 7).tlv(9, b"abc");
    for end in 0..bytes.len() {
        let result = decode(&bytes[..end]);
        match end {
            0..12 => assert_eq!(result.err(), Some(DecodeError { what: What::Truncated, at: end })),
            12 => assert!(result.expect("a header alone is readable").tlvs.is_empty()),
            _ => assert_eq!(result.err(), Some(DecodeError { what: What::Truncated, at: 12 }), "{end}"),
        }
    }
    check(b"\0\0\x28\0\0\0\0\0\0\0\0\0", What::OutOfRange, 2);
}
