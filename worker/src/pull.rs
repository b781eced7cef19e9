//! Takes messages while a hand is free, and claims their jobs.

use std::{sync::Arc, time::Duration};

use reelfleet_job::Kind;
use reelfleet_queue::Delivery;
use reelfleet_runtime::{Backoff, Shutdown};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{Worker, hands::Hands, scratch::Scratch, settle, transcode};

/// The longest wait of one receive, as long as the longest that SQS allows.
pub(crate) const RECEIVE: Duration = Duration::from_secs(20);

/// Runs until the drain begins.
pub(crate) async fn run(
    worker: &Arc<Worker>,
    scratch: &Scratch,
    hands: &Hands,
    jobs: &TaskTracker,
    shutdown: &Shutdown,
) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    for turn in 0.. {
        worker.instance.may_take(shutdown).await;
        let hand = tokio::select! {
            () = shutdown.drain().cancelled() => None,
            hand = hands.free_hand() => hand,
        };
        let Some(hand) = hand else {
            return leave(worker, Kind::Transcode, turn, Vec::new(), shutdown).await;
        };
        let received = worker.queue.receive(Kind::Transcode, turn, 1, RECEIVE, shutdown).await;
        if shutdown.is_draining() {
            let received = received.unwrap_or_default();
            return leave(worker, Kind::Transcode, turn, received, shutdown).await;
        }
        match received {
            Ok(deliveries) => {
                backoff.reset();
                let mut hand = Some(hand);
                for delivery in deliveries {
                    if let Some(hand) = hand.take() {
                        let job =
                            admitted(worker, scratch, hands, (delivery, hand), shutdown.clone());
                        jobs.spawn(job);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no messages could be received");
                shutdown.sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// What arrived while the drain began goes back at once, unclaimed; and so does what the broker
/// has under way for this worker: a last receive, which waits for nothing, brings it.
pub(crate) async fn leave(
    worker: &Worker,
    kind: Kind,
    turn: u64,
    received: Vec<Delivery>,
    shutdown: &Shutdown,
) {
    give_back(worker, received).await;
    let last = worker.queue.receive(kind, turn, 1, Duration::ZERO, shutdown).await;
    give_back(worker, last.unwrap_or_default()).await;
}

async fn give_back(worker: &Worker, deliveries: Vec<Delivery>) {
    if deliveries.is_empty() {
        return;
    }
    let receipts: Vec<_> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
    if let Err(error) = worker.queue.release(&receipts).await {
        tracing::warn!(%error, "messages come again by themselves later");
    }
}

/// One delivery from the question whether it may be claimed to its settlement.
fn admitted(
    worker: &Arc<Worker>,
    scratch: &Scratch,
    hands: &Hands,
    (delivery, hand): (Delivery, OwnedSemaphorePermit),
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let (worker, scratch, hands) = (Arc::clone(worker), scratch.clone(), hands.clone());
    async move {
        let Some(pass) = worker.instance.admit(&shutdown).await else {
            return give_back(&worker, vec![delivery]).await;
        };
        one(worker, scratch, hands, delivery, hand).await;
        drop(pass);
    }
}

/// One delivery from claim to settlement.
async fn one(
    worker: Arc<Worker>,
    scratch: Scratch,
    hands: Hands,
    delivery: Delivery,
    hand: OwnedSemaphorePermit,
) {
    let job = delivery.message.job;
    let asked = Instant::now();
    let claimed = match worker.db.claim(job, worker.id, worker.config.lease).await {
        Ok(claimed) => claimed,
        Err(error) => {
            // The message stays hidden for a while rather than coming back at once: what failed
            // now would fail again, and keep others from their turn.
            tracing::warn!(%error, job.id = %job, "job {job} could not be claimed: its message comes again");
            return;
        }
    };
    // Held before anything else, so that the lease is kept from here on.
    let held = claimed.as_ref().map(|claimed| hands.take(job, claimed.epoch, asked));
    if let Err(error) = worker.queue.ack(&[delivery.receipt]).await {
        tracing::warn!(%error, job.id = %job, "a message comes again, and its claim will find the job taken");
    }
    let (Some(claimed), Some(held)) = (claimed, held) else {
        tracing::debug!(job.id = %job, "job {job} is taken or closed: the message was a duplicate");
        return;
    };
    // In a task of its own, so that a panic ends one try and not the lease keeping of the job.
    let handler = tokio::spawn({
        let (worker, hands) = (Arc::clone(&worker), hands.clone());
        let (claimed, held) = (claimed.clone(), Arc::clone(&held));
        async move { transcode::run(&worker, &scratch, &hands, &claimed, &held, hand).await }
    });
    let handled = handler.await.unwrap_or_else(|error| Err(transcode::ours("handler", error)));
    settle::run(&worker, &hands, &claimed, handled).await;
    hands.let_go(&held);
}
