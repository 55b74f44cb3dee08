//! Groups in the configuration, and what can be wrong with them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wayhouse_registry::group::{DEFAULT_PORT, FORBIDDEN_PORT, Scope, is_no_security_group};
use wayhouse_wire::coap::link_format::LinkFormat;

use super::{Config, Problem};
use crate::limits;
use crate::request::DEPTH_MAX;
use crate::route;

/// A group that the configuration names: one CoAP group for each of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, which also is the endpoint name of its registration.
    pub name: String,
    /// Its multicast addresses.
    pub addresses: Vec<IpAddr>,
    /// Its UDP port.
    pub port: u16,
    /// What it carries; none: one application group that is called as the group itself.
    pub application_groups: Vec<ApplicationGroup>,
    /// Names of security groups that protect it.
    pub security_groups: Vec<String>,
    /// Where this node is a member.
    pub interfaces: Interfaces,
    /// How many members there are, about: answers to a group request are spread over a time that grows with it (G of
    /// RFC 7252 §8.2).
    pub members_expected: u32,
    /// The rate that all answers together should not exceed, octets per second (R of RFC 7252 §8.2).
    pub rate_octets_s: u32,
}

/// An application group of a configured group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationGroup {
    /// Its group resource, a path with or without query such as `/gp/gp1`: the name stands in it (GC3).
    pub resource: String,
    /// Its resource types, such as `g.light`.
    pub types: Vec<String>,
}

/// Network interfaces, by name: only the shell knows their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interfaces {
    /// None: the group is known, and that is all.
    #[default]
    None,
    /// Whatever interfaces there are.
    All,
    /// These.
    Named(Vec<String>),
}

impl Default for Group {
    /// The numbers are those that make RFC 7252's default leisure of 5 seconds.
    fn default() -> Group {
        Group {
            name: String::new(),
            addresses: Vec::new(),
            port: DEFAULT_PORT,
            application_groups: Vec::new(),
            security_groups: Vec::new(),
            interfaces: Interfaces::None,
            members_expected: 50,
            rate_octets_s: 1_000,
        }
    }
}

impl Group {
    /// Whether this node is a member.
    pub fn is_member(&self) -> bool {
        self.interfaces != Interfaces::None
    }

    /// The endpoint name of the registration for its n-th address.
    pub(crate) fn endpoint_name(&self, number: usize) -> String {
        if number == 0 { self.name.clone() } else { format!("{}-{}", self.name, number + 1) }
    }

    /// Everything that is wrong with this group alone; the keys are names of its fields.
    fn problems(&self) -> Vec<Problem> {
        let is_text = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        let checks = [
            (
                !is_text(&self.name) || self.name.len() > NAME_OCTETS_MAX,
                "name",
                "it is empty, too long, or has control characters",
                "give it a name of 1 to 60 octets, such as lights or lights.example",
            ),
            (
                self.addresses.is_empty(),
                "addresses",
                "there is no address",
                "write a multicast address, such as ff35:30:2001:db8:f1:0:8000:1",
            ),
            (
                self.addresses.iter().any(|address| !address.is_multicast()),
                "addresses",
                "an address is not a multicast address",
                "use addresses from ff00::/8 or 224.0.0.0/4",
            ),
            // GC41
            (
                self.port == FORBIDDEN_PORT || self.port == 0,
                "port",
                "this port must not be used for groups",
                "use 5683, or another one but 5684",
            ),
            // GC81: nothing protects what comes to a group here, so nobody out there may reach it.
            (
                self.is_member() && self.addresses.iter().any(|&address| is_global(address)),
                "addresses",
                "an address reaches beyond the organisation, and this node would listen to it unprotected",
                "use a smaller scope, such as ff05::/16 or 239.0.0.0/8, or name no interfaces",
            ),
            (
                self.application_groups.len() > limits::APPLICATION_GROUPS_MAX,
                "application_groups",
                "there are too many",
                "name at most 64",
            ),
            (
                self.application_groups.iter().any(|application| !application.is_reachable()),
                "application_groups",
                "the resource of one cannot be served under that path",
                "write a name such as gp1, or a path of up to six segments such as /gp/gp1",
            ),
            (
                self.application_groups.iter().any(|application| !application.is_writable()),
                "application_groups",
                "one cannot be written as a link",
                "use a name without spaces, and types such as g.light",
            ),
            // GC4
            (
                self.security_groups.iter().any(|name| is_no_security_group(name)),
                "security_groups",
                "NoSec is no security group",
                "leave it out: without security group there is no security",
            ),
            (
                self.security_groups.iter().any(|name| !is_text(name)),
                "security_groups",
                "a name is empty or has control characters",
                "write the names as their Group Manager does",
            ),
            (
                self.members_expected == 0 || self.rate_octets_s == 0,
                if self.members_expected == 0 { "members" } else { "rate_octets_s" },
                "with nothing there would be no time to spread answers over",
                "use 1 or more",
            ),
        ];
        let problem = |(is_wrong, key, why, hint)| if is_wrong { Some(Problem { key, why, hint }) } else { None };
        checks.into_iter().filter_map(problem).collect()
    }
}

/// Whether a multicast address reaches beyond any organisation.
fn is_global(address: IpAddr) -> bool {
    address.is_multicast() && Scope::of(address) == Scope::Global
}

/// Octets of a name, so that `-2` and the like fit behind it in an endpoint name.
const NAME_OCTETS_MAX: usize = 60;

impl ApplicationGroup {
    /// Reads a name or a path, and behind it the types, separated by spaces: `gp1 g.light`.
    pub fn parse(text: &str) -> Option<ApplicationGroup> {
        let mut words = text.split_ascii_whitespace();
        let first = words.next()?;
        // GC3: the recommended form.
        let resource = if first.starts_with('/') { first.to_owned() } else { format!("/gp/{first}") };
        Some(ApplicationGroup { resource, types: words.map(str::to_owned).collect() })
    }

    /// Its link, as it is registered.
    pub(crate) fn link(&self) -> String {
        let mut link = format!("<{}>", self.resource).into_bytes();
        if !self.types.is_empty() {
            wayhouse_wire::coap::link_format::write_parameter(&mut link, "rt", &self.types.join(" "));
        }
        String::from_utf8(link).expect("it is made of text")
    }

    /// The segments of its path.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.resource.split('?').next().unwrap_or_default().split('/').skip(1)
    }

    /// The arguments of its query.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.resource.split_once('?').into_iter().flat_map(|(_, query)| query.split('&'))
    }

    /// Whether a request can name it, and nothing else here has that path.
    fn is_reachable(&self) -> bool {
        let segments: Vec<&[u8]> = self.segments().map(str::as_bytes).collect();
        !segments.is_empty() && segments.len() <= DEPTH_MAX && route::resource(&segments).is_none()
    }

    fn is_writable(&self) -> bool {
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !b"<>\"\\%#".contains(&octet);
        self.resource.bytes().all(is_plain)
            && self.types.iter().all(|one| one.bytes().all(is_plain))
            && LinkFormat::parse_limited(self.link().as_bytes()).is_ok()
    }
}

impl std::fmt::Display for ApplicationGroup {
    /// As [`ApplicationGroup::parse`] reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.resource.strip_prefix("/gp/").filter(|name| !name.contains(['/', '?']) && !name.is_empty());
        f.write_str(name.unwrap_or(&self.resource))?;
        self.types.iter().try_for_each(|one| write!(f, " {one}"))
    }
}

impl Config {
    /// What is wrong with the groups: the number of the group, and the problem with one of its fields.
    pub fn group_problems(&self) -> Vec<(usize, Problem)> {
        let mut problems: Vec<(usize, Problem)> = Vec::new();
        let mut names = BTreeMap::new();
        for (number, group) in self.groups.iter().enumerate() {
            problems.extend(group.problems().into_iter().map(|problem| (number, problem)));
            let is_taken = (0..group.addresses.len().max(1))
                .any(|address| names.insert(group.endpoint_name(address), number).is_some());
            if is_taken && !group.name.is_empty() {
                let why = "another group is called so, or one of its further addresses is";
                problems.push((number, Problem { key: "name", why, hint: "give every group a name of its own" }));
            }
        }
        if self.groups.len() > limits::GROUPS_MAX {
            let problem = Problem { key: "name", why: "there are too many groups", hint: "configure at most 256" };
            problems.push((limits::GROUPS_MAX, problem));
        }
        problems
    }

    /// What can be used but should not be: the number of the group, and the warning about one of its fields.
    pub fn group_warnings(&self) -> Vec<(usize, Problem)> {
        let mut ports: BTreeMap<IpAddr, u16> = BTreeMap::new();
        let mut warnings = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            // GC42
            let other =
                group.addresses.iter().any(|&address| *ports.entry(address).or_insert(group.port) != group.port);
            if other {
                let why = "another group has the same address with another port";
                let hint = "give every group an address of its own, unless devices can join but few";
                warnings.push((number, Problem { key: "port", why, hint }));
            }
        }
        warnings
    }
}
