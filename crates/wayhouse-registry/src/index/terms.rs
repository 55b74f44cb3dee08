//! Terms: everything by which an entry can be found, read from the registrant and its links.

use std::borrow::Cow;

use wayhouse_wire::coap::link_format::{Link, LinkFormat};
use wayhouse_wire::coap::uri::has_scheme;

use crate::entry::Registrant;
use crate::filter::{attribute_values, uri_origin};
use crate::group::{self, APPLICATION_GROUP_ATTRIBUTE, SECURITY_GROUP_ATTRIBUTE};
use crate::limits::INDEXED_OCTETS_MAX;

/// What a term is about. The fields that nearly every entry has are told apart without comparing text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field<'a> {
    /// `ep`.
    EndpointName,
    /// `d`.
    Sector,
    /// `base`.
    Base,
    /// `et`.
    EndpointType,
    /// `rt`.
    ResourceType,
    /// `if`.
    InterfaceDescription,
    /// Targets of links that do not take their authority from the base: the part in front of their path.
    Target,
    /// Likewise for anchors.
    Anchor,
    /// `sec-gp`.
    SecurityGroup,
    /// `app-gp`.
    ApplicationGroup,
    /// The CoAP group that a registrant stands for.
    GroupAuthority,
    /// The names that it gives that group.
    GroupName,
    /// The groups that it takes part in.
    GroupMember,
    /// Any other attribute of the registrant or its links.
    Attribute(&'a str),
}

impl<'a> Field<'a> {
    /// The number of fields that have one.
    pub(crate) const NUMBERED: usize = 13;

    pub(crate) fn of_attribute(name: &'a str) -> Field<'a> {
        match name {
            "ep" => Field::EndpointName,
            "d" => Field::Sector,
            "base" => Field::Base,
            "et" => Field::EndpointType,
            "rt" => Field::ResourceType,
            "if" => Field::InterfaceDescription,
            SECURITY_GROUP_ATTRIBUTE => Field::SecurityGroup,
            APPLICATION_GROUP_ATTRIBUTE => Field::ApplicationGroup,
            _ => Field::Attribute(name),
        }
    }

    /// The number of a field, or the name of one that has none.
    pub(crate) fn number(self) -> Result<usize, &'a str> {
        Ok(match self {
            Field::EndpointName => 0,
            Field::Sector => 1,
            Field::Base => 2,
            Field::EndpointType => 3,
            Field::ResourceType => 4,
            Field::InterfaceDescription => 5,
            Field::Target => 6,
            Field::Anchor => 7,
            Field::SecurityGroup => 8,
            Field::ApplicationGroup => 9,
            Field::GroupAuthority => 10,
            Field::GroupName => 11,
            Field::GroupMember => 12,
            Field::Attribute(name) => return Err(name),
        })
    }

    /// Whether links are indexed by their values: the interesting attributes of links, and the usual ones of
    /// registrants, so that a stray link parameter of such a name does not make lookups by it inexact.
    fn is_indexed_in_links(self) -> bool {
        !matches!(self, Field::Attribute(_))
    }

    /// Whether it is remembered who has the attribute at all. What nearly everyone has is left out.
    pub(crate) fn keeps_presence(self) -> bool {
        matches!(
            self,
            Field::Sector | Field::EndpointType | Field::SecurityGroup | Field::ApplicationGroup | Field::Attribute(_)
        )
    }
}

/// How a term finds the entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Facet<'a> {
    /// It has some value that is indexed.
    Present,
    /// It has some value that is not indexed.
    Unindexed,
    /// It has this value.
    Value(Cow<'a, str>),
}

/// One term of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term<'a> {
    pub(crate) field: Field<'a>,
    pub(crate) facet: Facet<'a>,
    /// Who has it: 0 for the registrant, else the number of the link, from 1.
    pub(super) owner: u32,
    /// The number of links that a resource lookup for it shows.
    pub(crate) links: u16,
}

/// Reads terms.
pub(super) struct Reader<'a> {
    terms: Vec<Term<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(room: Room) -> Reader<'a> {
        Reader { terms: room.0 }
    }

    /// What was read since this was last asked.
    pub(super) fn take_terms(&mut self) -> impl Iterator<Item = Term<'a>> + '_ {
        self.terms.drain(..)
    }

    pub(super) fn into_room(self) -> Room {
        Room::of(self.terms)
    }

    fn push(&mut self, field: Field<'a>, facet: Facet<'a>, owner: u32) {
        self.terms.push(Term { field, facet, owner, links: 1 });
    }

    fn value(&mut self, field: Field<'a>, value: Cow<'a, str>, owner: u32) {
        if value.len() > INDEXED_OCTETS_MAX {
            self.push(field, Facet::Unindexed, owner);
            return;
        }
        self.push(field, Facet::Value(value), owner);
        if field.keeps_presence() {
            self.push(field, Facet::Present, owner);
        }
    }

    fn attribute(&mut self, name: &str, field: Field<'a>, value: Cow<'a, str>, owner: u32) {
        if !value.as_bytes().contains(&b' ') {
            return self.value(field, value, owner);
        }
        match value {
            Cow::Borrowed(value) => {
                for single in attribute_values(name, value) {
                    self.value(field, Cow::Borrowed(single), owner);
                }
            }
            Cow::Owned(value) => {
                for single in attribute_values(name, &value) {
                    self.value(field, Cow::Owned(single.to_owned()), owner);
                }
            }
        }
    }

    /// What the registrant itself is found by.
    pub(super) fn registrant(&mut self, registrant: &'a Registrant) {
        self.value(Field::EndpointName, Cow::Borrowed(&registrant.endpoint_name), 0);
        if !registrant.sector.is_empty() {
            self.value(Field::Sector, Cow::Borrowed(&registrant.sector), 0);
        }
        self.value(Field::Base, Cow::Borrowed(&registrant.base), 0);
        for (name, value) in &registrant.attributes {
            self.attribute(name, Field::of_attribute(name), Cow::Borrowed(value), 0);
        }
        if let Some(authority) = group::authority_of(registrant) {
            for name in group::names_of(registrant, &authority) {
                self.value(Field::GroupName, Cow::Owned(name.into()), 0);
            }
            self.value(Field::GroupAuthority, Cow::Owned(authority.term()), 0);
        }
    }

    /// What one of its links is found by.
    pub(super) fn link(&mut self, link: &Link<'a>, base: &str, owner: u32) {
        self.reference(Field::Target, Cow::Borrowed(link.target), owner);
        let mut has_anchor = false;
        for (name, value) in link.parameters() {
            let field = Field::of_attribute(name);
            if field.is_indexed_in_links() {
                self.attribute(name, field, value.unquoted(), owner);
                continue;
            }
            self.push(field, Facet::Unindexed, owner);
            if name == "anchor" && !has_anchor {
                has_anchor = true;
                self.reference(Field::Anchor, value.unquoted(), owner);
            }
        }
        for term in group::participation(link, base).iter().flat_map(group::Participation::terms) {
            self.value(Field::GroupMember, Cow::Owned(term), owner);
        }
    }

    fn reference(&mut self, field: Field<'a>, reference: Cow<'a, str>, owner: u32) {
        if has_scheme(&reference) {
            let origin = match reference {
                Cow::Borrowed(reference) => Cow::Borrowed(uri_origin(reference)),
                Cow::Owned(reference) => Cow::Owned(uri_origin(&reference).to_owned()),
            };
            self.value(field, origin, owner);
        } else if reference.starts_with("//") {
            // Limited Link Format has no such references; whoever holds one is asked.
            self.push(field, Facet::Unindexed, owner);
        }
    }
}

/// Room for terms, used again and again: filling an index is a good part of a registration's work.
#[derive(Debug, Default)]
pub(crate) struct Room(Vec<Term<'static>>);

impl Room {
    /// Terms whose room is kept; few documents have more.
    pub(super) const TERMS_MAX: usize = 256;

    /// The room that some terms took.
    pub(crate) fn of(mut terms: Vec<Term<'_>>) -> Room {
        terms.clear();
        terms.shrink_to(Room::TERMS_MAX);
        // Collecting in place keeps what was allocated.
        Room(terms.into_iter().map(|_| unreachable!("there are none left")).collect())
    }
}

/// The terms of a registrant in order, each once, and the number of its links.
pub(crate) fn terms_of(registrant: &Registrant, room: Room) -> (Vec<Term<'_>>, u16) {
    let mut reader = Reader { terms: room.0 };
    reader.registrant(registrant);
    let mut links = 0_u32;
    for link in LinkFormat::trusted(&registrant.links).links() {
        links += 1;
        reader.link(&link, &registrant.base, links);
    }
    let links = u16::try_from(links).expect("documents with more links are refused");

    let mut terms = reader.terms;
    terms.sort_unstable();
    terms.dedup_by(|term, kept| {
        let is_same = term.field == kept.field && term.facet == kept.facet;
        // A link counts once however often it has the value; the registrant counts for all links, below.
        if is_same && kept.owner != 0 && term.owner != kept.owner {
            kept.owner = term.owner;
            kept.links += 1;
        }
        is_same
    });
    for term in &mut terms {
        // RD33: what the registrant matches, all its links match. Its term stands before theirs and is the one kept.
        if term.owner == 0 {
            term.links = links;
        }
    }
    (terms, links)
}

/// How many distinct terms attributes and links have, those that every registrant has left aside.
pub(crate) fn count_terms<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
    links: &'a str,
    base: &str,
) -> usize {
    let mut reader = Reader { terms: Vec::new() };
    for (name, value) in attributes {
        reader.attribute(name, Field::of_attribute(name), Cow::Borrowed(value), 0);
    }
    for link in LinkFormat::trusted(links).links() {
        reader.link(&link, base, 1);
    }
    reader.terms.sort_unstable();
    reader.terms.dedup_by(|term, kept| term.field == kept.field && term.facet == kept.facet);
    reader.terms.len()
}
