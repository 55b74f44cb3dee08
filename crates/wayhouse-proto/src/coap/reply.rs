//! Responses to our own requests: matched, checked, and turned into the next step or an answer.

use std::net::SocketAddr;
use std::time::Instant;

use wayhouse_wire::coap::option::{definition, is_critical, number};
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{BlockValue, Code, Kind, Message, OptionList, Options};

use super::ask::{Failure, Reply};
use super::blockwise::{Gatherer, Gathering, Step as Sending};
use super::cache::{Origin, max_age};
use super::client::{Content, Operation, Purpose, Way};
use super::dedup::Seen;
use super::endpoint::Endpoint;
use super::facts::is_reserved_location;
use super::freshness::Freshness;
use super::request::has_valid_length;
use super::route::Route;
use super::token::Token;
use crate::io::{Meta, StreamId};

/// A response, whatever it came on.
#[derive(Clone, Copy)]
struct Incoming<'a> {
    from: Option<SocketAddr>,
    code: Code,
    token: &'a [u8],
    options: Options<'a>,
    payload: &'a [u8],
    is_stream: bool,
}

impl Endpoint {
    /// Takes a response in a datagram.
    pub(super) fn handle_response(&mut self, now: Instant, meta: &Meta, message: &Message<'_>) {
        if let Some(id) = self.find_group_request(meta, message.token) {
            self.handle_group_response(now, meta, id, message);
            return;
        }
        let Some(id) = self.find_operation(meta, message.token) else {
            self.handle_unexpected(now, meta, message);
            return;
        };
        let incoming = Incoming {
            from: Some(meta.remote),
            code: message.code,
            token: message.token,
            options: message.options,
            payload: message.payload,
            is_stream: false,
        };
        let operation = &self.client.operations[&id];
        if message.kind == Kind::Acknowledgement {
            // CR8: a piggybacked response must match by message ID as well.
            let is_expected = operation.step.as_ref().is_some_and(|step| {
                step.exchange.is_some() && step.message_id == message.message_id && &*step.token == message.token
            });
            if !is_expected {
                self.counters.unexpected_responses += 1;
                return;
            }
        }
        self.heard(now, meta.remote);
        if message.kind == Kind::Confirmable {
            let is_wanted = self.is_wanted(id, message);
            if !self.acknowledge_response(now, meta, message, is_wanted) {
                return;
            }
        }
        self.take_response(now, id, incoming);
    }

    /// Acknowledges a CON response (CR3), or rejects it. `false` when it is a duplicate, which was dealt with (CM21).
    pub(super) fn acknowledge_response(
        &mut self,
        now: Instant,
        meta: &Meta,
        message: &Message<'_>,
        is_wanted: bool,
    ) -> bool {
        let route = Route::back(meta);
        let Seen::New(sequence) = self.dedup.look(now, route.peer(), message.message_id) else {
            self.handle_unexpected(now, meta, message);
            return false;
        };
        if is_wanted {
            self.dedup.acknowledge(sequence);
            self.send_empty(route, Kind::Acknowledgement, message.message_id);
        } else {
            self.counters.resets_sent += 1;
            let octets = [0x70, 0, (message.message_id >> 8) as u8, message.message_id as u8];
            self.dedup.answer(sequence, &octets, 0);
            self.send_empty(route, Kind::Reset, message.message_id);
        }
        true
    }

    /// Whether a CON response is acknowledged. CO1: what cannot be processed is rejected. OB6: so is a notification that
    /// nobody wants any more.
    fn is_wanted(&self, id: u64, message: &Message<'_>) -> bool {
        let operation = &self.client.operations[&id];
        let is_stale_notification =
            operation.purpose == Purpose::Deregistration && message.options.first(number::OBSERVE).is_some();
        check_response(message.options).is_ok() && !is_stale_notification
    }

    /// The operation that a response belongs to: by its source, the socket it came to, and its token (CR8).
    fn find_operation(&self, meta: &Meta, token: &[u8]) -> Option<u64> {
        let token = Token::new(token)?;
        let id = *self.client.by_token.get(&(Origin::Datagram(meta.remote), token))?;
        match self.client.operations.get(&id)?.way {
            Way::Datagram(route) if route.socket == meta.socket => Some(id),
            _ => None,
        }
    }

    /// A response that nobody waits for: a CON is rejected (CR8, OB5), unless it was acknowledged before (CM21).
    fn handle_unexpected(&mut self, now: Instant, meta: &Meta, message: &Message<'_>) {
        if message.kind != Kind::Confirmable {
            self.counters.unexpected_responses += 1;
            if message.kind == Kind::NonConfirmable && self.is_of_cancelled_group(meta, message) {
                self.reset(meta, message.message_id); // OB5: this member missed the cancellation
            }
            return;
        }
        let route = Route::back(meta);
        match self.dedup.find_only(now, route.peer(), message.message_id) {
            None | Some(Seen::New(_)) => {
                self.counters.unexpected_responses += 1;
                self.reset(meta, message.message_id);
            }
            Some(seen) => {
                self.counters.duplicates += 1;
                match seen {
                    Seen::Answer { octets, .. } => self.outbox.send_copy(octets, route.destination(), 0),
                    Seen::Acknowledgement => self.send_empty(route, Kind::Acknowledgement, message.message_id),
                    Seen::Silence | Seen::New(_) => {}
                }
            }
        }
    }

    /// Takes a response on a connection (TC3).
    pub(super) fn handle_frame_response(&mut self, now: Instant, stream: StreamId, frame: &Frame<'_>) {
        let id = Token::new(frame.token)
            .and_then(|token| self.client.by_token.get(&(Origin::Stream(stream), token)).copied());
        let Some(id) = id else {
            self.counters.unexpected_responses += 1;
            return;
        };
        let incoming = Incoming {
            from: self.streams.remote(stream),
            code: frame.code,
            token: frame.token,
            options: frame.options,
            payload: frame.payload,
            is_stream: true,
        };
        self.take_response(now, id, incoming);
    }

    /// Takes the answer to a ping over a connection.
    pub(super) fn handle_pong(&mut self, now: Instant, stream: StreamId, token: Token) {
        let is_without_token = token.is_empty();
        let by_token = self.client.by_token.get(&(Origin::Stream(stream), token)).copied();
        // There are peers (libcoap 4.3.1) whose Pong forgets the token: it then answers the oldest ping.
        let oldest = || {
            let is_ping = |operation: &Operation| {
                operation.purpose == Purpose::Ping && operation.way.origin() == Origin::Stream(stream)
            };
            self.client.operations.iter().find(|(_, operation)| is_ping(operation)).map(|(id, _)| *id)
        };
        if let Some(id) = by_token.or_else(|| is_without_token.then(oldest).flatten()) {
            self.finish_without_response(now, id);
        }
    }

    /// Ends a ping that was answered, or a request that wants no response.
    pub(super) fn finish_without_response(&mut self, now: Instant, id: u64) {
        self.report(now, id, None, Ok(Reply::default()), false);
        self.remove_operation(now, id);
    }

    /// An Empty ACK: the response comes separately (CR1), or a ping was answered.
    pub(super) fn handle_request_acknowledged(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        if let Some(step) = operation.step.as_mut() {
            step.exchange = None;
        }
        if operation.purpose == Purpose::Ping {
            self.finish_without_response(now, id);
        } else if operation.wants_no_response() && operation.is_last_message() {
            self.finish_without_response(now, id); // NR3
        }
    }

    /// A reset: for a ping the answer, for a request its end.
    pub(super) fn handle_request_reset(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.client.operations.get_mut(&id) else { return };
        if let Some(step) = operation.step.as_mut() {
            step.exchange = None;
        }
        if operation.purpose == Purpose::Ping {
            self.finish_without_response(now, id);
        } else {
            self.fail(now, id, Failure::Reset);
        }
    }

    /// A reset to a NON request: matched by message ID, like all resets (CM20).
    pub(super) fn handle_reset_of_non_request(&mut self, now: Instant, meta: &Meta, message_id: u16) -> bool {
        let route = Route::back(meta).without_source();
        let Some(id) = self.client.by_non.get(&(route, message_id)).copied() else { return false };
        self.fail(now, id, Failure::Reset);
        true
    }

    /// All transmissions of a request went unanswered.
    pub(super) fn handle_request_timeout(&mut self, now: Instant, id: u64) {
        if let Some(step) = self.client.operations.get_mut(&id).and_then(|operation| operation.step.as_mut()) {
            step.exchange = None;
        }
        self.fail(now, id, Failure::Timeout);
    }

    /// Takes a response that belongs to an operation.
    fn take_response(&mut self, now: Instant, id: u64, incoming: Incoming<'_>) {
        let operation = self.client.operations.get_mut(&id).expect("found by its token");
        if let Err(reason) = check_response(incoming.options) {
            // CO1: rejected; nothing better will come.
            self.fail(now, id, Failure::Unprocessable(reason));
            return;
        }
        let content = operation.step.as_ref().filter(|step| &*step.token == incoming.token).map(|step| step.content);
        if operation.purpose == Purpose::Deregistration {
            // OB6: the answer to the deregistration, or a notification that crossed it.
            if let Some(content) = content.filter(|_| incoming.options.first(number::OBSERVE).is_none()) {
                self.take_step_response(now, id, content, incoming);
            }
            return;
        }
        // While the body of a new registration is under way, notifications of the old one have its token.
        let is_notification = operation.is_observing()
            && !operation.is_last_message()
            && incoming.options.first(number::OBSERVE).is_some();
        match content.filter(|_| !is_notification) {
            Some(content) => self.take_step_response(now, id, content, incoming),
            None => self.take_notification(now, id, incoming),
        }
    }

    /// A response to the step under way.
    fn take_step_response(&mut self, now: Instant, id: u64, content: Content, incoming: Incoming<'_>) {
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        let origin = operation.way.origin();
        let echo = incoming.options.first(number::ECHO).filter(|option| has_valid_length(*option));
        if let Some(echo) = echo {
            if incoming.code == Code::UNAUTHORIZED && !operation.is_echo_tried {
                // EC1: once more, with the value; to nobody else (EC2).
                operation.is_echo_tried = true;
                operation.echo = Some(echo.value.to_vec());
                self.restore_patience(now, id);
                self.begin_step(now, id, content);
                return;
            }
            self.client.keep_echo(origin, echo.value);
        }
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        operation.is_echo_tried = false;
        if content == Content::Main {
            if !self.advance_body(now, id, &incoming) {
                return;
            }
            if self.client.operations[&id].purpose == Purpose::Deregistration {
                self.remove_operation(now, id); // OB6
                return;
            }
            if !self.note_observation(now, id, &incoming) {
                // OB3: older than a notification that overtook it. The observation goes on, and is registered again in time.
                self.end_step(now, id);
                self.suspend_patience(id);
                self.schedule_registration(now, id, max_age(&OptionList::new()));
                return;
            }
            let operation = self.client.operations.get_mut(&id).expect("the caller's");
            operation.gatherer = Some(Gatherer::new(self.settings.limits.body_octets_max));
        }
        self.end_step(now, id);
        self.gather_response(now, id, incoming);
    }

    /// Goes on with the body of a request after a response. `true` when that is the one to the whole request.
    fn advance_body(&mut self, now: Instant, id: u64, incoming: &Incoming<'_>) -> bool {
        let block1 = incoming.options.first(number::BLOCK1).and_then(|option| BlockValue::decode(option.value));
        let size1 = incoming.options.first(number::SIZE1).filter(|option| has_valid_length(*option));
        let size1 = size1.and_then(|option| option.uint());
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        let sender = operation.sender.as_mut().expect("made before the first message");
        match sender.handle(incoming.code, block1, size1) {
            Sending::Next => {
                if incoming.code == Code::CONTINUE {
                    self.note_in_cache(now, id, incoming.code, &OptionList::new(), &[]); // CC8
                }
                self.restore_patience(now, id);
                self.begin_step(now, id, Content::Main);
                false
            }
            Sending::Restart => {
                let tag = self.client.next_request_tag();
                let operation = self.client.operations.get_mut(&id).expect("the caller's");
                operation.request_tag = Some(tag);
                self.restore_patience(now, id);
                self.begin_step(now, id, Content::Main);
                false
            }
            Sending::Failed(reason) => {
                self.fail(now, id, Failure::Unprocessable(reason));
                false
            }
            Sending::Final => true,
        }
    }

    /// Looks at the Observe option of a response to a registration. `false` when a newer notification came before it.
    fn note_observation(&mut self, now: Instant, id: u64, incoming: &Incoming<'_>) -> bool {
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        let Some(observation) = operation.observation.as_mut() else { return true };
        let value = incoming.options.first(number::OBSERVE).filter(|_| incoming.code.is_success());
        let Some(value) = value.filter(|option| has_valid_length(*option)).and_then(|option| option.uint()) else {
            // OB1, OB6: a plain response; whatever was observed is not any more.
            observation.freshness = None;
            return true;
        };
        match observation.freshness.as_mut() {
            Some(freshness) if !incoming.is_stream => freshness.advance(value as u32, now),
            _ => {
                observation.freshness = Some(Freshness::new(value as u32, now));
                true
            }
        }
    }

    /// A notification, while no step with its token is under way.
    fn take_notification(&mut self, now: Instant, id: u64, incoming: Incoming<'_>) {
        if !self.client.operations[&id].is_observing() || !self.note_observation(now, id, &incoming) {
            return; // OB3: reordered
        }
        // What is being fetched is of an older state.
        self.end_step(now, id);
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        operation.gatherer = Some(Gatherer::new(self.settings.limits.body_octets_max));
        self.gather_response(now, id, incoming);
    }

    /// Takes a block of a response body, or the whole.
    fn gather_response(&mut self, now: Instant, id: u64, incoming: Incoming<'_>) {
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        let mut gatherer = operation.gatherer.take().expect("made with the first response");
        match gatherer.handle(incoming.code, incoming.options, incoming.payload, incoming.is_stream) {
            Gathering::Complete => {
                let (code, options, body) = gatherer.into_parts();
                self.finish_response(now, id, incoming.from, code, options, body);
            }
            Gathering::Next(block) | Gathering::Restart(block) => {
                operation.gatherer = Some(gatherer);
                self.restore_patience(now, id);
                self.begin_step(now, id, Content::FollowUp(block));
            }
            Gathering::TooLarge => self.fail(now, id, Failure::TooLarge),
            Gathering::Failed(reason) => self.fail(now, id, Failure::Unprocessable(reason)),
        }
    }

    /// Hands a complete response to the cache and to the parent.
    fn finish_response(
        &mut self,
        now: Instant,
        id: u64,
        from: Option<SocketAddr>,
        code: Code,
        options: OptionList,
        payload: Vec<u8>,
    ) {
        let max_age = max_age(&options);
        let mut reply = Reply { code: Some(code), options, payload, is_from_cache: false };
        let operation = self.client.operations.get_mut(&id).expect("the caller's");
        if code != Code::VALID {
            self.client.cache.handle_response(now, operation.asked(), code, &reply.options, &reply.payload);
        } else if operation.etag.is_some() {
            let Some(stored) = self.client.cache.refresh(now, operation.asked(), &reply.options) else {
                // CC4: what is said to be valid is not here (any more): once more, for the representation itself.
                operation.etag = None;
                operation.restart();
                self.restore_patience(now, id);
                self.begin_step(now, id, Content::Main);
                return;
            };
            reply = stored.into_reply();
        }
        let operation = &self.client.operations[&id];
        let is_observing = operation.is_observing() && code.is_success();
        self.report(now, id, from, Ok(reply), is_observing);
        if is_observing {
            self.suspend_patience(id);
            self.schedule_registration(now, id, max_age);
        } else {
            self.remove_operation(now, id);
        }
    }

    fn note_in_cache(&mut self, now: Instant, id: u64, code: Code, options: &OptionList, payload: &[u8]) {
        let operation = &self.client.operations[&id];
        self.client.cache.handle_response(now, operation.asked(), code, options, payload);
    }
}

/// Options that are defined for responses (CO5).
const fn is_response_option(number: u16) -> bool {
    matches!(
        number,
        number::ETAG
            | number::LOCATION_PATH
            | number::LOCATION_QUERY
            | number::OBSERVE
            | number::CONTENT_FORMAT
            | number::MAX_AGE
            | number::BLOCK2
            | number::BLOCK1
            | number::SIZE2
            | number::SIZE1
            | number::ECHO
    )
}

/// Whether a response can be processed: no critical option that is unknown in responses, of a length that it cannot have, or
/// stands too often (CO1, CO2, CO4, CO5).
pub(super) fn check_response(options: Options<'_>) -> Result<(), &'static str> {
    let mut previous = None;
    let mut has_location = false;
    for option in options.iter() {
        let is_repeated = previous == Some(option.number);
        previous = Some(option.number);
        let is_known = is_response_option(option.number)
            && has_valid_length(option)
            && definition(option.number).is_some_and(|definition| definition.is_repeatable || !is_repeated);
        if !is_known && is_critical(option.number) {
            return Err("a critical option is unknown");
        }
        match option.number {
            number::LOCATION_PATH if matches!(option.value, b"." | b"..") => {
                return Err("Location-Path is a dot segment"); // CO10
            }
            number::LOCATION_PATH | number::LOCATION_QUERY => has_location = true,
            reserved if has_location && is_reserved_location(reserved) => {
                return Err("the location has a part of unknown meaning"); // CO11
            }
            _ => {}
        }
    }
    Ok(())
}
