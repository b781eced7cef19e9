//! What becomes of a job whose worker is lost.

use std::time::Duration;

use reelfleet_job::{RetryPolicy, State};

use crate::Reaped;

/// The job's next state, and how long it waits if it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: State,
    pub(crate) wait: Duration,
}

/// Judges a job by its charged attempts, of which there may be `most`.
pub(crate) fn verdict(
    attempts: u32,
    most: u32,
    cancel_requested: bool,
    policy: &RetryPolicy,
) -> Verdict {
    let closed = |state| Verdict { state, wait: Duration::ZERO };
    if cancel_requested {
        return closed(State::Cancelled);
    }
    if attempts >= most {
        return closed(State::Dead);
    }
    // The first loss is most likely the worker's own end, so the job is due at
    // once; a job that loses one worker after the other waits like any other failure.
    let wait = if attempts <= 1 {
        None
    } else {
        // How many tries the job has, its row says: the policy's own number is for other jobs.
        RetryPolicy { max_attempts: most, ..policy.clone() }.wait(attempts - 1, 1.0)
    };
    let state = if wait.is_some() { State::Scheduled } else { State::Queued };
    Verdict { state, wait: wait.unwrap_or_default() }
}

impl Verdict {
    /// Code and sentence of the error, in the owner's words. A cancelled job has none.
    pub(crate) fn reason(self) -> Option<(&'static str, &'static str)> {
        let sentence = match self.state {
            State::Cancelled => return None,
            State::Dead => "The worker stopped without a word each time it tried this job.",
            _ => "A worker stopped without a word; the job is tried again.",
        };
        Some(("worker_lost", sentence))
    }

    /// Adds itself to the count.
    pub(crate) fn count(self, reaped: &mut Reaped) {
        match self.state {
            State::Cancelled => reaped.cancelled += 1,
            State::Dead => reaped.dead += 1,
            _ => reaped.freed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_job_is_tried_at_once_then_later_then_never() {
        let policy = RetryPolicy::default();
        let state = |attempts, cancel| verdict(attempts, 3, cancel, &policy);
        assert_eq!(state(1, false), Verdict { state: State::Queued, wait: Duration::ZERO });
        assert_eq!(state(2, false).state, State::Scheduled);
        assert!(state(2, false).wait > Duration::ZERO);
        assert_eq!(state(3, false).state, State::Dead);
        assert_eq!(state(3, true).state, State::Cancelled);
        assert_eq!(state(1, true).reason(), None);
    }

    #[test]
    fn a_job_that_is_lost_again_and_again_waits_as_long_as_any_does() {
        let policy = RetryPolicy::default();
        let wait = |attempts| verdict(attempts, 100, false, &policy).wait;
        assert_eq!(wait(5), Duration::from_secs(320));
        for attempts in 6..100 {
            assert_eq!(wait(attempts), policy.longest, "{attempts}");
        }
    }
}
