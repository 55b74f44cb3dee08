//! The command line: the daemon's own verbs, and clients for people who debug CoAP and resource directories.
//!
//! [`args`] says what can be typed, one file per verb does it, [`client`] drives the CoAP engine over sockets, [`printer`]
//! shows what came back, [`exit`] knows how it all ends. Decisions of the protocol are made in the engine or in the pure
//! [`wayhouse_node::registrant`] and [`difference`]; the verbs only carry questions and answers between them and a person.

pub(crate) mod args;
pub(crate) mod check_config;
pub(crate) mod exit;
pub(crate) mod run;

mod client;
mod completions;
mod device;
mod difference;
mod directory;
mod discover;
mod dns;
mod exchange;
mod group;
mod groups;
mod interrupt;
mod list;
mod observe;
mod payload;
mod ping;
mod place;
mod printer;
mod progress;
mod register;
mod request;
mod request_options;
mod trace;
mod watch;

use std::process::ExitCode;

use args::{Cli, Verb};
use exit::{Exit, Fault};
use wayhouse_wire::coap::Code;

/// Does what was asked for and tells how it ended.
pub(crate) fn dispatch(cli: Cli) -> ExitCode {
    let outcome = match cli.verb {
        Verb::Run(args) => return run::execute(args),
        Verb::CheckConfig(args) => return check_config::execute(args),
        Verb::Completions(args) => completions::write_completions(&args),
        Verb::Man => completions::write_manual(),
        Verb::Get(args) => converse(request::without_payload(Code::GET, args)),
        Verb::Delete(args) => converse(request::without_payload(Code::DELETE, args)),
        Verb::Put(args) => converse(request::with_payload(Code::PUT, args)),
        Verb::Post(args) => converse(request::with_payload(Code::POST, args)),
        Verb::Fetch(args) => converse(request::with_payload(Code::FETCH, args)),
        Verb::Patch(args) => converse(request::with_payload(Code::PATCH, args)),
        Verb::Ipatch(args) => converse(request::with_payload(Code::IPATCH, args)),
        Verb::Observe(args) => converse(observe::execute(args)),
        Verb::Ping(args) => converse(ping::execute(args)),
        Verb::Discover(args) => converse(discover::execute(args)),
        Verb::Register(args) => converse(register::execute(args)),
        Verb::List(args) => converse(list::execute(args)),
        Verb::Watch(args) => converse(watch::execute(args)),
        Verb::Device(args) => converse(device::execute(args)),
        Verb::Query(args) => converse(dns::query::execute(args)),
        Verb::Browse(args) => converse(dns::browse::execute(args)),
        Verb::Resolve(args) => converse(dns::resolve::execute(args)),
        Verb::Publish(args) => converse(dns::publish::execute(args)),
        Verb::Subscribe(args) => converse(dns::subscribe::execute(args)),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if !fault.what.is_empty() {
                eprintln!("{fault}");
            }
            fault.exit.into()
        }
    }
}

/// Runs a verb that talks to somebody.
fn converse(verb: impl Future<Output = Result<Exit, Fault>>) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::unreachable(format!("the system gives no event queue: {error}")))?;
    let outcome = runtime.block_on(verb);
    // A name look-up or a read of a terminal that is still blocked must not hold up the end.
    runtime.shutdown_background();
    outcome
}
