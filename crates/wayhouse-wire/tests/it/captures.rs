//! Captures of group communication between foreign programs and ours (`cargo xtask netns` makes them anew with
//! WAYHOUSE_KEEP_CAPTURES=1): every CoAP message in them is understood.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wayhouse_wire::coap::{Code, Encoder, Kind, Message};

/// A UDP datagram of a capture.
struct Datagram {
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    payload: Vec<u8>,
}

/// Reads a capture of Ethernet frames in the classic format (little-endian), the UDP datagrams in it.
fn datagrams(name: &str) -> Vec<Datagram> {
    let path = format!("{}/vectors/captures/{name}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1], "a classic capture");
    let mut found = Vec::new();
    let mut rest = &file[24..];
    while let [_, _, _, _, _, _, _, _, a, b, c, d, _, _, _, _, tail @ ..] = rest {
        let octets = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (frame, after) = tail.split_at(octets);
        rest = after;
        let port = |udp: &[u8], at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        let (from, to, udp) = match frame[12..14] {
            [0x08, 0x00] => {
                let ip = &frame[14..];
                let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
                (IpAddr::V4(address(12)), IpAddr::V4(address(16)), &ip[usize::from(ip[0] & 15) * 4..])
            }
            [0x86, 0xdd] => {
                let ip = &frame[14..];
                let address =
                    |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).expect("sixteen octets"));
                (IpAddr::V6(address(8)), IpAddr::V6(address(24)), &ip[40..])
            }
            _ => continue,
        };
        let length = usize::from(port(udp, 4));
        found.push(Datagram { from: (from, port(udp, 0)), to: (to, port(udp, 2)), payload: udp[8..length].to_vec() });
    }
    found
}

/// Every message decodes and encodes to the same octets.
fn messages(datagrams: &[Datagram]) -> Vec<(&Datagram, Message<'_>)> {
    datagrams
        .iter()
        .map(|datagram| {
            let message = Message::decode(&datagram.payload).expect("a CoAP message");
            let mut again = Vec::new();
            let mut encoder =
                Encoder::datagram(&mut again, message.kind, message.code, message.message_id, message.token);
            for option in message.options.iter() {
                encoder.option(option.number, option.value);
            }
            encoder.payload(message.payload);
            assert_eq!(again, datagram.payload, "the same octets again");
            (datagram, message)
        })
        .collect()
}

/// An answer: from whom, with what.
type Answer = ((IpAddr, u16), String);

/// The answers that have the token of the request to a group.
fn conversation(name: &str) -> Vec<Answer> {
    let datagrams = datagrams(name);
    let messages = messages(&datagrams);
    let (asked, request) =
        messages.iter().find(|(datagram, _)| datagram.to.0.is_multicast()).expect("a request to a group");
    assert_eq!((request.kind, request.code, asked.to.1), (Kind::NonConfirmable, Code::GET, 5683));
    messages
        .iter()
        .filter(|(datagram, message)| message.code.is_response() && datagram.to == asked.from)
        .map(|(datagram, message)| {
            assert_eq!(message.token, request.token, "GC11: the token alone tells");
            assert_eq!(message.code, Code::CONTENT);
            (datagram.from, String::from_utf8_lossy(message.payload).into_owned())
        })
        .collect()
}

#[test]
fn gc11_members_of_aiocoap_and_libcoap_answer_from_their_own_addresses() {
    for name in ["foreign_members_v4.pcap", "foreign_members_v6.pcap"] {
        let answers = conversation(name);
        assert_eq!(answers.len(), 2, "{name}: {answers:?}");
        assert_ne!(answers[0].0.0, answers[1].0.0, "{name}");
        assert!(answers.iter().any(|(_, text)| text == "aiocoap attic"), "{name}: {answers:?}");
        assert!(answers.iter().any(|(_, text)| !text.starts_with("aiocoap")), "{name}: libcoap tells the time");
    }
}

#[test]
fn gc11_our_devices_answer_a_foreign_client_each_from_its_own_address() {
    let answers = conversation("our_devices.pcap");
    let senders: std::collections::BTreeSet<_> = answers.iter().map(|(from, _)| *from).collect();
    assert_eq!((answers.len(), senders.len()), (5, 5), "{answers:?}");
    for ((_, port), text) in &answers {
        assert_eq!(*port, 5683);
        assert_eq!(text, "off");
    }
}
