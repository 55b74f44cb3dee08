//! Segment files: made, filled with zeros and recycled ahead of need by a thread of its own.
//!
//! A commit is quick because it overwrites octets that the file system has long given a place: it then writes no
//! metadata. All that takes longer – giving files their size, names and places – is done here.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Octets of the smallest segment: what a fresh daemon claims twice.
pub const SEGMENT_OCTETS_MIN: u64 = 4 << 20;
/// Octets of the largest segment, unless a single block is larger. Reading back holds one in memory.
pub const SEGMENT_OCTETS_MAX: u64 = 32 << 20;
/// Segments kept ready. Reaction: what is given back beyond them is deleted.
const READY_MAX: usize = 2;
/// Octets of zeros that are written at once: little enough that a commit meanwhile waits a few milliseconds at most.
const ZEROS_AT_ONCE: usize = 1 << 20;

const PREFIX: &str = "segment-";
/// What is not a segment yet.
const DRAFT: &str = "draft";

/// A segment file.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub file: File,
    /// The same, past the system's cache: nothing of it is read again soon. `None` where the file system has no such way.
    direct: Option<File>,
    /// Where it is.
    pub path: PathBuf,
    /// The random number in its name, new for every use.
    pub seed: u64,
    /// Its size.
    pub octets: u64,
}

impl Segment {
    /// Opens a file that is called as a segment is; `None` for others.
    pub fn open(path: &Path) -> Option<io::Result<Segment>> {
        let digits = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
        let seed = u64::from_str_radix(digits, 16).ok().filter(|seed| name(*seed) == format!("{PREFIX}{digits}"))?;
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            let octets = file.metadata()?.len();
            Ok(Segment { file, direct: open_direct(path), path: path.to_owned(), seed, octets })
        };
        Some(open())
    }

    /// Writes whole pages; `octets` start at a multiple of a page in memory.
    ///
    /// # Errors
    /// When the disk is failing.
    pub fn write(&mut self, octets: &[u8], at: u64) -> io::Result<()> {
        if let Some(direct) = &self.direct {
            match direct.write_all_at(octets, at) {
                // The disk wants another alignment than ours.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                outcome => return outcome,
            }
        }
        self.file.write_all_at(octets, at)
    }
}

fn open_direct(path: &Path) -> Option<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

fn name(seed: u64) -> String {
    format!("{PREFIX}{seed:016x}")
}

/// How a file gets its octets; another way stands in for a full disk in tests.
pub type Fill = fn(&File, u64) -> io::Result<()>;

/// Writes zeros over the whole of a file.
pub fn fill_with_zeros(file: &File, octets: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_AT_ONCE];
    let mut at = 0;
    while at < octets {
        let count = zeros.len().min((octets - at) as usize);
        file.write_all_at(&zeros[..count], at)?;
        file.sync_data()?;
        at += count as u64;
    }
    Ok(())
}

/// The supply of segments.
#[derive(Debug)]
pub struct Space {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    fill: Fill,
    state: Mutex<State>,
    /// For the thread: there may be something to do.
    work: Condvar,
    /// For whoever waits for a segment.
    supply: Condvar,
}

#[derive(Debug)]
struct State {
    /// The size that the next segment should have.
    wanted: u64,
    ready: VecDeque<Segment>,
    freed: Vec<Segment>,
    /// Why the last one could not be made.
    failure: Option<io::Error>,
    is_ending: bool,
}

impl Space {
    /// Starts the supply for a folder; `freed` are segments that hold nothing any more.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(folder: &Path, fill: Fill, wanted: u64, freed: Vec<Segment>) -> io::Result<Space> {
        let state = State { wanted, ready: VecDeque::new(), freed, failure: None, is_ending: false };
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            fill,
            state: Mutex::new(state),
            work: Condvar::new(),
            supply: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("space".into()).spawn(move || worker.run())?;
        Ok(Space { shared, thread: Some(thread) })
    }

    /// A segment of at least so many octets, mostly at once; the one after it should have `next` octets.
    ///
    /// # Errors
    /// When the disk is full or failing.
    pub fn take(&self, octets: u64, next: u64) -> io::Result<Segment> {
        let mut state = self.shared.lock();
        // A failure from before may be over.
        state.failure = None;
        let outcome = loop {
            if let Some(at) = state.ready.iter().position(|segment| segment.octets >= octets) {
                break Ok(state.ready.remove(at).expect("it was just found"));
            }
            if let Some(error) = state.failure.take() {
                break Err(error);
            }
            state.wanted = state.wanted.max(octets);
            // What is too small for this stands in the way of what is not.
            let small = state.ready.drain(..).collect::<Vec<_>>();
            state.freed.extend(small);
            self.shared.work.notify_one();
            state = self.shared.supply.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.wanted = next;
        self.shared.work.notify_one();
        outcome
    }

    /// Gives back a segment that holds nothing any more.
    pub fn give_back(&self, segment: Segment) {
        self.shared.lock().freed.push(segment);
        self.shared.work.notify_one();
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.work.notify_one();
        // The folder must be left alone when the lock on it is given back.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.is_ending {
            let wanted = state.wanted;
            let outcome = if let Some(segment) = state.freed.pop() {
                let is_kept = state.ready.len() < READY_MAX && (wanted..=2 * wanted).contains(&segment.octets);
                drop(state);
                if is_kept {
                    self.recycle(segment).map(Some)
                } else {
                    if let Err(error) = std::fs::remove_file(&segment.path) {
                        tracing::warn!(%error, "a file of the journal that holds nothing any more cannot be removed");
                    }
                    Ok(None)
                }
            } else if state.ready.is_empty() && state.failure.is_none() {
                drop(state);
                self.make(wanted).map(Some)
            } else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state = self.lock();
            match outcome {
                Ok(segment) => state.ready.extend(segment),
                Err(error) => {
                    tracing::warn!(%error, "no room for the journal can be made ready");
                    state.failure = Some(error);
                }
            }
            self.supply.notify_one();
        }
    }

    /// Gives a used file a new name, by which nothing in it counts any more.
    fn recycle(&self, segment: Segment) -> io::Result<Segment> {
        let seed = self.new_seed()?;
        let path = self.folder.join(name(seed));
        std::fs::rename(&segment.path, &path)?;
        sync_folder(&self.folder)?;
        Ok(Segment { path, seed, ..segment })
    }

    fn make(&self, octets: u64) -> io::Result<Segment> {
        let draft = self.folder.join(DRAFT);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let made = (self.fill)(&file, octets).and_then(|()| file.sync_all());
        if let Err(error) = made {
            // What was taken of a full disk is given back.
            let _ = std::fs::remove_file(&draft);
            return Err(error);
        }
        let seed = self.new_seed()?;
        let path = self.folder.join(name(seed));
        std::fs::rename(&draft, &path)?;
        sync_folder(&self.folder)?;
        Ok(Segment { file, direct: open_direct(&path), path, seed, octets })
    }

    fn new_seed(&self) -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }
}

/// Waits until the disk knows the names in a folder.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
