//! Any octets as the first TLV of a push message, in each dialect: no panic, and what decodes survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::push_tlv::{
    Changes, PushWriter, Reconfirm, decode_subscribe, decode_unsubscribe, encode_subscribe,
};
use wayhouse_wire::dns::{Compressor, DsoMessage, DsoWriter, Name, Rcode};

type Meaning = Vec<(String, Name, u16, Vec<u8>)>;

fn meaning(message: &DsoMessage<'_>, dialect: PushDialect) -> Option<Meaning> {
    let tlv = message.primary()?;
    let changes = Changes::decode(message.bytes, &tlv, dialect).ok()?;
    changes
        .into_iter()
        .map(|change| {
            let mut rdata = Vec::new();
            change.expand_rdata(&mut rdata).ok()?;
            rdata.make_ascii_lowercase();
            Some((format!("{:?}", change.kind), change.name.to_name(), change.rtype.to_int(), rdata))
        })
        .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = DsoMessage::decode(bytes, DsoDialect::Rfc8490) else { return };
    let Some(tlv) = message.primary() else { return };
    for dialect in [PushDialect::Rfc8765, PushDialect::Push10, PushDialect::Push12] {
        let _ = decode_unsubscribe(message.id, &tlv, dialect);
        if let Ok(reconfirm) = Reconfirm::decode(bytes, &tlv, dialect) {
            let _ = reconfirm.expand_rdata(&mut Vec::new());
        }
        if let Ok(question) = decode_subscribe(bytes, &tlv) {
            let mut encoded = Vec::new();
            encode_subscribe(&mut DsoWriter::request(&mut encoded, 1), &question);
            let again = DsoMessage::decode(&encoded, DsoDialect::Rfc8490).expect("our own encoding");
            assert_eq!(decode_subscribe(&encoded, &again.primary().expect("a TLV")), Ok(question));
        }
        let Some(before) = meaning(&message, dialect) else { continue };
        let (mut encoded, mut compressor) = (Vec::new(), Compressor::default());
        let mut writer = DsoWriter::unidirectional(&mut encoded, Rcode::NOERROR);
        let mut push = PushWriter::begin(&mut writer, dialect, Some(&mut compressor));
        for change in Changes::decode(bytes, &tlv, dialect).expect("decoded above") {
            let mut rdata = Vec::new();
            change.expand_rdata(&mut rdata).expect("expanded above");
            if push.change(change.kind, change.name, change.rtype, change.class, &rdata).is_err() {
                return;
            }
        }
        if push.is_empty() {
            continue;
        }
        push.finish();
        let again = DsoMessage::decode(&encoded, DsoDialect::Rfc8490).expect("our own encoding");
        assert_eq!(meaning(&again, dialect), Some(before));
    }
});
