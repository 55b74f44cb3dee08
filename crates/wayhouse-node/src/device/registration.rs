//! How a device stays registered: [`Registrant`] decides each step, here the steps become requests and answers outcomes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_proto::coap::endpoint::{Reply, Target};
use wayhouse_proto::coap::{Answer, Ask, Endpoint, RequestId};
use wayhouse_proto::io::Wakeup;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{CoapUri, Host, Scheme, location, resolve_into};
use wayhouse_wire::coap::{Code, OptionList, content_format};

use super::Settings;
use crate::registrant::{self, Outcome, Registrant, Step};

/// A directory: its URI, and the address that the host of the URI has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The URI; with a path, that resource takes registrations and nothing is discovered.
    pub uri: String,
    /// Address and port.
    pub address: SocketAddr,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Registered, at this location.
    Registered(String),
    /// A refresh failed.
    Lost,
    /// No directory takes it.
    Refused,
    /// Removed, or left to end with its lifetime.
    Removed,
}

/// The resource type of a registration resource (RFC 9176 §4).
const RESOURCE_TYPE: &str = "core.rd";
/// Max-Age when an answer has none (RFC 7252 §5.10.5).
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);
/// How long the end waits for the directory to confirm the removal.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long a busy directory is waited for before another way is tried.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// The registration.
#[derive(Debug)]
pub(super) struct Registration {
    registrant: Registrant,
    directory: Directory,
    query: Vec<String>,
    links: Vec<u8>,
    /// The request of the latest step.
    under_way: Option<(RequestId, Step)>,
    /// Nothing is to be done before; `None`: never, or as soon as the request under way is answered.
    wait_until: Option<Instant>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Removing(RequestId),
    Over,
}

impl Registration {
    pub(super) fn new(
        now: Instant,
        directory: Directory,
        settings: &Settings,
        links: Vec<u8>,
        seed: u64,
    ) -> Registration {
        let registrant_settings = registrant::Settings {
            directories: vec![directory.uri.clone()],
            lifetime: Duration::from_secs(u64::from(settings.lifetime_s)),
            is_kept: true,
            wait_max: WAIT_MAX,
        };
        let query = vec![
            format!("ep={}", settings.name),
            format!("lt={}", settings.lifetime_s),
            format!("et={}", settings.kind),
        ];
        Registration {
            registrant: Registrant::new(now, registrant_settings, seed),
            directory,
            query,
            links,
            under_way: None,
            wait_until: Some(now + settings.pause),
            end: End::NotYet,
        }
    }

    /// Where it is kept.
    pub(super) fn location(&self) -> Option<&str> {
        self.registrant.location().filter(|_| self.end == End::NotYet)
    }
    pub(super) fn is_gone(&self) -> bool {
        self.end == End::Over
    }
    pub(super) fn poll_timeout(&self) -> Option<Wakeup> {
        let at = self.wait_until.filter(|_| self.under_way.is_none() && self.end == End::NotYet)?;
        Some(Wakeup { at, why: "the registration has a next step" })
    }

    /// Takes the next step when its time has come.
    pub(super) fn advance(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Progress> {
        if self.under_way.is_some() || self.end != End::NotYet || self.wait_until.is_none_or(|until| now < until) {
            return None;
        }
        loop {
            match self.registrant.step(now) {
                Step::Wait { until } => {
                    self.wait_until = Some(until);
                    return None;
                }
                Step::GiveUp => {
                    self.wait_until = None;
                    return Some(Progress::Refused);
                }
                Step::Discover { directory } if has_path(&directory) => {
                    let fresh_for = Duration::MAX / 4;
                    self.registrant.handle(now, Outcome::Discovered { uris: vec![directory], fresh_for });
                }
                step => match self.ask_for(&step).and_then(|ask| endpoint.request(now, ask).ok()) {
                    Some(id) => {
                        self.under_way = Some((id, step));
                        return None;
                    }
                    None => self.registrant.handle(now, Outcome::NoAnswer),
                },
            }
        }
    }

    /// Takes an answer to a request of this registration.
    pub(super) fn handle_answer(&mut self, now: Instant, answer: Answer) -> Option<Progress> {
        if self.end == End::Removing(answer.id) {
            self.end = End::Over;
            return Some(Progress::Removed);
        }
        let (_, step) = self.under_way.take_if(|(id, _)| *id == answer.id)?;
        self.wait_until = Some(now);
        let outcome = match answer.outcome {
            Ok(reply) => self.outcome(&step, &reply),
            Err(_) => Outcome::NoAnswer,
        };
        let progress = match &outcome {
            Outcome::Registered { location } => Some(Progress::Registered(location.clone())),
            Outcome::Refused { .. } | Outcome::NoAnswer if matches!(step, Step::Refresh { .. }) => Some(Progress::Lost),
            _ => None,
        };
        self.registrant.handle(now, outcome);
        progress
    }

    /// Removes what is registered.
    pub(super) fn leave(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if self.end != End::NotYet {
            return;
        }
        // A registration that is just being made would stay: its answer is not waited for, as it may never come.
        if let Some((id, _)) = self.under_way.take() {
            endpoint.cancel(now, id);
        }
        let removal = self.registrant.location().and_then(|location| self.ask(location, Code::DELETE));
        let removal = removal.map(|ask| Ask { patience: Some(FAREWELL), ..ask });
        self.end = match removal.and_then(|ask| endpoint.request(now, ask).ok()) {
            Some(id) => End::Removing(id),
            None => End::Over,
        };
    }

    /// The request of a step; `None` when it leads to nobody we can reach.
    fn ask_for(&self, step: &Step) -> Option<Ask> {
        match step {
            Step::Discover { directory } => {
                let mut ask = self.ask(&resolve(directory, "/.well-known/core"), Code::GET)?;
                ask.options.push(number::URI_QUERY, format!("rt={RESOURCE_TYPE}").as_bytes());
                ask.options.push_uint(number::ACCEPT, u64::from(content_format::LINK_FORMAT));
                Some(ask)
            }
            Step::Register { uri } => {
                let mut ask = self.ask(uri, Code::POST)?;
                for argument in &self.query {
                    ask.options.push(number::URI_QUERY, argument.as_bytes());
                }
                ask.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
                ask.payload.clone_from(&self.links);
                Some(ask)
            }
            // RD13, RD21: an update without parameters lets the lifetime begin again.
            Step::Refresh { location } => self.ask(location, Code::POST),
            Step::Wait { .. } | Step::GiveUp => None,
        }
    }

    /// A request from our service port: the directory takes its address for ours (RD5).
    fn ask(&self, uri: &str, code: Code) -> Option<Ask> {
        let (remote, options) = self.reach(uri)?;
        Some(Ask::new(Target::FromListener { listener: 0, remote }, code, options))
    }

    /// Where a URI leads: to an address, or to the host whose address we were told.
    fn reach(&self, uri: &str) -> Option<(SocketAddr, OptionList)> {
        let own = CoapUri::parse(&self.directory.uri).ok()?;
        let there = CoapUri::parse(uri).ok().filter(|there| there.scheme == Scheme::Coap)?;
        let mut remote = self.directory.address;
        match there.host {
            ref host if *host == own.host => {}
            Host::Address(address) if address == remote.ip() => {}
            Host::Address(address) => remote = SocketAddr::new(address, there.port),
            Host::Name(_) => return None,
        }
        remote.set_port(there.port);
        Some((remote, there.options))
    }

    fn outcome(&self, step: &Step, reply: &Reply) -> Outcome {
        let max_age = reply.options.first(number::MAX_AGE).and_then(|option| option.uint()).map(Duration::from_secs);
        let code = reply.code.unwrap_or(Code::EMPTY);
        if !code.is_success() {
            return Outcome::Refused { code, max_age };
        }
        match step {
            Step::Discover { directory } => {
                let Ok(document) = LinkFormat::parse(&reply.payload) else { return Outcome::NoAnswer };
                let is_it = |rt: &str| rt.split(' ').any(|one| one == RESOURCE_TYPE);
                let links =
                    document.links().filter(|link| link.parameter("rt").is_some_and(|rt| is_it(&rt.unquoted())));
                let uris = links.map(|link| resolve(directory, link.target));
                let uris = uris.filter(|uri| self.reach(uri).is_some()).collect();
                Outcome::Discovered { uris, fresh_for: max_age.unwrap_or(DEFAULT_MAX_AGE) }
            }
            Step::Register { uri } => match location(reply.options.iter()) {
                Some(location) => Outcome::Registered { location: resolve(uri, &location) },
                None => Outcome::NoAnswer,
            },
            _ => Outcome::Refreshed,
        }
    }
}

fn resolve(base: &str, reference: &str) -> String {
    let mut uri = Vec::new();
    resolve_into(&mut uri, base, reference);
    String::from_utf8_lossy(&uri).into_owned()
}

/// Whether a URI names a resource, and not just a server.
fn has_path(uri: &str) -> bool {
    CoapUri::parse(uri).is_ok_and(|uri| uri.options.first(number::URI_PATH).is_some())
}
