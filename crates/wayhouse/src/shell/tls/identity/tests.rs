use std::os::unix::fs::PermissionsExt;

use super::*;

fn names(server: &str) -> Names {
    Names { server: Some(server.to_owned()), addresses: vec![[192, 0, 2, 1].into()] }
}

#[test]
fn own_key_is_made_once_and_for_us_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = Identity::own(directory.path(), &names("ns.services.home.arpa")).unwrap();
    let key = directory.path().join(KEY_FILE);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Identity::own(directory.path(), &names("ns.services.home.arpa")).unwrap();
    assert_eq!(first.certificate.to_der().unwrap(), again.certificate.to_der().unwrap());
    assert_eq!(first.pin().unwrap(), again.pin().unwrap());
    assert_eq!(first.pin().unwrap().len(), 44);
    assert!(is_good(&first.certificate, &first.key, &names("ns.services.home.arpa")));
}

#[test]
fn own_certificate_is_renewed_under_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let first = Identity::own(directory.path(), &names("ns.old")).unwrap();
    let check = |names: &Names| {
        let renewed = Identity::own(directory.path(), names).unwrap();
        assert_ne!(first.certificate.to_der().unwrap(), renewed.certificate.to_der().unwrap());
        assert_eq!(first.pin().unwrap(), renewed.pin().unwrap());
        assert!(is_good(&renewed.certificate, &renewed.key, names));
    };
    // Another name.
    check(&names("ns.new"));
    // About to end.
    let short = certify(&first.key, &names("ns.new"), RENEWAL_DAYS - 1).unwrap();
    std::fs::write(directory.path().join(CERTIFICATE_FILE), short.to_pem().unwrap()).unwrap();
    check(&names("ns.new"));
    // Damaged.
    std::fs::write(directory.path().join(CERTIFICATE_FILE), "nothing").unwrap();
    check(&names("ns.new"));
}

#[test]
fn damaged_key_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(KEY_FILE), "nothing").unwrap();
    let error = Identity::own(directory.path(), &names("ns.old")).unwrap_err();
    assert_eq!((error.key, error.path), ("store.data_dir", directory.path().join(KEY_FILE)));
}

#[test]
fn named_files_must_be_there_and_belong_together() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        Identity::own(&path, &names("ns.test")).unwrap();
        path
    });
    let read =
        |certificate: &Path, key: &Path| Identity::read(certificate, key).map_err(|error| (error.key, error.why));
    let certificate = one.join(CERTIFICATE_FILE);
    assert!(read(&certificate, &one.join(KEY_FILE)).is_ok());
    let (key, why) = read(&certificate, &other.join(KEY_FILE)).unwrap_err();
    assert_eq!(key, "dns.tls_key");
    assert!(why.contains("not the key of the certificate"), "{why}");
    assert_eq!(read(&one.join("missing"), &one.join(KEY_FILE)).unwrap_err().0, "dns.tls_certificate");
    assert_eq!(read(&certificate, &one.join("missing")).unwrap_err().0, "dns.tls_key");
    assert_eq!(read(&certificate, &certificate).unwrap_err().0, "dns.tls_key");
    assert_eq!(read(&one.join(KEY_FILE), &one.join(KEY_FILE)).unwrap_err().0, "dns.tls_certificate");
}

/// A chain is shown whole.
#[test]
fn issuers_stand_behind_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let own = Identity::own(directory.path(), &names("ns.test")).unwrap();
    let path = directory.path().join("chain.pem");
    let text = own.certificate.to_pem().unwrap();
    std::fs::write(&path, [text.clone(), text].concat()).unwrap();
    let read = Identity::read(&path, &directory.path().join(KEY_FILE)).unwrap();
    assert_eq!(read.issuers.len(), 1);
}
