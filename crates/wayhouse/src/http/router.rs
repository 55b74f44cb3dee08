//! The list of all resources, and their description.

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::{Shared, asking, changes, groups, guard, limits, metrics, page, registrants, status};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "wayhouse",
        description = "What the directory knows, and what an operator may do about it. Reading needs no token; changing something needs the admin token. Failures are problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "registrants", description = "Who is registered"),
        (name = "groups", description = "Who is asked together"),
        (name = "changes", description = "What happens, as it happens"),
        (name = "status", description = "Sizes and counters"),
        (name = "metrics", description = "The same for Prometheus"),
        (name = "health", description = "Life signs"),
    ),
    modifiers(&AdminToken),
)]
struct Description;

/// Says how the admin token is given.
struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The configured admin token"));
        description
            .components
            .get_or_insert_default()
            .add_security_scheme("admin_token", SecurityScheme::Http(scheme.build()));
    }
}

/// Problems that have nothing to do with what is asked for.
const COMMON_PROBLEMS: &[(StatusCode, For, &str)] = &[
    (StatusCode::BAD_REQUEST, For::All, "The request cannot be read"),
    (StatusCode::UNAUTHORIZED, For::Changes, "The admin token is missing or wrong"),
    (StatusCode::FORBIDDEN, For::All, "A page from elsewhere asks, or no admin token is configured"),
    (StatusCode::PAYLOAD_TOO_LARGE, For::Bodies, "The body is too large"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, For::Bodies, "The body is not said to be JSON"),
    (StatusCode::MISDIRECTED_REQUEST, For::All, "The host name is not one of the daemon's"),
    (StatusCode::SERVICE_UNAVAILABLE, For::Api, "The daemon is busy or stopping: try again"),
    (StatusCode::INSUFFICIENT_STORAGE, For::Entries, "The registry is full"),
];

/// Which operations can end with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    All,
    Api,
    /// Those that change something.
    Changes,
    /// Those with a body.
    Bodies,
    /// Those that enter something.
    Entries,
}

/// Declares the problems that every operation of a kind can end with, where it does not say itself what they mean.
fn add_common_problems(description: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let reads = item.get.iter_mut().map(|operation| (operation, false));
        let changes = [&mut item.put, &mut item.post, &mut item.delete].into_iter().flatten();
        for (operation, changes) in reads.chain(changes.map(|operation| (operation, true))) {
            let has_body = operation.request_body.is_some();
            for (status, kind, meaning) in COMMON_PROBLEMS {
                let applies = match kind {
                    For::All => true,
                    For::Api => path.starts_with("/api/"),
                    For::Changes => changes,
                    For::Bodies => has_body,
                    For::Entries => has_body && path.starts_with("/api/v1/registrants"),
                };
                if applies {
                    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                    let response = ResponseBuilder::new().description(*meaning);
                    let response = response.content("application/problem+json", problem).build();
                    operation.responses.responses.entry(status.as_str().to_owned()).or_insert(response.into());
                }
            }
        }
    }
}

/// All resources, ready to serve, and their description as JSON.
pub fn build(shared: Shared) -> (Router, String) {
    let (resources, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(registrants::list, registrants::enter))
        .routes(routes!(registrants::show, registrants::replace, registrants::remove))
        .routes(routes!(groups::list))
        .routes(routes!(asking::ask))
        .routes(routes!(changes::follow))
        .routes(routes!(status::show))
        .routes(routes!(metrics::show))
        .routes(routes!(status::live))
        .routes(routes!(status::ready))
        .split_for_parts();
    add_common_problems(&mut description);
    let mut description = description.to_pretty_json().expect("the description has only string keys");
    description.push('\n');
    let told = description.clone();
    let router = resources
        .route(
            "/api/v1/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], told.clone()).into_response()),
        )
        .route("/", get(page::show))
        .route("/{file}", get(page::show))
        .fallback(async || {
            Problem::not_found("there is no such resource").hint("see /api/v1/openapi.json for what there is")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this resource does not know this method")
                .hint("see /api/v1/openapi.json for what there is")
        })
        .layer(DefaultBodyLimit::max(limits::BODY_OCTETS_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared);
    (router, description)
}
