//! The client's response cache (RFC 7252 §5.6; sheet §8).
//!
//! # Deviations
//! One response is kept per key, so at most one ETag is offered for validation.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use slab::Slab;
use wayhouse_wire::coap::option::{is_unsafe, number};
use wayhouse_wire::coap::{Code, OptionList, OptionRef};

use super::ask::Reply;
use super::matching;
use super::recency::Recency;
use super::request::has_valid_length;
use crate::io::StreamId;
use crate::keyed_hash::KeyedState;

/// Max-Age where there is none (RFC 7252 §5.10.5).
const MAX_AGE_DEFAULT_S: u64 = 60;
/// What a response costs besides its octets: the bound on octets bounds the number of responses too.
const OVERHEAD_OCTETS: usize = 384;

/// Whose responses these are; another transport is another origin (TC6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A datagram endpoint.
    Datagram(SocketAddr),
    /// The other end of a connection.
    Stream(StreamId),
}

/// A request, as far as the cache looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whom.
    pub origin: Origin,
    /// Method.
    pub method: Code,
    /// Options, in any stage of preparation: those that are no part of the key are skipped.
    pub options: &'a OptionList,
    /// The whole body (part of the key of FETCH, CC2).
    pub payload: &'a [u8],
}

/// A stored response, ready to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Response code.
    pub code: Code,
    /// Options without Observe (CC7); Max-Age is what is left of it (CP3).
    pub options: OptionList,
    /// The whole body.
    pub payload: Vec<u8>,
}

impl Stored {
    /// The answer that it makes.
    pub(super) fn into_reply(self) -> Reply {
        Reply { code: Some(self.code), options: self.options, payload: self.payload, is_from_cache: true }
    }
}

/// What the cache knows about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A fresh response (CC3).
    Fresh(Stored),
    /// A response that is not fresh and has this ETag: ask with it (CC4).
    Stale {
        /// The ETag to send.
        etag: Vec<u8>,
    },
    /// Nothing of use.
    Nothing,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    octets_max: usize,
    hasher: KeyedState,
    entries: Slab<Entry>,
    by_request: HashTable<u32>,
    /// Hash of origin and URI, slot.
    by_uri: BTreeSet<(u64, u32)>,
    recency: Recency,
    octets: usize,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    uri_hash: u64,
    key: Key,
    code: Code,
    /// Without Max-Age, Observe and the options of block-wise transfer.
    options: OptionList,
    payload: Vec<u8>,
    /// Until when it is fresh; `None` when it must be validated.
    fresh_until: Option<Instant>,
}

/// What a stored response answers.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    origin: Origin,
    method: Code,
    /// The options that name the resource, flat.
    uri: Vec<u8>,
    /// The other options of the key, flat.
    options: Vec<u8>,
    /// The request's body; empty but for FETCH.
    payload: Vec<u8>,
}

impl Cache {
    /// An empty cache. Beyond `octets_max` the least recently used response goes.
    pub fn new(octets_max: usize, hasher: KeyedState) -> Cache {
        Cache {
            octets_max,
            hasher,
            entries: Slab::new(),
            by_request: HashTable::new(),
            by_uri: BTreeSet::new(),
            recency: Recency::new(),
            octets: 0,
        }
    }

    /// Looks for a response to a request.
    pub fn find(&mut self, now: Instant, asked: Asked<'_>) -> Found {
        let Some(slot) = self.slot(asked) else { return Found::Nothing };
        self.recency.touch(slot);
        let entry = &self.entries[slot];
        match entry.fresh_until {
            // CC3.
            Some(until) if now <= until => Found::Fresh(entry.to_stored((until - now).as_secs())),
            // CC10: errors are not validated.
            _ if entry.code.is_success() => match entry.options.first(number::ETAG) {
                Some(etag) => Found::Stale { etag: etag.value.to_vec() },
                None => Found::Nothing,
            },
            _ => Found::Nothing,
        }
    }

    /// Takes note of a response: stores or replaces what may be stored (CC3, CC6, CC10), marks what it outdates (CC5).
    /// Not for 2.03; see [`Cache::refresh`].
    pub fn handle_response(
        &mut self,
        now: Instant,
        asked: Asked<'_>,
        code: Code,
        options: &OptionList,
        payload: &[u8],
    ) {
        match code {
            // CC5. 2.31 says that a body arrives which may change the resource (CC8).
            Code::CREATED | Code::DELETED | Code::CHANGED | Code::CONTINUE => self.outdate(asked, options),
            // Only GET and FETCH have answers for others to use (RFC 7252 §5.8, RFC 8132 §2.3.2).
            _ if !asked.method.is_safe_method() => {}
            // Unknown successes are not cacheable (RFC 7252 §5.9.1); a challenge is not for the next request (RFC 9175 §2.3).
            _ if code != Code::CONTENT && !matches!(code.class(), 4 | 5) => {}
            _ if options.first(number::ECHO).is_some() => {}
            _ => self.store(now, asked, code, options, payload),
        }
    }

    /// Takes a 2.03: the stored response, refreshed (CC4). `None` when its ETag is none that we have.
    pub fn refresh(&mut self, now: Instant, asked: Asked<'_>, options: &OptionList) -> Option<Stored> {
        let slot = self.slot(asked)?;
        let entry = &mut self.entries[slot];
        let ours = entry.options.first(number::ETAG)?;
        // A 2.03 has to name the ETag; one that forgets it can only mean the one that was sent.
        if !entry.code.is_success() || options.first(number::ETAG).is_some_and(|etag| etag.value != ours.value) {
            return None;
        }
        self.octets -= entry.cost();
        let is_replaced = |number| !is_unsafe(number) && options.first(number).is_some();
        let mut refreshed = OptionList::new();
        for option in entry.options.iter().filter(|option| !is_replaced(option.number)) {
            refreshed.push(option.number, option.value);
        }
        for option in options.iter().filter(|option| !is_unsafe(option.number)) {
            refreshed.push(option.number, option.value);
        }
        entry.options = refreshed;
        self.octets += entry.cost();
        let age_max = max_age(options);
        entry.fresh_until = now.checked_add(age_max).filter(|_| !age_max.is_zero());
        let stored = entry.to_stored(age_max.as_secs());
        self.recency.touch(slot);
        self.make_room();
        Some(stored)
    }

    /// Octets held, overhead included.
    pub fn octets(&self) -> usize {
        self.octets
    }

    fn store(&mut self, now: Instant, asked: Asked<'_>, code: Code, options: &OptionList, payload: &[u8]) {
        // CC6: a new response takes the place of the stored one, even where it may not be stored itself.
        if let Some(slot) = self.slot(asked) {
            self.remove(slot);
        }
        let age_max = max_age(options);
        if age_max.is_zero() {
            return;
        }
        let mut kept = OptionList::new();
        for option in options.iter() {
            // CC7: what is stored answers requests that observe nothing.
            let is_of_transfer = matches!(
                option.number,
                number::MAX_AGE | number::OBSERVE | number::BLOCK1 | number::BLOCK2 | number::SIZE2
            );
            if !is_of_transfer {
                kept.push(option.number, option.value);
            }
        }
        let key = Key::new(asked);
        let entry = Entry {
            hash: self.hash(asked),
            uri_hash: self.uri_hash(asked.origin, &key.uri),
            key,
            code,
            options: kept,
            payload: payload.to_vec(),
            fresh_until: now.checked_add(age_max),
        };
        if entry.cost() > self.octets_max {
            return;
        }
        self.octets += entry.cost();
        let (hash, uri_hash) = (entry.hash, entry.uri_hash);
        let slot = self.entries.insert(entry);
        let entries = &self.entries;
        self.by_request.insert_unique(hash, slot as u32, |slot| entries[*slot as usize].hash);
        self.by_uri.insert((uri_hash, slot as u32));
        self.recency.insert(slot);
        self.make_room();
    }

    /// CC5: responses for the resource that a request changed, and for the one that its answer names, are not fresh any more.
    fn outdate(&mut self, asked: Asked<'_>, options: &OptionList) {
        self.outdate_uri(asked.origin, &Key::new(asked).uri);
        let location = options.iter().filter_map(|option| {
            let number = match option.number {
                number::LOCATION_PATH => number::URI_PATH,
                number::LOCATION_QUERY => number::URI_QUERY,
                _ => return None,
            };
            Some(OptionRef { number, value: option.value })
        });
        // A location is resolved against the request's URI: same host and port.
        let authority =
            asked.options.iter().filter(|option| matches!(option.number, number::URI_HOST | number::URI_PORT));
        let mut uri = Vec::new();
        matching::flatten(&mut uri, authority);
        let authority_octets = uri.len();
        matching::flatten(&mut uri, location);
        if uri.len() > authority_octets {
            self.outdate_uri(asked.origin, &uri);
        }
    }

    fn outdate_uri(&mut self, origin: Origin, uri: &[u8]) {
        let hash = self.uri_hash(origin, uri);
        for (_, slot) in self.by_uri.range((hash, 0)..=(hash, u32::MAX)) {
            let entry = &mut self.entries[*slot as usize];
            if entry.key.origin == origin && entry.key.uri == uri {
                entry.fresh_until = None;
            }
        }
    }

    fn slot(&self, asked: Asked<'_>) -> Option<usize> {
        if !asked.method.is_safe_method() {
            return None;
        }
        self.by_request
            .find(self.hash(asked), |slot| self.entries[*slot as usize].key.is_of(asked))
            .map(|slot| *slot as usize)
    }

    fn hash(&self, asked: Asked<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (asked.origin, asked.method, asked.key_payload()).hash(&mut hasher);
        matching::hash(&mut hasher, asked.uri_options());
        matching::hash(&mut hasher, asked.other_options());
        hasher.finish()
    }

    fn uri_hash(&self, origin: Origin, uri: &[u8]) -> u64 {
        self.hasher.hash_one((origin, uri))
    }

    fn make_room(&mut self) {
        while self.octets > self.octets_max
            && let Some(oldest) = self.recency.oldest()
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, slot: usize) {
        let entry = self.entries.remove(slot);
        if let Ok(found) = self.by_request.find_entry(entry.hash, |other| *other as usize == slot) {
            found.remove();
        }
        self.by_uri.remove(&(entry.uri_hash, slot as u32));
        self.recency.remove(slot);
        self.octets -= entry.cost();
    }
}

impl Asked<'_> {
    fn uri_options(&self) -> impl Iterator<Item = OptionRef<'_>> {
        self.options.iter().filter(|option| matching::is_uri(option.number))
    }
    fn other_options(&self) -> impl Iterator<Item = OptionRef<'_>> {
        self.options.iter().filter(|option| matching::is_cache_key(option.number) && !matching::is_uri(option.number))
    }
    /// The body, where it is part of the key (CC2).
    fn key_payload(&self) -> &[u8] {
        if self.method == Code::FETCH { self.payload } else { &[] }
    }
}

impl Key {
    fn new(asked: Asked<'_>) -> Key {
        let (mut uri, mut options) = (Vec::new(), Vec::new());
        matching::flatten(&mut uri, asked.uri_options());
        matching::flatten(&mut options, asked.other_options());
        Key { origin: asked.origin, method: asked.method, uri, options, payload: asked.key_payload().to_vec() }
    }
    /// Whether what is stored under this key may answer a request (CC1, CC2).
    fn is_of(&self, asked: Asked<'_>) -> bool {
        self.origin == asked.origin
            && self.method == asked.method
            && matching::is_same(&self.uri, asked.uri_options())
            && matching::is_same(&self.options, asked.other_options())
            && self.payload == asked.key_payload()
    }
}

impl Entry {
    fn cost(&self) -> usize {
        let options: usize = self.options.iter().map(|option| 16 + option.value.len()).sum();
        OVERHEAD_OCTETS
            + self.key.uri.len()
            + self.key.options.len()
            + self.key.payload.len()
            + options
            + self.payload.len()
    }
    fn to_stored(&self, left_s: u64) -> Stored {
        let mut options = self.options.clone();
        options.push_uint(number::MAX_AGE, left_s);
        Stored { code: self.code, options, payload: self.payload.clone() }
    }
}

/// How long a response is fresh. A value of more than four octets is none (CO2).
pub(super) fn max_age(options: &OptionList) -> Duration {
    let given = options.first(number::MAX_AGE).filter(|option| has_valid_length(*option));
    Duration::from_secs(given.and_then(|option| option.uint()).unwrap_or(MAX_AGE_DEFAULT_S))
}

#[cfg(test)]
mod tests;
