//! What was seen, as the documents show it. Times are the template's, not those of the machine.

use std::{fs, path::Path, time::Duration};

use reelfleet_e2e::{commit, stage::Queue};
use serde_json::{Value, json};

use crate::{
    instances::Instances,
    numbers::Numbers,
    plot,
    run::{BURST, Plan},
};

/// What the policy was told at the end of a period, and what it then wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    pub(crate) at: Duration,
    pub(crate) value: Option<f64>,
    pub(crate) desired: u32,
}

/// The fleet at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) backlog: u64,
    pub(crate) running: u64,
    pub(crate) per_worker: f64,
    pub(crate) desired: u32,
    pub(crate) booting: usize,
    pub(crate) in_service: usize,
    pub(crate) draining: usize,
}

impl Sample {
    pub(crate) fn of(at: Duration, queue: &Value, desired: u32, instances: &Instances) -> Self {
        let jobs = |name: &str| queue["backlog"][name].as_u64().unwrap();
        Self {
            at,
            backlog: jobs("total"),
            running: jobs("running"),
            per_worker: queue["backlog_per_worker"].as_f64().unwrap(),
            desired,
            booting: instances.booting(),
            in_service: instances.serving.len(),
            draining: instances.leaving.len(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Report {
    queue: Queue,
    published: bool,
    /// How much quicker than the template's its times went by.
    pub(crate) factor: f64,
    pub(crate) numbers: Numbers,
    pub(crate) samples: Vec<Sample>,
    pub(crate) observed: Vec<Observed>,
    pub(crate) stragglers: usize,
    /// Real ones.
    pub(crate) seconds: f64,
}

impl Report {
    /// An empty one, by numbers that are near the template's.
    pub(crate) fn of_model() -> Self {
        let second = Duration::from_secs(1);
        let numbers = Numbers {
            metric: String::new(),
            statistic: String::new(),
            target: 10.0,
            min: 1,
            max: 3,
            period: 60 * second,
            warm_up: 120 * second,
            drain: 900 * second,
            hook: 1020 * second,
            boot: 50 * second,
        };
        let (queue, samples, observed) = (Queue::Sqlite, Vec::new(), Vec::new());
        let (published, factor, stragglers, seconds) = (false, 60.0, 0, 0.0);
        Self { queue, published, factor, numbers, samples, observed, stragglers, seconds }
    }

    pub(crate) fn new(plan: &Plan, numbers: Numbers, factor: f64) -> Self {
        let Plan { queue, published, .. } = *plan;
        let (samples, observed) = (Vec::new(), Vec::new());
        Self { queue, published, factor, numbers, samples, observed, stragglers: 0, seconds: 0.0 }
    }

    /// Whether the group has been larger than its minimum.
    pub(crate) fn has_turned(&self) -> bool {
        self.observed.iter().any(|seen| seen.desired > self.numbers.min)
    }

    /// When the policy wanted another number, from how many and to how many.
    pub(crate) fn changes(&self) -> Vec<(usize, u32, u32)> {
        let mut before = self.numbers.min;
        let each = self.observed.iter().enumerate();
        each.filter_map(|(nth, seen)| {
            let from = std::mem::replace(&mut before, seen.desired);
            (from != seen.desired).then_some((nth, from, seen.desired))
        })
        .collect()
    }

    /// Why the policy changes from one number to another.
    pub(crate) fn why(&self, from: u32, to: u32) -> String {
        let (target, params) = (self.numbers.target, self.numbers.params());
        let (values, bound) = match to > from {
            true => (params.out_after, format!("above {target}")),
            false => (params.in_after, format!("below {}", target * params.in_below)),
        };
        format!("{from} to {to}: {values} values {bound}")
    }

    pub(crate) fn json(&self, instances: &Instances) -> Value {
        let (n, params) = (&self.numbers, self.numbers.params());
        let seconds = |duration: Duration| (duration.as_secs_f64() * 10.0).round() / 10.0;
        let missing = self.observed.iter().filter(|seen| seen.value.is_none()).count();
        let changes = self.changes();
        let at = |nth: usize| seconds(self.observed[nth].at);
        json!({
            "commit": commit(),
            "queue": format!("{:?}", self.queue).to_lowercase(),
            "metric_read_from": if self.published { "CloudWatch of an emulator" } else { "API" },
            "times_faster": self.factor,
            "real_seconds": self.seconds,
            "numbers": {
                "metric": n.metric, "target": n.target, "min": n.min, "max": n.max,
                "period_s": n.period.as_secs(), "warm_up_s": n.warm_up.as_secs(),
                "boot_s": n.boot.as_secs(), "drain_s": n.drain.as_secs(),
                "hook_timeout_s": n.hook.as_secs(), "values_to_grow": params.out_after,
                "values_to_shrink": params.in_after, "shrinks_below": params.in_below * n.target,
            },
            "counts": {
                "jobs_at_once": BURST,
                "jobs_while_it_shrank": self.stragglers,
                "periods": self.observed.len(),
                "periods_without_a_value": missing,
                "instances_launched": instances.launched,
                "instances_ended_by_the_group": instances.ended.len(),
                "most_instances_at_a_time": instances.most,
                "tries_to_end_one": instances.tries.made,
                "tries_that_passed_a_protected_one_by": instances.tries.passed_protected,
                "of_those_with_a_job": instances.tries.passed_busy,
            },
            "changes": changes.iter().map(|(nth, from, to)| json!({"at_s": at(*nth), "from": from, "to": to})).collect::<Vec<_>>(),
            "series": {
                "columns": ["seconds", "backlog", "backlog_per_worker", "desired", "booting", "in_service", "draining", "jobs_running"],
                "rows": self.samples.iter().map(|s| json!([
                    seconds(s.at), s.backlog, (s.per_worker * 100.0).round() / 100.0, s.desired,
                    s.booting, s.in_service, s.draining, s.running,
                ])).collect::<Vec<_>>(),
            },
        })
    }

    /// Without the series.
    pub(crate) fn short(&self, instances: &Instances) -> String {
        let mut whole = self.json(instances);
        whole["series"].take();
        format!("{whole:#}")
    }

    /// Writes the files that the documents tell of.
    pub(crate) fn write(&self, instances: &Instances) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../capacity-planning/results");
        fs::write(folder.join("closed-loop.json"), rows_in_lines(self.json(instances))).unwrap();
        fs::write(folder.join("closed-loop.svg"), plot::draw(self)).unwrap();
    }
}

/// As `serde_json` writes it, but a row of the series in one line.
fn rows_in_lines(mut whole: Value) -> String {
    let rows = whole["series"]["rows"].take();
    let rows: Vec<_> = rows.as_array().unwrap().iter().map(|row| format!("      {row}")).collect();
    let text = serde_json::to_string_pretty(&whole).unwrap();
    text.replace("\"rows\": null", &format!("\"rows\": [\n{}\n    ]", rows.join(",\n"))) + "\n"
}
