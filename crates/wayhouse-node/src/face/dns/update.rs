//! Updates: hosts register themselves and their services (RFC 9665, RFC 9664).
//!
//! ```text
//! opcode UPDATE ─▶ our zone? ─▶ from where? ─▶ a registration in form? ─▶ whose names? ─▶ signed by that key? ─▶ registry
//!                  NOTAUTH      REFUSED        REFUSED, FORMERR           YXDOMAIN        REFUSED                 NOERROR
//! ```
//!
//! A registration becomes one entry of the registry, all of it or nothing: `merge` says what stays of what the host had
//! registered before, `entry` what of it the Resource Directory shows. What is shown in the zones follows from the entry as
//! it does for all others (`naming`). Names are those of claims: first come, first served, for as long as the key lease runs.
//!
//! # Deviations and choices
//! - SR13: the answer to an update that is signed twice, which is one that was repeated on its way, is that of the first
//!   one, as long as what it did still stands.
//! - Checks of signatures are rationed. Beyond, a datagram is not answered, for its sender repeats it; on a connection the
//!   answer is SERVFAIL.
//! - A signature without times is taken, from devices without a clock. It could be repeated by others later on; whoever
//!   minds has devices with clocks. Which signatures were seen is forgotten with a restart.
//! - SR21: addresses that mean nothing to others (unspecified, multicast, link-local, loopback unless it comes from there)
//!   are left out.
//! - An instance that a host with the same key had registered moves to the host of the later update.
//! - While a host is away, the names of its instances stay reserved for as long as its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use wayhouse_proto::crypto::fingerprint;
use wayhouse_proto::dns::sig0::{Settings, Sig0Fault, Verified, Verifier};
use wayhouse_proto::dns::srp::{ServiceUpdate, SrpFault};
use wayhouse_proto::dns::update::Update;
use wayhouse_proto::io::Wakeup;
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::limits::SERVICE_RECORDS_BOUND;
use wayhouse_registry::{Credentials, EntryId, Lease, Refusal, Registered, Registrant, Registry, ServiceHost, View};
use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::{OPT_OCTETS, option};
use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Message, MessageWriter, Name, NameRef, Opcode, OptRcode, Rcode, UpdateLease,
};

use super::authority::{Way, padding};
use super::index::Index;
use super::naming::{Claims, Holder, labels};
use crate::config::{self, LEASE_MIN_S, UpdateDialect};
use crate::limits::EXPIRIES_PER_CALL;

mod entry;
mod merge;
mod plain;

/// What deciding takes.
pub(super) struct Desk<'d> {
    pub(super) now: Instant,
    /// Who sent the update.
    pub(super) from: SocketAddr,
    /// Which text it may follow, where it arrived.
    pub(super) dialect: UpdateDialect,
    pub(super) config: &'d config::Dns,
    pub(super) registry: &'d mut Registry,
    pub(super) claims: &'d Claims,
    pub(super) index: &'d Index,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The answer.
    pub(super) rcode: Rcode,
    /// What was granted, in the form it was asked in (SR16).
    pub(super) lease: Option<UpdateLease>,
    /// The change that must be on disk before the answer leaves; 0 for none.
    pub(super) durable_after: u64,
}

impl Outcome {
    fn of(rcode: Rcode) -> Outcome {
        Outcome { rcode, lease: None, durable_after: 0 }
    }
}

/// What this server grants, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) lease_s: u32,
    pub(super) key_lease_s: u32,
}

impl Granted {
    /// SR16: within our bounds; a lease of zero stays one, and so does a key lease of zero behind it (SR18).
    fn of(asked: UpdateLease, config: &config::Dns) -> Granted {
        let lease_s = match asked.lease_s {
            0 => 0,
            wish => wish.max(LEASE_MIN_S).min(config.lease_max_s),
        };
        // In the short form one number is told, and holds for both.
        let key_lease_s = asked.key_lease_s.map_or(lease_s, |wish| wish.min(config.key_lease_max_s).max(lease_s));
        Granted { lease_s, key_lease_s }
    }
    /// In the form of the question: the short one tells one number, which then holds for the key as well.
    fn answer(self, asked: UpdateLease) -> UpdateLease {
        UpdateLease { lease_s: self.lease_s, key_lease_s: asked.key_lease_s.map(|_| self.key_lease_s) }
    }
}

/// What an update wants, whatever text it follows.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) update: ServiceUpdate<'a>,
    /// Further names of the host that it adds.
    pub(super) aliases: Vec<Name>,
    pub(super) granted: Granted,
    /// Whether its prerequisites hold.
    pub(super) condition: Result<(), Fault>,
}

/// Who registers hosts.
#[derive(Debug)]
pub(super) struct Registrar {
    /// Made with the first update.
    verifier: Option<Verifier>,
    rng: Rng,
    /// A moment, and the seconds since 1970 then.
    wall: Option<(Instant, u64)>,
    /// When something of an entry ends before the entry does.
    turns: BTreeSet<(Instant, EntryId)>,
    turn_of: HashMap<EntryId, Instant, KeyedState>,
}

impl Registrar {
    pub(super) fn new(rng: &mut Rng) -> Registrar {
        Registrar {
            verifier: None,
            rng: Rng::new(rng.next_u64()),
            wall: None,
            turns: BTreeSet::new(),
            turn_of: HashMap::with_hasher(KeyedState::new(rng)),
        }
    }
    /// Learns the time of day: seconds since 1970 at a moment.
    pub(super) fn set_wall_clock(&mut self, now: Instant, wall_s: u64) {
        self.wall = Some((now, wall_s));
    }

    /// Decides about a message with the opcode of updates; `None` when it is not to be answered.
    pub(super) fn decide(&mut self, desk: &mut Desk<'_>, message: &Message<'_>, is_datagram: bool) -> Option<Outcome> {
        match self.try_decide(desk, message) {
            Ok(outcome) => Some(outcome),
            Err(Fault::OverQuota) if is_datagram => None,
            Err(fault) => Some(Outcome::of(fault.rcode())),
        }
    }

    fn try_decide(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> Result<Outcome, Fault> {
        if !desk.config.takes_updates() {
            return Err(Fault::NotOffered);
        }
        let update = Update::of(*message).map_err(|fault| Fault::Form(fault.into()))?;
        // SR12: what is no registration may be one of another text, where the configuration says so.
        let is_plain_taken = desk.dialect == UpdateDialect::StatefulDnssd;
        let is_forward = is_registration_zone(desk.config, update.zone());
        if update.class() != Class::IN || !(is_forward || is_plain_taken && desk.index.is_apex(update.zone())) {
            return Err(Fault::OtherZone);
        }
        // SR21
        if !desk.config.update_sources.iter().any(|network| network.contains(desk.from.ip())) {
            return Err(Fault::Stranger);
        }
        match ServiceUpdate::read(&update) {
            Ok(read) if is_forward => {
                let granted = Granted::of(read.lease, desk.config);
                let lease = Some(granted.answer(read.lease));
                let wish = Wish { update: read, aliases: Vec::new(), granted, condition: Ok(()) };
                Ok(Outcome { lease, ..self.carry_out(desk, message, &wish)? })
            }
            Err(SrpFault::Update(fault)) => Err(Fault::Form(fault.into())),
            Err(fault) if !is_plain_taken => Err(Fault::Form(fault)),
            _ if is_forward => {
                let held = plain::held(desk, &update)?;
                let wish = plain::read(desk, &update, held.as_deref())?;
                self.carry_out(desk, message, &wish)
            }
            // What addresses lead back to follows from what hosts register.
            _ => plain::check_reverse(desk, &update).map(|()| Outcome::of(Rcode::NOERROR)),
        }
    }

    /// Does what an update says, if it is signed by whose names it is about.
    fn carry_out(&mut self, desk: &mut Desk<'_>, message: &Message<'_>, wish: &Wish<'_>) -> Result<Outcome, Fault> {
        let host = &wish.update.host;
        let endpoint_name = entry::endpoint_name(&host.name).ok_or(Fault::ForbiddenName)?;
        let owner = owner_of(&host.key);
        // SR13: first whose names they are, then whether it is they.
        check_names(desk, wish, &endpoint_name, &owner)?;
        let wall_s = self.wall_s(desk.now).ok_or(Fault::NoClock)?;
        let new_verifier = || Verifier::new(desk.now, Settings::default(), &mut self.rng);
        let verifier = self.verifier.get_or_insert_with(new_verifier);
        let verified = verifier.verify(desk.now, wall_s, desk.from.ip().to_canonical(), message, &host.key)?;
        let durable_after = match verified {
            // What was not done is not remembered: its repetition may be, once there is room.
            Verified::First => register(desk, wish, &endpoint_name, owner).inspect_err(|_| verifier.forget_last())?,
            Verified::Repeated => standing(desk, wish, &endpoint_name)?,
        };
        Ok(Outcome { rcode: Rcode::NOERROR, lease: None, durable_after })
    }

    fn wall_s(&self, now: Instant) -> Option<u64> {
        let (at, wall_s) = self.wall?;
        Some(wall_s + now.saturating_duration_since(at).as_secs())
    }

    /// Plans when to look at an entry because something of it ends before it does (SR17).
    pub(super) fn plan(&mut self, registrant: &Registrant, lease: Lease) {
        let ends_ms = registrant.services.iter().flat_map(|services| &services.instances).map(|instance| {
            // With its offer over, an instance is kept for its name.
            instance.offer_ends_ms().unwrap_or_else(|| instance.reservation_ends_ms())
        });
        let first = ends_ms.min().map(|end_ms| lease.renewed + Duration::from_millis(end_ms));
        self.forget(registrant.id);
        if let Some(turn) = first.filter(|&turn| turn < lease.expires()) {
            self.turns.insert((turn, registrant.id));
            self.turn_of.insert(registrant.id, turn);
        }
    }
    /// Looks at an entry no more.
    pub(super) fn forget(&mut self, id: EntryId) {
        if let Some(turn) = self.turn_of.remove(&id) {
            self.turns.remove(&(turn, id));
        }
    }
    /// Ends what has ended of entries that live on, so many per call that nobody waits long.
    pub(super) fn handle_timeout(&mut self, now: Instant, config: &config::Dns, registry: &mut Registry) {
        for _ in 0..EXPIRIES_PER_CALL {
            let Some(&(turn, id)) = self.turns.first() else { return };
            if turn > now {
                return;
            }
            self.forget(id);
            let Some(view) = registry.get(id).filter(|view| is_alive(view, now)) else { continue };
            let Some(services) = &view.registrant.services else { continue };
            let remaining = merge::without_ended(services, view.lease.age(now).as_millis() as u64);
            // Without its last CoAP service an entry has another base, which may be longer: in a registry that is full to the
            // last octet what has ended then stays until the host does.
            let _ = entry::amend(registry, now, config, id, remaining);
        }
    }
    /// When `handle_timeout` is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Wakeup> {
        self.turns.first().map(|(at, _)| Wakeup { at: *at, why: "the lease of a service ends" })
    }
}

/// Why an update is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotOffered,
    OtherZone,
    Stranger,
    Form(SrpFault),
    ForbiddenName,
    Taken,
    /// A prerequisite does not hold; what RFC 2136 §3.2 answers.
    Unmet(Rcode),
    NoClock,
    OverQuota,
    Signature,
    /// More instances than a host may have, or more subtypes and texts.
    TooMuch,
    /// The registry has no room, or what was repeated was never done.
    NotDone,
}

impl Fault {
    /// The one place where reasons become response codes.
    fn rcode(self) -> Rcode {
        match self {
            Fault::NotOffered => Rcode::NOTIMP,
            Fault::OtherZone => Rcode::NOTAUTH,
            Fault::Form(SrpFault::Update(fault)) => fault.rcode(),
            // SR13: have the host choose another name.
            Fault::Taken => Rcode::YXDOMAIN,
            Fault::Unmet(rcode) => rcode,
            Fault::Stranger | Fault::Form(_) | Fault::ForbiddenName | Fault::Signature | Fault::TooMuch => {
                Rcode::REFUSED
            }
            Fault::NoClock | Fault::OverQuota | Fault::NotDone => Rcode::SERVFAIL,
        }
    }
}

impl From<Sig0Fault> for Fault {
    fn from(fault: Sig0Fault) -> Fault {
        match fault {
            Sig0Fault::OverQuota => Fault::OverQuota,
            Sig0Fault::Unsigned
            | Sig0Fault::UnknownAlgorithm(_)
            | Sig0Fault::OtherKey
            | Sig0Fault::OutOfTime
            | Sig0Fault::Wrong => Fault::Signature,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        match refusal {
            Refusal::NotOwner | Refusal::Configured => Fault::Taken,
            Refusal::Invalid { .. } => Fault::ForbiddenName,
            Refusal::Full { bound: SERVICE_RECORDS_BOUND } => Fault::TooMuch,
            Refusal::Full { .. } | Refusal::Unknown => Fault::NotDone,
        }
    }
}

/// Whether updates of a zone are taken: SR2, one and the same registration is seen below each.
fn is_registration_zone(config: &config::Dns, zone: NameRef<'_>) -> bool {
    config.zones.iter().chain(&config.registration_zone()).any(|own| own.as_ref() == zone)
}

/// What a key is remembered by. Its flags do not count: they say nothing about whose it is.
fn owner_of(key: &Key<'_>) -> [u8; 32] {
    let mut octets = vec![key.algorithm];
    octets.extend_from_slice(key.public_key);
    fingerprint(&octets)
}

/// Whether the lease of an entry runs, also where what has ended was not looked at yet.
fn is_alive(view: &View<'_>, now: Instant) -> bool {
    view.is_active && view.lease.expires() > now
}

/// Whether an entry is held by a key, or no more by anybody.
fn is_open_to(desk: &Desk<'_>, id: EntryId, owner: &[u8; 32]) -> bool {
    desk.registry.get(id).is_none_or(|view| {
        let is_theirs = view.registrant.services.is_some() && view.registrant.owner.public_key == Some(*owner);
        is_theirs || !view.is_active && !view.is_reserved(desk.now)
    })
}

/// SR13, SR26: all names must be free, or the key's already.
fn check_names(desk: &Desk<'_>, wish: &Wish<'_>, endpoint_name: &str, owner: &[u8; 32]) -> Result<(), Fault> {
    let is_open = |name: &Name| match desk.claims.holder(&labels(name.labels())) {
        None => true,
        Some(Holder::Entry(id)) => is_open_to(desk, id, owner),
        Some(Holder::Server | Holder::Groups(_)) => false,
    };
    let held = desk.registry.by_name(entry::SECTOR, endpoint_name);
    let is_host_open = held.is_none_or(|view| is_open_to(desk, view.registrant.id, owner));
    let services = wish.update.services.iter().map(|service| &service.name);
    let mut names = services.chain(&wish.aliases).chain([&wish.update.host.name]);
    if is_host_open && names.all(is_open) { Ok(()) } else { Err(Fault::Taken) }
}

/// What a host has that an update is about, as far as its key holds it.
fn had_by(desk: &Desk<'_>, endpoint_name: &str, owner: &[u8; 32]) -> Option<(EntryId, merge::Had)> {
    let view = desk.registry.by_name(entry::SECTOR, endpoint_name)?;
    let services = view.registrant.services.clone()?;
    let age = view.lease.age(desk.now);
    let is_owner = view.registrant.owner.public_key == Some(*owner);
    is_owner.then(|| (view.registrant.id, merge::Had { services, age, is_active: is_alive(&view, desk.now) }))
}

/// Does what an update says; the number of the change.
fn register(desk: &mut Desk<'_>, wish: &Wish<'_>, endpoint_name: &str, owner: [u8; 32]) -> Result<u64, Fault> {
    wish.condition?;
    let Wish { update, granted, .. } = wish;
    let had = had_by(desk, endpoint_name, &owner);
    let held_id = had.as_ref().map(|(id, _)| *id);
    // SR18
    if granted.lease_s == 0 && (held_id.is_none() || granted.key_lease_s == 0) {
        return match held_id {
            None => Ok(0),
            Some(id) => Ok(desk.registry.evict(desk.now, id)?.0),
        };
    }
    let from = desk.from.ip().to_canonical();
    let services = merge::merge(had.as_ref().map(|(_, had)| had), wish, from).ok_or(Fault::TooMuch)?;
    let moved: BTreeSet<EntryId> = update
        .services
        .iter()
        .filter_map(|service| match desk.claims.holder(&labels(service.name.labels())) {
            Some(Holder::Entry(id)) if Some(id) != held_id => Some(id),
            _ => None,
        })
        .collect();
    // First they lose the names, or the host would find them held.
    let mut took = Vec::new();
    let outcome = take_and_register(desk, wish, endpoint_name, owner, moved, services, &mut took);
    if outcome.is_err() {
        // All or nothing: what fitted a moment ago fits again.
        for (id, services) in took {
            let given_back = entry::amend(desk.registry, desk.now, desk.config, id, (*services).clone());
            debug_assert!(given_back.is_ok(), "there was room for it a moment ago: {given_back:?}");
        }
    }
    Ok(outcome?.change.0)
}

/// Takes the instances that an update names from the hosts that have them, and enters its own host. From whom something was
/// taken is noted in `took` together with what they had, also when it ends with an error.
fn take_and_register(
    desk: &mut Desk<'_>,
    wish: &Wish<'_>,
    endpoint_name: &str,
    owner: [u8; 32],
    moved: BTreeSet<EntryId>,
    services: ServiceHost,
    took: &mut Vec<(EntryId, Arc<ServiceHost>)>,
) -> Result<Registered, Refusal> {
    for id in moved {
        let Some(other) = desk.registry.get(id).filter(|view| is_alive(view, desk.now)) else { continue };
        let Some(services) = other.registrant.services.clone() else { continue };
        let left = merge::without_named(&services, &wish.update);
        entry::amend(desk.registry, desk.now, desk.config, id, left)?;
        took.push((id, services));
    }
    let credentials = Credentials { public_key: Some(owner), ..Credentials::default() };
    let asked = entry::Asked { endpoint_name, credentials: &credentials, source: Some(desk.from), services };
    entry::register(desk.registry, desk.now, desk.config, wish.granted.lease_s, asked)
}

/// Whether what a repeated update did still stands: then the number of the change that its answer waits for.
fn standing(desk: &Desk<'_>, wish: &Wish<'_>, endpoint_name: &str) -> Result<u64, Fault> {
    let held = desk.registry.by_name(entry::SECTOR, endpoint_name);
    if let Err(fault) = wish.condition {
        // The first one may have made the condition untrue by being done, or was not done because it was untrue.
        let services = held.filter(|view| is_alive(view, desk.now)).and_then(|view| view.registrant.services.as_ref());
        if !services.is_some_and(|services| merge::says(services, wish)) {
            return Err(fault);
        }
    }
    let is_active = held.is_some_and(|view| is_alive(&view, desk.now));
    if is_active != (wish.granted.lease_s > 0) {
        return Err(Fault::NotDone);
    }
    let change = held.and_then(|view| desk.registry.last_change_of(view.registrant.id));
    Ok(change.unwrap_or(desk.registry.last_change()).0)
}

/// Appends the answer to an update.
pub(super) fn answer(
    compressor: &mut Compressor,
    message: &Message<'_>,
    outcome: Outcome,
    way: Way,
    out: &mut Vec<u8>,
) {
    let flags = Flags::new(Opcode::UPDATE, outcome.rcode).with(Flags::QR);
    let octets_max = if way.is_datagram { super::authority::UDP_OCTETS_DEFAULT } else { usize::from(u16::MAX) };
    let mut writer = MessageWriter::new(out, compressor, message.header.id, flags, octets_max);
    // RFC 2136 §3.8 leaves open whether the zone comes back. Apple's client finds its lease only where it does not.
    if let Some(edns) = message.edns() {
        let rcode = OptRcode::from_parts(outcome.rcode, 0);
        let opt = Opt { udp_octets_max: way.octets_max, rcode, is_dnssec_ok: edns.is_dnssec_ok };
        let mut buffer = [0; 8];
        let mut options: Vec<(u16, &[u8])> = Vec::new();
        options.extend(outcome.lease.map(|lease| (option::UPDATE_LEASE, lease.octets(&mut buffer))));
        options.extend(way.cookie.as_ref().map(|cookie| (option::COOKIE, &cookie[..])));
        // RFC 7830 §4: whoever pads is padded to.
        if way.pads && edns.option(option::PADDING).is_some() {
            let others: usize = options.iter().map(|(_, octets)| 4 + octets.len()).sum();
            options.push((option::PADDING, padding(writer.octets() + OPT_OCTETS + others + 4)));
        }
        let written = writer.opt(opt, &options);
        debug_assert!(written.is_ok(), "at most {OPT_OCTETS} and some forty octets more");
    }
    writer.finish();
}
