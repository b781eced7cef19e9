//! C1 to C4: signals.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reelfleet_e2e::{clips, pause, playable, wait_for};
use reelfleet_servers::group::{Action, Fault};
use rustix::process::Signal;

use crate::{
    SOON, busy, leave,
    stage::{Queue, Stage},
};

/// How long a message is hidden that nobody gave back.
const HIDDEN: Duration = Duration::from_secs(30);

/// A lease, in seconds, that no test waits for: nothing comes back by itself.
const LONG_LEASE: &str = "300";

/// A message that arrives while a worker is told to leave is done by it, or by the next at once.
fn nothing_is_hidden_by_a_worker_that_leaves(queue: Queue, rounds: u32) {
    let stage = Stage::set_with(queue, &[("DRAIN_SECONDS", "0"), ("LEASE_SECONDS", LONG_LEASE)]);
    let (clip, mut random) = (clips::short(stage.folder()), StdRng::seed_from_u64(7));
    let mut worker = stage.worker("i-0", &[]);
    let mut videos = Vec::new();
    for round in 1..=rounds {
        stage.wait_ready(&worker);
        // Its receives are under way.
        if round % 2 == 0 {
            let video = stage.submit(&clip);
            let until = Instant::now() + Duration::from_millis(random.random_range(0..300));
            while Instant::now() < until {
                pause();
            }
            videos.push(video);
        } else {
            // It has the message in its hand, and has not claimed its job yet.
            stage.group.fail(Some(Action::Protect), Fault::Slow(Duration::from_secs(2)), 1);
            videos.push(stage.submit(&clip));
            wait_for("it to have the message", SOON, || {
                let calls = stage.group.calls_of(&worker.instance, Action::Protect);
                (!calls.is_empty()).then_some(())
            });
        }
        let video = &videos[videos.len() - 1];
        assert_eq!(leave(&mut worker), Some(0));
        assert_eq!(stage.in_flight(), 0, "it took a message with it");
        worker = stage.worker(&format!("i-{round}"), &[]);
        stage.wait_ready(&worker);
        wait_for("the next worker to do it", HIDDEN / 2, || {
            (stage.video(video)["status"] == "ready").then_some(())
        });
    }
    for video in videos {
        stage.assert_whole(&video, 1.0, 1);
    }
}

/// C1.
#[test]
fn a_message_that_meets_a_leaving_worker_goes_to_the_next_at_once_on_the_database() {
    nothing_is_hidden_by_a_worker_that_leaves(Queue::Sqlite, 6);
}

/// C1 and C2: long polls of SQS are under way for each lane.
#[test]
fn a_message_that_meets_a_leaving_worker_goes_to_the_next_at_once_on_sqs() {
    nothing_is_hidden_by_a_worker_that_leaves(Queue::Sqs, 4);
}

/// C2: one in hand and nine behind it.
#[test]
fn what_waits_behind_a_job_is_nobodys_when_its_worker_leaves_and_no_try_is_charged() {
    let stage = Stage::set_with(Queue::Sqs, &[("DRAIN_SECONDS", "0")]);
    let clip = clips::long(stage.folder());
    let videos: Vec<_> = (0..10).map(|_| stage.submit(&clip)).collect();
    let mut worker = stage.worker("i-1", &[]);
    busy(&stage, &worker);
    assert_eq!(leave(&mut worker), Some(0));
    assert_eq!(stage.in_flight(), 0);
    let jobs: Vec<_> = videos.iter().map(|video| stage.job(video)).collect();
    assert!(jobs.iter().all(|job| job["attempts"] == 0), "{jobs:?}");
    assert!(jobs.iter().all(|job| job["state"] == "queued"), "{jobs:?}");
    stage.assert_no_ffmpeg();
}

/// C3 and C4: each way to end a worker in mid-job. What is published in the end is all there.
#[test]
fn no_way_to_end_a_worker_publishes_half_a_film_or_loses_one() {
    let stage = Stage::set_with(Queue::Sqlite, &[("DRAIN_SECONDS", "60")]);
    let film = stage.film(8);
    let source_s = playable::facts(&film).duration_s;
    // What it is sent, how it ends then, and what becomes of its claim.
    for (nth, (what, code, outcome)) in [
        // C3: little is left, so it is finished.
        (&[Signal::TERM][..], Some(0), "done"),
        // C4: as good as SIGTERM.
        (&[Signal::INT], Some(0), "done"),
        // C4: a second one does not wait.
        (&[Signal::TERM, Signal::TERM], Some(0), "handed_back"),
        (&[Signal::INT, Signal::TERM], Some(0), "handed_back"),
        // C4: nobody handles these, and a service manager sends the last one in the end. The lease
        // ends, and the try is charged.
        (&[Signal::QUIT], None, "worker_lost"),
        (&[Signal::TERM, Signal::KILL], None, "worker_lost"),
    ]
    .into_iter()
    .enumerate()
    {
        let video = stage.submit(&film);
        let mut worker = stage.worker(&format!("i-{nth}"), &[]);
        busy(&stage, &worker);
        for signal in what {
            worker.signal(*signal);
            // Two that come at once are one.
            wait_for("it to hear", SOON, || stage.is_leaving(&mut worker).then_some(()));
        }
        assert_eq!(worker.wait_end(SOON), code, "{what:?}");
        stage.assert_no_ffmpeg();
        let (executions, charged) = match outcome {
            "done" => (1, 1),
            "handed_back" => (2, 1),
            _ => (2, 2),
        };
        let next = (executions > 1).then(|| {
            assert_ne!(stage.video(&video)["status"], "ready", "{what:?}");
            stage.worker(&format!("i-{nth}-next"), &[])
        });
        assert_eq!(stage.assert_whole(&video, source_s, charged), executions, "{what:?}");
        assert_eq!(stage.job(&video)["attempts_history"][0]["outcome"], outcome, "{what:?}");
        drop(next);
    }
}

/// C3: a service manager that signals all processes of a service.
#[test]
fn a_signal_to_ffmpeg_as_well_publishes_no_film_that_is_too_short() {
    let stage = Stage::set_with(Queue::Sqlite, &[("DRAIN_SECONDS", "60")]);
    let film = stage.film(8);
    let source_s = playable::facts(&film).duration_s;
    let video = stage.submit(&film);
    let mut worker = stage.worker("i-1", &[]);
    busy(&stage, &worker);
    worker.signal_everything(Signal::TERM);
    assert_eq!(worker.wait_end(SOON), Some(0));
    let _next = stage.worker("i-2", &[]);
    let job = stage.job(&video);
    // That ffmpeg ended by a signal may count as a failed try: it was not the worker who sent it.
    let charged = if job["attempts"] == 0 { 1 } else { 2 };
    assert_eq!(stage.assert_whole(&video, source_s, charged), 2, "{job}");
}
