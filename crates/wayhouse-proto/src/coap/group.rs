//! Our own requests to groups: one request, many responses, each with its sender (groupcomm-bis §3; sheet GC).
//!
//! ```text
//! request_group ─> [queue: NSTART] ─> a datagram per interface ─┬─> answers, as they come: `answers.rs`
//!       │                                                      ├── repetition: the same token once more
//!       │ every member's response is fresh in the cache        ├── further blocks, by unicast or for all
//!       └────────────> end <──── silent members asked alone <── window
//! ```
//!
//! An observation has no end but [`Endpoint::cancel`]; how it stays alive stands in `observation.rs`. A token stays retired long
//! after its request: `retired.rs`. Requests that complete a group request with one member are ordinary ones of ours
//! (`client.rs`) that report to it.
//!
//! # Deviations
//! A member is a source address and port (GC12): one that changes its port between two answers counts as two. The same
//! answer from the same member, which repetition brings, is dropped here (GC17); a different one is delivered.

mod answers;
mod observation;
mod retired;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, OptionList};

use self::observation::CatchUp;
use self::retired::RetiredTokens;
use super::ask::{Answer, Ask, Failure, Refused, Reply, RequestId, Target};
use super::blockwise::Gatherer;
use super::cache::{Asked, Found, Origin, Stored};
use super::client::{Operation, Purpose, Way};
use super::congestion::{NON_SPACING, Waiting};
use super::endpoint::Endpoint;
use super::freshness::Freshness;
use super::route::Route;
use super::timers::{Due, TimerId};
use super::token::Token;
use crate::io::{Destination, SocketId};
use crate::keyed_hash::KeyedState;

/// The port of `coaps`, which no group has (GC41).
pub const COAPS_PORT: u16 = 5684;
/// ETags that one request to a group offers at most: it should fit into one small frame (GC26).
const ETAGS_MAX: usize = 8;
/// Octets of a request's payload: it goes in one message (GC63).
const PAYLOAD_OCTETS_MAX: usize = 1024;

/// A request to a group.
#[derive(Debug, Clone)]
pub struct GroupAsk {
    /// The CoAP group: a multicast address and a port.
    pub group: SocketAddr,
    /// Interfaces to send by, by index; none: one that the system chooses.
    pub interfaces: Vec<u32>,
    /// Method.
    pub code: Code,
    /// Options without Block, Observe, Echo, which the endpoint adds. ETags may stand here (GC20); then 2.03 is an answer like others.
    pub options: OptionList,
    /// The body; one message must hold it.
    pub payload: Vec<u8>,
    /// Register an observation at every member.
    pub is_observation: bool,
    /// Block size exponent to ask for, 0..=6.
    pub block_szx: Option<u8>,
    /// How long answers are gathered from the first transmission on. `None`: [`Endpoint::default_window`].
    pub window: Option<Duration>,
    /// End as soon as so many members have answered.
    pub answers_max: Option<usize>,
    /// Members that are known. End as soon as all of them have answered, unless it is an observation.
    pub members: Vec<SocketAddr>,
    /// Ask known members that stayed silent once more when the window ends: alone, confirmably.
    pub asks_silent: bool,
    /// Send it again within the window.
    pub repetition: Option<Repetition>,
    /// How further blocks of the members' bodies are fetched.
    pub follow_up: FollowUp,
    /// Whether fresh cached responses of known members may answer, and stale ones be validated.
    pub may_use_cache: bool,
}

impl GroupAsk {
    /// A request with nothing but a method and options: gathers for the default window, repeats nothing.
    pub fn new(group: SocketAddr, code: Code, options: OptionList) -> GroupAsk {
        GroupAsk {
            group,
            interfaces: Vec::new(),
            code,
            options,
            payload: Vec::new(),
            is_observation: false,
            block_szx: None,
            window: None,
            answers_max: None,
            members: Vec::new(),
            asks_silent: false,
            repetition: None,
            follow_up: FollowUp::default(),
            may_use_cache: false,
        }
    }
}

/// How a request to a group is repeated (GC13): for members that the first datagram, or whose answer, did not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetition {
    /// How often.
    pub times: u32,
    /// From one transmission to the next. `None`: [`Endpoint::repetition_spacing`] (GC52).
    pub after: Option<Duration>,
    /// With the same message ID (members that got the first one may stay silent) or a new one (all process it again).
    pub is_same_message: bool,
}

/// How the rest of a body is fetched of which a member sent the first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowUp {
    /// Of every member alone (BW11, GC60).
    #[default]
    Unicast,
    /// By further requests to the group when the window ends, in a block size that all members can serve (GC60, GC62); of a
    /// member that misses one, alone.
    Group,
}

/// All requests to groups.
#[derive(Debug)]
pub(crate) struct Groups {
    requests: BTreeMap<u64, GroupRequest>,
    /// The token alone tells which request a response belongs to (CX4, GC11).
    by_token: HashMap<Token, u64, KeyedState>,
    catch_ups: BTreeMap<u64, CatchUp>,
    catch_ups_made: u64,
    retired: RetiredTokens,
}

impl Groups {
    pub(crate) fn new(hasher: KeyedState) -> Groups {
        Groups {
            requests: BTreeMap::new(),
            by_token: HashMap::with_hasher(hasher),
            catch_ups: BTreeMap::new(),
            catch_ups_made: 0,
            retired: RetiredTokens::new(hasher),
        }
    }
    /// Requests under way, observations included.
    pub(crate) fn count(&self) -> usize {
        self.requests.len()
    }
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.requests.contains_key(&id)
    }
}

/// Responses of members, taken from the cache.
type CachedAnswers = BTreeMap<SocketAddr, Stored>;

/// One request to a group.
#[derive(Debug)]
struct GroupRequest {
    ask: GroupAsk,
    phase: Phase,
    token: Token,
    /// The latest message, for repetition with the same message ID, and when it left first.
    sent: Option<(Instant, Vec<u8>)>,
    repetitions_left: u32,
    window: Option<TimerId>,
    repetition: Option<TimerId>,
    /// Set while the request counts as outstanding towards the group (GC24).
    unanswered: Option<TimerId>,
    staleness: Option<TimerId>,
    members: BTreeMap<SocketAddr, Member>,
    /// Known members that have not answered.
    silent: usize,
    /// Members that have answered.
    answered: usize,
    /// Requests to single members that complete this one.
    completions: BTreeSet<u64>,
    /// Fresh responses from the cache, delivered for members that stay silent (GC18).
    cached: CachedAnswers,
    /// ETags that were taken from the cache.
    etags: Vec<Vec<u8>>,
    /// The block that the group is asked for.
    block: Option<BlockValue>,
    /// When the answer of an observing member goes stale.
    stale: BTreeSet<(Instant, SocketAddr)>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Answers are gathered, or an observation goes on.
    Gathering,
    /// The window is over; what completes it is under way.
    Completing,
    /// The observation is being cancelled (GC58).
    Cancelling,
}

/// What is known of one member.
#[derive(Debug, Default)]
struct Member {
    is_known: bool,
    has_answered: bool,
    /// What it answered, to drop the same answer when it comes again.
    digest: Option<u64>,
    /// The newest notification (OB3).
    freshness: Option<Freshness>,
    stale_at: Option<Instant>,
    /// Whether it was asked together with the group since it was last heard.
    was_asked_in_group: bool,
    /// A body of which blocks are missing that the group is asked for.
    gatherer: Option<(Gatherer, BlockValue)>,
    catch_up: Option<u64>,
    /// Where its latest answer came to: what follows leaves from the same address, which is how it knows us.
    local: Option<IpAddr>,
    interface: u32,
}

impl Endpoint {
    /// How long answers are gathered by default: until the last member's leisure has passed and its answer had time to come.
    pub fn default_window(&self) -> Duration {
        self.settings.params.default_leisure + RESPONSE_SPAN
    }
    /// How long to wait before a repetition by default: a round trip and the leisure (GC52).
    pub fn repetition_spacing(&self) -> Duration {
        self.settings.params.default_leisure + RESPONSE_SPAN
    }

    /// Starts a request to a group. Every response becomes an [`Answer`] with its sender (GC12, GC17); the last one is not open: its
    /// outcome is `Failure::Timeout` when the window ended, or a reply without code when all that was wanted was there earlier.
    ///
    /// # Errors
    /// See [`Refused`]; nothing was sent then.
    pub fn request_group(&mut self, now: Instant, ask: GroupAsk) -> Result<RequestId, Refused> {
        check(&ask).map_err(Refused::Invalid)?;
        let limits = self.settings.limits;
        if self.request_count() >= limits.requests_max
            || self.congestion.waiting_count(ask.group) >= limits.queued_per_peer_max
            || ask.members.len() > limits.group_members_max
            || !self.groups.retired.has_room(now, limits.retired_tokens_max)
        {
            return Err(Refused::TooMany);
        }
        if self.message_ids.free_count(now, SocketId::Group, EVERYBODY) == 0 {
            return Err(Refused::MessageIdsExhausted);
        }
        let id = self.client.next_id();
        let Some((cached, etags)) = self.consult_cache(now, id, &ask) else { return Ok(RequestId(id)) };
        let token = self.next_group_token();
        self.groups.by_token.insert(token.clone(), id);
        let mut members = BTreeMap::new();
        for member in &ask.members {
            members.insert(*member, Member { is_known: true, ..Member::default() });
        }
        let request = GroupRequest {
            phase: Phase::Gathering,
            token,
            sent: None,
            repetitions_left: ask.repetition.map_or(0, |repetition| repetition.times),
            window: None,
            repetition: None,
            unanswered: None,
            staleness: None,
            silent: members.len(),
            members,
            answered: 0,
            completions: BTreeSet::new(),
            cached,
            etags,
            block: ask.block_szx.map(|szx| BlockValue { num: 0, more: false, szx }),
            stale: BTreeSet::new(),
            ask,
        };
        let group = request.ask.group;
        self.groups.requests.insert(id, request);
        // GC24: NSTART counts per CoAP group.
        self.queue_group(now, group, id);
        Ok(RequestId(id))
    }

    /// Looks at what the cache has of the known members. `None` when that is all that was asked for, and was delivered (GC19);
    /// else the fresh responses and the ETags to offer (GC20).
    fn consult_cache(&mut self, now: Instant, id: u64, ask: &GroupAsk) -> Option<(CachedAnswers, Vec<Vec<u8>>)> {
        let mut fresh = BTreeMap::new();
        // How many members answer to an ETag: one that two of them use tells nothing (GC21).
        let mut etags: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        if ask.may_use_cache && ask.code.is_safe_method() && !ask.is_observation {
            for member in &ask.members {
                match self.client.cache.find(now, asked(ask, *member)) {
                    Found::Fresh(stored) => {
                        if let Some(etag) = stored.options.first(number::ETAG) {
                            *etags.entry(etag.value.to_vec()).or_default() += 1;
                        }
                        fresh.insert(*member, stored);
                    }
                    Found::Stale { etag } => *etags.entry(etag).or_default() += 1,
                    Found::Nothing => {}
                }
            }
        }
        if !ask.members.is_empty() && fresh.len() == ask.members.len() {
            for (member, stored) in fresh {
                self.deliver(id, Some(member), Ok(stored.into_reply()), true);
            }
            self.deliver(id, None, Ok(Reply::default()), false);
            return None;
        }
        let has_own = ask.options.first(number::ETAG).is_some();
        let offered = etags.into_iter().filter(|(_, members)| *members == 1 && !has_own);
        Some((fresh, offered.map(|(etag, _)| etag).take(ETAGS_MAX).collect()))
    }

    /// GC14, GC15: a token that no request to a group has had for MIN_TOKEN_REUSE_TIME.
    fn next_group_token(&mut self) -> Token {
        loop {
            let token = self.client.next_random_token();
            if !self.groups.by_token.contains_key(&token) && !self.groups.retired.contains(&token) {
                return token;
            }
        }
    }

    /// Sends a request to its group when its turn has come. `Err` with the time when a message ID is free.
    pub(super) fn launch_group(&mut self, now: Instant, id: u64) -> Result<(), Instant> {
        let Some(request) = self.groups.requests.get(&id) else { return Ok(()) };
        let group = request.ask.group;
        let message_id = self.allocate_message_id(now, SocketId::Group, group)?;
        let request = self.groups.requests.get_mut(&id).expect("looked up above");
        let mut octets = Vec::new();
        request.write(&mut octets, message_id);
        if request.phase == Phase::Cancelling {
            self.multicast(id, &octets);
            self.remove_group(now, id);
            return Ok(());
        }
        request.sent = Some((now, octets));
        match request.unanswered.take() {
            // A repetition stands in the place of the transmission before it.
            Some(earlier) => self.timers.cancel(earlier),
            None => self.congestion.take(group),
        }
        let outstanding = self.settings.params.default_leisure.max(NON_SPACING) + RESPONSE_SPAN;
        let unanswered = self.timers.set(now + outstanding, Due::GroupUnanswered(id));
        let window = self.groups.requests[&id].ask.window.unwrap_or_else(|| self.default_window());
        let spacing = self.repetition_spacing();
        let request = self.groups.requests.get_mut(&id).expect("looked up above");
        request.unanswered = Some(unanswered);
        if request.window.is_none() && request.phase == Phase::Gathering {
            request.window = Some(self.timers.set(now + window, Due::GroupWindow(id)));
        }
        if let Some(earlier) = request.repetition.take() {
            self.timers.cancel(earlier);
        }
        if let Some(repetition) = request.ask.repetition.filter(|_| request.repetitions_left > 0) {
            let at = now + repetition.after.unwrap_or(spacing);
            request.repetition = Some(self.timers.set(at, Due::GroupRepetition(id)));
        }
        self.multicast_latest(id);
        Ok(())
    }

    /// Sends the latest message of a request.
    fn multicast_latest(&mut self, id: u64) {
        let Some((at, octets)) = self.groups.requests.get_mut(&id).and_then(|request| request.sent.take()) else {
            return;
        };
        self.multicast(id, &octets);
        self.groups.requests.get_mut(&id).expect("looked up above").sent = Some((at, octets));
    }

    /// Sends octets to the group of a request, by each of its interfaces.
    fn multicast(&mut self, id: u64, octets: &[u8]) {
        let Some(request) = self.groups.requests.get(&id) else { return };
        let own = match request.ask.group {
            SocketAddr::V6(group) => group.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let interfaces = if request.ask.interfaces.is_empty() { &[own][..] } else { &request.ask.interfaces };
        for &interface in interfaces {
            let mut remote = request.ask.group;
            if let SocketAddr::V6(group) = &mut remote {
                group.set_scope_id(interface);
            }
            let to = Destination::Datagram { socket: SocketId::Group, remote, local: None, interface };
            self.outbox.send_copy(octets, to, 0);
        }
    }

    /// Time for a repetition (GC13).
    pub(super) fn handle_group_repetition(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        request.repetition = None;
        if request.phase != Phase::Gathering || request.repetitions_left == 0 {
            return;
        }
        request.repetitions_left -= 1;
        let repetition = request.ask.repetition.expect("its timer was set for it");
        if !repetition.is_same_message {
            // GC13: a new message ID, the same token.
            let group = request.ask.group;
            self.queue_group(now, group, id);
            return;
        }
        let is_last = request.repetitions_left == 0;
        self.multicast_latest(id);
        if !is_last {
            let at = now + repetition.after.unwrap_or_else(|| self.repetition_spacing());
            let timer = self.timers.set(at, Due::GroupRepetition(id));
            self.groups.requests.get_mut(&id).expect("looked up above").repetition = Some(timer);
        }
    }

    /// Nobody of the group has answered for so long that others may be asked (GC24).
    pub(super) fn handle_group_unanswered(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        if request.unanswered.take().is_none() {
            return;
        }
        let wants_no_response = request.wants_no_response();
        let (group, unheard) = (request.ask.group, request.unheard());
        self.give_group(now, group, unheard);
        if wants_no_response {
            self.finish_group(now, id, Ok(Reply::default())); // NR3
        }
    }

    /// Counts a request as outstanding no longer. GC24: what went to a group of which nobody answers is bounded by PROBING_RATE.
    fn give_group(&mut self, now: Instant, group: SocketAddr, unheard: Option<(Instant, usize)>) {
        if let Some((sent_at, octets)) = unheard {
            self.congestion.unheard(group, sent_at, octets, self.settings.params.probing_rate);
        }
        self.give(now, group);
    }

    /// The time for answers is over.
    pub(super) fn handle_group_window_end(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        request.window = None;
        if self.ask_group_for_next_block(now, id) {
            return;
        }
        let request = self.groups.requests.get_mut(&id).expect("looked up above");
        if !request.ask.is_observation {
            request.phase = Phase::Completing;
        }
        let silent: Vec<SocketAddr> = match request.ask.asks_silent {
            true => request.silent_members().collect(),
            false => Vec::new(),
        };
        let is_observation = request.ask.is_observation;
        for member in silent {
            if is_observation {
                self.catch_up(now, id, member, None);
            } else if !self.groups.requests.get(&id).is_some_and(|request| request.cached.contains_key(&member)) {
                self.ask_member(now, id, member, None);
            }
        }
        self.finish_if_complete(now, id);
    }

    /// Asks one member alone for what the group was asked for, with the Echo value it demands where there is one.
    fn ask_member(&mut self, now: Instant, id: u64, member: SocketAddr, echo: Option<Vec<u8>>) {
        let Some(request) = self.groups.requests.get(&id) else { return };
        let ask = request.unicast_ask(member);
        let body = request.ask.payload.clone();
        let mut operation = Operation::new(ask, Way::Datagram(request.route_to(member)), Purpose::Request);
        operation.is_echo_tried = echo.is_some();
        operation.echo = echo;
        operation.set_body(body);
        self.start_for_group(now, id, operation, None);
    }

    /// Fetches the rest of a body of which one member sent a block (BW11).
    fn fetch_rest(&mut self, now: Instant, id: u64, member: SocketAddr, gatherer: Gatherer, next: BlockValue) {
        let Some(request) = self.groups.requests.get(&id) else { return };
        let ask = request.unicast_ask(member);
        let mut operation = Operation::new(ask, Way::Datagram(request.route_to(member)), Purpose::Request);
        operation.gatherer = Some(gatherer);
        operation.set_body(request.ask.payload.clone());
        self.start_for_group(now, id, operation, Some(next));
    }

    fn start_for_group(&mut self, now: Instant, group: u64, mut operation: Operation, next: Option<BlockValue>) {
        let Way::Datagram(Route { remote, .. }) = operation.way else { return };
        let limits = &self.settings.limits;
        if self.request_count() >= limits.requests_max
            || self.congestion.waiting_count(remote) >= limits.queued_per_peer_max
        {
            self.counters.dropped_at_limit += 1;
            return;
        }
        operation.reports_to = Some(group);
        let id = self.client.next_id();
        if let Some(request) = self.groups.requests.get_mut(&group) {
            request.completions.insert(id);
        }
        self.start_completion(now, id, operation, next);
    }

    /// A request that completes one to a group has ended.
    pub(super) fn note_completion_end(&mut self, now: Instant, group: u64, id: u64) {
        if let Some(request) = self.groups.requests.get_mut(&group) {
            request.completions.remove(&id);
            self.finish_if_complete(now, group);
        }
    }

    /// Ends a request when nothing more is wanted or to be expected.
    fn finish_if_complete(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get(&id) else { return };
        if request.ask.is_observation || request.phase == Phase::Cancelling || !request.completions.is_empty() {
            return;
        }
        // Looked for last: it takes a walk over all members.
        let has_rest = || request.members.values().any(|member| member.gatherer.is_some());
        let is_enough = request.ask.answers_max.is_some_and(|max| request.answered >= max);
        let is_everybody = !request.ask.members.is_empty() && request.silent == 0 && !has_rest();
        if is_enough || is_everybody {
            self.finish_group(now, id, Ok(Reply::default()));
        } else if request.phase == Phase::Completing && !has_rest() {
            self.finish_group(now, id, Err(Failure::Timeout));
        }
    }

    fn finish_group(&mut self, now: Instant, id: u64, outcome: Result<Reply, Failure>) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        let mut cached = std::mem::take(&mut request.cached);
        cached.retain(|member, _| !request.members.get(member).is_some_and(|member| member.has_answered));
        for (member, stored) in cached {
            // GC18: what is still fresh stands for members that did not answer.
            self.deliver(id, Some(member), Ok(stored.into_reply()), true);
        }
        self.deliver(id, None, outcome, false);
        self.remove_group(now, id);
    }

    /// Forgets a request to a group; its token stays retired (GC14).
    fn remove_group(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.remove(&id) else { return };
        let group = request.ask.group;
        for timer in [request.window, request.repetition, request.staleness].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        self.congestion.withdraw(group, Waiting::Group(id));
        if let Some(timer) = request.unanswered {
            self.timers.cancel(timer);
            self.give_group(now, group, request.unheard());
        }
        for member in request.members.values() {
            if let Some(catch_up) = member.catch_up {
                self.end_catch_up(now, catch_up);
            }
        }
        for operation in request.completions {
            self.remove_operation(now, operation);
        }
        self.groups.by_token.remove(&request.token);
        let until = now + self.settings.params.min_token_reuse_time();
        self.groups.retired.insert(request.token, until, request.ask.is_observation);
    }

    /// Forgets a request to a group on behalf of the parent; an observation is cancelled at all members (GC58).
    pub(super) fn cancel_group(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        if !request.ask.is_observation || request.sent.is_none() {
            self.remove_group(now, id);
            return;
        }
        request.phase = Phase::Cancelling;
        let group = request.ask.group;
        self.queue_group(now, group, id);
    }

    /// Lets a request wait for its turn, in place of what of it waits already.
    fn queue_group(&mut self, now: Instant, group: SocketAddr, id: u64) {
        self.congestion.withdraw(group, Waiting::Group(id));
        self.congestion.enqueue(group, Waiting::Group(id));
        self.pump(now, group);
    }

    /// Tells the parent something of a request to a group.
    fn deliver(&mut self, id: u64, from: Option<SocketAddr>, outcome: Result<Reply, Failure>, is_open: bool) {
        self.client.answers.push_back(Answer { id: RequestId(id), from, outcome, is_open });
    }
}

impl GroupRequest {
    /// Appends the message to the group.
    fn write(&self, out: &mut Vec<u8>, message_id: u16) {
        let mut options = self.ask.options.clone();
        for etag in &self.etags {
            options.push(number::ETAG, etag);
        }
        if self.ask.is_observation {
            options.push_uint(number::OBSERVE, u64::from(self.phase == Phase::Cancelling));
        }
        if let Some(block) = self.block {
            options.push_uint(number::BLOCK2, block.to_uint());
        }
        // GC10: requests to groups are non-confirmable.
        let mut encoder = Encoder::datagram(out, Kind::NonConfirmable, self.ask.code, message_id, &self.token);
        for option in options.iter() {
            encoder.option(option.number, option.value);
        }
        encoder.payload(&self.ask.payload);
    }
    /// The same request for one member.
    fn unicast_ask(&self, member: SocketAddr) -> Ask {
        let to = Target::Datagram { remote: member, local: None, interface: 0 };
        Ask::new(to, self.ask.code, self.ask.options.clone())
    }
    /// What was sent and when, if nobody has answered it and an answer was wanted.
    fn unheard(&self) -> Option<(Instant, usize)> {
        let (at, octets) = self.sent.as_ref().filter(|_| self.answered == 0 && !self.wants_no_response())?;
        Some((*at, octets.len()))
    }
    /// The way to one member, from the port and, once it has answered, the address that the group request came from: what it
    /// knows of us by them still holds (GC53).
    fn route_to(&self, member: SocketAddr) -> Route {
        let known = self.members.get(&member);
        let (local, interface) = known.map_or((None, 0), |member| (member.local, member.interface));
        Route { socket: SocketId::Group, remote: member, local, interface }
    }
    fn silent_members(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.members.iter().filter(|(_, member)| member.is_known && !member.has_answered).map(|(address, _)| *address)
    }
    fn wants_no_response(&self) -> bool {
        super::client::excludes_all_responses(&self.ask.options)
    }
}

/// What the cache looks at in a request, for one member: its responses also answer unicast requests to it (GC18).
fn asked(ask: &GroupAsk, member: SocketAddr) -> Asked<'_> {
    Asked { origin: Origin::Datagram(member), method: ask.code, options: &ask.options, payload: &ask.payload }
}

/// CX2, GC51: every message from the port of group requests may meet any other at some member, so they share one sequence of
/// message IDs, whoever they go to; it stands under this address.
const EVERYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Endpoint {
    /// Allocates a message ID for a message of ours. `Err` with the time when one is free.
    pub(super) fn allocate_message_id(
        &mut self,
        now: Instant,
        socket: SocketId,
        remote: SocketAddr,
    ) -> Result<u16, Instant> {
        let remote = if socket == SocketId::Group { EVERYBODY } else { remote };
        self.message_ids.allocate(now, socket, remote, &mut self.rng).map_err(|exhausted| exhausted.free_at)
    }
}

/// Time for the way there and back, and for slow members, after the leisure has passed.
const RESPONSE_SPAN: Duration = Duration::from_secs(2);

/// What no request to a group may break.
fn check(ask: &GroupAsk) -> Result<(), &'static str> {
    if !ask.group.ip().is_multicast() {
        return Err("the group is no multicast address");
    }
    if ask.group.port() == COAPS_PORT {
        return Err("port 5684 is not for groups"); // GC41
    }
    super::client::check_request(ask.code, &ask.options, &ask.payload, ask.is_observation)?;
    if ask.payload.len() > PAYLOAD_OCTETS_MAX {
        return Err("a request to a group takes one message"); // GC63
    }
    if ask.block_szx.is_some_and(|szx| szx > 6) {
        return Err("no such block size");
    }
    if ask.members.iter().any(|member| member.ip().is_multicast()) {
        return Err("a member has a unicast address");
    }
    Ok(())
}
