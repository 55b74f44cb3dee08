use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::{Exhausted, MessageIds};
use crate::io::SocketId;
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

const LIFETIME: Duration = Duration::from_secs(247);

struct Bench {
    ids: MessageIds,
    rng: Rng,
    start: Instant,
}

impl Bench {
    #[allow(clippy::disallowed_methods)]
    fn new(peers_max: usize) -> Bench {
        let mut rng = Rng::new(1);
        Bench { ids: MessageIds::new(LIFETIME, peers_max, KeyedState::new(&mut rng)), rng, start: Instant::now() }
    }
    fn allocate(&mut self, at_ms: u64, peer: u16) -> Result<u16, Exhausted> {
        self.allocate_from(at_ms, SocketId::Client(0), peer)
    }
    fn allocate_from(&mut self, at_ms: u64, socket: SocketId, peer: u16) -> Result<u16, Exhausted> {
        let now = self.start + Duration::from_millis(at_ms);
        self.ids.allocate(now, socket, SocketAddr::from((Ipv4Addr::LOCALHOST, peer)), &mut self.rng)
    }
    fn free_count(&mut self, at_s: u64, peer: u16) -> u32 {
        let now = self.start + Duration::from_secs(at_s);
        self.ids.free_count(now, SocketId::Client(0), SocketAddr::from((Ipv4Addr::LOCALHOST, peer)))
    }
    /// Seconds from the start to when a refusal ends.
    fn refused_until_s(&mut self, at_ms: u64, peer: u16) -> u64 {
        let free_at = self.allocate(at_ms, peer).expect_err("no ID is free").free_at;
        (free_at - self.start).as_secs()
    }
}

#[test]
fn cm19_ids_are_sequential_from_a_start_that_differs_per_pair() {
    let mut bench = Bench::new(100);
    let mut starts = Vec::new();
    for peer in 1..=20 {
        let first = bench.allocate(0, peer).unwrap();
        for step in 1..100_u16 {
            assert_eq!(bench.allocate(0, peer), Ok(first.wrapping_add(step)));
        }
        starts.push(first);
    }
    starts.push(bench.allocate_from(0, SocketId::Listener(0), 1).unwrap());
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() > 18, "starts look random: {starts:?}");
}

#[test]
fn cm19_all_ids_within_one_lifetime_then_refusal_then_recovery() {
    let mut bench = Bench::new(100);
    let mut seen = vec![false; 65_536];
    for step in 0..65_536_u64 {
        let id = bench.allocate(step * 246_000 / 65_536, 1).expect("fewer than 65,536 were used");
        assert!(!std::mem::replace(&mut seen[usize::from(id)], true), "no ID comes twice");
    }
    // The last IDs were used in second 245; the first 1,024 count as used when the peer was found to be busy.
    let free_s = bench.refused_until_s(246_000, 1);
    assert!((248..=252).contains(&free_s), "{free_s}");
    assert_eq!(bench.refused_until_s(free_s * 1000 - 1, 1), free_s);
    assert!(bench.allocate(0, 2).is_ok(), "another peer is not concerned");
    bench.allocate(free_s * 1000, 1).expect("the oldest are free");
    // Long after, all are free at once.
    for _ in 0..65_536 {
        bench.allocate(3_600_000, 1).expect("all are free");
    }
    assert_eq!(bench.refused_until_s(3_600_000, 1), 3600 + 248);
}

#[test]
fn cm19_no_id_returns_within_its_lifetime_whatever_the_rhythm() {
    for seed in 0..4 {
        let mut bench = Bench::new(10);
        let mut chance = Rng::new(seed);
        let mut used_at = vec![None; 65_536];
        let (mut now_ms, mut refusals) = (0, 0);
        for _ in 0..400_000 {
            // Bursts within a second, now and then a pause.
            match chance.below(100_000) {
                0..3 => now_ms += chance.below(60_000),
                3..500 => now_ms += chance.below(300),
                _ => {}
            }
            match bench.allocate(now_ms, 1) {
                Ok(id) => {
                    if let Some(before) = used_at[usize::from(id)].replace(now_ms) {
                        assert!(now_ms - before > 247_000, "seed {seed}: {id} after {} ms", now_ms - before);
                    }
                }
                Err(Exhausted { free_at }) => {
                    refusals += 1;
                    let free_ms = (free_at - bench.start).as_millis() as u64;
                    assert!(free_ms > now_ms && free_ms <= now_ms + 248_000);
                    now_ms = free_ms;
                }
            }
        }
        assert!(refusals > 0, "seed {seed}: the rhythm is fast enough to meet the bound");
    }
}

#[test]
fn cm19_a_new_peer_is_refused_while_no_other_may_be_forgotten() {
    let mut bench = Bench::new(2);
    bench.allocate(0, 1).unwrap();
    bench.allocate(10_000, 2).unwrap();
    assert_eq!(bench.refused_until_s(20_000, 3), 248);
    bench.allocate(100_000, 1).expect("known peers go on");
    assert_eq!(bench.refused_until_s(200_000, 3), 258, "peer 2 is the one idle longest");
    bench.allocate(258_000, 3).expect("peer 2 is forgotten");
    assert_eq!(bench.ids.peer_count(), 2);
}

#[test]
fn cm19_idle_peers_are_forgotten_as_new_ones_come() {
    let mut bench = Bench::new(10_000);
    for peer in 1..=1000 {
        bench.allocate(0, peer).unwrap();
    }
    assert_eq!(bench.ids.peer_count(), 1000);
    for peer in 2001..=2600 {
        bench.allocate(300_000, peer).unwrap();
    }
    assert_eq!(bench.ids.peer_count(), 600);
}

#[test]
fn cm19_the_free_ids_can_be_counted_without_using_one() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.free_count(0, 1), 65_536);
    for _ in 0..2000 {
        bench.allocate(0, 1).unwrap();
    }
    bench.allocate(100_000, 1).unwrap();
    assert_eq!(bench.free_count(247, 1), 65_536 - 2001);
    assert_eq!(bench.free_count(248, 1), 65_536 - 1);
    assert_eq!(bench.free_count(248, 2), 65_536);
    bench.allocate(248_000, 2).unwrap();
    assert_eq!(bench.free_count(248, 3), 0, "no room for another peer");
    assert_eq!(bench.free_count(348, 3), 65_536, "peer 1 may be forgotten");
    assert_eq!(bench.ids.peer_count(), 2);
}
