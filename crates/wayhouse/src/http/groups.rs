//! `groups`: CoAP groups with what they carry, what protects them, and who is in them.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use wayhouse_node::face::operator::groups::{ShownGroup, Wanted};
use wayhouse_node::{Command, Reply};
use wayhouse_registry::Registrant;
use wayhouse_registry::group::{ApplicationGroup, Member, Naming, Scope, SecurityGroup};

use super::problem::Problem;
use super::registrants::{number, origin, place};
use super::{Shared, limits};
use crate::api::v1;

/// Lists CoAP groups.
///
/// A CoAP group is a multicast address (or a name for one) and a port. What is known of it comes from registrations of
/// the endpoint type `core.rd-group`, from the links of its members, and from Group Managers.
///
/// Where `has_more` is true and yet the page is not full, there was too much to read for one answer: ask for smaller
/// pages.
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    operation_id = "list_groups",
    tag = "groups",
    params(
        ("name" = Option<String>, Query, description = "Only groups with this name", example = "hall.example"),
        ("address" = Option<String>, Query, description = "Only groups at this multicast address", example = "ff35:30:2001:db8:f1:0:8000:1"),
        ("page" = Option<u64>, Query, description = "Which page, from 0"),
        ("count" = Option<u64>, Query, description = "Groups on a page, 1 to 500; 50 when absent"),
    ),
    responses(
        (status = OK, body = v1::GroupPage, description = "A page of CoAP groups"),
        (status = BAD_REQUEST, body = v1::Problem, content_type = "application/problem+json", description = "The question makes no sense"),
    )
)]
pub async fn list(State(shared): State<Shared>, uri: Uri) -> Result<Json<v1::GroupPage>, Problem> {
    let Question { wanted, page, count } = Question::parse(&uri)?;
    match shared.ask(Command::Groups { wanted, page: place(page, count)? }).await? {
        Reply::Groups { groups, is_cut } => {
            Ok(Json(v1::GroupPage { groups: groups.iter().map(describe).collect(), page, count, has_more: is_cut }))
        }
        other => Err(Problem::mismatched(&other)),
    }
}

/// What a list's query asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    wanted: Wanted,
    page: u64,
    count: u64,
}

impl Question {
    pub fn parse(uri: &Uri) -> Result<Question, Problem> {
        let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query is not well-formed"))?;
        let mut question = Question { wanted: Wanted::All, page: 0, count: limits::PAGE_COUNT_DEFAULT };
        for (name, value) in parameters {
            match name.as_str() {
                "page" => question.page = number("page", &value, 0..=u64::MAX)?,
                "count" => question.count = number("count", &value, 1..=limits::PAGE_COUNT_MAX)?,
                "name" | "address" if question.wanted != Wanted::All => {
                    return Err(Problem::bad_request("groups are asked for by one name or one address"));
                }
                "name" => question.wanted = Wanted::Named(value),
                "address" => {
                    let text = value.trim_start_matches('[').trim_end_matches(']');
                    let address: IpAddr = text.parse().map_err(|_| {
                        Problem::bad_request("`address` is not an address")
                            .hint("give one such as ff05::1 or 239.0.0.1")
                    })?;
                    question.wanted = Wanted::At(address);
                }
                _ => {
                    return Err(Problem::bad_request("there is no such query parameter")
                        .hint("use `name`, `address`, `page` and `count`"));
                }
            }
        }
        Ok(question)
    }
}

fn describe(shown: &ShownGroup) -> v1::Group {
    let group = &shown.group;
    v1::Group {
        authority: group.authority.to_string(),
        uri: group.authority.uri(),
        address: group.authority.address().map(|address| address.to_string()),
        port: group.authority.port,
        scope: group.authority.scope().map(Scope::as_str).map(str::to_owned),
        names: texts(&group.names),
        application_groups: group.application_groups.iter().map(application_group).collect(),
        security_groups: group.security_groups.iter().map(security_group).collect(),
        registrations: group.registrations.iter().map(|registrant| registration(registrant)).collect(),
        members: shown.members.iter().map(member).collect(),
        has_more_members: shown.has_more_members,
        is_member: shown.configured.is_some_and(|configured| configured.is_member),
        members_expected: shown.configured.map(|configured| configured.members_expected),
        rate_octets_s: shown.configured.map(|configured| configured.rate_octets_s),
        other_ports: group.other_ports.iter().copied().collect(),
    }
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a Box<str>>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_string()).collect()
}

fn application_group(group: &ApplicationGroup) -> v1::ApplicationGroup {
    v1::ApplicationGroup {
        name: group.name.to_string(),
        naming: match group.naming {
            Naming::Path => v1::Naming::Path,
            Naming::Query => v1::Naming::Query,
            Naming::Authority => v1::Naming::Authority,
            Naming::Implicit => v1::Naming::Implicit,
        },
        types: texts(&group.types),
        resources: texts(&group.resources),
        security_groups: texts(&group.security_groups),
        learned_from: group.learned_from.iter().map(ToString::to_string).collect(),
    }
}

fn security_group(group: &SecurityGroup) -> v1::SecurityGroup {
    v1::SecurityGroup {
        name: group.name.to_string(),
        application_groups: texts(&group.application_groups),
        join_uris: texts(&group.join_uris),
        learned_from: group.learned_from.iter().map(ToString::to_string).collect(),
    }
}

fn registration(registrant: &Registrant) -> v1::GroupRegistration {
    v1::GroupRegistration {
        id: registrant.id.to_string(),
        endpoint_name: registrant.endpoint_name.to_string(),
        sector: registrant.sector.to_string(),
        origin: origin(registrant.origin),
    }
}

fn member(member: &Member) -> v1::GroupMember {
    let registrant = &member.registrant;
    v1::GroupMember {
        id: registrant.id.to_string(),
        endpoint_name: registrant.endpoint_name.to_string(),
        sector: registrant.sector.to_string(),
        base: registrant.base.to_string(),
        application_groups: texts(&member.application_groups),
    }
}
