//! Services as DNS-SD writes them down (RFC 6763), read out of what is known.
//!
//! ```text
//! _coap._udp.D PTR lamp._coap._udp.D ──> SRV 0 0 5683 h.D ──> AAAA, A of h.D
//!                                   └──> TXT path=/light …
//! _services._dns-sd._udp.D PTR _coap._udp.D
//! ```
//!
//! A view is made anew from a [`RecordSet`]; it says as well which questions are still to be asked, so that the same code
//! serves who asks once and who is told of changes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wayhouse_wire::dns::presentation::Strings;
use wayhouse_wire::dns::{Name, NameRef, Rtype};

use super::srv_order::SrvTarget;
use super::{Asked, RecordSet};
use crate::dns::limits::VIEW_INSTANCES_MAX;

/// The labels under which a domain lists its service types (RFC 6763 §9).
const TYPES: [&[u8]; 3] = [b"_services", b"_dns-sd", b"_udp"];

/// A service instance, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInstance {
    /// The whole name; its first label is what people call it.
    pub name: Name,
    /// Where it is; `None` while that is not known, or where it is not offered.
    pub target: Option<SrvTarget>,
    /// The addresses of the host, IPv6 first.
    pub addresses: Vec<IpAddr>,
    /// What it says about itself: keys, each with its value if it has one. Keys that come again do not count (§6.4).
    pub attributes: Vec<(String, Option<Vec<u8>>)>,
}

impl ServiceInstance {
    /// The value of an attribute as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        let (_, value) = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
    }
    /// Whether everything is known that it takes to reach it.
    pub fn is_complete(&self) -> bool {
        self.target.is_some() && !self.addresses.is_empty()
    }
}

/// The name below which a domain lists its service types.
///
/// # Errors
/// `NameTooLong`.
pub fn types_name(domain: NameRef<'_>) -> Result<Name, wayhouse_wire::DecodeError> {
    Name::from_labels(TYPES.into_iter().chain(domain.labels()))
}

/// What the pointers of a name lead to, in order.
pub fn pointers(records: &RecordSet, name: &Name) -> Vec<Name> {
    let targets = records.of(name, Rtype::PTR).filter_map(|record| record.rdata_name(0).map(NameRef::to_name));
    targets.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The instances of a service type, and what to ask to know them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceView {
    /// In the order of their names.
    pub instances: Vec<ServiceInstance>,
    /// The questions that lead to all of it.
    pub wanted: BTreeSet<Asked>,
}

impl ServiceView {
    /// Of a type, such as `_coap._udp.services.home.arpa` or `_light._sub._coap._udp.services.home.arpa`.
    pub fn of_type(records: &RecordSet, service: &Name) -> ServiceView {
        let mut view = ServiceView::default();
        view.wanted.insert(Asked::internet(service.clone(), Rtype::PTR));
        for name in pointers(records, service).into_iter().take(VIEW_INSTANCES_MAX) {
            view.enter(records, name);
        }
        view
    }
    /// Of one instance alone.
    pub fn of_instance(records: &RecordSet, name: &Name) -> ServiceView {
        let mut view = ServiceView::default();
        view.enter(records, name.clone());
        view
    }
    fn enter(&mut self, records: &RecordSet, name: Name) {
        for rtype in [Rtype::SRV, Rtype::TXT] {
            self.wanted.insert(Asked::internet(name.clone(), rtype));
        }
        let target = records.of(&name, Rtype::SRV).filter_map(SrvTarget::read).min_by_key(|target| target.priority);
        let mut addresses = Vec::new();
        if let Some(target) = &target {
            for rtype in [Rtype::AAAA, Rtype::A] {
                self.wanted.insert(Asked::internet(target.host.clone(), rtype));
                addresses.extend(records.of(&target.host, rtype).filter_map(|record| address(&record.rdata)));
            }
        }
        let attributes = records.of(&name, Rtype::TXT).next().map(|txt| attributes(&txt.rdata)).unwrap_or_default();
        self.instances.push(ServiceInstance { name, target, addresses, attributes });
    }
}

/// The address in the data of an A or AAAA record.
pub fn address(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(rdata).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(rdata).ok()?).into()),
        _ => None,
    }
}

/// The keys and values of a TXT record (RFC 6763 §6.3, §6.4).
fn attributes(rdata: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut attributes: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for string in Strings::new(rdata) {
        let mut parts = string.splitn(2, |octet| *octet == b'=');
        let key = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let is_known = attributes.iter().any(|(known, _)| known.eq_ignore_ascii_case(&key));
        // A string without key means nothing.
        if !key.is_empty() && !is_known {
            attributes.push((key, parts.next().map(<[u8]>::to_vec)));
        }
    }
    attributes
}

#[cfg(test)]
mod tests;
