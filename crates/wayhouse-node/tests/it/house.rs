//! A node in a bottle: clients that write and read CoAP messages, and a clock that only moves when told.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use wayhouse_node::{Config, Node};
use wayhouse_proto::coap::endpoint::Amplification;
use wayhouse_proto::io::{Destination, Meta, SocketId, Transmit};
use wayhouse_registry::Change;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, Message, content_format};

/// The first client's address.
pub const LAMP: &str = "[2001:db8::1]:5683";
/// Another client's.
pub const PHONE: &str = "[2001:db8::2]:40000";
/// The interface that clients are heard on unless they say otherwise.
pub const LINK: u32 = 3;

/// A request as a test writes it.
#[derive(Debug, Clone)]
pub struct Ask {
    code: Code,
    options: Vec<(u16, Vec<u8>)>,
    payload: Vec<u8>,
    is_multicast: bool,
    group: Option<IpAddr>,
    listener: u16,
    interface: u32,
}

/// A request with a path and query (no percent-encoding).
pub fn ask(code: Code, path_and_query: &str) -> Ask {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut options = Vec::new();
    for segment in path.split('/').skip(1).filter(|_| path != "/") {
        options.push((number::URI_PATH, segment.as_bytes().to_vec()));
    }
    for argument in query.iter().flat_map(|query| query.split('&')) {
        options.push((number::URI_QUERY, argument.as_bytes().to_vec()));
    }
    Ask { code, options, payload: Vec::new(), is_multicast: false, group: None, listener: 0, interface: LINK }
}
pub fn get(path_and_query: &str) -> Ask {
    ask(Code::GET, path_and_query)
}
pub fn post(path_and_query: &str) -> Ask {
    ask(Code::POST, path_and_query)
}
pub fn delete(path_and_query: &str) -> Ask {
    ask(Code::DELETE, path_and_query)
}

impl Ask {
    pub fn option(mut self, number: u16, value: &[u8]) -> Ask {
        self.options.push((number, value.to_vec()));
        self
    }
    pub fn links(self, links: &str) -> Ask {
        self.payload(content_format::LINK_FORMAT, links)
    }
    pub fn payload(mut self, format: u16, payload: &str) -> Ask {
        self.payload = payload.as_bytes().to_vec();
        let value = if format == 0 { vec![] } else { vec![format as u8] };
        self.option(number::CONTENT_FORMAT, &value)
    }
    pub fn observe(self) -> Ask {
        self.option(number::OBSERVE, &[])
    }
    pub fn by_multicast(mut self) -> Ask {
        self.is_multicast = true;
        self
    }
    /// To a multicast address, where the n-th listener serves its port.
    pub fn by_group(mut self, group: &str, listener: u16) -> Ask {
        self.group = Some(group.parse().expect("an address in a test"));
        self.listener = listener;
        self.by_multicast()
    }
    pub fn on_link(mut self, interface: u32) -> Ask {
        self.interface = interface;
        self
    }
}

/// A response as a test reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub to: SocketAddr,
    pub kind: Kind,
    pub code: Code,
    pub message_id: u16,
    pub token: Vec<u8>,
    pub options: Vec<(u16, Vec<u8>)>,
    pub payload: Vec<u8>,
    pub durable_after: u64,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }
    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == number).map(|(_, value)| value.as_slice())
    }
    pub fn all(&self, number: u16) -> Vec<String> {
        let values = self.options.iter().filter(|(other, _)| *other == number);
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }
    pub fn uint(&self, number: u16) -> Option<u64> {
        self.option(number).map(|value| value.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet)))
    }
    /// The path of a new registration.
    pub fn location(&self) -> String {
        assert_eq!(self.code, Code::CREATED, "{}", self.text());
        format!("/{}", self.all(number::LOCATION_PATH).join("/"))
    }
    /// The links of a document, sorted, each as written.
    pub fn links(&self) -> Vec<String> {
        assert_eq!(self.code, Code::CONTENT, "{}", self.text());
        let mut links = self.links_in_order();
        links.sort();
        links
    }
    pub fn links_in_order(&self) -> Vec<String> {
        let text = self.text();
        if text.is_empty() {
            return Vec::new();
        }
        text.split(",<").enumerate().map(|(n, link)| if n == 0 { link.into() } else { format!("<{link}") }).collect()
    }
}

/// A node, its surroundings and a clock.
pub struct House {
    pub node: Node,
    pub now: Instant,
    pub sent: Vec<Answer>,
    pub changes: Vec<Change>,
    next_message_id: u16,
}

impl House {
    pub fn new() -> House {
        House::with(|_| {})
    }
    pub fn with(configure: impl FnOnce(&mut Config)) -> House {
        let mut config = Config::default();
        // The clients here have global addresses and would be asked for Echo before large answers.
        config.coap.amplification = Amplification::Off;
        configure(&mut config);
        House::of(Node::new(config, 7))
    }
    pub fn of(node: Node) -> House {
        #[allow(clippy::disallowed_methods, reason = "some instant to start the virtual clock from")]
        let now = Instant::now();
        House { node, now, sent: Vec::new(), changes: Vec::new(), next_message_id: 1 }
    }
    /// Sends a request and returns the answer, whose whole body is fetched.
    pub fn ask(&mut self, from: &str, ask: Ask) -> Answer {
        let answer = self.ask_maybe(from, ask.clone());
        let mut answer = answer.unwrap_or_else(|| panic!("no answer to {ask:?}"));
        loop {
            let block = answer.option(number::BLOCK2).and_then(BlockValue::decode);
            let Some(block) = block.filter(|block| block.more) else { return answer };
            let next = BlockValue { num: block.num + 1, more: false, ..block };
            let mut again = ask.clone();
            again.options.retain(|(number, _)| *number != number::OBSERVE);
            let value = next.to_uint().to_be_bytes();
            let rest = self.ask_maybe(from, again.option(number::BLOCK2, &value[5..])).expect("the next block");
            assert_eq!(rest.code, answer.code, "{}", rest.text());
            answer.payload.extend_from_slice(&rest.payload);
            answer.options.retain(|(number, _)| *number != number::BLOCK2);
            answer.options.extend(rest.options.into_iter().filter(|(number, _)| *number == number::BLOCK2));
        }
    }
    /// Sends a request and returns the first answer, if there is one at once.
    pub fn ask_maybe(&mut self, from: &str, ask: Ask) -> Option<Answer> {
        let token = self.send(from, ask);
        let place = self.sent.iter().position(|answer| answer.token == token && answer.code.0 != 0)?;
        Some(self.sent.remove(place))
    }
    /// Sends a request and returns its token.
    pub fn send(&mut self, from: &str, ask: Ask) -> Vec<u8> {
        let message_id = self.next_message_id;
        self.next_message_id += 1;
        let token = message_id.to_be_bytes().to_vec();
        let kind = if ask.is_multicast { Kind::NonConfirmable } else { Kind::Confirmable };
        let mut bytes = Vec::new();
        let mut message = Encoder::datagram(&mut bytes, kind, ask.code, message_id, &token);
        let mut options = ask.options;
        options.sort_by_key(|(number, _)| *number);
        for (number, value) in &options {
            message.option(*number, value);
        }
        message.payload(&ask.payload);
        let meta = Meta {
            socket: SocketId::Listener(ask.listener),
            is_multicast: ask.is_multicast,
            group: ask.group,
            interface: ask.interface,
            ..meta(from)
        };
        self.node.handle_datagram(self.now, &meta, &bytes);
        self.drain();
        token
    }
    /// Answers a request of the node, piggybacked.
    pub fn reply(&mut self, to: &Answer, code: Code, options: &[(u16, &[u8])], payload: &str) {
        let mut bytes = Vec::new();
        let mut message = Encoder::datagram(&mut bytes, Kind::Acknowledgement, code, to.message_id, &to.token);
        for (number, value) in options {
            message.option(*number, value);
        }
        message.payload(payload.as_bytes());
        self.node.handle_datagram(self.now, &meta(&to.to.to_string()), &bytes);
        self.drain();
    }
    /// Acknowledges a message of the node, or resets it.
    pub fn acknowledge(&mut self, message: &Answer, kind: Kind) {
        let mut bytes = Vec::new();
        Encoder::datagram(&mut bytes, kind, Code::EMPTY, message.message_id, &[]);
        self.node.handle_datagram(self.now, &meta(&message.to.to_string()), &bytes);
        self.drain();
    }
    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..100_000 {
            match self.node.poll_timeout() {
                Some(wakeup) if wakeup.at <= until => {
                    self.now = self.now.max(wakeup.at);
                    self.node.handle_timeout(self.now);
                    self.drain();
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("the node never sleeps: {:?}", self.node.poll_timeout());
    }
    /// As [`House::advance`], for whole seconds.
    pub fn advance_s(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }
    /// The notifications with a token that were sent until all is quiet, each acknowledged.
    pub fn notifications(&mut self, token: &[u8]) -> Vec<Answer> {
        let mut notifications = Vec::new();
        for _ in 0..20 {
            let (found, rest): (Vec<Answer>, Vec<Answer>) =
                std::mem::take(&mut self.sent).into_iter().partition(|answer| answer.token == token);
            self.sent = rest;
            for notification in found {
                if notification.kind == Kind::Confirmable {
                    self.acknowledge(&notification, Kind::Acknowledgement);
                }
                if notifications.last().is_none_or(|last: &Answer| last.message_id != notification.message_id) {
                    notifications.push(notification);
                }
            }
            self.advance_s(1);
        }
        notifications
    }
    /// Takes what the node wants to send and store.
    pub fn drain(&mut self) {
        let mut out = Vec::new();
        while let Some(Transmit { to, octets, durable_after }) = self.node.poll_transmit(&mut out) {
            let bytes = out.split_off(out.len() - octets);
            let Destination::Datagram { remote, .. } = to else { continue };
            let message = Message::decode(&bytes).expect("the node sends well-formed messages");
            self.sent.push(Answer {
                to: remote,
                kind: message.kind,
                code: message.code,
                message_id: message.message_id,
                token: message.token.to_vec(),
                options: message.options.iter().map(|option| (option.number, option.value.to_vec())).collect(),
                payload: message.payload.to_vec(),
                durable_after,
            });
        }
        while let Some(change) = self.node.poll_persist() {
            self.changes.push(change);
        }
    }
    /// Registers, and returns the location.
    pub fn register(&mut self, from: &str, query: &str, links: &str) -> String {
        self.ask(from, post(&format!("/rd?{query}")).links(links)).location()
    }
    /// The answer to an endpoint lookup, as sorted links.
    pub fn endpoints(&mut self, query: &str) -> Vec<String> {
        self.ask(PHONE, get(&with_query("/rd-lookup/ep", query))).links()
    }
    /// The answer to a resource lookup, as sorted links.
    pub fn resources(&mut self, query: &str) -> Vec<String> {
        self.ask(PHONE, get(&with_query("/rd-lookup/res", query))).links()
    }
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Where a client's datagrams come from.
pub fn meta(from: &str) -> Meta {
    Meta {
        socket: SocketId::Listener(0),
        remote: from.parse().expect("an address in a test"),
        local: Some("2001:db8::53".parse().expect("an address in a test")),
        interface: LINK,
        is_multicast: false,
        group: None,
    }
}
