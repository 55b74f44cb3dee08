//! Lookup filters (RFC 9176 §6.2): criteria ANDed, each matched by an entry or one of its links.
//!
//! This module says what matches; which entries are worth asking is the business of the module `index`.

use std::borrow::Cow;

use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::uri::{has_scheme, resolve_into};

use crate::entry::{EntryId, Registrant};

#[cfg(test)]
mod tests;

/// The resource type of every registration resource (RD29): a constant attribute of each registrant.
pub(crate) const REGISTRATION_RESOURCE_TYPE: &str = "core.rd-ep";

/// What a value must look like.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// Exactly this.
    Exact(Box<str>),
    /// Starting with this (`…*`); empty: the attribute is present (CL7).
    Prefix(Box<str>),
}

impl Pattern {
    /// Reads a query value: a trailing `*` makes it a prefix.
    pub fn parse(value: &str) -> Pattern {
        match value.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.into()),
            None => Pattern::Exact(value.into()),
        }
    }
    /// Whether a value fits.
    pub fn matches(&self, value: &str) -> bool {
        self.matches_octets(value.as_bytes())
    }

    fn matches_octets(&self, value: &[u8]) -> bool {
        match self {
            Pattern::Exact(exact) => exact.as_bytes() == value,
            Pattern::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
        }
    }

    /// Whether this is the location of an entry (RD34), as a path or, when exact, as a full URI: the authority under
    /// which a directory was reached is nothing the registry knows, and random ids tell directories apart.
    fn matches_location(&self, id: EntryId, location_prefix: &str) -> bool {
        match self {
            Pattern::Exact(exact) => location_id(exact, location_prefix) == Some(id),
            Pattern::Prefix(prefix) => match prefix.strip_prefix(location_prefix) {
                Some(id_prefix) => id.characters().starts_with(id_prefix.as_bytes()),
                None => location_prefix.starts_with(&**prefix),
            },
        }
    }
}

/// The id in a location, given as a path or as a full URI (RD34).
pub(crate) fn location_id(location: &str, location_prefix: &str) -> Option<EntryId> {
    let path = if has_scheme(location) { &location[uri_origin(location).len()..] } else { location };
    EntryId::parse(path.strip_prefix(location_prefix)?)
}

/// The part of a full URI in front of its path: scheme, colon, and the authority if there is one.
///
/// References that stay within an authority keep this part of their base unchanged (RFC 3986 §5.2), so it leads from
/// a resolved URI back to the bases it can come from.
pub(crate) fn uri_origin(uri: &str) -> &str {
    let scheme_end = uri.find(':').map_or(0, |colon| colon + 1);
    match uri[scheme_end..].strip_prefix("//") {
        Some(rest) => {
            let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            &uri[..scheme_end + 2 + authority]
        }
        None => &uri[..scheme_end],
    }
}

/// The values of an attribute that a criterion is held against: the space separated ones of relation types (RD32),
/// else the value itself. An attribute that is present has at least one value, if need be an empty one.
pub(crate) fn attribute_values<'a>(name: &str, value: &'a str) -> impl Iterator<Item = &'a str> {
    let is_list = is_relation_type_attribute(name);
    let whole = !is_list || value.bytes().all(|octet| octet == b' ');
    let listed = if whole { "" } else { value };
    whole
        .then_some(if is_list { "" } else { value })
        .into_iter()
        .chain(listed.split(' ').filter(|single| !single.is_empty()))
}

/// One criterion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Criterion {
    /// An attribute of a link or of the registrant (`ep`, `d`, `base`, `et`, `rt`, …).
    Attribute {
        /// Attribute name.
        name: Box<str>,
        /// Wanted value.
        pattern: Pattern,
    },
    /// `href`: a link's resolved target, or the registration resource itself (RD34).
    Href(Pattern),
    /// `anchor`: a link's resolved anchor (full URI).
    Anchor(Pattern),
    /// `provenance`: the registration resource that a link came from (RR15).
    Provenance(Pattern),
}

impl Criterion {
    /// Whether the registrant itself has what is wanted; then every link of it has, too (RD33).
    fn matches_registrant(&self, registrant: &Registrant, location_prefix: &str) -> bool {
        match self {
            Criterion::Attribute { name, pattern } => {
                let own = match &**name {
                    "ep" => pattern.matches(&registrant.endpoint_name),
                    "d" => !registrant.sector.is_empty() && pattern.matches(&registrant.sector),
                    "base" => pattern.matches(&registrant.base),
                    "rt" => pattern.matches(REGISTRATION_RESOURCE_TYPE),
                    _ => false,
                };
                // RD32: of an attribute that repeats, any value will do.
                own || registrant.attributes.iter().any(|(other, value)| {
                    other == name && attribute_values(name, value).any(|one| pattern.matches(one))
                })
            }
            Criterion::Href(pattern) | Criterion::Provenance(pattern) => {
                pattern.matches_location(registrant.id, location_prefix)
            }
            Criterion::Anchor(_) => false,
        }
    }

    /// Whether a link has what is wanted, leaving aside whose it is. `resolved` is scratch space.
    fn matches_link(&self, base: &str, link: &Link<'_>, resolved: &mut Vec<u8>) -> bool {
        let mut matches_resolved = |pattern: &Pattern, reference: &str| {
            resolved.clear();
            resolve_into(resolved, base, reference);
            pattern.matches_octets(resolved)
        };
        match self {
            Criterion::Attribute { name, pattern } => link
                .parameters()
                .filter(|(other, _)| *other == &**name)
                .any(|(_, value)| attribute_values(name, &value.unquoted()).any(|one| pattern.matches(one))),
            Criterion::Href(pattern) => matches_resolved(pattern, link.target),
            Criterion::Anchor(pattern) => link_anchor(link).is_some_and(|anchor| matches_resolved(pattern, &anchor)),
            Criterion::Provenance(_) => false,
        }
    }
}

/// The anchor of a link as written.
pub(crate) fn link_anchor<'a>(link: &Link<'a>) -> Option<Cow<'a, str>> {
    link.anchor().map(|value| value.unquoted())
}

/// All criteria of a lookup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter {
    /// ANDed; each evaluated separately (RD31, RD33).
    pub criteria: Vec<Criterion>,
    /// The link the question came from: entries with a link-local base are shown only there (RD5). `None`: from no link.
    pub link_scope: Option<u32>,
    /// Whether entries of every link are shown: for operators, who stand on none and see all.
    pub sees_every_link: bool,
}

/// A page of the results (RD36): results `first .. first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page {
    /// Results to skip.
    pub first: u64,
    /// Results to show at most.
    pub count: u64,
}

impl Page {
    /// Everything.
    pub const ALL: Page = Page { first: 0, count: u64::MAX };
}

impl Filter {
    /// Whether an endpoint lookup shows this registrant. `location_prefix` is what stands before the id in a location.
    pub fn matches_registrant(&self, registrant: &Registrant, location_prefix: &str) -> bool {
        self.is_in_scope(registrant) && Matcher::new(self, location_prefix).matches_registrant(registrant)
    }
    /// Whether a resource lookup shows this link of the registrant.
    pub fn matches_link(&self, registrant: &Registrant, link: &Link<'_>, location_prefix: &str) -> bool {
        let mut matcher = Matcher::new(self, location_prefix);
        matcher.begin(registrant);
        self.is_in_scope(registrant) && matcher.matches_link(registrant, link)
    }

    /// RD5: what is bound to a link is shown to questions from that link only.
    fn is_in_scope(&self, registrant: &Registrant) -> bool {
        self.sees_every_link || registrant.link_scope.is_none() || registrant.link_scope == self.link_scope
    }
}

/// Holds the criteria of a filter against one registrant after the other; link scopes are left to the caller.
#[derive(Debug)]
pub(crate) struct Matcher<'f> {
    criteria: &'f [Criterion],
    location_prefix: &'f str,
    /// The criteria that the registrant at hand does not meet itself.
    open: Vec<&'f Criterion>,
    resolved: Vec<u8>,
}

impl<'f> Matcher<'f> {
    pub(crate) fn new(filter: &'f Filter, location_prefix: &'f str) -> Matcher<'f> {
        Matcher { criteria: &filter.criteria, location_prefix, open: Vec::new(), resolved: Vec::new() }
    }

    /// RD33: each criterion is met by the registrant or by any link of it; different ones by different links.
    pub(crate) fn matches_registrant(&mut self, registrant: &Registrant) -> bool {
        self.begin(registrant);
        for link in LinkFormat::trusted(&registrant.links).links() {
            if self.open.is_empty() {
                break;
            }
            self.open.retain(|criterion| !criterion.matches_link(&registrant.base, &link, &mut self.resolved));
        }
        self.open.is_empty()
    }

    /// Turns to a registrant whose links are to be asked about.
    pub(crate) fn begin(&mut self, registrant: &Registrant) {
        let location_prefix = self.location_prefix;
        self.open.clear();
        self.open.extend(self.criteria.iter().filter(|one| !one.matches_registrant(registrant, location_prefix)));
    }

    /// RD33: each criterion is met by the link itself or by its registrant.
    pub(crate) fn matches_link(&mut self, registrant: &Registrant, link: &Link<'_>) -> bool {
        self.open.iter().all(|criterion| criterion.matches_link(&registrant.base, link, &mut self.resolved))
    }
}
