//! Signals into the stages of the shutdown.

use reelfleet_runtime::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Failure;

/// SIGINT and SIGTERM, from now on ours.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over, so that none of them kills the process any more.
    pub(crate) fn take() -> Result<Self, Failure> {
        let take =
            |kind| signal(kind).map_err(|error| Failure::software(format!("signals: {error}")));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The first signal drains, the second aborts. Runs for ever.
    pub(crate) async fn drive(mut self, shutdown: Shutdown) {
        self.next().await;
        shutdown.start_drain();
        self.next().await;
        shutdown.start_abort();
        std::future::pending::<()>().await;
    }
}
