//! The two ways to register: in one message (SRP), or step by step (draft-lemon-stateful-dnssd).

use std::net::IpAddr;
use std::time::Instant;

use wayhouse_proto::dns::client::Asked;
use wayhouse_proto::dns::client::requester::{Event, Requester};
use wayhouse_proto::dns::client::srp_update::OfferNames;
use wayhouse_proto::dns::client::stateful_requester::{StatefulRequester, detection_name, reverse_zones_name};
use wayhouse_proto::io::Wakeup;
use wayhouse_wire::dns::{Name, Rtype};

use super::asking::Asker;
use crate::cli::exit::Fault;

/// A registration of either kind.
pub(super) enum Registering {
    /// RFC 9665.
    Srp(Box<Requester>),
    /// draft-lemon-stateful-dnssd-00.
    Stateful(Box<StatefulRequester>),
}

/// Calls the method of whichever it is.
macro_rules! either {
    ($registering:expr, $requester:ident => $call:expr) => {
        match $registering {
            Registering::Srp($requester) => $call,
            Registering::Stateful($requester) => $call,
        }
    };
}

impl Registering {
    pub(super) fn names(&self) -> &OfferNames {
        either!(self, requester => requester.names())
    }
    pub(super) fn is_over(&self) -> bool {
        either!(self, requester => requester.is_over())
    }
    pub(super) fn remove(&mut self, now: Instant) {
        either!(self, requester => requester.remove(now));
    }
    pub(super) fn poll_transmit(&mut self, now: Instant, wall_s: u64, out: &mut Vec<u8>) -> bool {
        either!(self, requester => requester.poll_transmit(now, wall_s, out))
    }
    pub(super) fn handle_message(&mut self, now: Instant, bytes: &[u8]) {
        either!(self, requester => requester.handle_message(now, bytes));
    }
    pub(super) fn handle_failure(&mut self, now: Instant) {
        either!(self, requester => requester.handle_failure(now));
    }
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        either!(self, requester => requester.handle_timeout(now));
    }
    pub(super) fn poll_timeout(&self) -> Option<Wakeup> {
        either!(self, requester => requester.poll_timeout())
    }
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        either!(self, requester => requester.poll_event())
    }
}

/// The names under which addresses lead back, each with its zone, in a domain that takes registrations step by step
/// (SR30, SR32).
///
/// # Errors
/// Negative when the domain takes none.
pub(super) async fn reverse_names(
    asker: &mut Asker,
    domain: &Name,
    addresses: &[IpAddr],
) -> Result<Vec<(Name, Name)>, Fault> {
    let too_long = |_| Fault::misuse("the name of the zone is too long");
    if pointers(asker, detection_name(domain).map_err(too_long)?).await?.is_empty() {
        return Err(Fault::negative(format!("{domain} takes no registrations step by step"))
            .hint("leave out --stateful; the daemon takes them with dns.update_dialect = \"stateful-dnssd\", or at a listener with +stateful-dnssd"));
    }
    let mut reverse = Vec::new();
    for address in addresses {
        let name = Name::reverse(*address);
        let zones = pointers(asker, reverse_zones_name(domain, *address).map_err(too_long)?).await?;
        // An address outside all of these zones leads nowhere.
        let zone = zones.into_iter().find(|zone| name.as_ref().is_at_or_below(zone.as_ref()));
        reverse.extend(zone.map(|zone| (name, zone)));
    }
    Ok(reverse)
}

async fn pointers(asker: &mut Asker, name: Name) -> Result<Vec<Name>, Fault> {
    let answer = asker.ask(&Asked::internet(name, Rtype::PTR)).await?;
    let pointers = answer.answers.iter().filter(|record| record.rtype == Rtype::PTR);
    Ok(pointers.filter_map(|record| record.rdata_name(0).map(|name| name.to_name())).collect())
}
