//! The list of all resources, and their description.

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
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

/// All resources, ready to serve, and their description as JSON.
pub fn build(shared: Shared) -> (Router, String) {
    let (resources, description) = OpenApiRouter::with_openapi(Description::openapi())
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
