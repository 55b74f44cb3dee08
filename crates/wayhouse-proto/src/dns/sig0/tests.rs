use wayhouse_wire::dns::sig0::key_at;
use wayhouse_wire::dns::{Class, Compressor, Flags, MessageWriter, Name, Opcode, Rcode, Rtype, Section};

use super::*;
use crate::crypto::quota::Allowance;

const APPLE: &[u8] = include_bytes!("../../../../wayhouse-wire/vectors/sig0/apple-srp-update.bin");
const NSUPDATE: &[u8] = include_bytes!("../../../../wayhouse-wire/vectors/sig0/nsupdate-sig0.bin");
/// The key that made `NSUPDATE`, which the capture does not hold. A signature and what it signs leave two points; this is
/// the one whose tag, with the flags of a host's key, is the tag in the signature.
const NSUPDATE_KEY: &str = "2fe0119a0c00505926ebabb0b8e6f548def3e91d5e5186133a820bd4eb7dc173\
                            38d997a5211e3712b1d47d33a43918b202e36f45d0819f61f475e8d5c5fdfb38";
const HOST_KEY_FLAGS: u16 = 512;

#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn peer() -> IpAddr {
    "2001:db8::1".parse().expect("an address")
}

fn verifier(settings: Settings) -> Verifier {
    Verifier::new(start(), settings, &mut Rng::new(1))
}

/// The KEY data of a capture.
fn key_of(bytes: &[u8]) -> Vec<u8> {
    let mut rdata = Vec::new();
    if bytes == NSUPDATE {
        Key::encode(HOST_KEY_FLAGS, 13, &octets(NSUPDATE_KEY), &mut rdata);
    } else {
        let message = Message::decode(bytes).expect("an update");
        let signer = message.sig0().expect("a signature").signer;
        let key = key_at(&message, Section::Authority, signer).expect("a KEY");
        Key::encode(key.flags, key.algorithm, key.public_key, &mut rdata);
    }
    rdata
}

fn check(verifier: &mut Verifier, bytes: &[u8], key: &[u8], wall_s: u64) -> Result<Verified, Sig0Fault> {
    let message = Message::decode(bytes).expect("a message");
    verifier.verify(start(), wall_s, peer(), &message, &Key::decode(key).expect("a key"))
}

#[test]
fn sr13_captured_updates_are_signed_by_their_keys() {
    for bytes in [APPLE, NSUPDATE] {
        let message = Message::decode(bytes).expect("an update");
        let sig0 = message.sig0().expect("a signature");
        let during = u64::from(sig0.inception);
        let key = key_of(bytes);
        assert_eq!(check(&mut verifier(Settings::default()), bytes, &key, during), Ok(Verified::First));
        // Each octet counts; the ID as well.
        for at in [0, 2, 20, bytes.len() - 1] {
            let mut other = bytes.to_vec();
            other[at] ^= 1;
            let Ok(message) = Message::decode(&other) else { continue };
            let key = Key::decode(&key).expect("a key");
            let result = verifier(Settings::default()).verify(start(), during, peer(), &message, &key);
            assert_eq!(result, Err(Sig0Fault::Wrong), "{at}");
        }
        // With another key of the same tag, were there one, it is wrong; with one of another tag it is not looked at.
        let mut other = key;
        other[20] ^= 0x10;
        assert_eq!(check(&mut verifier(Settings::default()), bytes, &other, during), Err(Sig0Fault::OtherKey));
    }
}

#[test]
fn sr13_signatures_are_of_their_time() {
    let message = Message::decode(NSUPDATE).expect("an update");
    let sig0 = message.sig0().expect("a signature");
    let (inception, expiration) = (u64::from(sig0.inception), u64::from(sig0.expiration));
    assert_eq!(expiration - inception, 600);
    let key = key_of(NSUPDATE);
    let at = |wall_s| check(&mut verifier(Settings::default()), NSUPDATE, &key, wall_s);
    // It was made 300 s after its inception; a clock may be that much behind. Before, it would be right for too long.
    assert_eq!(at(inception - 1), Err(Sig0Fault::OutOfTime));
    assert_eq!(at(inception), Ok(Verified::First));
    assert_eq!(at(expiration + 300), Ok(Verified::First));
    assert_eq!(at(expiration + 301), Err(Sig0Fault::OutOfTime));
    // The clock's upper bits do not matter.
    assert_eq!(at(inception + (1 << 32)), Ok(Verified::First));
}

/// An update for `zone`, signed.
fn signed(key: &SigningKey, signer: &str, key_flags: u16, wall_s: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let (zone, signer) = (Name::parse("example").expect("a name"), Name::parse(signer).expect("a name"));
    let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 7, flags, 512);
    writer.question(zone.as_ref(), Rtype::SOA, Class::IN).expect("fits");
    writer.record(Section::Authority, signer.as_ref(), Rtype::A, Class::IN, 60, &[192, 0, 2, 1]).expect("fits");
    writer.finish();
    let mut rdata = Vec::new();
    Key::encode(key_flags, key.algorithm().number(), &key.public_key(), &mut rdata);
    let tag = Key::decode(&rdata).expect("a key").tag();
    sign(key, signer.as_ref(), tag, wall_s, None, &mut out, 0);
    (out, rdata)
}

#[test]
fn sr22_what_we_sign_verifies_with_either_algorithm() {
    for algorithm in [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519] {
        let key = SigningKey::new(algorithm, &[7; 32]).expect("a key");
        for signer in ["host.example", "Host.EXAMPLE"] {
            let (message, rdata) = signed(&key, signer, 0x0201, 1_000_000);
            assert_eq!(check(&mut verifier(Settings::default()), &message, &rdata, 1_000_100), Ok(Verified::First));
        }
    }
    // Whoever signs the name as it is written is understood too.
    let key = SigningKey::new(Algorithm::Ed25519, &[7; 32]).expect("a key");
    let (mut message, rdata) = signed(&key, "host.example", 0, 1_000_000);
    let decoded = Message::decode(&message).expect("ours");
    let sig0 = decoded.sig0().expect("ours");
    let mut octets = Vec::new();
    sig0.append_signed_octets(&decoded, None, SignerForm::AsSent, &mut octets);
    octets[19] = b'H';
    let signature = key.sign(&octets);
    let end = message.len();
    message[end - 64..].copy_from_slice(&signature);
    let name_at = end - 64 - 14;
    assert_eq!(message[name_at + 1], b'h');
    message[name_at + 1] = b'H';
    assert_eq!(check(&mut verifier(Settings::default()), &message, &rdata, 1_000_000), Ok(Verified::First));
}

#[test]
fn sr13_what_cannot_be_right_costs_no_check() {
    let quota = QuotaLimits { total: Allowance { burst: 1, refill: Duration::from_secs(1) }, ..QuotaLimits::default() };
    let mut verifier = verifier(Settings { quota, ..Settings::default() });
    let key = SigningKey::new(Algorithm::Ed25519, &[7; 32]).expect("a key");
    let (message, rdata) = signed(&key, "host.example", 0, 1_000_000);
    let mut unsigned = message.clone();
    unsigned.truncate(message.len() - (11 + 18 + 14 + 64));
    unsigned[11] -= 1;
    assert_eq!(check(&mut verifier, &unsigned, &rdata, 1_000_000), Err(Sig0Fault::Unsigned));
    let mut old = message.clone();
    let algorithm_at = message.len() - 64 - 14 - 18 + 2;
    old[algorithm_at] = 8;
    assert_eq!(check(&mut verifier, &old, &rdata, 1_000_000), Err(Sig0Fault::UnknownAlgorithm(8)));
    for (at, value) in [(2, 4), (3, 13), (10, rdata[10] ^ 1)] {
        let mut other = rdata.clone();
        other[at] = value;
        assert_eq!(check(&mut verifier, &message, &other, 1_000_000), Err(Sig0Fault::OtherKey), "{at}");
    }
    assert_eq!(check(&mut verifier, &message, &rdata, 2_000_000), Err(Sig0Fault::OutOfTime));
    assert_eq!(check(&mut verifier, &message, &rdata, 1_000_000), Ok(Verified::First), "one was left");
    assert_eq!(check(&mut verifier, &message, &rdata, 1_000_000), Err(Sig0Fault::OverQuota));
}

/// Three messages signed at 1,000,000 s, and their keys.
fn three() -> Vec<(Vec<u8>, Vec<u8>)> {
    let key = SigningKey::new(Algorithm::EcdsaP256Sha256, &[7; 32]).expect("a key");
    (0..3).map(|index| signed(&key, &format!("host{index}.example"), 0, 1_000_000)).collect()
}

#[test]
fn sr13_a_repetition_is_told_from_the_first_for_as_long_as_it_is_right() {
    let messages = three();
    let mut verifier = verifier(Settings { remembered_max: 2, ..Settings::default() });
    let begin = start();
    // The clock of this server is 300 s behind.
    let mut check = |index: usize, after_s: u64, expected| {
        let (message, rdata) = &messages[index];
        let (message, key) = (Message::decode(message).expect("ours"), Key::decode(rdata).expect("a key"));
        let now = begin + Duration::from_secs(after_s);
        assert_eq!(verifier.verify(now, 999_700 + after_s, peer(), &message, &key), expected, "{index} {after_s}");
    };
    check(0, 0, Ok(Verified::First));
    check(0, 0, Ok(Verified::Repeated));
    check(1, 600, Ok(Verified::First));
    // There is no place for a third, and none of the others is given up for it.
    check(2, 600, Err(Sig0Fault::OverQuota));
    check(0, 900, Ok(Verified::Repeated));
    check(0, 901, Err(Sig0Fault::OutOfTime));
    check(1, 900, Ok(Verified::Repeated));
}

#[test]
fn sr13_of_what_nothing_came_a_repetition_is_the_first() {
    let messages = three();
    let mut verifier = verifier(Settings { remembered_max: 2, ..Settings::default() });
    let check = |verifier: &mut Verifier, index: usize, expected| {
        let (message, rdata) = &messages[index];
        assert_eq!(check(verifier, message, rdata, 1_000_000), Ok(expected), "{index}");
    };
    check(&mut verifier, 0, Verified::First);
    check(&mut verifier, 1, Verified::First);
    verifier.forget_last();
    check(&mut verifier, 0, Verified::Repeated);
    check(&mut verifier, 1, Verified::First);
    check(&mut verifier, 1, Verified::Repeated);
    verifier.forget_last();
    check(&mut verifier, 2, Verified::First);
}

#[test]
fn a_device_without_a_clock_sends_no_times() {
    let key = SigningKey::new(Algorithm::Ed25519, &[7; 32]).expect("a key");
    let (mut message, rdata) = signed(&key, "host.example", 0, 1_000_000);
    let times_at = message.len() - 64 - 14 - 18 + 8;
    message[times_at..times_at + 8].fill(0);
    let decoded = Message::decode(&message).expect("ours");
    let mut octets = Vec::new();
    decoded.sig0().expect("ours").append_signed_octets(&decoded, None, SignerForm::AsSent, &mut octets);
    let signature = key.sign(&octets);
    let end = message.len();
    message[end - 64..].copy_from_slice(&signature);
    assert_eq!(check(&mut verifier(Settings::default()), &message, &rdata, 5), Ok(Verified::First));
    let strict = Settings { accepts_no_times: false, ..Settings::default() };
    assert_eq!(check(&mut verifier(strict), &message, &rdata, 5), Err(Sig0Fault::OutOfTime));
}
