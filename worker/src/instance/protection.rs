//! Scale-in protection: on while a job is in hand, off when the instance is idle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reelfleet_runtime::{Backoff, Shutdown};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{
    group::{Group, Refused},
    metadata::Metadata,
};

/// How often a worker that leaves tries to take the protection off.
const LAST_TRIES: u32 = 3;

/// What was last known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// A worker before this one may have left it on; or a call had no answer.
    Nothing,
    On,
    Off,
}

#[derive(Debug)]
pub(super) struct Protection {
    group: Arc<Group>,
    metadata: Arc<Metadata>,
    /// Who holds something: jobs, batches, and messages that are about to be claimed.
    held: watch::Sender<usize>,
    /// Held during a call: no two of them are under way.
    known: Mutex<Known>,
    /// The last call failed. Claims do not wait for the next one.
    failing: AtomicBool,
    leaving: AtomicBool,
    /// How long it stays on after the last job ended.
    grace: Duration,
}

/// Keeps the instance protected.
#[derive(Debug)]
pub(crate) struct Pass(Option<Arc<Protection>>);

impl Pass {
    /// Where there is nothing to protect.
    pub(super) fn free() -> Self {
        Self(None)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(protection) = &self.0 {
            protection.held.send_modify(|held| *held -= 1);
        }
    }
}

impl Protection {
    pub(super) fn new(group: Arc<Group>, metadata: Arc<Metadata>, grace: Duration) -> Self {
        Self {
            group,
            metadata,
            held: watch::Sender::new(0),
            known: Mutex::new(Known::Nothing),
            failing: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            grace,
        }
    }

    /// From now on somebody holds something.
    pub(super) fn hold(self: &Arc<Self>) -> Pass {
        self.held.send_modify(|held| *held += 1);
        Pass(Some(Arc::clone(self)))
    }

    /// Sees to it that the protection is on before a claim. A failure costs the first claim one
    /// bounded call, and the next ones nothing: the keeper tries again beside them.
    pub(super) async fn assure(&self) {
        if self.failing.load(Ordering::SeqCst) {
            return;
        }
        let mut known = self.known.lock().await;
        if *known != Known::On && !self.failing.load(Ordering::SeqCst) {
            self.set(&mut known, true).await;
        }
    }

    /// Keeps the protection as what is held asks for, until the drain begins; then takes it off.
    pub(super) async fn keep(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = self.follow() => {}
            () = shutdown.drain().cancelled() => {}
        }
        self.leaving.store(true, Ordering::SeqCst);
        // Who leaves hands back what it cannot finish: there is nothing to protect.
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        for _ in 0..LAST_TRIES {
            let mut known = self.known.lock().await;
            let settled = *known == Known::Off || self.set(&mut known, false).await;
            if settled || self.metadata.id().is_none() {
                return;
            }
            drop(known);
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut held = self.held.subscribe();
        let mut idle_since: Option<Instant> = None;
        // The first look does not wait: what a crashed worker left on has protected long enough.
        let mut grace = Duration::ZERO;
        loop {
            let busy = *held.borrow_and_update() > 0;
            idle_since = if busy { None } else { idle_since.or(Some(Instant::now())) };
            let left = idle_since.map(|since| grace.saturating_sub(since.elapsed()));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                let _ = tokio::time::timeout(left, held.changed()).await;
                continue;
            }
            let wanted = if busy { Known::On } else { Known::Off };
            let settled = {
                let mut known = self.known.lock().await;
                // A job may have come while the lock was waited for.
                let changed = (*self.held.borrow() > 0) != busy;
                changed || *known == wanted || self.set(&mut known, busy).await
            };
            if settled {
                grace = self.grace;
                backoff.reset();
                if (*self.held.borrow() > 0) == busy {
                    let _ = held.changed().await;
                }
                continue;
            }
            if let (Some(since), Some(_)) = (idle_since, self.metadata.id()) {
                let idle_s = since.elapsed().as_secs();
                tracing::warn!(
                    instance.protected_idle_s = idle_s,
                    "the instance is protected and idle: the group cannot choose it"
                );
            }
            // Whatever comes and goes meanwhile: an API that fails is not asked more often.
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// One call. Whether it had its effect.
    async fn set(&self, known: &mut Known, on: bool) -> bool {
        // Also if this is dropped in the middle.
        *known = Known::Nothing;
        let Some(id) = self.metadata.id() else {
            // Without an id nobody can be asked. The watch has said that nobody answers.
            self.failing.store(true, Ordering::SeqCst);
            return false;
        };
        match self.group.protect(id, on).await {
            Ok(()) => {
                *known = if on { Known::On } else { Known::Off };
                tracing::debug!("scale-in protection is {}", if on { "on" } else { "off" });
                if self.failing.swap(false, Ordering::SeqCst) {
                    tracing::info!("scale-in protection can be set again");
                }
                true
            }
            // One that is on its way out has no protection to take off.
            Err(Refused::NotInService) if !on && self.leaving.load(Ordering::SeqCst) => true,
            Err(error) => {
                if !self.failing.swap(true, Ordering::SeqCst) {
                    tracing::warn!(%error, "scale-in protection cannot be set: jobs go on without it");
                }
                false
            }
        }
    }
}
