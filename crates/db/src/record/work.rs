use std::time::Duration;

use reelfleet_job::Priority;
use reelfleet_runtime::Timestamp;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// All transcoding work at one moment, those who do it, and what was done lately.
#[derive(Debug, Clone)]
pub struct Work {
    /// The moment, by the database's clock.
    pub at: Timestamp,
    /// Not due yet.
    pub scheduled: u64,
    /// Due, waiting for a worker.
    pub waiting: Vec<WaitingJobs>,
    /// In a worker's hands.
    pub running: Vec<RunningJob>,
    /// Gave up, of every kind.
    pub dead: u64,
    /// Tried without success by a fault of ours, within the last quarter of an hour, and after the
    /// last one that was done. A bad source is no fault of ours. A worker that was lost counts once,
    /// however many it held.
    pub failing: u64,
    /// Workers that take jobs.
    pub active: u32,
    /// Workers that take no more.
    pub draining: u32,
    /// Jobs that the active workers take at a time.
    pub slots: u32,
    /// Finished last, newest first.
    pub done: Vec<DoneJob>,
}

/// Waiting jobs of one priority that are alike and stand close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJobs {
    /// How urgent.
    pub priority: Priority,
    /// Name of their profile.
    pub profile: String,
    /// How many.
    pub jobs: u64,
    /// Size of their sources, all together.
    pub bytes: u64,
    /// How long their sources last by their headers, all together; none of them says so: `None`.
    pub duration: Option<Duration>,
    /// When the first of them was due.
    pub first: Timestamp,
    /// When the last of them was due.
    pub last: Timestamp,
}

/// A job in a worker's hand.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningJob {
    /// Name of its profile.
    pub profile: String,
    /// Size of its source.
    pub bytes: u64,
    /// How long its source lasts, as its header claims.
    pub duration: Option<Duration>,
    /// 0 to 1.
    pub progress: f64,
    /// Since its claim.
    pub took: Duration,
}

/// A job that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneJob {
    /// Name of its profile.
    pub profile: String,
    /// Size of its source.
    pub bytes: u64,
    /// How long its source lasts, as its header claims.
    pub duration: Option<Duration>,
    /// From the claim that ended it to its end.
    pub took: Duration,
}

impl Work {
    /// How many jobs wait.
    #[must_use]
    pub fn waiting_jobs(&self) -> u64 {
        self.waiting.iter().map(|group| group.jobs).sum()
    }

    /// How long the job that has waited longest has been due. None waits: zero.
    #[must_use]
    pub fn oldest_waiting(&self) -> Duration {
        let first = self.waiting.iter().map(|group| group.first).min();
        first.map_or(Duration::ZERO, |first| self.at.since(first))
    }
}

/// Groups as a row has them.
pub(crate) fn waiting(json: &str) -> Result<Vec<WaitingJobs>> {
    let group = |(priority, profile, jobs, bytes, ms, first, last): (String, _, _, _, _, _, _)| {
        Ok(WaitingJobs {
            priority: priority.parse().map_err(Error::damaged)?,
            profile,
            jobs,
            bytes,
            duration: span(ms),
            first: Timestamp::from_millis(first),
            last: Timestamp::from_millis(last),
        })
    };
    read(json)?.into_iter().map(group).collect()
}

/// Running jobs as a row has them.
pub(crate) fn running(json: &str) -> Result<Vec<RunningJob>> {
    let job = |(profile, bytes, ms, progress, took)| RunningJob {
        profile,
        bytes,
        duration: span(ms),
        progress,
        took: Duration::from_millis(took),
    };
    Ok(read(json)?.into_iter().map(job).collect())
}

/// Finished jobs as a row has them.
pub(crate) fn done(json: &str) -> Result<Vec<DoneJob>> {
    let job = |(profile, bytes, ms, took)| DoneJob {
        profile,
        bytes,
        duration: span(ms),
        took: Duration::from_millis(took),
    };
    Ok(read(json)?.into_iter().map(job).collect())
}

fn span(ms: Option<u64>) -> Option<Duration> {
    ms.map(Duration::from_millis)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<Vec<T>> {
    serde_json::from_str(json).map_err(Error::damaged)
}

/// Sources of one class differ in size by a factor of four at most: what is learnt of one says
/// something of the others. Text, so that it is the same in every database.
macro_rules! size_class {
    () => {
        "CASE WHEN bytes < 262144 THEN 0 WHEN bytes < 1048576 THEN 1 WHEN bytes < 4194304 THEN 2
              WHEN bytes < 16777216 THEN 3 WHEN bytes < 67108864 THEN 4 WHEN bytes < 268435456 THEN 5
              WHEN bytes < 1073741824 THEN 6 WHEN bytes < 4294967296 THEN 7 ELSE 8 END"
    };
}
pub(crate) use size_class;

/// For how long a failure counts, milliseconds: a fleet that has had nothing to do since is no worse
/// for it.
macro_rules! lately {
    () => {
        "900000"
    };
}
pub(crate) use lately;

/// How old the jobs are at most whose failures are looked for, milliseconds. Ids begin with the time
/// at which they were made, by a process's clock, and failures lie in the order of ids: so no more is
/// read than what went wrong of a day's jobs.
macro_rules! looked_at {
    () => {
        "86400000"
    };
}
pub(crate) use looked_at;
