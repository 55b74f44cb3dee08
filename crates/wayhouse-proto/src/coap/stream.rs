//! One connection of CoAP over TCP: frames, settings, signalling (RFC 8323; sheet §21). No sockets.
//!
//! ```text
//!  new ──our CSM──> expecting CSM ──their CSM──> open ──Release, ours or theirs──> releasing
//!                        └──────────── Abort, ours or theirs ────────┴──────────────────┴──> closed
//! ```
//! Use: [`Connection::feed`] what arrived, then [`Connection::poll`] until `None`; both append what must be sent to a buffer.

use std::time::Duration;

use wayhouse_wire::coap::option::is_critical;
use wayhouse_wire::coap::stream::{Frame, signal};
use wayhouse_wire::coap::{Code, OptionList, OptionRef, Options};

/// Max-Message-Size before the peer says otherwise (RFC 8323 §5.3.1).
pub const BASE_MESSAGE_OCTETS: usize = 1152;
/// The longest token before the peer says otherwise (RFC 8974 §2.2.1).
const BASE_TOKEN_OCTETS: usize = 8;
/// The longest token that can be expressed (RFC 8974 §2.1).
const TOKEN_OCTETS_LIMIT: usize = 65_804;
/// A buffer larger than this is given back when a large message was read.
const BUFFER_KEPT_OCTETS: usize = 64 << 10;

/// What we announce in our CSM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSettings {
    /// Max-Message-Size: the largest frame we take, octets.
    pub message_octets_max: usize,
    /// Extended-Token-Length: the longest token we take (RFC 8974 §2.2.1).
    pub token_octets_max: usize,
}

/// What the peer announced so far (TC4: each CSM changes what it names, the rest stays).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerSettings {
    /// Max-Message-Size: the largest frame it takes, octets.
    pub message_octets_max: usize,
    /// Block-Wise-Transfer.
    pub does_block_wise: bool,
    /// Extended-Token-Length: the longest token it takes.
    pub token_octets_max: usize,
}

impl PeerSettings {
    /// Whether BERT is on: SZX 7 may be sent to the peer (TC4).
    pub fn is_bert_on(&self) -> bool {
        self.does_block_wise && self.message_octets_max > BASE_MESSAGE_OCTETS
    }
    /// Octets of payload for one BERT block to the peer, when all the rest of the message takes `overhead` octets;
    /// 0 when not even one unit of 1024 fits or BERT is off.
    pub fn bert_octets(&self, overhead: usize) -> usize {
        if self.is_bert_on() { self.message_octets_max.saturating_sub(overhead) / 1024 * 1024 } else { 0 }
    }
}

/// One thing that happened on a connection.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// A request or response.
    Frame(Frame<'a>),
    /// The peer's settings changed; requests that waited for them may go.
    Settings(PeerSettings),
    /// The answer to a ping of ours.
    Pong {
        /// The ping's token.
        token: &'a [u8],
        /// Whether everything before the ping was processed.
        has_custody: bool,
    },
    /// The peer is about to close: answer what is pending, ask nothing new, then close.
    Released(Release<'a>),
    /// The peer gave up; the connection must be closed.
    Aborted {
        /// The CSM option it did not like.
        bad_csm_option: Option<u16>,
        /// What it says, in UTF-8 if it follows the rules.
        diagnostic: &'a [u8],
    },
    /// We gave up: our Abort was appended; the connection must be closed after it.
    Failed(&'static str),
}

/// A Release message.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    options: Options<'a>,
}

impl<'a> Release<'a> {
    /// Where else the peer can be reached, in order of preference: `host`, `host:port`.
    pub fn alternative_addresses(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.options
            .all(signal::RELEASE_ALTERNATIVE_ADDRESS)
            .filter(|value| (1..=255).contains(&value.len()))
            .filter_map(|value| std::str::from_utf8(value).ok())
    }
    /// How long to wait before connecting again.
    pub fn hold_off(&self) -> Option<Duration> {
        uint(self.options, signal::RELEASE_HOLD_OFF, 3).map(Duration::from_secs)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    own: OwnSettings,
    peer: PeerSettings,
    phase: Phase,
    buffer: Vec<u8>,
    /// Octets of `buffer` that were read.
    read: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    ExpectingCsm,
    Open,
    Releasing,
    Closed,
}

impl Connection {
    /// A connection that was just opened; appends our CSM, without waiting for theirs (TC1).
    pub fn new(own: OwnSettings, out: &mut Vec<u8>) -> Connection {
        let mut options = OptionList::new();
        options.push_uint(signal::CSM_MAX_MESSAGE_SIZE, own.message_octets_max as u64);
        options.push(signal::CSM_BLOCK_WISE_TRANSFER, &[]);
        if own.token_octets_max > BASE_TOKEN_OCTETS {
            options.push_uint(signal::CSM_EXTENDED_TOKEN_LENGTH, own.token_octets_max as u64);
        }
        Frame::encode(out, Code::CSM, &[], options.iter(), &[]);
        Connection {
            own,
            peer: PeerSettings {
                message_octets_max: BASE_MESSAGE_OCTETS,
                does_block_wise: false,
                token_octets_max: BASE_TOKEN_OCTETS,
            },
            phase: Phase::ExpectingCsm,
            buffer: Vec::new(),
            read: 0,
        }
    }

    /// Takes octets that arrived. Drain with [`Connection::poll`] before feeding again: then no more is held than one
    /// unfinished message (at most our Max-Message-Size) and these octets.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Closed {
            return;
        }
        self.buffer.drain(..self.read);
        self.read = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_OCTETS {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// What happened next; answers (Pong, Abort) are appended to `out`.
    pub fn poll<'a>(&'a mut self, out: &mut Vec<u8>) -> Option<Happened<'a>> {
        let Connection { own, peer, phase, buffer, read } = self;
        let buffer: &'a [u8] = buffer;
        loop {
            if *phase == Phase::Closed {
                return None;
            }
            let rest = &buffer[*read..];
            let octets = match Frame::octets(rest) {
                Ok(Some(octets)) => octets,
                Ok(None) => return None,
                Err(_) => return Some(give_up(phase, out, "the message's header is malformed", None)),
            };
            // As soon as the length is known: what is too long is not gathered.
            if octets > own.message_octets_max {
                return Some(give_up(phase, out, "the message is longer than Max-Message-Size", None));
            }
            let frame = match rest.get(..octets).map(Frame::decode) {
                None => return None,
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Some(give_up(phase, out, "the message is malformed", None)),
            };
            *read += octets;
            if frame.code == Code::EMPTY {
                // TC2: kept for keeping the connection alive.
                continue;
            }
            if *phase == Phase::ExpectingCsm && !matches!(frame.code, Code::CSM | Code::ABORT) {
                return Some(give_up(phase, out, "the first message is not a CSM", None));
            }
            if frame.code.class() != 7 {
                if frame.code.is_request() || frame.code.is_response() {
                    return Some(Happened::Frame(frame));
                }
                // Reserved classes have no meaning yet.
                continue;
            }
            if frame.code == Code::ABORT {
                *phase = Phase::Closed;
                let bad_csm_option = uint(frame.options, signal::ABORT_BAD_CSM_OPTION, 2).map(|number| number as u16);
                return Some(Happened::Aborted { bad_csm_option, diagnostic: frame.payload });
            }
            // TC2: each code has its own options, and none that we know is critical.
            if let Some(option) = frame.options.iter().find(|option| is_critical(option.number)) {
                let bad_csm_option = (frame.code == Code::CSM).then_some(option.number);
                return Some(give_up(phase, out, "an unknown critical option in a signalling message", bad_csm_option));
            }
            match frame.code {
                Code::CSM => {
                    peer.change(frame.options);
                    if *phase == Phase::ExpectingCsm {
                        *phase = Phase::Open;
                    }
                    return Some(Happened::Settings(*peer));
                }
                Code::PING => {
                    // Everything before the ping was handed over before it is read here, so custody can be given at once.
                    let has_custody = frame.options.first(signal::PING_CUSTODY).is_some();
                    encode_ping(out, Code::PONG, frame.token, has_custody);
                }
                Code::PONG => {
                    let has_custody = frame.options.first(signal::PING_CUSTODY).is_some();
                    return Some(Happened::Pong { token: frame.token, has_custody });
                }
                Code::RELEASE => {
                    *phase = Phase::Releasing;
                    return Some(Happened::Released(Release { options: frame.options }));
                }
                // Codes not assigned yet; nothing critical was in it.
                _ => {}
            }
        }
    }

    /// Appends a Ping.
    pub fn ping(&mut self, token: &[u8], wants_custody: bool, out: &mut Vec<u8>) {
        if self.phase != Phase::Closed {
            encode_ping(out, Code::PING, token, wants_custody);
        }
    }

    /// Gives up a peer whose CSM did not come in time (TC1: a missing CSM ends the connection); appends the Abort.
    pub fn give_up_without_settings(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::ExpectingCsm {
            give_up(&mut self.phase, out, "no CSM came", None);
        }
    }

    /// Appends a Release: we answer what is pending, then close. Nothing happens when that was done or the connection is closed.
    pub fn release(&mut self, alternative: Option<&str>, hold_off: Option<Duration>, out: &mut Vec<u8>) {
        if !self.may_ask() {
            return;
        }
        let mut options = OptionList::new();
        if let Some(address) = alternative {
            options.push(signal::RELEASE_ALTERNATIVE_ADDRESS, address.as_bytes());
        }
        if let Some(wait) = hold_off {
            options.push_uint(signal::RELEASE_HOLD_OFF, wait.as_secs().min(0xff_ffff));
        }
        Frame::encode(out, Code::RELEASE, &[], options.iter(), &[]);
        self.phase = Phase::Releasing;
    }

    /// Appends an Abort with a diagnostic; the connection must be closed after it.
    pub fn abort(&mut self, diagnostic: &'static str, out: &mut Vec<u8>) {
        if self.phase != Phase::Closed {
            give_up(&mut self.phase, out, diagnostic, None);
        }
    }

    /// What the peer announced.
    pub fn peer_settings(&self) -> PeerSettings {
        self.peer
    }
    /// Whether requests may be sent: neither side released or aborted. The peer's CSM need not have arrived (TC1).
    pub fn may_ask(&self) -> bool {
        matches!(self.phase, Phase::ExpectingCsm | Phase::Open)
    }
    /// Whether either side sent a Release.
    pub fn is_releasing(&self) -> bool {
        self.phase == Phase::Releasing
    }
    /// Whether nothing can be sent or received any more.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

impl PeerSettings {
    /// Takes what a CSM names (TC4). Values of a wrong length are as unknown options: ignored.
    fn change(&mut self, options: Options<'_>) {
        if let Some(octets) = uint(options, signal::CSM_MAX_MESSAGE_SIZE, 4) {
            self.message_octets_max = usize::try_from(octets).unwrap_or(usize::MAX);
        }
        if options.first(signal::CSM_BLOCK_WISE_TRANSFER).is_some() {
            self.does_block_wise = true;
        }
        if let Some(octets) = uint(options, signal::CSM_EXTENDED_TOKEN_LENGTH, 3) {
            self.token_octets_max = (octets as usize).clamp(BASE_TOKEN_OCTETS, TOKEN_OCTETS_LIMIT);
        }
    }
}

/// Appends an Abort and closes.
fn give_up<'a>(
    phase: &mut Phase,
    out: &mut Vec<u8>,
    diagnostic: &'static str,
    bad_csm_option: Option<u16>,
) -> Happened<'a> {
    let mut options = OptionList::new();
    if let Some(number) = bad_csm_option {
        options.push_uint(signal::ABORT_BAD_CSM_OPTION, u64::from(number));
    }
    Frame::encode(out, Code::ABORT, &[], options.iter(), diagnostic.as_bytes());
    *phase = Phase::Closed;
    Happened::Failed(diagnostic)
}

fn encode_ping(out: &mut Vec<u8>, code: Code, token: &[u8], has_custody: bool) {
    let custody = OptionRef { number: signal::PING_CUSTODY, value: &[] };
    Frame::encode(out, code, token, has_custody.then_some(custody).into_iter(), &[]);
}

/// The first option with a number, if it is a `uint` of at most so many octets.
fn uint(options: Options<'_>, number: u16, octets_max: usize) -> Option<u64> {
    options.first(number).filter(|option| option.value.len() <= octets_max)?.uint()
}

#[cfg(test)]
mod tests;
