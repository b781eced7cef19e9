use std::sync::Arc;

use reelfleet_db::{Db, NewJob};
use tokio::sync::{mpsc, oneshot};

use crate::{Error, Queue, submit_jobs};

/// Jobs recorded in one go, and callers that may wait for that.
const BATCH: usize = 500;

/// Takes jobs from many callers at a time, and records in one transaction what came while the one
/// before was under way. A commit costs the same for one row as for hundreds; each caller is
/// answered after the commit that holds its jobs.
#[derive(Debug, Clone)]
pub struct Intake {
    calls: mpsc::Sender<Call>,
}

#[derive(Debug)]
struct Call {
    jobs: Vec<NewJob>,
    answer: oneshot::Sender<Result<(), Arc<Error>>>,
}

impl Intake {
    /// Between a database and a queue. Works in a task of its own, until the last clone is gone.
    #[must_use]
    pub fn new(db: Db, queue: Queue) -> Self {
        let (calls, waiting) = mpsc::channel(BATCH);
        tokio::spawn(record(db, queue, waiting));
        Self { calls }
    }

    /// Records jobs, all or none, and rings. They are accepted when this returns.
    ///
    /// # Errors
    ///
    /// None was recorded, as far as the database could tell.
    pub async fn submit(&self, jobs: Vec<NewJob>) -> Result<(), Arc<Error>> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Arc::new(Error::Unfit("the intake has stopped".to_owned()));
        self.calls.send(Call { jobs, answer }).await.map_err(|_stopped| stopped())?;
        answered.await.unwrap_or_else(|_stopped| Err(stopped()))
    }
}

async fn record(db: Db, queue: Queue, mut waiting: mpsc::Receiver<Call>) {
    let mut calls = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut calls, BATCH).await > 0 {
        let jobs: Vec<_> = calls.iter().flat_map(|call| call.jobs.iter().cloned()).collect();
        let together = submit_jobs(&db, &queue, &jobs).await.map_err(Arc::new);
        let refused = matches!(&together, Err(error) if !is_away(error)) && calls.len() > 1;
        for call in calls.drain(..) {
            // What one caller brought must not spoil it for the others.
            let result = if refused {
                submit_jobs(&db, &queue, &call.jobs).await.map_err(Arc::new)
            } else {
                together.clone()
            };
            // A caller that went away does not hear it; its jobs are accepted all the same.
            let _ = call.answer.send(result);
        }
    }
}

fn is_away(error: &Error) -> bool {
    matches!(error, Error::Db(reelfleet_db::Error::Unavailable(_)))
}
