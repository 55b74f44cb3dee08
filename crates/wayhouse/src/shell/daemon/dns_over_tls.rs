//! The listeners for DNS over TLS, and who we are there.

use openssl::error::ErrorStack;

use super::super::stream::Service;
use super::super::tls::TlsServer;
use super::super::tls::identity::{Names, Source};
use super::{Served, StartError, is_family_missing};
use crate::config::Settings;

/// Opens the listeners for DNS over TLS; the pin of their key, and where that comes from. Nothing is served there when nothing
/// is served over UDP.
pub(super) fn listen(
    settings: &Settings,
    may_skip_families: bool,
    served: &mut Served,
) -> Result<Option<(String, Source)>, StartError> {
    let listeners = settings.dns.tls_listeners();
    if listeners.is_empty() || served.dns.is_empty() {
        return Ok(None);
    }
    let source = match (&settings.dns.tls_certificate, &settings.dns.tls_key) {
        (Some(certificate), Some(key)) => Source::Files { certificate: certificate.clone(), key: key.clone() },
        _ => Source::Own { data_dir: settings.store.data_dir.clone(), names: own_names(settings) },
    };
    let identity = source.read()?;
    let fault = |error: ErrorStack| StartError::System { what: "TLS", error: error.into() };
    served.streams.set_tls(TlsServer::new(&identity).map_err(fault)?);
    for listener in listeners {
        let (address, dialects) = (listener.address, listener.dialects(settings.node.dns.dialects));
        match served.streams.listen(address, Service::DnsOverTls(dialects)) {
            Ok(bound) => served.dns_tls.push((bound, dialects)),
            Err(error) if may_skip_families && is_family_missing(&error) => {
                tracing::warn!(%address, %error, "not served");
            }
            Err(error) => return Err(StartError::Listen { what: "DNS over TLS", address, error }),
        }
    }
    let pin = identity.pin().map_err(fault)?;
    Ok(Some((pin, source)))
}

/// What our own certificate is about.
fn own_names(settings: &Settings) -> Names {
    let zone = settings.node.dns.zones.first();
    let server = zone.map(|zone| format!("ns.{}", zone.to_string().trim_end_matches('.')));
    Names { server, addresses: settings.node.dns.addresses.clone() }
}
