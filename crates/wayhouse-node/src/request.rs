//! What every resource reads from a request: path, formats, conditions; gathered in one pass over the options.

use wayhouse_proto::coap::Request;
use wayhouse_registry::Refusal;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Options};

/// Why a request is not answered with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error with a diagnostic text, which may be empty.
    Error {
        /// Response code.
        code: Code,
        /// What a person should know.
        why: &'static str,
    },
    /// The registry or a rule on what may be registered said no.
    Refused(Refusal),
    /// The request may be old: it must be repeated with a fresh Echo (RD26).
    Stale,
}

impl Fault {
    /// An error with a diagnostic text.
    pub(crate) fn new(code: Code, why: &'static str) -> Fault {
        Fault::Error { code, why }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused(refusal)
    }
}

/// Path segments that any resource here has at most.
pub(crate) const DEPTH_MAX: usize = 6;

/// The part of a request that decides where it goes and what it may get. Proxy options, unknown critical ones and bad
/// lengths were answered by the engine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heading<'a> {
    segments: [&'a [u8]; DEPTH_MAX],
    depth: usize,
    /// The wanted format.
    accept: Option<u64>,
    /// The payload's format.
    pub(crate) content_format: Option<u64>,
    /// Whether If-Match stands there.
    has_if_match: bool,
}

impl<'a> Heading<'a> {
    /// Reads the options.
    pub(crate) fn read(options: Options<'a>) -> Heading<'a> {
        let mut heading = Heading::default();
        for option in options.iter() {
            match option.number {
                number::URI_PATH => {
                    if let Some(segment) = heading.segments.get_mut(heading.depth) {
                        *segment = option.value;
                    }
                    heading.depth += 1;
                }
                number::ACCEPT => heading.accept = option.uint(),
                // CO2, CO4: what is too long or stands a second time is ignored.
                number::CONTENT_FORMAT if option.value.len() <= 2 && heading.content_format.is_none() => {
                    heading.content_format = option.uint();
                }
                number::IF_MATCH => heading.has_if_match = true,
                _ => {}
            }
        }
        heading
    }
    /// The path's segments; `None` when there are more than any resource here has.
    pub(crate) fn path(&self) -> Option<&[&'a [u8]]> {
        self.segments.get(..self.depth)
    }
    /// CO7: refuses when the representation on offer is not the one asked for.
    ///
    /// # Errors
    /// 4.06.
    pub(crate) fn accepts(&self, content_format: u16) -> Result<(), Fault> {
        match self.accept {
            Some(wanted) if wanted != u64::from(content_format) => {
                Err(Fault::new(Code::NOT_ACCEPTABLE, "no such representation"))
            }
            _ => Ok(()),
        }
    }
    /// Whether the request sets conditions.
    pub(crate) fn has_conditions(&self, request: &Request<'_>) -> bool {
        self.has_if_match || request.has_if_none_match()
    }
    /// CO9: evaluates If-Match and If-None-Match for a resource that exists, with its entity tag where it has one.
    ///
    /// # Errors
    /// 4.12.
    pub(crate) fn check_conditions(&self, request: &Request<'_>, entity_tag: Option<&[u8]>) -> Result<(), Fault> {
        let is_match = !self.has_if_match
            || request.options.all(number::IF_MATCH).any(|tag| tag.is_empty() || Some(tag) == entity_tag);
        if is_match && !request.has_if_none_match() { Ok(()) } else { Err(Fault::new(Code::PRECONDITION_FAILED, "")) }
    }
}
