//! All automation of the house: `cargo xtask TASK`.

mod bench;
mod ci;
mod command;
mod fuzz;
mod interop;
mod load;
mod netns;
mod peers;
mod reqs;
mod tidy;
mod tree;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask TASK

  ci [--deep]        everything that must hold: format, clippy, tidy, reqs, tests, docs, fuzz smoke, deny, interop, netns
  tidy               the laws of the house that no compiler checks
  reqs [FAMILY]      requirement -> code -> tests; fails on a binding one with neither test nor waiver
  interop [CASE]     real peers against the daemon and the command line; a missing peer is reported as not run
  netns [CASE]       cases in network namespaces: groups, losses; wants root, otherwise reported as not run
  peers              installs the real peers and test tools (Debian packages, a Python environment)
  bench [GROUP]      the measurements of docs/reference/performance.md: get, register, lookup, million
  fuzz [SECONDS]     every fuzz target for so long (default 20), starting from the kept corpora
  fuzz-minimise      shrinks the corpora to what adds coverage
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["ci"] => ci::run(false),
        ["ci", "--deep"] => ci::run(true),
        ["tidy"] => tidy::run(),
        ["reqs"] => reqs::run(None),
        ["reqs", family] => reqs::run(Some(family)),
        ["interop"] => interop::run(None),
        ["interop", case] => interop::run(Some(case)),
        ["netns"] => netns::run(None),
        ["netns", case] => netns::run(Some(case)),
        ["peers"] => peers::install(),
        ["bench"] => bench::run(None),
        ["bench", group] => bench::run(Some(group)),
        ["fuzz"] => fuzz::run(20),
        ["fuzz", seconds] => fuzz::run(seconds.parse()?),
        ["fuzz-minimise"] => fuzz::minimise(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("unknown task: {}\n\n{HELP}", arguments.join(" ")),
    }
}
