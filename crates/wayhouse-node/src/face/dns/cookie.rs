//! Cookies: a client that shows ours again is at the address it writes from (RFC 7873, RFC 9018).
//!
//! ```text
//! client cookie (8) | version 1 | reserved (3) | timestamp u32 | SipHash-2-4 of all of this and the client's address (8)
//! ```
//!
//! # Deviations
//! The timestamp counts seconds since this server started: nobody but the server reads it, and its secret lives no longer.

use std::net::IpAddr;

use wayhouse_proto::keyed_hash::siphash_2_4;
use wayhouse_proto::rng::Rng;
use wayhouse_wire::DecodeError;
use wayhouse_wire::dns::Message;
use wayhouse_wire::dns::edns::Cookie;

/// Octets of a whole cookie: the client's part and ours (RFC 9018 §4).
pub(super) const COOKIE_OCTETS: usize = 24;
/// How old a cookie may be (RFC 9018 §4.3).
const AGE_MAX_S: u32 = 3_600;
/// From this age on a new one is given.
const AGE_RENEWED_S: u32 = 1_800;
/// How far one may lie ahead.
const AHEAD_MAX_S: u32 = 300;
const VERSION: u8 = 1;

/// Makes and checks cookies.
#[derive(Debug)]
pub(super) struct Baker {
    secret: (u64, u64),
}

impl Baker {
    /// A secret drawn from the generator.
    pub(super) fn new(rng: &mut Rng) -> Baker {
        Baker { secret: (rng.next_u64(), rng.next_u64()) }
    }

    /// Judges what a query of a client shows; `None` when it shows no cookie.
    ///
    /// # Errors
    /// For a cookie of a wrong length, which is a format error (RFC 7873 §5.2.2).
    pub(super) fn judge_query(
        &self,
        query: &Message<'_>,
        client: IpAddr,
        now_s: u32,
    ) -> Result<Option<(bool, [u8; COOKIE_OCTETS])>, DecodeError> {
        let shown = query.edns().and_then(|edns| edns.cookie()).transpose()?;
        Ok(shown.map(|shown| self.judge(&shown, client, now_s)))
    }

    /// Judges the cookie of a client at a time, in seconds since the start: whether it is ours and fresh, and which one to
    /// answer with.
    pub(super) fn judge(&self, cookie: &Cookie<'_>, client: IpAddr, now_s: u32) -> (bool, [u8; COOKIE_OCTETS]) {
        if let Ok(server) = <&[u8; 16]>::try_from(cookie.server)
            && server[0] == VERSION
        {
            let timestamp = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
            // Serial arithmetic (RFC 1982).
            let age_s = now_s.wrapping_sub(timestamp);
            let is_fresh = age_s <= AGE_MAX_S || timestamp.wrapping_sub(now_s) <= AHEAD_MAX_S;
            let mut own = [0; COOKIE_OCTETS];
            own[..8].copy_from_slice(&cookie.client);
            own[8..].copy_from_slice(server);
            if is_fresh && own[16..] == self.hash(&own[..16], client) {
                let is_young = age_s < AGE_RENEWED_S;
                return (true, if is_young { own } else { self.bake(cookie.client, client, now_s) });
            }
        }
        (false, self.bake(cookie.client, client, now_s))
    }

    fn bake(&self, client_cookie: [u8; 8], client: IpAddr, now_s: u32) -> [u8; COOKIE_OCTETS] {
        let mut cookie = [0; COOKIE_OCTETS];
        cookie[..8].copy_from_slice(&client_cookie);
        cookie[8] = VERSION;
        cookie[12..16].copy_from_slice(&now_s.to_be_bytes());
        let hash = self.hash(&cookie[..16], client);
        cookie[16..].copy_from_slice(&hash);
        cookie
    }

    fn hash(&self, front: &[u8], client: IpAddr) -> [u8; 8] {
        let mut octets = [0; 32];
        octets[..16].copy_from_slice(front);
        let length = match client {
            IpAddr::V4(address) => {
                octets[16..20].copy_from_slice(&address.octets());
                20
            }
            IpAddr::V6(address) => {
                octets[16..].copy_from_slice(&address.octets());
                32
            }
        };
        siphash_2_4(self.secret, &octets[..length]).to_le_bytes()
    }
}

#[cfg(test)]
mod tests;
