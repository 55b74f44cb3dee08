use std::sync::Arc;
use std::time::{Duration, Instant};

use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::dso_tlv::{INFINITE_MS, Keepalive, dso_type};
use wayhouse_wire::dns::{DSOTYPENI, DsoMessage, DsoWriter, Flags, Rcode};

use super::*;
use crate::dns::push;

mod establishment;
mod format;
mod operations;
mod termination;
mod timers;
mod vectors;

const SUBSCRIBE: u16 = dso_type::SUBSCRIBE;
const PUSH: u16 = dso_type::PUSH;
const UNSUBSCRIBE: u16 = dso_type::UNSUBSCRIBE;
const RECONFIRM: u16 = dso_type::RECONFIRM;
const UNKNOWN: u16 = 0xf8f0;

#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn settings(dialect: DsoDialect) -> Settings {
    let push = match dialect {
        DsoDialect::Rfc8490 => PushDialect::Rfc8765,
        DsoDialect::SessionSignal02 => PushDialect::Push10,
        DsoDialect::SessionSignal03 => PushDialect::Push12,
    };
    Settings { dialect, operations: push::operations(push), ..Settings::default() }
}

/// One session, its time, and what it sent.
struct Bench {
    session: Session,
    now: Instant,
    out: Vec<u8>,
}

impl Bench {
    fn new(role: Role, dialect: DsoDialect) -> Bench {
        Bench::with(role, settings(dialect))
    }
    fn with(role: Role, settings: Settings) -> Bench {
        let now = start();
        Bench { session: Session::new(now, role, Arc::new(settings)), now, out: Vec::new() }
    }
    /// A server whose client sent a Keepalive, or a client whose Keepalive was answered.
    fn established(role: Role, dialect: DsoDialect) -> Bench {
        Bench::established_with(role, settings(dialect))
    }
    fn established_with(role: Role, settings: Settings) -> Bench {
        let mut bench = Bench::with(role, settings);
        match role {
            Role::Server => assert_eq!(bench.receive(&keepalive_request(9, 15_000, 60_000)), Vec::<String>::new()),
            Role::Client => {
                let id = bench.session.keep_alive(bench.now, &mut bench.out).expect("nothing against it");
                bench.receive(&keepalive_response(id, 15_000, 60_000));
            }
        }
        assert!(bench.session.is_established());
        bench.out.clear();
        bench
    }

    /// Hands in one message and tells what happened.
    fn receive(&mut self, message: &[u8]) -> Vec<String> {
        self.receive_octets(&framed(message))
    }
    fn receive_octets(&mut self, octets: &[u8]) -> Vec<String> {
        self.session.handle_data(octets);
        self.drain()
    }
    fn drain(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(happened) = self.session.poll(self.now, &mut self.out) {
            words.push(match happened {
                Happened::Request { id, dso_type, .. } => format!("request {id} {dso_type:#x}"),
                Happened::Unidirectional { dso_type, .. } => format!("told {dso_type:#x}"),
                Happened::Response { id, dso_type, rcode, retry_delay_ms, .. } => {
                    format!("response {id} {dso_type:#x} {} {retry_delay_ms:?}", rcode.to_int())
                }
                Happened::Cancelled { id, dso_type, rcode, retry_delay_ms } => {
                    format!("cancelled {id} {dso_type:#x} {} {retry_delay_ms:?}", rcode.to_int())
                }
                Happened::Dns(bytes) => format!("dns {}", bytes.len()),
                Happened::Timeouts(timeouts) => {
                    format!("timeouts {} {}", timeouts.inactivity_timeout_ms, timeouts.keepalive_interval_ms)
                }
                Happened::Ended(end) => match end.why {
                    Reason::Fault(fault) => format!("{:?} {fault:?}", end.how),
                    why => format!("{:?} {why:?}", end.how),
                },
            });
        }
        words
    }
    /// Lets time pass, waking the session as it asks for.
    fn pass(&mut self, time: Duration) -> Vec<String> {
        let until = self.now + time;
        let mut words = Vec::new();
        while let Some(wakeup) = self.session.poll_timeout().filter(|wakeup| wakeup.at <= until) {
            self.now = self.now.max(wakeup.at);
            self.session.handle_timeout(self.now, &mut self.out);
            words.extend(self.drain());
        }
        self.now = until;
        words
    }
    /// The messages sent so far.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let out = std::mem::take(&mut self.out);
        let (mut rest, mut messages) = (&out[..], Vec::new());
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
            messages.push(message.to_vec());
            rest = behind;
        }
        messages
    }
    fn subscribe(&mut self) -> u16 {
        self.session.request(self.now, SUBSCRIBE, &mut self.out, fill(SUBSCRIBE)).expect("a client may")
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// Writes a TLV that nobody looks into here.
fn fill(dso_type: u16) -> impl FnOnce(&mut DsoWriter<'_>) {
    move |writer| writer.tlv(dso_type, b"\x01a\0\0\x0c\0\x01")
}

fn keepalive_request(id: u16, inactivity_timeout_ms: u32, keepalive_interval_ms: u32) -> Vec<u8> {
    let mut out = Vec::new();
    DsoWriter::request(&mut out, id).keepalive(Keepalive { inactivity_timeout_ms, keepalive_interval_ms });
    out
}

fn keepalive_response(id: u16, inactivity_timeout_ms: u32, keepalive_interval_ms: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = DsoWriter::response(&mut out, id, Rcode::NOERROR);
    writer.keepalive(Keepalive { inactivity_timeout_ms, keepalive_interval_ms });
    out
}

fn request(id: u16, dso_type: u16) -> Vec<u8> {
    let mut out = Vec::new();
    DsoWriter::request(&mut out, id).tlv(dso_type, b"\x01a\0\0\x0c\0\x01");
    out
}

fn response(id: u16, rcode: Rcode) -> Vec<u8> {
    let mut out = Vec::new();
    DsoWriter::response(&mut out, id, rcode);
    out
}

/// A query for an address, with these EDNS options.
fn query(options: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x04host\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

fn answer_to_query() -> Vec<u8> {
    b"\x12\x34\x81\0\0\0\0\0\0\0\0\0".to_vec()
}

const RFC: DsoDialect = DsoDialect::Rfc8490;
const DRAFT_02: DsoDialect = DsoDialect::SessionSignal02;
const DRAFT_03: DsoDialect = DsoDialect::SessionSignal03;
const NOTHING: [&str; 0] = [];

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
