//! Questions about groups, answered from the indexes: each costs what it returns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use wayhouse_wire::coap::link_format::LinkFormat;
use wayhouse_wire::coap::uri::{has_scheme, resolve_into};

use super::{
    APPLICATION_GROUP_ATTRIBUTE, ApplicationGroup, Authority, CoapGroup, GroupHost, Member, Naming,
    SECURITY_GROUP_ATTRIBUTE, SecurityGroup, application_group_of, authority_of, group_types, host_term,
    is_no_security_group, member_term_of_application, member_term_of_authority, names_of, naming_of_endpoint,
    participation, stands_for_group,
};
use crate::index::{Field, Index};
use crate::limits::OTHER_PORTS_MAX;
use crate::posting_list::Posting;
use crate::{Page, Registrant, Registry};

/// Reads groups out of the registry, with a bound on the text that is read for it: registrations are what peers wrote,
/// and any number of them may stand for one CoAP group.
///
/// Every link scope is seen; what is bound to one says so ([`CoapGroup::link_scope`], [`Registrant::link_scope`]).
#[derive(Debug)]
pub struct Groups<'r> {
    registry: &'r Registry,
    octets_left: usize,
    is_exhausted: bool,
}

impl Registry {
    /// Opens the view of groups. `octets_max` bounds the text read through it.
    pub fn groups(&mut self, octets_max: usize) -> Groups<'_> {
        self.index_some(usize::MAX);
        Groups { registry: self, octets_left: octets_max, is_exhausted: false }
    }
}

impl<'r> Groups<'r> {
    /// Whether something was left out because the bound on text was met.
    pub fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Visits the CoAP groups of a page, in order of their authorities.
    pub fn list(&mut self, page: Page, visit: &mut dyn FnMut(&mut Groups<'r>, CoapGroup) -> ControlFlow<()>) {
        let registry = self.registry;
        let all = registry.indexes().flat_map(|(scope, index)| {
            index.values(Field::GroupAuthority, "").map(move |(_, posting)| (scope, posting))
        });
        let first = usize::try_from(page.first).unwrap_or(usize::MAX);
        let count = usize::try_from(page.count).unwrap_or(usize::MAX);
        for (scope, posting) in all.skip(first).take(count) {
            let Some(authority) = self.authority_of_first(posting) else { continue };
            let group = self.read(scope, &authority, posting);
            if visit(self, group).is_break() {
                return;
            }
        }
    }

    /// The CoAP groups of an authority: one, or one for each link it is bound to.
    pub fn of(&mut self, authority: &Authority) -> Vec<CoapGroup> {
        self.with_term(&authority.term(), |other| other == authority)
    }

    /// The CoAP groups at a multicast address, whatever their port: the reverse mapping of an address to names.
    pub fn at(&mut self, address: IpAddr) -> Vec<CoapGroup> {
        let host = GroupHost::Address(address.to_canonical());
        self.with_term(&host_term(&host), |other| other.host == host)
    }

    /// The CoAP groups with a name: endpoint name, host name, or further name; ASCII case does not matter.
    pub fn named(&mut self, name: &str) -> Vec<CoapGroup> {
        let name = name.to_ascii_lowercase();
        let registry = self.registry;
        let mut authorities = BTreeSet::new();
        for (scope, index) in registry.indexes() {
            let Some(posting) = index.value(Field::GroupName, &name) else { continue };
            let mut cursor = posting.start();
            while let Some(member) = cursor.current() {
                cursor.advance();
                if let Some(authority) = authority_of(registry.view(member.slot).registrant) {
                    authorities.insert((scope, authority));
                }
            }
        }
        let mut groups = Vec::new();
        for (scope, authority) in authorities {
            if self.is_exhausted {
                break;
            }
            let index = registry.indexes().find(|(other, _)| *other == scope).map(|(_, index)| index);
            if let Some(posting) = index.and_then(|index| index.value(Field::GroupAuthority, &authority.term())) {
                groups.push(self.read(scope, &authority, posting));
            }
        }
        groups
    }

    /// The multicast addresses and ports that a name stands for.
    pub fn addresses_named(&mut self, name: &str) -> BTreeSet<(IpAddr, u16)> {
        let groups = self.named(name);
        groups.iter().filter_map(|group| Some((group.authority.address()?, group.authority.port))).collect()
    }

    /// The names that stand for a multicast address.
    pub fn names_at(&mut self, address: IpAddr) -> BTreeSet<Box<str>> {
        self.at(address).into_iter().flat_map(|group| group.names).collect()
    }

    /// Members of a CoAP group, `count` at most, and whether there are more.
    ///
    /// They are the registrants with a link to the CoAP group, by its authority or one of its names, or to a group
    /// resource of an application group that it carries (see [`super`]).
    pub fn members(&mut self, group: &CoapGroup, count: usize) -> (Vec<Member>, bool) {
        let registry = self.registry;
        let mut authorities = vec![group.authority.clone()];
        for name in &group.names {
            let authority = Authority::new(GroupHost::Name(name.clone()), group.authority.port);
            authorities.extend(authority.ok().filter(|other| *other != group.authority));
        }
        let mut terms: Vec<String> = authorities.iter().map(member_term_of_authority).collect();
        // An application group that no link can name has members only by the authority.
        let named = |one: &&ApplicationGroup| matches!(one.naming, Naming::Path | Naming::Query);
        let applications = group.application_groups.iter().filter(named);
        terms.extend(applications.map(|application| member_term_of_application(&application.name)));

        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        for (_, index) in registry.indexes() {
            for posting in terms.iter().filter_map(|term| index.value(Field::GroupMember, term)) {
                let mut cursor = posting.start();
                while let Some(candidate) = cursor.current() {
                    cursor.advance();
                    if !seen.insert(candidate.slot) {
                        continue;
                    }
                    if members.len() == count || !self.spend(registry.view(candidate.slot).registrant.octets()) {
                        return (members, true);
                    }
                    members.extend(membership(registry.view(candidate.slot).registrant, group, &authorities));
                }
            }
        }
        (members, false)
    }

    /// The CoAP groups whose authority's term starts with `prefix` and that `is_wanted`.
    fn with_term(&mut self, prefix: &str, is_wanted: impl Fn(&Authority) -> bool) -> Vec<CoapGroup> {
        let registry = self.registry;
        let mut groups = Vec::new();
        for (scope, index) in registry.indexes() {
            for (_, posting) in index.values(Field::GroupAuthority, prefix) {
                if self.is_exhausted {
                    return groups;
                }
                if let Some(authority) = self.authority_of_first(posting).filter(&is_wanted) {
                    groups.push(self.read(scope, &authority, posting));
                }
            }
        }
        groups
    }

    fn authority_of_first(&self, posting: &Posting) -> Option<Authority> {
        let slot = posting.start().current()?.slot;
        authority_of(self.registry.view(slot).registrant)
    }

    /// Takes text from what may be read; whether that was still allowed.
    fn spend(&mut self, octets: usize) -> bool {
        match self.octets_left.checked_sub(octets) {
            Some(left) => self.octets_left = left,
            None => self.is_exhausted = true,
        }
        !self.is_exhausted
    }

    /// Puts together what the registrations of a CoAP group say.
    fn read(&mut self, link_scope: Option<u32>, authority: &Authority, posting: &Posting) -> CoapGroup {
        let registry = self.registry;
        let mut draft = Draft::default();
        let mut registrations: Vec<Arc<Registrant>> = Vec::new();
        let mut cursor = posting.start();
        while let Some(member) = cursor.current() {
            cursor.advance();
            let registrant = registry.view(member.slot).registrant;
            if !self.spend(registrant.octets()) {
                break;
            }
            draft.add_registration(registrant, authority);
            registrations.push(Arc::clone(registrant));
        }
        for name in draft.application_groups.keys().cloned().collect::<Vec<_>>() {
            self.add_group_managers(&mut draft, &name);
        }
        let mut group = CoapGroup {
            authority: authority.clone(),
            link_scope,
            names: draft.names,
            registrations,
            application_groups: draft.application_groups.into_values().collect(),
            security_groups: draft.security_groups.into_values().collect(),
            other_ports: BTreeSet::new(),
        };
        for application in &mut group.application_groups {
            let protects = |one: &&SecurityGroup| {
                one.application_groups.is_empty() || one.application_groups.contains(&application.name)
            };
            // Each of them may protect all: that product counts as text as well.
            for security in group.security_groups.iter().filter(protects) {
                if !self.spend(security.name.len()) {
                    break;
                }
                application.security_groups.insert(security.name.clone());
            }
        }
        if authority.address().is_some() {
            // GC42
            let host = host_term(&authority.host);
            let terms = registry.indexes().flat_map(|(_, index)| index.values(Field::GroupAuthority, &host));
            group.other_ports = terms
                .filter_map(|(term, _)| std::str::from_utf8(&term[host.len()..]).ok()?.parse().ok())
                .filter(|port| *port != authority.port)
                .take(OTHER_PORTS_MAX)
                .collect();
        }
        group
    }

    /// GC6: security groups that Group Managers have registered for an application group.
    fn add_group_managers(&mut self, draft: &mut Draft, application: &str) {
        let registry = self.registry;
        for (_, index) in registry.indexes() {
            let Some(posting) = index.value(Field::ApplicationGroup, application) else { continue };
            let mut cursor = posting.start();
            while let Some(member) = cursor.current() {
                cursor.advance();
                let registrant = registry.view(member.slot).registrant;
                if !self.spend(registrant.octets()) {
                    return;
                }
                draft.add_group_manager(registrant, application);
            }
        }
    }
}

/// A CoAP group while it is put together.
#[derive(Default)]
struct Draft {
    names: BTreeSet<Box<str>>,
    application_groups: BTreeMap<Box<str>, ApplicationGroup>,
    security_groups: BTreeMap<Box<str>, SecurityGroup>,
}

impl Draft {
    fn add_registration(&mut self, registrant: &Registrant, authority: &Authority) {
        self.names.extend(names_of(registrant, authority));
        let own = registrant.attributes.iter().filter(|(name, _)| **name == *SECURITY_GROUP_ATTRIBUTE);
        for (_, security) in own {
            if let Some(group) = self.security_group(security, registrant) {
                // Of the whole CoAP group: that includes every application group.
                group.application_groups.clear();
            }
        }
        let mut unnamed = Vec::new();
        let mut is_named = false;
        for link in LinkFormat::trusted(&registrant.links).links() {
            if has_scheme(link.target)
                && !Authority::of_uri(link.target).is_ok_and(|other| authority.is(&other, &self.names))
            {
                // Something elsewhere, which the group only points to.
                continue;
            }
            let Some((name, naming)) = application_group_of(&link) else {
                unnamed.push(link);
                continue;
            };
            is_named = true;
            let application = self.application_group(name, naming, registrant);
            application.types.extend(group_types(&link));
            application.resources.insert(link.target.into());
            for (_, value) in link.parameters().filter(|(name, _)| *name == SECURITY_GROUP_ATTRIBUTE) {
                self.protect(&value.unquoted(), name, registrant);
            }
        }
        if is_named {
            return;
        }
        // GC3; RFC 9176 App. A: the authority alone selects the application group, which is called as the registration.
        let name = &registrant.endpoint_name;
        let application = self.application_group(name, naming_of_endpoint(name, authority), registrant);
        application.resources.extend(unnamed.iter().map(|link| link.target.into()));
    }

    fn add_group_manager(&mut self, registrant: &Registrant, application: &str) {
        for link in LinkFormat::trusted(&registrant.links).links() {
            let has = |wanted: &str, text: &str| {
                link.parameters().any(|(name, value)| name == wanted && value.unquoted() == text)
            };
            if !has(APPLICATION_GROUP_ATTRIBUTE, application) {
                continue;
            }
            for (_, value) in link.parameters().filter(|(name, _)| *name == SECURITY_GROUP_ATTRIBUTE) {
                let Some(group) = self.protect(&value.unquoted(), application, registrant) else { continue };
                let mut uri = Vec::new();
                resolve_into(&mut uri, &registrant.base, link.target);
                group.join_uris.insert(String::from_utf8_lossy(&uri).into());
            }
        }
    }

    fn application_group(&mut self, name: &str, naming: Naming, registrant: &Registrant) -> &mut ApplicationGroup {
        let application = self.application_groups.entry(name.into()).or_insert_with(|| ApplicationGroup {
            name: name.into(),
            naming,
            types: BTreeSet::new(),
            resources: BTreeSet::new(),
            security_groups: BTreeSet::new(),
            learned_from: BTreeSet::new(),
        });
        // Of several, the one that is recommended most.
        application.naming = application.naming.min(naming);
        application.learned_from.insert(registrant.id);
        application
    }

    /// Notes that a security group protects an application group, unless it protects all of them.
    fn protect(&mut self, name: &str, application: &str, registrant: &Registrant) -> Option<&mut SecurityGroup> {
        let is_known = self.security_groups.contains_key(name);
        let group = self.security_group(name, registrant)?;
        if !is_known || !group.application_groups.is_empty() {
            group.application_groups.insert(application.into());
        }
        Some(group)
    }

    /// GC4: `NoSec` is none.
    fn security_group(&mut self, name: &str, registrant: &Registrant) -> Option<&mut SecurityGroup> {
        if name.is_empty() || is_no_security_group(name) {
            return None;
        }
        let group = self.security_groups.entry(name.into()).or_insert_with(|| SecurityGroup {
            name: name.into(),
            application_groups: BTreeSet::new(),
            join_uris: BTreeSet::new(),
            learned_from: BTreeSet::new(),
        });
        group.learned_from.insert(registrant.id);
        Some(group)
    }
}

/// How a registrant takes part in a CoAP group, if it does.
fn membership(registrant: &Arc<Registrant>, group: &CoapGroup, authorities: &[Authority]) -> Option<Member> {
    let attributes = registrant.attributes.iter().map(|(name, value)| (&**name, &**value));
    if stands_for_group(attributes) {
        return None;
    }
    // They stand in order of their names.
    let carried = |name: &str| {
        let at = group.application_groups.binary_search_by(|one| (*one.name).cmp(name));
        at.ok().map(|at| &group.application_groups[at])
    };
    let mut member = None;
    for link in LinkFormat::trusted(&registrant.links).links() {
        let Some(found) = participation(&link, &registrant.base) else { continue };
        let application = found.application_group.and_then(carried).map(|one| one.name.clone());
        let is_in = match &found.authority {
            Some(authority) => authorities.contains(authority),
            None => application.is_some(),
        };
        if is_in {
            let member = member.get_or_insert_with(|| Member {
                registrant: Arc::clone(registrant),
                application_groups: BTreeSet::new(),
            });
            member.application_groups.extend(application);
        }
    }
    member
}

impl Registry {
    /// The indexes, by link scope.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = (Option<u32>, &Index)> {
        self.indexes.iter().map(|(scope, index)| (*scope, index))
    }
}
