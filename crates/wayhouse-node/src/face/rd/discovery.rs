//! `/.well-known/core`: where the directory's interfaces are (RFC 9176 §4.3, RFC 6690 §4).

use wayhouse_proto::coap::{Request, Response};
use wayhouse_registry::Pattern;
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use crate::request::{Fault, Heading};

/// What this node offers (RD9: link-format, lookups observable).
const RESOURCES: &str = concat!(
    "</>;ct=0,",
    "</rd>;rt=\"core.rd\";ct=40,",
    "</rd-lookup/ep>;rt=\"core.rd-lookup-ep\";ct=40;obs,",
    "</rd-lookup/res>;rt=\"core.rd-lookup-res\";ct=40;obs",
);

/// Answers with the links that fit all criteria.
pub(super) fn answer(request: &Request<'_>, heading: &Heading<'_>, response: &mut Response) -> Result<(), Fault> {
    heading.accepts(content_format::LINK_FORMAT)?;
    for link in LinkFormat::trusted(RESOURCES).links() {
        if fits(&link, request)? {
            if !response.payload.is_empty() {
                response.payload.push(b',');
            }
            response.payload.push(b'<');
            response.payload.extend_from_slice(link.target.as_bytes());
            response.payload.push(b'>');
            response.payload.extend_from_slice(link.parameters_text().as_bytes());
        }
    }
    if request.meta.is_multicast && response.payload.is_empty() {
        // CL10: a group member without a match keeps silent.
        response.code = None;
        return Ok(());
    }
    // CL11: no match is an empty document.
    response.code = Some(Code::CONTENT);
    response.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
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
            // CL9
            "href" => pattern.matches(link.target),
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
