//! What a registrant does next: RFC 9176 §4 and §5 from the endpoint's side. Pure: time and chance are arguments.
//!
//! ```text
//!  discovering ──URIs──> registering ──2.01──> registered ──before the end──> refreshing ─┐
//!    ^   ^ next directory   │  ^ next URI           ^            2.04                      │
//!    │   └──────────────────┤  └──────────────┐     └──────────────────────────────────────┤
//!    └── URIs grown stale ──┴── any failure ──┴──────────────── any failure ───────────────┘
//! ```
//! Between two requests after a failure there is a pause that doubles, over the whole process (RD6, RD14). A directory that
//! says when to come back (5.03 with Max-Age) is asked again then, as long as all these waits together stay within a limit (RD3).

mod pace;

use std::time::{Duration, Instant};

use wayhouse_proto::rng::Rng;
use wayhouse_wire::coap::Code;

pub use self::pace::Pace;

/// Lifetime when none is given, seconds (RFC 9176 §5).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(90_000);
/// Max-Age when an answer has none (RFC 7252 §5.10.5).
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);
/// MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2): what one request may take until it is given up.
const MAX_TRANSMIT_WAIT: Duration = Duration::from_secs(93);

/// What a registrant is told at the beginning.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directories in order of preference.
    pub directories: Vec<String>,
    /// Lifetime of the registration.
    pub lifetime: Duration,
    /// Whether to keep the registration alive and to go on for ever, or to end with the first round.
    pub is_kept: bool,
    /// How long to wait in all for one registration resource that says 5.03.
    pub wait_max: Duration,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask a directory for its registration resources.
    Discover {
        /// The directory's URI.
        directory: String,
    },
    /// Register at a registration resource.
    Register {
        /// Its URI.
        uri: String,
    },
    /// Update the registration, which lets its lifetime begin again.
    Refresh {
        /// The location that the directory gave.
        location: String,
    },
    /// Nothing until then.
    Wait {
        /// Until when.
        until: Instant,
    },
    /// No directory took the registration, and none will.
    GiveUp,
}

/// How the last step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The registration resources of a directory.
    Discovered {
        /// Their full URIs.
        uris: Vec<String>,
        /// How long that is to be believed (Max-Age).
        fresh_for: Duration,
    },
    /// Registered.
    Registered {
        /// The registration's full URI.
        location: String,
    },
    /// Refreshed.
    Refreshed,
    /// An error code.
    Refused {
        /// The code.
        code: Code,
        /// Max-Age of the answer, if it has one.
        max_age: Option<Duration>,
    },
    /// No answer, or none that makes sense.
    NoAnswer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Discovering,
    Registering,
    Registered { location: String, refresh_at: Instant, ends_at: Instant },
}

/// The registrant.
#[derive(Debug)]
pub struct Registrant {
    settings: Settings,
    rng: Rng,
    pace: Pace,
    phase: Phase,
    directory: usize,
    uris: Vec<String>,
    uris_fresh_until: Instant,
    uri: usize,
    not_before: Instant,
    asked_at: Instant,
    waited: Duration,
    // Whether anything in this round through all directories may end differently next time.
    has_hope: bool,
}

impl Registrant {
    /// A registrant that has not asked anybody.
    pub fn new(now: Instant, settings: Settings, seed: u64) -> Registrant {
        Registrant {
            settings,
            rng: Rng::new(seed),
            pace: Pace::default(),
            phase: Phase::Discovering,
            directory: 0,
            uris: Vec::new(),
            uris_fresh_until: now,
            uri: 0,
            not_before: now,
            asked_at: now,
            waited: Duration::ZERO,
            has_hope: false,
        }
    }

    /// Where it is registered, as far as it knows.
    pub fn location(&self) -> Option<&str> {
        match &self.phase {
            Phase::Registered { location, .. } => Some(location),
            Phase::Discovering | Phase::Registering => None,
        }
    }

    /// What to do at this time. A step is done once, and then its outcome handed in.
    pub fn step(&mut self, now: Instant) -> Step {
        if self.directory >= self.settings.directories.len() {
            return Step::GiveUp;
        }
        if now < self.not_before {
            return Step::Wait { until: self.not_before };
        }
        // RD14: what discovery said some time ago may not hold any more.
        if self.phase == Phase::Registering && now >= self.uris_fresh_until {
            self.phase = Phase::Discovering;
        }
        self.asked_at = now;
        match &self.phase {
            Phase::Discovering => Step::Discover { directory: self.settings.directories[self.directory].clone() },
            Phase::Registering => Step::Register { uri: self.uris[self.uri].clone() },
            Phase::Registered { refresh_at, .. } if now < *refresh_at => Step::Wait { until: *refresh_at },
            // RD13: the location from the registration is what is updated.
            Phase::Registered { location, .. } => Step::Refresh { location: location.clone() },
        }
    }

    /// Takes the outcome of the last step.
    pub fn handle(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Discovered { uris, fresh_for } if !uris.is_empty() => {
                self.uris = uris;
                self.uri = 0;
                // A directory that forbids to believe it for any time is still believed for the one attempt it was asked for.
                self.uris_fresh_until = now + fresh_for.max(MAX_TRANSMIT_WAIT);
                self.phase = Phase::Registering;
            }
            Outcome::Discovered { .. } => self.next_directory(now),
            Outcome::Registered { location } => self.registered(location),
            Outcome::Refreshed => {
                if let Phase::Registered { location, .. } = &self.phase {
                    self.registered(location.clone());
                }
            }
            Outcome::Refused { code, max_age } => self.refused(now, code, max_age),
            Outcome::NoAnswer => {
                self.has_hope = true;
                self.failed(now);
            }
        }
    }

    fn registered(&mut self, location: String) {
        // The directory counts from some time after the request left, so this is on the safe side.
        let ends_at = self.asked_at + self.settings.lifetime;
        let refresh_at = self.asked_at + refresh_after(self.settings.lifetime);
        self.phase = Phase::Registered { location, refresh_at, ends_at };
        self.pace.reset();
        self.waited = Duration::ZERO;
        self.has_hope = false;
    }

    fn refused(&mut self, now: Instant, code: Code, max_age: Option<Duration>) {
        let asks_to_wait = matches!(code, Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS);
        self.has_hope |= !is_final(code);
        if asks_to_wait {
            // RD3: the directory says when to try again.
            let pause = max_age.unwrap_or(DEFAULT_MAX_AGE).max(Pace::FIRST);
            let is_in_time = match &self.phase {
                // A wait beyond the remaining life is a failure (RFC 9176 §5.3.1).
                Phase::Registered { ends_at, .. } => now + pause < *ends_at,
                Phase::Discovering | Phase::Registering => self.waited + pause <= self.settings.wait_max,
            };
            if is_in_time {
                self.waited += pause;
                self.not_before = now + pause;
                return;
            }
        }
        self.failed(now);
    }

    /// RD14: another registration URI, then another directory.
    fn failed(&mut self, now: Instant) {
        self.waited = Duration::ZERO;
        match self.phase {
            Phase::Registered { .. } => {
                // Any failure of a refresh: register again, where it worked before (RFC 9176 §5.3.1).
                self.phase = Phase::Registering;
                self.not_before = now;
            }
            Phase::Registering if self.uri + 1 < self.uris.len() => {
                self.uri += 1;
                self.pause(now);
            }
            Phase::Registering | Phase::Discovering => self.next_directory(now),
        }
    }

    fn next_directory(&mut self, now: Instant) {
        self.directory += 1;
        self.phase = Phase::Discovering;
        self.pause(now);
        if self.directory >= self.settings.directories.len() && self.settings.is_kept && self.has_hope {
            self.directory = 0;
            self.has_hope = false;
        }
    }

    /// RD6: strictly fewer and fewer requests while nothing succeeds; a little chance keeps registrants apart that failed together.
    fn pause(&mut self, now: Instant) {
        let pause = self.pace.next_pause();
        self.not_before = now + pause + pause.mul_f64(self.rng.fraction() / 4.0);
    }
}

/// When to refresh: early enough for one attempt to fail slowly, but not before half of the lifetime.
fn refresh_after(lifetime: Duration) -> Duration {
    lifetime - (lifetime / 2).min(lifetime / 10 + MAX_TRANSMIT_WAIT)
}

/// Whether a code says that the same registration will not be taken later either.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::BAD_REQUEST
            | Code::UNAUTHORIZED
            | Code::FORBIDDEN
            | Code::CONFLICT
            | Code::REQUEST_ENTITY_TOO_LARGE
            | Code::UNSUPPORTED_CONTENT_FORMAT
    )
}

#[cfg(test)]
mod tests;
