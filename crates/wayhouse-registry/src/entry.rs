//! Entries: what the registry keeps about one registrant.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Credentials, Lease, Origin, ServiceHost};

#[cfg(test)]
mod tests;

/// The stable identity of an entry: random, never reused while remembered, the last segment of its location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// Base32 without look-alikes: digits and lower-case letters less `i l o u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl EntryId {
    /// Characters of an id as text: 64 bits, five to a character.
    pub const CHARACTERS: usize = 13;

    /// Reads the 13 characters that `Display` writes. There is one way to write an id, as a location must be (RD12).
    pub fn parse(text: &str) -> Option<EntryId> {
        if text.len() != EntryId::CHARACTERS {
            return None;
        }
        let mut value = 0_u64;
        for (index, octet) in text.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|&symbol| symbol == octet)? as u64;
            // Thirteen characters hold 65 bits: the first has only four to give.
            if index == 0 && digit > 15 {
                return None;
            }
            value = value << 5 | digit;
        }
        Some(EntryId(value))
    }

    /// The characters that `Display` writes.
    pub(crate) fn characters(self) -> [u8; EntryId::CHARACTERS] {
        std::array::from_fn(|index| {
            let shift = 5 * (EntryId::CHARACTERS - 1 - index);
            ALPHABET[(self.0 >> shift & 31) as usize]
        })
    }
}

impl std::fmt::Display for EntryId {
    /// 13 characters of lower-case base32 without look-alikes (`0-9a-z` less `i l o u`).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let characters = self.characters();
        f.write_str(std::str::from_utf8(&characters).expect("the alphabet is ASCII"))
    }
}

/// A registrant (RFC 9176 "endpoint"): immutable once published; a change makes a new value under the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrant {
    /// Identity.
    pub id: EntryId,
    /// Endpoint name `ep`: at most 63 octets, unique in its sector.
    pub endpoint_name: Box<str>,
    /// Sector `d`; empty when none.
    pub sector: Box<str>,
    /// Base URI, explicit or derived from the source address.
    pub base: Box<str>,
    /// Whether the registrant gave `base` itself.
    pub is_base_explicit: bool,
    /// Further endpoint attributes in the order given (`et`, …); a name may repeat.
    pub attributes: Box<[(Box<str>, Box<str>)]>,
    /// The links: a checked link-format document.
    pub links: Box<str>,
    /// How it got here.
    pub origin: Origin,
    /// Who may change it.
    pub owner: Credentials,
    /// The source address of the last registration or update (for simple registration's re-fetch, for operators).
    pub source: Option<SocketAddr>,
    /// For a link-local base: the interface it was heard on; lookups from other links do not see it (RD5).
    pub link_scope: Option<u32>,
    /// Of a host that registered by signed update: what names mean it, and its services.
    pub services: Option<Arc<ServiceHost>>,
}

impl Registrant {
    /// Octets of text held: name, sector, base, attributes, links and services. What
    /// [`crate::Limits::octets_max`] counts.
    pub fn octets(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        let services = self.services.as_ref().map_or(0, |services| services.octets());
        self.endpoint_name.len() + self.sector.len() + self.base.len() + attributes + self.links.len() + services
    }
}

/// One entry as readers see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The registrant.
    pub registrant: &'a Arc<Registrant>,
    /// Its lease.
    pub lease: Lease,
    /// Whether the lease runs: an expired entry stays reachable for revival, but no lookup shows it (RD25).
    pub is_active: bool,
}

impl View<'_> {
    /// Whether the entry's names are reserved to its key though its lease has ended (SR26).
    pub fn is_reserved(&self, now: Instant) -> bool {
        let reserved = |services: &Arc<ServiceHost>| {
            let seconds = Duration::from_secs(u64::from(services.reserved_s()));
            self.lease.renewed + seconds > now
        };
        !self.is_active && self.registrant.services.as_ref().is_some_and(reserved)
    }
}
