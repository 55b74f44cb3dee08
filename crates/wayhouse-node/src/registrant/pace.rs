//! Pauses that double: how often somebody is asked who failed to answer before (RD6).

use std::time::Duration;

/// Counts failures in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// The pause after the first failure.
    pub const FIRST: Duration = Duration::from_secs(1);
    /// No pause is longer: whoever waits for a directory to come back still wants to notice it.
    pub const LONGEST: Duration = Duration::from_secs(15 * 60);

    /// Counts a failure and tells how long to pause after it.
    pub fn next_pause(&mut self) -> Duration {
        let pause = Pace::FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1).min(31);
        pause.min(Pace::LONGEST)
    }
    /// Forgets the failures, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}
