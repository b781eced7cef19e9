//! One file a broker. A further one is a file here and the arms that the compiler points at.

mod database;

use std::time::Duration;

use reelfleet_db::{Db, LaneDepth};
use reelfleet_job::{Lane, Message};
use reelfleet_runtime::Shutdown;

use crate::{Delivery, Error, QueueType};

/// What each broker must do. At least once: a message that was handed out is
/// hidden for a while and comes again unless it is acknowledged.
trait Broker {
    /// Returns when the message is in the broker's keeping.
    async fn send(&self, lane: Lane, message: &Message) -> Result<(), Error>;
    /// Waits up to `at_most`, or until the drain begins, for up to `limit` messages, the first lanes first.
    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error>;
    /// Forgets a delivered message. A receipt that is too old is fine and does nothing.
    async fn ack(&self, receipt: &Receipt) -> Result<(), Error>;
    /// Makes a delivered message ready at once.
    async fn release(&self, receipt: &Receipt) -> Result<(), Error>;
    /// Messages in each lane.
    async fn depth(&self) -> Result<Vec<LaneDepth>, Error>;
}

/// The brokers.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    Database(database::Database),
}

/// Names one delivery of one message.
#[derive(Debug, Clone)]
pub struct Receipt(Token);

#[derive(Debug, Clone)]
enum Token {
    /// Row and number of the delivery.
    Database { id: i64, receipt: i64 },
}

impl Backend {
    pub(crate) async fn open(kind: QueueType, db: &Db) -> Result<Self, Error> {
        Ok(match kind {
            QueueType::Database => Self::Database(database::Database::open(db.clone()).await?),
        })
    }

    pub(crate) async fn send(&self, lane: Lane, message: &Message) -> Result<(), Error> {
        match self {
            Self::Database(broker) => broker.send(lane, message).await,
        }
    }

    pub(crate) async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        match self {
            Self::Database(broker) => broker.receive(lanes, limit, at_most, shutdown).await,
        }
    }

    pub(crate) async fn ack(&self, receipt: &Receipt) -> Result<(), Error> {
        match self {
            Self::Database(broker) => broker.ack(receipt).await,
        }
    }

    pub(crate) async fn release(&self, receipt: &Receipt) -> Result<(), Error> {
        match self {
            Self::Database(broker) => broker.release(receipt).await,
        }
    }

    pub(crate) async fn depth(&self) -> Result<Vec<LaneDepth>, Error> {
        match self {
            Self::Database(broker) => broker.depth().await,
        }
    }
}
