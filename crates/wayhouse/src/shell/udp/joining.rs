//! Groups that sockets are in: the well-known ones and the configured ones, joined and left as links come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::InterfaceIndexOrAddress;
use wayhouse_node::config::Interfaces;
use wayhouse_registry::group::{ALL_COAP_NODES_V4, ALL_COAP_NODES_V6};

use super::{Serves, Sockets, UdpSocket};

/// "All CoRE Resource Directories" (RFC 9176 §9.5).
const ALL_DIRECTORIES_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 190);
/// The same for IPv6, link-local and site-local.
const ALL_DIRECTORIES_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfe), Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0xfe)];

/// The groups that every listener on a wildcard address is in: "All CoAP Nodes" (GC43) and "All CoRE Resource
/// Directories".
pub(super) fn well_known_groups(is_ipv4: bool) -> Vec<IpAddr> {
    if is_ipv4 {
        vec![ALL_COAP_NODES_V4.into(), ALL_DIRECTORIES_V4.into()]
    } else {
        ALL_COAP_NODES_V6.into_iter().chain(ALL_DIRECTORIES_V6).map(IpAddr::from).collect()
    }
}

/// A configured group that we are a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its multicast address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Where.
    pub interfaces: Interfaces,
}

impl Membership {
    fn is_on(&self, name: &str) -> bool {
        match &self.interfaces {
            Interfaces::None => false,
            Interfaces::All => true,
            Interfaces::Named(names) => names.iter().any(|one| one == name),
        }
    }
}

impl Sockets {
    /// Sets the configured groups to be a member of; they are joined and left by the next [`Sockets::join_groups`].
    pub fn set_memberships(&mut self, memberships: Vec<Membership>) {
        self.memberships = memberships;
    }

    /// Joins on the links given, index and name, the groups that we should be in, and leaves those that we should not be
    /// in any more; what was joined before is left as it is. Returns how many pairs of group and link are served.
    pub fn join_groups<'l>(&mut self, links: impl Iterator<Item = (u32, &'l str)>) -> usize {
        let mut wanted = BTreeMap::new();
        for (link, name) in links {
            for multicast in &self.multicast {
                let bound = self.sockets[multicast.index].bound;
                match multicast.serves {
                    Serves::All { is_of_everybody: true } => {
                        let groups = well_known_groups(bound.is_ipv4()).into_iter();
                        wanted.extend(groups.map(|group| ((multicast.index, group, link), false)));
                    }
                    Serves::All { is_of_everybody: false } => {}
                    Serves::One(group) => drop(wanted.insert((multicast.index, group, link), false)),
                }
                let is_own = |one: &&Membership| {
                    one.port == bound.port() && one.address.is_ipv4() == bound.is_ipv4() && one.is_on(name)
                };
                for membership in self.memberships.iter().filter(is_own) {
                    let is_named = matches!(membership.interfaces, Interfaces::Named(_));
                    wanted.insert((multicast.index, membership.address, link), is_named);
                }
            }
        }
        for (index, group, link) in std::mem::take(&mut self.joined) {
            if wanted.contains_key(&(index, group, link)) {
                self.joined.insert((index, group, link));
            } else if let Err(error) = self.sockets[index].leave(group, link) {
                // The link may have gone, and its memberships with it.
                tracing::debug!(%error, "a group cannot be left");
            }
        }
        let mut refusals = BTreeSet::new();
        let mut served = 0;
        for ((index, group, link), is_named) in wanted {
            match self.sockets[index].join(group, link) {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    refusals.insert(error.kind());
                    if is_named && self.refused.insert((group, link)) {
                        tracing::warn!(%group, link, %error, "a configured group cannot be joined on this interface");
                    }
                }
                _ => {
                    served += 1;
                    self.joined.insert((index, group, link));
                    self.refused.remove(&(group, link));
                }
            }
        }
        for kind in refusals {
            // Usual for links without IPv6, or without an address yet: they are asked again when that changes.
            tracing::debug!(%kind, "some link takes no multicast groups");
        }
        served
    }
}

impl UdpSocket {
    fn join(&self, group: IpAddr, link: u32) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => self.fd.get_ref().join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link)),
            IpAddr::V6(group) => self.fd.get_ref().join_multicast_v6(&group, link),
        }
    }

    fn leave(&self, group: IpAddr, link: u32) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => self.fd.get_ref().leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link)),
            IpAddr::V6(group) => self.fd.get_ref().leave_multicast_v6(&group, link),
        }
    }
}
