//! What was published to `CloudWatch`, read back by its own client.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, DimensionFilter, Statistic},
};
use reelfleet_e2e::wait_for;
use reelfleet_servers::Ministack;
use tokio::runtime::Runtime;

use crate::PATIENCE;

/// Every metric that the fleet has (docs/METRICS.md).
const NAMES: [&str; 8] = [
    "BacklogPerWorker",
    "BacklogSecondsPerWorker",
    "JobsDead",
    "JobsFailing",
    "JobsRunning",
    "JobsWaiting",
    "OldestWaitingSeconds",
    "WorkersActive",
];

const PERIOD: i64 = 10;

/// The metrics of one environment.
pub(crate) struct Metrics {
    runtime: Runtime,
    client: Client,
    environment: &'static str,
}

/// The values of one period.
#[derive(Debug)]
pub(crate) struct Values {
    /// When it began, seconds since 1970.
    pub(crate) at: i64,
    values: BTreeMap<&'static str, f64>,
}

impl Values {
    pub(crate) fn value(&self, name: &str) -> f64 {
        *self.values.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn assert_are(&self, wanted: &[(&str, f64)]) {
        for (name, value) in wanted {
            assert!((self.value(name) - value).abs() < 1e-6, "{name} is not {value}: {self:?}");
        }
    }
}

impl Metrics {
    pub(crate) fn of(aws: &Ministack, environment: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(&runtime.block_on(aws.aws().load()));
        Self { runtime, client, environment }
    }

    /// By period: how many values of a metric there are, and their mean.
    fn published(&self, name: &str) -> BTreeMap<i64, (f64, f64)> {
        let (now, hour) = (now(), Duration::from_secs(3600));
        let asked = self
            .client
            .get_metric_statistics()
            .namespace("Reelfleet")
            .metric_name(name)
            .dimensions(Dimension::builder().name("Environment").value(self.environment).build())
            .start_time(DateTime::from(now - hour))
            .end_time(DateTime::from(now + hour))
            .period(1)
            .statistics(Statistic::SampleCount)
            .statistics(Statistic::Average);
        let answer = self.runtime.block_on(asked.send()).unwrap();
        let points = answer.datapoints().iter().map(|point| {
            let at = point.timestamp().unwrap().secs();
            (at, (point.sample_count().unwrap(), point.average().unwrap()))
        });
        points.collect()
    }

    /// The values of the first period that begins from now on.
    pub(crate) fn next(&self) -> Values {
        let from = DateTime::from(now()).secs();
        wait_for("the metrics of a period", PATIENCE, || {
            let first = |name| {
                let published = self.published(name);
                let (at, (_, value)) = published.into_iter().find(|(at, _)| *at > from)?;
                Some((at, name, value))
            };
            let all: Option<Vec<_>> = NAMES.into_iter().map(first).collect();
            let all = all?;
            let at = all[0].0;
            // Asked for one by one, they may be of two periods. They stay, so the next look sees.
            let values = all.iter().filter(|(of, ..)| *of == at);
            let values: BTreeMap<_, _> = values.map(|(_, name, value)| (*name, *value)).collect();
            (values.len() == NAMES.len()).then_some(Values { at, values })
        })
    }

    /// In every period there is one value of each, the backlog is divided as documented, and
    /// nothing else is published.
    pub(crate) fn assert_sound(&self) {
        let filter = DimensionFilter::builder().name("Environment").value(self.environment).build();
        let asked = self.client.list_metrics().namespace("Reelfleet").dimensions(filter);
        let listed = self.runtime.block_on(asked.send()).unwrap();
        let names: BTreeSet<_> =
            listed.metrics().iter().map(|metric| metric.metric_name().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(NAMES));

        let until = *self.published(NAMES[0]).last_key_value().unwrap().0;
        let mut periods: BTreeMap<i64, BTreeMap<&str, f64>> = BTreeMap::new();
        for name in NAMES {
            for (at, (count, value)) in self.published(name).range(..until) {
                assert!((count - 1.0).abs() < f64::EPSILON, "{count} values of {name} at {at}");
                assert_eq!(at % PERIOD, 0, "{name}");
                periods.entry(*at).or_default().insert(name, *value);
            }
        }
        assert!(periods.len() >= 3, "{periods:?}");
        for values in periods.values() {
            assert_eq!(values.len(), NAMES.len(), "{periods:?}");
            let backlog = values["JobsWaiting"] + values["JobsRunning"];
            let of_each = backlog / values["WorkersActive"].max(1.0);
            assert!((values["BacklogPerWorker"] - of_each).abs() < 1e-9, "{values:?}");
        }
    }
}

fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "CloudWatch is asked for a span of time")]
    SystemTime::now()
}
