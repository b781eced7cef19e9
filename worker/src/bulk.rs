//! Takes jobs that cost next to nothing, by the hundred: one statement claims a batch, one closes it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use reelfleet_db::Claimed;
use reelfleet_job::{JobId, Kind, Payload};
use reelfleet_queue::{Claims, Wanted};
use reelfleet_runtime::{Backoff, Shutdown};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{Worker, hands::Hands, pull, settle};

/// Jobs of one batch.
const BATCH: u32 = 500;
/// Batches at a time: while one is received, others are claimed and closed.
const BATCHES: usize = 3;

/// Runs until the drain begins.
pub(crate) async fn run(
    worker: &Arc<Worker>,
    hands: &Hands,
    jobs: &TaskTracker,
    shutdown: &Shutdown,
) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    let places = Arc::new(Semaphore::new(BATCHES));
    for turn in 0.. {
        // Batches end by themselves, within a lease.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let wanted = Wanted {
            kind: Kind::Noop,
            turn,
            limit: BATCH,
            at_most: pull::RECEIVE,
            worker: worker.id,
            lease: worker.config.lease,
        };
        match worker.queue.claim(&worker.db, &wanted, shutdown).await {
            Ok(claims) => {
                backoff.reset();
                if !claims.claimed.is_empty() || !claims.receipts.is_empty() {
                    tracing::debug!(jobs = claims.claimed.len(), "jobs claimed");
                    jobs.spawn(batch(Arc::clone(worker), hands.clone(), claims, place));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no jobs could be claimed: what was received comes again");
                shutdown.sleep(backoff.next_wait()).await;
            }
        }
        if shutdown.is_draining() {
            return pull::leave(worker, Kind::Noop, turn, Vec::new(), shutdown).await;
        }
    }
}

/// One batch from claim to close.
async fn batch(worker: Arc<Worker>, hands: Hands, claims: Claims, _place: OwnedSemaphorePermit) {
    let until = Instant::now() + worker.config.lease;
    let acknowledge = async {
        if claims.receipts.is_empty() {
            return;
        }
        if let Err(error) = worker.queue.ack(&claims.receipts).await {
            tracing::warn!(%error, "messages come again, and their claims will find the jobs taken");
        }
    };
    let (closed, ()) = tokio::join!(close(&worker, &claims.claimed, until), acknowledge);
    hands.count(|tally| tally.finished += closed);
}

/// Does what the jobs say, which is nothing, and closes them. How many.
async fn close(worker: &Worker, claimed: &[Claimed], until: Instant) -> u64 {
    let (ours, strangers): (Vec<_>, Vec<_>) =
        claimed.iter().partition(|claimed| claimed.payload == Payload::Noop);
    for stranger in strangers {
        // Its message lied about the kind. The relay sends one that does not.
        let job = stranger.id;
        let handed_back = worker.db.hand_back(job, stranger.epoch).await;
        tracing::warn!(?handed_back, job.id = %job, "job {job} came by a lane of another kind: it goes back");
    }
    let claims: Vec<_> = ours.iter().map(|claimed| (claimed.id, claimed.epoch)).collect();
    if claims.is_empty() {
        return 0;
    }
    let closing = settle::insist(until, || worker.db.close_some_done(&claims));
    match closing.instrument(tracing::info_span!("closing", jobs = claims.len())).await {
        Some(done) => {
            tracing::debug!(jobs = done.len(), "jobs closed");
            done.len() as u64 + cancelled(worker, &claims, &done).await
        }
        None => 0,
    }
}

/// Of those that were not closed as done somebody had cancelled some. The others are another
/// worker's by now, or an answer was lost and they are done.
async fn cancelled(worker: &Worker, claims: &[(JobId, u64)], done: &[JobId]) -> u64 {
    let done: HashSet<_> = done.iter().collect();
    let mut cancelled = 0;
    for (job, epoch) in claims.iter().filter(|(job, _)| !done.contains(job)) {
        let closed = worker.db.close_cancelled(*job, *epoch).await;
        cancelled += u64::from(closed.unwrap_or_default());
    }
    cancelled
}
