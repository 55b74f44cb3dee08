//! Every bound of the node, its reason, and the reaction when it is met. The engine and the registry have their own.

use std::time::Duration;

use wayhouse_proto::coap::limits::Limits;

/// Leases ended per call of `handle_timeout`: some hundred microseconds of work even among a million entries, where
/// little of what an expiry touches is in the processor's cache, so that ten thousand expiries in one second delay no
/// answer. Reaction: a further wake-up is asked for at once.
pub const EXPIRIES_PER_CALL: usize = 64;
/// Entries indexed in idle time before somebody looks whether it still is: some 50 microseconds. Reaction: idle time is asked
/// for again.
pub const INDEXED_PER_CALL: usize = 16;
/// Rounds in which faces read what others of them changed meanwhile. Reaction: a further wake-up is asked for at once.
pub const ROUNDS_PER_CALL: usize = 8;
/// Notifications written per call: each may be a whole lookup. Reaction: a further wake-up is asked for at once.
pub const NOTIFICATIONS_PER_CALL: usize = 64;
/// Octets of notifications written per call, for the same reason and with the same reaction.
pub const NOTIFICATION_OCTETS_PER_CALL: usize = 256 << 10;
/// Events kept for a listener. Reaction: later ones are dropped and counted in one [`crate::Event::Lagged`].
pub const EVENTS_MAX: usize = 4_096;

/// Fetches of `/.well-known/core` under way. Reaction: simple registration answers 5.03; a renewal waits.
pub const FETCHES_MAX: usize = 1_024;
/// Requests that wait for the same fetch (a registrant that repeats itself). Reaction: 5.03.
pub const WAITING_PER_FETCH_MAX: usize = 4;
/// How long a fetch may take: the retransmissions of one CON request and a slow answer. Then the registrant is told 5.04.
pub const FETCH_PATIENCE: Duration = Duration::from_secs(60);
/// Simple registrations whose links are fetched again before they expire (RD18). Reaction: those beyond expire unless
/// their registrant registers again.
pub const RENEWALS_MAX: usize = 65_536;
/// Renewals started per call. Reaction: a further wake-up is asked for at once.
pub const RENEWALS_PER_CALL: usize = 64;
/// Shortest pause between two fetches from one registrant: a simple registration that lives shorter is not renewed by
/// us, or somebody could have us poll a device every second.
pub const RENEWAL_PAUSE_MIN: Duration = Duration::from_secs(30);

/// Groups in the configuration: every discovery looks at each that this node is a member of. Reaction: a problem of the
/// configuration.
pub const GROUPS_MAX: usize = 256;
/// Application groups of one configured group, for the same reason and with the same reaction.
pub const APPLICATION_GROUPS_MAX: usize = 64;

/// CoAP groups in one answer to an operator. Reaction: the answer ends and says so.
pub const OPERATOR_GROUPS_MAX: u64 = 500;
/// Members told of one CoAP group: a person reads no more, and each is a document to read. Reaction: the answer says that
/// there are more.
pub const GROUP_MEMBERS_MAX: usize = 200;
/// Octets of text that one answer about groups is made of, some ten milliseconds. Reaction: the answer ends and says so.
pub const GROUP_OCTETS_MAX: usize = 8 << 20;

/// Registrants in one answer to an operator. Reaction: the answer ends and says so.
pub const OPERATOR_ENTRIES_MAX: u64 = 1_000;
/// Octets of text that one search by an operator reads, some ten milliseconds. Reaction: the answer ends and says so.
pub const SEARCH_OCTETS_MAX: usize = 8 << 20;

/// Questions of persons to groups that are under way. Reaction: `Full` for the next one.
pub const GROUP_QUESTIONS_MAX: usize = 64;
/// How long answers of a group are gathered at most: persons do not wait longer. Reaction: `Invalid`.
pub const GROUP_WINDOW_MAX: Duration = Duration::from_secs(600);

/// Events that a device keeps. Reaction: later ones are dropped and counted in one [`crate::device::Event::Lagged`].
pub const DEVICE_EVENTS_MAX: usize = 256;

/// Bounds of the engine of a [`crate::Device`]: it is small, and many of them run in one process. Reactions are the engine's.
pub fn device() -> Limits {
    Limits {
        body_octets_max: 64 << 10,
        bodies_octets_max: 256 << 10,
        remembered_answers_max: 256,
        remembered_octets_max: 64 << 10,
        observers_max: 256,
        observers_per_peer_max: 16,
        requests_max: 64,
        queued_per_peer_max: 16,
        pending_max: 256,
        pending_octets_max: 256 << 10,
        leisurely_answers_max: 256,
        message_id_peers_max: 1_024,
        client_sockets_max: 1,
        streams_max: 1,
        cache_octets_max: 16 << 10,
        group_members_max: 4_096,
        retired_tokens_max: 4_096,
        leisures_max: 64,
        reachable_peers_max: 1_024,
        ..Limits::default()
    }
}

/// Zones that show the entries: each costs the records of every entry once more. Reaction: a problem of the configuration.
pub const DNS_ZONES_MAX: usize = 8;
/// Prefixes with reverse zones. One that ends inside a label has up to 128 zones. Reaction: as above.
pub const DNS_REVERSE_PREFIXES_MAX: usize = 64;
/// Service instances of one entry beside its own, and application groups of one CoAP group: devices have a handful, and
/// each is five records or more. Reaction: links beyond have no name.
pub const DNS_INSTANCES_MAX: usize = 64;
/// Subtypes of one instance, for the same reason and with the same reaction.
pub const DNS_SUBTYPES_MAX: usize = 16;
/// Numbers tried for a name that others have: whoever registers crowds of one name pays for it with their own patience.
/// Reaction: the entry goes without that name.
pub const DNS_NUMBERS_MAX: u32 = 64;
/// Octets of one TXT: with SRV, PTR and addresses it fits 512 octets (DN6). Reaction: a string that is too much is left out.
pub const DNS_TXT_OCTETS_MAX: usize = 400;
/// Places in the table of answers per network over UDP, 12 octets each. Reaction: networks share a place.
pub const DNS_RATE_PLACES: usize = 16_384;
/// Answers that wait to be fetched by the shell, which does so after every datagram. Reaction: a datagram is not answered.
pub const DNS_ANSWERS_WAITING_MAX: usize = 1_024;
/// Connections for DNS over TCP and TLS where the configuration says nothing else. About 2 kB each here, more where TLS is
/// ended. Reaction: a further one is closed.
pub const DNS_STREAMS_MAX: usize = 16_384;
/// How long a connection without a session may be silent (RFC 7766 §6.2.3). Reaction: it is closed.
pub const DNS_STREAM_IDLE: Duration = Duration::from_secs(15);
/// Octets answered on one connection per call: who asks for large answers in one go does not keep others waiting.
/// Reaction: the rest is answered in the next call, which is asked for at once.
pub const DNS_STREAM_OCTETS_PER_CALL: usize = 256 << 10;
/// Octets that a connection may hold of questions not answered yet. Reaction: it is ended.
pub const DNS_STREAM_OCTETS_HELD_MAX: usize = 128 << 10;
/// Connections told of changes per call, less than a millisecond of work: thousands of subscribers of one name delay nobody
/// else. Reaction: the others are told in the next call, which is asked for at once.
pub const DNS_TELLINGS_PER_CALL: usize = 128;
/// Connections that time brings something per call, such as the end of their patience: thousands that were opened together
/// end together. Reaction: as above.
pub const DNS_TURNS_PER_CALL: usize = 256;
/// Instants at which something changed that have not been told to everybody. Reaction: the oldest are told in one go, which
/// slows down whoever makes the changes.
pub const DNS_ROUNDS_MAX: usize = 64;
/// Subscriptions of all connections: each holds its name twice and its place, up to about 1 kB. Reaction: one more is
/// refused, for five minutes.
pub const DNS_SUBSCRIPTIONS_MAX: usize = 262_144;
/// Records of a name that is subscribed to: they are told in one call, in some 20 milliseconds and two megabytes. Reaction: the
/// subscription is refused; questions over TCP are answered all the same.
pub const DNS_SUBSCRIBED_RECORDS_MAX: usize = 32_768;
