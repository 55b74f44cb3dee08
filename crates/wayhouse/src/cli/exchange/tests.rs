use super::*;
use crate::cli::exit::Exit;

fn reply(path: &[&str], query: &[&str]) -> Reply {
    let mut options = OptionList::new();
    for segment in path {
        options.push(number::LOCATION_PATH, segment.as_bytes());
    }
    for argument in query {
        options.push(number::LOCATION_QUERY, argument.as_bytes());
    }
    Reply { options, ..Reply::default() }
}

#[test]
fn locations_are_composed() {
    let location = |path: &[&str], query: &[&str]| location_of(&reply(path, query));
    assert_eq!(location(&[], &[]), None);
    assert_eq!(location(&["rd", "4521"], &[]).as_deref(), Some("/rd/4521"));
    assert_eq!(location(&["reg", ""], &[]).as_deref(), Some("/reg/"));
    assert_eq!(location(&["a b", "c/d?"], &["x=1&2", "/?"]).as_deref(), Some("/a%20b/c%2Fd%3F?x=1%262&/?"));
    assert_eq!(location(&[], &["q"]).as_deref(), Some("/?q"));
}

#[test]
fn every_silence_has_an_exit_code_and_a_hint() {
    let place = Place::parse("coap://127.0.0.1/x").expect("a URI");
    let address = "127.0.0.1:5683".parse().expect("an address");
    for (silence, exit) in [
        (Silence::Unreachable(io::ErrorKind::ConnectionRefused), Exit::Unreachable),
        (Silence::Unreachable(io::ErrorKind::NetworkUnreachable), Exit::Unreachable),
        (Silence::Failed(Failure::Timeout), Exit::Unreachable),
        (Silence::Failed(Failure::Reset), Exit::Unreachable),
        (Silence::Failed(Failure::Disconnected), Exit::Unreachable),
        (Silence::Failed(Failure::TooLarge), Exit::Negative),
        (Silence::Failed(Failure::Unprocessable("x")), Exit::Negative),
        (Silence::Refused(Refused::TooMany), Exit::Negative),
        (Silence::OutOfPatience(Duration::from_secs(1)), Exit::Unreachable),
    ] {
        let fault = silence.fault(&place, address);
        assert_eq!(fault.exit, exit, "{fault}");
        assert!(fault.hint.is_some(), "{fault}");
    }
}
