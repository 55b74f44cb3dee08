//! The durable store: what was acknowledged survives a crash.
//!
//! A thread of its own takes all changes that are waiting, writes them as one batch, waits until the disk has them, and
//! says so: the more wait, the larger the batch, so that durability costs little at high rates (group commit). The loop
//! holds back every acknowledgment until then. Three key spaces: `entries` (id → record), `leases` (id → refresh, so
//! that renewing a lease does not write the entry again), `marks` (how far we are).
//!
//! A store that fails while running ends the daemon: nothing may be acknowledged that is not on disk.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::config::{CompressionPolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tokio::sync::mpsc;
use wayhouse_registry::{Change, ChangeKind, ChangeNumber, Lease, Origin, Restored};

use super::clock::{Clock, wall_clock_ms};
use super::counters::ShellCounters;
use record::{Mark, RecordFault, StoredEntry, StoredLease, StoredRefresh};

mod record;

/// Changes that may wait for the disk. Reaction: the loop reads no further input until some are written.
pub const BACKLOG_MAX: usize = 16_384;
/// Octets of changed records that are kept in memory before they are sorted into a file. Up to four such buffers wait
/// while files are written; a fifth stops all writing for a while, so that a burst must find room.
const WRITE_BUFFER_OCTETS: u64 = 64 << 20;
/// Faults of the storage engine while reading back, after which the rest of the store is given up as unreadable.
const READ_FAULTS_MAX: u64 = 64;
/// Entries removed in one batch while reading back.
const REMOVALS_AT_ONCE: usize = 4096;
const MARK_KEY: &[u8] = b"written";

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
    /// The directory cannot be used.
    #[error("the data directory {}: {error}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The storage engine failed.
    #[error("the store failed: {}", words(.0))]
    Engine(#[from] fjall::Error),
    /// The file that tells how far we are cannot be written.
    #[error("the store failed: its progress file: {0}")]
    Progress(io::Error),
}

impl StoreError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::InUse { .. } => {
                "stop the other daemon, or give this one a directory of its own with --data-dir"
            }
            StoreError::Newer(_) => "run the newer version, or give this one a directory of its own with --data-dir",
            StoreError::Directory { .. } => "choose a directory that this user may write to with --data-dir",
            StoreError::Engine(_) | StoreError::Progress(_) => "is the disk full or failing?",
        }
    }
}

/// What the system said, where the storage engine only passes it on.
fn words(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        other => other.to_string(),
    }
}

/// What reading back found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that live on.
    pub restored: u64,
    /// Entries whose lease ended meanwhile; they are removed.
    pub expired: u64,
    /// Records that cannot be read; they are left where they are.
    pub damaged: u64,
    /// Entries that the node did not take back.
    pub refused: u64,
    /// Changes that were written once and are not there: the storage engine took damage for the end of its journal.
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
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
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
    files: Files,
    clock: Clock,
    /// The last change written, as the store itself tells.
    written: Mark,
    /// The same as the progress file tells: it is written after the store, outside of it.
    progress: u64,
}

/// The key spaces and the progress file.
struct Files {
    database: Database,
    entries: Keyspace,
    leases: Keyspace,
    marks: Keyspace,
    progress: File,
    /// Last, so that the lock is given back when all else is closed.
    directory: DataDirectory,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens the store of a data directory. `cache_octets` bounds the memory for blocks read.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(directory: DataDirectory, cache_octets: u64, clock: Clock) -> Result<Archive, StoreError> {
        let path = directory.path();
        let database = Database::builder(path.join("registry")).cache_size(cache_octets).open()?;
        // Nothing is ever looked up by its key here, so that filters would only cost.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(WRITE_BUFFER_OCTETS)
                .filter_policy(FilterPolicy::disabled())
                // Packing would take longer than writing.
                .data_block_compression_policy(CompressionPolicy::disabled())
        };
        let entries = database.keyspace("entries", options)?;
        let leases = database.keyspace("leases", options)?;
        let marks = database.keyspace("marks", options)?;
        let written = match marks.get(MARK_KEY)? {
            None => Mark { change: 0, wall_ms: 0 },
            Some(record) => match record::decode_mark(MARK_KEY, &record) {
                Ok(mark) => mark,
                Err(RecordFault::Version(_)) => return Err(StoreError::Newer(path.to_owned())),
                // The progress file still tells where to go on.
                Err(_) => Mark { change: 0, wall_ms: 0 },
            },
        };
        let progress = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("progress"))
            .map_err(StoreError::Progress)?;
        let reached = read_progress(&progress);
        let files = Files { database, entries, leases, marks, progress, directory };
        Ok(Archive { files, clock, written, progress: reached })
    }

    /// Hands every entry that lives on to `take`, which tells whether it was accepted; removes those that do not.
    ///
    /// # Errors
    /// `Engine`, when what expired cannot be removed.
    pub fn restore(&self, mut take: impl FnMut(Restored) -> bool) -> Result<Report, StoreError> {
        let mut report = Report {
            missing_changes: self.progress.saturating_sub(self.written.change),
            last_change: self.progress.max(self.written.change),
            ..Report::default()
        };
        let now = self.clock.now();
        // A clock that was set back (a machine without a battery for it) must not lengthen lives.
        let now_ms = wall_clock_ms().max(self.written.wall_ms);
        let mut refreshes = self.files.leases.iter().map(fjall::Guard::into_inner).peekable();
        let mut expired = Vec::new();
        let mut faults = 0;
        for pair in self.files.entries.iter().map(fjall::Guard::into_inner) {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) => {
                    tracing::debug!(%error, "a part of the store cannot be read");
                    report.damaged += 1;
                    faults += 1;
                    if faults >= READ_FAULTS_MAX {
                        break;
                    }
                    continue;
                }
            };
            let mut entry = match record::decode_entry(&key, &value) {
                Ok(entry) => entry,
                Err(fault) => {
                    tracing::debug!(%fault, "an entry cannot be read");
                    report.damaged += 1;
                    continue;
                }
            };
            // Both key spaces are in order of ids, so that one pass over each is enough.
            while refreshes.next_if(|pair| pair.as_ref().map_or(true, |(other, _)| other < &key)).is_some() {}
            if let Some(Ok((_, value))) = refreshes.next_if(|pair| pair.as_ref().is_ok_and(|(other, _)| other == &key))
            {
                match record::decode_refresh(&key, &value) {
                    Ok(refresh) => apply_refresh(&mut entry, &refresh),
                    Err(_) => report.damaged += 1,
                }
            }
            report.last_change = report.last_change.max(entry.change);
            match remaining(entry.lease, now_ms) {
                None => {
                    report.expired += 1;
                    expired.push(key);
                    if expired.len() >= REMOVALS_AT_ONCE {
                        self.remove(&mut expired)?;
                    }
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
        }
        self.remove(&mut expired)?;
        Ok(report)
    }

    fn remove(&self, keys: &mut Vec<fjall::UserKey>) -> Result<(), StoreError> {
        let mut batch = self.files.database.batch();
        for key in keys.drain(..) {
            batch.remove(&self.files.leases, key.clone());
            batch.remove(&self.files.entries, key);
        }
        Ok(batch.commit()?)
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
        let writer = Writer {
            files: self.files,
            clock: self.clock,
            shared: Arc::clone(&shared),
            wake,
            counters,
            record: Vec::new(),
            latest: HashMap::new(),
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        Ok(Store { shared, progress, thread: Some(thread) })
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

/// The number in the progress file; 0 when there is none that makes sense.
fn read_progress(file: &File) -> u64 {
    let mut octets = [0; 16];
    let Ok(()) = file.read_exact_at(&mut octets, 0) else { return 0 };
    let (number, checksum) = octets.split_at(8);
    if checksum == xxhash_rust::xxh3::xxh3_64(number).to_le_bytes() {
        u64::from_le_bytes(number.try_into().expect("eight octets"))
    } else {
        0
    }
}

fn write_progress(file: &File, change: u64) -> io::Result<()> {
    let number = change.to_le_bytes();
    let checksum = xxhash_rust::xxh3::xxh3_64(&number).to_le_bytes();
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&number);
    octets[8..].copy_from_slice(&checksum);
    file.write_all_at(&octets, 0)
}

/// The running store, as the loop sees it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// Something arrives when the watermark has moved; ends when the thread does.
    progress: mpsc::Receiver<()>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    durable: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    changes: Vec<Change>,
    is_ending: bool,
}

impl Store {
    /// Hands over changes in order of their numbers; `changes` is empty afterwards. Returns how many wait.
    pub fn push(&self, changes: &mut Vec<Change>) -> usize {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = queue.changes.is_empty();
        queue.changes.append(changes);
        let waiting = queue.changes.len();
        drop(queue);
        if was_empty {
            self.shared.work.notify_one();
        }
        waiting
    }

    /// How many changes wait.
    pub fn backlog(&self) -> usize {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).changes.len()
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
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).is_ending = true;
        self.shared.work.notify_one();
        self.join()
    }

    fn join(&mut self) -> Result<(), StoreError> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(StoreError::Engine(fjall::Error::Poisoned)),
        }
    }
}

/// What the thread owns.
struct Writer {
    files: Files,
    clock: Clock,
    shared: Arc<Shared>,
    wake: mpsc::Sender<()>,
    counters: Arc<ShellCounters>,
    /// Reused for every record.
    record: Vec<u8>,
    /// What a batch holds already for an entry; reused for every batch.
    latest: HashMap<u64, Written>,
}

/// What the later part of a batch says about an entry.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    is_entry_settled: bool,
    is_lease_settled: bool,
}

impl Writer {
    fn run(mut self) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        while self.next(&mut changes) {
            if let Err(error) = self.commit(&changes) {
                tracing::error!("{error}");
                return Err(error);
            }
            changes.clear();
        }
        Ok(())
    }

    /// Waits for changes and takes all; false when there will be none any more.
    fn next(&self, changes: &mut Vec<Change>) -> bool {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.changes.is_empty() && !queue.is_ending {
            queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.changes, changes);
        !changes.is_empty()
    }

    /// Writes changes as one batch; they are on disk when this returns.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let Some(ChangeNumber(last)) = changes.last().map(|change| change.number) else { return Ok(()) };
        let started = Instant::now();
        let times = Times { now: self.clock.now(), wall_ms: wall_clock_ms() };
        let mut octets = 0;
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.files.database.clone(), changes.len() + 1)
            .durability(Some(PersistMode::SyncData));
        self.latest.clear();
        // Backwards, so that the last word about an entry is heard first: within a batch a key may stand only once.
        for change in changes.iter().rev() {
            let Some(registrant) = change.after.as_ref().or(change.before.as_ref()) else { continue };
            if registrant.origin == Origin::Configured {
                // The configuration keeps it, and alone says when it ends.
                continue;
            }
            let key = registrant.id.0.to_be_bytes();
            let written = self.latest.entry(registrant.id.0).or_default();
            match change.kind {
                ChangeKind::Added | ChangeKind::Changed => {
                    if !written.is_entry_settled {
                        record::encode_entry(&mut self.record, change.number.0, registrant, times.stored(change.lease));
                        octets += self.record.len();
                        batch.insert(&self.files.entries, key, &self.record[..]);
                    }
                    *written = Written { is_entry_settled: true, is_lease_settled: true };
                }
                ChangeKind::Refreshed => {
                    if !written.is_lease_settled {
                        let lease = times.stored(change.lease);
                        let refresh = StoredRefresh { change: change.number.0, lease, source: registrant.source };
                        record::encode_refresh(&mut self.record, &key, &refresh);
                        octets += self.record.len();
                        batch.insert(&self.files.leases, key, &self.record[..]);
                    }
                    written.is_lease_settled = true;
                }
                ChangeKind::Withdrawn | ChangeKind::Expired => {
                    if !written.is_entry_settled {
                        batch.remove(&self.files.entries, key);
                    }
                    if !written.is_lease_settled {
                        batch.remove(&self.files.leases, key);
                    }
                    *written = Written { is_entry_settled: true, is_lease_settled: true };
                }
                // It went when it expired.
                ChangeKind::Collected => {}
            }
        }
        record::encode_mark(&mut self.record, MARK_KEY, Mark { change: last, wall_ms: times.wall_ms });
        batch.insert(&self.files.marks, MARK_KEY, &self.record[..]);
        batch.commit()?;
        // Without waiting for the disk: this file need not be younger than the store, only outside of it.
        write_progress(&self.files.progress, last).map_err(StoreError::Progress)?;

        self.counters.store_batches.add(1);
        self.counters.store_changes.add(changes.len() as u64);
        self.counters.store_octets.add(octets as u64);
        self.counters.store_commit_us.add(started.elapsed().as_micros() as u64);
        self.shared.durable.store(last, Ordering::Release);
        // A full channel means that the loop has yet to look.
        let _ = self.wake.try_send(());
        Ok(())
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
