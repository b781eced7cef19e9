//! An instance from its start to its end.

use std::time::{Duration, Instant};

/// However often it beats, a wait ends after a hundred times the hook's time, or after two days.
const MOST: Duration = Duration::from_secs(48 * 3600);

/// Where an instance is in its life, as far as this fake goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// `InService`.
    InService,
    /// `Standby`.
    Standby,
    /// `Terminating:Wait`.
    TerminatingWait,
    /// `Terminated`.
    Terminated,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By a call, with this result.
    Completed(String),
    /// By itself.
    TimedOut,
}

/// The wait of an instance that is to end.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    /// When it began.
    pub began: Instant,
    /// When it ends by itself, unless there is another heartbeat.
    pub deadline: Instant,
    /// When there was one.
    pub heartbeats: Vec<Instant>,
    /// When and how it ended.
    pub ended: Option<(Instant, Ended)>,
    timeout: Duration,
}

impl Lifecycle {
    pub(crate) fn begin(now: Instant, timeout: Duration) -> Self {
        let deadline = now + timeout;
        Self { began: now, deadline, heartbeats: Vec::new(), ended: None, timeout }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.ended.is_none()
    }

    pub(crate) fn beat(&mut self, now: Instant) {
        self.heartbeats.push(now);
        self.deadline = (now + self.timeout).min(self.began + MOST.min(self.timeout * 100));
    }

    pub(crate) fn end(&mut self, now: Instant, how: Ended) {
        self.ended = Some((now, how));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_move_the_end_of_a_wait_a_hundredfold_at_most() {
        let (now, timeout) = (Instant::now(), Duration::from_secs(30));
        let mut wait = Lifecycle::begin(now, timeout);
        assert_eq!(wait.deadline, now + timeout);
        wait.beat(now + timeout / 2);
        assert_eq!(wait.deadline, now + timeout * 3 / 2);
        wait.beat(now + timeout * 100 - Duration::from_secs(1));
        assert_eq!(wait.deadline, now + timeout * 100);
    }
}
