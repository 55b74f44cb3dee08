//! `run`: the daemon.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::args::KeyValue;
use super::exit::{Exit, Fault};
use crate::config::{self, Layers, LogFormat, Resolved, Source};
use crate::shell::daemon::{Daemon, MaySkip, Whereabouts, uri};
use crate::shell::privileges;

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingArgs,
    /// Write one line of JSON to standard output when everything is served: where, and what was restored
    #[arg(long)]
    announce_json: bool,
}

/// Flags that set options; `check-config` takes the same.
#[derive(Debug, clap::Args)]
pub struct SettingArgs {
    /// Configuration file; without one the defaults hold
    #[arg(long, value_name = "FILE", env = "WAYHOUSE_CONFIG")]
    config: Option<PathBuf>,
    /// Keep everything that must survive a restart in this directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Serve CoAP over UDP and TCP on this address and port; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Serve DNS over UDP and TCP on this address and port, or `off`; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// Serve DNS over TLS on this address and port, or `off`; may be repeated. Without it: those of --dns, with the port
    /// 800 above
    #[arg(long, value_name = "ADDRESS")]
    dns_tls: Vec<String>,
    /// Serve the page and REST on this address and port, or `off`
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Log from this level on: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Set any option of the configuration file, such as directory.anonymous=address; may be repeated
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<KeyValue>,
}

impl SettingArgs {
    /// Reads all layers and puts them together; problems are told on standard error.
    ///
    /// # Errors
    /// The exit code, when there are problems.
    pub fn resolve(self) -> Result<Resolved, Exit> {
        config::resolve(&self.layers()).map_err(|problems| {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            Exit::Misuse
        })
    }

    fn layers(self) -> Layers {
        let mut flags: Vec<(String, String, Vec<String>)> = Vec::new();
        for KeyValue { key, value } in self.set {
            flags.push(("--set".to_owned(), key, value.into_iter().collect()));
        }
        let mut flag = |name: &str, key: &str, values: Vec<String>| {
            if !values.is_empty() {
                flags.push((name.to_owned(), key.to_owned(), values));
            }
        };
        flag("--data-dir", "store.data_dir", self.data_dir.into_iter().collect());
        flag("--listen", "coap.listen", self.listen);
        flag("--dns", "dns.listen", self.dns);
        flag("--dns-tls", "dns.tls_listen", self.dns_tls);
        flag("--http", "http.listen", self.http.into_iter().collect());
        flag("--log", "log.level", self.log.into_iter().collect());
        // Variables that are not Unicode are none of ours.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment: BTreeMap<_, _> = std::env::vars_os().filter_map(text).collect();
        Layers { file: self.config, environment, flags }
    }
}

/// Runs the daemon until a signal ends it.
pub fn execute(args: Args) -> ExitCode {
    let resolved = match args.settings.resolve() {
        Ok(resolved) => resolved,
        Err(exit) => return exit.into(),
    };
    match run(&resolved, args.announce_json) {
        Ok(()) => Exit::Done.into(),
        Err(fault) => {
            eprintln!("{fault}");
            fault.exit.into()
        }
    }
}

fn run(resolved: &Resolved, announces_json: bool) -> Result<(), Fault> {
    let settings = &resolved.settings;
    start_log(&settings.log);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    privileges::raise_open_files(settings.node.coap.limits.streams_max + settings.node.dns.streams_max);
    privileges::drop_unneeded();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::negative(format!("the system gives no event queue: {error}")))?;
    let outcome = runtime.block_on(async {
        let is_default = |key| *resolved.source(key) == Source::Default;
        let (coap, dns) = (is_default("coap.listen"), is_default("dns.listen"));
        let may_skip = MaySkip { coap, dns, dns_tls: dns && is_default("dns.tls_listen") };
        let (daemon, whereabouts) = Daemon::prepare(settings, may_skip).map_err(|error| {
            let fault = if error.is_misuse() { Fault::misuse } else { Fault::negative };
            fault(error.to_string()).hint(error.hint())
        })?;
        tell(&whereabouts);
        if announces_json {
            println!("{}", announcement(&whereabouts));
        }
        daemon.run().await.map_err(|error| Fault::negative(error.to_string()).hint(error.hint()))
    });
    runtime.shutdown_background();
    outcome
}

/// Logs to standard error. Libraries are heard from warnings on.
fn start_log(log: &config::Log) {
    let level = log.level.as_str().to_lowercase();
    let others = if log.level == tracing::Level::ERROR { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},wayhouse={level}"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match log.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}

/// Tells a person what is served and where.
fn tell(whereabouts: &Whereabouts) {
    let report = &whereabouts.report;
    let join = |uris: Vec<String>| uris.join("  ");
    eprintln!("wayhouse {} serves", env!("CARGO_PKG_VERSION"));
    if !whereabouts.udp.is_empty() {
        let uris = whereabouts.udp.iter().map(|&address| uri("coap", address)).collect();
        let groups = if whereabouts.is_multicast_on { "  and the CoAP multicast groups" } else { "" };
        eprintln!("  CoAP       {}{groups}", join(uris));
    }
    if !whereabouts.tcp.is_empty() {
        eprintln!("  over TCP   {}", join(whereabouts.tcp.iter().map(|&address| uri("coap+tcp", address)).collect()));
    }
    if let Some(first) = whereabouts.dns.first() {
        let zones = whereabouts.zones.join(" ");
        let addresses: Vec<_> = whereabouts.dns.iter().map(ToString::to_string).collect();
        eprintln!("  DNS        {zones} on {}", addresses.join("  "));
        let host = if first.ip().is_unspecified() { "localhost".to_owned() } else { first.ip().to_string() };
        let zone = whereabouts.zones.first().map_or("", String::as_str);
        eprintln!("             try  dig @{host} -p {} _coap._udp.{zone} PTR", first.port());
    }
    if let (false, Some(pin)) = (whereabouts.dns_tls.is_empty(), &whereabouts.dns_tls_pin) {
        let addresses: Vec<_> = whereabouts.dns_tls.iter().map(ToString::to_string).collect();
        eprintln!("  over TLS   {}  pin {pin}", addresses.join("  "));
    }
    if let Some(address) = whereabouts.http {
        eprintln!("  page       http://{address}/");
    }
    if let (Some(path), Some(_)) = (&whereabouts.token_file, whereabouts.http) {
        eprintln!("  token      {} (to change something on the page)", path.display());
    }
    eprintln!("  data       {} ({} registrations restored)", whereabouts.data_dir.display(), report.restored);
    if report.missing_changes > 0 {
        tracing::warn!(
            changes = report.missing_changes,
            "the store lacks changes that were written to it: is the disk failing?"
        );
    }
    if report.damaged > 0 {
        tracing::warn!(records = report.damaged, "records of the store cannot be read: is the disk failing?");
    }
    if report.refused > 0 {
        tracing::warn!(registrations = report.refused, "stored registrations do not fit the settings in force");
    }
    tracing::debug!(expired = report.expired, last_change = report.last_change, "store read back");
}

/// The same for scripts.
fn announcement(whereabouts: &Whereabouts) -> serde_json::Value {
    let texts = |addresses: &[std::net::SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let report = &whereabouts.report;
    json!({
        "coap": texts(&whereabouts.udp),
        "coap_tcp": texts(&whereabouts.tcp),
        "dns": texts(&whereabouts.dns),
        "dns_tls": texts(&whereabouts.dns_tls),
        "dns_tls_pin": whereabouts.dns_tls_pin,
        "http": whereabouts.http.map(|address| address.to_string()),
        "data_dir": whereabouts.data_dir,
        "admin_token_file": whereabouts.token_file,
        "restored": report.restored,
        "expired": report.expired,
        "damaged": report.damaged,
        "missing_changes": report.missing_changes,
    })
}
