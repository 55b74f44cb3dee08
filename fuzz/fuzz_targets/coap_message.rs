//! Any datagram: no panic, and what decodes encodes to a message that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::coap::{Code, Encoder, Header, Message};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    assert!(Header::peek(bytes).is_some(), "what decodes has a header");
    if message.code == Code::EMPTY {
        return;
    }
    let mut encoded = Vec::new();
    let mut encoder = Encoder::datagram(&mut encoded, message.kind, message.code, message.message_id, message.token);
    for option in message.options.iter() {
        encoder.option(option.number, option.value);
    }
    encoder.payload(message.payload);
    let again = Message::decode(&encoded).expect("our own encoding");
    assert_eq!(message.token, again.token);
    assert_eq!(message.payload, again.payload);
    assert!(message.options.iter().eq(again.options.iter()));
});
