//! SIG(0): the signature of a whole message, and the KEY that verifies it (RFC 2931 §3, RFC 4034 §2, appendix B).
//!
//! ```text
//! SIG:  type covered u16 = 0 | algorithm u8 | labels u8 | original TTL u32 | expiration u32 | inception u32
//!       | key tag u16 | signer name | signature                                          (owner root, class ANY, TTL 0)
//! KEY:  flags u16 | protocol u8 = 3 | algorithm u8 | public key
//! ```
//!
//! This file knows which octets are signed; it verifies nothing.

use super::message::{Record, Section};
use super::name::NameRef;
use super::{Header, Message, Rtype, u16_at, u32_at};
use crate::{DecodeError, What};

/// ECDSA with P-256 and SHA-256 (RFC 6605): key and signature of 64 octets.
pub const ECDSAP256SHA256: u8 = 13;
/// Ed25519 (RFC 8080): key of 32 octets, signature of 64.
pub const ED25519: u8 = 15;
/// The protocol octet of every KEY (RFC 3445 §3).
pub const KEY_PROTOCOL: u8 = 3;
/// Octets of SIG data before the signer's name.
const FIXED_OCTETS: usize = 18;

/// How the signer's name enters what is signed.
///
/// Both are in use: `nsupdate` and Apple's client sign the name as they wrote it, uncompressed; RFC 4034's canonical form
/// is in lower case. They differ only for names with capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerForm {
    /// Uncompressed, in the case it was sent in.
    AsSent,
    /// Uncompressed, in lower case.
    Canonical,
}

/// A SIG(0) record of a message.
#[derive(Debug, Clone, Copy)]
pub struct Sig0<'a> {
    /// Which algorithm signed.
    pub algorithm: u8,
    /// Not valid after: seconds since 1970, modulo 2^32.
    pub expiration: u32,
    /// Not valid before.
    pub inception: u32,
    /// Which key of the signer.
    pub key_tag: u16,
    /// Whose key.
    pub signer: NameRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
    /// The eighteen octets before the signer's name, as they are signed.
    fixed: &'a [u8],
    /// Where the record starts: what is signed of the message ends here.
    at: usize,
}

impl<'a> Sig0<'a> {
    /// Reads the data of a SIG record; the signer's name may be compressed, as Apple's client does.
    pub(crate) fn read(message: &'a [u8], record: &Record<'a>) -> Result<Sig0<'a>, DecodeError> {
        let end = record.rdata_at + record.rdata.len();
        let truncated = DecodeError { what: What::Truncated, at: end };
        let fixed = record.rdata.get(..FIXED_OCTETS).ok_or(truncated)?;
        let (signer, signature_at) = NameRef::read(&message[..end], record.rdata_at + FIXED_OCTETS)?;
        Ok(Sig0 {
            algorithm: fixed[2],
            expiration: u32_at(fixed, 8)?,
            inception: u32_at(fixed, 12)?,
            key_tag: u16_at(fixed, 16)?,
            signer,
            signature: &message[signature_at..end],
            fixed,
            at: record.at,
        })
    }

    /// Appends the octets that the signature covers (RFC 2931 §3.1): the SIG's data without the signature, for a response
    /// the whole request, then the message as it was before the SIG was added to it.
    pub fn append_signed_octets(
        &self,
        message: &Message<'_>,
        request: Option<&[u8]>,
        form: SignerForm,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(self.fixed);
        match form {
            SignerForm::AsSent => self.signer.append_to(out),
            SignerForm::Canonical => self.signer.append_canonical_to(out),
        }
        out.extend_from_slice(request.unwrap_or_default());
        let mut header = message.header;
        header.counts[Section::Additional as usize] -= 1;
        out.extend_from_slice(&header.to_octets());
        out.extend_from_slice(&message.bytes()[Header::OCTETS..self.at]);
    }
}

/// What a signer puts into a SIG(0) beside its name and the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigFields {
    /// Which algorithm signs.
    pub algorithm: u8,
    /// Not valid after: seconds since 1970, modulo 2^32.
    pub expiration: u32,
    /// Not valid before.
    pub inception: u32,
    /// Which key of the signer.
    pub key_tag: u16,
}

impl SigFields {
    fn append_fixed_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, self.algorithm, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&self.expiration.to_be_bytes());
        out.extend_from_slice(&self.inception.to_be_bytes());
        out.extend_from_slice(&self.key_tag.to_be_bytes());
    }
    /// Appends the octets to sign for `message`, which has no SIG yet (see [`Sig0::append_signed_octets`]).
    pub fn append_octets_to_sign(
        &self,
        signer: NameRef<'_>,
        message: &[u8],
        request: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        self.append_fixed_to(out);
        signer.append_canonical_to(out);
        out.extend_from_slice(request.unwrap_or_default());
        out.extend_from_slice(message);
    }
    /// Appends the SIG(0) to the message that starts at `start` of `out`, and counts it.
    pub fn append_record(&self, signer: NameRef<'_>, signature: &[u8], out: &mut Vec<u8>, start: usize) {
        // Owner root, TYPE 24, CLASS ANY, TTL 0.
        out.extend_from_slice(&[0, 0, 24, 0, 255, 0, 0, 0, 0]);
        let octets = FIXED_OCTETS + signer.octets() + signature.len();
        out.extend_from_slice(&(octets as u16).to_be_bytes());
        self.append_fixed_to(out);
        signer.append_canonical_to(out);
        out.extend_from_slice(signature);
        let count_at = start + 10;
        let count = u16::from_be_bytes([out[count_at], out[count_at + 1]]).wrapping_add(1);
        out[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
    }
}

/// The data of a KEY record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Anything is accepted and kept: Apple's client sends 0x0201 (RFC 9665 §3.3.3).
    pub flags: u16,
    /// 3.
    pub protocol: u8,
    /// Which algorithm the key is for.
    pub algorithm: u8,
    /// The key, in the algorithm's form.
    pub public_key: &'a [u8],
    rdata: &'a [u8],
}

impl<'a> Key<'a> {
    /// Reads the data of a KEY record.
    ///
    /// # Errors
    /// `Truncated` for less than the four fixed octets.
    pub fn decode(rdata: &'a [u8]) -> Result<Key<'a>, DecodeError> {
        match rdata {
            [high, low, protocol, algorithm, public_key @ ..] => Ok(Key {
                flags: u16::from_be_bytes([*high, *low]),
                protocol: *protocol,
                algorithm: *algorithm,
                public_key,
                rdata,
            }),
            _ => Err(DecodeError { what: What::Truncated, at: rdata.len() }),
        }
    }
    /// The tag that a SIG names the key by (RFC 4034 appendix B).
    pub fn tag(&self) -> u16 {
        let sum = self.rdata.iter().enumerate().fold(0u32, |sum, (index, octet)| {
            sum.wrapping_add(if index % 2 == 0 { u32::from(*octet) << 8 } else { u32::from(*octet) })
        });
        (sum.wrapping_add(sum >> 16 & 0xffff) & 0xffff) as u16
    }
    /// Appends the data of a KEY record.
    pub fn encode(flags: u16, algorithm: u8, public_key: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&[KEY_PROTOCOL, algorithm]);
        out.extend_from_slice(public_key);
    }
}

/// The first KEY record at a name in a section of a message.
pub fn key_at<'a>(message: &Message<'a>, section: Section, name: NameRef<'_>) -> Option<Key<'a>> {
    let record = message.records(section).find(|record| record.rtype == Rtype::KEY && record.name == name)?;
    Key::decode(record.rdata).ok()
}

#[cfg(test)]
mod tests;
