//! Which zone a name is in, and who serves it for some purpose (RFC 8765 §6.1; SRP: RFC 9665 §3.1.1, SR1).
//!
//! ```text
//! SOA of a.b.example? ─no SOA─> SOA of b.example? ─SOA of example─> SRV of _dns-push-tls._tcp.example?
//! ```
//!
//! Use: ask what [`ZoneWalk::asked`] says, hand in the answer, until [`Finding`] says that it is over.

use wayhouse_wire::dns::{Name, Rtype};

use super::srv_order::{SrvTarget, order};
use super::{Answer, Asked};
use crate::dns::limits::ZONE_WALK_LABELS_MAX;
use crate::rng::Rng;

/// Whether a walk is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Another question is to be asked.
    Onward,
    /// The servers, in the order to try them (RFC 2782); none when the zone offers no such service.
    Servers {
        /// The zone of the name.
        zone: Name,
        /// Who serves it.
        servers: Vec<SrvTarget>,
    },
    /// Nobody knows a zone that holds the name.
    NoZone,
}

/// A search under way.
#[derive(Debug)]
pub struct ZoneWalk {
    name: Name,
    /// The name whose SOA is asked for.
    at: Name,
    zone: Option<Name>,
    service: Name,
    steps_left: usize,
}

impl ZoneWalk {
    /// Starts at a name. `service` is what to look for in its zone, such as `_dns-push-tls._tcp`.
    pub fn new(name: Name, service: Name) -> ZoneWalk {
        ZoneWalk { at: name.clone(), name, zone: None, service, steps_left: ZONE_WALK_LABELS_MAX }
    }
    /// The next question; `None` when the name of the service is too long, which no zone offers then.
    pub fn asked(&self) -> Option<Asked> {
        match &self.zone {
            None => Some(Asked::internet(self.at.clone(), Rtype::SOA)),
            Some(zone) => Some(Asked::internet(zone.prefixed(self.service.as_ref()).ok()?, Rtype::SRV)),
        }
    }
    /// Takes the answer to it.
    pub fn handle_answer(&mut self, answer: &Answer, rng: &mut Rng) -> Finding {
        if let Some(zone) = &self.zone {
            let asked = self.asked().map(|asked| asked.name);
            let records = answer.answers.iter().filter(|record| Some(&record.name) == asked.as_ref());
            return Finding::Servers { zone: zone.clone(), servers: order(records, rng) };
        }
        // An SOA ends the search wherever it stands, also with NXDOMAIN; one of somebody else's zone does not.
        let mut told = answer.answers.iter().chain(&answer.authorities);
        let soa = told.find(|soa| soa.rtype == Rtype::SOA && self.name.as_ref().is_at_or_below(soa.name.as_ref()));
        if let Some(soa) = soa {
            self.zone = Some(soa.name.clone());
            return Finding::Onward;
        }
        // One label left is the top of all names: nobody's services are there.
        let parent = self.at.as_ref().parent().filter(|parent| parent.labels().count() >= 2);
        self.steps_left = self.steps_left.saturating_sub(1);
        match parent.filter(|_| self.steps_left > 0) {
            Some(parent) => {
                self.at = parent.to_name();
                Finding::Onward
            }
            None => Finding::NoZone,
        }
    }
}

#[cfg(test)]
mod tests;
