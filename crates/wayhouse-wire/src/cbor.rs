//! CBOR: diagnostic notation for people, concise problem details (RFC 9290).
//!
//! Wayhouse writes deterministic CBOR only, and reads whatever is well-formed. Knows nothing of what the items mean,
//! save for the problem details, whose map is small enough to stand here.

mod diagnostic;

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

pub use diagnostic::diagnostic;

use crate::{DecodeError, What};

/// Concise problem details (RFC 9290 §2): the entries that wayhouse writes, and reads for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProblemDetails<'a> {
    /// `title` (-1): short, for people.
    pub title: Option<&'a str>,
    /// `detail` (-2): what to do about it.
    pub detail: Option<&'a str>,
    /// `response-code` (-4): the octet of the response code.
    pub response_code: Option<u8>,
    /// `unprocessed-coap-option` (-8): one or more option numbers.
    pub unprocessed_coap_options: &'a [u16],
}

const TITLE: i64 = -1;
const DETAIL: i64 = -2;
const RESPONSE_CODE: i64 = -4;
const UNPROCESSED_COAP_OPTION: i64 = -8;
/// Text with a language: `[language, text, ?is_right_to_left]` (RFC 9290 App. A).
const LANGUAGE_TAGGED: Tag = Tag::new(38);

impl<'a> ProblemDetails<'a> {
    /// Appends the deterministic CBOR map (content-format 257). The map may not be empty, so nothing is appended where
    /// no entry is set.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let options = self.unprocessed_coap_options;
        let entries = u64::from(self.title.is_some())
            + u64::from(self.detail.is_some())
            + u64::from(self.response_code.is_some())
            + u64::from(!options.is_empty());
        if entries > 0 {
            self.encode_entries(&mut Encoder::new(out), entries).expect("writing to memory cannot fail");
        }
    }

    fn encode_entries(
        &self,
        encoder: &mut Encoder<&mut Vec<u8>>,
        entries: u64,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        encoder.map(entries)?;
        if let Some(title) = self.title {
            encoder.i64(TITLE)?.str(title)?;
        }
        if let Some(detail) = self.detail {
            encoder.i64(DETAIL)?.str(detail)?;
        }
        if let Some(code) = self.response_code {
            encoder.i64(RESPONSE_CODE)?.u8(code)?;
        }
        match self.unprocessed_coap_options {
            [] => {}
            [one] => {
                encoder.i64(UNPROCESSED_COAP_OPTION)?.u16(*one)?;
            }
            several => {
                encoder.i64(UNPROCESSED_COAP_OPTION)?.array(several.len() as u64)?;
                for number in several {
                    encoder.u16(*number)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a map of problem details; the option numbers it lists go into `numbers`, which is emptied first. Entries
    /// that are not known, or whose value is of another kind than registered, are ignored (RFC 9290 §2, §3).
    ///
    /// # Errors
    /// When the bytes are no CBOR map, are followed by something else, or the map is empty.
    pub fn decode(bytes: &'a [u8], numbers: &'a mut Vec<u16>) -> Result<ProblemDetails<'a>, DecodeError> {
        numbers.clear();
        let mut decoder = Decoder::new(bytes);
        let mut details = ProblemDetails::default();
        read_entries(&mut decoder, &mut details, numbers).map_err(|error| DecodeError {
            what: if error.is_end_of_input() { What::Truncated } else { What::OutOfRange },
            at: error.position().unwrap_or(decoder.position()),
        })?;
        if decoder.position() < bytes.len() {
            return Err(DecodeError { what: What::UnexpectedCharacter, at: decoder.position() });
        }
        details.unprocessed_coap_options = numbers;
        Ok(details)
    }
}

fn read_entries<'a>(
    decoder: &mut Decoder<'a>,
    details: &mut ProblemDetails<'a>,
    numbers: &mut Vec<u16>,
) -> Result<(), minicbor::decode::Error> {
    let entries = decoder.map()?;
    if entries == Some(0) {
        return Err(minicbor::decode::Error::message("the map is empty"));
    }
    let mut read = 0;
    loop {
        match entries {
            Some(entries) if read == entries => return Ok(()),
            None if decoder.datatype()? == Type::Break => return decoder.skip(),
            _ => read += 1,
        }
        // The value is skipped from where it starts, so that a kind that was not expected does no harm.
        let key = decoder.probe().i64().ok();
        decoder.skip()?;
        let mut value = decoder.probe();
        match key {
            Some(TITLE) => details.title = read_text(&mut value).ok(),
            Some(DETAIL) => details.detail = read_text(&mut value).ok(),
            Some(RESPONSE_CODE) => details.response_code = value.u8().ok(),
            Some(UNPROCESSED_COAP_OPTION) => read_numbers(&mut value, numbers),
            _ => {}
        }
        decoder.skip()?;
    }
}

/// Text, or text with its language.
fn read_text<'a>(value: &mut Decoder<'a>) -> Result<&'a str, minicbor::decode::Error> {
    if value.datatype()? == Type::Tag && value.tag()? == LANGUAGE_TAGGED {
        value.array()?;
        value.skip()?;
    }
    value.str()
}

/// One option number, or an array of them.
fn read_numbers(value: &mut Decoder<'_>, numbers: &mut Vec<u16>) {
    numbers.clear();
    let count = match value.datatype() {
        Ok(Type::Array | Type::ArrayIndef) => value.array().ok().flatten().unwrap_or(u64::MAX),
        _ => 1,
    };
    // An indefinite array ends at its break, which is no number.
    for _ in 0..count {
        let Ok(number) = value.u16() else { return };
        numbers.push(number);
    }
}

#[cfg(test)]
mod tests;
