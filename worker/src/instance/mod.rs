//! The instance that a worker runs on: the one seam between the worker and its Auto Scaling group.
//!
//! ```text
//! metadata ─► watch ─► rule ─► Shutdown: drain, and until when
//!               ▲                │
//! claim ─► admit ─► protection   └─► leave: heartbeats … everything handed back … completion
//! ```
//!
//! Without a group there is nothing of this, and every question is answered at once. Metadata that
//! nobody answers for never stop or delay work: what was known last goes on to hold.

mod config;
mod group;
mod leave;
mod metadata;
mod protection;
mod rule;
#[cfg(test)]
pub(crate) mod tests;
mod watch;

use std::{sync::Arc, time::Duration};

use reelfleet_runtime::{Clock, Shutdown};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::protection::Pass;
use self::{
    config::Bounds,
    group::Group,
    metadata::Metadata,
    protection::Protection,
    rule::{Reason, Start, Target, at_start},
    watch::Watch,
};
pub use self::{
    config::{InstanceConfig, VARS},
    leave::Left,
};

/// For a last look, when everything else is done.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// For the protection to be taken off, which only matters if the instance stays.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The instance, or that there is none. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Instance(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    hook: Option<String>,
    bounds: Bounds,
    group: Arc<Group>,
    metadata: Arc<Metadata>,
    watch: Watch,
    protection: Arc<Protection>,
    tasks: std::sync::Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    watching: Option<AbortOnDropHandle<()>>,
    protecting: Option<AbortOnDropHandle<()>>,
    beating: Option<AbortOnDropHandle<()>>,
}

impl Instance {
    /// No instance of a group.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The one that the configuration tells of. Nothing is asked yet.
    #[must_use]
    pub fn of(config: Option<InstanceConfig>, clock: Clock) -> Self {
        Self(config.map(|config| {
            let metadata = Arc::new(Metadata::at(config.metadata.clone()));
            let group = Arc::new(Group::new(config.clone()));
            let protection = Arc::new(Protection::new(
                Arc::clone(&group),
                Arc::clone(&metadata),
                config.bounds.grace,
            ));
            let watch = Watch::new(&config, Arc::clone(&metadata), clock);
            let tasks = std::sync::Mutex::default();
            let InstanceConfig { hook, bounds, .. } = config;
            Arc::new(Inner { hook, bounds, group, metadata, watch, protection, tasks })
        }))
    }

    /// Before anything else: sees where the instance is to go, and begins to watch. Some: the
    /// worker must not even begin.
    ///
    /// It takes as long as one look, unless an end is near: then it waits for that.
    pub async fn arrive(&self, shutdown: &Shutdown) -> Option<Left> {
        let Some(inner) = &self.0 else {
            tracing::debug!("no Auto Scaling group is configured");
            return None;
        };
        let began = Instant::now();
        let mut waits = None;
        loop {
            inner.watch.look().await;
            let seen = inner.watch.known.borrow().seen;
            match at_start(&seen, inner.watch.now(), began.elapsed()) {
                Start::Leave => {
                    tracing::info!("the group ends this instance: nothing is taken");
                    return Some(inner.say_goodbye().await);
                }
                Start::Work => break,
                Start::Wait(reason) => {
                    if waits != Some(reason) {
                        waits = Some(reason);
                        tracing::info!(
                            ?reason,
                            "this instance is about to be replaced: nothing is taken"
                        );
                        inner.protect(shutdown);
                    }
                    if !shutdown.sleep(watch::EVERY).await {
                        inner.stop().await;
                        return Some(Left::Told);
                    }
                }
            }
        }
        inner.watch.known.send_modify(|known| {
            // Here after it was waited for, or after it had been there for long.
            known.rebalance_is_stale = known.seen.rebalance.is_some();
        });
        inner.protect(shutdown);
        inner.begin(shutdown);
        None
    }

    /// Whether there is a group that must be asked before a claim.
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until jobs may be taken, as far as is known, or the drain begins.
    pub(crate) async fn may_take(&self, shutdown: &Shutdown) {
        let Some(inner) = &self.0 else { return };
        let mut known = inner.watch.known.subscribe();
        if Watch::may_take(&known.borrow_and_update()) {
            return;
        }
        tracing::info!("the instance is not in service: nothing is taken until it is again");
        tokio::select! {
            _ = known.wait_for(Watch::may_take) => {}
            () = shutdown.drain().cancelled() => {}
        }
    }

    /// Protects the instance, and then asks whether it is still to work: in this order, so that a
    /// group which decides in between has either seen the protection, or is seen here. None: the
    /// claim must not be made. What is claimed keeps the pass until it is over.
    pub(crate) async fn admit(&self, shutdown: &Shutdown) -> Option<Pass> {
        let Some(inner) = &self.0 else { return Some(Pass::free()) };
        let pass = inner.protection.hold();
        let asked = async {
            inner.protection.assure().await;
            inner.watch.ask(shutdown).await;
        };
        tokio::select! {
            () = asked => {}
            () = shutdown.drain().cancelled() => return None,
        }
        Watch::may_take(&inner.watch.known.borrow()).then_some(pass)
    }

    /// When everything must be handed back, if the metadata have said so.
    pub(crate) fn hand_back_by(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|inner| inner.watch.hand_back_by())
    }

    /// After everything was finished or handed back: ends the group's wait if there is one. Which
    /// way the worker left.
    pub(crate) async fn depart(&self) -> Left {
        let Some(inner) = &self.0 else { return Left::Told };
        if !inner.is_terminated() {
            // It may have been decided since, and nobody is here to hear of it later.
            let _ = tokio::time::timeout(LAST_LOOK, inner.watch.look()).await;
        }
        if inner.is_terminated() {
            return inner.say_goodbye().await;
        }
        inner.stop().await;
        match inner.watch.known.borrow().reason {
            Some(Reason::Spot) => Left::Spot,
            Some(Reason::Rebalance) => Left::Rebalance,
            Some(Reason::Group) | None => Left::Told,
        }
    }
}

impl Inner {
    fn is_terminated(&self) -> bool {
        self.watch.known.borrow().seen.target == Some(Target::Terminated)
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn protect(self: &Arc<Self>, shutdown: &Shutdown) {
        let (inner, shutdown) = (Arc::clone(self), shutdown.clone());
        self.tasks().protecting.get_or_insert_with(|| {
            AbortOnDropHandle::new(tokio::spawn(
                async move { inner.protection.keep(&shutdown).await },
            ))
        });
    }

    fn begin(self: &Arc<Self>, shutdown: &Shutdown) {
        let (inner, shutdown) = (Arc::clone(self), shutdown.clone());
        let watching = tokio::spawn(async move { inner.watch.run(&shutdown).await });
        self.tasks().watching = Some(AbortOnDropHandle::new(watching));
        let inner = Arc::clone(self);
        let beating = tokio::spawn(async move {
            let Some(hook) = &inner.hook else { return };
            let mut known = inner.watch.known.subscribe();
            let ends = |known: &watch::Known| known.seen.target == Some(Target::Terminated);
            if known.wait_for(ends).await.is_ok()
                && let Some(id) = inner.metadata.id()
            {
                leave::beat(&inner.group, hook, id, inner.bounds).await;
            }
        });
        self.tasks().beating = Some(AbortOnDropHandle::new(beating));
    }

    /// The last calls of a worker whose instance stays, or is ended without being asked.
    async fn stop(&self) {
        let protecting = {
            let mut tasks = self.tasks();
            (tasks.watching, tasks.beating) = (None, None);
            tasks.protecting.take()
        };
        if let Some(protecting) = protecting {
            let _ = tokio::time::timeout(LAST_CALLS, protecting).await;
        }
    }

    /// Ends as a killed process does.
    #[cfg(test)]
    fn say_nothing(&self) {
        *self.tasks() = Tasks::default();
    }

    /// Tells the group that the instance may go.
    async fn say_goodbye(&self) -> Left {
        // No heartbeat comes after the completion.
        *self.tasks() = Tasks::default();
        let (Some(hook), Some(id)) = (&self.hook, self.metadata.id()) else {
            return Left::Terminated;
        };
        if leave::complete(&self.group, hook, id, self.bounds).await {
            Left::Terminated
        } else {
            Left::Untold
        }
    }
}
