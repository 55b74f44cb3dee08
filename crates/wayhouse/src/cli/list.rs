//! `list`: one lookup at a resource directory, shown as a table (RFC 9176 §6).

use clap::Args as Arguments;
use serde_json::Value;

use super::client::Client;
use super::directory::{self, LookupOptions};
use super::exchange::exchange;
use super::exit::{Exit, Fault};
use super::groups;
use super::printer::{Printer, links};

pub(super) const EXAMPLES: &str = "Filters are ANDed; a value may end in `*`. Those of resources find endpoints that have such a resource, and \
    the other way round.\n\n\
    With --json: a list of objects; each has href (of the registration, or of the resource) and the attributes by name: ep, d, base, \
    rt, if, anchor, … (true when an attribute has no value, a list when it is repeated). Groups have href, name, coap_group, \
    application_groups (each with name, types, security_groups, members) and security_groups.\n\n\
    Examples:\n  \
    wayhouse list\n  \
    wayhouse list d=kitchen 'ep=lamp-*'\n  \
    wayhouse list --resources rt=temperature\n  \
    wayhouse list --groups\n  \
    wayhouse list --count 10 --page 3 --json --directory coap://[2001:db8::1]";

/// `list`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) lookup: LookupOptions,
    /// List groups: what they carry, what protects them, and who is in them
    #[arg(short, long, conflicts_with = "resources")]
    pub groups: bool,
    /// List at most this many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// Show this page of `--count` entries, from 0
    #[arg(long, value_name = "NUMBER", requires = "count")]
    pub page: Option<u32>,
    /// Print the entries as JSON
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Which part of the result, as query arguments.
    pub(super) fn paging(&self) -> impl Iterator<Item = String> + use<> {
        let paging = [("page", self.page), ("count", self.count)].into_iter();
        paging.filter_map(|(key, value)| value.map(|value| format!("{key}={value}")))
    }
}

/// Runs `list`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let mut client = Client::new(args.lookup.directory.verbose)?;
    let outcome = match args.groups {
        true => groups::list(&mut client, &args).await,
        false => look_up(&mut client, &args).await,
    };
    client.close().await;
    outcome
}

async fn look_up(client: &mut Client, args: &Args) -> Result<Exit, Fault> {
    let lookup = args.lookup.find(client).await?;
    let reply = exchange(client, &lookup, &args.lookup.question(args.paging())).await?.success()?;
    let document = directory::links_of(&reply)?;
    let mut printer = Printer::stdout();
    // RD30: what registration resources are called is for the directory alone to understand; it is shown, never followed.
    if args.json {
        printer.json(&document.links().map(|link| links::link_json(&link)).collect::<Value>())?;
    }
    if document.links().next().is_none() {
        if !args.json {
            eprintln!("nothing found");
        }
        return Ok(Exit::Negative);
    }
    if !args.json {
        let table = match args.lookup.resources {
            true => links::resources_table(document.links(), printer.surroundings()),
            false => links::registrants_table(document.links(), printer.surroundings()),
        };
        printer.line(&table)?;
    }
    Ok(Exit::Done)
}
