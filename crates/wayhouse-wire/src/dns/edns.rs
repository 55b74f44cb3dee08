//! The OPT record: what a sender can take, and options (RFC 6891 §6.1).
//!
//! ```text
//! NAME root | TYPE 41 | CLASS largest UDP payload | TTL: extended RCODE (8) version (8) DO (1) Z (15) | options
//! option:  OPTION-CODE u16 | OPTION-LENGTH u16 | data
//! ```

use super::{OptRcode, Rcode, UpdateLease, u16_at};
use crate::{DecodeError, What};

/// Numbers of EDNS options.
#[allow(missing_docs, reason = "the names are the registered ones")]
pub mod option {
    pub const UPDATE_LEASE: u16 = 2;
    pub const COOKIE: u16 = 10;
    pub const TCP_KEEPALIVE: u16 = 11;
    pub const PADDING: u16 = 12;
}

/// Octets of an OPT record without options.
pub const OPT_OCTETS: usize = 11;
/// Octets of a client cookie (RFC 7873 §4).
pub const CLIENT_COOKIE_OCTETS: usize = 8;

/// An OPT record, its options checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The largest UDP payload that the sender takes, octets.
    pub udp_octets_max: u16,
    /// The upper eight bits of the response code.
    pub extended_rcode: u8,
    /// The version; a server that does not know it answers BADVERS.
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub is_dnssec_ok: bool,
    options: &'a [u8],
}

impl<'a> Edns<'a> {
    /// Reads the CLASS, TTL and data of an OPT record, whose data starts at `at` of the message.
    pub(crate) fn decode(class: u16, ttl: u32, data: &'a [u8], at: usize) -> Result<Edns<'a>, DecodeError> {
        let mut position = 0;
        while position < data.len() {
            let outside = |_| DecodeError { what: What::Truncated, at: at + data.len() };
            position += 4 + usize::from(u16_at(data, position + 2).map_err(outside)?);
            if position > data.len() {
                return Err(DecodeError { what: What::Truncated, at: at + data.len() });
            }
        }
        let [extended_rcode, version, flags, _] = ttl.to_be_bytes();
        Ok(Edns { udp_octets_max: class, extended_rcode, version, is_dnssec_ok: flags & 0x80 != 0, options: data })
    }
    /// The options in their order.
    pub fn options(&self) -> EdnsOptions<'a> {
        EdnsOptions { rest: self.options }
    }
    /// The data of the first option of a number.
    pub fn option(&self, number: u16) -> Option<&'a [u8]> {
        self.options().find(|(candidate, _)| *candidate == number).map(|(_, data)| data)
    }
    /// The whole response code, with the four bits that stand in the header.
    pub fn rcode(&self, header: Rcode) -> OptRcode {
        OptRcode::from_parts(header, self.extended_rcode)
    }
    /// The cookie: the client's part, and the server's when there is one (RFC 7873 §4).
    ///
    /// # Errors
    /// `OutOfRange` for a length that the RFC answers with FORMERR.
    pub fn cookie(&self) -> Option<Result<Cookie<'a>, DecodeError>> {
        let data = self.option(option::COOKIE)?;
        Some(match data.split_first_chunk::<CLIENT_COOKIE_OCTETS>() {
            Some((client, server)) if server.is_empty() || (8..=32).contains(&server.len()) => {
                Ok(Cookie { client: *client, server })
            }
            _ => Err(DecodeError { what: What::OutOfRange, at: 0 }),
        })
    }
    /// edns-tcp-keepalive (RFC 7828 §3.1): the idle timeout in units of 100 ms, absent in queries.
    pub fn tcp_keepalive(&self) -> Option<Option<u16>> {
        let data = self.option(option::TCP_KEEPALIVE)?;
        Some(u16_at(data, 0).ok())
    }
    /// The lifetimes asked for or granted (RFC 9664).
    ///
    /// # Errors
    /// See [`UpdateLease::decode`].
    pub fn update_lease(&self) -> Option<Result<UpdateLease, DecodeError>> {
        self.option(option::UPDATE_LEASE).map(UpdateLease::decode)
    }
}

/// A cookie (RFC 7873).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// Chosen by the client.
    pub client: [u8; CLIENT_COOKIE_OCTETS],
    /// Given by the server: empty or 8 to 32 octets.
    pub server: &'a [u8],
}

/// The options of an OPT record: number and data.
#[derive(Debug, Clone)]
pub struct EdnsOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for EdnsOptions<'a> {
    type Item = (u16, &'a [u8]);
    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let number = u16_at(self.rest, 0).ok()?;
        let octets = usize::from(u16_at(self.rest, 2).ok()?);
        let data = self.rest.get(4..4 + octets)?;
        self.rest = &self.rest[4 + octets..];
        Some((number, data))
    }
}

#[cfg(test)]
mod tests;
