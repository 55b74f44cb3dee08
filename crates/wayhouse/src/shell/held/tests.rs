use super::*;

const ONE: StreamId = StreamId(1);
const OTHER: StreamId = StreamId(2);

fn to(to: Destination, durable_after: u64) -> Transmit {
    Transmit { to, octets: 1, durable_after }
}

#[test]
fn nothing_overtakes_what_waits_on_its_connection() {
    let mut held = Held::default();
    let answer = to(Destination::Stream(ONE), 5);
    assert!(held.must_hold(&answer, 4) && !held.must_hold(&answer, 5));
    assert!(held.hold(&answer, b"a"));
    assert!(held.has_for(ONE) && !held.has_for(OTHER));
    // What acknowledges nothing, and the end, come behind it; other connections and a reset do not wait.
    let (push, close) = (to(Destination::Stream(ONE), 0), to(Destination::CloseStream(ONE), 0));
    assert!(held.must_hold(&push, 4) && held.must_hold(&close, 4));
    assert!(!held.must_hold(&to(Destination::Stream(OTHER), 0), 4));
    assert!(!held.must_hold(&to(Destination::AbortStream(ONE), 0), 4));
    assert!(held.hold(&push, b"b") && held.hold(&close, b""));
    assert!(held.pop(4).is_none());
    assert_eq!(&*held.pop(5).unwrap().octets, b"a");
    assert!(held.must_hold(&push, 5), "there is still something before it");
    assert_eq!(&*held.pop(5).unwrap().octets, b"b");
    assert_eq!(held.pop(5).unwrap().to, Destination::CloseStream(ONE));
    assert!(held.is_empty() && held.of_streams.is_empty() && !held.must_hold(&push, 5) && !held.has_for(ONE));
}

#[test]
fn so_many_wait_and_no_more() {
    let mut held = Held::default();
    let answer = to(Destination::Stream(ONE), 1);
    assert!((0..HELD_MAX).all(|_| held.hold(&answer, b"")));
    assert!(!held.hold(&answer, b"") && held.len() == HELD_MAX);
    assert!(held.pop(1).is_some() && held.hold(&answer, b""));
}
