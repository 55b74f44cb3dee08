use std::net::IpAddr;

use wayhouse_wire::dns::Message;
use wayhouse_wire::dns::sig0::key_at;

use super::super::start;
use super::*;
use crate::crypto::Algorithm;
use crate::dns::sig0::{Settings, Verified, Verifier};
use crate::rng::Rng;

pub(in crate::dns::client) const WALL_S: u64 = 1_790_000_000;

pub(in crate::dns::client) fn key() -> SigningKey {
    SigningKey::new(Algorithm::EcdsaP256Sha256, &[7; 32]).expect("a scalar in range")
}

pub(in crate::dns::client) fn offer() -> Offer {
    Offer {
        zone: Name::parse("services.home.arpa").unwrap(),
        host: "desk".to_owned(),
        addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        services: vec![OfferedService {
            instance: "Desk Lamp".to_owned(),
            service: Name::parse("_coap._udp").unwrap(),
            subtypes: vec!["_light".to_owned()],
            port: 5_683,
            attributes: vec![b"path=/light".to_vec()],
        }],
    }
}

fn write(offer: &Offer, purpose: Purpose, lease: UpdateLease) -> Result<Vec<u8>, OfferFault> {
    let mut out = Vec::new();
    let names = OfferNames::new(offer, 1)?;
    write_update(offer, &names, purpose, lease, &key(), 77, WALL_S, &mut out).map(|()| out)
}

const LEASE: UpdateLease = UpdateLease { lease_s: 7_200, key_lease_s: Some(1_209_600) };

fn updates(bytes: &[u8]) -> Vec<String> {
    let message = Message::decode(bytes).expect("well-formed");
    let one = |record: wayhouse_wire::dns::Record<'_>| {
        format!("{} {} {} {}", record.name, record.class, record.rtype, record.ttl_s)
    };
    message.records(Section::Authority).map(one).collect()
}

#[test]
fn sr6_sr7_sr8_sr9_sr10_sr11_a_registration_is_one_signed_update() {
    let bytes = write(&offer(), Purpose::Register, LEASE).unwrap();
    let message = Message::decode(&bytes).expect("well-formed");
    assert_eq!((message.header.id, message.header.flags.opcode()), (77, Opcode::UPDATE));
    assert_eq!(message.header.counts, [1, 0, 9, 2], "no prerequisites; OPT and SIG");
    let zone = message.question().unwrap();
    assert_eq!((zone.name.to_string().as_str(), zone.rtype), ("services.home.arpa.", Rtype::SOA));
    assert_eq!(
        updates(&bytes),
        [
            "_coap._udp.services.home.arpa. IN PTR 120",
            "_light._sub._coap._udp.services.home.arpa. IN PTR 120",
            "Desk\\ Lamp._coap._udp.services.home.arpa. * ANY 0",
            "Desk\\ Lamp._coap._udp.services.home.arpa. IN SRV 120",
            "Desk\\ Lamp._coap._udp.services.home.arpa. IN TXT 120",
            "desk.services.home.arpa. * ANY 0",
            "desk.services.home.arpa. IN A 120",
            "desk.services.home.arpa. IN AAAA 120",
            "desk.services.home.arpa. IN KEY 120",
        ]
    );
}

#[test]
fn sr6_sr22_sr33_the_signature_is_that_of_the_hosts_key() {
    for purpose in [Purpose::Register, Purpose::Remove] {
        let bytes = write(&offer(), purpose, LEASE).unwrap();
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.edns().unwrap().update_lease(), Some(Ok(LEASE)));
        let sig0 = message.sig0().expect("the last record");
        assert_eq!((sig0.algorithm, sig0.signer.to_string().as_str()), (13, "desk.services.home.arpa."));
        let key = key_at(&message, Section::Authority, sig0.signer).expect("the host's");
        assert_eq!((key.flags, key.protocol, key.algorithm), (0, 3, 13));
        let peer: IpAddr = "192.0.2.7".parse().unwrap();
        let mut verifier = Verifier::new(start(), Settings::default(), &mut Rng::new(1));
        assert_eq!(verifier.verify(start(), WALL_S, peer, &message, &key), Ok(Verified::First));
    }
}

#[test]
fn sr18_a_removal_names_the_host_alone() {
    let bytes = write(&offer(), Purpose::Remove, UpdateLease { lease_s: 0, ..LEASE }).unwrap();
    assert_eq!(updates(&bytes), ["desk.services.home.arpa. * ANY 0", "desk.services.home.arpa. IN KEY 1"]);
}

#[test]
fn sr15_records_do_not_outlive_their_lease() {
    let bytes = write(&offer(), Purpose::Register, UpdateLease { lease_s: 30, key_lease_s: None }).unwrap();
    assert!(updates(&bytes).iter().all(|record| record.ends_with(" 30") || record.ends_with("* ANY 0")));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut long = offer();
    long.host = "x".repeat(64);
    assert!(matches!(write(&long, Purpose::Register, LEASE), Err(OfferFault::Name(_))));
    let mut wordy = offer();
    wordy.services[0].attributes = vec![vec![b'x'; 256]];
    assert_eq!(write(&wordy, Purpose::Register, LEASE), Err(OfferFault::Attribute));
    wordy.services[0].attributes = vec![vec![b'x'; 255]; 260];
    assert_eq!(write(&wordy, Purpose::Register, LEASE), Err(OfferFault::TooMuch));
}

#[test]
fn taken_names_get_a_number() {
    let names = OfferNames::new(&offer(), 2).unwrap();
    assert_eq!(names.host.to_string(), "desk-2.services.home.arpa.");
    assert_eq!(names.instances[0].to_string(), "Desk\\ Lamp\\ (2)._coap._udp.services.home.arpa.");
}
