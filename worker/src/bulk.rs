//! Takes jobs that cost next to nothing, by the hundred: one statement claims a batch, one closes it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use reelfleet_db::Claimed;
use reelfleet_job::{JobId, Kind, Payload};
use reelfleet_queue::{Claims, Error, Wanted};
use reelfleet_runtime::{Backoff, Shutdown};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{Worker, hands::Hands, instance::Pass, pull, settle};

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
        worker.instance.may_take(shutdown).await;
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
        match claim(worker, &wanted, shutdown).await {
            Ok((claims, pass)) => {
                backoff.reset();
                if !claims.claimed.is_empty() || !claims.receipts.is_empty() {
                    tracing::debug!(jobs = claims.claimed.len(), "jobs claimed");
                    jobs.spawn(batch(Arc::clone(worker), hands.clone(), claims, (place, pass)));
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

/// Claims jobs. Where there is a group, it is asked between message and claim.
async fn claim(
    worker: &Worker,
    wanted: &Wanted,
    shutdown: &Shutdown,
) -> Result<(Claims, Option<Pass>), Error> {
    if !worker.instance.is_there() {
        return Ok((worker.queue.claim(&worker.db, wanted, shutdown).await?, None));
    }
    let Wanted { kind, turn, limit, at_most, worker: id, lease } = *wanted;
    let deliveries = worker.queue.receive(kind, turn, limit, at_most, shutdown).await?;
    let (ids, receipts): (Vec<_>, Vec<_>) =
        deliveries.into_iter().map(|delivery| (delivery.message.job, delivery.receipt)).unzip();
    if ids.is_empty() {
        return Ok((Claims::default(), None));
    }
    let pass = worker.instance.admit(shutdown).await;
    if pass.is_none() || shutdown.is_draining() {
        worker.queue.release(&receipts).await?;
        return Ok((Claims::default(), None));
    }
    let claimed = worker.db.claim_some(&ids, id, lease).await?;
    Ok((Claims { claimed, receipts }, pass))
}

/// One batch from claim to close.
async fn batch(
    worker: Arc<Worker>,
    hands: Hands,
    claims: Claims,
    _until_the_end: (OwnedSemaphorePermit, Option<Pass>),
) {
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
