//! Drives the CoAP engine over the sockets of one short-lived process.
//!
//! Every socket and connection has a task that reads; all of them report to one queue, and [`Client::next`] alone feeds the
//! engine and drains it. What a request means is not known here: see [`super::exchange`].

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wayhouse_proto::coap::endpoint::{GroupAsk, Refused, Settings, Target};
use wayhouse_proto::coap::limits::Limits;
use wayhouse_proto::coap::{Answer, Ask, Endpoint, Received, RequestId, Response};
use wayhouse_proto::io::{Destination, Meta, SocketId, StreamId, StreamInput};
use wayhouse_wire::coap::Code;

use super::exit::Fault;
use super::place::Place;
use super::trace::{Direction, Trace};
use crate::shell::counters::ShellCounters;
use crate::shell::udp::{Outgoing, Ready, Sockets};

/// Inputs waiting for the engine. When the queue is full the reading tasks wait, and the system's buffers fill.
const INPUTS_MAX: usize = 256;
/// The largest datagram of UDP, octets.
const DATAGRAM_OCTETS_MAX: usize = 65_535;
/// The largest body to receive, octets: firmware images pass, and a server that never ends does not fill the memory.
const BODY_OCTETS_MAX: usize = 64 << 20;
/// How long the end of a process waits for what a connection still has to write.
const FAREWELL: Duration = Duration::from_millis(500);

/// One thing that a task saw.
#[derive(Debug)]
enum Input {
    Datagram {
        socket: u16,
        remote: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The system says that nobody can be reached at an address (an ICMP error, no route).
    Unreachable {
        remote: SocketAddr,
        why: io::ErrorKind,
    },
    Stream {
        stream: StreamId,
        bytes: Vec<u8>,
    },
    StreamClosed {
        stream: StreamId,
    },
}

/// One thing that concerns a request of ours.
#[derive(Debug)]
pub(super) enum Happening {
    /// An answer, a notification, or the engine's failure.
    Answer(Answer),
    /// The system cannot reach the peer; the request was forgotten.
    Unreachable {
        /// Which request.
        id: RequestId,
        /// The system's reason.
        why: io::ErrorKind,
    },
}

/// Whom a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    One(Target),
    Group(SocketAddr),
}

#[derive(Debug)]
struct OpenStream {
    remote: SocketAddr,
    to_writer: mpsc::UnboundedSender<Vec<u8>>,
    writer: JoinHandle<()>,
}

/// What has passed through the sockets, for progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Octets sent.
    pub sent_octets: u64,
    /// Octets received.
    pub received_octets: u64,
    /// Size of the body being received, when the peer told it (Size2).
    pub announced_octets: Option<u64>,
}

/// A CoAP client.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    inputs: mpsc::Receiver<Input>,
    to_inputs: mpsc::Sender<Input>,
    // One socket of the system for each client socket of the engine and each peer: a connected socket reports ICMP errors.
    sockets: BTreeMap<(u16, SocketAddr), Arc<UdpSocket>>,
    /// The sockets of requests to groups: members answer from addresses of their own, so these are not connected.
    group_sockets: Sockets,
    counters: Arc<ShellCounters>,
    streams: BTreeMap<StreamId, OpenStream>,
    next_stream: u64,
    under_way: BTreeMap<RequestId, Wanted>,
    happened: VecDeque<Happening>,
    trace: Trace,
    traffic: Traffic,
    outgoing: Vec<u8>,
}

impl Client {
    /// A client without sockets; they are opened when something wants to leave. With `is_verbose`, every message is told on
    /// standard error.
    pub(super) fn new(is_verbose: bool) -> Result<Client, Fault> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)
            .map_err(|error| Fault::unreachable(format!("the system gives no random numbers: {error}")))?;
        let (to_inputs, inputs) = mpsc::channel(INPUTS_MAX);
        let limits =
            Limits { body_octets_max: BODY_OCTETS_MAX, bodies_octets_max: BODY_OCTETS_MAX, ..Limits::default() };
        let settings = Settings { block_szx: 6, limits, ..Settings::default() };
        let counters = Arc::new(ShellCounters::default());
        Ok(Client {
            endpoint: Endpoint::new(settings, u64::from_ne_bytes(seed)),
            inputs,
            to_inputs,
            sockets: BTreeMap::new(),
            group_sockets: Sockets::new(Arc::clone(&counters)),
            counters,
            streams: BTreeMap::new(),
            next_stream: 0,
            under_way: BTreeMap::new(),
            happened: VecDeque::new(),
            trace: Trace::new(is_verbose),
            traffic: Traffic::default(),
            outgoing: Vec::new(),
        })
    }

    /// What has passed so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Where to send what is meant for a place, at one of its addresses. Opens a connection if the scheme wants one and none
    /// to that address is open.
    pub(super) async fn reach(&mut self, place: &Place, remote: SocketAddr) -> io::Result<Target> {
        if !place.is_stream() {
            return Ok(Target::Datagram { remote, local: None, interface: 0 });
        }
        if let Some((&stream, _)) = self.streams.iter().find(|(_, open)| open.remote == remote) {
            return Ok(Target::Stream(stream));
        }
        let connection = TcpStream::connect(remote).await?;
        connection.set_nodelay(true)?;
        let local = connection.local_addr()?;
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let (reader, writer) = connection.into_split();
        let (to_writer, from_client) = mpsc::unbounded_channel();
        tokio::spawn(read_stream(stream, reader, self.to_inputs.clone()));
        let writer = tokio::spawn(write_stream(writer, from_client));
        self.streams.insert(stream, OpenStream { remote, to_writer, writer });
        self.endpoint.handle_stream(Instant::now(), stream, StreamInput::Opened { remote, local, is_initiator: true });
        self.flush();
        Ok(Target::Stream(stream))
    }

    /// Starts a request.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(super) fn ask(&mut self, ask: Ask) -> Result<RequestId, Refused> {
        let to = ask.to;
        let id = self.endpoint.request(Instant::now(), ask)?;
        self.under_way.insert(id, Wanted::One(to));
        Ok(id)
    }

    /// Starts a request to a group.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(super) fn ask_group(&mut self, ask: GroupAsk) -> Result<RequestId, Refused> {
        let group = ask.group;
        let id = self.endpoint.request_group(Instant::now(), ask)?;
        self.under_way.insert(id, Wanted::Group(group));
        Ok(id)
    }

    /// Starts a ping.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(super) fn ping(&mut self, to: Target) -> Result<RequestId, Refused> {
        let id = self.endpoint.ping(Instant::now(), to)?;
        self.under_way.insert(id, Wanted::One(to));
        Ok(id)
    }

    /// Forgets a request; an observation is cancelled at the peer.
    pub(super) fn cancel(&mut self, id: RequestId) {
        if self.under_way.remove(&id).is_some() {
            self.endpoint.cancel(Instant::now(), id);
            self.flush();
        }
    }

    /// The next thing that happens to a request. May be dropped at any time without losing anything.
    pub(super) async fn next(&mut self) -> Happening {
        loop {
            self.flush();
            if let Some(happening) = self.happened.pop_front() {
                return happening;
            }
            let wakeup = self.endpoint.poll_timeout();
            let timer = async {
                match wakeup {
                    Some(wakeup) => tokio::time::sleep_until(wakeup.at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = self.inputs.recv() => self.apply(input.expect("this client holds a sender itself")),
                ready = poll_fn(|context| self.group_sockets.poll_ready(context)) => self.take_group_datagrams(ready),
                () = timer => self.endpoint.handle_timeout(Instant::now()),
            }
        }
    }

    /// Drives the engine for a while, for the sake of what still has to be exchanged (a cancellation and its answer).
    pub(super) async fn linger(&mut self, duration: Duration) {
        let end = tokio::time::Instant::now() + duration;
        while tokio::time::timeout_at(end, self.next()).await.is_ok() {}
    }

    /// Ends all connections after what was written to them.
    pub(super) async fn close(mut self) {
        self.flush();
        for (_, open) in std::mem::take(&mut self.streams) {
            drop(open.to_writer);
            // A peer that does not read must not keep us here.
            let _ = tokio::time::timeout(FAREWELL, open.writer).await;
        }
    }

    fn apply(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Datagram { socket, remote, bytes } => {
                self.traffic.received_octets += bytes.len() as u64;
                self.trace.datagram(Direction::In, &bytes);
                self.traffic.announced_octets = self.trace.announced_octets();
                let meta = Meta {
                    socket: SocketId::Client(socket),
                    remote,
                    local: None,
                    interface: 0,
                    is_multicast: false,
                    group: None,
                };
                if let Received::Request(request) = self.endpoint.handle_datagram(now, &meta, &bytes) {
                    self.endpoint.respond(now, &request, &nothing_here());
                }
            }
            Input::Unreachable { remote, why } => self.give_up_on(remote, why),
            Input::Stream { stream, bytes } => {
                self.traffic.received_octets += bytes.len() as u64;
                self.trace.stream(Direction::In, stream, &bytes);
                self.traffic.announced_octets = self.trace.announced_octets();
                self.endpoint.handle_stream(now, stream, StreamInput::Data(&bytes));
                let mut scratch = Vec::new();
                while let Some(request) = self.endpoint.poll_stream(now, &mut scratch) {
                    self.endpoint.respond(now, &request, &nothing_here());
                }
            }
            Input::StreamClosed { stream } => {
                if self.streams.remove(&stream).is_some() {
                    self.trace.forget(stream);
                    self.endpoint.handle_stream(now, stream, StreamInput::Closed);
                }
            }
        }
    }

    /// Takes what came to a socket of group requests.
    fn take_group_datagrams(&mut self, ready: Ready) {
        let now = Instant::now();
        match ready {
            Ready::ToSend(index) => self.group_sockets.send_backlog(index),
            Ready::ToReceive(index) => {
                let (count, _) = self.group_sockets.receive(index);
                for number in 0..count {
                    let Some((meta, bytes)) = self.group_sockets.datagram(index, number) else { continue };
                    self.traffic.received_octets += bytes.len() as u64;
                    self.trace.datagram(Direction::In, bytes);
                    if let Received::Request(request) = self.endpoint.handle_datagram(now, &meta, bytes) {
                        self.endpoint.respond(now, &request, &nothing_here());
                    }
                }
            }
        }
    }

    /// Sends to a group, or to one of its members from the same port.
    fn send_from_group_socket(&mut self, outgoing: Outgoing, bytes: &[u8]) {
        let remote = outgoing.remote;
        let dropped = self.counters.datagrams_out_dropped.get();
        self.group_sockets.send(bytes, &[outgoing]);
        if remote.ip().is_multicast() && self.counters.datagrams_out_dropped.get() > dropped {
            self.give_up_on(remote, io::ErrorKind::NetworkUnreachable);
        }
    }

    /// Sends what the engine wants to send and takes its answers.
    fn flush(&mut self) {
        // Nobody observes a client, so these two only keep the order of draining.
        while self.endpoint.poll_due_notification(Instant::now()).is_some() {}
        while self.endpoint.poll_gone_observer().is_some() {}
        while let Some(answer) = self.endpoint.poll_answer() {
            if !answer.is_open {
                self.under_way.remove(&answer.id);
            }
            self.happened.push_back(Happening::Answer(answer));
        }
        loop {
            let mut bytes = std::mem::take(&mut self.outgoing);
            bytes.clear();
            let transmit = self.endpoint.poll_transmit(&mut bytes);
            if let Some(transmit) = &transmit {
                self.send(transmit.to, &bytes);
            }
            self.outgoing = bytes;
            if transmit.is_none() {
                break;
            }
        }
    }

    fn send(&mut self, to: Destination, bytes: &[u8]) {
        self.traffic.sent_octets += bytes.len() as u64;
        match to {
            Destination::Datagram { socket: SocketId::Group, remote, local, interface } => {
                self.trace.datagram(Direction::Out, bytes);
                let octets = 0..bytes.len();
                self.send_from_group_socket(
                    Outgoing { socket: SocketId::Group, remote, local, interface, octets },
                    bytes,
                );
            }
            Destination::Datagram { socket: SocketId::Client(number) | SocketId::Listener(number), remote, .. } => {
                self.trace.datagram(Direction::Out, bytes);
                // Past the runtime, which would call a fresh socket busy until it has heard of it.
                let sent = self.socket(number, remote).and_then(|socket| socket2::SockRef::from(&*socket).send(bytes));
                match sent {
                    // A full buffer loses the datagram as the network might; the engine retransmits.
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => self.give_up_on(remote, error.kind()),
                }
            }
            // Only a daemon has such a socket.
            Destination::Datagram { socket: SocketId::Dns(_), .. } => {}
            Destination::Stream(stream) => {
                self.trace.stream(Direction::Out, stream, bytes);
                if let Some(open) = self.streams.get(&stream) {
                    // A writer that is gone has told the reader's end of the same connection.
                    let _ = open.to_writer.send(bytes.to_vec());
                }
            }
            Destination::CloseStream(stream) | Destination::AbortStream(stream) => {
                if self.streams.remove(&stream).is_some() {
                    self.trace.forget(stream);
                    self.endpoint.handle_stream(Instant::now(), stream, StreamInput::Closed);
                }
            }
        }
    }

    fn socket(&mut self, number: u16, remote: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        if let Some(socket) = self.sockets.get(&(number, remote)) {
            return Ok(Arc::clone(socket));
        }
        let any = match remote {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(remote)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        tokio::spawn(read_datagrams(number, remote, Arc::clone(&socket), self.to_inputs.clone()));
        self.sockets.insert((number, remote), Arc::clone(&socket));
        Ok(socket)
    }

    /// Ends all requests towards an address that the system cannot reach.
    fn give_up_on(&mut self, address: SocketAddr, why: io::ErrorKind) {
        let concerned = |to: &Wanted| match *to {
            Wanted::One(Target::Datagram { remote, .. }) => remote == address,
            Wanted::One(_) => false,
            // The scope of the address is that of the interface it was sent by.
            Wanted::Group(group) => group.ip() == address.ip() && group.port() == address.port(),
        };
        let lost: Vec<RequestId> = self.under_way.iter().filter(|(_, to)| concerned(to)).map(|(&id, _)| id).collect();
        for id in lost {
            self.under_way.remove(&id);
            self.endpoint.cancel(Instant::now(), id);
            self.happened.push_back(Happening::Unreachable { id, why });
        }
    }
}

/// The answer to whoever asks a client for something (TC3).
fn nothing_here() -> Response {
    Response { code: Some(Code::NOT_FOUND), ..Response::default() }
}

async fn read_datagrams(number: u16, remote: SocketAddr, socket: Arc<UdpSocket>, inputs: mpsc::Sender<Input>) {
    let mut buffer = vec![0; DATAGRAM_OCTETS_MAX];
    loop {
        let input = match socket.recv_from(&mut buffer).await {
            Ok((octets, remote)) => Input::Datagram { socket: number, remote, bytes: buffer[..octets].to_vec() },
            Err(error) => Input::Unreachable { remote, why: error.kind() },
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

async fn read_stream(stream: StreamId, mut reader: OwnedReadHalf, inputs: mpsc::Sender<Input>) {
    let mut buffer = vec![0; 16_384];
    loop {
        let input = match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => Input::StreamClosed { stream },
            Ok(octets) => Input::Stream { stream, bytes: buffer[..octets].to_vec() },
        };
        let is_end = matches!(input, Input::StreamClosed { .. });
        if inputs.send(input).await.is_err() || is_end {
            return;
        }
    }
}

async fn write_stream(mut writer: OwnedWriteHalf, mut from_client: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = from_client.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // The peer sees the end of the connection whether or not this succeeds.
    let _ = writer.shutdown().await;
}
