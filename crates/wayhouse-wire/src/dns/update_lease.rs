//! The EDNS option that asks for and grants the lifetime of a registration (RFC 9664 §4).
//!
//! ```text
//! OPTION-CODE 2 | OPTION-LENGTH 4 or 8 | LEASE u32 seconds [| KEY-LEASE u32 seconds]
//! ```

use super::u32_at;
use crate::{DecodeError, What};

/// The option's data, in the form it had: a server answers in the form it was asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateLease {
    /// Seconds that the records live.
    pub lease_s: u32,
    /// Seconds that the KEY records live; `None` in the short form, where the lease covers them too.
    pub key_lease_s: Option<u32>,
}

impl UpdateLease {
    /// Reads the data of the option.
    ///
    /// # Errors
    /// `OutOfRange` for a length other than 4 and 8.
    pub fn decode(data: &[u8]) -> Result<UpdateLease, DecodeError> {
        match data.len() {
            4 => Ok(UpdateLease { lease_s: u32_at(data, 0)?, key_lease_s: None }),
            8 => Ok(UpdateLease { lease_s: u32_at(data, 0)?, key_lease_s: Some(u32_at(data, 4)?) }),
            octets => Err(DecodeError { what: What::OutOfRange, at: octets.min(8) }),
        }
    }
    /// The lifetime of KEY records, whatever the form (RFC 9664 §4.1).
    pub fn effective_key_lease_s(self) -> u32 {
        self.key_lease_s.unwrap_or(self.lease_s)
    }
    /// Appends the data of the option.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lease_s.to_be_bytes());
        if let Some(key_lease_s) = self.key_lease_s {
            out.extend_from_slice(&key_lease_s.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
