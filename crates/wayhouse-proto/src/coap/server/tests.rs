//! What depends on who asks, which no transport proves yet: the rule itself.

use std::borrow::Cow;

use wayhouse_wire::coap::{Code, Kind, Options};

use super::is_suppressed;
use crate::coap::endpoint::{GroupManners, Request, Response};
use crate::coap::facts::Facts;
use crate::io::{Meta, Peer, SocketId};

/// Whether a 4.04 is silence in a group, for a client that is known or not and what it says in No-Response.
fn is_silence(is_authenticated: bool, no_response: Option<u8>, honours_no_response: bool, is_multicast: bool) -> bool {
    let remote = "192.168.0.7:40000".parse().expect("an address");
    let socket = SocketId::Listener(0);
    let request = Request {
        peer: Peer::Datagram { socket, remote },
        meta: Meta { socket, remote, local: None, interface: 0, is_multicast, group: None },
        kind: Some(Kind::NonConfirmable),
        message_id: 1,
        token: &[],
        code: Code::GET,
        options: Options::default(),
        payload: Cow::Borrowed(&[]),
        observe: None,
        facts: Facts { no_response, is_authenticated, ..Facts::default() },
    };
    let to_groups = GroupManners { honours_no_response, ..GroupManners::default() };
    is_suppressed(&request, &Response { to_groups, ..Response::default() }, Code::NOT_FOUND)
}

#[test]
fn nr1_gc33_who_is_known_may_ask_for_what_would_be_silence_where_the_resource_allows_it() {
    assert!(is_silence(true, None, true, true));
    for nothing_listed in [0, 2, 16] {
        assert!(!is_silence(true, Some(nothing_listed), true, true));
        assert!(is_silence(false, Some(nothing_listed), true, true), "not who is unknown");
        assert!(is_silence(true, Some(nothing_listed), false, true), "not where the resource does not allow it");
    }
    assert!(is_silence(true, Some(8), true, true));
    // To one server alone, what is listed is silence, and nothing else.
    assert!(is_silence(false, Some(8), false, false) && !is_silence(false, Some(2), false, false));
    assert!(!is_silence(false, None, false, false));
}
