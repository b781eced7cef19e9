//! When a job should be done, from the work of the whole fleet.

use std::time::Duration;

use reelfleet_db::{Video, WaitingJobs};
use reelfleet_job::Priority;
use reelfleet_runtime::Timestamp;
use reelfleet_scaling::{
    experience::Task,
    forecast::{self, OWN_PACE, Running},
};

use crate::{
    Observed,
    observe::{alike, running},
};

/// A job that waits, as far as it matters for how long.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'a> {
    /// How urgent.
    pub priority: Priority,
    /// What it is.
    pub task: Task<'a>,
    /// When it is or was due.
    pub due: Timestamp,
}

/// What a video's job is.
#[must_use]
pub fn task_of(video: &Video) -> Task<'_> {
    Task { profile: &video.profile, bytes: video.source_bytes, duration: video.source_duration }
}

/// When a waiting job's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// When a worker should begin with it.
    pub starts: Timestamp,
    /// When it should be done.
    pub ends: Timestamp,
}

impl Observed {
    /// When a waiting job should be done. None without workers, or where nothing has finished yet
    /// that would tell how long.
    #[must_use]
    pub fn expected(&self, job: &Waits<'_>) -> Option<Expected> {
        if self.work.slots == 0 || !self.experience.knows_anything() {
            return None;
        }
        let own = self.experience.expected(&job.task);
        let ahead = self.seconds_ahead(job, own.as_secs_f64());
        let rests = running(&self.work).map(|job| self.rest(&job)).collect();
        let wait = free_after(rests, self.work.slots, ahead);
        let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
        let starts = self.work.at.plus(wait).max(job.due);
        Some(Expected { starts, ends: starts.plus(own) })
    }

    /// When a running job should be done. None where neither its own pace nor a finished job tells.
    #[must_use]
    pub fn expected_end(
        &self,
        task: Task<'_>,
        progress: f64,
        began: Timestamp,
    ) -> Option<Timestamp> {
        let told = progress >= OWN_PACE || self.experience.knows_anything();
        let running = Running { task, progress, took: self.work.at.since(began) };
        let rest = forecast::rest(&self.experience, &running);
        told.then(|| self.work.at.plus(rest))
    }

    fn rest(&self, job: &Running<'_>) -> f64 {
        forecast::rest(&self.experience, job).as_secs_f64()
    }

    /// Seconds of work that is taken before this job: what stands before it in its lane, and what
    /// the other lanes get meanwhile.
    fn seconds_ahead(&self, job: &Waits<'_>, own: f64) -> f64 {
        let mut ahead = 0.0;
        let mut others = [0.0; Priority::ALL.len()];
        for group in &self.work.waiting {
            let seconds = forecast::seconds_of(&self.experience, &alike(group));
            if group.priority == job.priority {
                ahead += seconds * part_before(group, job.due);
            } else {
                for (sum, priority) in others.iter_mut().zip(Priority::ALL) {
                    *sum += if group.priority == priority { seconds } else { 0.0 };
                }
            }
        }
        let meanwhile = (ahead + own) / share(job.priority);
        let others = others.iter().zip(Priority::ALL);
        let others: f64 = others.map(|(sum, of)| sum.min(meanwhile * share(of))).sum();
        ahead + others
    }
}

/// How many of ten receives look at a lane first, see `lane_order` in `reelfleet_queue`.
fn share(priority: Priority) -> f64 {
    match priority {
        Priority::High => 6.0,
        Priority::Normal => 3.0,
        Priority::Low => 1.0,
    }
}

/// Which part of a group is due before this moment, the job itself left out.
fn part_before(group: &WaitingJobs, due: Timestamp) -> f64 {
    if group.last < due {
        return 1.0;
    }
    let (since, span) = (due.since(group.first), group.last.since(group.first));
    let others = (group.jobs.max(1) - 1) as f64 / group.jobs.max(1) as f64;
    if span.is_zero() {
        // All at once: in the middle of them, unless all of them come later.
        return if group.first > due { 0.0 } else { others / 2.0 };
    }
    others * (since.as_secs_f64() / span.as_secs_f64())
}

/// When the first of so many slots is free for a job before which so many seconds of work are
/// taken, by whichever slot is free first.
fn free_after(mut rests: Vec<f64>, slots: u32, ahead: f64) -> f64 {
    let slots = slots as usize;
    // A worker that leaves holds jobs, too, and nobody can say which: the longest stay.
    rests.sort_by(|one, other| other.total_cmp(one));
    rests.resize(slots, 0.0);
    rests.reverse();
    // The slots that are free first take work until the next one is free, too.
    let (mut sum, mut level) = (0.0, 0.0);
    for (nth, rest) in rests.iter().enumerate() {
        if nth > 0 && rest * nth as f64 - sum >= ahead {
            break;
        }
        sum += rest;
        level = (sum + ahead) / (nth + 1) as f64;
    }
    level
}

#[cfg(test)]
mod tests;
