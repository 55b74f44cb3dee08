//! Code points and layouts that differ between the drafts people built from and the RFCs that came of them.
//!
//! A dialect is configured per listener or connection. It is never guessed: the same octets mean different things in two
//! dialects, and no single message tells which is spoken.

/// Which text of DNS Stateful Operations is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DsoDialect {
    /// RFC 8490.
    #[default]
    Rfc8490,
    /// draft-ietf-dnsop-session-signal-02.
    SessionSignal02,
    /// draft-ietf-dnsop-session-signal-03.
    SessionSignal03,
}

impl DsoDialect {
    /// The DSO-TYPE of Retry Delay: 2, in the drafts 0.
    pub const fn retry_delay_type(self) -> u16 {
        match self {
            DsoDialect::Rfc8490 => 2,
            DsoDialect::SessionSignal02 | DsoDialect::SessionSignal03 => 0,
        }
    }
    /// The DSO-TYPE of Encryption Padding, which the drafts do not have.
    pub const fn padding_type(self) -> Option<u16> {
        match self {
            DsoDialect::Rfc8490 => Some(3),
            DsoDialect::SessionSignal02 | DsoDialect::SessionSignal03 => None,
        }
    }
    /// Whether there are messages that are never answered (message ID 0). In the drafts every QR=0 message is a request.
    pub const fn has_unidirectional(self) -> bool {
        matches!(self, DsoDialect::Rfc8490)
    }
    /// Whether sections announced by a nonzero count are skipped in silence instead of being a format error.
    pub const fn skips_sections(self) -> bool {
        matches!(self, DsoDialect::SessionSignal02)
    }
}

/// Which text of DNS Push Notifications is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PushDialect {
    /// RFC 8765.
    #[default]
    Rfc8765,
    /// draft-ietf-dnssd-push-10.
    Push10,
    /// draft-ietf-dnssd-push-12.
    Push12,
}

impl PushDialect {
    /// Whether PUSH, UNSUBSCRIBE and RECONFIRM are requests that are answered. In the RFC they never are.
    pub const fn is_acknowledged(self) -> bool {
        !matches!(self, PushDialect::Rfc8765)
    }
    /// Whether names are compressed. The drafts' session layer forbids it.
    pub const fn compresses_names(self) -> bool {
        matches!(self, PushDialect::Rfc8765)
    }
    /// Whether UNSUBSCRIBE names its subscription by the message ID in the header and carries no data.
    pub const fn unsubscribes_by_message_id(self) -> bool {
        matches!(self, PushDialect::Push10)
    }
}
