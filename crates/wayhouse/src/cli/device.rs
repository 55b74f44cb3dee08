//! `device`: plays one small CoAP device, or many; what they do is decided in [`wayhouse_node::device`], [`crate::shell::fleet`]
//! drives them.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args as Arguments;
use serde_json::{Value, json};
use wayhouse_node::device::{ALL_COAP_NODES, Behaviour, Directory, Event, Group, Kind, Settings};
use wayhouse_proto::coap::endpoint::Leisure;
use wayhouse_proto::coap::group::COAPS_PORT;
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{Host, Scheme};

use super::args::Seconds;
use super::exit::{Exit, Fault};
use super::group::interface_index;
use super::interrupt::Interrupt;
use super::place::Place;
use super::printer::{Printer, printable};
use super::{directory, register};
use crate::shell::daemon::uri;
use crate::shell::fleet::Fleet;
use crate::shell::privileges;

pub(super) const EXAMPLES: &str = "Kinds: a lamp (/light, /light/level), a sensor (/temperature, drifts), a switch (/switch, tells its groups), a meter \
    (/meter, /meter/readings, large). PUT and POST take text (on, off, toggle), a number, or JSON ({\"on\":true,\"level\":40}). The \
    same stands under the path of each group. All can be observed.\n\n\
    Examples:\n  \
    wayhouse device --kind lamp --name lamp\n  \
    wayhouse device --kind lamp --name lamp --count 20 --addresses 127.77.0.0/16 --group coap://224.0.1.187/gp/floor1\n  \
    wayhouse device --kind switch --name wall --group 'coap://[ff05::db8:8000:1]/gp/floor1' --period 10\n  \
    wayhouse device --kind sensor --name cellar --directory coap://localhost --slow 3 --loss 20";

/// The default port of CoAP.
const COAP_PORT: u16 = 5683;
/// Ports that are tried for a device without an address of its own.
const PORTS_MAX: u16 = 4096;
/// Devices in one process: as many as its client sockets can be numbered.
const COUNT_MAX: i64 = 60_000;
/// Groups that a device may belong to.
const GROUPS_MAX: usize = 16;
/// From one registration to the next when many devices start.
const REGISTRATION_SPACING: Duration = Duration::from_millis(2);
/// How long Ctrl-C waits for the directory to confirm the removals.
const FAREWELL: Duration = Duration::from_secs(7);
/// Estimated size of an answer without protection, octets (groupcomm-bis §3.6.1).
const RESPONSE_OCTETS: u32 = 100;
/// The rate that all answers together stay below when only the size of the group is told, octets per second (as above).
const TARGET_RATE: u32 = 1_000;

/// `device`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// What it is: lamp, sensor, switch, meter
    #[arg(long, value_name = "KIND", default_value = "lamp")]
    pub kind: Kind,
    /// Its endpoint name; with --count, -1, -2 … are appended [default: the kind]
    #[arg(long, value_name = "EP")]
    pub name: Option<String>,
    /// Play this many devices
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX))]
    pub count: u32,
    /// Begin to listen here: address or address:port [default: all addresses, 5683 or the next free port]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "addresses")]
    pub listen: Option<String>,
    /// Give each device an address of its own, such as 127.77.0.0/16 (loopback needs no configuration)
    #[arg(long, value_name = "PREFIX")]
    pub addresses: Option<Prefix>,
    /// How often it changes by itself [default: 10 for a sensor and a meter, never for others]
    #[arg(long, value_name = "SECONDS")]
    pub period: Option<Seconds>,
    /// Stop changing by itself after this many times
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub changes: Option<u32>,
    /// Print what happens as JSON, one object in each line
    #[arg(long)]
    pub json: bool,
    /// Print nothing of what happens
    #[arg(short, long)]
    pub quiet: bool,

    /// An application group on a CoAP group, such as coap://224.0.1.187/gp/floor1; may be repeated
    #[arg(long, value_name = "URI", help_heading = "Groups")]
    pub group: Vec<String>,
    /// Join groups on this interface; may be repeated [default: all that are up]
    #[arg(long, value_name = "NAME", help_heading = "Groups")]
    pub interface: Vec<String>,
    /// Wait up to this many seconds before an answer to a group [default: 5]
    #[arg(long, value_name = "SECONDS", help_heading = "Groups", conflicts_with_all = ["group_size", "target_rate"])]
    pub leisure: Option<Seconds>,
    /// Reckon the leisure from this many members
    #[arg(long, value_name = "NUMBER", help_heading = "Groups", value_parser = clap::value_parser!(u32).range(1..))]
    pub group_size: Option<u32>,
    /// Reckon the leisure so that all answers together stay below so many octets per second
    #[arg(long, value_name = "OCTETS", help_heading = "Groups", value_parser = clap::value_parser!(u32).range(1..))]
    pub target_rate: Option<u32>,

    /// Register at this resource directory; without one, nowhere
    #[arg(long, value_name = "URI", help_heading = "Registration", env = directory::VARIABLE)]
    pub directory: Option<String>,
    /// Lifetime of the registration in seconds
    #[arg(long, value_name = "S", help_heading = "Registration", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime: u32,

    /// Answer this many seconds late
    #[arg(long, value_name = "SECONDS", help_heading = "Misbehaviour")]
    pub slow: Option<Seconds>,
    /// Lose this share of all datagrams, in percent, each way
    #[arg(long, value_name = "PERCENT", help_heading = "Misbehaviour", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub loss: u8,
    /// Hear and do, but never answer
    #[arg(long, help_heading = "Misbehaviour")]
    pub silent: bool,
    /// Answer with a wrong token, a wrong code, garbage, or twice
    #[arg(long, help_heading = "Misbehaviour")]
    pub wrong: bool,
    /// What all chance grows from, to repeat a run [default: another one each time]
    #[arg(long, value_name = "NUMBER", help_heading = "Misbehaviour")]
    pub seed: Option<u64>,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    first: IpAddr,
    /// Addresses in it, the first one included.
    size: u128,
}

impl std::str::FromStr for Prefix {
    type Err = String;
    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || format!("`{text}` is no prefix; write 127.77.0.0/16, 10.77.0.0/24 or fd77::/64");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let host = length.parse::<u32>().ok().and_then(|length| bits.checked_sub(length)).ok_or_else(wrong)?;
        let size = 1_u128.checked_shl(host).unwrap_or(u128::MAX);
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        let first = match address {
            IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & mask as u32).into(),
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & mask).into(),
        };
        Ok(Prefix { first, size })
    }
}

impl Prefix {
    /// The i-th address, from 1 on: the first address of a prefix stands for the prefix itself.
    fn address(self, index: u32) -> Option<IpAddr> {
        // The last address of an IPv4 prefix is for everybody on the link.
        let usable = if self.first.is_ipv4() { self.size - 1 } else { self.size };
        (u128::from(index) < usable).then(|| match self.first {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first) + index).into(),
            IpAddr::V6(first) => Ipv6Addr::from(u128::from(first) + u128::from(index)).into(),
        })
    }
}

/// Runs `device`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let mut interrupt = Interrupt::new()?;
    privileges::raise_open_files(args.count as usize);
    let groups = groups(&args).await?;
    let base = args.name.clone().unwrap_or_else(|| args.kind.to_string());
    let names: Vec<String> = match args.count {
        1 => vec![base],
        count => (1..=count).map(|number| format!("{base}-{number}")).collect(),
    };
    register::checked_name(names.last().expect("one at least"), "--name")?;
    let no_queue = |error| Fault::unreachable(format!("the system gives no timer: {error}"));
    let mut fleet = Fleet::new(args.interface.clone()).map_err(no_queue)?;

    let mut settings = Settings {
        groups,
        directory: None,
        lifetime_s: args.lifetime,
        period: args.period.map(|seconds| seconds.0),
        changes_max: args.changes,
        leisure: leisure(&args),
        behaviour: Behaviour {
            slow: args.slow.map_or(Duration::ZERO, |seconds| seconds.0),
            loss: f64::from(args.loss) / 100.0,
            is_silent: args.silent,
            is_wrong: args.wrong,
        },
        ..Settings::new(args.kind, "")
    };
    let seed = args.seed.map_or_else(getrandom::u64, Ok);
    let seed = seed.map_err(|error| Fault::unreachable(format!("the system gives no random numbers: {error}")))?;
    let mut port = COAP_PORT;
    let mut has_family = [false; 2];
    let mut bound = Vec::new();
    for number in 1..=args.count {
        let addresses = listen(&mut fleet, &args, number, &mut port)?;
        for address in &addresses {
            has_family[usize::from(address.is_ipv6())] = true;
        }
        bound.push(addresses);
    }
    settings.directory = match &args.directory {
        Some(uri) => Some(directory_at(uri, has_family).await?),
        None => None,
    };
    join(&mut fleet, &settings, has_family)?;
    for (number, (name, addresses)) in names.into_iter().zip(bound).enumerate() {
        let pause = REGISTRATION_SPACING * number as u32;
        // Any number but a small one: seeds of neighbours have nothing in common then.
        let seed = seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        fleet.add(Settings { name, pause, ..settings.clone() }, addresses, seed);
    }

    fleet.join_first().await;
    let mut printer = Printer::stdout();
    announce(&fleet, &settings, &mut printer, args.json)?;
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            () = fleet.turn() => {}
        }
        tell(&mut fleet, &mut printer, &args)?;
    }
    fleet.leave();
    let end = tokio::time::Instant::now() + FAREWELL;
    while !fleet.is_gone() {
        tokio::select! {
            () = interrupt.wait() => break,
            () = tokio::time::sleep_until(end) => break,
            () = fleet.turn() => {}
        }
        tell(&mut fleet, &mut printer, &args)?;
    }
    tell(&mut fleet, &mut printer, &args)?;
    match fleet.devices().filter(|(device, _)| !device.is_gone()).count() {
        0 if settings.directory.is_some() => eprintln!("removed {}", counted(args.count)),
        0 => {}
        left => eprintln!("note: {left} registrations could not be removed and end with their lifetime"),
    }
    Ok(Exit::Done)
}

/// Opens the listeners of a device.
fn listen(fleet: &mut Fleet, args: &Args, number: u32, port: &mut u16) -> Result<Vec<SocketAddr>, Fault> {
    if let Some(prefix) = args.addresses {
        let address = prefix.address(number).ok_or_else(|| {
            Fault::misuse(format!("--addresses has no place for {} devices", args.count))
                .hint("choose a shorter prefix")
        })?;
        let address = SocketAddr::new(address, COAP_PORT);
        return fleet.listen(&[address]).map_err(|error| cannot_listen(address, &error));
    }
    let (given, has_port) = match &args.listen {
        None => (None, false),
        Some(text) => match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
            (Ok(address), _) => (Some(address), true),
            (_, Ok(address)) => (Some(SocketAddr::new(address, COAP_PORT)), false),
            _ => {
                return Err(Fault::misuse(format!("`{text}` is no address"))
                    .hint("write 127.0.0.1, 127.0.0.1:5683, ::1 or [::1]:5683"));
            }
        },
    };
    if let Some(given) = given.filter(|_| number == 1) {
        *port = given.port();
    }
    let is_exact = has_port && number == 1;
    let last = port.saturating_add(PORTS_MAX);
    loop {
        let wanted: Vec<SocketAddr> = match given {
            Some(given) => vec![SocketAddr::new(given.ip(), *port)],
            None => [IpAddr::from(Ipv6Addr::UNSPECIFIED), Ipv4Addr::UNSPECIFIED.into()]
                .map(|address| SocketAddr::new(address, *port))
                .to_vec(),
        };
        let mut outcome = fleet.listen(&wanted);
        if outcome.as_ref().is_err_and(|error| !is_taken(error)) && wanted.len() > 1 {
            // A machine without IPv6.
            outcome = fleet.listen(&wanted[1..]);
        }
        match outcome {
            Ok(bound) => {
                *port = next_port(bound[0].port());
                return Ok(bound);
            }
            Err(error) if is_taken(&error) && !is_exact && *port < last => *port = next_port(*port),
            Err(error) => return Err(cannot_listen(wanted[0], &error)),
        }
    }
}

/// GC41: the port of `coaps` is left out.
fn next_port(port: u16) -> u16 {
    let next = port.saturating_add(1);
    if next == COAPS_PORT { next + 1 } else { next }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Fault {
    let ip = address.ip();
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "is another server running there? choose another address with --listen or --addresses".into()
        }
        io::ErrorKind::AddrNotAvailable if ip.is_ipv4() => {
            format!("`ip address add {ip} dev NAME`, or for a whole prefix `ip route add local PREFIX dev NAME`")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "`ip address add {ip} dev NAME`, or for a whole prefix `ip -6 route add local PREFIX dev NAME` with \
                 `sysctl net.ipv6.ip_nonlocal_bind=1`"
            )
        }
        _ if error.raw_os_error() == Some(libc::EMFILE) => "fewer devices, or `ulimit -n` for more open files".into(),
        _ => "choose another address with --listen or --addresses".into(),
    };
    Fault::negative(format!("cannot listen on {address}: {error}")).hint(hint)
}

/// GC1, GC3: reads the groups.
async fn groups(args: &Args) -> Result<Vec<Group>, Fault> {
    if args.group.len() > GROUPS_MAX {
        return Err(Fault::misuse(format!("{} groups", args.group.len())).hint(format!("{GROUPS_MAX} are possible")));
    }
    let interfaces: Vec<u32> = args.interface.iter().map(|name| interface_index(name)).collect::<Result<_, Fault>>()?;
    let mut groups: Vec<Group> = Vec::new();
    for text in &args.group {
        let group = group(text, &interfaces).await?;
        if let Some(other) = groups
            .iter()
            .find(|other| other.address.ip() == group.address.ip() && other.address.port() != group.address.port())
        {
            // GC42
            return Err(Fault::misuse(format!("{} and {} are one address with two ports", other.origin, group.origin))
                .hint("give each CoAP group an address of its own"));
        }
        groups.push(group);
    }
    Ok(groups)
}

async fn group(text: &str, interfaces: &[u32]) -> Result<Group, Fault> {
    let place = Place::parse(text)?;
    let no_group = |why: &str| {
        Fault::misuse(format!("`{text}` cannot be a group: {why}"))
            .hint("the form is coap://224.0.1.187/gp/NAME or coap://[ff05::db8:8000:1]/gp/NAME")
    };
    // GC1
    if place.uri.scheme != Scheme::Coap {
        return Err(no_group("its scheme is not coap"));
    }
    if place.uri.port == COAPS_PORT {
        return Err(no_group("port 5684 is not for groups")); // GC41
    }
    let addresses = place.addresses().await?;
    let address = addresses.into_iter().find(|address| address.ip().is_multicast());
    let address = address.ok_or_else(|| no_group("its host is no multicast address"))?;
    if place.uri.options.first(number::URI_QUERY).is_some() {
        return Err(no_group("the name of an application group stands in the path here"));
    }
    let path = place.uri.options.iter().filter(|option| option.number == number::URI_PATH);
    let path: Option<Vec<String>> = path.map(|option| option.text().map(str::to_owned)).collect();
    let path = path.filter(|path| path.len() <= 3).ok_or_else(|| no_group("its path has more than three segments"))?;
    let mut interfaces = interfaces.to_vec();
    if let SocketAddr::V6(address) = address
        && address.scope_id() != 0
        && interfaces.is_empty()
    {
        interfaces.push(address.scope_id());
    }
    // Members need not know what a zone is called elsewhere.
    let origin = match place.uri.host {
        Host::Address(ip) => uri("coap", SocketAddr::new(ip, place.uri.port)),
        Host::Name(_) => place.origin().to_owned(),
    };
    Ok(Group { address, origin, path, interfaces })
}

/// Opens the sockets of all groups, and of All CoAP Nodes.
fn join(fleet: &mut Fleet, settings: &Settings, has_family: [bool; 2]) -> Result<(), Fault> {
    let mut joined = BTreeSet::new();
    for group in &settings.groups {
        if !has_family[usize::from(group.address.is_ipv6())] {
            return Err(Fault::misuse(format!("no device has an address to answer {} from", group.origin))
                .hint("groups and --addresses or --listen must be of the same version of IP"));
        }
        if joined.insert((group.address.ip(), group.address.port())) {
            fleet.listen_to_group(group.address).map_err(|error| {
                Fault::negative(format!("cannot listen to {}: {error}", group.origin))
                    .hint("whoever has the port does not share it; choose another port for the group")
            })?;
        }
    }
    // GC40, GC43: who has resources can be found.
    for group in ALL_COAP_NODES.map(|group| SocketAddr::new(group, COAP_PORT)) {
        if has_family[usize::from(group.is_ipv6())]
            && joined.insert((group.ip(), COAP_PORT))
            && let Err(error) = fleet.listen_to_group(group)
        {
            eprintln!("note: not found by {}: {error}", uri("coap", group));
        }
    }
    Ok(())
}

/// Where the directory is: an address that the devices can send to.
async fn directory_at(text: &str, has_family: [bool; 2]) -> Result<Directory, Fault> {
    let place = Place::parse(text)?;
    if place.is_stream() {
        return Err(Fault::misuse("a device registers over UDP").hint("coap://HOST"));
    }
    let mut addresses = place.addresses().await?;
    addresses.retain(|address| has_family[usize::from(address.is_ipv6())]);
    // A name for both versions of IP: services of one machine are more often there for the older one alone.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses.first().copied().ok_or_else(|| {
        Fault::misuse(format!("no device has an address to reach {text} from"))
            .hint("directory and --addresses or --listen must be of the same version of IP")
    })?;
    Ok(Directory { uri: place.text, address })
}

fn leisure(args: &Args) -> Option<Leisure> {
    if let Some(seconds) = args.leisure {
        return Some(Leisure::Fixed(seconds.0));
    }
    (args.group_size.is_some() || args.target_rate.is_some()).then(|| Leisure::Computed {
        members: args.group_size.unwrap_or(args.count),
        response_octets: RESPONSE_OCTETS,
        octets_per_s: args.target_rate.unwrap_or(TARGET_RATE),
    })
}

fn counted(count: u32) -> String {
    if count == 1 { "1 device".into() } else { format!("{count} devices") }
}

/// Tells what is served, and where.
fn announce(fleet: &Fleet, settings: &Settings, printer: &mut Printer, is_json: bool) -> Result<(), Fault> {
    let groups: Vec<String> = settings.groups.iter().map(|group| group.origin.clone() + &group.path_text()).collect();
    if is_json {
        let devices: Vec<Value> = fleet
            .devices()
            .map(|(device, addresses)| {
                let coap: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                json!({ "name": device.settings().name, "kind": settings.kind.as_str(), "coap": coap })
            })
            .collect();
        let directory = settings.directory.as_ref().map(|directory| &directory.uri);
        printer.json_line(&json!({ "devices": devices, "groups": groups, "directory": directory }))?;
        return Ok(());
    }
    let places = |number: usize| -> String {
        let (_, addresses) = fleet.device(number);
        addresses.iter().map(|address| uri("coap", *address)).collect::<Vec<_>>().join("  ")
    };
    let count = fleet.devices().count();
    eprintln!("wayhouse {} plays", env!("CARGO_PKG_VERSION"));
    match count {
        1 => eprintln!(
            "  {:<10} {}  {}",
            settings.kind.as_str(),
            printable(&fleet.device(0).0.settings().name),
            places(0)
        ),
        _ => {
            let (first, last) = (fleet.device(0).0, fleet.device(count - 1).0);
            let names = (printable(&first.settings().name), printable(&last.settings().name));
            eprintln!("  {count} {}s  {} … {}  {} … {}", settings.kind, names.0, names.1, places(0), places(count - 1));
        }
    }
    for group in groups {
        eprintln!("  group      {group}");
    }
    if let Some(directory) = &settings.directory {
        eprintln!("  directory  {}", directory.uri);
    }
    Ok(())
}

/// Prints what happened.
fn tell(fleet: &mut Fleet, printer: &mut Printer, args: &Args) -> Result<(), Fault> {
    while let Some((number, event)) = fleet.poll_event() {
        if args.quiet {
            continue;
        }
        let name = &fleet.device(number).0.settings().name;
        match args.json {
            true => printer.json_line(&in_json(name, &event))?,
            false => printer.line(&format!("{}  {}", printable(name), printable(&in_words(&event))))?,
        }
    }
    Ok(())
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Registered { location } => format!("registered: {location}"),
        Event::RegistrationLost => "registration lost".into(),
        Event::RegistrationRefused => "registration refused".into(),
        Event::Removed => "registration removed".into(),
        Event::Changed { path, value, by, group } => {
            let by = by.map_or(String::new(), |by| format!("  by {by}"));
            let group = group.map_or(String::new(), |group| format!(" to {group}"));
            format!("/{path} = {value}{by}{group}")
        }
        Event::Observed { path, by } => format!("/{path} observed by {by}"),
        Event::Unobserved { path, by } => format!("/{path} no longer observed by {by}"),
        Event::GroupRequest { code, path, from, group } => {
            format!("{} {path} from {from} to {group}", code.name().unwrap_or("?"))
        }
        Event::GroupTold { group, value } => format!("told {group}: {value}"),
        Event::GroupAnswer { from, code } => format!("{from} answered {code}"),
        Event::Lagged { missed } => format!("{missed} events were dropped"),
    }
}

fn in_json(name: &str, event: &Event) -> Value {
    let text = ToString::to_string;
    let mut value = match event {
        Event::Registered { location } => json!({ "event": "registered", "location": location }),
        Event::RegistrationLost => json!({ "event": "registration_lost" }),
        Event::RegistrationRefused => json!({ "event": "registration_refused" }),
        Event::Removed => json!({ "event": "removed" }),
        Event::Changed { path, value, by, group } => json!({
            "event": "changed", "path": format!("/{path}"), "value": value,
            "by": by.as_ref().map(text), "group": group.map(|group| group.to_string()),
        }),
        Event::Observed { path, by } => json!({ "event": "observed", "path": format!("/{path}"), "by": text(by) }),
        Event::Unobserved { path, by } => json!({ "event": "unobserved", "path": format!("/{path}"), "by": text(by) }),
        Event::GroupRequest { code, path, from, group } => json!({
            "event": "group_request", "method": code.name(), "path": path, "by": text(from), "group": group.to_string(),
        }),
        Event::GroupTold { group, value } => json!({ "event": "group_told", "group": text(group), "value": value }),
        Event::GroupAnswer { from, code } => {
            json!({ "event": "group_answer", "by": text(from), "code": code.to_string() })
        }
        Event::Lagged { missed } => json!({ "event": "lagged", "missed": missed }),
    };
    value["device"] = Value::from(name);
    value
}

#[cfg(test)]
mod tests;
