//! One receive: a quick look at each lane in turn while there is work, then a wait for all of them.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use reelfleet_runtime::Shutdown;
use tokio::time::{Instant, timeout};

use super::{
    held::{AT_ONCE, Held},
    polls::{Polls, Waiting},
    queues::{At, Raw, TEN},
};
use crate::Error;

/// How much later than it should SQS may end a poll, and take back what that brought.
const GRACE: Duration = Duration::from_secs(3);

impl Polls {
    /// Up to `limit` messages, the first lanes first.
    pub(super) async fn receive(
        self: &Arc<Self>,
        lanes: &[At],
        limit: usize,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Raw>, Error> {
        let until = Instant::now() + at_most;
        let mut waiting = self.wait(lanes);
        let mut held = Held::new(&self.queues, Vec::new());
        if at_most.is_zero() || self.is_busy() {
            for lane in lanes {
                self.look(*lane, limit, &mut held, shutdown).await?;
            }
        }
        while held.is_empty() && limit > 0 && !shutdown.is_draining() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.begin(lanes, limit, left);
            tokio::select! {
                Some(answer) = waiting.answers.recv() => held.append(answer?),
                () = tokio::time::sleep(left) => {}
                () = shutdown.drain().cancelled() => {}
            }
        }
        add_what_came(&mut waiting, &mut held);
        drop(waiting);
        self.set_busy(!held.is_empty());
        if shutdown.is_draining() {
            // Whoever leaves takes nothing more. A message that SQS hands to a process that has
            // left is hidden until its delivery times out, so it leaves when SQS has nobody here
            // any more to hand one to; what the other polls bring goes back as well.
            let ended = timeout(self.longest_poll() + GRACE, self.ended(lanes));
            if let ((), Err(_)) = tokio::join!(held.release(), ended) {
                tracing::warn!("SQS answers nothing: its messages come again by themselves later");
            }
            return Ok(Vec::new());
        }
        Ok(held.take(lanes, limit))
    }

    /// Takes what is ready in one lane, without waiting for more. A full lane is asked more
    /// at once each time, an empty one is asked once.
    async fn look(
        &self,
        lane: At,
        limit: usize,
        held: &mut Held,
        shutdown: &Shutdown,
    ) -> Result<(), Error> {
        while held.len() < limit && !shutdown.is_draining() {
            let wanted = limit - held.len();
            let width = self.width(lane).min(wanted.div_ceil(TEN));
            let answers = (0..width).map(|nth| {
                let (queues, hide) = (self.queues.clone(), self.hide_secs);
                let max = (wanted - nth * TEN).min(TEN);
                // In a task of its own, so that what comes is released if nobody waits any more.
                tokio::spawn(async move {
                    let messages = queues.receive(lane, max, 0, hide).await?;
                    Ok(Held::new(&queues, messages))
                })
            });
            let before = held.len();
            let mut failed = None;
            for answer in join_all(answers).await {
                match answer {
                    Ok(Ok(more)) => held.append(more),
                    Ok(Err(error)) => failed = Some(error),
                    Err(error) => failed = Some(super::queues::broken(error)),
                }
            }
            match failed {
                Some(error) if held.is_empty() => return Err(error),
                Some(error) => {
                    tracing::warn!(%error, "some messages could not be received");
                    return Ok(());
                }
                None => {}
            }
            // SQS may answer with fewer than there are, so half of it counts as a full lane.
            let full = 2 * (held.len() - before) >= wanted.min(width * TEN);
            self.set_width(lane, if full { (2 * width).min(AT_ONCE) } else { width.div_ceil(2) });
            if !full {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Answers that came while others were looked at. An error among them will come again. Nothing
/// more comes after this: what a poll brings then goes back before that poll is over.
fn add_what_came(waiting: &mut Waiting, held: &mut Held) {
    waiting.answers.close();
    while let Ok(answer) = waiting.answers.try_recv() {
        match answer {
            Ok(more) => held.append(more),
            Err(error) => tracing::warn!(%error, "some messages could not be received"),
        }
    }
}
