//! `list --groups`: the CoAP groups of a resource directory (RFC 9176 App. A), with what they carry, what protects them, and
//! who is in them, as far as lookups tell.
//!
//! A directory has no lookup of groups: four lookups are put together here. That works with any directory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wayhouse_registry::group::{
    APPLICATION_GROUP_ATTRIBUTE, Authority, ENDPOINT_TYPE, SECURITY_GROUP_ATTRIBUTE, application_group_of, group_types,
    is_no_security_group,
};
use wayhouse_wire::coap::link_format::Link;
use wayhouse_wire::coap::uri::origin;

use super::client::Client;
use super::directory::{self, ENDPOINT_LOOKUP, RESOURCE_LOOKUP};
use super::exchange::exchange;
use super::exit::{Exit, Fault};
use super::list::Args;
use super::place::Place;
use super::printer::{Printer, printable, table};

/// Members shown of one application group in a table; with --json all are.
const MEMBERS_SHOWN: usize = 4;

/// Names, each once and in order.
type Names = BTreeSet<String>;

/// An application group.
#[derive(Debug, Default)]
struct Application {
    types: Names,
    security_groups: Names,
    members: Names,
}

/// A registration that stands for a CoAP group.
#[derive(Debug)]
struct Group {
    href: String,
    name: String,
    base: String,
    authority: Option<Authority>,
    applications: BTreeMap<String, Application>,
    security_groups: Names,
}

/// Asks and shows.
pub(super) async fn list(client: &mut Client, args: &Args) -> Result<Exit, Fault> {
    let endpoints = directory::find(client, &args.lookup.directory, ENDPOINT_LOOKUP).await?;
    let resources = match args.lookup.directory.names_a_lookup()? {
        true => None,
        false => Some(directory::find(client, &args.lookup.directory, RESOURCE_LOOKUP).await?),
    };
    let mut groups = Vec::new();
    let of_type = format!("et={ENDPOINT_TYPE}");
    ask(
        client,
        args,
        &endpoints,
        std::iter::once(of_type.clone()).chain(args.lookup.criteria()).chain(args.paging()),
        |link| {
            groups.push(Group::read(link));
        },
    )
    .await?;
    if let Some(resources) = resources.filter(|_| !groups.is_empty()) {
        let question = |criterion: &str| std::iter::once(criterion.to_owned());
        ask(client, args, &resources, question(&of_type), |link| add_carried(&mut groups, link)).await?;
        ask(client, args, &resources, question("sec-gp=*"), |link| add_protection(&mut groups, link)).await?;
        ask(client, args, &resources, question("rt=g.*"), |link| add_member(&mut groups, link)).await?;
    }
    let mut printer = Printer::stdout();
    if args.json {
        printer.json(&groups.iter().map(Group::to_json).collect::<Value>())?;
    }
    if groups.is_empty() {
        if !args.json {
            eprintln!("no groups found");
        }
        return Ok(Exit::Negative);
    }
    if !args.json {
        let rows: Vec<Vec<String>> = groups.iter().flat_map(Group::rows).collect();
        let titles = ["NAME", "COAP GROUP", "APPLICATION GROUP", "TYPE", "SECURITY GROUPS", "MEMBERS"];
        printer.line(&table(&titles, &rows, printer.surroundings()))?;
    }
    Ok(Exit::Done)
}

async fn ask(
    client: &mut Client,
    args: &Args,
    lookup: &Place,
    query: impl Iterator<Item = String>,
    take: impl FnMut(&Link<'_>),
) -> Result<(), Fault> {
    let question = directory::lookup_question(&args.lookup.directory, query);
    let reply = exchange(client, lookup, &question).await?.success()?;
    directory::links_of(&reply)?.links().collect::<Vec<_>>().iter().for_each(take);
    Ok(())
}

fn values(link: &Link<'_>, name: &str) -> Names {
    let of_name = link.parameters().filter(|(other, _)| *other == name);
    of_name.map(|(_, value)| value.unquoted().into_owned()).filter(|value| !value.is_empty()).collect()
}

/// The security groups of a link; `NoSec` is none (GC4).
fn security_groups(link: &Link<'_>) -> Names {
    let mut names = values(link, SECURITY_GROUP_ATTRIBUTE);
    names.retain(|name| !is_no_security_group(name));
    names
}

/// What the registration of a group carries; its own links are resolved against its base.
fn add_carried(groups: &mut [Group], link: &Link<'_>) {
    let Some((name, _)) = application_group_of(link) else { return };
    for group in groups.iter_mut().filter(|group| group.is_at(link)) {
        let application = group.applications.entry(name.to_owned()).or_default();
        application.types.extend(group_types(link).iter().map(ToString::to_string));
        application.security_groups.extend(security_groups(link));
    }
}

/// What a Group Manager registered (GC6).
fn add_protection(groups: &mut [Group], link: &Link<'_>) {
    let protected = values(link, APPLICATION_GROUP_ATTRIBUTE);
    for group in groups {
        for (_, application) in group.applications.iter_mut().filter(|(name, _)| protected.contains(*name)) {
            application.security_groups.extend(security_groups(link));
        }
    }
}

/// A group resource of an endpoint that is none of the groups: a member.
fn add_member(groups: &mut [Group], link: &Link<'_>) {
    // A link to the CoAP group itself does not tell whose it is.
    if Authority::of_uri(link.target).is_ok_and(|at| at.address().is_some()) || groups.iter().any(|one| one.is_at(link))
    {
        return;
    }
    let Some((name, _)) = application_group_of(link) else { return };
    for group in groups {
        if let Some(application) = group.applications.get_mut(name) {
            application.members.insert(origin(link.target).to_owned());
        }
    }
}

impl Group {
    fn read(link: &Link<'_>) -> Group {
        let text = |name: &str| link.parameter(name).map_or_else(String::new, |value| value.unquoted().into_owned());
        let base = text("base");
        Group {
            href: link.target.to_owned(),
            name: text("ep"),
            authority: Authority::of_uri(&base).ok(),
            base,
            applications: BTreeMap::new(),
            security_groups: security_groups(link),
        }
    }

    /// Whether a link leads to this CoAP group.
    fn is_at(&self, link: &Link<'_>) -> bool {
        self.authority.is_some() && Authority::of_uri(link.target).ok() == self.authority
    }

    /// The CoAP group in its shortest form.
    fn uri(&self) -> String {
        self.authority.as_ref().map_or_else(|| self.base.clone(), Authority::uri)
    }

    /// One row for each application group, or one that says that there is none by name.
    fn rows(&self) -> Vec<Vec<String>> {
        let join = |names: &Names| names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(" ");
        let start = || vec![printable(&self.name).into_owned(), printable(&self.uri()).into_owned()];
        if self.applications.is_empty() {
            return vec![
                [start(), vec![String::new(), String::new(), join(&self.security_groups), String::new()]].concat(),
            ];
        }
        let rows = self.applications.iter().map(|(name, application)| {
            let members: Names = application.members.iter().take(MEMBERS_SHOWN).cloned().collect();
            let mut shown = join(&members);
            if application.members.len() > MEMBERS_SHOWN {
                shown.push_str(&format!(" and {} more", application.members.len() - MEMBERS_SHOWN));
            }
            let protected = &application.security_groups | &self.security_groups;
            let rest = vec![printable(name).into_owned(), join(&application.types), join(&protected), shown];
            [start(), rest].concat()
        });
        rows.collect()
    }

    fn to_json(&self) -> Value {
        let applications = self.applications.iter().map(|(name, application)| {
            json!({
                "name": name,
                "types": application.types,
                "security_groups": &application.security_groups | &self.security_groups,
                "members": application.members,
            })
        });
        json!({
            "href": self.href,
            "name": self.name,
            "coap_group": self.uri(),
            "application_groups": applications.collect::<Vec<_>>(),
            "security_groups": self.security_groups,
        })
    }
}
