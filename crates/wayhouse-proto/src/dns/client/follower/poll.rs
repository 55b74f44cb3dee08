//! Asking again and again, as seldom as the records allow (PU32).

use std::time::{Duration, Instant};

use super::{Event, Follower, Link, POLL_INTERVAL_MIN, Pursuit, Wish};
use crate::dns::client::record_set::{Difference, answers};
use crate::dns::client::{Answer, Asked};
use wayhouse_wire::dns::OptRcode;

/// How long the next poll may take before what it would confirm is forgotten.
const POLL_GRACE: Duration = Duration::from_secs(30);

impl Follower {
    /// A poll was answered, or not.
    pub fn handle_answer(&mut self, now: Instant, asked: &Asked, answer: Option<&Answer>) {
        let Some(pursuit) = self.wanted.get(asked) else { return };
        // A server in trouble says nothing about names: what is known stays until its time is over.
        let tells = |answer: &&Answer| matches!(answer.rcode, OptRcode::NOERROR | OptRcode::NXDOMAIN);
        let answer = answer.filter(tells);
        let ttls = answer.into_iter().flat_map(|answer| &answer.answers).map(|record| record.ttl_s);
        let interval = self.interval(ttls.min());
        let is_live = pursuit.is_live;
        if let Some(pursuit) = self.wanted.get_mut(asked) {
            (pursuit.is_asking, pursuit.poll_at) = (false, now + interval);
        }
        // What was subscribed to meanwhile is told by the session, and more exactly.
        if is_live {
            return;
        }
        let Some(answer) = answer else {
            self.events.push_back(Event::Unanswered(asked.clone()));
            return;
        };
        let mut differences = Vec::new();
        let told = |record: &_| answers(asked, record);
        let is_confirmed = |known: &super::super::OwnedRecord| {
            answer.answers.iter().any(|record| record.rtype == known.rtype && record.rdata == known.rdata)
        };
        self.records.remove(asked.name.as_ref(), &mut differences, |known| told(known) && !is_confirmed(known));
        for record in answer.answers.iter().filter(|record| told(record)) {
            // Kept over the next poll, which is later than the TTL where that is short.
            let lifetime = Duration::from_secs(u64::from(record.ttl_s)).max(interval) + POLL_GRACE;
            match self.records.put(record.clone(), now.checked_add(lifetime)) {
                Ok(true) => differences.push(Difference::Added(record.clone())),
                Ok(false) => {}
                Err(_) => break,
            }
        }
        if !differences.is_empty() {
            self.events.push_back(Event::Changed(differences));
        }
    }

    /// PU32: two seconds after the shortest TTL, so that a cache in between has forgotten, and never often, unless a person
    /// at a terminal wants it so.
    fn interval(&self, ttl_s: Option<u32>) -> Duration {
        let by_ttl = Duration::from_secs(u64::from(ttl_s.unwrap_or(0)) + 2).max(POLL_INTERVAL_MIN);
        self.settings.poll_interval.unwrap_or(by_ttl)
    }
    /// Whether a question has to be asked again and again: nobody tells of changes, and nobody is about to.
    pub(super) fn is_polled(&self, pursuit: &Pursuit) -> bool {
        !pursuit.is_live
            && !pursuit.is_asking
            && match self.link {
                Link::Down => true,
                Link::Connecting => false,
                Link::Up { .. } => !pursuit.is_sent,
            }
    }
    /// The next question to ask without push.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<Wish> {
        let is_due = |(_, pursuit): &(&Asked, &Pursuit)| self.is_polled(pursuit) && pursuit.poll_at <= now;
        let asked = self.wanted.iter().find(is_due)?.0.clone();
        if let Some(pursuit) = self.wanted.get_mut(&asked) {
            pursuit.is_asking = true;
        }
        self.tell_mode(false, self.interval(None));
        Some(Wish::Ask(asked))
    }
}
