//! Freshness of changes by a counter that Echo carries (RD26, RFC 9176 §5.3.4).
//!
//! The counter is the number of the registry's last change. A request that would change an entry must echo a number at
//! least as high as the entry's own last change: then it was written after that change, and is no replay. The value is
//! `number (8 octets) | tag (8 octets)`; the tag is keyed with a fresh key per run and covers the client's address.

use std::net::IpAddr;

use wayhouse_proto::coap::{Request, Response};
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;
use wayhouse_registry::{Change, ChangeKind, ChangeNumber, Registry, View};
use wayhouse_wire::coap::option::number;

use super::source_address;
use crate::config::Directory as Settings;
use crate::request::Fault;

const VALUE_OCTETS: usize = 16;

/// What is needed to tell fresh requests.
#[derive(Debug)]
pub(super) struct Freshness {
    key: KeyedState,
    /// The last change that removed an entry: a name that nothing is known of may have been it.
    last_removal: ChangeNumber,
}

impl Freshness {
    pub(super) fn new(rng: &mut Rng) -> Freshness {
        Freshness { key: KeyedState::new(rng), last_removal: ChangeNumber(0) }
    }
    /// Follows a change of the registry.
    pub(super) fn note(&mut self, change: &Change) {
        if matches!(change.kind, ChangeKind::Withdrawn | ChangeKind::Collected) {
            self.last_removal = change.number;
        }
    }
    /// RD26: refuses a change that may be old, where the settings ask for freshness.
    ///
    /// # Errors
    /// [`Fault::Stale`].
    pub(super) fn check<'a>(
        &self,
        settings: &Settings,
        registry: &'a Registry,
        entry: impl FnOnce() -> Option<View<'a>>,
        request: &Request<'_>,
    ) -> Result<(), Fault> {
        if !settings.require_freshness {
            return Ok(());
        }
        let needed = entry().and_then(|view| registry.last_change_of(view.registrant.id)).unwrap_or(self.last_removal);
        let echo = request.option(number::ECHO);
        let shown = echo.and_then(|option| self.read(option.value, source_address(&request.meta)));
        if shown.is_some_and(|shown| shown >= needed) { Ok(()) } else { Err(Fault::Stale) }
    }
    /// Adds the Echo option that proves knowledge of a change.
    pub(super) fn push_echo(&self, change: ChangeNumber, address: IpAddr, response: &mut Response) {
        response.options.push(number::ECHO, &self.value(change, address.to_canonical()));
    }

    fn value(&self, change: ChangeNumber, address: IpAddr) -> [u8; VALUE_OCTETS] {
        let mut tagged = [0; 24];
        tagged[..8].copy_from_slice(&change.0.to_be_bytes());
        match address {
            IpAddr::V4(v4) => tagged[8..12].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => tagged[8..].copy_from_slice(&v6.octets()),
        }
        let tag = self.key.octets(&tagged);
        let mut value = [0; VALUE_OCTETS];
        value[..8].copy_from_slice(&tagged[..8]);
        value[8..].copy_from_slice(&tag.to_be_bytes());
        value
    }
    fn read(&self, value: &[u8], address: IpAddr) -> Option<ChangeNumber> {
        let number = ChangeNumber(u64::from_be_bytes(value.get(..8)?.try_into().ok()?));
        (value == self.value(number, address)).then_some(number)
    }
}
