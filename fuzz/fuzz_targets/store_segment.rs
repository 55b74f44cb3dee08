//! Any octets as a segment of the journal, and any records in a good block: no panic; what was sealed is found again.
#![no_main]
#![allow(dead_code, reason = "the binary's modules are taken as they are")]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wayhouse/src/shell/store/block.rs"]
mod block;
#[path = "../../crates/wayhouse/src/shell/store/record.rs"]
mod record;
#[path = "../../crates/wayhouse/src/shell/store/services.rs"]
mod services;

use block::{Blocks, HEADER_OCTETS, Header, PAGE_OCTETS};

/// Reads everything there is; returns how many blocks and records.
fn read(segment: &[u8], seed: u64) -> (usize, usize) {
    let (mut blocks, mut records) = (0, 0);
    for block in Blocks::new(segment, seed).flatten() {
        blocks += 1;
        for frame in block.frames() {
            records += 1;
            if let Some(entry) = record::read_entry(&frame) {
                let mut again = Vec::new();
                record::put_entry(&mut again, entry.change, &entry.registrant, entry.lease);
                let (again, _) = record::Frame::first(&again).expect("just written");
                assert_eq!(record::read_entry(&again), Some(entry));
            }
            let _ = record::read_refresh(&frame);
        }
    }
    (blocks, records)
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes, 0);
    let Some((&[at, flip, pages], records)) = bytes.split_first_chunk::<3>() else { return };
    // The same octets as records under good checksums, behind some pages that are no block.
    let before = usize::from(pages % 4) * PAGE_OCTETS;
    let mut sealed = vec![0; HEADER_OCTETS];
    sealed.extend_from_slice(records);
    let header = Header { octets: records.len() as u32, records: 0, sequence: 1, oldest: 1, before: 0, last: 1, wall_ms: 0 };
    block::seal(&mut sealed, 7, before as u64, &header);
    let mut segment = vec![0; before];
    segment.extend_from_slice(&sealed);
    assert_eq!(read(&segment, 7).0, 1);
    // Another use of the file, another place.
    assert_eq!(read(&segment, 8).0, 0);
    assert_eq!(read(&sealed, 7).0, usize::from(before == 0));
    // Damage is never taken for what was written.
    let place = before + (usize::from(at) * 31) % (HEADER_OCTETS + records.len());
    segment[place] ^= flip;
    let whole = Blocks::new(&segment, 7).flatten().filter(|block| block.is_whole).count();
    assert_eq!(whole, usize::from(flip == 0));
});
