//! CoAP URIs (RFC 7252 §6, RFC 8323 §8) and the part of RFC 3986 that resolving references needs.
//!
//! [`CoapUri::parse`] takes a URI apart into where a request goes and its options, [`compose`] puts one together again,
//! [`resolve_into`] makes full URIs of references.
//!
//! # Deviations
//! Zone identifiers (`[fe80::1%eth0]`, RFC 6874's `%25eth0` too) are accepted on input and never written. In paths and
//! queries, characters that a URI would have to percent-encode are taken as they are: people type them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::OptionList;
use super::option::number;

/// The URI schemes that wayhouse can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `coap`, UDP.
    Coap,
    /// `coaps`, DTLS.
    Coaps,
    /// `coap+tcp`.
    CoapTcp,
    /// `coaps+tcp`.
    CoapsTcp,
}

impl Scheme {
    /// The scheme's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Coap => "coap",
            Scheme::Coaps => "coaps",
            Scheme::CoapTcp => "coap+tcp",
            Scheme::CoapsTcp => "coaps+tcp",
        }
    }
    /// The default port.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Coap | Scheme::CoapTcp => 5683,
            Scheme::Coaps | Scheme::CoapsTcp => 5684,
        }
    }
}

/// A decomposed CoAP URI (RFC 7252 §6.4): where to, and which options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoapUri {
    /// The scheme.
    pub scheme: Scheme,
    /// Host as an address (an IPv4-mapped one as the IPv4 address it means), or a lower-case, percent-decoded name.
    pub host: Host,
    /// The zone (`%eth0`) of a link-local literal, if written.
    pub zone: Option<String>,
    /// Port, explicit or the scheme's default.
    pub port: u16,
    /// `Uri-Host` (for names), `Uri-Path`, `Uri-Query` options.
    pub options: OptionList,
}

/// The host part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An IP literal.
    Address(IpAddr),
    /// A registered name.
    Name(String),
}

/// Why a URI cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message says it")]
pub enum UriError {
    #[error("not an absolute URI")]
    NotAbsolute,
    #[error("scheme is none of coap, coaps, coap+tcp, coaps+tcp")]
    UnknownScheme,
    #[error("a fragment is not allowed")]
    Fragment,
    #[error("the host is empty or malformed")]
    BadHost,
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    #[error("malformed percent-encoding")]
    BadPercent,
    #[error("a path or query segment is longer than 255 octets")]
    SegmentTooLong,
}

impl CoapUri {
    /// Decomposes a URI.
    ///
    /// # Errors
    /// As listed in [`UriError`].
    pub fn parse(text: &str) -> Result<CoapUri, UriError> {
        if !has_scheme(text) {
            return Err(UriError::NotAbsolute);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::NotAbsolute)?;
        let scheme = [Scheme::Coap, Scheme::Coaps, Scheme::CoapTcp, Scheme::CoapsTcp]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(scheme))
            .ok_or(UriError::UnknownScheme)?;
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let rest = rest.strip_prefix("//").ok_or(UriError::NotAbsolute)?;
        let (authority, reference) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
        let Authority { host, zone, port } = Authority::parse(authority)?;
        let mut options = OptionList::new();
        if let Host::Name(name) = &host {
            push_segment(&mut options, number::URI_HOST, name.as_bytes())?;
        }
        // RFC 7252 §6.4: an empty path and "/" give no option.
        for segment in path_segments(path)? {
            push_segment(&mut options, number::URI_PATH, &segment)?;
        }
        if let Some(query) = query {
            for argument in query.split('&') {
                let argument = percent_decode(argument).ok_or(UriError::BadPercent)?;
                push_segment(&mut options, number::URI_QUERY, &argument)?;
            }
        }
        Ok(CoapUri { scheme, host, zone, port: port.unwrap_or(scheme.default_port()), options })
    }
}

/// What stands between `//` and the path.
struct Authority {
    host: Host,
    zone: Option<String>,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Result<Authority, UriError> {
        let (host, zone, port) = match text.strip_prefix('[') {
            Some(inner) => {
                let (literal, behind) = inner.split_once(']').ok_or(UriError::BadHost)?;
                let (literal, zone) = literal.split_once('%').map_or((literal, None), |(literal, zone)| {
                    (literal, Some(zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone)))
                });
                if zone.is_some_and(str::is_empty) {
                    return Err(UriError::BadHost);
                }
                let address = literal.parse().map_err(|_| UriError::BadHost)?;
                let port = if behind.is_empty() { "" } else { behind.strip_prefix(':').ok_or(UriError::BadPort)? };
                (Host::Address(IpAddr::V6(address).to_canonical()), zone.map(str::to_owned), port)
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                let host = match host.parse() {
                    Ok(address) => Host::Address(IpAddr::V4(address)),
                    Err(_) => Host::Name(registered_name(host)?),
                };
                (host, None, port)
            }
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port != 0).ok_or(UriError::BadPort)?)
            }
            _ => return Err(UriError::BadPort),
        };
        Ok(Authority { host, zone, port })
    }
}

/// A name as Uri-Host carries it: percent-decoded, ASCII letters in lower case (RFC 7252 §6.4).
fn registered_name(text: &str) -> Result<String, UriError> {
    let is_allowed =
        |octet: u8| is_unreserved(octet) || SUB_DELIMITERS.contains(&octet) || octet == b'%' || octet >= 0x80;
    if text.is_empty() || !text.bytes().all(is_allowed) {
        return Err(UriError::BadHost);
    }
    let mut name = percent_decode(text).ok_or(UriError::BadPercent)?;
    name.make_ascii_lowercase();
    String::from_utf8(name).map_err(|_| UriError::BadHost)
}

/// The percent-decoded segments of a path without `.` and `..`, however these were written (CO10).
fn path_segments(path: &str) -> Result<Vec<Vec<u8>>, UriError> {
    let mut segments = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/').skip(1) {
        let segment = percent_decode(segment).ok_or(UriError::BadPercent)?;
        is_folder = matches!(&segment[..], b"." | b"..");
        match &segment[..] {
            b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    // A path that ends in a dot segment means the folder, as if it ended in a slash.
    if is_folder && !segments.is_empty() {
        segments.push(Vec::new());
    }
    if segments.len() == 1 && segments[0].is_empty() {
        segments.clear();
    }
    Ok(segments)
}

fn push_segment(options: &mut OptionList, number: u16, value: &[u8]) -> Result<(), UriError> {
    if value.len() > 255 {
        return Err(UriError::SegmentTooLong);
    }
    options.push(number, value);
    Ok(())
}

/// Composes a URI (RFC 7252 §6.5) from the destination and options of a request; Uri-Host and Uri-Port go before the
/// destination.
pub fn compose<'a>(
    scheme: Scheme,
    destination: SocketAddr,
    options: impl Iterator<Item = super::OptionRef<'a>> + Clone,
) -> String {
    let of = |wanted: u16| options.clone().filter(move |option| option.number == wanted);
    let written_port =
        of(number::URI_PORT).next().and_then(|option| option.uint()).and_then(|port| port.try_into().ok());
    let port = written_port.unwrap_or(destination.port());
    let mut uri = String::new();
    match of(number::URI_HOST).next() {
        Some(host) => {
            uri.push_str(scheme.as_str());
            uri.push_str("://");
            let literal = host.text().map(|text| text.trim_start_matches('[').trim_end_matches(']'));
            match literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok()) {
                Some(address) => push_formatted(&mut uri, format_args!("[{address}]")),
                None => percent_encode(&mut uri, host.value, SUB_DELIMITERS),
            }
        }
        None => base_from_address(&mut uri, scheme, SocketAddr::new(destination.ip(), scheme.default_port())),
    }
    if port != scheme.default_port() {
        push_formatted(&mut uri, format_args!(":{port}"));
    }
    let mut has_path = false;
    for segment in of(number::URI_PATH) {
        has_path = true;
        uri.push('/');
        percent_encode(&mut uri, segment.value, b"!$&'()*+,;=:@");
    }
    if !has_path {
        uri.push('/');
    }
    for (index, argument) in of(number::URI_QUERY).enumerate() {
        uri.push(if index == 0 { '?' } else { '&' });
        // A slash need not be encoded here (RFC 7252 §6.5), but App. B does; both mean the same.
        percent_encode(&mut uri, argument.value, b"!$'()*+,;=:@?");
    }
    uri
}

/// The relative reference that Location-Path and Location-Query make up (RFC 7252 §5.10.7); `None` without either.
pub fn location<'a>(options: impl Iterator<Item = super::OptionRef<'a>> + Clone) -> Option<String> {
    let joined = |number: u16, lead: char, between: char, also: &[u8]| {
        let mut text = String::new();
        for option in options.clone().filter(|option| option.number == number) {
            text.push(if text.is_empty() { lead } else { between });
            percent_encode(&mut text, option.value, also);
        }
        text
    };
    let path = joined(number::LOCATION_PATH, '/', '/', b"!$&'()*+,;=:@");
    let query = joined(number::LOCATION_QUERY, '?', '&', b"!$'()*+,;=:@/?");
    match (path.is_empty(), query.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("/{query}")),
        (false, _) => Some(path + &query),
    }
}

/// Whether text starts with a scheme (`coap:`, `urn:`…), so that it is a full URI.
pub fn has_scheme(text: &str) -> bool {
    scheme_end(text).is_some()
}

/// Where the scheme ends, behind its colon.
fn scheme_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !bytes.first()?.is_ascii_alphabetic() {
        return None;
    }
    let end = bytes.iter().position(|octet| !(octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.')))?;
    (bytes[end] == b':').then_some(end + 1)
}

/// The components of a URI reference (RFC 3986 App. B): each with the delimiter that marks it, empty where not there.
struct Reference<'a> {
    /// With its colon.
    scheme: &'a str,
    /// With its two slashes.
    authority: &'a str,
    path: &'a str,
    /// With its question mark.
    query: &'a str,
    /// With its number sign.
    fragment: &'a str,
}

impl<'a> Reference<'a> {
    /// Splits in one pass from left to right: resolving links is what lookups spend their time with.
    fn split(text: &'a str) -> Reference<'a> {
        let bytes = text.as_bytes();
        let until = |from: usize, is_end: fn(u8) -> bool| {
            bytes[from..].iter().position(|octet| is_end(*octet)).map_or(bytes.len(), |at| from + at)
        };
        let scheme_end = scheme_end(text).unwrap_or(0);
        let authority_end = if bytes[scheme_end..].starts_with(b"//") {
            until(scheme_end + 2, |octet| matches!(octet, b'/' | b'?' | b'#'))
        } else {
            scheme_end
        };
        let path_end = until(authority_end, |octet| matches!(octet, b'?' | b'#'));
        let query_end = until(path_end, |octet| octet == b'#');
        Reference {
            scheme: &text[..scheme_end],
            authority: &text[scheme_end..authority_end],
            path: &text[authority_end..path_end],
            query: &text[path_end..query_end],
            fragment: &text[query_end..],
        }
    }
}

/// The origin of a full URI, `scheme://authority`; a URI without authority is its own.
pub fn origin(uri: &str) -> &str {
    let Reference { scheme, authority, .. } = Reference::split(uri);
    if authority.is_empty() { uri } else { &uri[..scheme.len() + authority.len()] }
}

/// Appends `reference` resolved against `base` (RFC 3986 §5.2.2), for the references that Limited Link Format allows and
/// for relative ones alike. A full URI is copied unmodified (RD27), dot segments included.
pub fn resolve_into(out: &mut Vec<u8>, base: &str, reference: &str) {
    if has_scheme(reference) {
        out.extend_from_slice(reference.as_bytes());
        return;
    }
    let base = Reference::split(base);
    let reference = Reference::split(reference);
    out.extend_from_slice(base.scheme.as_bytes());
    if !reference.authority.is_empty() {
        out.extend_from_slice(reference.authority.as_bytes());
        push_without_dot_segments(out, "", reference.path);
        out.extend_from_slice(reference.query.as_bytes());
    } else {
        out.extend_from_slice(base.authority.as_bytes());
        if reference.path.is_empty() {
            out.extend_from_slice(base.path.as_bytes());
            let query = if reference.query.is_empty() { base.query } else { reference.query };
            out.extend_from_slice(query.as_bytes());
        } else {
            let folder = match (reference.path.starts_with('/'), base.path.rfind('/')) {
                (true, _) => "",
                (false, Some(at)) => &base.path[..=at],
                // RFC 3986 §5.2.3: the path of an authority starts with a slash even where it is not written.
                (false, None) if !base.authority.is_empty() => "/",
                (false, None) => "",
            };
            push_without_dot_segments(out, folder, reference.path);
            out.extend_from_slice(reference.query.as_bytes());
        }
    }
    out.extend_from_slice(reference.fragment.as_bytes());
}

/// Appends the path that `folder` (empty, or ending in a slash) and `path` are together, without its `.` and `..`
/// segments (RFC 3986 §5.2.4).
fn push_without_dot_segments(out: &mut Vec<u8>, folder: &str, path: &str) {
    let has_dots = |text: &str| text.starts_with('.') || text.as_bytes().windows(2).any(|pair| pair == b"/.");
    if !has_dots(folder) && !has_dots(path) {
        out.extend_from_slice(folder.as_bytes());
        out.extend_from_slice(path.as_bytes());
        return;
    }
    let mut segments = folder.split_inclusive('/').chain(path.split_inclusive('/')).peekable();
    // The slash in front of everything is no segment: `..` does not go above it.
    if segments.next_if_eq(&"/").is_some() {
        out.push(b'/');
    }
    let root = out.len();
    for segment in segments {
        match segment {
            "." | "./" => {}
            ".." | "../" => {
                let written = &out[root..out.len().saturating_sub(1).max(root)];
                let kept = written.iter().rposition(|octet| *octet == b'/').map_or(0, |at| at + 1);
                out.truncate(root + kept);
            }
            _ => out.extend_from_slice(segment.as_bytes()),
        }
    }
}

/// Appends the base URI of an address: scheme, literal in RFC 5952 form without zone, port when not the default. An
/// IPv4-mapped address, as sockets for both families report it, is written as the IPv4 address it means.
pub fn base_from_address(out: &mut String, scheme: Scheme, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => push_formatted(out, format_args!("{}://{address}", scheme.as_str())),
        IpAddr::V6(address) => push_formatted(out, format_args!("{}://[{address}]", scheme.as_str())),
    }
    if address.port() != scheme.default_port() {
        push_formatted(out, format_args!(":{}", address.port()));
    }
}

fn push_formatted(out: &mut String, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write;
    out.write_fmt(text).expect("writing to memory cannot fail");
}

/// The `sub-delims` of RFC 3986 §2.2.
const SUB_DELIMITERS: &[u8] = b"!$&'()*+,;=";

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Appends octets, all but unreserved ones and those in `also` percent-encoded with upper-case digits.
pub fn percent_encode(out: &mut String, octets: &[u8], also: &[u8]) {
    for &octet in octets {
        if is_unreserved(octet) || also.contains(&octet) {
            out.push(octet as char);
        } else {
            push_formatted(out, format_args!("%{octet:02X}"));
        }
    }
}

/// Percent-decodes one segment; `None` when an escape is malformed.
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let mut digit = || (octets.next()? as char).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            _ => octet,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
