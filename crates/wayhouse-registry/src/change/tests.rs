use super::*;

#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn lease() -> Lease {
    Lease { lifetime_s: 1, renewed: std::time::Instant::now() }
}

fn append(log: &mut ChangeLog) -> u64 {
    log.append(ChangeKind::Refreshed, None, None, lease()).0
}

fn read(log: &mut ChangeLog, cursor: Cursor) -> Vec<u64> {
    std::iter::from_fn(|| log.next(cursor)).map(|change| change.number.0).collect()
}

#[test]
fn nothing_is_kept_without_a_cursor() {
    let mut log = ChangeLog::new(10);
    append(&mut log);
    assert_eq!((log.unread.len(), log.last()), (0, ChangeNumber(1)));
    assert!(!log.has_unread());
}

#[test]
fn a_change_is_kept_until_the_slowest_cursor_passed_it() {
    let mut log = ChangeLog::new(10);
    let (fast, slow) = (log.open(), log.open());
    append(&mut log);
    append(&mut log);
    assert_eq!(read(&mut log, fast), [1, 2]);
    assert!(log.has_unread());
    assert_eq!(log.unread.len(), 2);
    append(&mut log);
    assert_eq!(read(&mut log, slow), [1, 2, 3]);
    assert_eq!(log.unread.len(), 1);
    log.close(fast);
    assert_eq!(log.unread.len(), 0);
    assert_eq!(read(&mut log, fast), []);
    assert!(!log.has_unread() && !log.take_lag(slow));
}

#[test]
fn a_cursor_starts_at_the_end_and_reuses_a_closed_place() {
    let mut log = ChangeLog::new(10);
    let first = log.open();
    append(&mut log);
    let second = log.open();
    log.close(first);
    let third = log.open();
    assert_eq!(third, first);
    append(&mut log);
    assert_eq!(read(&mut log, second), [2]);
    assert_eq!(read(&mut log, third), [2]);
}

#[test]
fn a_cursor_that_was_too_slow_is_told_so_once() {
    let mut log = ChangeLog::new(2);
    let cursor = log.open();
    for _ in 0..5 {
        append(&mut log);
    }
    assert!(log.take_lag(cursor));
    assert!(!log.take_lag(cursor));
    assert_eq!(read(&mut log, cursor), [4, 5]);
}

#[test]
fn numbering_continues_behind_a_store() {
    let mut log = ChangeLog::new(2);
    log.continue_after(ChangeNumber(41));
    assert_eq!(append(&mut log), 42);
    log.continue_after(ChangeNumber(7));
    assert_eq!(append(&mut log), 43);
}
