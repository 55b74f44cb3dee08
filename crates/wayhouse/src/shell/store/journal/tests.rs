use std::collections::BTreeMap;
use std::path::PathBuf;

use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Credentials, Origin, Registrant};

use super::*;
use crate::shell::store::record::StoredLease;

/// Segments of a few blocks, made in no time.
pub const SMALL: Settings =
    Settings { fill: grow, sync: |_| Ok(()), segment_octets: (32 << 10, 64 << 10), garbage_octets_min: 64 << 10 };

fn grow(file: &File, octets: u64) -> io::Result<()> {
    file.set_len(octets)
}

const LEASE: StoredLease = StoredLease { lifetime_s: 90, expires_ms: 1_000_000 };

pub(in super::super) fn registrant(id: u64, links: String) -> Registrant {
    Registrant {
        id: EntryId(id),
        endpoint_name: format!("node{id}").into(),
        sector: "".into(),
        base: "coap://[2001:db8::1]".into(),
        is_base_explicit: true,
        attributes: [].into(),
        links: links.into(),
        origin: Origin::Directory,
        owner: Credentials::anonymous(),
        source: None,
        link_scope: None,
        services: None,
    }
}

/// What should be known of an entry: its change, its links, its refresh.
type Known = BTreeMap<u64, (u64, String, Option<u64>)>;

/// A journal and what it should know.
struct Pair {
    journal: Journal,
    known: Known,
    change: u64,
    records: Vec<u8>,
    count: u32,
}

impl Pair {
    fn open(folder: &Path) -> Pair {
        let (journal, known, findings) = read(folder);
        assert_eq!(findings, Findings::default());
        Pair { change: journal.reached(), journal, known, records: Vec::new(), count: 0 }
    }
    fn put(&mut self, id: u64, links: String) {
        self.change += 1;
        self.count += 1;
        record::put_entry(&mut self.records, self.change, &registrant(id, links.clone()), LEASE);
        self.known.insert(id, (self.change, links, None));
    }
    fn refresh(&mut self, id: u64) {
        self.change += 1;
        self.count += 1;
        let refresh = StoredRefresh { change: self.change, lease: LEASE, source: None };
        record::put_refresh(&mut self.records, EntryId(id), &refresh);
        self.known.get_mut(&id).unwrap().2 = Some(self.change);
    }
    fn remove(&mut self, id: u64) {
        self.change += 1;
        self.count += 1;
        record::put_removal(&mut self.records, EntryId(id), self.change);
        self.known.remove(&id);
    }
    fn commit(&mut self) {
        self.journal.append(&self.records, self.count, self.change, 1).unwrap();
        self.journal.tell_progress().unwrap();
        self.records.clear();
        self.count = 0;
    }
    fn octets(&self) -> u64 {
        self.journal.octets()
    }
}

/// Opens a journal and reads all that it knows.
fn read(folder: &Path) -> (Journal, Known, Findings) {
    let (mut journal, refreshes, mut findings) = Journal::open(folder, SMALL).unwrap();
    let mut known = Known::new();
    findings.damaged += journal
        .read_entries(|entry| {
            let refresh = refreshes.get(&entry.registrant.id).map(|refresh| refresh.change);
            let refresh = refresh.filter(|&refresh| refresh > entry.change);
            let value = (entry.change, entry.registrant.links.into(), refresh);
            assert!(known.insert(entry.registrant.id.0, value).is_none(), "each entry is read once");
        })
        .unwrap();
    (journal, known, findings)
}

/// The files of a folder, while a journal works in it.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    'again: loop {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // A file may be renamed meanwhile.
            let Ok(octets) = std::fs::read(&path) else { continue 'again };
            files.insert(path.file_name().unwrap().into(), octets);
        }
        return files;
    }
}

fn write_out(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    for (name, octets) in files {
        std::fs::write(folder.join(name), octets).unwrap();
    }
}

/// What a crash leaves when so many octets of the last block reached the disk, and the progress file did not change.
fn crash(before: &BTreeMap<PathBuf, Vec<u8>>, journal: &Journal, cut: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = before.clone();
    let head = journal.segments.back().unwrap();
    let at = head.octets as usize - journal.block.len();
    let octets = files
        .entry(head.segment.path.file_name().unwrap().into())
        .or_insert_with(|| vec![0; head.segment.octets as usize]);
    octets[at..at + cut].copy_from_slice(&journal.block[..cut]);
    files
}

/// Random operations, and crashes within a write after which everything must be as before that write or behind it.
#[test]
fn random_operations_and_crashes() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let root = tempfile::tempdir().unwrap();
        let mut folder = root.path().join("0");
        let mut pair = Pair::open(&folder);
        for round in 0..1500 {
            let may_crash = rng.below(40) == 0;
            let before = may_crash.then(|| (snapshot(&folder), pair.known.clone()));
            for _ in 0..rng.below(5) {
                let id = 1 + rng.below(60);
                let is_known = pair.known.contains_key(&id);
                match rng.below(10) {
                    0 | 1 if is_known => pair.remove(id),
                    2..6 if is_known => pair.refresh(id),
                    _ => {
                        let links = "x".repeat(rng.below(1500) as usize);
                        pair.put(id, links);
                    }
                }
            }
            pair.commit();
            if let Some((files, known)) = before {
                let block = pair.journal.block.len();
                let cut = if rng.below(4) == 0 { block } else { rng.below(block as u64) as usize };
                let files = crash(&files, &pair.journal, cut);
                let Pair { known: after, journal, .. } = pair;
                drop(journal);
                folder = root.path().join((round + 1).to_string());
                write_out(&folder, &files);
                pair = Pair::open(&folder);
                assert!(pair.known == known || pair.known == after, "seed {seed}, round {round}, cut {cut}");
                assert!(pair.known == after || cut < block, "seed {seed}, round {round}");
            }
        }
        let Pair { known, journal, .. } = pair;
        drop(journal);
        assert_eq!(Pair::open(&folder).known, known, "seed {seed}");
    }
}

#[test]
fn a_torn_end_is_dropped_and_written_over() {
    let root = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(&root.path().join("a"));
    pair.put(1, "</a>".into());
    pair.commit();
    let before = snapshot(&root.path().join("a"));
    // Two pages, both with records.
    for id in 2..90 {
        pair.put(id, "</b>".into());
    }
    let known_before = BTreeMap::from([(1, pair.known[&1].clone())]);
    pair.commit();
    let block = pair.journal.block.len();
    assert!(block > 2 * PAGE_OCTETS);
    let folder = root.path().join("b");
    for cut in (0..block).step_by(199) {
        write_out(&folder, &crash(&before, &pair.journal, cut));
        let mut torn = Pair::open(&folder);
        let is_padding =
            cut >= HEADER_OCTETS + pair.journal.block[8..].first_chunk().map_or(0, |o| u32::from_le_bytes(*o)) as usize;
        assert_eq!(torn.known, if is_padding { pair.known.clone() } else { known_before.clone() }, "cut at {cut}");
        torn.put(7, "</c>".into());
        torn.commit();
        let Pair { known, journal, .. } = torn;
        drop(journal);
        assert_eq!(Pair::open(&folder).known, known, "cut at {cut}");
    }
}

/// Segments are used again and again: disk use stays bounded, and nothing of former uses comes back.
#[test]
fn cleaning_bounds_the_disk_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(folder.path());
    for id in 1..=100 {
        pair.put(id, format!("<{}>", "l".repeat(1000)));
    }
    pair.commit();
    for id in 101..=110 {
        pair.put(id, "</short-lived>".into());
    }
    pair.commit();
    let counted = pair.journal.index.octets();
    let mut most = 0;
    for round in 0..3000 {
        pair.refresh(1 + round % 100);
        if round == 50 {
            (101..=110).for_each(|id| pair.remove(id));
        }
        pair.commit();
        most = most.max(pair.octets());
        if round % 1000 == 999 {
            let Pair { known, journal, .. } = pair;
            drop(journal);
            pair = Pair::open(folder.path());
            assert_eq!(pair.known, known);
        }
    }
    // As CLEANING_PACE promises; a refresh more for each entry.
    let bound = 7 * (counted + 100 * record::REFRESH_OCTETS_MAX as u64) / 2 + SMALL.garbage_octets_min + (64 << 10);
    assert!(most <= bound, "{most} > {bound}");
    assert!(3000 * PAGE_OCTETS as u64 > 10 * bound, "the disk was written over many times");
    let Pair { journal, .. } = pair;
    drop(journal);
    let files = snapshot(folder.path()).values().map(Vec::len).sum::<usize>() as u64;
    assert!(files <= bound + 3 * SMALL.segment_octets.1, "{files}");
}

/// Writes one entry per block, four of them, and returns the file and where the blocks start.
fn four_blocks(folder: &Path) -> (PathBuf, [u64; 4]) {
    let mut pair = Pair::open(folder);
    let mut starts = [0; 4];
    for id in 1..=4 {
        starts[id as usize - 1] = pair.journal.segments.back().map_or(0, |head| head.octets);
        pair.put(id, "</x>".into());
        pair.commit();
    }
    let path = pair.journal.segments.back().unwrap().segment.path.clone();
    (path, starts)
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, at).unwrap();
    file.write_all_at(&[octet[0] ^ 0x10], at).unwrap();
}

#[test]
fn damage_is_counted_and_costs_nothing_else() {
    let found = |damage: &[(usize, u64)]| {
        let folder = tempfile::tempdir().unwrap();
        let (path, starts) = four_blocks(folder.path());
        for &(block, offset) in damage {
            flip(&path, starts[block] + offset);
        }
        let (journal, known, findings) = read(folder.path());
        (known.into_keys().collect::<Vec<_>>(), findings.damaged, findings.missing_changes, journal.reached())
    };
    let content = HEADER_OCTETS as u64 + 50;
    assert_eq!(found(&[]), (vec![1, 2, 3, 4], 0, 0, 4));
    assert_eq!(found(&[(1, content)]), (vec![1, 3, 4], 1, 0, 4));
    assert_eq!(found(&[(0, content), (3, content)]), (vec![2, 3], 2, 0, 4));
    assert_eq!(found(&[(0, 20)]), (vec![2, 3, 4], 0, 1, 4));
    assert_eq!(found(&[(1, 20), (2, 20)]), (vec![1, 4], 0, 2, 4));
    // The progress file knows of the last block.
    assert_eq!(found(&[(3, 20)]), (vec![1, 2, 3], 0, 1, 4));
    assert_eq!(found(&[(0, 20), (1, 20), (2, 20), (3, 20)]), (vec![], 0, 4, 4));
    // In the padding.
    assert_eq!(found(&[(2, PAGE_OCTETS as u64 - 1)]), (vec![1, 2, 3, 4], 0, 0, 4));
}

#[test]
fn a_progress_file_without_sense_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    four_blocks(folder.path());
    let progress = OpenOptions::new().read(true).write(true).open(folder.path().join("progress")).unwrap();
    Progress { sequence: 9, change: 9 }.write(&progress).unwrap();
    let (journal, _, findings) = read(folder.path());
    assert_eq!((journal.reached(), findings.missing_changes), (9, 5));
    drop(journal);
    std::fs::write(folder.path().join("progress"), [3; 24]).unwrap();
    let (journal, known, findings) = read(folder.path());
    assert_eq!((journal.reached(), findings, known.len()), (4, Findings::default(), 4));
}

/// A segment that somebody removed is missed, whether it was the oldest or not.
#[test]
fn a_lost_segment_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::open(folder.path());
    for id in 1..=100 {
        pair.put(id, "y".repeat(3000));
        pair.commit();
    }
    let paths: Vec<_> = pair.journal.segments.iter().map(|used| used.segment.path.clone()).collect();
    let firsts: Vec<_> = pair.journal.segments.iter().map(|used| used.first).collect();
    drop(pair);
    assert!(paths.len() > 3);
    for lost in [0, 1] {
        let octets = std::fs::read(&paths[lost]).unwrap();
        std::fs::remove_file(&paths[lost]).unwrap();
        let (journal, known, findings) = read(folder.path());
        let changes = firsts[lost + 1] - firsts[lost];
        assert_eq!(findings, Findings { damaged: 0, missing_changes: changes });
        assert_eq!(known.len() as u64, 100 - changes);
        drop(journal);
        std::fs::write(&paths[lost], octets).unwrap();
    }
}

#[test]
fn a_newer_journal_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, starts) = four_blocks(folder.path());
    let mut octets = std::fs::read(&path).unwrap();
    block::make_newer(&mut octets[starts[2] as usize..], Segment::open(&path).unwrap().unwrap().seed, starts[2]);
    std::fs::write(&path, &octets).unwrap();
    assert!(matches!(Journal::open(folder.path(), SMALL), Err(OpenError::Newer)));
    assert_eq!(std::fs::read(&path).unwrap(), octets);
}
