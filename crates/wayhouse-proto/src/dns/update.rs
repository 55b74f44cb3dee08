//! Updates of a zone, read: its prerequisites and instructions, their form checked (RFC 2136 §2, §3.1–§3.4).
//!
//! What an update means is known to whoever keeps the zone; [`super::srp`] knows the one kind that registers services.

use wayhouse_wire::dns::name::NAME_OCTETS_MAX;
use wayhouse_wire::dns::{Class, Message, NameRef, Question, Rcode, Record, Rtype, Section};

/// Why a message is no update of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpdateFault {
    /// The zone section is not one SOA.
    #[error("not one zone")]
    NoZone,
    /// A record that no section allows: its class, time to live, type or data.
    #[error("a record out of form")]
    Malformed,
    /// A name that is not of the zone.
    #[error("a name outside the zone")]
    OutsideZone,
}

impl UpdateFault {
    /// What it is answered with.
    pub fn rcode(self) -> Rcode {
        match self {
            UpdateFault::NoZone | UpdateFault::Malformed => Rcode::FORMERR,
            UpdateFault::OutsideZone => Rcode::NOTZONE,
        }
    }
}

/// A condition that must hold before anything is done (RFC 2136 §2.4).
#[derive(Debug, Clone, Copy)]
pub enum Prerequisite<'a> {
    /// The name has a record.
    NameInUse(NameRef<'a>),
    /// It has none.
    NameNotInUse(NameRef<'a>),
    /// The name has a record of the type.
    RrsetExists(NameRef<'a>, Rtype),
    /// It has none.
    RrsetAbsent(NameRef<'a>, Rtype),
    /// The set of that name and type has this record; all those of one name and type are the whole set.
    RrsetEquals(Record<'a>),
}

/// Something to do (RFC 2136 §2.5).
#[derive(Debug, Clone, Copy)]
pub enum Instruction<'a> {
    /// Add a record.
    Add(Record<'a>),
    /// Delete all records of a type from a name.
    DeleteRrset(NameRef<'a>, Rtype),
    /// Delete all records from a name.
    DeleteName(NameRef<'a>),
    /// Delete one record.
    DeleteRecord(Record<'a>),
}

/// An update whose form was checked.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    message: Message<'a>,
    zone: Question<'a>,
}

impl<'a> Update<'a> {
    /// Takes a message for an update. Whether the zone is ours is to be asked before the rest is looked at.
    ///
    /// # Errors
    /// `NoZone`.
    pub fn of(message: Message<'a>) -> Result<Update<'a>, UpdateFault> {
        match message.question() {
            Some(zone) if zone.rtype == Rtype::SOA => Ok(Update { message, zone }),
            _ => Err(UpdateFault::NoZone),
        }
    }
    /// The message.
    pub fn message(&self) -> &Message<'a> {
        &self.message
    }
    /// The zone that is to be updated.
    pub fn zone(&self) -> NameRef<'a> {
        self.zone.name
    }
    /// The class of its records.
    pub fn class(&self) -> Class {
        self.zone.class
    }

    /// Checks the form of everything (RFC 2136 §3.2, §3.4.1).
    ///
    /// # Errors
    /// The first that is found.
    pub fn check(&self) -> Result<(), UpdateFault> {
        self.prerequisites().try_for_each(|prerequisite| prerequisite.map(drop))?;
        self.instructions().try_for_each(|instruction| instruction.map(drop))
    }
    /// The conditions, in order.
    pub fn prerequisites(&self) -> impl Iterator<Item = Result<Prerequisite<'a>, UpdateFault>> + use<'a> {
        let update = *self;
        self.message.records(Section::Answer).map(move |record| update.prerequisite(record))
    }
    /// What is to be done, in order.
    pub fn instructions(&self) -> impl Iterator<Item = Result<Instruction<'a>, UpdateFault>> + use<'a> {
        let update = *self;
        self.message.records(Section::Authority).map(move |record| update.instruction(record))
    }
    /// A name as it is below the zone: the apex is the root.
    ///
    /// # Errors
    /// `OutsideZone`.
    pub fn relative(&self, name: NameRef<'a>) -> Result<wayhouse_wire::dns::Name, UpdateFault> {
        if !name.is_at_or_below(self.zone()) {
            return Err(UpdateFault::OutsideZone);
        }
        let mut buffer = [0; NAME_OCTETS_MAX];
        let octets = name.octets() - self.zone().octets();
        buffer[..octets].copy_from_slice(&name.flatten(&mut [0; NAME_OCTETS_MAX])[..octets]);
        // The root's octet stands behind it already.
        let (name, _) = NameRef::read(&buffer, 0).map_err(|_| UpdateFault::Malformed)?;
        Ok(name.to_name())
    }

    fn prerequisite(&self, record: Record<'a>) -> Result<Prerequisite<'a>, UpdateFault> {
        let Record { name, rtype, class, ttl_s, rdata, .. } = record;
        let is_bare = ttl_s == 0 && rdata.is_empty();
        self.check_name(name)?;
        match (class, rtype) {
            (Class::ANY, Rtype::ANY) if is_bare => Ok(Prerequisite::NameInUse(name)),
            (Class::NONE, Rtype::ANY) if is_bare => Ok(Prerequisite::NameNotInUse(name)),
            (Class::ANY, rtype) if is_bare && is_of_data(rtype) => Ok(Prerequisite::RrsetExists(name, rtype)),
            (Class::NONE, rtype) if is_bare && is_of_data(rtype) => Ok(Prerequisite::RrsetAbsent(name, rtype)),
            (class, rtype) if class == self.class() && ttl_s == 0 && is_of_data(rtype) => {
                Ok(Prerequisite::RrsetEquals(record))
            }
            _ => Err(UpdateFault::Malformed),
        }
    }
    fn instruction(&self, record: Record<'a>) -> Result<Instruction<'a>, UpdateFault> {
        let Record { name, rtype, class, ttl_s, rdata, .. } = record;
        self.check_name(name)?;
        match (class, rtype) {
            (Class::ANY, Rtype::ANY) if ttl_s == 0 && rdata.is_empty() => Ok(Instruction::DeleteName(name)),
            (Class::ANY, rtype) if ttl_s == 0 && rdata.is_empty() && is_of_data(rtype) => {
                Ok(Instruction::DeleteRrset(name, rtype))
            }
            (Class::NONE, rtype) if ttl_s == 0 && is_of_data(rtype) => Ok(Instruction::DeleteRecord(record)),
            (class, rtype) if class == self.class() && is_of_data(rtype) => Ok(Instruction::Add(record)),
            _ => Err(UpdateFault::Malformed),
        }
    }
    fn check_name(&self, name: NameRef<'a>) -> Result<(), UpdateFault> {
        if name.is_at_or_below(self.zone()) { Ok(()) } else { Err(UpdateFault::OutsideZone) }
    }
}

/// Whether records of a type are data, as opposed to what only questions and messages have (RFC 6895 §3.1).
fn is_of_data(rtype: Rtype) -> bool {
    !matches!(rtype.to_int(), 0 | 41 | 128..=255)
}

#[cfg(test)]
mod tests;
