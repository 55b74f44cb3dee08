//! The page: a few files, embedded in the program (read from disk in debug builds).

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

#[derive(rust_embed::Embed)]
#[folder = "ui/"]
struct Files;

/// Serves the page's files.
pub async fn show(uri: Uri, request: Request) -> Response {
    let path = match uri.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = Files::get(path) else {
        return Problem::not_found("there is no such page")
            .hint("the page is at /, the interface under /api/v1")
            .into_response();
    };
    let content_type = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let tag: String = file.metadata.sha256_hash()[..12].iter().map(|octet| format!("{octet:02x}")).collect();
    let tag = HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits are allowed in a header");
    // `no-cache` lets the browser keep the file and ask whether it still holds: a new version shows at once.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag.clone()),
    ];
    if request.headers().get(header::IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, file.data).into_response()
}
