//! Network namespaces on one link of their own, gone again with the value that stands for them.
//!
//! ```text
//! namespace wayhouse-PID-bridge:  br0 ──┬── v0 ═ e0  :wayhouse-PID-NAME   10.77.0.1/16  fd77::1/64
//!                                       ├── v1 ═ e0  :wayhouse-PID-NAME   10.77.0.2/16  fd77::2/64
//!                                       └── …
//! ```
//! Nothing of the machine's own network is touched, and nothing leads out of the link. The bridge floods groups to
//! everybody (no snooping): who has joined is decided where a datagram arrives, as on an Ethernet without a querier.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// The interface inside each namespace.
pub const INTERFACE: &str = "e0";
/// What the names of all namespaces start with; the number of the process follows.
const PREFIX: &str = "wayhouse-";

/// A link with namespaces on it.
pub struct Bridge {
    /// The names of the parties, in the order of their addresses.
    names: Vec<String>,
}

/// A program that runs in a namespace; it is killed with this value.
pub struct Inside {
    /// The process.
    pub child: Child,
}

impl Drop for Inside {
    fn drop(&mut self) {
        // It may have ended already; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why no namespaces can be had here; `None` when they can.
pub fn obstacle() -> Option<String> {
    if crate::command::output("id", &["-u"]).is_none_or(|id| id.trim() != "0") {
        return Some("namespaces want root".into());
    }
    if !crate::command::exists("ip") {
        return Some("ip is missing".into());
    }
    Bridge::new(&["probe"]).err().map(|error| format!("no namespaces can be made here: {error:#}"))
}

/// Why the network cannot be made to lose anything; `None` when it can.
pub fn obstacle_to_loss() -> Option<String> {
    let lossy = || Bridge::new(&["probe"])?.set_loss("probe", 1.0);
    lossy().err().map(|error| format!("no losses can be had here: {error:#}"))
}

impl Bridge {
    /// Makes a link and a namespace on it for each name, of lower-case letters and digits.
    pub fn new(names: &[&str]) -> Result<Bridge> {
        remove_leftovers();
        // From here on whatever was made goes away again, however far this comes.
        let bridge = Bridge { names: names.iter().map(|name| (*name).to_owned()).collect() };
        let switch = namespace("bridge");
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        for (index, name) in names.iter().enumerate() {
            let own = namespace(name);
            let plug = format!("v{index}");
            ip(&["netns", "add", &own])?;
            ip(&["-n", &switch, "link", "add", &plug, "type", "veth", "peer", "name", INTERFACE, "netns", &own])?;
            ip(&["-n", &switch, "link", "set", &plug, "master", "br0", "up"])?;
            ip(&["-n", &own, "link", "set", "lo", "up"])?;
            // Without duplicate address detection the addresses can be used at once, the link-local one too.
            let switch_off = format!("echo 0 > /proc/sys/net/ipv6/conf/{INTERFACE}/accept_dad");
            ip(&["netns", "exec", &own, "sh", "-c", &switch_off])?;
            let (v4, v6) = (format!("{}/16", bridge.v4(name)?), format!("{}/64", bridge.v6(name)?));
            ip(&["-n", &own, "address", "add", &v4, "dev", INTERFACE])?;
            ip(&["-n", &own, "address", "add", &v6, "dev", INTERFACE, "nodad"])?;
            ip(&["-n", &own, "link", "set", INTERFACE, "up"])?;
            ip(&["-n", &own, "route", "add", "224.0.0.0/4", "dev", INTERFACE])?;
            // The system makes this route too, as soon as the link is up: made here, it is there from the start.
            ip(&["-n", &own, "-6", "route", "replace", "multicast", "ff00::/8", "dev", INTERFACE, "table", "local"])?;
        }
        Ok(bridge)
    }

    /// The IPv4 address of a namespace.
    pub fn v4(&self, name: &str) -> Result<Ipv4Addr> {
        Ok(Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 0, 0)) + self.number(name)?))
    }
    /// The unique local IPv6 address of a namespace.
    pub fn v6(&self, name: &str) -> Result<Ipv6Addr> {
        Ok(Ipv6Addr::from(u128::from(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0)) + u128::from(self.number(name)?)))
    }
    /// The prefix of a block of further addresses.
    pub fn prefix(block: u8) -> String {
        format!("10.77.{block}.0/24")
    }
    /// Gives a namespace so many further addresses, from the first of a block on.
    pub fn add_addresses(&self, name: &str, block: u8, count: usize) -> Result<()> {
        self.number(name)?;
        let own = namespace(name);
        for device in 1..=count {
            ip(&["-n", &own, "address", "add", &format!("10.77.{block}.{device}/16"), "dev", INTERFACE])?;
        }
        Ok(())
    }
    fn number(&self, name: &str) -> Result<u32> {
        let index = self.names.iter().position(|other| other == name);
        Ok(index.with_context(|| format!("no namespace {name}"))? as u32 + 1)
    }

    /// A command that will run in a namespace.
    pub fn command(&self, name: &str, words: &[&str]) -> Result<Command> {
        self.number(name)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace(name)]).args(words).stdin(Stdio::null());
        Ok(command)
    }
    /// Runs a program in a namespace until it ends by itself.
    pub fn run_in(&self, name: &str, words: &[&str]) -> Result<Output> {
        self.command(name, words)?.output().with_context(|| format!("cannot start {words:?} in {name}"))
    }
    /// Starts a program in a namespace. Its standard output can be read, what it tells besides is dropped.
    pub fn spawn_in(&self, name: &str, words: &[&str]) -> Result<Inside> {
        let mut command = self.command(name, words)?;
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        Ok(Inside { child: child.with_context(|| format!("cannot start {words:?} in {name}"))? })
    }

    /// Has so many percent of the datagrams that a namespace sends get lost on the bridge, from now on. What keeps the link
    /// itself working (address resolution) is spared.
    pub fn set_loss(&self, name: &str, percent: f64) -> Result<()> {
        let port = format!("v{}", self.number(name)? - 1);
        let per_mille = (percent * 10.0).round();
        let rules = format!(
            "add table bridge {port}\ndelete table bridge {port}\nadd table bridge {port}\n\
             add chain bridge {port} losses {{ type filter hook forward priority 0; }}\n\
             add rule bridge {port} losses iifname {port} meta l4proto udp numgen random mod 1000 < {per_mille} counter drop\n"
        );
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &namespace("bridge"), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start nft")?;
        nft.stdin.take().context("no input")?.write_all(rules.as_bytes())?;
        let output = nft.wait_with_output()?;
        if !output.status.success() {
            bail!("nft: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
    /// How many datagrams that a namespace sent got lost so far.
    pub fn lost_count(&self, name: &str) -> Result<u64> {
        let port = format!("v{}", self.number(name)? - 1);
        let switch = namespace("bridge");
        let output =
            Command::new("ip").args(["netns", "exec", &switch, "nft", "list", "table", "bridge", &port]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = text.split_once("counter packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        count.with_context(|| format!("nft does not tell what was dropped: {text}"))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for name in self.names.iter().map(String::as_str).chain(["bridge"]) {
            remove(&namespace(name));
        }
    }
}

fn namespace(name: &str) -> String {
    format!("{PREFIX}{}-{name}", std::process::id())
}

/// Removes what a run left behind that was killed.
fn remove_leftovers() {
    let list = crate::command::output("ip", &["netns", "list"]).unwrap_or_default();
    for name in list.lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !std::path::Path::new("/proc").join(process).exists()) {
            remove(name);
        }
    }
}

/// Removes a namespace, and ends what still runs in it: it would hold on to the network.
fn remove(namespace: &str) {
    let processes = crate::command::output("ip", &["netns", "pids", namespace]).unwrap_or_default();
    for process in processes.lines() {
        let _ = run(&["kill", "-KILL", process]);
    }
    // One that was never made is not there; nothing else can be done about another.
    let _ = ip(&["netns", "del", namespace]);
}

fn ip(words: &[&str]) -> Result<()> {
    run(&[&["ip"], words].concat())
}

/// Runs a program that is expected to succeed without a word.
fn run(words: &[&str]) -> Result<()> {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", words[0]))?;
    if !output.status.success() {
        bail!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
