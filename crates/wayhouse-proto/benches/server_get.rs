//! Nanoseconds per GET through the engine: datagram in, response out, as the shell drives it in batches.
//! Each figure is the median of all batches, so that other work on the machine does not show.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use wayhouse_proto::coap::endpoint::Settings;
use wayhouse_proto::coap::{Endpoint, Received, Response};
use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind};

const ROUNDS: usize = 20_000;
const BATCH: usize = 64;

fn run(label: &str, kind: Kind, code: Code, clients: u16) {
    #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
    let clock = Instant::now;
    let mut endpoint = Endpoint::new(Settings::default(), 1);
    let mut response =
        Response { code: Some(if code == Code::GET { Code::CONTENT } else { Code::CHANGED }), ..Response::default() };
    if code == Code::GET {
        response.options.push_uint(number::CONTENT_FORMAT, 0);
        response.payload = b"22.3 C".to_vec();
    }
    let mut datagram = Vec::new();
    let mut encoder = Encoder::datagram(&mut datagram, kind, code, 0, &[1, 2, 3, 4]);
    encoder.option(number::URI_PATH, b"sensors");
    encoder.option(number::URI_PATH, b"temperature");
    let start = clock();
    let (mut out, mut count) = (Vec::with_capacity(1 << 16), 0u64);
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let batch_start = clock();
        for i in 0..BATCH {
            let sequence = round * BATCH + i;
            let port = 10_000 + (sequence % usize::from(clients)) as u16;
            datagram[2..4].copy_from_slice(&((sequence / usize::from(clients)) as u16).to_be_bytes());
            let meta = Meta {
                socket: SocketId::Listener(0),
                remote: SocketAddr::from(([127, 0, 0, 1], port)),
                local: None,
                interface: 1,
                is_multicast: false,
                group: None,
            };
            if let Received::Request(request) = endpoint.handle_datagram(start, &meta, black_box(&datagram)) {
                endpoint.respond(start, &request, black_box(&response));
            }
        }
        out.clear();
        while let Some(transmit) = endpoint.poll_transmit(&mut out) {
            count += 1;
            black_box(transmit);
        }
        black_box(endpoint.poll_timeout());
        times.push(clock().duration_since(batch_start));
    }
    times.sort_unstable();
    let nanoseconds = times[ROUNDS / 2].as_nanos() as f64 / BATCH as f64;
    println!("{label:<34} {nanoseconds:7.1} ns per request, {count} answers");
}

fn main() {
    run("CON GET, 64 clients", Kind::Confirmable, Code::GET, 64);
    run("CON GET, 50,000 clients", Kind::Confirmable, Code::GET, 50_000);
    run("NON GET, 64 clients", Kind::NonConfirmable, Code::GET, 64);
    run("CON POST (remembered), 64 clients", Kind::Confirmable, Code::POST, 64);
    run("CON POST (remembered), 50,000", Kind::Confirmable, Code::POST, 50_000);
}
