//! Requests of others: what is checked before the parent sees them, and how its responses leave.
//!
//! ```text
//! datagram, frame ─> duplicate? ─> options ─> Echo ─> Block1 ─> Block2 > 0 ─> parent ─> respond ─> form ─> outbox
//!                      same answer   4.02…     proof    2.31…    kept body       └───> defer ─> respond_deferred
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::time::Instant;

use wayhouse_wire::cbor::ProblemDetails;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Kind, OptionList, content_format};

use super::blockwise::{Gathered, Representation, Served, cut};
use super::compose::{Envelope, Extras, belongs_to_valid, compose, frame_overhead};
use super::congestion::Waiting;
use super::dedup::Seen;
use super::echo::Reachability;
use super::endpoint::Endpoint;
use super::exchange::Owner;
use super::facts::{Facts, Fault};
use super::observe::observe_value;
use super::request::{ObserverId, PendingId, Request, Response};
use super::route::{Route, back_to};
use super::streams::Streams;
use super::timers::Due;
use super::token::Token;
use crate::io::{Destination, Peer};

/// Octets that the options which the engine adds to a response take at most: ETag, Observe, Block2, Block1, Size2.
const EXTRAS_OCTETS: usize = 9 + 4 + 5 + 5 + 6;
/// Octets that a response may grow by when it is cut into blocks: ETag, Block2.
const BLOCK_OVERHEAD: usize = 16;
/// Octets of an Empty ACK.
const ACK_OCTETS: usize = 4;

/// Answers that wait: to multicast requests for their leisure to pass (CX3), separate ones for their turn.
#[derive(Debug, Default)]
pub(crate) struct LateAnswers {
    leisurely: BTreeMap<u64, (Destination, Vec<u8>, u64)>,
    separate: BTreeMap<u64, (Route, Vec<u8>, u64)>,
    made: u64,
}

/// How a response leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// In the ACK, as NON, or on the connection.
    Direct,
    /// After an Empty ACK (CR1).
    Separate,
}

/// A response as it goes onto the wire, but for token and envelope.
pub(super) struct Form<'r> {
    pub(super) code: Code,
    extras: Extras,
    payload: &'r [u8],
    pub(super) etag: Option<[u8; 8]>,
    /// Whether further blocks follow.
    pub(super) more: bool,
}

/// Why there is no form.
pub(super) enum Misfit {
    /// The block asked for lies behind the end of the body.
    OutOfRange,
    /// The peer takes neither a message that long nor blocks.
    TooLarge,
}

/// What fits into one response to a peer.
#[derive(Debug, Clone, Copy)]
struct Room {
    szx_max: u8,
    /// Octets of payload, where the peer bounds them; else the block size does.
    payload_octets: Option<usize>,
    bert_octets: usize,
    does_block_wise: bool,
}

impl Room {
    /// Reckons with the token of a request and the options of its response.
    fn of(streams: &Streams, szx_max: u8, request: &Request<'_>, options: &OptionList) -> Room {
        let Peer::Stream(stream) = request.peer else {
            return Room { szx_max: szx_max.min(6), payload_octets: None, bert_octets: 0, does_block_wise: true };
        };
        // CM22 bounds datagrams only; TC4: over a connection the peer's settings tell.
        let Some(peer) = streams.peer_settings(stream) else {
            return Room { szx_max: 0, payload_octets: Some(0), bert_octets: 0, does_block_wise: false };
        };
        let overhead = frame_overhead(request.token, options.iter()) + EXTRAS_OCTETS;
        let payload_octets = Some(peer.message_octets_max.saturating_sub(overhead));
        let bert_octets = peer.bert_octets(overhead);
        let szx_max = if bert_octets > 0 { 7 } else { 6 };
        Room { szx_max, payload_octets, bert_octets, does_block_wise: peer.does_block_wise }
    }
    fn takes_whole(&self, octets: usize) -> bool {
        octets <= self.payload_octets.unwrap_or(16 << self.szx_max)
    }
    /// The block of a size that fits, at the same place of the body (BW3), and what BERT allows; `None` when none fits.
    fn fit(&self, block: BlockValue) -> Option<(BlockValue, usize)> {
        let fits = |szx: &u8| self.payload_octets.is_none_or(|octets| *szx == 7 || 16 << szx <= octets);
        let szx = (0..=block.szx.min(self.szx_max)).rev().find(fits)?;
        let unit = BlockValue { num: 0, more: false, szx }.size();
        Some((BlockValue { num: (block.offset() / unit) as u32, more: false, szx }, self.bert_octets))
    }
}

impl Endpoint {
    /// Takes a request: answers what the engine can answer. `true` when the parent must see it.
    pub(super) fn take_request(&mut self, now: Instant, request: &mut Request<'_>) -> bool {
        let is_datagram = matches!(request.peer, Peer::Datagram { .. });
        if request.meta.is_multicast && request.kind == Some(Kind::Confirmable) {
            return false; // CX1
        }
        self.counters.requests += 1;
        let octets = request.facts.octets;
        let facts = match Facts::gather(request.code, request.options, !is_datagram) {
            Ok(facts) => facts,
            Err(fault) => {
                // NR2: it may stand behind what is at fault.
                let no_response = request.option(number::NO_RESPONSE).and_then(|option| option.uint());
                request.facts.no_response = no_response.map(|classes| classes as u8);
                self.refuse(now, request, fault);
                return false;
            }
        };
        request.facts = Facts { octets, ..facts };
        request.observe = facts.observe;
        if request.meta.is_multicast && facts.block1.is_some() {
            return false; // GC63: it means nothing in a group
        }
        if is_datagram && !self.is_first(now, request) {
            self.counters.duplicates += 1;
            return false;
        }
        request.facts.is_reachable = self.is_reachable(now, request);
        if facts.block1.is_some() && !self.gather(now, request) {
            return false;
        }
        if let Some(block) = facts.block2
            && block.num > 0
            && !self.serve_block(now, request, block)
        {
            return false;
        }
        if request.observe == Some(false) {
            self.deregister(now, request.peer, request.token); // OB7
        }
        true
    }

    /// Whether a request was not seen before; a duplicate gets what the first one got (CM21, CR2).
    fn is_first(&mut self, now: Instant, request: &mut Request<'_>) -> bool {
        let is_safe = request.code.is_safe_method() && request.facts.block1.is_none();
        let seen = if is_safe {
            match self.dedup.look_safe(now, request.peer, request.message_id) {
                None => return true,
                Some(seen) => seen,
            }
        } else {
            self.dedup.look(now, request.peer, request.message_id)
        };
        let is_confirmable = request.kind == Some(Kind::Confirmable);
        match seen {
            Seen::New(sequence) => {
                request.facts.remembered = Some(sequence);
                return true;
            }
            Seen::Silence => {}
            // A NON is dropped silently.
            _ if !is_confirmable => {}
            Seen::Acknowledgement => {
                self.send_empty(Route::back(&request.meta), Kind::Acknowledgement, request.message_id);
            }
            Seen::Answer { octets, durable_after } => {
                self.outbox.send_copy(octets, Route::back(&request.meta).destination(), durable_after);
            }
        }
        false
    }

    /// Takes a block of a request body; `true` when the body is whole.
    fn gather(&mut self, now: Instant, request: &mut Request<'_>) -> bool {
        let szx_max = match request.peer {
            Peer::Stream(_) => 7,
            Peer::Datagram { .. } => self.settings.block_szx,
        };
        let (code, options) = (request.code, request.options);
        let gathered = self.assemblies.accept(now, request.peer, code, options, &request.payload, szx_max);
        self.watch_bodies();
        match gathered {
            Gathered::Whole => true,
            Gathered::Complete { block, body, if_none_match } => {
                request.facts.acknowledged_block = Some(block);
                request.facts.has_if_none_match |= if_none_match;
                request.payload = Cow::Owned(body);
                true
            }
            Gathered::Continue(block) => {
                request.facts.acknowledged_block = Some(block);
                self.answer_shortly(now, request, Code::CONTINUE, None, "");
                false
            }
            Gathered::Incomplete => {
                request.facts.acknowledged_block = request.facts.block1;
                self.answer_shortly(now, request, Code::REQUEST_ENTITY_INCOMPLETE, None, "a block is missing");
                false
            }
            Gathered::TooLarge { size1 } => {
                request.facts.acknowledged_block = request.facts.block1;
                self.answer_shortly(now, request, Code::REQUEST_ENTITY_TOO_LARGE, Some(size1), "");
                false
            }
            Gathered::Bad(diagnostic) => {
                self.answer_shortly(now, request, Code::BAD_REQUEST, None, diagnostic);
                false
            }
        }
    }

    /// Answers a request for a later block from the body that is kept; `true` when the parent must be asked.
    fn serve_block(&mut self, now: Instant, request: &Request<'_>, block: BlockValue) -> bool {
        let envelope = self.envelope(now, request);
        let (streams, szx_max) = (&self.streams, self.settings.block_szx);
        let fit = |representation: &Representation| {
            let room = Room::of(streams, szx_max, request, &representation.options);
            room.fit(block).unwrap_or((block, 0))
        };
        let served = self.bodies.serve(now, request.peer, request.code, request.options, &request.payload, fit);
        let (code, diagnostic) = match served {
            Served::Block { representation, block, payload } => {
                let mut extras = Extras::new();
                extras.push_block(number::BLOCK2, Some(block));
                extras.push_block(number::BLOCK1, request.facts.acknowledged_block);
                if request.facts.wants_size {
                    extras.push_uint(number::SIZE2, representation.body.len() as u64); // BW12
                }
                let to = back_to(request.peer, &request.meta);
                let (out, start) = self.outbox.begin();
                let options = representation.options.iter();
                compose(out, envelope, representation.code, request.token, &extras, options, payload);
                if !request.facts.is_reachable && out.len() - start > allowance(request) {
                    self.outbox.discard(start);
                    self.challenge(now, request); // EC5
                    return false;
                }
                if request.meta.is_multicast {
                    self.send_leisurely(now, request, start, 0); // GC60: a further block for the group
                    return false;
                }
                let octets = self.outbox.send(start, to, 0);
                if let Some(sequence) = request.facts.remembered {
                    self.dedup.answer(sequence, octets, 0);
                }
                self.counters.responses_sent += 1;
                return false;
            }
            Served::OutOfRange => (Code::BAD_REQUEST, "the block lies behind the end of the body"),
            // The parent answers anew, and the client sees by the ETag whether that fits what it has (BW5). What changes
            // something must not be done again, and what lost its body (BW10) cannot.
            Served::Unknown if request.code == Code::GET => return true,
            Served::Unknown if request.code == Code::FETCH && !request.payload.is_empty() => return true,
            Served::Unknown => (Code::REQUEST_ENTITY_INCOMPLETE, "the response body is no longer kept"),
        };
        self.answer_shortly(now, request, code, None, diagnostic);
        false
    }

    /// Answers what cannot be processed.
    fn refuse(&mut self, now: Instant, request: &Request<'_>, fault: Fault) {
        match fault {
            Fault::BadOption(number) => {
                let mut response = Response { code: Some(Code::BAD_OPTION), ..Response::default() };
                let format = u64::from(content_format::PROBLEM_DETAILS_CBOR);
                response.options.push_uint(number::CONTENT_FORMAT, format);
                ProblemDetails { unprocessed_coap_options: &[number], ..ProblemDetails::default() }
                    .encode(&mut response.payload);
                self.answer(now, request, &response, Delivery::Direct);
            }
            Fault::BadRequest(diagnostic) => self.answer_shortly(now, request, Code::BAD_REQUEST, None, diagnostic),
            Fault::UnknownMethod => self.answer_shortly(now, request, Code::METHOD_NOT_ALLOWED, None, ""),
            Fault::ProxyingNotSupported => {
                self.answer_shortly(now, request, Code::PROXYING_NOT_SUPPORTED, None, "");
            }
        }
    }

    /// Answers by the engine itself.
    fn answer_shortly(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        code: Code,
        size1: Option<u64>,
        diagnostic: &str,
    ) {
        let mut response = Response { code: Some(code), payload: diagnostic.into(), ..Response::default() };
        if let Some(size1) = size1 {
            response.options.push_uint(number::SIZE1, size1);
        }
        self.answer(now, request, &response, Delivery::Direct);
    }

    /// Asks the peer to repeat its request with an Echo value (EC1, EC5): for the parent where a request must be fresh, that is,
    /// not come from a forged address. Nothing is remembered; the request must not have been acted upon.
    pub fn challenge(&mut self, now: Instant, request: &Request<'_>) {
        let Peer::Datagram { remote, .. } = request.peer else { return };
        if is_listed(request, Code::UNAUTHORIZED) && request.meta.is_multicast {
            return; // GC33
        }
        self.counters.echo_challenges += 1;
        let mut extras = Extras::new();
        extras.push(number::ECHO, &self.reachability.make(now, remote));
        let envelope = self.envelope(now, request);
        let (out, start) = self.outbox.begin();
        compose(out, envelope, Code::UNAUTHORIZED, request.token, &extras, std::iter::empty(), &[]);
        if request.meta.is_multicast {
            // GC86: each member asks for itself; the client comes back alone.
            self.send_leisurely(now, request, start, 0);
            return;
        }
        let octets = self.outbox.send(start, Route::back(&request.meta).destination(), 0);
        if let Some(sequence) = request.facts.remembered {
            self.dedup.answer(sequence, octets, 0);
        }
    }

    /// Answers a request. Returns the observer when the observation was accepted.
    pub fn respond(&mut self, now: Instant, request: &Request<'_>, response: &Response) -> Option<ObserverId> {
        self.answer(now, request, response, Delivery::Direct)
    }

    /// Keeps a request for a later answer: a CON is acknowledged at once, the response follows separately (CR1).
    /// `None` when too many are pending: the request was answered with 5.03; or when the peer must prove first that it is
    /// reachable (EC5).
    pub fn defer(&mut self, now: Instant, request: &Request<'_>) -> Option<PendingId> {
        if !request.facts.is_reachable && request.code.is_safe_method() {
            self.challenge(now, request);
            return None;
        }
        let limits = self.settings.limits;
        let is_full = self.pendings.count() + self.late_answers.separate.len() >= limits.pending_max
            || self.pendings.octets() + request.options.as_bytes().len() + request.payload.len()
                > limits.pending_octets_max;
        if is_full || Token::new(request.token).is_none() {
            self.counters.dropped_at_limit += 1;
            self.answer_shortly(now, request, Code::SERVICE_UNAVAILABLE, None, "");
            return None;
        }
        if request.kind == Some(Kind::Confirmable) {
            self.send_empty(Route::back(&request.meta), Kind::Acknowledgement, request.message_id);
        }
        if request.kind.is_some() {
            // CR2, CM15: a duplicate gets an Empty ACK again, even after the response was acknowledged.
            match request.facts.remembered {
                Some(sequence) => self.dedup.acknowledge(sequence),
                None => self.dedup.acknowledge_safe(now, request.peer, request.message_id),
            }
        }
        self.order_message_ids(now, request);
        Some(self.pendings.insert(request))
    }

    /// Answers a deferred request. Returns the observer when the observation was accepted.
    pub fn respond_deferred(&mut self, now: Instant, pending: PendingId, response: &Response) -> Option<ObserverId> {
        let pending = self.pendings.remove(pending)?;
        let request = pending.request();
        let observer = self.answer(now, &request, response, Delivery::Separate);
        if let Peer::Stream(stream) = request.peer {
            self.close_if_released(now, stream);
        }
        observer
    }

    /// Sends a response later than the request was answered.
    pub(super) fn answer_separately(&mut self, now: Instant, request: &Request<'_>, response: &Response) {
        self.answer(now, request, response, Delivery::Separate);
    }

    fn answer(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        response: &Response,
        delivery: Delivery,
    ) -> Option<ObserverId> {
        let Some(code) = response.code.filter(|code| !is_suppressed(request, response, *code)) else {
            self.stay_silent(request, delivery);
            return None;
        };
        if let Peer::Stream(stream) = request.peer
            && !self.streams.is_open(stream)
        {
            return None; // TC3: the answer belongs to the connection and goes with it
        }
        // OB7: what cannot be observed is a plain request.
        let observe = (request.observe == Some(true)
            && response.is_observable
            && code.is_success()
            && self.observers.has_room(request))
        .then(|| self.observers.first_number(now, request.peer, request.token));
        if observe.is_some() && request.meta.is_multicast && !request.facts.is_reachable {
            // GC39: notifications would go on and on to whoever's address this is.
            self.challenge(now, request);
            return None;
        }
        let Ok(form) = self.form(request, response, code, observe, None) else {
            return self.answer_misfit(now, request, response, code, delivery);
        };
        let allowance = match request.facts.is_reachable {
            true => usize::MAX,
            // What was said already counts as well.
            false if delivery == Delivery::Separate => allowance(request) - ACK_OCTETS,
            false => allowance(request),
        };
        let envelope = self.envelope(now, request);
        let (out, start) = self.outbox.begin();
        write(out, envelope, request.token, response, &form);
        let (mut form, mut octets) = (form, out.len() - start);
        if octets > allowance {
            // EC5: too much for a peer that may not be where it says.
            self.outbox.discard(start);
            let has_small_form = request.meta.is_multicast && form_fits(octets, &form, allowance);
            if request.code.is_safe_method() && delivery == Delivery::Direct && !has_small_form {
                self.challenge(now, request);
                return None;
            }
            // What was done cannot be asked for again: a smaller block tells the outcome.
            let overhead = octets - form.payload.len() + BLOCK_OVERHEAD;
            let szx = (0..=6).rev().find(|szx| overhead + (16 << szx) <= allowance).unwrap_or(0);
            form = self.form(request, response, code, observe, Some(szx)).ok()?;
            let (out, start) = self.outbox.begin();
            write(out, envelope, request.token, response, &form);
            octets = out.len() - start;
        }
        let (more, etag, form_code) = (form.more, form.etag, form.code);
        self.dispatch(now, request, response.durable_after, start, octets, allowance, delivery);
        self.counters.responses_sent += 1;
        if more && !response.must_be_fresh {
            self.keep_body(now, request, response, form_code, etag);
        }
        observe.and_then(|number| self.register(now, request, response, number))
    }

    /// The answer when the response as such cannot be sent.
    fn answer_misfit(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        response: &Response,
        code: Code,
        delivery: Delivery,
    ) -> Option<ObserverId> {
        let (code, diagnostic) = match self.form(request, response, code, None, None) {
            Err(Misfit::OutOfRange) => (Code::BAD_REQUEST, "the block lies behind the end of the body"),
            _ => (Code::INTERNAL_SERVER_ERROR, "the response is longer than Max-Message-Size"),
        };
        let mut substitute = Response { code: Some(code), payload: diagnostic.into(), ..Response::default() };
        // A diagnostic has one block, and it is the one the client gets.
        let facts = Facts { block2: None, ..request.facts };
        let request = Request { facts, payload: Cow::Borrowed(&request.payload), ..*request };
        if self.form(&request, &substitute, code, None, None).is_err() {
            substitute.payload.clear(); // TC4: a peer that takes nothing but the code gets that
        }
        self.answer(now, &request, &substitute, delivery)
    }

    /// Sends what was written since `start`, the way the request wants it.
    #[allow(clippy::too_many_arguments, reason = "the parts of one decision")]
    fn dispatch(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        durable_after: u64,
        start: usize,
        octets: usize,
        allowance: usize,
        delivery: Delivery,
    ) {
        let to = back_to(request.peer, &request.meta);
        // A separate response to an unproven peer is repeated only if all repetitions stay within its allowance (EC5).
        let transmissions = 1 + self.settings.params.max_retransmit as usize;
        let is_separate_confirmable = delivery == Delivery::Separate
            && request.kind == Some(Kind::Confirmable)
            && octets.saturating_mul(transmissions) <= allowance;
        if delivery == Delivery::Separate
            && !is_separate_confirmable
            && let Peer::Datagram { socket, remote } = request.peer
        {
            // CR2, CM19: no second ACK, and the request is too long ago for an ID made from its own.
            let allocated = self.message_ids.allocate(now, socket, remote, &mut self.rng);
            let message_id = allocated.unwrap_or(self.derived_message_id(request));
            set_head(&mut self.outbox.begin().0[start..], Kind::NonConfirmable, message_id);
        }
        if request.meta.is_multicast {
            self.send_leisurely(now, request, start, durable_after);
            return;
        }
        if is_separate_confirmable {
            let message = self.outbox.take_back(start);
            self.late_answers.made += 1;
            let id = self.late_answers.made;
            self.late_answers.separate.insert(id, (Route::back(&request.meta), message, durable_after));
            self.congestion.enqueue(request.meta.remote, Waiting::Separate(id));
            self.pump(now, request.meta.remote);
            return;
        }
        let sent = self.outbox.send(start, to, durable_after);
        if let Some(sequence) = request.facts.remembered
            && delivery == Delivery::Direct
        {
            self.dedup.answer(sequence, sent, durable_after);
        }
    }

    /// Sends what was written since `start` when the leisure of the group has passed: its members do not answer in one burst (CX3).
    fn send_leisurely(&mut self, now: Instant, request: &Request<'_>, start: usize, durable_after: u64) {
        let message = self.outbox.take_back(start);
        if self.late_answers.leisurely.len() >= self.settings.limits.leisurely_answers_max {
            self.counters.dropped_at_limit += 1;
            return;
        }
        let at = self.leisure_end(now, request.meta.group);
        self.late_answers.made += 1;
        let id = self.late_answers.made;
        let to = back_to(request.peer, &request.meta);
        self.late_answers.leisurely.insert(id, (to, message, durable_after));
        self.timers.set(at, Due::Leisure(id));
    }

    /// Sends a separate response that waited for its turn. `Err` with the time when a message ID is free.
    pub(super) fn launch_separate(&mut self, now: Instant, id: u64) -> Result<(), Instant> {
        let Some((route, _, _)) = self.late_answers.separate.get(&id) else { return Ok(()) };
        let route = *route;
        let allocated = self.message_ids.allocate(now, route.socket, route.remote, &mut self.rng);
        let message_id = allocated.map_err(|exhausted| exhausted.free_at)?;
        let (_, mut octets, durable_after) = self.late_answers.separate.remove(&id).expect("looked up above");
        set_head(&mut octets, Kind::Confirmable, message_id);
        self.congestion.take(route.remote);
        self.send_confirmable(now, route, message_id, octets, Owner::Separate, durable_after);
        Ok(())
    }

    /// Sends an answer to a multicast request whose leisure has passed.
    pub(super) fn handle_leisure_end(&mut self, id: u64) {
        if let Some((to, octets, durable_after)) = self.late_answers.leisurely.remove(&id) {
            self.outbox.send_copy(&octets, to, durable_after);
        }
    }

    /// Sends no response; a CON is acknowledged all the same (NR2).
    fn stay_silent(&mut self, request: &Request<'_>, delivery: Delivery) {
        if delivery == Delivery::Direct && request.kind == Some(Kind::Confirmable) {
            self.send_empty(Route::back(&request.meta), Kind::Acknowledgement, request.message_id);
            if let Some(sequence) = request.facts.remembered {
                self.dedup.acknowledge(sequence);
            }
        }
    }

    /// Keeps a body that needs more blocks.
    pub(super) fn keep_body(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        response: &Response,
        code: Code,
        etag: Option<[u8; 8]>,
    ) {
        let mut options = response.options.clone();
        if let Some(etag) = etag {
            options.push(number::ETAG, &etag);
        }
        let representation = Representation { code, options, body: response.payload.clone() };
        self.bodies.insert(now, request.peer, request.code, request.options, &request.payload, representation);
        self.watch_bodies();
    }

    /// Decides what goes onto the wire: validation (CO8), the block (BW3), what the engine adds.
    pub(super) fn form<'r>(
        &self,
        request: &Request<'_>,
        response: &'r Response,
        code: Code,
        observe: Option<u64>,
        szx_max: Option<u8>,
    ) -> Result<Form<'r>, Misfit> {
        let facts = &request.facts;
        let body = response.payload.as_slice();
        // An error is no part of the body that a later block was asked of.
        let asked = facts.block2.filter(|block| block.num == 0 || code.is_success());
        let room =
            Room::of(&self.streams, self.settings.block_szx.min(szx_max.unwrap_or(7)), request, &response.options);
        let block = match asked {
            // An empty body needs no blocks.
            _ if body.is_empty() && asked.is_none_or(|block| block.num == 0) => None,
            None if room.takes_whole(body.len()) => None,
            None if !room.does_block_wise => return Err(Misfit::TooLarge),
            _ => {
                let (block, bert_octets) =
                    room.fit(asked.unwrap_or(BlockValue { num: 0, more: false, szx: 7 })).ok_or(Misfit::TooLarge)?;
                Some(cut(body, block.num, block.szx, bert_octets).ok_or(Misfit::OutOfRange)?)
            }
        };
        let is_cut = block.is_some_and(|cut| cut.block.num > 0 || cut.block.more);
        let is_validating = code == Code::CONTENT && request.code.is_safe_method();
        let own_etag = response.options.first(number::ETAG);
        let etag = (is_validating && own_etag.is_none() && (facts.has_etag || is_cut)).then(|| self.etag(response));
        let current = own_etag.map(|option| option.value).or(etag.as_ref().map(|etag| etag.as_slice()));
        let is_valid = is_validating
            && facts.has_etag
            && current.is_some_and(|current| request.options.all(number::ETAG).any(|known| known == current));

        let mut extras = Extras::new();
        if let Some(etag) = &etag {
            extras.push(number::ETAG, etag);
        }
        if let Some(sequence_number) = observe {
            // TC5: over a connection the order is the stream's and the value could be empty; there are clients (aiocoap)
            // that compare it all the same.
            extras.push_uint(number::OBSERVE, u64::from(observe_value(sequence_number)));
        }
        if is_valid {
            extras.push_block(number::BLOCK1, facts.acknowledged_block);
            return Ok(Form { code: Code::VALID, extras, payload: &[], etag, more: false });
        }
        extras.push_block(number::BLOCK2, block.map(|cut| cut.block));
        extras.push_block(number::BLOCK1, facts.acknowledged_block);
        if facts.wants_size && code.is_success() {
            extras.push_uint(number::SIZE2, body.len() as u64); // BW12
        }
        let payload = block.map_or(body, |cut| cut.payload);
        Ok(Form { code, extras, payload, etag, more: block.is_some_and(|cut| cut.block.more) })
    }

    /// What stands around a response that leaves at once.
    fn envelope(&mut self, now: Instant, request: &Request<'_>) -> Envelope {
        let (kind, message_id) = match (request.kind, request.peer) {
            (None, _) | (_, Peer::Stream(_)) => return Envelope::Frame,
            (Some(Kind::Confirmable), _) => (Kind::Acknowledgement, request.message_id), // CM12
            (Some(_), Peer::Datagram { socket, remote }) => {
                // CR5, CM19: peers do not repeat the IDs of their NON requests within NON_LIFETIME, so what is made from
                // them does not repeat either and nothing needs to be remembered; unless the peer gets other messages too.
                let is_remembered =
                    self.observers.has_any_of(request.peer) || self.message_ids.is_known(socket, remote);
                let allocated = is_remembered.then(|| self.message_ids.allocate(now, socket, remote, &mut self.rng));
                (Kind::NonConfirmable, allocated.and_then(Result::ok).unwrap_or(self.derived_message_id(request)))
            }
        };
        Envelope::Datagram { kind, message_id }
    }

    /// The message ID of a NON response to a peer of which nothing is remembered. One peer cannot tell from its own what
    /// another one gets.
    fn derived_message_id(&self, request: &Request<'_>) -> u16 {
        request.message_id.wrapping_add(self.response_id_key.hash_one(request.peer) as u16)
    }

    /// Sees to it that what goes to a peer later, beyond the answer to this request, comes after all message IDs that were
    /// derived for it so far (CM19): those of peers that number their requests in order, as RFC 7252 §4.4 advises.
    pub(super) fn order_message_ids(&mut self, now: Instant, request: &Request<'_>) {
        if let Peer::Datagram { socket, remote } = request.peer {
            let id = self.derived_message_id(request);
            self.message_ids.note(now, socket, remote, id, &mut self.rng);
        }
    }

    /// An entity tag of a representation: its octets and how they are to be read (RT5).
    pub(super) fn etag(&self, response: &Response) -> [u8; 8] {
        let mut hasher = self.etag_key.build_hasher();
        let format = response.options.first(number::CONTENT_FORMAT).and_then(|option| option.uint());
        hasher.write_u64(format.map_or(u64::MAX, |format| format));
        hasher.write(&response.payload);
        hasher.finish().to_be_bytes()
    }
}

/// Appends a response.
pub(super) fn write(out: &mut Vec<u8>, envelope: Envelope, token: &[u8], response: &Response, form: &Form<'_>) {
    if form.code == Code::VALID && form.payload.is_empty() {
        let options = response.options.iter().filter(belongs_to_valid);
        compose(out, envelope, form.code, token, &form.extras, options, form.payload);
    } else {
        compose(out, envelope, form.code, token, &form.extras, response.options.iter(), form.payload);
    }
}

/// Gives a message another kind and message ID, in place.
fn set_head(octets: &mut [u8], kind: Kind, message_id: u16) {
    octets[0] = octets[0] & 0b1100_1111 | (kind as u8) << 4;
    octets[2..4].copy_from_slice(&message_id.to_be_bytes());
}

/// Octets that a peer may get which has not shown to be where it says.
fn allowance(request: &Request<'_>) -> usize {
    match request.meta.is_multicast {
        true => Reachability::group_allowance(request.facts.octets, request.meta.remote),
        false => Reachability::allowance(request.facts.octets),
    }
}

/// Whether a response of so many octets fits when no more than its smallest block is sent.
fn form_fits(octets: usize, form: &Form<'_>, allowance: usize) -> bool {
    octets - form.payload.len() + BLOCK_OVERHEAD + 16 <= allowance
}

/// Whether No-Response lists the class of a code.
fn is_listed(request: &Request<'_>, code: Code) -> bool {
    request.facts.no_response.is_some_and(|classes| code.class() > 0 && classes >> (code.class() - 1) & 1 == 1)
}

/// Whether a response of that code is not for this client: No-Response says so (NR1), or it is an error and the request went to a
/// group (CX3, GC31), for all classes of errors alike (GC32).
fn is_suppressed(request: &Request<'_>, response: &Response, code: Code) -> bool {
    if is_listed(request, code) || !request.meta.is_multicast {
        return is_listed(request, code);
    }
    let manners = response.to_groups;
    // GC33: who is not known may ask for more silence, not for less. RFC 7967 grants it to everybody (NR1), and
    // groupcomm-bis §6.5 takes it back for the sake of those whose address is forged.
    let is_asked_for =
        request.facts.no_response.is_some() && manners.honours_no_response && request.facts.is_authenticated;
    !code.is_success() && !manners.tells_errors && !is_asked_for
}

#[cfg(test)]
mod tests;
