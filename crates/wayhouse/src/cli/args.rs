//! What can be typed: the verbs, and the values that their options take.

use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::{check_config, completions, device, discover, dns, list, observe, ping, register, request, run, watch};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "wayhouse",
    version,
    about = "One registry of who is there: a CoRE Resource Directory, and tools for people who debug CoAP",
    long_about = None,
    propagate_version = true,
    infer_subcommands = false,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 negative answer (4.xx, 5.xx, nothing found), 2 misuse, 3 nobody answers.\n\
        First steps: `wayhouse run` in one shell; `wayhouse list` and `wayhouse watch` in another."
)]
pub(crate) struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the daemon
    Run(run::Args),
    /// Tell every setting in force and where it came from
    CheckConfig(check_config::Args),
    /// Read a resource
    #[command(after_help = GET_EXAMPLES)]
    Get(request::WithoutPayload),
    /// Create or replace a resource
    #[command(after_help = PUT_EXAMPLES)]
    Put(request::WithPayload),
    /// Hand something to a resource
    #[command(after_help = POST_EXAMPLES)]
    Post(request::WithPayload),
    /// Remove a resource
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(request::WithoutPayload),
    /// Read a resource with a query in the payload
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(request::WithPayload),
    /// Change a part of a resource
    #[command(after_help = PATCH_EXAMPLES)]
    Patch(request::WithPayload),
    /// Change a part of a resource; may be repeated without harm
    #[command(name = "ipatch", after_help = IPATCH_EXAMPLES)]
    Ipatch(request::WithPayload),
    /// Be told whenever a resource changes
    #[command(after_help = observe::EXAMPLES)]
    Observe(observe::Args),
    /// Tell whether a CoAP endpoint is there, and how far away
    #[command(after_help = ping::EXAMPLES)]
    Ping(ping::Args),
    /// List what a server offers
    #[command(after_help = discover::EXAMPLES)]
    Discover(discover::Args),
    /// Register an endpoint and its links at a resource directory
    #[command(after_help = register::EXAMPLES)]
    Register(register::Args),
    /// List who, or what, is registered at a resource directory
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Be told who comes and goes at a resource directory
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Args),
    /// Play a small CoAP device, or many: a lamp, a sensor, a switch, a meter
    #[command(after_help = device::EXAMPLES)]
    Device(device::Args),
    /// Ask a name server
    #[command(after_help = dns::query::EXAMPLES)]
    Query(dns::query::Args),
    /// List services, or be told as they come and go
    #[command(after_help = dns::browse::EXAMPLES)]
    Browse(dns::browse::Args),
    /// Tell where a service is
    #[command(after_help = dns::resolve::EXAMPLES)]
    Resolve(dns::resolve::Args),
    /// Be told of changes to names, as a name server pushes them
    #[command(after_help = dns::subscribe::EXAMPLES)]
    Subscribe(dns::subscribe::Args),
    /// Register a service of this host, and keep it registered
    #[command(after_help = dns::publish::EXAMPLES)]
    Publish(dns::publish::Args),
    /// Write completions for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Args),
    /// Write the manual page
    #[command(hide = true)]
    Man,
}

const GET_EXAMPLES: &str = "Examples:\n  \
    wayhouse get coap://[::1]/.well-known/core\n  \
    wayhouse get --accept json coap+tcp://sensor.example/status\n  \
    wayhouse get -v --etag 0x4711 coap://sensor.example/status\n  \
    wayhouse get --raw --output firmware.bin coap://store.example/firmware";
const PUT_EXAMPLES: &str = "Examples:\n  \
    wayhouse put coap://lamp.example/on --payload true --content-format json\n  \
    wayhouse put coap://store.example/firmware --payload-file firmware.bin --content-format 42\n  \
    echo hello | wayhouse put coap://host.example/note -\n  \
    wayhouse put --if-none-match coap://host.example/note 'only if there is none'";
const POST_EXAMPLES: &str = "Examples:\n  \
    wayhouse post coap://host.example/log --payload 'it rains'\n  \
    wayhouse post --content-format link-format 'coap://localhost/rd?ep=lamp' '</light>;rt=light'";
const DELETE_EXAMPLES: &str = "Examples:\n  \
    wayhouse delete coap://host.example/note\n  \
    wayhouse delete --if-match 0x4711 coap://host.example/note";
const FETCH_EXAMPLES: &str = "Example:\n  \
    wayhouse fetch --content-format 320 coap://host.example/pack --payload '[{\"n\":\"temperature\"}]'";
const PATCH_EXAMPLES: &str = "Example:\n  \
    wayhouse patch --content-format 51 coap://host.example/status --payload '[{\"op\":\"remove\",\"path\":\"/x\"}]'";
const IPATCH_EXAMPLES: &str = "Example:\n  \
    wayhouse ipatch --content-format 52 coap://host.example/status --payload '{\"on\":true}'";

/// A duration written as seconds, with or without a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub Duration);

impl FromStr for Seconds {
    type Err = String;
    fn from_str(text: &str) -> Result<Seconds, String> {
        let number = text.strip_suffix('s').unwrap_or(text);
        let seconds: f64 = number.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() && duration <= Seconds::MAX => Ok(Seconds(duration)),
            _ => Err("the number of seconds must be positive, and at most a year".to_owned()),
        }
    }
}

impl Seconds {
    const MAX: Duration = Duration::from_secs(366 * 86_400);
}

/// Octets written as `0x` and hexadecimal digits, or else as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Octets(pub Vec<u8>);

impl FromStr for Octets {
    type Err = String;
    fn from_str(text: &str) -> Result<Octets, String> {
        let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
            return Ok(Octets(text.as_bytes().to_vec()));
        };
        let pairs = digits.as_bytes().chunks(2).map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .filter(|_| pair.len() == 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        pairs
            .collect::<Option<_>>()
            .map(Octets)
            .ok_or_else(|| format!("`{text}` is not an even number of hexadecimal digits"))
    }
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyValue {
    /// Left of the first `=`.
    pub key: String,
    /// Right of it; `None` without `=`.
    pub value: Option<String>,
}

impl FromStr for KeyValue {
    type Err = String;
    fn from_str(text: &str) -> Result<KeyValue, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        match key {
            "" => Err(format!("`{text}` has no name before `=`")),
            _ => Ok(KeyValue { key: key.to_owned(), value }),
        }
    }
}

impl std::fmt::Display for KeyValue {
    /// As a query argument.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

#[cfg(test)]
mod tests;
