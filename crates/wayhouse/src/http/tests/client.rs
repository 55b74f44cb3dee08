//! A client that writes and reads HTTP/1.1 by hand: what a test says is what goes over the wire.

use std::net::SocketAddr;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A client of one server; each request has a connection of its own.
pub struct Client {
    server: SocketAddr,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    /// The body, which must be of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert!(self.status < 300, "{}: {}", self.status, self.body);
        serde_json::from_str(&self.body).expect("a body of the documented shape")
    }
}

impl Client {
    /// A client of that server.
    pub fn new(server: SocketAddr) -> Client {
        Client { server }
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Sends JSON, with a token or without.
    pub async fn send_json(&self, method: &str, path: &str, token: Option<&str>, body: &serde_json::Value) -> Answer {
        let token = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(token.as_deref().map(|token| ("Authorization", token)));
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// Sends a request and reads the answer up to the end of the connection.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = self.ask(method, path, headers, body).await;
        let (status, headers) = read_head(&mut stream).await;
        let mut answer = Answer { status, body: String::new(), headers };
        // A server that refuses a body closes without having read all of it, which may reset the connection behind
        // the answer: what was announced is read, nothing more.
        let length = answer.header("content-length").map_or(0, |value| value.parse().expect("a length"));
        let mut octets = vec![0; length];
        stream.read_exact(&mut octets).await.expect("the announced body");
        answer.body = String::from_utf8(octets).expect("a body of text");
        assert_declared(method, path, status);
        answer
    }

    /// Follows the changes, from the last one seen on.
    pub async fn follow(&self, last: Option<&str>) -> Events {
        let headers: Vec<(&str, &str)> = last.map(|last| ("Last-Event-ID", last)).into_iter().collect();
        let mut stream = self.ask("GET", "/api/v1/changes", &headers, "").await;
        let (status, _) = read_head(&mut stream).await;
        assert_eq!(status, 200);
        let mut events = Events { stream };
        // The greeting is told before the first event.
        while events.line().await.expect("a greeting") != ": welcome" {}
        events
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> BufReader<TcpStream> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.server));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(self.server).await.expect("the server listens");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        // A server that refuses the body may be gone before all of it is written.
        let _ = stream.write_all(body.as_bytes()).await;
        BufReader::new(stream)
    }
}

/// Whether the description says of an operation that it may end so. What it does not describe may end as it likes.
fn assert_declared(method: &str, path: &str, status: u16) {
    static DESCRIPTION: LazyLock<serde_json::Value> = LazyLock::new(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
        let text = std::fs::read_to_string(path).expect("docs/reference/openapi.json exists");
        serde_json::from_str(&text).expect("it is JSON")
    });
    let path = path.split('?').next().unwrap_or_default();
    let template = match path.strip_prefix("/api/v1/registrants/") {
        Some(_) => "/api/v1/registrants/{id}",
        None => path,
    };
    let operation = &DESCRIPTION["paths"][template][method.to_ascii_lowercase()];
    if let Some(responses) = operation["responses"].as_object() {
        assert!(responses.contains_key(&status.to_string()), "{method} {template}: {status} is not described");
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut headers = Vec::new();
    let mut status = None;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line of the head");
        match line.trim_end() {
            "" => break,
            line if status.is_none() => status = line.split(' ').nth(1).and_then(|code| code.parse().ok()),
            line => {
                let (name, value) = line.split_once(':').expect("a header");
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    (status.expect("a status line"), headers)
}

/// An event as it arrived.
#[derive(Debug)]
pub struct Event {
    /// `event:`
    pub name: String,
    /// `id:`
    pub id: Option<String>,
    /// `data:`
    pub data: String,
}

/// A stream of events.
pub struct Events {
    stream: BufReader<TcpStream>,
}

impl Events {
    /// The next event; comments are passed over.
    pub async fn next(&mut self) -> Event {
        let mut event = Event { name: String::new(), id: None, data: String::new() };
        loop {
            let line = self.line().await.expect("the stream goes on");
            if let Some(name) = line.strip_prefix("event: ") {
                event.name = name.to_owned();
            } else if let Some(id) = line.strip_prefix("id: ") {
                event.id = Some(id.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = data.to_owned();
            } else if line.is_empty() && !event.name.is_empty() {
                return event;
            }
        }
    }

    /// Reads until the server ends the stream.
    pub async fn read_to_end(&mut self) {
        while self.line().await.is_some() {}
    }

    /// The next line of the stream; the sizes of the chunks it travels in look like no line that has a meaning.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let octets = self.stream.read_line(&mut line).await.expect("the stream is text");
        (octets > 0).then(|| line.trim_end().to_owned())
    }
}
