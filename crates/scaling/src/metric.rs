//! What is published of the fleet, from what was observed of it.

use std::time::Duration;

use crate::backlog_per_worker;

/// No number that is published is greater: `CloudWatch` takes less than 2^360, a chart far less.
const LARGEST: f64 = 1e12;

/// The fleet's work at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Work {
    /// Jobs that are due and run nowhere.
    pub waiting: u64,
    /// Jobs that a worker holds.
    pub running: u64,
    /// How long the job that has waited longest has been due; zero if none waits.
    pub oldest_waiting: Duration,
    /// Jobs that gave up.
    pub dead: u64,
    /// Workers that take jobs: neither silent nor draining.
    pub workers: u32,
    /// Jobs that these workers take at a time, all together.
    pub slots: u32,
    /// Seconds that one slot would need for the whole backlog
    /// ([`seconds_left`](crate::forecast::seconds_left)).
    pub seconds_left: f64,
}

/// The values as they are published. None is negative, infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// Waiting and running jobs for each worker, in jobs; with no worker the divisor is 1.
    pub backlog_per_worker: f64,
    /// Seconds until the workers that are there have worked off the backlog, each its share.
    ///
    /// `seconds_left ÷ slots`; with no slot the divisor is 1. A worker with k slots works off
    /// k seconds of work a second, so the value halves when the workers double.
    pub backlog_seconds_per_worker: f64,
    /// Jobs that are due and run nowhere.
    pub jobs_waiting: u64,
    /// Jobs that a worker holds.
    pub jobs_running: u64,
    /// Workers that take jobs.
    pub workers_active: u32,
    /// Seconds that the job that has waited longest has been due.
    pub oldest_waiting_seconds: f64,
    /// Jobs that gave up.
    pub jobs_dead: u64,
}

impl Published {
    /// The values of this work.
    #[must_use]
    pub fn of(work: &Work) -> Self {
        let backlog = work.waiting.saturating_add(work.running);
        Self {
            backlog_per_worker: bounded(backlog_per_worker(backlog, work.workers)),
            backlog_seconds_per_worker: bounded(work.seconds_left / f64::from(work.slots.max(1))),
            jobs_waiting: work.waiting,
            jobs_running: work.running,
            workers_active: work.workers,
            oldest_waiting_seconds: bounded(work.oldest_waiting.as_secs_f64()),
            jobs_dead: work.dead,
        }
    }
}

/// A number that can be published, whatever came in. What is not a number counts as nothing;
/// infinite work counts as very much, so that it never looks like an idle fleet.
pub(crate) fn bounded(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, LARGEST) }
}
