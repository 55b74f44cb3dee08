//! Who may ask: checks before any resource is reached, and headers that bind the browser afterwards.
//!
//! Three attacks are met here. A web page elsewhere that names our address by its own host name (DNS rebinding) fails
//! at the `Host` check; one that sends requests across origins fails at the `Origin` check; and whoever may only read
//! has no admin token. The page itself runs under a content security policy that admits nothing from elsewhere.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::connection::Connection;
use super::problem::Problem;

/// Headers of every response.
const BINDING_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses requests that come from where they should not, and adds the headers that bind a browser.
pub async fn check(
    State(shared): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    shared.counters.count_request();
    let mut response = match admit(&shared, connection, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in BINDING_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // What devices registered belongs in no cache on the way; the page's own files say otherwise for themselves.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn admit(shared: &Shared, connection: Connection, request: &Request) -> Result<(), Problem> {
    let authority = authority(request)?;
    if !is_known_host(authority.host(), connection.local.ip(), &shared.settings.host_names) {
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "this host name is not one of ours")
            .hint("use a loopback name or address, or add the name to `http.host_names` in the configuration"));
    }
    match request.headers().get(header::ORIGIN) {
        Some(origin) if !is_known_origin(origin, &authority, &shared.settings.host_names) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "requests from other origins are not served"))
        }
        _ => Ok(()),
    }
}

/// The authority that the client believes to talk to.
fn authority(request: &Request) -> Result<Authority, Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
        // A target in absolute form outranks the header (RFC 9112 §3.2.2).
        (Some(authority), _, _) => Some(authority.clone()),
        (None, Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        _ => None,
    };
    host.ok_or_else(|| Problem::bad_request("exactly one well-formed `Host` is needed"))
}

/// Whether a host name or literal is one under which we are meant to be reached.
pub fn is_known_host(host: &str, local: IpAddr, names: &[String]) -> bool {
    let bare = bare_host(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback()
            || address == local.to_canonical()
            || names.iter().any(|name| name.parse::<IpAddr>().is_ok_and(|known| known.to_canonical() == address));
    }
    let name = bare.strip_suffix('.').unwrap_or(bare);
    let is_below_localhost = name.len() > 10 && name.as_bytes()[name.len() - 10..].eq_ignore_ascii_case(b".localhost");
    name.eq_ignore_ascii_case("localhost")
        || is_below_localhost
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether `Origin` names the very authority that is asked, or a host that is configured as ours: a proxy may ask in our
/// own name for a page that it serves under another. Behind TLS the scheme differs from what we see, so it is not
/// compared.
fn is_known_origin(origin: &HeaderValue, authority: &Authority, names: &[String]) -> bool {
    let Some(rest) = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")))
    else {
        return false;
    };
    rest.eq_ignore_ascii_case(authority.as_str())
        || Authority::try_from(rest)
            .is_ok_and(|origin| names.iter().any(|name| name.eq_ignore_ascii_case(bare_host(origin.host()))))
}

/// A host without the brackets of an IPv6 literal.
fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Proof that the request bears the admin token: a resource that changes something takes it as an argument.
#[derive(Debug)]
pub struct Admin;

impl FromRequestParts<Shared> for Admin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Admin, Problem> {
        let Some(wanted) = shared.settings.admin_token.as_deref() else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "nobody may change anything here: there is no admin token",
            )
            .hint("configure an admin token and restart the daemon"));
        };
        let given = bearer_token(&parts.headers).ok_or_else(|| Problem::unauthorized("the admin token is missing"))?;
        if is_same_secret(given.as_bytes(), wanted.as_bytes()) {
            Ok(Admin)
        } else {
            Err(Problem::unauthorized("the admin token is wrong"))
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compares in a time that depends on the length of what was given alone.
fn is_same_secret(given: &[u8], wanted: &[u8]) -> bool {
    // The wanted secret is read cyclically, so that its length does not show; an empty one never fits.
    let difference = given
        .iter()
        .zip(wanted.iter().cycle())
        .fold(given.len() ^ wanted.len(), |difference, (a, b)| difference | usize::from(a ^ b));
    std::hint::black_box(difference) == 0 && !wanted.is_empty()
}
