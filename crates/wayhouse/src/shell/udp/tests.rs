use std::future::poll_fn;
use std::net::UdpSocket as Peer;

use wayhouse_node::config::Interfaces;

use super::joining::well_known_groups;
use super::*;

fn sockets() -> Sockets {
    Sockets::new(Arc::default())
}

/// Receives until as many datagrams as wanted are there.
async fn receive(sockets: &mut Sockets, wanted: usize) -> Vec<(Meta, Vec<u8>)> {
    let mut all = Vec::new();
    while all.len() < wanted {
        let Ready::ToReceive(index) = poll_fn(|context| sockets.poll_ready(context)).await else { continue };
        loop {
            let (count, may_have_more) = sockets.receive(index);
            all.extend(
                (0..count)
                    .filter_map(|number| sockets.datagram(index, number).map(|(meta, bytes)| (meta, bytes.to_vec()))),
            );
            if !may_have_more {
                break;
            }
        }
    }
    all
}

fn answer(meta: &Meta, octets: Range<usize>) -> Outgoing {
    Outgoing { socket: meta.socket, remote: meta.remote, local: meta.local, interface: meta.interface, octets }
}

#[tokio::test(flavor = "current_thread")]
async fn batches_arrive_whole_and_in_order() {
    let mut sockets = sockets();
    let address = sockets.listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    peer.connect(address).unwrap();
    let sent = 3 * BATCH + 5;
    for number in 0..sent {
        peer.send(&vec![number as u8; number]).unwrap();
    }
    let received = receive(&mut sockets, sent).await;
    for (number, (meta, bytes)) in received.iter().enumerate() {
        assert_eq!(bytes, &vec![number as u8; number]);
        assert_eq!(meta.remote, peer.local_addr().unwrap());
        assert_eq!(meta.local, Some(address.ip()));
        assert_eq!(meta.socket, SocketId::Listener(0));
    }

    let octets = [7u8; 300];
    let answers: Vec<_> = (0..sent).map(|number| answer(&received[0].0, 0..number)).collect();
    sockets.send(&octets, &answers);
    let mut buffer = [0; 2048];
    for number in 0..sent {
        assert_eq!(peer.recv(&mut buffer).unwrap(), number);
    }
    assert_eq!(sockets.counters.datagrams_in.get(), sent as u64);
    assert_eq!(sockets.counters.datagrams_out.get(), sent as u64);
    assert!(sockets.counters.batches_out.get() < sent as u64);
}

#[tokio::test(flavor = "current_thread")]
async fn largest_datagram_is_not_cut() {
    let mut sockets = sockets();
    let address = sockets.listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    let largest = vec![42; 65_507];
    peer.send_to(&largest, address).unwrap();
    assert_eq!(receive(&mut sockets, 1).await[0].1, largest);
}

/// On a wildcard socket the destination address is told, and the answer leaves from it.
#[tokio::test(flavor = "current_thread")]
async fn wildcard_socket_answers_from_the_address_that_was_asked() {
    for (wildcard, own, interface) in [("0.0.0.0:0", "127.0.0.77", 1), ("[::]:0", "::1", 1)] {
        let mut sockets = sockets();
        let port = sockets.listen(wildcard.parse().unwrap(), false).unwrap().port();
        let own: IpAddr = own.parse().unwrap();
        let peer = Peer::bind(if own.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
        peer.send_to(b"where", (own, port)).unwrap();
        let (meta, _) = receive(&mut sockets, 1).await.remove(0);
        assert_eq!((meta.local, meta.interface, meta.is_multicast, meta.group), (Some(own), interface, false, None));
        sockets.send(b"here", &[answer(&meta, 0..4)]);
        let mut buffer = [0; 16];
        let (octets, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..octets], from), (&b"here"[..], SocketAddr::new(own, port)));
    }
}

/// Unicast and multicast to one port: both are told as the listener's, each once, and the group is named.
#[tokio::test(flavor = "current_thread")]
async fn multicast_arrives_once_and_names_the_group() {
    let mut sockets = sockets();
    let port = sockets.listen("0.0.0.0:0".parse().unwrap(), true).unwrap().port();
    let groups = well_known_groups(true);
    assert_eq!(sockets.join_groups([(1, "lo")].into_iter()), groups.len());
    assert_eq!(sockets.join_groups([(1, "lo")].into_iter()), groups.len(), "joining again is no error");
    let peer = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    peer.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    peer.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let peer: Peer = peer.into();
    for group in groups {
        peer.send_to(b"all", (group, port)).unwrap();
        peer.send_to(b"one", ("127.0.0.1", port)).unwrap();
        let received = receive(&mut sockets, 2).await;
        let (many, single): (Vec<_>, Vec<_>) = received.into_iter().partition(|(meta, _)| meta.is_multicast);
        assert_eq!((many.len(), single.len()), (1, 1));
        let (meta, bytes) = &many[0];
        assert_eq!((&bytes[..], meta.group, meta.local), (&b"all"[..], Some(group), None));
        assert_eq!((meta.socket, meta.interface), (SocketId::Listener(0), 1));
        assert_eq!(single[0].0.local, Some(Ipv4Addr::LOCALHOST.into()));
        // The answer to a group's question comes from the unicast port.
        sockets.send(b"me", &[answer(meta, 0..2)]);
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).unwrap().1.port(), port);
    }
}

#[test]
fn gc43_all_coap_nodes_is_joined_in_the_scopes_of_every_node() {
    let texts = |is_ipv4: bool| well_known_groups(is_ipv4).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(true), ["224.0.1.187", "224.0.1.190"]);
    assert_eq!(texts(false), ["ff02::fd", "ff04::fd", "ff05::fd", "ff02::fe", "ff05::fe"]);
}

#[test]
fn gc40_discovery_by_multicast_is_served_on_the_default_port() {
    let coap = crate::config::Settings::default().coap;
    assert!(coap.is_udp_on && coap.is_multicast_on);
    let serves = |address: &str| coap.listen.contains(&address.parse().unwrap());
    assert!(serves("[::]:5683") && serves("0.0.0.0:5683"));
}

/// Configured groups: of a listener's port by its multicast socket, of another port by a listener of their own.
#[tokio::test(flavor = "current_thread")]
async fn configured_groups_are_joined_and_left() {
    let mut sockets = sockets();
    let everybody = well_known_groups(true).len();
    let port = sockets.listen("0.0.0.0:0".parse().unwrap(), true).unwrap().port();
    let own_port = sockets.listen_for_groups(0, true).unwrap().port();
    let member =
        |address: [u8; 4], port: u16, interfaces: Interfaces| Membership { address: address.into(), port, interfaces };
    let loopback = || Interfaces::Named(vec!["lo".into()]);
    sockets.set_memberships(vec![
        member([239, 255, 1, 1], port, loopback()),
        member([239, 255, 1, 2], own_port, Interfaces::All),
        member([239, 255, 1, 3], own_port, Interfaces::Named(vec!["other".into()])),
        member([239, 255, 1, 4], own_port, Interfaces::None),
    ]);
    assert_eq!(sockets.join_groups([(1, "lo")].into_iter()), everybody + 2);
    let peer = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    peer.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    peer.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let peer: Peer = peer.into();
    for (group, port, listener) in [([239, 255, 1, 1], port, 0), ([239, 255, 1, 2], own_port, 1)] {
        peer.send_to(b"all", (Ipv4Addr::from(group), port)).unwrap();
        let (meta, _) = receive(&mut sockets, 1).await.remove(0);
        assert_eq!((meta.group, meta.socket), (Some(group.into()), SocketId::Listener(listener)));
        sockets.send(b"me", &[answer(&meta, 0..2)]);
        let mut buffer = [0; 16];
        // GC34: from our own port, which here is that of the group.
        assert_eq!(peer.recv_from(&mut buffer).unwrap().1.port(), port);
    }

    // What is no longer wanted is left; what stays is heard still.
    sockets.set_memberships(vec![member([239, 255, 1, 2], own_port, loopback())]);
    assert_eq!(sockets.join_groups([(1, "lo")].into_iter()), everybody + 1);
    peer.send_to(b"left", (Ipv4Addr::from([239, 255, 1, 1]), port)).unwrap();
    peer.send_to(b"kept", (Ipv4Addr::from([239, 255, 1, 2]), own_port)).unwrap();
    peer.send_to(b"one", ("127.0.0.1", port)).unwrap();
    let mut heard: Vec<Vec<u8>> = receive(&mut sockets, 2).await.into_iter().map(|(_, bytes)| bytes).collect();
    heard.sort();
    assert_eq!(heard, [b"kept".to_vec(), b"one".to_vec()]);
    // A link that went down takes all with it, and brings them back.
    assert_eq!(sockets.join_groups(std::iter::empty()), 0);
    assert_eq!(sockets.join_groups([(1, "lo")].into_iter()), everybody + 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_taken_port_is_an_error_even_beside_a_multicast_socket() {
    let mut first = sockets();
    let mut taken = first.listen("0.0.0.0:0".parse().unwrap(), true).unwrap();
    taken.set_ip(Ipv4Addr::UNSPECIFIED.into());
    for wants_multicast in [true, false] {
        let error = sockets().listen(taken, wants_multicast).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn client_sockets_open_on_first_use_and_hear_answers() {
    let mut sockets = sockets();
    sockets.listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    let remote = peer.local_addr().unwrap();
    let from = |socket| Outgoing { socket, remote, local: None, interface: 0, octets: 0..3 };
    sockets.send(b"ask", &[from(SocketId::Client(5)), from(SocketId::Client(6)), from(SocketId::Client(5))]);
    let mut ports = Vec::new();
    for _ in 0..3 {
        let (_, from) = peer.recv_from(&mut [0; 8]).unwrap();
        ports.push(from);
        peer.send_to(b"answer", from).unwrap();
    }
    assert_eq!(ports[0], ports[2]);
    assert_ne!(ports[0], ports[1]);
    let mut heard: Vec<_> = receive(&mut sockets, 3).await.iter().map(|(meta, _)| meta.socket).collect();
    heard.sort();
    assert_eq!(heard, [SocketId::Client(5), SocketId::Client(5), SocketId::Client(6)]);
}

/// A datagram that the system refuses does not take its neighbours with it.
#[tokio::test(flavor = "current_thread")]
async fn refused_datagram_is_counted_and_the_others_leave() {
    let mut sockets = sockets();
    sockets.listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    let to = |remote, octets| Outgoing { socket: SocketId::Listener(0), remote, local: None, interface: 0, octets };
    let fine = peer.local_addr().unwrap();
    let octets = vec![1; 70_000];
    sockets.send(&octets, &[to(fine, 0..1), to(fine, 0..70_000), to(fine, 0..2)]);
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 2);
    assert_eq!(sockets.counters.datagrams_out_dropped.get(), 1);
    // No listener for IPv6: nothing to send from.
    sockets.send(&octets, &[to("[::1]:9".parse().unwrap(), 0..1)]);
    assert_eq!(sockets.counters.datagrams_out_dropped.get(), 2);
}

#[test]
fn control_messages_are_read_as_they_are_written() {
    for (remote, local, interface) in [
        ("10.0.0.1:1", Some("192.168.1.7"), 0),
        ("224.0.1.187:1", None, 3),
        ("224.0.1.187:1", Some("192.168.1.7"), 3),
        ("[2001:db8::1]:1", Some("2001:db8::2"), 0),
        ("[fe80::1]:1", Some("fe80::2"), 4),
        ("[ff02::fd]:1", None, 4),
    ] {
        let remote: SocketAddr = remote.parse().unwrap();
        let local: Option<IpAddr> = local.map(|local| local.parse().unwrap());
        let outgoing = Outgoing { socket: SocketId::Listener(0), remote, local, interface, octets: 0..0 };
        let mut control = [0xff; CONTROL_OCTETS];
        let octets = write_source(&mut control, &outgoing, true);
        let read = read_destination(&control[..octets]).unwrap();
        assert_eq!(read.interface, interface);
        if remote.is_ipv6() {
            assert_eq!(read.address, local.unwrap_or(Ipv6Addr::UNSPECIFIED.into()));
        }
        // A socket bound to one address leaves from it anyway, and needs telling for the interface only.
        assert_eq!(write_source(&mut control, &outgoing, false) > 0, interface != 0);
        for cut in 0..octets.min(28) {
            let _ = read_destination(&control[..cut]);
        }
    }
}
