//! The loop: metric, policy, instances, and jobs that come.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use reelfleet_e2e::{
    pause,
    stage::{Queue, Stage},
    wait_for,
};
use reelfleet_scaling::tracking::Tracking;
use reelfleet_servers::Group;
use serde_json::Value;

use crate::{
    instances::Instances,
    metric::{ENVIRONMENT, Periods, Source},
    numbers::Numbers,
    report::{Observed, Report, Sample},
};

/// So many jobs are there at once.
pub(crate) const BURST: usize = 200;

/// Every so many jobs a longer one.
const LONGER_EVERY: usize = 40;

/// While the group is about to shrink there is always a job under way; so many more come once an
/// instance was passed by because of one. Each keeps an instance, so they must come to an end.
const MORE: usize = 2;

/// Stragglers at most, on whatever machine.
const STRAGGLERS: usize = 100;

/// Periods for which the group is watched when it is back where it began.
const QUIET: u32 = 5;

/// Looks at the fleet in each period.
const SAMPLES: u32 = 4;

/// How the numbers of the template are run through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) queue: Queue,
    /// Real seconds of a period; everything else is as much quicker.
    pub(crate) period_s: u64,
    /// Whether the metric goes by way of `CloudWatch`.
    pub(crate) published: bool,
    /// Makes a short video, a longer one, and one that comes while the group shrinks.
    pub(crate) videos: fn(&Stage) -> [PathBuf; 3],
    pub(crate) at_most: Duration,
}

/// What there is when it is over.
pub(crate) struct Outcome {
    pub(crate) stage: Stage,
    pub(crate) instances: Instances,
    pub(crate) report: Report,
    /// Videos that came while the group shrank.
    pub(crate) stragglers: Vec<String>,
    pub(crate) straggler: PathBuf,
}

pub(crate) fn run(plan: &Plan) -> Outcome {
    let numbers = Numbers::read();
    let factor = numbers.period.as_secs_f64() / plan.period_s as f64;
    let real = |template: Duration| template.div_f64(factor);
    let mut stage = set(plan);
    stage.group = Group::with_hook_timeout(real(numbers.hook));
    let source = match plan.published {
        true => Source::cloudwatch(&stage, &numbers),
        false => Source::api(&numbers),
    };
    let [short, longer, straggler] = (plan.videos)(&stage);
    for nth in 1..=BURST {
        let _ = stage.submit(if nth % LONGER_EVERY == 0 { &longer } else { &short });
    }
    let drain = real(numbers.drain).as_secs().to_string();
    let mut instances = Instances::new(&stage, real(numbers.boot), &[("DRAIN_SECONDS", drain)]);
    let mut periods = Periods::of(plan.period_s);
    wait_for("a whole period", plan.at_most, || periods.ended());
    let began = Instant::now();
    let now = || began.elapsed().mul_f64(factor);
    (0..numbers.min).for_each(|_| instances.start(&stage));
    let mut tracking = Tracking::new(numbers.params());
    let mut report = Report::new(plan, numbers, factor);
    let mut stragglers = Vec::new();
    let mut looked: Option<Instant> = None;
    let (mut quiet, mut more) = (0, MORE);
    while quiet < QUIET {
        assert!(began.elapsed() < plan.at_most, "it goes on: {}", report.short(&instances));
        instances.look(&stage);
        if let Some(from) = periods.ended() {
            let queue = stage.get("/api/admin/queue");
            let value = periods.value(&source, &queue, from);
            let at = now();
            tracking.observe(at, value);
            report.observed.push(Observed { at, value, desired: tracking.desired() });
            instances.shrink(&stage, tracking.desired());
            let over = backlog(&queue) == 0
                && report.has_turned()
                && tracking.desired() == report.numbers.min
                && instances.at_rest(report.numbers.min);
            quiet = if over { quiet + 1 } else { 0 };
            // What has changed is seen at once.
            looked = None;
        }
        for _ in 0..instances.grow(&stage, tracking.desired()) {
            tracking.in_service(now());
        }
        let pause_between = Duration::from_secs(plan.period_s) / SAMPLES;
        if looked.is_none_or(|at| at.elapsed() >= pause_between) {
            looked = Some(Instant::now());
            let queue = stage.get("/api/admin/queue");
            report.samples.push(Sample::of(now(), &queue, tracking.desired(), &instances));
            // So that there is a job under way whenever one of them has to go.
            let shrinks = instances.serving.len() > report.numbers.min as usize;
            if backlog(&queue) == 0 && shrinks && more > 0 && stragglers.len() < STRAGGLERS {
                stragglers.push(stage.submit(&straggler));
                report.stragglers = stragglers.len();
                more -= usize::from(instances.tries.passed_busy > 0);
            }
        }
        pause();
    }
    report.seconds = began.elapsed().as_secs_f64().round();
    Outcome { stage, instances, report, stragglers, straggler }
}

/// An API without a worker.
fn set(plan: &Plan) -> Stage {
    let period_s = plan.period_s.to_string();
    let publishes =
        [("CLOUDWATCH_ENVIRONMENT", ENVIRONMENT), ("CLOUDWATCH_PERIOD_SECONDS", &*period_s)];
    // As it is by default: a worker on a busy machine is not taken for a dead one.
    let mut settings = vec![("LEASE_SECONDS", "30")];
    settings.extend(publishes.iter().filter(|_| plan.published));
    Stage::set_with(plan.queue, &settings)
}

fn backlog(queue: &Value) -> u64 {
    queue["backlog"]["total"].as_u64().unwrap()
}
