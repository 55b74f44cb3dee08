//! Group communication over real multicast: foreign members and clients, many devices, losses, forged sources.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::bridge::{Bridge, INTERFACE, Inside};
use super::cases::{Scratch, program};
use crate::{peers, tree};

/// A capture of what passes a namespace's interface; complete when ended.
struct Capture {
    tcpdump: Inside,
    path: PathBuf,
}

impl Capture {
    /// Starts; what comes afterwards is captured.
    fn start(bridge: &Bridge, name: &str, path: PathBuf) -> Result<Capture> {
        let text = path.to_string_lossy().into_owned();
        let mut command = bridge.command(name, &["tcpdump", "-i", INTERFACE, "-U", "-w", &text, "udp"])?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot start tcpdump")?;
        let mut tcpdump = Inside { child };
        // It says so when it listens.
        let stderr = tcpdump.child.stderr.take().context("no standard error")?;
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line)?;
        ensure!(line.contains("listening"), "tcpdump does not listen: {line}");
        Ok(Capture { tcpdump, path })
    }
    /// Ends it, and returns the file.
    fn end(mut self) -> Result<PathBuf> {
        let _ = std::process::Command::new("kill").args(["-INT", &self.tcpdump.child.id().to_string()]).status();
        self.tcpdump.child.wait()?;
        Ok(self.path.clone())
    }
}

/// Waits until a program has printed a line. What it prints later is read and dropped: a full pipe would stop it.
fn await_line(inside: &mut Inside) -> Result<()> {
    let mut output = BufReader::new(inside.child.stdout.take().context("no output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    ensure!(!line.is_empty(), "the program ended before it was ready");
    std::thread::spawn(move || output.lines().for_each(drop));
    Ok(())
}

fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Where captures are kept that the tests decode. They are written anew only on request.
fn kept(name: &str) -> Option<PathBuf> {
    std::env::var_os("WAYHOUSE_KEEP_CAPTURES")
        .map(|_| tree::root().join("crates/wayhouse-wire/vectors/captures").join(name))
}

fn keep(capture: Capture, name: &str) -> Result<()> {
    let path = capture.end()?;
    if let Some(place) = kept(name) {
        std::fs::create_dir_all(place.parent().expect("it has one"))?;
        std::fs::copy(&path, &place).with_context(|| place.display().to_string())?;
        println!("kept: {}", place.file_name().unwrap_or_default().to_string_lossy());
    }
    Ok(())
}

/// aiocoap and libcoap as members; our client asks them all.
pub fn foreign_members_answer_our_client() -> Result<()> {
    let scratch = Scratch::new("foreign-members")?;
    let bridge = Bridge::new(&["client", "libcoap", "aiocoap"])?;
    let libcoap = |group: &str| -> Result<Inside> {
        let words = ["coap-server-notls", "-g", group, "-G", INTERFACE, "-d", "10"];
        bridge.spawn_in("libcoap", &words)
    };
    let python = peers::python().to_string_lossy().into_owned();
    let script = tree::root().join("interop/multicast/aiocoap_member.py").to_string_lossy().into_owned();
    let mut aiocoap = bridge.spawn_in("aiocoap", &[&python, &script, INTERFACE, "attic"])?;
    await_line(&mut aiocoap)?;
    let program = program();
    for (group, host, name) in [
        ("224.0.1.187", "224.0.1.187".to_owned(), "foreign_members_v4.pcap"),
        ("ff02::fd", format!("[ff02::fd%{INTERFACE}]"), "foreign_members_v6.pcap"),
    ] {
        let _server = libcoap(group)?;
        let capture = Capture::start(&bridge, "client", scratch.0.join(name))?;
        let uri = format!("coap://{host}/time");
        let output =
            bridge.run_in("client", &[&program, "get", &uri, "--json", "--window", "7", "--interface", INTERFACE])?;
        let said = text(&output);
        ensure!(output.status.success(), "{said}");
        let answers: Vec<&str> = said.lines().filter(|line| line.contains("\"code\":\"2.05\"")).collect();
        ensure!(answers.len() == 2, "{uri}: {} answers of 2\n{said}", answers.len());
        ensure!(answers.iter().any(|line| line.contains("aiocoap attic")), "{said}");
        println!("ok: an aiocoap and a libcoap member answer {uri}");
        keep(capture, name)?;
    }
    Ok(())
}

/// Devices in a namespace, ready when this returns.
fn devices(bridge: &Bridge, name: &str, words: &[&str]) -> Result<Inside> {
    let program = program();
    let mut all = vec![program.as_str(), "device", "--json"];
    all.extend(words);
    let mut devices = bridge.spawn_in(name, &all)?;
    await_line(&mut devices)?;
    Ok(devices)
}

/// aiocoap's and libcoap's clients; our devices answer them.
pub fn our_devices_answer_foreign_clients() -> Result<()> {
    let scratch = Scratch::new("foreign-clients")?;
    let bridge = Bridge::new(&["client", "lamps"])?;
    bridge.add_addresses("lamps", 10, 5)?;
    let _lamps = devices(
        &bridge,
        "lamps",
        &[
            "--kind",
            "lamp",
            "--name",
            "lamp",
            "--count",
            "5",
            "--addresses",
            &Bridge::prefix(10),
            "--group",
            "coap://224.0.1.187/gp/hall",
        ],
    )?;
    let capture = Capture::start(&bridge, "client", scratch.0.join("our_devices.pcap"))?;
    let uri = "coap://224.0.1.187/gp/hall/light";
    let output = bridge.run_in("client", &["coap-client-notls", "-N", "-B", "8", "-m", "get", uri])?;
    let said = text(&output);
    let answers = said.matches("off").count();
    ensure!(answers >= 5, "libcoap's client heard {answers} of 5 devices: {said}");
    println!("ok: libcoap's client hears five of our devices");
    let python = peers::python().to_string_lossy().into_owned();
    let script = tree::root().join("interop/multicast/aiocoap_client.py").to_string_lossy().into_owned();
    let output = bridge.run_in("client", &[&python, &script, uri])?;
    let said = text(&output);
    ensure!(output.status.success() && said.contains("2.05"), "{said}");
    println!("ok: aiocoap's client hears one of our devices");
    keep(capture, "our_devices.pcap")
}

/// Two hundred devices in four namespaces, each with an address of its own.
const DEVICES: usize = 200;
const HOUSES: [&str; 4] = ["house1", "house2", "house3", "house4"];

/// A link with all devices on it, and a client.
fn village(group: &str, more: &[&str]) -> Result<(Bridge, Vec<Inside>)> {
    let bridge = Bridge::new(&["client", HOUSES[0], HOUSES[1], HOUSES[2], HOUSES[3]])?;
    let mut running = Vec::new();
    let per_house = (DEVICES / HOUSES.len()).to_string();
    for (number, house) in HOUSES.iter().enumerate() {
        let block = 10 + number as u8;
        bridge.add_addresses(house, block, DEVICES / HOUSES.len())?;
        let (prefix, uri) = (Bridge::prefix(block), format!("coap://{group}/gp/hall"));
        let mut words =
            vec!["--kind", "lamp", "--name", house, "--count", &per_house, "--addresses", &prefix, "--group", &uri];
        words.extend(more);
        running.push(devices(&bridge, house, &words)?);
    }
    Ok((bridge, running))
}

/// One answer of our client's JSON lines: who, and after how many seconds.
fn answers(output: &str) -> Vec<(String, f64)> {
    output
        .lines()
        .filter(|line| line.contains("\"code\":\"2.05\""))
        .filter_map(|line| Some((field(line, "from")?, field(line, "after_s")?.parse().ok()?)))
        .collect()
}

/// One GET, two hundred attributed answers, none twice, spread over the leisure.
pub fn two_hundred_devices_answer_one_get() -> Result<()> {
    let (bridge, _devices) = village("224.0.1.187", &[])?;
    let program = program();
    let uri = "coap://224.0.1.187/gp/hall/light";
    let output = bridge.run_in("client", &[&program, "get", uri, "--json", "--interface", INTERFACE])?;
    let heard = answers(&text(&output));
    let members: BTreeSet<&str> = heard.iter().map(|(from, _)| from.as_str()).collect();
    ensure!(heard.len() == DEVICES && members.len() == DEVICES, "{} answers of {} members", heard.len(), members.len());
    let per_second: Vec<usize> =
        (0..5).map(|second| heard.iter().filter(|(_, after)| *after as usize == second).count()).collect();
    ensure!(per_second.iter().all(|count| (10..=90).contains(count)), "not spread: {per_second:?} in each second");
    println!("ok: {DEVICES} devices answer one GET, none twice; in each second of the leisure {per_second:?}");
    Ok(())
}

/// The same with one datagram in ten lost and one repetition; five runs.
pub fn two_hundred_devices_answer_under_loss() -> Result<()> {
    let directory = "224.0.1.187";
    let (bridge, _devices) = village(directory, &[])?;
    for house in HOUSES {
        bridge.set_loss(house, 10.0)?;
    }
    let program = program();
    let uri = "coap://224.0.1.187/gp/hall/light";
    let members: Vec<String> = HOUSES
        .iter()
        .enumerate()
        .flat_map(|(number, _)| {
            (1..=DEVICES / HOUSES.len()).map(move |device| format!("10.77.{}.{device}", 10 + number))
        })
        .collect();
    for asks_silent in [false, true] {
        let mut found = Vec::new();
        for _ in 0..5 {
            let mut words = vec![program.as_str(), "get", uri, "--json", "--interface", INTERFACE, "--repeat", "1"];
            if asks_silent {
                words.push("--ask-silent");
                words.extend(members.iter().flat_map(|member| ["--member", member.as_str()]));
            }
            let output = bridge.run_in("client", &words)?;
            let heard = answers(&text(&output));
            let unique: BTreeSet<&str> = heard.iter().map(|(from, _)| from.as_str()).collect();
            ensure!(unique.len() == heard.len(), "some member was told twice");
            found.push(unique.len());
        }
        let lost: u64 = HOUSES.iter().map(|house| bridge.lost_count(house)).sum::<Result<u64>>()?;
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let how = if asks_silent { "and asking the silent ones alone" } else { "alone" };
        println!("    one repetition {how}: {found:?} of {DEVICES}; {lost} datagrams lost so far");
        if asks_silent {
            ensure!(sorted[2] * 100 >= DEVICES * 99, "the median is {} of {DEVICES}", sorted[2]);
        }
    }
    println!("ok: at least 99 % of the members in the median of five runs");
    Ok(())
}

/// A hundred meters are observed; each changes ten times; five of a hundred datagrams get lost, each way.
pub fn a_hundred_devices_are_observed_under_loss() -> Result<()> {
    let bridge = Bridge::new(&["client", "asker", HOUSES[0], HOUSES[1]])?;
    let mut running = Vec::new();
    let mut members = Vec::new();
    for (number, house) in HOUSES[..2].iter().enumerate() {
        let block = 10 + number as u8;
        bridge.add_addresses(house, block, 50)?;
        members.extend((1..=50).map(|device| format!("10.77.{block}.{device}")));
        let (group, prefix) = ("coap://224.0.1.187/gp/hall", Bridge::prefix(block));
        let mut words = vec!["--kind", "meter", "--name", house, "--count", "50", "--addresses", &prefix];
        words.extend(["--group", group, "--period", "6", "--changes", "10"]);
        running.push(devices(&bridge, house, &words)?);
    }
    for name in ["client", HOUSES[0], HOUSES[1]] {
        bridge.set_loss(name, 5.0)?;
    }
    let program = program();
    let mut words = vec![program.as_str(), "observe", "coap://224.0.1.187/gp/hall/meter", "--json"];
    words.extend(["--interface", INTERFACE, "--ask-silent"]);
    words.extend(members.iter().flat_map(|member| ["--member", member.as_str()]));
    let mut client = bridge.spawn_in("client", &words)?;
    let (mut seen, mut truth, mut told) = (BTreeMap::new(), BTreeMap::new(), 0);
    let started = Instant::now();
    for line in BufReader::new(client.child.stdout.take().context("no output")?).lines() {
        let line = line?;
        if let (Some(from), Some(value)) = (field(&line, "from"), field(&line, "text")) {
            seen.insert(from.trim_end_matches(":5683").to_owned(), value);
            told += 1;
        }
        let elapsed = started.elapsed();
        // Ten changes take a minute and a little; whoever asks does so without losses.
        if elapsed > Duration::from_secs(75) && truth.is_empty() {
            for member in &members {
                let output = bridge.run_in("asker", &[&program, "get", "--json", &format!("coap://{member}/meter")])?;
                let value = text(&output).lines().find_map(|line| {
                    Some(line.trim().strip_prefix("\"text\": \"")?.trim_end_matches(['"', ',']).to_owned())
                });
                truth.insert(
                    member.clone(),
                    value.with_context(|| format!("{member} tells no value: {}", text(&output)))?,
                );
            }
        }
        let right = truth.iter().filter(|(member, value)| seen.get(*member) == Some(value)).count();
        if right == members.len() {
            println!(
                "ok: the last of ten values of each of {right} devices is there {:.0} s after the start, by {told} notifications; {} datagrams were lost",
                elapsed.as_secs_f64(),
                bridge.lost_count("client")? + bridge.lost_count(HOUSES[0])? + bridge.lost_count(HOUSES[1])?,
            );
            return Ok(());
        }
        ensure!(
            elapsed < Duration::from_secs(240),
            "after {} s {right} of {} are right",
            elapsed.as_secs(),
            members.len()
        );
    }
    bail!("the observation ended by itself")
}

/// A field of a JSON line of our client.
fn field(line: &str, name: &str) -> Option<String> {
    let rest = line.split_once(&format!("\"{name}\":"))?.1;
    Some(rest.split([',', '}']).next()?.trim_matches('"').to_owned())
}

/// What a member sends for a request with a forged source, against what came; on the wire.
pub fn a_forged_source_draws_no_more_than_three_times() -> Result<()> {
    let scratch = Scratch::new("forged")?;
    let bridge = Bridge::new(&["forger", "victim", "lamps"])?;
    bridge.add_addresses("lamps", 10, 1)?;
    let _lamp = devices(
        &bridge,
        "lamps",
        &[
            "--kind",
            "meter",
            "--name",
            "meter",
            "--addresses",
            &Bridge::prefix(10),
            "--group",
            "coap://224.0.1.187/gp/hall",
        ],
    )?;
    let capture = Capture::start(&bridge, "lamps", scratch.0.join("forged.pcap"))?;
    let victim = bridge.v4("victim")?.to_string();
    let script = tree::root().join("interop/multicast/forge.py").to_string_lossy().into_owned();
    let output = bridge.run_in("forger", &["python3", &script, INTERFACE, &victim, "224.0.1.187"])?;
    ensure!(output.status.success(), "{}", text(&output));
    let path = capture.end()?;
    let packets = read_packets(&path)?;
    let to_group: Vec<usize> =
        packets.iter().filter(|packet| packet.to == "224.0.1.187").map(|packet| packet.octets).collect();
    let drawn: usize = packets.iter().filter(|packet| packet.to == victim).map(|packet| packet.octets).sum();
    let sent: usize = to_group.iter().sum();
    ensure!(!to_group.is_empty() && drawn > 0, "nothing was asked, or nothing drawn");
    ensure!(drawn <= 3 * sent, "{drawn} octets drawn by {sent}");
    println!(
        "ok: {} forged requests of {sent} octets (IP packets) draw {drawn} octets from a member: {:.2} times",
        to_group.len(),
        drawn as f64 / sent as f64
    );
    Ok(())
}

/// An IPv4 packet of a capture.
struct Packet {
    to: String,
    octets: usize,
}

/// Reads a capture of Ethernet frames, the IPv4 packets in it.
fn read_packets(path: &Path) -> Result<Vec<Packet>> {
    let mut file = Vec::new();
    std::fs::File::open(path)?.read_to_end(&mut file)?;
    let word =
        |at: usize| -> Option<usize> { Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize) };
    let (mut at, mut packets) = (24, Vec::new());
    while let (Some(octets), true) = (word(at + 8), at + 16 <= file.len()) {
        let frame = file.get(at + 16..at + 16 + octets).context("the capture is cut")?;
        if let [0x08, 0x00, ip @ ..] = &frame[12..]
            && ip.len() >= 20
        {
            let to = format!("{}.{}.{}.{}", ip[16], ip[17], ip[18], ip[19]);
            packets.push(Packet { to, octets: usize::from(u16::from_be_bytes([ip[2], ip[3]])) });
        }
        at += 16 + octets;
    }
    Ok(packets)
}
