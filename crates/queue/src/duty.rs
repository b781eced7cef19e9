use std::time::{Duration, Instant};

use reelfleet_db::Db;
use uuid::Uuid;

use crate::Error;

/// How long a holder that says nothing keeps a duty: after it died, nobody does it for so long.
const LEASE: Duration = Duration::from_secs(3);

/// How often a holder says that it is there.
const RENEW: Duration = Duration::from_secs(1);

/// A duty that one process at a time does, whichever of those that offer to do it.
///
/// The database's clock judges the lease. A holder that was frozen may go on for one turn after
/// another took over, so what it does must be harmless when done twice.
#[derive(Debug)]
pub struct Duty {
    db: Db,
    name: &'static str,
    me: Uuid,
    epoch: Option<u64>,
    renewed: Option<Instant>,
}

impl Duty {
    /// Offers to do a duty.
    #[must_use]
    pub fn new(db: Db, name: &'static str) -> Self {
        Self { db, name, me: Uuid::now_v7(), epoch: None, renewed: None }
    }

    /// Whether it is this process's to do now. Asked before every turn.
    ///
    /// # Errors
    ///
    /// The database is away: then it is nobody's.
    pub async fn is_mine(&mut self) -> Result<bool, Error> {
        if self.epoch.is_some() && self.renewed.is_some_and(|renewed| renewed.elapsed() < RENEW) {
            return Ok(true);
        }
        // Counted from before the question: the lease ends no earlier than what is remembered.
        let asked = Instant::now();
        let had = self.epoch.take();
        self.epoch = self.db.take_duty(self.name, self.me, LEASE).await?;
        self.renewed = Some(asked);
        if self.epoch != had {
            match self.epoch {
                Some(epoch) => tracing::debug!(epoch, "this process has the duty `{}`", self.name),
                None => tracing::debug!("another process has taken over the duty `{}`", self.name),
            }
        }
        Ok(self.epoch.is_some())
    }

    /// Leaves it to the next process at once.
    pub async fn leave(&mut self) {
        if self.epoch.take().is_some()
            && let Err(error) = self.db.leave_duty(self.name, self.me).await
        {
            tracing::debug!(%error, "the duty `{}` is left when its lease ends", self.name);
        }
    }
}
