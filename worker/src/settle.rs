//! Closes a job the way the pure rule says.

use std::time::Duration;

use reelfleet_db::{Claimed, Finished};
use reelfleet_job::{Outcome, RetryPolicy, Settlement, settle};
use reelfleet_runtime::Backoff;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{Worker, hands::Hands, transcode::Handled};

/// Writes the settlement down, trying for as long as the lease can last.
pub(crate) async fn run(worker: &Worker, hands: &Hands, claimed: &Claimed, handled: Handled) {
    let policy = RetryPolicy { max_attempts: claimed.max_attempts, ..RetryPolicy::default() };
    let (outcome, finished) = match handled {
        Ok(finished) => (Outcome::Done, Some(finished)),
        Err(outcome) => (outcome, None),
    };
    let settlement = settle(outcome, claimed.attempts, &policy, rand::random());
    let (job, epoch) = (claimed.id, claimed.epoch);
    let closing = write(worker, claimed, &settlement, finished.as_ref()).await;
    let left = match closing {
        Some(true) => true,
        // Refused: the owner cancelled in the last moment, or the claim is another's.
        Some(false) => worker.db.close_cancelled(job, epoch).await.unwrap_or_default(),
        None => false,
    };
    let published = closing == Some(true) && settlement == Settlement::Done;
    if !published && closing.is_some() {
        clean_up(worker, claimed).await;
    }
    report(claimed, &settlement, closing, left);
    hands.count(|tally| {
        if settlement == Settlement::HandBack {
            tally.handed_back += u64::from(closing == Some(true));
        } else {
            tally.finished += u64::from(left);
        }
    });
}

/// Writes the settlement down. Some: whether it had an effect. None: the database was away
/// for too long, and nobody knows; the reaper and the collector find out later.
async fn write(
    worker: &Worker,
    claimed: &Claimed,
    settlement: &Settlement,
    finished: Option<&Finished>,
) -> Option<bool> {
    let (job, epoch) = (claimed.id, claimed.epoch);
    let until = Instant::now() + worker.config.lease;
    let closing = insist(until, || async {
        match (settlement, finished) {
            (Settlement::Done, Some(finished)) => worker.db.close_done(job, epoch, finished).await,
            // Done always comes with what to publish.
            (Settlement::Done, None) => Ok(false),
            (Settlement::Retry(wait, reason), _) => {
                worker.db.retry(job, epoch, *wait, reason).await
            }
            (Settlement::Dead(reason), _) => worker.db.close_dead(job, epoch, reason).await,
            (Settlement::Cancelled, _) => worker.db.close_cancelled(job, epoch).await,
            (Settlement::HandBack, _) => worker.db.hand_back(job, epoch).await,
        }
    });
    closing.instrument(tracing::info_span!("closing", job.id = %job)).await
}

/// Closes jobs, trying again until the database answers. None: it did not before `until`.
pub(crate) async fn insist<T, F>(until: Instant, mut close: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = reelfleet_db::Result<T>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        match close().await {
            Ok(closed) => return Some(closed),
            Err(error) if Instant::now() < until => {
                tracing::warn!(%error, "what is finished is closed again in a moment");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            Err(error) => {
                tracing::error!(%error, "what is finished could not be closed: its lease runs out");
                return None;
            }
        }
    }
}

/// Removes what this epoch stored, unless it was published after all: an answer that was
/// lost on its way may have hidden a success.
async fn clean_up(worker: &Worker, claimed: &Claimed) {
    let (job, epoch) = (claimed.id, claimed.epoch);
    let removed = match worker.db.epochs(job).await {
        Ok(Some(epochs)) if epochs.live == Some(epoch) => return,
        Ok(_) => worker.storage.remove_epoch(job, epoch).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = removed {
        tracing::warn!(error, job.id = %job, "outputs of job {job} are left to the collector");
    }
}

/// One line for each way a job left.
fn report(claimed: &Claimed, settlement: &Settlement, closing: Option<bool>, left: bool) {
    let (job, epoch) = (claimed.id, claimed.epoch);
    if closing.is_none() {
        return;
    }
    if !left {
        tracing::warn!(job.id = %job, job.epoch = epoch, "job {job} was taken away: nothing of epoch {epoch} is published");
        return;
    }
    if closing == Some(false) {
        tracing::info!(job.id = %job, "job {job} is cancelled");
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
