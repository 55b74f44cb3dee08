//! DNS Push Notifications: SUBSCRIBE, PUSH, UNSUBSCRIBE, RECONFIRM (RFC 8765 §6 and its drafts 10 and 12).
//!
//! ```text
//! SUBSCRIBE    NAME TYPE u16 CLASS u16
//! PUSH         one or more of  NAME TYPE CLASS TTL u32 RDLEN u16 RDATA
//! UNSUBSCRIBE  the ID of the SUBSCRIBE; nothing in push-10, where the header's ID is that of the SUBSCRIBE
//! RECONFIRM    NAME TYPE CLASS RDATA; in the drafts with RDLEN before RDATA
//!
//! meaning of a notification        RFC 8765                             push-10, push-12 (RFC 2136 §2.5)
//! add                              TTL <= 0x7fffffff                    CLASS as of the zone
//! remove one record                TTL 0xffffffff                       CLASS NONE, TTL 0
//! remove an RRset                  TTL 0xfffffffe, RDLEN 0              CLASS ANY, TTL 0, RDLEN 0
//! remove all of a name and class   TTL 0xfffffffe, TYPE ANY, RDLEN 0    –
//! remove all of a name             TTL 0xfffffffe, CLASS ANY, RDLEN 0   CLASS ANY, TYPE ANY, TTL 0, RDLEN 0
//! ```

use super::compressor::{Compressor, Full, append_rdata, append_rest};
use super::dso_tlv::{DsoWriter, Tlv, dso_type};
use super::message::Question;
use super::name::NameRef;
use super::{Class, Rtype, rdata, u16_at, u32_at};
use crate::dialect::PushDialect;
use crate::{DecodeError, What};

/// Octets of the longest DNS message that may carry a PUSH (PU24).
pub const PUSH_MESSAGE_OCTETS_MAX: usize = 16_382;
/// Octets of a message in the drafts: no more than its length on a stream can tell.
const DRAFT_MESSAGE_OCTETS_MAX: usize = 65_535;
const TTL_REMOVE_ONE: u32 = 0xffff_ffff;
const TTL_REMOVE_ALL: u32 = 0xffff_fffe;
const TTL_MAX: u32 = 0x7fff_ffff;

/// The data of a TLV as the end of the message it stands in: names may point back, never out.
fn up_to_end<'a>(message: &'a [u8], tlv: &Tlv<'_>) -> Result<&'a [u8], DecodeError> {
    message.get(..tlv.at + tlv.data.len()).ok_or(DecodeError { what: What::Truncated, at: message.len() })
}

/// Reads a SUBSCRIBE: exactly one name, type and class (PU7).
///
/// # Errors
/// Those of names, `Truncated`, `TrailingOctets`.
pub fn decode_subscribe<'a>(message: &'a [u8], tlv: &Tlv<'_>) -> Result<Question<'a>, DecodeError> {
    let bytes = up_to_end(message, tlv)?;
    let (question, end) = Question::read(bytes, tlv.at)?;
    if end < bytes.len() {
        return Err(DecodeError { what: What::TrailingOctets, at: end });
    }
    Ok(question)
}

/// Adds a SUBSCRIBE to a message. Its only name has nothing to point to.
pub fn encode_subscribe(writer: &mut DsoWriter<'_>, question: &Question<'_>) {
    let at = writer.open_tlv(dso_type::SUBSCRIBE);
    let (out, _) = writer.out();
    question.name.append_to(out);
    out.extend_from_slice(&question.rtype.to_int().to_be_bytes());
    out.extend_from_slice(&question.class.to_int().to_be_bytes());
    writer.close_tlv(at);
}

/// Reads which subscription an UNSUBSCRIBE ends; `id` is the message's.
///
/// # Errors
/// `OutOfRange` for data of another length than the dialect's.
pub fn decode_unsubscribe(id: u16, tlv: &Tlv<'_>, dialect: PushDialect) -> Result<u16, DecodeError> {
    let octets = if dialect.unsubscribes_by_message_id() { 0 } else { 2 };
    if tlv.data.len() != octets {
        return Err(DecodeError { what: What::OutOfRange, at: tlv.at - 2 });
    }
    if octets == 0 { Ok(id) } else { u16_at(tlv.data, 0) }
}

/// Adds an UNSUBSCRIBE to a message, which in push-10 has the subscription's ID as its own.
pub fn encode_unsubscribe(writer: &mut DsoWriter<'_>, subscription: u16, dialect: PushDialect) {
    if dialect.unsubscribes_by_message_id() {
        writer.tlv(dso_type::UNSUBSCRIBE, &[]);
    } else {
        writer.tlv(dso_type::UNSUBSCRIBE, &subscription.to_be_bytes());
    }
}

/// A record whose existence a client doubts.
#[derive(Debug, Clone, Copy)]
pub struct Reconfirm<'a> {
    message: &'a [u8],
    /// The owner.
    pub name: NameRef<'a>,
    /// The type, never ANY.
    pub rtype: Rtype,
    /// The class, never ANY.
    pub class: Class,
    /// The data; names in it may be compressed, see [`Reconfirm::expand_rdata`].
    pub rdata: &'a [u8],
    rdata_at: usize,
}

impl<'a> Reconfirm<'a> {
    /// Reads a RECONFIRM (PU29).
    ///
    /// # Errors
    /// Those of names, `Truncated`, `TrailingOctets`; `OutOfRange` when type or class is ANY.
    pub fn decode(message: &'a [u8], tlv: &Tlv<'_>, dialect: PushDialect) -> Result<Reconfirm<'a>, DecodeError> {
        let bytes = up_to_end(message, tlv)?;
        let (Question { name, rtype, class }, at) = Question::read(bytes, tlv.at)?;
        if rtype == Rtype::ANY || class == Class::ANY {
            return Err(DecodeError { what: What::OutOfRange, at: at - 4 });
        }
        // The RFC lets the data run to the end of the TLV; the drafts count it.
        let rdata_at = if dialect.is_acknowledged() {
            let end = at + 2 + usize::from(u16_at(bytes, at)?);
            if end != bytes.len() {
                let what = if end > bytes.len() { What::Truncated } else { What::TrailingOctets };
                return Err(DecodeError { what, at: end.min(bytes.len()) });
            }
            at + 2
        } else {
            at
        };
        Ok(Reconfirm { message: bytes, name, rtype, class, rdata: &bytes[rdata_at..], rdata_at })
    }
    /// Appends the data with its names uncompressed.
    ///
    /// # Errors
    /// As for names; `Truncated` when the data is too short for its type.
    pub fn expand_rdata(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        rdata::expand(self.message, self.rtype, self.rdata_at, self.message.len(), out)
    }
}

/// Adds a RECONFIRM to a message. The data is uncompressed; a compressor, in the RFC's dialect only, shortens names in it.
pub fn encode_reconfirm(
    writer: &mut DsoWriter<'_>,
    question: &Question<'_>,
    rdata: &[u8],
    dialect: PushDialect,
    compressor: Option<&mut Compressor>,
) {
    let mut compressor = compressor.filter(|_| dialect.compresses_names());
    if let Some(compressor) = compressor.as_deref_mut() {
        compressor.reset();
    }
    let at = writer.open_tlv(dso_type::RECONFIRM);
    let (out, start) = writer.out();
    append_name(out, start, compressor.as_deref_mut(), question.name);
    out.extend_from_slice(&question.rtype.to_int().to_be_bytes());
    out.extend_from_slice(&question.class.to_int().to_be_bytes());
    if dialect.is_acknowledged() {
        out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    }
    append_rdata(out, start, compressor, question.rtype, rdata);
    writer.close_tlv(at);
}

fn append_name(out: &mut Vec<u8>, start: usize, compressor: Option<&mut Compressor>, name: NameRef<'_>) {
    match compressor {
        Some(compressor) => compressor.append_name(out, start, name),
        None => name.append_to(out),
    }
}

/// What a change notification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The record is there, or is there again with another lifetime, in seconds.
    Add {
        /// Time to live, seconds; 0 to forget it when the subscription ends.
        ttl_s: u32,
    },
    /// This record is gone.
    RemoveOne,
    /// All records of the name, type and class are gone.
    RemoveRrset,
    /// All records of the name and class are gone. The drafts cannot say it.
    RemoveName,
    /// All records of the name are gone, whatever their class.
    RemoveEverything,
}

/// One change notification.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    message: &'a [u8],
    /// What it says.
    pub kind: ChangeKind,
    /// The owner.
    pub name: NameRef<'a>,
    /// The type; ANY where it does not matter.
    pub rtype: Rtype,
    /// The class; ANY where it does not matter. What the drafts remove one by one has no class: it is NONE.
    pub class: Class,
    /// The data; names in it may be compressed, see [`Change::expand_rdata`].
    pub rdata: &'a [u8],
    rdata_at: usize,
}

impl Change<'_> {
    /// Appends the data with its names uncompressed.
    ///
    /// # Errors
    /// As for names; `Truncated` when the data is too short for its type.
    pub fn expand_rdata(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        // A removal may leave the data out.
        if self.rdata.is_empty() {
            return Ok(());
        }
        rdata::expand(self.message, self.rtype, self.rdata_at, self.rdata_at + self.rdata.len(), out)
    }
}

/// The notifications of a PUSH, checked.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: PushDialect,
}

impl<'a> Changes<'a> {
    /// Reads the data of a PUSH (PU20). Notifications with a TTL that means nothing are left out by the iteration (PX4).
    ///
    /// # Errors
    /// Each of them ends the session: `Missing` when there is no notification; `OutOfRange` for type or class ANY with an
    /// add or the removal of one record; `NotEmpty` for data in a collective removal; `TooLarge` for a message above
    /// 16 382 octets (PU24); `Truncated` and those of names.
    pub fn decode(message: &'a [u8], tlv: &Tlv<'_>, dialect: PushDialect) -> Result<Changes<'a>, DecodeError> {
        let bytes = up_to_end(message, tlv)?;
        if message.len() > message_octets_max(dialect) {
            return Err(DecodeError { what: What::TooLarge, at: message_octets_max(dialect) });
        }
        let mut at = tlv.at;
        if at == bytes.len() {
            return Err(DecodeError { what: What::Missing, at });
        }
        while at < bytes.len() {
            (_, at) = read_change(bytes, at, dialect)?;
        }
        Ok(Changes { bytes, at: tlv.at, dialect })
    }
}

impl<'a> IntoIterator for Changes<'a> {
    type Item = Change<'a>;
    type IntoIter = ChangeIter<'a>;
    fn into_iter(self) -> ChangeIter<'a> {
        ChangeIter(self)
    }
}

/// Goes through the notifications of a PUSH that mean something.
#[derive(Debug, Clone)]
pub struct ChangeIter<'a>(Changes<'a>);

impl<'a> Iterator for ChangeIter<'a> {
    type Item = Change<'a>;
    fn next(&mut self) -> Option<Change<'a>> {
        let changes = &mut self.0;
        while changes.at < changes.bytes.len() {
            let (change, end) = read_change(changes.bytes, changes.at, changes.dialect).ok()?;
            changes.at = end;
            if change.is_some() {
                return change;
            }
        }
        None
    }
}

/// Octets of the longest message that may carry a PUSH.
pub const fn message_octets_max(dialect: PushDialect) -> usize {
    match dialect {
        PushDialect::Rfc8765 => PUSH_MESSAGE_OCTETS_MAX,
        PushDialect::Push10 | PushDialect::Push12 => DRAFT_MESSAGE_OCTETS_MAX,
    }
}

/// Reads one notification; `None` for one that is to be ignored.
fn read_change(bytes: &[u8], at: usize, dialect: PushDialect) -> Result<(Option<Change<'_>>, usize), DecodeError> {
    let (Question { name, rtype, class }, fixed) = Question::read(bytes, at)?;
    let ttl_s = u32_at(bytes, fixed)?;
    let rdata_at = fixed + 6;
    let end = rdata_at + usize::from(u16_at(bytes, fixed + 4)?);
    let rdata = bytes.get(rdata_at..end).ok_or(DecodeError { what: What::Truncated, at: bytes.len() })?;
    let wrong = |what, at| Err(DecodeError { what, at });
    let names_any = rtype == Rtype::ANY || class == Class::ANY;
    let kind = match dialect {
        PushDialect::Rfc8765 => match ttl_s {
            0..=TTL_MAX | TTL_REMOVE_ONE if names_any => return wrong(What::OutOfRange, fixed - 4),
            0..=TTL_MAX => Some(ChangeKind::Add { ttl_s }),
            TTL_REMOVE_ONE => Some(ChangeKind::RemoveOne),
            TTL_REMOVE_ALL if !rdata.is_empty() => return wrong(What::NotEmpty, fixed + 4),
            TTL_REMOVE_ALL if class == Class::ANY => Some(ChangeKind::RemoveEverything),
            TTL_REMOVE_ALL if rtype == Rtype::ANY => Some(ChangeKind::RemoveName),
            TTL_REMOVE_ALL => Some(ChangeKind::RemoveRrset),
            _ => None,
        },
        PushDialect::Push10 | PushDialect::Push12 => match class {
            Class::ANY if !rdata.is_empty() => return wrong(What::NotEmpty, fixed + 4),
            Class::ANY | Class::NONE if ttl_s != 0 => None,
            Class::ANY if rtype == Rtype::ANY => Some(ChangeKind::RemoveEverything),
            Class::ANY => Some(ChangeKind::RemoveRrset),
            _ if rtype == Rtype::ANY => return wrong(What::OutOfRange, fixed - 4),
            Class::NONE => Some(ChangeKind::RemoveOne),
            _ => (ttl_s <= TTL_MAX).then_some(ChangeKind::Add { ttl_s }),
        },
    };
    // The type of "everything at the name" is 0 on the wire and means nothing.
    let rtype = if kind == Some(ChangeKind::RemoveEverything) { Rtype::ANY } else { rtype };
    Ok((kind.map(|kind| Change { message: bytes, kind, name, rtype, class, rdata, rdata_at }), end))
}

/// Writes the PUSH TLV of one message, notification by notification.
#[derive(Debug)]
pub struct PushWriter<'w, 'b> {
    writer: &'w mut DsoWriter<'b>,
    compressor: Option<&'w mut Compressor>,
    dialect: PushDialect,
    at: usize,
}

impl<'w, 'b> PushWriter<'w, 'b> {
    /// Opens the TLV in a message that has nothing else. Without a compressor, or in the drafts, names stay whole.
    pub fn begin(
        writer: &'w mut DsoWriter<'b>,
        dialect: PushDialect,
        compressor: Option<&'w mut Compressor>,
    ) -> PushWriter<'w, 'b> {
        let mut compressor = compressor.filter(|_| dialect.compresses_names());
        if let Some(compressor) = compressor.as_deref_mut() {
            compressor.reset();
        }
        let at = writer.open_tlv(dso_type::PUSH);
        PushWriter { writer, compressor, dialect, at }
    }
    /// Adds a notification. The data is uncompressed; `class` is that of the records, whatever is removed.
    ///
    /// # Errors
    /// [`Full`]: what is written so far goes out, this one starts the next message (PU24).
    pub fn change(
        &mut self,
        kind: ChangeKind,
        name: NameRef<'_>,
        rtype: Rtype,
        class: Class,
        rdata: &[u8],
    ) -> Result<(), Full> {
        let (rtype, class, ttl_s, rdata) = match (self.dialect, kind) {
            (_, ChangeKind::Add { ttl_s }) => (rtype, class, ttl_s.min(TTL_MAX), rdata),
            (PushDialect::Rfc8765, ChangeKind::RemoveOne) => (rtype, class, TTL_REMOVE_ONE, rdata),
            (PushDialect::Rfc8765, ChangeKind::RemoveRrset) => (rtype, class, TTL_REMOVE_ALL, &[][..]),
            (PushDialect::Rfc8765, ChangeKind::RemoveName) => (Rtype::ANY, class, TTL_REMOVE_ALL, &[][..]),
            (PushDialect::Rfc8765, ChangeKind::RemoveEverything) => {
                (Rtype::from_int(0), Class::ANY, TTL_REMOVE_ALL, &[][..])
            }
            (_, ChangeKind::RemoveOne) => (rtype, Class::NONE, 0, rdata),
            (_, ChangeKind::RemoveRrset) => (rtype, Class::ANY, 0, &[][..]),
            (_, ChangeKind::RemoveName | ChangeKind::RemoveEverything) => (Rtype::ANY, Class::ANY, 0, &[][..]),
        };
        let (out, start) = self.writer.out();
        let mark = out.len();
        append_name(out, start, self.compressor.as_deref_mut(), name);
        append_rest(out, start, self.compressor.as_deref_mut(), rtype, class, ttl_s, rdata);
        if out.len() - start > message_octets_max(self.dialect) {
            out.truncate(mark);
            if let Some(compressor) = self.compressor.as_deref_mut() {
                compressor.forget_from(mark - start);
            }
            return Err(Full);
        }
        Ok(())
    }
    /// Whether there is no notification yet: such a message must not be sent.
    pub fn is_empty(&mut self) -> bool {
        let at = self.at;
        self.writer.out().0.len() == at
    }
    /// Closes the TLV.
    pub fn finish(self) {
        self.writer.close_tlv(self.at);
    }
}

#[cfg(test)]
mod tests;
