//! Redis: each lane is a stream that the whole fleet reads as one consumer of one group.
//!
//! ```text
//! XADD ──► stream ──take──► pending, hidden ──ack──► deleted
//!            ▲                  │ release: deleted and added again, in one step
//!            └──────────────────┘ not acknowledged in time: delivered again, and counted
//! ```
//!
//! A message is in the stream until it is acknowledged, so what is ready is what is in the stream
//! and not pending. A delivery is named by its message and its count: the server settles it only
//! while that is the message's last one. A process has one connection for its calls, and one more
//! for each receive that waits at the same time.
//!
//! What is confirmed is as safe as the server's append-only file: with `appendfsync always` it
//! outlives a kill; with `everysec` a kill in a moment in which the disk is busy takes up to two
//! seconds of it, and the relay sends that again.

mod failure;
mod fit;
mod link;
mod script;
mod stream;
mod wait;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::RedisResult;
use reelfleet_db::LaneDepth;
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::{Backoff, Shutdown};
use secrecy::SecretString;
use tokio::time::Instant;

use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent};
use link::Link;
use script::{Verdict, depth, settle, take};
use stream::{Stream, Taken};
use wait::{LOOK, wait};

pub(super) use stream::Token;

/// Messages sent in one round trip.
const SENT: usize = 1000;

/// For how long a receive goes on by itself while the server is away: a restart takes that long.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct Redis {
    link: Arc<Link>,
    /// When messages were last looked for whose time has run out, by the lane that was first then.
    looked: Arc<Mutex<HashMap<Lane, Instant>>>,
}

impl Redis {
    pub(super) async fn open(url: &SecretString, allow_data_loss: bool) -> Result<Self, Error> {
        let link = Link::new(url)?;
        fit::check(&link, allow_data_loss).await?;
        Ok(Self { link: Arc::new(link), looked: Arc::default() })
    }

    /// Adds bodies to streams, one after the other; what became of each.
    async fn add(&self, all: &[(Stream, String)]) -> RedisResult<Vec<RedisResult<()>>> {
        let mut pipeline = redis::pipe();
        for (stream, body) in all {
            pipeline.cmd("XADD").arg(stream.key()).arg("*").arg("m").arg(body);
        }
        let pipeline = pipeline.ignore_errors();
        let pipeline = &*pipeline;
        self.link
            .call(|mut connection| async move {
                let all: Vec<RedisResult<()>> = pipeline.query_async(&mut connection).await?;
                // None was taken, and the same server will take none: as if the call had failed.
                match all.first() {
                    Some(Err(error)) if failure::spent(error) => Err(error.clone()),
                    _ => Ok(all),
                }
            })
            .await
    }

    /// One look at every lane, and if there is nothing, one wait.
    async fn once(
        &self,
        lanes: &[Stream],
        limit: u32,
        look: bool,
        until: Instant,
        shutdown: &Shutdown,
    ) -> RedisResult<Vec<Taken>> {
        let taken = take(&self.link, lanes, limit, look).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !taken.is_empty() || left.is_zero() || shutdown.is_draining() {
            return Ok(taken);
        }
        wait(&self.link, lanes, limit, left, shutdown).await
    }

    /// Whether it is time again to look for messages whose time has run out: every second, and
    /// for as long as there are some.
    fn look(&self, first: Lane) -> bool {
        let now = Instant::now();
        let mut looked = self.looked();
        let due = looked.get(&first).is_none_or(|last| now.duration_since(*last) >= LOOK);
        if due {
            looked.insert(first, now);
        }
        due
    }

    fn looked(&self) -> MutexGuard<'_, HashMap<Lane, Instant>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(&self, verdict: Verdict, receipts: &[Receipt]) -> Result<(), Error> {
        let tokens: Vec<_> = receipts
            .iter()
            .filter_map(|Receipt(token)| match token {
                super::Token::Redis(token) => Some(token),
                _ => None,
            })
            .collect();
        settle(&self.link, verdict, &tokens).await.map_err(|error| self.link.failure(error))
    }
}

impl Broker for Redis {
    async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
        let mut sent = Sent::default();
        for (nth, chunk) in batch.chunks(SENT).enumerate() {
            let all: Vec<_> = chunk
                .iter()
                .map(|(lane, message)| (Stream::Lane(*lane), message.encode()))
                .collect();
            let first = nth * SENT;
            match self.add(&all).await {
                Ok(all) => {
                    for (at, error) in
                        all.into_iter().enumerate().filter_map(|(at, one)| Some((at, one.err()?)))
                    {
                        sent.unconfirmed.push(first + at);
                        sent.error.get_or_insert_with(|| self.link.failure(error));
                    }
                }
                Err(error) => {
                    sent.unconfirmed.extend(first..batch.len());
                    sent.error.get_or_insert_with(|| self.link.failure(error));
                    break;
                }
            }
        }
        sent
    }

    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        let streams: Vec<_> = lanes.iter().map(|lane| Stream::Lane(*lane)).collect();
        let until = Instant::now() + at_most;
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let mut away: Option<Instant> = None;
        while let (Some(first), false) = (lanes.first(), limit == 0 || shutdown.is_draining()) {
            let look = self.look(*first);
            match self.once(&streams, limit, look, until, shutdown).await {
                Ok(taken) => {
                    if taken.iter().any(|taken| taken.token.times > 1) {
                        self.looked().remove(first);
                    }
                    let received = taken.into_iter().map(Taken::received).collect();
                    let deliveries = self.read(received).await?;
                    if !deliveries.is_empty() || Instant::now() >= until {
                        return Ok(deliveries);
                    }
                    away = None;
                    backoff.reset();
                }
                Err(error) => {
                    let (now, pause) = (Instant::now(), backoff.next_wait());
                    let since = *away.get_or_insert(now);
                    let end = until.min(since + PATIENCE);
                    if !failure::passes(&error) || now + pause >= end {
                        return Err(self.link.failure(error));
                    }
                    tracing::debug!(error = %self.link.failure(error), "a receive tries again");
                    shutdown.sleep(pause).await;
                }
            }
        }
        Ok(Vec::new())
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
        self.settle(Verdict::Ack, receipts).await
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
        self.settle(Verdict::Release, receipts).await
    }

    async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
        for chunk in bodies.chunks(SENT) {
            let all: Vec<_> = chunk.iter().map(|body| (Stream::Dead, body.clone())).collect();
            let buried = self.add(&all).await;
            let buried = buried.and_then(|all| all.into_iter().collect::<RedisResult<()>>());
            buried.map_err(|error| self.link.failure(error))?;
        }
        Ok(())
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let taken = take(&self.link, &[Stream::Dead], limit, true).await;
        let taken = taken.map_err(|error| self.link.failure(error))?;
        Ok(taken
            .into_iter()
            .map(|taken| {
                let (body, receipt) = taken.received();
                DeadLetter { body, receipt }
            })
            .collect())
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let lanes: Vec<_> = Kind::ALL.into_iter().flat_map(Lane::of).collect();
        let streams: Vec<_> =
            lanes.iter().map(|lane| Stream::Lane(*lane)).chain([Stream::Dead]).collect();
        let found = depth(&self.link, &streams).await.map_err(|error| self.link.failure(error))?;
        let lanes = lanes.into_iter().zip(&found).map(|(lane, (all, in_flight))| LaneDepth {
            lane,
            ready: all.saturating_sub(*in_flight),
            in_flight: *in_flight,
        });
        Ok(Depth { lanes: lanes.collect(), dead: found.last().map_or(0, |(all, _)| *all) })
    }
}
