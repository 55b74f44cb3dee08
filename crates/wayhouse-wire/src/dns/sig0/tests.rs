use super::*;
use crate::dns::name::Name;

const APPLE: &[u8] = include_bytes!("../../../vectors/sig0/apple-srp-update.bin");
const NSUPDATE: &[u8] = include_bytes!("../../../vectors/sig0/nsupdate-sig0.bin");

fn signed(bytes: &[u8], form: SignerForm) -> Vec<u8> {
    let message = Message::decode(bytes).expect("an update");
    let mut out = Vec::new();
    message.sig0().expect("a signature").append_signed_octets(&message, None, form, &mut out);
    out
}

#[test]
fn sr6_signed_octets_are_the_sig_without_signature_and_the_message_before_it() {
    for (bytes, sig_octets, signer) in
        [(APPLE, 84 + 11, "srp-api-test.default.service.arpa"), (NSUPDATE, 101 + 11, "host1.upd.example")]
    {
        let octets = signed(bytes, SignerForm::AsSent);
        let name = Name::parse(signer).expect("a name");
        let rdata = 18 + name.wire().len();
        assert_eq!(octets.len(), rdata + bytes.len() - sig_octets);
        assert_eq!(octets[18..rdata], *name.wire(), "the name is whole, though Apple points to it");
        let message = &octets[rdata..];
        // The SIG is not counted yet.
        assert_eq!(message[11], bytes[11] - 1);
        assert_eq!(message[12..], bytes[12..bytes.len() - sig_octets]);
        assert_eq!(octets, signed(bytes, SignerForm::Canonical), "these signers have no capitals");
    }
}

#[test]
fn sr6_what_is_signed_is_what_is_verified() {
    let signer = Name::parse("Host.Example").expect("a name");
    let fields = SigFields { algorithm: ED25519, expiration: 20, inception: 10, key_tag: 7 };
    let message = b"\0\x01\x28\0\0\x01\0\0\0\0\0\0\x07example\0\0\x06\0\x01".to_vec();
    let mut to_sign = Vec::new();
    fields.append_octets_to_sign(signer.as_ref(), &message, None, &mut to_sign);
    let mut bytes = message;
    fields.append_record(signer.as_ref(), &[3; 64], &mut bytes, 0);
    let decoded = Message::decode(&bytes).expect("well-formed");
    let sig0 = decoded.sig0().expect("a signature");
    assert_eq!((sig0.algorithm, sig0.expiration, sig0.inception, sig0.key_tag), (ED25519, 20, 10, 7));
    assert_eq!((sig0.signer, sig0.signature), (signer.as_ref(), &[3; 64][..]));
    assert_eq!(signed(&bytes, SignerForm::AsSent), to_sign);
    assert_eq!(signed(&bytes, SignerForm::Canonical), to_sign);
    // A response covers its request too (RFC 2931 §3.1).
    let mut with_request = Vec::new();
    sig0.append_signed_octets(&decoded, Some(b"request"), SignerForm::AsSent, &mut with_request);
    assert_eq!(with_request.len(), to_sign.len() + 7);
    assert_eq!(with_request[18 + 14..][..7], *b"request");
}

#[test]
fn sr13_a_key_is_found_with_its_tag_and_any_flags() {
    let message = Message::decode(APPLE).expect("an update");
    let sig0 = message.sig0().expect("a signature");
    let key = key_at(&message, Section::Authority, sig0.signer).expect("a KEY");
    assert_eq!((key.flags, key.protocol, key.algorithm, key.public_key.len()), (0x0201, 3, 13, 64));
    assert_eq!(key.tag(), sig0.key_tag);
    let mut rdata = Vec::new();
    Key::encode(key.flags, key.algorithm, key.public_key, &mut rdata);
    assert_eq!(Key::decode(&rdata), Ok(key));
    assert!(Key::decode(&rdata[..3]).is_err());
    assert!(key_at(&message, Section::Answer, sig0.signer).is_none());
}
