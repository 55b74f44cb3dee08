//! Being asked to stop: Ctrl-C or a termination signal.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Fault;

/// Remembers signals from its construction on, so that none is missed between two waits.
#[derive(Debug)]
pub(super) struct Interrupt {
    interrupted: Signal,
    terminated: Signal,
}

impl Interrupt {
    /// Starts to listen; from here on Ctrl-C does not end the process by itself.
    pub(super) fn new() -> Result<Interrupt, Fault> {
        let listen = |kind| signal(kind).map_err(|error| Fault::misuse(format!("cannot listen to signals: {error}")));
        Ok(Interrupt { interrupted: listen(SignalKind::interrupt())?, terminated: listen(SignalKind::terminate())? })
    }
    /// Waits for the next signal. May be dropped and called again without losing one.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}
