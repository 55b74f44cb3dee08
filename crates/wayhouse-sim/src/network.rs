//! A seeded network: datagrams wait in flight, get lost, doubled, late and out of order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wayhouse_proto::rng::Rng;

/// How bad the network is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Shortest way.
    pub delay_min: Duration,
    /// Longest way; more than the shortest reorders.
    pub delay_max: Duration,
    /// Share of datagrams lost, 0.0..=1.0.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    pub duplication: f64,
}

impl Weather {
    /// A quiet wire.
    pub const CALM: Weather = Weather {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        loss: 0.0,
        duplication: 0.0,
    };
    /// What a busy mesh does to its guests.
    pub const ROUGH: Weather = Weather {
        delay_min: Duration::from_millis(5),
        delay_max: Duration::from_millis(400),
        loss: 0.2,
        duplication: 0.1,
    };
}

/// A datagram under way.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// The group that it was sent to, of which the receiver is a member.
    pub group: Option<SocketAddr>,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Everything under way.
#[derive(Debug)]
pub struct Network {
    /// How bad it is.
    pub weather: Weather,
    rng: Rng,
    in_flight: BTreeMap<(Instant, u64), Packet>,
    next: u64,
    is_cut: bool,
}

impl Network {
    /// An empty network.
    pub fn new(weather: Weather, seed: u64) -> Network {
        Network { weather, rng: Rng::new(seed), in_flight: BTreeMap::new(), next: 0, is_cut: false }
    }
    /// Cuts or mends everything: a partition loses what is sent, what is under way still arrives.
    pub fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }
    /// Takes a datagram.
    pub fn send(&mut self, now: Instant, packet: Packet) {
        if self.is_cut || self.rng.fraction() < self.weather.loss {
            return;
        }
        let copies = if self.rng.fraction() < self.weather.duplication { 2 } else { 1 };
        for _ in 0..copies {
            let spread = (self.weather.delay_max - self.weather.delay_min).as_micros() as u64;
            let delay = self.weather.delay_min + Duration::from_micros(self.rng.below(spread + 1));
            self.next += 1;
            self.in_flight.insert((now + delay, self.next), packet.clone());
        }
    }
    /// Takes a datagram for the members of a group: what becomes of one copy says nothing of the others.
    pub fn multicast(
        &mut self,
        now: Instant,
        from: SocketAddr,
        group: SocketAddr,
        members: &[SocketAddr],
        bytes: &[u8],
    ) {
        for &to in members {
            self.send(now, Packet { from, to, group: Some(group), bytes: bytes.to_vec() });
        }
    }
    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }
    /// The datagram that arrives by `now`, if any.
    pub fn arrive(&mut self, now: Instant) -> Option<Packet> {
        let entry = self.in_flight.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
