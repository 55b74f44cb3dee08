//! TLS towards a name server that the test plays: whom the program believes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use wayhouse_wire::dns::{Flags, Header};

use super::cli_server::{Ended, wayhouse};

/// A key and a certificate that it signed itself, for 127.0.0.1.
fn identity() -> (PKey<Private>, X509) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "a name server").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let address = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(address).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (key, builder.build())
}

/// Serves NXDOMAIN over TLS.
fn serve(key: &PKey<Private>, certificate: &X509) -> SocketAddr {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(key).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Whoever does not believe us goes away here.
            let Ok(mut stream) = acceptor.accept(connection) else { continue };
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut message).expect("a whole message");
            let asked = Header::peek(&message).expect("a header");
            let answer = Header { flags: Flags(0x8003), ..asked };
            message[..12].copy_from_slice(&answer.to_octets());
            stream.write_all(&length).and_then(|()| stream.write_all(&message)).expect("it listens");
        }
    });
    address
}

#[test]
fn a_server_is_believed_by_pin_by_certificate_or_because_somebody_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = identity();
    let address = serve(&key, &certificate);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let ask = |words: &[&str]| {
        let words = [&["query", "a.example", "--tls", "--server", &host, "--tls-port", &port], words].concat();
        wayhouse(&words)
    };
    let is_answered = |ended: &Ended| ended.code == Some(1) && ended.stderr.starts_with("NXDOMAIN");
    let digest = openssl::sha::sha256(&key.public_key_to_der().unwrap());
    let pin = |digest: &[u8]| format!("sha256/{}", openssl::base64::encode_block(digest));
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, certificate.to_pem().unwrap()).unwrap();
    let bare = openssl::base64::encode_block(&digest);
    for trusted in [&["--pin", &pin(&digest)][..], &["--pin", &bare], &["--ca", ca.to_str().unwrap()], &["--insecure"]]
    {
        let ended = ask(trusted);
        assert!(is_answered(&ended), "{trusted:?}: {ended:?}");
    }
    for distrusted in [&["--pin", &pin(&[7; 32])][..], &[]] {
        let ended = ask(distrusted);
        assert_eq!(ended.code, Some(3), "{distrusted:?}: {ended:?}");
        assert!(ended.stderr.contains("did not prove who it is") && ended.stderr.contains("hint: "), "{ended:?}");
    }
    // The right certificate under another name is not the server that was asked for.
    let ended = wayhouse(&[
        "query",
        "a.example",
        "--tls",
        "--server",
        "localhost",
        "--tls-port",
        &port,
        "--ca",
        ca.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    std::fs::write(&ca, "no certificate").unwrap();
    let ended = ask(&["--ca", ca.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}
