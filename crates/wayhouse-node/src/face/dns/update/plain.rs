//! Plain updates of a host, as draft-lemon-stateful-dnssd-00 has them sent: several messages, records added and deleted one
//! by one, some on a condition (SR34, SR35). What they lead to is the same registration that SRP makes in one message.
//!
//! ```text
//! (1) needs HOST not in use; HOST add A, AAAA, KEY      (5) TEXT add PTR HOST              a further name of the host
//! (2) HOST delete A, AAAA; HOST add A, AAAA             (6) reverse name add PTR HOST      follows from (1) and (2) already
//!                                                       (7) TYPE add PTR INSTANCE; INSTANCE add SRV HOST, TXT
//! ```
//!
//! # Deviations and choices
//! - Every update is signed by the key of the host that its names lead to, which stands in the first one (SR33, SR38). The
//!   draft has a forwarder on the link look for each address there (SR37); a program that is no such forwarder cannot, and
//!   asks that updates come from `update_sources`.
//! - One update is about one host. An instance gets its SRV in the update that first names it.
//! - The lease is the time to live of the addresses, of which the draft lets a fifth pass after the refresh that it asks
//!   for (SR36). Names stay reserved to their key for as long as the configuration allows.
//! - A PTR from a type to an instance that stays is not deleted: the instance is, or its subtype.

use std::net::IpAddr;
use std::sync::Arc;

use wayhouse_proto::dns::limits::{UPDATE_INSTRUCTIONS_MAX, UPDATE_PARTS_MAX, UPDATE_SERVICES_MAX};
use wayhouse_proto::dns::srp::{HostDescription, Offer, ServiceDescription, ServiceUpdate};
use wayhouse_proto::dns::update::{Instruction, Prerequisite, Update, UpdateFault};
use wayhouse_registry::{ServiceHost, ServiceInstance};
use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{Name, NameRef, Rcode, Record, Rtype, UpdateLease};

use super::{Desk, Fault, Granted, Wish, entry};
use crate::config::LEASE_MIN_S;
use crate::face::dns::index::{Folded, Found};
use crate::face::dns::naming::{Holder, labels};

/// What a TXT without anything to say holds (RFC 6763 §6.1).
const EMPTY_TEXT: &[u8] = &[0];

/// What a name is for.
enum Place {
    /// A host, or a further name of one.
    Plain,
    /// A service instance.
    Instance,
    /// A service type, or a subtype: its label.
    Type(Option<Box<[u8]>>),
}

fn place_of(relative: &Name) -> Result<Place, Fault> {
    let all: Vec<&[u8]> = relative.labels().collect();
    let is_underscored = |label: &[u8]| label.starts_with(b"_");
    match all.as_slice() {
        [service, protocol] if is_underscored(service) && is_underscored(protocol) => Ok(Place::Type(None)),
        [subtype, sub, service, protocol]
            if sub.eq_ignore_ascii_case(b"_sub") && is_underscored(service) && is_underscored(protocol) =>
        {
            Ok(Place::Type(Some((*subtype).into())))
        }
        [_, service, protocol] if is_underscored(service) && is_underscored(protocol) => Ok(Place::Instance),
        [] => Err(Fault::ForbiddenName),
        all if all.iter().any(|label| is_underscored(label)) => Err(Fault::ForbiddenName),
        _ => Ok(Place::Plain),
    }
}

/// A name below whichever zone of ours it is in.
fn relative_to_ours(desk: &Desk<'_>, name: NameRef<'_>) -> Result<Name, Fault> {
    let registration_zone = desk.config.registration_zone();
    let zones = desk.config.zones.iter().chain(&registration_zone);
    let zone = zones.filter(|zone| name.is_at_or_below(zone.as_ref())).max_by_key(|zone| zone.wire().len());
    let depth = name.labels().count() - zone.ok_or(Fault::ForbiddenName)?.labels().count();
    Name::from_labels(name.labels().take(depth)).map_err(|_| Fault::ForbiddenName)
}

fn target_of(desk: &Desk<'_>, record: &Record<'_>) -> Result<Name, Fault> {
    let at = if record.rtype == Rtype::SRV { 6 } else { 0 };
    let target = record.rdata_name(at).map_err(|_| Fault::Form(UpdateFault::Malformed.into()))?;
    relative_to_ours(desk, target)
}

/// What is held of the host that an update is about; `None` when it is not known. Of one whose lease is over only name and
/// key are, and what names its services had: nothing else comes back with an update that does not say it.
pub(super) fn held(desk: &Desk<'_>, update: &Update<'_>) -> Result<Option<Arc<ServiceHost>>, Fault> {
    update.check().map_err(|fault| Fault::Form(fault.into()))?;
    if update.instructions().nth(UPDATE_INSTRUCTIONS_MAX).is_some() {
        return Err(Fault::TooMuch);
    }
    let host = host_of(desk, update)?;
    let endpoint_name = entry::endpoint_name(&host).ok_or(Fault::ForbiddenName)?;
    let Some(view) = desk.registry.by_name(entry::SECTOR, &endpoint_name) else { return Ok(None) };
    let Some(services) = &view.registrant.services else { return Ok(None) };
    if super::is_alive(&view, desk.now) {
        return Ok(Some(Arc::clone(services)));
    }
    // Whose end nobody had the time to note yet is reserved as well.
    if !view.is_active && !view.is_reserved(desk.now) {
        return Ok(None);
    }
    let named = |instance: &ServiceInstance| ServiceInstance { offer: None, ..instance.clone() };
    Ok(Some(Arc::new(ServiceHost {
        name: services.name.clone(),
        key: services.key.clone(),
        addresses: Box::new([]),
        aliases: Box::new([]),
        instances: services.instances.iter().map(named).collect(),
        ..**services
    })))
}

/// SR38: the host that all names of an update lead to.
fn host_of(desk: &Desk<'_>, update: &Update<'_>) -> Result<Name, Fault> {
    let mut host: Option<Name> = None;
    for instruction in update.instructions() {
        let led_to = match instruction.map_err(|fault| Fault::Form(fault.into()))? {
            Instruction::Add(record) if record.rtype == Rtype::SRV => Some(target_of(desk, &record)?),
            Instruction::Add(record) | Instruction::DeleteRecord(record) if record.rtype == Rtype::PTR => {
                let target = target_of(desk, &record)?;
                match place_of(&target)? {
                    Place::Plain => Some(target),
                    _ => holder_of(desk, &target),
                }
            }
            Instruction::Add(record) | Instruction::DeleteRecord(record) => named(desk, record.name)?,
            Instruction::DeleteRrset(name, _) | Instruction::DeleteName(name) => named(desk, name)?,
        };
        match (&host, led_to) {
            (Some(known), Some(other)) if *known != other => return Err(Fault::ForbiddenName),
            (None, Some(first)) => host = Some(first),
            _ => {}
        }
    }
    host.ok_or(Fault::ForbiddenName)
}

/// The host that a name is of, or else the name itself where it could be one.
fn named(desk: &Desk<'_>, name: NameRef<'_>) -> Result<Option<Name>, Fault> {
    let relative = relative_to_ours(desk, name)?;
    Ok(match place_of(&relative)? {
        Place::Plain => Some(holder_of(desk, &relative).unwrap_or(relative)),
        Place::Instance => holder_of(desk, &relative),
        Place::Type(_) => None,
    })
}

fn holder_of(desk: &Desk<'_>, name: &Name) -> Option<Name> {
    let Some(Holder::Entry(id)) = desk.claims.holder(&labels(name.labels())) else { return None };
    Some(desk.registry.get(id)?.registrant.services.as_ref()?.name.clone())
}

/// Reads an update of a host of which `held` is known.
pub(super) fn read<'a>(desk: &Desk<'_>, update: &Update<'a>, held: Option<&'a ServiceHost>) -> Result<Wish<'a>, Fault> {
    let name = match held {
        Some(held) => held.name.clone(),
        None => host_of(desk, update)?,
    };
    let mut image = Image::of(name, held);
    for instruction in update.instructions() {
        image.apply(desk, instruction.map_err(|fault| Fault::Form(fault.into()))?)?;
    }
    let condition = check_prerequisites(desk, update);
    image.into_wish(desk, condition)
}

/// A host while an update is worked off.
struct Image<'a> {
    name: Name,
    held: Option<&'a ServiceHost>,
    key: Option<&'a [u8]>,
    addresses: Vec<IpAddr>,
    aliases: Vec<Name>,
    /// What the update names.
    services: Vec<Touched<'a>>,
    /// The shortest time to live of the addresses.
    ttl_s: Option<u32>,
    /// Whether all records of the host were deleted.
    is_deleted: bool,
}

struct Touched<'a> {
    name: Name,
    server: Option<[u16; 3]>,
    texts: Vec<&'a [u8]>,
    subtypes: Vec<&'a [u8]>,
    ttl_s: u32,
}

impl<'a> Image<'a> {
    fn of(name: Name, held: Option<&'a ServiceHost>) -> Image<'a> {
        Image {
            name,
            held,
            key: held.map(|held| &*held.key),
            addresses: held.map(|held| held.addresses.to_vec()).unwrap_or_default(),
            aliases: held.map(|held| held.aliases.to_vec()).unwrap_or_default(),
            services: Vec::new(),
            ttl_s: None,
            is_deleted: false,
        }
    }

    fn apply(&mut self, desk: &Desk<'_>, instruction: Instruction<'a>) -> Result<(), Fault> {
        let (name, rtype) = match &instruction {
            Instruction::Add(record) | Instruction::DeleteRecord(record) => (record.name, record.rtype),
            Instruction::DeleteRrset(name, rtype) => (*name, *rtype),
            Instruction::DeleteName(name) => (*name, Rtype::ANY),
        };
        let relative = relative_to_ours(desk, name)?;
        match place_of(&relative)? {
            Place::Instance => self.apply_to_instance(relative, &instruction),
            Place::Type(subtype) if rtype == Rtype::PTR => self.apply_to_type(desk, subtype.as_deref(), &instruction),
            Place::Plain if relative == self.name => self.apply_to_host(rtype, &instruction),
            Place::Plain if matches!(rtype, Rtype::PTR | Rtype::ANY) => {
                self.aliases.retain(|alias| *alias != relative);
                if let Instruction::Add(_) = instruction {
                    self.aliases.push(relative);
                }
                if self.aliases.len() > UPDATE_PARTS_MAX { Err(Fault::TooMuch) } else { Ok(()) }
            }
            _ => Err(Fault::ForbiddenName),
        }
    }

    fn apply_to_host(&mut self, rtype: Rtype, instruction: &Instruction<'a>) -> Result<(), Fault> {
        let is_v4 = |address: &IpAddr| address.is_ipv4();
        match (instruction, rtype) {
            (Instruction::Add(record), Rtype::KEY) => {
                self.key = Some(record.rdata);
                Ok(())
            }
            (Instruction::Add(record), _) => {
                let address = address_of(record)?;
                self.ttl_s = Some(self.ttl_s.unwrap_or(u32::MAX).min(record.ttl_s));
                self.is_deleted = false;
                if !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
                if self.addresses.len() > UPDATE_PARTS_MAX { Err(Fault::TooMuch) } else { Ok(()) }
            }
            (Instruction::DeleteRecord(record), Rtype::A | Rtype::AAAA) => {
                let address = address_of(record)?;
                self.addresses.retain(|known| *known != address);
                Ok(())
            }
            (Instruction::DeleteRrset(..), Rtype::A) => {
                self.addresses.retain(|address| !is_v4(address));
                Ok(())
            }
            (Instruction::DeleteRrset(..), Rtype::AAAA) => {
                self.addresses.retain(is_v4);
                Ok(())
            }
            // The key that comes instead must be the same, or it is another host's.
            (Instruction::DeleteRrset(..), Rtype::KEY) => Ok(()),
            (Instruction::DeleteName(_), _) => {
                self.addresses.clear();
                self.is_deleted = true;
                Ok(())
            }
            _ => Err(Fault::ForbiddenName),
        }
    }

    fn apply_to_instance(&mut self, name: Name, instruction: &Instruction<'a>) -> Result<(), Fault> {
        let touched = self.touch(name)?;
        match instruction {
            Instruction::DeleteName(_) => {
                (touched.server, touched.ttl_s) = (None, u32::MAX);
                touched.texts.clear();
                touched.subtypes.clear();
            }
            Instruction::DeleteRrset(_, Rtype::SRV) => touched.server = None,
            Instruction::DeleteRrset(_, Rtype::TXT) => touched.texts.clear(),
            Instruction::Add(record) if record.rtype == Rtype::SRV => {
                let &[p, q, v, w, h, l, ..] = record.rdata else { return Err(Fault::ForbiddenName) };
                touched.server = Some([[p, q], [v, w], [h, l]].map(u16::from_be_bytes));
                touched.ttl_s = touched.ttl_s.min(record.ttl_s);
            }
            Instruction::Add(record) if record.rtype == Rtype::TXT && !record.rdata.is_empty() => {
                if !touched.texts.contains(&record.rdata) {
                    touched.texts.push(record.rdata);
                }
                touched.ttl_s = touched.ttl_s.min(record.ttl_s);
            }
            Instruction::DeleteRecord(record) if record.rtype == Rtype::TXT => {
                touched.texts.retain(|text| *text != record.rdata);
            }
            // The only one there may be.
            Instruction::DeleteRecord(record) if record.rtype == Rtype::SRV => touched.server = None,
            _ => return Err(Fault::ForbiddenName),
        }
        if touched.texts.len() > UPDATE_PARTS_MAX { Err(Fault::TooMuch) } else { Ok(()) }
    }

    fn apply_to_type(
        &mut self,
        desk: &Desk<'_>,
        subtype: Option<&[u8]>,
        instruction: &Instruction<'a>,
    ) -> Result<(), Fault> {
        let (Instruction::Add(record) | Instruction::DeleteRecord(record)) = instruction else {
            // The set has instances of others.
            return Err(Fault::ForbiddenName);
        };
        let target = target_of(desk, record)?;
        let is_instance = matches!(place_of(&target)?, Place::Instance);
        if !is_instance || !is_of_type(&target, record.name, subtype.is_some()) {
            return Err(Fault::ForbiddenName);
        }
        let touched = self.touch(target)?;
        // The label stands in the message, which outlives what was made of it.
        let Some(subtype) = record.name.labels().next().filter(|_| subtype.is_some()) else { return Ok(()) };
        touched.subtypes.retain(|known| !known.eq_ignore_ascii_case(subtype));
        if let Instruction::Add(_) = instruction {
            touched.subtypes.push(subtype);
        }
        if touched.subtypes.len() > UPDATE_PARTS_MAX { Err(Fault::TooMuch) } else { Ok(()) }
    }

    /// What is known of an instance, to be changed.
    fn touch(&mut self, name: Name) -> Result<&mut Touched<'a>, Fault> {
        if let Some(known) = self.services.iter().position(|touched| touched.name == name) {
            return Ok(&mut self.services[known]);
        }
        if self.services.len() >= UPDATE_SERVICES_MAX {
            return Err(Fault::TooMuch);
        }
        let instances = self.held.map(|held| &*held.instances).unwrap_or_default();
        let offer =
            instances.iter().find(|instance| instance.name == name).and_then(|instance| instance.offer.as_ref());
        self.services.push(Touched {
            name,
            server: offer.map(|offer| [offer.priority, offer.weight, offer.port]),
            texts: offer.iter().flat_map(|offer| &offer.texts).map(|text| &**text).collect(),
            subtypes: offer.iter().flat_map(|offer| &offer.subtypes).map(|label| &**label).collect(),
            ttl_s: offer.map_or(u32::MAX, |offer| offer.ttl_s),
        });
        Ok(self.services.last_mut().expect("pushed above"))
    }

    fn into_wish(self, desk: &Desk<'_>, condition: Result<(), Fault>) -> Result<Wish<'a>, Fault> {
        let Image { name, held, key, addresses, aliases, services, ttl_s, is_deleted } = self;
        // SR38: without a key there is nobody to have signed.
        let key_rdata = key.ok_or(Fault::Signature)?;
        let key = Key::decode(key_rdata).map_err(|_| Fault::Signature)?;
        let ttl_s = ttl_s.or(held.map(|held| held.ttl_s)).unwrap_or(desk.config.ttl_s);
        let lease_s = if is_deleted { 0 } else { ttl_s.max(LEASE_MIN_S).min(desk.config.lease_max_s) };
        let key_lease_s = desk.config.key_lease_max_s;
        let services = services.into_iter().map(|touched| touched.into_description(ttl_s)).collect::<Result<_, _>>()?;
        let host = HostDescription { name, key, key_rdata, addresses, ttl_s };
        let lease = UpdateLease { lease_s, key_lease_s: Some(key_lease_s) };
        let update = ServiceUpdate { host, services, lease };
        Ok(Wish { update, aliases, granted: Granted { lease_s, key_lease_s }, condition })
    }
}

impl<'a> Touched<'a> {
    fn into_description(self, host_ttl_s: u32) -> Result<ServiceDescription<'a>, Fault> {
        let Touched { name, server, mut texts, subtypes, ttl_s } = self;
        if texts.is_empty() {
            texts.push(EMPTY_TEXT);
        } else if server.is_none() {
            return Err(Fault::ForbiddenName);
        }
        let ttl_s = if ttl_s == u32::MAX { host_ttl_s } else { ttl_s };
        let offer = server.map(|[priority, weight, port]| Offer { priority, weight, port, texts, subtypes, ttl_s });
        Ok(ServiceDescription { name, offer })
    }
}

/// Whether an instance is of the type, or of the type behind the subtype, that a PTR belongs to.
fn is_of_type(instance: &Name, owner: NameRef<'_>, is_subtype: bool) -> bool {
    let mut of_owner = owner.labels().skip(if is_subtype { 2 } else { 0 });
    instance.labels().skip(1).all(|label| of_owner.next().is_some_and(|other| other.eq_ignore_ascii_case(label)))
}

fn address_of(record: &Record<'_>) -> Result<IpAddr, Fault> {
    match (record.rtype, record.rdata) {
        (Rtype::A, &[a, b, c, d]) => Ok(IpAddr::from([a, b, c, d])),
        (Rtype::AAAA, rdata) => match <[u8; 16]>::try_from(rdata) {
            Ok(octets) => Ok(IpAddr::from(octets)),
            Err(_) => Err(Fault::Form(UpdateFault::Malformed.into())),
        },
        _ => Err(Fault::ForbiddenName),
    }
}

/// RFC 2136 §3.2: whether what an update needs is so. Names that are only kept count as in use.
fn check_prerequisites(desk: &Desk<'_>, update: &Update<'_>) -> Result<(), Fault> {
    let node = |name: NameRef<'_>| match desk.index.lookup(&Folded::new(name)) {
        Found::At(_, node) => Some(node),
        Found::Outside | Found::Nowhere(_) => None,
    };
    let set = |name: NameRef<'_>, rtype| node(name).and_then(|node| desk.index.set(node, rtype));
    let is_in_use = |name: NameRef<'_>| {
        let relative = relative_to_ours(desk, name);
        let is_held = relative.is_ok_and(|relative| desk.claims.holder(&labels(relative.labels())).is_some());
        is_held || node(name).is_some_and(|node| !desk.index.sets(node).is_empty())
    };
    let mut equal: Vec<Record<'_>> = Vec::new();
    for prerequisite in update.prerequisites() {
        let unmet = match prerequisite.map_err(|fault| Fault::Form(fault.into()))? {
            Prerequisite::NameInUse(name) => (!is_in_use(name)).then_some(Rcode::NXDOMAIN),
            Prerequisite::NameNotInUse(name) => is_in_use(name).then_some(Rcode::YXDOMAIN),
            Prerequisite::RrsetExists(name, rtype) => set(name, rtype).is_none().then_some(Rcode::NXRRSET),
            Prerequisite::RrsetAbsent(name, rtype) => set(name, rtype).is_some().then_some(Rcode::YXRRSET),
            Prerequisite::RrsetEquals(record) => {
                equal.push(record);
                (equal.len() > UPDATE_PARTS_MAX).then_some(Rcode::REFUSED)
            }
        };
        if let Some(rcode) = unmet {
            return Err(Fault::Unmet(rcode));
        }
    }
    for record in &equal {
        let same = equal.iter().filter(|other| other.name == record.name && other.rtype == record.rtype);
        let mut wanted: Vec<Vec<u8>> = same.map(|other| expanded(other)).collect();
        let held = set(record.name, record.rtype);
        let mut held: Vec<Vec<u8>> =
            held.into_iter().flat_map(|set| desk.index.data(set)).map(|datum| datum.rdata.to_vec()).collect();
        wanted.sort();
        held.sort();
        if wanted != held {
            return Err(Fault::Unmet(Rcode::NXRRSET));
        }
    }
    Ok(())
}

fn expanded(record: &Record<'_>) -> Vec<u8> {
    let mut rdata = Vec::new();
    // Data that is none of its type equals nothing.
    if record.expand_rdata(&mut rdata).is_err() {
        rdata.clear();
    }
    rdata
}

/// SR35: an update of the zone of an address may say what is so already, and delete what was; nothing comes of it.
pub(super) fn check_reverse(desk: &Desk<'_>, update: &Update<'_>) -> Result<(), Fault> {
    update.check().map_err(|fault| Fault::Form(fault.into()))?;
    for (count, instruction) in update.instructions().enumerate() {
        if count >= UPDATE_INSTRUCTIONS_MAX {
            return Err(Fault::TooMuch);
        }
        let Ok(Instruction::Add(record)) = instruction else { continue };
        let host = target_of(desk, &record)?;
        let endpoint_name = entry::endpoint_name(&host).ok_or(Fault::ForbiddenName)?;
        let view = desk.registry.by_name(entry::SECTOR, &endpoint_name).filter(|view| super::is_alive(view, desk.now));
        let services = view.and_then(|view| view.registrant.services.as_ref()).ok_or(Fault::ForbiddenName)?;
        let leads_to = |address: &IpAddr| Name::reverse(*address) == record.name;
        if record.rtype != Rtype::PTR || !services.addresses.iter().any(leads_to) {
            return Err(Fault::ForbiddenName);
        }
    }
    Ok(())
}
