//! Signed messages: whether a SIG(0) was made by a key, in time, and not twice (RFC 2931; SRP: RFC 9665 §3.3.3).
//!
//! Which key is the right one, and what to answer when it is not, is known to whoever keeps the names. The wall clock is
//! an argument: seconds since 1970.
//!
//! # Deviations
//! A signature over a signer's name with capitals is tried in both forms that are in use (see
//! [`SignerForm`]); both count as one check.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::HashSet;
use wayhouse_wire::dns::sig0::{KEY_PROTOCOL, Key, SigFields, SignerForm};
use wayhouse_wire::dns::{Message, NameRef};

use crate::crypto::quota::{Quota, QuotaLimits};
use crate::crypto::{Algorithm, SigningKey, verify};
use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// How far a clock may be off, seconds (RFC 2931 §3.3 leaves it open; SRP servers use five minutes).
pub const TIME_TOLERANCE_S: u32 = 300;

/// What a verifier accepts, and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far the times of a signature may be off, seconds.
    pub tolerance_s: u32,
    /// Whether a signature without times is taken: devices without a clock send both as zero.
    pub accepts_no_times: bool,
    /// Signatures remembered, to tell a repetition, for as long as they can be right. Reaction: what is not known yet is
    /// refused as being over quota, until the oldest is out of time.
    pub remembered_max: usize,
    /// Checks that strangers may cause.
    pub quota: QuotaLimits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            tolerance_s: TIME_TOLERANCE_S,
            accepts_no_times: true,
            // More than the quota lets through in that time, so that nobody is held up by it; some 20 MB when it is full.
            remembered_max: 1 << 19,
            quota: QuotaLimits::default(),
        }
    }
}

/// Why a message is not taken as signed by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Sig0Fault {
    /// It has no signature.
    #[error("not signed")]
    Unsigned,
    /// An algorithm that we do not know, or that nobody should use (SR22).
    #[error("algorithm {0}")]
    UnknownAlgorithm(u8),
    /// The signature names another key, or the key is for something else.
    #[error("another key")]
    OtherKey,
    /// Its time has passed or has not come, or lasts too long.
    #[error("not of this time")]
    OutOfTime,
    /// Too many checks were asked for. Nothing is said about the signature.
    #[error("too many signatures to check")]
    OverQuota,
    /// It was not made by the key, or not over this message.
    #[error("the signature is wrong")]
    Wrong,
}

/// A signature that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// It was not seen before.
    First,
    /// It was: the client repeats itself, or somebody else repeats the client. To be answered without changing anything.
    Repeated,
}

/// Verifies signatures, within bounds.
#[derive(Debug)]
pub struct Verifier {
    settings: Settings,
    quota: Quota,
    key: KeyedState,
    /// Hashes of signatures that were right, and in which order and until when they are of interest.
    seen: HashSet<u64, KeyedState>,
    order: VecDeque<(u64, Instant)>,
    scratch: Vec<u8>,
}

impl Verifier {
    /// A verifier that has seen nothing.
    pub fn new(now: Instant, settings: Settings, rng: &mut Rng) -> Verifier {
        Verifier {
            settings,
            quota: Quota::new(now, settings.quota, rng),
            key: KeyedState::new(rng),
            seen: HashSet::with_hasher(KeyedState::new(rng)),
            order: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Whether the message is signed by the key, in time. Everything cheap is looked at before anything is taken from the
    /// quota of `peer`.
    ///
    /// # Errors
    /// The first reason found.
    pub fn verify(
        &mut self,
        now: Instant,
        wall_s: u64,
        peer: IpAddr,
        message: &Message<'_>,
        key: &Key<'_>,
    ) -> Result<Verified, Sig0Fault> {
        let sig0 = message.sig0().ok_or(Sig0Fault::Unsigned)?;
        // SR22: 13 must be known; what is below it must not be used.
        let algorithm = Algorithm::from_number(sig0.algorithm).ok_or(Sig0Fault::UnknownAlgorithm(sig0.algorithm))?;
        if key.algorithm != sig0.algorithm || key.protocol != KEY_PROTOCOL || key.tag() != sig0.key_tag {
            return Err(Sig0Fault::OtherKey);
        }
        if !self.is_of_this_time(sig0.inception, sig0.expiration, wall_s) {
            return Err(Sig0Fault::OutOfTime);
        }
        if !self.quota.take(now, peer) {
            return Err(Sig0Fault::OverQuota);
        }
        let has_capitals = sig0.signer.labels().any(|label| label.iter().any(u8::is_ascii_uppercase));
        let forms = if has_capitals { &[SignerForm::AsSent, SignerForm::Canonical][..] } else { &[SignerForm::AsSent] };
        let is_right = forms.iter().any(|form| {
            self.scratch.clear();
            sig0.append_signed_octets(message, None, *form, &mut self.scratch);
            verify(algorithm, key.public_key, &self.scratch, sig0.signature)
        });
        if is_right { self.note(now) } else { Err(Sig0Fault::Wrong) }
    }

    /// Forgets the message that was found right last, because nothing came of it: a repetition of it is the first again.
    /// To be called behind [`Verified::First`] only.
    pub fn forget_last(&mut self) {
        if let Some((last, _)) = self.order.pop_back() {
            self.seen.remove(&last);
        }
    }

    /// RFC 2931 §3.3, in serial arithmetic (RFC 4034 §3.1.5). What would be right for longer than the tolerance on both
    /// sides is not taken: it would have to be remembered for as long.
    fn is_of_this_time(&self, inception: u32, expiration: u32, wall_s: u64) -> bool {
        if (inception, expiration) == (0, 0) {
            return self.settings.accepts_no_times;
        }
        let wall = wall_s as u32;
        let not_before = |a: u32, b: u32| a.wrapping_sub(b) as i32 >= 0;
        let tolerance = self.settings.tolerance_s;
        not_before(wall.wrapping_add(tolerance), inception)
            && not_before(expiration.wrapping_add(tolerance), wall)
            && not_before(wall.wrapping_add(2 * tolerance), expiration)
            && not_before(expiration, inception)
    }

    /// Remembers what was signed, whose octets are in the scratch buffer. The signature itself would not do: of an ECDSA
    /// signature anybody makes another that is right as well.
    fn note(&mut self, now: Instant) -> Result<Verified, Sig0Fault> {
        while self.order.front().is_some_and(|(_, until)| *until <= now)
            && let Some((oldest, _)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let hash = self.key.octets(&self.scratch);
        if self.seen.contains(&hash) {
            return Ok(Verified::Repeated);
        }
        if self.order.len() >= self.settings.remembered_max.max(1) {
            return Err(Sig0Fault::OverQuota);
        }
        // It expires within twice the tolerance and is taken for one tolerance more; the clock's fraction of a second is on
        // top. One and the same time for all keeps them in order.
        let until = now + Duration::from_secs(3 * u64::from(self.settings.tolerance_s) + 1);
        self.seen.insert(hash);
        self.order.push_back((hash, until));
        Ok(Verified::First)
    }
}

/// Signs the message that starts at `start` of `out` and has no signature yet, for some minutes around `wall_s`; an answer
/// covers the request it answers. `key_tag` is that of the KEY record as it is published, flags included.
pub fn sign(
    key: &SigningKey,
    signer: NameRef<'_>,
    key_tag: u16,
    wall_s: u64,
    request: Option<&[u8]>,
    out: &mut Vec<u8>,
    start: usize,
) {
    let wall = wall_s as u32;
    let fields = SigFields {
        algorithm: key.algorithm().number(),
        expiration: wall.wrapping_add(TIME_TOLERANCE_S),
        inception: wall.wrapping_sub(TIME_TOLERANCE_S),
        key_tag,
    };
    let mut octets = Vec::with_capacity(out.len() - start + 300);
    fields.append_octets_to_sign(signer, &out[start..], request, &mut octets);
    fields.append_record(signer, &key.sign(&octets), out, start);
}

#[cfg(test)]
mod tests;
