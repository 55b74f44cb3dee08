use wayhouse_wire::dns::{Compressor, Flags, MessageWriter, Name, Opcode};

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name in a test")
}

/// An update of `example` with one record in a section.
fn check(
    section: Section,
    owner: &str,
    rtype: Rtype,
    class: Class,
    ttl_s: u32,
    rdata: &[u8],
) -> Result<(), UpdateFault> {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 1, flags, 512);
    writer.question(name("example").as_ref(), Rtype::SOA, Class::IN).expect("room");
    writer.record(section, name(owner).as_ref(), rtype, class, ttl_s, rdata).expect("room");
    writer.finish();
    Update::of(Message::decode(&out).expect("well-formed")).expect("one zone").check()
}

#[test]
fn prerequisites_and_instructions_have_the_forms_of_the_rfc() {
    let (needs, does) = (Section::Answer, Section::Authority);
    let (any, none, own) = (Class::ANY, Class::NONE, Class::IN);
    let right: [(Section, Rtype, Class, u32, &[u8]); 9] = [
        (needs, Rtype::ANY, any, 0, &[]),
        (needs, Rtype::ANY, none, 0, &[]),
        (needs, Rtype::A, any, 0, &[]),
        (needs, Rtype::A, none, 0, &[]),
        (needs, Rtype::A, own, 0, &[1, 2, 3, 4]),
        (does, Rtype::A, own, 60, &[1, 2, 3, 4]),
        (does, Rtype::A, any, 0, &[]),
        (does, Rtype::ANY, any, 0, &[]),
        (does, Rtype::A, none, 0, &[1, 2, 3, 4]),
    ];
    for (section, rtype, class, ttl_s, rdata) in right {
        assert_eq!(check(section, "a.EXAMPLE", rtype, class, ttl_s, rdata), Ok(()), "{section:?} {rtype} {class}");
        let outside = check(section, "a.example.org", rtype, class, ttl_s, rdata);
        assert_eq!(outside, Err(UpdateFault::OutsideZone));
    }
    let wrong: [(Section, Rtype, Class, u32, &[u8]); 8] = [
        (needs, Rtype::ANY, any, 1, &[]),
        (needs, Rtype::ANY, none, 0, &[1]),
        (needs, Rtype::ANY, own, 0, &[]),
        (needs, Rtype::A, own, 1, &[1, 2, 3, 4]),
        (does, Rtype::ANY, own, 0, &[]),
        (does, Rtype::ANY, none, 0, &[]),
        (does, Rtype::A, none, 1, &[1, 2, 3, 4]),
        (does, Rtype::A, Class::CH, 60, &[1, 2, 3, 4]),
    ];
    for (section, rtype, class, ttl_s, rdata) in wrong {
        let outcome = check(section, "a.example", rtype, class, ttl_s, rdata);
        assert_eq!(outcome, Err(UpdateFault::Malformed), "{section:?} {rtype} {class}");
    }
}

#[test]
fn names_are_told_relative_to_their_zone() {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 1, Flags::default(), 512);
    writer.question(name("home.arpa").as_ref(), Rtype::SOA, Class::IN).expect("room");
    writer.finish();
    let update = Update::of(Message::decode(&out).expect("well-formed")).expect("one zone");
    let (inside, apex, outside) = (name("Lamp.hall.HOME.arpa"), name("home.arpa"), name("arpa"));
    assert_eq!(update.relative(inside.as_ref()).expect("inside").to_string(), "Lamp.hall.");
    assert!(update.relative(apex.as_ref()).expect("inside").as_ref().is_root());
    assert_eq!(update.relative(outside.as_ref()), Err(UpdateFault::OutsideZone));
}

#[test]
fn a_zone_is_one_soa() {
    for (rtypes, is_zone) in
        [(&[Rtype::SOA][..], true), (&[Rtype::A], false), (&[Rtype::SOA, Rtype::SOA], false), (&[], false)]
    {
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let mut writer = MessageWriter::new(&mut out, &mut compressor, 1, Flags::default(), 512);
        for rtype in rtypes {
            writer.question(name("example").as_ref(), *rtype, Class::IN).expect("room");
        }
        writer.finish();
        assert_eq!(Update::of(Message::decode(&out).expect("well-formed")).is_ok(), is_zone, "{rtypes:?}");
    }
}
