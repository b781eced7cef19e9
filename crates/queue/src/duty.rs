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

    /// Whether it is this process's to do now. Asked before every turn, and again before each step
    /// of a long one: that keeps the duty, and ends the turn when another has taken it over. It
    /// costs nothing within a second of the last answer.
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
    /// Lets another holder have it without this one's knowing, as if its lease had run out.
    #[cfg(test)]
    pub(crate) async fn give_to(&self, other: Uuid) {
        self.db.leave_duty(self.name, self.me).await.unwrap();
        assert!(self.db.take_duty(self.name, other, LEASE * 100).await.unwrap().is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B18: two who think that they lead.
    #[tokio::test]
    async fn a_duty_that_another_took_over_is_lost_within_a_long_turn() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
        db.migrate().await.unwrap();
        let mut duty = Duty::new(db.clone(), "relay");
        // Much longer than the lease, for as long as nobody else takes it.
        let turn = Instant::now();
        while turn.elapsed() < LEASE + RENEW {
            assert!(duty.is_mine().await.unwrap());
            assert_eq!(db.take_duty("relay", Uuid::now_v7(), LEASE).await.unwrap(), None, "kept");
            tokio::time::sleep(RENEW / 10).await;
        }
        duty.give_to(Uuid::now_v7()).await;
        let lost = Instant::now();
        while duty.is_mine().await.unwrap() {
            assert!(lost.elapsed() < 2 * RENEW, "it goes on");
            tokio::task::yield_now().await;
        }
    }
}
