//! Options of the CoAP endpoint.

use std::time::Duration;

use wayhouse_proto::coap::endpoint::Amplification;

use super::{Kind, SOCKET_ADDRESS_HINT, Setting, Value, Words, Wrong, of_word, parse_all, word_of};

const AMPLIFICATION: &Words<Amplification> =
    &[("off", Amplification::Off), ("global", Amplification::Global), ("all", Amplification::All)];

/// Blocks are powers of two between these.
const BLOCK_OCTETS: std::ops::RangeInclusive<u64> = 16..=1024;

/// The options.
pub const OPTIONS: &[Setting] = &[
    setting!(
        "coap.listen",
        Kind::List,
        |settings| Value::List(settings.coap.listen.iter().map(ToString::to_string).collect()),
        |settings, value| {
            settings.coap.listen = parse_all(value, SOCKET_ADDRESS_HINT)?;
            Ok(())
        },
        "Addresses and ports for CoAP over UDP and TCP. IPv4 and IPv6 are apart: [::] does not stand for 0.0.0.0."
    ),
    flag!("coap.udp", coap.is_udp_on, "Whether CoAP over UDP is served."),
    flag!("coap.tcp", coap.is_tcp_on, "Whether CoAP over TCP is served."),
    flag!(
        "coap.multicast",
        coap.is_multicast_on,
        "Whether UDP listeners on [::] and 0.0.0.0 join \"All CoAP Nodes\" and \"All CoRE Resource Directories\" on every",
        "network interface, so that devices find the directory without knowing its address."
    ),
    setting!(
        "coap.amplification",
        Kind::Choice(&["off", "global", "all"]),
        |settings| word_of(AMPLIFICATION, &settings.node.coap.amplification),
        |settings, value| {
            settings.node.coap.amplification = of_word(AMPLIFICATION, value)?;
            Ok(())
        },
        "Who must prove that it is reachable before an answer over UDP may be more than three times as large as its",
        "request: nobody (off), all outside private and link-local networks (global), all but this machine (all)."
    ),
    setting!(
        "coap.block_octets",
        Kind::Number(*BLOCK_OCTETS.start(), *BLOCK_OCTETS.end()),
        |settings| Value::Number(BLOCK_OCTETS.start() << settings.node.coap.block_szx),
        |settings, value| {
            let octets = value.number();
            if !octets.is_power_of_two() {
                return Err(Wrong::new(
                    format!("{octets} is no power of two"),
                    "use 16, 32, 64, 128, 256, 512 or 1024",
                ));
            }
            settings.node.coap.block_szx = (octets / BLOCK_OCTETS.start()).trailing_zeros() as u8;
            Ok(())
        },
        "Largest block in which bodies are sent and asked for, octets."
    ),
    milliseconds!(
        "coap.ack_timeout_ms",
        node.coap.params.ack_timeout,
        1,
        60_000,
        "First wait for an acknowledgment before a message is sent again (ACK_TIMEOUT), milliseconds."
    ),
    number!(
        "coap.max_retransmit",
        node.coap.params.max_retransmit,
        0,
        10,
        "How often a message is sent again (MAX_RETRANSMIT)."
    ),
    number!(
        "coap.nstart",
        node.coap.params.nstart,
        1,
        64,
        "Own requests and notifications under way to one peer at a time (NSTART)."
    ),
    milliseconds!(
        "coap.leisure_ms",
        node.coap.params.default_leisure,
        0,
        60_000,
        "Time over which answers to multicast requests are spread (DEFAULT_LEISURE), milliseconds."
    ),
    number!(
        "coap.body_octets_max",
        node.coap.limits.body_octets_max,
        1024,
        1 << 30,
        "Largest body taken in blocks, octets. Larger ones are answered with 4.13."
    ),
    number!(
        "coap.bodies_octets_max",
        node.coap.limits.bodies_octets_max,
        1024,
        1 << 36,
        "Octets of all bodies being taken or given in blocks. Beyond, the oldest is dropped."
    ),
    number!(
        "coap.remembered_answers_max",
        node.coap.limits.remembered_answers_max,
        1,
        1 << 24,
        "Answers remembered for requests that arrive twice. Beyond, the oldest is forgotten."
    ),
    number!(
        "coap.observers_max",
        node.coap.limits.observers_max,
        0,
        1 << 24,
        "Observers at a time. Beyond, requests are answered once, without observation."
    ),
    number!(
        "coap.observers_per_peer_max",
        node.coap.limits.observers_per_peer_max,
        0,
        1 << 24,
        "Observers of one peer at a time. Beyond, as above."
    ),
    number!(
        "coap.client_ports_max",
        node.coap.limits.client_sockets_max,
        1,
        1024,
        "Ports from which own requests are sent, as message IDs run out. Beyond, own requests wait for another time."
    ),
    number!(
        "coap.connections_max",
        node.coap.limits.streams_max,
        0,
        1 << 16,
        "Connections over TCP at a time. Beyond, new ones are closed."
    ),
    number!(
        "coap.connections_per_address",
        coap.connections_per_address,
        0,
        1 << 16,
        "How many of them one address may have. 0: no limit."
    ),
    number!(
        "coap.stream_message_octets_max",
        node.coap.limits.stream_message_octets_max,
        1152,
        1 << 30,
        "Largest message taken over TCP, octets. Larger ones end the connection."
    ),
];
