//! Arbitrary answers of members to requests and observations of ours to a group: the engine neither panics nor leaves its
//! bounds, sends only well-formed messages, answers only whom it asked, and always comes to rest.
//!
//! The input is a list of steps: `kind (1) | member (1) | length (1) | octets`.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wayhouse_proto::coap::endpoint::{Endpoint, FollowUp, GroupAsk, Received, Repetition, RequestId, Settings};
use wayhouse_proto::coap::limits::Limits;
use wayhouse_proto::io::{Destination, Meta, SocketId};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message, OptionList};

const REQUESTS_MAX: usize = 8;
const ROUNDS_MAX: usize = 10_000;

struct Client {
    endpoint: Endpoint,
    now: Instant,
    /// Tokens of ours, the latest last.
    tokens: Vec<Vec<u8>>,
    /// The last confirmable message of ours: to whom, message ID, token.
    confirmable: Option<(SocketAddr, u16, Vec<u8>)>,
    ids: Vec<RequestId>,
}

fuzz_target!(|input: &[u8]| {
    let limits = Limits {
        requests_max: REQUESTS_MAX,
        group_members_max: 6,
        retired_tokens_max: 4,
        body_octets_max: 4_096,
        cache_octets_max: 8_192,
        ..Limits::default()
    };
    let endpoint = Endpoint::new(Settings { limits, ..Settings::default() }, 1);
    let mut client =
        Client { endpoint, now: Instant::now(), tokens: Vec::new(), confirmable: None, ids: Vec::new() };
    let mut rest = input;
    while let [kind, member, length, tail @ ..] = rest {
        let (octets, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        client.step(*kind, *member, octets);
        client.settle();
    }
    // Whatever happened, cancelling everything leaves nothing that goes on for ever.
    for id in std::mem::take(&mut client.ids) {
        client.endpoint.cancel(client.now, id);
        client.settle();
    }
    for _ in 0..200 {
        client.now += Duration::from_secs(10);
        client.settle();
    }
    assert_eq!(client.endpoint.request_count(), 0);
});

impl Client {
    fn step(&mut self, kind: u8, member: u8, octets: &[u8]) {
        match kind % 8 {
            0 => self.ask(member, octets),
            1 => self.now += Duration::from_millis(u64::from(member) * 500),
            2 => {
                if let Some(id) = self.ids.get(usize::from(member)) {
                    self.endpoint.cancel(self.now, *id);
                }
            }
            3 => {
                if let (Some(id), Some(octet)) = (self.ids.last(), octets.first()) {
                    self.endpoint.cancel_member(self.now, *id, address(*octet));
                }
            }
            4 => self.hear(member, octets),
            _ => self.answer(kind, member, octets),
        }
    }

    fn ask(&mut self, selector: u8, octets: &[u8]) {
        let mut options = OptionList::new();
        options.push(number::URI_PATH, octets.get(..octets.len().min(20)).unwrap_or_default());
        let bit = |number: u8| selector >> number & 1 == 1;
        let ask = GroupAsk {
            is_observation: bit(0),
            block_szx: bit(1).then_some(0),
            answers_max: bit(2).then_some(2),
            members: if bit(3) { (0..3).map(address).collect() } else { Vec::new() },
            asks_silent: bit(4),
            repetition: bit(5).then_some(Repetition { times: 2, after: None, is_same_message: bit(6) }),
            follow_up: if bit(6) { FollowUp::Group } else { FollowUp::Unicast },
            may_use_cache: bit(7),
            ..GroupAsk::new(SocketAddr::from(([224, 0, 1, selector & 3], 5683)), Code::GET, options)
        };
        if let Ok(id) = self.endpoint.request_group(self.now, ask) {
            self.ids.push(id);
        }
    }

    /// Octets as they are.
    fn hear(&mut self, member: u8, octets: &[u8]) {
        if let Received::Request(request) = self.endpoint.handle_datagram(self.now, &meta(address(member)), octets) {
            self.endpoint.challenge(self.now, &request);
        }
    }

    /// A response with one of our tokens: options from the octets.
    fn answer(&mut self, selector: u8, member: u8, octets: &[u8]) {
        let [first, second, rest @ ..] = octets else { return };
        let mut bytes = Vec::new();
        let mut to = address(member);
        let (kind, message_id, token) = match (selector & 0x80 != 0, &self.confirmable) {
            (true, Some((remote, message_id, token))) => {
                to = *remote;
                (Kind::Acknowledgement, *message_id, token.clone())
            }
            _ => {
                let kind = if selector & 0x40 != 0 { Kind::Confirmable } else { Kind::NonConfirmable };
                let place = self.tokens.len().checked_sub(1 + usize::from(*first & 3));
                (kind, u16::from(*second), place.map(|place| self.tokens[place].clone()).unwrap_or_default())
            }
        };
        let codes = [Code::CONTENT, Code::VALID, Code::UNAUTHORIZED, Code::NOT_FOUND];
        let mut message = Encoder::datagram(&mut bytes, kind, codes[usize::from(selector >> 4 & 3)], message_id, &token);
        if first & 4 != 0 {
            message.option(number::ETAG, &[*second]);
        }
        if first & 8 != 0 {
            message.option_uint(number::OBSERVE, u64::from(*second));
        }
        if first & 16 != 0 {
            message.option_uint(number::MAX_AGE, u64::from(*second & 15));
        }
        if first & 32 != 0 {
            message.option_uint(number::BLOCK2, u64::from(*second));
        }
        if first & 64 != 0 {
            message.option(number::ECHO, &[*second; 8]);
        }
        message.payload(rest);
        let _ = self.endpoint.handle_datagram(self.now, &meta(to), &bytes);
    }

    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the engine never rests: {:?}", self.endpoint.poll_timeout());
            while self.endpoint.poll_answer().is_some() {}
            let mut out = Vec::new();
            while let Some(transmit) = self.endpoint.poll_transmit(&mut out) {
                let octets = out.split_off(out.len() - transmit.octets);
                let Destination::Datagram { remote, .. } = transmit.to else { panic!("no connection was opened") };
                let message = Message::decode(&octets).expect("a well-formed message");
                if message.code.is_request() && !self.tokens.iter().any(|token| *token == message.token) {
                    self.tokens.push(message.token.to_vec());
                }
                if message.kind == Kind::Confirmable {
                    self.confirmable = Some((remote, message.message_id, message.token.to_vec()));
                }
            }
            if self.endpoint.poll_timeout().is_none_or(|wakeup| wakeup.at > self.now) {
                break;
            }
            self.endpoint.handle_timeout(self.now);
        }
        assert!(self.endpoint.request_count() <= REQUESTS_MAX);
    }
}

fn address(member: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1 + member % 8), 5683 + u16::from(member >> 7)))
}

fn meta(remote: SocketAddr) -> Meta {
    Meta { socket: SocketId::Group, remote, local: None, interface: 1, is_multicast: false, group: None }
}
