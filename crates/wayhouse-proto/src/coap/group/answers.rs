//! Responses to requests to groups: matched, attributed to their senders, and turned into answers.

use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Kind, Message, OptionList};

use super::{FollowUp, GroupAsk, Member, Phase, asked};
use crate::coap::ask::Reply;
use crate::coap::blockwise::{Gatherer, Gathering};
use crate::coap::cache::max_age;
use crate::coap::endpoint::Endpoint;
use crate::coap::freshness::Freshness;
use crate::coap::reply::check_response;
use crate::coap::request::has_valid_length;
use crate::io::Meta;

impl Endpoint {
    /// The request to a group that a response belongs to: the port it came to and the token decide, whoever sent it (GC11).
    pub(in crate::coap) fn find_group_request(&self, meta: &Meta, token: &[u8]) -> Option<u64> {
        if meta.socket != crate::io::SocketId::Group || meta.is_multicast {
            return None;
        }
        self.groups.by_token.get(token).copied()
    }

    /// Takes a response to a request to a group.
    pub(in crate::coap) fn handle_group_response(&mut self, now: Instant, meta: &Meta, id: u64, message: &Message<'_>) {
        let member = meta.remote;
        if message.kind == Kind::Acknowledgement && !self.is_answer_to_catch_up(meta, id, message.message_id) {
            self.counters.unexpected_responses += 1; // CR8
            return;
        }
        self.heard(now, member);
        let phase = self.groups.requests[&id].phase;
        let is_notification = message.options.first(number::OBSERVE).is_some();
        let is_readable = check_response(message.options).is_ok();
        if message.kind == Kind::Confirmable {
            // GC11: members may insist.
            let is_wanted = is_readable && !(phase == Phase::Cancelling && is_notification);
            if !self.acknowledge_response(now, meta, message, is_wanted) {
                return;
            }
        }
        self.end_catch_up_of(now, id, member);
        if !is_readable || phase == Phase::Cancelling {
            return; // CO1; GC58
        }
        self.note_group_heard(now, id);
        self.take_group_answer(now, id, meta, message);
    }

    /// Whether a response belongs to an observation of a group that we cancelled.
    pub(in crate::coap) fn is_of_cancelled_group(&self, meta: &Meta, message: &Message<'_>) -> bool {
        meta.socket == crate::io::SocketId::Group
            && message.options.first(number::OBSERVE).is_some()
            && self.groups.retired.is_of_observation(message.token)
    }

    /// A member has answered: the request counts as outstanding no longer, and the group is not silent (GC24).
    fn note_group_heard(&mut self, now: Instant, id: u64) {
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        let group = request.ask.group;
        if let Some(timer) = request.unanswered.take() {
            self.timers.cancel(timer);
            self.give(now, group);
        }
        self.heard(now, group);
    }

    fn take_group_answer(&mut self, now: Instant, id: u64, meta: &Meta, message: &Message<'_>) {
        let address = meta.remote;
        let members_max = self.settings.limits.group_members_max;
        let request = self.groups.requests.get_mut(&id).expect("the caller's");
        if request.members.len() >= members_max && !request.members.contains_key(&address) {
            self.counters.dropped_at_limit += 1;
            return;
        }
        let member = request.members.entry(address).or_default();
        (member.local, member.interface) = (meta.local, meta.interface);
        if message.code == Code::UNAUTHORIZED
            && let Some(echo) = message.options.first(number::ECHO).filter(|option| has_valid_length(*option))
        {
            // GC86, EC1: a member wants to know first that we are where we say. To that member alone.
            let echo = echo.value.to_vec();
            match request.ask.is_observation {
                true => self.catch_up(now, id, address, Some(echo)),
                false => self.ask_member(now, id, address, Some(echo)),
            }
            return;
        }
        if !self.note_notification(now, id, address, message) {
            return; // OB3
        }
        let request = self.groups.requests.get_mut(&id).expect("the caller's");
        let member = request.members.get_mut(&address).expect("entered above");
        let block = message.options.first(number::BLOCK2).and_then(|option| BlockValue::decode(option.value));
        let mut gatherer = match (member.gatherer.take(), block) {
            (Some((gatherer, wanted)), Some(block)) if block.offset() == wanted.offset() => gatherer,
            (Some(waiting), Some(_)) => {
                // Another block than the one that is missing: of an earlier request that was repeated.
                member.gatherer = Some(waiting);
                return;
            }
            _ => Gatherer::new(self.settings.limits.body_octets_max),
        };
        match gatherer.handle(message.code, message.options, message.payload, false) {
            Gathering::Complete => {
                let (code, options, payload) = gatherer.into_parts();
                self.take_member_reply(now, id, address, code, options, payload);
            }
            // Once the window is over the group is asked no more, and the member alone.
            Gathering::Next(next)
                if request.ask.follow_up == FollowUp::Group
                    && !request.ask.is_observation
                    && request.phase == Phase::Gathering =>
            {
                member.gatherer = Some((gatherer, next));
            }
            Gathering::Next(next) | Gathering::Restart(next) => self.fetch_rest(now, id, address, gatherer, next),
            // What cannot be put together is not an answer; the member stays silent.
            Gathering::TooLarge | Gathering::Failed(_) => self.counters.unexpected_responses += 1,
        }
    }

    /// Takes the whole response of one member that came to the group's request.
    fn take_member_reply(
        &mut self,
        now: Instant,
        id: u64,
        address: SocketAddr,
        code: Code,
        options: OptionList,
        payload: Vec<u8>,
    ) {
        let request = self.groups.requests.get(&id).expect("the caller's");
        let mut reply = Reply { code: Some(code), options, payload, is_from_cache: false };
        let asks_with_own_etag = request.ask.options.first(number::ETAG).is_some();
        if code == Code::VALID && !asks_with_own_etag {
            // The ETags were ours: 2.03 is about what the cache has of this member.
            match self.client.cache.refresh(now, asked(&request.ask, address), &reply.options) {
                Some(stored) => reply = stored.into_reply(),
                None => {
                    // GC21: it meant another member's response. Once more, alone and without ETags.
                    self.ask_member(now, id, address, None);
                    return;
                }
            }
        } else if request.ask.code.is_safe_method() {
            // GC18: fit for later requests, to the group and to the member.
            let ask: &GroupAsk = &request.ask;
            self.client.cache.handle_response(now, asked(ask, address), code, &reply.options, &reply.payload);
        }
        self.take_member_answer(now, id, address, reply);
    }

    /// Delivers what a member answered, to the group's request or alone, unless it said the same before.
    pub(in crate::coap) fn take_member_answer(&mut self, now: Instant, id: u64, address: SocketAddr, reply: Reply) {
        let digest = self.digest(&reply);
        let Some(request) = self.groups.requests.get_mut(&id) else { return };
        let member = request.members.entry(address).or_default();
        let is_same = member.digest.replace(digest) == Some(digest);
        if is_same && member.freshness.is_none() {
            // GC17: what repetition brought again.
            self.counters.duplicates += 1;
            return;
        }
        note_answered(member, &mut request.answered, &mut request.silent);
        if member.freshness.is_some() {
            self.watch_staleness(now, id, address, max_age(&reply.options));
        }
        self.deliver(id, Some(address), Ok(reply), true);
        self.finish_if_complete(now, id);
    }

    /// Tells answers apart.
    fn digest(&self, reply: &Reply) -> u64 {
        let mut hasher = self.etag_key.build_hasher();
        hasher.write_u8(reply.code.map_or(0, |code| code.0));
        for option in reply.options.iter().filter(|option| option.number != number::OBSERVE) {
            hasher.write_u16(option.number);
            hasher.write(option.value);
        }
        hasher.write(&reply.payload);
        hasher.finish()
    }

    /// Looks at the Observe option of a member's response. `false` when a newer one came before it (OB3).
    fn note_notification(&mut self, now: Instant, id: u64, address: SocketAddr, message: &Message<'_>) -> bool {
        let request = self.groups.requests.get_mut(&id).expect("the caller's");
        if !request.ask.is_observation {
            return true;
        }
        let member = request.members.get_mut(&address).expect("entered by the caller");
        let value = message.options.first(number::OBSERVE).filter(|_| message.code.is_success());
        let Some(value) = value.filter(|option| has_valid_length(*option)).and_then(|option| option.uint()) else {
            member.freshness = None; // OB1: a plain response
            return true;
        };
        member.was_asked_in_group = false;
        match member.freshness.as_mut() {
            Some(freshness) => freshness.advance(value as u32, now),
            None => {
                member.freshness = Some(Freshness::new(value as u32, now));
                true
            }
        }
    }

    /// Asks the group for the next block of the bodies of which it sent the first ones. `true` when it was asked, and answers are to
    /// be waited for.
    pub(super) fn ask_group_for_next_block(&mut self, now: Instant, id: u64) -> bool {
        let request = self.groups.requests.get_mut(&id).expect("the caller's");
        let wanted = |member: &Member| member.gatherer.as_ref().map(|(_, next)| *next);
        let blocks: Vec<BlockValue> = request.members.values().filter_map(wanted).collect();
        let Some(szx) = blocks.iter().map(|block| block.szx).min() else { return false };
        // GC60, GC62: a size that none exceeds; where members stand at different places, the foremost one goes first.
        let unit = BlockValue { num: 0, more: false, szx }.size();
        let offset = blocks.iter().map(|block| block.offset()).min().expect("not empty");
        let next = BlockValue { num: (offset / unit) as u32, more: false, szx };
        let was_asked = request.block == Some(next);
        let lagging: Vec<SocketAddr> = request
            .members
            .iter()
            .filter(|(_, member)| wanted(member).is_some_and(|block| was_asked && block.offset() == offset))
            .map(|(address, _)| *address)
            .collect();
        if was_asked {
            // Those that did not serve it are asked alone; the others go on together.
            for address in lagging {
                let request = self.groups.requests.get_mut(&id).expect("the caller's");
                let member = request.members.get_mut(&address).expect("listed above");
                let (gatherer, next) = member.gatherer.take().expect("listed above");
                self.fetch_rest(now, id, address, gatherer, next);
            }
            return self.ask_group_for_next_block(now, id);
        }
        for member in request.members.values_mut() {
            if let Some((_, block)) = &mut member.gatherer {
                *block = BlockValue { num: (block.offset() / unit) as u32, more: false, szx };
            }
        }
        request.block = Some(next);
        request.etags.clear();
        request.repetitions_left = 0;
        if let Some(repetition) = request.repetition.take() {
            self.timers.cancel(repetition);
        }
        let group = request.ask.group;
        self.queue_group(now, group, id);
        true
    }
}

/// Counts a member's first answer.
pub(super) fn note_answered(member: &mut Member, answered: &mut usize, silent: &mut usize) {
    if !std::mem::replace(&mut member.has_answered, true) {
        *answered += 1;
        *silent -= usize::from(member.is_known);
    }
}
