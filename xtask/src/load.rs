//! A load generator for what `coapload` does not do: large registrations, latencies at a size, expiry under load.
//!
//! Closed loop over several client ports, bounded in count and time, loopback only.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message};

/// What one port waits for.
struct Slot {
    sent: Instant,
    message: Vec<u8>,
    tag: u64,
}

/// One client port with a window of outstanding requests.
struct Port {
    socket: UdpSocket,
    next_id: u16,
    used: u32,
    slots: Vec<Option<Slot>>,
}

/// The answers of a run.
pub struct Outcome {
    /// Latencies in nanoseconds, in order of arrival.
    pub latencies: Vec<u64>,
    /// Answers with another code than wanted.
    pub wrong: u64,
    /// Requests given up.
    pub lost: u64,
    /// Time in all.
    pub elapsed: Duration,
}

impl Outcome {
    /// A quantile of the latencies, in microseconds.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default() as f64 / 1000.0
    }
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// A port on a loopback address of its own: the system hands out port numbers again while a server still remembers the
/// message IDs that came from them (RFC 7252 §4.5).
fn port() -> Result<Port> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(2_654_435_761);
    let [a, b, c, _] = start.wrapping_add(MADE.fetch_add(1, Ordering::Relaxed) << 8).to_be_bytes();
    let socket = UdpSocket::bind((Ipv4Addr::new(127, a, b, c.max(2)), 0)).context("a client port")?;
    socket.set_nonblocking(true)?;
    Ok(Port { socket, next_id: 1, used: 0, slots: Vec::new() })
}

/// Sends the requests `0..count` that `build` writes (method, path, query, payload), at most `ports` times `window` at
/// once, and hands every answer to `take` with the request's number.
pub fn run(
    target: SocketAddr,
    ports: usize,
    window: usize,
    count: u64,
    want: Code,
    mut build: impl FnMut(u64) -> (Code, String, Vec<String>, Vec<u8>),
    mut take: impl FnMut(u64, &Message<'_>),
) -> Result<Outcome> {
    if !target.ip().is_loopback() {
        bail!("only loopback targets");
    }
    let mut all: Vec<Port> = (0..ports).map(|_| port()).collect::<Result<_>>()?;
    for port in &mut all {
        port.slots.resize_with(window, || None);
    }
    let mut outcome =
        Outcome { latencies: Vec::with_capacity(count as usize), wrong: 0, lost: 0, elapsed: Duration::ZERO };
    let started = Instant::now();
    let (mut next, mut open) = (0, 0usize);
    let mut buffer = [0u8; 65_536];
    let mut last_progress = Instant::now();
    while next < count || open > 0 {
        let mut is_idle = true;
        for port in &mut all {
            for index in 0..window {
                if port.slots[index].is_none() && next < count {
                    if port.used >= 65_000 {
                        if port.slots.iter().any(Option::is_some) {
                            continue; // the old port ends before its message IDs repeat
                        }
                        *port = self::port()?;
                        port.slots.resize_with(window, || None);
                    }
                    let (code, path, query, payload) = build(next);
                    let mut message = Vec::with_capacity(64 + payload.len());
                    let token = (index as u16).to_be_bytes();
                    let mut encoder = Encoder::datagram(&mut message, Kind::Confirmable, code, port.next_id, &token);
                    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                        encoder.option(number::URI_PATH, segment.as_bytes());
                    }
                    if !payload.is_empty() {
                        encoder.option_uint(number::CONTENT_FORMAT, 40);
                    }
                    for argument in &query {
                        encoder.option(number::URI_QUERY, argument.as_bytes());
                    }
                    encoder.payload(&payload);
                    port.next_id = port.next_id.wrapping_add(1);
                    port.used += 1;
                    let sent = Instant::now();
                    port.socket.send_to(&message, target)?;
                    port.slots[index] = Some(Slot { sent, message, tag: next });
                    next += 1;
                    open += 1;
                    is_idle = false;
                }
            }
            while let Ok((octets, _)) = port.socket.recv_from(&mut buffer) {
                is_idle = false;
                let Ok(message) = Message::decode(&buffer[..octets]) else { continue };
                let &[high, low] = message.token else { continue };
                let index = usize::from(u16::from_be_bytes([high, low]));
                let Some(slot) = port.slots.get_mut(index).and_then(Option::take) else { continue };
                outcome.latencies.push(slot.sent.elapsed().as_nanos() as u64);
                outcome.wrong += u64::from(message.code != want);
                open -= 1;
                take(slot.tag, &message);
            }
        }
        if last_progress.elapsed() > Duration::from_millis(500) {
            last_progress = Instant::now();
            for port in &mut all {
                for slot in &mut port.slots {
                    let Some(waiting) = slot else { continue };
                    if waiting.sent.elapsed() > Duration::from_secs(10) {
                        *slot = None;
                        outcome.lost += 1;
                        open -= 1;
                    } else if waiting.sent.elapsed() > Duration::from_secs(2) {
                        let _ = port.socket.send_to(&waiting.message, target);
                    }
                }
            }
        }
        if is_idle {
            std::thread::yield_now();
        }
        if started.elapsed() > Duration::from_secs(1_200) {
            bail!("the load did not end within twenty minutes");
        }
    }
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

/// A registration with four links and about one kilobyte of link-format; the first link's type is the registrant's own.
pub fn document(index: u64) -> Vec<u8> {
    use std::fmt::Write;
    let mut text = String::with_capacity(1100);
    for link in 0..4 {
        let kind = if link == 0 { format!("u{index:07}") } else { format!("kind{link}") };
        let _ = write!(
            text,
            "{}</sensors/{link}>;rt=\"{kind}\";if=\"core.s\";ct=\"40 60 112\";title=\"sensor {link} of device {index:07}: {:x<150}\"",
            if link == 0 { "" } else { "," },
            ""
        );
    }
    text.into_bytes()
}
