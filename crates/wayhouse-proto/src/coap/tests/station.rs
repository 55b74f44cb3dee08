//! An endpoint with a small application, under virtual time; the test plays the peer.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_wire::coap::{Code, OptionList};

use super::notation::Msg;
use crate::coap::endpoint::{
    Answer, Ask, Endpoint, ObserverId, PendingId, Received, Request, Response, Settings, Target,
};
use crate::io::{Destination, Meta, SocketId, StreamId, StreamInput, Transmit};

/// What the application does with a request.
pub(crate) enum Act {
    Respond(Response),
    Defer,
}

type App = Box<dyn FnMut(&Request<'_>) -> Act>;

/// Something that left.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) transmit: Transmit,
    pub(crate) octets: Vec<u8>,
}

impl Sent {
    pub(crate) fn msg(&self) -> Msg {
        Msg::decode(&self.octets)
    }
    pub(crate) fn to(&self) -> SocketAddr {
        match self.transmit.to {
            Destination::Datagram { remote, .. } => remote,
            other => panic!("not a datagram: {other:?}"),
        }
    }
    pub(crate) fn socket(&self) -> SocketId {
        match self.transmit.to {
            Destination::Datagram { socket, .. } => socket,
            other => panic!("not a datagram: {other:?}"),
        }
    }
}

/// The endpoint and what it told its application.
pub(crate) struct Station {
    pub(crate) endpoint: Endpoint,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
    /// Where datagrams come from unless the test says otherwise.
    pub(crate) meta: Meta,
    pub(crate) app: App,
    /// The notification that any observer gets.
    pub(crate) state: Response,
    /// Requests that the application saw, in notation.
    pub(crate) seen: Vec<String>,
    pub(crate) pendings: VecDeque<PendingId>,
    pub(crate) observers: Vec<ObserverId>,
    pub(crate) gone: Vec<ObserverId>,
    pub(crate) answers: VecDeque<Answer>,
}

/// A response of code and payload.
pub(crate) fn response(code: Code, payload: &str) -> Response {
    Response { code: Some(code), payload: payload.into(), ..Response::default() }
}

/// One that may be observed.
pub(crate) fn observable(payload: &str) -> Response {
    Response { is_observable: true, ..response(Code::CONTENT, payload) }
}

/// A body of which every octet tells where it stands.
pub(crate) fn body(octets: usize) -> String {
    (0..octets).map(|i| char::from(b'a' + (i / 16 % 26) as u8)).collect()
}

#[allow(clippy::disallowed_methods, reason = "the one start of virtual time")]
fn start() -> Instant {
    Instant::now()
}

pub(crate) const PEER: &str = "192.168.0.7:40000";

impl Station {
    pub(crate) fn new() -> Station {
        Station::with(Settings::default())
    }
    pub(crate) fn with(settings: Settings) -> Station {
        let now = start();
        let meta = Meta {
            socket: SocketId::Listener(0),
            remote: PEER.parse().expect("an address"),
            local: Some("192.168.0.1".parse().expect("an address")),
            interface: 3,
            is_multicast: false,
            group: None,
        };
        Station {
            endpoint: Endpoint::new(settings, 1),
            started: now,
            now,
            meta,
            app: Box::new(|_| Act::Respond(response(Code::CONTENT, "ok"))),
            state: observable("changed"),
            seen: Vec::new(),
            pendings: VecDeque::new(),
            observers: Vec::new(),
            gone: Vec::new(),
            answers: VecDeque::new(),
        }
    }
    /// An application that always answers the same.
    pub(crate) fn answering(response: Response) -> Station {
        let mut station = Station::new();
        station.answer(response);
        station
    }
    pub(crate) fn answer(&mut self, response: Response) {
        self.app = Box::new(move |_| Act::Respond(response.clone()));
    }
    /// An application that defers everything.
    pub(crate) fn deferring() -> Station {
        let mut station = Station::new();
        station.app = Box::new(|_| Act::Defer);
        station
    }
    /// The same peer address, from now on.
    pub(crate) fn set_peer(&mut self, address: &str) {
        self.meta.remote = address.parse().expect("an address");
    }
    pub(crate) fn group_meta(&self) -> Meta {
        let group: IpAddr = "224.0.1.187".parse().expect("an address");
        Meta { is_multicast: true, group: Some(group), local: None, ..self.meta }
    }

    /// A message arrives from the peer; what leaves at once.
    pub(crate) fn hear(&mut self, text: &str) -> Vec<Msg> {
        self.hear_octets(&Msg::parse(text).encode())
    }
    pub(crate) fn hear_octets(&mut self, octets: &[u8]) -> Vec<Msg> {
        let meta = self.meta;
        self.deliver(&meta, octets);
        self.drain().iter().map(Sent::msg).collect()
    }
    /// A message that gets exactly one answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, text: &str) -> Msg {
        let sent = self.hear(text);
        assert_eq!(
            sent.len(),
            1,
            "one answer to {text}, not {:?}",
            sent.iter().map(Msg::to_string).collect::<Vec<_>>()
        );
        sent.into_iter().next().expect("one")
    }

    pub(crate) fn deliver(&mut self, meta: &Meta, octets: &[u8]) {
        if let Received::Request(request) = self.endpoint.handle_datagram(self.now, meta, octets) {
            self.serve(&request);
        }
    }
    fn serve(&mut self, request: &Request<'_>) {
        let seen = Msg {
            kind: request.kind,
            code: request.code,
            message_id: request.message_id,
            token: request.token.to_vec(),
            options: request.options.iter().map(|option| (option.number, option.value.to_vec())).collect(),
            payload: request.payload.to_vec(),
        };
        self.seen.push(seen.to_string());
        match (self.app)(request) {
            Act::Respond(response) => {
                if let Some(observer) = self.endpoint.respond(self.now, request, &response) {
                    self.observers.push(observer);
                }
            }
            Act::Defer => {
                if let Some(pending) = self.endpoint.defer(self.now, request) {
                    self.pendings.push_back(pending);
                }
            }
        }
    }
    /// Answers the oldest deferred request; what leaves at once.
    pub(crate) fn settle(&mut self, response: &Response) -> Vec<Msg> {
        let pending = self.pendings.pop_front().expect("a deferred request");
        if let Some(observer) = self.endpoint.respond_deferred(self.now, pending, response) {
            self.observers.push(observer);
        }
        self.drain().iter().map(Sent::msg).collect()
    }
    /// As [`Station::settle`], and what leaves is left to the network.
    pub(crate) fn settle_later(&mut self, response: &Response) {
        let pending = self.pendings.pop_front().expect("a deferred request");
        self.endpoint.respond_deferred(self.now, pending, response);
    }
    /// Says that everything observed has changed; what leaves at once.
    pub(crate) fn change(&mut self, payload: &str) -> Vec<Msg> {
        self.state.payload = payload.into();
        for observer in self.observers.clone() {
            self.endpoint.mark_changed(self.now, observer);
        }
        self.drain().iter().map(Sent::msg).collect()
    }

    /// Takes everything that the endpoint has to say.
    pub(crate) fn drain(&mut self) -> Vec<Sent> {
        while let Some(observer) = self.endpoint.poll_due_notification(self.now) {
            let state = self.state.clone();
            self.endpoint.notify(self.now, observer, &state);
        }
        while let Some(observer) = self.endpoint.poll_gone_observer() {
            self.observers.retain(|candidate| *candidate != observer);
            self.gone.push(observer);
        }
        while let Some(answer) = self.endpoint.poll_answer() {
            self.answers.push_back(answer);
        }
        let mut sent = Vec::new();
        loop {
            let mut octets = Vec::new();
            let Some(transmit) = self.endpoint.poll_transmit(&mut octets) else { break };
            assert_eq!(octets.len(), transmit.octets);
            sent.push(Sent { at: self.now, transmit, octets });
        }
        sent
    }
    /// Lets time pass from wake-up to wake-up; everything that leaves meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = self.drain();
        while let Some(wakeup) = self.endpoint.poll_timeout().filter(|wakeup| wakeup.at <= end) {
            assert!(wakeup.at >= self.now, "a wake-up in the past: {wakeup:?}");
            self.now = wakeup.at;
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.drain());
        }
        self.now = end;
        sent
    }

    /// Starts a request to the peer; the messages that leave at once.
    pub(crate) fn request(&mut self, ask: Ask) -> Vec<Msg> {
        self.endpoint.request(self.now, ask).expect("an acceptable request");
        self.drain().iter().map(Sent::msg).collect()
    }
    /// A datagram for a request of ours: it comes to the client socket.
    pub(crate) fn hear_answer(&mut self, text: &str) -> Vec<Msg> {
        self.hear_answer_msg(&Msg::parse(text))
    }
    pub(crate) fn hear_answer_msg(&mut self, message: &Msg) -> Vec<Msg> {
        let meta = Meta { socket: SocketId::Client(0), ..self.meta };
        self.deliver(&meta, &message.encode());
        self.drain().iter().map(Sent::msg).collect()
    }
    /// The next answer: its code and payload, or the failure.
    pub(crate) fn take_answer(&mut self) -> Option<String> {
        let answer = self.answers.pop_front()?;
        let mut text = match &answer.outcome {
            Ok(reply) => {
                let code = reply.code.map_or("-".into(), |code| code.to_string());
                format!("{code} {}", String::from_utf8_lossy(&reply.payload))
            }
            Err(failure) => format!("{failure:?}"),
        };
        if answer.is_open {
            text.push_str(" (open)");
        }
        Some(text)
    }

    /// A connection is opened; the octets that leave at once.
    pub(crate) fn open(&mut self, stream: u64) -> Vec<u8> {
        let input = StreamInput::Opened {
            remote: self.meta.remote,
            local: "192.168.0.1:5683".parse().expect("an address"),
            is_initiator: false,
        };
        self.endpoint.handle_stream(self.now, StreamId(stream), input);
        self.stream_octets()
    }
    /// Octets arrive on a connection; what leaves.
    pub(crate) fn hear_stream(&mut self, stream: u64, octets: &[u8]) -> Vec<Sent> {
        self.endpoint.handle_stream(self.now, StreamId(stream), StreamInput::Data(octets));
        let mut scratch = Vec::new();
        while let Some(request) = self.endpoint.poll_stream(self.now, &mut scratch) {
            self.serve(&request);
        }
        self.drain()
    }
    fn stream_octets(&mut self) -> Vec<u8> {
        self.drain().into_iter().flat_map(|sent| sent.octets).collect()
    }
}

/// A confirmable request to the peer of a station.
pub(crate) fn ask(code: Code, path: &str) -> Ask {
    let mut options = OptionList::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        options.push(wayhouse_wire::coap::option::number::URI_PATH, segment.as_bytes());
    }
    let remote = PEER.parse().expect("an address");
    Ask::new(Target::Datagram { remote, local: None, interface: 0 }, code, options)
}
