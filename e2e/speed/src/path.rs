use std::time::Duration;

use reelfleet_db::{DatabaseConfig, Db, NewJob, NewUser, Role};
use reelfleet_job::{JobId, Kind, Payload, Priority, UserId};
use reelfleet_queue::{Intake, Queue, QueueConfig, submit_jobs};
use reelfleet_runtime::{Shutdown, Vars};

use crate::Result;

/// From a caller to the row and the message.
#[derive(Clone)]
pub(crate) struct Path {
    db: Db,
    queue: Queue,
    intake: Intake,
    owner: UserId,
}

impl Path {
    /// By the environment, with the schema brought up to this version.
    pub(crate) async fn open() -> Result<Self> {
        let known = [reelfleet_db::VARS, reelfleet_queue::VARS, reelfleet_aws::VARS].concat();
        let mut vars = Vars::process(known);
        let (database, queue) =
            (DatabaseConfig::from_vars(&mut vars), QueueConfig::from_vars(&mut vars));
        vars.finish().map_err(|error| error.to_string())?;
        let db = Db::connect(&database).await?;
        db.migrate().await?;
        let queue = Queue::open(&queue, &db).await?;
        let email = format!("{}@example.com", JobId::generate());
        let new = NewUser { email, password_hash: String::new(), role: Role::User };
        let owner = db.create_user(&new).await?.id;
        let intake = Intake::new(db.clone(), queue.clone());
        Ok(Self { db, queue, intake, owner })
    }

    fn job(&self) -> NewJob {
        NewJob {
            id: JobId::generate(),
            payload: Payload::Noop,
            priority: Priority::Normal,
            owner: self.owner,
            max_attempts: 5,
        }
    }

    /// One call of one caller, as the API makes it.
    pub(crate) async fn submit(&self) -> Result<()> {
        Ok(self.intake.submit(vec![self.job()]).await?)
    }

    /// One call with many jobs.
    pub(crate) async fn record(&self, count: usize) -> Result<()> {
        let jobs: Vec<_> = std::iter::repeat_with(|| self.job()).take(count).collect();
        Ok(submit_jobs(&self.db, &self.queue, &jobs).await?)
    }

    /// Takes what an earlier run left in the broker. A database is new for each run.
    pub(crate) async fn empty(&self) -> Result<()> {
        if self.queue.is_database() {
            return Ok(());
        }
        for turn in 0.. {
            let brief = Duration::from_millis(10);
            let left = self.queue.receive(Kind::Noop, turn, 500, brief, &Shutdown::new()).await?;
            if left.is_empty() {
                break;
            }
            let receipts: Vec<_> = left.into_iter().map(|delivery| delivery.receipt).collect();
            self.queue.ack(&receipts).await?;
        }
        Ok(())
    }
}
