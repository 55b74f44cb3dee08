//! Message IDs of our own messages: sequential per pair of endpoints, never reused too early (RFC 7252 §4.4; CM19).
//!
//! ```text
//!           used within the lifetime, so not to be used again
//!        ┌───────────────────────────────────────────────────┐
//!   ...  o o o o o o o o o o o o o o o o o o o o o o o o o o o  next ...  (modulo 65,536)
//!        └ second 17 ──┘└ second 18 ┘      ...    └ second 264┘
//! ```
//! Because IDs are handed out in order, those in use are the latest ones, and their number tells whether the next is free. A busy peer has
//! one count per second; a quiet one a single count, all of which are taken to be as young as the latest. Work per ID is constant: each count is
//! made once and dropped once.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use slab::Slab;

use super::recency::Recency;
use crate::io::SocketId;
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// How many message IDs there are.
const ID_COUNT: u32 = 1 << 16;
/// From so many IDs in use on, a peer gets counts per second. Lower costs memory at more peers, higher delays the reuse of more IDs.
const QUIET_IDS_MAX: u32 = 1024;

/// The message IDs in use towards every peer.
#[derive(Debug)]
pub struct MessageIds {
    lifetime_s: u32,
    peers_max: usize,
    hasher: KeyedState,
    /// Second 0, the time of the first allocation.
    epoch: Option<Instant>,
    peers: Slab<Peer>,
    index: HashTable<u32>,
    recency: Recency,
}

/// No message ID towards this peer is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// When one becomes free, if nothing else is sent meanwhile.
    pub free_at: Instant,
}

#[derive(Debug)]
struct Peer {
    socket: SocketId,
    remote: SocketAddr,
    next: u16,
    /// The second of the latest allocation.
    latest_s: u32,
    uses: Uses,
}

#[derive(Debug)]
enum Uses {
    Quiet { count: u16 },
    Busy(Box<Busy>),
}

/// Runs of IDs by the second in which they were used, oldest first.
#[derive(Debug, Default)]
struct Busy {
    total: u32,
    runs: VecDeque<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    second: u32,
    count: u32,
}

impl MessageIds {
    /// Nothing in use. `lifetime` is EXCHANGE_LIFETIME: one timer for CON and NON alike (RFC 7252 §4.8.2);
    /// `peers_max` bounds the pairs of endpoints that are remembered.
    pub fn new(lifetime: Duration, peers_max: usize, hasher: KeyedState) -> MessageIds {
        MessageIds {
            lifetime_s: u32::try_from(lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0))
                .unwrap_or(u32::MAX / 2),
            peers_max: peers_max.max(1),
            hasher,
            epoch: None,
            peers: Slab::new(),
            index: HashTable::new(),
            recency: Recency::new(),
        }
    }

    /// The next message ID from one of our sockets to a peer. `rng` chooses the first ID towards a new peer.
    ///
    /// # Errors
    /// `Exhausted` when 65,536 were used within the lifetime, or the peer is new and no other may be forgotten.
    pub fn allocate(
        &mut self,
        now: Instant,
        socket: SocketId,
        remote: SocketAddr,
        rng: &mut Rng,
    ) -> Result<u16, Exhausted> {
        let second = self.second(now);
        let hash = self.hasher.hash_one((socket, remote));
        let slot = match self.find(hash, socket, remote) {
            Some(slot) => slot,
            None => self.admit(second, hash, socket, remote, rng).map_err(|second| self.exhausted(second))?,
        };
        let peer = &mut self.peers[slot];
        peer.release(second, self.lifetime_s);
        // CM19: with all of them in use, the next one is the oldest and not free yet.
        if peer.used() >= ID_COUNT {
            let oldest_s = peer.oldest_s();
            return Err(self.exhausted(oldest_s));
        }
        peer.count(second);
        let id = peer.next;
        peer.next = id.wrapping_add(1);
        self.recency.touch(slot);
        Ok(id)
    }

    /// Takes note of an ID towards a peer that nothing is remembered of, used without being asked for here: what is allocated
    /// from now on comes after it. Nothing happens when the peer is known or nothing may be forgotten for it.
    pub fn note(&mut self, now: Instant, socket: SocketId, remote: SocketAddr, id: u16, rng: &mut Rng) {
        let second = self.second(now);
        let hash = self.hasher.hash_one((socket, remote));
        if self.find(hash, socket, remote).is_some() {
            return;
        }
        if let Ok(slot) = self.admit(second, hash, socket, remote, rng) {
            let peer = &mut self.peers[slot];
            peer.next = id.wrapping_add(1);
            peer.count(second);
        }
    }

    /// How many IDs are free from one of our sockets towards a peer.
    pub fn free_count(&mut self, now: Instant, socket: SocketId, remote: SocketAddr) -> u32 {
        let second = self.second(now);
        let hash = self.hasher.hash_one((socket, remote));
        match self.find(hash, socket, remote) {
            Some(slot) => {
                let peer = &mut self.peers[slot];
                peer.release(second, self.lifetime_s);
                ID_COUNT - peer.used()
            }
            None if self.peers.len() < self.peers_max => ID_COUNT,
            None => match self.recency.oldest() {
                Some(oldest) if is_free(self.peers[oldest].latest_s, second, self.lifetime_s) => ID_COUNT,
                _ => 0,
            },
        }
    }

    /// Whether message IDs towards a peer are remembered.
    pub fn is_known(&self, socket: SocketId, remote: SocketAddr) -> bool {
        !self.peers.is_empty() && self.find(self.hasher.hash_one((socket, remote)), socket, remote).is_some()
    }

    /// Pairs of endpoints remembered.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Seconds since the first use.
    fn second(&mut self, now: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(now);
        u32::try_from(now.saturating_duration_since(epoch).as_secs()).unwrap_or(u32::MAX)
    }

    fn find(&self, hash: u64, socket: SocketId, remote: SocketAddr) -> Option<usize> {
        let is_it = |slot: &u32| {
            let peer = &self.peers[*slot as usize];
            peer.remote == remote && peer.socket == socket
        };
        self.index.find(hash, is_it).map(|slot| *slot as usize)
    }

    /// Makes room for a peer and remembers it. Only peers whose IDs are all free again are forgotten, two for one, so that
    /// the table shrinks when there is less to do. `Err` with the second in which the peer that comes next was last used.
    fn admit(
        &mut self,
        second: u32,
        hash: u64,
        socket: SocketId,
        remote: SocketAddr,
        rng: &mut Rng,
    ) -> Result<usize, u32> {
        for _ in 0..2 {
            let Some(oldest) = self.recency.oldest() else { break };
            let latest_s = self.peers[oldest].latest_s;
            if !is_free(latest_s, second, self.lifetime_s) {
                if self.peers.len() >= self.peers_max {
                    return Err(latest_s);
                }
                break;
            }
            self.forget(oldest);
        }
        let uses = Uses::Quiet { count: 0 };
        // A random start: an observer cannot tell what went to others, and a restart does not repeat what was just sent.
        let next = rng.next_u64() as u16;
        let slot = self.peers.insert(Peer { socket, remote, next, latest_s: second, uses });
        let (peers, hasher) = (&self.peers, &self.hasher);
        self.index.insert_unique(hash, slot as u32, |slot| hash_of(hasher, &peers[*slot as usize]));
        self.recency.insert(slot);
        Ok(slot)
    }

    fn forget(&mut self, slot: usize) {
        let hash = hash_of(&self.hasher, &self.peers[slot]);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other as usize == slot) {
            entry.remove();
        }
        self.recency.remove(slot);
        self.peers.remove(slot);
    }

    /// The refusal when what was used in `second` must become free first.
    fn exhausted(&self, second: u32) -> Exhausted {
        let epoch = self.epoch.expect("set by the first allocation");
        Exhausted { free_at: epoch + Duration::from_secs(u64::from(second) + u64::from(self.lifetime_s) + 1) }
    }
}

impl Peer {
    /// IDs in use.
    fn used(&self) -> u32 {
        match &self.uses {
            Uses::Quiet { count } => u32::from(*count),
            Uses::Busy(busy) => busy.total,
        }
    }
    /// The second in which the oldest ID in use was used.
    fn oldest_s(&self) -> u32 {
        match &self.uses {
            Uses::Quiet { .. } => self.latest_s,
            Uses::Busy(busy) => busy.runs.front().map_or(self.latest_s, |run| run.second),
        }
    }
    /// Frees what was used longer ago than the lifetime.
    fn release(&mut self, second: u32, lifetime_s: u32) {
        if is_free(self.latest_s, second, lifetime_s) {
            self.uses = Uses::Quiet { count: 0 };
        } else if let Uses::Busy(busy) = &mut self.uses {
            while let Some(run) = busy.runs.front()
                && is_free(run.second, second, lifetime_s)
            {
                busy.total -= run.count;
                busy.runs.pop_front();
            }
        }
    }
    /// Counts one ID more.
    fn count(&mut self, second: u32) {
        match &mut self.uses {
            Uses::Quiet { count } if u32::from(*count) < QUIET_IDS_MAX => *count += 1,
            Uses::Quiet { count } => {
                let run = Run { second: self.latest_s, count: u32::from(*count) };
                let mut busy = Box::new(Busy { total: run.count, runs: VecDeque::from([run]) });
                busy.count(second);
                self.uses = Uses::Busy(busy);
            }
            Uses::Busy(busy) => busy.count(second),
        }
        self.latest_s = second;
    }
}

impl Busy {
    fn count(&mut self, second: u32) {
        self.total += 1;
        match self.runs.back_mut() {
            Some(run) if run.second == second => run.count += 1,
            _ => self.runs.push_back(Run { second, count: 1 }),
        }
    }
}

/// Whether an ID used at any time within a second is free in another: the whole second and the lifetime have passed.
fn is_free(used_s: u32, now_s: u32, lifetime_s: u32) -> bool {
    now_s > used_s.saturating_add(lifetime_s)
}

fn hash_of(hasher: &KeyedState, peer: &Peer) -> u64 {
    hasher.hash_one((peer.socket, peer.remote))
}

#[cfg(test)]
mod tests;
