//! Where a URI leads: its parts checked for what this program can reach, and the addresses of its host.

use std::net::SocketAddr;

use wayhouse_wire::coap::uri::{self, CoapUri, Host, Scheme};

use super::exit::Fault;

/// A URI that this program can send requests to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The URI as written.
    pub text: String,
    /// Its parts.
    pub uri: CoapUri,
}

impl Place {
    /// Reads a URI.
    ///
    /// # Errors
    /// Misuse for what is no CoAP URI, and for transports that are not built in.
    pub(super) fn parse(text: &str) -> Result<Place, Fault> {
        let parts = CoapUri::parse(text).map_err(|error| {
            let fault = Fault::misuse(format!("`{text}` cannot be used as a CoAP URI: {error}"));
            match error {
                uri::UriError::NotAbsolute => {
                    fault.hint(format!("write the scheme too: coap://{}", text.trim_start_matches('/')))
                }
                uri::UriError::UnknownScheme => fault.hint("this program speaks coap:// (UDP) and coap+tcp:// (TCP)"),
                uri::UriError::Fragment => fault.hint("leave out `#` and what follows, or write it as %23"),
                _ => fault
                    .hint("the form is coap://host:port/path?query; IPv6 addresses stand in brackets: coap://[::1]/"),
            }
        })?;
        match parts.scheme {
            Scheme::Coap | Scheme::CoapTcp => {}
            Scheme::Coaps | Scheme::CoapsTcp => {
                let plain = if parts.scheme == Scheme::Coaps { "coap" } else { "coap+tcp" };
                return Err(Fault::misuse(format!("`{}://` is not built in yet", parts.scheme.as_str()))
                    .hint(format!("without DTLS or TLS: {plain}://, if the server offers it")));
            }
        }
        Ok(Place { text: text.to_owned(), uri: parts })
    }

    /// Whether the transport is a connection.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.uri.scheme, Scheme::CoapTcp | Scheme::CoapsTcp)
    }

    /// Whether the host is a group: several may answer.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.uri.host, Host::Address(address) if address.is_multicast()) && !self.is_stream()
    }

    /// `scheme://authority` as written.
    pub(super) fn origin(&self) -> &str {
        let authority = self.text.find("://").map_or(0, |at| at + 3);
        let end = self.text[authority..].find(['/', '?', '#']).map_or(self.text.len(), |at| authority + at);
        &self.text[..end]
    }

    /// Whether the URI names a resource, and not just a server.
    pub(super) fn has_path(&self) -> bool {
        !matches!(&self.text[self.origin().len()..], "" | "/")
    }

    /// This place, with a path where it has none; its query stays.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub(super) fn with_default_path(self, path: &str) -> Result<Place, Fault> {
        let rest = &self.text[self.origin().len()..];
        match rest.strip_prefix('/').unwrap_or(rest) {
            query if query.is_empty() || query.starts_with('?') => self.join(&format!("{path}{query}")),
            _ => Ok(self),
        }
    }

    /// The place that a reference found here leads to: RFC 3986 §5.2, any scheme and authority (RD8).
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub(super) fn join(&self, reference: &str) -> Result<Place, Fault> {
        let mut place = Place::parse(&self.resolve(reference))?;
        // A link-local address is only complete with the link it was heard on.
        if place.uri.zone.is_none() && self.uri.zone.is_some() && place.uri.is_link_local() {
            place.uri.zone.clone_from(&self.uri.zone);
        }
        Ok(place)
    }

    /// A reference found here as a full URI.
    pub(super) fn resolve(&self, reference: &str) -> String {
        let mut absolute = Vec::new();
        uri::resolve_into(&mut absolute, &self.text, reference);
        String::from_utf8_lossy(&absolute).into_owned()
    }

    /// The addresses of the host, in the order in which to try them.
    ///
    /// # Errors
    /// Unreachable when the name or the zone is not known.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, Fault> {
        let port = self.uri.port;
        let name = match (&self.uri.host, &self.uri.zone) {
            (Host::Address(address), None) => return Ok(vec![SocketAddr::new(*address, port)]),
            (Host::Address(address), Some(zone)) => format!("{address}%{zone}"),
            (Host::Name(name), _) => name.clone(),
        };
        let found = tokio::net::lookup_host((name.as_str(), port)).await.map(Iterator::collect::<Vec<_>>);
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            _ if self.uri.zone.is_some() => {
                Err(Fault::unreachable(format!("`{name}` names no interface of this machine"))
                    .hint("`ip link` shows the names of the interfaces"))
            }
            _ => Err(Fault::unreachable(format!("the name `{name}` is not known"))
                .hint("check the spelling, or use an address")),
        }
    }
}

/// What a URI's parts tell about reach.
trait Reach {
    fn is_link_local(&self) -> bool;
}

impl Reach for CoapUri {
    fn is_link_local(&self) -> bool {
        matches!(self.host, Host::Address(std::net::IpAddr::V6(address)) if address.is_unicast_link_local())
    }
}

#[cfg(test)]
mod tests;
