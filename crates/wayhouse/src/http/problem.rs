//! Problem details (RFC 9457): how every failure is told, always with a sentence and where possible with a hint.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wayhouse_node::Reply;
use wayhouse_registry::Refusal;

use crate::api::v1;
use crate::shell::handle::OperationError;

/// A request that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    hint: Option<String>,
    header: Option<(&'static str, &'static str)>,
}

impl Problem {
    /// A problem of that status, in a sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), hint: None, header: None }
    }
    /// Its status.
    #[cfg(test)]
    pub fn status(&self) -> StatusCode {
        self.status
    }
    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
    fn header(mut self, name: &'static str, value: &'static str) -> Problem {
        self.header = Some((name, value));
        self
    }

    /// The request makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }
    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }
    /// Too much at the moment.
    pub fn busy(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).hint("try again shortly").header("retry-after", "5")
    }
    /// The admin token is missing or wrong.
    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
            .hint("send `Authorization: Bearer TOKEN` with the configured admin token")
            .header("www-authenticate", "Bearer realm=\"wayhouse\"")
    }
    /// The node answered something else than was asked: a bug of ours.
    pub fn mismatched(reply: &Reply) -> Problem {
        debug_assert!(false, "the node answers each command with its own reply, not {reply:?}");
        tracing::error!("the node answered with an unexpected kind of reply");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the node gave an unexpected answer")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unknown => Problem::not_found(detail).hint("list the registrants to see which there are"),
            Refusal::NotOwner => Problem::new(StatusCode::CONFLICT, detail)
                .hint("remove the registrant that holds the name first, or choose another name or sector"),
            Refusal::Configured => {
                Problem::new(StatusCode::CONFLICT, detail).hint("change the configuration file and restart the daemon")
            }
            Refusal::Invalid { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refusal::Full { .. } => Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail)
                .hint("remove registrants, or raise the bound in the configuration"),
        }
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Problem {
        match error {
            OperationError::Refused(refusal) => refusal.into(),
            OperationError::Stopping => Problem::busy(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = v1::Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Unknown").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            hint: self.hint,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
