//! `status` and health: sizes and counters for people, life signs for supervisors.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::problem::Problem;
use super::{Shared, limits};
use crate::api::v1;

/// Shows sizes and counters.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "show_status",
    tag = "status",
    responses((status = OK, body = v1::Status, description = "Sizes and counters"))
)]
pub async fn show(State(shared): State<Shared>) -> Result<Json<v1::Status>, Problem> {
    let counters = shared.node_counters().await?;
    Ok(Json(v1::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        directory_uris: shared.settings.directory_uris.clone(),
        is_changeable: shared.settings.admin_token.is_some(),
        registrants: counters.registrants as u64,
        octets: counters.octets as u64,
        observers: counters.observers as u64,
        listeners: shared.listeners_count() as u64,
        last_change: counters.last_change,
        requests: counters.coap.requests,
        notifications: counters.coap.notifications_sent,
        registrations: counters.registrations,
        updates: counters.updates,
        removals: counters.removals,
        expiries: counters.expiries,
        lookups: counters.lookups,
        refusals: counters.refusals,
    }))
}

/// Tells that the daemon lives.
///
/// It says nothing about the node: a supervisor that restarts on failure should ask this.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "is_alive",
    tag = "health",
    responses((status = OK, body = String, content_type = "text/plain", description = "It does"))
)]
pub async fn live() -> &'static str {
    "alive\n"
}

/// Tells whether the node answers.
///
/// A balancer that should send nobody here while it does not should ask this.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "is_ready",
    tag = "health",
    responses(
        (status = OK, body = String, content_type = "text/plain", description = "It does"),
        (status = SERVICE_UNAVAILABLE, body = String, content_type = "text/plain", description = "It does not"),
    )
)]
pub async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    match tokio::time::timeout(limits::READY_MAX, shared.node_counters()).await {
        Ok(Ok(_)) => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}
