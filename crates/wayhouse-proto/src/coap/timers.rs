//! What is due when: one ordered queue for the whole endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::io::{StreamId, Wakeup};

/// What to do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send a confirmable message again, or give up (CM14).
    Retransmission(usize),
    /// Give up a request of ours.
    Patience(u64),
    /// Stop counting an unanswered NON as outstanding (CM23, CM25).
    Unanswered(u64),
    /// Register an observation of ours again (OB4).
    Registration(u64),
    /// Send an answer to a multicast request (CX3).
    Leisure(u64),
    /// Go on with what waits for a peer: pacing of notifications (OB12), probing rate (CM25).
    Pacing(SocketAddr),
    /// Close a connection that we released and the peer did not close (TC1).
    Release(StreamId),
    /// Give up a connection whose peer did not send its CSM (TC1).
    Settings(StreamId),
    /// Drop bodies in blocks whose time is over.
    Bodies,
    /// Stop gathering answers to a request to a group.
    GroupWindow(u64),
    /// Send a request to a group again (GC13).
    GroupRepetition(u64),
    /// Stop counting a request to a group as outstanding (GC24).
    GroupUnanswered(u64),
    /// Ask members of an observed group again (OB4, GC51).
    GroupStaleness(u64),
    /// Let a notification go whose leisure has passed (GC55).
    NotificationLeisure(u64),
}

impl Due {
    const fn why(self) -> &'static str {
        match self {
            Due::Retransmission(_) => "retransmission",
            Due::Patience(_) => "patience with a request ends",
            Due::Unanswered(_) => "a NON request stays unanswered",
            Due::Registration(_) => "observation to be registered again",
            Due::Leisure(_) => "answer to a multicast request",
            Due::Pacing(_) => "pacing towards a peer",
            Due::Release(_) => "a released connection stays open",
            Due::Settings(_) => "a connection waits for the CSM of its peer",
            Due::Bodies => "bodies in blocks expire",
            Due::GroupWindow(_) => "answers of a group end",
            Due::GroupRepetition(_) => "a request to a group is repeated",
            Due::GroupUnanswered(_) => "a request to a group stays unanswered",
            Due::GroupStaleness(_) => "members of an observed group to be asked again",
            Due::NotificationLeisure(_) => "notification to an observer of a group",
        }
    }
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId {
    at: Instant,
    sequence: u64,
}

/// The queue: by time, then in the order in which the timers were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<TimerId, Due>,
    sequence: u64,
}

impl Timers {
    /// Adds one.
    pub(crate) fn set(&mut self, at: Instant, due: Due) -> TimerId {
        self.sequence += 1;
        let id = TimerId { at, sequence: self.sequence };
        self.queue.insert(id, due);
        id
    }
    /// Takes one back; nothing happens when it was due already.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.queue.remove(&id);
    }
    /// The next one that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due> {
        let entry = self.queue.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }
    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Wakeup> {
        self.queue.first_key_value().map(|(id, due)| Wakeup { at: id.at, why: due.why() })
    }
}
