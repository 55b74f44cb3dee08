//! The running daemon under hostile input: mutated messages over UDP, broken streams over TCP.
//!
//! `WAYHOUSE_TEST_DATAGRAMS` says how many datagrams. `WAYHOUSE_TEST_SEED` repeats a run: the seed is printed, and what is
//! sent follows from it, but for what answers the daemon's own messages.

mod messages;
mod mutation;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message, content_format};

use super::device::Device;
use super::running::Running;
use messages::Conversation;
use mutation::Mutation;

/// Datagrams, unless the environment says how many.
const DATAGRAMS: u64 = 10_000;
/// Sockets they come from, each with an address of its own.
const ATTACKERS: u8 = 16;
/// Datagrams between two looks at whether the daemon answers: few enough to find room in its socket all at once, so that
/// it reads every one of them.
const PER_LOOK: u64 = 50;
/// Datagrams between two registrations of the witness, and two broken connections.
const PER_REGISTRATION: u64 = 500;
/// Connections that are left open in the midst of a frame.
const ABANDONED_MAX: usize = 8;
/// Longer than anything the daemon does.
const PATIENCE: Duration = Duration::from_secs(20);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_daemon_outlives_hostile_input() {
    let wanted = from_environment("WAYHOUSE_TEST_DATAGRAMS").unwrap_or(DATAGRAMS);
    let seed = from_environment("WAYHOUSE_TEST_SEED").unwrap_or_else(|| getrandom::u64().expect("the system has some"));
    println!("WAYHOUSE_TEST_SEED={seed} WAYHOUSE_TEST_DATAGRAMS={wanted}");
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut witness = Device::new(daemon.coap());
    let description = witness.ask(Code::GET, &[".well-known", "core"], &[], "");
    assert_eq!(description.code, Code::CONTENT);
    let mut assault = Assault::new(seed, &daemon, &witness.register(&["ep=target"], "</target>"));
    let idle_octets = daemon.resident_octets();
    let (mut looks, mut registrations) = (0, 0);
    while assault.sent < wanted {
        assault.converse();
        if assault.sent / PER_LOOK > looks {
            looks = assault.sent / PER_LOOK;
            let answer = witness.ask(Code::GET, &[".well-known", "core"], &[], "");
            assert_eq!(answer, description, "after {} datagrams", assault.sent);
            assault.answer();
        }
        if assault.sent / PER_REGISTRATION > registrations {
            registrations = assault.sent / PER_REGISTRATION;
            let location = witness.register(&["ep=witness"], "</witness>");
            let shown = witness.look_up("witness");
            assert!(shown.starts_with(&format!("<{location}>")), "after {} datagrams: {shown}", assault.sent);
            // Somebody may have removed it.
            assault.aim(&witness.register(&["ep=target"], "</target>"));
            assault.break_a_connection();
            let grown = daemon.resident_octets().saturating_sub(idle_octets);
            let bound = memory_bound(assault.sent);
            assert!(
                grown <= bound,
                "after {} datagrams: {} KiB grown, {} allowed",
                assault.sent,
                grown >> 10,
                bound >> 10
            );
        }
    }
    println!("grown by {} KiB", daemon.resident_octets().saturating_sub(idle_octets) >> 10);

    // It was hit where it was meant to be hit: everything was read, and many a datagram got far before it failed.
    let metrics = daemon.metrics();
    let count = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("such a metric");
        line.trim().parse().expect("a number")
    };
    assert!(count("wayhouse_coap_datagrams_received_total") >= assault.sent);
    for name in
        ["coap_malformed", "coap_requests", "directory_registrations", "directory_refusals", "directory_lookups"]
    {
        assert!(count(&format!("wayhouse_{name}_total")) >= assault.sent / 100, "{name}");
    }

    daemon.signal(Signal::TERM);
    let (status, told) = daemon.wait();
    assert!(status.success(), "{told}");
    // Whatever peers say is no concern of the person who runs the daemon.
    assert!(!told.contains("ERROR") && !told.contains("WARN"), "{told}");
    // What was taken can be read back.
    let daemon = Running::start(directory.path());
    assert_eq!(daemon.announced("damaged"), 0);
    assert_eq!(daemon.announced("missing_changes"), 0);
    assert!(Device::new(daemon.coap()).look_up("witness").contains("ep=\"witness\""));
}

/// Octets that the daemon may grow by while it takes so many datagrams.
///
/// Two things grow. Answers are kept for duplicates, 150 octets each or more where one is long, until there are 65,536 of
/// them or 16 MiB of long ones. And the store keeps what changed in memory, some hundred octets for each of the fifty changes
/// that come of a thousand datagrams, until its buffers of 64 MiB, four at most, are written to files. That is 128 octets for
/// a datagram at most, and 288 MiB in the end. The names, locations and observations that mutation comes up with are few.
/// Beside all that, 8 MiB for working memory. Measured: 1.6 MiB after 10,000 datagrams, 6.5 MiB after 100,000, 57 MiB after a
/// million; 3 MiB after 400,000 where none is meant for the directory. One kibibyte forgotten with every datagram is found
/// out by 10,000 of them.
fn memory_bound(datagrams: u64) -> u64 {
    (8 << 20) + (datagrams * 128).min(288 << 20)
}

/// Whoever means no good.
struct Assault {
    mutation: Mutation,
    /// For what depends on when the daemon says something.
    reaction: Mutation,
    with_directory: Vec<Conversation>,
    vectors: Vec<Conversation>,
    sockets: Vec<UdpSocket>,
    daemon: SocketAddr,
    daemon_tcp: SocketAddr,
    abandoned: Vec<TcpStream>,
    sent: u64,
}

impl Assault {
    fn new(seed: u64, daemon: &Running, location: &str) -> Assault {
        let (with_directory, vectors) = (messages::with_directory(location), messages::vectors());
        let all = [with_directory.concat(), vectors.concat()].concat();
        let socket = |number| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, 0, number), 0)).expect("a free port");
            socket.set_nonblocking(true).expect("a socket can be non-blocking");
            socket
        };
        Assault {
            mutation: Mutation::new(seed, all.clone()),
            reaction: Mutation::new(seed, all),
            with_directory,
            vectors,
            sockets: (1..=ATTACKERS).map(socket).collect(),
            daemon: daemon.coap(),
            daemon_tcp: daemon.coap_tcp(),
            abandoned: Vec::new(),
            sent: 0,
        }
    }

    /// Turns against another registration.
    fn aim(&mut self, location: &str) {
        self.with_directory = messages::with_directory(location);
    }

    /// Sends the datagrams of one conversation, most of them mutated.
    fn converse(&mut self) {
        let from = self.mutation.below(self.sockets.len());
        if self.mutation.below(20) == 0 {
            let noise = self.mutation.noise();
            return self.send(from, &noise);
        }
        let conversations = if self.mutation.below(3) > 0 { &self.with_directory } else { &self.vectors };
        let which = self.mutation.below(conversations.len());
        for message in conversations[which].clone() {
            let mut octets = self.mutation.renew(&message);
            if self.mutation.below(4) != 0 {
                octets = self.mutation.mutate(octets);
            }
            self.send(from, &octets);
        }
    }

    fn send(&mut self, from: usize, octets: &[u8]) {
        self.sockets[from].send_to(octets, self.daemon).expect("loopback takes it");
        self.sent += 1;
    }

    /// Reacts to what the daemon said of its own accord: to notifications and to its requests for links (RFC 9176 §5.1).
    fn answer(&mut self) {
        let mut buffer = [0; 2048];
        for socket in &self.sockets {
            while let Ok((octets, from)) = socket.recv_from(&mut buffer) {
                let message = Message::decode(&buffer[..octets]).expect("the daemon speaks CoAP");
                if message.kind != Kind::Confirmable {
                    continue;
                }
                let mut reply = Vec::new();
                if message.code.is_request() {
                    let kind = Kind::Acknowledgement;
                    let mut encoder =
                        Encoder::datagram(&mut reply, kind, Code::CONTENT, message.message_id, message.token);
                    encoder.option_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
                    encoder.payload(b"</light>;rt=light,</fan>;rt=fan");
                } else {
                    let kind = if self.reaction.below(2) == 0 { Kind::Acknowledgement } else { Kind::Reset };
                    Encoder::datagram(&mut reply, kind, Code::EMPTY, message.message_id, b"");
                }
                match self.reaction.below(4) {
                    0 => {}
                    1 => drop(socket.send_to(&reply, from)),
                    _ => drop(socket.send_to(&self.reaction.mutate(reply), from)),
                }
            }
        }
    }

    /// A connection that carries mutated frames. Where it ends in the midst of one, the daemon lets go of it.
    fn break_a_connection(&mut self) {
        let mut stream = TcpStream::connect(self.daemon_tcp).expect("the daemon accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        // It may have seen enough before everything is written.
        let _ = stream.write_all(&self.mutation.stream());
        if self.abandoned.len() < ABANDONED_MAX && self.mutation.below(4) == 0 {
            self.abandoned.push(stream);
            return;
        }
        let _ = stream.shutdown(Shutdown::Write);
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {} datagrams", self.sent);
        }
    }
}
