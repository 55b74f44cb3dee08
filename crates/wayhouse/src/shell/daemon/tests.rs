use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn uris_leave_out_the_default_port() {
    let check = |address: &str, expected: &str| assert_eq!(uri("coap", address.parse().unwrap()), expected);
    check("192.0.2.1:5683", "coap://192.0.2.1");
    check("192.0.2.1:61616", "coap://192.0.2.1:61616");
    check("[2001:db8::1]:5683", "coap://[2001:db8::1]");
    check("[2001:db8::1]:5684", "coap://[2001:db8::1]:5684");
}

#[test]
fn token_is_made_once_and_for_us_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.store.data_dir = directory.path().to_owned();
    let (token, path) = admin_token(&settings).unwrap();
    let path = path.unwrap();
    assert_eq!(token.len(), 2 * TOKEN_OCTETS);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(admin_token(&settings).unwrap(), (token.clone(), Some(path.clone())));

    // A file that somebody names must exist and hold something; a token that is set outranks all files.
    let other = directory.path().join("other");
    settings.http.admin_token_file = Some(other.clone());
    assert!(matches!(admin_token(&settings), Err(StartError::Token { .. })));
    std::fs::write(&other, "\n").unwrap();
    assert!(matches!(admin_token(&settings), Err(StartError::Token { .. })));
    std::fs::write(&other, " secret\n").unwrap();
    assert_eq!(admin_token(&settings).unwrap(), ("secret".to_owned(), Some(other)));
    settings.http.admin_token = Some("set".to_owned());
    assert_eq!(admin_token(&settings).unwrap(), ("set".to_owned(), None));
}
