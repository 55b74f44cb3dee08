//! What the shell counts: written by the loop and the store's thread, read by whoever shows metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stream::Service;

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
    /// Puts another value in its place.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted of the connections of one service.
#[derive(Debug, Default)]
pub struct StreamCounts {
    /// Connections accepted.
    pub accepted: Count,
    /// Connections refused because as many were open as may be.
    pub refused: Count,
    /// Connections ended because their peer did not read what was sent.
    pub shed: Count,
}

/// Counters of the shell. All but the two marked ones only grow.
#[derive(Debug, Default)]
pub struct ShellCounters {
    /// Datagrams read from sockets.
    pub datagrams_in: Count,
    /// System calls that read them.
    pub batches_in: Count,
    /// Datagrams handed to the system.
    pub datagrams_out: Count,
    /// System calls that handed them over.
    pub batches_out: Count,
    /// Datagrams read and dropped: cut short, broadcast, or without a usable source.
    pub datagrams_in_dropped: Count,
    /// Datagrams not sent: the system refused them, or too many waited for a full socket.
    pub datagrams_out_dropped: Count,
    /// Answers dropped because too many waited for the store.
    pub held_dropped: Count,
    /// Answers of groups dropped because their listener did not keep up.
    pub group_answers_dropped: Count,
    /// Connections for CoAP.
    pub coap_streams: StreamCounts,
    /// Connections for DNS.
    pub dns_streams: StreamCounts,
    /// Handshakes of TLS that ended well.
    pub tls_established: Count,
    /// Those among them in which the client was known from an earlier connection.
    pub tls_resumed: Count,
    /// Connections ended because there was no handshake, a broken one, or one too slow.
    pub tls_failed: Count,
    /// Connections for CoAP open (a level, not a sum).
    pub streams_open: Count,
    /// Changes written to the store.
    pub store_changes: Count,
    /// Batches in which they were written.
    pub store_batches: Count,
    /// Octets of the records written.
    pub store_octets: Count,
    /// Time the store's thread spent committing, microseconds.
    pub store_commit_us: Count,
    /// Changes that wait for the store (a level, not a sum).
    pub store_backlog: Count,
}

impl ShellCounters {
    /// What is counted of the connections of a service.
    pub fn of(&self, service: Service) -> &StreamCounts {
        match service {
            Service::Coap => &self.coap_streams,
            Service::Dns(_) | Service::DnsOverTls(_) => &self.dns_streams,
        }
    }
}
