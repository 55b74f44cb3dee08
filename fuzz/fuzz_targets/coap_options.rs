//! Options behind a fixed header: lists keep order and values, numbers read without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::coap::option::definition;
use wayhouse_wire::coap::{BlockValue, Message, OptionList};

fuzz_target!(|bytes: &[u8]| {
    let mut datagram = vec![0x40, 1, 0, 1];
    datagram.extend_from_slice(bytes);
    let Ok(message) = Message::decode(&datagram) else { return };
    let mut list = OptionList::new();
    for option in message.options.iter() {
        let _ = option.uint();
        let _ = option.text();
        let _ = BlockValue::decode(option.value).map(|block| (block.size(), block.offset(), block.to_uint()));
        let _ = definition(option.number);
        list.push(option.number, option.value);
    }
    assert!(list.iter().eq(message.options.iter()), "a list keeps what it is given");
});
