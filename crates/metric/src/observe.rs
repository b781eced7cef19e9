use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reelfleet_db::{Db, Error, WaitingJobs, Work};
use reelfleet_scaling::{
    experience::{Done, Experience, Task},
    forecast::{self, Group, Running},
    metric::{self, Published},
};
use tokio::sync::Mutex;

/// A worker that was not heard of for so long counts as gone. It beats each second or so.
pub const WORKER_SILENT: Duration = Duration::from_secs(60);

/// How old what [`Observer::recent`] says may be, at least.
const RECENT: Duration = Duration::from_secs(2);

/// A look at a long queue costs more, and is repeated the less often: at most this part of the time
/// goes into looking.
const SHARE: u32 = 20;

/// The fleet's work at one moment, and what follows from it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The rows.
    pub work: Work,
    /// The values that are published.
    pub values: Published,
    /// What finished jobs teach.
    pub(crate) experience: Experience,
    seconds_left: f64,
}

impl Observed {
    /// What follows from this work.
    #[must_use]
    pub fn of(work: Work) -> Self {
        let experience = Experience::of(work.done.iter().map(|job| Done {
            profile: job.profile.clone(),
            bytes: job.bytes,
            duration: job.duration,
            took: job.took,
        }));
        let waiting: Vec<_> = work.waiting.iter().map(alike).collect();
        let running: Vec<_> = running(&work).collect();
        let seconds_left = forecast::seconds_left(&experience, &waiting, &running);
        let values = Published::of(&metric::Work {
            waiting: work.waiting_jobs(),
            running: work.running.len() as u64,
            oldest_waiting: work.oldest_waiting(),
            dead: work.dead,
            failing: work.failing,
            workers: work.active,
            slots: work.slots,
            seconds_left,
        });
        Self { work, values, experience, seconds_left }
    }

    /// Waiting and running jobs.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.values.jobs_waiting + self.values.jobs_running
    }

    /// Seconds until the workers that are there are through. None without any, or where nothing
    /// has finished yet that would tell how long.
    #[must_use]
    pub fn seconds_to_drain(&self) -> Option<f64> {
        if self.backlog() == 0 {
            return Some(0.0);
        }
        let known = self.experience.knows_anything();
        forecast::expected_wait(self.seconds_left, self.work.slots)
            .filter(|_| known)
            .map(|wait| wait.as_secs_f64())
    }

    /// Mean time from claim to close of the last 50 finished jobs, seconds.
    #[must_use]
    pub fn mean_run_s(&self) -> Option<f64> {
        let last = &self.work.done[..self.work.done.len().min(50)];
        let sum: f64 = last.iter().map(|job| job.took.as_secs_f64()).sum();
        (!last.is_empty()).then(|| sum / last.len() as f64)
    }
}

/// Waiting jobs as the forecast takes them.
pub(crate) fn alike(waiting: &WaitingJobs) -> Group {
    let WaitingJobs { jobs, bytes, duration, .. } = *waiting;
    Group { profile: waiting.profile.clone(), jobs, bytes, duration }
}

/// Running jobs as the forecast takes them.
pub(crate) fn running(work: &Work) -> impl Iterator<Item = Running<'_>> {
    work.running.iter().map(|job| Running {
        task: Task { profile: &job.profile, bytes: job.bytes, duration: job.duration },
        progress: job.progress,
        took: job.took,
    })
}

/// Looks at the work. Clones share what was seen last.
#[derive(Debug, Clone)]
pub struct Observer {
    db: Db,
    silent: Duration,
    last: Arc<Mutex<Option<Seen>>>,
}

#[derive(Debug)]
struct Seen {
    what: Arc<Observed>,
    at: Instant,
    cost: Duration,
}

impl Observer {
    /// Workers that were silent for longer than `silent` count as gone.
    #[must_use]
    pub fn new(db: Db, silent: Duration) -> Self {
        Self { db, silent, last: Arc::default() }
    }

    /// The work as it is now.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn now(&self) -> Result<Observed, Error> {
        Ok(Observed::of(self.db.work(self.silent).await?))
    }

    /// The work as it was lately, for estimates that anybody may ask for at any time. Of several
    /// who ask at once one looks.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub async fn recent(&self) -> Result<Arc<Observed>, Error> {
        let mut last = self.last.lock().await;
        if let Some(seen) = &*last
            && seen.at.elapsed() < RECENT.max(seen.cost * SHARE)
        {
            return Ok(Arc::clone(&seen.what));
        }
        let at = Instant::now();
        let what = Arc::new(self.now().await?);
        *last = Some(Seen { what: Arc::clone(&what), at, cost: at.elapsed() });
        Ok(what)
    }
}
