//! The records of the journal: frames of a shape of our own, each with a checksum.
//!
//! ```text
//! frame    length 4 | checksum 8 | body                      integers little-endian; the length is that of the body
//! body     kind 1 | change number 8 | entry 8 | content      the checksum is XXH3 of the body, seeded with its length
//! entry    lifetime 4, expiry 8 | flags 1 | origin 1 | text: name, sector, base, links | attributes | owner | source | link scope
//!          | services, where the origin is an update (version 2)
//! refresh  lifetime 4, expiry 8 | source
//! removal  nothing
//! text     length 4, UTF-8      list  count 2, items      address  family 1 (0 none, 4, 6), octets, for sources port 2 and scope 4
//! ```
//!
//! Times are milliseconds since 1970: an `Instant` means nothing to the next run. A refresh counts where its change
//! number is higher than the entry's. The version of the shape stands in the header of the block (see `block.rs`).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use wayhouse_registry::{Credentials, EntryId, Origin, Registrant};

use super::services;

/// Octets in front of a body.
const PREFIX_OCTETS: usize = 4 + 8;
/// Octets of a body in front of its content.
const SUBJECT_OCTETS: usize = 1 + 8 + 8;
/// Octets of the largest refresh, one from an IPv6 address. What a refresh counts as, so that its size need not be kept.
pub const REFRESH_OCTETS_MAX: usize = PREFIX_OCTETS + SUBJECT_OCTETS + 12 + 1 + 16 + 2 + 4;

/// What a record says about its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the entry is.
    Entry,
    /// That its lease was renewed.
    Refresh,
    /// That it is gone.
    Removal,
}

/// One record, its content not yet read.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// All of its octets.
    pub octets: &'a [u8],
    /// What it says.
    pub kind: Kind,
    /// The change that wrote it.
    pub change: u64,
    /// The entry that it is about.
    pub id: EntryId,
}

impl<'a> Frame<'a> {
    /// The first frame of some octets, and what follows it. `None` when they do not begin with a frame; whether it is
    /// as it was written is not looked at.
    pub fn first(octets: &'a [u8]) -> Option<(Frame<'a>, &'a [u8])> {
        let (frame, rest) = octets.split_at_checked(first_octets(octets)?)?;
        let mut body = Reader(&frame[PREFIX_OCTETS..]);
        let kind = match body.octet()? {
            1 => Kind::Entry,
            2 => Kind::Refresh,
            3 => Kind::Removal,
            _ => return None,
        };
        let change = u64::from_le_bytes(body.array()?);
        let id = EntryId(u64::from_le_bytes(body.array()?));
        Some((Frame { octets: frame, kind, change, id }, rest))
    }

    /// Whether it is as it was written.
    pub fn is_intact(&self) -> bool {
        let (prefix, body) = self.octets.split_at(PREFIX_OCTETS);
        prefix[4..] == checksum(body).to_le_bytes()
    }

    fn content(&self) -> Reader<'a> {
        Reader(&self.octets[PREFIX_OCTETS + SUBJECT_OCTETS..])
    }
}

/// The octets that the first frame claims for itself.
fn first_octets(octets: &[u8]) -> Option<usize> {
    let body: [u8; 4] = *octets.first_chunk()?;
    PREFIX_OCTETS.checked_add(u32::from_le_bytes(body) as usize)
}

/// What some octets hold that should be frames.
#[derive(Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    must_check: bool,
}

impl<'a> Frames<'a> {
    /// The frames of octets that are known to be as they were written.
    pub fn trusted(octets: &'a [u8]) -> Frames<'a> {
        Frames { rest: octets, must_check: false }
    }
    /// The frames among these octets that are as they were written.
    pub fn intact(octets: &'a [u8]) -> Frames<'a> {
        Frames { rest: octets, must_check: true }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;
    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            // A length that was damaged leads astray; then nothing behind it has a fitting checksum.
            let octets = first_octets(self.rest).filter(|&octets| octets <= self.rest.len())?;
            let frame = Frame::first(self.rest);
            self.rest = &self.rest[octets..];
            match frame {
                Some((frame, _)) if !self.must_check || frame.is_intact() => return Some(frame),
                _ => {}
            }
        }
    }
}

/// A lease as it stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLease {
    /// Granted lifetime, seconds.
    pub lifetime_s: u32,
    /// When it ends, milliseconds since 1970.
    pub expires_ms: u64,
}

/// An entry as it stands on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The change that wrote it.
    pub change: u64,
    /// Its lease then.
    pub lease: StoredLease,
    /// Its content.
    pub registrant: Registrant,
}

/// A refresh as it stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRefresh {
    /// The change that wrote it.
    pub change: u64,
    /// The lease since then.
    pub lease: StoredLease,
    /// Where the refresh came from.
    pub source: Option<SocketAddr>,
}

/// Appends an entry.
pub fn put_entry(out: &mut Vec<u8>, change: u64, registrant: &Registrant, lease: StoredLease) {
    let start = begin(out, Kind::Entry, change, registrant.id);
    put_lease(out, lease);
    out.push(u8::from(registrant.is_base_explicit));
    out.push(match registrant.origin {
        Origin::Directory => 1,
        Origin::SimpleRegistration => 2,
        Origin::Operator => 3,
        Origin::Srp => 5,
        // The store does not write these, and the node does not take them back.
        Origin::Configured => 4,
    });
    for text in [&registrant.endpoint_name, &registrant.sector, &registrant.base, &registrant.links] {
        put_text(out, text);
    }
    put_count(out, registrant.attributes.len());
    for (name, value) in &registrant.attributes {
        put_text(out, name);
        put_text(out, value);
    }
    let owner = &registrant.owner;
    put_count(out, owner.subjects.len());
    for subject in &owner.subjects {
        put_text(out, subject);
    }
    put_option(out, owner.public_key.as_ref().map(|key| key.as_slice()));
    put_option(out, owner.session.map(u64::to_le_bytes).as_ref().map(|session| session.as_slice()));
    put_address(out, owner.address);
    put_source(out, registrant.source);
    put_option(out, registrant.link_scope.map(u32::to_le_bytes).as_ref().map(|scope| scope.as_slice()));
    if let Some(services) = &registrant.services {
        services::put(out, services);
    }
    finish(out, start);
}

/// Reads an entry from an intact frame; `None` when its content makes no sense.
pub fn read_entry(frame: &Frame<'_>) -> Option<StoredEntry> {
    let mut content = frame.content();
    let (lease, registrant) = read_registrant(&mut content, frame.id)?;
    content.0.is_empty().then_some(StoredEntry { change: frame.change, lease, registrant })
}

fn read_registrant(reader: &mut Reader<'_>, id: EntryId) -> Option<(StoredLease, Registrant)> {
    let lease = reader.lease()?;
    let is_base_explicit = reader.octet()? != 0;
    let origin = match reader.octet()? {
        1 => Origin::Directory,
        2 => Origin::SimpleRegistration,
        3 => Origin::Operator,
        4 => Origin::Configured,
        5 => Origin::Srp,
        _ => return None,
    };
    let (endpoint_name, sector, base, links) = (reader.text()?, reader.text()?, reader.text()?, reader.text()?);
    let attributes = (0..reader.count()?).map(|_| Some((reader.text()?, reader.text()?))).collect::<Option<_>>()?;
    let owner = Credentials {
        subjects: (0..reader.count()?).map(|_| reader.text()).collect::<Option<_>>()?,
        public_key: reader.option()?,
        session: reader.option()?.map(u64::from_le_bytes),
        address: reader.address()?,
    };
    let source = reader.source()?;
    let link_scope = reader.option()?.map(u32::from_le_bytes);
    let services = if origin == Origin::Srp { Some(services::read(reader)?.into()) } else { None };
    let registrant = Registrant {
        id,
        endpoint_name,
        sector,
        base,
        is_base_explicit,
        attributes,
        links,
        origin,
        owner,
        source,
        link_scope,
        services,
    };
    Some((lease, registrant))
}

/// Appends a refresh.
pub fn put_refresh(out: &mut Vec<u8>, id: EntryId, refresh: &StoredRefresh) {
    let start = begin(out, Kind::Refresh, refresh.change, id);
    put_lease(out, refresh.lease);
    put_source(out, refresh.source);
    finish(out, start);
}

/// Reads a refresh from an intact frame; `None` when its content makes no sense.
pub fn read_refresh(frame: &Frame<'_>) -> Option<StoredRefresh> {
    let mut content = frame.content();
    let refresh = StoredRefresh { change: frame.change, lease: content.lease()?, source: content.source()? };
    content.0.is_empty().then_some(refresh)
}

/// Appends a removal.
pub fn put_removal(out: &mut Vec<u8>, id: EntryId, change: u64) {
    let start = begin(out, Kind::Removal, change, id);
    finish(out, start);
}

/// Opens a frame; returns where it starts.
fn begin(out: &mut Vec<u8>, kind: Kind, change: u64, id: EntryId) -> usize {
    let start = out.len();
    let mut opening = [0; PREFIX_OCTETS + SUBJECT_OCTETS];
    opening[PREFIX_OCTETS] = match kind {
        Kind::Entry => 1,
        Kind::Refresh => 2,
        Kind::Removal => 3,
    };
    opening[PREFIX_OCTETS + 1..][..8].copy_from_slice(&change.to_le_bytes());
    opening[PREFIX_OCTETS + 9..].copy_from_slice(&id.0.to_le_bytes());
    out.extend_from_slice(&opening);
    start
}

/// Closes the frame that starts at `start` and ends where `out` does.
fn finish(out: &mut [u8], start: usize) {
    let (prefix, body) = out[start..].split_at_mut(PREFIX_OCTETS);
    let octets = u32::try_from(body.len()).expect("the registry's bounds keep an entry far below four gigabytes");
    prefix[..4].copy_from_slice(&octets.to_le_bytes());
    prefix[4..].copy_from_slice(&checksum(body).to_le_bytes());
}

/// Covers the length too, which is the seed.
fn checksum(body: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(body, body.len() as u64)
}

fn put_lease(out: &mut Vec<u8>, lease: StoredLease) {
    out.extend_from_slice(&lease.lifetime_s.to_le_bytes());
    out.extend_from_slice(&lease.expires_ms.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The registry's bounds keep every count far below what two octets hold.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).expect("counts are bounded by the registry").to_le_bytes());
}

fn put_option(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    out.push(u8::from(octets.is_some()));
    out.extend_from_slice(octets.unwrap_or_default());
}

pub(super) fn put_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(address)) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            out.push(6);
            out.extend_from_slice(&address.octets());
        }
    }
}

fn put_source(out: &mut Vec<u8>, source: Option<SocketAddr>) {
    put_address(out, source.map(|source| source.ip()));
    if let Some(source) = source {
        let scope = if let SocketAddr::V6(source) = source { source.scope_id() } else { 0 };
        out.extend_from_slice(&source.port().to_le_bytes());
        out.extend_from_slice(&scope.to_le_bytes());
    }
}

/// What is left of a record's content. `None` from any method: it ends too early or holds what was never written.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
    pub(super) fn octet(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }
    pub(super) fn count(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    fn text(&mut self) -> Option<Box<str>> {
        let octets = u32::from_le_bytes(self.array()?) as usize;
        std::str::from_utf8(self.take(octets)?).ok().map(Box::from)
    }
    fn option<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.octet()? {
            0 => Some(None),
            1 => self.array().map(Some),
            _ => None,
        }
    }
    fn lease(&mut self) -> Option<StoredLease> {
        let lifetime_s = u32::from_le_bytes(self.array()?);
        let expires_ms = u64::from_le_bytes(self.array()?);
        Some(StoredLease { lifetime_s, expires_ms })
    }
    pub(super) fn address(&mut self) -> Option<Option<IpAddr>> {
        match self.octet()? {
            0 => Some(None),
            4 => self.array::<4>().map(|octets| Some(IpAddr::from(octets))),
            6 => self.array::<16>().map(|octets| Some(IpAddr::from(octets))),
            _ => None,
        }
    }
    fn source(&mut self) -> Option<Option<SocketAddr>> {
        let Some(address) = self.address()? else { return Some(None) };
        let port = u16::from_le_bytes(self.array()?);
        let scope = u32::from_le_bytes(self.array()?);
        Some(Some(match address {
            IpAddr::V4(address) => SocketAddr::from((address, port)),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope).into(),
        }))
    }
}

#[cfg(test)]
mod tests;
