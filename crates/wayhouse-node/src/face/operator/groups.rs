//! Groups as a person sees them: CoAP groups, what they carry, what protects them, who is in them, and who says so.

use std::net::IpAddr;
use std::ops::ControlFlow;

use wayhouse_registry::group::Member;
use wayhouse_registry::{CoapGroup, Groups, Page, Registry};

use super::Reply;
use crate::config::{Config, Group};
use crate::limits;

/// Which CoAP groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    /// All, in order of their addresses and names.
    #[default]
    All,
    /// Those with this name.
    Named(String),
    /// Those at this multicast address.
    At(IpAddr),
}

/// A CoAP group as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownGroup {
    /// What registrations say of it.
    pub group: CoapGroup,
    /// Its members, [`limits::GROUP_MEMBERS_MAX`] at most. This node is not among them.
    pub members: Vec<Member>,
    /// Whether there are more.
    pub has_more_members: bool,
    /// What the configuration says of it, if it does.
    pub configured: Option<Configured>,
}

/// What the configuration says of a CoAP group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configured {
    /// Whether this node is a member.
    pub is_member: bool,
    /// How many members are expected.
    pub members_expected: u32,
    /// The rate that all answers together should not exceed, octets per second.
    pub rate_octets_s: u32,
}

/// Lists CoAP groups.
pub(crate) fn list(registry: &mut Registry, config: &Config, wanted: &Wanted, page: Page) -> Reply {
    let count = page.count.min(limits::OPERATOR_GROUPS_MAX) as usize;
    let first = usize::try_from(page.first).unwrap_or(usize::MAX);
    let mut view = registry.groups(limits::GROUP_OCTETS_MAX);
    let mut groups = Vec::new();
    let mut is_cut = false;
    let mut take = |view: &mut Groups<'_>, group: CoapGroup| {
        if groups.len() == count || (view.is_exhausted() && !groups.is_empty()) {
            is_cut = true;
            return ControlFlow::Break(());
        }
        groups.push(show(view, config, group));
        ControlFlow::Continue(())
    };
    let found = match wanted {
        Wanted::All => {
            let page = Page { first: page.first, count: count as u64 + 1 };
            view.list(page, &mut |view, group| take(view, group));
            Vec::new()
        }
        Wanted::Named(name) => view.named(name),
        Wanted::At(address) => view.at(*address),
    };
    for group in found.into_iter().skip(first) {
        if take(&mut view, group).is_break() {
            break;
        }
    }
    Reply::Groups { groups, is_cut }
}

fn show(view: &mut Groups<'_>, config: &Config, group: CoapGroup) -> ShownGroup {
    let (members, has_more_members) = view.members(&group, limits::GROUP_MEMBERS_MAX);
    let is_same = |other: &&Group| {
        other.port == group.authority.port && group.authority.address().is_some_and(|at| other.addresses.contains(&at))
    };
    let configured = config.groups.iter().filter(is_same).map(|other| Configured {
        is_member: other.is_member(),
        members_expected: other.members_expected,
        rate_octets_s: other.rate_octets_s,
    });
    // Of several with one address and port, the one that this node is a member of tells more.
    let configured = configured.max_by_key(|one| one.is_member);
    ShownGroup { group, members, has_more_members, configured }
}
