//! The side that asks: questions over UDP and streams, what a name's server is, what is pushed about names and services.
//!
//! [`query`] asks once. [`zone_walk`] finds whom to ask, [`srv_order`] in which order. [`subscriber`] keeps the subscriptions
//! of one session, [`follower`] stays informed over sessions that come and go, and asks again and again where nothing is
//! pushed; both keep what they learn in a [`record_set`]. [`service_view`] reads services out of such a set.
//! [`requester`] registers services of its own, with the messages of [`srp_update`];
//! [`stateful_requester`] does so step by step, as an older draft has it.
//!
//! Nothing here opens a connection: a [`follower`] says that it wants one.

pub mod answer;
pub mod follower;
pub mod query;
pub mod record_set;
pub mod requester;
pub mod service_view;
pub mod srp_update;
pub mod srv_order;
pub mod stateful_requester;
pub mod subscriber;
pub mod zone_walk;

use wayhouse_wire::dns::{Class, Name, Question, Rtype};

pub use answer::{Answer, OwnedRecord};
pub use query::Query;
pub use record_set::RecordSet;

/// A question of its own: who asks keeps it until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// The name.
    pub name: Name,
    /// The type; ANY for all.
    pub rtype: Rtype,
    /// The class; ANY for all.
    pub class: Class,
}

impl Asked {
    /// A question of class IN.
    pub fn internet(name: Name, rtype: Rtype) -> Asked {
        Asked { name, rtype, class: Class::IN }
    }
    /// The question as one that borrows.
    pub fn as_question(&self) -> Question<'_> {
        Question { name: self.name.as_ref(), rtype: self.rtype, class: self.class }
    }
}

/// Where virtual time starts in tests.
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the one start of virtual time")]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}
