//! One client and hundreds of devices on a link that loses, doubles and delays, and whoever forges or misbehaves among them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use wayhouse_node::device::{Behaviour, Group, Kind, Settings};
use wayhouse_proto::coap::endpoint::GroupAsk;
use wayhouse_proto::coap::{Answer, RequestId};
use wayhouse_sim::neighbourhood::{Neighbourhood, address};
use wayhouse_sim::network::Weather;
use wayhouse_sim::seeds;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind as MessageKind, OptionList};

const GROUP: &str = "239.99.0.1:5683";
const SECOND: Duration = Duration::from_secs(1);
/// Octets of the headers of IPv4 and UDP.
const HEADERS: usize = 28;

/// Late, doubled, out of order, but nothing lost.
const MIXED: Weather =
    Weather { delay_min: Duration::from_millis(2), delay_max: Duration::from_millis(300), loss: 0.0, duplication: 0.3 };
/// The same, and one in twenty is lost.
const LOSSY: Weather = Weather { loss: 0.05, ..MIXED };

fn group() -> SocketAddr {
    GROUP.parse().expect("an address")
}

fn member(kind: Kind, name: &str) -> Settings {
    let floor = Group {
        address: group(),
        origin: "coap://239.99.0.1".into(),
        path: vec!["gp".into(), "floor".into()],
        interfaces: Vec::new(),
    };
    Settings { groups: vec![floor], ..Settings::new(kind, name) }
}

fn neighbourhood(seed: u64, weather: Weather, lamps: usize) -> Neighbourhood {
    let mut link = Neighbourhood::new(seed, weather);
    for index in 0..lamps {
        link.add(member(Kind::Lamp, &format!("lamp-{index}")));
    }
    link
}

fn get(path: &str) -> GroupAsk {
    let mut options = OptionList::new();
    for segment in path.split('/') {
        options.push(number::URI_PATH, segment.as_bytes());
    }
    GroupAsk::new(group(), Code::GET, options)
}

fn ask(link: &mut Neighbourhood, ask: GroupAsk) -> RequestId {
    link.with_client(|client, now| client.request_group(now, ask)).expect("an acceptable request")
}

/// What each member answered, in order.
fn by_member(answers: impl IntoIterator<Item = Answer>) -> BTreeMap<SocketAddr, Vec<String>> {
    let mut found: BTreeMap<SocketAddr, Vec<String>> = BTreeMap::new();
    for answer in answers {
        let Some(from) = answer.from else { continue };
        found.entry(from).or_default().push(match answer.outcome {
            Ok(reply) => String::from_utf8_lossy(&reply.payload).into_owned(),
            Err(failure) => failure.to_string(),
        });
    }
    found
}

#[test]
fn gc11_gc12_two_hundred_devices_answer_one_request_and_none_counts_twice() {
    seeds::for_each(|seed| {
        let mut link = neighbourhood(seed, MIXED, 200);
        for index in 0..200 {
            link.with_device(index, |device, now| device.set(now, &(index % 100 + 1).to_string())).expect("a level");
        }
        ask(&mut link, get("gp/floor/light/level"));
        link.run_for(10 * SECOND);
        let found = by_member(link.answers.drain(..));
        assert_eq!(found.len(), 200);
        for index in 0..200 {
            assert_eq!(found[&address(index)], [(index % 100 + 1).to_string()], "device {index}");
        }
    });
}

#[test]
fn gc13_what_loss_hides_is_found_by_asking_again() {
    seeds::for_each(|seed| {
        let mut link = neighbourhood(seed, LOSSY, 200);
        let members: Vec<SocketAddr> = (0..200).map(address).collect();
        ask(&mut link, GroupAsk { members: members.clone(), asks_silent: true, ..get("gp/floor/light") });
        link.run_for(120 * SECOND);
        let found = by_member(link.answers.drain(..));
        assert_eq!(found.keys().copied().collect::<Vec<_>>().len(), members.len());
        assert!(found.values().all(|said| said == &["off"]), "each once: {found:?}");
    });
}

#[test]
fn gc50_gc55_of_a_hundred_observed_devices_every_last_value_arrives() {
    seeds::for_each(|seed| {
        let mut link = neighbourhood(seed, LOSSY, 100);
        let members: Vec<SocketAddr> = (0..100).map(address).collect();
        let observation = GroupAsk { members, asks_silent: true, is_observation: true, ..get("gp/floor/light/level") };
        let id = ask(&mut link, observation);
        link.run_for(120 * SECOND);
        for round in 0..5 {
            for index in 0..100 {
                let level = 1 + (index + round * 17) % 100;
                link.with_device(index, |device, now| device.set(now, &level.to_string())).expect("a level");
            }
            link.run_for(20 * SECOND);
        }
        link.run_for(400 * SECOND);
        let found = by_member(link.answers.drain(..));
        for index in 0..100 {
            let last = found.get(&address(index)).and_then(|said| said.last());
            assert_eq!(last, Some(&(1 + (index + 4 * 17) % 100).to_string()), "device {index}");
        }
        // GC58: the end is told to all; whom loss keeps from hearing it hears a reset when it speaks again.
        link.with_client(|client, now| client.cancel(now, id));
        for round in 0..4 {
            link.run_for(70 * SECOND);
            for index in 0..100 {
                link.with_device(index, |device, now| device.set(now, &(round + 1).to_string())).expect("a level");
            }
        }
        link.run_for(100 * SECOND);
        assert_eq!(link.devices().map(|device| device.observer_count()).sum::<usize>(), 0);
    });
}

#[test]
fn gc39_a_forged_source_never_draws_more_than_three_times_the_request_from_a_member() {
    seeds::for_each(|seed| {
        for members in [1, 50] {
            let mut link = Neighbourhood::new(seed, Weather { duplication: 0.0, ..MIXED });
            for index in 0..members {
                let kind = [Kind::Meter, Kind::Lamp][index % 2];
                link.add(member(kind, &format!("one-{index}")));
            }
            let requests: [(Code, &str, Option<u32>, &str); 6] = [
                (Code::GET, "gp/floor/meter/readings", None, ""),
                (Code::GET, "gp/floor/meter/readings", Some(0), ""),
                (Code::GET, "gp/floor/light", Some(0), ""),
                (Code::GET, ".well-known/core", None, ""),
                (Code::GET, "gp/floor", None, ""),
                (Code::PUT, "gp/floor/light", None, "on"),
            ];
            for (number_of, (code, path, observe, payload)) in requests.into_iter().enumerate() {
                // A stranger, and a neighbour.
                for host in ["203.0.113.7", "10.50.0.7"] {
                    let victim: SocketAddr = format!("{host}:{}", 1_000 + number_of).parse().expect("an address");
                    let mut request = Vec::new();
                    let id = 100 + number_of as u16;
                    let mut encoder = Encoder::datagram(&mut request, MessageKind::NonConfirmable, code, id, b"t");
                    if let Some(observe) = observe {
                        encoder.option_uint(number::OBSERVE, u64::from(observe));
                    }
                    for segment in path.split('/') {
                        encoder.option(number::URI_PATH, segment.as_bytes());
                    }
                    encoder.payload(payload.as_bytes());
                    link.forge(victim, group(), &request);
                    link.run_for(10 * SECOND);
                    let bound = members * 3 * (request.len() + HEADERS);
                    let (octets, datagrams) = link.received.get(&victim).copied().unwrap_or_default();
                    let drawn = octets + datagrams * HEADERS;
                    assert!(drawn <= bound, "{code} {path} {observe:?}: {drawn} of {bound} allowed to {victim}");
                }
            }
            let drawn = link.received.clone();
            for index in 0..members {
                let _ = link.with_device(index, |device, now| device.set(now, "77"));
            }
            link.run_for(300 * SECOND);
            assert_eq!(link.received, drawn, "nobody who cannot be reached observes anything");
        }
    });
}

#[test]
fn silent_wrong_and_slow_devices_harm_nobody() {
    seeds::for_each(|seed| {
        let mut link = neighbourhood(seed, MIXED, 40);
        let bad = |behaviour, name: &str| Settings { behaviour, ..member(Kind::Lamp, name) };
        let silent = Behaviour { is_silent: true, ..Behaviour::default() };
        let wrong = Behaviour { is_wrong: true, ..Behaviour::default() };
        let slow = Behaviour { slow: 4 * SECOND, ..Behaviour::default() };
        let mut added = |behaviour| -> Vec<SocketAddr> { (0..10).map(|_| link.add(bad(behaviour, "bad"))).collect() };
        let (silent, wrong, slow) = (added(silent), added(wrong), added(slow));
        let members: Vec<SocketAddr> = (0..70).map(address).collect();
        let start = link.now;
        let window = Some(11 * SECOND);
        ask(&mut link, GroupAsk { members, window, ..get("gp/floor/light") });
        link.run_for(4 * SECOND);
        let early = by_member(link.answers.iter().cloned());
        assert!(slow.iter().all(|member| !early.contains_key(member)), "the slow ones are late");
        link.run_for(8 * SECOND);
        let found = by_member(link.answers.drain(..));
        for index in 0..40 {
            assert_eq!(found.get(&address(index)).map(Vec::as_slice), Some(&["off".to_owned()][..]), "device {index}");
        }
        assert!(silent.iter().all(|member| !found.contains_key(member)), "the silent ones are missed");
        assert!(slow.iter().all(|member| found[member] == ["off"]), "the slow ones are heard all the same");
        let right = wrong.iter().filter(|member| found.get(member).is_some_and(|said| said == &["off"]));
        assert!(right.count() < wrong.len(), "some of the wrong ones are not taken for right");
        assert!(link.now > start);
        // The link works as before.
        ask(&mut link, get("gp/floor/light"));
        link.run_for(12 * SECOND);
        let found = by_member(link.answers.drain(..));
        assert!((0..40).all(|index| found[&address(index)] == ["off"]));
    });
}

#[test]
fn a_switch_switches_every_lamp_of_its_group() {
    seeds::for_each(|seed| {
        let mut link = neighbourhood(seed, MIXED, 100);
        link.add(member(Kind::Switch, "wall"));
        link.with_device(100, |device, now| device.set(now, "on")).expect("on is a state of a switch");
        link.run_for(2 * SECOND);
        assert!((0..100).all(|index| link.device(index).value() == "on"));
    });
}
