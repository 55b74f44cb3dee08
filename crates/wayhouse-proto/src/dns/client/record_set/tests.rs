use super::*;

fn record(name: &str, rtype: Rtype, rdata: &[u8], ttl_s: u32) -> OwnedRecord {
    OwnedRecord { name: Name::parse(name).unwrap(), rtype, class: Class::IN, ttl_s, rdata: rdata.into() }
}

fn set(limits: ClientLimits) -> RecordSet {
    RecordSet::new(limits)
}

#[test]
fn a_record_is_known_once_whatever_the_case_of_its_names() {
    let mut records = set(ClientLimits::default());
    assert_eq!(records.put(record("A.example", Rtype::PTR, b"\x01b\0", 1), None), Ok(true));
    assert_eq!(records.put(record("a.EXAMPLE", Rtype::PTR, b"\x01B\0", 9), None), Ok(false));
    assert_eq!(records.put(record("a.example", Rtype::TXT, b"\x01b", 1), None), Ok(true));
    assert_eq!(records.put(record("a.example", Rtype::TXT, b"\x01B", 1), None), Ok(true));
    let pointers: Vec<_> = records.of(&Name::parse("a.example").unwrap(), Rtype::PTR).collect();
    assert_eq!((pointers.len(), pointers[0].ttl_s, &*pointers[0].rdata), (1, 9, &b"\x01b\0"[..]));
    assert_eq!(records.of(&Name::parse("a.example").unwrap(), Rtype::TXT).count(), 2);
    assert_eq!(records.of(&Name::parse("b.example").unwrap(), Rtype::PTR).count(), 0);
}

#[test]
fn pu26_records_age_only_after_the_subscription() {
    let (mut records, start, mut differences) = (set(ClientLimits::default()), super::super::start(), Vec::new());
    records.put(record("a.example", Rtype::A, &[1; 4], 10), None).unwrap();
    records.put(record("b.example", Rtype::A, &[1; 4], 0), None).unwrap();
    let after = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(records.poll_timeout(), None, "while somebody would tell us, nothing ages");
    records.begin_ageing(after(100), |_| true);
    records.handle_timeout(after(100), &mut differences);
    assert!(matches!(&differences[..], [Difference::Removed(gone)] if gone.name.to_string() == "b.example."));
    assert_eq!(records.poll_timeout().map(|wakeup| wakeup.at), Some(after(110)));
    // Told again in time, it was never away.
    assert_eq!(records.put(record("a.example", Rtype::A, &[1; 4], 10), None), Ok(false));
    records.handle_timeout(after(1_000), &mut differences);
    assert_eq!(differences.len(), 1);
}

#[test]
fn records_are_bounded_by_number_and_octets() {
    let mut few = set(ClientLimits { records_max: 2, ..ClientLimits::default() });
    for last in [1, 2] {
        assert_eq!(few.put(record("a", Rtype::A, &[0, 0, 0, last], 1), None), Ok(true));
    }
    assert_eq!(few.put(record("a", Rtype::A, &[0, 0, 0, 3], 1), None), Err(Full));
    assert_eq!(few.put(record("a", Rtype::A, &[0, 0, 0, 2], 1), None), Ok(false), "what is known may be told again");
    let mut small = set(ClientLimits { record_octets_max: 30, ..ClientLimits::default() });
    assert_eq!(small.put(record("a", Rtype::TXT, &[0; 12], 1), None), Ok(true));
    assert_eq!(small.put(record("a", Rtype::TXT, &[0; 3], 1), None), Err(Full));
    small.retain(&mut Vec::new(), |_| false);
    assert_eq!((small.octets(), small.is_empty()), (0, true));
}
