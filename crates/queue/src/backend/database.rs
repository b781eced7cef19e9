//! The database itself as the broker: lanes are rows, and a change of the database rings.

use std::time::Duration;

use reelfleet_db::{Claimed, Db, LaneDepth, RawReceipt, RawSend, Topic, Wakeup};
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;
use tokio::time::Instant;

use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent, Wanted};

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
}

/// One delivery of a message, or a dead letter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    Message(RawReceipt),
    Letter(i64),
}

impl Database {
    pub(super) async fn open(db: Db) -> Result<Self, Error> {
        // A database that cannot be listened to is told now: it stays open for those who wait.
        db.wakeup(Topic::Work(Kind::Transcode)).await?;
        Ok(Self { db })
    }

    /// Takes messages out of their lanes and claims their jobs for `worker`, in one transaction.
    pub(crate) async fn claim(
        &self,
        lanes: &[Lane],
        wanted: &Wanted,
        shutdown: &Shutdown,
    ) -> Result<Vec<Claimed>, Error> {
        let Wanted { kind, worker, lease, limit, at_most, .. } = *wanted;
        let mut looks = Looks::new(&self.db, kind, at_most).await?;
        loop {
            let taken = self.db.claim_next(lanes, limit, worker, lease).await?;
            // Messages of jobs that are taken already: there may be others behind them.
            let again = taken.messages > 0 && taken.claimed.is_empty();
            if !again && (!taken.claimed.is_empty() || !looks.again(shutdown).await) {
                return Ok(taken.claimed);
            }
        }
    }
}

/// When an idle receive looks.
struct Looks {
    wakeup: Wakeup,
    until: Instant,
    pause: Duration,
}

impl Looks {
    /// Wakes for messages of jobs of this kind from now on.
    async fn new(db: &Db, kind: Kind, at_most: Duration) -> Result<Self, Error> {
        let wakeup = db.wakeup(Topic::Work(kind)).await?;
        Ok(Self { wakeup, until: Instant::now() + at_most, pause: LOOK })
    }

    /// Waits until it is time to look again. False: no more, the time is over or the drain begins.
    /// Only this wait is cut short: a look under way always hands over what it brings.
    async fn again(&mut self, shutdown: &Shutdown) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let began = Instant::now();
        tokio::select! {
            () = self.wakeup.wait(left.min(self.pause)) => {}
            () = shutdown.drain().cancelled() => return false,
        }
        self.pause = if began.elapsed() < self.pause { AGAIN } else { (4 * self.pause).min(LOOK) };
        true
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
        let Some(first) = lanes.first() else { return Ok(Vec::new()) };
        let mut looks = Looks::new(&self.db, first.kind, at_most).await?;
        loop {
            let raw = self.db.receive_messages(lanes, limit, HIDE).await?;
            let received = raw
                .into_iter()
                .map(|raw| (raw.body, Receipt(super::Token::Database(Token::Message(raw.receipt)))))
                .collect();
            let deliveries = self.read(received).await?;
            if !deliveries.is_empty() || !looks.again(shutdown).await {
                return Ok(deliveries);
            }
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
