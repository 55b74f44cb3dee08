//! In which order to try the servers of SRV records (RFC 2782).

use wayhouse_wire::dns::{Name, Rtype};

use super::OwnedRecord;
use crate::rng::Rng;

/// One server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvTarget {
    /// Lower is tried first.
    pub priority: u16,
    /// Its share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub host: Name,
}

impl SrvTarget {
    /// Reads an SRV record; `None` for other records, and for the root as host: the service is decidedly not offered.
    pub fn read(record: &OwnedRecord) -> Option<SrvTarget> {
        let number = |at: usize| Some(u16::from_be_bytes([*record.rdata.get(at)?, *record.rdata.get(at + 1)?]));
        let host = record.rdata_name(6).filter(|_| record.rtype == Rtype::SRV)?;
        if host.is_root() {
            return None;
        }
        Some(SrvTarget { priority: number(0)?, weight: number(2)?, port: number(4)?, host: host.to_name() })
    }
}

/// The servers of SRV records, in the order to try them.
pub fn order<'r>(records: impl IntoIterator<Item = &'r OwnedRecord>, rng: &mut Rng) -> Vec<SrvTarget> {
    let mut left: Vec<SrvTarget> = records.into_iter().filter_map(SrvTarget::read).collect();
    // Those without weight first: they are then hardly ever drawn while others are left.
    left.sort_by_key(|target| (target.priority, target.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let count = left.iter().take_while(|target| target.priority == first.priority).count();
        let sum: u64 = left[..count].iter().map(|target| u64::from(target.weight)).sum();
        let drawn = rng.below(sum + 1);
        let mut running = 0;
        let chosen = left[..count].iter().position(|target| {
            running += u64::from(target.weight);
            running >= drawn
        });
        ordered.push(left.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests;
