//! A batch of videos whose workers are told to leave at random moments, in every way.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reelfleet_e2e::{Early, pause, playable};
use reelfleet_servers::group::{Action, Ended};
use rustix::process::Signal;

use crate::{report::Report, stage::Stage, worker::Worker};

pub(crate) const SEED: u64 = 20261123;

/// Most of the time they leave, and wait for that.
const WORKERS: usize = 3;

/// Videos that are to be waiting or under way at any moment.
const BACKLOG: usize = 6;

/// Between the moment in which a worker is there and the one in which it is told to leave.
const LONGEST_MS: u64 = 2000;

/// The longest drain, in seconds. So some jobs are finished and some handed back.
const LONGEST_DRAIN: u64 = 2;

/// For a worker to end after it was told to: its drain, and a hook that is asked twice.
const END: Duration = Duration::from_secs(60);

/// How a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Signal,
    Group,
    GroupThenSignal,
    SignalThenGroup,
}

impl Way {
    fn at_random(random: &mut StdRng) -> Self {
        match random.random_range(0..10) {
            0..4 => Self::Signal,
            4 => Self::Group,
            5..8 => Self::GroupThenSignal,
            _ => Self::SignalThenGroup,
        }
    }

    fn is_signal(self) -> bool {
        self != Self::Group
    }

    fn is_group(self) -> bool {
        self != Self::Signal
    }
}

/// One place of the group: an instance after the other, each with a worker.
struct Slot {
    worker: Worker,
    strike_at: Instant,
    told: Option<(Way, Instant)>,
}

pub(crate) fn run(stage: &mut Stage, seed: u64, signals: u64) -> Report {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let clip = stage.film(4);
    let source_s = playable::facts(&clip).duration_s;
    let mut report = Report::new(stage.queue, seed);
    let early = Early::watch(stage);
    let mut instances = 0;
    let mut start = |stage: &Stage, instance: Option<&str>, random: &mut StdRng| {
        let instance = instance.map(ToOwned::to_owned).unwrap_or_else(|| {
            instances += 1;
            format!("i-{instances}")
        });
        let drain = random.random_range(0..=LONGEST_DRAIN).to_string();
        let worker = stage.worker(&instance, &[("DRAIN_SECONDS", &drain)]);
        early.started(&worker);
        let after = Duration::from_millis(random.random_range(0..LONGEST_MS));
        Slot { worker, strike_at: Instant::now() + after, told: None }
    };
    let mut slots: Vec<_> = (0..WORKERS).map(|_| start(stage, None, &mut random)).collect();
    let mut videos = Vec::new();
    let mut ready = 0;
    while report.signals < signals || slots.iter().any(|slot| slot.told.is_some()) {
        ready = ready_of(stage, &videos, ready);
        if videos.len() - ready < BACKLOG {
            videos.push(stage.submit(&clip));
        }
        for slot in &mut slots {
            match slot.told {
                None if Instant::now() >= slot.strike_at && report.signals < signals => {
                    let way = Way::at_random(&mut random);
                    strike(stage, &slot.worker, way);
                    slot.told = Some((way, Instant::now()));
                    report.signals += u64::from(way.is_signal());
                    report.terminated += u64::from(way.is_group());
                }
                Some((way, at)) => {
                    let Some(code) = slot.worker.ended() else {
                        assert!(at.elapsed() < END, "{way:?}: {} stays", slot.worker.instance);
                        continue;
                    };
                    report.left(code, at.elapsed());
                    let instance = slot.worker.instance.clone();
                    // As its service manager does, which leaves it alone after 10. One that was
                    // told before it could hear (no code), or had left before the group decided,
                    // is there again, and then finds the end.
                    let again = match (way, code) {
                        (Way::Signal, Some(0) | None) => Some(&*instance),
                        (Way::Group | Way::GroupThenSignal | Way::SignalThenGroup, Some(10)) => {
                            None
                        }
                        (Way::SignalThenGroup, Some(0))
                        | (Way::GroupThenSignal, None)
                        | (Way::SignalThenGroup, None) => {
                            report.came_back += 1;
                            Some(&*instance)
                        }
                        other => panic!("{instance}: {other:?}"),
                    };
                    let told = (again.is_some() && way.is_group()).then(|| (way, Instant::now()));
                    *slot = start(stage, again, &mut random);
                    slot.told = told;
                }
                None => assert_eq!(slot.worker.ended(), None, "nobody told it to"),
            }
        }
        pause();
    }
    for video in &videos {
        let executions = stage.assert_whole(video, source_s, 1);
        report.handed_back += executions as u64 - 1;
    }
    report.videos = videos.len() as u64;
    report.early = early.found();
    for instance in 1..=instances {
        judge(stage, &format!("i-{instance}"), &mut report);
    }
    drop(slots);
    stage.assert_no_ffmpeg();
    report.seconds = began.elapsed().as_secs_f64().round();
    println!("{:#}", report.json());
    report
}

/// How many of the first videos are ready: they end in about the order in which they came.
fn ready_of(stage: &Stage, videos: &[String], mut ready: usize) -> usize {
    while videos.get(ready).is_some_and(|id| stage.video(id)["status"] == "ready") {
        ready += 1;
    }
    ready
}

fn strike(stage: &Stage, worker: &Worker, way: Way) {
    match way {
        Way::Signal => worker.signal(Signal::TERM),
        Way::Group => stage.group.terminate(&worker.instance),
        Way::GroupThenSignal => {
            stage.group.terminate(&worker.instance);
            worker.signal(Signal::TERM);
        }
        Way::SignalThenGroup => {
            worker.signal(Signal::TERM);
            stage.group.terminate(&worker.instance);
        }
    }
}

/// A wait was completed once, and nobody completed what did not wait.
fn judge(stage: &Stage, instance: &str, report: &mut Report) {
    let completed = stage.group.calls_of(instance, Action::Complete);
    let done = completed.iter().filter(|call| call.done).count();
    match stage.group.lifecycle(instance).map(|wait| wait.ended) {
        Some(Some((_, Ended::Completed(result)))) if result == "CONTINUE" && done == 1 => {
            report.completed += 1;
        }
        None if completed.is_empty() => {}
        other => report.wrong.push(format!("{instance}: {other:?}, {done} completions")),
    }
}
