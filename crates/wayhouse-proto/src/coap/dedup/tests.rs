use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::io::SocketId;
use crate::rng::Rng;

fn peer(port: u16) -> Peer {
    Peer::Datagram { socket: SocketId::Listener(0), remote: SocketAddr::from(([192, 0, 2, 1], port)) }
}

#[allow(clippy::disallowed_methods, reason = "the one start of virtual time")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn cm21_agrees_with_a_naive_memory() {
    let mut rng = Rng::new(3);
    let lifetime = Duration::from_secs(247);
    let mut dedup = Dedup::new(lifetime, 200, 1 << 20, KeyedState::new(&mut rng));
    let mut naive: BTreeMap<(u16, u16), (Instant, Vec<u8>)> = BTreeMap::new();
    let mut order: Vec<(u16, u16)> = Vec::new();
    let mut now = start();
    for step in 0..50_000u32 {
        now += Duration::from_millis(rng.below(3_000));
        let key = (rng.below(5) as u16, rng.below(60) as u16);
        let expected = naive.get(&key).filter(|(at, _)| now - *at < lifetime);
        match (dedup.look(now, peer(key.0), key.1), expected) {
            (Seen::Answer { octets, .. }, Some((_, answer))) => assert_eq!(octets, answer),
            (Seen::New(sequence), None) => {
                let answer: Vec<u8> = (0..rng.below(100)).map(|i| (u64::from(step) + i) as u8).collect();
                dedup.answer(sequence, &answer, 0);
                naive.insert(key, (now, answer));
                order.retain(|other| *other != key);
                order.push(key);
            }
            (seen, expected) => panic!("{seen:?}, not {expected:?}"),
        }
        // What is old may go at any time; what is not goes oldest first, beyond the bound.
        order.retain(|key| now - naive[key].0 < lifetime);
        while order.len() > 200 {
            naive.remove(&order.remove(0));
        }
        assert!(dedup.count() <= 200);
    }
}

#[test]
fn cm21_octets_of_long_answers_are_bounded() {
    let mut rng = Rng::new(3);
    let mut dedup = Dedup::new(Duration::from_secs(247), 1_000, 10_000, KeyedState::new(&mut rng));
    let now = start();
    for id in 0..100 {
        let Seen::New(sequence) = dedup.look(now, peer(1), id) else { panic!("new") };
        dedup.answer(sequence, &[7; 1_000], 0);
        assert!(dedup.octets <= 10_000);
    }
    assert_eq!(dedup.count(), 10);
    assert!(matches!(dedup.look(now, peer(1), 99), Seen::Answer { .. }));
    assert!(matches!(dedup.look(now, peer(1), 0), Seen::New(_)));
}

#[test]
fn cr2_safe_requests_cost_a_look_up_only_while_one_is_deferred() {
    let mut rng = Rng::new(3);
    let mut dedup = Dedup::new(Duration::from_secs(247), 2, 10_000, KeyedState::new(&mut rng));
    let now = start();
    assert_eq!(dedup.look_safe(now, peer(1), 1), None);
    dedup.acknowledge_safe(now, peer(1), 1);
    assert_eq!(dedup.look_safe(now, peer(1), 1), Some(Seen::Acknowledgement));
    assert_eq!(dedup.look_safe(now, peer(1), 2), None);
    for id in 10..12 {
        dedup.look(now, peer(1), id);
    }
    assert_eq!(dedup.look_safe(now, peer(1), 1), None);
    assert_eq!(dedup.safe_count, 0);
}
