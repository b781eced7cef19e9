//! The database itself as the broker: lanes are rows, and a change of the database rings.

use std::{sync::Arc, time::Duration};

use reelfleet_db::{Db, LaneDepth, RawReceipt, RawSend, Topic, Wakeup};
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;
use tokio::time::Instant;

use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent};

/// How long a delivered message is hidden. A worker claims and acknowledges
/// within milliseconds; this only bounds the delay when it dies in between.
const HIDE: Duration = Duration::from_secs(30);

/// How long an idle receive relies on being woken before it looks for itself.
const LOOK: Duration = Duration::from_millis(500);

/// How soon it looks again after it was woken for nothing, and four times as long each time after
/// that. SQLite's log changes before it is synced, and a commit can be read only afterwards.
const AGAIN: Duration = Duration::from_millis(8);

#[derive(Debug, Clone)]
pub(crate) struct Database {
    db: Db,
    wakeup: Arc<Wakeup>,
}

/// One delivery of a message, or a dead letter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    Message(RawReceipt),
    Letter(i64),
}

impl Database {
    pub(super) async fn open(db: Db) -> Result<Self, Error> {
        let wakeup = Arc::new(db.wakeup(Topic::Work).await?);
        Ok(Self { db, wakeup })
    }
}

impl Broker for Database {
    async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
        let raw: Vec<_> = batch
            .iter()
            .map(|(lane, message)| RawSend {
                lane: *lane,
                job: message.job,
                body: message.encode(),
            })
            .collect();
        match self.db.send_messages(&raw).await {
            Ok(()) => Sent::default(),
            Err(error) => Sent::nothing(batch.len(), error.into()),
        }
    }

    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        let until = Instant::now() + at_most;
        let mut look = LOOK;
        let mut wakeup = self.wakeup.another();
        loop {
            let raw = self.db.receive_messages(lanes, limit, HIDE).await?;
            let received = raw
                .into_iter()
                .map(|raw| (raw.body, Receipt(super::Token::Database(Token::Message(raw.receipt)))))
                .collect();
            let deliveries = self.read(received).await?;
            let left = until.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            let began = Instant::now();
            // Only the wait is cut short: a receive under way always hands over what it brings.
            tokio::select! {
                () = wakeup.wait(left.min(look)) => {}
                () = shutdown.drain().cancelled() => return Ok(deliveries),
            }
            look = if began.elapsed() < look { AGAIN } else { (4 * look).min(LOOK) };
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
        let (messages, letters) = sort(receipts);
        if !messages.is_empty() {
            self.db.ack_messages(&messages).await?;
        }
        if !letters.is_empty() {
            self.db.forget_letters(&letters).await?;
        }
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
        let (messages, letters) = sort(receipts);
        if !messages.is_empty() {
            self.db.release_messages(&messages).await?;
        }
        if !letters.is_empty() {
            self.db.release_letters(&letters).await?;
        }
        Ok(())
    }

    async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
        Ok(self.db.bury_letters(bodies).await?)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let letters = self.db.dead_letters(limit, HIDE).await?.into_iter();
        Ok(letters
            .map(|raw| DeadLetter {
                body: raw.body,
                receipt: Receipt(super::Token::Database(Token::Letter(raw.id))),
            })
            .collect())
    }

    async fn depth(&self) -> Result<Depth, Error> {
        // An empty lane has no rows, and is a lane all the same.
        let found = self.db.lane_depths().await?;
        let depth_of = |lane| {
            let found = found.iter().find(|depth| depth.lane == lane).copied();
            found.unwrap_or(LaneDepth { lane, ready: 0, in_flight: 0 })
        };
        let lanes = Kind::ALL.into_iter().flat_map(Lane::of).map(depth_of).collect();
        Ok(Depth { lanes, dead: self.db.count_letters().await? })
    }
}

fn sort(receipts: &[Receipt]) -> (Vec<RawReceipt>, Vec<i64>) {
    let (mut messages, mut letters) = (Vec::new(), Vec::new());
    for Receipt(token) in receipts {
        match token {
            super::Token::Database(Token::Message(receipt)) => messages.push(*receipt),
            super::Token::Database(Token::Letter(id)) => letters.push(*id),
            _ => {}
        }
    }
    (messages, letters)
}
