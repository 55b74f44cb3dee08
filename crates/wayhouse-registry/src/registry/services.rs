//! What only entries with services need: to end at once, and to change while their lease goes on.

use std::time::Instant;

use super::{Registered, Registration, Registry};
use crate::lease::Moment;
use crate::slots::Slot;
use crate::{ChangeNumber, EntryId, Refusal, Registrant};

impl Registry {
    /// SR18: ends a registration without lifetime at once; what is left is its reservation.
    pub(super) fn end_if_over(&mut self, now: Moment, registered: Registered) -> Registered {
        match self.slot_of(registered.id) {
            Some(slot) if self.slots[slot].is_active && self.slots[slot].end() <= now => {
                self.expire_slot(slot);
                self.bound_expired();
                Registered { change: self.log.last(), ..registered }
            }
            _ => registered,
        }
    }

    /// Changes what an active entry says and leaves its lease as it is: parts of it ended before the whole.
    ///
    /// # Errors
    /// `Unknown` also for an expired entry, `Invalid`, `Full`.
    pub fn amend(
        &mut self,
        now: Instant,
        id: EntryId,
        registration: &Registration<'_>,
    ) -> Result<ChangeNumber, Refusal> {
        registration.check(&self.limits)?;
        let slot = self.slot_of(id).ok_or(Refusal::Unknown)?;
        let now = self.epoch.moment(now);
        self.expire_if_over(now, slot);
        let Slot { registrant: held, is_active, renewed, lifetime_s, .. } = &self.slots[slot];
        let (held, renewed, lifetime_s) = (held.clone(), *renewed, *lifetime_s);
        if !is_active {
            return Err(Refusal::Unknown);
        }
        self.make_room(0, registration.octets().saturating_sub(held.octets()), Some(slot))?;
        let registrant = Registrant {
            endpoint_name: held.endpoint_name.clone(),
            sector: held.sector.clone(),
            source: held.source,
            ..registration.to_registrant(id, held.owner.clone())
        };
        Ok(self.replace(renewed, slot, lifetime_s, registrant))
    }
}
