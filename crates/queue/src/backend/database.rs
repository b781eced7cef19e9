//! The database itself as the broker: lanes are rows, and a change of the database rings.

use std::{sync::Arc, time::Duration};

use reelfleet_db::{Db, LaneDepth, RawMessage, Wakeup};
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;
use tokio::time::Instant;

use super::{Broker, Receipt, Token};
use crate::{Delivery, Error};

/// How long a delivered message is hidden. A worker claims and acknowledges
/// within milliseconds; this only bounds the delay when it dies in between.
const HIDE: Duration = Duration::from_secs(30);

/// How long an idle receive relies on being woken before it looks for itself.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub(crate) struct Database {
    db: Db,
    wakeup: Arc<Wakeup>,
}

impl Database {
    pub(super) async fn open(db: Db) -> Result<Self, Error> {
        let wakeup = Arc::new(db.wakeup().await?);
        Ok(Self { db, wakeup })
    }

    /// Bodies of another form are dropped: nothing could ever be done with them,
    /// and a job that they meant is sent again by the relay.
    async fn read(&self, raw: RawMessage) -> Result<Option<Delivery>, Error> {
        let receipt = Receipt(Token::Database { id: raw.id, receipt: raw.receipt });
        match Message::decode(&raw.body) {
            Ok(message) => Ok(Some(Delivery { message, receipt })),
            Err(error) => {
                tracing::warn!(%error, message.id = raw.id, "a message of an unknown form was dropped");
                self.ack(&receipt).await?;
                Ok(None)
            }
        }
    }
}

impl Broker for Database {
    async fn send(&self, lane: Lane, message: &Message) -> Result<(), Error> {
        Ok(self.db.send_message(lane, message.job, &message.encode()).await?)
    }

    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        let until = Instant::now() + at_most;
        loop {
            let raw = self.db.receive_messages(lanes, limit, HIDE).await?;
            let mut deliveries = Vec::with_capacity(raw.len());
            for message in raw {
                deliveries.extend(self.read(message).await?);
            }
            let left = until.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            // Only the wait is cut short: a receive under way always hands over what it brings.
            tokio::select! {
                () = self.wakeup.wait(left.min(LOOK)) => {}
                () = shutdown.drain().cancelled() => return Ok(deliveries),
            }
        }
    }

    async fn ack(&self, Receipt(token): &Receipt) -> Result<(), Error> {
        let Token::Database { id, receipt } = token;
        Ok(self.db.ack_message(*id, *receipt).await?)
    }

    async fn release(&self, Receipt(token): &Receipt) -> Result<(), Error> {
        let Token::Database { id, receipt } = token;
        Ok(self.db.release_message(*id, *receipt).await?)
    }

    async fn depth(&self) -> Result<Vec<LaneDepth>, Error> {
        // An empty lane has no rows, and is a lane all the same.
        let found = self.db.lane_depths().await?;
        let depth_of = |lane| {
            let found = found.iter().find(|depth| depth.lane == lane).copied();
            found.unwrap_or(LaneDepth { lane, ready: 0, in_flight: 0 })
        };
        Ok(Kind::ALL.into_iter().flat_map(Lane::of).map(depth_of).collect())
    }
}
