use wayhouse_registry::{ServiceHost, ServiceInstance, ServiceOffer};

use super::*;

fn entries() -> Vec<StoredEntry> {
    let plain = Registrant {
        id: EntryId(0x0123_4567_89ab_cdef),
        endpoint_name: "lamp".into(),
        sector: "".into(),
        base: "coap://[2001:db8::1]".into(),
        is_base_explicit: false,
        attributes: [].into(),
        links: "</light>;rt=\"oic.r.light\"".into(),
        origin: Origin::Directory,
        owner: Credentials::anonymous(),
        source: None,
        link_scope: None,
        services: None,
    };
    let full = Registrant {
        sector: "dach".into(),
        is_base_explicit: true,
        attributes: [("et".into(), "grün".into()), ("et".into(), "".into())].into(),
        origin: Origin::Operator,
        owner: Credentials {
            subjects: ["a".into(), "b".into()].into(),
            public_key: Some([7; 32]),
            session: Some(u64::MAX),
            address: Some("192.0.2.1".parse().unwrap()),
        },
        source: Some("[fe80::1%3]:5683".parse().unwrap()),
        link_scope: Some(3),
        ..plain.clone()
    };
    let simple = Registrant {
        origin: Origin::SimpleRegistration,
        source: Some("192.0.2.9:61616".parse().unwrap()),
        owner: Credentials { address: Some("2001:db8::7".parse().unwrap()), ..Credentials::anonymous() },
        ..plain.clone()
    };
    let name = |text| wayhouse_wire::dns::Name::parse(text).unwrap();
    let offer = ServiceOffer {
        lease_s: 7_200,
        subtypes: Box::new([(*b"_light").into()]),
        priority: 1,
        weight: 2,
        port: 5683,
        texts: Box::new([(*b"\x01a").into(), [0].into()]),
        ttl_s: 120,
    };
    let instance = |offer| ServiceInstance {
        name: name("Lamp._coap._udp"),
        key_lease_s: 1_209_600,
        renewed_before_ms: 1 << 33,
        offer,
    };
    let services = ServiceHost {
        name: name("Lamp"),
        key: [9; 68].into(),
        key_lease_s: 1_209_600,
        addresses: Box::new(["192.0.2.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
        ttl_s: 60,
        aliases: Box::new([name("Lamp in the hall")]),
        instances: Box::new([instance(Some(offer)), instance(None)]),
    };
    let signed = Registrant { origin: Origin::Srp, services: Some(services.into()), ..plain.clone() };
    let lease = StoredLease { lifetime_s: 90_000, expires_ms: 1_800_000_000_123 };
    [plain, full, simple, signed].into_iter().map(|registrant| StoredEntry { change: 77, lease, registrant }).collect()
}

fn encoded(entry: &StoredEntry) -> Vec<u8> {
    let mut octets = Vec::new();
    put_entry(&mut octets, entry.change, &entry.registrant, entry.lease);
    octets
}

/// The only frame of some octets.
fn only(octets: &[u8]) -> Frame<'_> {
    let (frame, rest) = Frame::first(octets).unwrap();
    assert!(rest.is_empty());
    frame
}

#[test]
fn entries_are_read_as_written() {
    for entry in entries() {
        let octets = encoded(&entry);
        let frame = only(&octets);
        assert!(frame.is_intact());
        assert_eq!((frame.kind, frame.change, frame.id), (Kind::Entry, entry.change, entry.registrant.id));
        assert_eq!(read_entry(&frame), Some(entry));
    }
}

/// No change of any octet and no cut goes unnoticed.
#[test]
fn damage_is_noticed() {
    for entry in entries() {
        let octets = encoded(&entry);
        for at in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[at] ^= 0x40;
            assert_eq!(Frames::intact(&damaged).count(), 0, "octet {at}");
            assert_eq!(Frames::intact(&octets[..at]).count(), 0);
        }
    }
}

/// Damage in one record costs that one, damage of its length those behind it too.
#[test]
fn what_is_intact_is_found_between_damage() {
    let mut octets = Vec::new();
    let mut starts = Vec::new();
    for change in 1..=4 {
        starts.push(octets.len());
        put_removal(&mut octets, EntryId(change), change);
    }
    let intact = |octets: &[u8]| Frames::intact(octets).map(|frame| frame.change).collect::<Vec<_>>();
    assert_eq!(intact(&octets), [1, 2, 3, 4]);
    let mut damaged = octets.clone();
    damaged[starts[2] - 1] ^= 1;
    assert_eq!(intact(&damaged), [1, 3, 4]);
    let mut damaged = octets.clone();
    damaged[starts[1]] ^= 1;
    assert_eq!(intact(&damaged), [1]);
    // A kind that nobody wrote is damage too, though a checksum may cover it.
    let mut forged = octets.clone();
    forged[starts[1] + PREFIX_OCTETS] = 9;
    assert_eq!(intact(&forged), [1, 3, 4]);
}

/// Closes a frame anew over forged content.
fn forge(octets: &mut [u8]) {
    finish(octets, 0);
}

/// Content that a checksum covers but that no program of ours wrote ends as nothing, not as a panic.
#[test]
fn nonsense_under_a_good_checksum_is_nothing() {
    for entry in entries() {
        let octets = encoded(&entry);
        for at in PREFIX_OCTETS + SUBJECT_OCTETS..octets.len() {
            for octet in [0, 1, 0x7f, 0xff] {
                let mut forged = octets.clone();
                forged[at] = octet;
                forge(&mut forged);
                let frame = only(&forged);
                assert!(frame.is_intact());
                let _ = read_entry(&frame);
            }
            let mut cut = octets[..at].to_vec();
            forge(&mut cut);
            assert_eq!(read_entry(&only(&cut)), None);
        }
        let mut longer = octets.clone();
        longer.push(0);
        forge(&mut longer);
        assert_eq!(read_entry(&only(&longer)), None);
    }
}

#[test]
fn refreshes_and_removals_are_read_as_written() {
    let lease = StoredLease { lifetime_s: 1, expires_ms: u64::MAX };
    for source in [None, Some("192.0.2.1:1".parse().unwrap()), Some("[2001:db8::2]:5683".parse().unwrap())] {
        let refresh = StoredRefresh { change: 5, lease, source };
        let mut octets = Vec::new();
        put_refresh(&mut octets, EntryId(9), &refresh);
        assert!(octets.len() <= REFRESH_OCTETS_MAX);
        let frame = only(&octets);
        assert_eq!((frame.kind, frame.change, frame.id), (Kind::Refresh, 5, EntryId(9)));
        assert_eq!(read_refresh(&frame), Some(refresh));
    }
    let mut octets = Vec::new();
    put_removal(&mut octets, EntryId(9), 6);
    let frame = only(&octets);
    assert_eq!((frame.kind, frame.change, frame.id, frame.is_intact()), (Kind::Removal, 6, EntryId(9), true));
    assert_eq!((read_entry(&frame), read_refresh(&frame)), (None, None));
}
