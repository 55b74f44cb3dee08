//! The names of a host that registered by update: those that it chose, in every zone that shows it (RFC 9665 §3.3).
//!
//! | registered | in a zone |
//! |---|---|
//! | host, addresses | `HOST`: A, AAAA; each address' reverse name: PTR to the host |
//! | a further name of the host | PTR to the host |
//! | an instance with an offer | SRV, TXT; PTR from its type and subtypes, and from the enumeration of types |
//! | an instance without one | nothing: its name is only kept from others |
//!
//! KEY records are not shown (SR23).

use std::net::IpAddr;

use wayhouse_registry::{EntryId, ServiceHost, ServiceOffer};
use wayhouse_wire::dns::{Name, Rtype};

use super::{Claim, Draft, Holder, Mapper, SERVICES, below, labels};

impl Mapper<'_> {
    /// Drafts the records of a host and its services.
    pub(super) fn map_services(&mut self, entry: EntryId, host: &ServiceHost) {
        // The update was refused unless its names were free: without its own the host has lost them to the configuration.
        let has_host = self.claim_exactly(entry, &host.name);
        if has_host {
            self.map_addresses(host);
        }
        for alias in &host.aliases {
            if self.claim_exactly(entry, alias) && has_host {
                let to_host = |zone: &Name| below(zone, host.name.labels()).map(|name| name.wire().into());
                self.add_chosen(alias.labels(), Rtype::PTR, host.ttl_s, to_host);
            }
        }
        for instance in &host.instances {
            let has_instance = self.claim_exactly(entry, &instance.name);
            if let (Some(offer), true) = (&instance.offer, has_host && has_instance) {
                self.map_offer(host, &instance.name, offer);
            }
        }
    }

    fn map_addresses(&mut self, host: &ServiceHost) {
        for address in &host.addresses {
            let (rtype, rdata): (_, Box<[u8]>) = match address {
                IpAddr::V4(address) => (Rtype::A, address.octets().into()),
                IpAddr::V6(address) => (Rtype::AAAA, address.octets().into()),
            };
            self.add_chosen(host.name.labels(), rtype, host.ttl_s, |_| Some(rdata.clone()));
            // SR21: the reverse name comes with the address.
            if let Some(target) = self.config.zones.first().and_then(|zone| below(zone, host.name.labels())) {
                let (name, ttl_s) = (Name::reverse(*address), host.ttl_s);
                self.drafts.push(Draft { name, rtype: Rtype::PTR, ttl_s, rdata: target.wire().into() });
            }
        }
    }

    fn map_offer(&mut self, host: &ServiceHost, instance: &Name, offer: &ServiceOffer) {
        let ttl_s = offer.ttl_s;
        let service = instance.labels().skip(1);
        self.add_chosen(instance.labels(), Rtype::SRV, ttl_s, |zone| {
            let numbers = [offer.priority, offer.weight, offer.port].map(u16::to_be_bytes);
            Some([&numbers.concat(), below(zone, host.name.labels())?.wire()].concat().into())
        });
        for text in &offer.texts {
            self.add_chosen(instance.labels(), Rtype::TXT, ttl_s, |_| Some(text.clone()));
        }
        let to_instance = |zone: &Name| below(zone, instance.labels()).map(|name| name.wire().into());
        self.add_chosen(service.clone(), Rtype::PTR, ttl_s, to_instance);
        for subtype in &offer.subtypes {
            let owner = [&**subtype, b"_sub"].into_iter().chain(service.clone());
            self.add_chosen(owner, Rtype::PTR, ttl_s, to_instance);
        }
        let to_type = |zone: &Name| below(zone, service.clone()).map(|name| name.wire().into());
        self.add_chosen(SERVICES, Rtype::PTR, ttl_s, to_type);
    }

    /// A record in every zone that shows registrations by update. What would be too long a name is left out.
    fn add_chosen<'l>(
        &mut self,
        owner: impl IntoIterator<Item = &'l [u8]> + Clone,
        rtype: Rtype,
        ttl_s: u32,
        rdata: impl Fn(&Name) -> Option<Box<[u8]>>,
    ) {
        for zone in self.config.zones.iter().chain(self.registration_zone) {
            if let (Some(name), Some(rdata)) = (below(zone, owner.clone()), rdata(zone)) {
                self.drafts.push(Draft { name, rtype, ttl_s, rdata });
            }
        }
    }

    /// Takes a name as it is, unless somebody else has it.
    fn claim_exactly(&mut self, entry: EntryId, name: &Name) -> bool {
        let relative = labels(name.labels());
        match self.claims.holder(&relative) {
            None => {}
            Some(Holder::Entry(holder)) if holder == entry => {}
            Some(_) => return false,
        }
        self.claims.hold(&relative, Holder::Entry(entry));
        self.after.push(Claim { wish: relative.clone(), name: relative, is_of_group: false });
        true
    }
}
