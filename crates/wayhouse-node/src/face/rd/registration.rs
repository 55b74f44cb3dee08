//! Registration and what can be done with a registration resource (RFC 9176 §5, §5.3).

use std::borrow::Cow;

use wayhouse_proto::coap::{Request, Response};
use wayhouse_registry::{ChangeNumber, EntryId, Origin, Refusal, Registered, Registration, Update};
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format};

use super::base::Base;
use super::parameters::{Parameters, Purpose};
use super::{Directory, link_of, ownership, source_address};
use crate::face::Context;
use crate::request::{Fault, Heading};
use crate::rules::{LOCATION_PREFIX, invalid};

impl Directory {
    /// `POST /rd`: enters a registration or replaces the one of the same name in place (RD11).
    pub(super) fn register(
        &mut self,
        context: &mut Context<'_>,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<(), Fault> {
        let settings = &context.config.directory;
        let bounds = &context.config.registry;
        let credentials = ownership::credentials(settings.anonymous, &request.meta)?;
        if heading.content_format.is_some_and(|format| format != u64::from(content_format::LINK_FORMAT)) {
            // RD16
            return Err(Fault::new(Code::UNSUPPORTED_CONTENT_FORMAT, "links are taken in link-format (40)"));
        }
        let parameters = Parameters::read(request.options, Purpose::Registration, settings, bounds.attributes_max)?;
        let endpoint_name = parameters.endpoint_name.ok_or(invalid("ep", "it is missing"))?;
        let sector = parameters.sector.unwrap_or_default();
        let base = Base::of(parameters.base, request)?;
        let links = read_links(&request.payload, bounds.links_octets_max)?;
        let entry = || context.registry.by_name(sector, endpoint_name);
        self.freshness.check(settings, context.registry, entry, request)?;
        let registration = Registration {
            endpoint_name,
            sector,
            base: &base.uri,
            is_base_explicit: base.is_explicit,
            lifetime_s: parameters.lifetime_or_default(settings),
            attributes: &parameters.attributes,
            links: &links,
            origin: Origin::Directory,
            credentials: &credentials,
            source: Some(request.meta.remote),
            link_scope: base.link_scope,
            services: None,
        };
        let Registered { id, change, .. } = context.registry.register(context.now, &registration)?;
        self.counts.registrations += 1;
        // RD11, RD12: always 2.01 with the same location, which has no query.
        for segment in LOCATION_PREFIX.split('/').filter(|segment| !segment.is_empty()) {
            response.options.push(number::LOCATION_PATH, segment.as_bytes());
        }
        response.options.push(number::LOCATION_PATH, id.to_string().as_bytes());
        self.acknowledge(context, Code::CREATED, change, request, response);
        Ok(())
    }

    /// `POST` to a registration: renews it and changes what the parameters name (RD21–RD24).
    pub(super) fn update(
        &mut self,
        context: &mut Context<'_>,
        id: EntryId,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<(), Fault> {
        let settings = &context.config.directory;
        let credentials = ownership::credentials(settings.anonymous, &request.meta)?;
        self.check_changeable(context, id, request, heading)?;
        if !request.payload.is_empty() {
            return Err(Fault::new(Code::BAD_REQUEST, "an update carries no payload"));
        }
        let bounds = &context.config.registry;
        let parameters = Parameters::read(request.options, Purpose::Update, settings, bounds.attributes_max)?;
        let view = context.registry.get(id).ok_or(Refusal::Unknown)?;
        // RD22: an implicit base follows the source of the update, an explicit one stays until replaced.
        let base = if parameters.base.is_some() || !view.registrant.is_base_explicit {
            Some(Base::of(parameters.base, request)?)
        } else {
            None
        };
        self.freshness.check(settings, context.registry, || Some(view), request)?;
        let update = Update {
            // RD21: without a new lifetime the last one starts again.
            lifetime_s: parameters.lifetime_s,
            base: base.as_ref().map(|base| (&*base.uri, base.is_explicit)),
            // RD23
            attributes: &parameters.attributes,
            links: None,
            source: Some(request.meta.remote),
            link_scope: base.as_ref().map(|base| base.link_scope),
        };
        let change = context.registry.update(context.now, id, &update, &credentials)?;
        self.counts.updates += 1;
        self.acknowledge(context, Code::CHANGED, change, request, response);
        Ok(())
    }

    /// `DELETE` of a registration.
    pub(super) fn remove(
        &mut self,
        context: &mut Context<'_>,
        id: EntryId,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<(), Fault> {
        let settings = &context.config.directory;
        let credentials = ownership::credentials(settings.anonymous, &request.meta)?;
        self.check_changeable(context, id, request, heading)?;
        self.freshness.check(settings, context.registry, || context.registry.get(id), request)?;
        let change = context.registry.withdraw(context.now, id, &credentials)?;
        self.counts.removals += 1;
        response.code = Some(Code::DELETED);
        response.durable_after = change.0;
        Ok(())
    }

    /// `GET` of a registration: its links as submitted.
    pub(super) fn read(
        &mut self,
        context: &mut Context<'_>,
        id: EntryId,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<(), Fault> {
        let view = context.registry.get(id).ok_or(Refusal::Unknown)?;
        if view.registrant.link_scope.is_some_and(|scope| link_of(&request.meta) != Some(scope)) {
            // RD5
            return Err(Refusal::Unknown.into());
        }
        heading.accepts(content_format::LINK_FORMAT)?;
        let links = view.registrant.links.as_bytes();
        let entity_tag = self.entity_tag(links);
        heading.check_conditions(request, Some(&entity_tag))?;
        response.options.push(number::ETAG, &entity_tag);
        if request.options.all(number::ETAG).any(|known| known == entity_tag) {
            response.code = Some(Code::VALID);
            return Ok(());
        }
        response.code = Some(Code::CONTENT);
        response.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
        response.payload.extend_from_slice(links);
        Ok(())
    }

    /// Whether a registration exists, can be changed by its location, and meets the request's conditions (CO9).
    fn check_changeable(
        &self,
        context: &Context<'_>,
        id: EntryId,
        request: &Request<'_>,
        heading: &Heading<'_>,
    ) -> Result<(), Fault> {
        let view = context.registry.get(id).ok_or(Refusal::Unknown)?;
        if view.registrant.origin == Origin::SimpleRegistration {
            // RD18: registering again is the only way.
            return Err(Fault::new(Code::METHOD_NOT_ALLOWED, "a simple registration is changed by registering again"));
        }
        if heading.has_conditions(request) {
            let entity_tag = self.entity_tag(view.registrant.links.as_bytes());
            heading.check_conditions(request, Some(&entity_tag))?;
        }
        Ok(())
    }

    /// Answers a request that changed something: not before the change is durable.
    fn acknowledge(
        &self,
        context: &Context<'_>,
        code: Code,
        change: ChangeNumber,
        request: &Request<'_>,
        response: &mut Response,
    ) {
        response.code = Some(code);
        response.durable_after = change.0;
        if context.config.directory.require_freshness {
            // RD26: sent ahead, so that the next change needs no second round trip.
            self.freshness.push_echo(change, source_address(&request.meta), response);
        }
    }

    /// The entity tag of a representation: the same octets, the same tag, and no other octets that one (RT5).
    fn entity_tag(&self, representation: &[u8]) -> [u8; 8] {
        self.entity_tags.octets(representation).to_be_bytes()
    }
}

/// Checks a submitted document (RD16); an empty one is fine (RD15). White space between its parts, which we tolerate, is
/// not passed on (CL1).
pub(super) fn read_links(payload: &[u8], octets_max: usize) -> Result<Cow<'_, str>, Fault> {
    if payload.len() > octets_max {
        return Err(Fault::new(Code::REQUEST_ENTITY_TOO_LARGE, ""));
    }
    match LinkFormat::parse_limited(payload) {
        Ok(document) => Ok(document.normalized()),
        Err(_) => Err(Fault::new(Code::BAD_REQUEST, "the payload is not in Limited Link Format")),
    }
}
