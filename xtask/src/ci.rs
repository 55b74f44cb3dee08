//! All of continuous integration, runnable at home.

use anyhow::Result;

use crate::{command, fuzz, interop, netns, peers, reqs, tidy, tree};

/// Runs every check; the first failure ends it. `deep` adds longer fuzzing and wider simulation.
pub fn run(deep: bool) -> Result<()> {
    peers::install()?;
    command::run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run()?;
    reqs::run(None)?;
    command::run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let seeds = if deep { "200" } else { "20" };
    command::run_with("cargo", &["test", "--workspace"], &[("WAYHOUSE_SEEDS", seeds)])?;
    command::run_with("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    let mut not_run = Vec::new();
    if command::output("cargo", &["deny", "--version"]).is_some() {
        command::run("cargo", &["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    } else {
        not_run.push("cargo deny");
    }
    if command::output("cargo", &["fuzz", "--version"]).is_some() && command::exists("cc") {
        fuzz::run(if deep { 300 } else { 15 })?;
    } else {
        not_run.push("fuzz smoke");
    }
    interop::run(None)?;
    match netns::obstacle() {
        None => netns::run(None)?,
        Some(_) => not_run.push("cases in network namespaces"),
    }
    if !command::exists("chromedriver") {
        not_run.push("page in Chromium");
    }
    for step in &not_run {
        println!("NOT RUN: {step}");
    }
    println!("\nci: all of {} holds", tree::root().file_name().unwrap_or_default().to_string_lossy());
    Ok(())
}
