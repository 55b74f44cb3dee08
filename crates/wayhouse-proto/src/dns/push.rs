//! DNS Push Notifications, as far as they need no records: which message is whose, in each dialect (RFC 8765 §6).

use wayhouse_wire::dialect::PushDialect;
use wayhouse_wire::dns::dso_tlv::dso_type;

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
