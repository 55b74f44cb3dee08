//! What is shown in namespaces: programs that find and hear each other over one link, by groups and with losses.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::bridge::{Bridge, INTERFACE, Inside};
use super::groups;
use crate::tree;

/// A case.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// Programs that it needs; `loss` stands for a network that can lose something.
    pub needs: &'static [&'static str],
    /// Runs it.
    pub run: fn() -> Result<()>,
}

/// All cases.
pub const CASES: [Case; 8] = [
    Case {
        name: "directories_are_found_by_group",
        shows: "libcoap's client finds every directory on its link by the groups of all CoAP nodes and of all directories",
        needs: &["coap-client-notls"],
        run: directories_are_found_by_group,
    },
    Case {
        name: "registration_survives_losses",
        shows: "registrations reach the directory although one packet in twenty gets lost, both ways",
        needs: &["loss"],
        run: registration_survives_losses,
    },
    Case {
        name: "foreign_members_answer_our_client",
        shows: "aiocoap and libcoap as members of a group, IPv4 and IPv6; our client hears both",
        needs: &["coap-server-notls", "aiocoap", "tcpdump"],
        run: groups::foreign_members_answer_our_client,
    },
    Case {
        name: "our_devices_answer_foreign_clients",
        shows: "the group clients of aiocoap and libcoap hear our devices",
        needs: &["coap-client-notls", "aiocoap", "tcpdump"],
        run: groups::our_devices_answer_foreign_clients,
    },
    Case {
        name: "two_hundred_devices_answer_one_get",
        shows: "one GET, two hundred attributed answers, none twice, spread over the leisure",
        needs: &[],
        run: groups::two_hundred_devices_answer_one_get,
    },
    Case {
        name: "two_hundred_devices_answer_under_loss",
        shows: "the same with one datagram in ten lost and one repetition",
        needs: &["loss"],
        run: groups::two_hundred_devices_answer_under_loss,
    },
    Case {
        name: "a_hundred_devices_are_observed_under_loss",
        shows: "each of a hundred observed devices changes ten times; every last value arrives although datagrams get lost",
        needs: &["loss"],
        run: groups::a_hundred_devices_are_observed_under_loss,
    },
    Case {
        name: "a_forged_source_draws_no_more_than_three_times",
        shows: "what a member sends for group requests from a forged source, measured on the wire",
        needs: &["tcpdump", "python3"],
        run: groups::a_forged_source_draws_no_more_than_three_times,
    },
];

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), PathBuf::from)
}

/// The program under test.
pub fn program() -> String {
    target().join("debug/wayhouse").to_string_lossy().into_owned()
}

/// A folder that is gone with this value.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str) -> Result<Scratch> {
        let path = target().join("netns").join(name);
        // A run that was killed may have left it.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A daemon in a namespace, on the default port of all addresses; it serves when this returns.
fn daemon(bridge: &Bridge, name: &str, scratch: &Scratch) -> Result<Inside> {
    let folder = scratch.0.join(name);
    let folder = folder.to_string_lossy();
    // A client that gathers for three seconds must not miss who waits longer with the answer.
    let leisure = "coap.leisure_ms=500";
    let program = program();
    let words =
        [&program, "run", "--announce-json", "--http", "off", "--set", leisure, "--data-dir", &folder].map(|word| word);
    let mut daemon = bridge.spawn_in(name, &words)?;
    let mut line = String::new();
    BufReader::new(daemon.child.stdout.take().context("no output")?).read_line(&mut line)?;
    ensure!(!line.is_empty(), "the daemon in {name} did not start");
    Ok(daemon)
}

fn directories_are_found_by_group() -> Result<()> {
    let scratch = Scratch::new("found")?;
    let bridge = Bridge::new(&["attic", "cellar", "device"])?;
    let _daemons = [daemon(&bridge, "attic", &scratch)?, daemon(&bridge, "cellar", &scratch)?];
    let groups = [
        format!("[ff02::fd%{INTERFACE}]"),
        format!("[ff02::fe%{INTERFACE}]"),
        "224.0.1.187".into(),
        "224.0.1.190".into(),
    ];
    for group in groups {
        let uri = format!("coap://{group}/.well-known/core?rt=core.rd*");
        let ask = || -> Result<usize> {
            let output = bridge.run_in("device", &["coap-client-notls", "-N", "-B", "3", "-m", "get", &uri])?;
            Ok(String::from_utf8_lossy(&output.stdout).matches("</rd>").count())
        };
        // Groups are joined as soon as the system has told the links, shortly after the start: asked again once.
        let found = match ask()? {
            2 => 2,
            _ => ask()?,
        };
        ensure!(found == 2, "{uri} found {found} directories of 2");
        println!("ok: both directories answer {uri}");
    }
    Ok(())
}

fn registration_survives_losses() -> Result<()> {
    let scratch = Scratch::new("losses")?;
    let bridge = Bridge::new(&["attic", "device"])?;
    let _daemon = daemon(&bridge, "attic", &scratch)?;
    for name in ["attic", "device"] {
        // Few enough that no message gets lost each of the five times that it is sent.
        bridge.set_loss(name, 5.0)?;
    }
    let directory = format!("coap://[{}]", bridge.v6("attic")?);
    let program = program();
    let mut registered = 0;
    while bridge.lost_count("device")? < 2 || registered < 10 {
        ensure!(registered < 100, "nothing gets lost");
        let (name, base) = (format!("lamp-{registered}"), format!("coap://{}", bridge.v4("device")?));
        let words =
            [&program, "register", "--name", &name, "--base", &base, "--link", "</light>", "--directory", &directory];
        let output = bridge.run_in("device", &words.map(|word| word))?;
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        registered += 1;
    }
    let lookup = bridge.run_in("device", &[&program, "list", "--directory", &directory])?;
    let listed = String::from_utf8_lossy(&lookup.stdout).matches("lamp-").count();
    ensure!(listed >= registered, "{listed} of {registered} are listed");
    println!("ok: {registered} registrations, {} packets of the device lost", bridge.lost_count("device")?);
    Ok(())
}
