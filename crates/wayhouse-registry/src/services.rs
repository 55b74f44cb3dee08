//! Services that a host registered by signed update: what an entry keeps beside its links (RFC 9665, RFC 9664).
//!
//! Names are relative to whatever zone shows them. Times count from the entry's last renewal, so that a value stays what it
//! is while time passes, and a store needs no clock to keep it.

use std::net::IpAddr;

use wayhouse_wire::dns::Name;

use crate::limits::SERVICE_PART_OCTETS;

#[cfg(test)]
mod tests;

/// The sector of all entries that registered by update: the zone that hosts without a domain of their own say (RFC 9665
/// §3.1.2). It keeps them apart from those that registered at the directory under the same name.
pub const SECTOR: &str = "default.service.arpa";

/// A host and its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceHost {
    /// The host's name.
    pub name: Name,
    /// The data of its KEY record, as it came: whose the names are.
    pub key: Box<[u8]>,
    /// Seconds from the renewal for which the host's name stays reserved to that key.
    pub key_lease_s: u32,
    /// Its addresses, none twice.
    pub addresses: Box<[IpAddr]>,
    /// Time to live of its address records, seconds.
    pub ttl_s: u32,
    /// Other names that lead to it, such as those for people (draft-lemon-stateful-dnssd-00 §4.2).
    pub aliases: Box<[Name]>,
    /// Its service instances, and names of some that it had.
    pub instances: Box<[ServiceInstance]>,
}

/// A name for a service of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInstance {
    /// The instance's label before the two labels of its service type.
    pub name: Name,
    /// Seconds from its own renewal for which the name stays reserved to the host's key.
    pub key_lease_s: u32,
    /// How long before the entry's renewal it was renewed itself, milliseconds.
    pub renewed_before_ms: u64,
    /// What is offered there; `None` when nothing is any more and the name is only reserved.
    pub offer: Option<ServiceOffer>,
}

/// What is offered under the name of a service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOffer {
    /// Seconds from the instance's renewal for which it lasts.
    pub lease_s: u32,
    /// Subtypes, one label each.
    pub subtypes: Box<[Box<[u8]>]>,
    /// Priority, weight and port of its SRV record.
    pub priority: u16,
    /// See above.
    pub weight: u16,
    /// See above.
    pub port: u16,
    /// The data of its TXT records, one or more.
    pub texts: Box<[Box<[u8]>]>,
    /// Time to live of its records, seconds.
    pub ttl_s: u32,
}

impl ServiceHost {
    /// Octets held, which count as text of the entry, and what its parts are in the zones.
    pub fn octets(&self) -> usize {
        let texts_octets = |offer: &ServiceOffer| {
            let parts = offer.subtypes.iter().chain(&offer.texts);
            parts.map(|part| size_of::<Box<[u8]>>() + part.len()).sum::<usize>()
        };
        let instance = |instance: &ServiceInstance| {
            size_of::<ServiceInstance>() + instance.name.wire().len() + instance.offer.as_ref().map_or(0, texts_octets)
        };
        let own = size_of::<ServiceHost>() + self.name.wire().len() + self.key.len();
        let aliases: usize = self.aliases.iter().map(|name| size_of::<Name>() + name.wire().len()).sum();
        let parts = self.addresses.len() + self.aliases.len() + self.instances.len() + self.record_parts();
        own + aliases
            + size_of_val(&*self.addresses)
            + self.instances.iter().map(instance).sum::<usize>()
            + parts * SERVICE_PART_OCTETS
    }

    /// Subtypes and texts of all its services.
    pub fn record_parts(&self) -> usize {
        let offers = self.instances.iter().filter_map(|instance| instance.offer.as_ref());
        offers.map(|offer| offer.subtypes.len() + offer.texts.len()).sum()
    }

    /// Seconds from the entry's renewal for which any of its names stays reserved (SR26). What the host is reserved for may
    /// outlast the instances, and the other way round; as long as one lasts, the entry is remembered with all of them.
    pub fn reserved_s(&self) -> u32 {
        let of_instances = self.instances.iter().map(|instance| instance.left_s(instance.key_lease_s));
        of_instances.max().unwrap_or(0).max(self.key_lease_s)
    }
}

impl ServiceInstance {
    /// What is left of so many seconds at the entry's renewal, rounded down.
    fn left_s(&self, seconds: u32) -> u32 {
        let left_ms = (u64::from(seconds) * 1_000).saturating_sub(self.renewed_before_ms);
        (left_ms / 1_000) as u32
    }
    /// Milliseconds from the entry's renewal until its offer ends, 0 when it has; `None` without an offer.
    pub fn offer_ends_ms(&self) -> Option<u64> {
        let offer = self.offer.as_ref()?;
        Some((u64::from(offer.lease_s) * 1_000).saturating_sub(self.renewed_before_ms))
    }
    /// Milliseconds from the entry's renewal until its name is free, 0 when it is.
    pub fn reservation_ends_ms(&self) -> u64 {
        (u64::from(self.key_lease_s) * 1_000).saturating_sub(self.renewed_before_ms)
    }
}
