//! The measurements of `docs/reference/performance.md`: peers and ours in the same run, release builds, medians.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wayhouse_wire::coap::Code;

use crate::{command, load, peers, tree};

/// A server under test, pinned to the first core, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn pid(&self) -> u32 {
        self.child.id()
    }
    /// Resident octets.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
    }
    /// CPU time spent, all threads.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let nanoseconds = tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn start(words: &[&str], port: u16) -> Result<Server> {
    let child = Command::new("taskset")
        .args(["-c", "0"])
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", words.join(" ")))?;
    let server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
    wait_until_it_answers(server.address)?;
    Ok(server)
}

/// Pings until something comes back.
fn wait_until_it_answers(address: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        // GET / with a token: every server answers something to it.
        let _ = socket.send_to(&[0x41, 1, 0x12, 0x34, 0x56], address);
        if socket.recv_from(&mut [0; 2048]).is_ok() {
            return Ok(());
        }
    }
    bail!("nothing answers at {address}")
}

fn wayhouse(folder: &Path, extra: &[&str]) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let program = target().join("release/wayhouse");
    let mut child = Command::new("taskset")
        .args(["-c", if extra.contains(&"both-cores") { "0,1" } else { "0" }])
        .arg(program)
        .args([
            "run",
            "--listen",
            "127.0.0.1:0",
            "--dns",
            "off",
            "--http",
            "127.0.0.1:0",
            "--announce-json",
            "--data-dir",
        ])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let start = line.find("\"coap\":[\"").with_context(|| format!("no coap address in {line:?}"))?;
    let address = line[start + 9..].split('"').next().unwrap_or_default().parse()?;
    let server = Server { child, address };
    wait_until_it_answers(address)?;
    Ok(server)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), Into::into)
}

/// Runs coapload and returns a number field of its JSON line.
fn coapload(program: &Path, words: &[&str], fields: &[&str]) -> Result<Vec<f64>> {
    let output = Command::new("taskset").args(["-c", "1"]).arg(program).args(words).arg("--json").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .last()
        .with_context(|| format!("coapload said nothing: {}", String::from_utf8_lossy(&output.stderr)))?;
    fields
        .iter()
        .map(|field| {
            let at = line.find(&format!("\"{field}\":")).with_context(|| format!("no {field} in {line}"))?;
            let rest = &line[at + field.len() + 3..];
            let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".-".contains(*c)).collect();
            Ok(number.parse()?)
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The folder with the release build of `coapload` and `coapnull`.
fn tools() -> Result<PathBuf> {
    let folder = std::env::var_os("COAPLOAD")
        .map(PathBuf::from)
        .context("set COAPLOAD to the folder that holds the release builds of coapload and coapnull")?;
    if !folder.join("coapload").exists() {
        bail!("{} holds no coapload", folder.display());
    }
    Ok(folder)
}

/// Runs one group of measurements, or all.
pub fn run(only: Option<&str>) -> Result<()> {
    command::run("cargo", &["build", "--release", "-p", "wayhouse"])?;
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let scratch = target().join("bench-data");
    let _ = std::fs::remove_dir_all(&scratch);
    if wanted("get") {
        get(&tools()?, &scratch)?;
    }
    if wanted("register") {
        register(&tools()?, &scratch)?;
    }
    if wanted("lookup") {
        lookup(&tools()?, &scratch)?;
    }
    if wanted("million") {
        million(&scratch)?;
    }
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(())
}

/// GET of a small resource: coapnull, libcoap, wayhouse; few ports, then many.
fn get(tools: &Path, scratch: &Path) -> Result<()> {
    let load = tools.join("coapload");
    let null = tools.join("coapnull").to_string_lossy().into_owned();
    let mut rows: Vec<(&str, Vec<f64>, Vec<f64>)> = Vec::new();
    for round in 0..3 {
        for name in ["coapnull", "libcoap", "wayhouse"] {
            let port = free_port()?;
            let server = match name {
                "coapnull" => start(&[&null, &format!("127.0.0.1:{port}")], port)?,
                "libcoap" => start(&["coap-server-notls", "-A", "127.0.0.1", "-p", &port.to_string()], port)?,
                _ => wayhouse(&scratch.join(format!("get{round}")), &[])?,
            };
            let path = if name == "libcoap" { "time" } else { "" };
            let uri = format!("coap://{}/{path}", server.address);
            let pid = server.pid().to_string();
            let words = ["get", &uri, "--con", "--clients", "8", "--window", "8", "--duration", "3", "--pid", &pid];
            let values = coapload(&load, &words, &["rate", "server_us_per_req"])?;
            match rows.iter_mut().find(|row| row.0 == name) {
                Some(row) => {
                    row.1.push(values[0]);
                    row.2.push(values[1]);
                }
                None => rows.push((name, vec![values[0]], vec![values[1]])),
            }
        }
    }
    println!("GET, 8 ports x 8 (medians of 3):");
    for (name, rates, costs) in &rows {
        println!("  {name:10} {:9.0} /s  {:6.2} us of server CPU", median(rates.clone()), median(costs.clone()));
    }
    println!("GET, paced at 20,000/s (medians of 3):");
    for name in ["coapnull", "libcoap", "wayhouse"] {
        for ports in ["1000", "5000"] {
            let mut costs = Vec::new();
            for round in 0..3 {
                let port = free_port()?;
                let server = match name {
                    "coapnull" => start(&[&null, &format!("127.0.0.1:{port}")], port)?,
                    "libcoap" => start(&["coap-server-notls", "-A", "127.0.0.1", "-p", &port.to_string()], port)?,
                    _ => wayhouse(&scratch.join(format!("paced{ports}{round}")), &[])?,
                };
                let path = if name == "libcoap" { "time" } else { "" };
                let uri = format!("coap://{}/{path}", server.address);
                let pid = server.pid().to_string();
                let rate = if name == "libcoap" { "5000" } else { "20000" };
                let words = [
                    "get",
                    &uri,
                    "--con",
                    "--clients",
                    ports,
                    "--window",
                    "1",
                    "--rate",
                    rate,
                    "--duration",
                    "4",
                    "--pid",
                    &pid,
                ];
                costs.push(coapload(&load, &words, &["server_us_per_req"])?[0]);
            }
            println!("  {name:10} {ports} ports  {:6.2} us", median(costs));
        }
    }
    Ok(())
}

/// Registrations: libcoap's coap-rd in memory, ours on disk, by turns; from few busy ports to many devices.
fn register(tools: &Path, scratch: &Path) -> Result<()> {
    let load = tools.join("coapload");
    println!("registrations, 100,000 endpoints with 5 links (medians of 3):");
    for (ports, window) in [("8", "8"), ("16", "8"), ("32", "8"), ("64", "8"), ("1000", "1")] {
        let mut runs: [Vec<Vec<f64>>; 2] = Default::default();
        for round in 0..3 {
            for (name, runs) in ["coap-rd", "wayhouse"].into_iter().zip(&mut runs) {
                let port = free_port()?;
                let server = if name == "coap-rd" {
                    start(&["coap-rd-notls", "-A", "127.0.0.1", "-p", &port.to_string()], port)?
                } else {
                    wayhouse(&scratch.join(format!("register{ports}x{window}-{round}")), &["both-cores"])?
                };
                let uri = format!("coap://{}", server.address);
                let pid = server.pid().to_string();
                let mut words = vec!["rd", &uri, "--endpoints", "100000", "--links", "5", "--clients", ports];
                words.extend(["--window", window, "--phases", "register", "--max-seconds", "30", "--pid", &pid]);
                if name == "coap-rd" {
                    words.extend(["--rd", "/rd", "--ep-lookup", "/x", "--res-lookup", "/x"]);
                }
                runs.push(coapload(&load, &words, &["rate", "server_us_per_req", "retransmits"])?);
            }
        }
        let [theirs, ours] = runs.map(|runs| [0, 1, 2].map(|at| median(runs.iter().map(|run| run[at]).collect())));
        let told = |[rate, cost, repeated]: [f64; 3]| {
            // A datagram that a server's buffer had no room for costs the run two seconds and more.
            let note = if repeated > 0.0 { format!(", {repeated:.0} datagrams repeated") } else { String::new() };
            format!("{rate:.0} /s ({cost:.2} us of server CPU{note})")
        };
        println!(
            "  {ports:>4} ports x {window}: coap-rd {}, wayhouse {}: {:.2} times its rate",
            told(theirs),
            told(ours),
            ours[0] / theirs[0],
        );
    }
    Ok(())
}

/// One endpoint looked up among ten thousand: aiocoap's directory and ours.
fn lookup(tools: &Path, scratch: &Path) -> Result<()> {
    let load = tools.join("coapload");
    println!("lookup of one endpoint among 10,000:");
    for name in ["aiocoap-rd", "wayhouse"] {
        let port = free_port()?;
        let server = if name == "aiocoap-rd" {
            if !peers::has_aiocoap() {
                println!("  aiocoap-rd not run: aiocoap is missing");
                continue;
            }
            let program = peers::python().with_file_name("aiocoap-rd").to_string_lossy().into_owned();
            start(&[&program, "--bind", &format!("127.0.0.1:{port}")], port)?
        } else {
            wayhouse(&scratch.join("lookup"), &[])?
        };
        let uri = format!("coap://{}", server.address);
        let (clients, window, duration) = if name == "aiocoap-rd" { ("1", "1", "20") } else { ("8", "8", "3") };
        let words = [
            "rd",
            &uri,
            "--endpoints",
            "10000",
            "--links",
            "5",
            "--clients",
            clients,
            "--window",
            window,
            "--duration",
            duration,
            "--give-up",
            "60000",
            "--ack-timeout",
            "30000",
            "--phases",
            "register,ep",
        ];
        let values = coapload(&load, &words, &["rate", "p50_us", "p99_us"])?;
        println!("  {name:10} {:9.1} /s  p50 {:.0} us  p99 {:.0} us", values[0], values[1], values[2]);
    }
    Ok(())
}

/// A million registrations of one kilobyte: memory, cost, lookups, expiry under load, restart.
fn million(scratch: &Path) -> Result<()> {
    let total: u64 = std::env::var("REGISTRATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = scratch.join("million");
    let server = wayhouse(&folder, &["both-cores"])?;
    let idle = server.resident();
    let mut octets = 0u64;
    let step = 10_000;
    println!("registering {total} endpoints of four links:");
    // The cost over the last 100,000: one step alone may meet a table that grows.
    let mut costs: Vec<f64> = Vec::new();
    let recent = |costs: &[f64]| costs.iter().rev().take(10).sum::<f64>() / costs.len().min(10) as f64;
    let (mut wrong, mut lost) = (0, 0);
    let mut at = 0;
    let mut small = Vec::new();
    let mut first_cost = 0.0;
    while at < total {
        let count = step.min(total - at);
        let cpu = server.cpu();
        let outcome = load::run(
            server.address,
            8,
            8,
            count,
            Code::CREATED,
            |index| {
                let document = load::document(at + index);
                octets += document.len() as u64;
                (Code::POST, "/rd".into(), registration(at + index, 80_000), document)
            },
            |_, message| {
                if message.code != Code::CREATED {
                    eprintln!("  refused: {} {}", message.code, String::from_utf8_lossy(message.payload));
                }
            },
        )?;
        costs.push((server.cpu() - cpu).as_secs_f64() * 1e6 / count as f64);
        let cost = recent(&costs);
        wrong += outcome.wrong;
        lost += outcome.lost;
        at += count;
        if at == step {
            small = lookups(&server, step)?;
        }
        if at == 10 * step {
            first_cost = cost;
        }
        if at == step || at == total || at % 200_000 == 0 {
            println!(
                "  at {at:8}: {:7.0} /s, {cost:5.2} us CPU each, p99 {:6.0} us, wrong {}, lost {}, resident {} MB ({:.2} x the {} MB registered)",
                outcome.rate(),
                outcome.quantile_us(0.99),
                wrong,
                lost,
                server.resident() >> 20,
                server.resident() as f64 / octets as f64,
                octets >> 20,
            );
        }
        if at == total {
            println!("  cost of the last 100,000 / cost of the first 100,000: {:.2}", cost / first_cost);
        }
    }
    println!("  resident beyond the idle daemon: {:.2} x", (server.resident() - idle) as f64 / octets as f64);
    // The store tidies up behind a load: lookups are timed when it is done.
    let mut cpu = server.cpu();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let spent = server.cpu() - cpu;
        cpu += spent;
        if spent < Duration::from_millis(50) {
            break;
        }
    }
    let large = lookups(&server, total)?;
    println!("lookups, one at a time (p50 and p99 in us at the client, then server CPU): at {step} | at {total}");
    for (a, b) in small.iter().zip(&large) {
        println!(
            "  {:28} {:6.0} {:6.0} {:6.1} | {:6.0} {:6.0} {:6.1}   cpu ratio {:.2}",
            a.0,
            a.1,
            a.2,
            a.3,
            b.1,
            b.2,
            b.3,
            b.3 / a.3
        );
    }
    expiry(&server, total)?;
    // Restart from the store.
    drop(server);
    let started = Instant::now();
    let server = wayhouse(&folder, &["both-cores"])?;
    println!(
        "restart with {total} registrations: {:.1} s until it answers, resident {} MB ({:.2} x)",
        started.elapsed().as_secs_f64(),
        server.resident() >> 20,
        server.resident() as f64 / octets as f64
    );
    Ok(())
}

fn registration(index: u64, lifetime_s: u64) -> Vec<String> {
    vec![
        format!("ep=node-{index:07}"),
        format!("d=floor-{}", index % 100),
        format!("lt={lifetime_s}"),
        format!("base=coap://10.{}.{}.{}", index >> 16 & 255, index >> 8 & 255, index & 255),
        format!("et=type{}", index % 100),
    ]
}

/// Latencies of the lookups that the issue names: (what, p50, p99, CPU).
fn lookups(server: &Server, total: u64) -> Result<Vec<(&'static str, f64, f64, f64)>> {
    let kinds: [(&'static str, &'static str); 6] = [
        ("ep=", "/rd-lookup/ep"),
        ("ep=&d=", "/rd-lookup/ep"),
        ("rt= (rare), resources", "/rd-lookup/res"),
        ("rt= (rare), endpoints", "/rd-lookup/ep"),
        ("et=&count=10", "/rd-lookup/ep"),
        ("rt= (common), random page of 10", "/rd-lookup/res"),
    ];
    let mut state = 88_172_645_463_325_252u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut results = Vec::new();
    for (kind, path) in kinds {
        let cpu = server.cpu();
        let outcome = load::run(
            server.address,
            1,
            1,
            5_000,
            Code::CONTENT,
            |_| {
                let index = random() % total;
                let query = match kind {
                    "ep=" => vec![format!("ep=node-{index:07}")],
                    "ep=&d=" => vec![format!("ep=node-{index:07}"), format!("d=floor-{}", index % 100)],
                    "et=&count=10" => vec![format!("et=type{}", index % 100), "count=10".into()],
                    "rt= (common), random page of 10" => {
                        vec!["rt=kind1".into(), format!("page={}", index / 10), "count=10".into()]
                    }
                    _ => vec![format!("rt=u{index:07}")],
                };
                (Code::GET, path.into(), query, Vec::new())
            },
            |_, message| assert!(!message.payload.is_empty(), "every one of these finds something"),
        )?;
        let cost = (server.cpu() - cpu).as_secs_f64() * 1e6 / 5_000.0;
        if outcome.wrong + outcome.lost > 0 {
            bail!("{kind}: {} wrong, {} lost", outcome.wrong, outcome.lost);
        }
        results.push((kind, outcome.quantile_us(0.5), outcome.quantile_us(0.99), cost));
    }
    Ok(results)
}

/// Ten thousand leases that end within one second, while answers are timed.
fn expiry(server: &Server, total: u64) -> Result<()> {
    let lifetime = 20;
    let started = Instant::now();
    load::run(
        server.address,
        8,
        32,
        10_000,
        Code::CREATED,
        |index| (Code::POST, "/rd".into(), registration(total + index, lifetime), load::document(total + index)),
        |_, _| {},
    )?;
    println!(
        "10,000 registrations with a lifetime of {lifetime} s made within {:.2} s",
        started.elapsed().as_secs_f64()
    );
    let (mut worst, mut count) = (0u64, 0);
    while started.elapsed() < Duration::from_secs(lifetime + 3) {
        let is_measured = started.elapsed() > Duration::from_secs(lifetime - 1);
        let outcome = load::run(
            server.address,
            1,
            1,
            200,
            Code::CONTENT,
            |_| (Code::GET, "/".into(), Vec::new(), Vec::new()),
            |_, _| {},
        )?;
        if is_measured {
            worst = worst.max(outcome.latencies.iter().copied().max().unwrap_or_default());
            count += outcome.latencies.len();
        }
    }
    println!("while they expired: slowest of {count} answers {:.2} ms", worst as f64 / 1e6);
    Ok(())
}
