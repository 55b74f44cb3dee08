//! Terms: everything by which an entry can be found, read from the registrant and its links.

use std::borrow::Cow;

use wayhouse_wire::coap::link_format::{Link, LinkFormat};
use wayhouse_wire::coap::uri::has_scheme;

use crate::entry::Registrant;
use crate::filter::{attribute_values, link_anchor, uri_origin};
use crate::limits::INDEXED_OCTETS_MAX;

/// What a term is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field<'a> {
    /// An attribute of the registrant or its links.
    Attribute(&'a str),
    /// Targets of links that do not take their authority from the base: the part in front of their path.
    Target,
    /// Likewise for anchors.
    Anchor,
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

/// One term of an entry, with the number of links that a resource lookup for it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term<'a> {
    pub(crate) field: Field<'a>,
    pub(crate) facet: Facet<'a>,
    pub(crate) links: u16,
}

/// Whether links are indexed by the values of this attribute: the interesting ones of links, and the usual ones of
/// registrants, so that a stray link parameter of such a name does not make lookups by it inexact.
fn is_indexed_in_links(name: &str) -> bool {
    matches!(name, "rt" | "if" | "ep" | "d" | "base" | "et")
}

/// Whether it is worth remembering who has an attribute at all: every registrant has a name, a base and a type.
fn keeps_presence(field: Field<'_>) -> bool {
    matches!(field, Field::Attribute(name) if !matches!(name, "ep" | "base" | "rt"))
}

/// A term found once: by the registrant (`None`) or by the link of that number.
type Found<'a> = (Field<'a>, Facet<'a>, Option<u32>);

struct Reader<'a> {
    found: Vec<Found<'a>>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, field: Field<'a>, value: Cow<'a, str>, link: Option<u32>) {
        if value.len() > INDEXED_OCTETS_MAX {
            self.found.push((field, Facet::Unindexed, link));
            return;
        }
        self.found.push((field, Facet::Value(value), link));
        if keeps_presence(field) {
            self.found.push((field, Facet::Present, link));
        }
    }

    fn attribute(&mut self, name: &'a str, value: Cow<'a, str>, link: Option<u32>) {
        match value {
            Cow::Borrowed(value) => {
                for single in attribute_values(name, value) {
                    self.value(Field::Attribute(name), Cow::Borrowed(single), link);
                }
            }
            Cow::Owned(value) => {
                for single in attribute_values(name, &value) {
                    self.value(Field::Attribute(name), Cow::Owned(single.to_owned()), link);
                }
            }
        }
    }

    fn registrant(&mut self, registrant: &'a Registrant) {
        self.attribute("ep", Cow::Borrowed(&registrant.endpoint_name), None);
        if !registrant.sector.is_empty() {
            self.attribute("d", Cow::Borrowed(&registrant.sector), None);
        }
        self.attribute("base", Cow::Borrowed(&registrant.base), None);
        for (name, value) in &registrant.attributes {
            self.attribute(name, Cow::Borrowed(value), None);
        }
    }

    fn link(&mut self, link: &Link<'a>, number: u32) {
        self.reference(Field::Target, Cow::Borrowed(link.target), number);
        for (name, value) in link.parameters() {
            if is_indexed_in_links(name) {
                self.attribute(name, value.unquoted(), Some(number));
                continue;
            }
            self.found.push((Field::Attribute(name), Facet::Unindexed, Some(number)));
        }
        if let Some(anchor) = link_anchor(link) {
            self.reference(Field::Anchor, anchor, number);
        }
    }

    fn reference(&mut self, field: Field<'a>, reference: Cow<'a, str>, number: u32) {
        if has_scheme(&reference) {
            let origin = match reference {
                Cow::Borrowed(reference) => Cow::Borrowed(uri_origin(reference)),
                Cow::Owned(reference) => Cow::Owned(uri_origin(&reference).to_owned()),
            };
            self.value(field, origin, Some(number));
        } else if reference.starts_with("//") {
            // Limited Link Format has no such references; whoever holds one is asked.
            self.found.push((field, Facet::Unindexed, Some(number)));
        }
    }
}

/// The terms of a registrant in order, each once, and the number of its links.
pub(crate) fn terms_of(registrant: &Registrant) -> (Vec<Term<'_>>, u16) {
    let mut reader = Reader { found: Vec::with_capacity(32) };
    reader.registrant(registrant);
    let mut links = 0_u32;
    for link in LinkFormat::trusted(&registrant.links).links() {
        reader.link(&link, links);
        links += 1;
    }
    let links = u16::try_from(links).expect("documents with more links are refused");

    let mut found = reader.found;
    found.sort_unstable();
    let mut terms: Vec<Term<'_>> = Vec::with_capacity(found.len());
    let mut last_link = None;
    for (field, facet, link) in found {
        match terms.last_mut() {
            Some(term) if term.field == field && term.facet == facet => {
                // RD33: what the registrant matches, all its links match: it stands first and has counted them.
                if last_link.is_some() && link != last_link {
                    term.links += 1;
                    last_link = link;
                }
            }
            _ => {
                terms.push(Term { field, facet, links: if link.is_none() { links } else { 1 } });
                last_link = link;
            }
        }
    }
    (terms, links)
}
