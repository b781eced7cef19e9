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
const OWN_PACE: f64 = 0.05;

/// A job that takes longer than expected is expected to take this much of its time on top: one
/// that is overdue is still work.
const OVERDUE: f64 = 0.1;

/// Seconds that one slot would need for all of these jobs, one after another.
#[must_use]
pub fn seconds_left(experience: &Experience, waiting: &[Group], running: &[Running<'_>]) -> f64 {
    let waiting: f64 = waiting.iter().map(|group| seconds_of_group(experience, group)).sum();
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

fn seconds_of_group(experience: &Experience, group: &Group) -> f64 {
    let Some(bytes) = group.bytes.checked_div(group.jobs) else {
        return 0.0;
    };
    let duration = group.duration.map(|sum| sum.div_f64(group.jobs as f64));
    let one = Task { profile: &group.profile, bytes, duration };
    experience.expected(&one).as_secs_f64() * group.jobs as f64
}
