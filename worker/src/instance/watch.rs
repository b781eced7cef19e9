//! Looks at the metadata again and again, and acts on what they say.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reelfleet_runtime::{Backoff, Clock, Shutdown};
use tokio::{sync::watch, time::Instant};

use super::{
    InstanceConfig,
    metadata::{Look, Metadata},
    rule::{Reason, Seen, Target, Verdict, verdict},
};

/// A notice of Spot comes two minutes ahead, and AWS advises to look every five seconds.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// How often it looks while nobody answers.
const SELDOM: Duration = Duration::from_secs(15);

/// What is known by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seen: Seen,
    /// Whether all of the last look was answered. None: nobody has looked yet.
    pub(super) answers: Option<bool>,
    /// The worker has waited in vain to be replaced.
    pub(super) rebalance_is_stale: bool,
    /// Why the worker leaves, as far as the metadata say so.
    pub(super) reason: Option<Reason>,
}

#[derive(Debug)]
pub(super) struct Watch {
    metadata: Arc<Metadata>,
    clock: Clock,
    drain: Duration,
    pub(super) known: watch::Sender<Known>,
    /// When everything must be handed back.
    hand_back_by: Mutex<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(config: &InstanceConfig, metadata: Arc<Metadata>, clock: Clock) -> Self {
        Self {
            metadata,
            clock,
            drain: config.drain,
            known: watch::Sender::default(),
            hand_back_by: Mutex::new(None),
        }
    }

    /// The time now, as notices are compared with it.
    pub(super) fn now(&self) -> reelfleet_runtime::Timestamp {
        self.clock.now()
    }

    /// Looks until it is dropped: what is said while the worker drains counts, too.
    pub(super) async fn run(&self, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(EVERY, SELDOM);
        loop {
            self.look().await;
            self.heed(shutdown);
            if self.known.borrow().answers == Some(true) {
                backoff.reset();
                tokio::time::sleep(EVERY).await;
            } else {
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }

    /// One look at everything.
    pub(super) async fn look(&self) {
        let look = self.metadata.look(self.clock.now()).await;
        let why = self.take_in(look);
        self.tell(why);
    }

    /// Asks where the instance is to go, right before a claim. Nobody waits for an answer where
    /// there was none the last time.
    pub(super) async fn ask(&self, shutdown: &Shutdown) {
        if self.known.borrow().answers != Some(true) {
            return;
        }
        match self.metadata.target().await {
            Ok(target) => {
                self.known.send_modify(|known| known.seen.target = target);
                self.heed(shutdown);
            }
            Err(why) => self.tell(Some(why)),
        }
    }

    /// Whether a job may be claimed, as far as is known.
    pub(super) fn may_take(known: &Known) -> bool {
        // One that is to leave drains: then nothing is claimed for that reason. Of the times,
        // only the order matters here.
        !matches!(known.seen.target, Some(Target::Elsewhere | Target::Terminated))
            && known.reason.is_none()
    }

    /// When everything must be handed back, if anybody has said so.
    pub(super) fn hand_back_by(&self) -> Option<Instant> {
        *self.hand_back_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the rule says about what is known.
    pub(super) fn heed(&self, shutdown: &Shutdown) {
        let known = *self.known.borrow();
        let now = self.clock.now();
        let ruled = verdict(&known.seen, now, self.drain, known.rebalance_is_stale);
        let Verdict::Leave(reason, within) = ruled else { return };
        let until = Instant::now() + within;
        {
            let mut by = self.hand_back_by.lock().unwrap_or_else(PoisonError::into_inner);
            // The first time that it was told stands, unless it has become shorter.
            *by = Some(by.map_or(until, |by| by.min(until)));
        }
        if known.reason < Some(reason) {
            self.known.send_modify(|known| known.reason = Some(reason));
            let (why, within_s) = (said(reason), within.as_secs());
            tracing::info!(
                left.why = why,
                within_s,
                "{why}: what is in hand is finished or handed back within {within_s} s"
            );
            shutdown.start_drain();
        }
    }

    /// Takes over what was answered, and keeps what was known of the rest. Why some was not.
    fn take_in(&self, look: Look) -> Option<String> {
        let Look { target, spot, rebalance } = look;
        let mut why = None;
        self.known.send_modify(|known| {
            let seen = &mut known.seen;
            target.map(|target| seen.target = target).unwrap_or_else(|error| why = Some(error));
            spot.map(|spot| seen.spot = spot).unwrap_or_else(|error| why = Some(error));
            let taken = rebalance.map(|rebalance| seen.rebalance = rebalance);
            taken.unwrap_or_else(|error| why = Some(error));
        });
        why
    }

    /// Notes whether the service answers, and tells of it when that has changed.
    fn tell(&self, why: Option<String>) {
        let answers = Some(why.is_none());
        let before = self.known.borrow().answers;
        if before == answers {
            return;
        }
        self.known.send_modify(|known| known.answers = answers);
        match why {
            Some(why) => tracing::warn!(
                "instance metadata: {why}. Jobs go on, and it is asked again every {} s at least",
                SELDOM.as_secs()
            ),
            None if before.is_some() => tracing::info!("instance metadata answer again"),
            None => {}
        }
    }
}

fn said(reason: Reason) -> &'static str {
    match reason {
        Reason::Group => "the group ends this instance",
        Reason::Spot => "Spot takes this instance back",
        Reason::Rebalance => "Spot recommends to replace this instance",
    }
}
