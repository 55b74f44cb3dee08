//! DNS Push Notifications, as far as they need no records (RFC 8765 §6): which message is whose, in each dialect; what a
//! session subscribed to ([`subscriptions`]); what it is told at one moment ([`gather`]); how long a client stays away.

pub mod gather;
pub mod subscriptions;

use std::time::Duration;

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::{DSOTYPENI, Rcode};

use super::dso_session::{Manner, OperationType};

/// The types of operations that a session of a dialect knows.
pub fn operations(dialect: PushDialect) -> &'static [OperationType] {
    match dialect {
        PushDialect::Rfc8765 => &RFC_8765,
        PushDialect::Push10 => &PUSH_10,
        PushDialect::Push12 => &PUSH_12,
    }
}

const fn operation(dso_type: u16, from_client: Manner, from_server: Manner) -> OperationType {
    OperationType {
        dso_type,
        from_client,
        from_server,
        is_long_lived: dso_type == dso_type::SUBSCRIBE,
        // PU6: a SUBSCRIBE may be early.
        is_early: dso_type == dso_type::SUBSCRIBE,
        names_operation: false,
    }
}

/// PU15, PU19, PU28, PU29: what comes from the wrong side ends the session.
const RFC_8765: [OperationType; 4] = [
    operation(dso_type::SUBSCRIBE, Manner::Request, Manner::Never),
    operation(dso_type::PUSH, Manner::Never, Manner::Unidirectional),
    operation(dso_type::UNSUBSCRIBE, Manner::Unidirectional, Manner::Never),
    operation(dso_type::RECONFIRM, Manner::Unidirectional, Manner::Never),
];
const PUSH_10: [OperationType; 4] = [
    operation(dso_type::SUBSCRIBE, Manner::Request, Manner::Never),
    operation(dso_type::PUSH, Manner::Never, Manner::Request),
    OperationType { names_operation: true, ..operation(dso_type::UNSUBSCRIBE, Manner::Request, Manner::Never) },
    operation(dso_type::RECONFIRM, Manner::Request, Manner::Never),
];
const PUSH_12: [OperationType; 4] = [
    operation(dso_type::SUBSCRIBE, Manner::Request, Manner::NotAuthorized),
    operation(dso_type::PUSH, Manner::Never, Manner::Request),
    operation(dso_type::UNSUBSCRIBE, Manner::Request, Manner::NotAuthorized),
    operation(dso_type::RECONFIRM, Manner::Request, Manner::Never),
];

/// How long a refused SUBSCRIBE is to be left alone: what a server sends and a client assumes (PU14; RFC 8765 §6.2.2).
pub fn default_retry_delay(rcode: Rcode) -> Duration {
    const MINUTE: u64 = 60;
    Duration::from_secs(match rcode {
        Rcode::NOERROR => 0,
        Rcode::SERVFAIL => MINUTE,
        Rcode::NOTIMP | DSOTYPENI => 60 * MINUTE,
        _ => 5 * MINUTE,
    })
}

#[cfg(test)]
mod tests;
