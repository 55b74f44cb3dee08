//! Endpoint and resource lookup (RFC 9176 §6) with the extensions of RR14–RR19.
//!
//! A request becomes a [`Question`]; [`write`] answers it from the registry, streaming into the response. An observed
//! lookup keeps its question and nothing else.

use std::ops::ControlFlow;
use std::time::Instant;

use wayhouse_proto::coap::{Request, Response};
use wayhouse_registry::{Criterion, Filter, Page, Pattern, Registrant, View};
use wayhouse_wire::coap::link_format::{Link, write_parameter};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format, uri};

use super::{Directory, Verdict, link_of, source_address};
use crate::face::Context;
use crate::request::{Fault, Heading};
use crate::rules::{ENDPOINT_TYPE, LOCATION_PREFIX};

/// Max-Age when none is sent (RFC 7252 §5.10.5), and the most that answers with ages may have (RR17).
const DEFAULT_MAX_AGE_S: u32 = 60;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Registrations.
    Endpoints,
    /// Their links.
    Resources,
}

/// A lookup as asked, with what its asker may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// What is looked for.
    pub(super) kind: Kind,
    /// Which.
    pub(super) filter: Filter,
    /// Which part of the result; `None`: all of it.
    pub(super) page: Option<Page>,
    /// Whether links tell their registration (RR15).
    pub(super) shows_provenance: bool,
    /// Whether registrations tell their age (RR17–RR19).
    pub(super) shows_age: bool,
}

impl Directory {
    /// `GET` of a lookup resource.
    pub(super) fn look_up(
        &mut self,
        context: &mut Context<'_>,
        kind: Kind,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<Verdict, Fault> {
        heading.accepts(content_format::LINK_FORMAT)?;
        let question = Question::read(context, kind, request)?;
        write(context, &question, response)?;
        self.counts.lookups += 1;
        // RD37; OB7: without room it is a plain answer.
        if request.observe == Some(true) && self.observation.len() < context.config.directory.observed_lookups_max {
            response.is_observable = true;
            return Ok(Verdict::Watch(Box::new(question)));
        }
        Ok(Verdict::Respond)
    }
}

impl Question {
    /// Reads a query.
    ///
    /// # Errors
    /// 4.00 for text that is not UTF-8, `page` without `count` (RD36), and `lt` (RD35).
    fn read(context: &Context<'_>, kind: Kind, request: &Request<'_>) -> Result<Question, Fault> {
        let address = source_address(&request.meta);
        // RR18: only whom the configuration names.
        let is_trusted = context.config.directory.trusted_consumers.iter().any(|network| network.contains(address));
        let mut criteria = Vec::new();
        let mut shows_provenance = false;
        let (mut page, mut count) = (None, None);
        for octets in request.options.all(number::URI_QUERY) {
            let text =
                std::str::from_utf8(octets).map_err(|_| Fault::new(Code::BAD_REQUEST, "the query is not UTF-8"))?;
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            match (name, value) {
                ("", None) => {}
                ("", Some(_)) => return Err(Fault::new(Code::BAD_REQUEST, "a criterion without a name")),
                ("page", _) => page = Some(read_number(page, value)?),
                ("count", _) => count = Some(read_number(count, value)?),
                ("lt", _) => return Err(Fault::new(Code::BAD_REQUEST, "lt cannot be looked up")),
                // RR15: alone it only switches the display; who may not see it gets the plain answer.
                ("provenance", None) => shows_provenance |= is_trusted && kind == Kind::Resources,
                ("provenance", Some(value)) if is_trusted && kind == Kind::Resources => {
                    shows_provenance = true;
                    criteria.push(Criterion::Provenance(Pattern::parse(value)));
                }
                // A name alone asks for its presence, as `name=*` does.
                _ => criteria.push(criterion(name, value.unwrap_or("*"))),
            }
        }
        let page = match (page, count) {
            (None, None) => None,
            (None, Some(count)) => Some(Page { first: 0, count }),
            (Some(page), Some(count)) => Some(Page { first: page.saturating_mul(count), count }),
            // RD36
            (Some(_), None) => return Err(Fault::new(Code::BAD_REQUEST, "page needs count")),
        };
        Ok(Question {
            kind,
            filter: Filter { criteria, link_scope: link_of(&request.meta), sees_every_link: false },
            page,
            shows_provenance,
            shows_age: is_trusted && kind == Kind::Endpoints,
        })
    }
}

fn read_number(earlier: Option<u64>, value: Option<&str>) -> Result<u64, Fault> {
    let digits = value.filter(|value| value.bytes().all(|octet| octet.is_ascii_digit()));
    match (earlier, digits.and_then(|digits| digits.parse().ok())) {
        (None, Some(number)) => Ok(number),
        (Some(_), _) => Err(Fault::new(Code::BAD_REQUEST, "page and count stand once at most")),
        (None, None) => Err(Fault::new(Code::BAD_REQUEST, "page and count are numbers")),
    }
}

fn criterion(name: &str, value: &str) -> Criterion {
    let pattern = Pattern::parse(value);
    match name {
        "href" => Criterion::Href(pattern),
        "anchor" => Criterion::Anchor(pattern),
        _ => Criterion::Attribute { name: name.into(), pattern },
    }
}

/// Answers a question; zero results are an empty document.
///
/// # Errors
/// 4.00 when the answer would hold more results or octets than one answer may.
pub(super) fn write(context: &mut Context<'_>, question: &Question, response: &mut Response) -> Result<(), Fault> {
    let now = context.now;
    let settings = &context.config.directory;
    let results_max = settings.lookup_results_max;
    let octets_max = context.config.coap.limits.body_octets_max;
    let wanted = question.page.unwrap_or(Page::ALL);
    // One more than may be shown, to learn whether there is more.
    let page = Page { first: wanted.first, count: wanted.count.min(results_max.saturating_add(1)) };
    let out = &mut response.payload;
    let mut results = 0;
    let mut has_room = |out: &Vec<u8>| {
        results += 1;
        if results > results_max || out.len() > octets_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match question.kind {
        Kind::Endpoints => context.registry.find_registrants(&question.filter, page, &mut |view| {
            write_registrant(out, now, question, view);
            has_room(out)
        }),
        Kind::Resources => context.registry.find_links(&question.filter, page, &mut |view, link| {
            write_link(out, question, view.registrant, link);
            has_room(out)
        }),
    }
    if results > results_max || out.len() > octets_max {
        return Err(Fault::new(Code::BAD_REQUEST, "too many results for one answer: ask with count and page"));
    }
    response.code = Some(Code::CONTENT);
    response.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
    // RR17: ages go stale quickly.
    let max_age_s =
        if question.shows_age { settings.lookup_max_age_s.min(DEFAULT_MAX_AGE_S) } else { settings.lookup_max_age_s };
    if max_age_s != DEFAULT_MAX_AGE_S {
        response.options.push_uint(number::MAX_AGE, u64::from(max_age_s));
    }
    Ok(())
}

/// RD29: `<location>;ep="…";d="…";base="…";rt="core.rd-ep"` and the endpoint attributes; no `lt`.
fn write_registrant(out: &mut Vec<u8>, now: Instant, question: &Question, view: View<'_>) {
    let registrant = view.registrant;
    begin_link(out);
    write_location(out, registrant);
    out.push(b'>');
    write_parameter(out, "ep", &registrant.endpoint_name);
    if !registrant.sector.is_empty() {
        write_parameter(out, "d", &registrant.sector);
    }
    write_parameter(out, "base", &registrant.base);
    write_parameter(out, "rt", ENDPOINT_TYPE);
    for (name, value) in &registrant.attributes {
        write_parameter(out, name, value);
    }
    if question.shows_age {
        // RR17, RR19: age and remainder make up the lifetime, which has no attribute of its own.
        let age_s = view.lease.age(now).as_secs().min(u64::from(view.lease.lifetime_s));
        write_cardinal(out, "lt-age", age_s);
        write_cardinal(out, "lt-remaining", u64::from(view.lease.lifetime_s) - age_s);
    }
}

/// RD27: the link as submitted, its target resolved, its anchor resolved where it has one.
fn write_link(out: &mut Vec<u8>, question: &Question, registrant: &Registrant, link: &Link<'_>) {
    begin_link(out);
    uri::resolve_into(out, &registrant.base, link.target);
    out.push(b'>');
    match link.anchor() {
        None => out.extend_from_slice(link.parameters_text().as_bytes()),
        Some(_) => {
            for (name, value) in link.parameters() {
                out.push(b';');
                out.extend_from_slice(name.as_bytes());
                if name == "anchor" {
                    out.extend_from_slice(b"=\"");
                    uri::resolve_into(out, &registrant.base, &value.unquoted());
                    out.push(b'"');
                } else if let Some(raw) = value.raw() {
                    out.push(b'=');
                    out.extend_from_slice(raw.as_bytes());
                }
            }
        }
    }
    if question.shows_provenance {
        // RR14: written last, since the last one counts.
        out.extend_from_slice(b";provenance=\"");
        write_location(out, registrant);
        out.push(b'"');
    }
}

fn begin_link(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.push(b'<');
}

fn write_location(out: &mut Vec<u8>, registrant: &Registrant) {
    use std::io::Write as _;
    out.extend_from_slice(LOCATION_PREFIX.as_bytes());
    write!(out, "{}", registrant.id).expect("writing to memory cannot fail");
}

fn write_cardinal(out: &mut Vec<u8>, name: &str, value: u64) {
    use std::io::Write as _;
    write!(out, ";{name}={value}").expect("writing to memory cannot fail");
}
