//! How much may be under way to each datagram peer: NSTART, PROBING_RATE, pacing (CM23, CM25, OB12).
//!
//! A peer is an address: whatever of our sockets a message leaves from, the path it loads is the same. State exists only
//! while something is under way or waits.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::endpoint::Endpoint;
use super::timers::{Due, TimerId};
use crate::keyed_hash::KeyedState;

/// Between two NON notifications to one client, without an estimate of the round-trip time (OB12; NR6).
pub(crate) const NON_SPACING: Duration = Duration::from_secs(3);

/// Something that waits for its turn towards a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The next message of a request of ours.
    Operation(u64),
    /// A separate response.
    Separate(u64),
    /// A notification that goes as CON.
    Notification(u64),
    /// The next message of a request of ours to a group; the group is the peer (GC24).
    Group(u64),
    /// A request to one member of an observed group.
    CatchUp(u64),
}

/// All peers with something under way or waiting.
#[derive(Debug)]
pub(crate) struct Congestion {
    peers: HashMap<SocketAddr, State, KeyedState>,
}

#[derive(Debug, Default)]
struct State {
    /// Interactions that count against NSTART.
    outstanding: u32,
    waiting: VecDeque<Waiting>,
    /// Observers whose NON notification waits.
    paced: VecDeque<u64>,
    /// When the latest NON notification left.
    paced_at: Option<Instant>,
    /// Nothing but answers goes to a peer that stays silent until the probing rate has paid for what went.
    silent_until: Option<Instant>,
    timer: Option<TimerId>,
}

impl State {
    fn is_idle(&self, now: Instant) -> bool {
        self.outstanding == 0
            && self.waiting.is_empty()
            && self.paced.is_empty()
            && self.timer.is_none()
            && self.silent_until.is_none_or(|until| until <= now)
            && self.paced_at.is_none_or(|at| now.saturating_duration_since(at) >= NON_SPACING)
    }
}

impl Congestion {
    pub(crate) fn new(hasher: KeyedState) -> Congestion {
        Congestion { peers: HashMap::with_hasher(hasher) }
    }
    /// Counts one more interaction as outstanding.
    pub(crate) fn take(&mut self, remote: SocketAddr) {
        self.peers.entry(remote).or_default().outstanding += 1;
    }
    /// Puts something at the end of a peer's queue.
    pub(crate) fn enqueue(&mut self, remote: SocketAddr, waiting: Waiting) {
        self.peers.entry(remote).or_default().waiting.push_back(waiting);
    }
    /// Takes something out of a peer's queue again.
    pub(crate) fn withdraw(&mut self, remote: SocketAddr, waiting: Waiting) {
        if let Some(state) = self.peers.get_mut(&remote) {
            state.waiting.retain(|candidate| *candidate != waiting);
        }
    }
    /// How much waits for a peer.
    pub(crate) fn waiting_count(&self, remote: SocketAddr) -> usize {
        self.peers.get(&remote).map_or(0, |state| state.waiting.len())
    }
    /// Lets an observer's NON notification wait for its time.
    pub(crate) fn pace(&mut self, remote: SocketAddr, observer: u64) {
        let state = self.peers.entry(remote).or_default();
        if !state.paced.contains(&observer) {
            state.paced.push_back(observer);
        }
    }
    /// Says that nothing came back for `octets` that were sent last at `sent_at`.
    pub(crate) fn unheard(&mut self, remote: SocketAddr, sent_at: Instant, octets: usize, probing_rate: u32) {
        let until = sent_at + Duration::from_secs_f64(octets as f64 / f64::from(probing_rate.max(1)));
        let state = self.peers.entry(remote).or_default();
        state.silent_until = state.silent_until.max(Some(until));
    }
    pub(crate) fn forget_timer(&mut self, remote: SocketAddr) {
        if let Some(state) = self.peers.get_mut(&remote) {
            state.timer = None;
        }
    }
    /// Peers with state.
    #[cfg(test)]
    pub(crate) fn peer_count(&self) -> usize {
        self.peers.len()
    }
}

impl Endpoint {
    /// Ends an interaction that counted as outstanding, and goes on with what waits.
    pub(super) fn give(&mut self, now: Instant, remote: SocketAddr) {
        if let Some(state) = self.congestion.peers.get_mut(&remote) {
            state.outstanding = state.outstanding.saturating_sub(1);
        }
        self.pump(now, remote);
    }

    /// Notes that a peer answered: it is not silent, and what waited because it was may go.
    pub(super) fn heard(&mut self, now: Instant, remote: SocketAddr) {
        if let Some(state) = self.congestion.peers.get_mut(&remote)
            && state.silent_until.take().is_some()
        {
            self.pump(now, remote);
        }
    }

    /// Lets go what waits for a peer and may go.
    pub(super) fn pump(&mut self, now: Instant, remote: SocketAddr) {
        let nstart = self.settings.params.nstart.max(1);
        let mut again_at: Option<Instant> = None;
        while let Some(state) = self.congestion.peers.get_mut(&remote) {
            if state.outstanding >= nstart || state.waiting.is_empty() {
                break;
            }
            if let Some(until) = state.silent_until.filter(|until| *until > now) {
                again_at = Some(until); // CM25
                break;
            }
            let waiting = state.waiting.pop_front().expect("not empty");
            let outcome = match waiting {
                Waiting::Operation(id) => self.launch(now, id),
                Waiting::Separate(id) => self.launch_separate(now, id),
                Waiting::Notification(id) => self.grant_notification(now, id, true),
                Waiting::Group(id) => self.launch_group(now, id),
                Waiting::CatchUp(id) => self.launch_catch_up(now, id),
            };
            if let Err(free_at) = outcome {
                // No message ID is free: what is under way goes on, this waits.
                self.congestion.peers.entry(remote).or_default().waiting.push_front(waiting);
                again_at = Some(free_at);
                break;
            }
        }
        // OB12: one NON notification per peer and NON_SPACING.
        if let Some(state) = self.congestion.peers.get_mut(&remote)
            && !state.paced.is_empty()
        {
            let free_at = state.paced_at.map_or(now, |at| at + NON_SPACING).max(state.silent_until.unwrap_or(now));
            if free_at <= now {
                let observer = state.paced.pop_front().expect("not empty");
                state.paced_at = Some(now);
                let mut next_at = (!state.paced.is_empty()).then_some(now + NON_SPACING);
                if let Err(free_at) = self.grant_notification(now, observer, false) {
                    self.congestion.peers.entry(remote).or_default().paced.push_front(observer);
                    next_at = Some(free_at);
                }
                again_at = again_at.into_iter().chain(next_at).min();
            } else {
                again_at = Some(again_at.map_or(free_at, |at| at.min(free_at)));
            }
        }
        if let Some(state) = self.congestion.peers.get_mut(&remote) {
            if let Some(at) = again_at {
                if let Some(timer) = state.timer.take() {
                    self.timers.cancel(timer);
                }
                state.timer = Some(self.timers.set(at.max(now), Due::Pacing(remote)));
            } else if state.is_idle(now) {
                self.congestion.peers.remove(&remote);
            } else if state.outstanding == 0 && state.timer.is_none() {
                // Nothing else would look at this peer again: come back when its memory is of no use.
                let until = state.silent_until.max(state.paced_at.map(|at| at + NON_SPACING)).unwrap_or(now);
                state.timer = Some(self.timers.set(until.max(now), Due::Pacing(remote)));
            }
        }
    }
}
