//! `query browse resolve subscribe` against the daemon and against servers that the test plays.

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};

use rustix::process::Signal;
use wayhouse_wire::coap::Code;
use wayhouse_wire::dns::{Flags, Header, Message, Name, Rcode, Rtype};

use super::cli_server::{self, wayhouse};
use super::device::Device;
use super::dns_publish::answer_questions;
use super::running::{Running, command};

const BROWSE: &str = "_coap._udp.services.home.arpa";

/// A daemon that pushes over plain TCP, and its address.
fn daemon(directory: &tempfile::TempDir) -> (Running, String) {
    let daemon = Running::start_with(command(directory.path()).args(["--set", "dns.push=plain"]));
    let server = daemon.dns().to_string();
    (daemon, server)
}

/// Registers a lamp; tells how to take it away.
fn lamp(daemon: &Running) -> (Device, Vec<String>) {
    let mut device = Device::new(daemon.coap());
    let query = ["ep=lamp", "base=coap://192.0.2.7"];
    let registered = device.ask(Code::POST, &["rd"], &query, "</light>;rt=light");
    assert_eq!(registered.code, Code::CREATED);
    let location = registered.location.clone();
    (device, location)
}

/// Without what differs from run to run, or from build to build.
fn redacted(text: &str, server: &str) -> String {
    let text = text.replace(server, "SERVER");
    let lines = text.lines().map(|line| match (line.rsplit_once(", "), line.ends_with(" ms")) {
        (Some((before, _)), true) => format!("{before}, N octets in N ms"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn query_prints_records_and_how_the_server_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let _lamp = lamp(&daemon);
    let ask = |words: &[&str]| {
        let ended = wayhouse(&[&["query", "--server", &server], words].concat());
        redacted(&ended.transcript(), &server)
    };
    insta::assert_snapshot!(ask(&[BROWSE, "PTR"]), @r#"
    NAME                            TTL  TYPE  DATA
    _coap._udp.services.home.arpa.  120  PTR   lamp._coap._udp.services.home.arpa.

    NAME                                 TTL  TYPE  DATA
    lamp._coap._udp.services.home.arpa.  120  SRV   0 0 5683 lamp.services.home.arpa.
    lamp._coap._udp.services.home.arpa.  120  TXT   "txtvers=1"
    lamp.services.home.arpa.             120  A     192.0.2.7
    ! NOERROR aa rd, N octets in N ms
    exit 0
    "#);
    insta::assert_snapshot!(ask(&["nobody.services.home.arpa"]), @r"
    ! NXDOMAIN aa rd, N octets in N ms
    ! error: there is no name nobody.services.home.arpa. A
    exit 1
    ");
    insta::assert_snapshot!(ask(&["lamp.services.home.arpa", "TXT", "--tcp"]), @r"
    ! NOERROR aa rd, N octets in N ms
    ! error: the name is there, but has no TXT
    ! hint: ask for type ANY to see what it has
    exit 1
    ");
    insta::assert_snapshot!(ask(&["example.com"]), @r"
    ! REFUSED rd, N octets in N ms
    ! error: the server refuses to answer
    ! hint: it may serve other zones only; --server names another server
    exit 1
    ");
}

#[test]
fn query_asks_by_address_within_a_session_and_in_json() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let _lamp = lamp(&daemon);
    let ask = |words: &[&str]| {
        let ended = wayhouse(&[&["query", "--json", "--server", &server], words].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str::<serde_json::Value>(&ended.stdout).expect("JSON")
    };
    for way in ["--no-recursion", "--tcp", "--dso"] {
        let told = ask(&["lamp.services.home.arpa", "A", way]);
        assert_eq!((&told["rcode"], &told["server"]), (&"NOERROR".into(), &server.as_str().into()), "{way}");
        assert_eq!(told["answers"][0]["data"], "192.0.2.7", "{way}");
    }
    let mut device = Device::new(daemon.coap());
    device.ask(Code::POST, &["rd"], &["ep=desk", "base=coap://192.168.1.20"], "</light>;rt=light");
    let told = ask(&["-x", "192.168.1.20"]);
    assert_eq!(told["answers"][0]["name"], "20.1.168.192.in-addr.arpa.");
    assert_eq!(told["answers"][0]["data"], "desk.services.home.arpa.");
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = taken.local_addr().unwrap().to_string();
    drop(taken);
    let ended = wayhouse(&["query", "a.example", "--server", &server]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("does not answer") && ended.stderr.contains("hint:"), "{ended:?}");
    let ended = wayhouse(&["query", "a.example", "--server", &server, "--tls", "--insecure"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("cannot be reached"), "{ended:?}");
}

#[test]
fn misuse_ends_with_2() {
    for words in [
        &["query"][..],
        &["query", "a..b"],
        &["query", "a.example", "KLINGON"],
        &["query", "a.example", "--server", "h:0"],
        &["query", "a.example", "--tls", "--pin", "sha256/short"],
        &["subscribe", "a.example"],
    ] {
        let ended = wayhouse(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
    }
}

#[test]
fn strange_answers_are_not_taken_for_the_right_one() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap().to_string();
    let playing = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (octets, client) = socket.recv_from(&mut buffer).unwrap();
        let asked = Message::decode(&buffer[..octets]).expect("a question").header;
        let send = |header: Header| {
            let mut answer = buffer[..octets].to_vec();
            answer[..12].copy_from_slice(&header.to_octets());
            socket.send_to(&answer, client).unwrap();
        };
        let flags = Flags::QR.with(Flags(u16::from(Rcode::NXDOMAIN.to_int())));
        // Another ID, a question instead of an answer, then the answer.
        send(Header { id: asked.id ^ 1, flags: Flags::QR, ..asked });
        send(asked);
        send(Header { flags, ..asked });
    });
    let ended = wayhouse(&["query", "a.example", "--server", &server]);
    assert!(ended.stderr.starts_with("NXDOMAIN"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
    playing.join().unwrap();
}

#[test]
fn pu16_subscribe_tells_what_is_there_and_what_comes_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let mut words = vec!["subscribe", BROWSE, "PTR", "--tcp", "--server", &server];
    let mut subscribed = cli_server::Running::start(&words);
    let (mut device, location) = lamp(&daemon);
    let line = subscribed.line();
    assert!(
        line.ends_with(" + _coap._udp.services.home.arpa. 120 PTR lamp._coap._udp.services.home.arpa.\n"),
        "{line}"
    );
    let location: Vec<&str> = location.iter().map(String::as_str).collect();
    assert_eq!(device.ask(Code::DELETE, &location, &[], "").code, Code::DELETED);
    let line = subscribed.line();
    assert!(
        line.ends_with(" - _coap._udp.services.home.arpa. 120 PTR lamp._coap._udp.services.home.arpa.\n"),
        "{line}"
    );
    let ended = subscribed.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("tells of changes as they happen"), "{ended:?}");

    let _again = lamp(&daemon);
    words.extend(["--json", "--count", "1"]);
    let ended = wayhouse(&words);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one object");
    assert_eq!((&told["event"], &told["record"]["type"]), (&"added".into(), &"PTR".into()));
    assert!(told["at"].is_string());
}

#[test]
fn pu32_subscribe_asks_again_where_nothing_is_pushed_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let server = daemon.dns().to_string();
    let words = ["subscribe", BROWSE, "PTR", "--tcp", "--poll", "0.2", "--count", "2", "--server", &server];
    let mut subscribed = cli_server::Running::start(&words);
    let (mut device, location) = lamp(&daemon);
    assert!(subscribed.line().contains(" + "));
    let location: Vec<&str> = location.iter().map(String::as_str).collect();
    device.ask(Code::DELETE, &location, &[], "");
    let ended = subscribed.end();
    assert!(ended.stdout.contains(" - "), "{ended:?}");
    assert!(ended.stderr.contains("nothing is pushed; asking again every 0.2 s"), "{ended:?}");
}

#[test]
fn ds49_a_server_that_talks_nonsense_is_asked_without_sessions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    // What is no message, an answer to nothing, a PUSH before there is a session, an unfinished message.
    let nonsense: [&[u8]; 4] = [
        &[0, 3, 1, 2, 3],
        &[0, 12, 0, 9, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 16, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0, 0],
        &[0xff; 500],
    ];
    answer_questions(server.port(), vec![("a.example", Rtype::PTR, Name::parse("b.example").unwrap().wire().to_vec())]);
    std::thread::spawn(move || {
        for (connection, nonsense) in listener.incoming().flatten().zip(nonsense.into_iter().cycle()) {
            let mut connection = connection;
            let _ = connection.write_all(nonsense);
        }
    });
    let server = server.to_string();
    for _ in nonsense {
        let ended = wayhouse(&["subscribe", "a.example", "PTR", "--tcp", "--count", "1", "--server", &server]);
        assert!(ended.stdout.contains(" + a.example. 60 PTR b.example."), "{ended:?}");
        assert!(ended.stderr.contains("nothing is pushed"), "{ended:?}");
    }
}

#[test]
fn subscribe_outlives_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let _lamp = lamp(&daemon);
    let words = ["subscribe", BROWSE, "PTR", "--tcp", "--server", &server];
    let mut subscribed = cli_server::Running::start(&words);
    assert!(subscribed.line().contains(" + "));
    daemon.signal(Signal::TERM);
    daemon.wait();
    let mut again = super::running::command_with_dns(directory.path(), &server);
    let daemon = Running::start_with(again.args(["--set", "dns.push=plain"]));
    let mut second = Device::new(daemon.coap());
    let registered = second.ask(Code::POST, &["rd"], &["ep=other"], "</light>;rt=light");
    assert_eq!(registered.code, Code::CREATED);
    let line = subscribed.line();
    assert!(line.contains(" + ") && line.contains(" other._coap"), "the lamp was never away: {line}");
    assert_eq!(subscribed.interrupt().code, Some(0));
}

/// Without the time of a line.
fn untimed(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, rest)| rest).trim_end()
}

#[test]
fn browse_lists_types_and_instances() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let ask = |words: &[&str]| redacted(&wayhouse(&[words, &["--server", &server]].concat()).transcript(), &server);
    insta::assert_snapshot!(ask(&["browse"]), @r"
    ! nothing found under _services._dns-sd._udp.services.home.arpa.
    exit 1
    ");
    let mut device = Device::new(daemon.coap());
    let links = "</light/1>;rt=light;exp;ins=\"K\u{fc}che (oben)\",</t>;rt=temp";
    device.ask(Code::POST, &["rd"], &["ep=lamp", "d=hall", "base=coap://192.0.2.7"], links);
    insta::assert_snapshot!(ask(&["browse"]), @r"
    TYPE
    _coap._udp
    exit 0
    ");
    insta::assert_snapshot!(ask(&["browse", "_coap._udp"]), @r"
    INSTANCE      HOST                          PORT  ADDRESSES  TXT
    Küche (oben)  lamp.hall.services.home.arpa  5683  192.0.2.7  txtvers=1 path=/light/1 rt=light
    lamp (hall)   lamp.hall.services.home.arpa  5683  192.0.2.7  txtvers=1 d=hall
    exit 0
    ");
    let whole = ask(&["browse", "_temp._sub._coap._udp.services.home.arpa.", "--once", "--tcp"]);
    assert!(whole.contains("lamp (hall)") && !whole.contains("oben"), "{whole}");
    let json = wayhouse(&["browse", "_light._sub._coap._udp", "--json", "--server", &server]);
    let list: serde_json::Value = serde_json::from_str(&json.stdout).expect("a list");
    let spot = list.as_array().unwrap().iter().find(|one| one["instance"] == "Küche (oben)").expect("it is there");
    assert_eq!(spot["uri"], "coap://192.0.2.7/light/1");
    assert_eq!((&spot["port"], &spot["txt"]["path"]), (&5683.into(), &"/light/1".into()));
    let misuse = wayhouse(&["browse", "coap", "--server", &server]);
    assert_eq!(misuse.code, Some(2), "{misuse:?}");
    insta::assert_snapshot!(ask(&["resolve", "Küche (oben)", "_coap._udp"]), @r"
    name     K\195\188che\ (oben)._coap._udp.services.home.arpa.
    host     lamp.hall.services.home.arpa.
    port     5683
    address  192.0.2.7
    txt      txtvers=1
    txt      path=/light/1
    txt      rt=light
    uri      coap://192.0.2.7/light/1
    exit 0
    ");
    insta::assert_snapshot!(ask(&["resolve", "nobody", "_coap._udp"]), @r"
    ! error: there is no service nobody._coap._udp.services.home.arpa.
    ! hint: `wayhouse browse TYPE --once` lists those that there are
    exit 1
    ");
}

#[test]
fn browse_follows_services_as_they_come_change_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, server) = daemon(&directory);
    let words = ["browse", "_coap._udp", "--follow", "--tcp", "--server", &server];
    let mut browsing = cli_server::Running::start(&words);
    let (mut device, location) = lamp(&daemon);
    assert_eq!(untimed(&browsing.line()), "+ lamp lamp.services.home.arpa:5683 192.0.2.7 txtvers=1");
    let location: Vec<&str> = location.iter().map(String::as_str).collect();
    device.ask(Code::POST, &location, &["base=coap://192.0.2.8"], "");
    assert_eq!(untimed(&browsing.line()), "~ lamp lamp.services.home.arpa:5683 192.0.2.8 txtvers=1");
    device.ask(Code::DELETE, &location, &[], "");
    assert_eq!(untimed(&browsing.line()), "- lamp lamp.services.home.arpa:5683 192.0.2.8 txtvers=1");
    assert_eq!(browsing.interrupt().code, Some(0));
}

#[test]
fn browse_asks_again_where_nothing_is_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let server = daemon.dns().to_string();
    let _lamp = lamp(&daemon);
    let words = ["browse", "_coap._udp", "--count", "1", "--json", "--poll", "0.2", "--tcp", "--server", &server];
    let ended = wayhouse(&words);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one object");
    assert_eq!((&told["event"], &told["instance"]), (&"added".into(), &"lamp".into()));
    assert!(ended.stderr.contains("nothing is pushed"), "{ended:?}");
}
