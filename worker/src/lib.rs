//! Jobs in, results out: a worker takes messages, claims their jobs, transcodes, and publishes under its epoch.
//!
//! ```text
//! pull ─► claim ─► ack ─► transcode: fetch → probe → plan → run → verify → store ─► settle ─► closing UPDATE
//!   ▲                                    ▲
//!   └── hands (how many jobs at a time)  └── beat: renews leases, tells progress, hears of cancels;
//!                                            stops the work itself before a lease that it cannot renew ends
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

mod beat;
mod bulk;
mod collect;
mod config;
mod hands;
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

pub use collect::Collector;
pub use config::{CONCURRENCY, VARS, WORK_DIR, WorkerConfig, cores, host_name};
pub use hands::Tally;
pub use scratch::remove_abandoned_scratch;

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
        Self { id, config, db, queue, storage, tools, limits: Limits::default(), profiles }
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
    pub async fn run(self, shutdown: Shutdown) -> Result<Tally, Error> {
        let worker = Arc::new(self);
        let scratch = scratch::Scratch::create(&worker.config.work_dir, worker.id)
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
        let hands = hands::Hands::new(worker.config.concurrency);
        let jobs = TaskTracker::new();
        let beating = tokio::spawn(beat::run(Arc::clone(&worker), hands.clone(), shutdown.clone()));
        // A broker may take its time to end a receive; what is in hand drains meanwhile.
        let ((), (), life) = tokio::join!(
            pull::run(&worker, &scratch, &hands, &jobs, &shutdown),
            bulk::run(&worker, &hands, &jobs, &shutdown),
            async {
                shutdown.drain().cancelled().await;
                jobs.close();
                let life = hands.start_tally_over();
                let _ = worker.db.worker_seen(worker.id, WorkerState::Draining).await;
                hands.drain(&jobs, worker.config.drain, &shutdown).await;
                life
            }
        );
        // A job that was begun in the moment of the drain goes back.
        hands.drain(&jobs, Duration::ZERO, &shutdown).await;
        beating.abort();
        let _ = worker.db.worker_seen(worker.id, WorkerState::Gone).await;
        scratch.remove();
        let tally = hands.start_tally_over();
        tracing::info!(
            worker.id = %worker.id,
            jobs.finished = life.finished + tally.finished,
            jobs.handed_back = tally.handed_back,
            "worker {} leaves: {} finished in all, {} handed back",
            worker.id,
            life.finished + tally.finished,
            tally.handed_back
        );
        Ok(tally)
    }
}
