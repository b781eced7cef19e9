use std::time::Duration;

use reelfleet_db::{Db, Reaped};
use reelfleet_job::{Message, RetryPolicy};
use reelfleet_runtime::{Backoff, Shutdown};

use crate::{Error, Queue};

/// How the relay goes about it.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// How often it looks.
    pub every: Duration,
    /// A message unseen for so long counts as lost.
    pub lost_after: Duration,
    /// Jobs sent in one go.
    pub batch: u32,
    /// What a lost worker's job gets.
    pub retry: RetryPolicy,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(250),
            lost_after: Duration::from_secs(60),
            batch: 500,
            retry: RetryPolicy::default(),
        }
    }
}

/// Sends due jobs that have no message in flight, and frees jobs whose lease ran out.
///
/// It acts on what the rows say and remembers nothing, so any number of them may run.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    queue: Queue,
    config: RelayConfig,
}

impl Relay {
    /// A relay between a database and a queue.
    #[must_use]
    pub fn new(db: Db, queue: Queue, config: RelayConfig) -> Self {
        Self { db, queue, config }
    }

    /// Works until it is told to leave. It goes on through every error: nothing else repairs.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(self.config.every, Duration::from_secs(10));
        let mut wait = self.config.every;
        while shutdown.sleep(wait).await {
            wait = match self.turn().await {
                Ok(()) => {
                    backoff.reset();
                    self.config.every
                }
                Err(error) => {
                    tracing::warn!(%error, "the relay tries again");
                    backoff.next_wait()
                }
            };
        }
    }

    /// One look.
    ///
    /// # Errors
    ///
    /// The database or the broker is away.
    pub async fn turn(&self) -> Result<(), Error> {
        let reaped = self.db.reap(&self.config.retry).await?;
        if reaped != Reaped::default() {
            tracing::info!(
                jobs.freed = reaped.freed,
                jobs.dead = reaped.dead,
                jobs.cancelled = reaped.cancelled,
                "freed {} jobs whose lease ran out",
                reaped.freed + reaped.dead + reaped.cancelled
            );
        }
        for due in self.db.take_due(self.config.batch, self.config.lost_after).await? {
            let message = Message::to(due.job, due.lane.kind);
            if let Err(error) = self.queue.send(due.lane, &message).await {
                // The rows say "sent"; what was not must be found again at the next look.
                self.db.unmark_sent(due.job).await?;
                return Err(error);
            }
        }
        Ok(())
    }
}
