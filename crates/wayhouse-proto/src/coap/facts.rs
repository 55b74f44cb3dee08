//! One pass over the options of a request: what the engine must know, and whether the request can be processed at all.

use wayhouse_wire::coap::option::{definition, is_critical, number};
use wayhouse_wire::coap::{BlockValue, Code, OptionRef, Options};

/// What the engine needs to know of a request to answer it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// Observe 0 (true) or 1 (false) in a GET or FETCH.
    pub(crate) observe: Option<bool>,
    pub(crate) block1: Option<BlockValue>,
    pub(crate) block2: Option<BlockValue>,
    pub(crate) has_etag: bool,
    pub(crate) has_echo: bool,
    pub(crate) has_if_none_match: bool,
    /// Size2: the client asks for the size of the body (BW12).
    pub(crate) wants_size: bool,
    /// No-Response, the classes that the client does not want to hear of.
    pub(crate) no_response: Option<u8>,
    /// Octets of the request, the measure of what an unproven peer may get (EC5).
    pub(crate) octets: usize,
    pub(crate) is_reachable: bool,
    /// Whether a security protocol has proved who asks. None does so far: OSCORE will.
    pub(crate) is_authenticated: bool,
    /// Block1 of the response, when the body came in blocks.
    pub(crate) acknowledged_block: Option<BlockValue>,
    /// Where the answer is remembered for duplicates of the request (CM21).
    pub(crate) remembered: Option<u64>,
}

/// Why a request is refused before anybody looks at what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 4.02, naming the option (CO1, CO2, CO4, CO5).
    BadOption(u16),
    /// 4.00 with a diagnostic.
    BadRequest(&'static str),
    /// 4.05 (RFC 7252 §5.8).
    UnknownMethod,
    /// 5.05 (CO12, CP2).
    ProxyingNotSupported,
}

/// Options that are defined for requests to an origin server. Others are unknown here, known as they may be elsewhere
/// (CO5): OSCORE and EDHOC because nothing here can process them, Location-* and Max-Age because they belong to responses.
const fn is_request_option(number: u16) -> bool {
    matches!(
        number,
        number::IF_MATCH
            | number::URI_HOST
            | number::ETAG
            | number::IF_NONE_MATCH
            | number::OBSERVE
            | number::URI_PORT
            | number::URI_PATH
            | number::CONTENT_FORMAT
            | number::URI_QUERY
            | number::HOP_LIMIT
            | number::ACCEPT
            | number::BLOCK2
            | number::BLOCK1
            | number::SIZE2
            | number::PROXY_URI
            | number::PROXY_SCHEME
            | number::SIZE1
            | number::ECHO
            | number::NO_RESPONSE
            | number::REQUEST_TAG
    )
}

/// Options reserved for a future with more `Location-*` ones (RFC 7252 §5.10.7).
pub(crate) const fn is_reserved_location(number: u16) -> bool {
    matches!(number, 128 | 132 | 136 | 140)
}

impl Facts {
    /// Looks at each option once, in wire order. `is_stream`: SZX 7 is BERT there and reserved elsewhere.
    pub(crate) fn gather(code: Code, options: Options<'_>, is_stream: bool) -> Result<Facts, Fault> {
        let mut facts = Facts::default();
        let mut previous = None;
        let mut has_location = false;
        if code > Code::IPATCH {
            return Err(Fault::UnknownMethod);
        }
        for option in options.iter() {
            let is_repeated = previous == Some(option.number);
            previous = Some(option.number);
            if is_understood(option, is_repeated) {
                facts.note(code, option, is_stream)?;
            } else if is_critical(option.number) {
                return Err(Fault::BadOption(option.number));
            } else if option.number == number::HOP_LIMIT && !is_repeated {
                // HL1: one octet, or the value is out of range.
                return Err(Fault::BadRequest("Hop-Limit is not in 1..=255"));
            } else if matches!(option.number, number::LOCATION_PATH | number::LOCATION_QUERY) {
                has_location = true;
            } else if has_location && is_reserved_location(option.number) {
                return Err(Fault::BadOption(option.number)); // CO11
            }
        }
        Ok(facts)
    }

    #[inline]
    fn note(&mut self, code: Code, option: OptionRef<'_>, is_stream: bool) -> Result<(), Fault> {
        match option.number {
            number::URI_PATH => {
                if matches!(option.value, b"." | b"..") {
                    return Err(Fault::BadRequest("Uri-Path is a dot segment")); // CO10
                }
            }
            number::ETAG => self.has_etag = true,
            number::IF_NONE_MATCH => self.has_if_none_match = true,
            // CO5: Observe is defined for GET and FETCH, and for the values 0 and 1.
            number::OBSERVE if code.is_safe_method() => {
                self.observe = match option.uint() {
                    Some(0) => Some(true),
                    Some(1) => Some(false),
                    _ => None,
                };
            }
            number::HOP_LIMIT if option.value == [0] => {
                return Err(Fault::BadRequest("Hop-Limit is not in 1..=255")); // HL1
            }
            number::BLOCK1 => {
                if matches!(code, Code::GET | Code::DELETE) {
                    return Err(Fault::BadOption(option.number)); // CO5: no request body
                }
                self.block1 = Some(block(option, is_stream)?);
            }
            number::BLOCK2 => self.block2 = Some(block(option, is_stream)?),
            number::SIZE2 => self.wants_size = true,
            number::PROXY_URI | number::PROXY_SCHEME => return Err(Fault::ProxyingNotSupported),
            number::ECHO => self.has_echo = true,
            number::NO_RESPONSE => self.no_response = option.uint().map(|bits| bits as u8),
            _ => {}
        }
        Ok(())
    }
}

/// Whether an option of a request counts as recognised: defined for requests (CO1, CO5), of a length that it may have
/// (CO2), and not a further occurrence of what may stand once (CO4).
#[inline]
fn is_understood(option: OptionRef<'_>, is_repeated: bool) -> bool {
    // The options of nearly all requests first: their definition is known to be wide.
    if matches!(option.number, number::URI_PATH | number::URI_QUERY) {
        return option.value.len() <= 255;
    }
    is_request_option(option.number)
        && definition(option.number).is_some_and(|definition| {
            (usize::from(definition.octets_min)..=usize::from(definition.octets_max)).contains(&option.value.len())
                && (definition.is_repeatable || !is_repeated)
        })
}

fn block(option: OptionRef<'_>, is_stream: bool) -> Result<BlockValue, Fault> {
    match BlockValue::decode(option.value) {
        None => Err(Fault::BadOption(option.number)),
        Some(block) if block.szx == 7 && !is_stream => Err(Fault::BadRequest("block size exponent 7 is reserved")),
        Some(block) => Ok(block),
    }
}
