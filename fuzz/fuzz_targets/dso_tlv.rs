//! Any octets as a message of a session, in each dialect: no panic, and what decodes is written again octet by octet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::{DsoMessage, DsoWriter, Flags, Header};

fuzz_target!(|bytes: &[u8]| {
    for dialect in [DsoDialect::Rfc8490, DsoDialect::SessionSignal02, DsoDialect::SessionSignal03] {
        let Ok(message) = DsoMessage::decode(bytes, dialect) else { continue };
        let _ = (message.retry_delay_ms(dialect), message.is_padded(dialect));
        let mut encoded = Vec::new();
        let flags = if message.is_response { Flags::QR } else { Flags::default() };
        let mut writer = DsoWriter::begin(&mut encoded, message.id, flags, message.rcode);
        for tlv in message.tlvs {
            let _ = (tlv.keepalive(), tlv.retry_delay_ms());
            writer.tlv(tlv.dso_type, tlv.data);
        }
        if Header::peek(bytes).is_some_and(|header| header.counts == [0; 4]) {
            // Reserved bits aside.
            assert_eq!(encoded[..2], bytes[..2]);
            assert_eq!(encoded[4..], bytes[4..]);
        }
    }
});
