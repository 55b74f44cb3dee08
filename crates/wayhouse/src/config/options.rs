//! The table of options: the one place that knows their names, meanings, bounds and how they reach [`Settings`].
//!
//! Defaults are not repeated here: they are what [`Settings::default`] holds.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use wayhouse_node::config::{AnonymousPolicy, Network, Push, Updates};
use wayhouse_proto::coap::endpoint::Amplification;

use super::dns_listener::{PUSH_DIALECTS, SESSION_DIALECTS, UPDATE_DIALECTS};
use super::{LogFormat, Settings};

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, `section.name`.
    pub key: &'static str,
    /// What it means, in lines.
    pub about: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
    /// Whether its value must not be shown.
    pub is_secret: bool,
    read: fn(&Settings) -> Value,
    write: fn(&mut Settings, &Value) -> Result<(), Wrong>,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A number between bounds.
    Number(u64, u64),
    /// Yes or no.
    Flag,
    /// Several texts.
    List,
}

/// A value before it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Wrong {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong { why: why.into(), hint: hint.into() }
    }
}

impl fmt::Display for Value {
    /// As it is written in TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(&quoted(text)),
            Value::Number(number) => write!(f, "{number}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Value {
    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Number(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(items) => items.clone().into(),
        }
    }
    pub(super) fn text(&self) -> &str {
        if let Value::Text(text) = self { text } else { "" }
    }
    pub(super) fn number(&self) -> u64 {
        if let Value::Number(number) = self { *number } else { 0 }
    }
    fn flag(&self) -> bool {
        *self == Value::Flag(true)
    }
    pub(super) fn items(&self) -> &[String] {
        if let Value::List(items) = self { items } else { &[] }
    }
}

impl Kind {
    /// Reads what stands in an environment variable or behind a flag.
    ///
    /// # Errors
    /// When the text is no value of this kind.
    pub fn parse(self, text: &str) -> Result<Value, Wrong> {
        match self {
            Kind::Text | Kind::Choice(_) => Ok(Value::Text(text.to_owned())),
            Kind::Number(..) => match text.replace('_', "").parse() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => Err(self.expected()),
            },
            Kind::Flag => match text {
                "true" | "1" => Ok(Value::Flag(true)),
                "false" | "0" => Ok(Value::Flag(false)),
                _ => Err(self.expected()),
            },
            Kind::List => {
                let separators = [',', ' ', '\t', '\n'];
                Ok(Value::List(text.split(separators).filter(|item| !item.is_empty()).map(str::to_owned).collect()))
            }
        }
    }

    /// What to say about a value of another kind.
    pub fn expected(self) -> Wrong {
        match self {
            Kind::Text => Wrong::new("text is expected", "write it in quotes, such as \"text\""),
            Kind::Choice(words) => Wrong::new("no such choice", format!("use one of {}", words.join(", "))),
            Kind::Number(min, max) => Wrong::new("a number is expected", format!("use {min} to {max}")),
            Kind::Flag => Wrong::new("yes or no is expected", "use true or false"),
            Kind::List => Wrong::new("a list is expected", "write it in brackets, such as [\"one\", \"two\"]"),
        }
    }

    pub(super) fn check(self, value: &Value) -> Result<(), Wrong> {
        match (self, value) {
            (Kind::Text, Value::Text(_)) | (Kind::Flag, Value::Flag(_)) | (Kind::List, Value::List(_)) => Ok(()),
            (Kind::Choice(words), Value::Text(text)) if words.contains(&text.as_str()) => Ok(()),
            (Kind::Number(min, max), Value::Number(number)) => {
                let hint = || format!("use {min} to {max}");
                match number {
                    number if *number < min => Err(Wrong::new(format!("{number} is too small"), hint())),
                    number if *number > max => Err(Wrong::new(format!("{number} is too large"), hint())),
                    _ => Ok(()),
                }
            }
            _ => Err(self.expected()),
        }
    }
}

impl Setting {
    /// The option of that name.
    pub fn find(key: &str) -> Option<&'static Setting> {
        OPTIONS.iter().find(|setting| setting.key == key)
    }
    /// The option whose name looks most like that; `None` when none does.
    pub fn nearest(key: &str) -> Option<&'static Setting> {
        nearest(OPTIONS, |setting| setting.key, key)
    }
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("WAYHOUSE_{}", self.key.replace('.', "_").to_uppercase())
    }
    /// Its section and its name in there.
    pub fn section_and_name(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').expect("every option has a section")
    }
    /// Its value in some settings.
    pub fn read(&self, settings: &Settings) -> Value {
        (self.read)(settings)
    }
    /// Puts a value into settings.
    ///
    /// # Errors
    /// When the value does not fit; the settings are as before then.
    pub fn write(&self, settings: &mut Settings, value: &Value) -> Result<(), Wrong> {
        self.kind.check(value)?;
        (self.write)(settings, value)
    }
}

/// The option whose name looks most like that; `None` when none does.
pub(super) fn nearest<T>(options: &'static [T], name_of: fn(&T) -> &'static str, name: &str) -> Option<&'static T> {
    let (distance, option) =
        options.iter().map(|option| (distance(name_of(option), name), option)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 3).then_some(option)
}

/// Edit distance: the insertions, removals and replacements that make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    *row.last().expect("a row has at least one place")
}

/// A number that stands in one field.
macro_rules! number {
    ($key:literal, $($field:ident).+, $min:expr, $max:expr, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Number($min, $max),
            is_secret: false,
            read: |settings| Value::Number(settings.$($field).+ as u64),
            write: |settings, value| {
                settings.$($field).+ = value.number() as _;
                Ok(())
            },
        }
    };
}

/// A flag that stands in one field.
macro_rules! flag {
    ($key:literal, $($field:ident).+, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Flag,
            is_secret: false,
            read: |settings| Value::Flag(settings.$($field).+),
            write: |settings, value| {
                settings.$($field).+ = value.flag();
                Ok(())
            },
        }
    };
}

/// A duration that stands in one field, in milliseconds.
macro_rules! milliseconds {
    ($key:literal, $($field:ident).+, $min:expr, $max:expr, $($about:literal),+) => {
        Setting {
            key: $key,
            about: &[$($about),+],
            kind: Kind::Number($min, $max),
            is_secret: false,
            read: |settings| Value::Number(settings.$($field).+.as_millis() as u64),
            write: |settings, value| {
                settings.$($field).+ = Duration::from_millis(value.number());
                Ok(())
            },
        }
    };
}

/// Something else.
macro_rules! setting {
    ($key:literal, $kind:expr, $read:expr, $write:expr, $($about:literal),+) => {
        Setting { key: $key, about: &[$($about),+], kind: $kind, is_secret: false, read: $read, write: $write }
    };
}

/// What a DNS listener may look like.
const DNS_LISTENER_HINT: &str =
    "write an address and a port, such as 0.0.0.0:8053 or [::]:8053+push-10, or off; check-config --example tells more";

/// A table of words and what they stand for.
pub type Words<T> = [(&'static str, T)];

const AMPLIFICATION: &Words<Amplification> =
    &[("off", Amplification::Off), ("global", Amplification::Global), ("all", Amplification::All)];
const ANONYMOUS: &Words<AnonymousPolicy> =
    &[("open", AnonymousPolicy::Open), ("address", AnonymousPolicy::Address), ("refuse", AnonymousPolicy::Refuse)];
const LEVELS: &Words<tracing::Level> = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];
const UPDATES: &Words<Updates> = &[("signed", Updates::Signed), ("off", Updates::Off)];
const PUSH: &Words<Push> = &[("tls", Push::Tls), ("plain", Push::Plain)];
const FORMATS: &Words<LogFormat> = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

fn word_of<T: PartialEq>(words: &Words<T>, wanted: &T) -> Value {
    let word = words.iter().find(|(_, value)| value == wanted).expect("every value has a word").0;
    Value::Text(word.to_owned())
}

fn of_word<T: Copy>(words: &Words<T>, value: &Value) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| *word == value.text());
    found.map(|(_, value)| *value).ok_or_else(|| Wrong::new("no such choice", "see the words that can be chosen"))
}

fn parse_all<T: FromStr>(value: &Value, hint: &str) -> Result<Vec<T>, Wrong> {
    let parse = |item: &String| item.parse().map_err(|_| Wrong::new(format!("`{item}` cannot be read"), hint));
    value.items().iter().map(parse).collect()
}

fn parse_network(text: &str) -> Option<Network> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix_length = if length.is_empty() { longest } else { length.parse().ok()? };
    (prefix_length <= longest).then_some(Network { address, prefix_length })
}

fn parse_networks(value: &Value) -> Result<Vec<Network>, Wrong> {
    let hint = "write an address and a prefix length, such as 192.0.2.0/24";
    let parse = |item: &String| parse_network(item).ok_or_else(|| Wrong::new(format!("`{item}` is no network"), hint));
    value.items().iter().map(parse).collect()
}

fn write_network(network: &Network) -> String {
    format!("{}/{}", network.address, network.prefix_length)
}

/// A domain name as people write it.
fn dotless(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

fn path_text(path: Option<&std::path::Path>) -> String {
    path.map_or(String::new(), |path| path.display().to_string())
}

fn optional_path(value: &Value) -> Option<std::path::PathBuf> {
    Some(value.text()).filter(|text| !text.is_empty()).map(Into::into)
}

/// Blocks are powers of two between these.
const BLOCK_OCTETS: std::ops::RangeInclusive<u64> = 16..=1024;
const SOCKET_ADDRESS_HINT: &str = "write an address and a port, such as 0.0.0.0:5683 or [::]:5683";

/// Every option, by sections, in the order in which they are shown.
pub const OPTIONS: &[Setting] = &[
    setting!(
        "coap.listen",
        Kind::List,
        |settings| Value::List(settings.coap.listen.iter().map(ToString::to_string).collect()),
        |settings, value| {
            settings.coap.listen = parse_all(value, SOCKET_ADDRESS_HINT)?;
            Ok(())
        },
        "Addresses and ports for CoAP over UDP and TCP. IPv4 and IPv6 are apart: [::] does not stand for 0.0.0.0."
    ),
    flag!("coap.udp", coap.is_udp_on, "Whether CoAP over UDP is served."),
    flag!("coap.tcp", coap.is_tcp_on, "Whether CoAP over TCP is served."),
    flag!(
        "coap.multicast",
        coap.is_multicast_on,
        "Whether UDP listeners on [::] and 0.0.0.0 join \"All CoAP Nodes\" and \"All CoRE Resource Directories\" on every",
        "network interface, so that devices find the directory without knowing its address."
    ),
    setting!(
        "coap.amplification",
        Kind::Choice(&["off", "global", "all"]),
        |settings| word_of(AMPLIFICATION, &settings.node.coap.amplification),
        |settings, value| {
            settings.node.coap.amplification = of_word(AMPLIFICATION, value)?;
            Ok(())
        },
        "Who must prove that it is reachable before an answer over UDP may be more than three times as large as its",
        "request: nobody (off), all outside private and link-local networks (global), all but this machine (all)."
    ),
    setting!(
        "coap.block_octets",
        Kind::Number(*BLOCK_OCTETS.start(), *BLOCK_OCTETS.end()),
        |settings| Value::Number(BLOCK_OCTETS.start() << settings.node.coap.block_szx),
        |settings, value| {
            let octets = value.number();
            if !octets.is_power_of_two() {
                return Err(Wrong::new(
                    format!("{octets} is no power of two"),
                    "use 16, 32, 64, 128, 256, 512 or 1024",
                ));
            }
            settings.node.coap.block_szx = (octets / BLOCK_OCTETS.start()).trailing_zeros() as u8;
            Ok(())
        },
        "Largest block in which bodies are sent and asked for, octets."
    ),
    milliseconds!(
        "coap.ack_timeout_ms",
        node.coap.params.ack_timeout,
        1,
        60_000,
        "First wait for an acknowledgment before a message is sent again (ACK_TIMEOUT), milliseconds."
    ),
    number!(
        "coap.max_retransmit",
        node.coap.params.max_retransmit,
        0,
        10,
        "How often a message is sent again (MAX_RETRANSMIT)."
    ),
    number!(
        "coap.nstart",
        node.coap.params.nstart,
        1,
        64,
        "Own requests and notifications under way to one peer at a time (NSTART)."
    ),
    milliseconds!(
        "coap.leisure_ms",
        node.coap.params.default_leisure,
        0,
        60_000,
        "Time over which answers to multicast requests are spread (DEFAULT_LEISURE), milliseconds."
    ),
    number!(
        "coap.body_octets_max",
        node.coap.limits.body_octets_max,
        1024,
        1 << 30,
        "Largest body taken in blocks, octets. Larger ones are answered with 4.13."
    ),
    number!(
        "coap.bodies_octets_max",
        node.coap.limits.bodies_octets_max,
        1024,
        1 << 36,
        "Octets of all bodies being taken or given in blocks. Beyond, the oldest is dropped."
    ),
    number!(
        "coap.remembered_answers_max",
        node.coap.limits.remembered_answers_max,
        1,
        1 << 24,
        "Answers remembered for requests that arrive twice. Beyond, the oldest is forgotten."
    ),
    number!(
        "coap.observers_max",
        node.coap.limits.observers_max,
        0,
        1 << 24,
        "Observers at a time. Beyond, requests are answered once, without observation."
    ),
    number!(
        "coap.observers_per_peer_max",
        node.coap.limits.observers_per_peer_max,
        0,
        1 << 24,
        "Observers of one peer at a time. Beyond, as above."
    ),
    number!(
        "coap.client_ports_max",
        node.coap.limits.client_sockets_max,
        1,
        1024,
        "Ports from which own requests are sent, as message IDs run out. Beyond, own requests wait for another time."
    ),
    number!(
        "coap.connections_max",
        node.coap.limits.streams_max,
        0,
        1 << 16,
        "Connections over TCP at a time. Beyond, new ones are closed."
    ),
    number!(
        "coap.stream_message_octets_max",
        node.coap.limits.stream_message_octets_max,
        1152,
        1 << 30,
        "Largest message taken over TCP, octets. Larger ones end the connection."
    ),
    setting!(
        "directory.anonymous",
        Kind::Choice(&["open", "address", "refuse"]),
        |settings| word_of(ANONYMOUS, &settings.node.directory.anonymous),
        |settings, value| {
            settings.node.directory.anonymous = of_word(ANONYMOUS, value)?;
            Ok(())
        },
        "What registrants may do whose transport proves no identity (plain CoAP): register, and change whatever no",
        "authenticated registrant holds (open); change only from the address that registered (address); only look up",
        "(refuse)."
    ),
    number!(
        "directory.default_lifetime_s",
        node.directory.default_lifetime_s,
        1,
        u32::MAX as u64,
        "Lifetime of registrations that name none, seconds."
    ),
    number!(
        "directory.lifetime_max_s",
        node.directory.lifetime_max_s,
        1,
        u32::MAX as u64,
        "Longest lifetime granted, seconds. Longer wishes are cut."
    ),
    flag!(
        "directory.simple_registration",
        node.directory.simple_registration,
        "Whether devices may have their links fetched (simple registration) instead of sending them."
    ),
    flag!(
        "directory.require_freshness",
        node.directory.require_freshness,
        "Whether changes to a registration must prove that they are no old messages sent again."
    ),
    number!(
        "directory.lookup_max_age_s",
        node.directory.lookup_max_age_s,
        0,
        u32::MAX as u64,
        "How long answers to lookups may be cached (Max-Age), seconds."
    ),
    number!(
        "directory.lookup_results_max",
        node.directory.lookup_results_max,
        1,
        u32::MAX as u64,
        "Results of one lookup. A lookup with more must ask for pages."
    ),
    number!(
        "directory.observed_lookups_max",
        node.directory.observed_lookups_max,
        0,
        1 << 24,
        "Lookups observed at a time. Beyond, requests are answered once, without observation."
    ),
    setting!(
        "directory.trusted_consumers",
        Kind::List,
        |settings| { Value::List(settings.node.directory.trusted_consumers.iter().map(write_network).collect()) },
        |settings, value| {
            settings.node.directory.trusted_consumers = parse_networks(value)?;
            Ok(())
        },
        "Networks of consumers that are shown where each link came from and how old it is (provenance, lt-age,",
        "lt-remaining)."
    ),
    setting!(
        "dns.listen",
        Kind::List,
        |settings| Value::List(settings.dns.listen.iter().map(ToString::to_string).collect()),
        |settings, value| {
            settings.dns.listen = match value.items() {
                [off] if off == "off" => Vec::new(),
                _ => parse_all(value, DNS_LISTENER_HINT)?,
            };
            Ok(())
        },
        "Addresses and ports for DNS over UDP and TCP, or off. The port is one that needs no privileges: have the resolver",
        "of the network ask here for the zones below, or listen on port 53. Where one is for older clients, the dialects it",
        "follows instead of those below stand behind it, such as \"0.0.0.0:8054+push-10+session-signal-02\"."
    ),
    setting!(
        "dns.tls_listen",
        Kind::List,
        |settings| Value::List(match &settings.dns.tls_listen {
            None => Vec::new(),
            Some(addresses) if addresses.is_empty() => vec!["off".to_owned()],
            Some(addresses) => addresses.iter().map(ToString::to_string).collect(),
        }),
        |settings, value| {
            settings.dns.tls_listen = match value.items() {
                [] => None,
                [off] if off == "off" => Some(Vec::new()),
                _ => Some(parse_all(value, DNS_LISTENER_HINT)?),
            };
            Ok(())
        },
        "Addresses and ports for DNS over TLS (RFC 7858), or off; dialects may stand behind them as above. Empty: those of",
        "listen, with the port 800 above, as 853 is above 53."
    ),
    setting!(
        "dns.tls_certificate",
        Kind::Text,
        |settings| Value::Text(path_text(settings.dns.tls_certificate.as_deref())),
        |settings, value| {
            settings.dns.tls_certificate = optional_path(value);
            Ok(())
        },
        "PEM file with the certificate shown over TLS and its issuers behind it. Empty: one that the daemon makes and signs",
        "itself; clients know it by the pin that is told at the start."
    ),
    setting!(
        "dns.tls_key",
        Kind::Text,
        |settings| Value::Text(path_text(settings.dns.tls_key.as_deref())),
        |settings, value| {
            settings.dns.tls_key = optional_path(value);
            Ok(())
        },
        "PEM file with the private key of that certificate."
    ),
    number!(
        "dns.connections_max",
        node.dns.streams_max,
        1,
        1 << 20,
        "Connections for DNS at a time, over TCP and TLS. Beyond, new ones are closed."
    ),
    number!(
        "dns.connections_per_address",
        dns.connections_per_address,
        0,
        1 << 20,
        "How many of them one address may have. 0: no limit."
    ),
    setting!(
        "dns.zones",
        Kind::List,
        |settings| Value::List(settings.node.dns.zones.iter().map(|zone| dotless(&zone.to_string())).collect()),
        |settings, value| {
            let parse = |item: &String| {
                wayhouse_wire::dns::Name::parse(item)
                    .map_err(|_| Wrong::new(format!("`{item}` is no domain name"), "write labels between dots"))
            };
            settings.node.dns.zones = value.items().iter().map(parse).collect::<Result<_, _>>()?;
            Ok(())
        },
        "Domains in which devices and their services have names; each shows all of them. The default is below the name",
        "that belongs to every home (RFC 8375)."
    ),
    setting!(
        "dns.reverse",
        Kind::List,
        |settings| Value::List(settings.node.dns.reverse.iter().map(write_network).collect()),
        |settings, value| {
            settings.node.dns.reverse = parse_networks(value)?;
            Ok(())
        },
        "Networks whose addresses lead back to names. The default is what is private everywhere. Name networks as they are",
        "(192.168.7.0/24) to have browsers find the zone by their own address."
    ),
    setting!(
        "dns.addresses",
        Kind::List,
        |settings| Value::List(settings.node.dns.addresses.iter().map(ToString::to_string).collect()),
        |settings, value| {
            settings.node.dns.addresses = parse_all(value, "write addresses, such as 192.168.1.2 or fd00::2")?;
            Ok(())
        },
        "Addresses under which this server is found, for its name in the zones. Empty: those it has towards the rest of the",
        "world when it starts."
    ),
    number!("dns.ttl_s", node.dns.ttl_s, 0, 86_400, "How long names of devices may be cached, seconds."),
    flag!(
        "dns.endpoints",
        node.dns.shows_endpoints,
        "Whether every registered device is a service. Otherwise only links are that have the attribute exp."
    ),
    number!(
        "dns.udp_octets_max",
        node.dns.udp_octets_max,
        512,
        65_535,
        "Octets of the largest answer in a datagram. What is larger is asked for again over TCP."
    ),
    number!(
        "dns.answers_per_s",
        node.dns.answers_per_s,
        0,
        1_000_000,
        "Answers over UDP per second and network (/24, /56) to clients without a cookie (RFC 7873), so that nobody is flooded",
        "in their name. Beyond, every other question is sent back for TCP, the others are dropped. 0: no limit."
    ),
    setting!(
        "dns.push",
        Kind::Choice(&["tls", "plain"]),
        |settings| word_of(PUSH, &settings.node.dns.push),
        |settings, value| {
            settings.node.dns.push = of_word(PUSH, value)?;
            Ok(())
        },
        "Where changes of names are told as they happen (DNS Push Notifications): over TLS only, as the RFC has it, or over",
        "plain TCP as well, for tests and where the link itself is protected."
    ),
    setting!(
        "dns.push_dialect",
        Kind::Choice(&["rfc8765", "push-10", "push-12"]),
        |settings| word_of(PUSH_DIALECTS, &settings.node.dns.dialects.push),
        |settings, value| {
            settings.node.dns.dialects.push = of_word(PUSH_DIALECTS, value)?;
            Ok(())
        },
        "Which text of DNS Push Notifications is spoken: the RFC, or a draft that older clients were built from."
    ),
    setting!(
        "dns.session_dialect",
        Kind::Choice(&["rfc8490", "session-signal-02", "session-signal-03"]),
        |settings| word_of(SESSION_DIALECTS, &settings.node.dns.dialects.sessions),
        |settings, value| {
            settings.node.dns.dialects.sessions = of_word(SESSION_DIALECTS, value)?;
            Ok(())
        },
        "Which text of DNS Stateful Operations is spoken."
    ),
    setting!(
        "dns.updates",
        Kind::Choice(&["signed", "off"]),
        |settings| word_of(UPDATES, &settings.node.dns.updates),
        |settings, value| {
            settings.node.dns.updates = of_word(UPDATES, value)?;
            Ok(())
        },
        "Whether hosts may register themselves and their services by signed updates (SRP, RFC 9665)."
    ),
    setting!(
        "dns.update_dialect",
        Kind::Choice(&["srp", "stateful-dnssd"]),
        |settings| word_of(UPDATE_DIALECTS, &settings.node.dns.dialects.updates),
        |settings, value| {
            settings.node.dns.dialects.updates = of_word(UPDATE_DIALECTS, value)?;
            Ok(())
        },
        "Which updates are taken: those of SRP, or besides plain ones that are signed, as draft-lemon-stateful-dnssd and",
        "nsupdate send them."
    ),
    setting!(
        "dns.update_sources",
        Kind::List,
        |settings| Value::List(settings.node.dns.update_sources.iter().map(write_network).collect()),
        |settings, value| {
            settings.node.dns.update_sources = parse_networks(value)?;
            Ok(())
        },
        "Networks that updates may come from. The default is what is private, or on the same link, everywhere."
    ),
    number!(
        "dns.lease_max_s",
        node.dns.lease_max_s,
        30,
        86_400,
        "How long a registration by update lives at most without being renewed, seconds."
    ),
    number!(
        "dns.key_lease_max_s",
        node.dns.key_lease_max_s,
        30,
        31_536_000,
        "How long its names stay reserved to its key at most, seconds."
    ),
    number!(
        "registry.entries_max",
        node.registry.entries_max,
        1,
        1 << 31,
        "Registrants kept. Beyond, new ones are refused."
    ),
    number!(
        "registry.octets_max",
        node.registry.octets_max,
        1024,
        1 << 40,
        "Octets of all names, attributes and links kept. Beyond, as above."
    ),
    number!(
        "registry.links_octets_max",
        node.registry.links_octets_max,
        0,
        1 << 30,
        "Octets of one registrant's links. Beyond, the registration is refused."
    ),
    number!(
        "registry.attributes_max",
        node.registry.attributes_max,
        0,
        1024,
        "Attributes of one registrant. Beyond, as above."
    ),
    number!(
        "registry.grace_s",
        node.registry.grace_s,
        0,
        u32::MAX as u64,
        "How long a registration that ran out can still be revived at its location, seconds."
    ),
    number!(
        "registry.expired_max",
        node.registry.expired_max,
        0,
        1 << 31,
        "Registrations that ran out and are kept for that. Beyond, the oldest is forgotten."
    ),
    setting!(
        "store.data_dir",
        Kind::Text,
        |settings| Value::Text(settings.store.data_dir.display().to_string()),
        |settings, value| {
            settings.store.data_dir = value.text().into();
            Ok(())
        },
        "Where everything that must survive a restart is kept. Empty: $STATE_DIRECTORY, else wayhouse in",
        "$XDG_DATA_HOME, else .local/share/wayhouse in the home directory."
    ),
    setting!(
        "http.listen",
        Kind::Text,
        |settings| Value::Text(settings.http.listen.map_or("off".to_owned(), |address| address.to_string())),
        |settings, value| {
            settings.http.listen = match value.text() {
                "off" => None,
                text => Some(text.parse().map_err(|_| {
                    Wrong::new(
                        format!("`{text}` cannot be read"),
                        "write an address and a port, such as 127.0.0.1:8683, or off",
                    )
                })?),
            };
            Ok(())
        },
        "Address and port for the page, REST and metrics, or off. It speaks HTTP without encryption: leave it on the",
        "loopback address, or put a TLS proxy in front."
    ),
    setting!(
        "http.host_names",
        Kind::List,
        |settings| Value::List(settings.http.host_names.clone()),
        |settings, value| {
            settings.http.host_names = value.items().to_vec();
            Ok(())
        },
        "Names and addresses, besides the loopback ones and its own, under which browsers may reach the page."
    ),
    Setting {
        key: "http.admin_token",
        about: &[
            "What must be shown to change something over HTTP. Empty: see http.admin_token_file. Prefer the file: this",
            "one may be readable by others.",
        ],
        kind: Kind::Text,
        is_secret: true,
        read: |settings| Value::Text(settings.http.admin_token.clone().unwrap_or_default()),
        write: |settings, value| {
            settings.http.admin_token = Some(value.text().to_owned()).filter(|token| !token.is_empty());
            Ok(())
        },
    },
    setting!(
        "http.admin_token_file",
        Kind::Text,
        |settings| {
            let path = settings.http.admin_token_file.as_ref();
            Value::Text(path.map_or_else(String::new, |path| path.display().to_string()))
        },
        |settings, value| {
            settings.http.admin_token_file = optional_path(value);
            Ok(())
        },
        "File that holds the admin token. Empty: admin-token in the data directory, made at the first start."
    ),
    setting!(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        |settings| word_of(LEVELS, &settings.log.level),
        |settings, value| {
            settings.log.level = of_word(LEVELS, value)?;
            Ok(())
        },
        "The least severe level that is logged: error, warn, info, debug or trace. Names and addresses of devices",
        "appear from debug on."
    ),
    setting!(
        "log.format",
        Kind::Choice(&["text", "json"]),
        |settings| word_of(FORMATS, &settings.log.format),
        |settings, value| {
            settings.log.format = of_word(FORMATS, value)?;
            Ok(())
        },
        "How log lines are written: text for people, json for machines."
    ),
];

/// A commented file with every option, its meaning and its default: `etc/wayhouse.toml`.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of wayhouse, all with their defaults. Remove the # in front of what you change.\n\
         # `wayhouse check-config --config FILE` tells what is in force and where it came from.\n\
         # Every option can also be set by an environment variable (WAYHOUSE_COAP_LISTEN) or a flag (--set coap.listen=…).\n\
         \n\
         version = 1\n",
    );
    let mut current = "";
    for setting in OPTIONS {
        let (section, name) = setting.section_and_name();
        if section != current {
            text.push_str(&format!("\n[{section}]\n"));
            current = section;
        } else {
            text.push('\n');
        }
        for line in setting.about {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{name} = {}\n", setting.read(&Settings::default())));
    }
    text.push_str(&super::groups::example());
    text
}

#[cfg(test)]
mod tests;
