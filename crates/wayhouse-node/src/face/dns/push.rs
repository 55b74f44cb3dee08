//! Changes told as they happen to whoever subscribed (RFC 8765 and its drafts, on sessions of the DSO engine).
//!
//! A subscription is answered, then what there is already is told, then every change of the index that it matches. What
//! changes between two looks of the node at the registry is one instant: it is told in as few messages as it fits.
//!
//! # Deviations
//! - A RECONFIRM changes nothing: what is here stands in the registry, which knows when it ends (PU29, PU30).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use wayhouse_proto::dns::dso_session::Session;
use wayhouse_proto::dns::limits::PushLimits;
use wayhouse_proto::dns::push::default_retry_delay;
use wayhouse_proto::dns::push::gather::{Gathered, Left, TooMany};
use wayhouse_proto::dns::push::subscriptions::{SubscribeFault, Subscriptions};
use wayhouse_proto::io::StreamId;
use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::push_tlv::{Reconfirm, decode_subscribe, decode_unsubscribe};
use wayhouse_wire::dns::{Class, Compressor, DsoMessage, Name, NameRef, Question, Rcode, Rtype};

use crate::limits::{DNS_SUBSCRIBED_RECORDS_MAX, DNS_SUBSCRIPTIONS_MAX};

use super::index::{Folded, Found, Index, RecordChange};

/// What a message of a client wants, read out of it.
#[derive(Debug)]
pub(super) enum Wish {
    /// To be told of changes.
    Subscribe {
        /// Message ID.
        id: u16,
        /// Name, type, class.
        question: Option<(Name, Rtype, Class)>,
    },
    /// Not to be told any more.
    Unsubscribe {
        /// Message ID of a request; 0 where none is answered.
        id: u16,
        /// Of which subscription.
        subscription: Option<u16>,
    },
    /// That a record be looked at again.
    Reconfirm {
        /// Message ID of a request; 0 where none is answered.
        id: u16,
        /// The record's owner.
        name: Option<Name>,
    },
    /// To complain about a change that we told, which ends the session (drafts only).
    Refuse,
    /// Nothing.
    Nothing,
}

impl Wish {
    /// Reads a request or a message that is not answered.
    pub(super) fn read(dso_type: u16, message: &DsoMessage<'_>, dialect: PushDialect) -> Wish {
        let id = message.id;
        let tlv = message.primary();
        match (dso_type, tlv) {
            (dso_type::SUBSCRIBE, Some(tlv)) => {
                let question = decode_subscribe(message.bytes, &tlv).ok();
                let owned = |question: Question<'_>| (question.name.to_name(), question.rtype, question.class);
                Wish::Subscribe { id, question: question.map(owned) }
            }
            (dso_type::UNSUBSCRIBE, Some(tlv)) => {
                Wish::Unsubscribe { id, subscription: decode_unsubscribe(id, &tlv, dialect).ok() }
            }
            (dso_type::RECONFIRM, Some(tlv)) => {
                let doubted = Reconfirm::decode(message.bytes, &tlv, dialect);
                Wish::Reconfirm { id, name: doubted.ok().map(|doubted| doubted.name.to_name()) }
            }
            _ => Wish::Nothing,
        }
    }
}

/// Who wants to hear of which names.
#[derive(Debug)]
pub(super) struct Push {
    limits: PushLimits,
    /// By name in lower case, and by connection: how many subscriptions.
    interests: BTreeMap<Box<[u8]>, BTreeMap<StreamId, u32>>,
    /// Subscriptions of all connections.
    subscriptions: usize,
}

/// What a connection has to do with pushing.
#[derive(Debug)]
pub(super) struct Listening {
    /// Which text its listener follows.
    dialect: PushDialect,
    subscriptions: Subscriptions,
    /// What is to be told.
    gathered: Gathered,
}

/// What telling takes.
pub(super) struct Telling<'t> {
    pub(super) now: Instant,
    pub(super) index: &'t Index,
    pub(super) compressor: &'t mut Compressor,
    pub(super) out: &'t mut Vec<u8>,
}

impl Listening {
    pub(super) fn new(dialect: PushDialect) -> Listening {
        Listening { dialect, subscriptions: Subscriptions::new(dialect), gathered: Gathered::default() }
    }
    pub(super) fn dialect(&self) -> PushDialect {
        self.dialect
    }
}

impl Push {
    pub(super) fn new() -> Push {
        Push { limits: PushLimits::default(), interests: BTreeMap::new(), subscriptions: 0 }
    }
    /// Whether anybody wants to hear anything.
    pub(super) fn has_interests(&self) -> bool {
        !self.interests.is_empty()
    }
    /// Whether anybody subscribed to a name.
    pub(super) fn wants(&self, name: &Name) -> bool {
        self.interests.contains_key(&folded(name))
    }

    /// Does what a client wants.
    pub(super) fn handle(
        &mut self,
        telling: &mut Telling<'_>,
        stream: StreamId,
        session: &mut Session,
        listening: &mut Listening,
        wish: Wish,
    ) {
        match wish {
            Wish::Subscribe { id, question } => self.subscribe(telling, stream, session, listening, id, question),
            Wish::Unsubscribe { id, subscription } => {
                let gone = subscription.and_then(|subscription| listening.subscriptions.remove(subscription));
                if let Some(gone) = &gone {
                    self.drop_interest(stream, &gone.name);
                    if !listening.dialect.unsubscribes_by_message_id() {
                        session.release(gone.id);
                    }
                }
                let rcode = match (subscription, &gone) {
                    (None, _) => Rcode::FORMERR,
                    // The drafts tell; in the RFC ends cross on the way (PU28).
                    (Some(_), None) => Rcode::NXDOMAIN,
                    (Some(_), Some(_)) => Rcode::NOERROR,
                };
                if listening.dialect.is_acknowledged() {
                    respond(telling, session, id, rcode);
                } else if subscription.is_none() {
                    session.abort("a malformed UNSUBSCRIBE");
                }
            }
            Wish::Reconfirm { id, name } => {
                let rcode = match &name {
                    None => Rcode::FORMERR,
                    Some(name) if find(telling.index, name) == Found::Outside => Rcode::NOTAUTH,
                    Some(_) => Rcode::NOERROR,
                };
                if listening.dialect.is_acknowledged() {
                    respond(telling, session, id, rcode);
                } else if name.is_none() {
                    session.abort("a malformed RECONFIRM");
                }
            }
            Wish::Refuse => session.abort("a PUSH was answered with an error"),
            Wish::Nothing => {}
        }
    }

    fn subscribe(
        &mut self,
        telling: &mut Telling<'_>,
        stream: StreamId,
        session: &mut Session,
        listening: &mut Listening,
        id: u16,
        question: Option<(Name, Rtype, Class)>,
    ) {
        let Some((name, rtype, class)) = question else { return respond(telling, session, id, Rcode::FORMERR) };
        // PU12: the name need not exist; PU10: `*` is a label like others.
        let is_ours = matches!(class, Class::IN | Class::ANY) && find(telling.index, &name) != Found::Outside;
        if !is_ours {
            return respond(telling, session, id, Rcode::NOTAUTH);
        }
        let found = find(telling.index, &name);
        // PU18: nobody makes us hold names without end, nor tell a whole house in one breath.
        if self.subscriptions >= DNS_SUBSCRIPTIONS_MAX
            || !has_at_most(telling.index, found, rtype, DNS_SUBSCRIBED_RECORDS_MAX)
        {
            return respond(telling, session, id, Rcode::REFUSED);
        }
        let asked = Question { name: name.as_ref(), rtype, class };
        match listening.subscriptions.add(id, &asked, self.limits.subscriptions_max) {
            // PU8
            Err(SubscribeFault::Duplicate) => return session.abort("a duplicate SUBSCRIBE"),
            // PU18: this one is refused, the others live on.
            Err(SubscribeFault::TooMany) => return respond(telling, session, id, Rcode::REFUSED),
            Ok(()) => {}
        }
        let interested = self.interests.entry(folded(&name)).or_default();
        *interested.entry(stream).or_default() += 1;
        self.subscriptions += 1;
        respond(telling, session, id, Rcode::NOERROR);
        // PU16: what there is already follows at once.
        let Found::At(_, node) = found else { return };
        let index = telling.index;
        for set in index.sets(node).iter().filter(|set| rtype == Rtype::ANY || set.rtype == rtype) {
            for datum in index.data(*set) {
                self.gather(telling, session, listening, |gathered, most| {
                    gathered.add(name.as_ref(), set.rtype, Class::IN, set.ttl_s, datum.rdata, most)
                });
            }
        }
        self.tell(telling, session, listening);
    }

    /// The connections that want to hear of a change, which is gathered for each.
    pub(super) fn interested(&self, change: &RecordChange) -> impl Iterator<Item = StreamId> + '_ {
        self.interests.get(&folded(&change.name)).into_iter().flat_map(|streams| streams.keys().copied())
    }
    /// Gathers a change for a connection, when it wants to hear of it.
    pub(super) fn note(
        &self,
        telling: &mut Telling<'_>,
        session: &mut Session,
        listening: &mut Listening,
        change: &RecordChange,
    ) {
        let RecordChange { name, rtype, ttl_s, rdata, is_there } = change;
        let name = name.as_ref();
        if !listening.subscriptions.match_record(name, *rtype, Class::IN) {
            return;
        }
        self.gather(telling, session, listening, |gathered, most| match is_there {
            true => gathered.add(name, *rtype, Class::IN, *ttl_s, rdata, most),
            false => gathered.remove(name, *rtype, Class::IN, rdata, most),
        });
    }
    fn gather(
        &self,
        telling: &mut Telling<'_>,
        session: &mut Session,
        listening: &mut Listening,
        mut note: impl FnMut(&mut Gathered, usize) -> Result<(), TooMany>,
    ) {
        if note(&mut listening.gathered, self.limits.gathered_max).is_err() {
            self.tell(telling, session, listening);
            let outcome = note(&mut listening.gathered, self.limits.gathered_max);
            debug_assert!(outcome.is_ok(), "there is room when everything was told");
        }
    }
    /// Tells what was gathered for a connection (PU20–PU24).
    pub(super) fn tell(&self, telling: &mut Telling<'_>, session: &mut Session, listening: &mut Listening) {
        let index = telling.index;
        let dialect = listening.dialect;
        listening.gathered.condense(dialect, |name, rtype, _| left(index, name, rtype));
        while !listening.gathered.is_empty() {
            let (gathered, compressor) = (&mut listening.gathered, &mut *telling.compressor);
            let fill = |writer: &mut wayhouse_wire::dns::DsoWriter<'_>| {
                gathered.write(writer, dialect, compressor);
            };
            let outcome = if dialect.is_acknowledged() {
                session.request(telling.now, dso_type::PUSH, telling.out, fill).map(drop)
            } else {
                session.tell(telling.now, dso_type::PUSH, telling.out, fill)
            };
            if outcome.is_err() {
                // A client that answers nothing (drafts), or a session that is ending: it is told nothing more.
                session.abort("changes cannot be told");
                listening.gathered = Gathered::default();
                return;
            }
        }
    }

    fn drop_interest(&mut self, stream: StreamId, name: &Name) {
        let name = folded(name);
        let Some(streams) = self.interests.get_mut(&name) else { return };
        if let Some(count) = streams.get_mut(&stream) {
            *count -= 1;
            self.subscriptions -= 1;
            if *count == 0 {
                streams.remove(&stream);
            }
        }
        if streams.is_empty() {
            self.interests.remove(&name);
        }
    }
    /// Forgets what a connection wanted (PU31).
    pub(super) fn forget(&mut self, stream: StreamId, listening: &Listening) {
        let names: BTreeSet<Box<[u8]>> = listening.subscriptions.iter().map(|one| folded(&one.name)).collect();
        for name in names {
            if let Some(streams) = self.interests.get_mut(&name) {
                self.subscriptions -= streams.remove(&stream).map_or(0, |count| count as usize);
                if streams.is_empty() {
                    self.interests.remove(&name);
                }
            }
        }
    }
}

/// PU13, PU14: one answer; with an error, how long to leave it alone.
fn respond(telling: &mut Telling<'_>, session: &mut Session, id: u16, rcode: Rcode) {
    let delay_ms = default_retry_delay(rcode).as_millis() as u32;
    let outcome = session.respond(telling.now, id, rcode, Some(delay_ms), telling.out, |_| {});
    debug_assert!(outcome.is_ok(), "a request that was just read waits for its answer");
}

/// Whether there are not more records of a name and type than that.
fn has_at_most(index: &Index, found: Found, rtype: Rtype, most: usize) -> bool {
    let Found::At(_, node) = found else { return true };
    let wanted = index.sets(node).iter().filter(|set| rtype == Rtype::ANY || set.rtype == rtype);
    wanted.flat_map(|set| index.data(*set)).nth(most).is_none()
}

fn find(index: &Index, name: &Name) -> Found {
    index.lookup(&Folded::new(name.as_ref()))
}

/// PU22: what is left of a name when one of its records is gone.
fn left(index: &Index, name: NameRef<'_>, rtype: Rtype) -> Left {
    match index.lookup(&Folded::new(name)) {
        Found::At(_, node) if index.set(node, rtype).is_some() => Left::OfRrset,
        Found::At(_, node) if !index.sets(node).is_empty() => Left::OfName,
        _ => Left::Nothing,
    }
}

fn folded(name: &Name) -> Box<[u8]> {
    name.wire().to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests;
