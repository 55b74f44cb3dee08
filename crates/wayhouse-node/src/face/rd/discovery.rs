//! `/.well-known/core`: where the directory's interfaces are (RFC 9176 §4.3, RFC 6690 §4), and in which application
//! groups this node is (GC7).

use wayhouse_proto::coap::{Request, Response};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use crate::Config;
use crate::groups::{self, Offer};
use crate::links::write_fitting;
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
    if !offers.is_by_group {
        write_fitting(RESOURCES, request, &mut response.payload)?;
    }
    for Offer { link, group_uri } in &offers.resources {
        // Across groups the reference is absolute (draft App. C.2).
        match group_uri {
            None => write_fitting(link, request, &mut response.payload)?,
            Some(uri) => write_fitting(&link.replacen('<', &format!("<{uri}"), 1), request, &mut response.payload)?,
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
