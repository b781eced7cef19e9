use std::time::{Duration, Instant};

use reelfleet_db::{Db, Due, Reaped};
use reelfleet_job::{Message, RetryPolicy};
use reelfleet_runtime::{Backoff, Clock, Shutdown};

use crate::{Compared, DeadLetters, Duty, Error, Queue};

/// A pause this much longer than it was meant to be, and the machine has slept; and how
/// long leases then get to be renewed.
const SLEPT: Duration = Duration::from_secs(5);

/// How the relay goes about it.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// How often it looks.
    pub every: Duration,
    /// A message that was sent so long ago counts as lost, if its lane is empty.
    pub lost_after: Duration,
    /// In a lane that is never empty nobody can tell; then it counts as lost after so long.
    pub lost_for_sure: Duration,
    /// How often lost messages are looked for.
    pub lost_every: Duration,
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
            lost_for_sure: Duration::from_secs(60 * 60),
            lost_every: Duration::from_secs(10),
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
        let (mut searched, mut cleared) = (None, None);
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
            let turn = self.my_turn(&mut duty, &mut searched, &mut cleared).await;
            asleep = clock.now();
            wait = match turn {
                Ok(more) => {
                    backoff.reset();
                    if more { Duration::ZERO } else { self.config.every }
                }
                Err(error) => {
                    tracing::warn!(%error, "the relay tries again");
                    backoff.next_wait()
                }
            };
        }
        duty.leave().await;
    }

    async fn my_turn(
        &self,
        duty: &mut Duty,
        searched: &mut Option<Instant>,
        cleared: &mut Option<Instant>,
    ) -> Result<bool, Error> {
        if !duty.is_mine().await? {
            return Ok(false);
        }
        let more = self.turn().await?;
        if let Err(error) = self.letters.bury(duty).await {
            tracing::warn!(%error, "letters of dead jobs are sent later");
        }
        if searched.is_none_or(|at| at.elapsed() >= self.config.lost_every)
            && duty.is_mine().await?
        {
            *searched = Some(Instant::now());
            self.find_lost().await?;
        }
        if cleared.is_none_or(|at| at.elapsed() >= self.config.letters_every) {
            *cleared = Some(Instant::now());
            match self.letters.compare(duty).await {
                Ok(came_to) if came_to == Compared::default() => {}
                Ok(Compared { forgotten, lost }) => tracing::info!(
                    "{forgotten} letters of jobs that are not dead were forgotten, {lost} lost ones are sent again"
                ),
                // Nothing waits for this: it must not slow the rest down.
                Err(error) => tracing::warn!(%error, "dead letters are compared again later"),
            }
        }
        Ok(more)
    }

    /// One look: a batch at most. Whether more may be due by now, as after an outage of the broker.
    ///
    /// # Errors
    ///
    /// The database or the broker is away.
    pub async fn turn(&self) -> Result<bool, Error> {
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
        let due = self.db.take_due(self.config.batch).await?;
        let more = due.len() >= self.config.batch as usize;
        self.send(due).await?;
        Ok(more)
    }

    /// Sends again what was lost.
    ///
    /// # Errors
    ///
    /// The database or the broker is away.
    pub async fn find_lost(&self) -> Result<(), Error> {
        let depth = self.queue.depth().await?.lanes;
        let lanes = |empty| {
            let chosen = depth.iter().filter(move |lane| (lane.ready == 0) == empty);
            chosen.map(|lane| lane.lane).collect::<Vec<_>>()
        };
        let RelayConfig { batch, lost_after, lost_for_sure, .. } = self.config;
        for (after, lanes) in [(lost_after, lanes(true)), (lost_for_sure, lanes(false))] {
            self.send(self.db.take_lost(batch, after, &lanes).await?).await?;
        }
        Ok(())
    }

    async fn send(&self, due: Vec<Due>) -> Result<(), Error> {
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
