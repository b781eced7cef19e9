//! How much work is left, and when a job's turn comes.

use std::time::Duration;

use crate::{
    experience::{Experience, Task},
    metric::bounded,
};

/// Waiting jobs that are alike, as the database counts them.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The recipe of all of them.
    pub profile: String,
    /// How many they are.
    pub jobs: u64,
    /// Bytes of all their sources together.
    pub bytes: u64,
    /// Duration of all their sources together. `None` unless it is known of each of them.
    pub duration: Option<Duration>,
}

/// A job that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running<'a> {
    /// What it is.
    pub task: Task<'a>,
    /// How much of it is done, 0 to 1.
    pub progress: f64,
    /// Since its claim.
    pub took: Duration,
}

/// From this progress on a job's own pace decides. Before, fetching and probing are most of what
/// it has done, which says little about the rest.
pub const OWN_PACE: f64 = 0.05;

/// A job that takes longer than expected is expected to take this much of its time on top: one
/// that is overdue is still work.
const OVERDUE: f64 = 0.1;

/// Seconds that one slot would need for all of these jobs, one after another.
#[must_use]
pub fn seconds_left(experience: &Experience, waiting: &[Group], running: &[Running<'_>]) -> f64 {
    let waiting: f64 = waiting.iter().map(|group| seconds_of(experience, group)).sum();
    let running: f64 = running.iter().map(|running| rest(experience, running).as_secs_f64()).sum();
    bounded(waiting + running)
}

/// What is left of a job that runs.
#[must_use]
pub fn rest(experience: &Experience, running: &Running<'_>) -> Duration {
    let took = running.took.as_secs_f64();
    let seconds = if running.progress >= OWN_PACE {
        let done = running.progress.min(1.0);
        took * (1.0 - done) / done
    } else {
        let expected = experience.expected(&running.task).as_secs_f64();
        (expected - took).max(took * OVERDUE)
    };
    Duration::from_secs_f64(bounded(seconds))
}

/// How long a job waits whose predecessors are this many seconds of work. `None` without a slot:
/// nobody can say when there will be one.
#[must_use]
pub fn expected_wait(seconds_ahead: f64, slots: u32) -> Option<Duration> {
    (slots > 0).then(|| Duration::from_secs_f64(bounded(seconds_ahead) / f64::from(slots)))
}

/// Seconds that one slot would need for all jobs of a group.
#[must_use]
pub fn seconds_of(experience: &Experience, group: &Group) -> f64 {
    let Some(bytes) = group.bytes.checked_div(group.jobs) else {
        return 0.0;
    };
    let duration = group.duration.map(|sum| sum.div_f64(group.jobs as f64));
    let one = Task { profile: &group.profile, bytes, duration };
    experience.expected(&one).as_secs_f64() * group.jobs as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experience::Done;

    /// Five seconds of work for ten of video, a megabyte each.
    fn experience() -> Experience {
        let one = |n: u32| Done {
            profile: "web".to_owned(),
            bytes: u64::from(n) * 1_000_000,
            duration: Some(Duration::from_secs(10) * n),
            took: Duration::from_secs(5) * n,
        };
        Experience::of((1..=20).map(one))
    }

    fn group(jobs: u64, bytes: u64, seconds: Option<u64>) -> Group {
        Group { profile: "web".to_owned(), jobs, bytes, duration: seconds.map(Duration::from_secs) }
    }

    fn running(progress: f64, took: u64) -> Running<'static> {
        let duration = Some(Duration::from_secs(100));
        let task = Task { profile: "web", bytes: 10_000_000, duration };
        Running { task, progress, took: Duration::from_secs(took) }
    }

    #[test]
    fn a_group_counts_as_its_jobs_one_by_one() {
        let experience = experience();
        let table = [
            (group(1, 10_000_000, Some(100)), 50.0),
            (group(1000, 10_000_000_000, Some(100_000)), 50_000.0),
            (group(1000, 10_000_000_000, None), 50_000.0),
            (group(0, 0, None), 0.0),
            (group(0, 99, Some(9)), 0.0),
        ];
        for (group, seconds) in table {
            let left = seconds_left(&experience, std::slice::from_ref(&group), &[]);
            assert!((left - seconds).abs() <= seconds * 0.01, "{group:?}: {left}");
        }
    }

    #[test]
    fn a_running_job_counts_with_what_is_left_of_it() {
        let experience = experience();
        let table = [
            // progress, took; left of the 50 s that are expected
            (0.0, 0, 50.0),
            (0.0, 20, 30.0),
            (0.04, 20, 30.0),
            // Its own pace: 20 s for a half.
            (0.5, 20, 20.0),
            (0.5, 500, 500.0),
            (1.0, 20, 0.0),
            // Overdue without a sign: still work.
            (0.0, 100, 10.0),
            // Odd rows.
            (7.0, 20, 0.0),
            (-1.0, 20, 30.0),
            (f64::NAN, 20, 30.0),
        ];
        for (progress, took, seconds) in table {
            let left = seconds_left(&experience, &[], &[running(progress, took)]);
            assert!((left - seconds).abs() < 0.5, "{progress} {took}: {left}");
        }
    }

    #[test]
    fn work_adds_up_and_never_overflows() {
        let experience = experience();
        let two = group(2, 20_000_000, Some(200));
        let left = seconds_left(&experience, &[two.clone(), two], &[running(0.5, 20)]);
        assert!((left - 220.0).abs() < 3.0, "{left}");
        let all = group(u64::MAX, u64::MAX, None);
        let most = Group { duration: Some(Duration::MAX), ..all };
        let longest = Running { took: Duration::MAX, ..running(0.06, 0) };
        assert!(seconds_left(&experience, &[most], &[longest]).is_finite());
    }

    #[test]
    fn a_wait_is_the_work_ahead_divided_by_the_slots() {
        assert_eq!(expected_wait(100.0, 4), Some(Duration::from_secs(25)));
        assert_eq!(expected_wait(0.0, 1), Some(Duration::ZERO));
        assert_eq!(expected_wait(100.0, 0), None);
        assert_eq!(expected_wait(f64::NAN, 1), Some(Duration::ZERO));
        assert!(expected_wait(f64::INFINITY, 1).is_some());
    }
}
