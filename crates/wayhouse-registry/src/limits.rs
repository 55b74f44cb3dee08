//! Every bound of the registry, its reason and the reaction when it is met.

/// Bounds of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries kept, active and expired. Memory: about 1 kB each beside their text. Reaction: the oldest expired
    /// entries are collected before their time; when there are too few of them, `Refusal::Full`.
    pub entries_max: usize,
    /// Octets of names, sectors, bases, attributes, links and services kept in all. Reaction: as for `entries_max`.
    pub octets_max: usize,
    /// Octets of one link-format document. Reaction: `Refusal::Full`.
    pub links_octets_max: usize,
    /// Endpoint attributes of one registrant. Reaction: `Refusal::Full`.
    pub attributes_max: usize,
    /// Seconds an expired entry can still be revived (RD25). Then it is collected.
    pub grace_s: u32,
    /// Expired entries kept for revival, and those whose names stay reserved to a key. Reaction: the one whose grace or
    /// reservation ends first is collected, and its names are free.
    pub expired_max: usize,
    /// Changes kept for cursors that have not read them. Reaction: the oldest is dropped, and every cursor that has
    /// not read it is told so by [`crate::Registry::take_lag`].
    pub changes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries_max: 2_000_000,
            octets_max: 4 << 30,
            links_octets_max: 64 << 10,
            attributes_max: 32,
            grace_s: 300,
            expired_max: 100_000,
            changes_max: 1 << 16,
        }
    }
}

/// Other ports that are pointed out for one group address (GC42). Reaction: further ones are left out.
pub const OTHER_PORTS_MAX: usize = 64;

/// Entries that wait to be indexed. A lookup indexes them first, within about a millisecond. Reaction: all are indexed.
pub const UNINDEXED_MAX: usize = 256;

/// Octets of an endpoint name or sector (RFC 9176 §5). Reaction: `Refusal::Invalid`.
pub const NAME_OCTETS_MAX: usize = 63;

/// Octets of a base URI: far beyond what a CoAP option holds (255), so that only operators meet it. Reaction:
/// `Refusal::Invalid`.
pub const BASE_OCTETS_MAX: usize = 1024;

/// Octets of the name and of the value of an endpoint attribute, each. As for [`BASE_OCTETS_MAX`].
pub const ATTRIBUTE_OCTETS_MAX: usize = 1024;

/// Links of one registrant: indexes count them in 16 bits. Reaction: `Refusal::Full`.
pub const LINKS_MAX: usize = u16::MAX as usize;

/// Service instances of one host, and names of former ones: devices have a handful. Reaction: `Refusal::Full`.
pub const SERVICE_INSTANCES_MAX: usize = 64;

/// Addresses of one host that registers services. Reaction: `Refusal::Full`.
pub const SERVICE_ADDRESSES_MAX: usize = 16;

/// Subtypes, and TXT records, of one service instance, and further names of one host, each. Reaction: `Refusal::Full`.
pub const SERVICE_PARTS_MAX: usize = 16;

/// Subtypes and TXT records of one host in all: each is a record in every zone. Devices have a few. Reaction:
/// `Refusal::Full` of [`SERVICE_RECORDS_BOUND`].
pub const SERVICE_RECORDS_MAX: usize = 512;

/// What the refusal names that [`SERVICE_RECORDS_MAX`] leads to.
pub const SERVICE_RECORDS_BOUND: &str = "SERVICE_RECORDS_MAX";

/// What an address, a further name, an instance, a subtype or a TXT record of a host counts beside its text, octets: the
/// record that it is in a zone, and the node of its name.
pub const SERVICE_PART_OCTETS: usize = 256;

/// Expired entries beyond their bound that are collected along with the expiry of one: there are as many only when a store
/// kept more than may be. Reaction: the rest is left to the next turn.
pub(crate) const BOUNDED_PER_EXPIRY: usize = 16;

/// Entries told of one device. Reaction: further ones are left out.
pub const DEVICE_ENTRIES_MAX: usize = 16;

/// Entries that registered by update, read to find those of one device, some hundred microseconds. Reaction: one beyond is
/// found by the first of its addresses only.
pub const SIGNED_ENTRIES_READ_MAX: usize = 1_000;

/// Distinct terms (attribute names and single values, of a registrant and its links) that text of so many octets may
/// have. A term weighs up to 150 octets in the indexes, so crowds of tiny ones would make them a large multiple of the
/// text; documents of real devices stay far below. Reaction: `Refusal::Full`.
pub const fn terms_max(octets: usize) -> usize {
    32 + octets / 8
}

/// Octets of a value that is indexed as a whole. A longer one is found by reading the entries that carry one (see
/// the module `index`), so that no index is larger than a small multiple of the text it is about.
pub(crate) const INDEXED_OCTETS_MAX: usize = 128;

/// Slots gathered for one criterion from several postings. When there are more, the lookup walks the entries instead:
/// so many entries fit that a page fills up soon.
pub(crate) const GATHERED_MAX: usize = 16_384;

/// Octets of the host name of a CoAP group, or of another name of it: with its port it must fit the index as a whole
/// (`INDEXED_OCTETS_MAX`). Reaction: a registration with a longer one stands for no group.
pub const GROUP_HOST_OCTETS_MAX: usize = 120;

/// Octets of the name of an application group, for the same reason; the draft asks for short ones. Reaction: a link
/// with a longer one names none.
pub const GROUP_NAME_OCTETS_MAX: usize = 120;

const _: () = assert!(
    GROUP_HOST_OCTETS_MAX + ":65535@".len() <= INDEXED_OCTETS_MAX && GROUP_NAME_OCTETS_MAX < INDEXED_OCTETS_MAX
);
