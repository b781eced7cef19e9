//! The jobs that a worker holds: how far each is, and whether it must stop.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reelfleet_db::Pulse;
use reelfleet_job::JobId;
use reelfleet_runtime::Shutdown;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::instance::Instance;

/// What a worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Jobs that it closed: done, dead, cancelled, or scheduled for another try.
    pub finished: u64,
    /// Jobs that it gave back unfinished.
    pub handed_back: u64,
}

/// Why a job must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its owner said so.
    Cancelled,
    /// The claim is not ours any more, or soon will not be.
    Lost,
    /// The worker was told to leave.
    Leaving,
}

/// One job in hand.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) job: JobId,
    pub(crate) epoch: u64,
    taken: Instant,
    /// When the lease that holds now was asked for.
    renewed: Mutex<Instant>,
    /// Bits of an `f64` from 0 to 1.
    progress: AtomicU64,
    stop: CancellationToken,
    why: OnceLock<Why>,
}

impl Held {
    /// Notes how far it is.
    pub(crate) fn set_progress(&self, progress: f64) {
        self.progress.store(progress.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// Notes that the lease was renewed, as asked for at that moment.
    pub(crate) fn renewed_at(&self, asked: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    /// When the work must be stopped unless the lease is renewed: with a third of it left to
    /// kill ffmpeg in.
    pub(crate) fn give_up_at(&self, lease: Duration) -> Instant {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) + lease * 2 / 3
    }

    fn progress(&self) -> f64 {
        f64::from_bits(self.progress.load(Ordering::Relaxed))
    }

    /// Fires when the job must stop.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Stops the job. The first reason stands.
    pub(crate) fn stop_because(&self, why: Why) {
        let _ = self.why.set(why);
        self.stop.cancel();
    }

    /// Why it was stopped, if it was.
    pub(crate) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// How long it will probably still take, going by how long it took so far.
    fn left(&self) -> Option<Duration> {
        let progress = self.progress();
        (progress > 0.02).then(|| self.taken.elapsed().mul_f64((1.0 - progress) / progress))
    }
}

/// By epoch too: a worker may claim a job anew while its own lost claim still winds up.
type ByClaim = HashMap<(JobId, u64), Arc<Held>>;

/// All jobs in hand. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    held: Arc<Mutex<ByClaim>>,
    /// One permit a job that may be taken. A job gives its own back shortly before its
    /// encode ends, so that the next one is probed meanwhile and no core stands still.
    free: Arc<Semaphore>,
    /// One permit an ffmpeg that may encode.
    pub(crate) encodes: Arc<Semaphore>,
    tally: Arc<Mutex<Tally>>,
}

impl Hands {
    pub(crate) fn new(concurrency: u32) -> Self {
        let permits = concurrency as usize;
        Self {
            held: Arc::default(),
            free: Arc::new(Semaphore::new(permits)),
            encodes: Arc::new(Semaphore::new(permits)),
            tally: Arc::default(),
        }
    }

    /// Waits until another job may be taken.
    pub(crate) async fn free_hand(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// `asked` is when the claim was asked for: its lease counts from then at the latest.
    pub(crate) fn take(&self, job: JobId, epoch: u64, asked: Instant) -> Arc<Held> {
        let held = Arc::new(Held {
            job,
            epoch,
            taken: asked,
            renewed: Mutex::new(asked),
            progress: AtomicU64::new(0),
            stop: CancellationToken::new(),
            why: OnceLock::new(),
        });
        self.lock().insert((job, epoch), Arc::clone(&held));
        held
    }

    pub(crate) fn let_go(&self, held: &Held) {
        self.lock().remove(&(held.job, held.epoch));
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was done since the last time this was asked.
    pub(crate) fn start_tally_over(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every job with what to tell of it.
    pub(crate) fn pulses(&self) -> Vec<(Arc<Held>, Pulse)> {
        self.lock()
            .values()
            .map(|held| {
                let pulse = Pulse { job: held.job, epoch: held.epoch, progress: held.progress() };
                (Arc::clone(held), pulse)
            })
            .collect()
    }

    pub(crate) fn stop_all(&self, why: Why) {
        for held in self.lock().values() {
            held.stop_because(why);
        }
    }

    /// Waits for the jobs in hand. What will not be done within `budget` is
    /// stopped at once rather than at the end of it: another worker can begin sooner. The
    /// instance may have less time than that, and may say so at any moment.
    pub(crate) async fn drain(
        &self,
        jobs: &TaskTracker,
        budget: Duration,
        instance: &Instance,
        shutdown: &Shutdown,
    ) {
        let within_budget = Instant::now() + budget;
        loop {
            let until = instance.hand_back_by().map_or(within_budget, |by| by.min(within_budget));
            let left = until.saturating_duration_since(Instant::now());
            for held in self.lock().values() {
                // An estimate from the first moments is too long: fetching and probing count
                // in. So only what is far out of reach is given up before the time is up.
                let hopeless = held.left().is_some_and(|needs| needs > left * 2);
                if left.is_zero() || hopeless {
                    held.stop_because(Why::Leaving);
                }
            }
            tokio::select! {
                () = jobs.wait() => return,
                () = shutdown.abort().cancelled() => {
                    self.stop_all(Why::Leaving);
                    // Killing ffmpeg and one statement a job: this bound is for a database that is away.
                    let _ = tokio::time::timeout(Duration::from_secs(5), jobs.wait()).await;
                    return;
                }
                () = tokio::time::sleep(left.clamp(Duration::from_millis(50), Duration::from_millis(500))) => {
                    if left.is_zero() && Instant::now() > until + Duration::from_secs(5) {
                        return;
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByClaim> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a job ten seconds ago that is so far by now. It ends when it is stopped, or by itself.
    fn begun(
        (hands, jobs): &(Hands, TaskTracker),
        progress: f64,
        by_itself: &CancellationToken,
    ) -> Arc<Held> {
        let held = hands.take(JobId::generate(), 1, Instant::now() - Duration::from_secs(10));
        held.set_progress(progress);
        jobs.spawn({
            let (stopped, by_itself) = (held.stop().clone(), by_itself.clone());
            async move {
                tokio::select! {
                    () = stopped.cancelled() => {}
                    () = by_itself.cancelled() => {}
                }
            }
        });
        held
    }

    async fn drain((hands, jobs): &(Hands, TaskTracker), budget: Duration, shutdown: &Shutdown) {
        jobs.close();
        let nowhere = Instance::none();
        let draining = hands.drain(jobs, budget, &nowhere, shutdown);
        tokio::time::timeout(Duration::from_secs(30), draining).await.expect("it has an end");
    }

    fn worker() -> (Hands, TaskTracker) {
        (Hands::new(2), TaskTracker::new())
    }

    #[tokio::test]
    async fn what_can_be_done_in_time_is_waited_for_and_the_rest_is_stopped_at_once() {
        let worker = worker();
        // 190 s are left of the one, of the other 10 s: it is done once the first was stopped.
        let far = begun(&worker, 0.05, &CancellationToken::new());
        let near = begun(&worker, 0.5, far.stop());
        drain(&worker, Duration::from_secs(60), &Shutdown::new()).await;
        assert_eq!((near.why(), far.why()), (None, Some(Why::Leaving)));
    }

    #[tokio::test]
    async fn a_job_that_tells_of_no_progress_has_all_of_the_time_and_no_more() {
        let worker = worker();
        let (budget, began) = (Duration::from_millis(200), Instant::now());
        let held = begun(&worker, 0.0, &CancellationToken::new());
        drain(&worker, budget, &Shutdown::new()).await;
        assert_eq!(held.why(), Some(Why::Leaving));
        assert!(began.elapsed() >= budget, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_second_signal_stops_what_could_be_done_in_time() {
        let (worker, shutdown) = (worker(), Shutdown::new());
        let held = begun(&worker, 0.5, &CancellationToken::new());
        shutdown.start_abort();
        drain(&worker, Duration::from_secs(600), &shutdown).await;
        assert_eq!(held.why(), Some(Why::Leaving));
    }
}
