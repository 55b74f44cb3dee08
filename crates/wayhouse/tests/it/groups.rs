//! A configured group, from the file to the network and to the operator, and no further than its configuration.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message};

use super::cli_server::wayhouse;
use super::device::Device;
use super::running::{Running, finished};

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port").local_addr().expect("a bound socket").port()
}

pub(crate) fn start(directory: &Path, configuration: &str) -> Running {
    let file = directory.join("wayhouse.toml");
    std::fs::write(&file, format!("version = 1\n{configuration}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.args([
        "run",
        "--announce-json",
        "--listen",
        "127.0.0.1:0",
        "--dns",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ]);
    command.args(["--set", "coap.leisure_ms=1", "--config"]).arg(&file).arg("--data-dir").arg(directory.join("store"));
    Running::start_with(&mut command)
}

/// Asks a group on the loopback link until somebody answers.
pub(crate) fn ask(group: SocketAddr, path: &[&str], query: &str) -> (SocketAddr, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let socket: UdpSocket = socket.into();
    // Groups are joined as soon as the system has told the links, shortly after the start.
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 2048];
    let answer = (0..100u16).find_map(|message_id| {
        let mut question = Vec::new();
        let mut encoder = Encoder::datagram(&mut question, Kind::NonConfirmable, Code::GET, message_id, b"who");
        for segment in path {
            encoder.option(number::URI_PATH, segment.as_bytes());
        }
        if !query.is_empty() {
            encoder.option(number::URI_QUERY, query.as_bytes());
        }
        socket.send_to(&question, group).unwrap();
        socket.recv_from(&mut buffer).ok()
    });
    let (octets, from) = answer.expect("an answer in time");
    let message = Message::decode(&buffer[..octets]).unwrap();
    assert_eq!((message.code, message.kind), (Code::CONTENT, Kind::NonConfirmable));
    (from, String::from_utf8(message.payload.to_vec()).unwrap())
}

#[test]
fn gc6_gc7_a_configured_group_is_joined_discovered_and_gone_with_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let group = SocketAddr::from(([239, 255, 77, 1], port));
    let daemon = start(
        directory.path(),
        &format!(
            "[[group]]\nname = \"hall.example\"\naddresses = [\"239.255.77.1\"]\nport = {port}\n\
             application_groups = [\"gp1 g.light\"]\ninterfaces = [\"lo\"]\n"
        ),
    );
    let mut device = Device::new(daemon.coap());
    device.register(&["ep=lamp"], "</gp/gp1>;rt=g.light");
    assert!(device.look_up("hall.example").contains(&format!("base=\"coap://{group}\"")));

    let (from, links) = ask(group, &[".well-known", "core"], "rt=g.*");
    assert_eq!((from.port(), links.as_str()), (port, "</gp/gp1>;rt=\"g.light\""));
    let (_, text) = ask(group, &["gp", "gp1"], "");
    assert!(text.starts_with("wayhouse "), "{text}");

    let told = wayhouse(&["list", "--groups", "--json", "--directory", &format!("coap://{}", daemon.coap())]);
    let value: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(value[0]["coap_group"], format!("coap://{group}"));
    assert_eq!(value[0]["application_groups"][0]["types"][0], "g.light");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().0.success());

    let daemon = start(directory.path(), "");
    assert_eq!(daemon.announced("restored"), 1, "the lamp");
    let mut device = Device::new(daemon.coap());
    assert_eq!(device.look_up("hall.example"), "");
    assert!(!device.look_up("lamp").is_empty());
}

#[test]
fn gc41_gc42_check_config_tells_of_groups() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wayhouse.toml");
    let check = |text: &str| {
        std::fs::write(&file, format!("version = 1\n{text}")).unwrap();
        finished(Command::new(env!("CARGO_BIN_EXE_wayhouse")).args(["check-config", "--json", "--config"]).arg(&file))
    };
    let hall = "[[group]]\nname = \"hall\"\naddresses = [\"ff15::1\"]\n";
    let output = check(&format!("{hall}port = 5690\n[[group]]\nname = \"yard\"\naddresses = [\"ff15::1\"]\n"));
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        told["group"][0]["port"],
        serde_json::json!({ "value": 5690, "source": format!("{}:5", file.display()) })
    );
    assert_eq!(told["group"][1]["port"], serde_json::json!({ "value": 5683, "source": "default" }));
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("group.port: another group has the same address with another port"), "{warning}");

    let output = check(&format!("{hall}port = 5684\n"));
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(":5: group.port: this port must not be used for groups\n  hint: "), "{told}");
}
