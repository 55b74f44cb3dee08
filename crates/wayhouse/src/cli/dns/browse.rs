//! `browse`: which services there are, at one moment or as they come and go (DNS-SD, RFC 6763).

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime};

use clap::Args as Arguments;
use serde_json::{Value, json};
use tokio::time::Instant;
use wayhouse_proto::dns::client::follower::Event;
use wayhouse_proto::dns::client::service_view::{ServiceInstance, ServiceView, pointers, types_name};
use wayhouse_proto::dns::client::{Asked, RecordSet};
use wayhouse_proto::dns::limits::ClientLimits;
use wayhouse_wire::dns::{Name, Rtype};

use super::asking::Asker;
use super::following::{FollowOptions, Following, tell};
use super::server::ServerOptions;
use super::{services, shown};
use crate::cli::exit::{Exit, Fault};
use crate::cli::interrupt::Interrupt;
use crate::cli::printer::{Printer, printable, table, timestamp};

pub(crate) const EXAMPLES: &str = "Without TYPE, lists the types of service. On a terminal, goes on until Ctrl-C: what there is with +, then what \
    comes (+), changes (~) and goes (-), as the server pushes it over TLS (--tcp: without TLS), or by asking again and again.\n\n\
    With --json: instance, name, host, port, addresses, txt (an object), uri where the type has one; when it goes on, one object in \
    each line with at and event (added, changed, removed), else a list. Types have name and type.\n\n\
    Examples:\n  \
    wayhouse browse\n  \
    wayhouse browse _coap._udp --once\n  \
    wayhouse browse _light._sub._coap._udp --follow --json --tcp\n  \
    wayhouse browse _ipp._tcp --domain example.com --server ns.example.com";

/// How long the answers about a new instance may take before it is shown without them.
const SETTLING: Duration = Duration::from_millis(200);

/// `browse`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// Type of service, such as _coap._udp or _light._sub._coap._udp; a final dot means the whole name
    #[arg(value_name = "TYPE")]
    pub service: Option<String>,
    /// Domain to look in [default: what the server recommends, or services.home.arpa]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// List what there is, and end
    #[arg(long, conflicts_with = "follow")]
    pub once: bool,
    /// Go on, also where the output is no terminal
    #[arg(short, long)]
    pub follow: bool,
    /// Stop after this many changes
    #[arg(long, value_name = "NUMBER", conflicts_with = "once", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(super) following: FollowOptions,
    #[command(flatten)]
    pub(super) server: ServerOptions,
}

/// Runs `browse`.
pub(in crate::cli) async fn execute(args: Args) -> Result<Exit, Fault> {
    let mut interrupt = Interrupt::new()?;
    let mut asker = Asker::new(&args.server, true).await?;
    let outcome = tokio::select! {
        wanted = Wanted::find(&args, &mut asker) => wanted,
        () = interrupt.wait() => return Ok(Exit::Done),
    };
    let wanted = outcome?;
    let goes_on = args.follow || args.count.is_some() || (!args.once && std::io::stdout().is_terminal());
    if !goes_on {
        let outcome = tokio::select! {
            outcome = once(&args, &mut asker, &wanted) => outcome,
            () = interrupt.wait() => Ok(Exit::Done),
        };
        asker.close().await;
        return outcome;
    }
    asker.close().await;
    let mut following = Following::new(&args.server, &args.following, wanted.name()).await?;
    let outcome = follow(&args, &wanted, &mut following, &mut interrupt).await;
    following.close().await;
    outcome
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// The service types that a name lists.
    Types(Name),
    /// The instances of a type.
    Instances(Name),
}

/// What is shown: instances, or types as instances that are nowhere.
fn view_of(wanted: &Wanted, records: &RecordSet) -> ServiceView {
    match wanted {
        Wanted::Instances(service) => ServiceView::of_type(records, service),
        Wanted::Types(name) => {
            let of_type = |name| ServiceInstance { name, target: None, addresses: Vec::new(), attributes: Vec::new() };
            let instances = pointers(records, name).into_iter().map(of_type).collect();
            ServiceView { instances, wanted: BTreeSet::from([Asked::internet(name.clone(), Rtype::PTR)]) }
        }
    }
}

impl Wanted {
    async fn find(args: &Args, asker: &mut Asker) -> Result<Wanted, Fault> {
        if let Some(whole) = args.service.as_deref().filter(|service| service.ends_with('.')) {
            return Ok(Wanted::Instances(shown::parse_name(whole)?));
        }
        if let Some(service) = args.service.as_deref().filter(|service| !service.starts_with('_')) {
            return Err(Fault::misuse(format!("`{service}` is no type of service"))
                .hint(format!("types start with underscores, such as _{service}._tcp or _coap._udp")));
        }
        let domain = services::domain(asker, args.domain.as_deref(), &["b", "lb"]).await?;
        let too_long = |_| Fault::misuse("the name is too long").hint("use a shorter domain");
        Ok(match &args.service {
            Some(service) => {
                Wanted::Instances(domain.prefixed(shown::parse_name(service)?.as_ref()).map_err(too_long)?)
            }
            None => Wanted::Types(types_name(domain.as_ref()).map_err(too_long)?),
        })
    }
    fn name(&self) -> &Name {
        match self {
            Wanted::Types(name) | Wanted::Instances(name) => name,
        }
    }
    fn line(&self, instance: &ServiceInstance) -> String {
        match self {
            Wanted::Types(_) => type_text(instance),
            Wanted::Instances(_) => services::line(instance),
        }
    }
    fn json(&self, instance: &ServiceInstance) -> Value {
        match self {
            Wanted::Types(_) => json!({ "name": instance.name.to_string(), "type": type_text(instance) }),
            Wanted::Instances(_) => services::instance_json(instance),
        }
    }
}

/// The first two labels: the type without its domain.
fn type_text(instance: &ServiceInstance) -> String {
    let labels = instance.name.labels().take(2).map(shown::label_text);
    labels.collect::<Vec<_>>().join(".")
}

async fn once(args: &Args, asker: &mut Asker, wanted: &Wanted) -> Result<Exit, Fault> {
    let mut records = RecordSet::new(ClientLimits::default());
    let view = services::learn(asker, &mut records, |records| view_of(wanted, records)).await?;
    let mut printer = Printer::stdout();
    if args.json {
        printer.json(&view.instances.iter().map(|instance| wanted.json(instance)).collect::<Value>())?;
    }
    if view.instances.is_empty() {
        if !args.json {
            eprintln!("nothing found under {}", printable(&wanted.name().to_string()));
        }
        return Ok(Exit::Negative);
    }
    if !args.json {
        printer.line(&match wanted {
            Wanted::Instances(_) => services::instances_table(&view.instances, printer.surroundings()),
            Wanted::Types(_) => {
                let rows: Vec<_> = view.instances.iter().map(|instance| vec![type_text(instance)]).collect();
                table(&["TYPE"], &rows, printer.surroundings())
            }
        })?;
    }
    Ok(Exit::Done)
}

async fn follow(
    args: &Args,
    wanted: &Wanted,
    following: &mut Following,
    interrupt: &mut Interrupt,
) -> Result<Exit, Fault> {
    let mut printer = Printer::stdout();
    let mut shown: BTreeMap<Name, ServiceInstance> = BTreeMap::new();
    let mut settled_at: Option<Instant> = None;
    let mut printed = 0;
    following.set_wanted(&view_of(wanted, following.records()).wanted);
    loop {
        let far = || Instant::now() + Duration::from_secs(3_600);
        let due = settled_at.unwrap_or_else(far);
        let event = tokio::select! {
            biased;
            () = interrupt.wait() => return Ok(Exit::Done),
            () = tokio::time::sleep_until(due), if settled_at.is_some() => None,
            event = following.next() => Some(event),
        };
        let view = view_of(wanted, following.records());
        match event {
            Some(Event::Changed(_)) => {
                following.set_wanted(&view.wanted);
                settled_at.get_or_insert_with(|| Instant::now() + SETTLING);
            }
            Some(event) => drop(tell(&event, following.take_why_not())),
            None => {
                settled_at = None;
                for (sign, instance) in differences(&mut shown, view.instances) {
                    show(&mut printer, args, wanted, sign, &instance)?;
                    printed += 1;
                    if args.count.is_some_and(|count| printed >= count) {
                        return Ok(Exit::Done);
                    }
                }
            }
        }
    }
}

/// Brings what is shown up to date; tells what came (`+`), changed (`~`) and went (`-`).
fn differences(
    shown: &mut BTreeMap<Name, ServiceInstance>,
    instances: Vec<ServiceInstance>,
) -> Vec<(char, ServiceInstance)> {
    let mut differences = Vec::new();
    let there: BTreeSet<&Name> = instances.iter().map(|instance| &instance.name).collect();
    let gone: Vec<Name> = shown.keys().filter(|name| !there.contains(name)).cloned().collect();
    differences.extend(gone.iter().filter_map(|name| shown.remove(name)).map(|instance| ('-', instance)));
    for instance in instances {
        match shown.insert(instance.name.clone(), instance.clone()) {
            None => differences.push(('+', instance)),
            Some(before) if before != instance => differences.push(('~', instance)),
            Some(_) => {}
        }
    }
    differences
}

fn show(
    printer: &mut Printer,
    args: &Args,
    wanted: &Wanted,
    sign: char,
    instance: &ServiceInstance,
) -> Result<(), Fault> {
    let at = timestamp(SystemTime::now());
    if !args.json {
        printer.line(&format!("{at} {sign} {}", wanted.line(instance)))?;
        return Ok(());
    }
    let mut value = wanted.json(instance);
    value["at"] = Value::from(at);
    value["event"] = Value::from(match sign {
        '+' => "added",
        '-' => "removed",
        _ => "changed",
    });
    printer.json_line(&value)?;
    Ok(())
}

#[cfg(test)]
mod tests;
