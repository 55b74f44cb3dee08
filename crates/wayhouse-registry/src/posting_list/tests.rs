use std::collections::BTreeMap;

use super::*;

/// Steps through a fixed pseudo-random sequence.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn members(posting: &Posting) -> Vec<Member> {
    let mut cursor = posting.start();
    std::iter::from_fn(|| {
        let member = cursor.current()?;
        cursor.advance();
        Some(member)
    })
    .collect()
}

fn compare(posting: &Posting, expected: &BTreeMap<u32, u16>) {
    let all: Vec<Member> = expected.iter().map(|(&slot, &links)| Member { slot, links }).collect();
    assert_eq!(members(posting), all);
    assert_eq!(posting.len(), all.len());
    assert_eq!(posting.link_sum(), all.iter().map(|member| u64::from(member.links)).sum::<u64>());
    assert_eq!(posting.is_empty(), all.is_empty());
}

fn compare_places(posting: &Posting, expected: &BTreeMap<u32, u16>, state: &mut u64) {
    let all: Vec<Member> = expected.iter().map(|(&slot, &links)| Member { slot, links }).collect();
    for _ in 0..50 {
        let skipped = next(state) % (all.len() as u64 + 3);
        assert_eq!(posting.at_member(skipped).current(), all.get(skipped as usize).copied());

        let skipped = next(state) % (posting.link_sum() + 3);
        let (cursor, rest) = posting.at_link(skipped);
        let mut before = skipped;
        let owner = all.iter().find(|member| {
            let is_here = before < u64::from(member.links);
            before -= if is_here { 0 } else { u64::from(member.links) };
            is_here
        });
        assert_eq!(cursor.current(), owner.copied());
        assert!(owner.is_none() || rest == before);

        let mut cursor = posting.start();
        let mut slot = 0;
        for _ in 0..4 {
            slot += (next(state) % 2000) as u32;
            cursor.seek(slot);
            assert_eq!(cursor.current(), all.iter().find(|member| member.slot >= slot).copied());
            assert_eq!(posting.contains(slot), expected.contains_key(&slot));
        }
    }
}

#[test]
fn a_list_stays_equal_to_a_map_through_random_changes() {
    let mut state = 1;
    let (mut posting, mut expected) = (Posting::default(), BTreeMap::new());
    for round in 0..30_000_u32 {
        let slot = (next(&mut state) % 6000) as u32;
        let links = (next(&mut state) % 4) as u16;
        let grows = round < 12_000 || round % 3 == 0;
        match (expected.contains_key(&slot), grows) {
            (false, true) => {
                expected.insert(slot, links);
                posting.insert(Member { slot, links });
            }
            (true, true) => {
                expected.insert(slot, links);
                posting.set_links(Member { slot, links });
            }
            (true, false) => {
                expected.remove(&slot);
                posting.remove(slot);
            }
            (false, false) => {}
        }
        if round % 1500 == 0 {
            compare(&posting, &expected);
            compare_places(&posting, &expected, &mut state);
        }
    }
    for slot in expected.keys().copied().collect::<Vec<_>>() {
        expected.remove(&slot);
        posting.remove(slot);
        if expected.len() < 3 {
            compare(&posting, &expected);
            compare_places(&posting, &expected, &mut state);
        }
    }
    assert!(posting.is_empty());
}

#[test]
fn ascending_members_fill_their_chunks() {
    let mut posting = Posting::default();
    for slot in 0..5120 {
        posting.insert(Member { slot, links: u16::MAX });
    }
    let Posting::Many(chunks) = &posting else { unreachable!("many members") };
    assert_eq!(chunks.chunks.len(), 10);
    assert_eq!(posting.link_sum(), 5120 * u64::from(u16::MAX));
}

#[test]
fn thinned_chunks_are_joined() {
    let mut posting = Posting::default();
    for slot in 0..51_200 {
        posting.insert(Member { slot, links: 1 });
    }
    for slot in (0..51_200).filter(|slot| slot % 100 != 0) {
        posting.remove(slot);
    }
    let Posting::Many(chunks) = &posting else { unreachable!("many members") };
    assert_eq!(posting.len(), 512);
    assert!(chunks.chunks.len() <= 10, "{}", chunks.chunks.len());
}

#[test]
fn galloping_finds_what_partition_point_finds() {
    let items: Vec<u32> = (0..100).collect();
    for wanted in 0..=101 {
        assert_eq!(gallop(&items, |&item| item < wanted), items.partition_point(|&item| item < wanted));
    }
    assert_eq!(gallop(&[] as &[u32], |_| true), 0);
}
