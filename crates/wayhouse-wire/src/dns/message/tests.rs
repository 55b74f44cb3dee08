use super::*;
use crate::dns::compressor::{Compressor, MessageWriter, Opt};
use crate::dns::name::Name;
use crate::dns::{OptRcode, edns::option};

/// A query for the addresses of a host, with an OPT of the given data.
fn query(options: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\x01\x04host\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0".to_vec();
    bytes.extend_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

#[test]
fn a_query_shows_its_parts() {
    let bytes = query(b"\0\x0a\0\x08abcdefgh\0\x02\0\x04\0\0\x0e\x10");
    let message = Message::decode(&bytes).expect("well-formed");
    assert_eq!((message.header.id, message.header.is_response()), (0x1234, false));
    assert!(message.header.flags.has(Flags::RD) && !message.header.flags.has(Flags::TC));
    let question = message.question().expect("a question");
    assert_eq!((question.name.to_string().as_str(), question.rtype, question.class), ("host.", Rtype::A, Class::IN));
    let edns = message.edns().expect("an OPT");
    assert!(edns.is_dnssec_ok);
    assert_eq!((edns.udp_octets_max, edns.version, edns.extended_rcode), (1232, 0, 0));
    let cookie = edns.cookie().expect("a cookie").expect("of eight octets");
    assert_eq!((&cookie.client, cookie.server), (b"abcdefgh", &[][..]));
    assert_eq!(edns.update_lease().expect("a lease").expect("of four octets").lease_s, 3600);
    assert_eq!(edns.options().count(), 2);
    assert!(message.sig0().is_none());
    assert_eq!(message.records(Section::Answer).count(), 0);
    assert_eq!(message.records(Section::Additional).count(), 1);
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    let check = |bytes: &[u8], what, at| {
        assert_eq!(Message::decode(bytes).err(), Some(DecodeError { what, at }), "{bytes:02x?}");
    };
    let whole = query(b"\0\x0a\0\x08abcdefgh");
    for end in 0..whole.len() {
        assert_eq!(Message::decode(&whole[..end]).err().map(|error| error.what), Some(What::Truncated), "{end}");
    }
    check(&[&whole[..], b"x"].concat(), What::TrailingOctets, whole.len());
    // An option that its record does not hold; half an option.
    check(&query(b"\0\x0a\0\x09abcdefgh"), What::Truncated, 45);
    check(&query(b"\0\x0a\0"), What::Truncated, 36);
    // A second OPT; an OPT with an owner; one among the answers.
    let mut twice = whole.clone();
    twice[11] = 2;
    twice.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    check(&twice, What::Duplicate, whole.len());
    let mut owned = query(b"");
    owned.splice(22..23, *b"\x01a\0");
    check(&owned, What::Misplaced, 22);
    let mut answer = query(b"");
    answer.swap(7, 11);
    check(&answer, What::Misplaced, 22);
    // More questions than there are octets for.
    let mut many = query(b"");
    many[4..6].fill(0xff);
    assert!(Message::decode(&many).is_err());
}

#[test]
fn a_malformed_message_still_has_a_header_to_answer() {
    let bytes = &query(b"")[..14];
    assert!(Message::decode(bytes).is_err());
    let header = Header::peek(bytes).expect("twelve octets");
    assert_eq!(header.id, 0x1234);
    assert_eq!(header.to_octets(), bytes[..12]);
    assert_eq!(Header::peek(&bytes[..11]), None);
}

#[test]
fn a_server_cookie_has_eight_to_thirty_two_octets() {
    for octets in 0..50usize {
        let mut options = vec![0, option::COOKIE as u8, 0, octets as u8];
        options.resize(4 + octets, 7);
        let bytes = query(&options);
        let edns = Message::decode(&bytes).expect("well-formed").edns().expect("an OPT");
        let is_good = octets == 8 || (16..=40).contains(&octets);
        assert_eq!(edns.cookie().expect("a cookie").is_ok(), is_good, "{octets}");
    }
}

#[test]
fn sr6_a_signature_is_the_last_record() {
    let name = Name::parse("host.example").expect("a name");
    let mut compressor = Compressor::default();
    let sig0: &[u8] = &[&[0, 0, 13, 0][..], &[0; 14], name.wire(), &[9; 64]].concat();
    let mut written = Vec::new();
    let mut writer =
        MessageWriter::new(&mut written, &mut compressor, 1, Flags::new(Opcode::UPDATE, Rcode::NOERROR), 512);
    writer.question(name.as_ref(), Rtype::SOA, Class::IN).expect("fits");
    writer.record(Section::Additional, NameRef::ROOT, Rtype::SIG, Class::ANY, 0, sig0).expect("fits");
    writer.finish();
    let message = Message::decode(&written).expect("well-formed");
    assert_eq!(message.sig0().expect("a signature").signature, [9; 64]);
    // With a record behind it, it signs nothing that can be told.
    let at = written.len();
    written[11] += 1;
    written.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Message::decode(&written).err(), Some(DecodeError { what: What::Misplaced, at }));
    // Too short for its fixed part.
    let mut short = Vec::new();
    let mut writer = MessageWriter::new(&mut short, &mut compressor, 1, Flags::default(), 512);
    writer.record(Section::Additional, NameRef::ROOT, Rtype::SIG, Class::ANY, 0, &sig0[..17]).expect("fits");
    writer.finish();
    assert_eq!(Message::decode(&short).err().map(|error| error.what), Some(What::Truncated));
}

#[test]
fn an_extended_response_code_is_put_together() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 1, Flags::QR, 512);
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::BADVERS, is_dnssec_ok: false };
    writer.opt(opt, &[]).expect("fits");
    writer.finish();
    let message = Message::decode(&out).expect("well-formed");
    assert_eq!(message.edns().expect("an OPT").rcode(message.header.flags.rcode()), OptRcode::BADVERS);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What decodes is read to its end without failing.
        #[test]
        fn any_octets_are_a_message_or_none(
            counts in prop::array::uniform4(0u8..3),
            rest in prop::collection::vec(prop_oneof![Just(0u8), Just(0xc0), Just(12), Just(41), any::<u8>()], 0..120),
        ) {
            let mut bytes = vec![0; 4];
            bytes.extend(counts.iter().flat_map(|count| [0, *count]));
            bytes.extend(rest);
            if let Ok(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.questions().count(), usize::from(counts[0]));
                for (section, count) in [Section::Answer, Section::Authority, Section::Additional].iter().zip(&counts[1..]) {
                    prop_assert_eq!(message.records(*section).count(), usize::from(*count));
                    for record in message.records(*section) {
                        let mut rdata = Vec::new();
                        let _ = record.expand_rdata(&mut rdata);
                        let _ = record.rdata_name(0);
                    }
                }
            }
        }
    }
}
