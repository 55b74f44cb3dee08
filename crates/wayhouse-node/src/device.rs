//! A small, well-behaved CoAP device without I/O: the demonstration, the load source and the partner of tests.
//!
//! ```text
//! handle_datagram ─> loss ─> engine ─> path ─> appliance ──changed──> observers, group of a switch, events
//!                                        │                                          │
//!            directory <── registration ─┴─> answer, at once or late ─> silence, mischief, loss ─> poll_transmit
//! ```
//!
//! [`Kind`] tells what it is, `appliance.rs` what that kind of thing does, `links.rs` what is said about it, `registration.rs` how
//! it stays registered, [`Behaviour`] how it is worse than it should be. Verbs and draining are those of [`crate::Node`]: one input,
//! then `poll_transmit` and `poll_event` until `None`, then `poll_timeout`.
//!
//! # Deviations
//! CoAP groups are told apart by their address alone, so that two on one address with different ports cannot be: GC42 advises
//! against them. What a device does is not asked for over CoAP: only whoever started it decides that it is slow or wrong.

mod appliance;
mod behaviour;
mod links;
mod registration;
mod value;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_proto::coap::endpoint::{GroupAsk, Leisure, Received, Settings as EngineSettings};
use wayhouse_proto::coap::{Answer, Endpoint, ObserverId, PendingId, Request, RequestId, Response};
use wayhouse_proto::io::{Meta, Transmit, Wakeup};
use wayhouse_proto::rng::Rng;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, OptionList, content_format};

pub use self::appliance::Kind;
use self::appliance::{Appliance, Resource};
pub use self::behaviour::Behaviour;
use self::behaviour::{Fate, Mischief};
pub use self::registration::Directory;
use self::registration::{Progress, Registration};
use crate::limits;
use crate::links::write_fitting;
use crate::request::{Fault, Heading};

/// What a device is told at construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is.
    pub kind: Kind,
    /// Its endpoint name.
    pub name: String,
    /// The application groups it belongs to; a switch controls them.
    pub groups: Vec<Group>,
    /// Where it registers; nowhere without.
    pub directory: Option<Directory>,
    /// Lifetime of the registration, seconds.
    pub lifetime_s: u32,
    /// From one change that it makes by itself to the next. A sensor and a meter have a default, others do nothing.
    pub period: Option<Duration>,
    /// How often it changes by itself at most; without, as long as it runs.
    pub changes_max: Option<u32>,
    /// The leisure of its groups; the engine's default without.
    pub leisure: Option<Leisure>,
    /// How it misbehaves.
    pub behaviour: Behaviour,
    /// Time before it registers: many that start together do not all ask at once.
    pub pause: Duration,
}

impl Settings {
    /// A device that belongs to nobody, registers nowhere and behaves.
    pub fn new(kind: Kind, name: impl Into<String>) -> Settings {
        Settings {
            kind,
            name: name.into(),
            groups: Vec::new(),
            directory: None,
            lifetime_s: 600,
            period: None,
            changes_max: None,
            leisure: None,
            behaviour: Behaviour::default(),
            pause: Duration::ZERO,
        }
    }
}

/// An application group on a CoAP group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The CoAP group: a multicast address and a port.
    pub address: SocketAddr,
    /// The same as the beginning of a URI: `coap://[ff05::17]`.
    pub origin: String,
    /// Where its resources begin: `gp`, `floor1` (GC3). Empty: the CoAP group alone tells the application group.
    pub path: Vec<String>,
    /// Interfaces by which a switch sends to it; none: one that the system chooses.
    pub interfaces: Vec<u32>,
}

impl Group {
    /// The path as text, with a slash in front; empty without segments.
    pub fn path_text(&self) -> String {
        self.path.iter().fold(String::new(), |text, segment| text + "/" + segment)
    }
}

/// What happens to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A directory has taken its registration.
    Registered {
        /// Where it keeps it.
        location: String,
    },
    /// The directory has lost it, or does not answer; it will be made anew.
    RegistrationLost,
    /// No directory takes the registration, and none will.
    RegistrationRefused,
    /// The registration is removed.
    Removed,
    /// A value is another one.
    Changed {
        /// Path of the resource.
        path: &'static str,
        /// The value as text.
        value: String,
        /// Who asked for it; `None`: the device itself.
        by: Option<SocketAddr>,
        /// The group that was asked.
        group: Option<IpAddr>,
    },
    /// Somebody observes.
    Observed {
        /// Path of the resource.
        path: &'static str,
        /// Who.
        by: SocketAddr,
    },
    /// Somebody observes no longer.
    Unobserved {
        /// Path of the resource.
        path: &'static str,
        /// Who.
        by: SocketAddr,
    },
    /// A request to a group was heard.
    GroupRequest {
        /// Method.
        code: Code,
        /// Path as text.
        path: String,
        /// Who asked.
        from: SocketAddr,
        /// The group's address.
        group: IpAddr,
    },
    /// A switch told its group.
    GroupTold {
        /// Whom.
        group: SocketAddr,
        /// What.
        value: String,
    },
    /// A member answered to that.
    GroupAnswer {
        /// Who.
        from: SocketAddr,
        /// With which code.
        code: Code,
    },
    /// So many events were dropped here, because nobody fetched them in time.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// The device.
#[derive(Debug)]
pub struct Device {
    settings: Settings,
    endpoint: Endpoint,
    appliance: Appliance,
    registration: Option<Registration>,
    mischief: Mischief,
    rng: Rng,
    /// When the appliance changes by itself.
    changes_at: Option<Instant>,
    watches: BTreeMap<ObserverId, Watch>,
    /// Answers of a slow device.
    late: VecDeque<Late>,
    /// Requests to groups under way.
    told: BTreeMap<RequestId, SocketAddr>,
    /// What goes out a second time.
    again: VecDeque<(Transmit, Vec<u8>)>,
    events: VecDeque<Event>,
    events_missed: u64,
    /// Notifications left over when the bound per call was met.
    unfinished: Option<Instant>,
    response: Response,
}

/// What an observer watches.
#[derive(Debug, Clone, Copy)]
struct Watch {
    resource: Resource,
    content_format: u16,
    by: SocketAddr,
}

/// An answer that waits.
#[derive(Debug)]
struct Late {
    at: Instant,
    pending: PendingId,
    response: Response,
    watch: Option<Watch>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Root,
    Discovery,
    /// An application group itself, by index.
    Group(usize),
    Resource(Resource),
}

impl Device {
    /// A device that begins now. The seed drives all its chance.
    pub fn new(now: Instant, settings: Settings, seed: u64) -> Device {
        let mut rng = Rng::new(seed);
        let engine = EngineSettings { limits: limits::device(), ..EngineSettings::default() };
        let mut endpoint = Endpoint::new(engine, rng.next_u64());
        if let Some(leisure) = settings.leisure {
            for group in &settings.groups {
                endpoint.set_leisure(group.address.ip(), leisure);
            }
            for group in ALL_COAP_NODES {
                endpoint.set_leisure(group, leisure);
            }
        }
        let appliance = Appliance::new(settings.kind, &mut rng);
        let period = settings.period.or(settings.kind.default_period());
        // Devices that begin together do not change together.
        let changes_at = period.map(|period| now + period.mul_f64(1.0 - rng.fraction()));
        let registration = settings.directory.clone().map(|directory| {
            let links = links::registered(&settings).into_bytes();
            Registration::new(now, directory, &settings, links, rng.next_u64())
        });
        let trusted = settings.directory.as_ref().map(|directory| directory.address);
        let mut device = Device {
            mischief: Mischief::new(settings.behaviour, trusted, rng.next_u64()),
            settings,
            endpoint,
            appliance,
            registration,
            changes_at,
            rng,
            watches: BTreeMap::new(),
            late: VecDeque::new(),
            told: BTreeMap::new(),
            again: VecDeque::new(),
            events: VecDeque::new(),
            events_missed: 0,
            unfinished: None,
            response: Response::default(),
        };
        device.settle(now);
        device
    }
    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// Where it is registered.
    pub fn location(&self) -> Option<&str> {
        self.registration.as_ref().and_then(Registration::location)
    }
    /// The value of its main resource as text.
    pub fn value(&self) -> String {
        self.appliance.text(self.settings.kind.resources()[0])
    }
    /// Counters of its engine.
    pub fn counters(&self) -> wayhouse_proto::coap::endpoint::Counters {
        self.endpoint.counters()
    }
    /// Live observers.
    pub fn observer_count(&self) -> usize {
        self.watches.len()
    }

    /// Takes one datagram.
    pub fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) {
        if self.mischief.loses() {
            return;
        }
        if let Received::Request(request) = self.endpoint.handle_datagram(now, meta, bytes) {
            self.serve(now, &request);
        }
        self.settle(now);
    }
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.unfinished = None;
        self.endpoint.handle_timeout(now);
        while self.late.front().is_some_and(|late| late.at <= now) {
            let Some(late) = self.late.pop_front() else { break };
            let observer = self.endpoint.respond_deferred(now, late.pending, &late.response);
            self.note_observer(observer, late.watch);
        }
        if self.changes_at.is_some_and(|at| at <= now) {
            let period = self.settings.period.or(self.settings.kind.default_period());
            self.changes_at = period.map(|period| now + period);
            if let Some(left) = &mut self.settings.changes_max {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.changes_at = None;
                }
            }
            if self.appliance.change_by_itself(&mut self.rng) {
                self.note_change(now, None, None);
            }
        }
        self.settle(now);
    }
    /// Sets the value of the main resource as if somebody turned a knob: text, JSON or a plain number.
    ///
    /// # Errors
    /// When it is no value of this kind of device.
    pub fn set(&mut self, now: Instant, value: &str) -> Result<(), &'static str> {
        let wanted = value::parse(value.as_bytes()).ok_or("neither text, a number, nor JSON that means a value")?;
        let is_changed = self.appliance.put(self.settings.kind.resources()[0], wanted)?;
        if is_changed {
            self.note_change(now, None, None);
        }
        self.settle(now);
        Ok(())
    }
    /// Removes the registration; [`Device::is_gone`] tells when that is done.
    pub fn leave(&mut self, now: Instant) {
        if let Some(registration) = &mut self.registration {
            registration.leave(now, &mut self.endpoint);
        }
        self.settle(now);
    }
    /// Whether nothing is registered any more, as far as this device can see to it.
    pub fn is_gone(&self) -> bool {
        self.registration.as_ref().is_none_or(Registration::is_gone)
    }

    /// The next thing to send; its octets are appended to `out`.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        if let Some((transmit, octets)) = self.again.pop_front() {
            out.extend_from_slice(&octets);
            return Some(transmit);
        }
        loop {
            let start = out.len();
            let transmit = self.endpoint.poll_transmit(out)?;
            match self.mischief.treat(&transmit, &mut out[start..]) {
                Fate::Lost => {
                    out.truncate(start);
                    continue;
                }
                Fate::Sent => {}
                Fate::Twice => self.again.push_back((transmit, out[start..].to_vec())),
            }
            return Some(transmit);
        }
    }
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        match self.events.pop_front() {
            None if self.events_missed > 0 => Some(Event::Lagged { missed: std::mem::take(&mut self.events_missed) }),
            event => event,
        }
    }
    /// When `handle_timeout` is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let own = [
            self.unfinished.map(|at| Wakeup { at, why: "work left over" }),
            self.changes_at.map(|at| Wakeup { at, why: "the appliance changes by itself" }),
            self.late.front().map(|late| Wakeup { at: late.at, why: "a late answer" }),
            self.registration.as_ref().and_then(Registration::poll_timeout),
        ];
        own.into_iter().fold(self.endpoint.poll_timeout(), Wakeup::earliest)
    }

    /// Answers one request.
    fn serve(&mut self, now: Instant, request: &Request<'_>) {
        let heading = Heading::read(request.options);
        if let Some(group) = request.meta.group.filter(|_| request.meta.is_multicast) {
            let path = heading.path().unwrap_or_default().iter();
            let path = path.fold(String::new(), |text, segment| text + "/" + &String::from_utf8_lossy(segment));
            self.tell(Event::GroupRequest { code: request.code, path, from: request.meta.remote, group });
        }
        let mut response = std::mem::take(&mut self.response);
        response.clear();
        let watch = match self.answer(now, request, &heading, &mut response) {
            Ok(watch) => watch,
            Err(fault) => {
                response.clear();
                let (code, why) = match fault {
                    Fault::Error { code, why } => (code, why),
                    Fault::Refused(_) | Fault::Stale => (Code::INTERNAL_SERVER_ERROR, ""),
                };
                response.code = Some(code);
                response.payload.extend_from_slice(why.as_bytes());
                None
            }
        };
        if self.settings.behaviour.slow.is_zero() {
            let observer = self.endpoint.respond(now, request, &response);
            self.note_observer(observer, watch);
            self.response = response;
        } else if let Some(pending) = self.endpoint.defer(now, request) {
            self.late.push_back(Late { at: now + self.settings.behaviour.slow, pending, response, watch });
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        heading: &Heading<'_>,
        response: &mut Response,
    ) -> Result<Option<Watch>, Fault> {
        let found = heading.path().and_then(|path| self.find(path, &request.meta));
        let found = found.ok_or(Fault::new(Code::NOT_FOUND, ""))?;
        if let Found::Resource(resource) = found {
            return self.answer_resource(now, request, heading, resource, response);
        }
        if request.code != Code::GET {
            return Err(Fault::new(Code::METHOD_NOT_ALLOWED, ""));
        }
        heading.check_conditions(request, None)?;
        match found {
            Found::Root => {
                heading.accepts(content_format::TEXT_PLAIN)?;
                write_content(response, content_format::TEXT_PLAIN);
                response.payload.extend_from_slice(links::who(&self.settings).as_bytes());
            }
            Found::Discovery => {
                heading.accepts(content_format::LINK_FORMAT)?;
                let document = links::discovered(&self.settings, &request.meta);
                write_fitting(&document, request, &mut response.payload)?;
                if request.meta.is_multicast && response.payload.is_empty() {
                    return Ok(None); // CL10: a member without a match keeps silent
                }
                write_content(response, content_format::LINK_FORMAT);
            }
            Found::Group(index) => {
                heading.accepts(content_format::LINK_FORMAT)?;
                write_content(response, content_format::LINK_FORMAT);
                let document = links::of_group(&self.settings, &self.settings.groups[index]);
                response.payload.extend_from_slice(document.as_bytes());
            }
            Found::Resource(_) => {}
        }
        Ok(None)
    }

    fn answer_resource(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        heading: &Heading<'_>,
        resource: Resource,
        response: &mut Response,
    ) -> Result<Option<Watch>, Fault> {
        // CO9: any representation of the current state may be the one that a condition means.
        let tags = resource.formats.iter().map(|format| self.appliance.etag(*format));
        tags.map(|tag| heading.check_conditions(request, Some(&tag))).reduce(Result::or).unwrap_or(Ok(()))?;
        match request.code {
            Code::GET => {
                let wanted = request.accept().unwrap_or(resource.formats[0]);
                if !resource.formats.contains(&wanted) {
                    return Err(Fault::new(Code::NOT_ACCEPTABLE, "no such representation"));
                }
                self.represent(resource, wanted, response);
                Ok(Some(Watch { resource, content_format: wanted, by: request.meta.remote }))
            }
            Code::PUT | Code::POST if resource.is_writable => {
                match request.content_format() {
                    None | Some(content_format::TEXT_PLAIN | content_format::JSON) => {}
                    Some(_) => return Err(Fault::new(Code::UNSUPPORTED_CONTENT_FORMAT, "text or JSON")),
                }
                let wanted = match (request.code, request.payload.is_empty()) {
                    (Code::POST, true) => Some(value::Wanted::TOGGLE),
                    _ => value::parse(&request.payload),
                };
                let wanted = wanted.ok_or(Fault::new(Code::BAD_REQUEST, "no value that this device knows"))?;
                let outcome = self.appliance.put(resource, wanted);
                if outcome.map_err(|why| Fault::new(Code::BAD_REQUEST, why))? {
                    self.note_change(now, Some(request.meta.remote), request.meta.group);
                }
                response.code = Some(Code::CHANGED);
                Ok(None)
            }
            _ => Err(Fault::new(Code::METHOD_NOT_ALLOWED, "")),
        }
    }

    /// Writes the representation of this moment.
    fn represent(&self, resource: Resource, format: u16, response: &mut Response) {
        write_content(response, format);
        response.options.push(number::ETAG, &self.appliance.etag(format));
        let max_age =
            self.settings.period.or(self.settings.kind.default_period()).map_or(DEFAULT_MAX_AGE_S, |period| {
                // At least the time that a notification may be under way.
                period.as_secs().clamp(MAX_AGE_MIN_S, DEFAULT_MAX_AGE_S)
            });
        response.options.push_uint(number::MAX_AGE, max_age);
        response.is_observable = resource.is_observable && !self.settings.behaviour.is_silent;
        self.appliance.write(resource, format, &mut response.payload);
    }

    /// GC39: members of a group are asked for what belongs to the group, and for who they are (CX6).
    fn find(&self, path: &[&[u8]], meta: &Meta) -> Option<Found> {
        let path = if path == [b""] { &[] } else { path };
        if path == [&b".well-known"[..], b"core"] {
            return Some(Found::Discovery);
        }
        let kind = self.settings.kind;
        for (index, group) in self.settings.groups.iter().enumerate() {
            if meta.is_multicast && meta.group != Some(group.address.ip()) {
                continue;
            }
            let Some(rest) = strip(path, &group.path) else { continue };
            if let Some(resource) = kind.find(rest) {
                return Some(Found::Resource(resource));
            }
            if rest.is_empty() && !path.is_empty() {
                return Some(Found::Group(index));
            }
        }
        if meta.is_multicast {
            return None;
        }
        if path.is_empty() { Some(Found::Root) } else { kind.find(path).map(Found::Resource) }
    }

    /// Tells everybody that the appliance has changed.
    fn note_change(&mut self, now: Instant, by: Option<SocketAddr>, group: Option<IpAddr>) {
        let resource = self.settings.kind.resources()[0];
        self.tell(Event::Changed { path: resource.path, value: self.appliance.text(resource), by, group });
        for observer in self.watches.keys() {
            self.endpoint.mark_changed(now, *observer);
        }
        if self.settings.kind == Kind::Switch {
            self.tell_groups(now);
        }
    }

    /// A switch was toggled: its groups follow (groupcomm-bis App. A.2).
    fn tell_groups(&mut self, now: Instant) {
        let value = self.value();
        for group in self.settings.groups.clone() {
            let mut options = OptionList::new();
            for segment in group.path.iter().map(String::as_str).chain(["light"]) {
                options.push(number::URI_PATH, segment.as_bytes());
            }
            options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::TEXT_PLAIN));
            let mut ask = GroupAsk::new(group.address, Code::PUT, options);
            ask.payload = value.clone().into_bytes();
            ask.interfaces = group.interfaces;
            // What is refused is as good as lost: the next turn of the switch says it anew.
            if let Ok(id) = self.endpoint.request_group(now, ask) {
                self.told.insert(id, group.address);
                self.tell(Event::GroupTold { group: group.address, value: value.clone() });
            }
        }
    }

    fn note_observer(&mut self, observer: Option<ObserverId>, watch: Option<Watch>) {
        if let (Some(observer), Some(watch)) = (observer, watch) {
            self.watches.insert(observer, watch);
            self.tell(Event::Observed { path: watch.resource.path, by: watch.by });
        }
    }
    fn forget_observer(&mut self, observer: ObserverId) {
        if let Some(watch) = self.watches.remove(&observer) {
            self.tell(Event::Unobserved { path: watch.resource.path, by: watch.by });
        }
    }

    /// Takes what an input led to.
    fn settle(&mut self, now: Instant) {
        while let Some(observer) = self.endpoint.poll_gone_observer() {
            self.forget_observer(observer);
        }
        while let Some(answer) = self.endpoint.poll_answer() {
            self.take_answer(now, answer);
        }
        if let Some(registration) = &mut self.registration
            && let Some(progress) = registration.advance(now, &mut self.endpoint)
        {
            self.note_progress(progress);
        }
        self.notify(now);
    }

    fn take_answer(&mut self, now: Instant, answer: Answer) {
        if let Some(group) = self.told.get(&answer.id).copied() {
            if let (Some(from), Ok(reply)) = (answer.from, &answer.outcome)
                && let Some(code) = reply.code
            {
                self.tell(Event::GroupAnswer { from, code });
            }
            if !answer.is_open && answer.from.is_none() {
                self.told.remove(&answer.id);
            }
            debug_assert!(group.ip().is_multicast(), "only groups are told");
            return;
        }
        if let Some(registration) = &mut self.registration
            && let Some(progress) = registration.handle_answer(now, answer)
        {
            self.note_progress(progress);
        }
    }

    fn note_progress(&mut self, progress: Progress) {
        self.tell(match progress {
            Progress::Registered(location) => Event::Registered { location },
            Progress::Lost => Event::RegistrationLost,
            Progress::Refused => Event::RegistrationRefused,
            Progress::Removed => Event::Removed,
        });
    }

    /// Tells observers, so many per call that no other answer waits long.
    fn notify(&mut self, now: Instant) {
        for _ in 0..limits::NOTIFICATIONS_PER_CALL {
            let Some(observer) = self.endpoint.poll_due_notification(now) else { return };
            let mut response = std::mem::take(&mut self.response);
            response.clear();
            match self.watches.get(&observer) {
                Some(watch) => self.represent(watch.resource, watch.content_format, &mut response),
                None => response.code = Some(Code::NOT_FOUND),
            }
            self.endpoint.notify(now, observer, &response);
            self.response = response;
        }
        self.unfinished = Some(now);
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < limits::DEVICE_EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.events_missed += 1;
        }
    }
}

/// Max-Age of a resource that changes when somebody asks for it, seconds (RFC 7252 §5.10.5).
const DEFAULT_MAX_AGE_S: u64 = 60;
/// No Max-Age is shorter, seconds.
const MAX_AGE_MIN_S: u64 = 5;

/// The multicast addresses "All CoAP Nodes": IPv4, and the scopes of IPv6 that GC43 names.
pub const ALL_COAP_NODES: [IpAddr; 4] = [
    IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 1, 187)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfd)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xff04, 0, 0, 0, 0, 0, 0, 0xfd)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0xfd)),
];

fn write_content(response: &mut Response, format: u16) {
    response.code = Some(Code::CONTENT);
    response.options.push_uint(number::CONTENT_FORMAT, u64::from(format));
}

/// What is left of a path behind a prefix.
fn strip<'p, 'a>(path: &'p [&'a [u8]], prefix: &[String]) -> Option<&'p [&'a [u8]]> {
    let (head, rest) = path.split_at_checked(prefix.len())?;
    head.iter().zip(prefix).all(|(segment, wanted)| *segment == wanted.as_bytes()).then_some(rest)
}

#[cfg(test)]
mod tests;
