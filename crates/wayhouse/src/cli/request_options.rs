//! The options that every request verb shares, and the question they make up.

use std::str::FromStr;

use clap::Args;
use wayhouse_wire::coap::option::{Format, definition, number};
use wayhouse_wire::coap::{Code, OptionList, content_format};

use super::args::{Octets, Seconds};
use super::exchange::Question;

/// How to send a request.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestOptions {
    /// Send non-confirmable messages: quicker, and nobody repeats what gets lost
    #[arg(long)]
    pub non: bool,
    /// Ask for this content-format: a number, or a media type such as json, cbor, text/plain
    #[arg(long, value_name = "CF")]
    pub accept: Option<ContentFormat>,
    /// Send an option: number or name, and a value in hexadecimal (0x…), as a number, or as text
    #[arg(long, value_name = "NUMBER=VALUE")]
    pub option: Vec<ExtraOption>,
    /// Transfer bodies in blocks of this many octets: 16, 32, 64, … 1024
    #[arg(long, value_name = "OCTETS")]
    pub block_size: Option<BlockSize>,
    /// Give up when nothing was heard for this many seconds [default: 93]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,
    /// Only if the resource has this ETag (0x…); empty: only if it exists
    #[arg(long, value_name = "ETAG")]
    pub if_match: Vec<Octets>,
    /// Only if the resource does not exist
    #[arg(long)]
    pub if_none_match: bool,
    /// An ETag (0x…) of a representation at hand: the answer may be 2.03 Valid without payload
    #[arg(long, value_name = "ETAG")]
    pub etag: Vec<Octets>,
    /// Tell every message with its code and options on standard error
    #[arg(short, long)]
    pub verbose: bool,
}

impl RequestOptions {
    /// The question without payload.
    pub(super) fn question(&self, code: Code) -> Question {
        let mut options = OptionList::new();
        for etag in &self.if_match {
            options.push(number::IF_MATCH, &etag.0);
        }
        for etag in &self.etag {
            options.push(number::ETAG, &etag.0);
        }
        if self.if_none_match {
            options.push(number::IF_NONE_MATCH, &[]);
        }
        if let Some(ContentFormat(format)) = self.accept {
            options.push_uint(number::ACCEPT, u64::from(format));
        }
        for option in &self.option {
            options.push(option.number, &option.value);
        }
        Question {
            options,
            is_confirmable: !self.non,
            block_szx: self.block_size.map(|size| size.0),
            patience: self.timeout.map(|seconds| seconds.0),
            ..Question::new(code)
        }
    }
}

/// A content-format by number or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentFormat(pub u16);

impl FromStr for ContentFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<ContentFormat, String> {
        let found = match text {
            "text" => Some(content_format::TEXT_PLAIN),
            _ => content_format::from_name(text).or_else(|| content_format::from_name(&format!("application/{text}"))),
        };
        found.map(ContentFormat).ok_or_else(|| {
            format!("`{text}` is no content-format known here; its number from the IANA registry always works")
        })
    }
}

/// A block size, kept as its exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockSize(pub u8);

impl FromStr for BlockSize {
    type Err = String;
    fn from_str(text: &str) -> Result<BlockSize, String> {
        let octets: Option<u32> = text.parse().ok();
        octets
            .filter(|octets| octets.is_power_of_two() && (16..=1024).contains(octets))
            .map(|octets| BlockSize((octets.trailing_zeros() - 4) as u8))
            .ok_or_else(|| "a block has 16, 32, 64, 128, 256, 512 or 1024 octets".to_owned())
    }
}

/// An option given by number or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExtraOption {
    /// Its number.
    pub number: u16,
    /// Its value's octets.
    pub value: Vec<u8>,
}

/// Options that the engine writes itself, because they belong to the exchange and not to the question.
const OF_THE_ENGINE: [u16; 5] = [number::OBSERVE, number::BLOCK1, number::BLOCK2, number::ECHO, number::REQUEST_TAG];

impl FromStr for ExtraOption {
    type Err = String;
    fn from_str(text: &str) -> Result<ExtraOption, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = name
            .parse()
            .ok()
            .or_else(|| option_number(name))
            .ok_or_else(|| format!("`{name}` is no option known here; its number always works"))?;
        if OF_THE_ENGINE.contains(&number) {
            return Err(format!(
                "option {number} cannot be given: it follows from the transfer (see `observe` and --block-size)"
            ));
        }
        Ok(ExtraOption { number, value: option_value(number, value.unwrap_or_default())? })
    }
}

fn option_number(name: &str) -> Option<u16> {
    (0..=u16::MAX)
        .find(|&number| definition(number).is_some_and(|definition| definition.name.eq_ignore_ascii_case(name)))
}

fn option_value(number: u16, text: &str) -> Result<Vec<u8>, String> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return Ok(text.parse::<Octets>()?.0);
    }
    let uint = || {
        text.parse::<u64>().ok().map(|number| {
            let octets = number.to_be_bytes();
            octets[number.leading_zeros() as usize / 8..].to_vec()
        })
    };
    match definition(number).map(|definition| definition.format) {
        Some(Format::Uint) => uint().ok_or_else(|| format!("the value of option {number} is a number, not `{text}`")),
        Some(Format::Empty) if text.is_empty() => Ok(Vec::new()),
        Some(Format::Empty) => Err(format!("option {number} has no value")),
        Some(Format::Text | Format::Opaque) => Ok(text.as_bytes().to_vec()),
        None => Ok(uint().unwrap_or_else(|| text.as_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests;
