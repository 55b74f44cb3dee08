//! Which records an entry means: the mapping of draft-ietf-core-rd-dns-sd, and who may have which name.
//!
//! | in the directory | in a zone |
//! |---|---|
//! | `ep`, `d`, an address in `base` | host `EP[.D]`: A or AAAA; the address' reverse name: PTR to the host |
//! | scheme and port of `base` | `EP._coap._udp` SRV and TXT, `_coap._udp` PTR; `_coaps._udp`, `_coap._tcp`, `_coaps._tcp` |
//! | `rt` of its links | `_RT._sub._coap._udp` PTR to the same instance |
//! | a link with `exp`, called by its `ins` | an instance of its own: TXT with `path`, `rt`, `if`; subtypes of its own `rt` |
//! | a CoAP group: address, names, application groups | `NAME`: A or AAAA with the multicast address; reverse PTR to the names |
//!
//! A host that registered by update has the names that it chose (`services`).
//!
//! Names are claimed: who comes first has one, whoever wants it later gets it with a number. A name stays with its entry
//! through renewals and changes, also when the one without the number has become free. `docs/concepts/names.md` has
//! the rules for people.

use std::borrow::Cow;
use std::net::IpAddr;

use hashbrown::HashTable;
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_registry::group::{GroupHost, application_group_of, authority_of, names_of};
use wayhouse_registry::{EntryId, Registrant};
use wayhouse_wire::coap::link_format::{Link, LinkFormat};
use wayhouse_wire::coap::uri::{CoapUri, Host, Scheme, origin, resolve_into};
use wayhouse_wire::dns::name::LABEL_OCTETS_MAX;
use wayhouse_wire::dns::{Name, Rtype};

use crate::config;
use crate::limits::{DNS_INSTANCES_MAX, DNS_NUMBERS_MAX, DNS_SUBTYPES_MAX, DNS_TXT_OCTETS_MAX};

mod services;

/// What stands first in every TXT (DN6).
const TXT_VERSION: &str = "txtvers=1";
/// What people browse to see which types there are (DN11).
const SERVICES: [&[u8]; 3] = [b"_services", b"_dns-sd", b"_udp"];

/// A record that an entry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// Its owner.
    pub(super) name: Name,
    /// Its type.
    pub(super) rtype: Rtype,
    /// Its time to live, seconds.
    pub(super) ttl_s: u32,
    /// Its data.
    pub(super) rdata: Box<[u8]>,
}

/// Who has a name: relative to the zones, in lower case.
#[derive(Debug)]
struct Held {
    name: Box<[u8]>,
    by: Holder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// This server itself.
    Server,
    /// One entry.
    Entry(EntryId),
    /// So many entries that stand for groups: each adds an address.
    Groups(u32),
}

/// A name that an entry has, and what it wanted to have. Both as labels in wire form without the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    wish: Box<[u8]>,
    name: Box<[u8]>,
    is_of_group: bool,
}

impl Claim {
    /// Whether it is for a name, given as labels in wire form without the root.
    pub(super) fn is_for(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// All names that somebody has.
#[derive(Debug)]
pub(super) struct Claims {
    key: KeyedState,
    held: HashTable<Held>,
}

impl Claims {
    pub(super) fn new(key: KeyedState) -> Claims {
        Claims { key, held: HashTable::new() }
    }
    /// Keeps a name for this server.
    pub(super) fn reserve(&mut self, label: &[u8]) {
        let name = labels([label]);
        self.hold(&name, Holder::Server);
    }
    /// Who has a name, given as labels in wire form without the root.
    pub(super) fn holder(&self, name: &[u8]) -> Option<Holder> {
        let folded = name.to_ascii_lowercase();
        self.held.find(self.key.octets(&folded), |held| *held.name == *folded).map(|held| held.by)
    }
    fn hold(&mut self, name: &[u8], by: Holder) {
        let folded = name.to_ascii_lowercase();
        let hash = self.key.octets(&folded);
        match self.held.find_mut(hash, |held| *held.name == *folded) {
            Some(held) => held.by = by,
            None => {
                let key = self.key;
                let held = Held { name: folded.into(), by };
                self.held.insert_unique(hash, held, |held| key.octets(&held.name));
            }
        }
    }
    /// Makes a name free.
    pub(super) fn release(&mut self, name: &[u8]) {
        let folded = name.to_ascii_lowercase();
        if let Ok(entry) = self.held.find_entry(self.key.octets(&folded), |held| *held.name == *folded) {
            entry.remove();
        }
    }

    /// Gives up what an entry had and has no more.
    pub(super) fn release_all(&mut self, gone: &[Claim], kept: &[Claim]) {
        for claim in gone {
            if claim.is_of_group {
                match self.holder(&claim.name) {
                    Some(Holder::Groups(count)) if count > 1 => self.hold(&claim.name, Holder::Groups(count - 1)),
                    _ => self.release(&claim.name),
                }
            } else if !kept.iter().any(|other| other.name.eq_ignore_ascii_case(&claim.name)) {
                self.release(&claim.name);
            }
        }
    }
}

/// Labels in wire form without the root.
pub(super) fn labels<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Box<[u8]> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.into()
}

/// The labels of that form.
fn split(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    std::iter::from_fn(move || {
        let (&length, rest) = wire.split_first()?;
        let (label, rest) = rest.split_at(usize::from(length).min(rest.len()));
        wire = rest;
        Some(label)
    })
}

/// What an entry wants of the zones.
pub(super) struct Mapper<'m> {
    /// The settings.
    pub(super) config: &'m config::Dns,
    /// The zone that shows nothing but what registered by update.
    pub(super) registration_zone: Option<&'m Name>,
    /// Who has which name.
    pub(super) claims: &'m mut Claims,
    /// What the entry had before.
    pub(super) before: &'m [Claim],
    /// What it has.
    pub(super) after: Vec<Claim>,
    /// The records.
    pub(super) drafts: Vec<Draft>,
}

impl Mapper<'_> {
    /// Drafts the records of an entry.
    pub(super) fn map(&mut self, registrant: &Registrant) {
        // DP10: what is bound to one link means nothing to who asks from elsewhere.
        if registrant.link_scope.is_some() {
            return;
        }
        if let Some(services) = &registrant.services {
            return self.map_services(registrant.id, services);
        }
        if let Some(authority) = authority_of(registrant) {
            if let GroupHost::Address(address) = authority.host {
                let names = names_of(registrant, &authority);
                self.map_group(registrant, address, names.iter().map(|name| &**name));
            }
            return;
        }
        let Ok(base) = CoapUri::parse(origin(&registrant.base)) else { return };
        let host = self.map_host(registrant, &base.host);
        let Some(host) = host else { return };
        let service = service_of(base.scheme);
        if self.config.shows_endpoints {
            self.map_endpoint(registrant, service, &host, base.port);
        }
        let exported = LinkFormat::trusted(&registrant.links);
        for link in exported.links().filter(|link| link.parameter("exp").is_some()).take(DNS_INSTANCES_MAX) {
            self.map_link(registrant, &link, service, &host, base.port);
        }
    }

    /// The name of the host, in each zone; of a host that has a name of its own elsewhere, that name.
    fn map_host(&mut self, registrant: &Registrant, host: &Host) -> Option<Target> {
        let address = match host {
            Host::Name(name) => return Some(Target::Elsewhere(Name::parse(name).ok()?)),
            Host::Address(address) => address.to_canonical(),
        };
        if address.is_unspecified() || address.is_multicast() {
            return None;
        }
        let sector = host_label(&registrant.sector);
        let first = match host_label(&registrant.endpoint_name) {
            // Of a name without a single letter or digit nothing is left.
            label if label.is_empty() => registrant.id.to_string(),
            label => label,
        };
        let with_sector = |label: &[u8]| {
            let sector = Some(sector.as_bytes()).filter(|sector| !sector.is_empty());
            labels([label].into_iter().chain(sector))
        };
        let numbered = |number: u32| match number {
            1 => with_sector(first.as_bytes()),
            _ => with_sector(shortened(&first, &format!("-{number}")).as_bytes()),
        };
        let name = self.claim(registrant.id, numbered)?;
        self.address_records(&name, address);
        Some(Target::Own(name))
    }

    /// Address records in each zone, and the reverse name.
    fn address_records(&mut self, relative: &[u8], address: IpAddr) {
        let (rtype, rdata): (_, Box<[u8]>) = match address {
            IpAddr::V4(address) => (Rtype::A, address.octets().into()),
            IpAddr::V6(address) => (Rtype::AAAA, address.octets().into()),
        };
        self.add_relative(split(relative), rtype, |_| Some(rdata.clone()));
        let host = self.config.zones.first().and_then(|zone| below(zone, split(relative)));
        if let Some(host) = host {
            let (name, ttl_s) = (Name::reverse(address), self.config.ttl_s);
            self.drafts.push(Draft { name, rtype: Rtype::PTR, ttl_s, rdata: host.wire().into() });
        }
    }

    fn map_group<'n>(&mut self, registrant: &Registrant, address: IpAddr, names: impl Iterator<Item = &'n str>) {
        let links = LinkFormat::trusted(&registrant.links);
        let of_links: Vec<String> = links
            .links()
            .take(DNS_INSTANCES_MAX)
            .filter_map(|link| application_group_of(&link).map(|(name, _)| name.to_owned()))
            .collect();
        for name in names.map(Cow::from).chain(of_links.into_iter().map(Cow::from)) {
            let parts: Vec<String> = name.split('.').map(host_label).filter(|label| !label.is_empty()).collect();
            let relative = labels(parts.iter().map(String::as_bytes));
            let is_own = self.after.iter().any(|claim| claim.name.eq_ignore_ascii_case(&relative));
            if relative.is_empty() || is_own {
                continue;
            }
            // A name that means a group means nothing else: where a host has it, the group goes without.
            let count = match self.claims.holder(&relative) {
                None => 1,
                Some(Holder::Groups(count)) => count + 1,
                Some(Holder::Server | Holder::Entry(_)) => continue,
            };
            self.claims.hold(&relative, Holder::Groups(count));
            self.after.push(Claim { wish: relative.clone(), name: relative.clone(), is_of_group: true });
            self.address_records(&relative, address.to_canonical());
        }
    }

    fn map_endpoint(&mut self, registrant: &Registrant, service: [&[u8]; 2], host: &Target, port: u16) {
        let wish = match &*registrant.sector {
            "" => Cow::from(&*registrant.endpoint_name),
            sector => Cow::from(format!("{} ({sector})", registrant.endpoint_name)),
        };
        let mut text = Text::new();
        for (name, value) in registrant.attributes.iter().filter(|(name, _)| **name == *"et") {
            text.add(name, value);
        }
        if !registrant.sector.is_empty() {
            text.add("d", &registrant.sector);
        }
        let mut types = Vec::new();
        for link in LinkFormat::trusted(&registrant.links).links() {
            if let Some(value) = link.parameter("rt") {
                for one in value.unquoted().split(' ') {
                    add_type(&mut types, one);
                }
            }
            if types.len() >= DNS_SUBTYPES_MAX {
                break;
            }
        }
        self.instance(registrant.id, &wish, service, host, port, text, &types);
    }

    fn map_link(&mut self, registrant: &Registrant, link: &Link<'_>, service: [&[u8]; 2], host: &Target, port: u16) {
        let mut target = Vec::new();
        resolve_into(&mut target, &registrant.base, link.target);
        let target = String::from_utf8_lossy(&target);
        // Whoever speaks for a host is that host.
        if !origin(&target).eq_ignore_ascii_case(origin(&registrant.base)) {
            return;
        }
        let path = &target[origin(&target).len()..];
        let path = if path.is_empty() { "/" } else { path };
        let unnamed = || format!("{} {}", registrant.endpoint_name, path.trim_start_matches('/'));
        let wish = match link.parameter("ins") {
            Some(value) if !value.unquoted().is_empty() => value.unquoted(),
            _ => Cow::from(unnamed()),
        };
        let mut text = Text::new();
        // An instance without its path would lead to another resource.
        if !text.add("path", path) {
            return;
        }
        let mut types = Vec::new();
        for attribute in ["rt", "if"] {
            let Some(value) = link.parameter(attribute) else { continue };
            let value = value.unquoted();
            text.add(attribute, &value);
            if attribute == "rt" {
                value.split(' ').for_each(|one| add_type(&mut types, one));
            }
        }
        self.instance(registrant.id, &wish, service, host, port, text, &types);
    }

    /// The records of a service instance (DN1–DN4, DN7, DN11).
    #[allow(clippy::too_many_arguments, reason = "what an instance is made of, each in one word")]
    fn instance(
        &mut self,
        entry: EntryId,
        wish: &str,
        service: [&[u8]; 2],
        host: &Target,
        port: u16,
        text: Text,
        types: &[String],
    ) {
        // DN1: any characters but those that control.
        let wish: String = wish.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        let numbered = |number: u32| {
            let label = if number == 1 { shortened(&wish, "") } else { shortened(&wish, &format!(" ({number})")) };
            labels([label.as_bytes()].into_iter().chain(service))
        };
        let Some(instance) = self.claim(entry, numbered) else { return };
        self.add_relative(split(&instance), Rtype::SRV, |zone| {
            let target = match host {
                Target::Own(relative) => below(zone, split(relative))?,
                Target::Elsewhere(name) => name.clone(),
            };
            let mut rdata = vec![0; 4];
            rdata.extend_from_slice(&port.to_be_bytes());
            rdata.extend_from_slice(target.wire());
            Some(rdata.into())
        });
        self.add_relative(split(&instance), Rtype::TXT, |_| Some(text.octets.as_slice().into()));
        let to_instance = |zone: &Name| below(zone, split(&instance)).map(|name| name.wire().into());
        self.add_relative(service, Rtype::PTR, to_instance);
        for one in types {
            let label = format!("_{one}");
            let owner = [label.as_bytes(), b"_sub"].into_iter().chain(service);
            self.add_relative(owner, Rtype::PTR, to_instance);
        }
        self.add_relative(SERVICES, Rtype::PTR, |zone| below(zone, service).map(|name| name.wire().into()));
    }

    /// A record in every zone. What would be too long a name is left out.
    fn add_relative<'l>(
        &mut self,
        owner: impl IntoIterator<Item = &'l [u8]> + Clone,
        rtype: Rtype,
        rdata: impl Fn(&Name) -> Option<Box<[u8]>>,
    ) {
        for zone in &self.config.zones {
            if let (Some(name), Some(rdata)) = (below(zone, owner.clone()), rdata(zone)) {
                self.drafts.push(Draft { name, rtype, ttl_s: self.config.ttl_s, rdata });
            }
        }
    }

    /// The first free name of a row, or the one that the entry had for the same wish. `None` when too many have it.
    fn claim(&mut self, entry: EntryId, numbered: impl Fn(u32) -> Box<[u8]>) -> Option<Box<[u8]>> {
        let wish = numbered(1);
        let is_taken = |after: &[Claim], name: &[u8]| after.iter().any(|claim| claim.name.eq_ignore_ascii_case(name));
        let had = self.before.iter().find(|claim| {
            !claim.is_of_group && claim.wish.eq_ignore_ascii_case(&wish) && !is_taken(&self.after, &claim.name)
        });
        let name = match had {
            // In the case that is asked for, where that is all that changed.
            Some(claim) if claim.name.eq_ignore_ascii_case(&wish) => wish.clone(),
            Some(claim) => claim.name.clone(),
            None => (1..=DNS_NUMBERS_MAX).map(&numbered).find(|name| {
                let is_free = match self.claims.holder(name) {
                    None => true,
                    Some(Holder::Entry(holder)) => holder == entry,
                    Some(Holder::Server | Holder::Groups(_)) => false,
                };
                is_free && !is_taken(&self.after, name)
            })?,
        };
        self.claims.hold(&name, Holder::Entry(entry));
        self.after.push(Claim { wish, name: name.clone(), is_of_group: false });
        Some(name)
    }
}

/// Where a service is.
enum Target {
    /// At a host of the zones: labels in wire form without the root.
    Own(Box<[u8]>),
    /// At a host that others name.
    Elsewhere(Name),
}

/// DN2: `_udp` is for everything that is not TCP.
fn service_of(scheme: Scheme) -> [&'static [u8]; 2] {
    match scheme {
        Scheme::Coap => [b"_coap", b"_udp"],
        Scheme::Coaps => [b"_coaps", b"_udp"],
        Scheme::CoapTcp => [b"_coap", b"_tcp"],
        Scheme::CoapsTcp => [b"_coaps", b"_tcp"],
    }
}

/// A name below a zone; `None` when it is too long (DN8).
fn below<'r: 'z, 'z>(zone: &'z Name, relative: impl IntoIterator<Item = &'r [u8]>) -> Option<Name> {
    let relative = relative.into_iter().map(|label: &'r [u8]| -> &'z [u8] { label });
    Name::from_labels(relative.chain(zone.labels())).ok()
}

/// A text as the label of a host: letters, digits and hyphens, no hyphen at either end (RFC 952, RFC 1123 §2.1). Empty
/// when nothing is left of it.
fn host_label(text: &str) -> String {
    let is_fit = |one: char| one.is_ascii_alphanumeric();
    let label: String = text.chars().map(|one| if is_fit(one) { one } else { '-' }).collect();
    let label = label.trim_matches('-');
    let label = &label[..label.len().min(LABEL_OCTETS_MAX)];
    label.trim_end_matches('-').to_owned()
}

/// A text with an ending, together at most a label, cut between characters.
fn shortened(text: &str, ending: &str) -> String {
    let mut length = text.len().min(LABEL_OCTETS_MAX - ending.len());
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{ending}", &text[..length])
}

/// Takes a resource type for a subtype, as far as a label has room for it and its underscore (DN7).
fn add_type(types: &mut Vec<String>, one: &str) {
    let is_known = types.iter().any(|other| other.eq_ignore_ascii_case(one));
    if !one.is_empty() && one.len() < LABEL_OCTETS_MAX && !is_known && types.len() < DNS_SUBTYPES_MAX {
        types.push(one.to_owned());
    }
}

/// The data of a TXT in the making (DN4–DN6).
struct Text {
    octets: Vec<u8>,
}

impl Text {
    fn new() -> Text {
        let mut text = Text { octets: Vec::new() };
        text.push(TXT_VERSION);
        text
    }
    /// Appends a string; false when it does not fit. It is left out then rather than cut: half a path leads nowhere.
    fn push(&mut self, string: &str) -> bool {
        let Ok(length) = u8::try_from(string.len()) else { return false };
        let fits = self.octets.len() + 1 + string.len() <= DNS_TXT_OCTETS_MAX;
        if fits {
            self.octets.push(length);
            self.octets.extend_from_slice(string.as_bytes());
        }
        fits
    }
    fn add(&mut self, key: &str, value: &str) -> bool {
        self.push(&format!("{key}={value}"))
    }
}

#[cfg(test)]
mod tests;
