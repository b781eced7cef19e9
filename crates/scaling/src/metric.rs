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
    /// Jobs that fail by a fault of ours, while none is done.
    pub failing: u64,
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
    /// Jobs that fail by a fault of ours, while none is done.
    pub jobs_failing: u64,
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
            jobs_failing: work.failing,
        }
    }
}

/// A number that can be published, whatever came in. What is not a number counts as nothing;
/// infinite work counts as very much, so that it never looks like an idle fleet.
pub(crate) fn bounded(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, LARGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_values_follow_the_work() {
        let table = [
            // waiting, running, workers, slots, seconds left; backlog and seconds per worker
            (0, 0, 0, 0, 0.0, 0.0, 0.0),
            (0, 0, 3, 6, 0.0, 0.0, 0.0),
            // With no worker the divisor is 1.
            (7, 0, 0, 0, 70.0, 7.0, 70.0),
            // In flight only: every worker is busy and nothing waits.
            (0, 3, 3, 3, 90.0, 1.0, 30.0),
            (20, 4, 2, 4, 480.0, 12.0, 120.0),
            // Twice the workers: half of each.
            (20, 4, 4, 8, 480.0, 6.0, 60.0),
            // The workers left while their jobs are not freed yet.
            (0, 5, 0, 0, 50.0, 5.0, 50.0),
            // Odd rows: a worker that says it takes nothing.
            (2, 0, 1, 0, 10.0, 2.0, 10.0),
        ];
        for (waiting, running, workers, slots, seconds_left, jobs, seconds) in table {
            let work = Work { waiting, running, workers, slots, seconds_left, ..Work::default() };
            let values = Published::of(&work);
            assert!(near(values.backlog_per_worker, jobs), "{work:?}: {values:?}");
            assert!(near(values.backlog_seconds_per_worker, seconds), "{work:?}: {values:?}");
            assert_eq!((values.jobs_waiting, values.jobs_running), (waiting, running));
            assert_eq!(values.workers_active, workers);
        }
    }

    #[test]
    fn no_value_is_negative_infinite_or_not_a_number_whatever_comes_in() {
        let counts = [0, 1, u64::MAX / 2 + 1, u64::MAX];
        let seconds =
            [0.0, -0.0, -1.0, 1.0, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for (waiting, seconds_left) in counts.into_iter().flat_map(|n| seconds.map(|s| (n, s))) {
            for (workers, slots) in [(0, 0), (0, 4), (1, 0), (1, 1), (u32::MAX, u32::MAX)] {
                let oldest_waiting = Duration::MAX;
                let (running, dead, failing) = (waiting, waiting, waiting);
                let work =
                    Work { waiting, running, oldest_waiting, dead, failing, ..Work::default() };
                let work = Work { workers, slots, seconds_left, ..work };
                let values = Published::of(&work);
                for value in [
                    values.backlog_per_worker,
                    values.backlog_seconds_per_worker,
                    values.oldest_waiting_seconds,
                ] {
                    assert!((0.0..=LARGEST).contains(&value), "{work:?}: {values:?}");
                }
            }
        }
    }

    #[test]
    fn endless_work_never_looks_like_an_idle_fleet() {
        let work = Work { seconds_left: f64::INFINITY, slots: 1, ..Work::default() };
        assert!(Published::of(&work).backlog_seconds_per_worker > 1e9);
    }
}
