use super::super::record::{StoredLease, StoredRefresh, put_refresh, put_removal};
use super::*;

/// A frame of some kind; an entry is mimicked, as only its head is looked at.
fn hear(index: &mut Index, kind: Kind, change: u64, id: u64) {
    let octets = octets(kind, change, id);
    let (frame, _) = Frame::first(&octets).unwrap();
    index.hear(&Frame { kind, ..frame });
}

fn octets(kind: Kind, change: u64, id: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    let lease = StoredLease { lifetime_s: 1, expires_ms: 1 };
    match kind {
        Kind::Removal => put_removal(&mut octets, EntryId(id), change),
        _ => put_refresh(&mut octets, EntryId(id), &StoredRefresh { change, lease, source: None }),
    }
    octets
}

fn counts(index: &Index, kind: Kind, change: u64, id: u64) -> bool {
    let octets = octets(kind, change, id);
    let (frame, _) = Frame::first(&octets).unwrap();
    index.counts(&Frame { kind, ..frame })
}

#[test]
fn last_words_count() {
    use Kind::*;
    let mut index = Index::new();
    hear(&mut index, Entry, 1, 7);
    let one = index.octets();
    hear(&mut index, Refresh, 2, 7);
    assert_eq!(index.octets(), one + REFRESH_OCTETS_MAX as u64);
    assert!(counts(&index, Entry, 1, 7) && counts(&index, Refresh, 2, 7));
    // A copy changes nothing.
    hear(&mut index, Entry, 1, 7);
    assert!(counts(&index, Refresh, 2, 7));
    hear(&mut index, Entry, 3, 7);
    assert!(!counts(&index, Entry, 1, 7) && !counts(&index, Refresh, 2, 7) && counts(&index, Entry, 3, 7));
    assert_eq!(index.octets(), one);
    hear(&mut index, Removal, 4, 7);
    assert!(!counts(&index, Entry, 3, 7) && !counts(&index, Removal, 4, 7));
    assert_eq!(index.octets(), 0);
}

/// Cleaning may move an entry behind its refresh, in front of which it then no longer stands.
#[test]
fn a_refresh_may_come_before_its_entry() {
    use Kind::*;
    let mut index = Index::new();
    hear(&mut index, Refresh, 5, 7);
    hear(&mut index, Entry, 3, 7);
    assert!(counts(&index, Entry, 3, 7) && counts(&index, Refresh, 5, 7));
    hear(&mut index, Refresh, 6, 8);
    assert_eq!(index.forget_orphans(), 1);
    assert!(!counts(&index, Refresh, 6, 8) && counts(&index, Refresh, 5, 7));
    hear(&mut index, Removal, 9, 7);
    assert_eq!(index.octets(), 0);
}
