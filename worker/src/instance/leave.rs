//! How a worker takes leave of its group: heartbeats while it drains, then the completion.

use std::time::Duration;

use reelfleet_runtime::Backoff;
use tokio::time::Instant;

use super::{
    config::Bounds,
    group::{Group, Refused, TRY},
    rule::heartbeat_every,
};

/// Which way a worker left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It was told to, by a signal.
    Told,
    /// The group ends its instance. The hook is complete, or there is none.
    Terminated,
    /// The group ends its instance and could not be told that it may.
    Untold,
    /// Spot takes its instance back.
    Spot,
    /// Spot recommended to replace its instance.
    Rebalance,
    /// A fault of ours ended it.
    Fault,
}

impl Left {
    /// For the log.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Terminated => "terminated",
            Self::Untold => "terminated_untold",
            Self::Spot => "spot",
            Self::Rebalance => "rebalance",
            Self::Fault => "fault",
        }
    }

    /// For whoever keeps the worker running. After 10 there is no reason to start it again; after
    /// all others there is.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Told => 0,
            Self::Terminated => 10,
            Self::Spot => 11,
            Self::Rebalance => 12,
            // As in sysexits.h: a fault of ours, and "try again".
            Self::Fault => 70,
            Self::Untold => 75,
        }
    }
}

/// Prolongs the wait until it is dropped, or told that there is none.
pub(super) async fn beat(group: &Group, hook: &str, id: &str, bounds: Bounds) {
    let mut every = None;
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    let mut failing = false;
    let began = Instant::now();
    loop {
        match group.beat(hook, id).await {
            Ok(()) => {
                tracing::debug!("the wait for this worker is prolonged");
                failing = false;
                backoff.reset();
                let pause = match every {
                    Some(every) => every,
                    // Asked once. Who may not ask has an answer all the same.
                    None => *every.insert(heartbeat_every(
                        group.hook_timeout(hook).await.unwrap_or_default(),
                    )),
                };
                tokio::time::sleep(pause).await;
            }
            Err(Refused::NoWait) if began.elapsed() > bounds.wait_begins => return,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) && error != Refused::NoWait {
                    tracing::warn!(%error, "the group's wait could not be prolonged: tried again");
                }
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// Ends the wait, once. Whether it is over.
pub(super) async fn complete(group: &Group, hook: &str, id: &str, bounds: Bounds) -> bool {
    let until = Instant::now() + bounds.complete;
    let wait_begins_by = Instant::now() + bounds.wait_begins;
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(4));
    // A call without an answer may have had its effect.
    let mut doubtful = false;
    let mut failing = false;
    loop {
        let error = match group.complete(hook, id).await {
            Ok(()) => {
                tracing::info!("the group was told that this instance may go");
                return true;
            }
            Err(Refused::NoWait) if doubtful || Instant::now() >= wait_begins_by => {
                tracing::info!("the group does not wait for this instance any more");
                return true;
            }
            Err(error) => error,
        };
        doubtful |= matches!(error, Refused::Unheard(_));
        let wait = backoff.next_wait();
        if Instant::now() + wait + TRY > until {
            tracing::error!(%error, "the group could not be told that this instance may go: it waits for its hook's time");
            return false;
        }
        if !std::mem::replace(&mut failing, true) {
            tracing::warn!(%error, "the group could not be told that this instance may go: tried again");
        }
        tokio::time::sleep(wait).await;
    }
}
