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
    let lease = StoredLease { lifetime_s: 90_000, expires_ms: 1_800_000_000_123 };
    [plain, full, simple].into_iter().map(|registrant| StoredEntry { change: 77, lease, registrant }).collect()
}

fn encoded(entry: &StoredEntry) -> ([u8; 8], Vec<u8>) {
    let mut record = b"left over".to_vec();
    encode_entry(&mut record, entry.change, &entry.registrant, entry.lease);
    (entry.registrant.id.0.to_be_bytes(), record)
}

#[test]
fn entries_are_read_as_written() {
    for entry in entries() {
        let (key, record) = encoded(&entry);
        assert_eq!(decode_entry(&key, &record), Ok(entry));
    }
}

/// No change of any octet, no cut and no other key goes unnoticed.
#[test]
fn damage_is_noticed() {
    for entry in entries() {
        let (key, record) = encoded(&entry);
        for at in 1..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 0x40;
            assert_eq!(decode_entry(&key, &damaged), Err(RecordFault::Checksum), "octet {at}");
        }
        for octets in 0..record.len() {
            assert_eq!(decode_entry(&key, &record[..octets]), Err(RecordFault::Checksum));
        }
        assert_eq!(decode_entry(&[0; 8], &record), Err(RecordFault::Checksum));
    }
}

/// Content that a checksum covers but that no program of ours wrote ends as a fault, not as a panic.
#[test]
fn nonsense_under_a_good_checksum_is_a_fault() {
    for entry in entries() {
        let (key, record) = encoded(&entry);
        for at in PREFIX_OCTETS..record.len() {
            for octet in [0, 1, 0x7f, 0xff] {
                let mut forged = record.clone();
                forged[at] = octet;
                finish(&mut forged, &key);
                if let Err(fault) = decode_entry(&key, &forged) {
                    assert_eq!(fault, RecordFault::Content);
                }
            }
            let mut cut = record[..at].to_vec();
            finish(&mut cut, &key);
            assert_eq!(decode_entry(&key, &cut), Err(RecordFault::Content));
        }
        let mut longer = record.clone();
        longer.push(0);
        finish(&mut longer, &key);
        assert_eq!(decode_entry(&key, &longer), Err(RecordFault::Content));
    }
}

#[test]
fn a_newer_shape_is_named() {
    let (key, mut record) = encoded(&entries()[0]);
    record[0] = 2;
    assert_eq!(decode_entry(&key, &record), Err(RecordFault::Version(2)));
}

#[test]
fn refreshes_and_marks_are_read_as_written() {
    let key = [9; 8];
    let lease = StoredLease { lifetime_s: 1, expires_ms: u64::MAX };
    for source in [None, Some("[2001:db8::2]:5683".parse().unwrap())] {
        let refresh = StoredRefresh { change: 5, lease, source };
        let mut record = Vec::new();
        encode_refresh(&mut record, &key, &refresh);
        assert_eq!(decode_refresh(&key, &record), Ok(refresh));
        assert_eq!(decode_refresh(&[8; 8], &record), Err(RecordFault::Checksum));
    }
    let mark = Mark { change: 6, wall_ms: 7 };
    let mut record = Vec::new();
    encode_mark(&mut record, b"mark", mark);
    assert_eq!(decode_mark(b"mark", &record), Ok(mark));
    record[20] ^= 1;
    assert_eq!(decode_mark(b"mark", &record), Err(RecordFault::Checksum));
}
