//! Tokens: how they are kept, and how we choose our own (RFC 7252 §5.3.1, RFC 8974, RFC 9175 §4).

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use crate::keyed_hash::KeyedState;
use crate::rng::Rng;

/// Octets of a token that are kept at most. A longer one cannot be processed now: 5.03 (RFC 8974 §3; sheet §22).
/// The bound covers what stateless peers put into a token (a sealed source address and sequence number).
pub const TOKEN_OCTETS_MAX: usize = 64;

/// A token, up to eight octets without allocation.
#[derive(Clone)]
pub struct Token {
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    Inline { length: u8, octets: [u8; 8] },
    Boxed(Box<[u8]>),
}

impl Token {
    /// The token of no octets.
    pub const EMPTY: Token = Token { kept: Kept::Inline { length: 0, octets: [0; 8] } };

    /// Keeps a token; `None` beyond [`TOKEN_OCTETS_MAX`].
    pub fn new(octets: &[u8]) -> Option<Token> {
        if octets.len() <= 8 {
            let mut inline = [0; 8];
            inline[..octets.len()].copy_from_slice(octets);
            Some(Token { kept: Kept::Inline { length: octets.len() as u8, octets: inline } })
        } else if octets.len() <= TOKEN_OCTETS_MAX {
            Some(Token { kept: Kept::Boxed(octets.into()) })
        } else {
            None
        }
    }
    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        match &self.kept {
            Kept::Inline { length, octets } => &octets[..usize::from(*length)],
            Kept::Boxed(octets) => octets,
        }
    }
}

impl std::ops::Deref for Token {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Token {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl std::borrow::Borrow<[u8]> for Token {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Token {}

impl PartialOrd for Token {
    fn partial_cmp(&self, other: &Token) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Token {
    fn cmp(&self, other: &Token) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Token {
    /// Hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Tokens for requests over datagrams: eight octets that nobody off the path can guess (CR7).
#[derive(Debug, Clone)]
pub struct RandomTokens {
    key: KeyedState,
    made: u64,
}

impl RandomTokens {
    /// A source with a key of its own. The key matters: a peer that saw many of our tokens must not compute the next ones, which
    /// the outputs of `rng` itself would allow.
    pub fn new(rng: &mut Rng) -> RandomTokens {
        RandomTokens { key: KeyedState::new(rng), made: 0 }
    }
    /// The next token. The caller asks again in the unlikely case that it is in use towards the same peer (CR6).
    pub fn next_token(&mut self) -> Token {
        self.made += 1;
        Token { kept: Kept::Inline { length: 8, octets: self.key.hash_one(self.made).to_be_bytes() } }
    }
}

/// Tokens for requests over one connection: a sequence number from zero, so that none ever returns (RFC 9175 §4.2).
#[derive(Debug, Clone, Default)]
pub struct SequentialTokens {
    made: u64,
}

impl SequentialTokens {
    /// The next token: the number in as few octets as it needs, at least one.
    pub fn next_token(&mut self) -> Token {
        let bytes = self.made.to_be_bytes();
        self.made += 1;
        let zeros = (bytes.iter().take_while(|octet| **octet == 0).count()).min(7);
        let mut octets = [0; 8];
        octets[..8 - zeros].copy_from_slice(&bytes[zeros..]);
        Token { kept: Kept::Inline { length: (8 - zeros) as u8, octets } }
    }
}

#[cfg(test)]
mod tests;
