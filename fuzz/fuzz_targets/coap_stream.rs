//! Any stream: frames are cut without panic, and what decodes survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::coap::stream::Frame;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(octets)) = Frame::octets(rest) {
        let Some(whole) = rest.get(..octets) else { return };
        if let Ok(frame) = Frame::decode(whole) {
            let mut encoded = Vec::new();
            Frame::encode(&mut encoded, frame.code, frame.token, frame.options.iter(), frame.payload);
            let again = Frame::decode(&encoded).expect("our own encoding");
            assert_eq!(frame.token, again.token);
            assert_eq!(frame.payload, again.payload);
            assert!(frame.options.iter().eq(again.options.iter()));
        }
        rest = &rest[octets..];
    }
});
