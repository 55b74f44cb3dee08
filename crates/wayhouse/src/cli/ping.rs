//! `ping`: whether a CoAP endpoint is there, and how far away.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args as Arguments;
use serde_json::json;
use tokio::time::Instant;
use wayhouse_proto::coap::endpoint::Failure;

use super::args::Seconds;
use super::client::{Client, Happening};
use super::exit::{Exit, Fault};
use super::interrupt::Interrupt;
use super::place::Place;
use super::printer::Printer;

pub(super) const EXAMPLES: &str = "Over UDP an empty confirmable message is sent, which every CoAP endpoint answers with a reset \
    (RFC 7252 §4.3); over TCP a 7.02 Ping (RFC 8323 §5.4).\n\n\
    With --json: one object at the end: uri, address, sent, answered, rtt_ms (of each answer), rtt_min_ms, rtt_avg_ms, rtt_max_ms.\n\n\
    Examples:\n  \
    wayhouse ping coap://sensor.example\n  \
    wayhouse ping --count 1 --timeout 0.5 coap+tcp://[::1]:5683";

/// `ping`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// Whom to ping: coap://host (UDP) or coap+tcp://host
    #[arg(value_name = "URI")]
    pub uri: String,
    /// Stop after this many
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Time between two
    #[arg(short, long, value_name = "SECONDS", default_value = "1")]
    pub interval: Seconds,
    /// How long to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    pub timeout: Seconds,
    /// Print the summary as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Tell every message with its code and options on standard error
    #[arg(short, long)]
    pub verbose: bool,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// Pings sent.
    pub sent: u64,
    /// The time each answer took.
    pub round_trips: Vec<Duration>,
}

impl Tally {
    fn answered(&self) -> u64 {
        self.round_trips.len() as u64
    }
    /// Smallest, mean and largest round trip, milliseconds.
    pub(super) fn extremes_ms(&self) -> Option<(f64, f64, f64)> {
        let min = self.round_trips.iter().min()?;
        let max = self.round_trips.iter().max()?;
        let sum: Duration = self.round_trips.iter().sum();
        Some((milliseconds(*min), milliseconds(sum) / self.round_trips.len() as f64, milliseconds(*max)))
    }
    /// The summary, in the words of ping(8).
    pub(super) fn summary(&self, uri: &str) -> String {
        let lost = ((self.sent - self.answered()) * 100).checked_div(self.sent).unwrap_or(0);
        let mut text = format!("--- {uri} ---\n{} sent, {} answered, {lost}% lost", self.sent, self.answered());
        if let Some((min, avg, max)) = self.extremes_ms() {
            text.push_str(&format!("\nround trip min/avg/max = {min:.3}/{avg:.3}/{max:.3} ms"));
        }
        text
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// How one ping ended.
#[derive(Debug)]
enum Echo {
    Answered(Duration),
    Lost(&'static str),
    Unreachable(io::ErrorKind),
}

/// Runs `ping`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let place = Place::parse(&args.uri)?;
    if place.is_group() {
        return Err(
            Fault::misuse("a group cannot be pinged: resets are for one endpoint").hint("name the address of one")
        );
    }
    let addresses = place.addresses().await?;
    let mut interrupt = Interrupt::new()?;
    let mut client = Client::new(args.verbose)?;
    let mut printer = Printer::stdout();
    let mut tally = Tally::default();
    // Of several addresses the first at which somebody is reached stays the one.
    let mut at = 0;
    let mut last_fault = None;
    loop {
        let address = addresses[at];
        if !place.is_stream() {
            // Each from a port of its own: some servers (libcoap 4.3.1) ignore every other empty message of one peer.
            client = Client::new(args.verbose)?;
        }
        let sent = Instant::now();
        let echo = tokio::select! {
            echo = ping_once(&mut client, &place, address, args.timeout.0) => echo,
            () = interrupt.wait() => break,
        };
        if matches!(echo, Echo::Unreachable(_)) && tally.sent == 0 && at + 1 < addresses.len() {
            at += 1;
            continue;
        }
        tally.sent += 1;
        let said = match echo {
            Echo::Answered(round_trip) => {
                tally.round_trips.push(round_trip);
                format!("answer from {address}: seq={} time={:.3} ms", tally.sent, milliseconds(round_trip))
            }
            Echo::Lost(why) => {
                last_fault = Some(format!("no answer from {address}"));
                format!("{why} from {address}: seq={}", tally.sent)
            }
            Echo::Unreachable(why) => {
                last_fault = Some(format!("{address} cannot be reached: {why}"));
                format!("{address} cannot be reached: seq={} {why}", tally.sent)
            }
        };
        if !args.json {
            printer.line(&said)?;
        }
        if args.count.is_some_and(|count| tally.sent >= count) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep_until(sent + args.interval.0) => {}
            () = interrupt.wait() => break,
        }
    }
    client.close().await;
    if args.json {
        let extremes = tally.extremes_ms();
        printer.json(&json!({
            "uri": args.uri,
            "address": addresses[at].to_string(),
            "sent": tally.sent,
            "answered": tally.answered(),
            "rtt_ms": tally.round_trips.iter().map(|&trip| milliseconds(trip)).collect::<Vec<_>>(),
            "rtt_min_ms": extremes.map(|extremes| extremes.0),
            "rtt_avg_ms": extremes.map(|extremes| extremes.1),
            "rtt_max_ms": extremes.map(|extremes| extremes.2),
        }))?;
    } else if tally.sent > 0 {
        printer.line(&tally.summary(&args.uri))?;
    }
    match last_fault {
        Some(fault) if tally.answered() == 0 => {
            Err(Fault::unreachable(fault).hint("is the server running, and is the port right? CoAP's own is 5683"))
        }
        _ => Ok(Exit::Done),
    }
}

async fn ping_once(client: &mut Client, place: &Place, address: SocketAddr, patience: Duration) -> Echo {
    let end = Instant::now() + patience;
    let target = match tokio::time::timeout_at(end, client.reach(place, address)).await {
        Ok(Ok(target)) => target,
        Ok(Err(error)) => return Echo::Unreachable(error.kind()),
        Err(_) => return Echo::Lost("no connection"),
    };
    let sent = Instant::now();
    let Ok(id) = client.ping(target) else { return Echo::Lost("no connection") };
    loop {
        match tokio::time::timeout_at(end, client.next()).await {
            Ok(Happening::Answer(answer)) if answer.id == id => {
                return match answer.outcome {
                    Ok(_) => Echo::Answered(sent.elapsed()),
                    Err(Failure::Disconnected) => Echo::Lost("connection ended"),
                    Err(_) => Echo::Lost("no answer"),
                };
            }
            Ok(Happening::Unreachable { id: lost, why }) if lost == id => return Echo::Unreachable(why),
            Ok(_) => {}
            Err(_) => {
                client.cancel(id);
                return Echo::Lost("no answer");
            }
        }
    }
}

#[cfg(test)]
mod tests;
