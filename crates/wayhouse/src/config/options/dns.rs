//! Options of the DNS face.

use wayhouse_node::config::{Push, Updates};

use super::super::dns_listener::{DnsListener, NoListener, PUSH_DIALECTS, SESSION_DIALECTS, UPDATE_DIALECTS};
use super::{
    Kind, Setting, Value, Words, Wrong, of_word, optional_path, parse_all, parse_networks, path_text, word_of,
    write_network,
};

/// What a DNS listener may look like.
const ADDRESS_HINT: &str = "write an address and a port, such as 0.0.0.0:8053 or [::]:8053, or off alone";
/// What may stand behind its address.
const WORDS_HINT: &str = "behind an address may stand +rfc8490, +session-signal-02 or +session-signal-03; +rfc8765, +push-10 or \
                          +push-12; +srp or +stateful-dnssd: one of each kind";

const UPDATES: &Words<Updates> = &[("signed", Updates::Signed), ("off", Updates::Off)];
const PUSH: &Words<Push> = &[("tls", Push::Tls), ("plain", Push::Plain)];

/// The options.
pub const OPTIONS: &[Setting] = &[
    setting!(
        "dns.listen",
        Kind::List,
        |settings| Value::List(settings.dns.listen.iter().map(ToString::to_string).collect()),
        |settings, value| {
            settings.dns.listen = match value.items() {
                [off] if off == "off" => Vec::new(),
                _ => parse_listeners(value)?,
            };
            Ok(())
        },
        "Addresses and ports for DNS over UDP and TCP, or off. The port is one that needs no privileges: have the resolver",
        "of the network ask here for the zones below, or listen on port 53. Where one is for older clients, the dialects it",
        "follows instead of those below stand behind it, such as \"0.0.0.0:8054+push-10+session-signal-02\": one of rfc8490,",
        "session-signal-02, session-signal-03; one of rfc8765, push-10, push-12; one of srp, stateful-dnssd."
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
                _ => Some(parse_listeners(value)?),
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
];

fn parse_listeners(value: &Value) -> Result<Vec<DnsListener>, Wrong> {
    let parse = |item: &String| {
        item.parse().map_err(|why: NoListener| {
            let hint = if matches!(why, NoListener::Address(_)) { ADDRESS_HINT } else { WORDS_HINT };
            Wrong::new(why.to_string(), hint)
        })
    };
    value.items().iter().map(parse).collect()
}

/// A domain name as people write it.
fn dotless(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}
