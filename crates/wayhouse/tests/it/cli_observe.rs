//! `observe`: notifications until enough, until the end, or until Ctrl-C.

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::cli_server::{Running, Server, content, say, wayhouse};

#[test]
fn notifications_are_printed_up_to_the_count() {
    let server = Server::udp(|seen| match seen.uint(number::OBSERVE) {
        Some(0) => (1..=3).map(|state| content(0, format!("state {state}")).uint(number::OBSERVE, state)).collect(),
        _ => vec![content(0, "state 3")],
    });
    let ended = wayhouse(&["observe", "--count", "3", &server.uri("/t")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{ended:?}");
    for (index, pair) in lines.chunks(2).enumerate() {
        assert!(pair[0].starts_with("[20") && pair[0].ends_with("Z] 2.05 Content"), "{pair:?}");
        assert_eq!(pair[1], format!("state {}", index + 1));
    }
    assert_eq!(server.next().uint(number::OBSERVE), Some(0));
}

#[test]
fn each_notification_is_one_json_line() {
    let server = Server::udp(|seen| match seen.uint(number::OBSERVE) {
        Some(0) => (1..=2).map(|state| content(60, [state as u8]).uint(number::OBSERVE, state)).collect(),
        _ => vec![content(60, [2])],
    });
    let ended = wayhouse(&["observe", "--count", "2", "--json", &server.uri("/t")]);
    let values: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(values.iter().map(|value| value["cbor"].as_str()).collect::<Vec<_>>(), [Some("1"), Some("2")]);
    assert!(values.iter().all(|value| value["at"].is_string() && value["code"] == "2.05"));
}

#[test]
fn what_cannot_be_observed_is_printed_once_and_ends_with_1() {
    let server = Server::udp(|_| vec![content(0, "static")]);
    let ended = wayhouse(&["observe", &server.uri("/t")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("static"));
    assert!(ended.stderr.contains("does not let this resource be observed"), "{ended:?}");
}

#[test]
fn a_refusal_ends_the_observation_with_1() {
    let server = Server::udp(|seen| match seen.uint(number::OBSERVE) {
        Some(0) => vec![content(0, "first").uint(number::OBSERVE, 1), say(Code::NOT_FOUND)],
        _ => vec![say(Code::NOT_FOUND)],
    });
    let ended = wayhouse(&["observe", &server.uri("/t")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("4.04 Not Found"), "{ended:?}");
}

#[test]
fn ctrl_c_cancels_and_ends_with_0() {
    let server = Server::udp(|_| vec![content(0, "on").uint(number::OBSERVE, 1)]);
    let running = Running::start(&["observe", &server.uri("/t")]);
    assert_eq!(server.next().uint(number::OBSERVE), Some(0));
    assert_eq!(running.interrupt().code, Some(0));
}
