//! Messages as one line of text: `CON GET #7 t:01 Uri-Path=rd Block2=0/0/64 "payload"`.
//!
//! Kind, code, message ID, token, options, payload. Block options are `NUM/M/size`, opaque values `0x…`. In expectations
//! `#*`, `t:*` and `=*` match anything, and `"*"` any payload.

use wayhouse_wire::coap::option::{Format, definition, number};
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, Message, OptionRef, Options};

/// A message with everything it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Msg {
    /// `None` in frames.
    pub(crate) kind: Option<Kind>,
    pub(crate) code: Code,
    pub(crate) message_id: u16,
    pub(crate) token: Vec<u8>,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
}

const KINDS: [(&str, Option<Kind>); 5] = [
    ("CON", Some(Kind::Confirmable)),
    ("NON", Some(Kind::NonConfirmable)),
    ("ACK", Some(Kind::Acknowledgement)),
    ("RST", Some(Kind::Reset)),
    ("TCP", None),
];
const METHODS: [&str; 8] = ["EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "IPATCH"];

impl Msg {
    pub(crate) fn decode(octets: &[u8]) -> Msg {
        let message = Message::decode(octets).expect("a well-formed message");
        Msg {
            kind: Some(message.kind),
            code: message.code,
            message_id: message.message_id,
            token: message.token.to_vec(),
            options: list(message.options),
            payload: message.payload.to_vec(),
        }
    }
    pub(crate) fn of_frame(frame: &Frame<'_>) -> Msg {
        Msg {
            kind: None,
            code: frame.code,
            message_id: 0,
            token: frame.token.to_vec(),
            options: list(frame.options),
            payload: frame.payload.to_vec(),
        }
    }
    /// Reads the notation.
    pub(crate) fn parse(text: &str) -> Msg {
        let (head, payload) = match text.split_once(" \"") {
            Some((head, payload)) => (head, payload.strip_suffix('"').expect("a closing quote")),
            None => (text, ""),
        };
        let mut words = head.split(' ').filter(|word| !word.is_empty());
        let kind = words.next().expect("a kind");
        let kind = KINDS.iter().find(|(name, _)| *name == kind).expect("CON, NON, ACK, RST or TCP").1;
        let code = code(words.next().expect("a code"));
        let mut message =
            Msg { kind, code, message_id: 0, token: Vec::new(), options: Vec::new(), payload: payload.into() };
        for word in words {
            if let Some(id) = word.strip_prefix('#') {
                message.message_id = id.parse().expect("a message ID");
            } else if let Some(token) = word.strip_prefix("t:") {
                message.token = hex(token);
            } else {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                let number = option_number(name);
                message.options.push((number, option_value(number, value)));
            }
        }
        message.options.sort_by_key(|option| option.0);
        message
    }
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let options = self.options.iter().map(|(number, value)| OptionRef { number: *number, value });
        match self.kind {
            Some(kind) => {
                let mut encoder = Encoder::datagram(&mut out, kind, self.code, self.message_id, &self.token);
                for option in options {
                    encoder.option(option.number, option.value);
                }
                encoder.payload(&self.payload);
            }
            None => Frame::encode(&mut out, self.code, &self.token, options, &self.payload),
        }
        out
    }
    pub(crate) fn option(&self, number: u16) -> Option<&[u8]> {
        self.options.iter().find(|option| option.0 == number).map(|option| option.1.as_slice())
    }
    pub(crate) fn uint(&self, number: u16) -> Option<u64> {
        self.option(number).map(|value| value.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
    }
    /// Compares with the notation, wildcards included.
    #[track_caller]
    pub(crate) fn assert(&self, expected: &str) {
        let mine = self.to_string();
        let (expected_head, expected_payload) = expected.split_once(" \"").unwrap_or((expected, ""));
        let (head, payload) = mine.split_once(" \"").unwrap_or((&mine, ""));
        let words: Vec<&str> = head.split(' ').collect();
        let expected_words: Vec<&str> = expected_head.split(' ').filter(|word| !word.is_empty()).collect();
        let is_same = words.len() == expected_words.len()
            && words.iter().zip(&expected_words).all(|(word, expected)| match expected.strip_suffix('*') {
                Some(start) => word.starts_with(start),
                None => word == expected,
            })
            && (expected_payload == "*\"" || payload == expected_payload);
        assert!(is_same, "\n  expected {expected}\n       got {mine}");
    }
}

impl std::fmt::Display for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).expect("all kinds are listed").0;
        write!(f, "{kind} ")?;
        match METHODS.get(usize::from(self.code.0)) {
            Some(method) => write!(f, "{method}")?,
            None => write!(f, "{}", self.code)?,
        }
        if self.kind.is_some() {
            write!(f, " #{}", self.message_id)?;
        }
        if !self.token.is_empty() {
            write!(f, " t:")?;
            self.token.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        }
        for (number, value) in &self.options {
            let definition = definition(*number).filter(|_| self.code.class() != 7);
            match definition {
                Some(definition) => write!(f, " {}", definition.name)?,
                None => write!(f, " opt{number}")?,
            }
            if matches!(*number, number::BLOCK1 | number::BLOCK2) && self.code.class() != 7 {
                let block = BlockValue::decode(value).expect("a block value");
                let size = if block.szx == 7 { "bert".into() } else { block.size().to_string() };
                write!(f, "={}/{}/{size}", block.num, u8::from(block.more))?;
                continue;
            }
            match definition.map_or(Format::Opaque, |definition| definition.format) {
                Format::Empty => {}
                Format::Uint => write!(f, "={}", value.iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet)))?,
                Format::Text => write!(f, "={}", String::from_utf8_lossy(value))?,
                Format::Opaque => {
                    write!(f, "=0x")?;
                    value.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                }
            }
        }
        if !self.payload.is_empty() {
            write!(f, " \"{}\"", String::from_utf8_lossy(&self.payload))?;
        }
        Ok(())
    }
}

fn list(options: Options<'_>) -> Vec<(u16, Vec<u8>)> {
    options.iter().map(|option| (option.number, option.value.to_vec())).collect()
}

fn code(text: &str) -> Code {
    if let Some(method) = METHODS.iter().position(|method| *method == text) {
        return Code(method as u8);
    }
    let (class, detail) = text.split_once('.').expect("a method or c.dd");
    Code(class.parse::<u8>().expect("a class") << 5 | detail.parse::<u8>().expect("a detail"))
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal")).collect()
}

fn option_number(name: &str) -> u16 {
    if let Some(number) = name.strip_prefix("opt") {
        return number.parse().expect("an option number");
    }
    (0..3000)
        .find(|number| definition(*number).is_some_and(|definition| definition.name == name))
        .unwrap_or_else(|| panic!("no option {name}"))
}

fn option_value(number: u16, text: &str) -> Vec<u8> {
    if let Some(digits) = text.strip_prefix("0x") {
        return hex(digits);
    }
    let uint = |value: u64| value.to_be_bytes()[value.leading_zeros() as usize / 8..].to_vec();
    if matches!(number, number::BLOCK1 | number::BLOCK2) {
        let mut parts = text.split('/');
        let mut part = || parts.next().expect("NUM/M/size");
        let (num, more, size) = (part().parse().expect("NUM"), part() == "1", part());
        let szx = if size == "bert" { 7 } else { size.parse::<u32>().expect("a size").trailing_zeros() as u8 - 4 };
        return uint(BlockValue { num, more, szx }.to_uint());
    }
    match definition(number).map(|definition| definition.format) {
        Some(Format::Uint) => uint(text.parse().expect("a number")),
        _ => text.as_bytes().to_vec(),
    }
}
