//! Bounds of the registry.

use super::{Kind, Setting, Value};

/// The options.
pub const OPTIONS: &[Setting] = &[
    number!(
        "registry.entries_max",
        node.registry.entries_max,
        1,
        1 << 31,
        "Registrants kept. Beyond, new ones are refused."
    ),
    number!(
        "registry.octets_max",
        node.registry.octets_max,
        1024,
        1 << 40,
        "Octets of all names, attributes and links kept. Beyond, as above."
    ),
    number!(
        "registry.links_octets_max",
        node.registry.links_octets_max,
        0,
        1 << 30,
        "Octets of one registrant's links. Beyond, the registration is refused."
    ),
    number!(
        "registry.attributes_max",
        node.registry.attributes_max,
        0,
        1024,
        "Attributes of one registrant. Beyond, as above."
    ),
    number!(
        "registry.grace_s",
        node.registry.grace_s,
        0,
        u32::MAX as u64,
        "How long a registration that ran out can still be revived at its location, seconds."
    ),
    number!(
        "registry.expired_max",
        node.registry.expired_max,
        0,
        1 << 31,
        "Registrations that ran out and are kept for that. Beyond, the oldest is forgotten."
    ),
];
