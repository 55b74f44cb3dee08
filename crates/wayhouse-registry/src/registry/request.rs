//! What is asked of the registry: registrations and updates.

use std::net::SocketAddr;
use std::sync::Arc;

use super::check;
use crate::{Credentials, EntryId, Limits, Origin, Refusal, Registrant, ServiceHost};

/// What a registrant asks to have remembered.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// `ep`.
    pub endpoint_name: &'a str,
    /// `d`, empty when none.
    pub sector: &'a str,
    /// The base URI, explicit or derived by the face.
    pub base: &'a str,
    /// Whether it was explicit.
    pub is_base_explicit: bool,
    /// Lifetime in seconds, at least 1. With services also 0: the entry ends at once, and its names stay reserved.
    pub lifetime_s: u32,
    /// Further endpoint attributes.
    pub attributes: &'a [(&'a str, &'a str)],
    /// A link-format document that the face has checked (limited form).
    pub links: &'a str,
    /// How it came.
    pub origin: Origin,
    /// Who asks.
    pub credentials: &'a Credentials,
    /// Source address, if any.
    pub source: Option<SocketAddr>,
    /// See [`Registrant::link_scope`].
    pub link_scope: Option<u32>,
    /// See [`Registrant::services`].
    pub services: Option<&'a Arc<ServiceHost>>,
}

/// What an update changes (RFC 9176 §5.3.1). `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct Update<'a> {
    /// New lifetime; without it the last one starts again (RD21).
    pub lifetime_s: Option<u32>,
    /// New base and whether it is explicit (RD22).
    pub base: Option<(&'a str, bool)>,
    /// Attributes that replace all of the same name (RD23).
    pub attributes: &'a [(&'a str, &'a str)],
    /// New links (simple registration's re-fetch; operators).
    pub links: Option<&'a str>,
    /// Source address of the update.
    pub source: Option<SocketAddr>,
    /// New link scope, when the base changes.
    pub link_scope: Option<Option<u32>>,
}

impl Registration<'_> {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        check::check_endpoint_name(self.endpoint_name)?;
        check::check_sector(self.sector)?;
        if self.services.is_none() {
            check::check_lifetime(self.lifetime_s)?;
        }
        check::check_services(self.origin, self.services)?;
        check::check_base(self.base)?;
        for (name, value) in self.attributes {
            check::check_attribute(name, value)?;
        }
        check::check_attribute_count(self.attributes.len(), limits)?;
        check::check_links(self.links, limits)?;
        check::check_group(self.attributes.iter().copied(), self.base)?;
        check::check_terms(self.attributes.iter().copied(), self.links, self.base)
    }

    /// As [`Registrant::octets`].
    pub(super) fn octets(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        let services = self.services.map_or(0, |services| services.octets());
        self.endpoint_name.len() + self.sector.len() + self.base.len() + attributes + self.links.len() + services
    }

    /// Whether `held` says the same already; name, owner and source aside.
    pub(super) fn is_content_of(&self, held: &Registrant) -> bool {
        let attributes = held.attributes.iter().map(|(name, value)| (&**name, &**value));
        *self.links == *held.links
            && *self.base == *held.base
            && self.is_base_explicit == held.is_base_explicit
            && self.origin == held.origin
            && self.link_scope == held.link_scope
            && self.services == held.services.as_ref()
            && attributes.eq(self.attributes.iter().copied())
    }

    pub(super) fn to_registrant(&self, id: EntryId, owner: Credentials) -> Registrant {
        Registrant {
            id,
            endpoint_name: self.endpoint_name.into(),
            sector: self.sector.into(),
            base: self.base.into(),
            is_base_explicit: self.is_base_explicit,
            attributes: self.attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
            links: self.links.into(),
            origin: self.origin,
            owner,
            source: self.source,
            link_scope: self.link_scope,
            services: self.services.cloned(),
        }
    }
}

impl Update<'_> {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        self.lifetime_s.map_or(Ok(()), check::check_lifetime)?;
        self.base.map_or(Ok(()), |(base, _)| check::check_base(base))?;
        for (name, value) in self.attributes {
            check::check_attribute(name, value)?;
        }
        check::check_attribute_count(self.attributes.len(), limits)?;
        self.links.map_or(Ok(()), |links| check::check_links(links, limits))
    }

    /// Whether it is plain that `held` says the same already, source aside. Attributes are not looked at.
    pub(super) fn is_content_of(&self, held: &Registrant) -> bool {
        self.attributes.is_empty()
            && self.base.is_none_or(|(base, explicit)| *base == *held.base && explicit == held.is_base_explicit)
            && self.links.is_none_or(|links| *links == *held.links)
            && self.link_scope.is_none_or(|link_scope| link_scope == held.link_scope)
    }

    /// What `held` becomes, source aside.
    pub(super) fn apply(&self, held: &Registrant) -> Registrant {
        let mut registrant = Registrant { attributes: self.merge_attributes(&held.attributes), ..held.clone() };
        if let Some((base, is_explicit)) = self.base {
            registrant.base = base.into();
            registrant.is_base_explicit = is_explicit;
        }
        if let Some(links) = self.links {
            registrant.links = links.into();
        }
        registrant.link_scope = self.link_scope.unwrap_or(held.link_scope);
        registrant
    }

    /// RD23: given attributes replace all of the same name, where the first of these stood; the others stay.
    fn merge_attributes(&self, held: &[(Box<str>, Box<str>)]) -> Box<[(Box<str>, Box<str>)]> {
        let is_given = |name: &str| self.attributes.iter().any(|&(given, _)| given == name);
        let mut merged: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(held.len() + self.attributes.len());
        let place = |merged: &mut Vec<(Box<str>, Box<str>)>, name: &str| {
            if merged.iter().all(|(placed, _)| **placed != *name) {
                let given = self.attributes.iter().filter(|&&(given, _)| given == name);
                merged.extend(given.map(|&(name, value)| (name.into(), value.into())));
            }
        };
        for (name, value) in held {
            if is_given(name) {
                place(&mut merged, name);
            } else {
                merged.push((name.clone(), value.clone()));
            }
        }
        for (name, _) in self.attributes {
            place(&mut merged, name);
        }
        merged.into()
    }
}
