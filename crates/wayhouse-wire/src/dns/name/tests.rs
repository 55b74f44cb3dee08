use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hash(name: NameRef<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn text_becomes_octets_and_text_again() {
    let check = |text: &str, wire: &[u8], printed: &str| {
        assert_eq!(name(text).wire(), wire, "{text}");
        assert_eq!(name(text).to_string(), printed, "{text}");
        assert_eq!(name(printed).wire(), wire, "{text}");
    };
    check(".", b"\0", ".");
    check("com", b"\x03com\0", "com.");
    check("_ipp._tcp.Example.COM.", b"\x04_ipp\x04_tcp\x07Example\x03COM\0", "_ipp._tcp.Example.COM.");
    check(r"Front\.Door\\1._ipp", b"\x0cFront.Door\\1\x04_ipp\0", r"Front\.Door\\1._ipp.");
    check(r"a\032b\000\255", b"\x05a b\0\xff\0", r"a\ b\000\255.");
    // Service instance names are UTF-8.
    check("Büro", b"\x05B\xc3\xbcro\0", r"B\195\188ro.");
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    let check = |text: &str, what, at| assert_eq!(Name::parse(text), Err(DecodeError { what, at }), "{text}");
    check("", What::UnexpectedCharacter, 0);
    check("..", What::UnexpectedCharacter, 0);
    check("a..b", What::UnexpectedCharacter, 2);
    check(".a", What::UnexpectedCharacter, 0);
    check(r"a\", What::Truncated, 1);
    check(r"a\25", What::Truncated, 1);
    check(r"a\256", What::OutOfRange, 1);
    check(&"x".repeat(64), What::NameTooLong, 64);
    let long = [&"x".repeat(63)[..]; 4].join(".");
    check(&long, What::NameTooLong, 255);
    // 255 octets are a name: three labels of 63 and one of 61.
    let longest = format!("{}{}", format!("{}.", "x".repeat(63)).repeat(3), "y".repeat(61));
    assert_eq!(name(&longest).wire().len(), NAME_OCTETS_MAX);
    assert!(Name::parse(&format!("{longest}z")).is_err());
    assert_eq!(name(&longest).prefixed(name("a").as_ref()).err().map(|error| error.what), Some(What::NameTooLong));
}

#[test]
fn compressed_and_flat_names_are_the_same_name() {
    // "example.com" at 0, then "WWW" and a pointer to it, then a pointer to that.
    let bytes = b"\x07example\x03com\0\x03WWW\xc0\x00\xc0\x0d";
    let (flat, end) = NameRef::read(bytes, 0).expect("a name");
    assert_eq!((flat.to_string().as_str(), end), ("example.com.", 13));
    assert_eq!(flat.flat(), Some(&bytes[..13]));
    let (www, end) = NameRef::read(bytes, 13).expect("a name");
    assert_eq!((www.to_string().as_str(), end, www.octets(), www.flat()), ("WWW.example.com.", 19, 17, None));
    let (again, end) = NameRef::read(bytes, 19).expect("a name");
    assert_eq!(end, 21);
    let owned = name("www.EXAMPLE.com");
    for reference in [www, again] {
        assert_eq!(owned, reference);
        assert_eq!(reference, owned.as_ref());
        assert_eq!(hash(reference), hash(owned.as_ref()));
        assert_eq!(reference.cmp(&owned.as_ref()), Ordering::Equal);
        assert_eq!(reference.to_name().wire(), b"\x03WWW\x07example\x03com\0");
        assert_eq!(reference.parent(), Some(flat));
        assert!(reference.is_at_or_below(flat) && !flat.is_at_or_below(reference));
        let mut canonical = Vec::new();
        reference.append_canonical_to(&mut canonical);
        assert_eq!(canonical, b"\x03www\x07example\x03com\0");
    }
    assert_ne!(www, flat);
    assert_eq!(NameRef::ROOT.parent(), None);
    assert!(flat.is_at_or_below(NameRef::ROOT));
    assert_eq!(flat.parent().and_then(NameRef::parent).map(NameRef::is_root), Some(true));
    // The pointer stands where the parent's first label would.
    assert!(!name("example.com.org").as_ref().is_at_or_below(flat));
}

#[test]
fn names_lead_backwards_or_nowhere() {
    let check = |bytes: &[u8], at, what, error_at| {
        assert_eq!(NameRef::read(bytes, at).err(), Some(DecodeError { what, at: error_at }), "{bytes:02x?}");
    };
    check(b"", 0, What::Truncated, 0);
    check(b"\x03co", 0, What::Truncated, 3);
    check(b"\x03com", 0, What::Truncated, 4);
    check(b"\xc0", 0, What::Truncated, 1);
    // To itself, forwards, and into the piece that it ends.
    check(b"\xc0\x00", 0, What::BadPointer, 0);
    check(b"\xc0\x02\0", 0, What::BadPointer, 0);
    check(b"\x01a\xc0\x00", 0, What::BadPointer, 2);
    check(b"\x01a\xc0\x02", 0, What::BadPointer, 2);
    for reserved in [0x40, 0x41, 0x80, 0xbf] {
        check(&[1, b'a', reserved, 0], 0, What::ReservedLabel, 2);
    }
    let long = [&[63; 64][..]; 4].concat();
    check(&[&long[..], &[0]].concat(), 0, What::NameTooLong, 0);
    // A chain of bare pointers, each one step back.
    let mut chain = vec![0, 0];
    for target in 0..200u16 {
        let to = if target == 0 { 0 } else { 2 * target };
        chain.extend_from_slice(&(0xc000 | to).to_be_bytes());
    }
    assert!(NameRef::read(&chain, 2 + 2 * 126).is_ok());
    check(&chain, 2 + 2 * 127, What::BadPointer, 2);
}

#[test]
fn order_is_canonical() {
    // RFC 4034 §6.1.
    let order = [
        "example.",
        "a.example.",
        "yljkjljk.a.example.",
        "Z.a.example.",
        "zABC.a.EXAMPLE.",
        "z.example.",
        r"\001.z.example.",
        "*.z.example.",
        r"\200.z.example.",
    ];
    for (lower, higher) in order.iter().zip(&order[1..]) {
        assert_eq!(name(lower).cmp(&name(higher)), Ordering::Less, "{lower} {higher}");
        assert_eq!(name(higher).cmp(&name(lower)), Ordering::Greater, "{lower} {higher}");
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_octets_are_a_name_or_none(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..400) {
            if let Ok((name, end)) = NameRef::read(&bytes, at) {
                prop_assert!(end <= bytes.len());
                let owned = name.to_name();
                prop_assert_eq!(owned.wire().len(), name.octets());
                prop_assert_eq!(&owned, &name);
                let again = Name::parse(&owned.to_string()).expect("our own text");
                prop_assert_eq!(again.wire(), owned.wire());
                let mut parent = name.parent();
                while let Some(above) = parent {
                    prop_assert!(name.is_at_or_below(above));
                    parent = above.parent();
                }
            }
        }

        #[test]
        fn any_text_is_a_name_or_none(text in ".{0,80}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(NameRef::read(name.wire(), 0).expect("valid").1, name.wire().len());
            }
        }
    }
}

#[test]
fn reverse_names_are_those_of_the_rfcs() {
    assert_eq!(Name::reverse("10.2.3.4".parse().unwrap()).to_string(), "4.3.2.10.in-addr.arpa.");
    let name = Name::reverse("2001:db8::567:89ab".parse().unwrap()).to_string();
    assert_eq!(name, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.");
}
