//! Rules for what may be registered, whoever asks: the directory's face and the operator's share them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wayhouse_registry::Refusal;
use wayhouse_wire::coap::uri::has_scheme;

/// What stands before an id in the location of a registration.
pub(crate) const LOCATION_PREFIX: &str = "/reg/";
/// The resource type that every registration shows in endpoint lookups (RD29).
pub(crate) const ENDPOINT_TYPE: &str = "core.rd-ep";

/// Names that cannot be endpoint attributes: parameters of lookup, names that a registration's own link uses (RD29), and
/// what only the directory itself may state (RR14–RR19).
pub(crate) const RESERVED_ATTRIBUTES: [&str; 8] =
    ["page", "count", "rt", "href", "anchor", "provenance", "lt-age", "lt-remaining"];

/// How far a base URI reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Beyond its link.
    Wide,
    /// Only on its link (RD5).
    LinkLocal,
}

/// Whether an address means something on its link only.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Checks an endpoint attribute: it must be writable as a link attribute in endpoint lookups, and not be reserved.
pub(crate) fn check_attribute(name: &str, value: &str) -> Result<(), Refusal> {
    if RESERVED_ATTRIBUTES.contains(&name) {
        return Err(invalid("parameter", "page, count, rt, href, anchor and the directory's own names are reserved"));
    }
    // The characters of `parmname` in link-format (RFC 6690 §2, RFC 5987 `attr-char`).
    let is_name_octet = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet);
    if name.is_empty() || !name.bytes().all(is_name_octet) {
        return Err(invalid("parameter", "its name cannot be written as a link attribute"));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid("parameter", "its value holds control characters"));
    }
    Ok(())
}

/// Checks a base URI and tells how far it reaches.
///
/// A query or fragment is let through: the RFC only advises against them, and resolving references ignores both.
pub(crate) fn check_base(base: &str) -> Result<Reach, Refusal> {
    if !has_scheme(base) {
        return Err(invalid("base", "not an absolute URI"));
    }
    let is_uri_octet = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&octet);
    if !base.bytes().all(is_uri_octet) {
        return Err(invalid("base", "it holds characters that a URI cannot have"));
    }
    let after_scheme = base.split_once(':').map_or("", |(_, rest)| rest);
    let Some(hierarchical) = after_scheme.strip_prefix("//") else { return Ok(Reach::Wide) };
    let authority = hierarchical.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let Some(literal) = host_and_port.strip_prefix('[') else {
        let host = host_and_port.split(':').next().unwrap_or_default();
        return match host.parse::<Ipv4Addr>() {
            Ok(address) if is_link_local(address.into()) => Ok(Reach::LinkLocal),
            _ => Ok(Reach::Wide),
        };
    };
    let Some((literal, _)) = literal.split_once(']') else {
        return Err(invalid("base", "an address literal without its closing bracket"));
    };
    if literal.contains('%') {
        // RD5: what a zone identifier means ends at the host that wrote it.
        return Err(invalid("base", "a zone identifier means nothing to others"));
    }
    match literal.parse::<Ipv6Addr>() {
        Ok(address) if is_link_local(address.into()) => Ok(Reach::LinkLocal),
        Ok(_) => Ok(Reach::Wide),
        Err(_) => Err(invalid("base", "a malformed address literal")),
    }
}

/// A refusal for a value that is not allowed.
pub(crate) fn invalid(what: &'static str, why: &'static str) -> Refusal {
    Refusal::Invalid { what, why }
}

#[cfg(test)]
mod tests;
