use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{try_join, try_join_all},
    stream,
};
use lapin::{
    Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use reelfleet_runtime::{Backoff, Shutdown};
use tokio::time::Instant;

use super::{
    fault::{self, Fault, answer},
    hand::{Came, Hand, How},
    link::{Lease, Link},
    queues::Queue,
};

/// How long a message that is there takes to come at most. Later ones go back.
const QUIET: Duration = Duration::from_millis(50);

/// Up to `limit` messages, the first queues' first, waiting for them until a moment. A server
/// that goes away and comes back meanwhile only lengthens the wait.
pub(super) async fn receive(
    link: &Link,
    queues: &[Queue],
    limit: u32,
    until: Instant,
    shutdown: &Shutdown,
) -> Result<Vec<Came>, Fault> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        let fault = match attempt(link, queues, limit, until, shutdown).await {
            Ok(came) => return Ok(came),
            Err(fault) => fault,
        };
        let declared = match &fault {
            Fault::Lapin(error) if fault::is_gone(error) => link.declare().await,
            _ => Err(fault),
        };
        // A queue that is declared again is empty, but for what came since.
        if let Err(fault) = declared {
            let left = until.saturating_duration_since(Instant::now());
            if matches!(fault, Fault::Unfit(_)) || left.is_zero() || shutdown.is_draining() {
                return Err(fault);
            }
            tracing::debug!(error = %fault, "RabbitMQ is away; a receive waits for it");
            shutdown.sleep(backoff.next_wait().min(left)).await;
        }
    }
}

async fn attempt(
    link: &Link,
    queues: &[Queue],
    limit: u32,
    until: Instant,
    shutdown: &Shutdown,
) -> Result<Vec<Came>, Fault> {
    let mut lease = link.lease().await?;
    let mut came = lease.fetch(queues, limit).await?;
    let left = until.saturating_duration_since(Instant::now());
    if came.is_empty() && !left.is_zero() && !shutdown.is_draining() {
        came = lease.wait(queues, limit, left, shutdown).await?;
    }
    lease.done();
    Ok(came)
}

impl Lease<'_> {
    /// Takes what is there. Each queue gets a consumer with room for as many messages as are
    /// to come, which is cancelled when it is full. So a batch costs little more than a message,
    /// and nothing lies here unasked for.
    async fn fetch(&mut self, queues: &[Queue], limit: u32) -> Result<Vec<Came>, lapin::Error> {
        let counts = self.counts(queues).await?;
        let mut room = limit;
        let shares = queues.iter().zip(counts).filter_map(|(queue, count)| {
            let share = u16::try_from(count.min(room)).unwrap_or(u16::MAX);
            room -= u32::from(share);
            (share > 0).then_some((*queue, share))
        });
        let shares: Vec<_> = shares.collect();
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let mut consumers = self.consume(&shares).await?;
        let mut came = Vec::new();
        for ((queue, consumer), (_, share)) in consumers.iter_mut().zip(&shares) {
            for _ in 0..*share {
                // Others may have been quicker.
                let next = tokio::time::timeout(QUIET, consumer.next()).await;
                let Ok(Some(next)) = next else {
                    self.retire();
                    break;
                };
                came.push(self.hand.take(*queue, next?));
            }
        }
        came.extend(cancel(&self.hand, consumers).await?);
        Ok(came)
    }

    /// Waits for the first message in any of the queues.
    async fn wait(
        &mut self,
        queues: &[Queue],
        limit: u32,
        left: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Came>, lapin::Error> {
        self.retire();
        let one_each: Vec<_> = queues.iter().map(|queue| (*queue, 1)).collect();
        let mut consumers = self.consume(&one_each).await?;
        let streams = consumers.iter_mut().map(|(queue, consumer)| {
            let queue = *queue;
            // A consumer that ends unasked has lost its queue: there is nothing to wait for.
            consumer.map(move |came| Some((queue, came))).chain(stream::iter([None]))
        });
        let mut streams = stream::select_all(streams);
        let first = tokio::select! {
            first = streams.next() => first.flatten(),
            () = tokio::time::sleep(left) => None,
            () = shutdown.drain().cancelled() => None,
        };
        drop(streams);
        let Some((queue, first)) = first else {
            // What arrived in that moment is handed over all the same.
            let mut came = cancel(&self.hand, consumers).await?;
            came.sort_by_key(|came| queues.iter().position(|queue| *queue == came.queue));
            let surplus = came.split_off(came.len().min(limit as usize));
            give_back(&self.hand, surplus).await?;
            return Ok(came);
        };
        let first = self.hand.take(queue, first?);
        // Nobody waits for the rest: it is cancelled behind the back of whoever works already.
        let hand = self.hand.clone();
        let mut rest = Box::pin(async move {
            let ended = async { give_back(&hand, cancel(&hand, consumers).await?).await };
            if ended.await.is_err() {
                hand.close();
            }
        });
        // The first poll queues the frames, before any that acknowledges and so makes room.
        if rest.as_mut().now_or_never().is_none() {
            tokio::spawn(rest);
        }
        Ok(vec![first])
    }

    /// A consumer on each queue, with room for so many messages.
    async fn consume(
        &self,
        queues: &[(Queue, u16)],
    ) -> Result<Vec<(Queue, Consumer)>, lapin::Error> {
        let channel = &self.hand.channel;
        let asked = queues.iter().map(|(queue, room)| async {
            let options = BasicConsumeOptions::default();
            let ((), consumer) = try_join(
                channel.basic_qos(*room, BasicQosOptions::default()),
                channel.basic_consume(queue.name(), next_tag(), options, FieldTable::default()),
            )
            .await?;
            Ok((*queue, consumer))
        });
        answer(try_join_all(asked)).await
    }
}

/// Ends consumers; what they brought until then.
async fn cancel(
    hand: &Arc<Hand>,
    consumers: Vec<(Queue, Consumer)>,
) -> Result<Vec<Came>, lapin::Error> {
    let options = BasicCancelOptions::default();
    let asked = consumers.iter().map(|(_, one)| hand.channel.basic_cancel(one.tag(), options));
    answer(try_join_all(asked)).await?;
    let mut came = Vec::new();
    for (queue, mut consumer) in consumers {
        while let Some(next) = answer(async { consumer.next().await.transpose() }).await? {
            came.push(hand.take(queue, next));
        }
    }
    Ok(came)
}

async fn give_back(hand: &Hand, came: Vec<Came>) -> Result<(), lapin::Error> {
    let tags: Vec<_> = came.iter().map(Came::tag).collect();
    hand.settle(&tags, How::Release).await
}

/// Names a consumer. A quorum queue mixes up two of one name on one channel.
fn next_tag() -> ShortString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("reelfleet-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into()
}
