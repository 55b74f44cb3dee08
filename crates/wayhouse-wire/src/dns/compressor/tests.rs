use super::*;
use crate::dns::message::Message;
use crate::dns::name::Name;
use crate::dns::{Opcode, Rcode};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn writer<'w>(out: &'w mut Vec<u8>, compressor: &'w mut Compressor, octets_max: usize) -> MessageWriter<'w> {
    MessageWriter::new(out, compressor, 7, Flags::new(Opcode::QUERY, Rcode::NOERROR).with(Flags::QR), octets_max)
}

#[test]
fn suffixes_become_pointers_without_regard_to_case() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let mut appended = |text: &str, expected: &[u8]| {
        let at = out.len();
        compressor.append_name(&mut out, 0, name(text).as_ref());
        assert_eq!(&out[at..], expected, "{text}");
    };
    appended("example.com", b"\x07example\x03com\0"); // 0; com at 8
    appended("www.example.com", b"\x03www\xc0\x00"); // 13
    appended("WWW.Example.COM", b"\xc0\x0d"); // 19
    appended("a.www.example.com", b"\x01a\xc0\x0d"); // 21
    appended("example.org", b"\x07example\x03org\0"); // 25
    appended("x.com", b"\x01x\xc0\x08");
    appended(".", b"\0");
    appended("example", b"\x07example\0");
    appended("a.a", b"\x01a\x01a\0");
    appended("a.a.a", b"\x01a\xc0\x34");
}

#[test]
fn an_answer_is_written_as_it_should_be() {
    let (mut out, mut compressor) = (vec![0xee], Compressor::default());
    let service = name("_ipp._tcp.example.com");
    let instance = name("Printer._ipp._tcp.example.com");
    let host = name("prnt.example.com");
    let mut message = writer(&mut out, &mut compressor, 512);
    message.question(service.as_ref(), Rtype::PTR, Class::IN).expect("fits");
    message.record(Section::Answer, service.as_ref(), Rtype::PTR, Class::IN, 4500, instance.wire()).expect("fits");
    let srv = [&[0, 0, 0, 0, 2, 0x77][..], host.wire()].concat();
    message.record(Section::Additional, instance.as_ref(), Rtype::SRV, Class::IN, 120, &srv).expect("fits");
    message.record(Section::Additional, host.as_ref(), Rtype::A, Class::IN, 120, &[192, 0, 2, 1]).expect("fits");
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: true };
    message.opt(opt, &[(10, b"abcdefgh")]).expect("fits");
    let octets = message.finish();
    assert_eq!(octets, out.len() - 1);
    let expected: &[u8] = b"\0\x07\x80\0\0\x01\0\x01\0\0\0\x03\
        \x04_ipp\x04_tcp\x07example\x03com\0\0\x0c\0\x01\
        \xc0\x0c\0\x0c\0\x01\0\0\x11\x94\0\x0a\x07Printer\xc0\x0c\
        \xc0\x33\0\x21\0\x01\0\0\0\x78\0\x0d\0\0\0\0\x02\x77\x04prnt\xc0\x16\
        \xc0\x4f\0\x01\0\x01\0\0\0\x78\0\x04\xc0\0\x02\x01\
        \0\0\x29\x04\xd0\0\0\x80\0\0\x0c\0\x0a\0\x08abcdefgh";
    assert_eq!(out[1..], *expected);
    assert!(Message::decode(&out[1..]).is_ok());
}

#[test]
fn what_does_not_fit_leaves_no_trace() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let host = name("host.example");
    let mut message = writer(&mut out, &mut compressor, 80);
    message.reserve(OPT_OCTETS);
    message.question(host.as_ref(), Rtype::A, Class::IN).expect("fits");
    message.record(Section::Answer, host.as_ref(), Rtype::A, Class::IN, 1, &[0; 4]).expect("fits");
    let octets = message.octets();
    let other = name("something.else.of.some.length");
    assert_eq!(message.record(Section::Answer, other.as_ref(), Rtype::A, Class::IN, 1, &[0; 4]), Err(Full));
    assert_eq!(message.octets(), octets);
    // Suffixes of what was taken back are not pointed to.
    assert_eq!(message.record(Section::Answer, name("length").as_ref(), Rtype::A, Class::IN, 1, &[]), Ok(()));
    message.release(OPT_OCTETS);
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    message.opt(opt, &[]).expect("was reserved");
    message.finish();
    let message = Message::decode(&out).expect("well-formed");
    assert_eq!(message.records(Section::Answer).nth(1).expect("two").name.to_string(), "length.");
    assert_eq!(message.header.counts, [1, 2, 0, 1]);
}

#[test]
fn a_truncated_answer_keeps_its_question_and_says_so() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let host = name("host.example");
    let mut message = writer(&mut out, &mut compressor, 100);
    message.question(host.as_ref(), Rtype::TXT, Class::IN).expect("fits");
    message.record(Section::Answer, host.as_ref(), Rtype::A, Class::IN, 1, &[0; 4]).expect("fits");
    assert_eq!(message.record(Section::Answer, host.as_ref(), Rtype::TXT, Class::IN, 1, &[1; 90]), Err(Full));
    message.truncate();
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    message.opt(opt, &[]).expect("fits");
    message.finish();
    let message = Message::decode(&out).expect("well-formed");
    assert!(message.header.flags.has(Flags::TC));
    assert_eq!(message.header.counts, [1, 0, 0, 1]);
    assert_eq!(message.question().expect("a question").name, host.as_ref());
}

#[test]
fn the_memory_of_one_message_is_not_that_of_the_next() {
    let mut compressor = Compressor::default();
    for round in 0..70_000u32 {
        let mut out = Vec::new();
        compressor.reset();
        compressor.append_name(&mut out, 0, name("example.com").as_ref());
        assert_eq!(out, b"\x07example\x03com\0", "{round}");
    }
}

#[test]
fn no_pointer_leads_beyond_fourteen_bits() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let mut message = writer(&mut out, &mut compressor, 65_535);
    for index in 0..1500u16 {
        let owner = name(&format!("host{index}.site{}.example", index % 300));
        let target = name(&format!("other{}.site{}.example", index % 7, index % 200));
        message.record(Section::Answer, owner.as_ref(), Rtype::PTR, Class::IN, 1, target.wire()).expect("fits");
    }
    message.finish();
    let message = Message::decode(&out).expect("well-formed");
    for (index, record) in message.records(Section::Answer).enumerate() {
        assert_eq!(record.name, name(&format!("host{index}.site{}.example", index % 300)).as_ref());
        let target = record.rdata_name(0).expect("a name");
        assert_eq!(target, name(&format!("other{}.site{}.example", index % 7, index % 200)).as_ref());
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = Vec<Name>> {
        let label = prop_oneof!["[a-bA-B]{1,2}", "[a-z]{8,20}"];
        let labels = prop::collection::vec(label, 0..6);
        prop::collection::vec(
            labels.prop_map(|labels| {
                Name::from_labels(labels.iter().map(|label| label.as_bytes())).expect("short labels")
            }),
            1..60,
        )
    }

    proptest! {
        /// Every name that was written is read again, whatever stands before it and whatever was taken back.
        #[test]
        fn names_survive_compression(names in names(), octets_max in 40usize..600) {
            let (mut out, mut compressor) = (Vec::new(), Compressor::default());
            let mut message = writer(&mut out, &mut compressor, octets_max);
            let mut written = Vec::new();
            for pair in names.chunks(2) {
                let rdata = pair.last().expect("chunks are not empty").wire();
                if message.record(Section::Answer, pair[0].as_ref(), Rtype::CNAME, Class::IN, 1, rdata).is_ok() {
                    written.push((pair[0].clone(), rdata.to_vec()));
                }
            }
            message.finish();
            prop_assert!(out.len() <= octets_max);
            let message = Message::decode(&out).expect("our own message");
            let read: Vec<_> = message.records(Section::Answer).map(|record| {
                let mut rdata = Vec::new();
                record.expand_rdata(&mut rdata).expect("a name");
                rdata.make_ascii_lowercase();
                (record.name.to_name(), rdata)
            }).collect();
            for (_, rdata) in &mut written {
                rdata.make_ascii_lowercase();
            }
            prop_assert_eq!(read, written);
        }
    }
}
