//! Long random runs: nothing is answered twice or never, nothing stays behind, nothing panics.

use std::time::Duration;

use wayhouse_wire::coap::Code;

use super::notation::Msg;
use super::pair::{Fate, Pair};
use super::station::{Act, Station, ask, body, observable, response};
use crate::coap::Endpoint;
use crate::coap::endpoint::{Amplification, Ask, Settings};
use crate::coap::limits::Limits;
use crate::rng::Rng;

impl Endpoint {
    /// Fails when anything but bounded memory of the past is left.
    fn assert_idle(&self) {
        assert_eq!(self.exchanges.count(), 0, "confirmable messages");
        assert_eq!(self.congestion.peer_count(), 0, "peers in congestion control");
        assert_eq!(self.client.operations.len(), 0, "requests");
        assert_eq!((self.client.by_token.len(), self.groups.count()), (0, 0), "tokens");
        assert_eq!(self.client.by_non.len(), 0, "NON requests");
        assert_eq!(self.pendings.count(), 0, "deferred requests");
        assert_eq!(self.bodies.octets() + self.assemblies.octets(), 0, "bodies");
        assert_eq!(self.timers.next().map(|wakeup| wakeup.why), None, "timers");
    }
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let server = Settings { amplification: Amplification::All, ..Settings::default() };
    let mut pair = Pair::with(Settings::default(), server);
    let mut fate = rng.clone();
    pair.fates = Box::new(move |_, _| match fate.below(10) {
        0 => Fate::Drop,
        1 => Fate::Twice,
        2 => Fate::Late(Duration::from_millis(fate.below(6_000))),
        _ => Fate::Arrive,
    });
    let mut choice = rng.clone();
    pair.server.app = Box::new(move |request| match choice.below(8) {
        0 if request.observe.is_none() => Act::Defer,
        1 => Act::Respond(response(Code::NOT_FOUND, "")),
        2 | 3 => Act::Respond(observable(&body(choice.below(4_000) as usize))),
        _ => Act::Respond(observable("short")),
    });
    let mut open = std::collections::BTreeSet::new();
    let mut observations = Vec::new();
    for round in 0..120 {
        let mut ask =
            ask([Code::GET, Code::PUT, Code::POST, Code::DELETE][rng.below(4) as usize], &format!("r{round}"));
        ask.is_confirmable = rng.below(4) > 0;
        ask.is_observation = ask.code == Code::GET && rng.below(3) == 0;
        if matches!(ask.code, Code::PUT | Code::POST) {
            ask.payload = body(rng.below(3_000) as usize).into();
        }
        ask.may_use_cache = rng.below(2) == 0;
        let is_observation = ask.is_observation;
        let id = pair.client.endpoint.request(pair.client.now, ask).expect("acceptable");
        open.insert(id);
        if is_observation {
            observations.push(id);
        }
        pair.pass(Duration::from_millis(rng.below(4_000)));
        while !pair.server.pendings.is_empty() {
            let late = response(Code::CHANGED, &body(rng.below(1_500) as usize));
            pair.server.settle_later(&late);
        }
        if rng.below(3) == 0 {
            pair.server.state.payload = body(rng.below(3_000) as usize).into();
            let now = pair.server.now;
            pair.server.observers.clone().into_iter().for_each(|id| pair.server.endpoint.mark_changed(now, id));
        }
        if rng.below(6) == 0 && !observations.is_empty() {
            let id = observations.remove(rng.below(observations.len() as u64) as usize);
            pair.client.endpoint.cancel(pair.client.now, id);
            open.remove(&id);
        }
    }
    // Everything comes to an end.
    for id in observations {
        pair.pass(Duration::from_secs(1));
        pair.client.endpoint.cancel(pair.client.now, id);
        open.remove(&id);
    }
    for _ in 0..400 {
        pair.pass(Duration::from_secs(10));
        while !pair.server.pendings.is_empty() {
            pair.server.settle_later(&response(Code::CHANGED, "late"));
        }
    }
    let mut ended = std::collections::BTreeSet::new();
    for answer in pair.client.answers.iter().filter(|answer| !answer.is_open) {
        assert!(ended.insert(answer.id), "answered twice: {answer:?}");
    }
    open.retain(|id| !ended.contains(id));
    assert!(open.is_empty(), "without an answer: {open:?}");
    pair.client.endpoint.assert_idle();
    // Observers whose client was cancelled while unreachable are found when something changes.
    for _ in 0..20 {
        let now = pair.server.now;
        pair.server.observers.clone().into_iter().for_each(|id| pair.server.endpoint.mark_changed(now, id));
        pair.pass(Duration::from_secs(300));
    }
    assert_eq!(pair.server.endpoint.observer_count(), 0);
    pair.server.endpoint.assert_idle();
}

#[test]
fn cm14_cm21_ob10_bw6_random_traffic_comes_to_rest() {
    for seed in 0..12 {
        run(seed);
    }
}

#[test]
fn cm13_mutated_datagrams_neither_panic_nor_accumulate() {
    let limits = Limits {
        remembered_answers_max: 64,
        observers_max: 16,
        pending_max: 16,
        bodies_octets_max: 20_000,
        reachable_peers_max: 16,
        leisurely_answers_max: 16,
        ..Limits::default()
    };
    let mut station = Station::with(Settings { limits, amplification: Amplification::All, ..Settings::default() });
    let mut rng = Rng::new(9);
    let mut choice = rng.clone();
    station.app = Box::new(move |_| match choice.below(4) {
        0 => Act::Defer,
        1 => Act::Respond(observable(&body(choice.below(3_000) as usize))),
        _ => Act::Respond(response(Code::CHANGED, "x")),
    });
    let seeds: Vec<Vec<u8>> = [
        "CON GET #1 t:01 Uri-Path=a Observe=0 Block2=0/0/64",
        "NON POST #2 t:0203 Uri-Path=rd Uri-Query=ep=x Block1=0/1/16 \"0123456789abcdef\"",
        "CON PUT #3 Block1=1/0/16 Request-Tag=0x01 Echo=0x010203 \"rest\"",
        "ACK 2.05 #4 t:01 ETag=0x01 Block2=0/1/16 \"0123456789abcdef\"",
        "CON 2.05 #5 t:01 Observe=5 Max-Age=1 \"x\"",
        "RST EMPTY #6",
        "CON FETCH #7 t:01 Content-Format=60 No-Response=26 \"q\"",
    ]
    .map(|text| Msg::parse(text).encode())
    .into();
    for round in 0..60_000u32 {
        if round % 500 == 0 {
            let mut observation = ask(Code::GET, &round.to_string());
            observation.is_observation = true;
            let _ = station.endpoint.request(station.now, Ask { is_confirmable: rng.below(2) == 0, ..observation });
        }
        let mut octets = seeds[rng.below(seeds.len() as u64) as usize].clone();
        for _ in 0..rng.below(6) {
            let at = rng.below(octets.len() as u64) as usize;
            match rng.below(4) {
                0 => octets[at] = rng.next_u64() as u8,
                1 => octets[at] ^= 1 << rng.below(8),
                2 => octets.insert(at, rng.next_u64() as u8),
                _ if octets.len() > 1 => drop(octets.remove(at)),
                _ => {}
            }
        }
        let mut meta = if rng.below(20) == 0 { station.group_meta() } else { station.meta };
        meta.remote.set_port(40_000 + rng.below(50) as u16);
        if rng.below(3) == 0 {
            meta.socket = crate::io::SocketId::Client(0);
        }
        station.deliver(&meta, &octets);
        station.drain();
        station.answers.clear();
        station.gone.clear();
        station.seen.clear();
        if station.pendings.len() > 10 {
            station.settle(&response(Code::CONTENT, "late"));
        }
        if round % 10 == 0 {
            station.pass(Duration::from_millis(rng.below(500)));
            station.change("y");
        }
        assert!(station.endpoint.observer_count() <= 16);
    }
}
