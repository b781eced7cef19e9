use std::time::Duration;

use reelfleet_db::{Claimed, Db};
use reelfleet_job::{Kind, WorkerId};
use reelfleet_runtime::Shutdown;

use crate::{Error, Queue, Receipt, backend::Backend, lane_order};

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The kind of jobs.
    pub kind: Kind,
    /// How many receives there were before: it decides which lane is looked at first.
    pub turn: u64,
    /// Most jobs.
    pub limit: u32,
    /// The longest wait for the first.
    pub at_most: Duration,
    /// Whose they become.
    pub worker: WorkerId,
    /// For how long at first.
    pub lease: Duration,
}

/// Jobs that are the worker's now.
#[derive(Debug, Default)]
pub struct Claims {
    /// The jobs.
    pub claimed: Vec<Claimed>,
    /// Their messages, to be acknowledged. None where that is done already.
    pub receipts: Vec<Receipt>,
}

impl Queue {
    /// Receives and claims, see [`Queue::receive`] and [`Db::claim_some`]. On the `database` queue
    /// that is one transaction.
    ///
    /// # Errors
    ///
    /// The broker or the database is away; messages that were received come again.
    pub async fn claim(
        &self,
        db: &Db,
        wanted: &Wanted,
        shutdown: &Shutdown,
    ) -> Result<Claims, Error> {
        let Wanted { kind, turn, limit, at_most, worker, lease } = *wanted;
        if let Backend::Database(database) = &self.backend {
            let claimed = database.claim(&lane_order(kind, turn), wanted, shutdown).await?;
            return Ok(Claims { claimed, receipts: Vec::new() });
        }
        let deliveries = self.receive(kind, turn, limit, at_most, shutdown).await?;
        let (jobs, receipts): (Vec<_>, Vec<_>) =
            deliveries.into_iter().map(|delivery| (delivery.message.job, delivery.receipt)).unzip();
        if jobs.is_empty() {
            return Ok(Claims::default());
        }
        if shutdown.is_draining() {
            self.release(&receipts).await?;
            return Ok(Claims::default());
        }
        Ok(Claims { claimed: db.claim_some(&jobs, worker, lease).await?, receipts })
    }
}
