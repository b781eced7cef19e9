use tokio_util::sync::CancellationToken;

/// The two stages of leaving, passed to everything that waits.
///
/// `drain`: take nothing more, finish or hand back. `abort`: stop now.
/// Abort implies drain. Clones share the stages.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Nobody has been told to leave yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// First stage.
    pub fn start_drain(&self) {
        self.drain.cancel();
    }

    /// Second stage.
    pub fn start_abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// The first stage as a token.
    #[must_use]
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// The second stage as a token.
    #[must_use]
    pub fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Whether the first stage has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits for a moment, or for the drain. `true` when the whole time has passed.
    pub async fn sleep(&self, duration: std::time::Duration) -> bool {
        tokio::select! {
            () = self.drain.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}
