//! Which of two notifications is the newer one (RFC 7641 §3.4; OB3).

use std::time::{Duration, Instant};

/// Past this time order is told by arrival alone (RFC 7641 §3.4).
const REORDERING_SPAN: Duration = Duration::from_secs(128);

/// The newest notification seen of one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    value: u32,
    at: Instant,
}

impl Freshness {
    /// Starts with the first notification: its Observe value (24 bits) and its arrival.
    pub fn new(value: u32, at: Instant) -> Freshness {
        Freshness { value: value & 0xff_ffff, at }
    }
    /// Whether a notification that arrives is newer than the newest seen (OB3).
    pub fn is_newer(&self, value: u32, at: Instant) -> bool {
        let (v1, v2) = (self.value, value & 0xff_ffff);
        (v1 < v2 && v2 - v1 < 1 << 23)
            || (v1 > v2 && v1 - v2 > 1 << 23)
            || at.saturating_duration_since(self.at) > REORDERING_SPAN
    }
    /// Takes the notification as the newest if it is; `false` means that it came late and must be dropped.
    pub fn advance(&mut self, value: u32, at: Instant) -> bool {
        let is_newer = self.is_newer(value, at);
        if is_newer {
            *self = Freshness::new(value, at);
        }
        is_newer
    }
}

#[cfg(test)]
mod tests;
