//! Starting, serving and stopping the daemon, and what it says when it cannot.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{Code, OptionList};

use super::device::Device;
use super::groups;
use super::running::{Running, command, finished};

/// Longer than anything the daemon does.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// A connection for CoAP over TCP, read frame by frame.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(daemon: &Running) -> Connection {
        let stream = TcpStream::connect(daemon.coap_tcp()).expect("the daemon accepts");
        stream.set_read_timeout(PATIENCE).expect("a timeout above zero");
        let mut connection = Connection { stream, buffer: Vec::new() };
        connection.send(Code::CSM, b"", &OptionList::new());
        connection
    }
    fn send(&mut self, code: Code, token: &[u8], options: &OptionList) {
        let mut frame = Vec::new();
        Frame::encode(&mut frame, code, token, options.iter(), b"");
        self.stream.write_all(&frame).expect("the connection is open");
    }
    /// The code and payload of the next frame; `None` when the daemon has ended the connection.
    fn next(&mut self) -> Option<(Code, Vec<u8>)> {
        loop {
            if let Some(octets) =
                Frame::octets(&self.buffer).expect("a frame").filter(|&octets| octets <= self.buffer.len())
            {
                let bytes: Vec<u8> = self.buffer.drain(..octets).collect();
                let frame = Frame::decode(&bytes).expect("a frame");
                return Some((frame.code, frame.payload.to_vec()));
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).expect("an end or octets in time") {
                0 => return None,
                octets => self.buffer.extend_from_slice(&chunk[..octets]),
            }
        }
    }
}

fn well_known_core() -> OptionList {
    let mut options = OptionList::new();
    options.push(number::URI_PATH, b".well-known");
    options.push(number::URI_PATH, b"core");
    options
}

#[test]
fn everything_is_served_where_it_is_announced() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let core = Device::new(daemon.coap()).ask(Code::GET, &[".well-known", "core"], &[], "");
    assert!(core.text().contains("rt=core.rd-lookup-ep") || core.text().contains("rt=\"core.rd-lookup-ep\""));

    let mut connection = Connection::open(&daemon);
    assert_eq!(connection.next().unwrap().0, Code::CSM);
    connection.send(Code::GET, b"t", &well_known_core());
    let (code, payload) = connection.next().unwrap();
    assert_eq!((code, payload), (Code::CONTENT, core.payload));

    let mut page = TcpStream::connect(daemon.http()).unwrap();
    page.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", daemon.http()).as_bytes())
        .unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn stop_is_graceful() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let daemon = Running::start(directory.path());
        let mut connection = Connection::open(&daemon);
        assert_eq!(connection.next().unwrap().0, Code::CSM);
        daemon.signal(signal);
        // Goodbye, then the end.
        assert_eq!(connection.next().unwrap().0, Code::RELEASE);
        assert_eq!(connection.next(), None);
        let (status, told) = daemon.wait();
        assert!(status.success(), "{told}");
        assert!(told.contains("stopping"));
    }
}

#[test]
fn hang_up_is_survived_and_explained() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    daemon.signal(Signal::HUP);
    assert_eq!(Device::new(daemon.coap()).ask(Code::GET, &[".well-known", "core"], &[], "").code, Code::CONTENT);
    daemon.signal(Signal::TERM);
    let (status, told) = daemon.wait();
    assert!(status.success());
    assert!(told.contains("restart to apply changes"), "{told}");
}

#[test]
fn supervisor_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(PATIENCE).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let octets = supervisor.recv(&mut buffer).expect("a message in time");
        String::from_utf8_lossy(&buffer[..octets]).trim().to_owned()
    };
    let mut command = command(&directory.path().join("data"));
    let daemon = Running::start_with(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000"));
    assert_eq!(next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    daemon.signal(Signal::TERM);
    let mut last = next();
    while last == "WATCHDOG=1" {
        last = next();
    }
    assert_eq!(last, "STOPPING=1");
    assert!(daemon.wait().0.success());
}

#[test]
fn data_directory_has_one_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let second = finished(&mut command(directory.path()));
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("is in use by process") && told.contains("hint: "), "{told}");
    // The first one has not noticed anything.
    assert_eq!(Device::new(daemon.coap()).ask(Code::GET, &[".well-known", "core"], &[], "").code, Code::CONTENT);
}

#[test]
fn taken_port_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.args(["run", "--listen", &address, "--http", "off", "--data-dir"]).arg(directory.path());
    let output = finished(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("cannot serve CoAP over UDP on {address}")), "{told}");
    assert!(told.contains("hint: is another CoAP server running?"), "{told}");
}

#[test]
fn all_mistakes_in_settings_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wayhouse.toml");
    std::fs::write(&file, "version = 1\n[coap]\nlistn = []\n[log]\nlevel = \"loud\"\n").unwrap();
    for verb in ["run", "check-config"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
        command.args([verb, "--http", "nowhere", "--config"]).arg(&file);
        let output = finished(&mut command);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap().replace(&file.display().to_string(), "FILE");
        assert!(told.contains("FILE:3: coap.listn: no such option\n  hint: did you mean `coap.listen`?"), "{told}");
        assert!(told.contains("FILE:5: log.level: no such choice"), "{told}");
        assert!(told.contains("--http: http.listen: `nowhere` cannot be read"), "{told}");
    }
}

#[test]
fn check_config_tells_values_and_where_they_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wayhouse.toml");
    std::fs::write(&file, "version = 1\n[registry]\ngrace_s = 7\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.env("WAYHOUSE_COAP_NSTART", "3").env("WAYHOUSE_HTTP_ADMIN_TOKEN", "hush");
    command.args(["check-config", "--json", "--log", "debug", "--config"]).arg(&file);
    let output = finished(&mut command);
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = |key: &str, value: serde_json::Value, source: &str| {
        assert_eq!((&told[key]["value"], &told[key]["source"]), (&value, &source.into()), "{key}");
    };
    check("registry.grace_s", 7.into(), &format!("{}:3", file.display()));
    check("coap.nstart", 3.into(), "$WAYHOUSE_COAP_NSTART");
    check("log.level", "debug".into(), "--log");
    check("coap.tcp", true.into(), "default");
    check("http.admin_token", "(secret)".into(), "$WAYHOUSE_HTTP_ADMIN_TOKEN");
}

/// A device that knows nothing finds the directory by asking the group of all resource directories.
#[test]
fn directory_is_found_by_multicast() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.args(["run", "--announce-json", "--listen", "0.0.0.0:0", "--dns", "off", "--http", "off"]);
    command.args(["--set", "coap.leisure_ms=1", "--data-dir"]).arg(directory.path());
    let daemon = Running::start_with(&mut command);
    let group = (Ipv4Addr::new(224, 0, 1, 190), daemon.coap().port()).into();
    let (from, links) = groups::ask(group, &[".well-known", "core"], "rt=core.rd");
    assert_eq!(from.port(), daemon.coap().port());
    assert!(links.starts_with("</rd>"), "{links}");
}
