//! Answers of `/.well-known/core`: the links of a document that fit the query (RFC 6690 §4).

use wayhouse_proto::coap::Request;
use wayhouse_registry::Pattern;
use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{has_scheme, origin};

use crate::request::Fault;

/// Appends the links of a document that fit all criteria.
///
/// # Errors
/// 4.00 for a query that is not UTF-8.
pub(crate) fn write_fitting(document: &str, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    for link in LinkFormat::trusted(document).links() {
        if fits(&link, request)? {
            if !out.is_empty() {
                out.push(b',');
            }
            out.push(b'<');
            out.extend_from_slice(link.target.as_bytes());
            out.push(b'>');
            out.extend_from_slice(link.parameters_text().as_bytes());
        }
    }
    Ok(())
}

/// CL7–CL9: whether a link fits every criterion of the query.
fn fits(link: &Link<'_>, request: &Request<'_>) -> Result<bool, Fault> {
    for octets in request.options.all(number::URI_QUERY) {
        let criterion =
            std::str::from_utf8(octets).map_err(|_| Fault::new(Code::BAD_REQUEST, "the query is not UTF-8"))?;
        // A name alone asks for its presence, as `name=*` does.
        let (name, value) = criterion.split_once('=').unwrap_or((criterion, "*"));
        if name.is_empty() {
            continue;
        }
        let pattern = Pattern::parse(value);
        let is_fit = match name {
            // CL9; GC7: members are asked for the path of a group that they name by a full URI.
            "href" => pattern.matches(link.target) || has_scheme(link.target) && pattern.matches(path_of(link.target)),
            _ => link.parameters().filter(|(other, _)| *other == name).any(|(_, value)| {
                let value = value.unquoted();
                if is_relation_type_attribute(name) {
                    // CL8
                    value.split(' ').any(|part| pattern.matches(part))
                } else {
                    pattern.matches(&value)
                }
            }),
        };
        if !is_fit {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What stands behind scheme and authority of a full URI.
fn path_of(uri: &str) -> &str {
    &uri[origin(uri).len()..]
}
