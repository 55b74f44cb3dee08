//! Every bound of the HTTP side, its reason and the reaction when it is met.

use std::time::Duration;

/// Connections at a time. Each costs a file descriptor and some 30 kB. Reaction: further ones wait in the kernel's
/// queue until one ends.
pub const CONNECTIONS_MAX: usize = 512;

/// A connection on which nothing was read or written for this long is closed, so that idle clients cannot hold all
/// places. Longer than [`HEARTBEAT`], so that a listener to changes is never idle.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

/// Listeners to changes at a time. Each is told every change, so that their number multiplies the work of a busy
/// directory; below [`CONNECTIONS_MAX`], so that they cannot take all places. Reaction: 503 with Retry-After.
pub const LISTENERS_MAX: usize = 64;

/// Events that wait for one listener's connection. Behind them changes wait in the shared queue, and one that falls
/// out of that is told to read the whole again.
pub const EVENTS_WAITING_MAX: usize = 64;

/// A comment is sent to listeners after this silence: proxies and phones drop connections that look dead.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back after a lost event stream, milliseconds.
pub const RETRY_MS: u64 = 1_000;

/// Octets of a request's body: a link-format document of the registry's bound (64 KiB), as JSON with escapes.
/// Reaction: 413.
pub const BODY_OCTETS_MAX: usize = 160 << 10;

/// Registrants on one page: about 300 kB of JSON. Reaction: 400.
pub const PAGE_COUNT_MAX: u64 = 500;

/// Registrants on one page when the client does not say.
pub const PAGE_COUNT_DEFAULT: u64 = 50;

/// Criteria of one query; each costs the registry a comparison per candidate. Reaction: 400.
pub const CRITERIA_MAX: usize = 16;

/// Octets of a text to search for, or of one criterion. No name or URI that registers is longer. Reaction: 400.
pub const CRITERION_OCTETS_MAX: usize = 1_024;

/// Text searches at a time: each may read every registrant, and the devices must not wait behind a queue of them.
/// Reaction: the next one waits, within [`ANSWER_MAX`].
pub const SEARCHES_AT_ONCE: usize = 1;

/// How long a request waits for the node. Longer than any durable write takes on a slow card. Reaction: 503.
pub const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How long the node may take to answer before it does not count as ready.
pub const READY_MAX: Duration = Duration::from_secs(2);

/// How long requests under way may take to finish when the daemon stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(3);
