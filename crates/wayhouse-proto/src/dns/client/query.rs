//! One question to one server: sent, repeated, its answer told from everything else that arrives (RFC 1035 §4.2, RFC 5452
//! §9, RFC 6891 §6.2, RFC 7766 §5).
//!
//! ```text
//!            0 s    1 s    3 s    7 s
//!  over UDP: send   send   send   unanswered          answer with TC: truncated -> over_stream()
//!  stream:   send ───────────────10 s─> unanswered
//! ```
//!
//! Use: drain [`Query::poll_transmit`] after each verb; send each message (over a stream with its length in front) to the
//! server and hand what comes from there to [`Query::handle_message`].

use std::time::{Duration, Instant};

use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::{Compressor, Flags, Header, Message, MessageWriter, Opcode, OptRcode, Rcode};

use super::{Answer, Asked};
use crate::io::Wakeup;
use crate::rng::Rng;

/// How often a question is sent over UDP; the wait doubles each time.
pub const TRIES_MAX: u32 = 3;
/// How long the first answer over UDP is waited for.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long an answer over a stream is waited for.
pub const STREAM_WAIT: Duration = Duration::from_secs(10);
/// The largest answer over UDP that we ask for, octets: what passes everywhere without fragments (RFC 9715).
pub const UDP_OCTETS_MAX: u16 = 1_232;

/// How the messages of a question travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As datagrams.
    Datagram,
    /// On a connection that loses nothing.
    Stream,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered; the answer may be a refusal.
    Answered(Box<Answer>),
    /// The answer does not fit into a datagram: [`Query::over_stream`] goes on.
    Truncated,
    /// Nobody answered in time.
    Unanswered,
    /// What came over the stream is no answer to the question.
    Malformed,
}

/// A question under way.
#[derive(Debug)]
pub struct Query {
    asked: Asked,
    is_recursive: bool,
    rng: Rng,
    id: u16,
    way: Way,
    has_edns: bool,
    tries: u32,
    /// Whether a message is to be sent.
    wants_out: bool,
    next_at: Option<Instant>,
    outcome: Option<Outcome>,
    compressor: Compressor,
}

impl Query {
    /// A question that is sent at once. `is_recursive` asks the server to find out for us.
    pub fn new(now: Instant, asked: Asked, is_recursive: bool, way: Way, seed: u64) -> Query {
        let mut query = Query {
            asked,
            is_recursive,
            rng: Rng::new(seed),
            id: 0,
            way,
            has_edns: true,
            tries: 0,
            wants_out: true,
            next_at: None,
            outcome: None,
            compressor: Compressor::default(),
        };
        query.start(now, way);
        query
    }
    /// Asks again over a connection, after [`Outcome::Truncated`].
    pub fn over_stream(&mut self, now: Instant) {
        self.start(now, Way::Stream);
    }
    /// What is asked.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }
    /// The message ID, which nobody can foresee.
    pub fn id(&self) -> u16 {
        self.id
    }

    fn start(&mut self, now: Instant, way: Way) {
        self.id = self.rng.next_u64() as u16;
        (self.way, self.tries, self.wants_out, self.outcome) = (way, 1, true, None);
        self.next_at = Some(now + if way == Way::Stream { STREAM_WAIT } else { FIRST_WAIT });
    }

    /// Appends the message to send, without a length in front; `false` when there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        if !std::mem::take(&mut self.wants_out) {
            return false;
        }
        let flags = if self.is_recursive { Flags::RD } else { Flags::default() };
        let mut writer = MessageWriter::new(out, &mut self.compressor, self.id, flags, usize::from(u16::MAX));
        let Asked { name, rtype, class } = &self.asked;
        writer.question(name.as_ref(), *rtype, *class).expect("one question always fits");
        if self.has_edns {
            let opt = Opt { udp_octets_max: UDP_OCTETS_MAX, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
            writer.opt(opt, &[]).expect("an empty OPT fits behind one question");
        }
        writer.finish();
        true
    }

    /// Takes a message that came from the server. Whatever is not the answer changes nothing: it may be late, or forged.
    pub fn handle_message(&mut self, now: Instant, bytes: &[u8]) {
        if self.next_at.is_none() {
            return;
        }
        match self.judge(bytes) {
            Judgement::Other if self.way == Way::Stream => self.end(Outcome::Malformed),
            Judgement::Other => {}
            Judgement::WithoutEdns => {
                self.has_edns = false;
                self.start(now, self.way);
            }
            Judgement::Truncated => self.end(Outcome::Truncated),
            Judgement::Answer(answer) => self.end(Outcome::Answered(answer)),
        }
    }
    fn judge(&self, bytes: &[u8]) -> Judgement {
        let Some(header) = Header::peek(bytes) else { return Judgement::Other };
        if !header.is_response() || header.id != self.id || header.flags.opcode() != Opcode::QUERY {
            return Judgement::Other;
        }
        let Ok(message) = Message::decode(bytes) else { return Judgement::Other };
        let is_ours = message.question().is_some_and(|question| question == self.asked.as_question());
        // A server that could not read the question may leave it out.
        let is_complaint = header.counts[0] == 0 && header.flags.rcode() != Rcode::NOERROR;
        if !is_ours && !is_complaint {
            return Judgement::Other;
        }
        // RFC 6891 §6.2.2: a server that knows no EDNS says so in one of these ways, and then there is no OPT.
        let is_old = matches!(header.flags.rcode(), Rcode::FORMERR | Rcode::NOTIMP) && message.edns().is_none();
        if is_old && self.has_edns {
            return Judgement::WithoutEdns;
        }
        if self.way == Way::Datagram && header.flags.has(Flags::TC) {
            return Judgement::Truncated;
        }
        Answer::copy(&message).map_or(Judgement::Other, |answer| Judgement::Answer(Box::new(answer)))
    }
    fn end(&mut self, outcome: Outcome) {
        (self.next_at, self.wants_out) = (None, false);
        self.outcome = Some(outcome);
    }

    /// Sends again, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(at) = self.next_at.filter(|at| *at <= now) else { return };
        if self.way == Way::Stream || self.tries >= TRIES_MAX {
            self.end(Outcome::Unanswered);
            return;
        }
        self.next_at = Some(at.max(now) + FIRST_WAIT * 2u32.pow(self.tries));
        self.tries += 1;
        self.wants_out = true;
    }
    /// When [`Query::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.next_at.map(|at| Wakeup { at, why: "question not answered" })
    }
    /// How it ended, once.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }
}

/// What an arriving message is.
enum Judgement {
    /// Nothing of ours.
    Other,
    /// The complaint of a server that knows no EDNS.
    WithoutEdns,
    /// An answer that does not fit.
    Truncated,
    /// The answer.
    Answer(Box<Answer>),
}

#[cfg(test)]
mod tests;
