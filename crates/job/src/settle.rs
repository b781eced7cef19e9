use std::time::Duration;

use crate::{Reason, RetryPolicy};

/// How a handler left its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result is there.
    Done,
    /// Something of ours went wrong; another try may work.
    Failed(Reason),
    /// The input can never work: no retry.
    Rejected(Reason),
    /// The owner cancelled it.
    Cancelled,
    /// The worker was told to leave, or lost its lease.
    Interrupted,
}

/// What becomes of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Closed with its result.
    Done,
    /// Back to `scheduled`, due after this wait.
    Retry(Duration, Reason),
    /// Closed without a result.
    Dead(Reason),
    /// Closed because its owner said so.
    Cancelled,
    /// Back to `queued` at once, with the attempt given back.
    HandBack,
}

/// The one rule for how a job leaves a worker. `attempts` counts this try;
/// `random` in 0..1 spreads the wait.
#[must_use]
pub fn settle(outcome: Outcome, attempts: u32, policy: &RetryPolicy, random: f64) -> Settlement {
    match outcome {
        Outcome::Done => Settlement::Done,
        Outcome::Rejected(reason) => Settlement::Dead(reason),
        Outcome::Cancelled => Settlement::Cancelled,
        Outcome::Interrupted => Settlement::HandBack,
        Outcome::Failed(reason) => match policy.wait(attempts, random) {
            Some(wait) => Settlement::Retry(wait, reason),
            None => Settlement::Dead(reason),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B22: permanent errors have no retry.
    #[test]
    fn each_outcome_settles_in_one_way() {
        let policy = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
        let why = || Reason::new("disk_full", "The disk is full.");
        let table = [
            (Outcome::Done, 1, Settlement::Done),
            (Outcome::Failed(why()), 1, Settlement::Retry(Duration::from_secs(5), why())),
            (Outcome::Failed(why()), 2, Settlement::Dead(why())),
            (Outcome::Rejected(why()), 1, Settlement::Dead(why())),
            (Outcome::Cancelled, 1, Settlement::Cancelled),
            (Outcome::Interrupted, 2, Settlement::HandBack),
        ];
        for (outcome, attempts, expected) in table {
            assert_eq!(settle(outcome, attempts, &policy, 1.0), expected);
        }
    }
}
