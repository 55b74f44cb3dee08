//! What writing answers reuses: name compression by node instead of by octets.
//!
//! Almost every name of an answer is a node of the index, and a node knows its parent. Where each stands in the message
//! is remembered under its number: a name costs one look, and neither hashing nor comparing. Names that are not in the
//! index stand whole; those of an SOA are left to the [`Compressor`].

use wayhouse_wire::dns::compressor::POINTER_LIMIT;
use wayhouse_wire::dns::{Class, Compressor, Full, Header, MessageWriter, Rtype, Section};

use super::index::{Index, NodeId, Set};

/// Marks a node whose addresses stand in the message.
const TOLD: u32 = 1 << 15;

/// Reused for every message.
#[derive(Debug, Default)]
pub(super) struct Composer {
    pub(super) compressor: Compressor,
    pub(super) places: Places,
}

/// Where nodes stand in the message being written, and where its answers lead to.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By number of the node: the message in the upper half, the offset in the lower fourteen bits, and [`TOLD`].
    offsets: Vec<u32>,
    message: u16,
    /// The node of the question, which answers are for.
    question: Option<NodeId>,
    /// The names of ours that the answers lead to, in their order.
    leads: Vec<NodeId>,
}

impl Places {
    /// Forgets everything: a message begins.
    pub(super) fn begin(&mut self) {
        self.leads.clear();
        self.question = None;
        self.message = self.message.wrapping_add(1);
        if self.message == 0 {
            self.offsets.fill(0);
            self.message = 1;
        }
    }
    /// Remembers where the name of the question stands, which is that of a node. Only what it spells as the node does may
    /// stand for other names, which keep their case (RFC 4343 §4.1).
    pub(super) fn note_question(&mut self, index: &Index, node: NodeId, flat: &[u8]) {
        self.question = Some(node);
        let (mut next, mut at) = (Some(node), 0);
        // Where the ending begins that is spelled alike.
        let mut alike = (next, at);
        while let Some(node) = next {
            let (label, parent) = index.split(node);
            let end = at + label.len();
            let is_alike = flat.get(at..end) == Some(label);
            (next, at) = (parent, end);
            if !is_alike {
                alike = (next, at);
            }
        }
        let (mut next, mut at) = alike;
        while let Some(node) = next {
            self.set(node, Header::OCTETS + at);
            let (label, parent) = index.split(node);
            at += label.len();
            next = parent;
        }
    }
    /// Where the answers lead to.
    pub(super) fn take_leads(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.leads)
    }
    /// Gives the memory of [`Places::take_leads`] back.
    pub(super) fn give_leads(&mut self, leads: Vec<NodeId>) {
        self.leads = leads;
    }

    fn set(&mut self, node: NodeId, offset: usize) {
        if offset >= POINTER_LIMIT {
            return;
        }
        let at = node.0 as usize;
        if at >= self.offsets.len() {
            self.offsets.resize(at + 1, 0);
        }
        self.offsets[at] = u32::from(self.message) << 16 | offset as u32;
    }
    fn get(&self, node: NodeId) -> Option<u16> {
        let place = *self.offsets.get(node.0 as usize)?;
        (place >> 16 == u32::from(self.message)).then_some((place & (POINTER_LIMIT as u32 - 1)) as u16)
    }
    /// Whether a node was not yet marked with [`Places::tell`].
    pub(super) fn is_untold(&self, node: NodeId) -> bool {
        !self
            .offsets
            .get(node.0 as usize)
            .is_some_and(|place| place >> 16 == u32::from(self.message) && place & TOLD != 0)
    }
    /// Marks a node that stands in the message: its addresses do as well.
    pub(super) fn tell(&mut self, node: NodeId) {
        if let Some(place) = self.offsets.get_mut(node.0 as usize)
            && *place >> 16 == u32::from(self.message)
        {
            *place |= TOLD;
        }
    }

    /// Appends the owner of a record: answers are for the name as it was asked for.
    #[inline]
    fn append_owner(&mut self, index: &Index, section: Section, node: NodeId, out: &mut Vec<u8>, start: usize) {
        if section == Section::Answer && self.question == Some(node) {
            return out.extend_from_slice(&(0xc000 | Header::OCTETS as u16).to_be_bytes());
        }
        self.append(index, node, out, start);
    }

    /// Appends a name to the message that starts at `start`.
    #[inline]
    fn append(&mut self, index: &Index, node: NodeId, out: &mut Vec<u8>, start: usize) {
        let mut node = node;
        loop {
            if let Some(offset) = self.get(node) {
                return out.extend_from_slice(&(0xc000 | offset).to_be_bytes());
            }
            self.set(node, out.len() - start);
            let (label, parent) = index.split(node);
            out.extend_from_slice(label);
            match parent {
                Some(parent) => node = parent,
                None => return,
            }
        }
    }
}

/// Writes all records of a set. In answers it notes where they lead to.
pub(super) fn write_set(
    writer: &mut MessageWriter<'_>,
    places: &mut Places,
    index: &Index,
    section: Section,
    node: NodeId,
    set: Set,
) -> Result<(), Full> {
    let mut fixed = [0; 10];
    fixed[..2].copy_from_slice(&set.rtype.to_int().to_be_bytes());
    fixed[2..4].copy_from_slice(&Class::IN.to_int().to_be_bytes());
    fixed[4..8].copy_from_slice(&set.ttl_s.to_be_bytes());
    let wants_leads = section == Section::Answer;
    for datum in index.data(set) {
        writer.record_with(section, |out, start| {
            places.append_owner(index, section, node, out, start);
            out.extend_from_slice(&fixed);
            let data_at = out.len();
            match datum.target {
                // RFC 2782: the target of an SRV stands there whole.
                Some(target) if set.rtype != Rtype::SRV => places.append(index, target, out, start),
                _ => out.extend_from_slice(datum.rdata),
            }
            let octets = (out.len() - data_at) as u16;
            out[data_at - 2..data_at].copy_from_slice(&octets.to_be_bytes());
        })?;
        if wants_leads {
            places.leads.extend(datum.target);
        }
    }
    Ok(())
}
