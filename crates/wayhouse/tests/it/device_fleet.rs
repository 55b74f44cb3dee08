//! `device`: many of them beside the real daemon, each with an address of its own on loopback.

use std::process::{Command, Output};

use serde_json::Value;

use crate::cli_server::{Ended, Running as Verb, wayhouse};
use crate::running::{self, Running};

/// Twenty lamps in a group, each with an address of its own.
fn lamps(directory: &str, prefix: &str, group: &str, more: &[&str]) -> Verb {
    let words = [
        "device",
        "--kind",
        "lamp",
        "--name",
        "lamp",
        "--count",
        "20",
        "--addresses",
        prefix,
        "--group",
        group,
        "--directory",
        directory,
        "--leisure",
        "0.3",
        "--json",
        "--seed",
        "7",
    ];
    Verb::start(&[&words[..], more].concat())
}

/// Waits until so many events of a kind were printed.
fn await_events(verb: &mut Verb, event: &str, count: usize) {
    let mark = format!("\"event\":\"{event}\"");
    let mut found = 0;
    while found < count {
        let line = verb.line();
        assert!(!line.is_empty(), "the devices ended early");
        found += usize::from(line.contains(&mark));
    }
}

fn names(directory: &str) -> Vec<String> {
    let ended = wayhouse(&["list", "--directory", directory, "--json"]);
    let list: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    let text = list.to_string();
    (1..=20).map(|number| format!("lamp-{number}")).filter(|name| text.contains(&format!("\"{name}\""))).collect()
}

#[test]
fn twenty_lamps_register_answer_and_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Running::start(folder.path());
    let directory = format!("coap://{}", daemon.coap());
    let mut lamps = lamps(&directory, "127.77.1.0/24", "coap://239.77.1.1:5693/gp/floor1", &[]);
    let announced: Value = serde_json::from_str(&lamps.line()).expect("JSON");
    assert_eq!(announced["devices"][19]["coap"][0], "127.77.1.20:5683");
    await_events(&mut lamps, "registered", 20);
    assert_eq!(names(&directory).len(), 20);
    let ended = wayhouse(&["put", "coap://127.77.1.7/gp/floor1/light", "40"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(wayhouse(&["get", "coap://127.77.1.7/light/level"]).stdout.trim_end(), "40");
    assert_eq!(wayhouse(&["get", "coap://127.77.1.8/light"]).stdout.trim_end(), "off", "the others are as before");
    let ended = lamps.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("removed 20 devices"), "{ended:?}");
    assert_eq!(names(&directory), [""; 0]);
}

/// Asks the group by the loopback interface; how many answered, and what is told.
fn ask_group(words: &[&str], members: &[String]) -> (usize, Ended) {
    let mut all = words.to_vec();
    all.extend(["--interface", "lo", "--window", "5", "--json"]);
    for member in members {
        all.extend(["--member", member]);
    }
    let ended = wayhouse(&all);
    (ended.stdout.lines().filter(|line| line.contains("\"from\"")).count(), ended)
}

#[test]
fn gc30_gc34_one_request_is_answered_by_every_lamp_from_its_own_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = Running::start(folder.path());
    let directory = format!("coap://{}", daemon.coap());
    let group = "coap://239.77.2.1:5693/gp/floor1";
    let mut lamps = lamps(&directory, "127.77.2.0/24", group, &["--interface", "lo"]);
    await_events(&mut lamps, "registered", 20);
    let members: Vec<String> = (1..=20).map(|number| format!("127.77.2.{number}")).collect();
    let uri = format!("{group}/light");
    let (answers, ended) = ask_group(&["get", &uri], &members);
    if answers == 0 && !carries_groups() {
        eprintln!("not run: this machine carries no groups over loopback: {}", ended.stderr.trim_end());
        return;
    }
    assert_eq!(answers, 20, "{ended:?}");
    for member in &members {
        assert!(ended.stdout.contains(&format!("\"{member}:5683\"")), "{member} is missing: {ended:?}");
    }
    let (answers, ended) = ask_group(&["put", &uri, "on"], &members);
    assert_eq!(answers, 20, "{ended:?}");
    for member in &members {
        assert_eq!(wayhouse(&["get", &format!("coap://{member}/light")]).stdout.trim_end(), "on", "{member}");
    }
    let ended = lamps.interrupt();
    assert!(ended.stderr.contains("removed 20 devices"), "{ended:?}");
    drop(daemon);
}

/// Whether a datagram to a group comes back over the loopback interface at all, without any program of ours.
fn carries_groups() -> bool {
    use std::net::{Ipv4Addr, UdpSocket};
    let group = Ipv4Addr::new(239, 77, 2, 9);
    let attempt = || -> std::io::Result<bool> {
        let listener = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        listener.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
        listener.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sender.send_to(b"there?", (group, listener.local_addr()?.port()))?;
        Ok(listener.recv(&mut [0; 16]).is_ok())
    };
    attempt().unwrap_or(false)
}

#[test]
fn gc41_gc42_groups_that_should_not_be_are_refused() {
    let refused = |groups: &[&str]| -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
        command.arg("device").env_remove("WAYHOUSE_DIRECTORY");
        for group in groups {
            command.args(["--group", group]);
        }
        let Output { status, stderr, .. } = running::finished(&mut command);
        assert_eq!(status.code(), Some(2));
        String::from_utf8_lossy(&stderr).into_owned()
    };
    assert!(refused(&["coap://224.0.1.187:5684/gp/a"]).contains("port 5684"));
    assert!(refused(&["coap://239.1.1.1/gp/a", "coap://239.1.1.1:5693/gp/b"]).contains("one address with two ports"));
    assert!(refused(&["coap://192.0.2.1/gp/a"]).contains("no multicast address"));
}

#[test]
fn gc40_a_device_is_found_among_all_coap_nodes_on_the_default_port() {
    let words =
        ["device", "--kind", "meter", "--name", "m", "--listen", "127.77.3.1", "--leisure", "0.2", "--interface", "lo"];
    let mut meter = Verb::start(&[&words[..], &["--json"]].concat());
    assert!(meter.line().contains("127.77.3.1:5683"));
    let (answers, ended) = ask_group(&["get", "coap://224.0.1.187/.well-known/core?rt=meter"], &["127.77.3.1".into()]);
    if answers == 0 && !carries_groups() {
        eprintln!("not run: this machine carries no groups over loopback: {}", ended.stderr.trim_end());
        return;
    }
    assert!(ended.stdout.contains("127.77.3.1:5683"), "{ended:?}");
    let ended = meter.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
