//! The HTTP side: REST under `/api/v1`, the page, metrics and health.
//!
//! It knows the node only through [`NodeHandle`]: the page has no privilege that REST lacks, and REST has none that
//! [`wayhouse_node::Command`] lacks. Read [`router`] for the list of resources, [`guard`] for who may use them and
//! [`limits`] for what a client can make us hold.

pub mod asking;
pub mod changes;
pub mod connection;
pub mod groups;
pub mod guard;
pub mod limits;
pub mod metrics;
pub mod page;
pub mod problem;
pub mod registrants;
pub mod router;
pub mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wayhouse_node::{Command, Reply};

use crate::shell::clock::Clock;
use crate::shell::handle::NodeHandle;
use connection::{BoundedListener, Connection};
use problem::Problem;

/// What the shell decides for the HTTP side.
#[derive(Clone)]
pub struct Settings {
    /// Who shows this may change something. `None`: nobody may, everybody may read.
    pub admin_token: Option<String>,
    /// Host names and addresses, without port, under which clients reach us besides the loopback ones and the address
    /// of the connection itself. A request for any other `Host` is refused (DNS rebinding).
    pub host_names: Vec<String>,
    /// URIs under which devices reach the directory, the best one first, such as `coap://192.0.2.1`. Shown to people.
    pub directory_uris: Vec<String>,
    /// Interfaces that the configuration names for groups: a question to one of them goes out there.
    pub group_interfaces: BTreeMap<IpAddr, Vec<String>>,
    /// The clock by which the node's leases count.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            admin_token: None,
            host_names: Vec::new(),
            directory_uris: Vec::new(),
            group_interfaces: BTreeMap::new(),
            clock: Clock::start(),
        }
    }
}

impl fmt::Debug for Settings {
    /// Leaves the token out, so that it cannot end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("has_admin_token", &self.admin_token.is_some())
            .field("host_names", &self.host_names)
            .field("directory_uris", &self.directory_uris)
            .finish_non_exhaustive()
    }
}

/// What every resource works with; cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

pub struct Inner {
    settings: Settings,
    handle: NodeHandle,
    /// One permit for each listener to changes that is still welcome.
    listeners: Arc<Semaphore>,
    /// One permit for each text search at a time.
    searches: Semaphore,
    /// Becomes true when the server stops, so that endless answers end.
    stopping: watch::Receiver<bool>,
    counters: metrics::HttpCounters,
}

impl std::ops::Deref for Shared {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Shared {
    pub fn new(settings: Settings, handle: NodeHandle, stopping: watch::Receiver<bool>) -> Shared {
        Shared(Arc::new(Inner {
            settings,
            handle,
            listeners: Arc::new(Semaphore::new(limits::LISTENERS_MAX)),
            searches: Semaphore::new(limits::SEARCHES_AT_ONCE),
            stopping,
            counters: metrics::HttpCounters::default(),
        }))
    }

    /// A place among the listeners, to be held as long as one listens.
    fn listen(&self, hint: &'static str) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.listeners).try_acquire_owned().map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are as many listeners as allowed").hint(hint)
        })
    }

    /// Asks the node, and gives up when it does not answer in time.
    pub async fn ask(&self, command: Command) -> Result<Reply, Problem> {
        match tokio::time::timeout(limits::ANSWER_MAX, self.handle.ask(command)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::busy("the node did not answer in time")),
        }
    }

    /// The node's counters.
    pub async fn node_counters(&self) -> Result<wayhouse_node::Counters, Problem> {
        match self.ask(Command::Status).await? {
            Reply::Status(counters) => Ok(*counters),
            other => Err(Problem::mismatched(&other)),
        }
    }
}

/// Serves until `shutdown` resolves; then ends the endless answers and lets the others finish.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    handle: NodeHandle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let shared = Shared::new(settings, handle, stopping);
    let (service, _) = router::build(shared.clone());
    let service = service.into_make_service_with_connect_info::<Connection>();
    let mut drained = shared.stopping.clone();
    let signal = stop.clone();
    let server = axum::serve(BoundedListener::new(listener), service).with_graceful_shutdown(async move {
        shutdown.await;
        signal.send_replace(true);
    });
    let deadline = async {
        let _ = drained.wait_for(|is_stopping| *is_stopping).await;
        tokio::time::sleep(limits::DRAIN_MAX).await;
    };
    tokio::select! {
        outcome = server => outcome.context("serving HTTP"),
        // A client that holds its connection must not hold the daemon.
        () = deadline => Ok(()),
    }
}
