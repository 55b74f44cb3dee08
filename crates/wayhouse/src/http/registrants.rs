//! `registrants`: list, show, enter, replace, remove.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use wayhouse_node::face::operator::{Entry, Shown};
use wayhouse_node::{Command, Reply};
use wayhouse_registry::{Criterion, EntryId, Filter, Origin, Page, Pattern, Refusal, Registrant};
use wayhouse_wire::coap::link_format::{Link, LinkFormat};
use wayhouse_wire::coap::uri::resolve_into;

use super::guard::Admin;
use super::problem::Problem;
use super::{Shared, limits};
use crate::api::v1;

/// Lists registrants.
///
/// Every query parameter besides `text`, `page` and `count` is a criterion as in a lookup of the directory (RFC 9176
/// §6.2): the name of an attribute of the registrant or of one of its links, or `href`, `anchor`, `provenance`. A value
/// that ends in `*` matches every value that starts so. All criteria must hold.
///
/// A search for text reads a bounded number of registrants. Where `has_more` is true and yet the page is not full, it
/// ended there: add criteria to search fewer.
#[utoipa::path(
    get,
    path = "/api/v1/registrants",
    operation_id = "list_registrants",
    tag = "registrants",
    params(
        ("ep" = Option<String>, Query, description = "Endpoint name", example = "lamp-*"),
        ("d" = Option<String>, Query, description = "Sector"),
        ("rt" = Option<String>, Query, description = "Resource type of a link; likewise any other attribute by its name"),
        ("text" = Option<String>, Query, description = "Text contained in the name, sector, base, an attribute or a link, ASCII case ignored"),
        ("page" = Option<u64>, Query, description = "Which page, from 0"),
        ("count" = Option<u64>, Query, description = "Registrants on a page, 1 to 500; 50 when absent"),
    ),
    responses(
        (status = OK, body = v1::RegistrantPage, description = "A page of registrants"),
        (status = BAD_REQUEST, body = v1::Problem, content_type = "application/problem+json", description = "The question makes no sense"),
    )
)]
pub async fn list(State(shared): State<Shared>, uri: Uri) -> Result<Json<v1::RegistrantPage>, Problem> {
    let question = Question::parse(&uri)?;
    // Held while the node answers; see the limit's reason.
    let _search = match question.text {
        Some(_) => Some(
            tokio::time::timeout(limits::ANSWER_MAX, shared.searches.acquire())
                .await
                .map_err(|_| Problem::busy("too many searches at a time"))?,
        ),
        None => None,
    };
    let command = Command::Registrants {
        filter: question.filter,
        text: question.text,
        page: place(question.page, question.count)?,
    };
    match shared.ask(command).await? {
        Reply::Registrants { entries, is_cut } => Ok(Json(v1::RegistrantPage {
            registrants: entries.iter().map(summary).collect(),
            page: question.page,
            count: question.count,
            has_more: is_cut,
        })),
        other => Err(Problem::mismatched(&other)),
    }
}

/// What a list's query asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    filter: Filter,
    text: Option<String>,
    page: u64,
    count: u64,
}

impl Question {
    pub fn parse(uri: &Uri) -> Result<Question, Problem> {
        let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query is not well-formed"))?;
        let mut question =
            Question { filter: Filter::default(), text: None, page: 0, count: limits::PAGE_COUNT_DEFAULT };
        for (name, value) in parameters {
            if name.len() + value.len() > limits::CRITERION_OCTETS_MAX {
                return Err(Problem::bad_request("a query parameter is too long"));
            }
            match name.as_str() {
                "" => return Err(Problem::bad_request("a query parameter has no name")),
                "text" => question.text = Some(value).filter(|text| !text.is_empty()),
                "page" => question.page = number("page", &value, 0..=u64::MAX)?,
                "count" => question.count = number("count", &value, 1..=limits::PAGE_COUNT_MAX)?,
                _ => question.filter.criteria.push(criterion(name, &value)),
            }
        }
        if question.filter.criteria.len() > limits::CRITERIA_MAX {
            return Err(Problem::bad_request("there are too many criteria")
                .hint(format!("ask with at most {}", limits::CRITERIA_MAX)));
        }
        Ok(question)
    }
}

/// Where a page lies in the whole list.
pub(super) fn place(page: u64, count: u64) -> Result<Page, Problem> {
    let first =
        page.checked_mul(count).ok_or_else(|| Problem::bad_request("there is no such page: `page` is too large"))?;
    Ok(Page { first, count })
}

/// Reads a number.
pub(super) fn number(name: &str, value: &str, allowed: std::ops::RangeInclusive<u64>) -> Result<u64, Problem> {
    value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| {
        Problem::bad_request(format!("`{name}` is not a number that is allowed here")).hint(format!(
            "give one from {} to {}",
            allowed.start(),
            allowed.end()
        ))
    })
}

fn criterion(name: String, value: &str) -> Criterion {
    let pattern = Pattern::parse(value);
    match name.as_str() {
        "href" => Criterion::Href(pattern),
        "anchor" => Criterion::Anchor(pattern),
        "provenance" => Criterion::Provenance(pattern),
        _ => Criterion::Attribute { name: name.into(), pattern },
    }
}

/// Shows a registrant with its links.
#[utoipa::path(
    get,
    path = "/api/v1/registrants/{id}",
    operation_id = "show_registrant",
    tag = "registrants",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = OK, body = v1::RegistrantDetail, description = "The registrant"),
        (status = NOT_FOUND, body = v1::Problem, content_type = "application/problem+json", description = "There is no such registrant"),
    )
)]
pub async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<v1::RegistrantDetail>, Problem> {
    match shared.ask(Command::Registrant(entry_id(&id)?)).await? {
        Reply::Registrant(shown) => Ok(Json(detail(&shown))),
        other => Err(Problem::mismatched(&other)),
    }
}

/// Enters a registrant, or replaces the one of the same name and sector.
#[utoipa::path(
    post,
    path = "/api/v1/registrants",
    operation_id = "enter_registrant",
    tag = "registrants",
    request_body = v1::RegistrantEntry,
    security(("admin_token" = [])),
    responses(
        (status = CREATED, body = v1::Entered, description = "It is new, and durable", headers(("location" = String, description = "Where to find it"))),
        (status = OK, body = v1::Entered, description = "It replaced an earlier one, and is durable"),
        (status = CONFLICT, body = v1::Problem, description = "The name is held by another registrant", content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, body = v1::Problem, content_type = "application/problem+json", description = "A value is not acceptable"),
    )
)]
pub async fn enter(
    _: Admin,
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    register(&shared, entry(&headers, body)?).await
}

/// Replaces a registrant under its id. Name and sector cannot change.
#[utoipa::path(
    put,
    path = "/api/v1/registrants/{id}",
    operation_id = "replace_registrant",
    tag = "registrants",
    params(("id" = String, Path, description = "Its id")),
    request_body = v1::RegistrantEntry,
    security(("admin_token" = [])),
    responses(
        (status = OK, body = v1::Entered, description = "It is replaced, and durable"),
        (status = NOT_FOUND, body = v1::Problem, content_type = "application/problem+json", description = "There is no such registrant"),
        (status = CONFLICT, body = v1::Problem, description = "That id has another name or sector", content_type = "application/problem+json"),
        (status = UNPROCESSABLE_ENTITY, body = v1::Problem, content_type = "application/problem+json", description = "A value is not acceptable"),
    )
)]
pub async fn replace(
    _: Admin,
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let entry = entry(&headers, body)?;
    let shown = match shared.ask(Command::Registrant(entry_id(&id)?)).await? {
        Reply::Registrant(shown) => shown,
        other => return Err(Problem::mismatched(&other)),
    };
    if *shown.registrant.endpoint_name != *entry.endpoint_name || *shown.registrant.sector != *entry.sector {
        return Err(Problem::new(StatusCode::CONFLICT, "the registrant of this id has another name or sector")
            .hint("POST to /api/v1/registrants enters a registrant under a name of its own"));
    }
    register(&shared, entry).await
}

/// Removes a registrant, whoever owns it.
#[utoipa::path(
    delete,
    path = "/api/v1/registrants/{id}",
    operation_id = "remove_registrant",
    tag = "registrants",
    params(("id" = String, Path, description = "Its id")),
    security(("admin_token" = [])),
    responses(
        (status = NO_CONTENT, description = "It is removed, for good"),
        (status = NOT_FOUND, body = v1::Problem, content_type = "application/problem+json", description = "There is no such registrant"),
    )
)]
pub async fn remove(_: Admin, State(shared): State<Shared>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    match shared.ask(Command::Remove(entry_id(&id)?)).await? {
        Reply::Removed { .. } => Ok(StatusCode::NO_CONTENT),
        other => Err(Problem::mismatched(&other)),
    }
}

async fn register(shared: &Shared, entry: Entry) -> Result<Response, Problem> {
    match shared.ask(Command::Register(entry)).await? {
        Reply::Registered { id, is_new, .. } => {
            let body = Json(v1::Entered { id: id.to_string(), is_new });
            Ok(if is_new {
                (StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/registrants/{id}"))], body).into_response()
            } else {
                body.into_response()
            })
        }
        other => Err(Problem::mismatched(&other)),
    }
}

/// Reads an entry from a request's body.
fn entry(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Entry, Problem> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be JSON")
            .hint("send `Content-Type: application/json`"));
    }
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let entry: v1::RegistrantEntry = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("the body is not an entry: {error}")))?;
    if let Err(error) = LinkFormat::parse_limited(entry.links.as_bytes()) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("`links` is not acceptable: {error}"))
            .hint("write links such as </light>;rt=\"light\",</temp>;rt=\"temperature\""));
    }
    Ok(Entry {
        endpoint_name: entry.endpoint_name,
        sector: entry.sector,
        base: entry.base,
        lifetime_s: entry.lifetime_s,
        attributes: entry.attributes.into_iter().map(|attribute| (attribute.name, attribute.value)).collect(),
        links: entry.links,
    })
}

fn entry_id(text: &str) -> Result<EntryId, Problem> {
    // What cannot be an id names nothing, just as an id that was never given out.
    EntryId::parse(text).ok_or_else(|| Refusal::Unknown.into())
}

/// A registrant in a list.
pub fn summary(shown: &Shown) -> v1::Registrant {
    describe(&shown.registrant, shown.lifetime_s, shown.remaining.as_secs(), shown.age.as_secs())
}

/// A registrant and the state of its lease.
pub fn describe(registrant: &Registrant, lifetime_s: u32, remaining_s: u64, age_s: u64) -> v1::Registrant {
    v1::Registrant {
        id: registrant.id.to_string(),
        endpoint_name: registrant.endpoint_name.to_string(),
        sector: registrant.sector.to_string(),
        base: registrant.base.to_string(),
        attributes: registrant
            .attributes
            .iter()
            .map(|(name, value)| v1::Attribute { name: name.to_string(), value: value.to_string() })
            .collect(),
        link_count: LinkFormat::trusted(&registrant.links).links().count(),
        origin: origin(registrant.origin),
        lifetime_s,
        remaining_s,
        age_s,
    }
}

/// How a registrant came to be known.
pub(super) fn origin(origin: Origin) -> v1::Origin {
    match origin {
        Origin::Directory => v1::Origin::Directory,
        Origin::SimpleRegistration => v1::Origin::SimpleRegistration,
        Origin::Operator => v1::Origin::Operator,
        Origin::Srp => v1::Origin::Srp,
        Origin::Configured => v1::Origin::Configured,
    }
}

fn detail(shown: &Shown) -> v1::RegistrantDetail {
    let registrant = &shown.registrant;
    v1::RegistrantDetail {
        registrant: summary(shown),
        location: shown.location.clone(),
        is_active: shown.is_active,
        is_base_explicit: registrant.is_base_explicit,
        source: registrant.source.map(|source| source.to_string()),
        links: LinkFormat::trusted(&registrant.links).links().map(|one| link(&registrant.base, &one)).collect(),
        same_device: shown.same_device.iter().map(ToString::to_string).collect(),
    }
}

fn link(base: &str, link: &Link<'_>) -> v1::Link {
    let mut resolved = Vec::new();
    resolve_into(&mut resolved, base, link.target);
    v1::Link {
        target: link.target.to_owned(),
        resolved_target: String::from_utf8_lossy(&resolved).into_owned(),
        attributes: link
            .parameters()
            .map(|(name, value)| v1::Attribute { name: name.to_owned(), value: value.unquoted().into_owned() })
            .collect(),
    }
}
