//! Cases in network namespaces: what one machine alone cannot show, such as groups and losses.

mod bridge;
mod cases;
mod groups;

use anyhow::{Result, bail};

pub use bridge::obstacle;

use crate::command;

/// Runs all cases, or the one named. Where namespaces cannot be had, all are reported as not run.
pub fn run(only: Option<&str>) -> Result<()> {
    let cases: Vec<_> = cases::CASES.iter().filter(|case| only.is_none_or(|only| only == case.name)).collect();
    if cases.is_empty() {
        bail!("no such case; there are {}", cases::CASES.map(|case| case.name).join(", "));
    }
    if let Some(obstacle) = obstacle() {
        println!("not run: {obstacle}");
        return Ok(());
    }
    command::run("cargo", &["build", "-p", "wayhouse"])?;
    let (mut passed, mut failed, mut not_run) = (0, Vec::new(), 0);
    for case in cases {
        let missing = case.needs.iter().find_map(|need| match *need {
            "aiocoap" => (!crate::peers::has_aiocoap()).then(|| "aiocoap is missing".to_owned()),
            "loss" => bridge::obstacle_to_loss(),
            program => (!command::exists(program)).then(|| format!("{program} is missing")),
        });
        if let Some(missing) = missing {
            println!("not run: {}: {missing}", case.name);
            not_run += 1;
            continue;
        }
        println!("--- {}: {}", case.name, case.shows);
        match (case.run)() {
            Ok(()) => passed += 1,
            Err(error) => {
                println!("FAILED: {error:#}");
                failed.push(case.name);
            }
        }
    }
    println!("\nnetns: {passed} passed, {} failed, {not_run} not run", failed.len());
    if !failed.is_empty() {
        bail!("netns failed: {}", failed.join(", "));
    }
    Ok(())
}
