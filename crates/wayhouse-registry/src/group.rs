//! Groups as CoAP group communication knows them (draft-ietf-core-groupcomm-bis §2), read out of entries.
//!
//! ```text
//!   application group  1..* ──── carried by ──── 1..*  CoAP group       address and port (§2.1.1)
//!           0..* └───────────── protected by ─────────────┘ 0..*
//!                             0..* security group                       group key material (§2.1.3)
//! ```
//!
//! There is no group table: a CoAP group is what active registrants of type `core.rd-group` say about an authority
//! (RFC 9176 App. A), and [`Groups`] puts their words together whenever somebody asks. This file has the values and how
//! they are read from one entry; `view` has the questions, `index` what they cost. What an entry may say:
//!
//! | where | what | says |
//! |---|---|---|
//! | `base` of the group's registration | `coap://[ff35::1]:5685`, `coap://grp.example` | the CoAP group |
//! | its `ep`, its attribute `gp-name`, a name in `base` | `lights`, `grp.example` | names of the CoAP group |
//! | its links | `</gp/gp1>;rt=g.light`, `</light?gp=gp1>`, `</light?gp1>;rt=g.light` | application groups that it carries |
//! | its links, none of them with a name | `</light>;rt=light` | one application group, called as `ep` (implicit) |
//! | its attribute `sec-gp`; `sec-gp` of its links | `sec-gp=hall` | security groups for all, for that application group |
//! | links of a Group Manager | `</ace-group/hall>;rt=core.osc.gm;sec-gp=hall;app-gp=gp1` | a security group of an application group |
//! | links of other registrants | `</gp/gp1>;rt=g.light`, `<coap://grp.example/gp/gp1>;rt=g.light` | that they are members |
//!
//! # Deviations and choices
//! - GC3: `gp` is the delimiter and the indicator of application groups, as in the draft's examples. Where another one is
//!   used, the link of a group resource (`rt=g.…`, or any `gpt`) still tells: its last segment is the name.
//! - `?NAME` is taken for an application group in links of group resources only: elsewhere it may be anything.
//! - Names in URIs are compared as written, percent-encoding included.
//! - `sec-gp`, `app-gp` and `core.osc.gm` come from draft-tiloca-core-oscore-discovery; `gp-name` is our own.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use wayhouse_wire::coap::link_format::Link;
use wayhouse_wire::coap::uri::{CoapUri, Host, Scheme, has_scheme};

use crate::filter::uri_origin;
use crate::limits::{GROUP_HOST_OCTETS_MAX, GROUP_NAME_OCTETS_MAX};
use crate::{EntryId, Registrant};

mod view;

pub use view::Groups;

#[cfg(test)]
mod tests;

/// The endpoint type of a registration that stands for a CoAP group (RFC 9176 App. A; GC6).
pub const ENDPOINT_TYPE: &str = "core.rd-group";
/// The port of a CoAP group that names none (GC1).
pub const DEFAULT_PORT: u16 = 5683;
/// The port that no CoAP group may have (GC41).
pub const FORBIDDEN_PORT: u16 = 5684;
/// The endpoint attribute with a further name of a CoAP group.
pub const NAME_ATTRIBUTE: &str = "gp-name";
/// The attribute with the name of a security group.
pub const SECURITY_GROUP_ATTRIBUTE: &str = "sec-gp";
/// The attribute with the name of an application group, in links of a Group Manager.
pub const APPLICATION_GROUP_ATTRIBUTE: &str = "app-gp";
/// The path segment and query parameter in front of an application group's name (GC3).
const DELIMITER: &str = "gp";
/// How the resource type of a group resource starts (GC7).
const GROUP_TYPE_PREFIX: &str = "g.";
/// The attribute by which some applications mark group resources (draft App. C.4).
const GROUP_TYPE_ATTRIBUTE: &str = "gpt";

/// Where a CoAP group is: as an address, or as a name that others resolve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupHost {
    /// A multicast address (GC2: preferred, nobody needs to resolve anything).
    Address(IpAddr),
    /// A host name in lower case.
    Name(Box<str>),
}

/// What identifies a CoAP group: the authority of its URIs. `HOST` and `HOST:5683` are the same one (GC1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authority {
    /// Its host.
    pub host: GroupHost,
    /// Its UDP port.
    pub port: u16,
}

/// Why a URI names no CoAP group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoGroup {
    /// GC1
    #[error("it is not a URI of the scheme coap")]
    NotCoap,
    /// One endpoint is no group.
    #[error("its address is not a multicast address")]
    Unicast,
    /// GC41
    #[error("port 5684 must not be used for groups")]
    ForbiddenPort,
    /// [`GROUP_HOST_OCTETS_MAX`]
    #[error("its host name is too long")]
    TooLong,
}

impl Authority {
    /// The CoAP group of a group URI.
    ///
    /// # Errors
    /// See [`NoGroup`].
    pub fn of_uri(uri: &str) -> Result<Authority, NoGroup> {
        // GC1
        let uri = CoapUri::parse(uri).map_err(|_| NoGroup::NotCoap)?;
        if uri.scheme != Scheme::Coap {
            return Err(NoGroup::NotCoap);
        }
        let host = match uri.host {
            Host::Address(address) => GroupHost::Address(address),
            Host::Name(name) => GroupHost::Name(name.into()),
        };
        Authority::new(host, uri.port)
    }

    /// The CoAP group of a host and a port.
    ///
    /// # Errors
    /// See [`NoGroup`].
    pub fn new(host: GroupHost, port: u16) -> Result<Authority, NoGroup> {
        match &host {
            GroupHost::Address(address) if !address.is_multicast() => Err(NoGroup::Unicast),
            GroupHost::Name(name) if name.len() > GROUP_HOST_OCTETS_MAX => Err(NoGroup::TooLong),
            // GC41
            _ if port == FORBIDDEN_PORT => Err(NoGroup::ForbiddenPort),
            _ => Ok(Authority { host, port }),
        }
    }

    /// Its multicast address, unless only a name is known.
    pub fn address(&self) -> Option<IpAddr> {
        if let GroupHost::Address(address) = self.host { Some(address) } else { None }
    }

    /// How far its datagrams go, unless only a name is known.
    pub fn scope(&self) -> Option<Scope> {
        self.address().map(Scope::of)
    }

    /// Its group URI without path, such as `coap://[ff05::1]:5685`.
    pub fn uri(&self) -> String {
        format!("{}://{self}", Scheme::Coap.as_str())
    }

    /// Whether another authority means this one, which has these names.
    fn is(&self, other: &Authority, names: &BTreeSet<Box<str>>) -> bool {
        let is_name = || matches!(&other.host, GroupHost::Name(name) if names.contains(name));
        self.port == other.port && (self.host == other.host || is_name())
    }

    /// As the index has it: always with its port, so that all ports of a host stand together.
    pub(crate) fn term(&self) -> String {
        format!("{}{}", host_term(&self.host), self.port)
    }
}

impl fmt::Display for Authority {
    /// As in a URI: an IPv6 address in brackets, the default port left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            GroupHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            GroupHost::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            GroupHost::Name(name) => f.write_str(name)?,
        }
        if self.port == DEFAULT_PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// What all terms of a host start with.
pub(crate) fn host_term(host: &GroupHost) -> String {
    match host {
        GroupHost::Address(IpAddr::V6(address)) => format!("[{address}]:"),
        GroupHost::Address(IpAddr::V4(address)) => format!("{address}:"),
        GroupHost::Name(name) => format!("{name}:"),
    }
}

/// How far multicast datagrams go (RFC 7346; IPv4: RFC 2365). The smallest that suffices is the right one (GC23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Within one interface of the sender.
    InterfaceLocal,
    /// One link.
    LinkLocal,
    /// One network of its kind, such as a 6LoWPAN mesh.
    RealmLocal,
    /// What an administrator set up.
    AdminLocal,
    /// One site.
    SiteLocal,
    /// One organisation.
    OrganizationLocal,
    /// Without bound.
    Global,
    /// Not assigned.
    Other,
}

impl Scope {
    /// The scope of a multicast address.
    pub fn of(address: IpAddr) -> Scope {
        match address.to_canonical() {
            IpAddr::V6(address) => match address.octets()[1] & 0x0f {
                1 => Scope::InterfaceLocal,
                2 => Scope::LinkLocal,
                3 => Scope::RealmLocal,
                4 => Scope::AdminLocal,
                5 => Scope::SiteLocal,
                8 => Scope::OrganizationLocal,
                14 => Scope::Global,
                _ => Scope::Other,
            },
            IpAddr::V4(address) => match address.octets() {
                [224, 0, 0, _] => Scope::LinkLocal,
                [239, 255, ..] => Scope::SiteLocal,
                [239, 192..=195, ..] => Scope::OrganizationLocal,
                [239, ..] => Scope::AdminLocal,
                _ => Scope::Global,
            },
        }
    }

    /// The scope in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::InterfaceLocal => "interface-local",
            Scope::LinkLocal => "link-local",
            Scope::RealmLocal => "realm-local",
            Scope::AdminLocal => "admin-local",
            Scope::SiteLocal => "site-local",
            Scope::OrganizationLocal => "organization-local",
            Scope::Global => "global",
            Scope::Other => "other",
        }
    }
}

/// "All CoAP Nodes" for IPv6 in the scopes that every node serves: link, admin and site (GC43).
pub const ALL_COAP_NODES_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfd),
    Ipv6Addr::new(0xff04, 0, 0, 0, 0, 0, 0, 0xfd),
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0xfd),
];
/// "All CoAP Nodes" for IPv4 (GC43; RFC 7252 §12.8).
pub const ALL_COAP_NODES_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 187);

/// A CoAP group: everything that active registrants say about one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoapGroup {
    /// Address or name, and port.
    pub authority: Authority,
    /// The interface on which alone it is known, when its registrations are bound to one (RD5).
    pub link_scope: Option<u32>,
    /// Its names: endpoint names, host names, further ones. In order, each once.
    pub names: BTreeSet<Box<str>>,
    /// Where it was learned: its registrations.
    pub registrations: Vec<Arc<Registrant>>,
    /// What it carries, by name.
    pub application_groups: Vec<ApplicationGroup>,
    /// What protects it, by name; empty: nothing is known but NoSec.
    pub security_groups: Vec<SecurityGroup>,
    /// Ports of other CoAP groups on the same address, which is not recommended (GC42).
    pub other_ports: BTreeSet<u16>,
}

/// An application group: servers that share a set of resources, as one CoAP group carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationGroup {
    /// Its name.
    pub name: Box<str>,
    /// Where the name stands in a request.
    pub naming: Naming,
    /// Its types, such as `g.light`.
    pub types: BTreeSet<Box<str>>,
    /// Targets of its resources as registered, such as `/gp/gp1`.
    pub resources: BTreeSet<Box<str>>,
    /// Security groups that protect it, by name, those of the whole CoAP group included.
    pub security_groups: BTreeSet<Box<str>>,
    /// Where it was learned.
    pub learned_from: BTreeSet<EntryId>,
}

/// Where the name of an application group stands in a request (GC3; draft §2.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Naming {
    /// In the path: `/gp/NAME/…`. Recommended.
    Path,
    /// In the query: `?gp=NAME` or `?NAME`.
    Query,
    /// It is the authority, or a label or the port of it.
    Authority,
    /// Nowhere: the CoAP group, the resource or the client tell.
    Implicit,
}

/// A security group: endpoints that share key material. Being in one is no permission to use a resource (GC5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its name.
    pub name: Box<str>,
    /// The application groups it protects here; empty: the CoAP group as a whole.
    pub application_groups: BTreeSet<Box<str>>,
    /// Resources of Group Managers at which it can be joined.
    pub join_uris: BTreeSet<Box<str>>,
    /// Where it was learned.
    pub learned_from: BTreeSet<EntryId>,
}

/// A registrant that takes part in a CoAP group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The registrant.
    pub registrant: Arc<Registrant>,
    /// In which of the application groups; empty: its links do not tell.
    pub application_groups: BTreeSet<Box<str>>,
}

/// Whether a name of a security group only pretends to be one (GC4): `NoSec` in any case.
pub fn is_no_security_group(name: &str) -> bool {
    name.eq_ignore_ascii_case("NoSec")
}

/// Whether these endpoint attributes make a registration stand for a CoAP group (GC6).
pub(crate) fn stands_for_group<'a>(mut attributes: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    attributes.any(|attribute| attribute == ("et", ENDPOINT_TYPE))
}

/// The CoAP group that a registrant stands for.
pub fn authority_of(registrant: &Registrant) -> Option<Authority> {
    let attributes = registrant.attributes.iter().map(|(name, value)| (&**name, &**value));
    if stands_for_group(attributes) { Authority::of_uri(&registrant.base).ok() } else { None }
}

/// The names that a registrant gives its CoAP group, as they are compared: in lower case.
pub fn names_of(registrant: &Registrant, authority: &Authority) -> BTreeSet<Box<str>> {
    let further = registrant.attributes.iter().filter(|(name, _)| **name == *NAME_ATTRIBUTE).map(|(_, value)| value);
    let mut names: BTreeSet<Box<str>> = std::iter::once(&registrant.endpoint_name)
        .chain(further)
        .filter(|name| !name.is_empty() && name.len() <= GROUP_HOST_OCTETS_MAX)
        .map(|name| name.to_ascii_lowercase().into())
        .collect();
    if let GroupHost::Name(name) = &authority.host {
        names.insert(name.clone());
    }
    names
}

/// The group types of a link; empty when it is no group resource (GC7).
pub fn group_types(link: &Link<'_>) -> BTreeSet<Box<str>> {
    let mut types = BTreeSet::new();
    for (name, value) in link.parameters() {
        match name {
            "rt" => {
                let value = value.unquoted();
                types.extend(value.split(' ').filter(|one| one.starts_with(GROUP_TYPE_PREFIX)).map(Box::from));
            }
            GROUP_TYPE_ATTRIBUTE => drop(types.insert(value.unquoted().into())),
            _ => {}
        }
    }
    types
}

fn is_group_resource(link: &Link<'_>) -> bool {
    // Mostly one look at the text settles it: without `g.`, `gp` or an escape there is neither of the two below.
    let text = link.parameters_text().as_bytes();
    if !text.windows(2).any(|pair| matches!(pair, [b'g', b'.' | b'p'] | [b'\\', _])) {
        return false;
    }
    link.parameters().any(|(name, value)| match name {
        "rt" => value.unquoted().split(' ').any(|one| one.starts_with(GROUP_TYPE_PREFIX)),
        other => other == GROUP_TYPE_ATTRIBUTE,
    })
}

/// The application group that a link names, and where (GC3).
pub fn application_group_of<'a>(link: &Link<'a>) -> Option<(&'a str, Naming)> {
    let is_group_resource = is_group_resource(link);
    named_in(link.target, is_group_resource).filter(|(name, _)| name.len() <= GROUP_NAME_OCTETS_MAX)
}

fn named_in(target: &str, is_group_resource: bool) -> Option<(&str, Naming)> {
    let reference = if has_scheme(target) { &target[uri_origin(target).len()..] } else { target };
    let reference = reference.split('#').next().unwrap_or_default();
    let (path, query) = reference.split_once('?').unwrap_or((reference, ""));
    let mut segments = path.split('/');
    if segments.any(|segment| segment == DELIMITER)
        && let Some(name) = segments.next().filter(|name| !name.is_empty())
    {
        return Some((name, Naming::Path));
    }
    let of_indicator = query.split('&').find_map(|argument| argument.strip_prefix(DELIMITER)?.strip_prefix('='));
    if let Some(name) = of_indicator.filter(|name| !name.is_empty()) {
        return Some((name, Naming::Query));
    }
    if !is_group_resource {
        return None;
    }
    if !query.is_empty() && !query.contains(['&', '=']) {
        return Some((query, Naming::Query));
    }
    path.rsplit('/').find(|segment| !segment.is_empty()).map(|name| (name, Naming::Path))
}

/// Where the name of an application group stands that no link names: the `ep` of its registration (RFC 9176 App. A).
fn naming_of_endpoint(endpoint_name: &str, authority: &Authority) -> Naming {
    let is_label = match &authority.host {
        GroupHost::Name(host) => {
            host.eq_ignore_ascii_case(endpoint_name)
                || host.split('.').any(|label| label.eq_ignore_ascii_case(endpoint_name))
        }
        GroupHost::Address(_) => false,
    };
    let is_authority = authority.to_string().eq_ignore_ascii_case(endpoint_name);
    if is_label || is_authority || endpoint_name.parse() == Ok(authority.port) {
        Naming::Authority
    } else {
        Naming::Implicit
    }
}

/// What a link of a registrant says about taking part in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Participation<'a> {
    /// In which CoAP group; `None`: in each that carries the application group.
    pub(crate) authority: Option<Authority>,
    /// In which application group.
    pub(crate) application_group: Option<&'a str>,
}

/// Reads that from a link of a registrant that stands for no group itself.
///
/// A reference to the registrant's own authority counts when it is a group resource; one to another authority counts
/// when that is a multicast address, or a name and the link a group resource (only then is the name known to be a
/// group's).
pub(crate) fn participation<'a>(link: &Link<'a>, base: &str) -> Option<Participation<'a>> {
    let is_elsewhere = has_scheme(link.target) && !uri_origin(link.target).eq_ignore_ascii_case(uri_origin(base));
    if is_elsewhere {
        // Most links elsewhere are plain ones: their start tells that they need not be parsed.
        let is_group_resource = is_group_resource(link);
        let host = link.target.split_once("://").map_or("", |(_, host)| host);
        if !is_group_resource && !host.starts_with(['2', '[']) {
            return None;
        }
        let authority = Authority::of_uri(link.target).ok()?;
        if authority.address().is_none() && !is_group_resource {
            return None;
        }
        let application_group = application_group_of(link).map(|(name, _)| name);
        return Some(Participation { authority: Some(authority), application_group });
    }
    if !is_group_resource(link) {
        return None;
    }
    let (name, _) = application_group_of(link)?;
    Some(Participation { authority: None, application_group: Some(name) })
}

impl Participation<'_> {
    /// The terms under which a member is found: by CoAP group, and by application group.
    pub(crate) fn terms(&self) -> impl Iterator<Item = String> {
        let by_authority = self.authority.as_ref().map(member_term_of_authority);
        by_authority.into_iter().chain(self.application_group.map(member_term_of_application))
    }
}

pub(crate) fn member_term_of_authority(authority: &Authority) -> String {
    format!("@{}", authority.term())
}

pub(crate) fn member_term_of_application(name: &str) -> String {
    format!("/{name}")
}
