use std::time::Duration;

use reelfleet_db::Job;
use reelfleet_job::State;
use reelfleet_runtime::Timestamp;

/// A progress below this says nothing about the rest yet.
const TELLING: f64 = 0.02;
/// Nor does one that was reached sooner: the start of a job is not like the rest of it.
const TELLING_AFTER_S: f64 = 5.0;

/// What an explanation is made from, besides the job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// Jobs that are taken before it.
    pub(super) ahead: u64,
    /// Jobs that are running.
    pub(super) running: u64,
    /// Jobs that all workers take at a time.
    pub(super) slots: u64,
    /// Mean time from claim to close, seconds.
    pub(super) mean_run_s: Option<f64>,
}

/// Why a job is where it is, and when it should be finished.
pub(super) fn explain(job: &Job, known: Known, now: Timestamp) -> (String, Option<Timestamp>) {
    match job.state {
        State::Scheduled => {
            let wait = span(job.run_at.since(now).as_secs_f64());
            let end = known.mean_run_s.map(|run| job.run_at.max(now).plus(seconds(run)));
            let text = match &job.error {
                Some(error) => format!(
                    "Try {} of {} failed: {} It is tried again in about {wait}.",
                    job.attempts, job.max_attempts, error.message
                ),
                None => format!("Is due in about {wait}."),
            };
            (text, end)
        }
        State::Queued => waits(known, now),
        State::Running => runs(job, now),
        State::Done => (format!("Finished{}.", took(job)), None),
        State::Dead => (format!("Gave up {}", gave_up(job)), None),
        State::Cancelled => match &job.discarded {
            Some(discarded) => {
                let (at, why) = (discarded.at, gave_up(job));
                (format!("Was discarded by an operator at {at}; it had given up {why}"), None)
            }
            None => ("Was cancelled.".to_owned(), None),
        },
    }
}

fn waits(known: Known, now: Timestamp) -> (String, Option<Timestamp>) {
    let behind = match known.ahead {
        0 => "Is next".to_owned(),
        1 => "Waits behind 1 job".to_owned(),
        ahead => format!("Waits behind {ahead} jobs"),
    };
    if known.slots == 0 {
        return (format!("{behind}; no worker is there yet."), None);
    }
    let Some(run_s) = known.mean_run_s else {
        return (format!("{behind}; no job has finished yet that would tell how long."), None);
    };
    let start_s = starts_in_s(known, run_s);
    let text = format!("{behind}; expected to start in about {}.", span(start_s));
    (text, Some(now.plus(seconds(start_s + run_s))))
}

/// Free places are taken first; then one place becomes free each `run / slots` seconds.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn starts_in_s(known: Known, run_s: f64) -> f64 {
    let free = known.slots.saturating_sub(known.running);
    let to_wait_for = (known.ahead + 1).saturating_sub(free);
    to_wait_for as f64 * run_s / known.slots as f64
}

fn runs(job: &Job, now: Timestamp) -> (String, Option<Timestamp>) {
    let asked = if job.cancel_requested { " It has been asked to stop." } else { "" };
    let percent = (job.progress.clamp(0.0, 1.0) * 100.0).round();
    let Some(begun) = job.started_at else {
        return (format!("Runs, {percent} % done.{asked}"), None);
    };
    let so_far = now.since(begun).as_secs_f64();
    // Not the mean of other jobs: this one may be a hundred times as long.
    let tells = job.progress >= TELLING && so_far >= TELLING_AFTER_S;
    if !tells {
        return (format!("Runs since {}, {percent} % done.{asked}", span(so_far)), None);
    }
    let left = so_far / job.progress * (1.0 - job.progress).max(0.0);
    let text = format!("Runs, {percent} % done; about {} left.{asked}", span(left));
    (text, Some(now.plus(seconds(left))))
}

fn gave_up(job: &Job) -> String {
    let why = job.error.as_ref().map_or("for an unknown reason.", |error| &error.message);
    format!("after {}: {why}", times(job.attempts))
}

fn took(job: &Job) -> String {
    match (job.started_at, job.finished_at) {
        (Some(begun), Some(ended)) => format!(" in {}", span(ended.since(begun).as_secs_f64())),
        _ => String::new(),
    }
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "1 try".to_owned() } else { format!("{attempts} tries") }
}

/// Seconds as a duration; what is no time at all is none.
pub(super) fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or_default()
}

/// A length of time as people say it.
fn span(s: f64) -> String {
    let s = seconds(s).as_secs();
    match s {
        0..120 => format!("{s} s"),
        120..7200 => format!("{} min", s / 60),
        _ => format!("{} h", s / 3600),
    }
}

#[cfg(test)]
mod tests {
    use reelfleet_db::Discarded;
    use reelfleet_job::{JobId, Payload, Priority, Reason, UserId, VideoId};

    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn job(state: State) -> Job {
        Job {
            id: JobId::generate(),
            payload: Payload::Transcode { video: VideoId::generate(), profile: "web".to_owned() },
            priority: Priority::Normal,
            state,
            owner: UserId::generate(),
            run_at: at(0),
            attempts: 1,
            max_attempts: 5,
            epoch: 1,
            lease_until: None,
            worker: None,
            cancel_requested: false,
            progress: 0.0,
            error: None,
            created_at: at(0),
            started_at: Some(at(0)),
            finished_at: None,
            discarded: None,
        }
    }

    fn said(job: &Job, known: Known) -> String {
        explain(job, known, at(10)).0
    }

    #[test]
    fn a_waiting_job_says_behind_what_and_for_how_long() {
        let waiting = job(State::Queued);
        for (known, text) in [
            (
                Known { ahead: 3, running: 4, slots: 4, mean_run_s: Some(40.0) },
                "Waits behind 3 jobs; expected to start in about 40 s.",
            ),
            (
                Known { ahead: 1, running: 0, slots: 4, mean_run_s: Some(40.0) },
                "Waits behind 1 job; expected to start in about 0 s.",
            ),
            (
                Known { ahead: 0, running: 1, slots: 1, mean_run_s: Some(600.0) },
                "Is next; expected to start in about 10 min.",
            ),
            (Known { ahead: 0, slots: 0, ..Known::default() }, "Is next; no worker is there yet."),
            (
                Known { ahead: 2, slots: 1, ..Known::default() },
                "Waits behind 2 jobs; no job has finished yet that would tell how long.",
            ),
        ] {
            assert_eq!(said(&waiting, known), text);
        }
    }

    #[test]
    fn a_running_job_tells_its_end_once_its_own_progress_says_something() {
        let mut running = job(State::Running);
        let known = Known { mean_run_s: Some(30.0), ..Known::default() };
        for (progress, s) in [(0.0, 10), (0.019, 600), (0.25, 4), (f64::NAN, 10)] {
            running.progress = progress;
            let (text, end) = explain(&running, known, at(s));
            assert_eq!(end, None, "{progress} after {s} s");
            assert!(text.starts_with("Runs since") && !text.contains("left"), "{text}");
        }
        running.progress = 0.25;
        running.cancel_requested = true;
        let (text, end) = explain(&running, known, at(10));
        assert_eq!(text, "Runs, 25 % done; about 30 s left. It has been asked to stop.");
        assert_eq!(end, Some(at(40)));
    }

    #[test]
    fn numbers_that_make_no_sense_make_no_panic() {
        for mean in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
            for (state, progress) in
                [(State::Queued, 0.0), (State::Running, f64::NAN), (State::Running, 0.0)]
            {
                let mut job = job(state);
                job.progress = progress;
                let known =
                    Known { ahead: u64::MAX - 1, running: 0, slots: 1, mean_run_s: Some(mean) };
                let _ = explain(&job, known, at(10));
            }
        }
    }

    #[test]
    fn a_closed_or_failed_job_says_why() {
        let mut dead = job(State::Dead);
        dead.error = Some(Reason::new("no_video", "There is no picture in it."));
        assert_eq!(
            said(&dead, Known::default()),
            "Gave up after 1 try: There is no picture in it."
        );
        let mut again = job(State::Scheduled);
        again.run_at = at(40);
        again.error = Some(Reason::new("disk_full", "The disk was full."));
        assert_eq!(
            said(&again, Known::default()),
            "Try 1 of 5 failed: The disk was full. It is tried again in about 30 s."
        );
        let mut done = job(State::Done);
        done.finished_at = Some(at(90));
        assert_eq!(said(&done, Known::default()), "Finished in 90 s.");
        assert_eq!(said(&job(State::Cancelled), Known::default()), "Was cancelled.");
    }

    #[test]
    fn a_discarded_job_says_so_and_why_it_had_given_up() {
        let mut discarded = job(State::Cancelled);
        discarded.error = Some(Reason::new("no_video", "There is no picture in it."));
        discarded.discarded = Some(Discarded { by: "ada".to_owned(), at: at(90) });
        assert_eq!(
            said(&discarded, Known::default()),
            "Was discarded by an operator at 1970-01-01T00:01:30.000Z; \
             it had given up after 1 try: There is no picture in it."
        );
    }
}
