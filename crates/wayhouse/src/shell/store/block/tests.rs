use super::super::record;
use super::*;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::EntryId;

const SEED: u64 = 7;

fn header(sequence: u64, octets: usize, records: u32) -> Header {
    Header { octets: octets as u32, records, sequence, oldest: 1, before: sequence - 1, last: sequence, wall_ms: 5 }
}

/// Appends a block with so many removals to a segment; returns where it starts.
fn put(segment: &mut Vec<u8>, sequence: u64, removals: u32) -> usize {
    let at = segment.len();
    let mut block = vec![0; HEADER_OCTETS];
    for number in 0..removals {
        record::put_removal(&mut block, EntryId(u64::from(number)), sequence);
    }
    let header = header(sequence, block.len() - HEADER_OCTETS, removals);
    seal(&mut block, SEED, at as u64, &header);
    assert_eq!(block.len() as u64, header.block_octets());
    segment.extend_from_slice(&block);
    at
}

fn found(segment: &[u8], seed: u64) -> Vec<(u64, bool, usize)> {
    Blocks::new(segment, seed)
        .map(|block| {
            let block = block.unwrap();
            (block.header.sequence, block.is_whole, block.frames().count())
        })
        .collect()
}

/// Three blocks: of one page, of three, and an empty one, and unused room.
fn segment() -> (Vec<u8>, [usize; 3]) {
    let mut octets = Vec::new();
    let starts = [put(&mut octets, 1, 2), put(&mut octets, 2, 300), put(&mut octets, 3, 0)];
    octets.resize(octets.len() + 3 * PAGE_OCTETS, 0);
    (octets, starts)
}

#[test]
fn blocks_are_read_as_written() {
    let (octets, starts) = segment();
    assert_eq!(found(&octets, SEED), [(1, true, 2), (2, true, 300), (3, true, 0)]);
    let second = Block::first(&octets[starts[1]..], SEED, starts[1] as u64).unwrap().unwrap();
    assert_eq!(second.header, header(2, second.records.len(), 300));
    assert_eq!(Block::octets_of_first(&octets, SEED, 0), Some(PAGE_OCTETS as u64));
}

/// What another use of the file left, or what stands in another place, is no block.
#[test]
fn stale_blocks_are_none() {
    let (octets, starts) = segment();
    assert_eq!(found(&octets, SEED + 1), []);
    let moved = &octets[starts[1]..];
    assert_eq!(found(moved, SEED), []);
}

/// Any cut leaves the blocks before it, and at most one that is seen to be torn.
#[test]
fn a_torn_end_is_seen_at_every_octet() {
    let (octets, starts) = segment();
    for end in starts[1]..starts[2] {
        let mut torn = octets[..end].to_vec();
        torn.resize(octets.len(), 0);
        let records_end = starts[1] + HEADER_OCTETS + 300 * 29;
        let expected = if end < starts[1] + HEADER_OCTETS {
            None
        } else {
            Some(end >= records_end || octets[end..records_end].iter().all(|&octet| octet == 0))
        };
        let all = found(&torn, SEED);
        assert_eq!(all[0], (1, true, 2));
        assert_eq!(all.get(1).map(|block| block.1), expected, "cut at {end}");
        // A file that is cut short never yields a torn block as whole either.
        assert!(found(&octets[..end], SEED).iter().skip(1).all(|block| block.1 == (end >= records_end)));
    }
}

#[test]
fn damage_costs_one_block() {
    let (octets, starts) = segment();
    // In the header: the block is gone, the next one is found.
    for at in starts[1]..starts[1] + HEADER_OCTETS {
        let mut damaged = octets.clone();
        damaged[at] ^= 4;
        assert_eq!(found(&damaged, SEED), [(1, true, 2), (3, true, 0)], "octet {at}");
    }
    // In a record: that one is gone.
    let mut damaged = octets.clone();
    damaged[starts[1] + HEADER_OCTETS + 40] ^= 4;
    assert_eq!(found(&damaged, SEED), [(1, true, 2), (2, false, 299), (3, true, 0)]);
    // In the padding: nothing is gone.
    let mut damaged = octets.clone();
    damaged[starts[1] - 1] ^= 4;
    assert_eq!(found(&damaged, SEED), found(&octets, SEED));
}

#[test]
fn a_newer_shape_is_named() {
    let (mut octets, starts) = segment();
    octets[starts[1] + 4] = VERSION as u8 + 1;
    // A damaged version is damage.
    assert_eq!(found(&octets, SEED), [(1, true, 2), (3, true, 0)]);
    make_newer(&mut octets[starts[1]..], SEED, starts[1] as u64);
    assert_eq!(Blocks::new(&octets, SEED).nth(1).unwrap().err(), Some(Newer));
}

/// Octets of any kind yield no panic.
#[test]
fn any_octets_are_read() {
    let (octets, _) = segment();
    let mut rng = Rng::new(1);
    for _ in 0..2000 {
        let mut damaged = octets.clone();
        for _ in 0..rng.next_u64() % 8 {
            let at = (rng.next_u64() % damaged.len() as u64) as usize;
            damaged[at] = rng.next_u64() as u8;
        }
        damaged.truncate((rng.next_u64() % (octets.len() as u64 + 1)) as usize);
        for block in Blocks::new(&damaged, SEED).flatten() {
            assert!(block.frames().count() <= block.header.records as usize);
        }
    }
}
