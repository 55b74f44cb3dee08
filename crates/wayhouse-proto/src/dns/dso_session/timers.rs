//! What time brings to a session (RFC 8490 §6.2–§6.5, §7.1).

use std::time::{Duration, Instant};

use wayhouse_wire::dns::dso_tlv::{INFINITE_MS, Keepalive, dso_type};

use super::{Close, Phase, Reason, Role, Session, Stage, State};
use crate::io::Wakeup;

/// The least that a server waits for an inactive client to close (DS29), and the least grace (DS34).
const SERVER_PATIENCE: Duration = Duration::from_secs(5);

impl Session {
    /// Does what is due; the end of the session, if it is that, is told by [`Session::poll`].
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) {
        while let Some((wakeup, due)) = self.state.next_due()
            && wakeup.at <= now
        {
            let state = &mut self.state;
            match due {
                Due::NotEstablished => state.end(Close::Abort, Reason::NotEstablished),
                Due::ShutDown => state.end(Close::Abort, Reason::ShutDown),
                // DS28, DS29
                Due::Inactive if state.role == Role::Client => state.end(Close::Graceful, Reason::Inactive),
                Due::Inactive => state.end(Close::Abort, Reason::Inactive),
                // DS30
                Due::Keepalive if state.role == Role::Client && !state.awaits_keepalive() => {
                    let timeouts = state.settings.timeouts;
                    if state.request_keepalive(now, timeouts, out).is_err() {
                        state.end(Close::Abort, Reason::Silent);
                    }
                }
                Due::Keepalive => state.end(Close::Abort, Reason::Silent),
            }
        }
    }
    /// When `handle_timeout` is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.state.next_due().map(|(wakeup, _)| wakeup)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    NotEstablished,
    ShutDown,
    Inactive,
    Keepalive,
}

impl State {
    fn next_due(&self) -> Option<(Wakeup, Due)> {
        let fixed = |why, due| self.deadline.map(|at| (Wakeup { at, why }, due));
        match self.phase {
            Phase::Sessionless | Phase::WithoutDso | Phase::Closed => None,
            Phase::Establishing => fixed("session not established", Due::NotEstablished),
            Phase::ShuttingDown => fixed("client did not close", Due::ShutDown),
            Phase::Established => {
                let inactive = self.inactive_at().map(|at| (Wakeup { at, why: "session inactive" }, Due::Inactive));
                let silent = self.silent_at().map(|at| (Wakeup { at, why: "session silent" }, Due::Keepalive));
                match (inactive, silent) {
                    (Some(inactive), Some(silent)) => Some(if silent.0.at < inactive.0.at { silent } else { inactive }),
                    (inactive, silent) => inactive.or(silent),
                }
            }
        }
    }
    /// Whether nothing holds the inactivity timer at zero (DS27): no question without answer, no operation that lives.
    /// Keepalives are no operations.
    fn is_inactive(&self) -> bool {
        let counts = |stage| matches!(stage, Stage::Unanswered | Stage::Live);
        self.plain_outstanding == 0
            && self.theirs.is_empty()
            && !self.own.iter().any(|own| own.dso_type != dso_type::KEEPALIVE && counts(own.stage))
    }
    fn inactive_at(&self) -> Option<Instant> {
        let timeout = duration(self.timeouts.inactivity_timeout_ms)?;
        if !self.is_inactive() {
            return None;
        }
        match self.role {
            Role::Client => self.idle_since.checked_add(timeout),
            Role::Server => {
                // The drafts know no floor, but a client needs time for its close to arrive all the same.
                let at = self.idle_since.checked_add((2 * timeout).max(SERVER_PATIENCE))?;
                Some(self.deadline.map_or(at, |grace| grace.max(at)))
            }
        }
    }
    fn silent_at(&self) -> Option<Instant> {
        let interval = duration(self.timeouts.keepalive_interval_ms)?;
        match self.role {
            Role::Client => self.traffic_at.checked_add(interval),
            Role::Server => self.traffic_at.checked_add(2 * interval),
        }
    }
    fn awaits_keepalive(&self) -> bool {
        self.own.iter().any(|own| own.dso_type == dso_type::KEEPALIVE && own.stage == Stage::Unanswered)
    }

    /// New timeouts count at once; what has passed of the old ones stays passed (RFC 8490 §6.4.1).
    pub(super) fn apply(&mut self, now: Instant, timeouts: Keepalive) {
        self.timeouts = timeouts;
        if self.role == Role::Client {
            return;
        }
        // DS34: a client that is late by the new measure could not know.
        self.deadline = duration(timeouts.inactivity_timeout_ms)
            .filter(|timeout| self.is_inactive() && now.saturating_duration_since(self.idle_since) >= *timeout)
            .and_then(|timeout| now.checked_add((timeout / 4).max(SERVER_PATIENCE)));
    }
}

/// A timeout or interval; `None` for one that never ends.
fn duration(ms: u32) -> Option<Duration> {
    (ms != INFINITE_MS).then(|| Duration::from_millis(u64::from(ms)))
}
