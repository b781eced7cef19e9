//! Jobs in, results out: a worker takes messages, claims their jobs, transcodes, and publishes under its epoch.
//!
//! ```text
//! pull ─► claim ─► ack ─► transcode: fetch → probe → plan → run → verify → store ─► settle ─► closing UPDATE
//!   ▲                                    ▲
//!   ├── hands (how many jobs at a time)  └── beat: renews leases, tells progress, hears of cancels;
//!   │                                        stops the work itself before a lease that it cannot renew ends
//!   └── instance (off without a group): protects it, watches its metadata, takes leave of its group
//! ```
//!
//! A worker that is told to leave takes nothing more, finishes what it can in
//! its drain budget, and hands the rest back without charging an attempt.
//!
//! ```
//! use reelfleet_runtime::Vars;
//! use reelfleet_worker::WorkerConfig;
//!
//! let mut vars = Vars::of([("WORKER_CONCURRENCY", "1"), ("LEASE_SECONDS", "30")]);
//! let config = WorkerConfig::from_vars(&mut vars);
//! assert_eq!(config.lease.as_secs(), 30);
//! vars.finish().unwrap();
//! ```

mod attend;
mod beat;
mod bulk;
mod collect;
mod config;
mod hands;
mod instance;
mod leftover;
mod pull;
mod scratch;
mod settle;
mod transcode;

use std::{path::PathBuf, sync::Arc, time::Duration};

use reelfleet_db::{Db, NewWorker, WorkerState};
use reelfleet_job::WorkerId;
use reelfleet_media::{Limits, Profiles, Tools};
use reelfleet_queue::Queue;
use reelfleet_runtime::Shutdown;
use reelfleet_storage::Storage;
use tokio_util::task::TaskTracker;

use self::{hands::Hands, scratch::Scratch};

pub use collect::Collector;
pub use config::{CONCURRENCY, VARS, WORK_DIR, WorkerConfig, cores, host_name};
pub use hands::Tally;
pub use instance::{Instance, InstanceConfig, Left, VARS as INSTANCE_VARS};
pub use scratch::remove_abandoned_scratch;

/// For the last words to the database.
const GOODBYE: Duration = Duration::from_secs(5);

/// Why a worker could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away.
    #[error(transparent)]
    Db(#[from] reelfleet_db::Error),
    /// The scratch folder cannot be made.
    #[error("the scratch folder {} cannot be used", .0.display())]
    Scratch(PathBuf, #[source] std::io::Error),
}

/// What a worker did since it was told to leave, and which way it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// What it did.
    pub tally: Tally,
    /// Which way it left.
    pub left: Left,
}

/// What a worker works with.
#[derive(Debug)]
pub struct Worker {
    id: WorkerId,
    config: WorkerConfig,
    db: Db,
    queue: Queue,
    storage: Storage,
    tools: Tools,
    limits: Limits,
    profiles: Profiles,
    instance: Instance,
}

impl Worker {
    /// A worker that has not begun. `id` names this run and no other.
    #[must_use]
    pub fn new(
        id: WorkerId,
        config: WorkerConfig,
        db: Db,
        queue: Queue,
        storage: Storage,
        tools: Tools,
        profiles: Profiles,
    ) -> Self {
        let limits = Limits::default();
        let instance = Instance::none();
        Self { id, config, db, queue, storage, tools, limits, profiles, instance }
    }

    /// The same on an instance of an Auto Scaling group, which it has arrived on.
    #[must_use]
    pub fn on(self, instance: Instance) -> Self {
        Self { instance, ..self }
    }

    /// Id of this run.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Works until it is told to leave, then drains. Says what it did from then on.
    ///
    /// # Errors
    ///
    /// It could not begin; once begun it goes on through every error.
    pub async fn run(self, shutdown: Shutdown) -> Result<Ended, Error> {
        let worker = Arc::new(self);
        let scratch = Scratch::create(&worker.config.work_dir, worker.id)
            .map_err(|error| Error::Scratch(worker.config.work_dir.clone(), error))?;
        worker
            .db
            .worker_started(&NewWorker {
                id: worker.id,
                host: host_name(),
                pid: std::process::id(),
                concurrency: worker.config.concurrency,
            })
            .await?;
        tracing::info!(
            worker.id = %worker.id,
            worker.concurrency = worker.config.concurrency,
            ffmpeg.threads = worker.config.threads,
            "worker {} takes jobs",
            worker.id
        );
        let hands = Hands::new(worker.config.concurrency);
        let jobs = TaskTracker::new();
        let beating = tokio::spawn(beat::run(Arc::clone(&worker), hands.clone(), shutdown.clone()));
        let work = work(
            Arc::clone(&worker),
            scratch.clone(),
            (hands.clone(), jobs.clone()),
            shutdown.clone(),
        );
        let worked = attend::attend(&worker, (&hands, &jobs), &shutdown, work).await;
        let (life, fault) = (worked.unwrap_or_default(), worked.is_none());
        beating.abort();
        let gone = worker.db.worker_seen(worker.id, WorkerState::Gone);
        let _ = tokio::time::timeout(GOODBYE, gone).await;
        scratch.remove();
        let left = match worker.instance.depart().await {
            Left::Told if fault => Left::Fault,
            left => left,
        };
        let tally = hands.start_tally_over();
        tracing::info!(
            worker.id = %worker.id,
            jobs.finished = life.finished + tally.finished,
            jobs.handed_back = tally.handed_back,
            left.why = left.why(),
            "worker {} leaves: {} finished in all, {} handed back",
            worker.id,
            life.finished + tally.finished,
            tally.handed_back
        );
        Ok(Ended { tally, left })
    }
}

/// Works until it is told to leave, and drains. What was done until then.
async fn work(
    worker: Arc<Worker>,
    scratch: Scratch,
    (hands, jobs): (Hands, TaskTracker),
    shutdown: Shutdown,
) -> Tally {
    // A broker may take its time to end a receive; what is in hand drains meanwhile.
    let ((), (), life) = tokio::join!(
        pull::run(&worker, &scratch, &hands, &jobs, &shutdown),
        bulk::run(&worker, &hands, &jobs, &shutdown),
        async {
            shutdown.drain().cancelled().await;
            jobs.close();
            let life = hands.start_tally_over();
            let _ = worker.db.worker_seen(worker.id, WorkerState::Draining).await;
            hands.drain(&jobs, worker.config.drain, &worker.instance, &shutdown).await;
            life
        }
    );
    life
}
