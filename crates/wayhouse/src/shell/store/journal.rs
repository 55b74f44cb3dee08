//! The journal: blocks of records, one after the other, in segment files that are used again.
//!
//! ```text
//!     oldest segment                                        head
//!   ┌────────────────┐ ┌────────────────┐     ┌────────────────┐ ┌────────────────┐
//!   │ cleaned … │    │ │                │  …  │ blocks ▶       │ │ ready (space)  │
//!   └───────┼────────┘ └────────────────┘     └────────▲───────┘ └───────▲────────┘
//!           └── records that count ────────────────────┘                 │
//!           └── when nothing of it counts any more: the file is recycled ┘
//! ```
//!
//! Cleaning goes on in steps, as part of commits: with a commit go copies of the records that count among the next few
//! in the oldest segment. They stand in the same block, in front of what is committed, so that one write keeps the order.
//! Always the oldest segment is cleaned: a removal there overrules nothing that still exists, and need not be copied.

use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use wayhouse_registry::EntryId;

use super::block::{self, Block, Blocks, HEADER_OCTETS, Header, PAGE_OCTETS, block_octets};
use super::index::Index;
use super::record::{self, Frames, Kind, StoredEntry, StoredRefresh};
use super::space::{self, Fill, SEGMENT_OCTETS_MAX, SEGMENT_OCTETS_MIN, Segment, Space, sync_folder};

/// Octets of records in a block, unless a single record is larger. One write, one wait for the disk.
pub const BLOCK_RECORDS_MAX: usize = 256 << 10;
/// Octets in segments, beyond twice what counts, from which on the oldest is cleaned: little directories are not worth
/// the work, and padding is most of them.
const GARBAGE_OCTETS_MIN: u64 = 16 << 20;
/// Octets that cleaning reads for each octet committed. With twice what counts where it begins, a whole round is done
/// when half as much as what counts was written: segments hold at most 3.5 times what counts, the above, and the head.
const CLEANING_PACE: u64 = 4;

/// The number of the first block of all.
const FIRST_BLOCK: u64 = 1;

/// How a journal differs in tests.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How files get their octets.
    pub fill: Fill,
    /// How written octets get to the disk.
    pub sync: fn(&File) -> io::Result<()>,
    /// Octets of the smallest and of the largest segment.
    pub segment_octets: (u64, u64),
    /// See [`GARBAGE_OCTETS_MIN`].
    pub garbage_octets_min: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fill: space::fill_with_zeros,
            sync: File::sync_data,
            segment_octets: (SEGMENT_OCTETS_MIN, SEGMENT_OCTETS_MAX),
            garbage_octets_min: GARBAGE_OCTETS_MIN,
        }
    }
}

impl Settings {
    /// The size of a further segment beside so many octets: a quarter of them, within bounds.
    fn segment_octets(&self, used: u64) -> u64 {
        (used / 4).next_power_of_two().clamp(self.segment_octets.0, self.segment_octets.1)
    }
}

/// Why a journal cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A newer program wrote it.
    Newer,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

impl From<block::Newer> for OpenError {
    fn from(_: block::Newer) -> OpenError {
        OpenError::Newer
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Records that cannot be read, and blocks without changes that are not there.
    pub damaged: u64,
    /// Changes that were written once and are not there.
    pub missing_changes: u64,
}

/// A segment in use.
#[derive(Debug)]
struct Used {
    segment: Segment,
    /// The number of its first block.
    first: u64,
    /// Octets from its start to behind its last block.
    octets: u64,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    settings: Settings,
    /// In order of their blocks; the last one is written to.
    segments: VecDeque<Used>,
    index: Index,
    /// The number of the next block.
    sequence: u64,
    /// The first block that counts.
    oldest: u64,
    /// The last change written.
    reached: u64,
    /// The time of day of the last block.
    wall_ms: u64,
    /// How far the oldest segment is cleaned.
    cleaned: u64,
    /// Tells once more how far writing has come, outside of the segments: a last block that is not there is missed.
    progress: File,
    /// Reused for every block written.
    block: Vec<u8>,
    /// Likewise: the block where writing wants it.
    aligned: Vec<u8>,
    /// Reused for every block read.
    source: Vec<u8>,
    space: Space,
}

impl Journal {
    /// Opens the journal in a folder, which is made where it does not exist. Returns also the refreshes that count and
    /// what was found.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        folder: &Path,
        settings: Settings,
    ) -> Result<(Journal, HashMap<EntryId, StoredRefresh>, Findings), OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let progress = options.open(folder.join("progress"))?;
        let written = Progress::read(&progress);
        sync_folder(folder)?;
        // The folder may be new itself.
        folder.parent().map_or(Ok(()), sync_folder)?;

        let mut octets = Vec::new();
        let mut found = find_segments(folder, &mut octets)?;
        let last = drop_torn_end(&mut found, written, &mut octets)?;
        let Found { segments, empty: mut freed } = found;
        let oldest = last.map_or(FIRST_BLOCK, |header| header.oldest);
        let mut replay = Replay::new(oldest);
        let mut used = VecDeque::new();
        for (segment, first) in segments {
            read_segment(&segment, &mut octets)?;
            match replay.hear(&octets, segment.seed)? {
                Some(octets) => used.push_back(Used { segment, first, octets }),
                None => freed.push(segment),
            }
        }
        let Replay { mut index, refreshes, mut findings, next, reached, wall_ms, .. } = replay;
        let reached = reached.unwrap_or_default();
        findings.damaged += index.forget_orphans();
        findings.missing_changes += written.change.saturating_sub(reached);

        let wanted = settings.segment_octets(used.iter().map(|used| used.segment.octets).sum());
        let space = Space::start(folder, settings.fill, wanted, freed)?;
        let mut journal = Journal {
            settings,
            segments: used,
            index,
            sequence: next,
            oldest,
            reached: reached.max(written.change),
            wall_ms,
            cleaned: 0,
            progress,
            block: Vec::new(),
            aligned: Vec::new(),
            source: Vec::new(),
            space,
        };
        // A disk without room is told at the start, and the first commit is as quick as the others.
        journal.make_room(PAGE_OCTETS as u64)?;
        Ok((journal, refreshes, findings))
    }

    /// The last change written.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// The time of day when it was last written to, milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// Reads all entries, each once, in the order in which they were written. Returns how many make no sense.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn read_entries(&mut self, mut take: impl FnMut(StoredEntry)) -> io::Result<u64> {
        let mut octets = Vec::new();
        let mut damaged = 0;
        for used in &self.segments {
            read_segment(&used.segment, &mut octets)?;
            for block in Blocks::new(&octets, used.segment.seed).flatten() {
                if block.header.sequence < self.oldest {
                    continue;
                }
                for frame in block.frames().filter(|frame| frame.kind == Kind::Entry) {
                    let Some(words) = self.index.get_mut(frame.id) else { continue };
                    if words.entry != frame.change || std::mem::replace(&mut words.is_taken, true) {
                        continue;
                    }
                    match record::read_entry(&frame) {
                        Some(entry) => take(entry),
                        None => damaged += 1,
                    }
                }
            }
        }
        Ok(damaged)
    }

    /// Writes a block of records, the last one of them from the change `last`; they are on disk when this returns.
    ///
    /// # Errors
    /// When the disk is full or failing; nothing may be written any more then.
    pub fn append(&mut self, records: &[u8], count: u32, last: u64, wall_ms: u64) -> io::Result<()> {
        self.block.clear();
        self.block.resize(HEADER_OCTETS, 0);
        let copied = self.copy_some(CLEANING_PACE * block_octets(records.len()))?;
        self.block.extend_from_slice(records);
        let octets = block_octets(self.block.len() - HEADER_OCTETS);
        self.make_room(octets)?;

        let is_emptied = self.segments.len() > 1 && self.cleaned >= self.segments[0].octets;
        let oldest = if is_emptied { self.segments[1].first } else { self.oldest };
        let header = Header {
            octets: (self.block.len() - HEADER_OCTETS) as u32,
            records: count + copied,
            sequence: self.sequence,
            oldest,
            before: self.reached,
            last,
            wall_ms,
        };
        let head = self.segments.back_mut().expect("room was made");
        block::seal(&mut self.block, head.segment.seed, head.octets, &header);
        // Direct writes want whole pages of memory.
        self.aligned.resize(self.block.len() + PAGE_OCTETS, 0);
        let start = self.aligned.as_ptr().align_offset(PAGE_OCTETS);
        let aligned = &mut self.aligned[start..][..self.block.len()];
        aligned.copy_from_slice(&self.block);
        head.segment.write(aligned, head.octets)?;
        (self.settings.sync)(&head.segment.file)?;
        head.octets += octets;
        self.sequence += 1;
        self.reached = last;
        self.wall_ms = wall_ms;
        for frame in Frames::trusted(records) {
            self.index.hear(&frame);
        }
        if is_emptied {
            self.oldest = oldest;
            self.cleaned = 0;
            let emptied = self.segments.pop_front().expect("there are two at least");
            self.space.give_back(emptied.segment);
        }
        // A burst is no reason to keep its memory.
        self.block.shrink_to(2 * BLOCK_RECORDS_MAX);
        self.aligned.shrink_to(2 * BLOCK_RECORDS_MAX);
        Ok(())
    }

    /// Tells once more, outside of the segments, how far writing has come. Needed when no block follows soon.
    ///
    /// # Errors
    /// When the disk is failing.
    pub fn tell_progress(&self) -> io::Result<()> {
        // Without waiting for the disk: this need not be younger than the segments, only outside of them.
        Progress { sequence: self.sequence - 1, change: self.reached }.write(&self.progress)
    }

    /// Sees to it that the head takes so many more octets.
    fn make_room(&mut self, octets: u64) -> io::Result<()> {
        if self.segments.back().is_some_and(|head| head.octets + octets <= head.segment.octets) {
            return Ok(());
        }
        let segment = self.space.take(octets, self.settings.segment_octets(self.octets()))?;
        self.segments.push_back(Used { segment, first: self.sequence, octets: 0 });
        Ok(())
    }

    /// Octets of the disk in use.
    fn octets(&self) -> u64 {
        self.segments.iter().map(|used| used.segment.octets).sum()
    }

    fn is_cleaning_due(&self) -> bool {
        self.segments.len() > 1 && self.octets() > 2 * self.index.octets() + self.settings.garbage_octets_min
    }

    /// Copies what counts among the next few octets of the oldest segment, when it is time for it. Returns how many
    /// records those are.
    fn copy_some(&mut self, octets: u64) -> io::Result<u32> {
        let mut copied = 0;
        if !self.is_cleaning_due() {
            return Ok(copied);
        }
        let oldest = &self.segments[0];
        let end = oldest.octets.min(self.cleaned + octets);
        while self.cleaned < end {
            let at = self.cleaned;
            let page = PAGE_OCTETS.min((oldest.octets - at) as usize);
            self.source.resize(page, 0);
            oldest.segment.file.read_exact_at(&mut self.source, at)?;
            let Some(block_octets) = Block::octets_of_first(&self.source, oldest.segment.seed, at) else {
                // It was found damaged at the start.
                self.cleaned += PAGE_OCTETS as u64;
                continue;
            };
            self.source.resize(block_octets.min(oldest.octets - at) as usize, 0);
            oldest.segment.file.read_exact_at(&mut self.source[page..], at + page as u64)?;
            self.cleaned += block_octets;
            let Some(Ok(block)) = Block::first(&self.source, oldest.segment.seed, at) else { continue };
            for frame in block.frames().filter(|frame| self.index.counts(frame)) {
                self.block.extend_from_slice(frame.octets);
                copied += 1;
            }
        }
        Ok(copied)
    }
}

/// The segments of a folder.
struct Found {
    /// Those with blocks, in order of these, each with the number of its first one.
    segments: Vec<(Segment, u64)>,
    /// Those without.
    empty: Vec<Segment>,
}

fn find_segments(folder: &Path, octets: &mut Vec<u8>) -> Result<Found, OpenError> {
    let (mut segments, mut empty) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let Some(segment) = Segment::open(&entry?.path()) else { continue };
        let segment = segment?;
        octets.resize(PAGE_OCTETS.min(segment.octets as usize), 0);
        segment.file.read_exact_at(octets, 0)?;
        // Mostly the first page tells; in an empty or damaged segment all are looked at.
        let first = match Block::octets_of_first(octets, segment.seed, 0) {
            Some(count) => {
                octets.resize(count.min(segment.octets) as usize, 0);
                segment.file.read_exact_at(octets, 0)?;
                Blocks::new(octets, segment.seed).next()
            }
            None => {
                read_segment(&segment, octets)?;
                Blocks::new(octets, segment.seed).next()
            }
        };
        match first.transpose()? {
            Some(block) => segments.push((segment, block.header.sequence)),
            None => empty.push(segment),
        }
    }
    segments.sort_by_key(|&(_, first)| first);
    Ok(Found { segments, empty })
}

/// Wipes out a last block that was being written when the program or the power ended, and returns the header of the last
/// one that was not. Nobody was told that the changes of a torn block are written: else the progress file would know it.
fn drop_torn_end(found: &mut Found, written: Progress, octets: &mut Vec<u8>) -> Result<Option<Header>, OpenError> {
    while let Some((segment, _)) = found.segments.last() {
        read_segment(segment, octets)?;
        let mut last_two = [None, None];
        for block in Blocks::new(octets, segment.seed) {
            last_two = [last_two[1], Some(block?)];
        }
        let [before, Some(last)] = last_two else { break };
        if last.is_whole || last.header.sequence <= written.sequence {
            // It may have been written and not waited for, and counts as written from here on.
            segment.file.sync_data()?;
            return Ok(Some(last.header));
        }
        tracing::debug!(change = last.header.last, "the last write did not end");
        segment.file.write_all_at(&[0; HEADER_OCTETS], last.at)?;
        segment.file.sync_data()?;
        if let Some(before) = before {
            return Ok(Some(before.header));
        }
        found.empty.extend(found.segments.pop().map(|(segment, _)| segment));
    }
    Ok(None)
}

fn read_segment(segment: &Segment, octets: &mut Vec<u8>) -> io::Result<()> {
    octets.resize(segment.octets as usize, 0);
    segment.file.read_exact_at(octets, 0)
}

/// Learns from the blocks, in their order, which records count and what is missing.
struct Replay {
    index: Index,
    refreshes: HashMap<EntryId, StoredRefresh>,
    findings: Findings,
    oldest: u64,
    /// The number of the block that should come next.
    next: u64,
    /// The last change; not known while blocks in front were cleaned and none behind was read.
    reached: Option<u64>,
    wall_ms: u64,
}

impl Replay {
    fn new(oldest: u64) -> Replay {
        Replay {
            index: Index::new(),
            refreshes: HashMap::new(),
            findings: Findings::default(),
            oldest,
            next: oldest,
            reached: (oldest == FIRST_BLOCK).then_some(0),
            wall_ms: 0,
        }
    }

    /// Hears a segment; returns the octets up to behind its last block, `None` when none of it counts.
    fn hear(&mut self, octets: &[u8], seed: u64) -> Result<Option<u64>, block::Newer> {
        let mut end = None;
        for block in Blocks::new(octets, seed) {
            let block = block?;
            let header = &block.header;
            if header.sequence < self.oldest {
                continue;
            }
            end = Some(block.at + header.block_octets());
            let lost_blocks = header.sequence.saturating_sub(self.next);
            if lost_blocks > 0 {
                let lost_changes = header.before.saturating_sub(self.reached.unwrap_or(header.before));
                self.findings.missing_changes += lost_changes;
                // How many changes there were is not known, or none but copies.
                self.findings.damaged += if lost_changes == 0 { lost_blocks } else { 0 };
            }
            let mut good = 0;
            for frame in block.frames() {
                good += 1;
                self.hear_frame(&frame);
            }
            self.findings.damaged += u64::from(header.records).saturating_sub(good);
            self.next = header.sequence + 1;
            self.reached = self.reached.max(Some(header.last));
            self.wall_ms = self.wall_ms.max(header.wall_ms);
        }
        Ok(end)
    }

    fn hear_frame(&mut self, frame: &record::Frame<'_>) {
        self.index.hear(frame);
        match frame.kind {
            Kind::Entry => {}
            Kind::Removal => drop(self.refreshes.remove(&frame.id)),
            Kind::Refresh if self.index.counts(frame) => match record::read_refresh(frame) {
                Some(refresh) => drop(self.refreshes.insert(frame.id, refresh)),
                None => self.findings.damaged += 1,
            },
            Kind::Refresh => {}
        }
    }
}

/// How far writing has come, as it stands in the progress file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// The last block.
    sequence: u64,
    /// The last change.
    change: u64,
}

impl Progress {
    const OCTETS: usize = 24;

    /// Zeros when there is nothing that makes sense.
    fn read(file: &File) -> Progress {
        let mut octets = [0; Progress::OCTETS];
        let Ok(()) = file.read_exact_at(&mut octets, 0) else { return Progress::default() };
        let word = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"));
        let progress = Progress { sequence: word(0), change: word(8) };
        if progress.octets() == octets { progress } else { Progress::default() }
    }

    fn write(self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.octets(), 0)
    }

    fn octets(self) -> [u8; Progress::OCTETS] {
        let mut octets = [0; Progress::OCTETS];
        octets[..8].copy_from_slice(&self.sequence.to_le_bytes());
        octets[8..16].copy_from_slice(&self.change.to_le_bytes());
        let checksum = xxhash_rust::xxh3::xxh3_64(&octets[..16]);
        octets[16..].copy_from_slice(&checksum.to_le_bytes());
        octets
    }
}

#[cfg(test)]
pub mod tests;
