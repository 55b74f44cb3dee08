//! A client, a group of members, and the network between them; the test decides what becomes of each datagram.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::notation::Msg;
use super::station::Station;
use crate::coap::Response;
use crate::coap::endpoint::{GroupAsk, RequestId, Settings};
use crate::io::{Destination, Meta, SocketId};
use crate::rng::Rng;

pub(crate) const GROUP: &str = "224.0.1.187:5683";
pub(crate) const CLIENT: &str = "192.168.0.9:50000";

/// A datagram on the way.
struct Flying {
    at: Instant,
    sequence: u64,
    /// The member it goes to, or the client.
    to: Option<usize>,
    from: SocketAddr,
    is_multicast: bool,
    octets: Vec<u8>,
}

/// Whether a datagram is lost: of the message, and the member it goes to or comes from.
type Loss = Box<dyn FnMut(&Msg, usize, bool) -> bool>;

/// All of them.
pub(crate) struct Crowd {
    pub(crate) client: Station,
    pub(crate) members: Vec<Station>,
    pub(crate) latency: Duration,
    /// Decides by message, member, and whether it goes to the member.
    pub(crate) is_lost: Loss,
    /// Every datagram that was sent, with its time: `>N` to member N, `>*` to the group, `<N` from member N.
    pub(crate) log: Vec<(Duration, String)>,
    /// Octets that came to each member, and that it sent.
    pub(crate) octets: Vec<(usize, usize)>,
    flying: Vec<Flying>,
    sequence: u64,
}

/// The address of a member.
pub(crate) fn member(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 168, 1 + (index / 250) as u8, 1 + (index % 250) as u8], 5683))
}

impl Crowd {
    /// So many members, each answering with its own number.
    pub(crate) fn new(members: usize) -> Crowd {
        Crowd::with(members, &Settings::default())
    }
    pub(crate) fn with(members: usize, settings: &Settings) -> Crowd {
        let client = Station::new();
        let mut crowd = Crowd {
            members: Vec::new(),
            latency: Duration::from_millis(10),
            is_lost: Box::new(|_, _, _| false),
            log: Vec::new(),
            octets: vec![(0, 0); members],
            flying: Vec::new(),
            sequence: 0,
            client,
        };
        for index in 0..members {
            let mut station = Station::with(settings.clone());
            station.endpoint = crate::coap::Endpoint::new(settings.clone(), 100 + index as u64);
            (station.now, station.started) = (crowd.client.now, crowd.client.started);
            station.answer(super::station::response(wayhouse_wire::coap::Code::CONTENT, &index.to_string()));
            crowd.members.push(station);
        }
        crowd
    }
    /// Loses each datagram with this probability, the same ones every time.
    pub(crate) fn lose(&mut self, fraction: f64, seed: u64) {
        let mut rng = Rng::new(seed);
        self.is_lost = Box::new(move |_, _, _| rng.fraction() < fraction);
    }
    /// What every member answers from now on.
    pub(crate) fn answer(&mut self, response: impl Fn(usize) -> Response) {
        for (index, member) in self.members.iter_mut().enumerate() {
            member.answer(response(index));
        }
    }
    pub(crate) fn ask(&mut self, ask: GroupAsk) -> RequestId {
        let id = self.client.endpoint.request_group(self.client.now, ask).expect("an acceptable request");
        self.exchange();
        id
    }
    /// Answers so far as `member: code payload`, in order of arrival; the last one is without member.
    pub(crate) fn take_answers(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(from) = self.client.answers.front().map(|answer| answer.from) {
            let text = self.client.take_answer().expect("it is there");
            let index = from.and_then(|from| (0..self.members.len()).find(|index| member(*index) == from));
            texts.push(match (index, from) {
                (Some(index), _) => format!("{index}: {}", text.trim_end_matches(" (open)")),
                (None, Some(from)) => format!("{from}: {text}"),
                (None, None) => text,
            });
        }
        texts
    }
    /// Lines of the log that contain a text.
    pub(crate) fn logged(&self, part: &str) -> Vec<&str> {
        self.log.iter().map(|(_, line)| line.as_str()).filter(|line| line.contains(part)).collect()
    }

    /// Puts what all have to say onto the network.
    pub(crate) fn exchange(&mut self) {
        for sent in self.client.drain() {
            let Destination::Datagram { socket, remote, .. } = sent.transmit.to else { panic!("not a datagram") };
            assert_eq!(socket, SocketId::Group, "all requests of these tests concern the group");
            let is_multicast = remote.ip().is_multicast();
            let to: Vec<usize> = match is_multicast {
                true => (0..self.members.len()).collect(),
                false => (0..self.members.len()).filter(|index| member(*index) == remote).collect(),
            };
            let target = if is_multicast { "*".into() } else { to.first().map_or("?".into(), usize::to_string) };
            self.log.push((sent.at - self.client.started, format!(">{target} {}", sent.msg())));
            for index in to {
                self.fly(sent.at, Some(index), CLIENT.parse().expect("an address"), is_multicast, &sent.octets);
            }
        }
        for index in 0..self.members.len() {
            for sent in self.members[index].drain() {
                self.log.push((sent.at - self.client.started, format!("<{index} {}", sent.msg())));
                self.octets[index].1 += sent.octets.len();
                if sent.to() == CLIENT.parse().expect("an address") {
                    self.fly(sent.at, None, member(index), false, &sent.octets);
                }
            }
        }
    }
    fn fly(&mut self, at: Instant, to: Option<usize>, from: SocketAddr, is_multicast: bool, octets: &[u8]) {
        let index = to.or_else(|| (0..self.members.len()).find(|index| member(*index) == from)).expect("a member");
        if (self.is_lost)(&Msg::decode(octets), index, to.is_some()) {
            return;
        }
        self.sequence += 1;
        let octets = octets.to_vec();
        self.flying.push(Flying { at: at + self.latency, sequence: self.sequence, to, from, is_multicast, octets });
    }
    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.client.now + time;
        loop {
            self.exchange();
            let arrival = self.flying.iter().map(|flying| flying.at).min();
            let stations = self.members.iter().chain([&self.client]);
            let wakeup = stations.filter_map(|station| station.endpoint.poll_timeout()).map(|wakeup| wakeup.at).min();
            let Some(next) = arrival.into_iter().chain(wakeup).min().filter(|next| *next <= end) else { break };
            self.set_time(next.max(self.client.now));
            for station in self.members.iter_mut().chain([&mut self.client]) {
                if station.endpoint.poll_timeout().is_some_and(|wakeup| wakeup.at <= next) {
                    station.endpoint.handle_timeout(next);
                }
            }
            self.flying.sort_by_key(|flying| (flying.at, flying.sequence));
            let later = self.flying.iter().position(|flying| flying.at > next).unwrap_or(self.flying.len());
            for flying in self.flying.drain(..later).collect::<Vec<_>>() {
                match flying.to {
                    Some(index) => {
                        self.octets[index].0 += flying.octets.len();
                        let station = &mut self.members[index];
                        let base = if flying.is_multicast { station.group_meta() } else { station.meta };
                        station.deliver(&Meta { remote: flying.from, ..base }, &flying.octets);
                    }
                    None => {
                        let meta = Meta { socket: SocketId::Group, remote: flying.from, ..self.client.meta };
                        self.client.deliver(&meta, &flying.octets);
                    }
                }
            }
        }
        self.set_time(end);
    }
    fn set_time(&mut self, now: Instant) {
        for station in self.members.iter_mut().chain([&mut self.client]) {
            station.now = now;
        }
    }
}

/// A GET to the group.
pub(crate) fn get(path: &str) -> GroupAsk {
    let ask = super::station::ask(wayhouse_wire::coap::Code::GET, path);
    GroupAsk::new(GROUP.parse().expect("an address"), ask.code, ask.options)
}
