//! One push session, from the side that subscribes (RFC 8765 §6.2–§6.7 on RFC 8490).
//!
//! The session says what is there, and this file keeps a [`RecordSet`] of it. Who connects, and what to do when the session
//! ends, is for [`super::follower`].
//!
//! Use: [`Subscriber::open`] on a fresh connection, [`Subscriber::subscribe`] at any time; octets go in by
//! [`Subscriber::handle_data`], what happened comes out of [`Subscriber::poll_event`], octets to send are appended to the
//! buffer that each verb takes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::push_tlv::{Change, ChangeKind, Changes, encode_subscribe, encode_unsubscribe};
use wayhouse_wire::dns::{Class, DsoMessage, Rcode, Rtype};

use super::record_set::{Difference, answers};
use super::{Asked, OwnedRecord, RecordSet};
use crate::dns::dso_session::{End, Happened, Refused, Role, Session, Settings};
use crate::dns::push::default_retry_delay;
use crate::dns::push::subscriptions::Subscriptions;
use crate::io::Wakeup;

/// One thing that happened on the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The server knows sessions, and this is one.
    Established,
    /// The server knows no sessions; plain DNS may go on.
    WithoutDso,
    /// The subscription is in force: from here on every change is told.
    Subscribed(Asked),
    /// The subscription was refused, or ended by the server.
    Refused {
        /// Which.
        asked: Asked,
        /// Why.
        rcode: Rcode,
        /// How long to leave the server alone with it (PU14).
        delay: Duration,
        /// Whether the delay counts for everything that this server could be asked (RFC 8765 §6.2.2).
        is_of_server: bool,
    },
    /// Records came and went at one instant.
    Changed(Vec<Difference>),
    /// A message that is no stateful operation: the answer to a question (PU3).
    Dns(Vec<u8>),
    /// The session is over, and the connection to be closed as it says.
    Ended(End),
}

/// The session.
#[derive(Debug)]
pub struct Subscriber {
    session: Session,
    dialect: PushDialect,
    subscriptions: Subscriptions,
    /// The subscriptions without answer, and those that are to end as soon as they may.
    unanswered: BTreeMap<u16, Unanswered>,
    most: usize,
    was_established: bool,
    was_without_dso: bool,
    told: VecDeque<Told>,
}

#[derive(Debug)]
struct Unanswered {
    asked: Asked,
    is_unwanted: bool,
}

impl Subscriber {
    /// On a connection that was just opened; `most` bounds the subscriptions.
    pub fn new(now: Instant, settings: Arc<Settings>, dialect: PushDialect, most: usize) -> Subscriber {
        Subscriber {
            session: Session::new(now, Role::Client, settings),
            dialect,
            subscriptions: Subscriptions::new(dialect),
            unanswered: BTreeMap::new(),
            most,
            was_established: false,
            was_without_dso: false,
            told: VecDeque::new(),
        }
    }

    /// Asks for a session, with the timeouts of the settings (DS35).
    ///
    /// # Errors
    /// As [`Session::keep_alive`].
    pub fn open(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.session.keep_alive(now, out).map(|_| ())
    }
    /// Subscribes. What is subscribed to already stays as it is (PU8).
    ///
    /// # Errors
    /// `TooMany` (PU18), and those of [`Session::request`].
    pub fn subscribe(&mut self, now: Instant, asked: &Asked, out: &mut Vec<u8>) -> Result<(), Refused> {
        let question = asked.as_question();
        let is_same = |(id, old): (&u16, &Asked)| (old == asked).then_some(*id);
        if let Some(id) = self.unanswered.iter().find_map(|(id, unanswered)| is_same((id, &unanswered.asked))) {
            if let Some(unanswered) = self.unanswered.get_mut(&id) {
                unanswered.is_unwanted = false;
            }
            return Ok(());
        }
        if self.asked_ids(asked).next().is_some() {
            return Ok(());
        }
        if self.subscriptions.len() >= self.most {
            return Err(Refused::TooMany);
        }
        // PU7: one name, type and class.
        let id = self.session.request(now, dso_type::SUBSCRIBE, out, |writer| encode_subscribe(writer, &question))?;
        self.subscriptions.add(id, &question, self.most).map_err(|_| Refused::TooMany)?;
        self.unanswered.insert(id, Unanswered { asked: asked.clone(), is_unwanted: false });
        Ok(())
    }
    /// Ends a subscription that nobody looks at any more (PU17). What it alone brought begins to age (PU26).
    pub fn unsubscribe(&mut self, now: Instant, asked: &Asked, records: &mut RecordSet, out: &mut Vec<u8>) {
        let ids: Vec<u16> = self.asked_ids(asked).collect();
        for id in ids {
            match self.unanswered.get_mut(&id) {
                // DS20: not before there is a session. Its answer is waited for.
                Some(unanswered) => unanswered.is_unwanted = true,
                None => self.end_subscription(now, id, records, out),
            }
        }
    }
    fn end_subscription(&mut self, now: Instant, id: u16, records: &mut RecordSet, out: &mut Vec<u8>) {
        let dialect = self.dialect;
        let sent = match dialect {
            PushDialect::Rfc8765 => {
                self.session.tell(now, dso_type::UNSUBSCRIBE, out, |writer| encode_unsubscribe(writer, id, dialect))
            }
            PushDialect::Push10 => self
                .session
                .request_about(now, id, dso_type::UNSUBSCRIBE, out, |writer| encode_unsubscribe(writer, id, dialect)),
            PushDialect::Push12 => self
                .session
                .request(now, dso_type::UNSUBSCRIBE, out, |writer| encode_unsubscribe(writer, id, dialect))
                .map(|_| ()),
        };
        // Where it could not be sent the session is over, and everything with it.
        if sent.is_ok() && dialect != PushDialect::Push10 {
            self.session.abandon(id);
        }
        self.subscriptions.remove(id);
        self.let_age(now, records);
    }
    fn let_age(&self, now: Instant, records: &mut RecordSet) {
        let is_kept =
            |record: &OwnedRecord| self.subscriptions.match_record(record.name.as_ref(), record.rtype, record.class);
        records.begin_ageing(now, |record| !is_kept(record));
    }
    fn asked_ids(&self, asked: &Asked) -> impl Iterator<Item = u16> + use<'_> {
        let asked = asked.clone();
        let is_same = move |subscription: &&_| same(subscription, &asked);
        self.subscriptions.iter().filter(is_same).map(|subscription| subscription.id)
    }

    /// Sends a question on the session (PU3).
    ///
    /// # Errors
    /// As [`Session::send_dns`].
    pub fn send_dns(&mut self, now: Instant, message: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.session.send_dns(now, message, out)
    }
    /// The caller closes the connection: every subscription ends (PU31).
    pub fn close(&mut self, now: Instant, records: &mut RecordSet) {
        self.session.close();
        records.begin_ageing(now, |_| true);
    }
    /// Whether the server confirmed that this is a session.
    pub fn is_established(&self) -> bool {
        self.session.is_established()
    }
    /// Octets of memory that the session holds.
    pub fn memory_octets(&self) -> usize {
        self.session.memory_octets()
    }

    /// Takes octets that arrived.
    pub fn handle_data(&mut self, now: Instant, bytes: &[u8], records: &mut RecordSet, out: &mut Vec<u8>) {
        self.session.handle_data(bytes);
        self.drain(now, records, out);
    }
    /// Does what is due: keepalives, and the end of a session that nobody needs (DS28, DS30).
    pub fn handle_timeout(&mut self, now: Instant, records: &mut RecordSet, out: &mut Vec<u8>) {
        self.session.handle_timeout(now, out);
        self.drain(now, records, out);
    }
    /// When [`Subscriber::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.session.poll_timeout()
    }
    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn drain(&mut self, now: Instant, records: &mut RecordSet, out: &mut Vec<u8>) {
        while let Some(happened) = self.session.poll(now, out) {
            let step = read(happened, self.dialect, &self.subscriptions, records);
            self.take_step(now, step, records, out);
        }
        if self.session.is_established() && !std::mem::replace(&mut self.was_established, true) {
            self.told.push_front(Told::Established);
        }
        if self.session.is_without_dso() && !std::mem::replace(&mut self.was_without_dso, true) {
            self.told.push_back(Told::WithoutDso);
        }
    }
    fn take_step(&mut self, now: Instant, step: Step, records: &mut RecordSet, out: &mut Vec<u8>) {
        match step {
            Step::Nothing => {}
            Step::Answered { id, rcode, retry_delay_ms } => {
                self.handle_answer(now, id, rcode, retry_delay_ms, records, out)
            }
            Step::Pushed { differences, id, fault } => {
                if !differences.is_empty() {
                    self.told.push_back(Told::Changed(differences));
                }
                match fault {
                    Some(fault) => self.session.abort(fault),
                    // The drafts acknowledge.
                    None if id != 0 => {
                        let _ = self.session.respond(now, id, Rcode::NOERROR, None, out, |_| {});
                    }
                    None => {}
                }
            }
            Step::Refuse(id) => {
                let _ = self.session.respond(now, id, Rcode::NOTAUTH, None, out, |_| {});
            }
            Step::Dns(message) => self.told.push_back(Told::Dns(message)),
            Step::Ended(end) => {
                records.begin_ageing(now, |_| true);
                self.told.push_back(Told::Ended(end));
            }
        }
    }
    fn handle_answer(
        &mut self,
        now: Instant,
        id: u16,
        rcode: Rcode,
        retry_delay_ms: Option<u32>,
        records: &mut RecordSet,
        out: &mut Vec<u8>,
    ) {
        let unanswered = self.unanswered.remove(&id);
        if rcode == Rcode::NOERROR {
            match unanswered {
                Some(unanswered) if unanswered.is_unwanted => self.end_subscription(now, id, records, out),
                Some(unanswered) => self.told.push_back(Told::Subscribed(unanswered.asked)),
                None => {}
            }
            return;
        }
        // PU14: any code, and the others live on. DS50: also later.
        let Some(ended) = self.subscriptions.remove(id) else { return };
        self.let_age(now, records);
        if unanswered.is_some_and(|unanswered| unanswered.is_unwanted) {
            return;
        }
        let delay =
            retry_delay_ms.map_or(default_retry_delay(rcode), |delay_ms| Duration::from_millis(u64::from(delay_ms)));
        let asked = Asked { name: ended.name, rtype: ended.rtype, class: ended.class };
        self.told.push_back(Told::Refused { asked, rcode, delay, is_of_server: rcode != Rcode::NOTAUTH });
    }
}

fn same(subscription: &crate::dns::push::subscriptions::Subscription, asked: &Asked) -> bool {
    subscription.rtype == asked.rtype && subscription.class == asked.class && subscription.name == asked.name
}

/// What a happening means, without borrowing from the session.
enum Step {
    Nothing,
    Answered { id: u16, rcode: Rcode, retry_delay_ms: Option<u32> },
    Pushed { differences: Vec<Difference>, id: u16, fault: Option<&'static str> },
    Refuse(u16),
    Dns(Vec<u8>),
    Ended(End),
}

fn read(happened: Happened<'_>, dialect: PushDialect, subscriptions: &Subscriptions, records: &mut RecordSet) -> Step {
    match happened {
        // PU13: TLVs in an answer are ignored.
        Happened::Response { id, dso_type: dso_type::SUBSCRIBE, rcode, retry_delay_ms, .. }
        | Happened::Cancelled { id, dso_type: dso_type::SUBSCRIBE, rcode, retry_delay_ms } => {
            Step::Answered { id, rcode, retry_delay_ms }
        }
        Happened::Unidirectional { dso_type: dso_type::PUSH, message } => {
            let (differences, fault) = apply(&message, dialect, subscriptions, records);
            Step::Pushed { differences, id: 0, fault }
        }
        Happened::Request { id, dso_type: dso_type::PUSH, message } => {
            let (differences, fault) = apply(&message, dialect, subscriptions, records);
            Step::Pushed { differences, id, fault }
        }
        Happened::Request { id, .. } => Step::Refuse(id),
        Happened::Dns(bytes) => Step::Dns(bytes.to_vec()),
        Happened::Ended(end) => Step::Ended(end),
        Happened::Response { .. }
        | Happened::Cancelled { .. }
        | Happened::Unidirectional { .. }
        | Happened::Timeouts(_) => Step::Nothing,
    }
}

/// Does what a PUSH says to the records; tells what changed, and why the session must end (PU20, PU24).
fn apply(
    message: &DsoMessage<'_>,
    dialect: PushDialect,
    subscriptions: &Subscriptions,
    records: &mut RecordSet,
) -> (Vec<Difference>, Option<&'static str>) {
    let mut differences = Vec::new();
    let changes = message.primary().map(|tlv| Changes::decode(message.bytes, &tlv, dialect));
    let Some(Ok(changes)) = changes else { return (differences, Some("a malformed PUSH")) };
    for change in changes {
        // PU25, PU27: what nobody asked for is ignored, one by one.
        if !subscriptions.match_change(&change) {
            continue;
        }
        if let Err(fault) = apply_change(&change, subscriptions, records, &mut differences) {
            return (differences, Some(fault));
        }
    }
    (differences, None)
}

fn apply_change(
    change: &Change<'_>,
    subscriptions: &Subscriptions,
    records: &mut RecordSet,
    differences: &mut Vec<Difference>,
) -> Result<(), &'static str> {
    let mut rdata = Vec::new();
    change.expand_rdata(&mut rdata).map_err(|_| "malformed data in a PUSH")?;
    let of_class = |class: Class| change.class == Class::ANY || change.class == Class::NONE || change.class == class;
    match change.kind {
        ChangeKind::Add { ttl_s } => {
            let (name, rtype, class) = (change.name.to_name(), change.rtype, change.class);
            let record = OwnedRecord { name, rtype, class, ttl_s, rdata: rdata.into() };
            match records.put(record.clone(), None) {
                Ok(true) => differences.push(Difference::Added(record)),
                Ok(false) => {}
                Err(_) => return Err("more records than are kept"),
            }
        }
        ChangeKind::RemoveOne => {
            let gone = canonical(change.rtype, &rdata);
            records.remove(change.name, differences, |record| {
                let is_it = record.rtype == change.rtype && of_class(record.class);
                is_it && canonical(record.rtype, &record.rdata) == gone
            });
        }
        // Of a collective removal only what is subscribed to goes: the rest is for others to say.
        ChangeKind::RemoveRrset | ChangeKind::RemoveName | ChangeKind::RemoveEverything => {
            records.remove(change.name, differences, |record| {
                let is_of_type = change.kind != ChangeKind::RemoveRrset || record.rtype == change.rtype;
                let is_of_class = change.kind == ChangeKind::RemoveEverything || of_class(record.class);
                let is_ours = subscriptions.match_record(record.name.as_ref(), record.rtype, record.class);
                is_of_type && is_of_class && is_ours
            });
        }
    }
    Ok(())
}

fn canonical(rtype: Rtype, rdata: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rdata.len());
    wayhouse_wire::dns::rdata::append_canonical(rtype, rdata, &mut out);
    out
}

/// Whether any of the questions is answered by a record.
pub(super) fn is_wanted<'a>(mut wanted: impl Iterator<Item = &'a Asked>, record: &OwnedRecord) -> bool {
    wanted.any(|asked| answers(asked, record))
}

#[cfg(test)]
pub(super) mod tests;
