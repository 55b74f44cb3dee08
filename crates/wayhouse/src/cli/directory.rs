//! A resource directory as its clients see it: where its resources are (RFC 9176 §4.3), and how to ask them (§6).

use clap::Args;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::link_format::{Link, LinkFormat, is_relation_type_attribute};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::{has_scheme, origin};
use wayhouse_wire::coap::{Code, content_format};

use super::args::{KeyValue, Seconds};
use super::client::Client;
use super::exchange::{Question, content_format_of, exchange};
use super::exit::Fault;
use super::place::Place;

/// Names the directory to those verbs that talk to one.
pub(super) const VARIABLE: &str = "WAYHOUSE_DIRECTORY";
/// The directory when nothing names one.
pub(super) const DEFAULT: &str = "coap://localhost:5683";
/// Where a server describes itself (RFC 6690 §4).
pub(super) const WELL_KNOWN_CORE: &str = "/.well-known/core";

/// Resource type of the registration resource.
pub(super) const REGISTRATION: &str = "core.rd";
/// Resource type of the endpoint lookup.
pub(super) const ENDPOINT_LOOKUP: &str = "core.rd-lookup-ep";
/// Resource type of the resource lookup.
pub(super) const RESOURCE_LOOKUP: &str = "core.rd-lookup-res";

/// Which directory to ask, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct DirectoryOptions {
    /// The resource directory; with a path, that resource is used without discovery
    #[arg(long, value_name = "URI", env = VARIABLE, default_value = DEFAULT)]
    pub directory: String,
    /// Give up when nothing was heard for this many seconds [default: 93]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,
    /// Tell every message with its code and options on standard error
    #[arg(short, long)]
    pub verbose: bool,
}

/// What to look up, and where.
#[derive(Debug, Clone, Args)]
pub(crate) struct LookupOptions {
    /// Only what has this attribute, such as ep=lamp, d=kitchen, rt=light, `et=*`
    #[arg(value_name = "FILTER")]
    pub filter: Vec<KeyValue>,
    /// Resources instead of endpoints
    #[arg(short, long)]
    pub resources: bool,
    #[command(flatten)]
    pub(super) directory: DirectoryOptions,
}

impl LookupOptions {
    /// Finds the resource to ask.
    ///
    /// # Errors
    /// See [`find`].
    pub(super) async fn find(&self, client: &mut Client) -> Result<Place, Fault> {
        find(client, &self.directory, lookup_type(self.resources)).await
    }
    /// What to ask it: the filters, and what else the query holds.
    pub(super) fn question(&self, more: impl Iterator<Item = String>) -> Question {
        lookup_question(&self.directory, self.criteria().chain(more))
    }
    /// The filters as query arguments.
    pub(super) fn criteria(&self) -> impl Iterator<Item = String> {
        self.filter.iter().map(KeyValue::to_string)
    }
}

impl DirectoryOptions {
    /// The directory's URI. A variable that is there and empty says nothing.
    pub(super) fn uri(&self) -> &str {
        if self.directory.is_empty() { DEFAULT } else { &self.directory }
    }
    /// The directory, or the resource of it that is named.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub(super) fn place(&self) -> Result<Place, Fault> {
        Place::parse(self.uri())
    }
    /// Whether they name one lookup resource instead of a directory, so that no other can be found.
    pub(super) fn names_a_lookup(&self) -> Result<bool, Fault> {
        Ok(self.place()?.has_path())
    }
}

/// The lookup to ask.
pub(super) fn lookup_type(is_about_resources: bool) -> &'static str {
    if is_about_resources { RESOURCE_LOOKUP } else { ENDPOINT_LOOKUP }
}

/// A GET for links.
pub(super) fn lookup_question(options: &DirectoryOptions, query: impl Iterator<Item = String>) -> Question {
    let mut question = Question { patience: options.timeout.map(|seconds| seconds.0), ..Question::new(Code::GET) };
    question.options.push_uint(number::ACCEPT, u64::from(content_format::LINK_FORMAT));
    for argument in query {
        question.options.push(number::URI_QUERY, argument.as_bytes());
    }
    question
}

/// Finds a resource of a directory by its type; the first of several alternatives (RD8).
///
/// # Errors
/// Negative when the server offers none.
pub(super) async fn find(client: &mut Client, options: &DirectoryOptions, resource_type: &str) -> Result<Place, Fault> {
    let directory = options.place()?;
    if directory.has_path() {
        return Ok(directory);
    }
    let found = discover(client, &directory, options, resource_type).await?;
    let mut reachable = found.iter().map(|uri| directory.join(uri));
    reachable.next().unwrap_or_else(|| Err(no_directory(&directory, resource_type)))
}

/// The URIs of all resources of that type that a directory knows.
///
/// # Errors
/// When the directory cannot be asked.
pub(super) async fn discover(
    client: &mut Client,
    directory: &Place,
    options: &DirectoryOptions,
    resource_type: &str,
) -> Result<Vec<String>, Fault> {
    let place = directory.join(WELL_KNOWN_CORE)?;
    let question = lookup_question(options, std::iter::once(format!("rt={resource_type}")));
    let reply = exchange(client, &place, &question).await?.success()?;
    Ok(uris_of_type(&place, &links_of(&reply)?, resource_type))
}

/// The targets of links of a type as full URIs: relative or absolute, of any scheme and authority (RD8), those that this
/// program can reach first.
pub(super) fn uris_of_type(document_at: &Place, document: &LinkFormat<'_>, resource_type: &str) -> Vec<String> {
    // A server that does not filter returns everything (CL10).
    let is_wanted = |link: &Link<'_>| {
        link.parameter("rt").is_some_and(|rt| rt.unquoted().split(' ').any(|one| one == resource_type))
    };
    let mut found: Vec<String> =
        document.links().filter(is_wanted).map(|link| document_at.resolve(link.target)).collect();
    found.sort_by_key(|uri| Place::parse(uri).is_err());
    found
}

/// What to say when a server is no directory.
pub(super) fn no_directory(directory: &Place, resource_type: &str) -> Fault {
    Fault::negative(format!("{} offers no resource of type {resource_type}", directory.origin()))
        .hint(format!("is it a resource directory? `wayhouse discover {}` lists what it offers", directory.origin()))
}

/// The links of an answer.
///
/// # Errors
/// Negative when it is something else.
pub(super) fn links_of(reply: &Reply) -> Result<LinkFormat<'_>, Fault> {
    let format = content_format_of(reply);
    // An empty document may come without a format.
    if !matches!(format, None | Some(content_format::LINK_FORMAT)) && !reply.payload.is_empty() {
        return Err(Fault::negative(format!(
            "the answer has content-format {} instead of link-format",
            format.unwrap_or(0)
        ))
        .hint("`wayhouse get URI` shows it"));
    }
    LinkFormat::parse(&reply.payload).map_err(|error| {
        Fault::negative(format!("the answer is not link-format: {error}"))
            .hint("`wayhouse get --raw URI` shows it as it is")
    })
}

/// Whether a link satisfies a filter (CL7–CL9): applied here too, because servers need not filter.
pub(super) fn matches(link: &Link<'_>, filter: &KeyValue) -> bool {
    let Some(wanted) = &filter.value else { return link.parameter(&filter.key).is_some() };
    let fits = |value: &str| match wanted.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => value == wanted,
    };
    if filter.key == "href" {
        // GC7: a path finds a group resource in every CoAP group, although references across groups are absolute.
        let path = has_scheme(link.target).then(|| &link.target[origin(link.target).len()..]);
        return fits(link.target) || (wanted.starts_with('/') && path.is_some_and(fits));
    }
    let mut values = link.parameters().filter(|(name, _)| *name == filter.key).map(|(_, value)| value.unquoted());
    values.any(|value| match is_relation_type_attribute(&filter.key) {
        true => value.split(' ').any(fits),
        false => fits(&value),
    })
}

#[cfg(test)]
mod tests;
