//! What may be entered at all.

use std::sync::Arc;

use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::uri::has_scheme;

use crate::group::{self, Authority, NoGroup};
use crate::index::count_terms;
use crate::limits::{
    ATTRIBUTE_OCTETS_MAX, BASE_OCTETS_MAX, LINKS_MAX, Limits, NAME_OCTETS_MAX, SERVICE_ADDRESSES_MAX,
    SERVICE_INSTANCES_MAX, SERVICE_PARTS_MAX, SERVICE_RECORDS_BOUND, SERVICE_RECORDS_MAX, terms_max,
};
use crate::{Origin, Refusal, Registrant, ServiceHost};

/// Names with a meaning of their own in registrations or lookups (RFC 9176 §5, §6; RD29, RD34, RD35): as further
/// endpoint attributes they would make questions ambiguous.
const RESERVED_NAMES: [&str; 9] = ["ep", "d", "lt", "base", "page", "count", "rt", "href", "anchor"];

fn refuse<T>(what: &'static str, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Invalid { what, why })
}

fn has_control_character(text: &str) -> bool {
    // Unicode's control characters are exactly 0-31 and 127-159.
    text.chars().any(char::is_control)
}

/// The rules for endpoint names and sectors (RFC 9176 §5).
fn check_name(what: &'static str, name: &str) -> Result<(), Refusal> {
    if name.len() > NAME_OCTETS_MAX {
        return refuse(what, "longer than 63 octets");
    }
    if has_control_character(name) {
        return refuse(what, "has a control character");
    }
    Ok(())
}

pub(super) fn check_endpoint_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return refuse("ep", "empty");
    }
    check_name("ep", name)
}

pub(super) fn check_sector(sector: &str) -> Result<(), Refusal> {
    check_name("d", sector)
}

pub(super) fn check_base(base: &str) -> Result<(), Refusal> {
    if base.len() > BASE_OCTETS_MAX {
        return refuse("base", "longer than 1024 octets");
    }
    if !has_scheme(base) {
        return refuse("base", "not a full URI");
    }
    if has_control_character(base) {
        return refuse("base", "has a control character");
    }
    Ok(())
}

pub(super) fn check_lifetime(lifetime_s: u32) -> Result<(), Refusal> {
    if lifetime_s == 0 {
        return refuse("lt", "below 1");
    }
    Ok(())
}

pub(super) fn check_attribute(name: &str, value: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return refuse("attribute", "has no name");
    }
    if name.len() > ATTRIBUTE_OCTETS_MAX || value.len() > ATTRIBUTE_OCTETS_MAX {
        return refuse("attribute", "longer than 1024 octets");
    }
    if has_control_character(name) {
        return refuse("attribute", "has a control character in its name");
    }
    if RESERVED_NAMES.contains(&name) {
        return refuse("attribute", "has a name with a meaning of its own");
    }
    Ok(())
}

pub(super) fn check_attribute_count(count: usize, limits: &Limits) -> Result<(), Refusal> {
    if count > limits.attributes_max { Err(Refusal::Full { bound: "attributes_max" }) } else { Ok(()) }
}

pub(super) fn check_links(links: &str, limits: &Limits) -> Result<(), Refusal> {
    if links.len() > limits.links_octets_max {
        return Err(Refusal::Full { bound: "links_octets_max" });
    }
    // The shortest link is `<>` and a comma.
    if links.len() / 3 >= LINKS_MAX && LinkFormat::trusted(links).links().count() > LINKS_MAX {
        return Err(Refusal::Full { bound: "LINKS_MAX" });
    }
    Ok(())
}

/// The bound on distinct terms.
pub(super) fn check_terms<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    links: &'a str,
    base: &str,
) -> Result<(), Refusal> {
    let octets = links.len() + attributes.clone().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    // Terms are separated by these, or are two for an attribute; mostly that settles it without reading the links.
    let separators = |text: &str| {
        // Pieces whose counts fit into an octet, so that the processor counts many octets at once.
        let count = |piece: &[u8]| piece.iter().map(|octet| u8::from(matches!(octet, b'>' | b';' | b' '))).sum::<u8>();
        text.as_bytes().chunks(255).map(|piece| usize::from(count(piece))).sum::<usize>()
    };
    let mut at_most = attributes.clone().map(|(_, value)| 2 + separators(value)).sum::<usize>() + separators(links);
    if links.contains("//") || links.contains("g.") || links.contains("gpt") {
        // A link that takes part in a group has two terms more. Presence of `sec-gp`, `app-gp` and the like counts once.
        at_most += 4 + 2 * links.bytes().filter(|&octet| octet == b'>').count();
    }
    if at_most > terms_max(octets) && count_terms(attributes, links, base) > terms_max(octets) {
        return Err(Refusal::Full { bound: "terms_max" });
    }
    Ok(())
}

/// What a registration must not be that stands for a group.
pub(super) fn check_group<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>, base: &str) -> Result<(), Refusal> {
    // GC41. Other bases that name no group do no harm: such a registration only stands for none.
    if group::stands_for_group(attributes) && Authority::of_uri(base) == Err(NoGroup::ForbiddenPort) {
        return refuse("base", "port 5684 must not be used for groups");
    }
    Ok(())
}

/// What is registered by update has services, and nothing else has; the bounds on them.
pub(super) fn check_services(origin: Origin, services: Option<&Arc<ServiceHost>>) -> Result<(), Refusal> {
    if services.is_some() != (origin == Origin::Srp) {
        return refuse("services", "they come by update, and with every one");
    }
    let Some(services) = services else { return Ok(()) };
    if services.instances.len() > SERVICE_INSTANCES_MAX {
        return Err(Refusal::Full { bound: "SERVICE_INSTANCES_MAX" });
    }
    if services.addresses.len() > SERVICE_ADDRESSES_MAX {
        return Err(Refusal::Full { bound: "SERVICE_ADDRESSES_MAX" });
    }
    if services.aliases.len() > SERVICE_PARTS_MAX {
        return Err(Refusal::Full { bound: "SERVICE_PARTS_MAX" });
    }
    let mut offers = services.instances.iter().filter_map(|instance| instance.offer.as_ref());
    if offers.any(|offer| offer.subtypes.len() > SERVICE_PARTS_MAX || offer.texts.len() > SERVICE_PARTS_MAX) {
        return Err(Refusal::Full { bound: "SERVICE_PARTS_MAX" });
    }
    if services.record_parts() > SERVICE_RECORDS_MAX {
        return Err(Refusal::Full { bound: SERVICE_RECORDS_BOUND });
    }
    Ok(())
}

/// The bounds on what an update leads to.
pub(super) fn check_content(registrant: &Registrant, limits: &Limits) -> Result<(), Refusal> {
    check_attribute_count(registrant.attributes.len(), limits)?;
    let attributes = registrant.attributes.iter().map(|(name, value)| (&**name, &**value));
    check_group(attributes.clone(), &registrant.base)?;
    check_terms(attributes, &registrant.links, &registrant.base)
}

/// All rules at once, for what a store kept.
pub(super) fn check_registrant(registrant: &Registrant, limits: &Limits) -> Result<(), Refusal> {
    check_endpoint_name(&registrant.endpoint_name)?;
    check_sector(&registrant.sector)?;
    check_base(&registrant.base)?;
    check_services(registrant.origin, registrant.services.as_ref())?;
    for (name, value) in &registrant.attributes {
        check_attribute(name, value)?;
    }
    check_content(registrant, limits)?;
    check_links(&registrant.links, limits)
}
