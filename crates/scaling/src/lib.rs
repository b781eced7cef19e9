//! How many workers the backlog needs, and how much work it is: pure functions.
//!
//! ```text
//! Observed {backlog, workers, …} + Rule {per_worker, min, max, …} ──► decide ──► desired workers
//!
//! finished jobs ──► Experience ─┐
//! waiting, running jobs ────────┴─► seconds_left ──► Work ──► Published ──► Tracking ──► desired
//! ```
//!
//! The rule drives the local group of `reelfleet up`. An Auto Scaling group follows the published
//! values by target tracking, of which `tracking` is a model.
//!
//! ```
//! use reelfleet_scaling::{decide, Observed, Rule};
//! use std::time::Duration;
//!
//! let rule = Rule { min: 1, max: 4, jobs_per_worker: 1, idle_before_in: Duration::from_secs(20) };
//! let burst = Observed { backlog: 9, workers: 1, spare_for: Duration::ZERO };
//! assert_eq!(decide(&rule, &burst), 4);
//! ```

pub mod experience;
pub mod forecast;
pub mod metric;
pub mod tracking;

use std::time::Duration;

/// What the group aims at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Never fewer workers.
    pub min: u32,
    /// Never more workers.
    pub max: u32,
    /// Unfinished jobs (waiting and running) for each worker.
    pub jobs_per_worker: u32,
    /// How long fewer workers must have been enough before any leaves.
    pub idle_before_in: Duration,
}

/// What is the case now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Waiting and running jobs.
    pub backlog: u64,
    /// Workers that take jobs or are about to.
    pub workers: u32,
    /// How long fewer workers would have been enough.
    pub spare_for: Duration,
}

/// Workers that the backlog asks for, within the limits.
#[must_use]
pub fn needed(rule: &Rule, backlog: u64) -> u32 {
    let per_worker = u64::from(rule.jobs_per_worker.max(1));
    let wanted = u32::try_from(backlog.div_ceil(per_worker)).unwrap_or(u32::MAX);
    // A minimum above the maximum is a mistake of the configuration; the maximum is the one
    // that protects the machine.
    wanted.max(rule.min).min(rule.max)
}

/// Workers that there should be: out at once, in only after a calm while.
///
/// Running jobs count into the backlog, so a fleet that is busy with its last
/// jobs is never taken for an idle one.
#[must_use]
pub fn decide(rule: &Rule, now: &Observed) -> u32 {
    let needed = needed(rule, now.backlog);
    if needed >= now.workers || now.spare_for >= rule.idle_before_in {
        needed
    } else {
        now.workers.min(rule.max)
    }
}

/// Backlog per worker, the published metric: with no worker the divisor is 1.
#[must_use]
pub fn backlog_per_worker(backlog: u64, workers: u32) -> f64 {
    backlog as f64 / f64::from(workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule { min: 1, max: 4, jobs_per_worker: 2, idle_before_in: Duration::from_secs(20) }
    }

    #[test]
    fn the_group_follows_the_backlog() {
        let table = [
            // backlog, workers, spare seconds, desired
            (0, 1, 0, 1),
            (0, 0, 0, 1),
            (2, 1, 0, 1),
            (3, 1, 0, 2),
            (100, 1, 0, 4),
            (3, 4, 5, 4),
            (3, 4, 20, 2),
            (0, 4, 60, 1),
            (u64::MAX, 4, 0, 4),
        ];
        for (backlog, workers, spare, desired) in table {
            let now = Observed { backlog, workers, spare_for: Duration::from_secs(spare) };
            assert_eq!(decide(&rule(), &now), desired, "{now:?}");
        }
    }

    #[test]
    fn limits_hold_whatever_is_configured() {
        let odd = Rule { min: 9, max: 3, jobs_per_worker: 0, ..rule() };
        assert_eq!(needed(&odd, 0), 3);
        assert_eq!(needed(&odd, 1_000_000), 3);
        let none = Rule { min: 0, max: 4, ..rule() };
        assert_eq!(needed(&none, 0), 0);
    }

    #[test]
    fn no_worker_divides_by_one() {
        assert!((backlog_per_worker(7, 0) - 7.0).abs() < f64::EPSILON);
        assert!((backlog_per_worker(7, 2) - 3.5).abs() < f64::EPSILON);
    }
}
