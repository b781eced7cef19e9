//! Closes a job the way the pure rule says.

use std::time::Duration;

use reelfleet_db::Claimed;
use reelfleet_job::{Outcome, RetryPolicy, Settlement, settle};
use reelfleet_runtime::Backoff;
use tokio::time::Instant;

use crate::{
    Worker,
    hands::{Hands, Held, Why},
    transcode::Handled,
};

/// Writes the settlement down, trying for as long as the lease can last.
pub(crate) async fn run(
    worker: &Worker,
    hands: &Hands,
    claimed: &Claimed,
    held: &Held,
    handled: Handled,
) {
    let policy = RetryPolicy { max_attempts: claimed.max_attempts, ..RetryPolicy::default() };
    let (outcome, finished) = match handled {
        Ok(finished) => (Outcome::Done, Some(finished)),
        Err(outcome) => (outcome, None),
    };
    let settlement = settle(outcome, claimed.attempts, &policy, rand::random());
    let (job, epoch) = (claimed.id, claimed.epoch);
    let until = Instant::now() + worker.config.lease;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    let effective = loop {
        let written = match (&settlement, &finished) {
            (Settlement::Done, Some(finished)) => worker.db.close_done(job, epoch, finished).await,
            // Done always comes with what to publish.
            (Settlement::Done, None) => Ok(false),
            (Settlement::Retry(wait, reason), _) => {
                worker.db.retry(job, epoch, *wait, reason).await
            }
            (Settlement::Dead(reason), _) => worker.db.close_dead(job, epoch, reason).await,
            (Settlement::Cancelled, _) => worker.db.close_cancelled(job, epoch).await,
            (Settlement::HandBack, _) => worker.db.hand_back(job, epoch).await,
        };
        match written {
            Ok(effective) => break effective,
            Err(error) if Instant::now() < until => {
                tracing::warn!(%error, job.id = %job, "job {job} is closed again in a moment");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            Err(error) => {
                tracing::error!(%error, job.id = %job, "job {job} could not be closed: its lease runs out");
                break false;
            }
        }
    };
    // Not effective: the owner cancelled in the last moment, or the claim is another's.
    let cancelled = !effective && worker.db.close_cancelled(job, epoch).await.unwrap_or_default();
    let published = effective && settlement == Settlement::Done;
    if !published && let Err(error) = worker.storage.remove_epoch(job, epoch).await {
        tracing::warn!(%error, job.id = %job, "outputs of job {job} are left to the collector");
    }
    report(claimed, held, &settlement, effective || cancelled);
    hands.count(|tally| {
        if settlement == Settlement::HandBack {
            tally.handed_back += u64::from(effective);
        } else {
            tally.finished += u64::from(effective || cancelled);
        }
    });
}

/// One line for each way a job left.
fn report(claimed: &Claimed, held: &Held, settlement: &Settlement, effective: bool) {
    let (job, epoch) = (claimed.id, claimed.epoch);
    if !effective || held.why() == Some(Why::Lost) {
        tracing::warn!(job.id = %job, job.epoch = epoch, "job {job} was taken away: nothing of epoch {epoch} is published");
        return;
    }
    match settlement {
        Settlement::Done => tracing::info!(job.id = %job, job.epoch = epoch, "job {job} is done"),
        Settlement::Retry(wait, reason) => {
            tracing::warn!(job.id = %job, job.epoch = epoch, job.code = reason.code, wait_s = wait.as_secs_f64(), "job {job} is tried again later");
        }
        Settlement::Dead(reason) => {
            tracing::info!(job.id = %job, job.epoch = epoch, job.code = reason.code, "job {job} is dead: {reason}");
        }
        Settlement::Cancelled => tracing::info!(job.id = %job, "job {job} is cancelled"),
        Settlement::HandBack => tracing::info!(job.id = %job, "job {job} is handed back"),
    }
}
