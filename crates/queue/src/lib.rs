//! The doorbell over any broker, with submit and relay.
//!
//! ```text
//! api ─► submit: row + job commit, then ring ─► Queue ─► lane ─► receive ─► worker claims, then acks
//!                                                ▲
//! relay: due jobs without a message ─────────────┘        reaper: leases that ran out ─► due again
//! ```
//!
//! A message only says "look at this job". Losing all of them loses nothing:
//! the relay sends again. A delivery grants nothing: the claim in the database does.
//!
//! ```
//! use reelfleet_job::{Kind, Lane, Priority};
//! use reelfleet_queue::lane_order;
//!
//! // One receive in ten looks at the low lane first, so that low always progresses.
//! let firsts: Vec<_> = (0..10).map(|n| lane_order(Kind::Transcode, n)[0].priority).collect();
//! assert_eq!(firsts.iter().filter(|p| **p == Priority::Low).count(), 1);
//! ```

mod backend;
mod claim;
mod config;
mod duty;
mod intake;
mod lanes;
mod letters;
mod relay;
mod submit;

use std::time::Duration;

use reelfleet_db::Db;
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;

pub use backend::Receipt;
pub use claim::{Claims, Wanted};
pub use config::{QUEUE_TYPE, QueueConfig, SqsConfig, VARS};
pub use duty::Duty;
pub use intake::Intake;
pub use lanes::lane_order;
pub use letters::{Compared, DeadLetters};
pub use reelfleet_db::LaneDepth;
pub use relay::{Relay, RelayConfig};
pub use submit::{submit_jobs, submit_video};

/// Why a broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database behind the `database` backend.
    #[error(transparent)]
    Db(#[from] reelfleet_db::Error),
    /// The broker is away, or refused.
    #[error("{broker}: {source}")]
    Broker {
        /// Which one, as `QUEUE_TYPE` names it.
        broker: &'static str,
        /// What its client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker would lose what it is given, or lanes mean something else there. It says what to do.
    #[error("{0}")]
    Unfit(String),
}

/// What became of a batch that was sent.
#[derive(Debug, Default)]
#[must_use]
pub struct Sent {
    /// Places in the batch of the messages that the broker did not confirm. It may have some of
    /// them all the same: its answer can be lost.
    pub unconfirmed: Vec<usize>,
    /// Why, if there are any.
    pub error: Option<Error>,
}

impl Sent {
    /// None of a batch of `len` was confirmed.
    fn nothing(len: usize, error: Error) -> Self {
        Self { unconfirmed: (0..len).collect(), error: Some(error) }
    }
}

/// What each lane holds, and the dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Every lane of every kind, empty ones too.
    pub lanes: Vec<LaneDepth>,
    /// Letters in the dead-letter queue.
    pub dead: u64,
}

/// A letter in the dead-letter queue: a pointer to a job that gave up, or a body that no
/// version of ours wrote.
#[derive(Debug)]
pub struct DeadLetter {
    /// What it says.
    pub body: String,
    /// To acknowledge it with, which forgets it, or to release it with, which leaves it there.
    pub receipt: Receipt,
}

/// A message in a worker's hand, hidden from others for a while.
#[derive(Debug)]
pub struct Delivery {
    /// What it says.
    pub message: Message,
    /// What to acknowledge it with.
    pub receipt: Receipt,
}

/// The queue, whichever broker carries it.
#[derive(Debug, Clone)]
pub struct Queue {
    backend: backend::Backend,
}

impl Queue {
    /// Opens the queue that the configuration names.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached or would lose what it is given.
    pub async fn open(config: &QueueConfig, db: &Db) -> Result<Self, Error> {
        Ok(Self { backend: backend::Backend::open(config, db).await? })
    }

    /// Whether messages are rows beside those of their jobs, to be written in the same transaction.
    #[must_use]
    pub fn is_database(&self) -> bool {
        matches!(self.backend, backend::Backend::Database(_))
    }

    /// Sends messages. What is not named in the answer is in the broker's keeping.
    /// The caller needs to do nothing about the rest: the relay sends it again.
    pub async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
        self.backend.send(batch).await
    }

    /// Waits up to `at_most` for messages of a kind, at most `limit` of them. `turn` counts
    /// the receives of this worker and decides which lane is looked at first. The wait ends
    /// when the drain begins; what was under way then is handed over or made ready again, so drop
    /// the future only after it has ended.
    ///
    /// # Errors
    ///
    /// The broker is away.
    pub async fn receive(
        &self,
        kind: Kind,
        turn: u64,
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        self.backend.receive(&lane_order(kind, turn), limit, at_most, shutdown).await
    }

    /// Removes delivered messages. One that was delivered again since is left alone.
    ///
    /// # Errors
    ///
    /// The broker is away; the messages come again and their claims find the jobs taken.
    pub async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
        self.backend.ack(receipts).await
    }

    /// Makes delivered messages ready again at once.
    ///
    /// # Errors
    ///
    /// The broker is away; the messages come again by themselves.
    pub async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
        self.backend.release(receipts).await
    }

    /// Puts letters into the dead-letter queue.
    ///
    /// # Errors
    ///
    /// The broker did not confirm all of them.
    pub async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
        self.backend.bury(bodies).await
    }

    /// Takes up to `limit` letters out of the dead-letter queue to look at them. None is lost
    /// when nobody says what is to become of it: it is back there after a while.
    ///
    /// # Errors
    ///
    /// The broker is away.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        self.backend.dead_letters(limit).await
    }

    /// How many messages each lane holds, and the dead-letter queue.
    ///
    /// # Errors
    ///
    /// The broker is away.
    pub async fn depth(&self) -> Result<Depth, Error> {
        self.backend.depth().await
    }
}
