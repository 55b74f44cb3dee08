use std::future::poll_fn;
use std::io::{Read, Write};

use super::*;

async fn next(streams: &mut Streams) -> StreamEvent {
    poll_fn(|context| streams.poll_event(context)).await
}

/// A listener with one accepted connection, and the peer's end of it.
async fn connected(connections_max: usize) -> (Streams, StreamId, std::net::TcpStream, SocketAddr) {
    let mut streams = Streams::new(connections_max, 0, Arc::default());
    let address = streams.listen("127.0.0.1:0".parse().unwrap(), Service::Coap).unwrap();
    let peer = std::net::TcpStream::connect(address).unwrap();
    let StreamEvent::Accepted(stream, remote, service) = next(&mut streams).await else { panic!("not a connection") };
    assert_eq!(remote, peer.local_addr().unwrap());
    let (id, local) = streams.open(stream, remote, service).unwrap();
    assert_eq!(local, address);
    (streams, id, peer, address)
}

/// Drives the tasks while the peer blocks in a thread of its own.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn octets_pass_both_ways() {
    let (mut streams, id, mut peer, _) = connected(4).await;
    peer.write_all(b"question").unwrap();
    let StreamEvent::Data(from, octets) = next(&mut streams).await else { panic!("no data") };
    assert_eq!((from, &octets[..]), (id, &b"question"[..]));
    streams.send(id, b"first ");
    streams.send(id, b"second");
    let (mut peer, answer) = beside(move || {
        let mut answer = [0; 12];
        peer.read_exact(&mut answer).unwrap();
        (peer, answer)
    })
    .await;
    assert_eq!(&answer, b"first second");

    // Closing lets out what was sent before, and nothing after.
    streams.send(id, b"last");
    streams.close(id);
    streams.send(id, b"too late");
    assert!(!streams.is_open(id));
    let rest = beside(move || {
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        rest
    })
    .await;
    assert_eq!(rest, b"last");
    assert!(matches!(next(&mut streams).await, StreamEvent::Closed(closed) if closed == id));
    assert_eq!(streams.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn end_of_the_peer_is_told_once() {
    let (mut streams, id, peer, _) = connected(4).await;
    drop(peer);
    assert!(matches!(next(&mut streams).await, StreamEvent::Closed(closed) if closed == id));
    assert!(streams.open_ids().is_empty());
    streams.send(id, b"nobody there");
    streams.finish().await;
}

#[tokio::test(flavor = "current_thread")]
async fn connections_beyond_the_bound_are_closed() {
    let (mut streams, id, _peer, address) = connected(1).await;
    let mut second = std::net::TcpStream::connect(address).unwrap();
    let StreamEvent::Accepted(stream, remote, service) = next(&mut streams).await else { panic!("not a connection") };
    assert_eq!(streams.open(stream, remote, service), None);
    assert_eq!(second.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(streams.open_ids(), [id]);
    assert_eq!(streams.counters.coap_streams.refused.get(), 1);
}

/// A peer that does not read costs a bounded amount of memory, then its connection.
#[tokio::test(flavor = "current_thread")]
async fn slow_reader_is_shed() {
    let (mut streams, id, _peer, _) = connected(4).await;
    let chunk = vec![0; 1 << 20];
    let mut sent = 0;
    while streams.is_open(id) {
        streams.send(id, &chunk);
        sent += 1;
        assert!(streams.waiting.load(Ordering::Relaxed) <= OUTBOX_OCTETS_MAX);
        assert!(sent < 100, "the outbox is not bounded");
        tokio::task::yield_now().await;
    }
    assert!(matches!(next(&mut streams).await, StreamEvent::Closed(closed) if closed == id));
    assert_eq!(streams.counters.coap_streams.shed.get(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn no_connection_is_accepted_after_the_stop() {
    let (mut streams, id, mut peer, address) = connected(4).await;
    streams.stop_accepting();
    tokio::task::yield_now().await;
    while let Poll::Ready(Some(_)) = poll_fn(|context| Poll::Ready(streams.tasks.poll_join_next(context))).await {}
    assert!(std::net::TcpStream::connect(address).is_err());
    streams.send(id, b"bye");
    let reader = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        rest
    });
    streams.finish().await;
    assert_eq!(reader.await.unwrap(), b"bye");
}
