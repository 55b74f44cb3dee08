//! The groups of the configuration: how they get into the registry, and what this node offers where it is a member.

use std::net::IpAddr;
use std::time::Instant;

use wayhouse_proto::coap::Endpoint;
use wayhouse_proto::coap::endpoint::Leisure;
use wayhouse_proto::io::{Meta, SocketId};
use wayhouse_registry::group::{
    Authority, DEFAULT_PORT, ENDPOINT_TYPE, GroupHost, NAME_ATTRIBUTE, SECURITY_GROUP_ATTRIBUTE,
};
use wayhouse_registry::{Credentials, Origin, Refusal, Registration, Registry};
use wayhouse_wire::coap::Options;
use wayhouse_wire::coap::option::number;

use crate::Config;
use crate::config::{ApplicationGroup, Group};

/// Who owns what the configuration says: no peer can prove to be that.
const CONFIGURATION: &str = "configuration";
/// S of RFC 7252 §8.2: the size of an answer that is reckoned with, octets.
const RESPONSE_OCTETS: u32 = 100;
/// Configured groups end with the configuration, not with time.
const LIFETIME_S: u32 = u32::MAX;

/// A configured group that the registry does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the group {name} is not taken: {refusal}")]
pub struct GroupRefused {
    /// Its name.
    pub name: String,
    /// Why not.
    #[source]
    pub refusal: Refusal,
}

/// Enters the configured groups, each address as a registration of its own (GC2, GC6). Where somebody else holds a name,
/// the configuration goes before.
pub(crate) fn enter(registry: &mut Registry, now: Instant, groups: &[Group]) -> Result<(), GroupRefused> {
    let owner = Credentials { subjects: Box::new([CONFIGURATION.into()]), ..Credentials::anonymous() };
    for group in groups {
        for (number, &address) in group.addresses.iter().enumerate() {
            enter_one(registry, now, group, number, address, &owner)
                .map_err(|refusal| GroupRefused { name: group.name.clone(), refusal })?;
        }
    }
    Ok(())
}

fn enter_one(
    registry: &mut Registry,
    now: Instant,
    group: &Group,
    number: usize,
    address: IpAddr,
    owner: &Credentials,
) -> Result<(), Refusal> {
    let endpoint_name = group.endpoint_name(number);
    let no_group = |_| Refusal::Invalid { what: "base", why: "it names no CoAP group" };
    let authority = Authority::new(GroupHost::Address(address), group.port).map_err(no_group)?;
    let mut attributes = vec![("et", ENDPOINT_TYPE)];
    if number > 0 {
        attributes.push((NAME_ATTRIBUTE, group.name.as_str()));
    }
    attributes.extend(group.security_groups.iter().map(|name| (SECURITY_GROUP_ATTRIBUTE, name.as_str())));
    let links: Vec<String> = group.application_groups.iter().map(ApplicationGroup::link).collect();
    if let Some(view) = registry.by_name("", &endpoint_name)
        && !owner.cover(&view.registrant.owner)
    {
        let id = view.registrant.id;
        registry.evict(now, id)?;
    }
    let registration = Registration {
        endpoint_name: &endpoint_name,
        sector: "",
        base: &authority.uri(),
        is_base_explicit: true,
        lifetime_s: LIFETIME_S,
        attributes: &attributes,
        links: &links.join(","),
        origin: Origin::Configured,
        credentials: owner,
        source: None,
        link_scope: None,
        services: None,
    };
    registry.register(now, &registration).map(drop)
}

/// Tells the engine over which time the members of each group spread their answers (GC37).
pub(crate) fn set_leisures(endpoint: &mut Endpoint, groups: &[Group]) {
    for group in groups {
        let leisure = Leisure::Computed {
            members: group.members_expected,
            response_octets: RESPONSE_OCTETS,
            octets_per_s: group.rate_octets_s,
        };
        for address in &group.addresses {
            endpoint.set_leisure(*address, leisure);
        }
    }
}

/// The UDP port at which a datagram arrived.
fn port_of(config: &Config, meta: &Meta) -> u16 {
    match meta.socket {
        SocketId::Listener(number) => config.listener_ports.get(usize::from(number)).copied().unwrap_or(DEFAULT_PORT),
        SocketId::Client(_) | SocketId::Group | SocketId::Dns(_) => DEFAULT_PORT,
    }
}

/// Whether a datagram came by a CoAP group of a configured group that this node is a member of.
fn came_by(config: &Config, group: &Group, meta: &Meta) -> bool {
    let is_address = |by: IpAddr| group.addresses.contains(&by.to_canonical());
    group.is_member() && meta.group.is_some_and(is_address) && port_of(config, meta) == group.port
}

/// What discovery tells of a group resource that this node has as a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its link, relative.
    pub(crate) link: String,
    /// The CoAP group, `coap://…` without path, for a reader who did not come by it.
    pub(crate) group_uri: Option<String>,
}

/// What this node offers as a member to whoever asks by that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offers {
    /// Whether the question came by one of its CoAP groups: that group's resources are all there is then (GC39).
    pub(crate) is_by_group: bool,
    /// The group resources.
    pub(crate) resources: Vec<Offer>,
}

/// GC7: by a CoAP group its own group resources, as relative references. By another way those of all groups, as absolute
/// ones, since another endpoint has them (draft App. C.2) and the reader is to learn the CoAP group; with addresses rather
/// than names (GC2).
pub(crate) fn offers(config: &Config, meta: &Meta) -> Offers {
    let is_by_group = config.groups.iter().any(|group| came_by(config, group, meta));
    let mut resources = Vec::new();
    for group in config.groups.iter().filter(|group| group.is_member()) {
        if is_by_group {
            if came_by(config, group, meta) {
                let own = group.application_groups.iter();
                resources.extend(own.map(|one| Offer { link: one.link(), group_uri: None }));
            }
            continue;
        }
        for &address in &group.addresses {
            let Ok(authority) = Authority::new(GroupHost::Address(address), group.port) else { continue };
            let uri = authority.uri();
            let own = group.application_groups.iter();
            resources.extend(own.map(|one| Offer { link: one.link(), group_uri: Some(uri.clone()) }));
        }
    }
    Offers { is_by_group, resources }
}

/// Whether a request is for a group resource that this node has: by multicast, in the CoAP group it came by; by unicast,
/// in any.
pub(crate) fn has_resource(config: &Config, meta: &Meta, path: &[&[u8]], options: Options<'_>) -> bool {
    let is_meant = |one: &ApplicationGroup| {
        let has = |argument: &str| options.all(number::URI_QUERY).any(|octets| octets == argument.as_bytes());
        one.segments().map(str::as_bytes).eq(path.iter().copied()) && one.arguments().all(has)
    };
    let is_reached = |group: &&Group| if meta.is_multicast { came_by(config, group, meta) } else { group.is_member() };
    config.groups.iter().filter(is_reached).any(|group| group.application_groups.iter().any(is_meant))
}
