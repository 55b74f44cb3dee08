//! Push sessions in large numbers: `cargo bench -p wayhouse --bench push_sessions`. Ten thousand clients over TLS with
//! ten subscriptions each, then one change that concerns all of them, while somebody else asks ordinary questions.
//!
//! Prints what a session costs in memory, when the change reached the first, the median and the last, and the slowest
//! ordinary answer meanwhile. `WAYHOUSE_BENCH_SESSIONS` sets another number; without `--bench` there are ten.
#![allow(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, SslConnector, SslMethod, SslStream, SslVerifyMode};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wayhouse_wire::dns::push_tlv::encode_subscribe;
use wayhouse_wire::dns::{Class, DsoWriter, Name, Question, Rtype};

const SUBSCRIPTIONS: u16 = 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// How often an ordinary question is asked.
const QUESTION_EVERY: Duration = Duration::from_millis(2);

/// One client.
struct Client {
    stream: SslStream<TcpStream>,
    received: Vec<u8>,
}

impl Client {
    /// Reads what is there; how many whole messages it held.
    fn take(&mut self) -> usize {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.ssl_read(&mut buffer) {
                Ok(0) => panic!("the daemon ended a session"),
                Ok(octets) => self.received.extend_from_slice(&buffer[..octets]),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) => panic!("a session failed: {error}"),
            }
        }
        let mut messages = 0;
        while let Some(length) = self.received.first_chunk().map(|octets| usize::from(u16::from_be_bytes(*octets)))
            && self.received.len() >= 2 + length
        {
            self.received.drain(..2 + length);
            messages += 1;
        }
        messages
    }
}

/// Ends the daemon with this value.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn resident_octets(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }
    /// CPU time so far, by the system's ticks of a hundredth of a second.
    fn cpu(&self) -> Duration {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it runs");
        let fields: Vec<&str> = status.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
        Duration::from_millis(ticks * 10)
    }
}

fn main() {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let asked = std::env::var("WAYHOUSE_BENCH_SESSIONS").ok().and_then(|text| text.parse().ok());
    let sessions: usize = asked.unwrap_or(if is_measuring { 10_000 } else { 10 });
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });

    let directory = tempfile::tempdir().expect("a directory");
    let mut process = Command::new(env!("CARGO_BIN_EXE_wayhouse"))
        .args(["run", "--announce-json", "--listen", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--http", "off"])
        .args(["--set", "dns.tls_listen=127.0.0.1:0", "--set", "dns.connections_per_address=0"])
        .arg("--data-dir")
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the daemon can be started");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line).expect("text");
    let daemon = Daemon(process);
    let announced: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    let address = |key: &str| -> SocketAddr { announced[key][0].as_str().expect("text").parse().expect("an address") };
    let (coap, dns, tls) = (address("coap"), address("dns"), address("dns_tls"));

    let before = daemon.resident_octets();
    let start = Instant::now();
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("TLS");
    connector.set_verify(SslVerifyMode::NONE);
    let connector = connector.build();
    let mut clients: Vec<Client> = (0..sessions).map(|_| connect(&connector, tls)).collect();
    let took = start.elapsed();
    for client in &mut clients {
        client.stream.get_ref().set_nonblocking(true).expect("it can be set");
    }
    // What was set up is given a moment to be put away.
    rest(Duration::from_secs(1));
    let held = daemon.resident_octets() - before;
    println!("{sessions} sessions over TLS, {SUBSCRIPTIONS} subscriptions each, set up in {:.1} s", took.as_secs_f64());
    println!("  memory of the daemon: {:.1} kB a session", held as f64 / 1e3 / sessions as f64);

    for (number, what) in ["a device comes", "another comes", "one more"].into_iter().enumerate() {
        let cpu = daemon.cpu();
        let is_over = Arc::new(AtomicBool::new(false));
        let asking = ask(dns, Arc::clone(&is_over));
        rest(Duration::from_millis(200));
        register(coap, number);
        let told = wait_for_all(&mut clients);
        is_over.store(true, Ordering::Relaxed);
        let slowest = asking.join().expect("it only asks");
        println!(
            "  {what}: told the first after {:.1} ms, the median {:.1} ms, the last {:.1} ms; daemon CPU {:.0} ms; \
             slowest ordinary answer {:.1} ms",
            told[0].as_secs_f64() * 1e3,
            told[told.len() / 2].as_secs_f64() * 1e3,
            told[told.len() - 1].as_secs_f64() * 1e3,
            (daemon.cpu() - cpu).as_secs_f64() * 1e3,
            slowest.as_secs_f64() * 1e3,
        );
    }
}

/// Lets time pass.
fn rest(time: Duration) {
    let _ = poll(&mut [], Some(&time.try_into().expect("a time")));
}

/// Connects and subscribes: to the services that will change, and to names at which nothing happens.
fn connect(connector: &SslConnector, address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("it can be set");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    let mut stream = connector.connect("localhost", stream).expect("a handshake");
    // A Keepalive first: an hour, so that nobody has to say anything while the others connect.
    let mut out = vec![0, 24, 0, 99, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8];
    out.extend_from_slice(&[3_600_000_u32.to_be_bytes(); 2].concat());
    for id in 1..=SUBSCRIPTIONS {
        let text = match id {
            1 => "_coap._udp.services.home.arpa".to_owned(),
            id => format!("_kind-{id}._sub._coap._udp.services.home.arpa"),
        };
        let name = Name::parse(&text).expect("a name");
        let mut message = Vec::new();
        let question = Question { name: name.as_ref(), rtype: Rtype::PTR, class: Class::IN };
        encode_subscribe(&mut DsoWriter::request(&mut message, id), &question);
        out.extend_from_slice(&(message.len() as u16).to_be_bytes());
        out.extend_from_slice(&message);
    }
    stream.write_all(&out).expect("room");
    for _ in 0..=SUBSCRIPTIONS {
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("an answer");
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).expect("an answer");
        assert_eq!(message[3] & 15, 0, "it is taken");
    }
    Client { stream, received: Vec::new() }
}

/// Registers a device over CoAP.
fn register(coap: SocketAddr, number: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    // CON POST /rd?ep=lamp-N&base=coap://10.0.0.N, link-format.
    let mut message = vec![0x40, 2, 0, number as u8, 0xb2, b'r', b'd', 0x11, 40];
    let (name, base) = (format!("ep=lamp-{number}"), format!("base=coap://10.0.0.{}", number + 1));
    for (delta, text) in [(3_u8, &name), (0, &base)] {
        if text.len() < 13 {
            message.push(delta << 4 | text.len() as u8);
        } else {
            message.extend_from_slice(&[delta << 4 | 13, (text.len() - 13) as u8]);
        }
        message.extend_from_slice(text.as_bytes());
    }
    message.push(0xff);
    message.extend_from_slice(b"</light>;rt=light");
    socket.send_to(&message, coap).expect("it can be sent");
    let mut answer = [0; 100];
    let octets = socket.recv(&mut answer).expect("an answer");
    assert_eq!(answer[..octets][1], 0x41, "created");
}

/// When each client had a message, in order.
fn wait_for_all(clients: &mut [Client]) -> Vec<Duration> {
    let start = Instant::now();
    let mut told = Vec::with_capacity(clients.len());
    let mut waiting: Vec<&mut Client> = clients.iter_mut().collect();
    while !waiting.is_empty() {
        assert!(start.elapsed() < PATIENCE, "{} were not told", waiting.len());
        let mut descriptors: Vec<PollFd<'_>> =
            waiting.iter().map(|client| PollFd::new(client.stream.get_ref(), PollFlags::IN)).collect();
        poll(&mut descriptors, Some(&PATIENCE.try_into().expect("a time"))).expect("it waits");
        let is_ready: Vec<bool> = descriptors.iter().map(|one| !one.revents().is_empty()).collect();
        let mut place = 0;
        waiting.retain_mut(|client| {
            place += 1;
            let is_told = is_ready[place - 1] && client.take() > 0;
            if is_told {
                told.push(start.elapsed());
            }
            !is_told
        });
    }
    told
}

/// Asks ordinary questions over UDP until it is over; how long the slowest answer took.
fn ask(dns: SocketAddr, is_over: Arc<AtomicBool>) -> std::thread::JoinHandle<Duration> {
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let mut question = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend_from_slice(Name::parse("services.home.arpa").expect("a name").wire());
        question.extend_from_slice(&[0, 6, 0, 1]);
        let mut slowest = Duration::ZERO;
        while !is_over.load(Ordering::Relaxed) {
            let start = Instant::now();
            socket.send_to(&question, dns).expect("it can be sent");
            let mut answer = [0; 512];
            match socket.recv(&mut answer) {
                Ok(_) => slowest = slowest.max(start.elapsed()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => slowest = PATIENCE,
                Err(error) => panic!("asking failed: {error}"),
            }
            rest(QUESTION_EVERY);
        }
        slowest
    })
}
