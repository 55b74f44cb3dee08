//! How many answers a network gets over UDP before it has shown a cookie: who writes with forged addresses is not to have us
//! flood somebody.
//!
//! A table of fixed size, found by a keyed hash of the client's network (a /24, or a /56 of IPv6): no peer can aim at a
//! place, and what two networks share by chance is only patience.

use std::net::IpAddr;
use std::time::Instant;

use wayhouse_proto::keyed_hash::KeyedState;

use crate::limits::DNS_RATE_PLACES;

/// Answers per second are saved up to this many seconds' worth.
const BURST_S: u32 = 2;

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer.
    Answer,
    /// The question with TC, so that an honest client asks again over TCP, which cannot be forged.
    Truncate,
    /// Nothing.
    Drop,
}

/// The table.
#[derive(Debug)]
pub(super) struct Limiter {
    key: KeyedState,
    per_s: u32,
    start: Option<Instant>,
    places: Box<[Place]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Milliseconds since the start when it was last brought up to date.
    at_ms: u32,
    /// Answers in thousandths that were taken and not yet regained.
    used_milli: u32,
    refused: u32,
}

impl Limiter {
    /// So many answers per second for a network; 0 for no limit.
    pub(super) fn new(key: KeyedState, per_s: u32) -> Limiter {
        let places = if per_s == 0 { 0 } else { DNS_RATE_PLACES };
        Limiter { key, per_s, start: None, places: vec![Place::default(); places].into() }
    }

    /// Counts an answer to a client.
    pub(super) fn judge(&mut self, now: Instant, client: IpAddr) -> Verdict {
        // From outside nobody can write with a loopback address.
        if self.places.is_empty() || client.is_loopback() {
            return Verdict::Answer;
        }
        // It wraps in seven weeks; then who was silent for as long has a little less saved up.
        let now_ms = now.saturating_duration_since(*self.start.get_or_insert(now)).as_millis() as u32;
        let hash = match client {
            IpAddr::V4(address) => self.key.octets(&address.octets()[..3]),
            IpAddr::V6(address) => self.key.octets(&address.octets()[..7]),
        };
        let most = u64::from(self.per_s) * u64::from(BURST_S) * 1_000;
        let count = self.places.len();
        let place = &mut self.places[hash as usize % count];
        // One answer a second is one thousandth a millisecond.
        let regained = u64::from(now_ms.wrapping_sub(place.at_ms)) * u64::from(self.per_s);
        place.at_ms = now_ms;
        place.used_milli = u64::from(place.used_milli).saturating_sub(regained) as u32;
        if u64::from(place.used_milli) + 1_000 <= most {
            place.used_milli += 1_000;
            return Verdict::Answer;
        }
        place.refused = place.refused.wrapping_add(1);
        if place.refused.is_multiple_of(2) { Verdict::Truncate } else { Verdict::Drop }
    }
}

#[cfg(test)]
mod tests;
