use std::time::Duration;

use reelfleet_db::Db;
use reelfleet_queue::Duty;
use reelfleet_runtime::{Backoff, Shutdown, Timestamp};
use tokio::time::{Instant, timeout_at};

use crate::{
    Observer, PublisherConfig, WORKER_SILENT,
    cloudwatch::{CloudWatch, Refused},
};

/// How often a process looks whether it is its turn.
const LOOK: Duration = Duration::from_secs(1);

/// Between two tries within one period, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The duty, and the periods that are taken under it.
const NAME: &str = "publish";

/// Publishes the fleet's metrics, once for each period, whichever of many processes does it.
///
/// The duty says who tries. It may pass to another at any moment, also while its holder is frozen;
/// what lets nobody publish a period twice is that its turn is taken in the database before.
#[derive(Debug)]
pub struct Publisher {
    db: Db,
    observer: Observer,
    cloudwatch: CloudWatch,
    period: Duration,
    /// Why nothing could be published lately.
    failing: Option<String>,
}

impl Publisher {
    /// A publisher that has not begun. Nobody is asked anything yet.
    pub async fn new(db: Db, config: &PublisherConfig) -> Self {
        Self {
            observer: Observer::new(db.clone(), WORKER_SILENT),
            cloudwatch: CloudWatch::new(config).await,
            period: config.period,
            db,
            failing: None,
        }
    }

    /// Publishes until it is told to leave. It goes on through every error.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut duty = Duty::new(self.db.clone(), NAME);
        let look = LOOK.min(self.period / 4);
        while shutdown.sleep(look).await {
            let Err(refused) = self.turn(&mut duty, &shutdown).await else { continue };
            self.note(Some(refused));
            // Another process may have the permission, or the way, that this one lacks.
            duty.leave().await;
        }
        duty.leave().await;
    }

    /// One look. A period is published once at most, so what fails for long is missing.
    async fn turn(&mut self, duty: &mut Duty, shutdown: &Shutdown) -> Result<(), Refused> {
        let mine = duty.is_mine().await.map_err(Refused::from)?;
        let asked = Instant::now();
        let slot = if mine { self.db.take_turn(NAME, self.period).await? } else { None };
        let Some(slot) = slot else { return Ok(()) };
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        // By this process's own sense of time: how long the period lasts still, it cannot know better
        // than that it has not ended when it was taken.
        let until = asked + self.period;
        loop {
            let tried = timeout_at(until, self.publish(slot)).await;
            match tried.unwrap_or_else(|_| Err(Refused::late())) {
                Ok(()) => {
                    self.note(None);
                    return Ok(());
                }
                Err(refused) if refused.again && Instant::now() < until => self.note(Some(refused)),
                Err(refused) => return Err(refused),
            }
            if !shutdown.sleep(backoff.next_wait()).await {
                return Ok(());
            }
        }
    }

    async fn publish(&self, slot: Timestamp) -> Result<(), Refused> {
        let observed = self.observer.now().await?;
        // Of a process that was frozen for longer than the period: too old to tell anything.
        if observed.work.at.since(slot) >= self.period {
            return Err(Refused::late());
        }
        self.cloudwatch.put(slot, &observed.values).await
    }

    /// A line in the log when it begins to fail, fails otherwise, or is fine again.
    fn note(&mut self, refused: Option<Refused>) {
        match (&self.failing, refused) {
            (None, None) => {}
            (Some(why), None) => {
                tracing::info!("metrics are published again, after: {why}");
                self.failing = None;
            }
            (Some(before), Some(refused)) if *before == refused.why => {}
            (_, Some(refused)) => {
                tracing::warn!(error = refused.error, "metrics are not published: {}", refused.why);
                self.failing = Some(refused.why);
            }
        }
    }
}

impl Refused {
    fn late() -> Self {
        let why = "the period was over".to_owned();
        Self { error: why.clone(), why, again: false }
    }
}

impl From<reelfleet_db::Error> for Refused {
    fn from(error: reelfleet_db::Error) -> Self {
        let why = "the database does not answer".to_owned();
        Self { why, error: error.to_string(), again: true }
    }
}

impl From<reelfleet_queue::Error> for Refused {
    fn from(error: reelfleet_queue::Error) -> Self {
        let why = "the database does not answer".to_owned();
        Self { why, error: error.to_string(), again: true }
    }
}
