use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use reelfleet_db::Db;
use reelfleet_job::{JobId, Message};

use crate::{Error, Queue};

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

impl DeadLetters {
    /// Between a database and a queue.
    #[must_use]
    pub fn new(db: Db, queue: Queue) -> Self {
        Self { db, queue }
    }

    /// Puts a letter into the dead-letter queue for every dead job that has none. How many.
    ///
    /// # Errors
    ///
    /// The database or the broker is away. A letter may be there twice then.
    pub async fn bury(&self) -> Result<u64, Error> {
        let mut buried = 0;
        loop {
            let dead = self.db.unburied(BATCH).await?;
            if dead.is_empty() {
                return Ok(buried);
            }
            let bodies: Vec<_> =
                dead.iter().map(|(job, kind)| Message::to(*job, *kind).encode()).collect();
            self.queue.bury(&bodies).await?;
            let jobs: Vec<_> = dead.into_iter().map(|(job, _)| job).collect();
            self.db.mark_buried(&jobs).await?;
            buried += jobs.len() as u64;
        }
    }

    /// Looks at every letter and forgets those whose job is not dead (any more), and doubles.
    /// How many.
    ///
    /// # Errors
    ///
    /// The database or the broker is away. Nothing is forgotten that was not judged.
    pub async fn clear(&self) -> Result<u64, Error> {
        let (mut kept, mut forgotten, mut seen) = (Vec::new(), 0, HashSet::new());
        let began = Instant::now();
        let result = loop {
            if began.elapsed() > PASS {
                break Ok(forgotten);
            }
            match self.clear_some(&mut kept, &mut seen).await {
                Ok(Some(more)) => forgotten += more,
                Ok(None) => break Ok(forgotten),
                Err(error) => break Err(error),
            }
        };
        // Back only now, so that no letter is looked at twice in one go.
        self.queue.release(&kept).await?;
        result
    }

    async fn clear_some(
        &self,
        kept: &mut Vec<crate::Receipt>,
        seen: &mut HashSet<JobId>,
    ) -> Result<Option<u64>, Error> {
        let letters = self.queue.dead_letters(BATCH).await?;
        if letters.is_empty() {
            return Ok(None);
        }
        let jobs: Vec<_> = letters
            .iter()
            .filter_map(|letter| Message::decode(&letter.body).ok().map(|message| message.job))
            .collect();
        let dead: HashSet<_> = self.db.dead_of(&jobs).await?.into_iter().collect();
        let mut forget = Vec::new();
        for letter in letters {
            match Message::decode(&letter.body) {
                Ok(message) if !dead.contains(&message.job) || !seen.insert(message.job) => {
                    forget.push(letter.receipt);
                }
                _ => kept.push(letter.receipt),
            }
        }
        self.queue.ack(&forget).await?;
        Ok(Some(forget.len() as u64))
    }
}
