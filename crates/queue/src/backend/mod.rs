//! One file a broker. A further one is a file here and the arms that the compiler points at.

mod database;
mod rabbitmq;
mod redis;
mod sqs;

use std::time::Duration;

use reelfleet_db::Db;
use reelfleet_job::{Lane, Message};
use reelfleet_runtime::Shutdown;

use crate::{DeadLetter, Delivery, Depth, Error, QueueConfig, Sent};

/// What each broker must do. At least once: a message that was handed out is
/// hidden for a while and comes again unless it is acknowledged.
trait Broker {
    /// Returns when the messages are in the broker's keeping, but for those it names.
    async fn send(&self, batch: &[(Lane, Message)]) -> Sent;
    /// Waits up to `at_most`, or until the drain begins, for up to `limit` messages, the first lanes first.
    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error>;
    /// Forgets delivered messages. A receipt that is too old is fine and does nothing.
    async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error>;
    /// Makes delivered messages ready at once.
    async fn release(&self, receipts: &[Receipt]) -> Result<(), Error>;
    /// Puts letters into the dead-letter queue.
    async fn bury(&self, bodies: &[String]) -> Result<(), Error>;
    /// Letters of the dead-letter queue, hidden from others for a while.
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error>;
    /// Messages in each lane, and dead letters.
    async fn depth(&self) -> Result<Depth, Error>;

    /// Reads the bodies that came. One that no version of ours wrote goes to the dead-letter
    /// queue, where somebody can look at it: nothing here could ever do anything with it.
    async fn read(&self, received: Vec<(String, Receipt)>) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = Vec::with_capacity(received.len());
        for (body, receipt) in received {
            match Message::decode(&body) {
                Ok(message) => deliveries.push(Delivery { message, receipt }),
                Err(error) => {
                    tracing::warn!(%error, "a message of an unknown form goes to the dead-letter queue");
                    self.bury(&[body]).await?;
                    self.ack(&[receipt]).await?;
                }
            }
        }
        Ok(deliveries)
    }
}

/// Names one delivery of one message.
#[derive(Debug, Clone)]
pub struct Receipt(Token);

/// One arm a broker, three times: the broker, its receipts, and every call passed on.
macro_rules! brokers {
    ($($name:ident($broker:ty, $token:ty),)*) => {
        /// The brokers.
        #[derive(Debug, Clone)]
        pub(crate) enum Backend {
            $($name($broker),)*
        }

        #[derive(Debug, Clone)]
        enum Token {
            $($name($token),)*
        }

        impl Backend {
            pub(crate) async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
                match self { $(Self::$name(broker) => broker.send(batch).await,)* }
            }

            pub(crate) async fn receive(
                &self,
                lanes: &[Lane],
                limit: u32,
                at_most: Duration,
                shutdown: &Shutdown,
            ) -> Result<Vec<Delivery>, Error> {
                match self {
                    $(Self::$name(broker) => {
                        broker.receive(lanes, limit, at_most, shutdown).await
                    })*
                }
            }

            pub(crate) async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
                match self { $(Self::$name(broker) => broker.ack(receipts).await,)* }
            }

            pub(crate) async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
                match self { $(Self::$name(broker) => broker.release(receipts).await,)* }
            }

            pub(crate) async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
                match self { $(Self::$name(broker) => broker.bury(bodies).await,)* }
            }

            pub(crate) async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
                match self { $(Self::$name(broker) => broker.dead_letters(limit).await,)* }
            }

            pub(crate) async fn depth(&self) -> Result<Depth, Error> {
                match self { $(Self::$name(broker) => broker.depth().await,)* }
            }
        }
    };
}

brokers! {
    Database(database::Database, database::Token),
    Redis(redis::Redis, redis::Token),
    Sqs(sqs::Sqs, sqs::Token),
    RabbitMq(rabbitmq::RabbitMq, rabbitmq::Token),
}

impl Backend {
    pub(crate) async fn open(config: &QueueConfig, db: &Db) -> Result<Self, Error> {
        Ok(match config {
            QueueConfig::Database => Self::Database(database::Database::open(db.clone()).await?),
            QueueConfig::Redis { url, allow_data_loss } => {
                Self::Redis(redis::Redis::open(url, *allow_data_loss).await?)
            }
            QueueConfig::Sqs(config) => Self::Sqs(sqs::Sqs::open(config).await?),
            QueueConfig::RabbitMq { url } => Self::RabbitMq(rabbitmq::RabbitMq::open(url).await?),
        })
    }
}
