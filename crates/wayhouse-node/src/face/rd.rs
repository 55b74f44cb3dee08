//! The Resource Directory (RFC 9176) and the seed's extensions `provenance`, `lt-age` and `lt-remaining`.
//!
//! [`Directory`] keeps what only this face needs: freshness of changes, fetches for simple registration, observed
//! lookups. What is registered stands in the registry. One file per interface: `discovery`, `registration`, `simple`,
//! `lookup`; `observation` decides which observed lookups a change concerns.
//!
//! # Deviations and choices
//! - RD16, RD20, RD24, RD36: the client error is 4.00, with a diagnostic text.
//! - Freshness (RD26): without a registration of that name, a request must be fresher than the last removal, so that an
//!   old registration cannot be played again after it was removed.
//! - A lookup whose answer would exceed `lookup_results_max` or the largest body is refused with 4.00, not shortened.
//! - Reading a registration resource returns its links as submitted, which the RFC leaves open.
//! - A simple registration is renewed by fetching again after three quarters of its lifetime (RD18); it ends when
//!   that fails. Lifetimes whose quarter is shorter than the pause in `limits.rs` are left to the registrant.

use std::net::IpAddr;
use std::time::Instant;

use wayhouse_proto::coap::{Answer, ObserverId, Request, Response};
use wayhouse_proto::io::{Meta, Wakeup};
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeKind, Refusal, View};
use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::face::Context;
use crate::request::{Fault, Heading};
use crate::route::Resource;

mod base;
mod discovery;
mod freshness;
mod lookup;
mod observation;
mod ownership;
mod parameters;
mod registration;
mod simple;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The response is written.
    Respond,
    /// As above, and the peer may observe this lookup.
    Watch(Box<lookup::Question>),
    /// The response comes later.
    Deferred,
}

impl Verdict {
    /// Whether the response goes out in this call.
    pub(crate) fn is_now(&self) -> bool {
        !matches!(self, Verdict::Deferred)
    }
}

/// What this face has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) registrations: u64,
    pub(crate) updates: u64,
    pub(crate) removals: u64,
    pub(crate) expiries: u64,
    pub(crate) lookups: u64,
    pub(crate) refusals: u64,
}

/// The directory's own state.
#[derive(Debug)]
pub struct Directory {
    freshness: freshness::Freshness,
    simple: simple::Simple,
    observation: observation::Observation,
    entity_tags: wayhouse_proto::keyed_hash::KeyedState,
    pub(crate) counts: Counts,
}

impl Directory {
    /// A directory that nobody observes yet.
    pub(crate) fn new(seed: u64) -> Directory {
        let mut rng = Rng::new(seed);
        Directory {
            freshness: freshness::Freshness::new(&mut rng),
            simple: simple::Simple::default(),
            observation: observation::Observation::new(&mut rng),
            entity_tags: wayhouse_proto::keyed_hash::KeyedState::new(&mut rng),
            counts: Counts::default(),
        }
    }

    /// Answers a request to one of the directory's resources.
    ///
    /// # Errors
    /// What [`Directory::write_fault`] turns into an answer.
    pub(crate) fn handle(
        &mut self,
        context: &mut Context<'_>,
        resource: Resource,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<Verdict, Fault> {
        match (resource, request.code) {
            (Resource::Discovery, Code::GET) => {
                discovery::answer(context.config, request, heading, response)?;
                Ok(Verdict::Respond)
            }
            (Resource::SimpleRegistration, _) if !context.config.directory.simple_registration => {
                Err(Fault::new(Code::NOT_FOUND, "simple registration is not offered here"))
            }
            (Resource::SimpleRegistration, Code::POST) => self.register_simply(context, request),
            (Resource::Registrations, Code::POST) => {
                self.register(context, request, heading, response)?;
                Ok(Verdict::Respond)
            }
            (Resource::Registration(id), Code::POST) => {
                self.update(context, id, request, heading, response)?;
                Ok(Verdict::Respond)
            }
            (Resource::Registration(id), Code::DELETE) => {
                self.remove(context, id, request, heading, response)?;
                Ok(Verdict::Respond)
            }
            (Resource::Registration(id), Code::GET) => {
                self.read(context, id, request, heading, response)?;
                Ok(Verdict::Respond)
            }
            (Resource::EndpointLookup, Code::GET) => {
                self.look_up(context, lookup::Kind::Endpoints, request, heading, response)
            }
            (Resource::ResourceLookup, Code::GET) => {
                self.look_up(context, lookup::Kind::Resources, request, heading, response)
            }
            _ => Err(Fault::new(Code::METHOD_NOT_ALLOWED, "")),
        }
    }

    /// Writes the answer to a request that failed.
    pub(crate) fn write_fault(
        &mut self,
        context: &Context<'_>,
        request: &Request<'_>,
        fault: &Fault,
        response: &mut Response,
    ) -> Verdict {
        response.clear();
        match fault {
            Fault::Error { code, why } => {
                self.counts.refusals += 1;
                response.code = Some(*code);
                response.payload.extend_from_slice(why.as_bytes());
                if *code == Code::REQUEST_ENTITY_TOO_LARGE {
                    // BW7
                    response.options.push_uint(number::SIZE1, context.config.registry.links_octets_max as u64);
                }
            }
            Fault::Refused(refusal) => {
                self.counts.refusals += 1;
                response.code = Some(refusal_code(refusal));
                response.payload.extend_from_slice(refusal.to_string().as_bytes());
            }
            Fault::Stale => {
                // RD26: the client proves with this value that its request is younger than what it would change.
                response.code = Some(Code::UNAUTHORIZED);
                self.freshness.push_echo(context.registry.last_change(), request.meta.remote.ip(), response);
            }
        }
        Verdict::Respond
    }

    /// Follows a change of the registry.
    pub(crate) fn note_change(&mut self, context: &mut Context<'_>, change: &Change) {
        if change.kind == ChangeKind::Expired {
            self.counts.expiries += 1;
        }
        self.freshness.note(change);
        self.simple.note_change(change);
        self.observation.note_change(context, change);
    }
    /// Takes up an entry that a store kept.
    pub(crate) fn note_restored(&mut self, view: View<'_>) {
        self.simple.note_restored(view);
    }
    /// Takes an answer to a request of this face.
    pub(crate) fn handle_answer(&mut self, context: &mut Context<'_>, answer: Answer, response: &mut Response) {
        self.finish_fetch(context, answer, response);
    }
    /// Remembers what an observer asked.
    pub(crate) fn observe(&mut self, observer: ObserverId, question: lookup::Question) {
        self.observation.insert(observer, question);
    }
    /// Forgets an observer.
    pub(crate) fn forget(&mut self, observer: ObserverId) {
        self.observation.remove(observer);
    }
    /// Writes what an observer is to be told; `None` when it is not known here. `previous` is the question whose answer
    /// `response` holds already, if any: it is not looked up twice.
    pub(crate) fn render(
        &mut self,
        context: &mut Context<'_>,
        observer: ObserverId,
        previous: Option<usize>,
        response: &mut Response,
    ) -> Option<usize> {
        let (place, question) = self.observation.question_of(observer)?;
        if previous != Some(place) {
            response.clear();
            if let Err(fault) = lookup::write(context, question, response) {
                // OB8: an answer that is no longer possible ends the observation.
                response.clear();
                response.code = Some(match fault {
                    Fault::Error { code, .. } => code,
                    Fault::Refused(refusal) => refusal_code(&refusal),
                    Fault::Stale => Code::UNAUTHORIZED,
                });
            }
        }
        Some(place)
    }
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        self.simple.renew_due(context);
    }
    /// When [`Directory::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Wakeup> {
        self.simple.next_renewal().map(|at: Instant| Wakeup { at, why: "simple registration is fetched again" })
    }
}

/// The answer to a refusal: the one place where reasons become codes.
fn refusal_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Unknown => Code::NOT_FOUND,
        Refusal::NotOwner | Refusal::Configured => Code::FORBIDDEN,
        Refusal::Invalid { .. } => Code::BAD_REQUEST,
        Refusal::Full { .. } => Code::SERVICE_UNAVAILABLE,
    }
}

/// The link a request came from: its interface, as the system told it or as a link-local source address names it.
fn link_of(meta: &Meta) -> Option<u32> {
    match (meta.interface, meta.remote) {
        (0, std::net::SocketAddr::V6(remote)) if remote.scope_id() != 0 => Some(remote.scope_id()),
        (0, _) => None,
        (interface, _) => Some(interface),
    }
}

/// A request's source address, IPv4 as IPv4.
fn source_address(meta: &Meta) -> IpAddr {
    meta.remote.ip().to_canonical()
}
