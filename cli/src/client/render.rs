//! Values to text. Pure, so that every shape is a line in a test.

use std::{fmt::Write, time::Duration};

use indicatif::HumanBytes;

use super::view::{Job, Queue, Video};

/// Text without control characters: titles and messages come from other
/// people, and a terminal obeys what it is sent.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and those that turn the direction of the text around them.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A sentence with its code, by which programs and support know it.
pub(super) fn reason(code: &str, sentence: &str) -> String {
    format!("{} ({})", plain(sentence), plain(code))
}

/// Columns as wide as their widest cell; the last one runs free.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let headings: Vec<String> = headings.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of things in words: `1 job`, `3 jobs`.
pub(super) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A length of time in the two units that matter.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs_f64().round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let seconds = seconds as u64;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// What to know of a sign-in link.
pub(super) fn link_rule(expires_in: u32) -> String {
    match expires_in {
        3600 => "This link signs in once, within an hour.".to_owned(),
        seconds => format!("This link signs in once, within {}.", duration(seconds.into())),
    }
}

/// `2026-11-22T17:00:00.120Z` as people read it.
pub(super) fn moment(time: &str) -> String {
    let time = plain(time).replace('T', " ");
    match time.split_once('.') {
        Some((seconds, rest)) if rest.ends_with('Z') => format!("{seconds}Z"),
        _ => time,
    }
}

fn moment_or_dash(time: Option<&str>) -> String {
    time.map_or_else(|| "-".to_owned(), moment)
}

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), plain)
}

/// A share of one in whole percent; only what is finished has all of it.
pub(super) fn percent(progress: f64) -> String {
    format!("{:.0} %", (progress.clamp(0.0, 1.0) * 100.0).floor())
}

/// One video: what became of it, and where its results are.
pub(super) fn video(video: &Video, url: impl Fn(&str) -> String) -> String {
    let mut text = format!("{}: {} ({})\n", video.name(), plain(&video.status), plain(&video.id));
    if let Some(error) = &video.error {
        let _ = writeln!(text, "  {}", error.sentence());
    }
    for file in &video.files {
        let size = HumanBytes(file.bytes).to_string();
        let _ =
            writeln!(text, "  {:<20} {size:>12}  {}", plain(&file.name), plain(&url(&file.url)));
    }
    text
}

/// Jobs, one a line.
pub(super) fn jobs(jobs: &[Job]) -> String {
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let state = if job.cancel_requested && job.state == "running" {
                "cancelling".to_owned()
            } else {
                plain(&job.state)
            };
            let progress = if job.state == "running" { percent(job.progress) } else { "-".into() };
            let error = job.error.as_ref().map_or_else(String::new, |error| error.sentence());
            vec![
                plain(&job.id),
                state,
                plain(&job.priority),
                or_dash(job.profile.as_deref()),
                progress,
                format!("{}/{}", job.attempts, job.max_attempts),
                moment_or_dash(job.created_at.as_deref()),
                error,
            ]
        })
        .collect();
    table(
        &["JOB", "STATE", "PRIORITY", "PROFILE", "PROGRESS", "ATTEMPTS", "CREATED", "LAST ERROR"],
        &rows,
    )
}

/// All that is known of one job.
pub(super) fn job(job: &Job) -> String {
    let mut text = format!("Job {}: {}\n", plain(&job.id), plain(&job.state));
    if let Some(explanation) = &job.explanation {
        let _ = writeln!(text, "{}", plain(explanation));
    }
    if job.cancel_requested && job.state == "running" {
        text.push_str("It is being cancelled.\n");
    }
    let is_running = job.state == "running";
    let waits = matches!(job.state.as_str(), "scheduled" | "queued");
    let not_known = is_running.then(|| "not known yet".to_owned());
    let discarded = job.discarded.as_ref();
    let lines = [
        ("Kind", Some(format!("{}, {} priority", plain(&job.kind), plain(&job.priority)))),
        ("Profile", job.profile.as_deref().map(plain)),
        ("Video", job.video.as_deref().map(plain)),
        ("Created", job.created_at.as_deref().map(moment)),
        ("Due", job.run_at.as_deref().filter(|_| waits).map(moment)),
        ("Started", job.started_at.as_deref().map(moment)),
        ("Finished", job.finished_at.as_deref().map(moment)),
        ("Progress", is_running.then(|| percent(job.progress))),
        ("Expected end", job.expected_end_at.as_deref().map(moment).or(not_known)),
        ("Worker", job.worker.as_deref().filter(|_| is_running).map(plain)),
        ("Lease until", job.lease_until.as_deref().filter(|_| is_running).map(moment)),
        ("Attempts", Some(format!("{} of {}", job.attempts, job.max_attempts))),
        ("Last error", job.error.as_ref().map(|error| error.sentence())),
        ("Discarded", discarded.map(|d| format!("{} by {}", moment(&d.at), plain(&d.by)))),
        ("Gave up with", discarded.and_then(|d| d.error.as_ref()).map(|error| error.sentence())),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<13} {value}");
        }
    }
    if !job.attempts_history.is_empty() {
        let rows: Vec<Vec<String>> = job
            .attempts_history
            .iter()
            .map(|attempt| {
                vec![
                    attempt.epoch.to_string(),
                    or_dash(attempt.worker.as_deref()),
                    moment_or_dash(attempt.started_at.as_deref()),
                    moment_or_dash(attempt.ended_at.as_deref()),
                    or_dash(attempt.outcome.as_deref()),
                    attempt.error.as_ref().map_or_else(String::new, |error| error.sentence()),
                ]
            })
            .collect();
        let headings = ["EPOCH", "WORKER", "STARTED", "ENDED", "OUTCOME", "ERROR"];
        let _ = write!(text, "\n{}", table(&headings, &rows));
    }
    text
}

/// What waits, who works, and how long it takes.
pub(super) fn queue(queue: &Queue) -> String {
    let rows: Vec<Vec<String>> = queue
        .lanes
        .iter()
        .map(|lane| vec![plain(&lane.lane), lane.ready.to_string(), lane.in_flight.to_string()])
        .collect();
    let mut text = match queue.broker_available {
        Some(false) => {
            "The broker does not answer: what is accepted now is sent to it later.\n".to_owned()
        }
        _ => table(&["LANE", "READY", "IN FLIGHT"], &rows),
    };
    let backlog = &queue.backlog;
    let _ = write!(text, "\nBacklog: {} waiting, {} running", backlog.waiting, backlog.running);
    if backlog.scheduled > 0 {
        let _ = write!(text, ", {} scheduled for later", backlog.scheduled);
    }
    if let Some(oldest) = backlog.oldest_waiting_s.filter(|_| backlog.waiting > 0) {
        let _ = write!(text, "; the oldest waits for {}", duration(oldest));
    }
    if let Some(mean) = backlog.mean_run_s {
        let _ = write!(text, "; a job takes {} on average", duration(mean));
    }
    let _ = write!(
        text,
        ".\nWorkers: {} active, {} draining; {} in all; {:.1} jobs of backlog per worker.\n",
        queue.workers.active,
        queue.workers.draining,
        count(queue.slots, "slot"),
        queue.backlog_per_worker,
    );
    let idle = backlog.waiting + backlog.running + backlog.scheduled == 0;
    match queue.expected_drain_s {
        _ if idle => text.push_str("Nothing is left to do.\n"),
        Some(seconds) => {
            let _ = writeln!(text, "Expected to drain in about {}.", duration(seconds));
        }
        None => text.push_str("How long it takes to drain is not known yet.\n"),
    }
    if backlog.dead > 0 {
        let dead = count(backlog.dead, "dead job");
        let _ = writeln!(text, "{dead}: look with `reelfleet dead list`.");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        assert_eq!(plain("gpj.\u{202e}exe"), "gpj.\u{fffd}exe");
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{9b}d"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let text = table(&["A", "LONG"], &[vec!["wider".into(), "x".into()], vec!["ü".into()]]);
        assert_eq!(text, "A      LONG\nwider  x\nü\n");
    }

    #[test]
    fn lengths_of_time_are_told_in_two_units() {
        for (seconds, text) in [
            (-1.0, "0 s"),
            (f64::NAN, "0 s"),
            (40.4, "40 s"),
            (59.6, "1 min 0 s"),
            (7500.0, "2 h 5 min"),
            (180_000.0, "2 d 2 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn unfinished_work_is_never_told_as_all_of_it() {
        assert_eq!([percent(0.999), percent(1.0), percent(7.0)], ["99 %", "100 %", "100 %"]);
    }

    #[test]
    fn a_failed_job_is_told_with_its_attempts() {
        let value = json!({
            "id": "j1", "kind": "transcode", "state": "dead", "priority": "normal",
            "profile": "web", "video": "v1", "attempts": 2, "max_attempts": 5, "progress": 0.4,
            "worker": null, "lease_until": null, "cancel_requested": false,
            "error": {"code": "no_video_stream", "message": "The file holds no picture."},
            "created_at": "2026-11-22T17:00:00.000Z", "started_at": null, "finished_at": null,
            "explanation": "It gave up; it can be redriven.", "expected_end_at": null,
            "attempts_history": [{"epoch": 1, "worker": "w1", "started_at":
                "2026-11-22T17:00:01.000Z", "ended_at": null, "outcome": "failed",
                "error": "no\u{1b}pe"}],
            "something_new": 1,
        });
        let text = job(&serde_json::from_value(value).unwrap());
        assert_eq!(
            text,
            "Job j1: dead\n\
             It gave up; it can be redriven.\n  \
               Kind          transcode, normal priority\n  \
               Profile       web\n  \
               Video         v1\n  \
               Created       2026-11-22 17:00:00Z\n  \
               Attempts      2 of 5\n  \
               Last error    The file holds no picture. (no_video_stream)\n\
             \n\
             EPOCH  WORKER  STARTED               ENDED  OUTCOME  ERROR\n\
             1      w1      2026-11-22 17:00:01Z  -      failed   no\u{fffd}pe\n"
        );
    }

    #[test]
    fn a_discarded_job_tells_who_discarded_it_and_its_old_reason_as_history() {
        let value = json!({
            "id": "j1", "kind": "transcode", "state": "cancelled", "priority": "normal",
            "attempts": 2, "max_attempts": 5, "error": null,
            "discarded": {"by": "ada\u{1b}", "at": "2026-11-22T17:00:00.000Z",
                "error": {"code": "no_video_stream", "message": "The file holds no picture."}},
        });
        let text = job(&serde_json::from_value(value).unwrap());
        assert_eq!(
            text,
            "Job j1: cancelled\n  \
               Kind          transcode, normal priority\n  \
               Attempts      2 of 5\n  \
               Discarded     2026-11-22 17:00:00Z by ada\u{fffd}\n  \
               Gave up with  The file holds no picture. (no_video_stream)\n"
        );
    }

    #[test]
    fn the_end_of_a_running_job_is_told_once_it_is_known() {
        for (end, told) in [
            (json!(null), "Expected end  not known yet\n"),
            (json!("2026-11-22T17:00:00.000Z"), "Expected end  2026-11-22 17:00:00Z\n"),
        ] {
            let value = json!({"id": "j1", "state": "running", "expected_end_at": end});
            let text = job(&serde_json::from_value(value).unwrap());
            assert!(text.contains(told), "{text}");
        }
        let done = job(&serde_json::from_value(json!({"id": "j1", "state": "done"})).unwrap());
        assert!(!done.contains("Expected end"), "{done}");
    }

    #[test]
    fn the_queue_is_told_in_sentences() {
        let value = json!({
            "lanes": [{"lane": "transcode-normal", "ready": 3, "in_flight": 1}],
            "backlog": {"scheduled": 0, "waiting": 3, "running": 1, "dead": 1, "total": 4,
                "oldest_waiting_s": 61.0, "mean_run_s": null},
            "workers": {"active": 1, "draining": 0}, "slots": 1, "backlog_per_worker": 4.0,
            "expected_drain_s": 120.0,
        });
        let text = queue(&serde_json::from_value(value).unwrap());
        assert_eq!(
            text,
            "LANE              READY  IN FLIGHT\n\
             transcode-normal  3      1\n\
             \n\
             Backlog: 3 waiting, 1 running; the oldest waits for 1 min 1 s.\n\
             Workers: 1 active, 0 draining; 1 slot in all; 4.0 jobs of backlog per worker.\n\
             Expected to drain in about 2 min 0 s.\n\
             1 dead job: look with `reelfleet dead list`.\n"
        );
    }
}
