use std::time::Duration;

use reelfleet_db::Job;
use reelfleet_job::State;
use reelfleet_metric::Expected;
use reelfleet_runtime::Timestamp;

/// What an explanation is made from, besides the job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// Jobs that are taken before it.
    pub(super) ahead: u64,
    /// Whether any worker takes jobs.
    pub(super) workers: bool,
    /// When its turn comes, as far as finished jobs tell.
    pub(super) expected: Option<Expected>,
    /// When it should be done, if it runs.
    pub(super) end: Option<Timestamp>,
}

/// Why a job is where it is, and when it should be finished.
pub(super) fn explain(job: &Job, known: Known, now: Timestamp) -> (String, Option<Timestamp>) {
    match job.state {
        State::Scheduled => {
            let wait = span(job.run_at.since(now).as_secs_f64());
            let end = known.expected.map(|expected| expected.ends);
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
        State::Running => runs(job, known, now),
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
    if !known.workers {
        return (format!("{behind}; no worker is there yet."), None);
    }
    let Some(expected) = known.expected else {
        return (format!("{behind}; no job has finished yet that would tell how long."), None);
    };
    let start_s = expected.starts.since(now).as_secs_f64();
    (format!("{behind}; expected to start in about {}.", span(start_s)), Some(expected.ends))
}

fn runs(job: &Job, known: Known, now: Timestamp) -> (String, Option<Timestamp>) {
    let asked = if job.cancel_requested { " It has been asked to stop." } else { "" };
    let percent = (job.progress.clamp(0.0, 1.0) * 100.0).round();
    let Some(begun) = job.started_at else {
        return (format!("Runs, {percent} % done.{asked}"), None);
    };
    let Some(end) = known.end else {
        let so_far = now.since(begun).as_secs_f64();
        return (format!("Runs since {}, {percent} % done.{asked}", span(so_far)), None);
    };
    let left = end.since(now).as_secs_f64();
    (format!("Runs, {percent} % done; about {} left.{asked}", span(left)), Some(end))
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
        let starts = |s: i64| Some(Expected { starts: at(10 + s), ends: at(20 + s) });
        let known = |ahead, expected| Known { ahead, workers: true, expected, end: None };
        for (known, text, end) in [
            (
                known(3, starts(40)),
                "Waits behind 3 jobs; expected to start in about 40 s.",
                Some(at(60)),
            ),
            (
                known(1, starts(0)),
                "Waits behind 1 job; expected to start in about 0 s.",
                Some(at(20)),
            ),
            (known(0, starts(600)), "Is next; expected to start in about 10 min.", Some(at(620))),
            (Known::default(), "Is next; no worker is there yet.", None),
            (
                known(2, None),
                "Waits behind 2 jobs; no job has finished yet that would tell how long.",
                None,
            ),
        ] {
            assert_eq!(explain(&waiting, known, at(10)), (text.to_owned(), end));
        }
    }

    #[test]
    fn a_running_job_tells_its_end_where_anything_tells_it() {
        let mut running = job(State::Running);
        for progress in [0.0, 0.25, f64::NAN] {
            running.progress = progress;
            let (text, end) = explain(&running, Known::default(), at(10));
            assert_eq!(end, None, "{progress}");
            assert!(text.starts_with("Runs since") && !text.contains("left"), "{text}");
        }
        running.progress = 0.25;
        running.cancel_requested = true;
        let known = Known { end: Some(at(40)), ..Known::default() };
        let (text, end) = explain(&running, known, at(10));
        assert_eq!(text, "Runs, 25 % done; about 30 s left. It has been asked to stop.");
        assert_eq!(end, Some(at(40)));
        // It should be done by now, and is not.
        assert!(explain(&running, known, at(90)).0.contains("about 0 s left"));
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
