//! Tokens of group requests that ended: not to be used again for a long while, since answers may still be on their way (GC14).

use std::collections::VecDeque;
use std::time::Instant;

use hashbrown::HashMap;

use crate::coap::token::Token;
use crate::keyed_hash::KeyedState;

/// The tokens, by the time of their release.
#[derive(Debug)]
pub(super) struct RetiredTokens {
    queue: VecDeque<(Instant, Token)>,
    /// Whether the token was one of an observation.
    tokens: HashMap<Token, bool, KeyedState>,
}

impl RetiredTokens {
    pub(super) fn new(hasher: KeyedState) -> RetiredTokens {
        RetiredTokens { queue: VecDeque::new(), tokens: HashMap::with_hasher(hasher) }
    }
    /// Retires a token until then. All stay for the same span, so the queue is in the order of release.
    pub(super) fn insert(&mut self, token: Token, until: Instant, is_observation: bool) {
        self.queue.push_back((until, token.clone()));
        self.tokens.insert(token, is_observation);
    }
    /// Forgets the tokens whose time is over.
    pub(super) fn release(&mut self, now: Instant) {
        while self.queue.front().is_some_and(|(until, _)| *until < now) {
            let (_, token) = self.queue.pop_front().expect("looked at above");
            self.tokens.remove(&token);
        }
    }
    /// Whether one more may be retired: forgetting one too early would be against GC14, so no more requests are started.
    pub(super) fn has_room(&mut self, now: Instant, tokens_max: usize) -> bool {
        self.release(now);
        self.queue.len() < tokens_max
    }
    pub(super) fn contains(&self, token: &[u8]) -> bool {
        self.tokens.contains_key(token)
    }
    /// Whether a token belonged to an observation that was cancelled.
    pub(super) fn is_of_observation(&self, token: &[u8]) -> bool {
        self.tokens.get(token).copied().unwrap_or_default()
    }
}
