//! Which entries a person would call one device: those at the same address, and those of the same key.
//!
//! A lamp that registers at the directory and by update is two entries with two owners. They stay two; this only tells that
//! they belong together. Nothing is kept for it: bases are found by the index, and of the entries that registered by update
//! so many are looked at as [`SIGNED_ENTRIES_READ_MAX`] says. An address that a base writes in another way than usual is
//! not found.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use wayhouse_wire::coap::uri::{CoapUri, Host, origin};

use crate::limits::{DEVICE_ENTRIES_MAX, SIGNED_ENTRIES_READ_MAX};
use crate::services::SECTOR;
use crate::{Criterion, EntryId, Filter, Page, Pattern, Registrant, Registry};

#[cfg(test)]
mod tests;

/// Schemes that a base may have.
const SCHEMES: [&str; 4] = ["coap", "coaps", "coap+tcp", "coaps+tcp"];

/// The addresses of an entry.
fn addresses_of(registrant: &Registrant) -> BTreeSet<IpAddr> {
    let of_base = CoapUri::parse(origin(&registrant.base)).ok().and_then(|base| match base.host {
        Host::Address(address) => Some(address.to_canonical()),
        Host::Name(_) => None,
    });
    let of_services = registrant.services.iter().flat_map(|services| &services.addresses).map(IpAddr::to_canonical);
    of_services.chain(of_base).collect()
}

/// Whether two entries are of one device: one link, and an address or the key in common.
fn is_one_device(one: &Registrant, other: &Registrant) -> bool {
    let is_one_key = one.owner.public_key.is_some() && one.owner.public_key == other.owner.public_key;
    let is_one_place = || one.link_scope == other.link_scope && !addresses_of(one).is_disjoint(&addresses_of(other));
    is_one_key || is_one_place()
}

impl Registry {
    /// The other active entries of the device that an entry is of, in the order of their ids; at most
    /// [`DEVICE_ENTRIES_MAX`].
    pub fn device_of(&mut self, id: EntryId) -> Vec<EntryId> {
        let Some(view) = self.get(id) else { return Vec::new() };
        let registrant = Arc::clone(view.registrant);
        let mut found = BTreeSet::new();
        let mut look = |criterion: Criterion, most: usize| {
            let filter = Filter {
                criteria: vec![criterion],
                link_scope: registrant.link_scope,
                sees_every_link: registrant.link_scope.is_none(),
            };
            let page = Page { first: 0, count: most as u64 };
            self.find_registrants(&filter, page, &mut |other| {
                if other.registrant.id != id && is_one_device(&registrant, other.registrant) {
                    found.insert(other.registrant.id);
                }
                if found.len() < DEVICE_ENTRIES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        };
        for address in addresses_of(&registrant) {
            let host = match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            };
            for scheme in SCHEMES {
                // What begins so may be a longer address; that is seen when it is read.
                let pattern = Pattern::parse(&format!("{scheme}://{host}*"));
                look(Criterion::Attribute { name: "base".into(), pattern }, DEVICE_ENTRIES_MAX * 4);
            }
        }
        let pattern = Pattern::Exact(SECTOR.into());
        look(Criterion::Attribute { name: "d".into(), pattern }, SIGNED_ENTRIES_READ_MAX);
        found.into_iter().collect()
    }
}
