//! The local scaling group: as many workers as the backlog needs, each replaced when it dies.

use std::time::Duration;

use reelfleet_db::Db;
use reelfleet_job::RetryPolicy;
use reelfleet_runtime::{Backoff, Shutdown};
use reelfleet_scaling::{Observed, Rule, decide, needed};
use reelfleet_worker::{Tally, remove_abandoned_scratch};
use tokio::time::Instant;

use super::child::{Child, Environment};

/// How often the group looks. Deciding costs one small read.
const LOOK: Duration = Duration::from_millis(250);

/// A worker that ends sooner than this after its start did not get to work.
const TOO_SOON: Duration = Duration::from_secs(5);

/// After the second signal, workers have this long to hand back.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The workers of this machine.
#[derive(Debug)]
pub(super) struct Group {
    db: Db,
    rule: Rule,
    drain: Duration,
    work_dir: std::path::PathBuf,
    environment: Environment,
    children: Vec<Child>,
    /// Since when fewer workers would be enough.
    spare_since: Option<Instant>,
    /// When a worker may be started again after one died too soon.
    start_after: Instant,
    backoff: Backoff,
    tally: Tally,
}

impl Group {
    pub(super) fn new(
        db: Db,
        rule: Rule,
        drain: Duration,
        work_dir: std::path::PathBuf,
        environment: Environment,
    ) -> Self {
        Self {
            db,
            rule,
            drain,
            work_dir,
            environment,
            children: Vec::new(),
            spare_since: None,
            start_after: Instant::now(),
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(2)),
            tally: Tally::default(),
        }
    }

    /// Keeps the group until the drain begins, then empties it. Says what all workers did since then.
    pub(super) async fn run(mut self, shutdown: Shutdown) -> Tally {
        loop {
            self.bury().await;
            self.scale().await;
            if !shutdown.sleep(LOOK).await {
                break;
            }
        }
        self.tally = Tally::default();
        self.empty(&shutdown).await;
        self.tally
    }

    /// Starts or drains workers as the rule decides.
    async fn scale(&mut self) {
        let backlog = match self.db.backlog().await {
            Ok(backlog) => backlog.total(),
            Err(error) => {
                tracing::warn!(%error, "the group stays as it is: the backlog is unknown");
                return;
            }
        };
        let workers = self.staying();
        if needed(&self.rule, backlog) < workers {
            self.spare_since.get_or_insert_with(Instant::now);
        } else {
            self.spare_since = None;
        }
        let spare_for = self.spare_since.map_or(Duration::ZERO, |since| since.elapsed());
        let desired = decide(&self.rule, &Observed { backlog, workers, spare_for });
        for _ in workers..desired {
            // A worker that still drains keeps its cores until it is gone.
            let full = self.children.len() >= self.rule.max as usize;
            if full || Instant::now() < self.start_after {
                return;
            }
            match Child::start(&self.environment) {
                Ok(child) => {
                    tracing::info!(worker.id = %child.id, backlog, "a worker starts: backlog {backlog}, workers {}", self.staying() + 1);
                    self.children.push(child);
                }
                Err(error) => {
                    self.start_after = Instant::now() + self.backoff.next_wait();
                    tracing::error!(%error, "a worker could not be started");
                }
            }
        }
        if desired < workers {
            self.scale_in(workers - desired, backlog).await;
        }
    }

    /// Lets `count` workers go, idle ones first.
    async fn scale_in(&mut self, count: u32, backlog: u64) {
        // Without knowing who is idle, a busy one might be let go.
        let Ok(seen) = self.db.workers(Duration::from_secs(3600)).await else { return };
        let busy = |child: &Child| {
            seen.iter().find(|worker| worker.id == child.id).map_or(0, |worker| worker.running)
        };
        self.children.sort_by_key(busy);
        for child in self.children.iter_mut().filter(|child| !child.leaving).take(count as usize) {
            tracing::info!(worker.id = %child.id, backlog, "a worker is scaled in: backlog {backlog}");
            child.terminate();
        }
    }

    /// Takes note of workers that ended. The jobs of one that died are due again at once: this
    /// process knows that it is dead, and need not wait for its lease.
    async fn bury(&mut self) {
        let ended: Vec<_> = self.children.extract_if(.., |child| child.ended().is_some()).collect();
        for mut child in ended {
            let Some(status) = child.ended() else { continue };
            let tally = child.tally().await;
            self.tally.finished += tally.finished;
            self.tally.handed_back += tally.handed_back;
            let policy = RetryPolicy::default();
            let reaping = self.db.reap_worker(child.id, &policy);
            match tokio::time::timeout(AT_ONCE, reaping).await {
                Ok(Ok(reaped)) if reaped.freed + reaped.dead > 0 => {
                    tracing::warn!(worker.id = %child.id, jobs.freed = reaped.freed, "the jobs of a dead worker are due again");
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the jobs of a dead worker wait for their lease")
                }
            }
            let work_dir = self.work_dir.clone();
            let swept = tokio::task::spawn_blocking(move || remove_abandoned_scratch(&work_dir));
            if let Ok(Err(error)) = swept.await {
                tracing::warn!(%error, "the scratch folder of a dead worker is left for later");
            }
            if child.leaving {
                continue;
            }
            if status.success() {
                tracing::info!(worker.id = %child.id, "a worker left by itself and is replaced");
            } else {
                tracing::warn!(worker.id = %child.id, "a worker died and is replaced: {status}");
            }
            if child.started.elapsed() < TOO_SOON {
                self.start_after = Instant::now() + self.backoff.next_wait();
            } else {
                self.backoff.reset();
            }
        }
    }

    /// Drains every worker within the bound; a second signal cuts it short.
    async fn empty(&mut self, shutdown: &Shutdown) {
        // One that is leaving already would take a second signal for "at once".
        for child in self.children.iter_mut().filter(|child| !child.leaving) {
            child.terminate();
        }
        // A worker needs a little more than its budget: it hands back after it.
        let mut until = Instant::now() + self.drain + Duration::from_secs(8);
        let mut told_again = false;
        while !self.children.is_empty() {
            self.bury().await;
            if shutdown.abort().is_cancelled() && !told_again {
                told_again = true;
                until = until.min(Instant::now() + AT_ONCE);
                self.children.iter_mut().for_each(Child::terminate);
            }
            if Instant::now() >= until {
                self.children.iter_mut().for_each(Child::kill);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn staying(&self) -> u32 {
        let staying = self.children.iter().filter(|child| !child.leaving).count();
        u32::try_from(staying).unwrap_or(u32::MAX)
    }
}
