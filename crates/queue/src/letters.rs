use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use reelfleet_db::Db;
use reelfleet_job::{JobId, Message};

use crate::{Duty, Error, Queue, Receipt};

/// Letters looked at in one go.
const BATCH: u32 = 500;

/// How long one pass may take: shorter than letters that were looked at stay hidden, so that none
/// is seen twice and taken for a double. What is left is looked at in the next pass.
const PASS: Duration = Duration::from_secs(10);

/// Keeps the broker's dead-letter queue and the database the same: one letter for each job
/// that is dead, and none for others. Bodies that no version of ours wrote stay there.
#[derive(Debug)]
pub struct DeadLetters {
    db: Db,
    queue: Queue,
}

/// What a comparison of the dead-letter queue with the rows came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Letters that were forgotten: of jobs that are not dead (any more), and doubles.
    pub forgotten: u64,
    /// Dead jobs whose letter was not there any more: it is to be sent again.
    pub lost: u64,
}

/// One pass over the dead-letter queue.
struct Pass {
    began: Instant,
    kept: Vec<Receipt>,
    seen: HashSet<JobId>,
    came_to: Compared,
}

impl DeadLetters {
    /// Between a database and a queue.
    #[must_use]
    pub fn new(db: Db, queue: Queue) -> Self {
        Self { db, queue }
    }

    /// Puts a letter into the dead-letter queue for every dead job that has none, for as long as
    /// that is this process's to do. How many.
    ///
    /// # Errors
    ///
    /// The database or the broker is away. A letter may be there twice then.
    pub async fn bury(&self, duty: &mut Duty) -> Result<u64, Error> {
        let mut buried = 0;
        while duty.is_mine().await? {
            let dead = self.db.unburied(BATCH).await?;
            if dead.is_empty() {
                break;
            }
            let bodies: Vec<_> =
                dead.iter().map(|(job, kind)| Message::to(*job, *kind).encode()).collect();
            self.queue.bury(&bodies).await?;
            let jobs: Vec<_> = dead.into_iter().map(|(job, _)| job).collect();
            self.db.mark_buried(&jobs).await?;
            buried += jobs.len() as u64;
        }
        Ok(buried)
    }

    /// Looks at every letter: forgets those whose job is not dead (any more), and doubles; and
    /// finds the dead jobs whose letter is lost, which [`DeadLetters::bury`] then sends again. It
    /// goes on for as long as that is this process's to do.
    ///
    /// # Errors
    ///
    /// The database or the broker is away. Nothing is forgotten that was not judged.
    pub async fn compare(&self, duty: &mut Duty) -> Result<Compared, Error> {
        let mut pass = Pass {
            began: Instant::now(),
            kept: Vec::new(),
            seen: HashSet::new(),
            came_to: Compared::default(),
        };
        let looked = self.look(&mut pass, duty).await;
        // Back only now, so that no letter is looked at twice in one go.
        self.queue.release(&pass.kept).await?;
        looked.map(|()| pass.came_to)
    }

    async fn look(&self, pass: &mut Pass, duty: &mut Duty) -> Result<(), Error> {
        while pass.began.elapsed() < PASS && duty.is_mine().await? {
            let letters = self.queue.dead_letters(BATCH).await?;
            if letters.is_empty() {
                return self.find_lost(pass).await;
            }
            let jobs: Vec<_> = letters
                .iter()
                .filter_map(|letter| Message::decode(&letter.body).ok().map(|message| message.job))
                .collect();
            let dead: HashSet<_> = self.db.dead_of(&jobs).await?.into_iter().collect();
            let mut forget = Vec::new();
            for letter in letters {
                match Message::decode(&letter.body) {
                    Ok(message)
                        if !dead.contains(&message.job) || !pass.seen.insert(message.job) =>
                    {
                        forget.push(letter.receipt);
                    }
                    _ => pass.kept.push(letter.receipt),
                }
            }
            self.queue.ack(&forget).await?;
            pass.came_to.forgotten += forget.len() as u64;
        }
        Ok(())
    }

    /// A letter that was there before the pass began and was not seen in it is lost: it expired,
    /// somebody purged the queue, or it went to another broker.
    async fn find_lost(&self, pass: &mut Pass) -> Result<(), Error> {
        // There are more, hidden by somebody who looked at them and left: nobody can tell now.
        if self.queue.depth().await?.dead > pass.kept.len() as u64 {
            return Ok(());
        }
        let seen: Vec<_> = pass.seen.iter().copied().collect();
        pass.came_to.lost = self.db.unmark_buried(&seen, pass.began.elapsed()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use reelfleet_job::Kind;
    use uuid::Uuid;

    use super::*;
    use crate::QueueConfig;

    /// B18: two who think that they lead.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_loses_the_duty_looks_at_nothing_and_sends_nothing_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
        db.migrate().await.unwrap();
        let queue = Queue::open(&QueueConfig::Database, &db).await.unwrap();
        let letters = DeadLetters::new(db.clone(), queue.clone());
        let double = async || {
            let letter = Message::to(JobId::generate(), Kind::Transcode).encode();
            queue.bury(&[letter]).await.unwrap();
        };
        let mut duty = Duty::new(db.clone(), "relay");
        double().await;
        assert_eq!(letters.compare(&mut duty).await.unwrap().forgotten, 1);
        // Another one has it from here on; this one hears of it when it asks the next time.
        duty.give_to(Uuid::now_v7()).await;
        double().await;
        let until = Instant::now() + Duration::from_secs(30);
        while letters.compare(&mut duty).await.unwrap().forgotten > 0 {
            assert!(Instant::now() < until, "it goes on");
            double().await;
        }
        assert_eq!(queue.depth().await.unwrap().dead, 1);
    }
}
