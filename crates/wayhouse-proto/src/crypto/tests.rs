use super::*;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn key(algorithm: Algorithm, hex: &str) -> SigningKey {
    SigningKey::new(algorithm, octets(hex).first_chunk().expect("32 octets")).expect("a key")
}

#[test]
fn published_signatures_are_made_and_verified() {
    let check = |algorithm, secret: &str, public: &str, message: &[u8], signature: &str| {
        let key = key(algorithm, secret);
        assert_eq!(key.public_key(), octets(public));
        assert_eq!(key.sign(message)[..], octets(signature));
        assert!(verify(algorithm, &octets(public), message, &octets(signature)));
    };
    // RFC 6979 A.2.5, SHA-256, "sample".
    check(
        Algorithm::EcdsaP256Sha256,
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
         7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        b"sample",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    );
    // RFC 8032 §7.1, test 2.
    check(
        Algorithm::Ed25519,
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        &[0x72],
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
}

#[test]
fn anything_else_has_signed_nothing() {
    for algorithm in [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519] {
        let key = SigningKey::new(algorithm, &[7; 32]).expect("a key");
        let (public, signature) = (key.public_key(), key.sign(b"message"));
        assert!(verify(algorithm, &public, b"message", &signature));
        assert!(!verify(algorithm, &public, b"massage", &signature));
        for at in 0..SIGNATURE_OCTETS {
            let mut other = signature;
            other[at] ^= 1;
            assert!(!verify(algorithm, &public, b"message", &other), "{algorithm:?} {at}");
        }
        assert!(!verify(algorithm, &public, b"message", &signature[1..]));
        assert!(!verify(algorithm, &public[1..], b"message", &signature));
        assert!(!verify(algorithm, &vec![0; public.len()], b"message", &signature));
        assert!(!verify(algorithm, &vec![0xff; public.len()], b"message", &signature));
        assert!(!verify(algorithm, &public, b"message", &[0; 64]));
        let another = SigningKey::new(algorithm, &[8; 32]).expect("a key");
        assert!(!verify(algorithm, &another.public_key(), b"message", &signature));
        assert_eq!(Algorithm::from_number(algorithm.number()), Some(algorithm));
        assert!(!format!("{key:?}").contains('7'), "keys are not printed");
    }
    assert!(SigningKey::new(Algorithm::EcdsaP256Sha256, &[0; 32]).is_none());
    assert!(SigningKey::new(Algorithm::EcdsaP256Sha256, &[0xff; 32]).is_none());
}

#[test]
fn sr22_algorithms_below_thirteen_are_unknown() {
    for number in (0..13).chain([14]).chain(16..=255) {
        assert_eq!(Algorithm::from_number(number), None);
    }
}
