use std::time::{Duration, Instant};

use reelfleet_db::{Db, Reaped};
use reelfleet_job::{Message, RetryPolicy};
use reelfleet_runtime::{Backoff, Clock, Shutdown};

use crate::{DeadLetters, Duty, Error, Queue};

/// A pause this much longer than it was meant to be, and the machine has slept; and how
/// long leases then get to be renewed.
const SLEPT: Duration = Duration::from_secs(5);

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
    /// How often the dead-letter queue is compared with the rows.
    pub letters_every: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_millis(250),
            lost_after: Duration::from_secs(60),
            batch: 500,
            retry: RetryPolicy::default(),
            letters_every: Duration::from_secs(60),
        }
    }
}

/// Sends due jobs that have no message in flight, and frees jobs whose lease ran out.
///
/// Any number of them may run: one at a time works. It acts on what the rows say and remembers
/// nothing, so a turn that two of them do at once is harmless.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    queue: Queue,
    letters: DeadLetters,
    config: RelayConfig,
}

impl Relay {
    /// A relay between a database and a queue.
    #[must_use]
    pub fn new(db: Db, queue: Queue, config: RelayConfig) -> Self {
        let letters = DeadLetters::new(db.clone(), queue.clone());
        Self { db, queue, letters, config }
    }

    /// Works until it is told to leave. It goes on through every error: nothing else repairs.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(self.config.every, Duration::from_secs(10));
        let mut wait = self.config.every;
        let mut duty = Duty::new(self.db.clone(), "relay");
        let mut cleared = None;
        let clock = Clock::system();
        let mut asleep = clock.now();
        while shutdown.sleep(wait).await {
            // Local time has stood still while the clock on the wall went on: this machine
            // slept. Its workers live and renew their leases in a moment.
            let slept = clock.now().since(asleep) > wait + SLEPT;
            if slept {
                tracing::info!("this machine slept: leases get a moment to be renewed");
                shutdown.sleep(SLEPT).await;
            }
            let turn = self.my_turn(&mut duty, &mut cleared).await;
            asleep = clock.now();
            wait = match turn {
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
        duty.leave().await;
    }

    async fn my_turn(&self, duty: &mut Duty, cleared: &mut Option<Instant>) -> Result<(), Error> {
        if !duty.is_mine().await? {
            return Ok(());
        }
        self.turn().await?;
        if cleared.is_none_or(|at| at.elapsed() >= self.config.letters_every) {
            let forgotten = self.letters.clear().await?;
            if forgotten > 0 {
                tracing::info!("{forgotten} letters of jobs that are not dead were forgotten");
            }
            *cleared = Some(Instant::now());
        }
        Ok(())
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
        self.send_due().await?;
        self.letters.bury().await?;
        Ok(())
    }

    async fn send_due(&self) -> Result<(), Error> {
        let due = self.db.take_due(self.config.batch, self.config.lost_after).await?;
        if due.is_empty() {
            return Ok(());
        }
        let batch: Vec<_> =
            due.iter().map(|due| (due.lane, Message::to(due.job, due.lane.kind))).collect();
        let sent = self.queue.send(&batch).await;
        // The rows say "sent"; what was not must be found again at the next look.
        let unsent: Vec<_> = sent.unconfirmed.iter().filter_map(|at| due.get(*at)).collect();
        if !unsent.is_empty() {
            self.db.unmark_sent(&unsent.iter().map(|due| due.job).collect::<Vec<_>>()).await?;
        }
        sent.error.map_or(Ok(()), Err)
    }
}
