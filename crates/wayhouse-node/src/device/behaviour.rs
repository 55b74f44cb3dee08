//! How a device is worse than it should be: slow, lossy, silent, wrong. Its conversation with its directory stays right.

use std::net::SocketAddr;
use std::time::Duration;

use wayhouse_proto::io::{Destination, Transmit};
use wayhouse_proto::rng::Rng;
use wayhouse_wire::coap::{Code, Header};

/// What is wrong with a device; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Behaviour {
    /// How late it answers: acknowledged first, answered separately.
    pub slow: Duration,
    /// Share of datagrams it loses, each way, 0.0..=1.0.
    pub loss: f64,
    /// It hears and does, and never answers.
    pub is_silent: bool,
    /// It answers with a wrong token, a wrong code, garbage, or twice.
    pub is_wrong: bool,
}

/// What becomes of a datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Sent,
    Lost,
    Twice,
}

/// Applies a behaviour to datagrams.
#[derive(Debug)]
pub(super) struct Mischief {
    behaviour: Behaviour,
    /// The directory.
    trusted: Option<SocketAddr>,
    rng: Rng,
}

/// Where the code stands in a message.
const CODE: usize = 1;
/// Where the token begins.
const TOKEN: usize = 4;

impl Mischief {
    pub(super) fn new(behaviour: Behaviour, trusted: Option<SocketAddr>, seed: u64) -> Mischief {
        Mischief { behaviour, trusted, rng: Rng::new(seed) }
    }

    /// Whether the next datagram is lost.
    pub(super) fn loses(&mut self) -> bool {
        self.behaviour.loss > 0.0 && self.rng.fraction() < self.behaviour.loss
    }

    /// Treats a datagram.
    pub(super) fn treat(&mut self, transmit: &Transmit, octets: &mut [u8]) -> Fate {
        if self.loses() {
            return Fate::Lost;
        }
        let Destination::Datagram { remote, .. } = transmit.to else { return Fate::Sent };
        let code = Header::peek(octets).map_or(Code::EMPTY, |header| header.code);
        if Some(remote) == self.trusted || code.is_request() {
            return Fate::Sent;
        }
        if self.behaviour.is_silent {
            return Fate::Lost;
        }
        if !self.behaviour.is_wrong || !code.is_response() {
            return Fate::Sent;
        }
        self.spoil(octets)
    }

    /// Makes a response wrong, never longer.
    fn spoil(&mut self, message: &mut [u8]) -> Fate {
        let has_token = message.len() > TOKEN && message[0] & 0x0f > 0;
        match self.rng.below(4) {
            0 if has_token => message[TOKEN] ^= 0xff,
            0 | 1 => {
                // None of a request's good answers: a class without meaning, one that means nothing here, a failure.
                let codes = [0x61, Code::CONTINUE.0, Code::INTERNAL_SERVER_ERROR.0];
                message[CODE] = codes[self.rng.below(codes.len() as u64) as usize];
            }
            2 => {
                for octet in message.iter_mut() {
                    *octet = self.rng.next_u64() as u8;
                }
            }
            _ => return Fate::Twice,
        }
        Fate::Sent
    }
}
