//! Updates that register services, read and checked (RFC 9665 §3.2, §3.3.1, §3.3.2).
//!
//! ```text
//! zone              SOA                                         one of
//! host description  delete all of HOST, KEY, A and AAAA …       exactly one
//! service           delete all of INSTANCE, SRV and TXT …       what is offered; nothing behind the delete takes it back
//! discovery         TYPE PTR INSTANCE, SUB._sub.TYPE PTR …      added, or deleted
//! additional        OPT with Update Lease, SIG(0)
//! ```
//!
//! Whether a name has the form of a service instance tells a service from a host. What is wrong is told by one fault each;
//! whose names they are, and whether the signature is right, is asked elsewhere.
//!
//! # Deviations
//! - A service may be named without any PTR to it: its type and the instance are enough to derive it.
//! - The same record twice counts once (RFC 2136 §3.4.2.2), as Apple's client sends addresses.
//! - SRV, TXT and PTR of a service get one time to live, the shortest.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wayhouse_wire::dns::sig0::{KEY_PROTOCOL, Key};
use wayhouse_wire::dns::{Class, Name, NameRef, Record, Rtype, UpdateLease};

use super::limits::{UPDATE_INSTRUCTIONS_MAX, UPDATE_PARTS_MAX, UPDATE_SERVICES_MAX, UPDATE_TEXT_OCTETS_MAX};
use super::update::{Instruction, Update, UpdateFault};

/// What an update says about a host and its services. Names are relative to the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUpdate<'a> {
    /// The host.
    pub host: HostDescription<'a>,
    /// The services that it names.
    pub services: Vec<ServiceDescription<'a>>,
    /// For how long it asks.
    pub lease: UpdateLease,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDescription<'a> {
    /// Its name.
    pub name: Name,
    /// Its key.
    pub key: Key<'a>,
    /// The data of the KEY record.
    pub key_rdata: &'a [u8],
    /// Its addresses, none twice.
    pub addresses: Vec<IpAddr>,
    /// Time to live of the addresses, seconds, the shorter one of both types; 0 without addresses.
    pub ttl_s: u32,
}

/// A service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDescription<'a> {
    /// Its label and the two of its type.
    pub name: Name,
    /// What is offered there; `None` takes it back.
    pub offer: Option<Offer<'a>>,
}

/// What is offered at a service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Of its SRV record.
    pub priority: u16,
    /// Of its SRV record.
    pub weight: u16,
    /// Of its SRV record.
    pub port: u16,
    /// The data of its TXT records.
    pub texts: Vec<&'a [u8]>,
    /// Its subtypes, one label each.
    pub subtypes: Vec<&'a [u8]>,
    /// Time to live of its records, seconds.
    pub ttl_s: u32,
}

/// Why an update is none that registers services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrpFault {
    /// Its form is wrong.
    #[error(transparent)]
    Update(#[from] UpdateFault),
    /// SR6: it has prerequisites.
    #[error("prerequisites")]
    Prerequisites,
    /// SR6, SR16: it does not ask for a lease, or not in a form that can be read.
    #[error("no lease is asked for")]
    NoLease,
    /// SR6: the key would be kept for less time than the records.
    #[error("the lease is longer than the key lease")]
    LeaseAboveKeyLease,
    /// SR6: it is not signed.
    #[error("not signed")]
    Unsigned,
    /// SR7: no host is described.
    #[error("no host")]
    NoHost,
    /// SR7: more than one is.
    #[error("several hosts")]
    SeveralHosts,
    /// A name that neither a host nor a service can have.
    #[error("a name that is none of a host or a service")]
    ForbiddenName,
    /// SR7: the host has no key.
    #[error("the host has no key")]
    NoKey,
    /// SR7, SR8: a name has several keys, or a service another one than its host.
    #[error("more than one key")]
    SeveralKeys,
    /// SR8, SR11: something is added to a name whose records were not deleted before.
    #[error("an addition without a deletion before it")]
    NotDeleted,
    /// SR7, SR8: all records of a name are deleted twice.
    #[error("a name is deleted twice")]
    DeletedTwice,
    /// SR8: several SRV records.
    #[error("several SRV records of a service")]
    SeveralServers,
    /// SR8: SRV without TXT, or TXT without SRV.
    #[error("SRV and TXT belong together")]
    Incomplete,
    /// SR8: the service is said to be at another host.
    #[error("the service is at another host")]
    OtherHost,
    /// SR9: a PTR is added to what is not offered here, or deleted from what is.
    #[error("a PTR that does not fit its service")]
    StrayPointer,
    /// SR9: the PTR's own name is not that of its service's type.
    #[error("a PTR from another service type")]
    OtherType,
    /// SR15: records of one set have different times to live.
    #[error("different times to live in a set")]
    UnequalTtl,
    /// SR11: a record or instruction of a kind that does not belong here.
    #[error("something else than a host and services")]
    Foreign,
    /// Data that is none of its type.
    #[error("malformed record data")]
    MalformedData,
    /// More than anybody needs, see [`super::limits`].
    #[error("too much at once")]
    TooMuch,
}

impl<'a> ServiceUpdate<'a> {
    /// Reads an update (SR6–SR11, SR15).
    ///
    /// # Errors
    /// The first fault that is found; nothing of such an update counts.
    pub fn read(update: &Update<'a>) -> Result<ServiceUpdate<'a>, SrpFault> {
        update.check()?;
        if update.prerequisites().next().is_some() {
            return Err(SrpFault::Prerequisites);
        }
        // SR16
        let lease = update.message().edns().and_then(|edns| edns.update_lease());
        let lease = lease.and_then(Result::ok).ok_or(SrpFault::NoLease)?;
        if lease.lease_s > lease.effective_key_lease_s() {
            return Err(SrpFault::LeaseAboveKeyLease);
        }
        if update.message().sig0().is_none() {
            return Err(SrpFault::Unsigned);
        }
        let mut draft = Draft { update, names: Vec::new(), pointers: Vec::new(), pointer_ttls: BTreeMap::new() };
        for (count, instruction) in update.instructions().enumerate() {
            if count >= UPDATE_INSTRUCTIONS_MAX {
                return Err(SrpFault::TooMuch);
            }
            draft.take(instruction?)?;
        }
        draft.finish(lease)
    }
}

/// A name whose records were deleted, and what was added since.
struct Described<'a> {
    name: Name,
    full: NameRef<'a>,
    is_service: bool,
    key: Option<&'a [u8]>,
    addresses: Vec<IpAddr>,
    server: Option<Server<'a>>,
    texts: Vec<&'a [u8]>,
    subtypes: Vec<&'a [u8]>,
    /// Of A, AAAA and TXT, which may be several.
    ttls: [Option<u32>; 3],
    /// The shortest time to live of all.
    ttl_s: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Server<'a> {
    priority: u16,
    weight: u16,
    port: u16,
    target: NameRef<'a>,
    ttl_s: u32,
}

/// A PTR instruction.
struct Pointer<'a> {
    owner: NameRef<'a>,
    target: NameRef<'a>,
    /// Its time to live; `None` for a deletion.
    added_ttl_s: Option<u32>,
}

/// What was read so far.
struct Draft<'u, 'a> {
    update: &'u Update<'a>,
    names: Vec<Described<'a>>,
    pointers: Vec<Pointer<'a>>,
    /// By owner.
    pointer_ttls: BTreeMap<NameRef<'a>, u32>,
}

impl<'a> Draft<'_, 'a> {
    fn take(&mut self, instruction: Instruction<'a>) -> Result<(), SrpFault> {
        match instruction {
            Instruction::DeleteName(name) => self.describe(name),
            Instruction::Add(record) if record.rtype == Rtype::PTR => self.point(&record, Some(record.ttl_s)),
            Instruction::DeleteRecord(record) if record.rtype == Rtype::PTR => self.point(&record, None),
            Instruction::Add(record) => self.add(&record),
            // SR11
            Instruction::DeleteRrset(..) | Instruction::DeleteRecord(_) => Err(SrpFault::Foreign),
        }
    }

    fn describe(&mut self, full: NameRef<'a>) -> Result<(), SrpFault> {
        if self.names.iter().any(|described| described.full == full) {
            return Err(SrpFault::DeletedTwice);
        }
        let is_service = self.is_service(full)?;
        if !is_service && self.names.iter().any(|described| !described.is_service) {
            return Err(SrpFault::SeveralHosts);
        }
        if self.names.len() > UPDATE_SERVICES_MAX {
            return Err(SrpFault::TooMuch);
        }
        self.names.push(Described {
            name: self.update.relative(full)?,
            full,
            is_service,
            key: None,
            addresses: Vec::new(),
            server: None,
            texts: Vec::new(),
            subtypes: Vec::new(),
            ttls: [None; 3],
            ttl_s: u32::MAX,
        });
        Ok(())
    }

    /// Whether a name is one of a service instance, as opposed to that of a host: `LABEL._type._udp` or `_tcp`.
    fn is_service(&self, name: NameRef<'a>) -> Result<bool, SrpFault> {
        let depth = name.labels().count() - self.update.zone().labels().count();
        let label = |number: usize| name.labels().nth(number);
        let is_typed = depth >= 3 && is_service_type(label(depth - 2), label(depth - 1));
        let is_underscored = (0..depth).any(|number| label(number).is_some_and(|label| label.starts_with(b"_")));
        let means_else = |label: &[u8]| FORBIDDEN_TYPES.iter().any(|other| label.eq_ignore_ascii_case(other));
        match (depth, is_typed, is_underscored) {
            (3, true, _) if label(1).is_some_and(means_else) => Err(SrpFault::ForbiddenName),
            (3, true, _) => Ok(true),
            (1.., false, false) => Ok(false),
            // The zone itself, or a name that means something else in service discovery.
            _ => Err(SrpFault::ForbiddenName),
        }
    }

    fn add(&mut self, record: &Record<'a>) -> Result<(), SrpFault> {
        let name = record.name;
        let rtype = record.rtype;
        let described = self.names.iter_mut().find(|described| described.full == name);
        let is_fit = |described: &Described<'_>| match rtype {
            Rtype::KEY => true,
            Rtype::A | Rtype::AAAA => !described.is_service,
            Rtype::SRV | Rtype::TXT => described.is_service,
            _ => false,
        };
        if !matches!(rtype, Rtype::KEY | Rtype::A | Rtype::AAAA | Rtype::SRV | Rtype::TXT) {
            return Err(SrpFault::Foreign);
        }
        // SR11: a deletion that came later would take it back.
        let described = described.ok_or(SrpFault::NotDeleted)?;
        if !is_fit(described) {
            return Err(SrpFault::Foreign);
        }
        described.add(record)
    }

    fn point(&mut self, record: &Record<'a>, added_ttl_s: Option<u32>) -> Result<(), SrpFault> {
        let target = record.rdata_name(0).map_err(|_| SrpFault::MalformedData)?;
        check_whole(record, target.octets())?;
        if let Some(ttl_s) = added_ttl_s {
            // SR15
            if *self.pointer_ttls.entry(record.name).or_insert(ttl_s) != ttl_s {
                return Err(SrpFault::UnequalTtl);
            }
        }
        self.pointers.push(Pointer { owner: record.name, target, added_ttl_s });
        Ok(())
    }

    fn finish(mut self, lease: UpdateLease) -> Result<ServiceUpdate<'a>, SrpFault> {
        for pointer in std::mem::take(&mut self.pointers) {
            self.match_pointer(&pointer)?;
        }
        let place = self.names.iter().position(|described| !described.is_service).ok_or(SrpFault::NoHost)?;
        let host = self.names.remove(place);
        let key_rdata = host.key.ok_or(SrpFault::NoKey)?;
        let key = Key::decode(key_rdata).map_err(|_| SrpFault::MalformedData)?;
        if key.protocol != KEY_PROTOCOL {
            return Err(SrpFault::MalformedData);
        }
        let services =
            self.names.into_iter().map(|described| described.into_service(&host)).collect::<Result<_, _>>()?;
        let ttl_s = if host.addresses.is_empty() { 0 } else { host.ttl_s };
        let Described { name, addresses, .. } = host;
        Ok(ServiceUpdate { host: HostDescription { name, key, key_rdata, addresses, ttl_s }, services, lease })
    }

    /// SR9, SR10: a PTR belongs to a service that is described here, and says the same about it.
    fn match_pointer(&mut self, pointer: &Pointer<'a>) -> Result<(), SrpFault> {
        let described =
            self.names.iter_mut().find(|described| described.is_service && described.full == pointer.target);
        let described = described.ok_or(SrpFault::StrayPointer)?;
        if pointer.added_ttl_s.is_some() != described.server.is_some() {
            return Err(SrpFault::StrayPointer);
        }
        let service_type = described.full.parent().ok_or(SrpFault::OtherType)?;
        if pointer.owner == service_type {
            described.ttl_s = described.ttl_s.min(pointer.added_ttl_s.unwrap_or(u32::MAX));
            return Ok(());
        }
        let mut labels = pointer.owner.labels();
        let (subtype, sub) = (labels.next(), labels.next());
        let rest = pointer.owner.parent().and_then(NameRef::parent);
        let (Some(subtype), true) = (subtype, sub.is_some_and(|sub| sub.eq_ignore_ascii_case(b"_sub"))) else {
            return Err(SrpFault::OtherType);
        };
        if rest != Some(service_type) {
            return Err(SrpFault::OtherType);
        }
        let Some(ttl_s) = pointer.added_ttl_s else { return Ok(()) };
        described.ttl_s = described.ttl_s.min(ttl_s);
        if !described.subtypes.iter().any(|known| known.eq_ignore_ascii_case(subtype)) {
            if described.subtypes.len() >= UPDATE_PARTS_MAX {
                return Err(SrpFault::TooMuch);
            }
            described.subtypes.push(subtype);
        }
        Ok(())
    }
}

impl<'a> Described<'a> {
    fn add(&mut self, record: &Record<'a>) -> Result<(), SrpFault> {
        let Record { rtype, ttl_s, rdata, .. } = *record;
        match rtype {
            Rtype::KEY => {
                if self.key.is_some_and(|known| known != rdata) {
                    return Err(SrpFault::SeveralKeys);
                }
                self.key = Some(rdata);
                return Ok(());
            }
            Rtype::SRV => {
                let server = read_server(record)?;
                if self.server.is_some_and(|known| known != server) {
                    return Err(SrpFault::SeveralServers);
                }
                self.server = Some(server);
            }
            Rtype::TXT => {
                self.check_ttl(2, ttl_s)?;
                if !is_text(rdata) {
                    return Err(SrpFault::MalformedData);
                }
                if !self.texts.contains(&rdata) {
                    self.texts.push(rdata);
                }
                let octets: usize = self.texts.iter().map(|text| text.len()).sum();
                if self.texts.len() > UPDATE_PARTS_MAX || octets > UPDATE_TEXT_OCTETS_MAX {
                    return Err(SrpFault::TooMuch);
                }
            }
            _ => {
                let (set, address) = match *rdata {
                    [a, b, c, d] if rtype == Rtype::A => (0, IpAddr::from([a, b, c, d])),
                    _ => match <[u8; 16]>::try_from(rdata) {
                        Ok(octets) if rtype == Rtype::AAAA => (1, IpAddr::from(octets)),
                        _ => return Err(SrpFault::MalformedData),
                    },
                };
                self.check_ttl(set, ttl_s)?;
                if !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
                if self.addresses.len() > UPDATE_PARTS_MAX {
                    return Err(SrpFault::TooMuch);
                }
            }
        }
        self.ttl_s = self.ttl_s.min(ttl_s);
        Ok(())
    }
    /// SR15
    fn check_ttl(&mut self, set: usize, ttl_s: u32) -> Result<(), SrpFault> {
        if *self.ttls[set].get_or_insert(ttl_s) == ttl_s { Ok(()) } else { Err(SrpFault::UnequalTtl) }
    }
    fn into_service(self, host: &Described<'a>) -> Result<ServiceDescription<'a>, SrpFault> {
        // SR8: a key that is left out is the host's.
        if self.key.is_some_and(|key| host.key != Some(key)) {
            return Err(SrpFault::SeveralKeys);
        }
        let Described { name, server, texts, subtypes, ttl_s, .. } = self;
        let offer = match server {
            None if texts.is_empty() => None,
            Some(server) if !texts.is_empty() => {
                if server.target != host.full {
                    return Err(SrpFault::OtherHost);
                }
                let Server { priority, weight, port, .. } = server;
                Some(Offer { priority, weight, port, texts, subtypes, ttl_s })
            }
            _ => return Err(SrpFault::Incomplete),
        };
        Ok(ServiceDescription { name, offer })
    }
}

/// Whether two labels are those of a service type (RFC 6763 §7).
/// Types that are none of devices: below them stands what service discovery itself says of a zone (RFC 6763 §9 to §11), and
/// where a zone is pushed, updated and asked.
const FORBIDDEN_TYPES: [&[u8]; 8] = [
    b"_dns-sd",
    b"_sub",
    b"_dns-push-tls",
    b"_dnssd-srp",
    b"_dnssd-srp-tls",
    b"_dns-update",
    b"_dns-update-tls",
    b"_dns-query-tls",
];

fn is_service_type(service: Option<&[u8]>, protocol: Option<&[u8]>) -> bool {
    let is_protocol = |label: &[u8]| label.eq_ignore_ascii_case(b"_udp") || label.eq_ignore_ascii_case(b"_tcp");
    service.is_some_and(|label| label.len() > 1 && label.starts_with(b"_")) && protocol.is_some_and(is_protocol)
}

fn read_server<'a>(record: &Record<'a>) -> Result<Server<'a>, SrpFault> {
    let &[p, q, v, w, h, l, ..] = record.rdata else { return Err(SrpFault::MalformedData) };
    let target = record.rdata_name(6).map_err(|_| SrpFault::MalformedData)?;
    check_whole(record, 6 + target.octets())?;
    let number = |high, low| u16::from_be_bytes([high, low]);
    Ok(Server { priority: number(p, q), weight: number(v, w), port: number(h, l), target, ttl_s: record.ttl_s })
}

/// Whether data ends with the name in it, `octets` being its length when uncompressed.
fn check_whole(record: &Record<'_>, octets: usize) -> Result<(), SrpFault> {
    let mut expanded = Vec::new();
    match record.expand_rdata(&mut expanded) {
        // Of a deleted record the class is none, and its data has the form of its type all the same.
        Ok(()) if expanded.len() == octets && record.class != Class::ANY => Ok(()),
        _ => Err(SrpFault::MalformedData),
    }
}

/// Whether data is one or more character strings (RFC 1035 §3.3.14).
fn is_text(mut rdata: &[u8]) -> bool {
    if rdata.is_empty() {
        return false;
    }
    while let Some((&length, rest)) = rdata.split_first() {
        match rest.get(usize::from(length)..) {
            Some(behind) => rdata = behind,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
