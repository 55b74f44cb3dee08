//! Any octets as an update that registers services: no panic, and what is read keeps the bounds and rules that it promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayhouse_proto::dns::limits::{UPDATE_PARTS_MAX, UPDATE_SERVICES_MAX, UPDATE_TEXT_OCTETS_MAX};
use wayhouse_proto::dns::srp::ServiceUpdate;
use wayhouse_proto::dns::update::Update;
use wayhouse_wire::dns::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    let Ok(update) = Update::of(message) else { return };
    let is_in_form = update.check().is_ok();
    let Ok(read) = ServiceUpdate::read(&update) else { return };
    assert!(is_in_form);
    assert!(read.lease.lease_s <= read.lease.effective_key_lease_s());
    assert!(read.host.name.labels().count() >= 1 && read.host.addresses.len() <= UPDATE_PARTS_MAX);
    assert!(read.services.len() <= UPDATE_SERVICES_MAX);
    for service in &read.services {
        assert_eq!(service.name.labels().count(), 3);
        assert_eq!(read.services.iter().filter(|other| other.name == service.name).count(), 1);
        let Some(offer) = &service.offer else { continue };
        let octets: usize = offer.texts.iter().map(|text| text.len()).sum();
        assert!(!offer.texts.is_empty() && octets <= UPDATE_TEXT_OCTETS_MAX && offer.subtypes.len() <= UPDATE_PARTS_MAX);
    }
});
