//! Which face a request belongs to.

use wayhouse_proto::coap::{Request, Response};
use wayhouse_registry::EntryId;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use crate::face::Context;
use crate::face::rd::{Directory, Verdict};
use crate::groups;
use crate::request::{Fault, Heading};

/// What `/` says: who answers here, in one short line.
const ROOT_TEXT: &str = concat!("wayhouse ", env!("CARGO_PKG_VERSION"));

/// A resource of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "resource lookup is the RFC's own term")]
pub(crate) enum Resource {
    /// `/`
    Root,
    /// `/.well-known/core`
    Discovery,
    /// `/.well-known/rd`
    SimpleRegistration,
    /// `/rd`
    Registrations,
    /// `/reg/<id>`
    Registration(EntryId),
    /// `/rd-lookup/ep`
    EndpointLookup,
    /// `/rd-lookup/res`
    ResourceLookup,
    /// A resource of an application group that this node is a member of, such as `/gp/gp1`.
    OfGroup,
}

/// Finds the resource of a path.
pub(crate) fn resource(path: &[&[u8]]) -> Option<Resource> {
    Some(match path {
        [] | [b""] => Resource::Root,
        [b".well-known", b"core"] => Resource::Discovery,
        [b".well-known", b"rd"] => Resource::SimpleRegistration,
        [b"rd"] => Resource::Registrations,
        [b"reg", id] => Resource::Registration(EntryId::parse(std::str::from_utf8(id).ok()?)?),
        [b"rd-lookup", b"ep"] => Resource::EndpointLookup,
        [b"rd-lookup", b"res"] => Resource::ResourceLookup,
        _ => return None,
    })
}

/// Answers a request: the response is written into `response`, unless the verdict says that it comes later.
pub(crate) fn answer(
    context: &mut Context<'_>,
    directory: &mut Directory,
    request: &Request<'_>,
    response: &mut Response,
) -> Verdict {
    let heading = Heading::read(request.options);
    let outcome = dispatch(context, directory, request, &heading, response);
    outcome.unwrap_or_else(|fault| directory.write_fault(context, request, &fault, response))
}

fn dispatch(
    context: &mut Context<'_>,
    directory: &mut Directory,
    request: &Request<'_>,
    heading: &Heading<'_>,
    response: &mut Response,
) -> Result<Verdict, Fault> {
    let path = heading.path();
    let is_of_group = |path: &&[&[u8]]| groups::has_resource(context.config, &request.meta, path, request.options);
    let of_group = || path.filter(is_of_group).map(|_| Resource::OfGroup);
    let Some(resource) = path.and_then(resource).or_else(of_group) else {
        return Err(Fault::new(Code::NOT_FOUND, ""));
    };
    if request.meta.is_multicast && !matches!(resource, Resource::Discovery | Resource::OfGroup) {
        // CX6: discovery and its own resources are what a group may be asked for; the engine keeps errors from groups.
        return Err(Fault::new(Code::METHOD_NOT_ALLOWED, ""));
    }
    if !matches!(resource, Resource::Registration(_)) {
        heading.check_conditions(request, None)?;
    }
    match (resource, request.code) {
        // A member of an application group says who it is.
        (Resource::Root | Resource::OfGroup, Code::GET) => {
            heading.accepts(content_format::TEXT_PLAIN)?;
            response.code = Some(Code::CONTENT);
            response.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::TEXT_PLAIN));
            response.payload.extend_from_slice(ROOT_TEXT.as_bytes());
            Ok(Verdict::Respond)
        }
        (Resource::Root | Resource::OfGroup, _) => Err(Fault::new(Code::METHOD_NOT_ALLOWED, "")),
        _ => directory.handle(context, resource, request, heading, response),
    }
}

#[cfg(test)]
mod tests;
