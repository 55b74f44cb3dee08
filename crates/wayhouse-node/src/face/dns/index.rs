//! Every record of every zone, found by its name at a cost that does not grow with how many there are.
//!
//! ```text
//! names ──▶ node (a name) ──▶ set (a type) ──▶ record ⇄ record ⇄ …        records ──▶ record
//!             │ parent ▲                        data, how many hold it       by name, type and data
//!             └────────┘ so that empty non-terminals exist as long as something is below them
//! ```
//!
//! A record whose data is a name of ours holds the node of that name, so that following it costs no search. Such a node may
//! have no record itself, nor any below it: then there is no such name for who asks.
//!
//! Several entries may hold one record (`_services._dns-sd._udp`, say): it is there as long as one of them does. Data is
//! kept as it goes out, names in it uncompressed. Which entry means which records is the affair of `naming`.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use slab::Slab;
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_wire::dns::name::{LABELS_MAX, NAME_OCTETS_MAX};
use wayhouse_wire::dns::{Name, NameRef, Rtype};

/// No record, no node.
const NONE: u32 = u32::MAX;

/// A record of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordId(u32);

/// A name of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) u32);

/// A zone of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ZoneId(u16);

/// What there is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is of no zone of ours.
    Outside,
    /// It is of a zone, and neither it nor anything below it exists.
    Nowhere(ZoneId),
    /// It exists, perhaps only because something below it does.
    At(ZoneId, NodeId),
}

/// What happened to a record.
#[derive(Debug, Clone)]
pub(super) struct RecordChange {
    /// Its owner.
    pub(super) name: Name,
    /// Its type.
    pub(super) rtype: Rtype,
    /// Its time to live, seconds.
    pub(super) ttl_s: u32,
    /// Its data.
    pub(super) rdata: Box<[u8]>,
    /// Whether it is there, as opposed to gone.
    pub(super) is_there: bool,
}

#[derive(Debug)]
struct Node {
    name: Name,
    /// Of the name in lower case.
    hash: u64,
    parent: u32,
    /// Nodes right below.
    children: u32,
    /// Those of them that exist for who asks.
    existing_children: u32,
    /// Records whose data is this name.
    leads: u32,
    zone: ZoneId,
    sets: Vec<Set>,
}

/// The records of one name and type, in the order of their coming.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    /// The type.
    pub(super) rtype: Rtype,
    /// The time to live, seconds.
    pub(super) ttl_s: u32,
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Record {
    node: u32,
    rtype: Rtype,
    rdata: Box<[u8]>,
    hash: u64,
    /// The node of the name that the data ends with, where it does and it is of a zone.
    target: u32,
    holders: u32,
    previous: u32,
    next: u32,
}

#[derive(Debug)]
struct Zone {
    apex: u32,
    soa: RecordId,
}

/// A name in lower case, and where its labels start.
pub(super) struct Folded {
    octets: [u8; NAME_OCTETS_MAX],
    length: usize,
    starts: [u8; LABELS_MAX],
    labels: usize,
}

impl Folded {
    pub(super) fn new(name: NameRef<'_>) -> Folded {
        let mut folded = Folded { octets: [0; NAME_OCTETS_MAX], length: 0, starts: [0; LABELS_MAX], labels: 0 };
        folded.length = match name.flat() {
            Some(flat) => {
                folded.octets[..flat.len()].copy_from_slice(flat);
                flat.len()
            }
            None => name.flatten(&mut folded.octets).len(),
        };
        let mut at = 0;
        while folded.octets[at] != 0 {
            folded.starts[folded.labels] = at as u8;
            folded.labels += 1;
            at += 1 + usize::from(folded.octets[at]);
        }
        // Lengths are at most 63 and therefore no letters.
        folded.octets[..folded.length].make_ascii_lowercase();
        folded
    }
    /// The name without its first labels.
    fn suffix(&self, first_label: usize) -> &[u8] {
        let at = if first_label == self.labels { self.length - 1 } else { usize::from(self.starts[first_label]) };
        &self.octets[at..self.length]
    }
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    key: KeyedState,
    names: HashTable<u32>,
    nodes: Slab<Node>,
    records: Slab<Record>,
    by_content: HashTable<u32>,
    zones: Vec<Zone>,
    /// Label counts that zones have, the most first: where the zone of a name is looked for.
    depths: Vec<usize>,
    /// What happened since it was last taken; gathered only when somebody wants it.
    changes: Vec<RecordChange>,
    is_watched: bool,
    has_changed: bool,
    /// The serial that zones have.
    serial: u32,
    /// The serial that those who watch know.
    told_serial: u32,
}

/// Puts a serial into the data of a SOA. Behind two names: SERIAL REFRESH RETRY EXPIRE MINIMUM, five times four octets.
fn put_serial(rdata: &mut [u8], serial: u32) {
    let at = rdata.len() - 20;
    rdata[at..at + 4].copy_from_slice(&serial.to_be_bytes());
}

impl Index {
    /// An index without zones.
    pub(super) fn new(key: KeyedState) -> Index {
        Index {
            key,
            names: HashTable::new(),
            nodes: Slab::new(),
            records: Slab::new(),
            by_content: HashTable::new(),
            zones: Vec::new(),
            depths: Vec::new(),
            changes: Vec::new(),
            is_watched: false,
            has_changed: false,
            serial: 0,
            told_serial: 0,
        }
    }

    /// Makes a zone of a name, with its SOA. Outer zones come before those inside them; `None` when it is one already.
    pub(super) fn add_zone(&mut self, apex: &Name, soa: Box<[u8]>, soa_ttl_s: u32) -> Option<ZoneId> {
        let folded = Folded::new(apex.as_ref());
        let hash = self.key.octets(folded.suffix(0));
        if self.find(hash, folded.suffix(0)).is_some() {
            return None;
        }
        let zone = ZoneId(u16::try_from(self.zones.len()).ok()?);
        let node = self.enter_node(apex.clone(), hash, NONE, zone);
        self.zones.push(Zone { apex: node, soa: RecordId(NONE) });
        if !self.depths.contains(&folded.labels) {
            self.depths.push(folded.labels);
            self.depths.sort_unstable_by(|a, b| b.cmp(a));
        }
        let soa = self.add(apex, Rtype::SOA, soa_ttl_s, soa)?;
        self.zones[usize::from(zone.0)].soa = soa;
        Some(zone)
    }

    /// Finds a name.
    pub(super) fn lookup(&self, folded: &Folded) -> Found {
        let name = folded.suffix(0);
        if let Some(node) = self.find(self.key.octets(name), name) {
            let zone = self.nodes[node as usize].zone;
            return if self.exists(node) { Found::At(zone, NodeId(node)) } else { Found::Nowhere(zone) };
        }
        for &depth in self.depths.iter().filter(|depth| **depth <= folded.labels) {
            let suffix = folded.suffix(folded.labels - depth);
            if let Some(node) = self.find(self.key.octets(suffix), suffix) {
                let zone = self.nodes[node as usize].zone;
                if self.zones[usize::from(zone.0)].apex == node {
                    return Found::Nowhere(zone);
                }
            }
        }
        Found::Outside
    }

    /// The records of a type at a name.
    pub(super) fn set(&self, node: NodeId, rtype: Rtype) -> Option<Set> {
        self.nodes[node.0 as usize].sets.iter().find(|set| set.rtype == rtype).copied()
    }
    /// All types at a name.
    pub(super) fn sets(&self, node: NodeId) -> &[Set] {
        &self.nodes[node.0 as usize].sets
    }
    /// The data of a set.
    pub(super) fn data(&self, set: Set) -> Data<'_> {
        Data { index: self, next: set.first }
    }
    /// A name as it was entered.
    pub(super) fn name(&self, node: NodeId) -> NameRef<'_> {
        self.nodes[node.0 as usize].name.as_ref()
    }
    /// The first label of a name, its length first, and the name without it; at the apex of a zone the whole name, and
    /// nothing.
    #[inline]
    pub(super) fn split(&self, node: NodeId) -> (&[u8], Option<NodeId>) {
        let Node { name, parent, .. } = &self.nodes[node.0 as usize];
        let flat = name.wire();
        match *parent {
            NONE => (flat, None),
            parent => (&flat[..=usize::from(flat[0])], Some(NodeId(parent))),
        }
    }
    /// The apex of a zone.
    pub(super) fn apex(&self, zone: ZoneId) -> NodeId {
        NodeId(self.zones[usize::from(zone.0)].apex)
    }
    /// The SOA of a zone: data and time to live.
    pub(super) fn soa(&self, zone: ZoneId) -> (&[u8], u32) {
        let record = &self.records[self.zones[usize::from(zone.0)].soa.0 as usize];
        let ttl_s = self.set(self.apex(zone), Rtype::SOA).map_or(0, |set| set.ttl_s);
        (&record.rdata, ttl_s)
    }
    /// Puts a serial into the SOA of every zone.
    pub(super) fn set_serial(&mut self, serial: u32) {
        self.serial = serial;
        for zone in &self.zones {
            put_serial(&mut self.records[zone.soa.0 as usize].rdata, serial);
        }
    }
    /// Notes that the serial is another one than when this was last called, for the zones whose SOA somebody wants. What
    /// changes in an instant changes it once.
    pub(super) fn note_serial(&mut self, is_wanted: impl Fn(&Name) -> bool) {
        let before = std::mem::replace(&mut self.told_serial, self.serial);
        if !self.is_watched || before == self.serial {
            return;
        }
        let has_changed = self.has_changed;
        for zone in 0..self.zones.len() {
            let soa = self.zones[zone].soa.0;
            if !is_wanted(&self.nodes[self.records[soa as usize].node as usize].name) {
                continue;
            }
            let (_, ttl_s) = self.soa(ZoneId(zone as u16));
            self.note(soa, ttl_s, false);
            if let Some(change) = self.changes.last_mut() {
                put_serial(&mut change.rdata, before);
            }
            self.note(soa, ttl_s, true);
        }
        // A serial moves for others' sake.
        self.has_changed = has_changed;
    }
    /// Whether a name is the apex of a zone.
    pub(super) fn is_apex(&self, name: NameRef<'_>) -> bool {
        let found = self.lookup(&Folded::new(name));
        matches!(found, Found::At(zone, node) if self.apex(zone) == node)
    }
    /// The number of records.
    pub(super) fn record_count(&self) -> usize {
        self.records.len()
    }
    /// Zones there are.
    pub(super) fn zone_count(&self) -> usize {
        self.zones.len()
    }

    /// Adds a record, or one more holder to it; `None` when its owner is of no zone.
    pub(super) fn add(&mut self, name: &Name, rtype: Rtype, ttl_s: u32, rdata: Box<[u8]>) -> Option<RecordId> {
        let node = self.node_of(name)?;
        let hash = self.content_hash(node, rtype, &rdata);
        let is_same = |&record: &u32| {
            let record = &self.records[record as usize];
            record.hash == hash && record.node == node && record.rtype == rtype && record.rdata == rdata
        };
        if let Some(&known) = self.by_content.find(hash, is_same) {
            self.records[known as usize].holders += 1;
            // Who says the same again may have another time to live in mind. Sets of pointers have many holders, and keep
            // that of the first.
            if rtype != Rtype::PTR {
                let set = self.nodes[node as usize].sets.iter_mut().find(|set| set.rtype == rtype);
                if let Some(set) = set.filter(|set| set.ttl_s != ttl_s) {
                    set.ttl_s = ttl_s;
                    // PU26: who is told of changes counts no time down, and must hear that there is less of it.
                    let mut next = set.first;
                    while next != NONE {
                        self.note(next, ttl_s, true);
                        next = self.records[next as usize].next;
                    }
                }
            }
            return Some(RecordId(known));
        }
        let target = target_of(rtype, &rdata).map(NameRef::to_name).and_then(|target| self.node_of(&target));
        if let Some(target) = target {
            self.nodes[target as usize].leads += 1;
        }
        let existed = self.exists(node);
        if !existed && self.nodes[node as usize].name.wire() != name.wire() {
            // In the case of whoever makes it exist, not of whoever led here.
            self.nodes[node as usize].name = name.clone();
        }
        let sets = &mut self.nodes[node as usize].sets;
        let set = match sets.iter_mut().position(|set| set.rtype == rtype) {
            Some(set) => &mut sets[set],
            None => {
                sets.reserve_exact(1);
                sets.push(Set { rtype, ttl_s, first: NONE, last: NONE });
                sets.last_mut().expect("pushed above")
            }
        };
        let (previous, next) = (set.last, NONE);
        let target = target.unwrap_or(NONE);
        let record = Record { node, rtype, rdata, hash, target, holders: 1, previous, next };
        let id = self.records.insert(record) as u32;
        match previous {
            NONE => set.first = id,
            previous => self.records[previous as usize].next = id,
        }
        set.last = id;
        let ttl_s = set.ttl_s;
        if !existed {
            self.note_existence(node, true);
        }
        let records = &self.records;
        self.by_content.insert_unique(hash, id, |&record| records[record as usize].hash);
        self.note(id, ttl_s, true);
        Some(RecordId(id))
    }

    /// Takes one holder from a record; with the last one it goes.
    pub(super) fn remove(&mut self, id: RecordId) {
        let record = &mut self.records[id.0 as usize];
        record.holders -= 1;
        if record.holders > 0 {
            return;
        }
        let Record { node, rtype, hash, target, previous, next, .. } = *record;
        let sets = &mut self.nodes[node as usize].sets;
        let place = sets.iter().position(|set| set.rtype == rtype).expect("a record is in the set of its type");
        let set = &mut sets[place];
        let ttl_s = set.ttl_s;
        match previous {
            NONE => set.first = next,
            previous => self.records[previous as usize].next = next,
        }
        match next {
            NONE => set.last = previous,
            next => self.records[next as usize].previous = previous,
        }
        if set.first == NONE {
            sets.remove(place);
        }
        if let Ok(entry) = self.by_content.find_entry(hash, |&other| other == id.0) {
            entry.remove();
        }
        self.note(id.0, ttl_s, false);
        self.records.remove(id.0 as usize);
        if !self.exists(node) {
            self.note_existence(node, false);
        }
        self.release_node(node);
        if target != NONE {
            self.nodes[target as usize].leads -= 1;
            self.release_node(target);
        }
    }

    /// Whether any record came or went since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }
    /// Whether changes are gathered for [`Index::take_changes`].
    pub(super) fn set_watched(&mut self, is_watched: bool) {
        if is_watched && !self.is_watched {
            self.told_serial = self.serial;
        }
        self.is_watched = is_watched;
        if !is_watched {
            self.changes = Vec::new();
        }
    }
    /// What happened since it was last taken, in order.
    pub(super) fn take_changes(&mut self) -> Vec<RecordChange> {
        std::mem::take(&mut self.changes)
    }

    fn note(&mut self, record: u32, ttl_s: u32, is_there: bool) {
        self.has_changed = true;
        if self.is_watched {
            let Record { node, rtype, rdata, .. } = &self.records[record as usize];
            let name = self.nodes[*node as usize].name.clone();
            self.changes.push(RecordChange { name, rtype: *rtype, ttl_s, rdata: rdata.clone(), is_there });
        }
    }

    /// The node of a name in lower case.
    fn find(&self, hash: u64, folded: &[u8]) -> Option<u32> {
        let is_it = |&node: &u32| {
            let node = &self.nodes[node as usize];
            node.hash == hash && node.name.wire().eq_ignore_ascii_case(folded)
        };
        self.names.find(hash, is_it).copied()
    }
    /// The node of a name that is of a zone, made where there is none, and with it those between it and the zone's apex.
    fn node_of(&mut self, name: &Name) -> Option<u32> {
        let folded = Folded::new(name.as_ref());
        let mut missing = 0;
        let mut parent = loop {
            if missing > folded.labels {
                return None;
            }
            let suffix = folded.suffix(missing);
            if let Some(node) = self.find(self.key.octets(suffix), suffix) {
                break node;
            }
            missing += 1;
        };
        let zone = self.nodes[parent as usize].zone;
        for first_label in (0..missing).rev() {
            let name = Name::from_labels(name.labels().skip(first_label)).expect("a part of a name is one");
            let hash = self.key.octets(folded.suffix(first_label));
            self.nodes[parent as usize].children += 1;
            parent = self.enter_node(name, hash, parent, zone);
        }
        Some(parent)
    }
    fn enter_node(&mut self, name: Name, hash: u64, parent: u32, zone: ZoneId) -> u32 {
        let (children, existing_children, leads) = (0, 0, 0);
        let node = Node { name, hash, parent, children, existing_children, leads, zone, sets: Vec::new() };
        let node = self.nodes.insert(node) as u32;
        let nodes = &self.nodes;
        self.names.insert_unique(hash, node, |&node| nodes[node as usize].hash);
        node
    }
    /// Whether there is such a name for who asks.
    fn exists(&self, node: u32) -> bool {
        let node = &self.nodes[node as usize];
        !node.sets.is_empty() || node.existing_children > 0
    }
    /// Takes note that a name has begun or ceased to exist, and with it perhaps those above it.
    fn note_existence(&mut self, node: u32, is_there: bool) {
        let mut parent = self.nodes[node as usize].parent;
        while parent != NONE {
            let existed = self.exists(parent);
            let above = &mut self.nodes[parent as usize];
            above.existing_children = above.existing_children + u32::from(is_there) - u32::from(!is_there);
            if self.exists(parent) == existed {
                return;
            }
            parent = self.nodes[parent as usize].parent;
        }
    }
    /// Forgets a name without records, to which nothing leads, and without anything below it, and those above it that are then the same.
    fn release_node(&mut self, mut node: u32) {
        loop {
            let Node { hash, parent, children, leads, ref sets, .. } = self.nodes[node as usize];
            if children > 0 || leads > 0 || !sets.is_empty() || parent == NONE {
                return;
            }
            if let Ok(entry) = self.names.find_entry(hash, |&other| other == node) {
                entry.remove();
            }
            self.nodes.remove(node as usize);
            self.nodes[parent as usize].children -= 1;
            node = parent;
        }
    }
    fn content_hash(&self, node: u32, rtype: Rtype, rdata: &[u8]) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write_u32(node);
        hasher.write_u16(rtype.to_int());
        hasher.write(rdata);
        hasher.finish()
    }
}

/// The name that the data of a type ends with.
fn target_of(rtype: Rtype, rdata: &[u8]) -> Option<NameRef<'_>> {
    let at = match rtype {
        Rtype::PTR | Rtype::NS => 0,
        Rtype::SRV => 6,
        _ => return None,
    };
    NameRef::read(rdata, at).ok().map(|(name, _)| name)
}

/// The data of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datum<'a> {
    /// As it goes out, names in it uncompressed.
    pub(super) rdata: &'a [u8],
    /// The name that the data leads to, when it is of a zone of ours; there may be nothing.
    pub(super) target: Option<NodeId>,
}

/// The data of a set, record by record.
#[derive(Debug, Clone)]
pub(super) struct Data<'a> {
    index: &'a Index,
    next: u32,
}

impl<'a> Iterator for Data<'a> {
    type Item = Datum<'a>;
    fn next(&mut self) -> Option<Datum<'a>> {
        if self.next == NONE {
            return None;
        }
        let record = &self.index.records[self.next as usize];
        self.next = record.next;
        let target = (record.target != NONE).then_some(NodeId(record.target));
        Some(Datum { rdata: &record.rdata, target })
    }
}

#[cfg(test)]
mod tests;
