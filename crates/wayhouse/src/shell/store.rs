//! The durable store: what was acknowledged survives a crash.
//!
//! The loop encodes every change as it learns it (`record.rs`). A thread of its own takes all that is waiting, writes it
//! to the journal (`journal.rs`) as one block, waits until the disk has it, and says so: the more wait, the larger the
//! block, so that durability costs little at high rates (group commit). The loop holds back every acknowledgment until
//! then.
//!
//! Everything that lookups need is in memory, in the registry: the store is read at the start only, from one end to the
//! other. A store that fails while running ends the daemon: nothing may be acknowledged that is not on disk.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use wayhouse_registry::{Change, ChangeKind, EntryId, Lease, Origin, Restored};

use super::clock::{Clock, wall_clock_ms};
use super::counters::ShellCounters;
use journal::{BLOCK_RECORDS_MAX, Findings, Journal, OpenError, Settings};
use record::{Frame, StoredEntry, StoredLease, StoredRefresh};
use space::sync_folder;

mod block;
mod index;
mod journal;
mod record;
mod services;
mod space;

/// Changes that may wait for the disk. Reaction: the loop reads no further input until some are written.
pub const BACKLOG_MAX: usize = 16_384;
/// Octets of their records, for the same reason and with the same reaction.
pub const BACKLOG_OCTETS_MAX: usize = 16 << 20;
/// The folder of the journal in the data directory.
const FOLDER: &str = "journal";
/// A folder that only an earlier kind of store made.
const FOREIGN_FOLDER: &str = "registry";

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the directory.
    #[error("the data directory {} is in use by {}", directory.display(), holder)]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// Who uses it, as far as is known.
        holder: String,
    },
    /// A newer program wrote records that this one cannot read.
    #[error("the store in {} was written by a newer version of this program", .0.display())]
    Newer(PathBuf),
    /// The directory holds a store of another kind.
    #[error("{} holds registrations in a shape that this version does not read", .0.display())]
    Foreign(PathBuf),
    /// The directory cannot be used.
    #[error("the data directory {}: {error}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The journal cannot be read or written.
    #[error("the store failed: {0}")]
    Journal(#[from] io::Error),
}

impl StoreError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::InUse { .. } => {
                "stop the other daemon, or give this one a directory of its own with --data-dir"
            }
            StoreError::Newer(_) => "run the newer version, or give this one a directory of its own with --data-dir",
            StoreError::Foreign(_) => {
                "move it away to begin without registrations, or give this daemon a directory of its own with --data-dir"
            }
            StoreError::Directory { .. } => "choose a directory that this user may write to with --data-dir",
            StoreError::Journal(_) => "is the disk full or failing?",
        }
    }
}

/// What reading back found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that live on.
    pub restored: u64,
    /// Entries whose lease ended, and whose names stay reserved.
    pub reserved: u64,
    /// Entries whose lease ended meanwhile; they are removed.
    pub expired: u64,
    /// Records that cannot be read.
    pub damaged: u64,
    /// Entries that the node did not take back.
    pub refused: u64,
    /// Changes that were written once and are not there.
    pub missing_changes: u64,
    /// The number behind which changes go on.
    pub last_change: u64,
}

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory where it does not exist, and locks it.
    ///
    /// # Errors
    /// `InUse` or `Directory`.
    pub fn claim(path: &Path) -> Result<DataDirectory, StoreError> {
        let fault = |error| StoreError::Directory { directory: path.to_owned(), error };
        let made = path.ancestors().take_while(|folder| !folder.is_dir()).count();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
        // A folder whose name is not on disk takes all that is acknowledged in it along when the power ends.
        for above in path.ancestors().skip(1).take(made) {
            let is_here = above.as_os_str().is_empty();
            sync_folder(if is_here { Path::new(".") } else { above }).map_err(fault)?;
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut lock = options.open(path.join("lock")).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    number => format!("process {number}"),
                };
                return Err(StoreError::InUse { directory: path.to_owned(), holder });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(fault(error)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(fault)?;
        Ok(DataDirectory { path: path.to_owned(), _lock: lock })
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An open store, not yet running.
#[derive(Debug)]
pub struct Archive {
    journal: Journal,
    clock: Clock,
    findings: Findings,
    /// The refreshes that count.
    refreshes: HashMap<EntryId, StoredRefresh>,
    /// Last, so that the lock is given back when all else is closed.
    directory: DataDirectory,
}

impl Archive {
    /// Opens the store of a data directory.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(directory: DataDirectory, clock: Clock) -> Result<Archive, StoreError> {
        Archive::open_with(directory, clock, Settings::default())
    }

    fn open_with(directory: DataDirectory, clock: Clock, settings: Settings) -> Result<Archive, StoreError> {
        let path = directory.path();
        let foreign = path.join(FOREIGN_FOLDER);
        if foreign.is_dir() {
            return Err(StoreError::Foreign(foreign));
        }
        let (journal, refreshes, findings) =
            Journal::open(&path.join(FOLDER), settings).map_err(|error| match error {
                OpenError::Newer => StoreError::Newer(path.to_owned()),
                OpenError::Io(error) => StoreError::Journal(error),
            })?;
        Ok(Archive { journal, clock, findings, refreshes, directory })
    }

    /// Hands every entry that lives on to `take`, which tells whether it was accepted; removes those that do not.
    ///
    /// # Errors
    /// `Journal`, when it cannot be read, or what expired cannot be removed.
    pub fn restore(&mut self, mut take: impl FnMut(Restored) -> bool) -> Result<Report, StoreError> {
        let mut report = Report {
            damaged: self.findings.damaged,
            missing_changes: self.findings.missing_changes,
            last_change: self.journal.reached(),
            ..Report::default()
        };
        let now = self.clock.now();
        // A clock that was set back (a machine without a battery for it) must not lengthen lives.
        let now_ms = wall_clock_ms().max(self.journal.wall_ms());
        let mut removals = Waiting::default();
        let refreshes = std::mem::take(&mut self.refreshes);
        report.damaged += self.journal.read_entries(|mut entry| {
            if let Some(refresh) = refreshes.get(&entry.registrant.id) {
                apply_refresh(&mut entry, refresh);
            }
            let reserved = reserved_since(&entry, now_ms);
            match remaining(entry.lease, now_ms) {
                None if let Some(age) = reserved => {
                    let lease =
                        Lease { lifetime_s: entry.lease.lifetime_s, renewed: now.checked_sub(age).unwrap_or(now) };
                    let is_taken = take(Restored { registrant: entry.registrant, lease });
                    *(if is_taken { &mut report.reserved } else { &mut report.refused }) += 1;
                }
                None => {
                    report.expired += 1;
                    record::put_removal(&mut removals.octets, entry.registrant.id, report.last_change);
                    removals.last = report.last_change;
                }
                Some(remaining) => {
                    let lifetime_s = entry.lease.lifetime_s;
                    let age = Duration::from_secs(u64::from(lifetime_s)).saturating_sub(remaining);
                    let renewed = now.checked_sub(age).unwrap_or(now);
                    let lease = Lease { lifetime_s, renewed };
                    let is_taken = take(Restored { registrant: entry.registrant, lease });
                    *(if is_taken { &mut report.restored } else { &mut report.refused }) += 1;
                }
            }
        })?;
        if !removals.octets.is_empty() {
            removals.wall_ms = now_ms;
            write(&mut self.journal, &removals, |_| {})?;
            self.journal.tell_progress()?;
        }
        Ok(report)
    }

    /// Starts the thread that writes. Changes up to `last_change` count as written.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(self, last_change: u64, counters: Arc<ShellCounters>) -> io::Result<Store> {
        let (wake, progress) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            work: Condvar::new(),
            durable: AtomicU64::new(last_change),
        });
        let wall_ms = self.journal.wall_ms();
        let writer =
            Writer { journal: self.journal, shared: Arc::clone(&shared), wake, counters, _directory: self.directory };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        let noted = Waiting { wall_ms, ..Waiting::default() };
        Ok(Store { shared, progress, thread: Some(thread), clock: self.clock, times: None, wall_ms, noted })
    }
}

/// A refresh that is younger than the entry decides about the lease.
fn apply_refresh(entry: &mut StoredEntry, refresh: &StoredRefresh) {
    if refresh.change > entry.change {
        entry.change = refresh.change;
        entry.lease = refresh.lease;
        entry.registrant.source = refresh.source;
    }
}

/// What is left of a lease by the time of day; never more than its lifetime. `None` when it has ended.
fn remaining(lease: StoredLease, now_ms: u64) -> Option<Duration> {
    let left = Duration::from_millis(lease.expires_ms.checked_sub(now_ms).filter(|&left| left > 0)?);
    Some(left.min(Duration::from_secs(u64::from(lease.lifetime_s))))
}

/// How long ago an entry was renewed whose lease has ended while names stay reserved for it; `None` when none does.
fn reserved_since(entry: &StoredEntry, now_ms: u64) -> Option<Duration> {
    let services = entry.registrant.services.as_ref()?;
    let renewed_ms = entry.lease.expires_ms.saturating_sub(u64::from(entry.lease.lifetime_s) * 1_000);
    let age_ms = now_ms.saturating_sub(renewed_ms);
    (age_ms < u64::from(services.reserved_s()) * 1_000).then(|| Duration::from_millis(age_ms))
}

/// Changes that wait for the disk.
#[derive(Debug, Default)]
struct Waiting {
    /// Their records.
    octets: Vec<u8>,
    /// The time of day that their leases were stamped with, milliseconds since 1970.
    wall_ms: u64,
    /// How many they are.
    changes: usize,
    /// The last of them.
    last: u64,
}

impl Waiting {
    /// Empties it; a burst is no reason to keep its memory.
    fn clear(&mut self) {
        self.octets.clear();
        self.octets.shrink_to(2 * BLOCK_RECORDS_MAX);
        self.changes = 0;
    }
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Changes.
    pub changes: usize,
    /// Octets of their records.
    pub octets: usize,
}

impl Backlog {
    /// Whether no more should be made.
    pub fn is_full(self) -> bool {
        self.changes >= BACKLOG_MAX || self.octets >= BACKLOG_OCTETS_MAX
    }
}

/// The running store, as the loop sees it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// Something arrives when the watermark has moved; ends when the thread does.
    progress: mpsc::Receiver<()>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
    clock: Clock,
    /// When the changes in `noted` were made, by both clocks.
    times: Option<Times>,
    /// The latest time of day seen. Leases are stamped with no earlier one: the next start takes the latest one written for
    /// the present, and what a clock that was set back would stamp has ended by that.
    wall_ms: u64,
    /// Changes that were not yet handed over.
    noted: Waiting,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    durable: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Waiting,
    /// Whether the thread is at work: what is put in then it takes when it is done.
    is_busy: bool,
    is_ending: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Takes down a change, in order of their numbers; it is written after the next [`Store::submit`].
    pub fn note(&mut self, change: &Change) {
        self.noted.changes += 1;
        self.noted.last = change.number.0;
        let Some(registrant) = change.after.as_ref().or(change.before.as_ref()) else { return };
        if registrant.origin == Origin::Configured {
            // The configuration keeps it, and alone says when it ends.
            return;
        }
        let times = self.times.get_or_insert_with(|| {
            self.wall_ms = self.wall_ms.max(wall_clock_ms());
            self.noted.wall_ms = self.wall_ms;
            Times { now: self.clock.now(), wall_ms: self.wall_ms }
        });
        let octets = &mut self.noted.octets;
        match change.kind {
            ChangeKind::Added | ChangeKind::Changed => {
                record::put_entry(octets, change.number.0, registrant, times.stored(change.lease));
            }
            ChangeKind::Refreshed => {
                let lease = times.stored(change.lease);
                let refresh = StoredRefresh { change: change.number.0, lease, source: registrant.source };
                record::put_refresh(octets, registrant.id, &refresh);
            }
            // What stands on disk tells when it ended, and for how long its names stay reserved.
            ChangeKind::Expired if registrant.services.is_some() => {}
            ChangeKind::Collected if registrant.services.is_some() => {
                record::put_removal(octets, registrant.id, change.number.0);
            }
            ChangeKind::Withdrawn | ChangeKind::Expired => {
                record::put_removal(octets, registrant.id, change.number.0);
            }
            // It went when it expired.
            ChangeKind::Collected => {}
        }
    }

    /// How many changes were noted and not yet submitted.
    pub fn noted(&self) -> usize {
        self.noted.changes
    }

    /// Hands over what was noted. Returns how much waits.
    pub fn submit(&mut self) -> Backlog {
        if self.noted.changes == 0 {
            return self.backlog();
        }
        self.times = None;
        let mut queue = self.shared.lock();
        let waiting = &mut queue.waiting;
        let was_empty = waiting.changes == 0;
        if was_empty {
            std::mem::swap(waiting, &mut self.noted);
        } else {
            waiting.octets.extend_from_slice(&self.noted.octets);
            waiting.changes += self.noted.changes;
            waiting.last = self.noted.last;
            waiting.wall_ms = self.noted.wall_ms;
        }
        let backlog = Backlog { changes: waiting.changes, octets: waiting.octets.len() };
        let is_resting = was_empty && !queue.is_busy;
        drop(queue);
        self.noted.clear();
        if is_resting {
            self.shared.work.notify_one();
        }
        backlog
    }

    /// Whether the store is writing.
    pub fn is_busy(&self) -> bool {
        self.shared.lock().is_busy
    }

    /// How much waits.
    pub fn backlog(&self) -> Backlog {
        let queue = self.shared.lock();
        Backlog { changes: queue.waiting.changes, octets: queue.waiting.octets.len() }
    }

    /// The number up to which all changes are on disk.
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Waits until that number has moved.
    ///
    /// # Errors
    /// When the store has failed: nothing may be acknowledged any more.
    pub fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StoreError>> {
        match self.progress.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(())) => Poll::Ready(Ok(())),
            Poll::Ready(None) => Poll::Ready(self.join()),
        }
    }

    /// Writes what waits and closes the store.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.submit();
        self.shared.lock().is_ending = true;
        self.shared.work.notify_one();
        self.join()
    }

    fn join(&mut self) -> Result<(), StoreError> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(StoreError::Journal(io::Error::other("its thread panicked"))),
        }
    }
}

/// What the thread owns.
struct Writer {
    journal: Journal,
    shared: Arc<Shared>,
    wake: mpsc::Sender<()>,
    counters: Arc<ShellCounters>,
    /// Last, so that the lock is given back when all else is closed.
    _directory: DataDirectory,
}

impl Writer {
    fn run(mut self) -> Result<(), StoreError> {
        let mut waiting = Waiting::default();
        while self.next(&mut waiting) {
            if let Err(error) = self.commit(&waiting) {
                tracing::error!("{error}");
                return Err(error);
            }
            waiting.clear();
        }
        Ok(())
    }

    /// Waits for changes and takes all; false when there will be none any more.
    fn next(&self, waiting: &mut Waiting) -> bool {
        let mut queue = self.shared.lock();
        while queue.waiting.changes == 0 && !queue.is_ending {
            queue.is_busy = false;
            queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.is_busy = true;
        std::mem::swap(&mut queue.waiting, waiting);
        waiting.changes > 0
    }

    /// Writes changes; they are on disk when this returns.
    fn commit(&mut self, waiting: &Waiting) -> Result<(), StoreError> {
        let mut started = Instant::now();
        write(&mut self.journal, waiting, |last| {
            let ended = Instant::now();
            self.counters.store_batches.add(1);
            self.counters.store_commit_us.add((ended - started).as_micros() as u64);
            started = ended;
            self.shared.durable.store(last, Ordering::Release);
            // A full channel means that the loop has yet to look.
            let _ = self.wake.try_send(());
        })?;
        self.counters.store_changes.add(waiting.changes as u64);
        self.counters.store_octets.add(waiting.octets.len() as u64);
        // A block that follows at once tells the same.
        if self.shared.lock().waiting.changes == 0 {
            self.journal.tell_progress()?;
        }
        Ok(())
    }
}

/// Writes records in as many blocks as it takes; tells after each one which change is the last one on disk.
fn write(journal: &mut Journal, waiting: &Waiting, mut told: impl FnMut(u64)) -> Result<(), StoreError> {
    let mut rest = &waiting.octets[..];
    loop {
        let (mut octets, mut count, mut last) = (0, 0, journal.reached());
        while octets < BLOCK_RECORDS_MAX
            && let Some((frame, _)) = Frame::first(&rest[octets..])
        {
            octets += frame.octets.len();
            count += 1;
            last = frame.change;
        }
        let (records, further) = rest.split_at(octets);
        rest = further;
        // Not all changes leave a record.
        let last = if rest.is_empty() { waiting.last } else { last };
        journal.append(records, count, last, waiting.wall_ms)?;
        told(last);
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// One moment by both clocks.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: Instant,
    wall_ms: u64,
}

impl Times {
    fn stored(&self, lease: Lease) -> StoredLease {
        let remaining_ms = lease.remaining(self.now).as_millis() as u64;
        StoredLease { lifetime_s: lease.lifetime_s, expires_ms: self.wall_ms.saturating_add(remaining_ms) }
    }
}

#[cfg(test)]
mod tests;
