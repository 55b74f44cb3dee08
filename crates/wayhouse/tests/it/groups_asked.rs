//! A group asked through the daemon: five thousand members answer within a second.

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::http_rest::Operator;
use super::running::Running;

/// The index of the loopback interface on Linux.
const LOOPBACK: u32 = 1;
const MEMBERS: u32 = 5_000;
/// Octets that so many answers may make the daemon grow by.
const GROWTH_MAX: u64 = 50 << 20;

/// A socket that hears a group on loopback; its port is the group's.
fn member_of(group: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
    socket.bind(&SocketAddr::from((group, 0)).into()).expect("a free port");
    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(LOOPBACK)).expect("loopback takes groups");
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout above zero");
    socket
}

#[test]
fn five_thousand_answers_within_a_second_reach_the_person_who_asked() {
    let scratch = tempfile::tempdir().expect("a directory");
    let daemon = Running::start(scratch.path());
    let operator = Operator::of(&daemon);
    let group = Ipv4Addr::new(239, 77, 0, 1);
    let listener = member_of(group);
    let port = listener.local_addr().expect("bound").port();
    let before = daemon.resident_octets();
    let question = json!({ "uri": format!("coap://{group}:{port}/light"), "interfaces": ["lo"], "window_s": 8.0 });
    let (status, events) = operator.ask("POST", "/api/v1/groups/ask", &question.to_string());
    assert_eq!(status, 200);

    let mut request = [0; 256];
    let (octets, daemon_address) = listener.recv_from(&mut request).expect("the request to the group");
    let token_octets = usize::from(request[0] & 15);
    assert_eq!((request[0] >> 4, request[1]), (5, 1), "a NON GET");
    let token = request[4..4 + token_octets].to_vec();
    assert!(octets > 4 + token_octets);
    let started = Instant::now();
    for member in 0..MEMBERS {
        // A thousand in each fifth of the second, as the members' leisure would spread them.
        let due = Duration::from_micros(u64::from(member) * 1_000_000 / u64::from(MEMBERS));
        while started.elapsed() < due {
            std::hint::spin_loop();
        }
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 77, 0, 1)) + member);
        let socket = UdpSocket::bind((address, 0)).expect("loopback has this address");
        let mut answer = vec![0x50 | token_octets as u8, 0x45, (member >> 8) as u8, member as u8];
        answer.extend_from_slice(&token);
        answer.push(0xff);
        answer.extend_from_slice(member.to_string().as_bytes());
        socket.send_to(&answer, daemon_address).expect("loopback");
    }
    let took = started.elapsed();

    let mut members = BTreeSet::new();
    let mut kind = String::new();
    for line in events.lines() {
        let line = line.expect("text");
        match line.split_once(": ") {
            Some(("event", name)) => kind = name.to_owned(),
            Some(("data", _)) if kind == "end" => break,
            Some(("data", data)) if kind == "answer" => {
                let answer: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!(answer["code"], "2.05");
                assert!(members.insert(answer["from"].as_str().expect("a member").to_owned()), "nobody twice");
            }
            _ => {}
        }
    }
    let growth = daemon.resident_octets().saturating_sub(before);
    assert_eq!(members.len(), MEMBERS as usize, "sent within {took:?}");
    assert!(growth < GROWTH_MAX, "{} MB", growth >> 20);
    println!("{MEMBERS} answers sent within {took:?}, all delivered; the daemon grew by {} kB", growth >> 10);
    daemon.kill();
}
