//! An answer that outlives its message.

use wayhouse_wire::DecodeError;
use wayhouse_wire::dns::{Class, Flags, Message, Name, NameRef, OptRcode, Record, Rtype, Section};

/// A record that owns its name and data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The owner.
    pub name: Name,
    /// The type.
    pub rtype: Rtype,
    /// The class.
    pub class: Class,
    /// Time to live, seconds.
    pub ttl_s: u32,
    /// The data, its names uncompressed.
    pub rdata: Box<[u8]>,
}

impl OwnedRecord {
    /// Copies a record out of its message.
    ///
    /// # Errors
    /// As [`Record::expand_rdata`].
    pub fn copy(record: &Record<'_>) -> Result<OwnedRecord, DecodeError> {
        let mut rdata = Vec::new();
        record.expand_rdata(&mut rdata)?;
        Ok(OwnedRecord {
            name: record.name.to_name(),
            rtype: record.rtype,
            class: record.class,
            ttl_s: record.ttl_s,
            rdata: rdata.into(),
        })
    }
    /// The name that starts `offset` octets into the data (0 in PTR, 6 in SRV); `None` when there is none.
    pub fn rdata_name(&self, offset: usize) -> Option<NameRef<'_>> {
        NameRef::read(&self.rdata, offset).ok().map(|(name, _)| name)
    }
}

/// What a server said to a question. At most what one message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The whole response code.
    pub rcode: OptRcode,
    /// The bits of the header.
    pub flags: Flags,
    /// The answer section.
    pub answers: Vec<OwnedRecord>,
    /// The authority section.
    pub authorities: Vec<OwnedRecord>,
    /// The additional section, without OPT and SIG(0).
    pub additionals: Vec<OwnedRecord>,
    /// Octets of the message.
    pub octets: usize,
}

impl Answer {
    /// Copies an answer out of its message.
    ///
    /// # Errors
    /// As [`OwnedRecord::copy`].
    pub fn copy(message: &Message<'_>) -> Result<Answer, DecodeError> {
        let is_about_message = |record: &Record<'_>| matches!(record.rtype, Rtype::OPT | Rtype::SIG);
        let section = |section| {
            let records = message.records(section).filter(|record| !is_about_message(record));
            records.map(|record| OwnedRecord::copy(&record)).collect::<Result<Vec<_>, _>>()
        };
        let header = message.header.flags;
        Ok(Answer {
            rcode: message.edns().map_or(OptRcode::from_rcode(header.rcode()), |edns| edns.rcode(header.rcode())),
            flags: header,
            answers: section(Section::Answer)?,
            authorities: section(Section::Authority)?,
            additionals: section(Section::Additional)?,
            octets: message.bytes().len(),
        })
    }
    /// Whether there is such a name, and something of the type at it.
    pub fn is_positive(&self) -> bool {
        self.rcode == OptRcode::NOERROR && !self.answers.is_empty()
    }
    /// Everything that it holds, in its order.
    pub fn records(&self) -> impl Iterator<Item = &OwnedRecord> {
        self.answers.iter().chain(&self.authorities).chain(&self.additionals)
    }
}
