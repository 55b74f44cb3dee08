//! What a host has after an update: what the update says, and what it had and still has (SR17–SR20).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use wayhouse_proto::dns::srp::{Offer, ServiceDescription, ServiceUpdate};
use wayhouse_registry::limits::SERVICE_INSTANCES_MAX;
use wayhouse_registry::{ServiceHost, ServiceInstance, ServiceOffer};
use wayhouse_wire::dns::Name;

use super::{Granted, Wish};
use crate::rules::is_link_local;

/// What a host had.
pub(super) struct Had {
    pub(super) services: Arc<ServiceHost>,
    /// How long ago it was renewed.
    pub(super) age: Duration,
    /// Whether its lease runs.
    pub(super) is_active: bool,
}

/// What a host has behind an update from an address; `None` when that is too much.
pub(super) fn merge(had: Option<&Had>, wish: &Wish<'_>, from: IpAddr) -> Option<ServiceHost> {
    let Wish { update, granted, .. } = wish;
    let granted = *granted;
    let is_removal = granted.lease_s == 0;
    let mut instances = Vec::new();
    for held in had.iter().flat_map(|had| &had.services.instances) {
        match update.services.iter().find(|service| service.name == held.name) {
            Some(service) => instances.push(renewed(service, granted)),
            None => instances.extend(had.and_then(|had| unmentioned(had, held, is_removal))),
        }
    }
    for service in &update.services {
        if !instances.iter().any(|known: &ServiceInstance| known.name == service.name) {
            instances.push(renewed(service, granted));
        }
    }
    while instances.len() > SERVICE_INSTANCES_MAX {
        // A name that is only kept goes before a service does, the one that ends first before the others.
        let kept = instances.iter().enumerate().filter(|(_, instance)| instance.offer.is_none());
        let (first, _) = kept.min_by_key(|(_, instance)| instance.reservation_ends_ms())?;
        instances.remove(first);
    }
    let addresses = update.host.addresses.iter().map(IpAddr::to_canonical).filter(|&address| is_usable(address, from));
    let mut aliases: Vec<Name> = if is_removal { Vec::new() } else { wish.aliases.clone() };
    aliases.dedup();
    Some(ServiceHost {
        name: update.host.name.clone(),
        key: update.host.key_rdata.into(),
        key_lease_s: granted.key_lease_s,
        addresses: if is_removal { Box::new([]) } else { addresses.collect() },
        // SR15: not longer than the lease.
        ttl_s: update.host.ttl_s.min(granted.lease_s),
        aliases: aliases.into(),
        instances: instances.into(),
    })
}

/// A service as the update has it: subtypes that it does not name are gone (SR20).
fn renewed(service: &ServiceDescription<'_>, granted: Granted) -> ServiceInstance {
    // SR18: a host that goes takes all of its services along, whatever is said about them.
    let offer = service.offer.as_ref().filter(|_| granted.lease_s > 0);
    let stored = |offer: &Offer<'_>| ServiceOffer {
        lease_s: granted.lease_s,
        subtypes: offer.subtypes.iter().map(|&label| label.into()).collect(),
        priority: offer.priority,
        weight: offer.weight,
        port: offer.port,
        texts: offer.texts.iter().map(|&text| text.into()).collect(),
        ttl_s: offer.ttl_s.min(granted.lease_s),
    };
    ServiceInstance {
        name: service.name.clone(),
        key_lease_s: granted.key_lease_s,
        renewed_before_ms: 0,
        offer: offer.map(stored),
    }
}

/// SR17: what an update does not name keeps its own lease; nothing of it is left when that is over.
fn unmentioned(had: &Had, held: &ServiceInstance, is_removal: bool) -> Option<ServiceInstance> {
    // Rounded up, or the lease of a service would grow with every update that does not name it.
    let age_ms = had.age.as_nanos().div_ceil(1_000_000) as u64;
    let mut instance = held.clone();
    instance.renewed_before_ms = instance.renewed_before_ms.saturating_add(age_ms);
    if is_removal || !had.is_active || instance.offer_ends_ms() == Some(0) {
        instance.offer = None;
    }
    let is_over = instance.offer.is_none() && instance.reservation_ends_ms() == 0;
    (!is_over).then_some(instance)
}

/// Whether what an update wants is so.
pub(super) fn says(services: &ServiceHost, wish: &Wish<'_>) -> bool {
    let is_offered = |service: &ServiceDescription<'_>| {
        let wanted = renewed(service, wish.granted).offer;
        let held = services.instances.iter().find(|instance| instance.name == service.name);
        held.and_then(|instance| instance.offer.clone()) == wanted
    };
    let mut addresses = wish.update.host.addresses.iter().map(IpAddr::to_canonical);
    addresses.all(|address| services.addresses.contains(&address))
        && wish.aliases.iter().all(|alias| services.aliases.contains(alias))
        && wish.update.services.iter().all(is_offered)
}

/// What is left of a host's services so long after its renewal.
pub(super) fn without_ended(services: &ServiceHost, age_ms: u64) -> ServiceHost {
    let mut left = services.clone();
    let mut instances = left.instances.into_vec();
    for instance in &mut instances {
        if instance.offer_ends_ms().is_some_and(|end_ms| end_ms <= age_ms) {
            instance.offer = None;
        }
    }
    instances.retain(|instance| instance.offer.is_some() || instance.reservation_ends_ms() > age_ms);
    left.instances = instances.into();
    left
}

/// What is left of a host's services when an update of another host takes some.
pub(super) fn without_named(services: &ServiceHost, update: &ServiceUpdate<'_>) -> ServiceHost {
    let is_named = |instance: &ServiceInstance| update.services.iter().any(|service| service.name == instance.name);
    let instances = services.instances.iter().filter(|instance| !is_named(instance)).cloned().collect();
    ServiceHost { instances, ..services.clone() }
}

/// SR21: whether an address means something to others.
fn is_usable(address: IpAddr, from: IpAddr) -> bool {
    let is_own_loopback = !address.is_loopback() || from.is_loopback();
    !address.is_unspecified() && !address.is_multicast() && !is_link_local(address) && is_own_loopback
}
