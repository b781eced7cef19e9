//! The loop of the published metric, target tracking and instances that boot for ten minutes
//! (C9 of the failure checklist), in simulated time.

use std::{collections::VecDeque, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reelfleet_scaling::{
    metric::{Published, Work},
    tracking::{Params, Tracking},
};

const TICK: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const BOOT: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Follow {
    /// `BacklogPerWorker`, 10 jobs.
    Jobs,
    /// `BacklogSecondsPerWorker`, ten minutes, with a forecast that is wrong by this factor.
    Seconds { wrong_by: f64 },
    /// What `ApproximateNumberOfMessagesVisible` would say: running jobs do not count.
    VisibleOnly,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    follow: Follow,
    max: u32,
    warm_up: u64,
    /// Whether an instance is in service only when its worker works, as with a launch hook.
    hook: bool,
    /// Jobs at the start.
    burst: usize,
    /// Jobs an hour, after the first hour.
    rate: f64,
    /// Seconds of a job, in the mean.
    job: f64,
    hours: u32,
}

struct Worker {
    works_at: Duration,
    served: bool,
    left: Option<f64>,
}

#[derive(Debug)]
struct Outcome {
    /// Desired instances, each time they changed.
    desired: Vec<(Duration, u32)>,
    /// When nothing was left, if ever.
    drained: Option<Duration>,
}

impl Outcome {
    fn peak(&self) -> u32 {
        self.desired.iter().map(|(_, desired)| *desired).max().unwrap_or(0)
    }

    /// How often growing turned into shrinking or the other way round.
    fn turns(&self) -> usize {
        let ways: Vec<_> = self.desired.windows(2).map(|pair| pair[1].1 > pair[0].1).collect();
        ways.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    fn peak_until(&self, moment: Duration) -> u32 {
        let until = self.desired.iter().filter(|(at, _)| *at <= moment);
        until.map(|(_, desired)| *desired).max().unwrap_or(0)
    }

    fn peak_from(&self, moment: Duration) -> u32 {
        let from = self.desired.iter().filter(|(at, _)| *at > moment);
        from.map(|(_, desired)| *desired).max().unwrap_or(0)
    }

    fn last(&self) -> u32 {
        self.desired.last().map_or(0, |(_, desired)| *desired)
    }
}

fn run(case: Case, seed: u64) -> Outcome {
    let mut random = StdRng::seed_from_u64(seed);
    let target = if matches!(case.follow, Follow::Seconds { .. }) { 600.0 } else { 10.0 };
    let params = Params {
        warm_up: Duration::from_secs(case.warm_up),
        ..Params::of_template(target, 1, case.max)
    };
    let mut tracking = Tracking::new(params);
    let mut workers = vec![Worker { works_at: Duration::ZERO, served: true, left: None }];
    // Skewed: between a twelfth and four times of the mean.
    let job = |random: &mut StdRng| case.job * random.random_range(-2.5..1.5f64).exp() / 1.1;
    let mut waiting: VecDeque<f64> = (0..case.burst).map(|_| job(&mut random)).collect();
    let mut outcome = Outcome { desired: vec![(Duration::ZERO, 1)], drained: None };

    let mut now = Duration::ZERO;
    while now < HOUR * case.hours {
        now += TICK;
        let chance = case.rate * TICK.as_secs_f64() / 3600.0;
        if now > HOUR && random.random_bool(chance) {
            waiting.push_back(job(&mut random));
        }
        for worker in &mut workers {
            let in_service_at = if case.hook { worker.works_at } else { Duration::ZERO };
            if !worker.served && now >= in_service_at {
                worker.served = true;
                tracking.in_service(now);
            }
            if now < worker.works_at {
                continue;
            }
            worker.left = worker.left.map(|left| left - TICK.as_secs_f64()).filter(|s| *s > 0.0);
            if worker.left.is_none() {
                worker.left = waiting.pop_front();
            }
        }
        let running: Vec<_> = workers.iter().filter_map(|worker| worker.left).collect();
        if waiting.is_empty() && running.is_empty() && outcome.drained.is_none() {
            outcome.drained = Some(now);
        }

        if now.as_secs().is_multiple_of(MINUTE.as_secs()) {
            let active = workers.iter().filter(|worker| now >= worker.works_at).count() as u32;
            let work = Work {
                waiting: waiting.len() as u64,
                running: running.len() as u64,
                workers: active,
                slots: active,
                seconds_left: waiting.iter().sum::<f64>() + running.iter().sum::<f64>(),
                ..Work::default()
            };
            let values = Published::of(&work);
            let value = match case.follow {
                Follow::Jobs => values.backlog_per_worker,
                Follow::Seconds { wrong_by } => values.backlog_seconds_per_worker * wrong_by,
                Follow::VisibleOnly => waiting.len() as f64 / f64::from(active.max(1)),
            };
            if let Some(desired) = tracking.observe(now, Some(value)) {
                outcome.desired.push((now, desired));
            }
        }
        let desired = tracking.desired() as usize;
        while workers.len() < desired {
            workers.push(Worker { works_at: now + BOOT, served: false, left: None });
        }
        // Only idle instances leave: one that holds a job is protected until it is done.
        while workers.len() > desired {
            let Some(idle) = workers.iter().rposition(|worker| worker.left.is_none()) else {
                break;
            };
            workers.remove(idle);
        }
    }
    outcome
}

fn follows() -> [Follow; 4] {
    let seconds = [0.5, 1.0, 2.0].map(|wrong_by| Follow::Seconds { wrong_by });
    [Follow::Jobs, seconds[0], seconds[1], seconds[2]]
}

/// Every setting that a deployment may have.
fn settings() -> Vec<Case> {
    let mut all = Vec::new();
    for follow in follows() {
        for (max, warm_up, hook) in
            [(3, 120, false), (3, 120, true), (3, 600, false), (20, 120, true), (20, 900, false)]
        {
            let (burst, rate, job, hours) = (0, 0.0, 60.0, 12);
            all.push(Case { follow, max, warm_up, hook, burst, rate, job, hours });
        }
    }
    all
}

/// C9: a burst of 200 jobs.
#[test]
fn a_burst_scales_out_once_and_in_once() {
    for case in settings() {
        for seed in 0..10 {
            let case = Case { burst: 200, ..case };
            let outcome = run(case, seed);
            assert_eq!(outcome.turns(), 1, "{case:?}: {outcome:?}");
            assert_eq!(outcome.last(), 1, "{case:?}: {outcome:?}");
            let drained = outcome.drained.expect("drained");
            let in_at = outcome.desired.last().expect("changed").0;
            // Fifteen values and one period; nothing still boots by then.
            assert!(in_at <= drained + BOOT + MINUTE * 32, "{case:?}: {outcome:?}");
        }
    }
}

/// C9: load that steps from nothing to a constant part of what the fleet can do, for eleven hours.
///
/// Load between two sizes of the fleet cannot be met by one of them: one is too small, so the
/// backlog grows, and the other too large, so it is worked off. The group changes between them,
/// slowly, and no further the longer it lasts.
#[test]
fn a_step_of_load_turns_the_group_seldom_and_never_builds_up() {
    let mut most = 0;
    for case in settings() {
        for workers_worth in [0.3, 1.4, 2.6] {
            for seed in 0..5 {
                let case = Case { rate: workers_worth * 3600.0 / case.job, hours: 12, ..case };
                let outcome = run(case, seed);
                most = most.max(outcome.turns());
                // The alarms alone, 15 minutes and 3, would leave room for twice as many.
                assert!(outcome.turns() <= 11 * 7 / 2, "{case:?}: {outcome:?}");
                let (early, late) = (outcome.peak_until(HOUR * 6), outcome.peak_from(HOUR * 6));
                assert!(early <= 10 && late <= early + 2, "{case:?}: {outcome:?}");
            }
        }
    }
    println!("at most {most} turns in eleven hours");
}

/// A fleet that is never enough stays at its greatest size.
#[test]
fn more_load_than_the_greatest_fleet_can_do_keeps_it_there() {
    for case in settings().into_iter().filter(|case| case.max == 3) {
        let outcome = run(Case { rate: 4.0 * 3600.0 / case.job, ..case }, 1);
        assert_eq!((outcome.turns(), outcome.last()), (0, 3), "{case:?}: {outcome:?}");
    }
}

/// What the warm-up is for: an instance that is in service long before its worker works is taken
/// for one that does not help, and still more are launched.
#[test]
fn a_warm_up_shorter_than_the_boot_overshoots_without_a_launch_hook() {
    let follow = Follow::Jobs;
    let short = Case {
        follow,
        max: 20,
        warm_up: 120,
        hook: false,
        burst: 60,
        rate: 0.0,
        job: 300.0,
        hours: 12,
    };
    let peak = |case| run(case, 1).peak();
    assert_eq!(peak(short), 20);
    // Sixty jobs at ten a worker.
    assert_eq!(peak(Case { hook: true, ..short }), 6);
    assert_eq!(peak(Case { warm_up: 900, ..short }), 6);
}

/// Long jobs: messages that are visible read zero while every worker is busy, ten jobs a worker is
/// a night's work, and seconds are what they are.
#[test]
fn seconds_of_work_keep_a_fleet_that_counted_messages_let_go() {
    let follow = Follow::VisibleOnly;
    let visible = Case {
        follow,
        max: 6,
        warm_up: 120,
        hook: true,
        burst: 20,
        rate: 0.0,
        job: 1800.0,
        hours: 36,
    };
    let drained = |follow| run(Case { follow, ..visible }, 1).drained.expect("drained");
    let seconds = drained(Follow::Seconds { wrong_by: 1.0 });
    let (jobs, visible) = (drained(Follow::Jobs), drained(Follow::VisibleOnly));
    println!("drained after {seconds:?} by seconds, {jobs:?} by jobs, {visible:?} by messages");
    assert!(seconds * 3 / 2 < jobs && jobs <= visible, "{seconds:?} {jobs:?} {visible:?}");
}
