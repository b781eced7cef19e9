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
mod config;
mod lanes;
mod relay;
mod submit;

use std::time::Duration;

use reelfleet_db::{Db, LaneDepth};
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;

pub use backend::Receipt;
pub use config::{QUEUE_TYPE, QueueType, VARS, queue_type};
pub use lanes::lane_order;
pub use relay::{Relay, RelayConfig};
pub use submit::submit_video;

/// Why a broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database behind the `database` backend.
    #[error(transparent)]
    Db(#[from] reelfleet_db::Error),
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
    pub async fn open(kind: QueueType, db: &Db) -> Result<Self, Error> {
        Ok(Self { backend: backend::Backend::open(kind, db).await? })
    }

    /// Sends one message; it is in the broker's keeping when this returns.
    ///
    /// # Errors
    ///
    /// The broker did not confirm. The caller needs to do nothing: the relay sends it again.
    pub async fn send(&self, lane: Lane, message: &Message) -> Result<(), Error> {
        self.backend.send(lane, message).await
    }

    /// Waits up to `at_most` for messages of a kind, at most `limit` of them. `turn` counts
    /// the receives of this worker and decides which lane is looked at first. The wait ends
    /// when the drain begins; what was under way then is still handed over, so drop the future
    /// only after it has ended.
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

    /// Removes a delivered message. One that was delivered again since is left alone.
    ///
    /// # Errors
    ///
    /// The broker is away; the message comes again and its claim finds the job taken.
    pub async fn ack(&self, receipt: &Receipt) -> Result<(), Error> {
        self.backend.ack(receipt).await
    }

    /// Makes a delivered message ready again at once.
    ///
    /// # Errors
    ///
    /// The broker is away; the message comes again by itself.
    pub async fn release(&self, receipt: &Receipt) -> Result<(), Error> {
        self.backend.release(receipt).await
    }

    /// How many messages each lane holds.
    ///
    /// # Errors
    ///
    /// The broker is away.
    pub async fn depth(&self) -> Result<Vec<LaneDepth>, Error> {
        self.backend.depth().await
    }
}
