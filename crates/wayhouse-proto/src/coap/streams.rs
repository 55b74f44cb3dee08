//! Connections: what arrives on them is sorted to the server and client sides, what they need is sent (RFC 8323; sheet §21).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_wire::coap::stream::Frame;

use super::ask::Failure;
use super::endpoint::Endpoint;
use super::facts::Facts;
use super::request::Request;
use super::stream::{Connection, Happened, OwnSettings, PeerSettings};
use super::timers::{Due, TimerId};
use super::token::{SequentialTokens, TOKEN_OCTETS_MAX, Token};
use crate::io::{Destination, Meta, Peer, SocketId, StreamId, StreamInput};

/// How long a connection that we released stays open unless the peer closes it: what crossed our Release is answered.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the CSM of a peer may take (TC1): who connects and says nothing must not keep others out.
const SETTINGS_PATIENCE: Duration = Duration::from_secs(10);

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    table: BTreeMap<StreamId, Stream>,
    /// Connections with octets that were not looked at.
    ready: VecDeque<StreamId>,
    /// Requests of ours for connections that are not open yet, or whose settings must be known first.
    awaiting: BTreeMap<StreamId, Vec<u64>>,
    /// The latest connections that ended; as many as may be open.
    ended: BTreeSet<StreamId>,
}

#[derive(Debug)]
struct Stream {
    connection: Connection,
    remote: SocketAddr,
    local: SocketAddr,
    tokens: SequentialTokens,
    has_settings: bool,
    /// Whether the peer sent a Release: then it is for us to close.
    is_released_by_peer: bool,
    /// When we close because the peer did not do what has to come next: send its CSM, or close after a Release of ours.
    timer: Option<TimerId>,
}

impl Streams {
    pub(crate) fn is_open(&self, stream: StreamId) -> bool {
        self.table.contains_key(&stream)
    }
    /// Whether a request may go to a connection, now or when it opens.
    pub(crate) fn may_ask(&self, stream: StreamId) -> bool {
        match self.table.get(&stream) {
            Some(entry) => entry.connection.may_ask(),
            None => !self.ended.contains(&stream),
        }
    }
    pub(crate) fn peer_settings(&self, stream: StreamId) -> Option<PeerSettings> {
        self.table.get(&stream).map(|entry| entry.connection.peer_settings())
    }
    /// Whether the peer's CSM has arrived.
    pub(crate) fn has_settings(&self, stream: StreamId) -> bool {
        self.table.get(&stream).is_some_and(|entry| entry.has_settings)
    }
    pub(crate) fn remote(&self, stream: StreamId) -> Option<SocketAddr> {
        self.table.get(&stream).map(|entry| entry.remote)
    }
    pub(crate) fn next_token(&mut self, stream: StreamId) -> Option<Token> {
        self.table.get_mut(&stream).map(|entry| entry.tokens.next_token())
    }
    /// Lets a request wait until the connection is open, or until the peer's settings are known.
    pub(crate) fn await_settings(&mut self, stream: StreamId, operation: u64) {
        self.awaiting.entry(stream).or_default().push(operation);
    }
    pub(crate) fn withdraw(&mut self, stream: StreamId, operation: u64) {
        if let Some(waiting) = self.awaiting.get_mut(&stream) {
            waiting.retain(|candidate| *candidate != operation);
            if waiting.is_empty() {
                self.awaiting.remove(&stream);
            }
        }
    }
}

/// What was read from a connection; a frame's octets are in the scratch buffer.
enum Read {
    Frame,
    Settings,
    Pong(Option<Token>),
    Released,
    Ended,
}

impl Endpoint {
    /// Takes what happened on a connection. Complete frames are then read with [`Endpoint::poll_stream`].
    pub fn handle_stream(&mut self, now: Instant, stream: StreamId, input: StreamInput<'_>) {
        match input {
            StreamInput::Opened { remote, local, .. } => {
                if self.streams.table.len() >= self.settings.limits.streams_max {
                    self.counters.dropped_at_limit += 1;
                    self.close_stream(now, stream);
                    return;
                }
                let own = OwnSettings {
                    message_octets_max: self.settings.limits.stream_message_octets_max,
                    token_octets_max: TOKEN_OCTETS_MAX,
                };
                // TC1: our CSM goes first, and waits for nothing.
                let (out, start) = self.outbox.begin();
                let connection = Connection::new(own, out);
                self.outbox.send(start, Destination::Stream(stream), 0);
                let tokens = SequentialTokens::default();
                let entry = Stream {
                    connection,
                    remote,
                    local,
                    tokens,
                    has_settings: false,
                    is_released_by_peer: false,
                    timer: Some(self.timers.set(now + SETTINGS_PATIENCE, Due::Settings(stream))),
                };
                let earlier = self.streams.table.insert(stream, entry);
                if let Some(timer) = earlier.and_then(|earlier| earlier.timer) {
                    self.timers.cancel(timer);
                }
                self.launch_awaiting(now, stream);
            }
            StreamInput::Data(octets) => {
                if let Some(entry) = self.streams.table.get_mut(&stream) {
                    entry.connection.feed(octets);
                    if !self.streams.ready.contains(&stream) {
                        self.streams.ready.push_back(stream);
                    }
                }
            }
            StreamInput::Closed => self.forget_stream(now, stream),
        }
    }

    /// The next request that arrived on a connection; its octets are moved into `scratch`.
    pub fn poll_stream<'a>(&mut self, now: Instant, scratch: &'a mut Vec<u8>) -> Option<Request<'a>> {
        while let Some(stream) = self.streams.ready.front().copied() {
            let Some(read) = self.read_stream(stream, scratch) else {
                self.streams.ready.pop_front();
                continue;
            };
            match read {
                Read::Settings => {
                    if let Some(entry) = self.streams.table.get_mut(&stream) {
                        entry.has_settings = true;
                        // A Release of ours may wait for its own end already.
                        if entry.connection.may_ask()
                            && let Some(timer) = entry.timer.take()
                        {
                            self.timers.cancel(timer);
                        }
                    }
                    self.launch_awaiting(now, stream);
                }
                Read::Pong(token) => {
                    if let Some(token) = token {
                        self.handle_pong(now, stream, token);
                    }
                }
                Read::Released => {
                    if let Some(entry) = self.streams.table.get_mut(&stream) {
                        entry.is_released_by_peer = true;
                    }
                    self.close_if_released(now, stream);
                }
                Read::Ended => self.close_stream(now, stream),
                Read::Frame => {
                    let frame = Frame::decode(scratch).expect("encoded from a decoded frame");
                    if frame.code.is_response() {
                        self.handle_frame_response(now, stream, &frame);
                    } else if frame.code.is_request() {
                        let request = self.request_on(stream, frame, scratch.len());
                        let taken = request.and_then(|mut request| {
                            self.take_request(now, &mut request).then(|| {
                                let body = match request.payload {
                                    Cow::Owned(body) => Some(body),
                                    Cow::Borrowed(_) => None,
                                };
                                (request.meta, request.facts, request.observe, body)
                            })
                        });
                        if let Some((meta, facts, observe, body)) = taken {
                            let frame = Frame::decode(scratch).expect("decoded above");
                            return Some(Request {
                                peer: Peer::Stream(stream),
                                meta,
                                kind: None,
                                message_id: 0,
                                token: frame.token,
                                code: frame.code,
                                options: frame.options,
                                payload: body.map_or(Cow::Borrowed(frame.payload), Cow::Owned),
                                observe,
                                facts,
                            });
                        }
                    }
                    // TC2: Empty messages and reserved classes are ignored.
                }
            }
        }
        None
    }

    /// Reads the next thing on a connection; what must be answered at once is.
    fn read_stream(&mut self, stream: StreamId, scratch: &mut Vec<u8>) -> Option<Read> {
        let entry = self.streams.table.get_mut(&stream)?;
        let (out, start) = self.outbox.begin();
        let happened = entry.connection.poll(out);
        let read = happened.map(|happened| match happened {
            Happened::Frame(frame) => {
                scratch.clear();
                Frame::encode(scratch, frame.code, frame.token, frame.options.iter(), frame.payload);
                Read::Frame
            }
            Happened::Settings(_) => Read::Settings,
            Happened::Pong { token, .. } => Read::Pong(Token::new(token)),
            Happened::Released(_) => Read::Released,
            Happened::Aborted { .. } | Happened::Failed(_) => Read::Ended,
        });
        if out.len() > start {
            self.outbox.send(start, Destination::Stream(stream), 0);
        }
        if matches!(read, Some(Read::Ended)) {
            self.counters.malformed += 1;
        }
        read
    }

    fn request_on<'f>(&self, stream: StreamId, frame: Frame<'f>, octets: usize) -> Option<Request<'f>> {
        let entry = self.streams.table.get(&stream)?;
        let meta = Meta {
            socket: SocketId::Listener(0),
            remote: entry.remote,
            local: Some(entry.local.ip()),
            interface: 0,
            is_multicast: false,
            group: None,
        };
        Some(Request {
            peer: Peer::Stream(stream),
            meta,
            kind: None,
            message_id: 0,
            token: frame.token,
            code: frame.code,
            options: frame.options,
            payload: Cow::Borrowed(frame.payload),
            observe: None,
            facts: Facts { octets, is_reachable: true, ..Facts::default() },
        })
    }

    /// Starts what waited for the connection.
    fn launch_awaiting(&mut self, now: Instant, stream: StreamId) {
        for operation in self.streams.awaiting.remove(&stream).unwrap_or_default() {
            self.launch_frame(now, operation, stream);
        }
    }

    /// Sends a ping over a connection (TC2).
    pub(super) fn ping_stream(&mut self, stream: StreamId, token: &[u8]) {
        let Some(entry) = self.streams.table.get_mut(&stream) else { return };
        let (out, start) = self.outbox.begin();
        entry.connection.ping(token, false, out);
        self.outbox.send(start, Destination::Stream(stream), 0);
    }

    /// Says on a connection that it will be closed: what is pending or on the way is still answered, then the peer closes
    /// (RFC 8323 §5.5), or we do after some seconds.
    pub fn release_stream(&mut self, now: Instant, stream: StreamId) {
        let Some(entry) = self.streams.table.get_mut(&stream) else { return };
        let (out, start) = self.outbox.begin();
        entry.connection.release(None, None, out);
        if out.len() > start {
            let timer = self.timers.set(now + RELEASE_PATIENCE, Due::Release(stream));
            if let Some(earlier) = entry.timer.replace(timer) {
                self.timers.cancel(earlier);
            }
            self.outbox.send(start, Destination::Stream(stream), 0);
        }
    }

    /// TC1: the peer did not send its CSM.
    pub(super) fn handle_settings_missing(&mut self, now: Instant, stream: StreamId) {
        let Some(entry) = self.streams.table.get_mut(&stream) else { return };
        let (out, start) = self.outbox.begin();
        entry.connection.give_up_without_settings(out);
        self.outbox.send(start, Destination::Stream(stream), 0);
        self.counters.malformed += 1;
        self.close_stream(now, stream);
    }

    /// The peer did not close a connection that we released.
    pub(super) fn handle_release_end(&mut self, now: Instant, stream: StreamId) {
        if self.streams.is_open(stream) {
            self.close_stream(now, stream);
        }
    }

    /// Closes a connection that the peer released once nothing is under way on it.
    pub(super) fn close_if_released(&mut self, now: Instant, stream: StreamId) {
        let is_released = self.streams.table.get(&stream).is_some_and(|entry| entry.is_released_by_peer);
        if is_released && !self.pendings.has_any_of(Peer::Stream(stream)) && !self.client.has_any_on(stream) {
            self.close_stream(now, stream);
        }
    }

    fn close_stream(&mut self, now: Instant, stream: StreamId) {
        let (_, start) = self.outbox.begin();
        self.outbox.send(start, Destination::CloseStream(stream), 0);
        self.forget_stream(now, stream);
    }

    /// TC3, TC5: with the connection go its observers, its tokens and the requests on it.
    fn forget_stream(&mut self, now: Instant, stream: StreamId) {
        if let Some(timer) = self.streams.table.remove(&stream).and_then(|entry| entry.timer) {
            self.timers.cancel(timer);
        }
        self.streams.awaiting.remove(&stream);
        self.streams.ready.retain(|candidate| *candidate != stream);
        self.streams.ended.insert(stream);
        if self.streams.ended.len() > self.settings.limits.streams_max.max(1) {
            self.streams.ended.pop_first();
        }
        self.remove_observers_of(now, Peer::Stream(stream));
        self.pendings.remove_all_of(Peer::Stream(stream));
        for id in self.client.operations_on(stream) {
            self.fail(now, id, Failure::Disconnected);
        }
    }
}
