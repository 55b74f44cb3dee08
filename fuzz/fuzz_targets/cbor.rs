//! Any bytes as CBOR: notation and problem details without panic; the entries that we know survive a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_wire::cbor;

fuzz_target!(|bytes: &[u8]| {
    let mut shown = String::new();
    let _ = cbor::diagnostic(bytes, &mut shown);
    let mut numbers = Vec::new();
    if let Ok(problem) = cbor::ProblemDetails::decode(bytes, &mut numbers)
        && problem != cbor::ProblemDetails::default()
    {
        if problem == cbor::ProblemDetails::default() {
            return; // nothing in it that we know: nothing is encoded
        }
        let mut encoded = Vec::new();
        problem.encode(&mut encoded);
        let mut numbers = Vec::new();
        assert_eq!(cbor::ProblemDetails::decode(&encoded, &mut numbers).as_ref(), Ok(&problem));
    }
});
