//! The services of an entry as they stand on disk.
//!
//! ```text
//! services  name | key octets | key lease 4 | TTL 4 | addresses | names | instances        octets  length 4, octets   list  count 2, items
//! instance  name | key lease 4 | renewed before 8 | flags 1 | offer, where flags is 1
//! offer     lease 4 | subtypes | priority 2, weight 2, port 2 | texts | TTL 4      name: uncompressed octets, as octets
//! ```

use wayhouse_registry::{ServiceHost, ServiceInstance, ServiceOffer};
use wayhouse_wire::dns::{Name, NameRef};

use super::record::{Reader, put_address, put_count};

/// Appends the services of a host.
pub fn put(out: &mut Vec<u8>, services: &ServiceHost) {
    put_octets(out, services.name.wire());
    put_octets(out, &services.key);
    out.extend_from_slice(&services.key_lease_s.to_le_bytes());
    out.extend_from_slice(&services.ttl_s.to_le_bytes());
    put_count(out, services.addresses.len());
    for address in &services.addresses {
        put_address(out, Some(*address));
    }
    put_count(out, services.aliases.len());
    for name in &services.aliases {
        put_octets(out, name.wire());
    }
    put_count(out, services.instances.len());
    for instance in &services.instances {
        put_octets(out, instance.name.wire());
        out.extend_from_slice(&instance.key_lease_s.to_le_bytes());
        out.extend_from_slice(&instance.renewed_before_ms.to_le_bytes());
        out.push(u8::from(instance.offer.is_some()));
        if let Some(offer) = &instance.offer {
            put_offer(out, offer);
        }
    }
}

fn put_offer(out: &mut Vec<u8>, offer: &ServiceOffer) {
    out.extend_from_slice(&offer.lease_s.to_le_bytes());
    put_list(out, &offer.subtypes);
    for number in [offer.priority, offer.weight, offer.port] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    put_list(out, &offer.texts);
    out.extend_from_slice(&offer.ttl_s.to_le_bytes());
}

fn put_list(out: &mut Vec<u8>, items: &[Box<[u8]>]) {
    put_count(out, items.len());
    for item in items {
        put_octets(out, item);
    }
}

fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&(octets.len() as u32).to_le_bytes());
    out.extend_from_slice(octets);
}

/// Reads them; `None` when they make no sense.
pub fn read(reader: &mut Reader<'_>) -> Option<ServiceHost> {
    Some(ServiceHost {
        name: reader.name()?,
        key: reader.octets()?,
        key_lease_s: reader.number()?,
        ttl_s: reader.number()?,
        addresses: (0..reader.count()?).map(|_| reader.address()?).collect::<Option<_>>()?,
        aliases: (0..reader.count()?).map(|_| reader.name()).collect::<Option<_>>()?,
        instances: (0..reader.count()?).map(|_| reader.instance()).collect::<Option<_>>()?,
    })
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    fn octets(&mut self) -> Option<Box<[u8]>> {
        let length = self.number()? as usize;
        self.take(length).map(Box::from)
    }
    fn name(&mut self) -> Option<Name> {
        let octets = self.octets()?;
        let (name, end) = NameRef::read(&octets, 0).ok()?;
        (end == octets.len()).then(|| name.to_name())
    }
    fn list(&mut self) -> Option<Box<[Box<[u8]>]>> {
        (0..self.count()?).map(|_| self.octets()).collect()
    }
    fn instance(&mut self) -> Option<ServiceInstance> {
        Some(ServiceInstance {
            name: self.name()?,
            key_lease_s: self.number()?,
            renewed_before_ms: self.array().map(u64::from_le_bytes)?,
            offer: match self.octet()? {
                0 => None,
                1 => Some(self.offer()?),
                _ => return None,
            },
        })
    }
    fn offer(&mut self) -> Option<ServiceOffer> {
        Some(ServiceOffer {
            lease_s: self.number()?,
            subtypes: self.list()?,
            priority: self.count()?,
            weight: self.count()?,
            port: self.count()?,
            texts: self.list()?,
            ttl_s: self.number()?,
        })
    }
}
