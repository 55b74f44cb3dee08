//! What every zone has without any entry: SOA, NS, for browsers the domains to look in (RFC 6763 §11), and for hosts where
//! to register (RFC 9665 §3.1.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wayhouse_wire::dns::{Name, NameRef, Rtype};

use super::index::Index;
use super::naming::Claims;
use crate::config::{self, Network};

/// The label of this server in each zone.
const SERVER_LABEL: &[u8] = b"ns";
/// The label of the administrator's mailbox (RFC 2142 §7).
const MAILBOX_LABEL: &[u8] = b"hostmaster";
/// Time to live of what stands in the configuration, seconds.
const STATIC_TTL_S: u32 = 3_600;
/// REFRESH, RETRY and EXPIRE as DP17 recommends them; nobody transfers these zones. MINIMUM, for how long a name that is
/// not there may count as missing, is as short as for a zone that changes by the second.
const SOA_TIMES_S: [u32; 4] = [7_200, 3_600, 86_400, 10];
/// Browsing, default browsing, browsing for old clients (DN9); and where updates are taken, registering and default
/// registering (SR1, SR30).
const ENUMERATIONS: [&[u8]; 3] = [b"b", b"db", b"lb"];
const REGISTRATIONS: [&[u8]; 2] = [b"r", b"dr"];

/// Makes the zones of the configuration and their own records.
pub(super) fn enter(index: &mut Index, claims: &mut Claims, config: &config::Dns) {
    let Some(first) = config.zones.first() else { return };
    claims.reserve(SERVER_LABEL);
    let Ok(server) = first.prefixed(label(SERVER_LABEL).as_ref()) else { return };
    // Outer zones first.
    let registration_zone = config.registration_zone();
    let mut zones: Vec<&Name> = config.zones.iter().chain(&registration_zone).collect();
    zones.sort_by_key(|zone| zone.labels().count());
    let reverse: Vec<Name> = config.reverse.iter().flat_map(reverse_zones).collect();
    // All of them before any record: names of one zone lead into others.
    for zone in &zones {
        enter_zone(index, zone, if config.zones.contains(zone) { zone } else { first }, &server);
    }
    reverse.iter().for_each(|apex| enter_zone(index, apex, first, &server));
    for apex in zones.iter().copied().chain(&reverse) {
        index.add(apex, Rtype::NS, STATIC_TTL_S, server.wire().into());
        enter_push(index, apex, config.push_port, &server);
    }
    for zone in zones {
        enter_enumeration(index, config, zone, zone);
        enter_registrar(index, config, zone, &server);
        enter_detection(index, config, zone);
    }
    for address in &config.addresses {
        let (rtype, rdata): (_, Box<[u8]>) = match address {
            IpAddr::V4(address) => (Rtype::A, address.octets().into()),
            IpAddr::V6(address) => (Rtype::AAAA, address.octets().into()),
        };
        index.add(&server, rtype, STATIC_TTL_S, rdata);
    }
    for network in &config.reverse {
        // DP22, DN9: under the name of the network's first address, which its hosts compute from address and mask.
        enter_enumeration(index, config, &Name::reverse(base_address(network)), first);
    }
}

fn label(label: &[u8]) -> Name {
    Name::from_labels([label]).expect("a short label is a name")
}

/// PU3: where clients of push find the server of a zone (RFC 8765 §6.1).
fn enter_push(index: &mut Index, apex: &Name, port: Option<u16>, server: &Name) {
    let Some(port) = port else { return };
    let labels = [&b"_dns-push-tls"[..], b"_tcp"].into_iter().chain(apex.labels());
    let Ok(name) = Name::from_labels(labels) else { return };
    // Priority and weight 0: there is but one.
    let mut rdata = vec![0; 4];
    rdata.extend_from_slice(&port.to_be_bytes());
    rdata.extend_from_slice(server.wire());
    index.add(&name, Rtype::SRV, STATIC_TTL_S, rdata.into());
}

fn enter_zone(index: &mut Index, apex: &Name, home: &Name, server: &Name) {
    let mut soa = server.wire().to_vec();
    match home.prefixed(label(MAILBOX_LABEL).as_ref()) {
        Ok(mailbox) => soa.extend_from_slice(mailbox.wire()),
        Err(_) => soa.extend_from_slice(server.wire()),
    }
    // The number of the last change: there was none yet.
    soa.extend_from_slice(&0_u32.to_be_bytes());
    SOA_TIMES_S.iter().for_each(|time_s| soa.extend_from_slice(&time_s.to_be_bytes()));
    index.add_zone(apex, soa.into(), STATIC_TTL_S);
}

/// SR1: where to send updates for a zone.
fn enter_registrar(index: &mut Index, config: &config::Dns, zone: &Name, server: &Name) {
    if !config.takes_updates() {
        return;
    }
    for (service, port) in [(&b"_dnssd-srp"[..], config.registrar_port), (b"_dnssd-srp-tls", config.registrar_tls_port)]
    {
        let Some(port) = port else { continue };
        let mut rdata = vec![0; 4];
        rdata.extend_from_slice(&port.to_be_bytes());
        rdata.extend_from_slice(server.wire());
        if let Ok(name) = Name::from_labels([service, b"_tcp"].into_iter().chain(zone.labels())) {
            index.add(&name, Rtype::SRV, STATIC_TTL_S, rdata.into());
        }
    }
}

/// SR30, SR32: that names are kept here statefully, and in which zones those of addresses are.
fn enter_detection(index: &mut Index, config: &config::Dns, zone: &Name) {
    if !config.takes_plain_updates() {
        return;
    }
    let mut point = |label: &[u8], target: &Name| {
        if let Ok(name) = Name::from_labels([label].into_iter().chain(zone.labels())) {
            index.add(&name, Rtype::PTR, STATIC_TTL_S, target.wire().into());
        }
    };
    point(b"_mldnssd", zone);
    for network in &config.reverse {
        let label: &[u8] = if network.address.is_ipv4() { b"_inaddr_zone" } else { b"_ipv6_zone" };
        reverse_zones(network).iter().for_each(|apex| point(label, apex));
    }
}

fn enter_enumeration(index: &mut Index, config: &config::Dns, below: &Name, domain: &Name) {
    let registrations = if config.takes_updates() { &REGISTRATIONS[..] } else { &[] };
    for &kind in ENUMERATIONS.iter().chain(registrations) {
        let labels = [kind, b"_dns-sd", b"_udp"].into_iter().chain(below.labels());
        if let Ok(name) = Name::from_labels(labels) {
            index.add(&name, Rtype::PTR, STATIC_TTL_S, domain.wire().into());
        }
    }
}

/// The first address of a prefix.
fn base_address(network: &Network) -> IpAddr {
    let length = u32::from(network.prefix_length);
    match network.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS.saturating_sub(length)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS.saturating_sub(length)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The zones of a prefix: one where it ends with a label, otherwise one for each value that its last label may have.
fn reverse_zones(network: &Network) -> Vec<Name> {
    let (bits_per_label, labels) = if network.address.is_ipv4() { (8, 4) } else { (4, 32) };
    let length = usize::from(network.prefix_length).min(bits_per_label * labels);
    let whole = length.div_ceil(bits_per_label);
    let spare = whole * bits_per_label - length;
    let base = base_address(network);
    (0..1_u32 << spare)
        .filter_map(|value| {
            let address = match base {
                IpAddr::V4(base) => {
                    let place = (labels - whole) * bits_per_label;
                    IpAddr::from(Ipv4Addr::from_bits(base.to_bits() | value.checked_shl(place as u32)?))
                }
                IpAddr::V6(base) => {
                    let place = (labels - whole) * bits_per_label;
                    IpAddr::from(Ipv6Addr::from_bits(base.to_bits() | u128::from(value).checked_shl(place as u32)?))
                }
            };
            let name = Name::reverse(address);
            let mut apex: NameRef<'_> = name.as_ref();
            for _ in whole..labels {
                apex = apex.parent()?;
            }
            Some(apex.to_name())
        })
        .collect()
}

#[cfg(test)]
mod tests;
