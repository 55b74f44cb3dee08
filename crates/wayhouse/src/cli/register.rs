//! `register`: plays an endpoint towards a resource directory (RFC 9176 §5); [`wayhouse_node::registrant`] decides each step.

use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args as Arguments;
use tokio::sync::Notify;
use wayhouse_node::registrant::{DEFAULT_LIFETIME, Outcome, Registrant, Settings, Step};
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, content_format, uri};

use super::args::{KeyValue, Seconds};
use super::client::Client;
use super::directory::{self, DirectoryOptions};
use super::exchange::{Question, exchange, location_of};
use super::exit::{Exit, Fault};
use super::interrupt::Interrupt;
use super::payload::read_file;
use super::place::Place;
use super::printer::{Printer, printable, problem};

pub(super) const EXAMPLES: &str = "Prints the location of the registration. With --keep, the registration is refreshed before its \
    lifetime ends, made anew when the directory lost it, and removed on Ctrl-C; without, it stays until its lifetime ends or \
    `wayhouse delete LOCATION`.\n\
    Without --base, the directory takes the address and port this program sends from, at which nobody answers afterwards.\n\n\
    Examples:\n  \
    wayhouse register --name lamp --link '</light>;rt=light' --keep\n  \
    wayhouse register --name lamp --base coap://lamp.example --links-file links.txt\n  \
    wayhouse register --name lights --attribute et=core.rd-group --base 'coap://[ff05::17]'";

/// Octets of an endpoint name or sector (RFC 9176 §5).
const NAME_OCTETS_MAX: usize = 63;
/// Octets of one Uri-Query.
const QUERY_OCTETS_MAX: usize = 255;
/// How long Ctrl-C waits for the directory to confirm the removal.
const FAREWELL: Duration = Duration::from_secs(3);
/// Max-Age when an answer has none (RFC 7252 §5.10.5).
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);
/// Parameters that have options of their own here, or no meaning in a registration (RFC 9176 §9.3).
const RESERVED_ATTRIBUTES: [(&str, &str); 6] = [
    ("ep", "--name"),
    ("d", "--sector"),
    ("lt", "--lifetime"),
    ("base", "--base"),
    ("page", "`wayhouse list --page`"),
    ("count", "`wayhouse list --count`"),
];

/// `register`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// Name of the endpoint, unique in its sector
    #[arg(long, value_name = "EP")]
    pub name: String,
    /// Sector of the endpoint
    #[arg(long, value_name = "D")]
    pub sector: Option<String>,
    /// Lifetime of the registration in seconds [default: the directory's, 90000]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime: Option<u32>,
    /// URI at which the endpoint is reached, such as coap://lamp.example
    #[arg(long, value_name = "URI")]
    pub base: Option<String>,
    /// A link of the endpoint; may be repeated.
    #[arg(long, value_name = "LINK", help = "A link, such as '</light>;rt=light'; may be repeated")]
    pub link: Vec<String>,
    /// Links in link-format from this file; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "link")]
    pub links_file: Option<PathBuf>,
    /// An attribute of the endpoint; may be repeated
    #[arg(long, value_name = "K=V")]
    pub attribute: Vec<KeyValue>,
    /// Stay, refresh the registration before it ends, and remove it on Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// How long to wait in all for a directory that says it is too busy
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub wait: Seconds,
    /// Directories to turn to, in this order, when the first takes no registration
    #[arg(long, value_name = "URI")]
    pub fallback: Vec<String>,
    #[command(flatten)]
    pub(super) directory: DirectoryOptions,
}

/// How long an end waits for the answer to what was asked last.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Runs `register`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let registration = Registration::from_args(&args)?;
    let directory = args.directory.uri().to_owned();
    let directories: Vec<String> = std::iter::once(directory).chain(args.fallback.iter().cloned()).collect();
    for directory in &directories {
        Place::parse(directory)?;
    }
    let mut interrupt = Interrupt::new()?;
    let mut client = Client::new(args.directory.verbose)?;
    let settings = Settings {
        directories,
        lifetime: args.lifetime.map_or(DEFAULT_LIFETIME, |seconds| Duration::from_secs(u64::from(seconds))),
        is_kept: args.keep,
        wait_max: args.wait.0,
    };
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|error| Fault::unreachable(format!("the system gives no random numbers: {error}")))?;
    let mut registrant = Registrant::new(Instant::now(), settings, u64::from_ne_bytes(seed));
    let stop = Notify::new();
    let outcome = {
        let mut staying = pin!(stay_registered(&mut client, &args, &registration, &mut registrant, &stop));
        tokio::select! {
            outcome = &mut staying => outcome,
            () = interrupt.wait() => {
                // What was asked may have been done: its answer tells what must be removed.
                stop.notify_one();
                tokio::time::timeout(LAST_ANSWER, staying).await.unwrap_or(Ok(Exit::Done))
            }
        }
    };
    if args.keep
        && let Some(location) = registrant.location()
    {
        remove(&mut client, location, &args).await;
    }
    client.close().await;
    outcome
}

async fn stay_registered(
    client: &mut Client,
    args: &Args,
    registration: &Registration,
    registrant: &mut Registrant,
    stop: &Notify,
) -> Result<Exit, Fault> {
    let mut last_fault = Fault::unreachable("no directory took the registration");
    loop {
        let step = registrant.step(Instant::now());
        if args.directory.verbose {
            eprintln!("note: {}", describe(&step));
        }
        let before = registrant.location().map(str::to_owned);
        let outcome = match step {
            Step::Discover { directory } => discover(client, &directory, &args.directory).await,
            Step::Register { uri } => register(client, &uri, registration, &args.directory).await,
            Step::Refresh { location } => refresh(client, &location, &args.directory).await,
            Step::Wait { until } => {
                tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => continue,
                    () = stop.notified() => return Ok(Exit::Done),
                }
            }
            Step::GiveUp => return Err(last_fault),
        };
        let outcome = outcome.unwrap_or_else(|failed| {
            let Failed { fault, outcome } = *failed;
            if args.keep {
                eprintln!("note: {}", fault.what);
            }
            last_fault = fault;
            outcome
        });
        registrant.handle(Instant::now(), outcome);
        let location = registrant.location();
        if let Some(location) = location
            && location != before.as_deref().unwrap_or_default()
        {
            let lifetime = args.lifetime.map_or(DEFAULT_LIFETIME.as_secs(), u64::from);
            eprintln!("registered {} for {lifetime} s", printable(&args.name));
            if args.base.is_none() && before.is_none() {
                eprintln!(
                    "note: without --base, lookups show the address this program sends from; nobody answers there"
                );
            }
            Printer::stdout().line(location)?;
        }
        if location.is_some() && !args.keep {
            return Ok(Exit::Done);
        }
    }
}

/// A step in words, for `-v`.
fn describe(step: &Step) -> String {
    match step {
        Step::Discover { directory } => format!("asking {directory} where to register"),
        Step::Register { uri } => format!("registering at {uri}"),
        Step::Refresh { location } => format!("refreshing {location}"),
        Step::Wait { until } => {
            format!("waiting {:.1} s", until.saturating_duration_since(Instant::now()).as_secs_f64())
        }
        Step::GiveUp => "no directory is left to ask".to_owned(),
    }
}

/// What a step came to when it was no success: for the person, and for the registrant.
struct Failed {
    fault: Fault,
    outcome: Outcome,
}

impl From<Fault> for Box<Failed> {
    fn from(fault: Fault) -> Box<Failed> {
        Box::new(Failed { fault, outcome: Outcome::NoAnswer })
    }
}

fn refused(reply: &Reply) -> Box<Failed> {
    let code = reply.code.unwrap_or(Code::EMPTY);
    let max_age = reply.options.first(number::MAX_AGE).and_then(|option| option.uint()).map(Duration::from_secs);
    Box::new(Failed { fault: problem::refusal(reply), outcome: Outcome::Refused { code, max_age } })
}

async fn discover(client: &mut Client, directory: &str, options: &DirectoryOptions) -> Result<Outcome, Box<Failed>> {
    let directory = Place::parse(directory)?;
    if directory.has_path() {
        return Ok(Outcome::Discovered { uris: vec![directory.text], fresh_for: Duration::MAX / 4 });
    }
    let core = directory.join(directory::WELL_KNOWN_CORE)?;
    let question = directory::lookup_question(options, std::iter::once(format!("rt={}", directory::REGISTRATION)));
    let answered = exchange(client, &core, &question).await?;
    let reply = answered.reply;
    if !reply.code.is_some_and(Code::is_success) {
        return Err(refused(&reply));
    }
    let mut uris = directory::uris_of_type(&core, &directory::links_of(&reply)?, directory::REGISTRATION);
    uris.retain(|uri| Place::parse(uri).is_ok());
    let max_age = reply.options.first(number::MAX_AGE).and_then(|option| option.uint());
    let fresh_for = max_age.map_or(DEFAULT_MAX_AGE, Duration::from_secs);
    if uris.is_empty() {
        let fault = directory::no_directory(&directory, directory::REGISTRATION);
        return Err(Box::new(Failed { fault, outcome: Outcome::Discovered { uris, fresh_for } }));
    }
    Ok(Outcome::Discovered { uris, fresh_for })
}

async fn register(
    client: &mut Client,
    uri: &str,
    registration: &Registration,
    options: &DirectoryOptions,
) -> Result<Outcome, Box<Failed>> {
    let place = Place::parse(uri)?;
    let mut question = Question { patience: options.timeout.map(|seconds| seconds.0), ..Question::new(Code::POST) };
    for argument in &registration.query {
        question.options.push(number::URI_QUERY, argument.as_bytes());
    }
    question.options.push_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
    question.payload.clone_from(&registration.links);
    let reply = exchange(client, &place, &question).await?.reply;
    if !reply.code.is_some_and(Code::is_success) {
        return Err(refused(&reply));
    }
    let Some(location) = location_of(&reply) else {
        return Err(Fault::negative("the directory does not tell where it keeps the registration")
            .hint("is this a registration resource? `wayhouse discover URI` shows those with rt=core.rd")
            .into());
    };
    Ok(Outcome::Registered { location: place.resolve(&location) })
}

async fn refresh(client: &mut Client, location: &str, options: &DirectoryOptions) -> Result<Outcome, Box<Failed>> {
    // RD13, RD21: an update without parameters lets the lifetime begin again.
    let question = Question { patience: options.timeout.map(|seconds| seconds.0), ..Question::new(Code::POST) };
    let reply = exchange(client, &Place::parse(location)?, &question).await?.reply;
    match reply.code.is_some_and(Code::is_success) {
        true => Ok(Outcome::Refreshed),
        false => Err(refused(&reply)),
    }
}

async fn remove(client: &mut Client, location: &str, args: &Args) {
    let removal = async {
        let question = Question { patience: Some(FAREWELL), ..Question::new(Code::DELETE) };
        exchange(client, &Place::parse(location)?, &question).await?.success()
    };
    match removal.await {
        Ok(_) => eprintln!("removed {}", printable(&args.name)),
        Err(fault) => {
            eprintln!("note: the registration could not be removed and ends with its lifetime: {}", fault.what)
        }
    }
}

/// What is registered, checked and written as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    /// Query arguments.
    pub query: Vec<String>,
    /// The links, in link-format.
    pub links: Vec<u8>,
}

impl Registration {
    /// Checks what was typed against what a directory accepts.
    ///
    /// # Errors
    /// Misuse, with what to do about it.
    pub(super) fn from_args(args: &Args) -> Result<Registration, Fault> {
        let mut query = vec![format!("ep={}", checked_name(&args.name, "--name")?)];
        if let Some(sector) = &args.sector {
            query.push(format!("d={}", checked_name(sector, "--sector")?));
        }
        query.extend(args.lifetime.map(|lifetime| format!("lt={lifetime}")));
        if let Some(base) = &args.base {
            query.push(format!("base={}", checked_base(base)?));
        }
        for attribute in &args.attribute {
            if let Some((_, instead)) = RESERVED_ATTRIBUTES.iter().find(|(key, _)| *key == attribute.key) {
                return Err(
                    Fault::misuse(format!("`{}` cannot be an attribute", attribute.key)).hint(format!("see {instead}"))
                );
            }
            query.push(attribute.to_string());
        }
        if let Some(long) = query.iter().find(|argument| argument.len() > QUERY_OCTETS_MAX) {
            return Err(
                Fault::misuse(format!("`{long}` is longer than {QUERY_OCTETS_MAX} octets")).hint("make it shorter")
            );
        }
        let links = match &args.links_file {
            Some(file) => {
                let mut links = read_file(file)?;
                // Editors end files with a line end, which link-format does not know.
                while links.last().is_some_and(u8::is_ascii_whitespace) {
                    links.pop();
                }
                links
            }
            None => args.link.join(",").into_bytes(),
        };
        LinkFormat::parse_limited(&links).map_err(|error| {
            Fault::misuse(format!("the links cannot be registered: {error}")).hint(
                "the form is </path>;rt=type;if=\"interface\", targets and anchors being full URIs or paths that start with one slash",
            )
        })?;
        Ok(Registration { query, links })
    }
}

pub(super) fn checked_name<'a>(name: &'a str, option: &str) -> Result<&'a str, Fault> {
    if name.len() > NAME_OCTETS_MAX {
        return Err(
            Fault::misuse(format!("{option} has {} octets", name.len())).hint(format!("{NAME_OCTETS_MAX} are allowed"))
        );
    }
    if name.is_empty() && option == "--name" {
        return Err(Fault::misuse("an endpoint needs a name").hint("--name lamp"));
    }
    if name.chars().any(char::is_control) {
        return Err(Fault::misuse(format!("{option} contains a control character")).hint("choose another name"));
    }
    Ok(name)
}

fn checked_base(base: &str) -> Result<&str, Fault> {
    if !uri::has_scheme(base) {
        return Err(
            Fault::misuse(format!("`{base}` is not a full URI")).hint(format!("write the scheme too: coap://{base}"))
        );
    }
    // RD5: zones mean nothing to anybody else.
    if base.contains("%25") || base.split(']').next().is_some_and(|host| host.contains('[') && host.contains('%')) {
        return Err(
            Fault::misuse("a base must not name a zone").hint("leave out `%` and what follows up to the bracket")
        );
    }
    if base.contains(['?', '#']) {
        return Err(
            Fault::misuse("a base has neither query nor fragment").hint("scheme and host are enough: coap://host")
        );
    }
    Ok(base)
}

#[cfg(test)]
mod tests;
