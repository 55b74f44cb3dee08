//! The entry that a host's registration is: what the Resource Directory shows of it.
//!
//! | in the update | in the directory |
//! |---|---|
//! | host `lamp` | `ep=lamp`, `d=default.service.arpa` |
//! | first CoAP service and first address | `base`; without them `dns:lamp.ZONE` (RFC 4501) |
//! | an instance of `_coap._udp`, `_coaps._udp`, `_coap._tcp`, `_coaps._tcp` | a link: `path` of its TXT, `ins` its label |
//! | its subtypes, `rt`, `if`, `ct`, `title` of its TXT | the link's attributes of these names |
//!
//! Services of other types have no link. The sector is the same in all zones: it keeps these entries apart from those that
//! registered at the directory under the same name.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

pub(super) use wayhouse_registry::services::SECTOR;
use wayhouse_registry::{
    ChangeNumber, Credentials, EntryId, Origin, Refusal, Registered, Registration, Registry, ServiceHost,
    ServiceInstance, ServiceOffer,
};
use wayhouse_wire::coap::link_format::{LinkFormat, write_parameter};
use wayhouse_wire::dns::{Name, NameRef};

use crate::config;

/// Attributes of a link that are taken from a TXT as they are.
const PLAIN_ATTRIBUTES: [&str; 3] = ["if", "ct", "title"];

/// The endpoint name of a host: its labels in lower case with dots between. `None` for a name that cannot be told from
/// another one, or that is no text.
pub(super) fn endpoint_name(host: &Name) -> Option<String> {
    let mut text = String::new();
    for label in host.labels() {
        let label = std::str::from_utf8(label).ok()?;
        if label.contains('.') || label.chars().any(char::is_control) {
            return None;
        }
        let _ = write!(text, "{}{}", if text.is_empty() { "" } else { "." }, label.to_ascii_lowercase());
    }
    (!text.is_empty() && text.len() <= wayhouse_registry::limits::NAME_OCTETS_MAX).then_some(text)
}

/// A registration to be.
pub(super) struct Asked<'a> {
    pub(super) endpoint_name: &'a str,
    pub(super) credentials: &'a Credentials,
    pub(super) source: Option<SocketAddr>,
    pub(super) services: ServiceHost,
}

/// Enters a host's registration, or changes it.
pub(super) fn register(
    registry: &mut Registry,
    now: Instant,
    config: &config::Dns,
    lifetime_s: u32,
    asked: Asked<'_>,
) -> Result<Registered, Refusal> {
    with_registration(config, lifetime_s, asked, |registration| registry.register(now, registration))
}

/// Changes what an entry says, and leaves its lease as it is.
pub(super) fn amend(
    registry: &mut Registry,
    now: Instant,
    config: &config::Dns,
    id: EntryId,
    services: ServiceHost,
) -> Result<ChangeNumber, Refusal> {
    let held = registry.get(id).ok_or(Refusal::Unknown)?.registrant.clone();
    let (endpoint_name, credentials, source) = (&*held.endpoint_name, &held.owner, held.source);
    let asked = Asked { endpoint_name, credentials, source, services };
    with_registration(config, 0, asked, |registration| registry.amend(now, id, registration))
}

fn with_registration<T>(
    config: &config::Dns,
    lifetime_s: u32,
    asked: Asked<'_>,
    act: impl FnOnce(&Registration<'_>) -> T,
) -> T {
    let Asked { endpoint_name, credentials, source, services } = asked;
    let base = base_of(config, &services);
    let links = links_of(&services, &base);
    act(&Registration {
        endpoint_name,
        sector: SECTOR,
        base: &base,
        is_base_explicit: true,
        lifetime_s,
        attributes: &[],
        links: &links,
        origin: Origin::Srp,
        credentials,
        source,
        link_scope: None,
        services: Some(&services.into()),
    })
}

fn base_of(config: &config::Dns, services: &ServiceHost) -> String {
    let authority = services.instances.iter().find_map(|instance| authority_of(services, instance));
    authority.unwrap_or_else(|| {
        let zone = config.zones.first().map_or(NameRef::ROOT, Name::as_ref);
        let labels = services.name.labels().chain(zone.labels());
        let labels: Vec<String> = labels.map(|label| percent_encoded(label, b"-._~")).collect();
        format!("dns:{}", labels.join("."))
    })
}

/// Scheme, address and port of an instance that offers CoAP.
fn authority_of(services: &ServiceHost, instance: &ServiceInstance) -> Option<String> {
    let offer = instance.offer.as_ref()?;
    let (scheme, default_port) = scheme_of(&instance.name)?;
    let host = match services.addresses.first()? {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    Some(if offer.port == default_port {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{}", offer.port)
    })
}

fn scheme_of(instance: &Name) -> Option<(&'static str, u16)> {
    let mut labels = instance.labels().skip(1).map(<[u8]>::to_ascii_lowercase);
    match (&*labels.next()?, &*labels.next()?) {
        (b"_coap", b"_udp") => Some(("coap", 5683)),
        (b"_coaps", b"_udp") => Some(("coaps", 5684)),
        (b"_coap", b"_tcp") => Some(("coap+tcp", 5683)),
        (b"_coaps", b"_tcp") => Some(("coaps+tcp", 5684)),
        _ => None,
    }
}

fn links_of(services: &ServiceHost, base: &str) -> String {
    let mut links = Vec::new();
    for instance in &services.instances {
        let (Some(offer), Some(authority)) = (&instance.offer, authority_of(services, instance)) else { continue };
        let mut link = vec![b'<'];
        if authority != base {
            link.extend_from_slice(authority.as_bytes());
        }
        link.extend_from_slice(path_of(offer).as_bytes());
        link.push(b'>');
        write_attributes(&mut link, instance, offer);
        // What a stranger's TXT makes of it must be what every other registration is.
        if LinkFormat::parse_limited(&link).is_ok() {
            if !links.is_empty() {
                links.push(b',');
            }
            links.extend_from_slice(&link);
        }
    }
    String::from_utf8(links).unwrap_or_default()
}

fn write_attributes(link: &mut Vec<u8>, instance: &ServiceInstance, offer: &ServiceOffer) {
    let mut types: Vec<&str> = Vec::new();
    let of_subtypes = offer.subtypes.iter().filter_map(|label| std::str::from_utf8(label).ok());
    let of_subtypes = of_subtypes.map(|label| label.strip_prefix('_').unwrap_or(label));
    let of_text = text_of(offer, "rt").into_iter().flat_map(|value| value.split(' '));
    for one in of_subtypes.chain(of_text) {
        let is_type =
            !one.is_empty() && one.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._:/#%".contains(&octet));
        if is_type && !types.iter().any(|known| known.eq_ignore_ascii_case(one)) {
            types.push(one);
        }
    }
    if !types.is_empty() {
        write_parameter(link, "rt", &types.join(" "));
    }
    for name in PLAIN_ATTRIBUTES {
        if let Some(value) = text_of(offer, name).filter(|value| !value.chars().any(char::is_control)) {
            write_parameter(link, name, value);
        }
    }
    let label = instance.name.labels().next().unwrap_or_default();
    let label: String = String::from_utf8_lossy(label).chars().filter(|one| !one.is_control()).collect();
    write_parameter(link, "ins", &label);
}

/// The value of a key in the first TXT (RFC 6763 §6.4): the first of its name counts, case does not.
fn text_of<'o>(offer: &'o ServiceOffer, key: &str) -> Option<&'o str> {
    let mut rest: &[u8] = offer.texts.first()?;
    while let Some((&length, behind)) = rest.split_first() {
        let (string, further) = behind.split_at(usize::from(length).min(behind.len()));
        rest = further;
        let Some(text) = std::str::from_utf8(string).ok() else { continue };
        if let Some((name, value)) = text.split_once('=')
            && name.eq_ignore_ascii_case(key)
        {
            return Some(value);
        }
    }
    None
}

/// Where the service is at its host: the path of its TXT, as far as it is one.
fn path_of(offer: &ServiceOffer) -> String {
    let path = text_of(offer, "path").unwrap_or("/");
    if !path.starts_with('/') || path.starts_with("//") {
        return "/".to_owned();
    }
    percent_encoded(path.as_bytes(), b"-._~!$&'()*+,;=:@/?%")
}

fn percent_encoded(octets: &[u8], plain: &[u8]) -> String {
    let mut text = String::new();
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || plain.contains(&octet) {
            text.push(char::from(octet));
        } else {
            let _ = write!(text, "%{octet:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
