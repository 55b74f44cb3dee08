//! `/metrics`: the same counters for Prometheus, in OpenMetrics text.
//!
//! Only sums: no metric names a registrant, a peer or an address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use wayhouse_node::Counters;

use super::problem::Problem;
use super::{Shared, limits};
use crate::shell::counters::ShellCounters;

/// What the HTTP side counts of itself.
#[derive(Debug, Default)]
pub struct HttpCounters {
    requests: AtomicU64,
    resyncs: AtomicU64,
}

impl HttpCounters {
    /// Counts a request, whatever becomes of it.
    pub fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
    /// Counts a listener that lagged behind.
    pub fn count_resync(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// How many listen to changes.
    pub fn listeners_count(&self) -> usize {
        limits::LISTENERS_MAX - self.listeners.available_permits()
    }
}

/// Shows all metrics.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "show_metrics",
    tag = "metrics",
    responses((status = OK, body = String, content_type = "application/openmetrics-text", description = "The metrics"))
)]
pub async fn show(State(shared): State<Shared>) -> Result<Response, Problem> {
    let counters = shared.node_counters().await?;
    let listeners = shared.listeners_count();
    let text = render(&counters, shared.handle.shell_counters(), &shared.counters, listeners);
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The metrics as OpenMetrics text.
pub fn render(node: &Counters, shell: &ShellCounters, http: &HttpCounters, listeners: usize) -> String {
    let mut registry = Registry::with_prefix("wayhouse");
    registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));

    for (name, help, value) in [
        ("registrants", "Active registrants", node.registrants as u64),
        ("observers", "Observers over CoAP", node.observers as u64),
        ("coap_connections", "Open connections of CoAP over TCP", shell.streams_open.get()),
        ("dns_connections", "Open connections of DNS over TCP and TLS", node.dns.streams_open as u64),
        ("dns_records", "Records in all zones", node.dns.records as u64),
        ("http_listeners", "Listeners to changes over HTTP", listeners as u64),
        ("store_backlog", "Changes that wait for the store", shell.store_backlog.get()),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
    let held = ConstGauge::new(node.octets as u64);
    registry.register_with_unit("registry_text", "Text held for registrants", Unit::Bytes, held);

    let (coap, dns) = (&node.coap, &node.dns);
    for (name, help, value) in [
        ("directory_registrations", "Registrations taken, repeated ones included", node.registrations),
        ("directory_updates", "Updates taken", node.updates),
        ("directory_removals", "Removals on request", node.removals),
        ("directory_expiries", "Leases that ran out", node.expiries),
        ("directory_lookups", "Lookups answered", node.lookups),
        ("directory_refusals", "Requests that the directory refused", node.refusals),
        ("registry_changes", "Changes to the registry, counted over restarts", node.last_change),
        ("coap_datagrams_received", "Datagrams received", coap.datagrams_received),
        ("coap_malformed", "Messages that could not be read", coap.malformed),
        ("coap_requests", "Requests received", coap.requests),
        ("coap_duplicates", "Requests received again and recognised", coap.duplicates),
        ("coap_responses_sent", "Responses sent", coap.responses_sent),
        ("coap_notifications_sent", "Notifications sent to observers", coap.notifications_sent),
        ("coap_retransmissions", "Messages sent again for want of an acknowledgment", coap.retransmissions),
        ("coap_timeouts", "Messages given up for want of an acknowledgment", coap.timeouts),
        ("coap_resets_sent", "Resets sent", coap.resets_sent),
        ("coap_resets_received", "Resets received", coap.resets_received),
        ("coap_unexpected_responses", "Responses that nobody waited for", coap.unexpected_responses),
        ("coap_echo_challenges", "Peers asked to prove that they are reachable", coap.echo_challenges),
        ("coap_dropped_at_limit", "Messages dropped because a bound was met", coap.dropped_at_limit),
        ("dns_udp_queries", "Questions to the DNS over UDP", dns.udp_queries),
        ("dns_tcp_queries", "Questions to the DNS over TCP and TLS", dns.tcp_queries),
        ("dns_updates", "Updates by which hosts registered", dns.updates),
        ("dns_updates_refused", "Updates of the DNS that were refused", dns.updates_refused),
        ("dns_malformed", "DNS messages that could not be read", dns.malformed),
        ("dns_ignored", "DNS datagrams that are nothing to answer", dns.ignored),
        ("dns_rate_truncated", "Questions sent back for TCP because their network asked too much", dns.rate_truncated),
        ("dns_rate_dropped", "Questions dropped because their network asked too much", dns.rate_dropped),
        ("dns_connections_accepted", "DNS connections accepted", shell.dns_streams.accepted.get()),
        ("dns_connections_refused", "DNS connections refused because of the bound", shell.dns_streams.refused.get()),
        ("dns_connections_shed", "DNS connections ended because the peer did not read", shell.dns_streams.shed.get()),
        ("dns_tls_established", "Handshakes of DNS over TLS that ended well", shell.tls_established.get()),
        ("dns_tls_resumed", "Those of clients known from an earlier connection", shell.tls_resumed.get()),
        ("dns_tls_failed", "DNS connections ended for want of a good handshake", shell.tls_failed.get()),
        ("socket_datagrams_received", "Datagrams read from sockets", shell.datagrams_in.get()),
        ("socket_datagrams_sent", "Datagrams handed to the system", shell.datagrams_out.get()),
        ("socket_receive_calls", "System calls that read datagrams", shell.batches_in.get()),
        ("socket_send_calls", "System calls that sent datagrams", shell.batches_out.get()),
        ("socket_received_dropped", "Datagrams read and dropped", shell.datagrams_in_dropped.get()),
        ("socket_sent_dropped", "Datagrams that could not be sent", shell.datagrams_out_dropped.get()),
        ("coap_answers_dropped", "Answers dropped because too many waited for the store", shell.held_dropped.get()),
        ("coap_connections_accepted", "Connections accepted", shell.coap_streams.accepted.get()),
        ("coap_connections_refused", "Connections refused because of the bound", shell.coap_streams.refused.get()),
        ("coap_connections_shed", "Connections ended because the peer did not read", shell.coap_streams.shed.get()),
        ("store_changes", "Changes written to the store", shell.store_changes.get()),
        ("store_batches", "Batches in which they were written", shell.store_batches.get()),
        ("http_requests", "HTTP requests received", http.requests.load(Ordering::Relaxed)),
        ("http_resyncs", "Listeners that lagged behind and were told so", http.resyncs.load(Ordering::Relaxed)),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }

    let written = ConstCounter::new(shell.store_octets.get());
    registry.register_with_unit("store_written", "Records written to the store", Unit::Bytes, written);
    let committing = ConstCounter::new(Duration::from_micros(shell.store_commit_us.get()).as_secs_f64());
    registry.register_with_unit("store_commit", "Time spent committing to the store", Unit::Seconds, committing);

    let mut text = String::new();
    encode(&mut text, &registry).expect("writing into a string does not fail");
    text
}
