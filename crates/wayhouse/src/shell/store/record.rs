//! The records of the store: a versioned shape of our own, with a checksum over key and content.
//!
//! ```text
//! version 1 | checksum 8 (XXH3 of the key and all that follows) | change number 8 | content        integers little-endian
//! entry   lifetime 4, expiry 8 | flags 1 | origin 1 | text: name, sector, base, links | attributes | owner | source | link scope
//! lease   lifetime 4, expiry 8 | source
//! mark    wall clock 8
//! text    length 4, UTF-8      list  count 2, items      address  family 1 (0 none, 4, 6), octets, for sources port 2 and scope 4
//! ```
//!
//! Times are milliseconds since 1970: an `Instant` means nothing to the next run. A lease record follows a refresh and
//! counts where its change number is higher than the entry's.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use wayhouse_registry::{Credentials, EntryId, Origin, Registrant};

/// The shape written. Others are not read: a newer program wrote them.
const VERSION: u8 = 1;
const PREFIX_OCTETS: usize = 1 + 8 + 8;

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

/// How far the store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last change written.
    pub change: u64,
    /// The time of day when it was written, milliseconds since 1970.
    pub wall_ms: u64,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A shape that this program does not know.
    #[error("shape {0} is not known")]
    Version(u8),
    /// Its octets are not those that were written.
    #[error("the checksum does not fit")]
    Checksum,
    /// The checksum fits, but the content makes no sense.
    #[error("the content makes no sense")]
    Content,
}

/// Writes an entry over what `out` holds.
pub fn encode_entry(out: &mut Vec<u8>, change: u64, registrant: &Registrant, lease: StoredLease) {
    start(out, change);
    put_lease(out, lease);
    out.push(u8::from(registrant.is_base_explicit));
    out.push(match registrant.origin {
        Origin::Directory => 1,
        Origin::SimpleRegistration => 2,
        Origin::Operator => 3,
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
    finish(out, &registrant.id.0.to_be_bytes());
}

/// Reads an entry.
///
/// # Errors
/// See [`RecordFault`].
pub fn decode_entry(key: &[u8], record: &[u8]) -> Result<StoredEntry, RecordFault> {
    let (change, content) = check(key, record)?;
    let id = EntryId(u64::from_be_bytes(key.try_into().map_err(|_| RecordFault::Content)?));
    let mut reader = Reader(content);
    let entry = read_entry(&mut reader, id).map(|(lease, registrant)| StoredEntry { change, lease, registrant });
    entry.filter(|_| reader.0.is_empty()).ok_or(RecordFault::Content)
}

fn read_entry(reader: &mut Reader<'_>, id: EntryId) -> Option<(StoredLease, Registrant)> {
    let lease = reader.lease()?;
    let is_base_explicit = reader.octet()? != 0;
    let origin = match reader.octet()? {
        1 => Origin::Directory,
        2 => Origin::SimpleRegistration,
        3 => Origin::Operator,
        4 => Origin::Configured,
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
    };
    Some((lease, registrant))
}

/// Writes a refresh over what `out` holds.
pub fn encode_refresh(out: &mut Vec<u8>, key: &[u8], refresh: &StoredRefresh) {
    start(out, refresh.change);
    put_lease(out, refresh.lease);
    put_source(out, refresh.source);
    finish(out, key);
}

/// Reads a refresh.
///
/// # Errors
/// See [`RecordFault`].
pub fn decode_refresh(key: &[u8], record: &[u8]) -> Result<StoredRefresh, RecordFault> {
    let (change, content) = check(key, record)?;
    let mut reader = Reader(content);
    let lease = reader.lease().ok_or(RecordFault::Content)?;
    let source = reader.source().ok_or(RecordFault::Content)?;
    Ok(StoredRefresh { change, lease, source })
}

/// Writes a mark over what `out` holds.
pub fn encode_mark(out: &mut Vec<u8>, key: &[u8], mark: Mark) {
    start(out, mark.change);
    out.extend_from_slice(&mark.wall_ms.to_le_bytes());
    finish(out, key);
}

/// Reads a mark.
///
/// # Errors
/// See [`RecordFault`].
pub fn decode_mark(key: &[u8], record: &[u8]) -> Result<Mark, RecordFault> {
    let (change, content) = check(key, record)?;
    let wall_ms = content.try_into().map(u64::from_le_bytes).map_err(|_| RecordFault::Content)?;
    Ok(Mark { change, wall_ms })
}

fn start(out: &mut Vec<u8>, change: u64) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&change.to_le_bytes());
}

fn finish(out: &mut [u8], key: &[u8]) {
    let checksum = checksum(key, &out[9..]);
    out[1..9].copy_from_slice(&checksum.to_le_bytes());
}

/// Covers the key too: a good record in the wrong place is not good.
fn checksum(key: &[u8], content: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(content, xxhash_rust::xxh3::xxh3_64(key))
}

/// The change number and the content of a record that is as it was written.
fn check<'a>(key: &[u8], record: &'a [u8]) -> Result<(u64, &'a [u8]), RecordFault> {
    let prefix: &[u8; PREFIX_OCTETS] = record.first_chunk().ok_or(RecordFault::Checksum)?;
    if prefix[0] != VERSION {
        return Err(RecordFault::Version(prefix[0]));
    }
    let written = u64::from_le_bytes(*prefix[1..].first_chunk().expect("the prefix is long enough"));
    if written != checksum(key, &record[9..]) {
        return Err(RecordFault::Checksum);
    }
    let change = u64::from_le_bytes(*prefix[9..].first_chunk().expect("the prefix is long enough"));
    Ok((change, &record[PREFIX_OCTETS..]))
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
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).expect("counts are bounded by the registry").to_le_bytes());
}

fn put_option(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    out.push(u8::from(octets.is_some()));
    out.extend_from_slice(octets.unwrap_or_default());
}

fn put_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
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
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
    fn octet(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }
    fn count(&mut self) -> Option<u16> {
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
    fn address(&mut self) -> Option<Option<IpAddr>> {
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
