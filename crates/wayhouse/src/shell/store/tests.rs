use std::future::poll_fn;

use wayhouse_registry::{Credentials, EntryId, Origin, Registrant};

use super::*;

fn registrant(id: u64, links: &str) -> Arc<Registrant> {
    Arc::new(Registrant {
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
    })
}

/// Makes changes with ascending numbers.
struct Changes {
    number: u64,
    now: Instant,
}

impl Changes {
    fn starting(clock: &Clock) -> Changes {
        Changes { number: 0, now: clock.now() }
    }
    fn make(&mut self, kind: ChangeKind, registrant: &Arc<Registrant>, lifetime_s: u32) -> Change {
        self.number += 1;
        let is_visible = matches!(kind, ChangeKind::Added | ChangeKind::Changed | ChangeKind::Refreshed);
        Change {
            number: ChangeNumber(self.number),
            kind,
            before: (kind != ChangeKind::Added).then(|| Arc::clone(registrant)),
            after: is_visible.then(|| Arc::clone(registrant)),
            lease: Lease { lifetime_s, renewed: self.now },
        }
    }
}

fn open(directory: &tempfile::TempDir, clock: Clock) -> Archive {
    Archive::open(DataDirectory::claim(directory.path()).unwrap(), 1 << 20, clock).unwrap()
}

fn read_back(archive: &Archive) -> (Report, Vec<Restored>) {
    let mut all = Vec::new();
    let report = archive.restore(|restored| {
        all.push(restored);
        true
    });
    (report.unwrap(), all)
}

/// Writes each list of changes as (at least) one batch, waiting for it to be durable.
async fn write(directory: &tempfile::TempDir, clock: Clock, batches: Vec<Vec<Change>>) {
    let archive = open(directory, clock);
    let (report, _) = read_back(&archive);
    let mut store = archive.start(report.last_change, Arc::default()).unwrap();
    for mut batch in batches {
        let last = batch.last().unwrap().number.0;
        store.push(&mut batch);
        while store.durable() < last {
            poll_fn(|context| store.poll_progress(context)).await.unwrap();
        }
    }
    store.finish().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_durable_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    use ChangeKind::*;
    let (one, two, three, two_again) =
        (registrant(1, "</1>"), registrant(2, "</2>"), registrant(3, "</3>"), registrant(2, "</2b>"));
    let first = vec![changes.make(Added, &one, 600), changes.make(Added, &two, 600), changes.make(Added, &three, 600)];
    let second = vec![
        changes.make(Changed, &two_again, 700),
        changes.make(Refreshed, &one, 800),
        changes.make(Withdrawn, &three, 600),
    ];
    write(&directory, clock, vec![first, second]).await;

    let (report, restored) = read_back(&open(&directory, clock));
    assert_eq!(report, Report { restored: 2, last_change: 6, ..Report::default() });
    let found: Vec<_> =
        restored.iter().map(|r| (r.registrant.id.0, &*r.registrant.links, r.lease.lifetime_s)).collect();
    assert_eq!(found, [(1, "</1>", 800), (2, "</2b>", 700)]);
    for restored in restored {
        let left = restored.lease.remaining(clock.now()).as_secs();
        assert!((restored.lease.lifetime_s as u64 - 30..=restored.lease.lifetime_s as u64).contains(&left));
    }
}

/// In one batch a key may stand only once; what counts is the last word about each entry.
#[tokio::test(flavor = "current_thread")]
async fn last_word_of_a_batch_counts() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    use ChangeKind::*;
    let entry = |id, links: &str| registrant(id, links);
    let batch = vec![
        changes.make(Added, &entry(1, "</a>"), 600),
        changes.make(Changed, &entry(1, "</b>"), 600),
        changes.make(Added, &entry(2, "</a>"), 600),
        changes.make(Withdrawn, &entry(2, "</a>"), 600),
        changes.make(Added, &entry(3, "</a>"), 600),
        changes.make(Expired, &entry(3, "</a>"), 600),
        changes.make(Added, &entry(3, "</c>"), 600),
        changes.make(Refreshed, &entry(3, "</c>"), 700),
        changes.make(Added, &entry(4, "</a>"), 600),
        changes.make(Refreshed, &entry(4, "</a>"), 650),
        changes.make(Changed, &entry(4, "</d>"), 660),
        changes.make(Added, &entry(5, "</a>"), 600),
        changes.make(Refreshed, &entry(5, "</a>"), 600),
        changes.make(Expired, &entry(5, "</a>"), 600),
        changes.make(Collected, &entry(5, "</a>"), 600),
    ];
    write(&directory, clock, vec![batch]).await;
    let (_, restored) = read_back(&open(&directory, clock));
    let found: Vec<_> =
        restored.iter().map(|r| (r.registrant.id.0, &*r.registrant.links, r.lease.lifetime_s)).collect();
    assert_eq!(found, [(1, "</b>", 600), (3, "</c>", 700), (4, "</d>", 660)]);
}

#[tokio::test(flavor = "current_thread")]
async fn leases_that_end_during_downtime_are_dropped_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    changes.now = clock.now().checked_sub(Duration::from_secs(100)).unwrap();
    let batch = (1..=5)
        .map(|id| changes.make(ChangeKind::Added, &registrant(id, ""), if id < 4 { 100 } else { 1000 }))
        .collect();
    write(&directory, clock, vec![batch]).await;
    let (report, restored) = read_back(&open(&directory, clock));
    assert_eq!((report.restored, report.expired), (2, 3));
    let age = restored[0].lease.age(clock.now()).as_secs();
    assert!((100..130).contains(&age), "the lease goes on where it was: {age}");
    let (report, _) = read_back(&open(&directory, clock));
    assert_eq!((report.restored, report.expired), (2, 0));
}

#[tokio::test(flavor = "current_thread")]
async fn damaged_records_are_counted_and_cost_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let batch = (1..=4).map(|id| changes.make(ChangeKind::Added, &registrant(id, "</x>"), 600)).collect();
    write(&directory, clock, vec![batch]).await;
    let archive = open(&directory, clock);
    for (id, damage) in [(1u64, 9), (3, 0)] {
        let key = id.to_be_bytes();
        let mut record = archive.files.entries.get(key).unwrap().unwrap().to_vec();
        record[damage] ^= 0xff;
        archive.files.entries.insert(key, record).unwrap();
    }
    let (report, restored) = read_back(&archive);
    assert_eq!(report, Report { restored: 2, damaged: 2, last_change: 4, ..Report::default() });
    assert_eq!(restored.iter().map(|r| r.registrant.id.0).collect::<Vec<_>>(), [2, 4]);
}

/// The storage engine takes a damaged batch for the end of its journal; the progress file knows better.
#[tokio::test(flavor = "current_thread")]
async fn a_lost_tail_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let batch = (1..=4).map(|id| changes.make(ChangeKind::Added, &registrant(id, "</x>"), 600)).collect();
    write(&directory, clock, vec![batch]).await;
    let archive = open(&directory, clock);
    write_progress(&archive.files.progress, 9).unwrap();
    drop(archive);
    let (report, _) = read_back(&open(&directory, clock));
    assert_eq!((report.missing_changes, report.last_change), (5, 9));
    // A progress file that makes no sense says nothing.
    std::fs::write(directory.path().join("progress"), [3; 16]).unwrap();
    let (report, _) = read_back(&open(&directory, clock));
    assert_eq!((report.missing_changes, report.last_change), (0, 4));
}

#[tokio::test(flavor = "current_thread")]
async fn a_newer_store_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let archive = open(&directory, clock);
    archive.files.marks.insert(MARK_KEY, [2; 30]).unwrap();
    drop(archive);
    let outcome = Archive::open(DataDirectory::claim(directory.path()).unwrap(), 1 << 20, clock);
    assert!(matches!(outcome, Err(StoreError::Newer(_))));
}

#[test]
fn a_directory_has_one_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("data");
    let held = DataDirectory::claim(&path).unwrap();
    let error = DataDirectory::claim(&path).unwrap_err();
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(held);
    DataDirectory::claim(&path).unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    assert!(matches!(DataDirectory::claim(&directory.path().join("file")), Err(StoreError::Directory { .. })));
}

#[test]
fn a_lease_is_never_longer_than_its_lifetime() {
    let lease = StoredLease { lifetime_s: 10, expires_ms: 100_000 };
    assert_eq!(remaining(lease, 95_000), Some(Duration::from_secs(5)));
    assert_eq!(remaining(lease, 100_000), None);
    assert_eq!(remaining(lease, 200_000), None);
    // The clock was set back.
    assert_eq!(remaining(lease, 0), Some(Duration::from_secs(10)));
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_configuration_keeps_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    use ChangeKind::*;
    let one = registrant(1, "</1>");
    let configured = Arc::new(Registrant { origin: Origin::Configured, ..(*registrant(2, "</2>")).clone() });
    let batch = vec![
        changes.make(Added, &one, 600),
        changes.make(Added, &configured, 600),
        changes.make(Refreshed, &configured, 600),
        changes.make(Changed, &configured, 600),
    ];
    write(&directory, clock, vec![batch]).await;
    let (report, restored) = read_back(&open(&directory, clock));
    assert_eq!(report, Report { restored: 1, last_change: 4, ..Report::default() });
    assert_eq!(restored[0].registrant.id, EntryId(1));
}
