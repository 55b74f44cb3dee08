use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use super::super::tls::identity::{Identity, Names};
use super::*;

const BOUND: Bound = Bound { all: 4, per_address: 0 };
const BOUNDS: Bounds = Bounds { coap: BOUND, dns: BOUND };

/// Connections, and the time as they see it.
struct World {
    streams: Streams,
    now: Instant,
    address: SocketAddr,
}

impl World {
    fn new(bounds: Bounds, service: Service) -> World {
        let mut streams = Streams::new(bounds, Arc::default()).unwrap();
        if matches!(service, Service::DnsOverTls(_)) {
            let directory = tempfile::tempdir().unwrap();
            let names = Names { server: None, addresses: Vec::new() };
            let identity = Identity::own(directory.path(), &names).unwrap();
            streams.set_tls(tls::TlsServer::new(&identity).unwrap());
        }
        let address = streams.listen("127.0.0.1:0".parse().unwrap(), service).unwrap();
        World { streams, now: Instant::now(), address }
    }
    /// A connection that was opened, and the peer's end of it.
    async fn connected(bounds: Bounds) -> (World, StreamId, TcpStream) {
        let mut world = World::new(bounds, Service::Coap);
        let peer = TcpStream::connect(world.address).unwrap();
        let id = world.opened().await;
        (world, id, peer)
    }
    /// The same over TLS.
    async fn connected_over_tls(&mut self) -> (StreamId, SslStream<TcpStream>) {
        let address = self.address;
        let peer = self.beside(move || over_tls(address)).await;
        // The peer is content before we are.
        match self.streams.open_ids().first() {
            Some(&id) => (id, peer),
            None => (self.opened().await, peer),
        }
    }
    /// What happens next; meanwhile everything leaves that was sent.
    async fn next(&mut self) -> StreamEvent {
        loop {
            self.streams.begin_turn();
            if let Some(event) = self.streams.next_event(self.now) {
                return event;
            }
            self.streams.flush(self.now);
            poll_fn(|context| self.streams.poll_ready(context)).await;
        }
    }
    async fn opened(&mut self) -> StreamId {
        match self.next().await {
            StreamEvent::Opened { id, local, .. } => {
                assert_eq!(local, self.address);
                id
            }
            event => panic!("{event:?} is no new connection"),
        }
    }
    async fn data(&mut self) -> (StreamId, Vec<u8>) {
        match self.next().await {
            StreamEvent::Data(id) => (id, self.streams.received().to_vec()),
            event => panic!("{event:?} brings no octets"),
        }
    }
    fn flush(&mut self) {
        while !self.streams.unwritten.is_empty() {
            self.streams.flush(self.now);
        }
    }
    /// Lets the peer do something that waits for us, in a thread of its own.
    async fn beside<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let mut work = tokio::task::spawn_blocking(work);
        loop {
            self.streams.begin_turn();
            while let Some(event) = self.streams.next_event(self.now) {
                assert!(!matches!(event, StreamEvent::Data(_)), "nobody waits for these octets");
            }
            self.streams.flush(self.now);
            tokio::select! {
                outcome = &mut work => return outcome.unwrap(),
                () = poll_fn(|context| self.streams.poll_ready(context)) => {}
            }
        }
    }
}

fn rest_of(mut peer: impl io::Read) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).map(|_| rest)
}

#[tokio::test(flavor = "current_thread")]
async fn octets_pass_both_ways() {
    let (mut world, id, mut peer) = World::connected(BOUNDS).await;
    peer.write_all(b"question").unwrap();
    assert_eq!(world.data().await, (id, b"question".to_vec()));
    world.streams.send(id, b"first ");
    world.streams.send(id, b"second");
    world.flush();
    let mut answer = [0; 12];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"first second");

    // Closing lets out what was sent before, and nothing after.
    world.streams.send(id, b"last");
    world.streams.close(world.now, id);
    world.streams.send(id, b"too late");
    assert!(!world.streams.is_open(id));
    world.flush();
    assert_eq!(rest_of(peer).unwrap(), b"last");
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    assert_eq!(world.streams.waiting, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_ends_gets_its_answer_and_its_end_is_told_once() {
    let (mut world, id, mut peer) = World::connected(BOUNDS).await;
    peer.write_all(b"question").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(world.data().await.0, id);
    world.streams.send(id, b"answer");
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    world.flush();
    assert_eq!(rest_of(peer).unwrap(), b"answer");
    assert!(world.streams.open_ids().is_empty() && world.streams.connections.is_empty());
    world.streams.send(id, b"nobody there");
    world.streams.finish(world.now).await;
}

/// What waits for the disk leaves although the peer has ended its side, and only then its connection ends.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_ends_gets_an_answer_that_comes_later() {
    let (mut world, id, mut peer) = World::connected(BOUNDS).await;
    peer.write_all(b"question").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(world.data().await.0, id);
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    world.streams.keep(id);
    world.flush();
    world.streams.send(id, b"one, ");
    world.flush();
    assert_eq!(world.streams.connections.len(), 1);
    world.streams.send(id, b"two");
    world.streams.let_go(id);
    world.flush();
    assert_eq!(rest_of(peer).unwrap(), b"one, two");
    assert!(world.streams.connections.is_empty() && world.streams.waiting == 0);
    // Where no answer comes, it does not stay for ever.
    let (mut world, id, peer) = World::connected(BOUNDS).await;
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    world.streams.keep(id);
    world.flush();
    world.streams.handle_timeout(world.now + CLOSE_MAX);
    assert!(world.streams.connections.is_empty());
}

/// Likewise over TLS: its end is said behind the answer.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_ends_over_tls_gets_an_answer_that_comes_later() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let (id, mut peer) = world.connected_over_tls().await;
    peer.ssl_write(b"question").unwrap();
    peer.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(world.data().await.0, id);
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    world.streams.keep(id);
    world.flush();
    world.streams.send(id, b"answer");
    world.streams.let_go(id);
    world.flush();
    let told = world.beside(move || (rest_of(&mut peer).unwrap(), peer)).await.0;
    assert_eq!(told, b"answer");
}

#[tokio::test(flavor = "current_thread")]
async fn connections_beyond_the_bound_are_closed() {
    let (mut world, id, _peer) = World::connected(Bounds { coap: Bound { all: 1, ..BOUND }, ..BOUNDS }).await;
    let mut second = TcpStream::connect(world.address).unwrap();
    assert_eq!(world.beside(move || second.read(&mut [0; 1]).unwrap_or(0)).await, 0);
    assert_eq!(world.streams.open_ids(), [id]);
    assert_eq!(world.streams.counters.coap_streams.refused.get(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn ds55_an_address_has_several_connections_but_not_all() {
    let mut world =
        World::new(Bounds { dns: Bound { per_address: 2, ..BOUND }, ..BOUNDS }, Service::Dns(Dialects::default()));
    let peers: Vec<_> = (0..2).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    let first = world.opened().await;
    world.opened().await;
    let mut third = TcpStream::connect(world.address).unwrap();
    assert_eq!(world.beside(move || third.read(&mut [0; 1]).unwrap_or(0)).await, 0);
    assert_eq!(world.streams.counters.dns_streams.refused.get(), 1);
    // Whose place becomes free may be taken again.
    world.streams.abort(first);
    assert_eq!(world.next().await, StreamEvent::Closed(first));
    let _fourth = TcpStream::connect(world.address).unwrap();
    world.opened().await;
    drop(peers);
}

#[tokio::test(flavor = "current_thread")]
async fn one_address_does_not_take_all_connections_for_coap() {
    let mut world = World::new(Bounds { coap: Bound { all: 4, per_address: 2 }, ..BOUNDS }, Service::Coap);
    let peers: Vec<_> = (0..2).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    world.opened().await;
    world.opened().await;
    let mut third = TcpStream::connect(world.address).unwrap();
    assert_eq!(world.beside(move || third.read(&mut [0; 1]).unwrap_or(0)).await, 0);
    assert_eq!(world.streams.counters.coap_streams.refused.get(), 1);
    drop(peers);
}

/// A peer that does not read costs a bounded amount of memory, then its connection.
#[tokio::test(flavor = "current_thread")]
async fn slow_reader_is_shed() {
    let (mut world, id, peer) = World::connected(BOUNDS).await;
    let chunk = vec![0; 1 << 20];
    let mut sent = 0;
    while world.streams.is_open(id) {
        world.streams.send(id, &chunk);
        world.flush();
        sent += 1;
        assert!(world.streams.waiting <= OUTBOX_OCTETS_MAX);
        assert!(sent < 100, "the outbox is not bounded");
    }
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    assert_eq!(world.streams.counters.coap_streams.shed.get(), 1);
    assert_eq!(world.streams.waiting, 0);
    assert_eq!(rest_of(peer).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// When all together hold too much, those pay for whom most waits, and nobody else.
#[tokio::test(flavor = "current_thread")]
async fn who_does_not_read_pays_for_the_bound_of_all() {
    let (mut world, modest, _peer) = World::connected(Bounds { coap: Bound { all: 20, ..BOUND }, ..BOUNDS }).await;
    let greedy = OUTBOXES_OCTETS_MAX / OUTBOX_OCTETS_MAX + 1;
    let mut peers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..greedy {
        peers.push(TcpStream::connect(world.address).unwrap());
        ids.push(world.opened().await);
    }
    let chunk = vec![0; OUTBOX_OCTETS_MAX - 1];
    ids.iter().for_each(|id| world.streams.send(*id, &chunk));
    world.streams.send(modest, &[7; 100]);
    assert!(world.streams.is_open(modest) && world.streams.waiting <= OUTBOXES_OCTETS_MAX);
    assert!(ids.iter().filter(|id| !world.streams.is_open(**id)).count() >= 1);
    assert!(ids.iter().filter(|id| world.streams.is_open(**id)).count() >= greedy - 2);
}

/// What a listener sets holds for its connections: nothing waits for more, and a silent peer is looked after.
#[tokio::test(flavor = "current_thread")]
async fn ds58_messages_leave_at_once() {
    let (world, id, _peer) = World::connected(BOUNDS).await;
    let socket = socket2::SockRef::from(world.streams.connections[&id].socket());
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}

/// What a socket does not take at once leaves when the peer reads.
#[tokio::test(flavor = "current_thread")]
async fn octets_wait_for_a_peer_that_reads_late() {
    let (mut world, id, peer) = World::connected(BOUNDS).await;
    let octets: Vec<u8> = (0..3 << 20).map(|index: u32| (index % 251) as u8).collect();
    let chunks = octets.chunks(1 << 16);
    chunks.for_each(|chunk| world.streams.send(id, chunk));
    world.flush();
    world.streams.close(world.now, id);
    assert_eq!(world.beside(move || rest_of(peer).unwrap()).await, octets);
    assert_eq!(world.streams.waiting, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn ds59_abort_resets_and_drops_what_waits() {
    let (mut world, id, peer) = World::connected(BOUNDS).await;
    world.streams.send(id, b"never seen");
    world.streams.abort(id);
    world.flush();
    assert_eq!(rest_of(peer).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    assert_eq!(world.streams.waiting, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn no_connection_is_accepted_after_the_stop() {
    let (mut world, id, peer) = World::connected(BOUNDS).await;
    world.streams.stop_accepting();
    assert!(TcpStream::connect(world.address).is_err());
    world.streams.send(id, b"bye");
    let reader = tokio::task::spawn_blocking(|| rest_of(peer));
    world.streams.finish(world.now).await;
    assert_eq!(reader.await.unwrap().unwrap(), b"bye");
}

/// However many are told at once, a flush writes to a bounded number, and the rest follows.
#[tokio::test(flavor = "current_thread")]
async fn a_flush_does_a_bounded_amount_of_work() {
    let most = WRITES_PER_FLUSH + 10;
    let mut world = World::new(Bounds { coap: Bound { all: most, ..BOUND }, ..BOUNDS }, Service::Coap);
    let mut peers = Vec::new();
    for _ in 0..most {
        peers.push(TcpStream::connect(world.address).unwrap());
        world.opened().await;
    }
    for id in world.streams.open_ids() {
        world.streams.send(id, b"news");
    }
    world.streams.flush(world.now);
    assert_eq!(world.streams.unwritten.len(), 10);
    poll_fn(|context| world.streams.poll_ready(context)).await;
    world.streams.flush(world.now);
    for mut peer in peers {
        let mut news = [0; 4];
        peer.read_exact(&mut news).unwrap();
        assert_eq!(&news, b"news");
    }
}

/// A connection of a client that takes any certificate.
fn over_tls(address: SocketAddr) -> SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.build().connect("localhost", TcpStream::connect(address).unwrap()).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn octets_pass_over_tls_in_one_record_or_many() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let (id, mut peer) = world.connected_over_tls().await;
    assert_eq!(world.streams.counters.tls_established.get(), 1);
    peer.write_all(b"one").unwrap();
    assert_eq!(world.data().await, (id, b"one".to_vec()));
    // As much as several records hold, read in portions.
    let long = vec![7; 3 * READ_OCTETS];
    let sent = long.clone();
    let mut writer = tokio::task::spawn_blocking(move || {
        peer.write_all(&sent).unwrap();
        peer
    });
    let mut received = Vec::new();
    while received.len() < long.len() {
        tokio::select! {
            biased;
            (from, octets) = world.data() => {
                assert_eq!(from, id);
                received.extend(octets);
            }
        }
    }
    assert_eq!(received, long);
    let mut peer = (&mut writer).await.unwrap();
    world.streams.send(id, b"answer ");
    world.streams.send(id, b"at once");
    world.flush();
    // One record for one flush: one call reads it all.
    let mut record = [0; 100];
    assert_eq!(peer.ssl_read(&mut record).unwrap(), 14);
    world.streams.close(world.now, id);
    world.flush();
    // DS59, PU31: the end is said in TLS; without that, reading would fail.
    assert_eq!(peer.read(&mut record).unwrap(), 0);
    drop(peer);
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    assert_eq!(world.streams.waiting, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn pu31_close_notify_of_a_client_is_answered_and_told() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let (id, mut peer) = world.connected_over_tls().await;
    peer.write_all(b"last question").unwrap();
    peer.shutdown().unwrap();
    assert_eq!(world.data().await, (id, b"last question".to_vec()));
    world.streams.send(id, b"last answer");
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    world.flush();
    assert_eq!(rest_of(peer).unwrap(), b"last answer");
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_without_a_handshake_ends_in_time_and_is_not_told() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let address = world.address;
    let silent = TcpStream::connect(address).unwrap();
    let mut garbage = TcpStream::connect(address).unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    world.beside(move || rest_of(garbage).is_ok()).await;
    assert_eq!(world.streams.counters.tls_failed.get(), 1);
    assert_eq!((world.streams.open_ids(), world.streams.dns.all()), (vec![], 1));
    let due = world.streams.poll_timeout().unwrap();
    assert!(due <= world.now + HANDSHAKE_MAX);
    world.streams.handle_timeout(due - Duration::from_millis(1));
    assert_eq!(world.streams.dns.all(), 1);
    world.streams.handle_timeout(due);
    assert_eq!(world.streams.dns.all(), 0);
    assert_eq!(world.streams.told.len(), 0);
    assert!(rest_of(silent).is_err());
}

/// DS52, DS53, PU6: a client that wants to come back gets a ticket, one that allows no early data.
#[tokio::test(flavor = "current_thread")]
async fn ds52_ds53_pu6_tickets_allow_no_early_data() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let address = world.address;
    let early_octets = world
        .beside(move || {
            let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
            connector.set_verify(SslVerifyMode::NONE);
            connector.set_session_cache_mode(openssl::ssl::SslSessionCacheMode::CLIENT);
            let (keep, kept) = std::sync::mpsc::channel();
            connector.set_new_session_callback(move |_, session| keep.send(session).unwrap_or(()));
            let mut peer = connector.build().connect("localhost", TcpStream::connect(address).unwrap()).unwrap();
            // The ticket comes behind the handshake; the end of the connection is a reason to read it.
            peer.shutdown().unwrap();
            let _ = peer.read(&mut [0; 1]);
            kept.recv().expect("a ticket").max_early_data()
        })
        .await;
    assert_eq!(early_octets, 0);
}

/// The same over TLS, where what waits is encrypted.
#[tokio::test(flavor = "current_thread")]
async fn slow_reader_over_tls_is_shed() {
    let mut world = World::new(BOUNDS, Service::DnsOverTls(Dialects::default()));
    let (id, peer) = world.connected_over_tls().await;
    let chunk = vec![0; 1 << 16];
    let mut sent = 0;
    while world.streams.is_open(id) {
        world.streams.send(id, &chunk);
        world.flush();
        sent += 1;
        assert!(world.streams.waiting <= OUTBOX_OCTETS_MAX + (1 << 16));
        assert!(sent < 1600, "the outbox is not bounded");
    }
    assert_eq!(world.next().await, StreamEvent::Closed(id));
    assert_eq!(world.streams.counters.dns_streams.shed.get(), 1);
    assert_eq!((world.streams.waiting, world.streams.dns.all()), (0, 0));
    drop(peer);
}
