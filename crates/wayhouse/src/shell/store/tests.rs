use std::future::poll_fn;

use wayhouse_registry::{ChangeNumber, EntryId, Origin, Registrant};

use super::journal::tests::SMALL;
use super::*;

fn registrant(id: u64, links: &str) -> Arc<Registrant> {
    Arc::new(super::journal::tests::registrant(id, links.to_owned()))
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
    Archive::open_with(DataDirectory::claim(directory.path()).unwrap(), clock, SMALL).unwrap()
}

fn read_back(archive: &mut Archive) -> (Report, Vec<Restored>) {
    let mut all = Vec::new();
    let report = archive.restore(|restored| {
        all.push(restored);
        true
    });
    all.sort_by_key(|restored| restored.registrant.id);
    (report.unwrap(), all)
}

/// Hands over a list of changes; whether they came to be durable.
async fn try_write(store: &mut Store, changes: &[Change]) -> Result<(), StoreError> {
    changes.iter().for_each(|change| store.note(change));
    store.submit();
    while store.durable() < changes.last().unwrap().number.0 {
        poll_fn(|context| store.poll_progress(context)).await?;
    }
    Ok(())
}

/// Writes each list of changes as (at least) one block, waiting for it to be durable.
async fn write_all(directory: &tempfile::TempDir, clock: Clock, batches: Vec<Vec<Change>>) {
    let mut archive = open(directory, clock);
    let (report, _) = read_back(&mut archive);
    let mut store = archive.start(report.last_change, Arc::default()).unwrap();
    for batch in batches {
        try_write(&mut store, &batch).await.unwrap();
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
    write_all(&directory, clock, vec![first, second]).await;

    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!(report, Report { restored: 2, last_change: 6, ..Report::default() });
    let found: Vec<_> =
        restored.iter().map(|r| (r.registrant.id.0, &*r.registrant.links, r.lease.lifetime_s)).collect();
    assert_eq!(found, [(1, "</1>", 800), (2, "</2b>", 700)]);
    for restored in restored {
        let left = restored.lease.remaining(clock.now()).as_secs();
        assert!((restored.lease.lifetime_s as u64 - 30..=restored.lease.lifetime_s as u64).contains(&left));
    }
}

/// What counts is the last word about each entry.
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
    write_all(&directory, clock, vec![batch]).await;
    let (_, restored) = read_back(&mut open(&directory, clock));
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
    write_all(&directory, clock, vec![batch]).await;
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!((report.restored, report.expired), (2, 3));
    let age = restored[0].lease.age(clock.now()).as_secs();
    assert!((100..130).contains(&age), "the lease goes on where it was: {age}");
    let (report, _) = read_back(&mut open(&directory, clock));
    assert_eq!((report.restored, report.expired), (2, 0));
}

/// What was noted, submitted or is being written when the store is closed is written.
#[test]
fn nothing_is_left_behind_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    for round in 1..=20 {
        let mut archive = open(&directory, clock);
        let (report, _) = read_back(&mut archive);
        assert_eq!(report, Report { restored: (round - 1) * 3, last_change: changes.number, ..Report::default() });
        let mut store = archive.start(report.last_change, Arc::default()).unwrap();
        for step in 0..3 {
            let registrant = registrant(changes.number + 1, "</x>");
            store.note(&changes.make(ChangeKind::Added, &registrant, 600));
            // The last one is submitted by the end, in every other round.
            if step < 2 || round % 2 == 0 {
                store.submit();
            }
        }
        store.finish().unwrap();
    }
}

/// A burst is written as several blocks, and told as they are done.
#[tokio::test(flavor = "current_thread")]
async fn bursts_are_split() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let links = "x".repeat(60_000);
    let mut batch: Vec<_> = (1..=20).map(|id| changes.make(ChangeKind::Added, &registrant(id, &links), 600)).collect();
    // One that leaves no record.
    batch.push(changes.make(ChangeKind::Collected, &registrant(30, ""), 600));
    // Larger than a block, and than a segment.
    let huge = "y".repeat(700_000);
    let second = vec![changes.make(ChangeKind::Added, &registrant(21, &huge), 600)];
    write_all(&directory, clock, vec![batch, second]).await;
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!(report, Report { restored: 21, last_change: 22, ..Report::default() });
    assert_eq!(restored[20].registrant.links.len(), 700_000);
}

/// The clock of the machine stands an hour before the last write: what had ended by then stays ended.
#[tokio::test(flavor = "current_thread")]
async fn a_clock_set_back_revives_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let mut archive = open(&directory, clock);
    let mut octets = Vec::new();
    for (id, lifetime_s) in [(1, 1800), (2, 7200)] {
        let change = changes.make(ChangeKind::Added, &registrant(id, ""), lifetime_s);
        let times = Times { now: clock.now(), wall_ms: wall_clock_ms() };
        record::put_entry(&mut octets, change.number.0, &change.after.unwrap(), times.stored(change.lease));
    }
    archive.journal.append(&octets, 2, 2, wall_clock_ms() + 3_600_000).unwrap();
    drop(archive);
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!((report.restored, report.expired, restored[0].registrant.id.0), (1, 1, 2));
    // Writing the removal has not set the clock back either.
    assert_eq!(read_back(&mut open(&directory, clock)).0, Report { restored: 1, last_change: 2, ..Report::default() });
}

/// The clock was an hour ahead when something was written, and is right again: what is acknowledged from then on is kept.
#[tokio::test(flavor = "current_thread")]
async fn a_clock_set_back_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let mut archive = open(&directory, clock);
    archive.journal.append(&[], 0, 0, wall_clock_ms() + 3_600_000).unwrap();
    drop(archive);
    write_all(&directory, clock, vec![vec![changes.make(ChangeKind::Added, &registrant(1, ""), 600)]]).await;
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!((report.restored, report.expired), (1, 0));
    assert!(restored[0].lease.remaining(clock.now()) <= Duration::from_secs(600));
}

/// A host registered by update for two hours, its name for two weeks: when the lease is over, the name is still its key's.
#[tokio::test(flavor = "current_thread")]
async fn sr26_a_reservation_outlives_its_lease_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    let services = |key_lease_s| wayhouse_registry::ServiceHost {
        name: wayhouse_wire::dns::Name::parse("lamp").unwrap(),
        key: [7; 68].into(),
        key_lease_s,
        addresses: Box::new([]),
        ttl_s: 120,
        aliases: Box::new([]),
        instances: Box::new([]),
    };
    let signed = |id, key_lease_s| {
        let services = Some(Arc::new(services(key_lease_s)));
        Arc::new(Registrant { origin: Origin::Srp, services, ..(*registrant(id, "")).clone() })
    };
    changes.now -= Duration::from_secs(7_200);
    let written = [
        changes.make(ChangeKind::Added, &signed(1, 1_209_600), 7_200),
        changes.make(ChangeKind::Expired, &signed(1, 1_209_600), 7_200),
        // Its reservation has ended as well.
        changes.make(ChangeKind::Added, &signed(2, 7_200), 7_200),
        changes.make(ChangeKind::Added, &signed(3, 1_209_600), 7_200),
        changes.make(ChangeKind::Collected, &signed(3, 1_209_600), 7_200),
        // It was ended by its owner.
        changes.make(ChangeKind::Changed, &signed(4, 1_209_600), 0),
    ];
    write_all(&directory, clock, vec![written.into()]).await;
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!((report.restored, report.reserved, report.expired), (0, 2, 1));
    let ids: Vec<u64> = restored.iter().map(|restored| restored.registrant.id.0).collect();
    assert_eq!(ids, [1, 4]);
    assert_eq!(restored[0].lease.remaining(clock.now()), Duration::ZERO);
    let age = restored[0].lease.age(clock.now());
    assert!(age >= Duration::from_secs(7_200) && age < Duration::from_secs(7_310), "{age:?}");
}

fn disk_is_full(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::StorageFull.into())
}

/// When there is no room for a further segment, the store ends, and nothing that it said to be durable is lost.
#[tokio::test(flavor = "current_thread")]
async fn a_full_disk_ends_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut changes = Changes::starting(&clock);
    write_all(&directory, clock, vec![vec![changes.make(ChangeKind::Added, &registrant(1, ""), 600)]]).await;
    let full = Settings { fill: disk_is_full, ..SMALL };
    let archive = Archive::open_with(DataDirectory::claim(directory.path()).unwrap(), clock, full).unwrap();
    let mut store = archive.start(changes.number, Arc::default()).unwrap();
    let mut durable = changes.number;
    let error = loop {
        let links = "x".repeat(1000);
        let change = changes.make(ChangeKind::Added, &registrant(changes.number + 1, &links), 600);
        match try_write(&mut store, &[change]).await {
            Ok(()) => durable = changes.number,
            Err(error) => break error,
        }
        assert!(durable < 10_000, "the disk is full some time");
    };
    assert!(error.to_string().starts_with("the store failed: "), "{error}");
    assert_eq!(store.durable(), durable);
    drop(store);
    let (report, _) = read_back(&mut open(&directory, clock));
    assert_eq!(report, Report { restored: durable, last_change: durable, ..Report::default() });
}

#[test]
fn stores_of_other_kinds_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("registry")).unwrap();
    let error = Archive::open(DataDirectory::claim(directory.path()).unwrap(), Clock::start()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign(_)), "{error}");
    assert!(!directory.path().join("journal").exists());
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
    write_all(&directory, clock, vec![batch]).await;
    let (report, restored) = read_back(&mut open(&directory, clock));
    assert_eq!(report, Report { restored: 1, last_change: 4, ..Report::default() });
    assert_eq!(restored[0].registrant.id, EntryId(1));
}
