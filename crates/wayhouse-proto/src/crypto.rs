//! The one door to signatures: nothing else in this crate names a cipher.
//!
//! Keys and signatures are the octets that protocols carry. Signing is deterministic (RFC 6979, RFC 8032), so that no
//! chance is needed. Checking one signature costs 0.1 to 0.3 ms (`benches/signatures.rs`): whoever does it for
//! strangers rations it ([`quota`]).

pub mod quota;

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use sha2::Digest as _;

/// Octets of a signature, of either algorithm.
pub const SIGNATURE_OCTETS: usize = 64;
/// Octets of a secret key, of either algorithm.
pub const SECRET_KEY_OCTETS: usize = 32;

/// A signature algorithm, with its number in DNSSEC (RFC 8624 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSAP256SHA256, 13: keys of 64 octets (x, y), signatures (r, s) (RFC 6605).
    EcdsaP256Sha256 = 13,
    /// ED25519, 15: keys of 32 octets (RFC 8080).
    Ed25519 = 15,
}

impl Algorithm {
    /// The algorithm of a number; lower ones than 13 are not to be used (SR22).
    pub fn from_number(number: u8) -> Option<Algorithm> {
        match number {
            13 => Some(Algorithm::EcdsaP256Sha256),
            15 => Some(Algorithm::Ed25519),
            _ => None,
        }
    }
    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }
    /// Octets of a public key.
    pub fn public_key_octets(self) -> usize {
        match self {
            Algorithm::EcdsaP256Sha256 => 64,
            Algorithm::Ed25519 => 32,
        }
    }
}

/// Whether a signature of a message is that of the key. What is no key or no signature at all has signed nothing.
pub fn verify(algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    if public_key.len() != algorithm.public_key_octets() || signature.len() != SIGNATURE_OCTETS {
        return false;
    }
    match algorithm {
        Algorithm::EcdsaP256Sha256 => {
            // The point as SEC 1 writes it: DNS leaves the first octet out.
            let mut point = [4; 65];
            point[1..].copy_from_slice(public_key);
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point);
            let signature = p256::ecdsa::Signature::from_slice(signature);
            matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
        }
        Algorithm::Ed25519 => {
            let (Some(key), Ok(signature)) =
                (public_key.first_chunk(), ed25519_dalek::Signature::from_slice(signature))
            else {
                return false;
            };
            // Strict: a weak key would have signed everything.
            ed25519_dalek::VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
        }
    }
}

/// SHA-256 of some octets: what a public key is remembered by.
pub fn fingerprint(octets: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(octets).into()
}

/// A secret key.
pub struct SigningKey(Secret);

enum Secret {
    EcdsaP256Sha256(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl SigningKey {
    /// A key of these octets; `None` where they are none (a scalar out of range).
    pub fn new(algorithm: Algorithm, octets: &[u8; SECRET_KEY_OCTETS]) -> Option<SigningKey> {
        Some(SigningKey(match algorithm {
            Algorithm::EcdsaP256Sha256 => {
                Secret::EcdsaP256Sha256(Box::new(p256::ecdsa::SigningKey::from_slice(octets).ok()?))
            }
            Algorithm::Ed25519 => Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(octets))),
        }))
    }
    /// What the key is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Secret::EcdsaP256Sha256(_) => Algorithm::EcdsaP256Sha256,
            Secret::Ed25519(_) => Algorithm::Ed25519,
        }
    }
    /// The public key, in the form that DNS carries.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.0 {
            Secret::EcdsaP256Sha256(key) => key.verifying_key().to_sec1_point(false).as_bytes()[1..].to_vec(),
            Secret::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
        }
    }
    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_OCTETS] {
        match &self.0 {
            Secret::EcdsaP256Sha256(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&**key, message);
                signature.to_bytes().into()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes(),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm())
    }
}

#[cfg(test)]
mod tests;
