//! The first steps of somebody new, against the real daemon, over UDP and over TCP.

use crate::cli_server::{Running, wayhouse};
use crate::running;

fn json(words: &[&str]) -> serde_json::Value {
    let ended = wayhouse(words);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{words:?}: {ended:?}"))
}

#[test]
fn somebody_new_registers_lists_watches_and_removes() {
    let data = tempfile::tempdir().expect("a place for files");
    let daemon = running::Running::start(data.path());
    for (scheme, address) in [("coap", daemon.coap()), ("coap+tcp", daemon.coap_tcp())] {
        let directory = format!("{scheme}://{address}");
        assert_eq!(wayhouse(&["ping", "--count", "1", &directory]).code, Some(0), "{scheme}");
        let core = json(&["discover", "--json", &directory, "rt=core.rd*"]);
        assert_eq!(core.as_array().map(Vec::len), Some(3), "{core}");
        assert_eq!(wayhouse(&["list", "--directory", &directory]).code, Some(1), "{scheme}: nobody is there");

        let register = |name: &str, words: &[&str]| {
            let common = ["register", "--directory", &directory, "--name", name, "--base", "coap://lamp.example"];
            let ended = wayhouse(&[&common[..], words].concat());
            assert_eq!(ended.code, Some(0), "{ended:?}");
            ended.stdout.trim_end().to_owned()
        };
        let lamp = register("lamp", &["--sector", "hall", "--link", "</light>;rt=light;ct=0", "--attribute", "et=x"]);
        assert!(lamp.starts_with(&directory), "{lamp}");
        assert_eq!(register("lamp", &["--sector", "hall"]), lamp, "the same endpoint keeps its location");
        let links = json(&["list", "--directory", &directory, "--json", "ep=lamp", "d=hall"]);
        assert_eq!((&links[0]["ep"], &links[0]["base"]), (&"lamp".into(), &"coap://lamp.example".into()));

        // Whether it sees the second one come or finds it there, these are three differences.
        let watch = Running::start(&["watch", "--directory", &directory, "--count", "3"]);
        let other = register("other", &["--link", "</t>;rt=temperature"]);
        let resources = json(&["list", "--resources", "--directory", &directory, "--json", "rt=temp*"]);
        assert_eq!(resources[0]["href"], "coap://lamp.example/t");
        let seen = Running::start(&["observe", "--count", "1", "--json", &format!("{directory}/rd-lookup/ep")]).end();
        assert_eq!(seen.code, Some(0), "{seen:?}");
        assert_eq!(wayhouse(&["delete", &lamp]).code, Some(0));
        let ended = watch.end();
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 3), "{ended:?}");
        assert_eq!(wayhouse(&["delete", &other]).code, Some(0));
        assert_eq!(wayhouse(&["delete", &format!("{directory}/reg/none")]).code, Some(1));
    }
}

#[test]
fn a_registrant_that_is_kept_goes_with_ctrl_c() {
    let data = tempfile::tempdir().expect("a place for files");
    let daemon = running::Running::start(data.path());
    let directory = format!("coap://{}", daemon.coap());
    let mut watch = Running::start(&["watch", "--directory", &directory, "--count", "2", "--json"]);
    let kept = Running::start(&["register", "--directory", &directory, "--name", "lamp", "--keep"]);
    let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event"].clone();
    assert_eq!(event(&watch.line()), "added");
    assert_eq!(wayhouse(&["list", "--directory", &directory]).code, Some(0));
    let ended = kept.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = watch.end();
    assert_eq!((ended.code, event(&ended.stdout)), (Some(0), "removed".into()), "{ended:?}");
    assert_eq!(wayhouse(&["list", "--directory", &directory]).code, Some(1));
}
