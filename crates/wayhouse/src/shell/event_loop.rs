//! The one loop that owns the node: it waits for an input, applies it, and lets out what the node has to say.
//!
//! ```text
//! sockets ─┐                       ┌─▶ datagrams, octets ─▶ sockets      at once, or when the change they
//! streams ─┼▶ next_input ─▶ apply ─┼─▶ answers ─▶ operators              acknowledge is on disk
//! operators┤              (node)   ├─▶ changes ─▶ store ─▶ progress ─▶ next_input
//! timer … ─┘                       └─▶ events ─▶ listeners
//! ```
//!
//! Sources take turns, and a turn does a bounded amount of work, so that none starves another. While the store is far
//! behind, nothing is read that could make more work for it: peers feel that as a slow network.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Interval;
use wayhouse_node::config::Transport;
use wayhouse_node::face::operator::asking::{AskId, GroupAnswer};
use wayhouse_node::{Command, Event, Node, Reply};
use wayhouse_proto::io::{Destination, StreamId, StreamInput, Transmit};
use wayhouse_registry::Refusal;

use super::clock::{Alarm, Clock, wall_clock_ms};
use super::counters::ShellCounters;
use super::handle::{LiveChange, Operation};
use super::held::{self, Held};
use super::links::Links;
use super::store::{Backlog, Store, StoreError};
use super::stream::{Service, StreamEvent, Streams};
use super::tls::TlsServer;
use super::tls::identity::{self, Identity, IdentityError};
use super::udp::{Outgoing, Ready, Sockets};

/// Full batches read from one socket in a turn.
const BATCHES_PER_TURN: usize = 4;
/// Turns after which the runtime gets to look at descriptors and tasks, even if this loop still has inputs.
const TURNS_PER_LOOK: u32 = 4;
/// Datagrams gathered before they are sent: many observers told at once would otherwise fill memory.
const OUTGOING_MAX: usize = 1024;
/// Octets of memory kept for what is sent: one large answer is no reason to keep its memory.
const OCTETS_KEPT: usize = 4 << 20;
/// Changes that are gathered before they are handed to a store that rests, unless there is nothing else to do: a write costs
/// as much for many as for one, but a disk that rests while changes wait is time lost.
const GATHERED_MIN: usize = 8;
/// How long a change waits to be handed to a store that rests while there is other work.
const GATHERING_MAX: Duration = Duration::from_micros(500);
/// How often the node is told the time of day, which may be set at any time.
const TIME_OF_DAY_EVERY: Duration = Duration::from_secs(30);
/// How long a stop waits for the store, for answers that depend on it, and for connections to empty.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// A socket has datagrams, or takes again what waits for it.
    Datagrams(Ready),
    /// Something happened on connections, or they take again what waits for them.
    Streams,
    /// Links came or went.
    Links,
    /// A person asks.
    Operator(Operation),
    /// The process is told something.
    Signal(Signal),
    /// The node wants to be woken, or the supervisor to be told that we live.
    Tick(Tick),
    /// The store has written changes.
    Durable,
    /// Certificate and key were read again.
    Identity(Box<Result<Identity, IdentityError>>),
}

/// Signals that are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end gracefully.
    Stop,
    /// SIGHUP: certificate and key are read again, nothing else is while running.
    Reload,
}

/// What time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The node or a connection has something due.
    Node,
    /// A sign of life is due.
    Watchdog,
}

/// Certificate and key being read.
type IdentityReading = JoinHandle<Result<Identity, IdentityError>>;

/// What the loop works with.
#[derive(Debug)]
pub struct Parts {
    /// The node, with everything restored.
    pub node: Node,
    /// The time.
    pub clock: Clock,
    /// Datagrams.
    pub sockets: Sockets,
    /// Connections.
    pub streams: Streams,
    /// Where it comes from who we are over TLS; `None` when nothing is served there.
    pub identity: Option<identity::Source>,
    /// Links to join groups on; `None` when they cannot be followed or nothing wants to join.
    pub links: Option<Links>,
    /// The running store.
    pub store: Store,
    /// Operations to do.
    pub operations: mpsc::Receiver<Operation>,
    /// Where changes are told.
    pub changes: broadcast::Sender<LiveChange>,
    /// What is counted.
    pub counters: Arc<ShellCounters>,
    /// Told when the loop begins to stop.
    pub stopping: oneshot::Sender<()>,
}

/// The loop.
#[derive(Debug)]
pub struct EventLoop {
    parts: Parts,
    alarm: Alarm,
    signals: mpsc::Receiver<Signal>,
    watchdog: Option<Interval>,
    /// The time of the input being applied.
    now: Instant,
    /// When the node was last told the time of day.
    told_time: Instant,
    /// Certificate and key being read again.
    identity_reading: Option<IdentityReading>,
    /// When the node wants to be woken.
    wakeup: Option<Instant>,
    /// The source that is asked first.
    next_source: usize,
    /// The octets of `outgoing`.
    octets: Vec<u8>,
    outgoing: Vec<Outgoing>,
    /// When the first of the changes was made that were not yet handed to the store.
    gathering_since: Option<Instant>,
    /// What waits in the store.
    backlog: Backlog,
    /// The number up to which changes are on disk.
    durable: u64,
    /// What waits for that number, in the order in which it came.
    held: Held,
    held_answers: VecDeque<HeldAnswer>,
    /// Who listens to the answers of which group.
    asking: BTreeMap<AskId, mpsc::Sender<GroupAnswer>>,
}

/// An answer to an operator that waits for a change to be on disk.
#[derive(Debug)]
struct HeldAnswer {
    after: u64,
    answer: oneshot::Sender<Result<Reply, Refusal>>,
    reply: Reply,
}

impl EventLoop {
    /// A loop, ready to run. Needs a runtime around it.
    ///
    /// # Errors
    /// When the system has no timer or no signals to give.
    pub fn new(mut parts: Parts) -> std::io::Result<EventLoop> {
        parts.node.set_event_interest(true);
        let now = parts.clock.now();
        parts.node.set_wall_clock(now, wall_clock_ms() / 1_000);
        // Half the time that the supervisor grants, as it recommends.
        let watchdog = sd_notify::watchdog_enabled().map(|granted| tokio::time::interval(granted / 2));
        Ok(EventLoop {
            alarm: Alarm::new(parts.clock)?,
            signals: hear_signals()?,
            watchdog,
            now,
            told_time: now,
            identity_reading: None,
            wakeup: parts.node.poll_timeout().map(|wakeup| wakeup.at),
            next_source: 0,
            octets: Vec::new(),
            outgoing: Vec::new(),
            gathering_since: None,
            backlog: Backlog::default(),
            durable: parts.store.durable(),
            held: Held::default(),
            held_answers: VecDeque::new(),
            asking: BTreeMap::new(),
            parts,
        })
    }

    /// Runs until a signal ends it.
    ///
    /// # Errors
    /// When the store fails: what is not on disk must not be acknowledged.
    pub async fn run(mut self) -> Result<(), StoreError> {
        for turn in 1u32.. {
            match self.next_input().await? {
                Input::Signal(Signal::Stop) => break,
                input => self.apply(input),
            }
            if turn.is_multiple_of(TURNS_PER_LOOK) {
                tokio::task::yield_now().await;
            }
        }
        self.stop().await
    }

    /// Waits for what happens next.
    async fn next_input(&mut self) -> Result<Input, StoreError> {
        poll_fn(|context| self.poll_input(context)).await
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Result<Input, StoreError>> {
        const SOURCES: usize = 9;
        for step in 0..SOURCES {
            let source = (self.next_source + step) % SOURCES;
            let is_waiting_for_store = self.backlog.is_full();
            let parts = &mut self.parts;
            let found = match source {
                0 => parts.store.poll_progress(context)?.map(|()| Input::Durable),
                1 => self.signals.poll_recv(context).map(|signal| Input::Signal(signal.unwrap_or(Signal::Stop))),
                2 => poll_watchdog(&mut self.watchdog, context).map(|()| Input::Tick(Tick::Watchdog)),
                3 => poll_links(&mut parts.links, context).map(|()| Input::Links),
                _ if is_waiting_for_store => Poll::Pending,
                4 if self.wakeup.is_some_and(|at| at <= self.now) => Poll::Ready(Input::Tick(Tick::Node)),
                4 => self.alarm.poll(context, self.wakeup).map(|()| Input::Tick(Tick::Node)),
                5 => poll_operation(&mut parts.operations, context).map(Input::Operator),
                6 => poll_identity(&mut self.identity_reading, context)
                    .map(|identity| Input::Identity(Box::new(identity))),
                7 => parts.streams.poll_ready(context).map(|()| Input::Streams),
                _ => parts.sockets.poll_ready(context).map(Input::Datagrams),
            };
            if let Poll::Ready(input) = found {
                self.next_source = (source + 1) % SOURCES;
                return Poll::Ready(Ok(input));
            }
        }
        self.submit();
        if self.parts.node.use_idle_time() {
            // Sockets are looked at in between.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Lets the node have an input, and lets out what it has to say.
    fn apply(&mut self, input: Input) {
        self.now = self.parts.clock.now();
        if self.now.saturating_duration_since(self.told_time) >= TIME_OF_DAY_EVERY {
            self.told_time = self.now;
            self.parts.node.set_wall_clock(self.now, wall_clock_ms() / 1_000);
        }
        match input {
            Input::Datagrams(Ready::ToReceive(socket)) => self.take_datagrams(socket),
            Input::Datagrams(Ready::ToSend(socket)) => self.parts.sockets.send_backlog(socket),
            Input::Streams => self.take_streams(),
            Input::Links => {
                let links = self.parts.links.iter().flat_map(Links::up);
                let served = self.parts.sockets.join_groups(links);
                tracing::debug!(served, "groups joined");
            }
            Input::Operator(operation) => self.take_operation(operation),
            Input::Signal(_) => self.read_identity_again(),
            Input::Tick(Tick::Node) => {
                self.parts.node.handle_timeout(self.now);
                self.parts.streams.handle_timeout(self.now);
            }
            Input::Tick(Tick::Watchdog) => notify_supervisor(sd_notify::NotifyState::Watchdog),
            Input::Durable => self.release_held(),
            Input::Identity(identity) => self.show(*identity),
        }
        self.drain();
        self.flush();
    }

    /// Has the certificate read that there is now, beside the loop: files may be slow.
    fn read_identity_again(&mut self) {
        tracing::info!("settings are read at the start only: restart to apply changes");
        if let Some(source) = self.parts.identity.clone() {
            self.identity_reading = Some(tokio::task::spawn_blocking(move || source.read_again()));
        }
    }

    /// Has new connections over TLS see an identity; those that are open go on.
    fn show(&mut self, identity: Result<Identity, IdentityError>) {
        match identity {
            Ok(identity) => match TlsServer::new(&identity) {
                Ok(server) => {
                    self.parts.streams.set_tls(server);
                    tracing::info!(pin = identity.pin().unwrap_or_default(), "the certificate for TLS was read again");
                }
                Err(error) => tracing::warn!(%error, "TLS goes on with the certificate that it had"),
            },
            Err(error) => tracing::warn!(%error, hint = error.hint, "TLS goes on with the certificate that it had"),
        }
    }

    fn take_datagrams(&mut self, socket: usize) {
        for _ in 0..BATCHES_PER_TURN {
            let (count, may_have_more) = self.parts.sockets.receive(socket);
            for number in 0..count {
                if let Some((meta, bytes)) = self.parts.sockets.datagram(socket, number) {
                    self.parts.node.handle_datagram(self.now, &meta, bytes);
                    self.drain();
                }
                // Who waits for an answer that the disk has by now asks nothing further until then.
                if self.parts.store.durable() > self.durable {
                    self.release_held();
                    self.flush();
                }
            }
            if !may_have_more {
                break;
            }
            self.flush();
            self.now = self.parts.clock.now();
        }
    }

    fn take_streams(&mut self) {
        self.parts.streams.begin_turn();
        while let Some(event) = self.parts.streams.next_event(self.now) {
            let Parts { node, streams, .. } = &mut self.parts;
            match event {
                StreamEvent::Opened { id, remote, local, service } => {
                    let opened = StreamInput::Opened { remote, local, is_initiator: false };
                    match service {
                        Service::Coap => node.handle_stream(self.now, id, opened),
                        Service::Dns(dialects) => {
                            node.open_dns_stream(self.now, id, remote, Transport::Tcp, dialects);
                        }
                        Service::DnsOverTls(dialects) => {
                            node.open_dns_stream(self.now, id, remote, Transport::Tls, dialects);
                        }
                    }
                }
                StreamEvent::Data(id) => node.handle_stream(self.now, id, StreamInput::Data(streams.received())),
                StreamEvent::Closed(id) => {
                    node.handle_stream(self.now, id, StreamInput::Closed);
                    if node.is_answering(id) || self.held.has_for(id) {
                        streams.keep(id);
                    }
                }
            }
            self.drain();
        }
    }

    fn take_operation(&mut self, operation: Operation) {
        let Operation { command, answer, group_answers } = operation;
        match self.parts.node.command(self.now, command) {
            Ok(reply) => {
                let after = match &reply {
                    Reply::Registered { durable_after, .. } | Reply::Removed { durable_after } => *durable_after,
                    Reply::Registrants { .. } | Reply::Groups { .. } | Reply::Registrant(_) | Reply::Status(_) => 0,
                    Reply::Stopped => 0,
                    Reply::Asking(id) => {
                        if let Some(listener) = group_answers {
                            self.asking.insert(*id, listener);
                        }
                        0
                    }
                };
                self.held_answers.push_back(HeldAnswer { after, answer, reply });
                self.release_answers();
            }
            // Whoever asked may have gone meanwhile.
            Err(refusal) => drop(answer.send(Err(refusal))),
        }
    }

    /// Takes everything the node has to say; datagrams are sent by the next [`EventLoop::flush`].
    fn drain(&mut self) {
        let mut start = self.octets.len();
        while let Some(transmit) = self.parts.node.poll_transmit(&mut self.octets) {
            let end = self.octets.len();
            debug_assert_eq!(end - start, transmit.octets, "a transmission tells its size");
            if self.let_out(transmit, start) {
                start = end;
            } else {
                self.octets.truncate(start);
            }
            if self.outgoing.len() >= OUTGOING_MAX {
                // Not what waits on connections: whether one that its peer ended has to stay is not settled yet.
                self.send_datagrams();
                start = 0;
            }
        }
        let mut has_changed = false;
        while let Some(change) = self.parts.node.poll_persist() {
            self.parts.store.note(&change);
            has_changed = true;
        }
        if has_changed {
            assert!(
                !self.parts.node.take_persist_lag(),
                "the log keeps what one input changes until it is fetched here"
            );
        }
        while let Some(event) = self.parts.node.poll_event() {
            self.tell(event);
        }
    }

    /// Sends, keeps or holds one transmission, whose octets stand behind `start`; whether they must stay there.
    fn let_out(&mut self, transmit: Transmit, start: usize) -> bool {
        if !self.held.must_hold(&transmit, self.durable) {
            return self.emit(transmit, start);
        }
        if self.held.hold(&transmit, &self.octets[start..]) {
            return false;
        }
        self.parts.counters.held_dropped.add(1);
        if let Some(id) = held::stream_of(transmit.to) {
            self.parts.streams.abort(id);
        }
        false
    }

    /// Sends one transmission; see [`EventLoop::let_out`].
    fn emit(&mut self, transmit: Transmit, start: usize) -> bool {
        match transmit.to {
            Destination::Datagram { socket, remote, local, interface } => {
                let octets = start..self.octets.len();
                self.outgoing.push(Outgoing { socket, remote, local, interface, octets });
                true
            }
            Destination::Stream(id) => {
                self.parts.streams.send(id, &self.octets[start..]);
                false
            }
            Destination::CloseStream(id) => {
                self.parts.streams.close(self.now, id);
                false
            }
            Destination::AbortStream(id) => {
                self.parts.streams.abort(id);
                false
            }
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            // An error only says that nobody listens.
            Event::Changed(change) if self.parts.changes.receiver_count() > 0 => {
                let _ = self.parts.changes.send(Arc::new(change));
            }
            Event::Changed(_) => {}
            Event::Answered(answer) => self.tell_answer(answer),
            Event::Lagged { missed } => tracing::debug!(missed, "events were dropped"),
            Event::Warning(what) => tracing::warn!("{what}"),
        }
    }

    /// Hands an answer of a group to whoever asked.
    fn tell_answer(&mut self, answer: GroupAnswer) {
        let ask = answer.ask;
        let is_last = answer.outcome.is_none();
        let Some(listener) = self.asking.get(&ask) else { return };
        let is_gone = match listener.try_send(answer) {
            Ok(()) => false,
            Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.parts.counters.group_answers_dropped.add(1);
                false
            }
        };
        if is_last || is_gone {
            self.asking.remove(&ask);
        }
        if is_gone && !is_last {
            let stopped = self.parts.node.command(self.now, Command::StopAsking(ask));
            debug_assert!(stopped.is_ok(), "stopping cannot be refused");
        }
    }

    /// Hands datagrams and octets to the system, and changes to the store when there are enough.
    fn flush(&mut self) {
        // The store first: it can begin while we send.
        let noted = self.parts.store.noted();
        if noted > 0 {
            let since = *self.gathering_since.get_or_insert(self.now);
            let is_worth_it = noted >= GATHERED_MIN || self.now.saturating_duration_since(since) >= GATHERING_MAX;
            // A busy store takes what there is when it is done: waiting would only make that less.
            if is_worth_it || self.parts.store.is_busy() {
                self.submit();
            }
        }
        self.send_datagrams();
        self.parts.streams.flush(self.now);
        let wakeups = [self.parts.node.poll_timeout().map(|wakeup| wakeup.at), self.parts.streams.poll_timeout()];
        self.wakeup = wakeups.into_iter().flatten().min();
    }

    /// Hands datagrams to the system.
    fn send_datagrams(&mut self) {
        if !self.outgoing.is_empty() {
            self.parts.sockets.send(&self.octets, &self.outgoing);
            self.outgoing.clear();
        }
        self.octets.clear();
        self.octets.shrink_to(OCTETS_KEPT);
    }

    /// Hands the changes that were gathered to the store.
    fn submit(&mut self) {
        self.gathering_since = None;
        if self.parts.store.noted() > 0 {
            self.backlog = self.parts.store.submit();
            self.parts.counters.store_backlog.set(self.backlog.changes as u64);
        }
    }

    /// Lets out what waited for changes that are on disk.
    fn release_held(&mut self) {
        self.durable = self.parts.store.durable();
        self.backlog = self.parts.store.backlog();
        self.parts.counters.store_backlog.set(self.backlog.changes as u64);
        while let Some(held) = self.held.pop(self.durable) {
            let start = self.octets.len();
            self.octets.extend_from_slice(&held.octets);
            let transmit = Transmit { to: held.to, octets: held.octets.len(), durable_after: 0 };
            if !self.emit(transmit, start) {
                self.octets.truncate(start);
            }
            // Where more is to come, its end comes behind it.
            if let Some(id) = held::stream_of(transmit.to)
                && !self.held.has_for(id)
                && !self.parts.node.is_answering(id)
            {
                self.parts.streams.let_go(id);
            }
            if self.outgoing.len() >= OUTGOING_MAX {
                self.flush();
            }
        }
        self.release_answers();
    }

    fn release_answers(&mut self) {
        while self.held_answers.front().is_some_and(|held| held.after <= self.durable) {
            let Some(held) = self.held_answers.pop_front() else { break };
            // Whoever asked may have gone meanwhile.
            let _ = held.answer.send(Ok(held.reply));
        }
    }

    /// Ends: takes nothing new, answers what waits for the store, says goodbye on connections, closes the store.
    async fn stop(mut self) -> Result<(), StoreError> {
        tracing::info!("stopping");
        notify_supervisor(sd_notify::NotifyState::Stopping);
        self.parts.streams.stop_accepting();
        let deadline = tokio::time::Instant::now() + STOP_MAX;
        let answered = tokio::time::timeout_at(deadline, async {
            while !self.held.is_empty() || !self.held_answers.is_empty() {
                self.submit();
                poll_fn(|context| self.parts.store.poll_progress(context)).await?;
                self.apply(Input::Durable);
            }
            Ok::<(), StoreError>(())
        });
        match answered.await {
            Ok(outcome) => outcome?,
            Err(_) => tracing::warn!(left = self.held.len(), "some answers could not wait for the store any longer"),
        }
        for id in self.parts.streams.open_ids() {
            self.release_stream(id);
        }
        let Parts { store, streams, stopping, .. } = self.parts;
        let _ = stopping.send(());
        if tokio::time::timeout_at(deadline, streams.finish(self.now)).await.is_err() {
            tracing::debug!("some connections did not take what was sent");
        }
        store.finish()
    }

    fn release_stream(&mut self, id: StreamId) {
        self.parts.node.release_stream(self.now, id);
        self.drain();
        self.flush();
    }
}

fn poll_watchdog(watchdog: &mut Option<Interval>, context: &mut Context<'_>) -> Poll<()> {
    match watchdog {
        Some(interval) => interval.poll_tick(context).map(|_| ()),
        None => Poll::Pending,
    }
}

/// What reading came to; one that panicked never ends.
fn poll_identity(
    reading: &mut Option<IdentityReading>,
    context: &mut Context<'_>,
) -> Poll<Result<Identity, IdentityError>> {
    let Some(task) = reading else { return Poll::Pending };
    let outcome = ready!(Pin::new(task).poll(context));
    *reading = None;
    match outcome {
        Ok(identity) => Poll::Ready(identity),
        Err(_) => Poll::Pending,
    }
}

fn poll_links(links: &mut Option<Links>, context: &mut Context<'_>) -> Poll<()> {
    match links {
        Some(links) => links.poll_change(context),
        None => Poll::Pending,
    }
}

/// Operations end when nobody holds a handle any more; then none will come.
fn poll_operation(operations: &mut mpsc::Receiver<Operation>, context: &mut Context<'_>) -> Poll<Operation> {
    match ready!(operations.poll_recv(context)) {
        Some(operation) => Poll::Ready(operation),
        None => Poll::Pending,
    }
}

/// Hears signals in a task of its own, so that the loop asks one source instead of three.
fn hear_signals() -> std::io::Result<mpsc::Receiver<Signal>> {
    let (tell, heard) = mpsc::channel(4);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                biased;
                // Heard first, as it may have come first; a stop would end the hearing.
                _ = hang_up.recv() => Signal::Reload,
                _ = terminate.recv() => Signal::Stop,
                _ = interrupt.recv() => Signal::Stop,
            };
            if tell.send(signal).await.is_err() {
                return;
            }
        }
    });
    Ok(heard)
}

/// Tells a supervisor, where there is one.
pub fn notify_supervisor(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the supervisor cannot be told");
    }
}
