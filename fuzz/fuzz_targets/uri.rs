//! Any text as URI and as reference: no panic, and what decomposes composes to the same options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::coap::uri::{CoapUri, Host, compose, resolve_into};

fuzz_target!(|text: &str| {
    let mut out = Vec::new();
    let (base, reference) = text.split_once(' ').unwrap_or(("coap://h/a/b", text));
    resolve_into(&mut out, base, reference);
    let Ok(uri) = CoapUri::parse(text) else { return };
    let Host::Address(address) = uri.host else { return };
    let composed = compose(uri.scheme, (address, uri.port).into(), uri.options.iter());
    let again = CoapUri::parse(&composed).expect("our own composition");
    assert_eq!(uri.options, again.options, "{text:?} became {composed:?}");
});
