//! `-v`: every message as one line on standard error.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wayhouse_proto::io::StreamId;
use wayhouse_wire::coap::option::{Format, definition, number};
use wayhouse_wire::coap::stream::{Frame, signal};
use wayhouse_wire::coap::{BlockValue, Code, Kind, Message, OptionRef, Options, content_format};

use super::printer::{hexadecimal, printable};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// To the peer.
    Out,
    /// From the peer.
    In,
}

impl Direction {
    fn arrow(self) -> char {
        match self {
            Direction::Out => '>',
            Direction::In => '<',
        }
    }
}

/// Looks at what passes.
#[derive(Debug)]
pub(super) struct Trace {
    is_verbose: bool,
    // Octets of frames that are not complete yet.
    partial: BTreeMap<(StreamId, Direction), Vec<u8>>,
    announced_octets: Option<u64>,
}

impl Trace {
    /// Tells what it sees only when `is_verbose`.
    pub(super) fn new(is_verbose: bool) -> Trace {
        Trace { is_verbose, partial: BTreeMap::new(), announced_octets: None }
    }

    /// The latest Size2 that a peer sent.
    pub(super) fn announced_octets(&self) -> Option<u64> {
        self.announced_octets
    }

    /// Sees a datagram.
    pub(super) fn datagram(&mut self, direction: Direction, bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(message) => {
                self.note_size(direction, message.options);
                if self.is_verbose {
                    eprintln!("{} {}", direction.arrow(), describe_message(&message));
                }
            }
            Err(error) if self.is_verbose => eprintln!("{} malformed: {error}", direction.arrow()),
            Err(_) => {}
        }
    }

    /// Sees octets of a connection.
    pub(super) fn stream(&mut self, direction: Direction, stream: StreamId, bytes: &[u8]) {
        let mut waiting = self.partial.remove(&(stream, direction)).unwrap_or_default();
        waiting.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(Some(octets)) = Frame::octets(&waiting[at..])
            && octets <= waiting.len() - at
        {
            if let Ok(frame) = Frame::decode(&waiting[at..at + octets]) {
                if frame.code.class() != 7 {
                    self.note_size(direction, frame.options);
                }
                if self.is_verbose {
                    eprintln!("{} {}", direction.arrow(), describe_frame(&frame));
                }
            }
            at += octets;
        }
        waiting.drain(..at);
        self.partial.insert((stream, direction), waiting);
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, stream: StreamId) {
        self.partial.retain(|(other, _), _| *other != stream);
    }

    fn note_size(&mut self, direction: Direction, options: Options<'_>) {
        if direction == Direction::In
            && let Some(size) = options.first(number::SIZE2).and_then(|option| option.uint())
        {
            self.announced_octets = Some(size);
        }
    }
}

/// A message in one line: kind, code, Message ID, token, options, size of the payload.
pub(super) fn describe_message(message: &Message<'_>) -> String {
    let kind = match message.kind {
        Kind::Confirmable => "CON",
        Kind::NonConfirmable => "NON",
        Kind::Acknowledgement => "ACK",
        Kind::Reset => "RST",
    };
    let mut line = format!("{kind} {} [{:04x}]", code_with_name(message.code), message.message_id);
    describe_rest(&mut line, message.token, message.options.iter().map(|o| describe_option(&o)), message.payload.len());
    line
}

/// A frame in one line.
pub(super) fn describe_frame(frame: &Frame<'_>) -> String {
    let mut line = code_with_name(frame.code);
    let describe = |option: OptionRef<'_>| match frame.code.class() {
        7 => describe_signal(frame.code, &option),
        _ => describe_option(&option),
    };
    describe_rest(&mut line, frame.token, frame.options.iter().map(describe), frame.payload.len());
    line
}

fn describe_rest(line: &mut String, token: &[u8], options: impl Iterator<Item = String>, payload_octets: usize) {
    if !token.is_empty() {
        let _ = write!(line, " token {}", hexadecimal(token));
    }
    for option in options {
        line.push(' ');
        line.push_str(&option);
    }
    if payload_octets > 0 {
        let _ = write!(line, " | {payload_octets} octets");
    }
}

/// `GET`, `2.05 Content`, `Empty`.
pub(super) fn code_with_name(code: Code) -> String {
    match code.name() {
        _ if code == Code::EMPTY => "Empty".to_owned(),
        Some(name) if code.is_request() => name.to_owned(),
        Some(name) => format!("{code} {name}"),
        None => code.to_string(),
    }
}

/// `Name=value` for options that are known, `number=0x…` for others.
pub(super) fn describe_option(option: &OptionRef<'_>) -> String {
    let Some(definition) = definition(option.number) else {
        return format!("{}=0x{}", option.number, hexadecimal(option.value));
    };
    let value = match (option.number, definition.format) {
        (number::BLOCK1 | number::BLOCK2, _) => match BlockValue::decode(option.value) {
            Some(block) => format!("{}/{}/{}", block.num, if block.more { "more" } else { "last" }, block.size()),
            None => format!("0x{}", hexadecimal(option.value)),
        },
        (number::CONTENT_FORMAT | number::ACCEPT, _) => match option.uint().and_then(|n| u16::try_from(n).ok()) {
            Some(format) => match content_format::media_type(format) {
                Some(name) => format!("{format} ({name})"),
                None => format.to_string(),
            },
            None => format!("0x{}", hexadecimal(option.value)),
        },
        (_, Format::Empty) => return definition.name.to_owned(),
        (_, Format::Uint) => {
            option.uint().map_or_else(|| format!("0x{}", hexadecimal(option.value)), |n| n.to_string())
        }
        (_, Format::Text) => match option.text() {
            Some(text) => format!("\"{}\"", printable(text)),
            None => format!("0x{}", hexadecimal(option.value)),
        },
        (_, Format::Opaque) => format!("0x{}", hexadecimal(option.value)),
    };
    format!("{}={value}", definition.name)
}

/// Options of signalling messages have a number space for each code (RFC 8323 §5).
fn describe_signal(code: Code, option: &OptionRef<'_>) -> String {
    let uint = || option.uint().map_or_else(String::new, |n| n.to_string());
    match (code, option.number) {
        (Code::CSM, signal::CSM_MAX_MESSAGE_SIZE) => format!("Max-Message-Size={}", uint()),
        (Code::CSM, signal::CSM_BLOCK_WISE_TRANSFER) => "Block-Wise-Transfer".to_owned(),
        (Code::CSM, signal::CSM_EXTENDED_TOKEN_LENGTH) => format!("Extended-Token-Length={}", uint()),
        (Code::PING | Code::PONG, signal::PING_CUSTODY) => "Custody".to_owned(),
        (Code::RELEASE, signal::RELEASE_ALTERNATIVE_ADDRESS) => {
            format!("Alternative-Address=\"{}\"", printable(option.text().unwrap_or_default()))
        }
        (Code::RELEASE, signal::RELEASE_HOLD_OFF) => format!("Hold-Off={}", uint()),
        (Code::ABORT, signal::ABORT_BAD_CSM_OPTION) => format!("Bad-CSM-Option={}", uint()),
        _ => format!("{}=0x{}", option.number, hexadecimal(option.value)),
    }
}

#[cfg(test)]
mod tests;
