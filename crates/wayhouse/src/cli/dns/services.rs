//! Services as people and programs read them, and what it takes to know them at one moment.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Map, Value, json};
use wayhouse_proto::dns::client::service_view::{ServiceInstance, ServiceView};
use wayhouse_proto::dns::client::{Answer, Asked, RecordSet};
use wayhouse_wire::dns::{Name, OptRcode, Rtype};

use super::asking::Asker;
use super::shown;
use crate::cli::exit::Fault;
use crate::cli::printer::{Surroundings, printable, table};

/// The domain where nobody says otherwise, and the daemon's own.
const DEFAULT_DOMAIN: &str = "services.home.arpa";
/// Where domains are listed (RFC 6763 §11): below the default one, and below the first addresses of private networks.
const ENUMERATED_BELOW: [&str; 4] =
    [DEFAULT_DOMAIN, "0.0.168.192.in-addr.arpa", "0.0.0.10.in-addr.arpa", "0.0.16.172.in-addr.arpa"];
/// Service types whose instances have URIs: type, scheme, usual port.
const URI_SCHEMES: [(&str, &str, u16); 6] = [
    ("_coap._udp.", "coap", 5_683),
    ("_coaps._udp.", "coaps", 5_684),
    ("_coap._tcp.", "coap+tcp", 5_683),
    ("_coaps._tcp.", "coaps+tcp", 5_684),
    ("_http._tcp.", "http", 80),
    ("_https._tcp.", "https", 443),
];

/// The domain to look in: as told, or the one that the server recommends under a name such as `b` (browse) or `dr`
/// (register) (RFC 6763 §11; SR1), or the usual one.
///
/// # Errors
/// Misuse for what is no name, unreachable when the server does not answer.
pub(super) async fn domain(asker: &mut Asker, told: Option<&str>, recommended: &[&str]) -> Result<Name, Fault> {
    if let Some(told) = told {
        return shown::parse_name(told);
    }
    for below in ENUMERATED_BELOW {
        for kind in recommended {
            let name = shown::parse_name(&format!("{kind}._dns-sd._udp.{below}"))?;
            let answer = asker.ask(&Asked::internet(name, Rtype::PTR)).await?;
            let found = answer.answers.iter().filter(|record| record.rtype == Rtype::PTR);
            if let Some(domain) = found.filter_map(|record| record.rdata_name(0)).next() {
                return Ok(domain.to_name());
            }
        }
    }
    shown::parse_name(DEFAULT_DOMAIN)
}

/// Asks everything that a view wants to know, until it wants nothing more.
///
/// # Errors
/// Unreachable when the first question is not answered.
pub(super) async fn learn(
    asker: &mut Asker,
    records: &mut RecordSet,
    view: impl Fn(&RecordSet) -> ServiceView,
) -> Result<ServiceView, Fault> {
    let mut asked: BTreeSet<Asked> = BTreeSet::new();
    loop {
        let view = view(records);
        let Some(next) = view.wanted.iter().find(|wanted| !asked.contains(*wanted)).cloned() else {
            return Ok(view);
        };
        let answer = match asker.ask(&next).await {
            Ok(answer) => answer,
            Err(fault) if asked.is_empty() => return Err(fault),
            Err(fault) => {
                eprintln!("note: {}", fault.what);
                asked.insert(next);
                continue;
            }
        };
        if !tells(&answer) {
            let fault = Fault::negative(format!("the server answers {} about {}", answer.rcode, next.name))
                .hint("does it serve this domain? --domain and --server name others");
            if asked.is_empty() {
                return Err(fault);
            }
            eprintln!("note: {}", fault.what);
        }
        asked.insert(next);
        for record in answer.answers.iter().chain(&answer.additionals) {
            // What comes along need not be asked for.
            if records.put(record.clone(), Some(Instant::now())).is_ok() {
                asked.insert(Asked { name: record.name.clone(), rtype: record.rtype, class: record.class });
            }
        }
    }
}

/// Whether an answer says what there is: a server in trouble says nothing about names.
fn tells(answer: &Answer) -> bool {
    matches!(answer.rcode, OptRcode::NOERROR | OptRcode::NXDOMAIN)
}

/// What people call an instance.
pub(super) fn title(instance: &ServiceInstance) -> String {
    shown::first_label(instance.name.as_ref())
}

/// Its attributes in one line.
pub(super) fn attributes_text(instance: &ServiceInstance) -> String {
    let one = |(key, value): &(String, Option<Vec<u8>>)| match value {
        Some(value) => format!("{key}={}", String::from_utf8_lossy(value)),
        None => key.clone(),
    };
    let text = instance.attributes.iter().map(one).collect::<Vec<_>>().join(" ");
    printable(&text).into_owned()
}

/// Its host, without the final dot, and port.
fn host_port(instance: &ServiceInstance) -> (String, String) {
    instance.target.as_ref().map_or_else(Default::default, |target| {
        (printable(target.host.to_string().trim_end_matches('.')).into_owned(), target.port.to_string())
    })
}

fn addresses_text(instance: &ServiceInstance) -> String {
    instance.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The URI of a CoAP or HTTP service at its first address, with the path that it tells (RFC 6763 §7.1.1 leaves it to the
/// type; CoRE's is `path`).
pub(super) fn uri(instance: &ServiceInstance) -> Option<String> {
    let service = instance.name.as_ref().parent()?.to_string();
    let (_, scheme, usual) = URI_SCHEMES
        .iter()
        .find(|(prefix, ..)| service.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))?;
    let port = instance.target.as_ref()?.port;
    let host = match instance.addresses.first()? {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let port = if port == *usual { String::new() } else { format!(":{port}") };
    let path = instance.attribute("path").unwrap_or_default();
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{host}{port}{slash}{}", printable(&path)))
}

/// Instances in a table.
pub(super) fn instances_table(instances: &[ServiceInstance], surroundings: Surroundings) -> String {
    let row = |instance: &ServiceInstance| {
        let (host, port) = host_port(instance);
        vec![title(instance), host, port, addresses_text(instance), attributes_text(instance)]
    };
    let rows: Vec<_> = instances.iter().map(row).collect();
    table(&["INSTANCE", "HOST", "PORT", "ADDRESSES", "TXT"], &rows, surroundings)
}

/// An instance in one line.
pub(super) fn line(instance: &ServiceInstance) -> String {
    let (host, port) = host_port(instance);
    let place = if host.is_empty() { "(not located)".to_owned() } else { format!("{host}:{port}") };
    let text = format!("{} {place} {} {}", title(instance), addresses_text(instance), attributes_text(instance));
    text.replace("  ", " ").trim_end().to_owned()
}

/// An instance as an object.
pub(super) fn instance_json(instance: &ServiceInstance) -> Value {
    let text = |value: &Option<Vec<u8>>| match value {
        Some(value) => Value::from(String::from_utf8_lossy(value).into_owned()),
        None => Value::from(true),
    };
    let attributes: Map<String, Value> =
        instance.attributes.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    json!({
        "instance": String::from_utf8_lossy(instance.name.labels().next().unwrap_or_default()),
        "name": instance.name.to_string(),
        "host": instance.target.as_ref().map(|target| target.host.to_string()),
        "port": instance.target.as_ref().map(|target| target.port),
        "addresses": instance.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "txt": attributes,
        "uri": uri(instance),
    })
}

#[cfg(test)]
mod tests;
