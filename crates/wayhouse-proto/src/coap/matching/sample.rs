//! Options as they arrive in a message, and moments, for tests.

use std::time::{Duration, Instant};

use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, Message, OptionList, Options};

/// A message that holds options.
pub(in crate::coap) struct Sample {
    datagram: Vec<u8>,
}

impl Sample {
    /// A message with these options, in any order.
    pub(in crate::coap) fn new(options: &[(u16, &[u8])]) -> Sample {
        let mut list = OptionList::new();
        for (number, value) in options {
            list.push(*number, value);
        }
        Sample::from_list(&list)
    }
    pub(in crate::coap) fn from_list(list: &OptionList) -> Sample {
        let mut datagram = Vec::new();
        let mut encoder = Encoder::datagram(&mut datagram, Kind::Confirmable, Code::GET, 0, &[]);
        for option in list.iter() {
            encoder.option(option.number, option.value);
        }
        encoder.payload(&[]);
        Sample { datagram }
    }
    pub(in crate::coap) fn options(&self) -> Options<'_> {
        Message::decode(&self.datagram).expect("made by our encoder").options
    }
}

/// A list of options.
pub(in crate::coap) fn list(options: &[(u16, &[u8])]) -> OptionList {
    let mut list = OptionList::new();
    for (number, value) in options {
        list.push(*number, value);
    }
    list
}

/// The octets of a block option.
pub(in crate::coap) fn block(num: u32, more: bool, szx: u8) -> Vec<u8> {
    let uint = BlockValue { num, more, szx }.to_uint().to_be_bytes();
    let zeros = uint.iter().take_while(|octet| **octet == 0).count();
    uint[zeros..].to_vec()
}

/// A moment to count from.
#[allow(clippy::disallowed_methods)]
pub(in crate::coap) fn start() -> Instant {
    Instant::now()
}

pub(in crate::coap) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
