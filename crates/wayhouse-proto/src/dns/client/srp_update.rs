//! The one message that registers a host and its services, or removes them (SRP, RFC 9665 §3.2; RFC 2136 §2).
//!
//! ```text
//! zone       ZONE SOA
//! updates    per service:  TYPE PTR INSTANCE, SUBTYPE PTR INSTANCE …, delete all of INSTANCE, INSTANCE SRV, INSTANCE TXT
//!            host:         delete all of HOST, HOST AAAA/A …, HOST KEY
//! additional OPT with the lease, SIG(0) by the host's key
//! ```
//!
//! Instances have no KEY of their own here: the host's counts for them (SR8).

use std::net::IpAddr;

use wayhouse_wire::DecodeError;
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Full, MessageWriter, Name, NameRef, Opcode, OptRcode, Rcode, Rtype, Section, UpdateLease,
};

use crate::crypto::SigningKey;
use crate::dns::sig0::sign;

/// Time to live of the records, seconds, unless the lease is shorter (SR15).
const TTL_S: u32 = 120;
/// Octets kept for OPT, lease and signature.
const RESERVED_OCTETS: usize = 512;

/// A service that a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedService {
    /// What people call it: one label of at most 63 octets.
    pub instance: String,
    /// Type and protocol, such as `_coap._udp`.
    pub service: Name,
    /// Subtypes, one label each, such as `_light`.
    pub subtypes: Vec<String>,
    /// The port.
    pub port: u16,
    /// Strings of the TXT record, such as `path=/light`; at most 255 octets each.
    pub attributes: Vec<Vec<u8>>,
}

/// A host and what it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The zone.
    pub zone: Name,
    /// The host's label.
    pub host: String,
    /// The host's addresses; one at least.
    pub addresses: Vec<IpAddr>,
    /// Its services.
    pub services: Vec<OfferedService>,
}

/// Why an offer cannot be put into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferFault {
    /// A name or label is too long, or empty.
    #[error("{0}")]
    Name(#[from] DecodeError),
    /// A string of a TXT record is longer than 255 octets.
    #[error("an attribute of more than 255 octets")]
    Attribute,
    /// All of it does not fit.
    #[error("too much for one message")]
    TooMuch,
}

impl From<Full> for OfferFault {
    fn from(_: Full) -> OfferFault {
        OfferFault::TooMuch
    }
}

/// What an update is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To register, or to refresh what is registered.
    Register,
    /// To remove the host and everything that it offers; its name stays reserved while the key lease runs (SR18).
    Remove,
}

/// The names of an offer under its `number`-th attempt: `host-2` and `Instance (2)` where the first ones are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferNames {
    /// The host.
    pub host: Name,
    /// The instances, in the order of the services.
    pub instances: Vec<Name>,
}

impl OfferNames {
    /// Works the names out.
    ///
    /// # Errors
    /// `NameTooLong` and `UnexpectedCharacter` (empty).
    pub fn new(offer: &Offer, number: u32) -> Result<OfferNames, DecodeError> {
        OfferNames::with_numbers(offer, number, number)
    }
    /// The same with the attempts for host and instances counted apart.
    ///
    /// # Errors
    /// As for [`OfferNames::new`].
    pub fn with_numbers(offer: &Offer, host_number: u32, number: u32) -> Result<OfferNames, DecodeError> {
        let host_label = if host_number < 2 { offer.host.clone() } else { format!("{}-{host_number}", offer.host) };
        let host = Name::from_labels(std::iter::once(host_label.as_bytes()).chain(offer.zone.labels()))?;
        let instance = |service: &OfferedService| {
            let label = if number < 2 { service.instance.clone() } else { format!("{} ({number})", service.instance) };
            Name::from_labels([label.as_bytes()].into_iter().chain(service.service.labels()).chain(offer.zone.labels()))
        };
        Ok(OfferNames { host, instances: offer.services.iter().map(instance).collect::<Result<_, _>>()? })
    }
}

/// Appends the signed message (SR6–SR11). `wall_s` is the time for the signature, seconds since 1970.
///
/// # Errors
/// When the offer does not fit or holds what cannot be written; nothing is appended then.
#[allow(clippy::too_many_arguments, reason = "one message says all of it")]
pub fn write_update(
    offer: &Offer,
    names: &OfferNames,
    purpose: Purpose,
    lease: UpdateLease,
    key: &SigningKey,
    id: u16,
    wall_s: u64,
    out: &mut Vec<u8>,
) -> Result<(), OfferFault> {
    let start = out.len();
    let mut key_rdata = Vec::new();
    // Flags 0 (RFC 9665 §3.3.3).
    Key::encode(0, key.algorithm().number(), &key.public_key(), &mut key_rdata);
    let written = write_unsigned(offer, names, purpose, lease, &key_rdata, id, out);
    if let Err(fault) = written {
        out.truncate(start);
        return Err(fault);
    }
    let key_tag = Key::decode(&key_rdata).map(|key| key.tag()).unwrap_or_default();
    sign(key, names.host.as_ref(), key_tag, wall_s, None, out, start);
    Ok(())
}

fn write_unsigned(
    offer: &Offer,
    names: &OfferNames,
    purpose: Purpose,
    lease: UpdateLease,
    key_rdata: &[u8],
    id: u16,
    out: &mut Vec<u8>,
) -> Result<(), OfferFault> {
    let mut compressor = Compressor::default();
    let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
    let mut writer = MessageWriter::new(out, &mut compressor, id, flags, usize::from(u16::MAX));
    writer.reserve(RESERVED_OCTETS);
    writer.question(offer.zone.as_ref(), Rtype::SOA, Class::IN)?;
    let ttl_s = TTL_S.min(lease.lease_s.max(1));
    if purpose == Purpose::Register {
        for (service, instance) in offer.services.iter().zip(&names.instances) {
            write_service(&mut writer, offer, service, instance, &names.host, ttl_s)?;
        }
    }
    let host = names.host.as_ref();
    // SR7, SR11: the old goes before the new comes.
    writer.record(Section::Authority, host, Rtype::ANY, Class::ANY, 0, &[])?;
    if purpose == Purpose::Register {
        for address in &offer.addresses {
            write_address(&mut writer, host, *address, ttl_s)?;
        }
    }
    writer.record(Section::Authority, host, Rtype::KEY, Class::IN, ttl_s, key_rdata)?;
    writer.release(RESERVED_OCTETS);
    let mut buffer = [0; 8];
    let opt = Opt { udp_octets_max: 1_232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    writer.opt(opt, &[(option::UPDATE_LEASE, lease.octets(&mut buffer))])?;
    writer.finish();
    Ok(())
}

/// An address of the host.
pub(super) fn write_address(
    writer: &mut MessageWriter<'_>,
    host: NameRef<'_>,
    address: IpAddr,
    ttl_s: u32,
) -> Result<(), Full> {
    match address {
        IpAddr::V4(address) => writer.record(Section::Authority, host, Rtype::A, Class::IN, ttl_s, &address.octets()),
        IpAddr::V6(address) => {
            writer.record(Section::Authority, host, Rtype::AAAA, Class::IN, ttl_s, &address.octets())
        }
    }
}

/// SR8, SR9, SR10: where it is found, and what it is.
fn write_service(
    writer: &mut MessageWriter<'_>,
    offer: &Offer,
    service: &OfferedService,
    instance: &Name,
    host: &Name,
    ttl_s: u32,
) -> Result<(), OfferFault> {
    write_pointers(writer, offer, service, instance, ttl_s)?;
    writer.record(Section::Authority, instance.as_ref(), Rtype::ANY, Class::ANY, 0, &[])?;
    write_instance(writer, service, instance, host, ttl_s)
}

/// The records of a service alone, with nothing deleted before.
pub(super) fn write_service_records(
    writer: &mut MessageWriter<'_>,
    offer: &Offer,
    service: &OfferedService,
    instance: &Name,
    host: &Name,
    ttl_s: u32,
) -> Result<(), OfferFault> {
    write_pointers(writer, offer, service, instance, ttl_s)?;
    write_instance(writer, service, instance, host, ttl_s)
}

fn write_pointers(
    writer: &mut MessageWriter<'_>,
    offer: &Offer,
    service: &OfferedService,
    instance: &Name,
    ttl_s: u32,
) -> Result<(), OfferFault> {
    let browse = offer.zone.prefixed(service.service.as_ref())?;
    writer.record(Section::Authority, browse.as_ref(), Rtype::PTR, Class::IN, ttl_s, instance.wire())?;
    for subtype in &service.subtypes {
        let name = Name::from_labels([subtype.as_bytes(), b"_sub"].into_iter().chain(browse.labels()))?;
        writer.record(Section::Authority, name.as_ref(), Rtype::PTR, Class::IN, ttl_s, instance.wire())?;
    }
    Ok(())
}

fn write_instance(
    writer: &mut MessageWriter<'_>,
    service: &OfferedService,
    instance: &Name,
    host: &Name,
    ttl_s: u32,
) -> Result<(), OfferFault> {
    let instance = instance.as_ref();
    let mut srv = [0, 0, service.port].map(u16::to_be_bytes).concat();
    host.as_ref().append_to(&mut srv);
    writer.record(Section::Authority, instance, Rtype::SRV, Class::IN, ttl_s, &srv)?;
    let mut txt = Vec::new();
    for attribute in &service.attributes {
        txt.push(u8::try_from(attribute.len()).map_err(|_| OfferFault::Attribute)?);
        txt.extend_from_slice(attribute);
    }
    if txt.is_empty() {
        // An empty TXT is one empty string (RFC 6763 §6.1).
        txt.push(0);
    }
    writer.record(Section::Authority, instance, Rtype::TXT, Class::IN, ttl_s, &txt)?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
