//! Every bound of the CoAP engine, its reason, and the reaction when it is met.

/// Bounds of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a body gathered from Block1, and of one gathered by our client. Reaction: 4.13 with Size1 (BW7); failure.
    pub body_octets_max: usize,
    /// Octets of all bodies being gathered in blocks, and as many again of those being served. Reaction: the oldest is dropped.
    pub bodies_octets_max: usize,
    /// Answers remembered for duplicates of non-idempotent requests (CM21). Reaction: the oldest is forgotten.
    pub remembered_answers_max: usize,
    /// Octets of those answers that are too long to stand in the table itself. Reaction: the oldest is forgotten.
    pub remembered_octets_max: usize,
    /// Observers. Reaction: the request is answered without Observe (OB7).
    pub observers_max: usize,
    /// Observers of one peer. Reaction as above.
    pub observers_per_peer_max: usize,
    /// Octets of the options of a registration, which are kept as long as it lasts. Reaction as above.
    pub observer_options_octets_max: usize,
    /// Own requests under way or queued. Reaction: `Refused::TooMany`.
    pub requests_max: usize,
    /// Requests waiting for NSTART towards one peer. Reaction: `Refused::TooMany`.
    pub queued_per_peer_max: usize,
    /// Separate responses under way. Reaction: 5.03.
    pub pending_max: usize,
    /// Octets of all deferred requests, bodies included. Reaction: 5.03.
    pub pending_octets_max: usize,
    /// Answers to multicast requests that wait for their leisure to pass. Reaction: silence, which is always allowed (CX3).
    pub leisurely_answers_max: usize,
    /// Pairs of endpoints towards which message IDs are kept apart (CM19). Reaction: `Refused::MessageIdsExhausted`; what
    /// a listener sends by itself waits.
    pub message_id_peers_max: usize,
    /// Client sockets the endpoint may spread over. Reaction: `Refused::MessageIdsExhausted`.
    pub client_sockets_max: u16,
    /// Connections. Reaction: the new one is closed.
    pub streams_max: usize,
    /// Max-Message-Size we announce over TCP, octets. Reaction: Abort (RFC 8323 §5.3.1).
    pub stream_message_octets_max: usize,
    /// Octets of the client's response cache. Reaction: the least recently used entry goes.
    pub cache_octets_max: usize,
    /// Members of one group that are told apart. Reaction: answers of further ones are dropped and counted.
    pub group_members_max: usize,
    /// Tokens of ended requests to groups that may not be used yet (GC14). Reaction: `Refused::TooMany` for the next request.
    pub retired_tokens_max: usize,
    /// Groups whose leisure is known (see [`super::Endpoint::set_leisure`]). Reaction: further ones have the default.
    pub leisures_max: usize,
    /// Peers whose reachability was proved by Echo (EC5). Reaction: the oldest is challenged again.
    pub reachable_peers_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_octets_max: 1 << 20,
            bodies_octets_max: 32 << 20,
            remembered_answers_max: 65_536,
            remembered_octets_max: 16 << 20,
            observers_max: 16_384,
            observers_per_peer_max: 64,
            observer_options_octets_max: 2_048,
            requests_max: 16_384,
            queued_per_peer_max: 1_024,
            pending_max: 4_096,
            pending_octets_max: 16 << 20,
            leisurely_answers_max: 1_024,
            message_id_peers_max: 131_072,
            client_sockets_max: 64,
            streams_max: 1_024,
            stream_message_octets_max: 1 << 20,
            cache_octets_max: 1 << 20,
            group_members_max: 65_536,
            retired_tokens_max: 65_536,
            leisures_max: 1_024,
            reachable_peers_max: 65_536,
        }
    }
}
