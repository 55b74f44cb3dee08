//! The real peers and test tools: what they are, whether they are here, how to get them.

use std::path::PathBuf;

use anyhow::Result;

use crate::{command, tree};

/// Debian packages: libcoap's programs, a browser with its driver, namespaces, losses and captures, DNS clients, the tools aiocoap's extras build with.
const PACKAGES: [&str; 13] = [
    "libcoap3-bin",
    "chromium",
    "chromium-driver",
    "iproute2",
    "nftables",
    "tcpdump",
    "autoconf",
    "automake",
    "libtool",
    "python3-venv",
    // Clients alone: none brings a server that would start by itself.
    "bind9-dnsutils",
    "bind9-utils",
    "knot-dnsutils",
];
/// Peers written in Python: how the cases call them, what is imported, and the versions that the cases were written against,
/// the first one first.
const PYTHON_PEERS: [(&str, &str, &[&str]); 2] = [
    ("aiocoap", "aiocoap", &["aiocoap[all]==0.4.17", "aiocoap==0.4.17"]),
    ("dnspython", "dns", &["dnspython==2.8.0", "dnspython"]),
];

/// The Python of the environment that holds those peers.
pub fn python() -> PathBuf {
    tree::root().join(".venv/bin/python")
}

/// Whether a peer is one of Python's.
pub fn is_python_peer(name: &str) -> bool {
    PYTHON_PEERS.iter().any(|(peer, ..)| *peer == name)
}

/// Whether a peer of Python's can be imported; `None` when it is none.
pub fn is_python_peer_here(name: &str) -> Option<bool> {
    let (_, module, _) = PYTHON_PEERS.iter().find(|(peer, ..)| *peer == name)?;
    Some(command::output(&python().to_string_lossy(), &["-c", &format!("import {module}")]).is_some())
}

/// Whether aiocoap can be imported.
pub fn has_aiocoap() -> bool {
    is_python_peer_here("aiocoap") == Some(true)
}

/// Installs what is missing, as far as this user may; says in one line what is not there.
pub fn install() -> Result<()> {
    let missing: Vec<&str> = [
        ("coap-client-notls", "libcoap3-bin"),
        ("chromedriver", "chromium-driver"),
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("tcpdump", "tcpdump"),
        ("dig", "bind9-dnsutils"),
        ("nsupdate", "bind9-dnsutils"),
        ("dnssec-keygen", "bind9-utils"),
        ("kdig", "knot-dnsutils"),
    ]
    .into_iter()
    .filter(|(program, _)| !command::exists(program))
    .map(|(_, package)| package)
    .collect();
    if !missing.is_empty() {
        let is_root = command::output("id", &["-u"]).is_some_and(|id| id.trim() == "0");
        if is_root && command::exists("apt-get") {
            let environment = [("DEBIAN_FRONTEND", "noninteractive")];
            let _ = command::run_with("apt-get", &["update", "-q"], &environment);
            let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
            arguments.extend(PACKAGES);
            let _ = command::run_with("apt-get", &arguments, &environment);
        } else {
            eprintln!("missing Debian packages (their cases will be not run): {}", missing.join(" "));
        }
    }
    for (name, _, versions) in PYTHON_PEERS {
        if is_python_peer_here(name) == Some(true) {
            continue;
        }
        let folder = tree::root().join(".venv");
        let python = python();
        let install =
            |version: &&str| command::run(&python.to_string_lossy(), &["-m", "pip", "install", "-q", version]);
        let is_made = python.is_file() || command::run("python3", &["-m", "venv", &folder.to_string_lossy()]).is_ok();
        if !is_made || !versions.iter().any(|version| install(version).is_ok()) {
            eprintln!("missing: {name} in .venv (its cases will be not run)");
        }
    }
    for (program, crate_name) in [("cargo-fuzz", "cargo-fuzz"), ("cargo-deny", "cargo-deny")] {
        let in_cargo_home =
            std::env::var_os("HOME").is_some_and(|home| PathBuf::from(home).join(".cargo/bin").join(program).is_file());
        if !command::exists(program)
            && !in_cargo_home
            && command::run("cargo", &["install", "--locked", crate_name]).is_err()
        {
            eprintln!("missing: {program} (its step will be not run)");
        }
    }
    Ok(())
}
