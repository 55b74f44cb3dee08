//! What arrives on a session: framed, judged, answered where the base protocol answers (RFC 8490 §5, §7).

use std::time::Instant;

use wayhouse_wire::dns::dso_tlv::{Keepalive, Tlv, dso_type};
use wayhouse_wire::dns::{DSOTYPENI, DsoMessage, DsoWriter, Header, Opcode, Rcode};

use super::{
    BUFFER_KEPT_OCTETS, Close, DRAFT_INACTIVITY_MIN_MS, Happened, KEEPALIVE_INTERVAL_MIN_MS, Manner, Operation,
    OperationType, Phase, Reason, Role, Session, SessionFault, Stage, State, frame, has_tcp_keepalive,
};

/// What to tell of a message, without borrowing from it.
#[derive(Debug, Clone, Copy)]
enum Report {
    Request { id: u16, dso_type: u16 },
    Unidirectional { dso_type: u16 },
    Response { id: u16, dso_type: u16, rcode: Rcode, retry_delay_ms: Option<u32> },
    Cancelled { id: u16, dso_type: u16, rcode: Rcode, retry_delay_ms: Option<u32> },
    Dns,
    Timeouts(Keepalive),
}

/// `Ok(None)`: dealt with.
type Judgement = Result<Option<Report>, SessionFault>;

impl Session {
    /// What happened next; answers of the base protocol are appended to `out`, framed.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Happened<'_>> {
        let (report, start, end) = loop {
            if let Some(end) = self.state.end.take() {
                self.drop_buffer();
                return Some(Happened::Ended(end));
            }
            let Some((start, end)) = self.next_message() else {
                if self.state.end.is_some() {
                    continue;
                }
                if self.read == self.buffer.len() {
                    self.buffer.clear();
                    (self.read, self.early_end) = (0, 0);
                    if self.buffer.capacity() > BUFFER_KEPT_OCTETS {
                        self.buffer = Vec::new();
                    }
                }
                return None;
            };
            let is_early = self.read < self.early_end;
            self.read = end;
            // DS16: one after the other, as they came.
            match self.state.judge(now, &self.buffer[start..end], is_early, out) {
                Ok(Some(report)) => break (report, start, end),
                Ok(None) => {}
                Err(fault) => self.state.end(Close::Abort, Reason::Fault(fault)),
            }
        };
        let bytes = &self.buffer[start..end];
        let message = || DsoMessage::decode(bytes, self.state.settings.dialect).expect("judged above");
        Some(match report {
            Report::Request { id, dso_type } => Happened::Request { id, dso_type, message: message() },
            Report::Unidirectional { dso_type } => Happened::Unidirectional { dso_type, message: message() },
            Report::Response { id, dso_type, rcode, retry_delay_ms } => {
                Happened::Response { id, dso_type, rcode, retry_delay_ms, message: message() }
            }
            Report::Cancelled { id, dso_type, rcode, retry_delay_ms } => {
                Happened::Cancelled { id, dso_type, rcode, retry_delay_ms }
            }
            Report::Dns => Happened::Dns(bytes),
            Report::Timeouts(timeouts) => Happened::Timeouts(timeouts),
        })
    }

    /// Ends the session for something that only the caller could see, such as a malformed PUSH.
    pub fn abort(&mut self, why: &'static str) {
        if self.state.phase != Phase::Closed {
            self.state.end(Close::Abort, Reason::Fault(SessionFault::Operation(why)));
        }
    }

    /// Where the next complete message stands in the buffer.
    fn next_message(&mut self) -> Option<(usize, usize)> {
        if matches!(self.state.phase, Phase::Closed | Phase::ShuttingDown) {
            self.drop_buffer();
            return None;
        }
        let rest = &self.buffer[self.read..];
        let octets = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        // As soon as the length is known: what is too long is not gathered.
        if octets < Header::OCTETS || octets > self.state.settings.limits.message_octets_max {
            self.state.end(Close::Abort, Reason::Fault(SessionFault::MessageOctets(octets)));
            return None;
        }
        let start = self.read + 2;
        (rest.len() >= 2 + octets).then_some((start, start + octets))
    }
}

impl State {
    fn judge(&mut self, now: Instant, bytes: &[u8], is_early: bool, out: &mut Vec<u8>) -> Judgement {
        let header = Header::peek(bytes).expect("framed with at least a header");
        if header.flags.opcode() != Opcode::DSO {
            return self.judge_plain(now, bytes);
        }
        // DS1, DX1, DX2: what is malformed is answered where it can be, and ends the session where it cannot.
        let is_request = !header.is_response() && self.is_request(header.id);
        let message = match DsoMessage::decode(bytes, self.settings.dialect) {
            Ok(message) => message,
            Err(_) if is_request => {
                self.note_message(now);
                return self.answer(header.id, Rcode::FORMERR, out);
            }
            Err(error) => return Err(SessionFault::Malformed(error)),
        };
        if message.is_response {
            self.judge_response(now, &message)
        } else {
            self.judge_request(now, &message, is_early, out)
        }
    }

    /// Whether a QR=0 message is a request. In the drafts each is, whatever its ID.
    fn is_request(&self, id: u16) -> bool {
        id != 0 || !self.settings.dialect.has_unidirectional()
    }

    fn judge_plain(&mut self, now: Instant, bytes: &[u8]) -> Judgement {
        // DS18
        if self.phase == Phase::Established && has_tcp_keepalive(bytes) {
            return Err(SessionFault::TcpKeepalive);
        }
        self.note_message(now);
        self.note_plain(bytes);
        Ok(Some(Report::Dns))
    }

    fn judge_response(&mut self, now: Instant, message: &DsoMessage<'_>) -> Judgement {
        let (id, rcode, dialect) = (message.id, message.rcode, self.settings.dialect);
        if id == 0 && dialect.has_unidirectional() {
            return Err(SessionFault::ResponseWithoutId);
        }
        // DS13: what we asked for, whatever IDs the peer uses for its own. The first without answer comes first: in push-10
        // a SUBSCRIBE and the UNSUBSCRIBE that overtook it have the same ID.
        let awaits = |own: &Operation| own.id == id && matches!(own.stage, Stage::Unanswered | Stage::Withdrawn);
        let goes_on = |own: &Operation| own.id == id && matches!(own.stage, Stage::Live | Stage::Abandoned);
        let delay = |message: &DsoMessage<'_>| message.retry_delay_ms(dialect).and_then(Result::ok);
        let Some(index) = self.own.iter().position(awaits) else {
            // DS50: a second answer ends what goes on. The drafts do not know it.
            let index = self.own.iter().position(goes_on).ok_or(SessionFault::UnknownResponse)?;
            if rcode == Rcode::NOERROR || !dialect.has_unidirectional() {
                return Err(SessionFault::UnknownResponse);
            }
            let own = self.own.remove(index);
            self.note_message(now);
            let dso_type = own.dso_type;
            return Ok((own.stage == Stage::Live).then(|| Report::Cancelled {
                id,
                dso_type,
                rcode,
                retry_delay_ms: delay(message),
            }));
        };
        let own = self.own[index];
        if own.dso_type == dso_type::KEEPALIVE {
            let is_bare = self.settings.takes_bare_keepalive && message.primary().is_none();
            let tells = rcode == Rcode::NOERROR && self.role == Role::Client && !is_bare;
            let timeouts = tells.then(|| granted(message)).transpose()?;
            self.own.remove(index);
            self.traffic_at = now;
            self.note_outcome(rcode);
            return match timeouts {
                Some(timeouts) => self.obey(now, timeouts).map(Some),
                // A server of a draft told its timeouts, and the client took note; or nothing was told.
                None if rcode == Rcode::NOERROR => Ok(None),
                None => {
                    Ok(Some(Report::Response { id, dso_type: own.dso_type, rcode, retry_delay_ms: delay(message) }))
                }
            };
        }
        let known = self.known(own.dso_type);
        if rcode == Rcode::NOERROR && known.is_some_and(|known| known.is_long_lived) {
            self.own[index].stage = if own.stage == Stage::Withdrawn { Stage::Abandoned } else { Stage::Live };
            self.forget_abandoned();
        } else {
            self.own.remove(index);
            if known.is_some_and(|known| known.names_operation) {
                self.own.retain(|other| other.id != id);
            }
        }
        self.note_message(now);
        self.note_outcome(rcode);
        Ok(Some(Report::Response { id, dso_type: own.dso_type, rcode, retry_delay_ms: delay(message) }))
    }

    /// What the answer to a request says about the session (RFC 8490 §5.1.1).
    fn note_outcome(&mut self, rcode: Rcode) {
        if self.phase != Phase::Establishing {
            return;
        }
        if rcode == Rcode::NOERROR {
            self.establish();
        } else if rcode != DSOTYPENI {
            self.phase = Phase::WithoutDso;
            self.deadline = None;
        } else if self.own.is_empty() {
            self.phase = Phase::Sessionless;
            self.deadline = None;
        }
    }

    fn judge_request(
        &mut self,
        now: Instant,
        message: &DsoMessage<'_>,
        is_early: bool,
        out: &mut Vec<u8>,
    ) -> Judgement {
        let (id, dialect) = (message.id, self.settings.dialect);
        let is_request = self.is_request(id);
        let has_session = self.phase == Phase::Established;
        // DS19, DS20: before there is a session, only a client asks, and nobody tells.
        if dialect.has_unidirectional() && !has_session && (self.role == Role::Client || !is_request) {
            return Err(SessionFault::BeforeSession);
        }
        let Some(primary) = message.primary() else {
            // DS6
            if !is_request {
                return Err(SessionFault::Empty);
            }
            self.note_message(now);
            return self.answer(id, Rcode::FORMERR, out);
        };
        let known = self.known(primary.dso_type);
        if is_early && !self.may_be_early(&primary, known, is_request) {
            return Err(SessionFault::EarlyData);
        }
        if primary.dso_type == dialect.retry_delay_type() {
            return self.judge_retry_delay(message, &primary);
        }
        if primary.dso_type == dso_type::KEEPALIVE {
            return self.judge_keepalive(now, message, &primary, out);
        }
        self.note_message(now);
        if Some(primary.dso_type) == dialect.padding_type() {
            // DX2: padding is never what a message is for.
            return if is_request { self.answer(id, Rcode::FORMERR, out) } else { Err(SessionFault::NotTheirs) };
        }
        let Some(known) = known else {
            // DS10
            return if is_request { self.answer(id, DSOTYPENI, out) } else { Err(SessionFault::UnknownUnidirectional) };
        };
        let manner = match self.role {
            Role::Client => known.from_server,
            Role::Server => known.from_client,
        };
        match manner {
            Manner::Never => Err(SessionFault::NotTheirs),
            Manner::NotAuthorized => self.answer(id, Rcode::NOTAUTH, out),
            // DS5
            Manner::Unidirectional if id != 0 => Err(SessionFault::WrongMessageId),
            Manner::Unidirectional => Ok(Some(Report::Unidirectional { dso_type: primary.dso_type })),
            Manner::Request if !is_request => Err(SessionFault::WrongMessageId),
            Manner::Request => self.take_request(message, known, out),
        }
    }

    fn take_request(&mut self, message: &DsoMessage<'_>, known: &OperationType, out: &mut Vec<u8>) -> Judgement {
        let (id, dso_type) = (message.id, known.dso_type);
        // DS3, DS15
        let conflicts = |theirs: &Operation| theirs.id == id && (!known.names_operation || theirs.dso_type == dso_type);
        if self.theirs.iter().any(conflicts) {
            return Err(SessionFault::MessageIdInUse);
        }
        if self.theirs.len() >= self.settings.limits.their_operations_max {
            return self.answer(id, Rcode::REFUSED, out);
        }
        let is_padded = message.is_padded(self.settings.dialect);
        self.theirs.push(Operation { id, dso_type, stage: Stage::Unanswered, is_padded });
        Ok(Some(Report::Request { id, dso_type }))
    }

    /// Retry Delay as what the message is for: only from servers, and the last thing they say (DS40, DS43).
    fn judge_retry_delay(&mut self, message: &DsoMessage<'_>, primary: &Tlv<'_>) -> Judgement {
        if self.role == Role::Server {
            return Err(SessionFault::NotTheirs);
        }
        // DS5; in the drafts it has an ID, and is not answered all the same.
        if message.id != 0 && self.settings.dialect.has_unidirectional() {
            return Err(SessionFault::WrongMessageId);
        }
        let delay_ms = primary.retry_delay_ms().map_err(SessionFault::Malformed)?;
        // DS12, DS41: here a message that is no response has a response code.
        self.end(Close::Graceful, Reason::RetryDelay { rcode: message.rcode, delay_ms });
        Ok(None)
    }

    fn judge_keepalive(
        &mut self,
        now: Instant,
        message: &DsoMessage<'_>,
        primary: &Tlv<'_>,
        out: &mut Vec<u8>,
    ) -> Judgement {
        let (id, dialect) = (message.id, self.settings.dialect);
        // DS36, DS37: a client asks, a server tells; in the drafts both ask.
        if dialect.has_unidirectional() && (id != 0) != (self.role == Role::Server) {
            return Err(SessionFault::WrongMessageId);
        }
        self.traffic_at = now;
        let asked = match primary.keepalive() {
            Ok(asked) => asked,
            // DS39
            Err(_) if self.is_request(id) => return self.answer(id, Rcode::FORMERR, out),
            Err(error) => return Err(SessionFault::Malformed(error)),
        };
        if self.role == Role::Client {
            let report = self.obey(now, asked)?;
            if !dialect.has_unidirectional() {
                self.establish();
                self.answer(id, Rcode::NOERROR, out)?;
            }
            return Ok(Some(report));
        }
        // DS15
        if self.theirs.iter().any(|theirs| theirs.id == id) {
            return Err(SessionFault::MessageIdInUse);
        }
        let most = self.settings.timeouts;
        let granted = self.grantable(Keepalive {
            inactivity_timeout_ms: asked.inactivity_timeout_ms.min(most.inactivity_timeout_ms),
            keepalive_interval_ms: asked.keepalive_interval_ms.min(most.keepalive_interval_ms),
        });
        // DS21, DS38
        let (is_padded, block) = (message.is_padded(dialect), self.settings.padding_block_octets);
        let _ = frame(out, |out| {
            let mut writer = DsoWriter::response(out, id, Rcode::NOERROR);
            writer.keepalive(granted);
            if is_padded {
                writer.padding(block, dialect);
            }
        });
        self.establish();
        self.apply(now, granted);
        Ok(None)
    }

    /// Takes the server's timeouts, unless they are such as no server may give (DS31).
    fn obey(&mut self, now: Instant, timeouts: Keepalive) -> Result<Report, SessionFault> {
        let is_draft = !self.settings.dialect.has_unidirectional();
        if timeouts.keepalive_interval_ms < KEEPALIVE_INTERVAL_MIN_MS
            || is_draft && timeouts.inactivity_timeout_ms < DRAFT_INACTIVITY_MIN_MS
        {
            return Err(SessionFault::TimeoutTooShort);
        }
        self.apply(now, timeouts);
        Ok(Report::Timeouts(timeouts))
    }

    /// DS52: Keepalive and what its own specification allows, as requests of a client; all others only where a session is
    /// known to exist.
    fn may_be_early(&self, primary: &Tlv<'_>, known: Option<&OperationType>, is_request: bool) -> bool {
        let is_early_type = primary.dso_type == dso_type::KEEPALIVE || known.is_some_and(|known| known.is_early);
        self.settings.is_implicit && is_early_type || self.role == Role::Server && is_request && is_early_type
    }

    /// Answers without any TLV.
    fn answer(&self, id: u16, rcode: Rcode, out: &mut Vec<u8>) -> Judgement {
        // A bare header is never too long.
        let _ = frame(out, |out| {
            DsoWriter::response(out, id, rcode);
        });
        Ok(None)
    }
}

/// DS7, DS38: the answer to a Keepalive holds exactly one, before everything else.
fn granted(message: &DsoMessage<'_>) -> Result<Keepalive, SessionFault> {
    let count = message.tlvs.into_iter().filter(|tlv| tlv.dso_type == dso_type::KEEPALIVE).count();
    match message.primary() {
        Some(first) if first.dso_type == dso_type::KEEPALIVE && count == 1 => {
            first.keepalive().map_err(SessionFault::Malformed)
        }
        _ => Err(SessionFault::ResponseTlvs),
    }
}
