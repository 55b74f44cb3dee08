use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn sr5_a_key_is_made_once_and_only_its_user_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("below/key");
    let (first, is_made) = load_or_make(&path).unwrap();
    assert!(is_made);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (second, is_made) = load_or_make(&path).unwrap();
    assert!(!is_made);
    assert_eq!(first.public_key(), second.public_key());
    assert_eq!(forget(&path), Ok(true));
    assert_eq!(forget(&path), Ok(false));
    let (third, _) = load_or_make(&path).unwrap();
    assert_ne!(first.public_key(), third.public_key());
}

#[test]
fn what_is_no_key_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    for content in ["", "letter to a friend", &"f".repeat(64), &"0".repeat(65), &"ä".repeat(32)] {
        std::fs::write(&path, content).unwrap();
        assert!(load_or_make(&path).is_err(), "{content}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}
