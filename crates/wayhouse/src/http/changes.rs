//! `changes`: what happens in the registry, as it happens (server-sent events).
//!
//! A listener sees every change from the moment its request is answered. One that cannot keep up, or that comes back
//! after changes it has missed, is told `resync`: read the whole again, then go on.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use wayhouse_registry::{Change, ChangeKind};

use super::problem::Problem;
use super::registrants::describe;
use super::{Shared, limits};
use crate::api::v1;
use crate::shell::clock::Clock;
use crate::shell::handle::LiveChange;

/// Follows the changes.
///
/// Each event is named after the kind of change (`added`, `changed`, `refreshed`, `removed`, `expired`), has the number
/// of the change as its id and a change as its data. `resync` says nothing but that changes were missed: read the whole
/// again. A comment every 15 seconds shows that the stream lives.
#[utoipa::path(
    get,
    path = "/api/v1/changes",
    operation_id = "follow_changes",
    tag = "changes",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last change seen; browsers send it by themselves")),
    responses(
        (status = OK, body = v1::Change, content_type = "text/event-stream", description = "The stream of changes"),
        (status = SERVICE_UNAVAILABLE, body = v1::Problem, description = "Too many listeners", content_type = "application/problem+json"),
    )
)]
pub async fn follow(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = shared.listen("close another listener, or poll the registrants instead")?;
    // Subscribed before the last change is asked for: what happens in between is seen at least once.
    let changes = shared.handle.subscribe();
    let mut has_missed = false;
    if let Some(last) = headers.get("last-event-id").and_then(|value| value.to_str().ok()) {
        has_missed = last.parse() != Ok(shared.node_counters().await?.last_change);
    }
    let (events, events_out) = mpsc::channel(limits::EVENTS_WAITING_MAX);
    let teller = Teller { events, clock: shared.settings.clock, shared: shared.clone() };
    let stopping = shared.stopping.clone();
    tokio::spawn(async move {
        teller.tell(changes, stopping, has_missed).await;
        drop(place);
    });
    let events = ReceiverStream::new(events_out).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(limits::HEARTBEAT).text("alive")))
}

/// Tells one listener.
struct Teller {
    events: mpsc::Sender<Event>,
    clock: Clock,
    shared: Shared,
}

/// The listener is gone, or the server stops.
struct Gone;

impl Teller {
    /// Tells changes until the listener, the node or the server ends.
    async fn tell(
        &self,
        mut changes: broadcast::Receiver<LiveChange>,
        mut stopping: watch::Receiver<bool>,
        has_missed: bool,
    ) {
        let opening = Event::default().retry(std::time::Duration::from_millis(limits::RETRY_MS)).comment("welcome");
        if self.send(opening).await.is_err() || (has_missed && self.send(resync()).await.is_err()) {
            return;
        }
        let mut last = None;
        loop {
            let received = tokio::select! {
                received = changes.recv() => received,
                () = self.events.closed() => return,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => return,
            };
            let change = match received {
                Ok(change) => Some(change),
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return,
            };
            // Every change has the next number: where one is missing, it was dropped on the way here.
            let is_next = |change: &LiveChange| last.is_none_or(|last| change.number.0 == last + 1);
            let has_missed = !change.as_ref().is_some_and(is_next);
            last = change.as_ref().map(|change| change.number.0);
            if has_missed {
                self.shared.counters.count_resync();
                if self.tell_unless(&mut stopping, resync()).await.is_err() {
                    return;
                }
            }
            if let Some(change) = change.and_then(|change| describe_change(&change, self.clock))
                && self.tell_unless(&mut stopping, event(&change)).await.is_err()
            {
                return;
            }
        }
    }

    /// Sends an event, unless the server stops before the listener takes it.
    async fn tell_unless(&self, stopping: &mut watch::Receiver<bool>, event: Event) -> Result<(), Gone> {
        tokio::select! {
            sent = self.send(event) => sent,
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Err(Gone),
        }
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

fn resync() -> Event {
    // Browsers drop an event without any data.
    Event::default().event("resync").data("{}")
}

fn event(change: &v1::Change) -> Event {
    Event::default()
        .event(change.kind.as_str())
        .id(change.number.to_string())
        .json_data(change)
        .expect("a change has only string keys and finite numbers")
}

/// A change as listeners see it; `None` for what is invisible to them.
pub fn describe_change(change: &Change, clock: Clock) -> Option<v1::Change> {
    let (kind, registrant) = match change.kind {
        ChangeKind::Added => (v1::ChangeKind::Added, &change.after),
        ChangeKind::Changed => (v1::ChangeKind::Changed, &change.after),
        ChangeKind::Refreshed => (v1::ChangeKind::Refreshed, &change.after),
        ChangeKind::Withdrawn => (v1::ChangeKind::Removed, &change.before),
        ChangeKind::Expired => (v1::ChangeKind::Expired, &change.before),
        // It was told as expired; that it can no longer be revived shows nowhere.
        ChangeKind::Collected => return None,
    };
    let now = clock.now();
    let (remaining, age) = (change.lease.remaining(now), change.lease.age(now));
    let registrant = describe(registrant.as_ref()?, change.lease.lifetime_s, remaining.as_secs(), age.as_secs());
    Some(v1::Change { number: change.number.0, kind, registrant })
}
