//! One session of DNS Stateful Operations, either side of it (RFC 8490 and its drafts session-signal-02 and -03).
//!
//! ```text
//!                 first request                     NOERROR
//!   sessionless ───────────────> establishing ───────────────────> established ──Retry Delay sent──> shutting down
//!    │      ^                      │  │  │                           │                                 │ 5 s
//!    │      └──────DSOTYPENI───────┘  │  └─30 s─> aborted            ├─inactive, Retry Delay─> closed  └───> aborted
//!    │                                └─other─> without DSO          └─fault, silence────────> aborted
//!    └─a server, when it answers NOERROR──────────────────────────────^
//! ```
//! A session known to be supported beforehand (implicit) starts established, as every one of session-signal-02 does.
//!
//! Use: [`Session::handle_data`] what arrived, then [`Session::poll`] until `None`, then [`Session::poll_timeout`]. Answers
//! are appended, framed, to the buffer that each verb takes. After [`Happened::Ended`] the caller closes the connection as
//! it says and drops the session; requests that were not answered have failed, subscriptions are gone.
//!
//! This file holds the verbs; what arrives is judged in `receive.rs`, what time brings in `timers.rs`.
//!
//! # Deviations
//! Where the RFC names no reaction to something malformed, a request is answered FORMERR and anything else ends the session
//! (DX1, DX2). A client whose own Keepalive is not answered within another interval aborts; the RFC leaves it to TCP.
//! See also [`Settings::takes_bare_keepalive`].

mod fault;
mod receive;
mod timers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::dso_tlv::{Keepalive, dso_type};
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::{DsoMessage, DsoWriter, Flags, Header, Message, Rcode};

use super::limits::SessionLimits;

pub use fault::{Close, End, Reason, SessionFault};

/// Both timeouts before a Keepalive says otherwise (DS26).
pub const DEFAULT_TIMEOUT_MS: u32 = 15_000;
/// The shortest keepalive interval that a server may grant (DS31).
pub const KEEPALIVE_INTERVAL_MIN_MS: u32 = 10_000;
/// The keepalive interval to ask for and to grant where no middlebox needs a shorter one (DS33).
pub const KEEPALIVE_INTERVAL_RECOMMENDED_MS: u32 = 3_600_000;
/// The shortest inactivity timeout in the drafts.
const DRAFT_INACTIVITY_MIN_MS: u32 = 10_000;
/// How long a client waits for the answer that establishes a session (DS22).
pub const ESTABLISHMENT_WAIT: Duration = Duration::from_secs(30);
/// How long a server waits for the client to close after a Retry Delay (DS44).
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);
/// A buffer larger than this is given back when all in it was read: idle sessions stay small.
const BUFFER_KEPT_OCTETS: usize = 128;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It connected.
    Client,
    /// It accepted.
    Server,
}

/// How one side may use a type as the primary of its messages (RFC 8490 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With a message ID; it is answered.
    Request,
    /// Without; it is never answered.
    Unidirectional,
    /// Not at all: the session ends.
    Never,
    /// Not at all, and it is answered NOTAUTH (push-12 §6.2).
    NotAuthorized,
}

/// A type of operation that a session knows beside those of the base protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationType {
    /// DSO-TYPE.
    pub dso_type: u16,
    /// How clients use it.
    pub from_client: Manner,
    /// How servers use it.
    pub from_server: Manner,
    /// Whether it goes on after NOERROR until somebody ends it, keeping its message ID (DS50).
    pub is_long_lived: bool,
    /// Whether it may stand in early data (DS52).
    pub is_early: bool,
    /// Whether its message ID is that of the operation it is about (push-10's UNSUBSCRIBE).
    pub names_operation: bool,
}

/// What many sessions have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The text spoken, a matter of configuration.
    pub dialect: DsoDialect,
    /// Known types of operations.
    pub operations: &'static [OperationType],
    /// For a client what it asks for; for a server the most that it grants.
    pub timeouts: Keepalive,
    /// Whether both ends know beforehand that sessions are supported.
    pub is_implicit: bool,
    /// For a client whether an answer to its Keepalive may have nothing in it, as those of Apple's proxy have: the timeouts
    /// then stay as they are. Otherwise it ends the session (DS7).
    pub takes_bare_keepalive: bool,
    /// Padded requests get answers padded to a multiple of this many octets (DS51).
    pub padding_block_octets: usize,
    /// Bounds.
    pub limits: SessionLimits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            dialect: DsoDialect::Rfc8490,
            operations: &[],
            timeouts: Keepalive {
                inactivity_timeout_ms: DEFAULT_TIMEOUT_MS,
                keepalive_interval_ms: KEEPALIVE_INTERVAL_RECOMMENDED_MS,
            },
            is_implicit: false,
            takes_bare_keepalive: false,
            padding_block_octets: 468,
            limits: SessionLimits::default(),
        }
    }
}

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The session is not established, and this needs it to be (DS19, DS20), or it ended.
    #[error("there is no session")]
    NoSession,
    /// The peer does not do DSO (RFC 8490 §5.1.1).
    #[error("the peer knows no stateful operations")]
    NoDso,
    /// We are not the side that may send this, or not in this manner or dialect.
    #[error("not ours to send")]
    NotOurs,
    /// Too many operations at once, or no message ID left.
    #[error("too many operations")]
    TooMany,
    /// The message carries edns-tcp-keepalive (DS18).
    #[error("edns-tcp-keepalive has no place on a session")]
    TcpKeepalive,
    /// The message is longer than its length on a stream can tell.
    #[error("message too long")]
    TooLong,
}

/// One thing that happened on a session.
#[derive(Debug)]
pub enum Happened<'a> {
    /// A request of a known type, to be answered with [`Session::respond`].
    Request {
        /// Its message ID.
        id: u16,
        /// The type of its primary TLV.
        dso_type: u16,
        /// The message.
        message: DsoMessage<'a>,
    },
    /// A message of a known type that is not answered.
    Unidirectional {
        /// The type of its primary TLV.
        dso_type: u16,
        /// The message.
        message: DsoMessage<'a>,
    },
    /// The answer to a request of ours; of Keepalives only those that failed.
    Response {
        /// The request's message ID.
        id: u16,
        /// The request's type.
        dso_type: u16,
        /// What it says.
        rcode: Rcode,
        /// How long to leave such requests alone (DS46).
        retry_delay_ms: Option<u32>,
        /// The message.
        message: DsoMessage<'a>,
    },
    /// The peer ended a long-lived operation of ours (DS50). Its ID is free.
    Cancelled {
        /// The request's message ID.
        id: u16,
        /// The request's type.
        dso_type: u16,
        /// Why.
        rcode: Rcode,
        /// How long to leave such requests alone.
        retry_delay_ms: Option<u32>,
    },
    /// A message that is no stateful operation: a query, an update, an answer.
    Dns(&'a [u8]),
    /// The server said which timeouts count.
    Timeouts(Keepalive),
    /// The session is over.
    Ended(End),
}

/// A session.
#[derive(Debug)]
pub struct Session {
    state: State,
    buffer: Vec<u8>,
    /// Octets of `buffer` that were read.
    read: usize,
    /// Messages that start before this octet of `buffer` came in early data.
    early_end: usize,
}

#[derive(Debug)]
struct State {
    settings: Arc<Settings>,
    role: Role,
    phase: Phase,
    timeouts: Keepalive,
    /// When the last message came or went that was no Keepalive.
    idle_since: Instant,
    /// When the last message came or went.
    traffic_at: Instant,
    /// When an establishing client gives up, a server shutting down closes, or the grace after a shortened inactivity
    /// timeout is over.
    deadline: Option<Instant>,
    own: Vec<Operation>,
    theirs: Vec<Operation>,
    /// Queries and updates, ours and theirs, that wait for an answer.
    plain_outstanding: u32,
    last_id: u16,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sessionless,
    Establishing,
    Established,
    WithoutDso,
    ShuttingDown,
    Closed,
}

/// A request and what became of it.
#[derive(Debug, Clone, Copy)]
struct Operation {
    id: u16,
    dso_type: u16,
    stage: Stage,
    /// Whether the request was padded.
    is_padded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No answer yet.
    Unanswered,
    /// Answered NOERROR, and going on.
    Live,
    /// Ended by us before its answer: the answer changes nothing.
    Withdrawn,
    /// Ended by us; the peer may have ended it at the same time.
    Abandoned,
}

impl Session {
    /// A session on a connection that was just opened.
    pub fn new(now: Instant, role: Role, settings: Arc<Settings>) -> Session {
        // In session-signal-02 a session starts with its connection.
        let is_established = settings.is_implicit || settings.dialect == DsoDialect::SessionSignal02;
        let timeouts =
            Keepalive { inactivity_timeout_ms: DEFAULT_TIMEOUT_MS, keepalive_interval_ms: DEFAULT_TIMEOUT_MS };
        Session {
            state: State {
                settings,
                role,
                phase: if is_established { Phase::Established } else { Phase::Sessionless },
                timeouts,
                idle_since: now,
                traffic_at: now,
                deadline: None,
                own: Vec::new(),
                theirs: Vec::new(),
                plain_outstanding: 0,
                last_id: 0,
                end: None,
            },
            buffer: Vec::new(),
            read: 0,
            early_end: 0,
        }
    }

    /// Takes octets that arrived. Drain with [`Session::poll`] before the next: then no more is held than one unfinished
    /// message and these octets.
    pub fn handle_data(&mut self, bytes: &[u8]) {
        // DS42: after a Retry Delay nothing counts that arrives.
        if matches!(self.state.phase, Phase::Closed | Phase::ShuttingDown) {
            return;
        }
        self.buffer.drain(..self.read);
        self.early_end = self.early_end.saturating_sub(self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }
    /// Takes octets that arrived as TLS early data, which could be a replay (DS52, DS53).
    pub fn handle_early_data(&mut self, bytes: &[u8]) {
        self.handle_data(bytes);
        self.early_end = self.buffer.len();
    }

    /// Sends a request; `fill` writes its TLVs, the first of which has the given type. Tells its message ID.
    ///
    /// # Errors
    /// `NoDso`, `NoSession`, `NotOurs`, `TooMany`.
    pub fn request(
        &mut self,
        now: Instant,
        dso_type: u16,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut DsoWriter<'_>),
    ) -> Result<u16, Refused> {
        let operation = self.state.own_type(dso_type, Manner::Request)?;
        if operation.names_operation {
            return Err(Refused::NotOurs);
        }
        let id = self.state.free_id()?;
        self.state.begin_request(now, id, dso_type, out, fill)?;
        Ok(id)
    }
    /// Sends a request whose message ID is that of the operation it is about (push-10's UNSUBSCRIBE).
    ///
    /// # Errors
    /// As for [`Session::request`].
    pub fn request_about(
        &mut self,
        now: Instant,
        id: u16,
        dso_type: u16,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut DsoWriter<'_>),
    ) -> Result<(), Refused> {
        let operation = self.state.own_type(dso_type, Manner::Request)?;
        if !operation.names_operation || !self.state.own.iter().any(|operation| operation.id == id) {
            return Err(Refused::NotOurs);
        }
        self.state.begin_request(now, id, dso_type, out, fill)
    }
    /// Sends a message that is not answered.
    ///
    /// # Errors
    /// `NoSession` (DS9, DS20), `NotOurs`.
    pub fn tell(
        &mut self,
        now: Instant,
        dso_type: u16,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut DsoWriter<'_>),
    ) -> Result<(), Refused> {
        self.state.own_type(dso_type, Manner::Unidirectional)?;
        if self.state.phase != Phase::Established {
            return Err(Refused::NoSession);
        }
        self.state.note_message(now);
        frame(out, |out| fill(&mut DsoWriter::unidirectional(out, Rcode::NOERROR)))
    }
    /// Answers a request. A client's session is established by the first NOERROR (RFC 8490 §5.1). A delay belongs to this
    /// operation alone (DS46) and goes with errors only; `fill` adds TLVs that the type's specification wants.
    ///
    /// # Errors
    /// `NotOurs` when no such request waits.
    pub fn respond(
        &mut self,
        now: Instant,
        id: u16,
        rcode: Rcode,
        retry_delay_ms: Option<u32>,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut DsoWriter<'_>),
    ) -> Result<(), Refused> {
        let state = &mut self.state;
        if matches!(state.phase, Phase::Closed | Phase::ShuttingDown) {
            return Err(Refused::NoSession);
        }
        let waits = |operation: &Operation| operation.id == id && operation.stage == Stage::Unanswered;
        let index = state.theirs.iter().position(waits).ok_or(Refused::NotOurs)?;
        let operation = state.theirs[index];
        let known = state.known(operation.dso_type);
        if rcode == Rcode::NOERROR && known.is_some_and(|known| known.is_long_lived) {
            state.theirs[index].stage = Stage::Live;
        } else {
            state.theirs.swap_remove(index);
        }
        if rcode == Rcode::NOERROR {
            if known.is_some_and(|known| known.names_operation) {
                state.theirs.retain(|operation| operation.id != id);
            }
            state.establish();
        }
        state.note_message(now);
        let (dialect, block) = (state.settings.dialect, state.settings.padding_block_octets);
        frame(out, |out| {
            let mut writer = DsoWriter::response(out, id, rcode);
            fill(&mut writer);
            if let Some(delay_ms) = retry_delay_ms.filter(|_| rcode != Rcode::NOERROR) {
                writer.retry_delay(delay_ms, dialect);
            }
            // DS51: what was padded is answered padded.
            if operation.is_padded {
                writer.padding(block, dialect);
            }
        })
    }
    /// Ends a long-lived operation of the peer with a second answer (DS50). The drafts have no such thing.
    ///
    /// # Errors
    /// `NotOurs` when there is none, or in a draft.
    pub fn cancel(
        &mut self,
        now: Instant,
        id: u16,
        rcode: Rcode,
        retry_delay_ms: Option<u32>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let dialect = self.state.settings.dialect;
        let lives = |operation: &Operation| operation.id == id && operation.stage == Stage::Live;
        let index = self.state.theirs.iter().position(lives).ok_or(Refused::NotOurs)?;
        if self.state.phase != Phase::Established || rcode == Rcode::NOERROR || !dialect.has_unidirectional() {
            return Err(Refused::NotOurs);
        }
        self.state.theirs.swap_remove(index);
        self.state.note_message(now);
        frame(out, |out| {
            let mut writer = DsoWriter::response(out, id, rcode);
            if let Some(delay_ms) = retry_delay_ms {
                writer.retry_delay(delay_ms, dialect);
            }
        })
    }
    /// The peer ended a long-lived operation of its own by a message that only the caller understands.
    pub fn release(&mut self, id: u16) {
        self.state.theirs.retain(|operation| operation.id != id || operation.stage != Stage::Live);
    }
    /// We ended an operation of our own by a message of the caller's. Its late answer, if one comes, is ignored.
    pub fn abandon(&mut self, id: u16) {
        let state = &mut self.state;
        for operation in state.own.iter_mut().filter(|operation| operation.id == id) {
            operation.stage = match operation.stage {
                Stage::Unanswered => Stage::Withdrawn,
                Stage::Live => Stage::Abandoned,
                ended => ended,
            };
        }
        state.forget_abandoned();
    }

    /// Sends what is no stateful operation: a query or update, or the answer to one.
    ///
    /// # Errors
    /// `TcpKeepalive` (DS18: from a client as soon as it has asked for a session), `NoSession`, `TooLong`.
    pub fn send_dns(&mut self, now: Instant, message: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let state = &mut self.state;
        if matches!(state.phase, Phase::Closed | Phase::ShuttingDown) {
            return Err(Refused::NoSession);
        }
        if matches!(state.phase, Phase::Established | Phase::Establishing) && has_tcp_keepalive(message) {
            return Err(Refused::TcpKeepalive);
        }
        if message.len() > usize::from(u16::MAX) {
            return Err(Refused::TooLong);
        }
        state.note_message(now);
        state.note_plain(message);
        frame(out, |out| out.extend_from_slice(message))
    }

    /// Sends a Keepalive request, which establishes a session and asks for the timeouts of the settings (DS35).
    ///
    /// # Errors
    /// `NotOurs` for a server, `NoDso`, `NoSession`, `TooMany`.
    pub fn keep_alive(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<u16, Refused> {
        if self.state.role != Role::Client {
            return Err(Refused::NotOurs);
        }
        self.state.request_keepalive(now, self.state.settings.timeouts, out)
    }
    /// Changes the timeouts of an established session, at once and one-sidedly, as servers may (DS32).
    ///
    /// # Errors
    /// `NotOurs` for a client, `NoSession`, `TooMany`.
    pub fn set_timeouts(&mut self, now: Instant, timeouts: Keepalive, out: &mut Vec<u8>) -> Result<(), Refused> {
        let state = &mut self.state;
        if state.role != Role::Server {
            return Err(Refused::NotOurs);
        }
        if state.phase != Phase::Established {
            return Err(Refused::NoSession);
        }
        let timeouts = state.grantable(timeouts);
        if state.settings.dialect.has_unidirectional() {
            // DS37
            frame(out, |out| DsoWriter::unidirectional(out, Rcode::NOERROR).keepalive(timeouts))?;
            state.traffic_at = now;
        } else {
            state.request_keepalive(now, timeouts, out)?;
        }
        state.apply(now, timeouts);
        Ok(())
    }
    /// Ends the session from the server's side: the client is to stay away for a time (DS40). Nothing is sent or taken
    /// afterwards (DS42); if the client does not close, [`Happened::Ended`] comes in five seconds.
    ///
    /// # Errors
    /// `NotOurs` for a client, `NoSession`.
    pub fn shut_down(&mut self, now: Instant, rcode: Rcode, delay_ms: u32, out: &mut Vec<u8>) -> Result<(), Refused> {
        let state = &mut self.state;
        if state.role != Role::Server {
            return Err(Refused::NotOurs);
        }
        if state.phase != Phase::Established {
            return Err(Refused::NoSession);
        }
        let dialect = state.settings.dialect;
        // In the drafts it is a request, although no answer is waited for.
        let id = if dialect.has_unidirectional() { 0 } else { state.free_id()? };
        frame(out, |out| DsoWriter::begin(out, id, Flags::default(), rcode).retry_delay(delay_ms, dialect))?;
        state.phase = Phase::ShuttingDown;
        state.deadline = Some(now + SHUTDOWN_WAIT);
        (state.own, state.theirs) = (Vec::new(), Vec::new());
        self.drop_buffer();
        Ok(())
    }
    /// The caller closes the connection, as it may at any time (DS28).
    pub fn close(&mut self) {
        self.state.phase = Phase::Closed;
        self.drop_buffer();
    }

    /// Whether there is a session.
    pub fn is_established(&self) -> bool {
        self.state.phase == Phase::Established
    }
    /// Whether the peer turned out not to know sessions; plain DNS may go on.
    pub fn is_without_dso(&self) -> bool {
        self.state.phase == Phase::WithoutDso
    }
    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.state.phase == Phase::Closed
    }
    /// The timeouts that count.
    pub fn timeouts(&self) -> Keepalive {
        self.state.timeouts
    }
    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.state.settings
    }
    /// Octets of memory that the session holds, itself included.
    pub fn memory_octets(&self) -> usize {
        let operations = self.state.own.capacity() + self.state.theirs.capacity();
        size_of::<Session>() + self.buffer.capacity() + operations * size_of::<Operation>()
    }

    fn drop_buffer(&mut self) {
        (self.buffer, self.read, self.early_end) = (Vec::new(), 0, 0);
    }
}

impl State {
    fn known(&self, dso_type: u16) -> Option<&'static OperationType> {
        self.settings.operations.iter().find(|known| known.dso_type == dso_type)
    }
    /// A type of ours that we may use in a manner.
    fn own_type(&self, dso_type: u16, manner: Manner) -> Result<&'static OperationType, Refused> {
        let known = self.known(dso_type).ok_or(Refused::NotOurs)?;
        let own = match self.role {
            Role::Client => known.from_client,
            Role::Server => known.from_server,
        };
        if own == manner { Ok(known) } else { Err(Refused::NotOurs) }
    }
    /// DS3: a message ID that neither a request without answer nor a live operation of ours has.
    fn free_id(&mut self) -> Result<u16, Refused> {
        if self.own.len() >= self.settings.limits.own_operations_max {
            return Err(Refused::TooMany);
        }
        for _ in 0..=self.own.len() {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.own.iter().any(|operation| operation.id == self.last_id) {
                return Ok(self.last_id);
            }
        }
        Err(Refused::TooMany)
    }
    fn begin_request(
        &mut self,
        now: Instant,
        id: u16,
        dso_type: u16,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut DsoWriter<'_>),
    ) -> Result<(), Refused> {
        match (self.phase, self.role) {
            (Phase::Established | Phase::Establishing, _) => {}
            // DS19: until then only the client asks.
            (Phase::Sessionless, Role::Client) => {}
            (Phase::WithoutDso, _) => return Err(Refused::NoDso),
            _ => return Err(Refused::NoSession),
        }
        frame(out, |out| fill(&mut DsoWriter::request(out, id)))?;
        if self.phase == Phase::Sessionless {
            self.phase = Phase::Establishing;
            // DS22; the drafts wait for ever.
            self.deadline = self.settings.dialect.has_unidirectional().then(|| now + ESTABLISHMENT_WAIT);
        }
        self.own.push(Operation { id, dso_type, stage: Stage::Unanswered, is_padded: false });
        match dso_type {
            // DS27: a Keepalive is no activity.
            dso_type::KEEPALIVE => self.traffic_at = now,
            _ => self.note_message(now),
        }
        Ok(())
    }
    fn request_keepalive(&mut self, now: Instant, timeouts: Keepalive, out: &mut Vec<u8>) -> Result<u16, Refused> {
        let id = self.free_id()?;
        self.begin_request(now, id, dso_type::KEEPALIVE, out, |writer| writer.keepalive(timeouts))?;
        Ok(id)
    }
    /// What a server may grant: never a keepalive interval below ten seconds (DS31), nor in the drafts such a timeout.
    fn grantable(&self, timeouts: Keepalive) -> Keepalive {
        let least = if self.settings.dialect.has_unidirectional() { 0 } else { DRAFT_INACTIVITY_MIN_MS };
        Keepalive {
            inactivity_timeout_ms: timeouts.inactivity_timeout_ms.max(least),
            keepalive_interval_ms: timeouts.keepalive_interval_ms.max(KEEPALIVE_INTERVAL_MIN_MS),
        }
    }
    fn establish(&mut self) {
        if matches!(self.phase, Phase::Sessionless | Phase::Establishing) {
            self.phase = Phase::Established;
            self.deadline = None;
        }
    }
    /// DS27: a complete message that is no Keepalive resets both timers.
    fn note_message(&mut self, now: Instant) {
        self.idle_since = now;
        self.traffic_at = now;
    }
    /// Counts questions without answer and answers.
    fn note_plain(&mut self, message: &[u8]) {
        let is_response = Header::peek(message).is_some_and(|header| header.is_response());
        self.plain_outstanding = if is_response {
            self.plain_outstanding.saturating_sub(1)
        } else {
            self.plain_outstanding.saturating_add(1)
        };
    }
    /// Keeps no more of what we ended than is allowed.
    fn forget_abandoned(&mut self) {
        let is_abandoned = |operation: &Operation| operation.stage == Stage::Abandoned;
        if self.own.iter().filter(|operation| is_abandoned(operation)).count() > self.settings.limits.abandoned_max
            && let Some(oldest) = self.own.iter().position(is_abandoned)
        {
            self.own.remove(oldest);
        }
    }
    fn end(&mut self, how: Close, why: Reason) {
        self.phase = Phase::Closed;
        self.deadline = None;
        (self.own, self.theirs) = (Vec::new(), Vec::new());
        self.end = Some(End { how, why });
    }
}

/// Appends one message with its length in front (RFC 1035 §4.2.2); nothing when it is too long.
fn frame(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    fill(out);
    match u16::try_from(out.len() - start - 2) {
        Ok(octets) => {
            out[start..start + 2].copy_from_slice(&octets.to_be_bytes());
            Ok(())
        }
        Err(_) => {
            out.truncate(start);
            Err(Refused::TooLong)
        }
    }
}

/// Whether a plain message carries the option that sessions forbid. What cannot be read carries none.
fn has_tcp_keepalive(message: &[u8]) -> bool {
    Header::peek(message).is_some_and(|header| header.counts[3] > 0)
        && Message::decode(message)
            .is_ok_and(|message| message.edns().is_some_and(|edns| edns.option(option::TCP_KEEPALIVE).is_some()))
}

#[cfg(test)]
mod tests;
