//! Base URIs: given, or derived from where a request came from (RFC 9176 §5).

use std::borrow::Cow;
use std::net::SocketAddr;

use wayhouse_proto::coap::Request;
use wayhouse_proto::io::{Meta, Peer};
use wayhouse_registry::Refusal;
use wayhouse_wire::coap::uri::{self, Scheme};

use super::link_of;
use crate::rules::{Reach, check_base, invalid, is_link_local};

/// A base URI and where it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base<'a> {
    /// The URI.
    pub(super) uri: Cow<'a, str>,
    /// Whether the registrant gave it.
    pub(super) is_explicit: bool,
    /// For a link-local one: its link (RD5).
    pub(super) link_scope: Option<u32>,
}

impl<'a> Base<'a> {
    /// The base of a request that names one, or else of its source address and port.
    pub(super) fn of(given: Option<&'a str>, request: &Request<'_>) -> Result<Base<'a>, Refusal> {
        let (uri, reach) = match given {
            Some(uri) => (Cow::Borrowed(uri), check_base(uri)?),
            None => {
                let scheme = match request.peer {
                    Peer::Datagram { .. } => Scheme::Coap,
                    Peer::Stream(_) => Scheme::CoapTcp,
                };
                let remote = request.meta.remote;
                let source = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                let mut uri = String::new();
                // RD5: written without a zone.
                uri::base_from_address(&mut uri, scheme, source);
                (Cow::Owned(uri), if is_link_local(source.ip()) { Reach::LinkLocal } else { Reach::Wide })
            }
        };
        let link_scope = Base::link_scope(reach, &request.meta)?;
        Ok(Base { uri, is_explicit: given.is_some(), link_scope })
    }

    fn link_scope(reach: Reach, meta: &Meta) -> Result<Option<u32>, Refusal> {
        match (reach, link_of(meta)) {
            (Reach::Wide, _) => Ok(None),
            // RD5: a link-local base means the link on which it was heard.
            (Reach::LinkLocal, Some(link)) => Ok(Some(link)),
            (Reach::LinkLocal, None) => Err(invalid("base", "link-local, and the link is not known")),
        }
    }
}
