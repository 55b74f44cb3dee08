//! What one session subscribed to, seen from either end (RFC 8765 §6.2, §6.3.1).

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::push_tlv::{Change, ChangeKind};
use wayhouse_wire::dns::{Class, Name, NameRef, Question, Rtype};

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The message ID of its SUBSCRIBE, which names it.
    pub id: u16,
    /// The type; ANY stands for all.
    pub rtype: Rtype,
    /// The class; ANY stands for all.
    pub class: Class,
    /// The name, taken literally: `*` is a label like others (PU10).
    pub name: Name,
}

/// Why a subscription was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeFault {
    /// The session has one for this name, type and class: it ends for it (PU8).
    #[error("a duplicate subscription")]
    Duplicate,
    /// The session has as many as it may (PU18): this one is refused.
    #[error("too many subscriptions")]
    TooMany,
}

/// The subscriptions of a session.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    table: Vec<Subscription>,
    dialect: PushDialect,
}

impl Subscriptions {
    /// None yet.
    pub fn new(dialect: PushDialect) -> Subscriptions {
        Subscriptions { table: Vec::new(), dialect }
    }
    /// Adds one, unless the session has as many as `most`.
    ///
    /// # Errors
    /// See [`SubscribeFault`].
    pub fn add(&mut self, id: u16, question: &Question<'_>, most: usize) -> Result<(), SubscribeFault> {
        let Question { name, rtype, class } = *question;
        // PU8: without regard to case.
        let is_same = |old: &Subscription| old.rtype == rtype && old.class == class && old.name == name;
        if self.table.iter().any(is_same) {
            return Err(SubscribeFault::Duplicate);
        }
        if self.table.len() >= most {
            return Err(SubscribeFault::TooMany);
        }
        // Most sessions have few: the table grows one by one.
        self.table.reserve_exact(1);
        self.table.push(Subscription { id, rtype, class, name: name.to_name() });
        Ok(())
    }
    /// Takes one out. An unknown ID is nothing special: ends cross on the way (PU28).
    pub fn remove(&mut self, id: u16) -> Option<Subscription> {
        let index = self.table.iter().position(|subscription| subscription.id == id)?;
        Some(self.table.swap_remove(index))
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.table.iter()
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.table.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
    /// Whether a record is of interest. Told once, however many subscriptions it matches (PU21).
    pub fn match_record(&self, name: NameRef<'_>, rtype: Rtype, class: Class) -> bool {
        self.table.iter().any(|subscription| {
            self.matches_type(subscription, rtype) && matches_class(subscription, class) && subscription.name == name
        })
    }
    /// PU9, PU11: all types match ANY, and a CNAME matches any type that is asked for. In the drafts it is a type like
    /// others (PX1).
    fn matches_type(&self, subscription: &Subscription, rtype: Rtype) -> bool {
        subscription.rtype == rtype
            || subscription.rtype == Rtype::ANY
            || rtype == Rtype::CNAME && self.dialect == PushDialect::Rfc8765
    }
    /// Whether a notification that arrived concerns a subscription of ours; others are ignored, one by one (PU25, PU27).
    /// Of a collective removal only the records that are known and subscribed to go; whether there is one is for the
    /// caller to find out.
    pub fn match_change(&self, change: &Change<'_>) -> bool {
        let of_name = |subscription: &&Subscription| subscription.name == change.name;
        match change.kind {
            ChangeKind::Add { .. } => self.match_record(change.name, change.rtype, change.class),
            // The drafts' removals leave the class out.
            ChangeKind::RemoveOne | ChangeKind::RemoveRrset if self.dialect != PushDialect::Rfc8765 => {
                self.table.iter().filter(of_name).any(|subscription| self.matches_type(subscription, change.rtype))
            }
            ChangeKind::RemoveOne | ChangeKind::RemoveRrset => {
                self.match_record(change.name, change.rtype, change.class)
            }
            ChangeKind::RemoveName => {
                self.table.iter().filter(of_name).any(|subscription| matches_class(subscription, change.class))
            }
            ChangeKind::RemoveEverything => self.table.iter().any(|subscription| subscription.name == change.name),
        }
    }
}

fn matches_class(subscription: &Subscription, class: Class) -> bool {
    subscription.class == class || subscription.class == Class::ANY
}

#[cfg(test)]
mod tests;
