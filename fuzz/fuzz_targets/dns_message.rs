//! Any octets as a DNS message: no panic, and what decodes survives being written with compression.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::dns::sig0::SignerForm;
use wayhouse_wire::dns::{Compressor, Message, MessageWriter, Name, Rtype, Section};

const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    if let Some(edns) = message.edns() {
        let _ = (edns.cookie(), edns.tcp_keepalive(), edns.update_lease(), edns.options().count());
    }
    if let Some(sig0) = message.sig0() {
        sig0.append_signed_octets(&message, None, SignerForm::Canonical, &mut Vec::new());
    }
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let mut writer = MessageWriter::new(&mut out, &mut compressor, message.header.id, message.header.flags, 65_535);
    for question in message.questions() {
        let text = question.name.to_string();
        assert_eq!(Name::parse(&text).expect("our own text"), question.name, "{text}");
        if writer.question(question.name, question.rtype, question.class).is_err() {
            return;
        }
    }
    let mut written = Vec::new();
    for section in SECTIONS {
        for record in message.records(section) {
            let mut rdata = Vec::new();
            // A type of its own keeps our writer from looking for names in data that has none.
            let rtype = if record.expand_rdata(&mut rdata).is_ok() { record.rtype } else { Rtype::from_int(65_280) };
            if matches!(rtype, Rtype::OPT | Rtype::SIG) {
                continue;
            }
            if writer.record(section, record.name, rtype, record.class, record.ttl_s, &rdata).is_err() {
                return;
            }
            written.push((record.name.to_name(), rtype, rdata));
        }
    }
    writer.finish();
    let again = Message::decode(&out).expect("our own message");
    let read = SECTIONS.into_iter().flat_map(|section| again.records(section));
    let mut count = 0;
    for (record, (name, rtype, rdata)) in read.zip(&written) {
        let mut expanded = Vec::new();
        record.expand_rdata(&mut expanded).expect("our own data");
        assert_eq!((*name == record.name, record.rtype), (true, *rtype));
        assert!(expanded.eq_ignore_ascii_case(rdata), "a pointer may change the case of letters, and nothing else");
        count += 1;
    }
    assert_eq!(count, written.len());
});
