//! TCP connections for CoAP and DNS over TCP: bounded in number, in what they may hold, and in patience.
//!
//! Every connection has a task that reads and one that writes. What is read reaches the loop through one bounded
//! channel, so that a busy loop slows its peers down. What the loop writes waits in the connection's outbox; a peer
//! that does not read until its outbox is full loses the connection. Frames are the engine's affair: here pass octets.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use wayhouse_proto::io::StreamId;

use super::counters::ShellCounters;

/// Events on their way to the loop. Reaction when full: readers and acceptors wait, and with them their peers.
const EVENTS_MAX: usize = 256;
/// Octets taken from a connection at a time; with [`EVENTS_MAX`] this bounds what all connections hold on the way in.
const READ_OCTETS: usize = 16 << 10;
/// Octets that may wait for one peer. Reaction: its connection is ended.
const OUTBOX_OCTETS_MAX: usize = 4 << 20;
/// Octets that may wait for all peers. Reaction: the connection that wants more is ended.
const OUTBOXES_OCTETS_MAX: usize = 64 << 20;
/// Connections that the system may hold ready for us.
const LISTEN_BACKLOG: i32 = 256;
/// How long sent octets may stay unacknowledged before a connection counts as broken.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent before the system asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long a peer may take to close its side after we have closed ours.
const LINGER: Duration = Duration::from_secs(3);
/// How long accepting rests after a failure, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What a connection is for: its listener tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// CoAP over TCP.
    Coap,
    /// DNS.
    Dns,
}

/// What happened.
#[derive(Debug)]
pub enum StreamEvent {
    /// Somebody connected; [`Streams::open`] takes it.
    Accepted(TcpStream, SocketAddr, Service),
    /// Octets arrived.
    Data(StreamId, Vec<u8>),
    /// It ended; told once for each connection.
    Closed(StreamId),
}

/// All connections.
#[derive(Debug)]
pub struct Streams {
    connections: HashMap<StreamId, Connection>,
    /// How many are open for each service, and how many may be: CoAP, DNS.
    open: [usize; 2],
    most: [usize; 2],
    last_id: u64,
    tasks: JoinSet<()>,
    acceptors: Vec<AbortHandle>,
    events_in: mpsc::Receiver<StreamEvent>,
    events: mpsc::Sender<StreamEvent>,
    /// Connections ended here, of which the loop has to hear.
    shed: VecDeque<StreamId>,
    /// Octets in all outboxes.
    waiting: Arc<AtomicUsize>,
    counters: Arc<ShellCounters>,
}

#[derive(Debug)]
struct Connection {
    service: Service,
    outbox: Arc<Outbox>,
    reader: AbortHandle,
    writer: AbortHandle,
}

impl Streams {
    /// No connections; at most `coap_max` and `dns_max` will be open at a time, so that neither service starves the other.
    pub fn new(coap_max: usize, dns_max: usize, counters: Arc<ShellCounters>) -> Streams {
        let (events, events_in) = mpsc::channel(EVENTS_MAX);
        Streams {
            connections: HashMap::new(),
            open: [0; 2],
            most: [coap_max, dns_max],
            last_id: 0,
            tasks: JoinSet::new(),
            acceptors: Vec::new(),
            events_in,
            events,
            shed: VecDeque::new(),
            waiting: Arc::default(),
            counters,
        }
    }

    /// Accepts connections at an address. Returns the address it got.
    ///
    /// # Errors
    /// When the address is not ours or taken.
    pub fn listen(&mut self, address: SocketAddr, service: Service) -> io::Result<SocketAddr> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // For TCP this lets a restarted daemon bind while old connections fade away; it takes no port from anybody.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let bound = listener.local_addr()?;
        self.acceptors.push(self.tasks.spawn(accept(listener, service, self.events.clone())));
        Ok(bound)
    }

    /// Gives up the address that was listened on last.
    pub fn stop_last(&mut self) {
        if let Some(acceptor) = self.acceptors.pop() {
            acceptor.abort();
        }
    }

    /// Accepts no further connections.
    pub fn stop_accepting(&mut self) {
        for acceptor in self.acceptors.drain(..) {
            acceptor.abort();
        }
    }

    /// Waits until something happens.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<StreamEvent> {
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(context) {}
        if let Some(id) = self.shed.pop_front() {
            return Poll::Ready(StreamEvent::Closed(id));
        }
        loop {
            // We hold a sender, so that the channel never ends.
            let Poll::Ready(Some(event)) = self.events_in.poll_recv(context) else { return Poll::Pending };
            match event {
                StreamEvent::Accepted(..) => return Poll::Ready(event),
                // What a connection had on the way when it was ended here is not for the engine any more.
                StreamEvent::Data(id, _) if !self.is_open(id) => {}
                StreamEvent::Data(..) => return Poll::Ready(event),
                StreamEvent::Closed(id) => {
                    if let Some(connection) = self.connections.remove(&id) {
                        self.open[connection.service as usize] -= 1;
                        self.counters.streams_open.set(self.open[Service::Coap as usize] as u64);
                        // Answers to what the peer asked before it closed its side still leave.
                        connection.outbox.close();
                        return Poll::Ready(StreamEvent::Closed(id));
                    }
                }
            }
        }
    }

    /// Takes an accepted connection; `None` when as many are open as may be, and it was closed.
    pub fn open(&mut self, stream: TcpStream, remote: SocketAddr, service: Service) -> Option<(StreamId, SocketAddr)> {
        let local = stream.local_addr().unwrap_or(remote);
        if self.open[service as usize] >= self.most[service as usize] {
            self.counters.of(service).refused.add(1);
            return None;
        }
        prepare(&stream);
        self.last_id += 1;
        let id = StreamId(self.last_id);
        let (reading, writing) = stream.into_split();
        let outbox = Arc::new(Outbox::new(Arc::clone(&self.waiting)));
        let reader = self.tasks.spawn(read(id, reading, self.events.clone()));
        let writer = self.tasks.spawn(write(writing, Arc::clone(&outbox), reader.clone(), id, self.events.clone()));
        self.open[service as usize] += 1;
        self.connections.insert(id, Connection { service, outbox, reader, writer });
        self.counters.of(service).accepted.add(1);
        self.counters.streams_open.set(self.open[Service::Coap as usize] as u64);
        Some((id, local))
    }

    /// Whether a connection is open and not being closed.
    pub fn is_open(&self, id: StreamId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.outbox.lock().is_closing)
    }

    /// The open connections, in order of their ids.
    pub fn open_ids(&self) -> Vec<StreamId> {
        let mut ids: Vec<_> = self.connections.keys().copied().filter(|&id| self.is_open(id)).collect();
        ids.sort_unstable();
        ids
    }

    /// Sends octets; a connection whose peer does not read is ended instead.
    pub fn send(&mut self, id: StreamId, octets: &[u8]) {
        let Some(connection) = self.connections.get(&id) else { return };
        if !connection.outbox.push(octets) {
            connection.reader.abort();
            connection.writer.abort();
            let service = connection.service;
            self.open[service as usize] -= 1;
            self.connections.remove(&id);
            self.shed.push_back(id);
            self.counters.of(service).shed.add(1);
            self.counters.streams_open.set(self.open[Service::Coap as usize] as u64);
        }
    }

    /// Ends a connection after what was sent before.
    pub fn close(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get(&id) {
            connection.outbox.close();
        }
    }

    /// Ends all connections and waits until what was sent has left.
    pub async fn finish(mut self) {
        self.stop_accepting();
        for connection in self.connections.values() {
            connection.outbox.close();
        }
        // Readers would wait for a loop that no longer listens.
        self.events_in.close();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What waits for a peer.
#[derive(Debug)]
struct Outbox {
    state: Mutex<OutboxState>,
    changed: Notify,
    /// Octets in all outboxes.
    total: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct OutboxState {
    octets: Vec<u8>,
    /// Octets that the writer has taken and not yet written.
    in_writing: usize,
    is_closing: bool,
}

impl Outbox {
    fn new(total: Arc<AtomicUsize>) -> Outbox {
        Outbox { state: Mutex::default(), changed: Notify::new(), total }
    }
    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Appends octets; false when there is no room. What comes after the close is dropped.
    fn push(&self, octets: &[u8]) -> bool {
        let mut state = self.lock();
        if state.is_closing {
            return true;
        }
        let waiting = state.octets.len() + state.in_writing + octets.len();
        if waiting > OUTBOX_OCTETS_MAX || self.total.load(Ordering::Relaxed) + octets.len() > OUTBOXES_OCTETS_MAX {
            return false;
        }
        self.total.fetch_add(octets.len(), Ordering::Relaxed);
        state.octets.extend_from_slice(octets);
        self.changed.notify_one();
        true
    }
    fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_one();
    }
    /// Moves what waits into `chunk`, which was written before; `None` when nothing will come any more.
    async fn next(&self, chunk: &mut Vec<u8>) -> Option<()> {
        loop {
            {
                let mut state = self.lock();
                self.total.fetch_sub(state.in_writing, Ordering::Relaxed);
                state.in_writing = state.octets.len();
                chunk.clear();
                std::mem::swap(chunk, &mut state.octets);
                if !chunk.is_empty() {
                    return Some(());
                }
                if state.is_closing {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let state = self.lock();
        self.total.fetch_sub(state.octets.len() + state.in_writing, Ordering::Relaxed);
    }
}

/// Sets what every connection needs. None of it is vital.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Messages are small and complete: waiting for more would only delay them.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}

async fn accept(listener: TcpListener, service: Service, events: mpsc::Sender<StreamEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if events.send(StreamEvent::Accepted(stream, remote, service)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn read(id: StreamId, mut reading: OwnedReadHalf, events: mpsc::Sender<StreamEvent>) {
    let mut buffer = vec![0; READ_OCTETS];
    while let Ok(octets @ 1..) = reading.read(&mut buffer).await {
        if events.send(StreamEvent::Data(id, buffer[..octets].to_vec())).await.is_err() {
            return;
        }
    }
    let _ = events.send(StreamEvent::Closed(id)).await;
}

/// Writes what the outbox holds; when it is closed or writing fails, ends the connection and sees to it that the loop
/// hears of that.
async fn write(
    mut writing: OwnedWriteHalf,
    outbox: Arc<Outbox>,
    reader: AbortHandle,
    id: StreamId,
    events: mpsc::Sender<StreamEvent>,
) {
    let mut chunk = Vec::new();
    let mut is_broken = false;
    while !is_broken && outbox.next(&mut chunk).await.is_some() {
        is_broken = writing.write_all(&chunk).await.is_err();
    }
    let _ = writing.shutdown().await;
    if !is_broken && !reader.is_finished() && !events.is_closed() {
        // The peer reads the end of our side and closes its own, which the reader then tells.
        tokio::time::sleep(LINGER).await;
    }
    if !reader.is_finished() {
        reader.abort();
        let _ = events.send(StreamEvent::Closed(id)).await;
    }
}

#[cfg(test)]
mod tests;
