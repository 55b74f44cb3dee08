//! REST on top of the real daemon: what an operator does there is what devices see, and it lasts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::device::Device;
use super::running::Running;

/// An operator with a token.
pub(crate) struct Operator {
    daemon: SocketAddr,
    token: String,
}

impl Operator {
    pub(crate) fn of(daemon: &Running) -> Operator {
        let path = daemon.announced("admin_token_file").as_str().expect("a path");
        let token = std::fs::read_to_string(path).expect("the daemon wrote it").trim().to_owned();
        Operator { daemon: daemon.http(), token }
    }

    /// Sends a request; the stream behind the head of the answer, and its status.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, BufReader<TcpStream>) {
        let mut stream = TcpStream::connect(self.daemon).expect("the daemon accepts");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout above zero");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.daemon,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the daemon reads");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).expect("a status line");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        while line.trim_end() != "" {
            line.clear();
            stream.read_line(&mut line).expect("a header");
        }
        (status, stream)
    }

    /// The status and the body of an answer.
    fn fetch(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, mut stream) = self.ask(method, path, &body.to_string());
        let mut body = String::new();
        stream.read_to_string(&mut body).expect("a body of text");
        (status, body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.fetch("GET", path, &Value::Null);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("a body of JSON")
    }
}

#[test]
fn what_an_operator_enters_devices_find_even_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let daemon = Running::start(directory.path());
    let operator = Operator::of(&daemon);
    let entry = json!({
        "endpoint_name": "pump", "sector": "cellar", "base": "coap://192.0.2.7", "lifetime_s": 3600,
        "attributes": [{ "name": "et", "value": "oic.d.pump" }], "links": "</flow>;rt=flow;if=core.s",
    });
    let (status, body) = operator.fetch("POST", "/api/v1/registrants", &entry);
    assert_eq!(status, 201, "{body}");
    let entered: Value = serde_json::from_str(&body).expect("a body of JSON");
    let path = format!("/api/v1/registrants/{}", entered["id"].as_str().expect("an id"));

    let found = Device::new(daemon.coap()).look_up("pump");
    assert!(found.contains("base=\"coap://192.0.2.7\"") && found.contains("d=\"cellar\""), "{found}");

    // It was durable before the operator was told.
    daemon.kill();
    let daemon = Running::start(directory.path());
    let operator = Operator::of(&daemon);
    let kept = operator.get(&path);
    assert_eq!((&kept["endpoint_name"], &kept["origin"]), (&json!("pump"), &json!("operator")));
    assert_eq!(kept["links"][0]["resolved_target"], "coap://192.0.2.7/flow");
    assert!(kept["remaining_s"].as_u64().is_some_and(|remaining| (3500..=3600).contains(&remaining)), "{kept}");

    let listed = operator.get("/api/v1/registrants?rt=fl*&d=cellar&text=PUMP");
    assert_eq!(listed["registrants"][0]["id"], entered["id"]);
    assert_eq!(operator.get("/api/v1/status")["registrants"], 1);

    let (_, mut changes) = operator.ask("GET", "/api/v1/changes", "");
    assert_eq!(operator.fetch("DELETE", &path, &Value::Null).0, 204);
    let mut line = String::new();
    while line.trim_end() != "event: removed" {
        line.clear();
        assert!(changes.read_line(&mut line).expect("a line of text") > 0, "the stream ended");
    }
    assert_eq!(Device::new(daemon.coap()).look_up("pump"), "");
    assert_eq!(operator.fetch("GET", &path, &Value::Null).0, 404);

    // A listener does not hold up the end of the daemon.
    daemon.signal(Signal::TERM);
    let (status, told) = daemon.wait();
    assert!(status.success(), "{told}");
    while changes.read_line(&mut line).expect("a line of text") > 0 {}
}
