//! Amazon SQS: a queue a lane, and one for dead letters.
//!
//! SQS cannot wait for several queues at once, so a waiting receive has one long poll a lane
//! under way. When the first of them answers, the others may be about to: SQS marks a message
//! as delivered before anybody has read it, and it stays hidden for [`HIDE_SECS`] if the
//! request was dropped. So no request is ever dropped:
//!
//! - Each runs in a task of its own and stays under way when its receive has ended. The next
//!   receive takes it over; a poll that answers while none waits gives back what it brings at once.
//!   So a worker that is busy holds no message, and nobody waits for more than a round trip.
//! - Received messages travel as `Held`, which releases what nobody took out of it when it is
//!   dropped: what exceeds the limit, and what belongs to a receive that is gone.
//! - A receive that is told to leave gives back what it has, and returns when its polls are over
//!   and what they brought has gone back, too. That is why a poll is
//!   [`POLL_SECS`] long and not the 20 seconds that SQS allows: an idle worker leaves before
//!   whoever told it to gets impatient. It costs 36 requests a minute for each kind of
//!   jobs that an idle worker takes, 72 as a rule.
//!
//! While there is work, polls of three lanes would fetch two messages too many for a worker that
//! takes one. So a receive first looks at its lanes in turn without waiting, if the one before it
//! brought something. A large limit is asked for in several requests at once, because SQS gives
//! no more than ten messages in one.
//!
//! A message that was given back has been received once more, and SQS counts that. The lanes'
//! queues must therefore have no redrive policy, or one with a high `maxReceiveCount`.

mod held;
mod polls;
mod queues;
mod receive;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, future::try_join_all, stream};
use reelfleet_db::LaneDepth;
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;

use self::{
    held::{AT_ONCE, Held, in_tens, tens},
    polls::Polls,
    queues::{At, Queues, Raw, TEN},
};
use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent, SqsConfig};

/// How long a delivered message is hidden, whatever the queue says. A worker claims and
/// acknowledges within milliseconds; this only bounds the delay when it dies in between.
const HIDE_SECS: i32 = 30;

/// The longest poll.
const POLL_SECS: u64 = 5;

/// What one request may carry: far below what SQS allows today, and what it once allowed.
const REQUEST_BYTES: usize = 200_000;

#[derive(Debug, Clone)]
pub(crate) struct Sqs {
    polls: Arc<Polls>,
}

/// One delivery from one queue.
#[derive(Debug, Clone)]
pub(super) struct Token {
    at: At,
    handle: String,
}

impl Sqs {
    pub(super) async fn open(config: &SqsConfig) -> Result<Self, Error> {
        Self::open_with(config, HIDE_SECS).await
    }

    async fn open_with(config: &SqsConfig, hide_secs: i32) -> Result<Self, Error> {
        if config.base_url.ends_with(".fifo") {
            let why = "SQS_QUEUE_URL names a FIFO queue: lanes need standard queues";
            return Err(Error::Unfit(why.to_owned()));
        }
        let queues = Queues::connect(config, Duration::from_secs(POLL_SECS)).await?;
        let depths = every_queue().map(async |at| queues.depth(at).await.map(|depth| (at, depth)));
        let found = try_join_all(depths).await?.into_iter();
        let missing = found.filter(|(_, depth)| depth.is_none());
        let missing: Vec<_> = missing.map(|(at, _)| queues.name(at)).collect();
        if !missing.is_empty() {
            return Err(Error::Unfit(format!(
                "SQS has no queue {}: make standard queues of these names, or correct SQS_QUEUE_URL",
                missing.join(", ")
            )));
        }
        Ok(Self { polls: Arc::new(Polls::new(queues, hide_secs, POLL_SECS)) })
    }

    fn queues(&self) -> &Queues {
        &self.polls.queues
    }

    async fn send_all(&self, batch: Vec<(At, (usize, String))>) -> Sent {
        let failed = AtomicBool::new(false);
        let answers = stream::iter(tens(batch)).map(async |(at, ten)| {
            let (places, bodies): (Vec<_>, Vec<_>) = ten.into_iter().unzip();
            // Each further one would only wait as long for a broker that is away.
            if failed.load(Ordering::Relaxed) {
                return (places, None);
            }
            match self.queues().send(at, bodies).await {
                Ok((refused, error)) => (
                    refused.into_iter().filter_map(|nth| places.get(nth).copied()).collect(),
                    error,
                ),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    (places, Some(error))
                }
            }
        });
        let mut answers = answers.buffer_unordered(AT_ONCE);
        let mut sent = Sent::default();
        while let Some((mut unconfirmed, error)) = answers.next().await {
            sent.unconfirmed.append(&mut unconfirmed);
            sent.error = sent.error.or(error);
        }
        sent.unconfirmed.sort_unstable();
        sent
    }
}

fn every_queue() -> impl Iterator<Item = At> {
    Kind::ALL.into_iter().flat_map(Lane::of).map(At::Lane).chain([At::Dead])
}

fn handles(receipts: &[Receipt]) -> impl Iterator<Item = (At, String)> {
    receipts.iter().filter_map(|Receipt(token)| match token {
        super::Token::Sqs(Token { at, handle }) => Some((*at, handle.clone())),
        _ => None,
    })
}

fn with_receipt(raw: Raw) -> (String, Receipt) {
    (raw.body, Receipt(super::Token::Sqs(Token { at: raw.at, handle: raw.handle })))
}

impl Broker for Sqs {
    async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
        let place = |(place, (lane, message)): (usize, &(Lane, Message))| {
            (At::Lane(*lane), (place, message.encode()))
        };
        self.send_all(batch.iter().enumerate().map(place).collect()).await
    }

    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        let lanes: Vec<_> = lanes.iter().copied().map(At::Lane).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let received = tokio::select! {
            received = self.polls.receive(&lanes, limit, at_most, shutdown) => received?,
            () = shutdown.abort().cancelled() => return Ok(Vec::new()),
        };
        let received: Vec<_> = received.into_iter().map(with_receipt).collect();
        let receipts: Vec<_> = received.iter().map(|(_, receipt)| receipt.clone()).collect();
        match self.read(received).await {
            Ok(deliveries) => Ok(deliveries),
            Err(error) => {
                if let Err(error) = self.release(&receipts).await {
                    tracing::warn!(%error, "messages come again by themselves later");
                }
                Err(error)
            }
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
        in_tens(handles(receipts), |at, handles| self.queues().delete(at, handles)).await
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
        in_tens(handles(receipts), |at, handles| self.queues().release(at, handles)).await
    }

    async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
        // Letters can be of any length, and ten of them too much for one request.
        let mut bytes = bodies.first().map_or(0, String::len);
        for some in bodies.chunk_by(|_, next| {
            let fits = bytes + next.len() <= REQUEST_BYTES;
            bytes = if fits { bytes + next.len() } else { next.len() };
            fits
        }) {
            let letters = some.iter().cloned().map(|body| (At::Dead, (0, body))).collect();
            if let Some(error) = self.send_all(letters).await.error {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut held = Held::new(self.queues(), Vec::new());
        while held.len() < limit {
            // Waits a little, so that all servers behind the queue are asked, and the answer is whole.
            let max = (limit - held.len()).min(TEN);
            let some = self.queues().receive(At::Dead, max, 1, HIDE_SECS).await?;
            let last = some.len() < max;
            held.append(Held::new(self.queues(), some));
            if last {
                break;
            }
        }
        let letters = held.take(&[At::Dead], limit).into_iter().map(with_receipt);
        Ok(letters.map(|(body, receipt)| DeadLetter { body, receipt }).collect())
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let counts = try_join_all(every_queue().map(async |at| {
            Ok::<_, Error>((at, self.queues().depth(at).await?.unwrap_or_default()))
        }));
        let mut depth = Depth::default();
        for (at, (ready, in_flight)) in counts.await? {
            match at {
                At::Lane(lane) => depth.lanes.push(LaneDepth { lane, ready, in_flight }),
                At::Dead => depth.dead = ready + in_flight,
            }
        }
        Ok(depth)
    }
}
