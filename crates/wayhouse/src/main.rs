//! The `wayhouse` program: one daemon, and tools for people who debug CoAP and resource directories.
//!
//! [`cli`] is what can be typed, [`shell`] the daemon, [`http`] its page and REST, [`config`] what can be set.

mod api;
mod cli;
mod config;
mod http;
mod shell;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::dispatch(cli::args::Cli::parse())
}
