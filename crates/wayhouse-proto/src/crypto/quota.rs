//! How many signature checks strangers may cause.
//!
//! Each neighbourhood of addresses has an allowance, and all of them together have one; a check takes from both. Whoever
//! has none left is to be answered without looking at the signature, or not at all.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// An allowance that refills with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Checks at once.
    pub burst: u32,
    /// Time for one more.
    pub refill: Duration,
}

/// Bounds of a [`Quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Of one neighbourhood: an IPv4 address, a /64 of IPv6. Reaction: the check is refused.
    pub per_neighbourhood: Allowance,
    /// Of everybody together; what keeps the machine free for its work. Reaction: the check is refused.
    pub total: Allowance,
    /// Neighbourhoods remembered. Reaction: the rest of the world shares one allowance.
    pub neighbourhoods_max: usize,
}

impl Default for QuotaLimits {
    fn default() -> QuotaLimits {
        QuotaLimits {
            // A /64 is a whole link: room for all its devices to come back at once after a power cut.
            per_neighbourhood: Allowance { burst: 256, refill: Duration::from_millis(10) },
            // 500 checks of P-256, at 0.3 ms, take a seventh of one core.
            total: Allowance { burst: 2_000, refill: Duration::from_millis(2) },
            neighbourhoods_max: 4_096,
        }
    }
}

/// What is left of an allowance.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    /// When the last refill happened.
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, now: Instant, allowance: Allowance) {
        let refill = allowance.refill.max(Duration::from_nanos(1));
        let count = now.saturating_duration_since(self.at).as_nanos() / refill.as_nanos();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count >= allowance.burst.saturating_sub(self.left) {
            (self.left, self.at) = (allowance.burst, now);
        } else {
            self.left += count;
            self.at += refill * count;
        }
    }
}

/// The allowances of all neighbourhoods.
#[derive(Debug)]
pub struct Quota {
    limits: QuotaLimits,
    total: Bucket,
    others: Bucket,
    table: HashMap<IpAddr, Bucket, KeyedState>,
    /// In the order of their coming.
    order: VecDeque<IpAddr>,
}

impl Quota {
    /// Full allowances for everybody.
    pub fn new(now: Instant, limits: QuotaLimits, rng: &mut Rng) -> Quota {
        Quota {
            limits,
            total: Bucket { left: limits.total.burst, at: now },
            others: Bucket { left: limits.per_neighbourhood.burst, at: now },
            table: HashMap::with_hasher(KeyedState::new(rng)),
            order: VecDeque::new(),
        }
    }
    /// Takes one check from the allowance of an address; `false` when there is none left.
    pub fn take(&mut self, now: Instant, address: IpAddr) -> bool {
        let allowance = self.limits.per_neighbourhood;
        self.total.refill(now, self.limits.total);
        let key = neighbourhood(address);
        if !self.table.contains_key(&key) {
            self.make_room(now);
            if self.table.len() < self.limits.neighbourhoods_max {
                self.table.insert(key, Bucket { left: allowance.burst, at: now });
                self.order.push_back(key);
            }
        }
        let bucket = self.table.get_mut(&key).unwrap_or(&mut self.others);
        bucket.refill(now, allowance);
        let may = bucket.left > 0 && self.total.left > 0;
        if may {
            bucket.left -= 1;
            self.total.left -= 1;
        }
        may
    }
    /// Forgets the oldest neighbourhood when the table is full and that one has its whole allowance again: then nothing is
    /// lost with it. Otherwise it goes to the end of the line.
    fn make_room(&mut self, now: Instant) {
        if self.table.len() < self.limits.neighbourhoods_max {
            return;
        }
        let Some(oldest) = self.order.pop_front() else { return };
        let Some(bucket) = self.table.get_mut(&oldest) else { return };
        bucket.refill(now, self.limits.per_neighbourhood);
        if bucket.left >= self.limits.per_neighbourhood.burst {
            self.table.remove(&oldest);
        } else {
            self.order.push_back(oldest);
        }
    }
    /// Neighbourhoods remembered.
    pub fn len(&self) -> usize {
        self.table.len()
    }
    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// The address that stands for all that one host can have: of IPv6 the first 64 bits.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests;
