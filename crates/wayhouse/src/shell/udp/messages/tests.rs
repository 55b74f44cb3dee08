use std::net::UdpSocket as Peer;
use std::ops::Range;

use wayhouse_proto::io::SocketId;

use super::super::{REFUSALS_MAX, Sockets, set_flag};
use super::*;

fn to(remote: &str, octets: Range<usize>) -> Outgoing {
    let remote = remote.parse().unwrap();
    Outgoing { socket: SocketId::Listener(0), remote, local: None, interface: 0, octets }
}

/// The sizes of the messages that a run becomes, and the numbers of its datagrams in the order in which they leave.
fn arranged(run: &[Outgoing]) -> (Vec<u8>, Vec<u8>) {
    let mut messages = Messages::new();
    messages.arrange(run, Cuts::All);
    (messages.all().iter().map(|message| message.count).collect(), messages.left().to_vec())
}

#[test]
fn datagrams_to_one_peer_leave_together_and_in_order() {
    let (a, b, c) = ("127.0.0.1:1000", "127.0.0.1:1001", "[::1]:1000");
    let run = [to(a, 0..8), to(b, 0..8), to(a, 8..16), to(c, 0..8), to(a, 0..8), to(b, 0..8)];
    assert_eq!(arranged(&run), (vec![3, 2, 1], vec![0, 2, 4, 1, 5, 3]));
}

/// All have the size of the first but the last, which may be smaller; what does not fit begins a message behind it.
#[test]
fn a_message_ends_with_a_smaller_datagram_and_before_a_larger_one() {
    let a = "127.0.0.1:1000";
    let run = [to(a, 0..8), to(a, 0..8), to(a, 0..5), to(a, 0..5), to(a, 0..8), to(a, 0..0), to(a, 0..1)];
    assert_eq!(arranged(&run), (vec![3, 1, 1, 1, 1], vec![0, 1, 2, 3, 4, 5, 6]));
}

#[test]
fn what_may_be_fragmented_or_goes_to_a_group_leaves_by_itself() {
    let (a, group) = ("127.0.0.1:1000", "224.0.1.187:5683");
    let large = CUT_OCTETS_MAX + 1;
    let run = [to(a, 0..large), to(a, 0..large), to(group, 0..8), to(group, 0..8)];
    assert_eq!(arranged(&run).0, [1, 1, 1, 1]);
    let run = vec![to(a, 0..CUT_OCTETS_MAX); BATCH];
    let (counts, order) = arranged(&run);
    assert_eq!(counts, [48, 16], "a message stays below what one datagram could have");
    assert_eq!(order, IN_ORDER);
}

/// The way to one peer has narrower bounds: that is no reason to send to others one by one.
#[test]
fn one_peer_can_be_left_out() {
    let (a, b) = ("127.0.0.1:1000", "127.0.0.1:1001");
    let run = [to(a, 0..8), to(b, 0..8), to(a, 8..16), to(b, 8..16)];
    let mut messages = Messages::new();
    messages.arrange(&run, Cuts::AllBut(a.parse().unwrap()));
    let counts: Vec<u8> = messages.all().iter().map(|message| message.count).collect();
    assert_eq!((counts, messages.left()), (vec![1, 2, 1], &[0, 1, 3, 2][..]));
}

/// Other source addresses and interfaces are other messages.
#[test]
fn a_message_has_one_source() {
    let a = "10.0.0.1:1000";
    let from = |local: &str| Outgoing { local: Some(local.parse().unwrap()), ..to(a, 0..8) };
    let through = |interface| Outgoing { interface, ..from("10.0.0.3") };
    let run = [from("10.0.0.2"), from("10.0.0.3"), from("10.0.0.3"), through(7)];
    assert_eq!(arranged(&run), (vec![1, 2, 1], vec![0, 1, 2, 3]));
}

/// Peers that fall into one place of the table only miss being sent together.
#[test]
fn every_datagram_of_many_peers_leaves_once() {
    let run: Vec<Outgoing> = (0..BATCH).map(|number| to(&format!("127.0.0.1:{}", 1000 + number % 23), 0..8)).collect();
    let (counts, mut order) = arranged(&run);
    assert_eq!(counts.iter().map(|&count| usize::from(count)).sum::<usize>(), BATCH);
    let ports: Vec<_> = order.iter().map(|&number| (run[usize::from(number)].remote, number)).collect();
    for pair in ports.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        assert!(pair[0].1 < pair[1].1, "in order");
    }
    order.sort_unstable();
    assert_eq!(order, IN_ORDER);
}

/// Two peers, each with its own sequence of sizes; both get theirs whole and in order.
fn exchange(prepare: impl FnOnce(&mut Sockets)) -> Sockets {
    let mut sockets = Sockets::new(std::sync::Arc::default());
    sockets.listen("127.0.0.1:0".parse().unwrap(), false).unwrap();
    prepare(&mut sockets);
    let peers = [Peer::bind("127.0.0.1:0").unwrap(), Peer::bind("127.0.0.1:0").unwrap()];
    let octets: Vec<u8> = (0..=255).collect();
    let sizes = [20, 20, 20, 7, 7, 20, 1, 20];
    let run: Vec<Outgoing> = (0..2 * sizes.len())
        .map(|number| {
            let remote = peers[number % 2].local_addr().unwrap().to_string();
            to(&remote, number..number + sizes[number / 2])
        })
        .collect();
    sockets.send(&octets, &run);
    for (number, outgoing) in run.iter().enumerate() {
        let mut buffer = [0; 64];
        let count = peers[number % 2].recv(&mut buffer).unwrap();
        assert_eq!(buffer[..count], octets[outgoing.octets.clone()]);
    }
    assert_eq!(sockets.counters.datagrams_out.get(), run.len() as u64);
    assert_eq!(sockets.counters.datagrams_out_dropped.get(), 0);
    sockets
}

#[tokio::test(flavor = "current_thread")]
async fn the_system_cuts_messages_into_datagrams() {
    let sockets = exchange(|_| ());
    assert!(sockets.sockets[0].cuts, "Linux can since 4.18");
    assert_eq!(sockets.outgoing.messages.all().len(), 2 * 4);
}

/// The system refuses to cut where it may not compute checksums, as it does on some routes and devices.
#[tokio::test(flavor = "current_thread")]
async fn where_messages_are_refused_datagrams_leave_one_by_one() {
    let sockets = exchange(|sockets| {
        set_flag(sockets.sockets[0].fd.get_ref(), libc::SOL_SOCKET, libc::SO_NO_CHECK).unwrap();
    });
    assert_eq!(sockets.outgoing.messages.all().len(), 12, "first those of one peer, four of which had left, then all");
    assert!(sockets.sockets[0].cuts && sockets.sockets[0].refusals == 2, "it may be asked again");
}

/// Who refuses each time is not asked for ever; one message that passes makes up for what was refused.
#[tokio::test(flavor = "current_thread")]
async fn a_system_that_always_refuses_is_not_asked_any_more() {
    let mut sockets = exchange(|_| ());
    let peer = Peer::bind("127.0.0.1:0").unwrap();
    let run = [0..8, 8..16].map(|octets| to(&peer.local_addr().unwrap().to_string(), octets));
    sockets.sockets[0].refusals = REFUSALS_MAX - 1;
    sockets.send(&[7; 16], &run);
    assert_eq!(sockets.sockets[0].refusals, 0);
    set_flag(sockets.sockets[0].fd.get_ref(), libc::SOL_SOCKET, libc::SO_NO_CHECK).unwrap();
    for asked in 1..=REFUSALS_MAX {
        assert!(sockets.sockets[0].cuts);
        sockets.send(&[7; 16], &run);
        assert_eq!(sockets.sockets[0].refusals, asked);
    }
    assert!(!sockets.sockets[0].cuts);
    sockets.send(&[7; 16], &run);
    assert_eq!(sockets.sockets[0].refusals, REFUSALS_MAX);
    for _ in 0..2 * (REFUSALS_MAX + 2) {
        assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 8);
    }
}

/// A system that does not know how is given datagrams only.
#[tokio::test(flavor = "current_thread")]
async fn where_the_system_cannot_cut_it_is_not_asked_to() {
    let sockets = exchange(|sockets| sockets.sockets[0].cuts = false);
    assert_eq!(sockets.outgoing.messages.all().len(), 2 * 8);
}
