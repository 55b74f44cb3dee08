//! Observations of a whole group (groupcomm-bis §3.7): one token, one entry at every member (GC53), kept alive member by member.
//!
//! ```text
//! registration in the group ─> notifications ─> none before Max-Age ends ─┬─ of a few: asked alone, CON (GC51)
//!          ^                                                              └─ of many: the group, once more (GC50)
//!          └──────────────────────────────────────────────────────────────────┘
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Encoder, Kind, OptionList};

use super::Phase;
use crate::coap::ask::{Failure, RequestId};
use crate::coap::congestion::Waiting;
use crate::coap::endpoint::Endpoint;
use crate::coap::exchange::Owner;
use crate::coap::timers::Due;
use crate::io::{Meta, Peer, SocketId};

/// Members whose answers went stale in one moment that are asked alone; more are asked together.
const ALONE_MAX: usize = 4;
/// Members that went stale within this span are asked together.
const TOGETHER_SPAN: Duration = Duration::from_secs(2);

/// A confirmable request to one observed member, with the token of the group's observation (GC51).
#[derive(Debug)]
pub(in crate::coap) struct CatchUp {
    group: u64,
    member: SocketAddr,
    echo: Option<Vec<u8>>,
    is_cancellation: bool,
    exchange: Option<usize>,
}

impl Endpoint {
    /// Cancels the observation of a group at one member (GC58); the others go on.
    pub fn cancel_member(&mut self, now: Instant, id: RequestId, member: SocketAddr) {
        let Some(request) = self.groups.requests.get_mut(&id.0) else { return };
        let Some(entry) = request.members.get_mut(&member) else { return };
        entry.freshness = None;
        if let Some(at) = entry.stale_at.take() {
            request.stale.remove(&(at, member));
        }
        self.start_catch_up(now, id.0, member, None, true);
    }

    /// Registers at one member alone: it stayed silent, or wants an Echo value first.
    pub(super) fn catch_up(&mut self, now: Instant, id: u64, member: SocketAddr, echo: Option<Vec<u8>>) {
        self.start_catch_up(now, id, member, echo, false);
    }

    fn start_catch_up(
        &mut self,
        now: Instant,
        group: u64,
        member: SocketAddr,
        echo: Option<Vec<u8>>,
        is_cancellation: bool,
    ) {
        self.end_catch_up_of(now, group, member);
        let Some(entry) = self.groups.requests.get_mut(&group).and_then(|request| request.members.get_mut(&member))
        else {
            return;
        };
        if self.congestion.waiting_count(member) >= self.settings.limits.queued_per_peer_max {
            self.counters.dropped_at_limit += 1;
            return;
        }
        self.groups.catch_ups_made += 1;
        let id = self.groups.catch_ups_made;
        entry.catch_up = Some(id);
        self.groups.catch_ups.insert(id, CatchUp { group, member, echo, is_cancellation, exchange: None });
        self.congestion.enqueue(member, Waiting::CatchUp(id));
        self.pump(now, member);
    }

    /// Sends a request to one member when its turn has come. `Err` with the time when a message ID is free.
    pub(in crate::coap) fn launch_catch_up(&mut self, now: Instant, id: u64) -> Result<(), Instant> {
        let Some(member) = self.groups.catch_ups.get(&id).map(|catch_up| catch_up.member) else { return Ok(()) };
        // GC51: an ID that no request to the group had.
        let message_id = self.allocate_message_id(now, SocketId::Group, member)?;
        let catch_up = &self.groups.catch_ups[&id];
        let request = &self.groups.requests[&catch_up.group];
        let mut options: OptionList = request.ask.options.clone();
        options.push_uint(number::OBSERVE, u64::from(catch_up.is_cancellation));
        if let Some(szx) = request.ask.block_szx {
            options.push_uint(number::BLOCK2, BlockValue { num: 0, more: false, szx }.to_uint());
        }
        if let Some(echo) = &catch_up.echo {
            options.push(number::ECHO, echo);
        }
        let mut octets = Vec::new();
        // GC53: the token is the group's, so that the member keeps one entry for us.
        let mut encoder =
            Encoder::datagram(&mut octets, Kind::Confirmable, request.ask.code, message_id, &request.token);
        for option in options.iter() {
            encoder.option(option.number, option.value);
        }
        encoder.payload(&request.ask.payload);
        let route = request.route_to(member);
        self.congestion.take(member);
        let slot = self.send_confirmable(now, route, message_id, octets, Owner::CatchUp(id), 0);
        self.groups.catch_ups.get_mut(&id).expect("looked up above").exchange = Some(slot);
        Ok(())
    }

    /// Whether an acknowledgement with a response answers a request to one member (CR8).
    pub(super) fn is_answer_to_catch_up(&self, meta: &Meta, group: u64, message_id: u16) -> bool {
        let peer = Peer::Datagram { socket: meta.socket, remote: meta.remote };
        let Some(exchange) = self.exchanges.find(peer, message_id).and_then(|slot| self.exchanges.get(slot)) else {
            return false;
        };
        match exchange.owner {
            Owner::CatchUp(id) => self.groups.catch_ups.get(&id).is_some_and(|catch_up| catch_up.group == group),
            _ => false,
        }
    }

    /// A request to one member was acknowledged: the response comes separately.
    pub(in crate::coap) fn handle_catch_up_acknowledged(&mut self, now: Instant, id: u64) {
        if let Some(catch_up) = self.groups.catch_ups.get_mut(&id) {
            catch_up.exchange = None;
        }
        self.end_catch_up(now, id);
    }

    /// A request to one member found nobody, or nobody who wants it: the member is observed no longer.
    pub(in crate::coap) fn handle_catch_up_failure(&mut self, now: Instant, id: u64, failure: Failure) {
        let Some(catch_up) = self.groups.catch_ups.get_mut(&id) else { return };
        catch_up.exchange = None;
        let CatchUp { group, member, is_cancellation, .. } = *catch_up;
        self.end_catch_up(now, id);
        if is_cancellation {
            return;
        }
        if let Some(request) = self.groups.requests.get_mut(&group)
            && let Some(entry) = request.members.get_mut(&member)
        {
            entry.freshness = None;
            if let Some(at) = entry.stale_at.take() {
                request.stale.remove(&(at, member));
            }
        }
        self.deliver(group, Some(member), Err(failure), true);
    }

    /// A member was heard: what was asked of it alone is answered.
    pub(super) fn end_catch_up_of(&mut self, now: Instant, group: u64, member: SocketAddr) {
        let entry = self.groups.requests.get(&group).and_then(|request| request.members.get(&member));
        if let Some(id) = entry.and_then(|entry| entry.catch_up) {
            self.end_catch_up(now, id);
        }
    }

    pub(super) fn end_catch_up(&mut self, now: Instant, id: u64) {
        let Some(catch_up) = self.groups.catch_ups.remove(&id) else { return };
        if let Some(entry) =
            self.groups.requests.get_mut(&catch_up.group).and_then(|request| request.members.get_mut(&catch_up.member))
        {
            entry.catch_up = None;
        }
        self.congestion.withdraw(catch_up.member, Waiting::CatchUp(id));
        if let Some(slot) = catch_up.exchange {
            self.end_exchange(now, slot);
        }
    }

    /// Notes until when the answer of an observed member is fresh; some seconds later it is asked again (OB4).
    pub(super) fn watch_staleness(&mut self, now: Instant, id: u64, member: SocketAddr, max_age: Duration) {
        let spread = Duration::from_millis(5_000 + self.rng.below(10_001));
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        let Some(entry) = request.members.get_mut(&member) else { return };
        if let Some(at) = entry.stale_at.take() {
            request.stale.remove(&(at, member));
        }
        // What lies beyond all clocks needs no timer.
        entry.stale_at = now.checked_add(max_age + spread);
        if let Some(at) = entry.stale_at {
            request.stale.insert((at, member));
        }
        self.set_staleness_timer(id);
    }

    fn set_staleness_timer(&mut self, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        if let Some(timer) = request.staleness.take() {
            self.timers.cancel(timer);
        }
        request.staleness = request.stale.first().map(|(at, _)| self.timers.set(*at, Due::GroupStaleness(id)));
    }

    /// Some members' answers have gone stale.
    pub(in crate::coap) fn handle_group_staleness(&mut self, now: Instant, id: u64) {
        let window = self.default_window();
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        request.staleness = None;
        if request.phase != Phase::Gathering {
            return;
        }
        let observed = request.stale.len();
        let due: Vec<_> = request.stale.iter().take_while(|(at, _)| *at <= now).copied().collect();
        let soon = request.stale.iter().take_while(|(at, _)| *at <= now + TOGETHER_SPAN).count();
        let is_new = |member: &SocketAddr| !request.members[member].was_asked_in_group;
        let goes_to_group = soon > ALONE_MAX.max(observed / 4) && due.iter().any(|(_, member)| is_new(member));
        if goes_to_group {
            // All that are about to go stale have this one chance together; who stays silent is asked alone after that.
            let members: Vec<_> = request.stale.iter().take(soon).copied().collect();
            for (at, member) in members {
                request.stale.remove(&(at, member));
                let entry = request.members.get_mut(&member).expect("every stale member is one");
                entry.was_asked_in_group = true;
                entry.stale_at = Some(now + window);
                request.stale.insert((now + window, member));
            }
            let group = request.ask.group;
            self.queue_group(now, group, id);
        } else {
            for (at, member) in due {
                let request = self.groups.requests.get_mut(&id).expect("looked up above");
                request.stale.remove(&(at, member));
                request.members.get_mut(&member).expect("every stale member is one").stale_at = None;
                self.catch_up(now, id, member, None);
            }
        }
        self.set_staleness_timer(id);
    }
}
