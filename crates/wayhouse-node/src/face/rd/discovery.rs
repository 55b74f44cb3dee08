//! `/.well-known/core`: where the directory's interfaces are (RFC 9176 §4.3, RFC 6690 §4), and in which application
//! groups this node is (GC7).

use wayhouse_proto::coap::{Request, Response};
use wayhouse_registry::Pattern;
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use crate::Config;
use crate::groups::{self, Offer};
use crate::request::{Fault, Heading};

/// What this node offers (RD9: link-format, lookups observable).
const RESOURCES: &str = concat!(
    "</>;ct=0,",
    "</rd>;rt=\"core.rd\";ct=40,",
    "</rd-lookup/ep>;rt=\"core.rd-lookup-ep\";ct=40;obs,",
    "</rd-lookup/res>;rt=\"core.rd-lookup-res\";ct=40;obs",
);

/// Answers with the links that fit all criteria.
pub(super) fn answer(
    config: &Config,
    request: &Request<'_>,
    heading: &Heading<'_>,
    response: &mut Response,
) -> Result<(), Fault> {
    heading.accepts(content_format::LINK_FORMAT)?;
    let offers = groups::offers(config, &request.meta);
    // GC39: a CoAP group is told of its own resources alone.
    let own = if offers.is_by_group { "" } else { RESOURCES };
    for link in LinkFormat::trusted(own).links() {
        if fits(&link, "", request)? {
            write(&mut response.payload, "", &link);
        }
    }
    for Offer { link, group_uri } in &offers.resources {
        let group_uri = group_uri.as_deref().unwrap_or_default();
        for link in LinkFormat::trusted(link).links() {
            if fits(&link, group_uri, request)? {
                write(&mut response.payload, group_uri, &link);
            }
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

/// Writes a link whose target stands behind `group_uri`.
fn write(out: &mut Vec<u8>, group_uri: &str, link: &Link<'_>) {
    out.extend_from_slice(if out.is_empty() { b"<" } else { b",<" });
    out.extend_from_slice(group_uri.as_bytes());
    out.extend_from_slice(link.target.as_bytes());
    out.push(b'>');
    out.extend_from_slice(link.parameters_text().as_bytes());
}

/// CL7–CL9: whether a link fits every criterion of the query. `group_uri` is as for [`write`].
fn fits(link: &Link<'_>, group_uri: &str, request: &Request<'_>) -> Result<bool, Fault> {
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
            // CL9; GC7: across groups a path finds its resource in each of them (draft App. C.2).
            "href" => {
                pattern.matches(link.target)
                    || (!group_uri.is_empty() && pattern.matches(&format!("{group_uri}{}", link.target)))
            }
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
