use std::net::SocketAddr;

use wayhouse_proto::coap::Ask;
use wayhouse_proto::coap::endpoint::{Failure, Target};
use wayhouse_proto::io::{Destination, SocketId};
use wayhouse_wire::coap::{Kind as MessageKind, Message};

use super::*;
use crate::{Command, Config, Node, Reply};

const DEVICE: &str = "192.168.7.2:5683";
const CLIENT: &str = "192.168.7.9";
const DIRECTORY: &str = "192.168.7.1:5683";
const FLOOR: &str = "239.1.2.3:5683";
const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A device, its directory, and a client, on a network that loses nothing and takes no time.
struct Lab {
    now: Instant,
    device: Device,
    directory: Node,
    client: Endpoint,
    answers: Vec<Answer>,
    /// Datagrams of the device to the client.
    sent: Vec<Vec<u8>>,
    /// Datagrams of the device to a group.
    to_groups: Vec<Vec<u8>>,
}

impl Lab {
    fn new(kind: Kind) -> Lab {
        Lab::with(Settings::new(kind, "one"))
    }
    fn with(settings: Settings) -> Lab {
        #[allow(clippy::disallowed_methods, reason = "the one origin of virtual time")]
        let now = Instant::now();
        let mut lab = Lab {
            now,
            device: Device::new(now, settings, 7),
            directory: Node::new(Config::default(), 8),
            client: Endpoint::new(EngineSettings::default(), 9),
            answers: Vec::new(),
            sent: Vec::new(),
            to_groups: Vec::new(),
        };
        lab.exchange();
        lab
    }

    /// Carries datagrams until nobody has anything to say.
    fn exchange(&mut self) {
        let meta =
            |socket, remote| Meta { socket, remote, local: None, interface: 1, is_multicast: false, group: None };
        loop {
            let mut octets = Vec::new();
            if let Some(transmit) = self.client.poll_transmit(&mut octets) {
                let Destination::Datagram { socket, remote, .. } = transmit.to else { panic!("a datagram") };
                let port = match socket {
                    SocketId::Client(number) => 40_000 + number,
                    SocketId::Group => 50_000,
                    SocketId::Listener(_) | SocketId::Dns(_) => panic!("a client listens nowhere"),
                };
                let from = SocketAddr::new(CLIENT.parse().expect("an address"), port);
                let group = Some(remote.ip()).filter(|ip| ip.is_multicast());
                let meta = Meta { is_multicast: group.is_some(), group, ..meta(SocketId::Listener(0), from) };
                self.device.handle_datagram(self.now, &meta, &octets);
            } else if let Some(transmit) = self.device.poll_transmit(&mut octets) {
                let Destination::Datagram { remote, .. } = transmit.to else { panic!("a datagram") };
                assert_eq!(transmit.octets, octets.len());
                if remote == address(DIRECTORY) {
                    self.directory.handle_datagram(self.now, &meta(SocketId::Listener(0), address(DEVICE)), &octets);
                } else if remote.ip().is_multicast() {
                    self.to_groups.push(octets);
                } else if remote.ip().to_string() == CLIENT {
                    let socket = match remote.port() {
                        50_000 => SocketId::Group,
                        port => SocketId::Client(port - 40_000),
                    };
                    let _ = self.client.handle_datagram(self.now, &meta(socket, address(DEVICE)), &octets);
                    self.sent.push(octets);
                }
            } else if self.directory.poll_transmit(&mut octets).is_some() {
                self.device.handle_datagram(self.now, &meta(SocketId::Listener(0), address(DIRECTORY)), &octets);
            } else if self.directory.poll_persist().is_none() {
                break;
            }
        }
        while let Some(answer) = self.client.poll_answer() {
            self.answers.push(answer);
        }
    }
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let wakeups = [self.device.poll_timeout(), self.client.poll_timeout(), self.directory.poll_timeout()];
            let next = wakeups.into_iter().fold(None, Wakeup::earliest).filter(|wakeup| wakeup.at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next.at);
            self.device.handle_timeout(self.now);
            self.client.handle_timeout(self.now);
            self.directory.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn start(&mut self, code: Code, path: &str, options: &[(u16, &[u8])], payload: &str, observes: bool) -> RequestId {
        let to = Target::Datagram { remote: address(DEVICE), local: None, interface: 0 };
        let ask =
            Ask { payload: payload.into(), is_observation: observes, ..Ask::new(to, code, option_list(path, options)) };
        let id = self.client.request(self.now, ask).expect("a valid request");
        self.exchange();
        id
    }
    /// Asks the device alone; the answer as `code payload`.
    fn ask(&mut self, code: Code, path: &str, options: &[(u16, &[u8])], payload: &str) -> String {
        self.start(code, path, options, payload, false);
        self.exchange();
        let answer = self.answers.pop().expect("an answer");
        text(&answer)
    }
    fn get(&mut self, path: &str) -> String {
        self.ask(Code::GET, path, &[], "")
    }
    fn put(&mut self, path: &str, payload: &str) -> String {
        self.ask(Code::PUT, path, &[], payload)
    }
    /// Asks a group; all answers that come within its window, the last one being that it is over.
    fn ask_group(&mut self, group: &str, code: Code, path: &str, payload: &str) -> Vec<String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut options = option_list(path, &[]);
        if !query.is_empty() {
            options.push(number::URI_QUERY, query.as_bytes());
        }
        let mut ask = GroupAsk::new(address(group), code, options);
        ask.payload = payload.into();
        self.client.request_group(self.now, ask).expect("a valid request");
        self.pass(8 * SECOND);
        self.answers.drain(..).filter(|answer| answer.from.is_some()).map(|answer| text(&answer)).collect()
    }
    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.device.poll_event()).collect()
    }
    fn registered(&mut self) -> Vec<(String, String)> {
        let command = Command::Registrants {
            filter: wayhouse_registry::Filter::default(),
            text: None,
            page: wayhouse_registry::Page { first: 0, count: 100 },
        };
        match self.directory.command(self.now, command) {
            Ok(Reply::Registrants { entries, .. }) => entries
                .into_iter()
                .map(|one| (one.registrant.endpoint_name.to_string(), one.registrant.links.to_string()))
                .collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn option_list(path: &str, more: &[(u16, &[u8])]) -> OptionList {
    let mut options = OptionList::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        options.push(number::URI_PATH, segment.as_bytes());
    }
    for (number, value) in more {
        options.push(*number, value);
    }
    options
}

fn text(answer: &Answer) -> String {
    match &answer.outcome {
        Ok(reply) => {
            let code = reply.code.map_or_else(String::new, |code| code.to_string());
            format!("{code} {}", String::from_utf8_lossy(&reply.payload)).trim_end().to_owned()
        }
        Err(failure) => failure.to_string(),
    }
}

fn floor(name: &str) -> Group {
    Group {
        address: address(FLOOR),
        origin: "coap://239.1.2.3".into(),
        path: vec!["gp".into(), name.into()],
        interfaces: Vec::new(),
    }
}

fn grouped(kind: Kind) -> Settings {
    let other = Group { address: address("239.9.9.9:5683"), origin: "coap://239.9.9.9".into(), ..floor("far") };
    Settings { groups: vec![floor("floor1"), other], ..Settings::new(kind, "one") }
}

const JSON: &[(u16, &[u8])] = &[(number::CONTENT_FORMAT, &[50])];

#[test]
fn a_lamp_is_switched_and_dimmed() {
    let mut lab = Lab::new(Kind::Lamp);
    assert_eq!(lab.get("/"), format!("2.05 one, a lamp (wayhouse {})", env!("CARGO_PKG_VERSION")));
    assert_eq!(lab.get("/light"), "2.05 off");
    assert_eq!(lab.put("/light", "on"), "2.04");
    assert_eq!(lab.get("/light"), "2.05 on");
    assert_eq!(lab.put("/light", "40"), "2.04");
    assert_eq!(lab.ask(Code::GET, "/light", &[(number::ACCEPT, &[50])], ""), "2.05 {\"on\":true,\"level\":40}");
    assert_eq!(lab.ask(Code::PUT, "/light", JSON, "{\"on\":false}"), "2.04");
    assert_eq!(lab.get("/light/level"), "2.05 40");
    assert_eq!(lab.ask(Code::POST, "/light", &[], ""), "2.04");
    assert_eq!(lab.get("/light"), "2.05 on");
    assert_eq!(lab.put("/light", "0"), "2.04");
    assert_eq!(lab.get("/light"), "2.05 off");
}

#[test]
fn what_a_device_cannot_do_is_refused() {
    let mut lab = Lab::new(Kind::Lamp);
    assert_eq!(lab.put("/light", "101"), "4.00 a level is a number from 0 to 100");
    assert_eq!(lab.put("/light", "dim"), "4.00 no value that this device knows");
    assert_eq!(lab.ask(Code::PUT, "/light", &[(number::CONTENT_FORMAT, &[60])], "x"), "4.15 text or JSON");
    assert_eq!(lab.ask(Code::DELETE, "/light", &[], ""), "4.05");
    assert_eq!(lab.ask(Code::GET, "/light", &[(number::ACCEPT, &[60])], ""), "4.06 no such representation");
    assert_eq!(lab.get("/dark"), "4.04");
    assert_eq!(lab.ask(Code::POST, "/", &[], ""), "4.05");
    let mut sensor = Lab::new(Kind::Sensor);
    assert_eq!(sensor.put("/temperature", "3"), "4.05");
    assert_eq!(sensor.events(), [], "nothing has changed anywhere");
}

#[test]
fn changes_are_told_with_who_made_them() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    lab.put("/light", "on");
    lab.put("/light", "on");
    lab.ask_group(FLOOR, Code::PUT, "/gp/floor1/light", "off");
    let changes: Vec<_> = lab
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Changed { value, by, group, .. } => Some((value, by.is_some(), group)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [("on".into(), true, None), ("off".into(), true, Some(address(FLOOR).ip()))]);
}

#[test]
fn gc3_the_resources_stand_under_the_path_of_each_group() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    assert_eq!(lab.get("/gp/floor1/light"), "2.05 off");
    assert_eq!(lab.get("/gp/far/light/level"), "2.05 100");
    assert_eq!(lab.get("/gp/none/light"), "4.04");
    let links = "</gp/floor1/light>;rt=\"light\";if=\"core.a\";ct=\"0 50\";obs,\
                 </gp/floor1/light/level>;rt=\"light.level\";if=\"core.a\";ct=\"0 50\";obs";
    assert_eq!(lab.get("/gp/floor1"), format!("2.05 {links}"));
    assert_eq!(lab.ask_group(FLOOR, Code::GET, "/gp/floor1/light", ""), ["2.05 off"]);
    assert_eq!(lab.ask_group(FLOOR, Code::PUT, "/gp/floor1/light", "30"), ["2.04"]);
    assert_eq!(lab.get("/light/level"), "2.05 30");
}

#[test]
fn gc39_a_group_is_asked_for_its_own_resources_alone() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    for path in ["/", "/light", "/gp/far/light", "/gp/floor1/none"] {
        assert_eq!(lab.ask_group(FLOOR, Code::GET, path, ""), [""; 0], "{path}");
    }
    assert_eq!(lab.ask_group(FLOOR, Code::PUT, "/light", "on"), [""; 0]);
    assert_eq!(lab.get("/light"), "2.05 off", "and nothing else was done");
}

#[test]
fn gc31_gc32_errors_are_no_answers_to_a_group() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    for (code, payload) in [(Code::DELETE, ""), (Code::PUT, "dim"), (Code::PUT, "500")] {
        assert_eq!(lab.ask_group(FLOOR, code, "/gp/floor1/light", payload), [""; 0]);
    }
}

#[test]
fn gc7_group_discovery_follows_the_patterns() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    let mut ask =
        |group: &str, query: &str| lab.ask_group(group, Code::GET, &format!("/.well-known/core?{query}"), "").concat();
    const NODES: &str = "224.0.1.187:5683";
    // The groups of a CoAP group.
    assert_eq!(ask(FLOOR, "rt=g.*"), "2.05 </gp/floor1>;rt=\"g.lamp\"");
    assert_eq!(ask("239.9.9.9:5683", "rt=g.lamp"), "2.05 </gp/far>;rt=\"g.lamp\"");
    // The members of one group; another endpoint has its resources.
    assert_eq!(ask(NODES, "href=/gp/floor1"), "2.05 <coap://239.1.2.3/gp/floor1>;rt=\"g.lamp\"");
    assert_eq!(
        ask(NODES, "rt=g.*"),
        "2.05 <coap://239.1.2.3/gp/floor1>;rt=\"g.lamp\",<coap://239.9.9.9/gp/far>;rt=\"g.lamp\""
    );
    assert_eq!(ask(NODES, "rt=light"), "2.05 </light>;rt=\"light\";if=\"core.a\";ct=\"0 50\";obs");
    assert_eq!(ask(NODES, "rt=g.lock"), "", "without a match there is silence");
}

#[test]
fn gc35_gc36_entity_tags_tell_members_and_states_apart() {
    let mut lab = Lab::with(grouped(Kind::Lamp));
    let tag = |lab: &mut Lab| {
        lab.start(Code::GET, "/gp/floor1/light", &[], "", false);
        let reply = lab.answers.pop().expect("an answer").outcome.expect("a response");
        reply.options.first(number::ETAG).expect("a tag").value.to_vec()
    };
    let first = tag(&mut lab);
    let asked = lab.ask(Code::GET, "/gp/floor1/light", &[(number::ETAG, &first)], "");
    assert_eq!(asked, "2.03");
    let mut ask = GroupAsk::new(address(FLOOR), Code::GET, option_list("/gp/floor1/light", &[(number::ETAG, &first)]));
    ask.window = Some(8 * SECOND);
    lab.client.request_group(lab.now, ask).expect("a valid request");
    lab.pass(9 * SECOND);
    assert_eq!(text(&lab.answers[0]), "2.03", "in a group as alone");
    lab.answers.clear();
    lab.put("/light", "on");
    assert_ne!(tag(&mut lab), first);
    let mut other = Lab::with(grouped(Kind::Lamp));
    other.device = Device::new(other.now, grouped(Kind::Lamp), 8);
    assert_ne!(tag(&mut other), first);
}

#[test]
fn a_change_may_depend_on_the_state() {
    let mut lab = Lab::new(Kind::Lamp);
    assert_eq!(lab.ask(Code::PUT, "/light", &[(number::IF_NONE_MATCH, &[])], "on"), "4.12");
    assert_eq!(lab.ask(Code::PUT, "/light", &[(number::IF_MATCH, b"old")], "on"), "4.12");
    lab.start(Code::GET, "/light", &[], "", false);
    let reply = lab.answers.pop().expect("an answer").outcome.expect("a response");
    let tag = reply.options.first(number::ETAG).expect("a tag").value.to_vec();
    assert_eq!(lab.ask(Code::PUT, "/light", &[(number::IF_MATCH, &tag)], "on"), "2.04");
    assert_eq!(lab.ask(Code::PUT, "/light", &[(number::IF_MATCH, &tag)], "off"), "4.12");
}

#[test]
fn observers_see_every_last_value_until_they_leave() {
    let mut lab = Lab::new(Kind::Lamp);
    let id = lab.start(Code::GET, "/light", &[(number::ACCEPT, &[50])], "", true);
    assert_eq!(lab.device.observer_count(), 1);
    lab.device.set(lab.now, "70").expect("a level");
    lab.pass(SECOND);
    assert_eq!(text(lab.answers.last().expect("a notification")), "2.05 {\"on\":true,\"level\":70}");
    lab.client.cancel(lab.now, id);
    lab.pass(SECOND);
    assert_eq!(lab.device.observer_count(), 0);
    let by = SocketAddr::new(CLIENT.parse().expect("an address"), 40_000);
    let events = lab.events();
    assert!(events.contains(&Event::Observed { path: "light", by }), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Unobserved { path: "light", by }));
}

#[test]
fn a_sensor_drifts_and_a_meter_counts() {
    let mut lab = Lab::with(Settings { period: Some(30 * SECOND), ..Settings::new(Kind::Sensor, "one") });
    let before = lab.get("/temperature");
    lab.pass(31 * SECOND);
    assert_ne!(lab.get("/temperature"), before);
    let changes = |lab: &mut Lab| lab.events().iter().filter(|event| matches!(event, Event::Changed { .. })).count();
    changes(&mut lab);
    lab.pass(300 * SECOND);
    assert_eq!(changes(&mut lab), 10);
    let mut meter = Lab::new(Kind::Meter);
    meter.pass(SECOND);
    let readings = meter.get("/meter/readings");
    assert!(readings.len() > 3 * 1024, "it takes several blocks: {} octets", readings.len());
    assert!(meter.sent.iter().all(|octets| octets.len() < 1_200));
    assert!(meter.device.set(meter.now, "3").is_err());
}

#[test]
fn a_switch_tells_its_groups() {
    let mut lab = Lab::with(Settings { groups: vec![floor("floor1")], ..Settings::new(Kind::Switch, "one") });
    assert_eq!(lab.put("/switch", "on"), "2.04");
    let told = Message::decode(&lab.to_groups[0]).expect("a message");
    assert_eq!((told.kind, told.code, told.payload), (MessageKind::NonConfirmable, Code::PUT, &b"on"[..]));
    let path: Vec<_> = told.options.all(number::URI_PATH).collect();
    assert_eq!(path, [&b"gp"[..], b"floor1", b"light"]);
    assert!(lab.events().contains(&Event::GroupTold { group: address(FLOOR), value: "on".into() }));
    lab.put("/switch", "on");
    lab.pass(30 * SECOND);
    assert_eq!(lab.to_groups.len(), 1, "what was on already is not told again");
}

fn at_directory(kind: Kind, lifetime_s: u32) -> Settings {
    let directory = Directory { uri: "coap://192.168.7.1".into(), address: address(DIRECTORY) };
    Settings { directory: Some(directory), lifetime_s, ..grouped(kind) }
}

#[test]
fn rd13_a_device_registers_refreshes_and_leaves() {
    let mut lab = Lab::with(at_directory(Kind::Lamp, 60));
    lab.pass(SECOND);
    let registered = lab.registered();
    assert_eq!(registered.len(), 1);
    assert_eq!(registered[0].0, "one");
    assert!(registered[0].1.contains("</gp/floor1>;rt=\"g.lamp\""), "members can be found: {}", registered[0].1);
    assert!(registered[0].1.contains("</light>;rt=\"light\""), "{}", registered[0].1);
    lab.pass(600 * SECOND);
    assert_eq!(lab.registered().len(), 1, "ten lifetimes later");
    assert!(lab.directory.counters().updates >= 10);
    lab.device.leave(lab.now);
    lab.exchange();
    assert!(lab.device.is_gone());
    assert_eq!(lab.registered().len(), 0);
    let events = lab.events();
    assert!(matches!(events[0], Event::Registered { .. }), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Removed));
    lab.pass(600 * SECOND);
    assert_eq!(lab.registered().len(), 0, "it stays away");
}

#[test]
fn a_registration_that_the_directory_lost_is_made_anew() {
    let mut lab = Lab::with(at_directory(Kind::Sensor, 60));
    lab.pass(SECOND);
    lab.directory = Node::new(Config::default(), 99);
    lab.pass(60 * SECOND);
    assert_eq!(lab.registered().len(), 1);
    let events = lab.events();
    assert!(events.contains(&Event::RegistrationLost), "{events:?}");
}

#[test]
fn a_device_whose_directory_is_silent_can_leave() {
    let mut settings = at_directory(Kind::Lamp, 60);
    settings.directory = Some(Directory { uri: "coap://10.0.0.1".into(), address: address("10.0.0.1:5683") });
    let mut lab = Lab::with(settings);
    lab.pass(5 * SECOND);
    assert!(!lab.device.is_gone());
    lab.device.leave(lab.now);
    assert!(lab.device.is_gone());
}

fn behaving(behaviour: Behaviour) -> Lab {
    Lab::with(Settings { behaviour, ..grouped(Kind::Lamp) })
}

#[test]
fn a_slow_device_acknowledges_and_answers_later() {
    let mut lab = behaving(Behaviour { slow: 3 * SECOND, ..Behaviour::default() });
    lab.start(Code::PUT, "/light", &[], "on", false);
    assert_eq!(lab.device.value(), "on", "it is done at once");
    assert_eq!(lab.sent.len(), 1, "an acknowledgement");
    lab.pass(2 * SECOND);
    assert!(lab.answers.is_empty());
    lab.pass(2 * SECOND);
    assert_eq!(text(&lab.answers[0]), "2.04");
    lab.answers.clear();
    lab.start(Code::GET, "/light", &[], "", true);
    lab.pass(4 * SECOND);
    assert_eq!(lab.device.observer_count(), 1, "it can be observed all the same");
}

#[test]
fn a_silent_device_does_and_says_nothing() {
    let mut lab = behaving(Behaviour { is_silent: true, ..Behaviour::default() });
    assert!(lab.ask_group(FLOOR, Code::PUT, "/gp/floor1/light", "on").is_empty());
    assert_eq!(lab.device.value(), "on");
    lab.start(Code::GET, "/light", &[], "", false);
    lab.pass(300 * SECOND);
    assert_eq!(lab.answers.pop().map(|answer| answer.outcome), Some(Err(Failure::Timeout)));
    assert!(lab.sent.is_empty());
}

#[test]
fn a_silent_and_wrong_device_stays_registered() {
    let mut settings = at_directory(Kind::Lamp, 60);
    settings.behaviour = Behaviour { is_silent: true, is_wrong: true, ..Behaviour::default() };
    let mut lab = Lab::with(settings);
    lab.pass(120 * SECOND);
    assert_eq!(lab.registered().len(), 1);
}

#[test]
fn a_wrong_device_is_wrong_in_all_ways_and_never_longer() {
    let mut lab = behaving(Behaviour { is_wrong: true, ..Behaviour::default() });
    let (mut garbage, mut tokens, mut codes) = (0, 0, 0);
    for _ in 0..100 {
        // Another client each time: what it sends is heard by nobody else.
        let mut request = Vec::new();
        wayhouse_wire::coap::Encoder::datagram(&mut request, MessageKind::NonConfirmable, Code::GET, 7, b"tk")
            .payload(&[]);
        let meta = Meta {
            socket: SocketId::Listener(0),
            remote: address("192.168.7.8:1"),
            local: None,
            interface: 1,
            is_multicast: false,
            group: None,
        };
        lab.device.handle_datagram(lab.now, &meta, &request);
        let mut octets = Vec::new();
        lab.device.poll_transmit(&mut octets).expect("an answer");
        match Message::decode(&octets) {
            Ok(message) if message.code == Code::CONTENT && message.token != b"tk" => tokens += 1,
            Ok(message) if message.token == b"tk" && message.code != Code::CONTENT => codes += 1,
            Ok(message) if message.token == b"tk" => {
                octets.clear();
                assert!(lab.device.poll_transmit(&mut octets).is_some(), "the same once more");
            }
            _ => garbage += 1,
        }
        while lab.device.poll_transmit(&mut octets).is_some() {}
        lab.pass(300 * SECOND);
    }
    assert!(tokens > 5 && codes > 5 && garbage > 5, "{tokens} tokens, {codes} codes, {garbage} garbage");
}

#[test]
fn a_lossy_device_loses_its_share_by_seed() {
    let answered = |seed: u64| {
        let mut lab = behaving(Behaviour { loss: 0.5, ..Behaviour::default() });
        lab.device = Device::new(lab.now, lab.device.settings().clone(), seed);
        (0..200)
            .map(|number| {
                let mut request = Vec::new();
                let kind = MessageKind::NonConfirmable;
                wayhouse_wire::coap::Encoder::datagram(&mut request, kind, Code::GET, number, b"t").payload(&[]);
                let remote = address("192.168.7.8:1");
                let meta = Meta {
                    socket: SocketId::Listener(0),
                    remote,
                    local: None,
                    interface: 1,
                    is_multicast: false,
                    group: None,
                };
                lab.device.handle_datagram(lab.now, &meta, &request);
                lab.device.poll_transmit(&mut Vec::new()).is_some()
            })
            .collect::<Vec<bool>>()
    };
    let once = answered(3);
    let count = once.iter().filter(|answered| **answered).count();
    assert!((30..=70).contains(&count), "{count} of 200 pass twice a loss of one half");
    assert_eq!(once, answered(3));
    assert_ne!(once, answered(4));
}

#[test]
fn it_stops_changing_after_as_many_times_as_it_was_told() {
    let settings = Settings { period: Some(SECOND), changes_max: Some(3), ..Settings::new(Kind::Meter, "one") };
    let mut meter = Lab::with(settings);
    let mut values = std::collections::BTreeSet::from([meter.get("/meter")]);
    for _ in 0..20 {
        meter.pass(SECOND);
        values.insert(meter.get("/meter"));
    }
    assert_eq!(values.len(), 4, "{values:?}");
}
