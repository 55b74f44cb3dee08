//! Simple registration (RFC 9176 §5.1): the directory fetches the links itself, and again before they expire.
//!
//! ```text
//! POST /.well-known/rd ──▶ fetch ──links──▶ registered, 2.04 ──¾ lifetime──▶ fetch ──links──▶ renewed ──▶ …
//!                            └──failure──▶ 5.04 or 4.00                        └──failure──▶ tried again, or expires
//! ```

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_proto::coap::endpoint::{Failure, Reply, Target};
use wayhouse_proto::coap::{Answer, Ask, PendingId, Request, RequestId, Response};
use wayhouse_proto::io::{Peer, SocketId, StreamId};
use wayhouse_registry::{
    Change, Credentials, EntryId, Lease, Origin, Registered, Registration, Registry, Update, View,
};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, OptionList, content_format};

use super::base::Base;
use super::parameters::{Parameters, Purpose};
use super::registration::read_links;
use super::{Directory, Verdict, ownership, refusal_code};
use crate::face::Context;
use crate::limits;
use crate::request::Fault;
use crate::rules::invalid;

/// How a registrant is reached: as it reached us, so that it sees the address it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Listener(u16),
    Stream(StreamId),
}

impl Way {
    fn target(self, remote: SocketAddr) -> Target {
        match self {
            Way::Listener(listener) => Target::FromListener { listener, remote },
            Way::Stream(stream) => Target::Stream(stream),
        }
    }
}

/// What a registrant asked for, kept while its links are fetched.
#[derive(Debug)]
struct Wish {
    endpoint_name: String,
    sector: String,
    base: String,
    link_scope: Option<u32>,
    lifetime_s: u32,
    attributes: Vec<(String, String)>,
    credentials: Credentials,
    source: SocketAddr,
    way: Way,
}

/// Why links are fetched.
#[derive(Debug)]
enum Fetch {
    /// To register. Who waits for the outcome: the same registrant, perhaps more than once.
    Register { wish: Box<Wish>, waiting: Vec<PendingId> },
    /// To renew.
    Renew(EntryId),
}

/// When and how an entry's links are fetched again.
#[derive(Debug, Clone, Copy)]
struct Renewal {
    at: Instant,
    way: Way,
}

/// Fetches under way and to come.
#[derive(Debug, Default)]
pub(super) struct Simple {
    fetches: BTreeMap<RequestId, Fetch>,
    renewals: BTreeMap<EntryId, Renewal>,
    due: BTreeSet<(Instant, EntryId)>,
}

impl Directory {
    /// `POST /.well-known/rd`.
    pub(super) fn register_simply(
        &mut self,
        context: &mut Context<'_>,
        request: &Request<'_>,
    ) -> Result<Verdict, Fault> {
        let settings = &context.config.directory;
        let credentials = ownership::credentials(settings.anonymous, &request.meta)?;
        if !request.payload.is_empty() {
            return Err(Fault::new(Code::BAD_REQUEST, "simple registration carries no payload"));
        }
        let attributes_max = context.config.registry.attributes_max;
        let parameters = Parameters::read(request.options, Purpose::SimpleRegistration, settings, attributes_max)?;
        let endpoint_name = parameters.endpoint_name.ok_or(invalid("ep", "it is missing"))?;
        let sector = parameters.sector.unwrap_or_default();
        let base = Base::of(None, request)?;
        // RD19: the fetch shows that the source address is real and serves these links; that the request is recent and
        // meant for us takes Echo.
        let entry = || context.registry.by_name(sector, endpoint_name);
        self.freshness.check(settings, context.registry, entry, request)?;
        let way = match request.peer {
            Peer::Datagram { socket: SocketId::Listener(listener), .. } => Way::Listener(listener),
            Peer::Datagram { socket: SocketId::Client(_) | SocketId::Group | SocketId::Dns(_), .. } => {
                return Err(Fault::new(Code::METHOD_NOT_ALLOWED, "ask the service port"));
            }
            Peer::Stream(stream) => Way::Stream(stream),
        };
        let wish = Wish {
            endpoint_name: endpoint_name.to_owned(),
            sector: sector.to_owned(),
            base: base.uri.into_owned(),
            link_scope: base.link_scope,
            lifetime_s: parameters.lifetime_or_default(settings),
            attributes: parameters.attributes.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
            credentials,
            source: request.meta.remote,
            way,
        };
        if let Some((asked, waiting)) = self.simple.fetch_of(&wish) {
            // The same registrant again, before the fetch for its first request ended: one fetch answers both.
            if waiting.len() >= limits::WAITING_PER_FETCH_MAX {
                return Err(Fault::new(Code::SERVICE_UNAVAILABLE, "your links are being fetched"));
            }
            if let Some(pending) = context.endpoint.defer(context.now, request) {
                waiting.push(pending);
                **asked = wish;
            }
            return Ok(Verdict::Deferred);
        }
        if self.simple.fetches.len() >= limits::FETCHES_MAX {
            return Err(Fault::new(Code::SERVICE_UNAVAILABLE, "too many simple registrations at once"));
        }
        let Some(pending) = context.endpoint.defer(context.now, request) else { return Ok(Verdict::Deferred) };
        match context.endpoint.request(context.now, fetch(wish.way.target(wish.source), true)) {
            Ok(id) => {
                self.simple.fetches.insert(id, Fetch::Register { wish: Box::new(wish), waiting: vec![pending] });
            }
            Err(_) => {
                let response = Response { code: Some(Code::SERVICE_UNAVAILABLE), ..Response::default() };
                context.endpoint.respond_deferred(context.now, pending, &response);
            }
        }
        Ok(Verdict::Deferred)
    }

    /// Takes the outcome of a fetch.
    pub(super) fn finish_fetch(&mut self, context: &mut Context<'_>, answer: Answer, response: &mut Response) {
        match self.simple.fetches.remove(&answer.id) {
            None => {}
            Some(Fetch::Register { wish, waiting }) => {
                response.clear();
                match self.enter(context, &wish, &answer.outcome) {
                    Ok(Registered { change, .. }) => {
                        self.counts.registrations += 1;
                        // No location: there is no interface to change it (RD18).
                        response.code = Some(Code::CHANGED);
                        response.durable_after = change.0;
                        if context.config.directory.require_freshness {
                            self.freshness.push_echo(change, wish.source.ip(), response);
                        }
                    }
                    Err(Fault::Error { code, why }) => {
                        self.counts.refusals += 1;
                        response.code = Some(code);
                        response.payload.extend_from_slice(why.as_bytes());
                    }
                    Err(Fault::Refused(refusal)) => {
                        self.counts.refusals += 1;
                        response.code = Some(refusal_code(&refusal));
                        response.payload.extend_from_slice(refusal.to_string().as_bytes());
                    }
                    Err(Fault::Stale) => response.code = Some(Code::UNAUTHORIZED),
                }
                for pending in waiting {
                    context.endpoint.respond_deferred(context.now, pending, response);
                }
            }
            Some(Fetch::Renew(id)) => self.finish_renewal(context, id, &answer.outcome),
        }
    }

    fn enter(
        &mut self,
        context: &mut Context<'_>,
        wish: &Wish,
        outcome: &Result<Reply, Failure>,
    ) -> Result<Registered, Fault> {
        let links = fetched_links(outcome, context.config.registry.links_octets_max)?;
        let attributes: Vec<(&str, &str)> =
            wish.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let registration = Registration {
            endpoint_name: &wish.endpoint_name,
            sector: &wish.sector,
            base: &wish.base,
            is_base_explicit: false,
            lifetime_s: wish.lifetime_s,
            attributes: &attributes,
            links: &links,
            origin: Origin::SimpleRegistration,
            credentials: &wish.credentials,
            source: Some(wish.source),
            link_scope: wish.link_scope,
            services: None,
        };
        let registered = context.registry.register(context.now, &registration)?;
        self.simple.schedule(registered.id, Lease { lifetime_s: wish.lifetime_s, renewed: context.now }, wish.way);
        Ok(registered)
    }

    fn finish_renewal(&mut self, context: &mut Context<'_>, id: EntryId, outcome: &Result<Reply, Failure>) {
        let Some((owner, lease)) =
            renewable(context.registry, id).map(|view| (view.registrant.owner.clone(), view.lease))
        else {
            return self.simple.forget(id);
        };
        let renewed = fetched_links(outcome, context.config.registry.links_octets_max).and_then(|links| {
            let update = Update { links: Some(&links), ..Update::default() };
            Ok(context.registry.update(context.now, id, &update, &owner)?)
        });
        let Some(way) = self.simple.renewals.get(&id).map(|renewal| renewal.way) else { return };
        match renewed {
            Ok(_) => {
                self.simple.schedule(id, Lease { lifetime_s: lease.lifetime_s, renewed: context.now }, way);
            }
            // RD18: without its links it ends with its lifetime.
            Err(_) => self.simple.retry(id, context.now, lease),
        }
    }
}

impl Simple {
    /// When [`Simple::renew_due`] has something to do.
    pub(super) fn next_renewal(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }
    /// Follows a change of the registry: what is no simple registration any more is not fetched.
    pub(super) fn note_change(&mut self, change: &Change) {
        let id = match (&change.after, &change.before) {
            (Some(after), _) if after.origin == Origin::SimpleRegistration => return,
            (Some(registrant), _) | (None, Some(registrant)) => registrant.id,
            (None, None) => return,
        };
        self.forget(id);
    }
    /// Takes up an entry that a store kept. What came over a connection cannot be reached after a restart.
    pub(super) fn note_restored(&mut self, view: View<'_>) {
        let registrant = view.registrant;
        if view.is_active && registrant.origin == Origin::SimpleRegistration && registrant.base.starts_with("coap://") {
            self.schedule(registrant.id, view.lease, Way::Listener(0));
        }
    }
    /// Starts the fetches that are due, a bounded number per call.
    pub(super) fn renew_due(&mut self, context: &mut Context<'_>) {
        for _ in 0..limits::RENEWALS_PER_CALL {
            let Some(&(at, id)) = self.due.first() else { return };
            if at > context.now {
                return;
            }
            self.due.remove(&(at, id));
            let Some(renewal) = self.renewals.get(&id).copied() else { continue };
            let Some((source, lease)) =
                renewable(context.registry, id).and_then(|view| Some((view.registrant.source?, view.lease)))
            else {
                self.forget(id);
                continue;
            };
            let started = if self.fetches.len() < limits::FETCHES_MAX {
                context.endpoint.request(context.now, fetch(renewal.way.target(source), false)).ok()
            } else {
                None
            };
            match started {
                Some(request) => {
                    self.fetches.insert(request, Fetch::Renew(id));
                }
                None => self.retry(id, context.now, lease),
            }
        }
    }

    /// The fetch under way for the same registrant.
    fn fetch_of(&mut self, wish: &Wish) -> Option<(&mut Box<Wish>, &mut Vec<PendingId>)> {
        self.fetches.values_mut().find_map(|fetch| match fetch {
            Fetch::Register { wish: asked, waiting }
                if asked.source == wish.source
                    && asked.way == wish.way
                    && asked.endpoint_name == wish.endpoint_name
                    && asked.sector == wish.sector =>
            {
                Some((asked, waiting))
            }
            _ => None,
        })
    }
    /// Plans the next fetch after three quarters of the lifetime.
    fn schedule(&mut self, id: EntryId, lease: Lease, way: Way) {
        self.forget(id);
        let pause = Duration::from_secs(u64::from(lease.lifetime_s)) * 3 / 4;
        if self.renewals.len() < limits::RENEWALS_MAX && pause >= limits::RENEWAL_PAUSE_MIN {
            let at = lease.renewed + pause;
            self.renewals.insert(id, Renewal { at, way });
            self.due.insert((at, id));
        }
    }
    /// Plans another attempt after half of what is left, as long as that is a decent pause.
    fn retry(&mut self, id: EntryId, now: Instant, lease: Lease) {
        let pause = lease.remaining(now) / 2;
        match self.renewals.get_mut(&id) {
            Some(renewal) if pause >= limits::RENEWAL_PAUSE_MIN => {
                self.due.remove(&(renewal.at, id));
                renewal.at = now + pause;
                self.due.insert((renewal.at, id));
            }
            _ => self.forget(id),
        }
    }
    fn forget(&mut self, id: EntryId) {
        if let Some(renewal) = self.renewals.remove(&id) {
            self.due.remove(&(renewal.at, id));
        }
    }
}

/// An entry that may still be renewed.
fn renewable(registry: &Registry, id: EntryId) -> Option<View<'_>> {
    registry.get(id).filter(|view| view.is_active && view.registrant.origin == Origin::SimpleRegistration)
}

/// `GET /.well-known/core` in link-format. RD17: the engine's cache may answer a registrant that asks again while its
/// links are fresh; a renewal wants to hear the registrant itself.
fn fetch(to: Target, may_use_cache: bool) -> Ask {
    let mut options = OptionList::new();
    options.push(number::URI_PATH, b".well-known");
    options.push(number::URI_PATH, b"core");
    options.push_uint(number::ACCEPT, u64::from(content_format::LINK_FORMAT));
    Ask {
        to,
        code: Code::GET,
        options,
        payload: Vec::new(),
        is_confirmable: true,
        is_observation: false,
        block_szx: None,
        patience: Some(limits::FETCH_PATIENCE),
        may_use_cache,
    }
}

/// The links in what a fetch brought.
fn fetched_links(outcome: &Result<Reply, Failure>, octets_max: usize) -> Result<Cow<'_, str>, Fault> {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(Failure::TooLarge) => return Err(Fault::new(Code::BAD_REQUEST, "your links are too large")),
        Err(Failure::Unprocessable(_)) => return Err(Fault::new(Code::BAD_REQUEST, "your links cannot be read")),
        Err(Failure::Timeout | Failure::Reset | Failure::Disconnected) => {
            return Err(Fault::new(Code::GATEWAY_TIMEOUT, "your /.well-known/core does not answer"));
        }
    };
    if reply.code != Some(Code::CONTENT) {
        return Err(Fault::new(Code::BAD_REQUEST, "your /.well-known/core answers with an error"));
    }
    let format = reply.options.first(number::CONTENT_FORMAT).map(|option| option.uint());
    if format.is_some_and(|format| format != Some(u64::from(content_format::LINK_FORMAT))) {
        return Err(Fault::new(Code::BAD_REQUEST, "your /.well-known/core is not in link-format"));
    }
    match read_links(&reply.payload, octets_max) {
        Err(Fault::Error { code: Code::REQUEST_ENTITY_TOO_LARGE, .. }) => {
            Err(Fault::new(Code::BAD_REQUEST, "your links are too large"))
        }
        other => other,
    }
}
